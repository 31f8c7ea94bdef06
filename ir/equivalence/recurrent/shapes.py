"""Shapes of cells: a basis and radii for each state in which one step of the network shrinks cells.

Radii come from a non-linear Perron iteration over sampled steps: if some vector d of radii per state
satisfies `|B' J B| d <= rate * d'` for the derivative J of every step, a box of radii d around a state lands
well inside one of radii d' around the next (a path-complete Lyapunov function, Ahmadi et al. 2014).
Nothing here needs to be right: a bad shape makes a proof fail, never a wrong one succeed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROUNDS = 40
FLATTEST = 1e-3  # the smallest radius of a cell in relation to its largest
SHRINKING = 0.95


@dataclass(frozen=True)
class Steps:
    """Sampled steps: states before and after, hidden vectors after, derivatives [n, after, before]."""

    before: Ints
    after: Ints
    hidden: Floats
    slopes: Floats


@dataclass(frozen=True)
class Shape:
    """Cells of each state: columns of `basis` [states, h, h] times `radius` [states, h].

    Centres lie on a lattice of `overlap` times twice the radius; an overlap of 1 is a plain grid.
    """

    basis: Floats
    radius: Floats
    overlap: float
    rate: float

    def scaled(self, factor: float) -> Shape:
        """Return the shape with other radii."""
        return Shape(self.basis, self.radius * factor, self.overlap, self.rate)

    def of(self, states: Ints) -> Ints:
        """Return the row of each state; states that were not sampled take the last."""
        return np.minimum(states, len(self.basis) - 1)


def shapes(steps: Steps, count: int) -> list[Shape]:
    """Return shapes for `count` states (and one more for all others), most promising first."""
    if not len(steps.hidden):
        return []
    hidden = steps.hidden.shape[1]
    spread: Floats = np.maximum(steps.hidden.std(axis=0), 1e-6 * (1 + np.abs(steps.hidden).max()))
    plain = np.tile(np.eye(hidden), (count + 1, 1, 1))
    found = [_shape(plain, spread, steps)]
    if hidden > 1:
        found.append(_shape(_principal(steps, plain), np.ones_like(spread), steps))
    found.sort(key=lambda shape: shape.rate)
    if found[0].rate >= SHRINKING:
        radius = np.tile(spread, (count + 1, 1))
        found.insert(0, Shape(plain, radius, 1.0, found[0].rate))
    return found


def _principal(steps: Steps, plain: Floats) -> Floats:
    """Return the axes along which hidden vectors of one state differ, with their lengths."""
    count = len(plain)
    sums = np.zeros((count, steps.hidden.shape[1]))
    np.add.at(sums, steps.after, steps.hidden)
    visits = np.bincount(steps.after, minlength=count)[:, None]
    off = steps.hidden - (sums / np.maximum(visits, 1))[steps.after]
    values, axes = np.linalg.eigh(off.T @ off / len(off))
    lengths = np.sqrt(np.maximum(values, 1e-6 * values.max() + 1e-20))
    return np.broadcast_to(axes * lengths, plain.shape)


def _shape(basis: Floats, unit: Floats, steps: Steps) -> Shape:
    turned = np.linalg.inv(basis)[steps.after] @ steps.slopes @ basis[steps.before]
    absolute = np.abs(turned)
    rate = _growth(absolute, unit, steps, len(basis))
    if rate >= SHRINKING:
        return Shape(basis, np.tile(unit, (len(basis), 1)), 1.0, rate)
    aim = max(0.5, (1 + 2 * rate) / 3)
    radius = term = np.tile(unit, (len(basis), 1))
    for _ in range(ROUNDS):
        term = _along(absolute, term, steps) / aim
        radius = np.maximum(radius, term)
    return Shape(basis, radius, (1 - aim) * 0.9, rate)


def _along(absolute: Floats, radius: Floats, steps: Steps) -> Floats:
    carried = np.einsum("nij,nj->ni", absolute, radius[steps.before])
    found = np.zeros_like(radius)
    np.maximum.at(found, steps.after, carried)
    return found


def _growth(absolute: Floats, unit: Floats, steps: Steps, count: int) -> float:
    """Return by how much the worst product of sampled derivatives grows a step."""
    radius = np.tile(unit, (count, 1))
    logs: list[float] = []
    for _ in range(ROUNDS):
        carried = _along(absolute, radius / unit.max(), steps)
        size = float((carried / unit).max() * unit.max())
        if size < 1e-9:
            return 0.0
        logs.append(float(np.log(size)))
        radius = np.maximum(carried / size * unit.max(), FLATTEST * 1e-3 * unit)
    return float(np.exp(np.mean(logs[ROUNDS // 2 :])))
