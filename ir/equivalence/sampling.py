"""Sampling: seeded random inputs, where there are too many to try them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.inputs import dtype_of
from ddc.ir.types import Category, Missing, Real, Scalar, int_bounds, levels

from .engine import Problem, differences
from .sides import Values

ROWS = 1 << 12  # at a time
FAR = 1 << 16  # unbounded ints are drawn up to this in size, and a few far beyond


def generator_name(types: Sequence[Scalar]) -> str:
    """Return `uniform` where every value of every input is equally likely, else `mixed`."""
    finite = all(levels(t) is not None for t in set(types))
    return "uniform" if finite else "mixed"


def sample(
    problem: Problem, outputs: Sequence[int], samples: int, seed: int
) -> tuple[int, tuple[Any, ...] | None]:
    """Return how many inputs of the domain were tried, and the smallest one that differs.

    Inputs outside the domain are drawn again, up to sixteen times as many in all.
    """
    generator = np.random.default_rng(seed)
    conditions = problem.conditions
    tried = drawn = 0
    smallest: tuple[Any, ...] | None = None
    while tried < samples and drawn < 16 * samples:
        rows = min(ROWS, samples - tried)
        drawn += rows
        columns = {k: draw(generator, t, rows) for k, t in enumerate(problem.types)}
        inside = np.ones(rows, dtype=bool)
        if conditions:
            inside = differences(problem, columns, rows, conditions, ())
        tried += int(inside.sum())
        wrong = inside & differences(problem, columns, rows, (), outputs)
        for row in np.flatnonzero(wrong).tolist():
            found = tuple(columns[k][row] for k in range(len(problem.types)))
            if smallest is None or found < smallest:
                smallest = found
    return tried, smallest


def draw(generator: np.random.Generator, scalar: Scalar, rows: int) -> Values:
    """Return random values of a type."""
    values = levels(scalar)
    if values is not None:
        return np.array(values, dtype=np.int64)[generator.integers(0, len(values), rows)]
    if isinstance(scalar, Missing):
        drawn = draw(generator, scalar.base, rows).astype(np.float64)
        drawn[generator.random(rows) < 0.1] = np.nan
        return drawn
    if isinstance(scalar, Real):
        return _reals(generator, scalar, rows)
    assert not isinstance(scalar, Category)
    return _ints(generator, scalar, rows)


def _reals(generator: np.random.Generator, scalar: Real, rows: int) -> Values:
    """Return reals of all sizes, half of them small multiples of a half, where ties are."""
    low = None if scalar.low is None else float(scalar.low)
    high = None if scalar.high is None else float(scalar.high)
    if low is not None and high is not None:
        spread: NDArray[np.float64] = generator.uniform(low, high, rows)
    else:
        spread = generator.normal(0.0, 1.0, rows) * 10.0 ** generator.uniform(-2, 3, rows)
    halves = generator.integers(-20, 21, rows) / 2
    mixed = np.where(generator.random(rows) < 0.5, spread, halves)
    return np.clip(mixed, low, high) if low is not None or high is not None else mixed


def _ints(generator: np.random.Generator, scalar: Scalar, rows: int) -> Values:
    low, high = int_bounds(scalar) or (None, None)
    reach = np.array([4, 64, FAR, 1 << 40], dtype=np.int64)[generator.integers(0, 4, rows)]
    steps = generator.integers(0, reach)
    if low is None and high is None:
        signs = np.array([-1, 1], dtype=np.int64)[generator.integers(0, 2, rows)]
        return (steps * signs).astype(dtype_of(scalar))
    if low is not None:
        span = None if high is None else high - low + 1
        offsets = [int(s) if span is None else int(s) % span for s in steps.tolist()]
        values = [low + offset for offset in offsets]
    else:
        assert high is not None
        values = [high - int(s) for s in steps.tolist()]
    out = np.empty(rows, dtype=object)
    out[:] = values
    return out.astype(dtype_of(scalar))
