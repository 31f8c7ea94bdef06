"""Weights are found exactly, or proved not to exist."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc.passes.logic.evaluate import evaluate
from ddc.passes.logic.expr import Var
from ddc.passes.logic.minimise import Search
from ddc.passes.logic.table import Axis, Problem
from ddc.passes.logic.threshold import separating_weights, thresholds


def problem(levels: list[tuple[int, ...]], values: np.ndarray) -> Problem:
    axes = tuple(Axis(Var(i), tuple((v,) for v in known)) for i, known in enumerate(levels))
    return Problem(axes, values.astype(np.int64), np.ones(values.shape, dtype=np.bool_))


def solver() -> Search:
    return Search(10**12, False)


@given(
    st.lists(st.integers(-6, 6).filter(bool), min_size=2, max_size=6),
    st.integers(-8, 8),
    st.sampled_from([(0, 1), (-1, 1), (0, 1, 2)]),
)
@settings(max_examples=60, deadline=None)
def test_recovers_every_threshold(weights: list[int], bound: int, levels: tuple[int, ...]) -> None:
    points = list(product(levels, repeat=len(weights)))
    sums = np.array([sum(w * x for w, x in zip(weights, point, strict=True)) for point in points])
    values = (sums >= bound).astype(int).reshape((len(levels),) * len(weights))
    if 0 < values.sum() < values.size:
        given_problem = problem([levels] * len(weights), values)
        found = separating_weights(given_problem, solver())
        assert found is not None
        assert sum(map(abs, found)) <= sum(map(abs, weights))
        for expr in thresholds(given_problem, solver()):
            grid = np.ix_(*[np.array(levels)] * len(weights))
            got = np.broadcast_to(evaluate(expr, grid), values.shape)
            assert (got == values).all()


@pytest.mark.parametrize(
    "rule",
    [
        lambda a, b, c, d: (a and b) or (c and d),  # 2-summable
        lambda a, b, c, d: a != b,
        lambda a, b, c, d: (a or b) and (c or d),
    ],
)
def test_declines_what_is_not_a_threshold(rule: Callable[..., int]) -> None:
    values = np.array([int(rule(*p)) for p in product((0, 1), repeat=4)]).reshape((2,) * 4)
    assert separating_weights(problem([(0, 1)] * 4, values), solver()) is None


def test_dont_cares_leave_room() -> None:
    values = np.array([[0, 1], [1, 0]])
    care = np.array([[True, True], [True, False]])
    xor = problem([(0, 1)] * 2, values)
    found = separating_weights(Problem(xor.axes, values * care, care), solver())
    assert found is not None and min(found) > 0
