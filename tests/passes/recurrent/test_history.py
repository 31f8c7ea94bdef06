"""The whole past as memory: relations between its places, learnt and written down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.blind.draw import Drawn
from benchmarks.blind.oracle import Oracle
from ddc.ir import Param
from ddc.ir.interpreter import run_batch
from ddc.passes import DEFAULT, Context
from ddc.passes import run as run_passes
from ddc.passes.recurrent.automaton import found_program
from ddc.passes.recurrent.history import histories

Ints = NDArray[np.int64]


def along(rule: Callable[[list[int]], int]) -> Callable[[Ints], Ints]:
    """Return a rule on one beginning as a rule on many sequences."""

    def rows(x: Ints) -> Ints:
        return np.array([[rule(row[: t + 1]) for t in range(len(row))] for row in x.tolist()])

    return rows


CASES: list[tuple[int, Callable[[list[int]], int]]] = [
    (1, lambda x: int(x == x[::-1])),
    (1, lambda x: int(all(a != b for a, b in zip(x, x[::-1], strict=True)))),
    (2, lambda x: int(any(a + b == 3 for a, b in zip(x, x[::-1], strict=True)))),
    (9, lambda x: int(x[-1] in x[:-1])),
    (5, lambda x: sum(v < x[-1] for v in x[:-1])),
    (2, lambda x: int(x[3:] == x[:-3])),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_programs_hold_beyond_the_trained_length(case: int) -> None:
    high, rule = CASES[case]
    net = Oracle(Drawn("history", "", 0, high, along(rule)), 8)
    params = tuple(Param(p.name, p.type) for p in net.entry.params)
    rest = DEFAULT.partition(",")[2]
    program = run_passes(found_program(net, Context()), rest, Context(signature=params))
    rng = np.random.default_rng(5)
    for length in (1, 8, 30):
        x = rng.integers(0, high + 1, size=(60, length))
        x[:20] = np.tile(x[:20, :3], (1, length))[:, :length]
        x[20:40, length // 2 :] = x[20:40, (length - 1) // 2 :: -1][:, : length - length // 2]
        (y,) = run_batch(program, {"x": x})
        np.testing.assert_array_equal(y, along(rule)(x))


def test_noise_is_no_history() -> None:
    noise = along(lambda x: hash(tuple(x)) % 2)
    net = Oracle(Drawn("history", "", 0, 2, noise), 8)
    assert not list(histories(net, np.random.default_rng(0)))
