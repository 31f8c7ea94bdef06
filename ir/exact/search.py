"""Look for inputs that push an output over its cut, along gradients, in plain floating point.

What is found is only likely: the caller decides it exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .linear_bounds import LinearBounds
from .sources import Floats, Ints

STEPS = 40
RESTARTS = 3
FLIPS = 4  # inputs that are moved at once in the first steps
MOST_ROWS = 1 << 12


def opposing_rows(
    bounds: LinearBounds,
    heads: Ints,
    turn: Floats,
    start: Floats,
    free: np.ndarray,
    ends: Sequence[tuple[int, int]],
    seed: int = 0,
) -> tuple[Floats, np.ndarray]:
    """Return rows on which `turn * (output - cut)` is meant to be 0 or less, and which of them are.

    `heads`, `turn` [rows] say what is pushed down; `start` [rows, inputs] gives the values of inputs
    that are not `free`; the others move between their two `ends`.
    """
    generator = np.random.default_rng(seed)
    low, high = (np.array([pair[k] for pair in ends], dtype=np.float64) for k in (0, 1))
    best = start.copy()
    hit = np.zeros(len(start), dtype=bool)
    for begin in range(0, len(start), MOST_ROWS):
        part = slice(begin, begin + MOST_ROWS)
        for _ in range(RESTARTS):
            coins = generator.random(start[part].shape) < 0.5
            rows = np.where(free[part], np.where(coins, low, high), start[part])
            _descend(bounds, heads[part], turn[part], rows, free[part], (low, high))
            value, _ = _value_and_gradient(bounds, heads[part], turn[part], rows)
            fresh = (value <= 0) & ~hit[part]
            best[part][fresh] = rows[fresh]
            hit[part] |= fresh
    return best, hit


def _descend(
    bounds: LinearBounds,
    heads: Ints,
    turn: Floats,
    rows: Floats,
    free: np.ndarray,
    ends: tuple[Floats, Floats],
) -> None:
    """Move inputs to the end that the gradient points to, in place, fewer of them as time goes."""
    low, high = ends
    every = np.arange(len(rows))
    for step in range(STEPS):
        value, gradient = _value_and_gradient(bounds, heads, turn, rows)
        going = value > 0
        if not going.any():
            return
        other = np.where(rows == low, high, low)
        gain = np.where(free, gradient * (other - rows), np.inf)
        for _ in range(max(1, FLIPS - step // 4)):
            at = gain.argmin(1)
            move = going & (gain[every, at] < 0)
            rows[every[move], at[move]] = other[every[move], at[move]]
            gain[every, at] = np.inf


def _value_and_gradient(
    bounds: LinearBounds, heads: Ints, turn: Floats, rows: Floats
) -> tuple[Floats, Floats]:
    """Return `turn * (output - cut)` for each row and its gradient by the row."""
    values = rows
    slopes: list[Floats] = []
    for layer in bounds.layers[:-1]:
        sums = values @ layer.weight.T + layer.bias
        values, slope = sums.copy(), np.ones_like(sums)
        for first, stop, activation in layer.runs:
            mine = slice(first, stop)
            if activation.kind == "ramp":
                values[:, mine] = np.maximum(sums[:, mine], 0)
                slope[:, mine] = sums[:, mine] > 0
            elif activation.kind == "tanh":
                values[:, mine] = np.tanh(sums[:, mine])
                slope[:, mine] = 1 - values[:, mine] ** 2
        slopes.append(slope)
    last = bounds.layers[-1]
    units = bounds.heads[heads]
    weight = turn[:, None] * last.weight[units]
    value = (weight * values).sum(1) + turn * (last.bias[units] - bounds.cuts[heads])
    gradient = weight
    for layer, slope in zip(reversed(bounds.layers[:-1]), reversed(slopes)):
        gradient = (gradient * slope) @ layer.weight
    return value, gradient
