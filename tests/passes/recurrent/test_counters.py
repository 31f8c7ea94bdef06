"""Memory that outputs do not show: counts, walks and runs behind comparisons, found and written again."""

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

Ints = NDArray[np.int64]


def least(walk: Ints) -> Ints:
    return np.minimum(np.minimum.accumulate(walk, axis=1), 0)


def majority(x: Ints) -> Ints:
    counts = np.cumsum(x[:, :, None] == np.arange(3), axis=1)
    most: Ints = counts.argmax(axis=2)
    return most


def rarest(x: Ints) -> Ints:
    counts = np.cumsum(x[:, :, None] == np.arange(3), axis=1)
    fewest: Ints = counts.argmin(axis=2)
    return fewest


def balanced(x: Ints) -> Ints:
    depth = np.cumsum(1 - 2 * x, axis=1)
    closed: Ints = ((depth == 0) & (least(depth) == 0)).astype(np.int64)
    return closed


def rises(x: Ints) -> Ints:
    before = np.pad(x, ((0, 0), (1, 0)))[:, :-1]
    return np.cumsum(x > before, axis=1)


def reset(x: Ints) -> Ints:
    y = np.zeros_like(x)
    for t in range(x.shape[1]):
        y[:, t] = np.where(x[:, t] == 2, 0, (y[:, t - 1] if t else 0) + (x[:, t] == 1))
    return y


def equals_first(x: Ints) -> Ints:
    same: Ints = (x == x[:, :1]).astype(np.int64)
    return same


def records(x: Ints) -> Ints:
    highest = np.maximum.accumulate(x, axis=1)
    new = np.ones_like(x)
    new[:, 1:] = x[:, 1:] > highest[:, :-1]
    return np.cumsum(new, axis=1)


def every_other(x: Ints) -> Ints:
    kept = x.copy()
    kept[:, 1::2] = 0
    return np.cumsum(kept, axis=1)


def longest_run(x: Ints) -> Ints:
    run = np.zeros_like(x)
    for t in range(x.shape[1]):
        run[:, t] = ((run[:, t - 1] if t else 0) + 1) * x[:, t]
    return np.maximum.accumulate(run, axis=1)


def spread(x: Ints) -> Ints:
    return np.maximum.accumulate(x, axis=1) - np.minimum.accumulate(x, axis=1)


CASES: list[tuple[int, Callable[[Ints], Ints]]] = [
    (5, equals_first),
    (4, records),
    (2, every_other),
    (1, longest_run),
    (5, spread),
    (2, majority),
    (2, rarest),
    (1, balanced),
    (7, rises),
    (3, reset),
    (4, lambda x: (np.cumsum(x >= 3, axis=1) > np.cumsum(x == 1, axis=1)).astype(np.int64)),
    (9, lambda x: np.maximum.accumulate(x, axis=1) - np.minimum(np.cumsum(x == 0, axis=1), 2)),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_programs_hold_beyond_the_trained_length(case: int) -> None:
    high, rule = CASES[case]
    net = Oracle(Drawn("counter", "", 0, high, rule))
    params = tuple(Param(p.name, p.type) for p in net.entry.params)
    rest = DEFAULT.partition(",")[2]
    program = run_passes(found_program(net, Context()), rest, Context(signature=params))
    for length in (1, 10, 60):
        x = np.random.default_rng(length).integers(0, high + 1, size=(300, length))
        (y,) = run_batch(program, {"x": x})
        np.testing.assert_array_equal(y, rule(x))
