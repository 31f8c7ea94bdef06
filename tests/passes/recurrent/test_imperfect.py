"""Programs that repeat rare errors, and the shorter rule beside them: which is written, and what is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.blind.draw import Drawn
from benchmarks.blind.oracle import Oracle
from ddc.ir import Param
from ddc.ir.interpreter import run_batch
from ddc.passes import DEFAULT, Context
from ddc.passes import run as run_passes
from ddc.passes.recurrent.automaton import found_program

Ints = NDArray[np.int64]
WORDS = np.indices([2] * 10).reshape(10, -1).T.astype(np.int64)


def majority(x: Ints) -> Ints:
    return (np.cumsum(2 * x - 1, axis=1) > 0).astype(np.int64)


def mistaken(x: Ints) -> Ints:
    """The majority, but for the answer after eight more zeros than ones."""
    return np.where(np.cumsum(2 * x - 1, axis=1) == -8, -x, majority(x))


def nine_ones(x: Ints) -> Ints:
    run = np.zeros_like(x)
    for t in range(x.shape[1]):
        run[:, t] = (run[:, t - 1] + 1) * x[:, t] if t else x[:, t]
    return (run >= 9).astype(np.int64)


def answers(rule: Callable[[Ints], Ints], context: Context) -> Ints:
    net = Oracle(Drawn("imperfect", "", 0, 1, rule))
    params = tuple(Param(p.name, p.type) for p in net.entry.params)
    rest = DEFAULT.partition(",")[2]
    program = run_passes(found_program(net, context), rest, Context(signature=params))
    (y,) = run_batch(program, {"x": WORDS})
    return np.asarray(y)


def test_equal_by_default_and_the_shorter_rule_is_mentioned() -> None:
    assert (mistaken(WORDS) != majority(WORDS)).any()
    context = Context()
    np.testing.assert_array_equal(answers(mistaken, context), mistaken(WORDS))
    assert any("--allow-inexact writes the shorter one" in note for note in context.notes)


def test_the_rule_where_inexact_programs_are_allowed() -> None:
    context = Context(allow_inexact=True)
    np.testing.assert_array_equal(answers(mistaken, context), majority(WORDS))
    assert any("not the network itself" in note for note in context.notes)


def test_rare_events_are_no_errors_of_a_constant() -> None:
    context = Context(allow_inexact=True)
    np.testing.assert_array_equal(answers(nine_ones, context), nine_ones(WORDS))
    assert not context.notes
