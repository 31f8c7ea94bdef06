"""Find coordinates of units: few columns of which every index column is an affine function.

Given one row of indices for each unit, in any order, choose columns that fill a box (or most of
one) as coordinates, and write every column as an affine function of them: with offset and
stride, modulo the axis that it runs around, or by quotient and remainder of one coordinate.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ddc.ir import Affine, Quotient
from ddc.ir.exact.sources import Ints

from .model import COORDINATES

MOST_CANDIDATES = 8
MOST_COORDINATES = 3
SPARE = 4  # a box may have so many times as many places as there are units


@dataclass(frozen=True, eq=False)
class Fit:
    """Coordinates of every unit [units, axes] from 0, and each column as a function of them."""

    coordinates: Ints
    counts: tuple[int, ...]
    columns: tuple[Affine, ...]
    ring: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class _Axis:
    """A column as a coordinate: `low + step * t`."""

    column: int
    low: int
    step: int
    count: int


def fit(
    columns: Ints,
    moduli: Sequence[int],
    driver: Ints | None = None,
    box: tuple[int, ...] | None = None,
) -> Fit | None:
    """Return coordinates for rows of indices [units, columns], None where no box explains them.

    `moduli` gives for each column the length of the ring it runs around, 0 for none. With a
    driver [units, axes] its columns are the coordinates, counted from 0 with a box.
    """
    distinct = np.unique(columns, axis=0) if driver is None else columns
    moving = [k for k in range(columns.shape[1]) if (distinct[:, k] != distinct[0, k]).any()]
    if driver is not None:
        axes = [_axis(driver, k) for k in range(driver.shape[1])]
        if box is not None:
            axes = [_Axis(k, 0, 1, count) for k, count in enumerate(box)]
        elif any(axis.step > 1 for axis in axes):
            return None
        return _fitted(columns, moduli, axes, driver)
    if not moving:
        return _fitted(columns, moduli, [], columns)
    best: Fit | None = None
    limit = SPARE * len(distinct) + 8
    for chosen in _choices(distinct, moving):
        axes = [_axis(distinct, k) for k in chosen]
        places = int(np.prod([axis.count for axis in axes]))
        if places > limit or (best is not None and places >= int(np.prod(best.counts))):
            continue
        found = _fitted(columns, moduli, axes, columns)
        if found is not None:
            best = found
            if places == len(distinct):
                break
    return best


def _choices(distinct: Ints, moving: list[int]) -> list[tuple[int, ...]]:
    """Return the sets of columns that may be coordinates, small ones first."""
    kept: list[int] = []
    for k in moving:
        line = distinct[:, k]
        if not any(_proportional(distinct[:, other], line) for other in kept):
            kept.append(k)
    kept = kept[:MOST_CANDIDATES]
    found: list[tuple[int, ...]] = []
    for size in range(1, min(len(kept), MOST_COORDINATES) + 1):
        for chosen in itertools.combinations(kept, size):
            if len(np.unique(distinct[:, list(chosen)], axis=0)) == len(distinct):
                found.append(chosen)
    return found


def _proportional(a: Ints, b: Ints) -> bool:
    """Tell whether b is an affine function of a with a whole slope."""
    first = int(np.argmax(a != a[0]))
    run, rise = int(a[first] - a[0]), int(b[first] - b[0])
    if not run or rise % run:
        return False
    slope = rise // run
    return bool((b - b[0] == slope * (a - a[0])).all())


def _axis(rows: Ints, column: int) -> _Axis:
    values = np.unique(rows[:, column])
    step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
    return _Axis(column, int(values[0]), step, int(values[-1] - values[0]) // step + 1)


def _fitted(columns: Ints, moduli: Sequence[int], axes: list[_Axis], base: Ints) -> Fit | None:
    t = np.zeros((len(columns), len(axes)), dtype=np.int64)
    for k, axis in enumerate(axes):
        t[:, k] = (base[:, axis.column] - axis.low) // axis.step
    counts = tuple(axis.count for axis in axes)
    _, index = np.unique(t, axis=0, return_index=True)
    places = t[index]
    found: list[Affine] = []
    ring: list[bool] = []
    for k in range(columns.shape[1]):
        line = columns[index, k]
        affine = _plain(places, line)
        around = affine is None and moduli[k] > 0
        if around:
            affine = _modular(places, line, moduli[k])
        if affine is None and len(axes) == 1:
            affine, around = _quotient(places[:, 0], line), False
        if affine is None:
            return None
        if not _agrees(affine, t, columns[:, k], moduli[k] if around else 0):
            return None
        found.append(affine)
        ring.append(around)
    return Fit(t, counts, tuple(found), tuple(ring))


def _agrees(affine: Affine, t: Ints, line: Ints, modulus: int) -> bool:
    names = {COORDINATES[k]: t[:, k] for k in range(t.shape[1])}
    difference = affine.evaluate(names) - line
    return bool(np.all((difference % modulus if modulus else difference) == 0))


def _plain(places: Ints, line: Ints) -> Affine | None:
    """Return the line as an affine function of the places, None where it is none."""
    if (line == line[0]).all():
        return Affine.of(int(line[0]))
    matrix = np.column_stack([places, np.ones(len(places))]).astype(np.float64)
    if len(places) > 4096:
        sample = np.linspace(0, len(places) - 1, 4096).astype(np.int64)
        solution, *_ = np.linalg.lstsq(matrix[sample], line[sample].astype(np.float64), rcond=None)
    else:
        solution, *_ = np.linalg.lstsq(matrix, line.astype(np.float64), rcond=None)
    whole = np.rint(solution).astype(np.int64)
    if not np.array_equal(places @ whole[:-1] + whole[-1], line):
        return None
    return _affine(whole.tolist())


def _modular(places: Ints, line: Ints, modulus: int) -> Affine | None:
    """Return the line as an affine function modulo the length of a ring."""
    known = {tuple(p): int(v) for p, v in zip(places.tolist(), line.tolist())}
    slopes: list[int] = []
    for axis in range(places.shape[1]):
        slope = next(
            (
                known[up] - v
                for p, v in known.items()
                if (up := (*p[:axis], p[axis] + 1, *p[axis + 1 :])) in known
            ),
            None,
        )
        if slope is None:
            return None
        slopes.append(_centred(slope, modulus))
    start = _centred(int(line[0]) - int(places[0] @ np.array(slopes, dtype=np.int64)), modulus)
    whole = np.array([*slopes, start], dtype=np.int64)
    if ((places @ whole[:-1] + whole[-1] - line) % modulus).any():
        return None
    return _affine(whole.tolist())


def _centred(value: int, modulus: int) -> int:
    value %= modulus
    return value - modulus if 2 * value > modulus else value


def _quotient(places: Ints, line: Ints) -> Affine | None:
    """Return the line as `a * (t floordiv s) + b` or `a * (t mod s) + b`."""
    order = np.argsort(places)
    t, values = places[order], line[order]
    if len(t) < 4 or not np.array_equal(t, np.arange(len(t))):
        return None
    symbol = Affine.symbol(COORDINATES[0])
    first = int(np.argmax(values != values[0]))
    again = np.flatnonzero((values[1:] == values[0]) & (values[:-1] != values[0])) + 1
    for kind, size in (("floordiv", first), ("mod", int(again[0]) if len(again) else 0)):
        if size < 2:
            continue
        part = t // size if kind == "floordiv" else t % size
        slope = int(values[first] - values[0])
        if np.array_equal(part * slope + values[0], values):
            return Affine.symbol(Quotient(kind, symbol, size), slope) + int(values[0])
    return None


def _affine(whole: list[int]) -> Affine:
    *slopes, start = whole
    return Affine.total(
        [Affine.of(start), *(Affine.symbol(COORDINATES[k], s) for k, s in enumerate(slopes))]
    )
