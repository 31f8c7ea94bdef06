"""Describe the cells that a unit reads by a few shapes with indices as parameters.

What a unit reads of one array is a table of weights over the array's cells. Whole arrays, planes
and lines of one weight are taken off first (a line with a few other cells counts, what differs
stays in the rest, so complements and crossings need no case of their own). The rest is sets of
cells of equal weight: a pattern and the place where it stands, a box, single points, or a run
whose weights follow the index.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ddc.ir.exact.sources import Ints
from ddc.passes.base import Declined

from .model import Source

MOST_SETS = 400_000
MOST_POINTS = 8  # cells of a set that are looked at one by one

# A feature is a key, equal for units of one shape, and the indices where the shape stands.
Key = tuple[object, ...]
Feature = tuple[Key, tuple[int, ...]]
Pattern = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Strategy:
    """How cells are described: whether lines are taken off first, and what the rest is read as.

    Weights are a part of the shape (`fixed`) or, as numbers, exponents of two or signs, indices
    that follow the unit.
    """

    lines: bool
    rest: str  # pattern | ring | box | hull | points | run
    weights: str = "fixed"  # fixed | affine | power | sign


STRATEGIES = tuple(
    Strategy(lines, rest)
    for rest in ("pattern", "ring", "box", "hull", "points", "run")
    for lines in (True, False)
)
FOLLOWING = tuple(
    Strategy(lines, rest, weights)
    for weights in ("affine", "power", "sign")
    for rest in ("pattern", "box", "points", "run")
    for lines in (True, False)
)


@dataclass(frozen=True)
class Weight:
    """A weight in a key: `base` times what the last index of the feature says, by its kind."""

    kind: str  # fixed | affine | power | sign
    base: int

    @property
    def indices(self) -> int:
        """The number of indices that belong to the weight."""
        return 0 if self.kind == "fixed" else 1


def weight_of(kind: str, weight: int) -> tuple[Weight, tuple[int, ...]]:
    """Return a weight as a part of a key, and as an index."""
    if kind == "affine":
        return Weight(kind, 1), (weight,)
    if kind == "power":
        low = (weight & -weight).bit_length() - 1
        return Weight(kind, weight >> low), (low,)
    if kind == "sign":
        return Weight(kind, abs(weight)), (int(weight < 0),)
    return Weight(kind, weight), ()


@dataclass(frozen=True, eq=False)
class Cells:
    """Entries sorted by unit, source and cell."""

    units: int
    owners: Ints
    sources: Ints
    cells: Ints
    weights: Ints


@dataclass
class Describer:
    """Turns the entries of units into features."""

    sources: Sequence[Source]
    blank: dict[int, Ints] = field(default_factory=dict[int, Ints])  # cells known to be 0
    patterns: list[Pattern] = field(default_factory=list[Pattern])
    known: dict[tuple[int, bytes], int] = field(default_factory=dict[tuple[int, bytes], int])
    order: dict[Key, int] = field(default_factory=dict[Key, int])
    weights: str = "fixed"

    def describe(self, cells: Cells, strategy: Strategy) -> list[list[Feature]]:
        """Return the features of every unit, sorted by key."""
        self.weights = strategy.weights
        found: list[list[Feature]] = [[] for _ in range(cells.units)]
        for number in np.unique(cells.sources).tolist():
            mine = cells.sources == number
            table = _Table(cells.owners[mine], cells.cells[mine], cells.weights[mine])
            table = self._without_blank(number, table)
            if strategy.lines:
                table = self._lines(number, table, found)
                table = self._without_blank(number, table)
            self._sets(number, table, strategy.rest, found)
        for features in found:
            if len(features) > 1:
                features.sort(key=self._place)
        return found

    def _place(self, feature: Feature) -> tuple[int, tuple[int, ...]]:
        """Order features by when their key was first seen, then by place."""
        return self.order.setdefault(feature[0], len(self.order)), feature[1]

    def _without_blank(self, number: int, table: _Table) -> _Table:
        if number not in self.blank:
            return table
        kept = ~np.isin(table.cells, self.blank[number])
        return _Table(table.owners[kept], table.cells[kept], table.weights[kept])

    # ------------------------------------------------------------ whole arrays, planes, lines

    def _lines(self, number: int, table: _Table, found: list[list[Feature]]) -> _Table:
        shape = self.sources[number].shape
        active = [axis for axis, extent in enumerate(shape) if extent > 1]
        for fixed_count in range(len(active)):
            extra: list[_Table] = []
            for fixed in itertools.combinations(active, fixed_count):
                slabs = _slabs(table, shape, fixed, active)
                if slabs is None:
                    continue
                owners, coordinates, weights = slabs
                for owner, at, weight in zip(
                    owners.tolist(), coordinates.tolist(), weights.tolist()
                ):
                    shown, follows = weight_of(self.weights, weight)
                    found[owner].append((("line", number, fixed, shown), (*at, *follows)))
                extra.append(_painted(owners, coordinates, weights, shape, fixed))
            if extra:
                table = _joined([table, *extra], int(np.prod(shape)))
        return table

    # ------------------------------------------------------------ sets of cells

    def _sets(self, number: int, table: _Table, rest: str, found: list[list[Feature]]) -> None:
        if not len(table.owners):
            return
        by_weight = rest not in ("run", "hull")
        keys = (
            (table.cells, table.weights, table.owners)
            if by_weight
            else (
                table.cells,
                table.owners,
            )
        )
        order = np.lexsort(keys)
        owners, cells, weights = table.owners[order], table.cells[order], table.weights[order]
        fresh = np.ones(len(owners), dtype=bool)
        fresh[1:] = owners[1:] != owners[:-1]
        if by_weight:
            fresh[1:] |= weights[1:] != weights[:-1]
        starts = np.flatnonzero(fresh)
        if len(starts) > MOST_SETS:
            raise Declined(f"the units of a layer read more than {MOST_SETS} sets of cells")
        shape = self.sources[number].shape
        places = np.zeros((len(cells), 0), dtype=np.int64)
        if shape:
            places = np.stack(np.unravel_index(cells, shape), axis=1).astype(np.int64)
        stops = np.append(starts[1:], len(owners))
        lone = bool((stops - starts == 1).all())
        point = self._point(len(shape))
        for start, stop, owner, weight in zip(
            starts.tolist(), stops.tolist(), owners[starts].tolist(), weights[starts].tolist()
        ):
            features = found[owner]
            shown, follows = weight_of(self.weights, weight)
            if lone or (stop - start == 1 and rest in ("pattern", "ring", "points")):
                at = tuple(places[start].tolist())
                features.append((("set", number, shown, point, False), (*at, *follows)))
                continue
            part = places[start:stop]
            if rest == "run":
                features.extend(self._run(number, part, weights[start:stop]))
            elif rest == "hull":
                features.extend(self._hull(number, part, weights[start:stop]))
            elif rest == "points" and stop - start <= MOST_POINTS:
                for ordinal, at in enumerate(part.tolist()):
                    key = ("set", number, shown, point, False, ordinal)
                    features.append((key, (*at, *follows)))
            elif rest == "box" and (box := _box(part)) is not None:
                low, counts, steps = box
                features.append((("box", number, shown, steps), (*low, *counts, *follows)))
            else:
                features.append(self._pattern(number, weight, part, rest == "ring"))

    def _hull(self, number: int, places: Ints, weights: Ints) -> list[Feature]:
        """Return the box around all cells with its most frequent weight, and what differs."""
        values, which, counts = np.unique(weights, return_inverse=True, return_counts=True)
        most = int(values[np.argmax(counts)])
        around = _around(places)
        size = int(np.prod([len(line) for line in around]))
        if 2 * int(counts.max()) <= size or size > 2 * len(places) + 2:
            return [
                self._pattern(number, value, places[which == k], False)
                for k, value in enumerate(values.tolist())
            ]
        known = dict(zip(map(tuple, places.tolist()), weights.tolist()))
        apart: dict[int, list[tuple[int, ...]]] = {}
        for at in itertools.product(*(line.tolist() for line in around)):
            if known.get(at, 0) != most:
                apart.setdefault(known.get(at, 0) - most, []).append(at)
        low = [int(line[0]) for line in around]
        steps = tuple(int(line[1] - line[0]) if len(line) > 1 else 1 for line in around)
        shown, follows = weight_of(self.weights, most)
        key = ("box", number, shown, steps)
        return [
            (key, (*low, *(len(line) for line in around), *follows)),
            *(
                self._pattern(number, weight, np.array(cells, dtype=np.int64), False)
                for weight, cells in apart.items()
            ),
        ]

    def _pattern(self, number: int, weight: int, places: Ints, ring: bool) -> Feature:
        origin = places.min(axis=0)
        if ring:
            shape = self.sources[number].shape
            origin = np.array([_ring_start(places[:, k], n) for k, n in enumerate(shape)])
            relative = (places - origin) % np.array(shape)
            relative = relative[np.lexsort(relative.T[::-1])]
        else:
            relative = places - origin
        key = (places.shape[1], relative.tobytes())
        pattern = self.known.get(key)
        if pattern is None:
            pattern = self.known[key] = self._new_pattern(relative)
        shown, follows = weight_of(self.weights, weight)
        return ("set", number, shown, pattern, ring), (*origin.tolist(), *follows)

    def _new_pattern(self, relative: Ints) -> int:
        self.patterns.append(tuple(map(tuple, relative.tolist())))
        return len(self.patterns) - 1

    def _point(self, axes: int) -> int:
        """Return the pattern of a single cell."""
        one = np.zeros((1, axes), dtype=np.int64)
        key = (axes, one.tobytes())
        if key not in self.known:
            self.known[key] = self._new_pattern(one)
        return self.known[key]

    def _run(self, number: int, places: Ints, weights: Ints) -> list[Feature]:
        """Return one feature for cells in a row whose weights follow their order, if they do."""
        steps = np.unique(np.diff(places, axis=0), axis=0)
        law = _law(weights) if len(steps) == 1 and len(weights) > 2 else None
        if law is None:
            found: list[Feature] = []
            for weight in np.unique(weights).tolist():
                found.append(self._pattern(number, weight, places[weights == weight], False))
            return found
        step = tuple(steps[0].tolist())
        kind, base, start, slope = law
        key = ("run", number, kind, base, slope, step)
        return [(key, (*places[0].tolist(), start, len(weights)))]


@dataclass(frozen=True, eq=False)
class _Table:
    owners: Ints
    cells: Ints
    weights: Ints


def _slabs(
    table: _Table, shape: tuple[int, ...], fixed: tuple[int, ...], active: list[int]
) -> tuple[Ints, Ints, Ints] | None:
    """Return owners, coordinates and weights of slabs most of whose cells have one weight."""
    if not len(table.owners):
        return None
    size = int(np.prod([shape[axis] for axis in active if axis not in fixed]))
    places = np.unravel_index(table.cells, shape)
    slab = np.zeros(len(table.cells), dtype=np.int64)
    span = 1
    for axis in fixed:
        slab = slab * shape[axis] + places[axis]
        span *= shape[axis]
    values, which = np.unique(table.weights, return_inverse=True)
    key = (table.owners * span + slab) * len(values) + which
    keys, counts = np.unique(key, return_counts=True)
    keys = keys[counts * 2 > size]
    if not len(keys):
        return None
    rest, which = np.divmod(keys, len(values))
    owners, slab = np.divmod(rest, span)
    extents = tuple(shape[axis] for axis in fixed)
    at = np.stack(np.unravel_index(slab, extents), axis=1) if fixed else np.zeros((len(keys), 0))
    return owners, at.astype(np.int64), values[which]


def _painted(
    owners: Ints, coordinates: Ints, weights: Ints, shape: tuple[int, ...], fixed: tuple[int, ...]
) -> _Table:
    """Return all cells of the slabs with their weights negated."""
    free = [axis for axis in range(len(shape)) if axis not in fixed]
    inner = np.indices([shape[axis] for axis in free], dtype=np.int64).reshape(len(free), -1)
    cell = np.zeros((len(owners), inner.shape[1]), dtype=np.int64)
    for axis, extent in enumerate(shape):
        if axis in fixed:
            cell = cell * extent + coordinates[:, fixed.index(axis)][:, None]
        else:
            cell = cell * extent + inner[free.index(axis)]
    return _Table(
        np.repeat(owners, inner.shape[1]), cell.ravel(), np.repeat(-weights, inner.shape[1])
    )


def _joined(tables: Sequence[_Table], cells: int) -> _Table:
    """Return the sum of tables, zeros left out."""
    owners = np.concatenate([t.owners for t in tables])
    places = np.concatenate([t.cells for t in tables])
    weights = np.concatenate([t.weights for t in tables])
    key, which = np.unique(owners * cells + places, return_inverse=True)
    total = np.zeros(len(key), dtype=np.int64)
    np.add.at(total, which, weights)
    kept = total != 0
    owner, place = np.divmod(key[kept], cells)
    return _Table(owner, place, total[kept])


def _ring_start(values: Ints, extent: int) -> int:
    """Return where a set on a ring begins: after its widest gap, the first of equals."""
    distinct = np.unique(values)
    gaps = np.diff(np.append(distinct, distinct[0] + extent))
    widest = int(np.argmax(gaps))
    if np.count_nonzero(gaps == gaps[widest]) > 1:
        return int(distinct[0])
    return int(distinct[(widest + 1) % len(distinct)])


def _box(places: Ints) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None:
    """Return low, counts and steps of the axes if the places are all of a box."""
    low: list[int] = []
    counts: list[int] = []
    steps: list[int] = []
    for axis in range(places.shape[1]):
        values = np.unique(places[:, axis])
        gaps = np.unique(np.diff(values))
        if len(gaps) > 1:
            return None
        low.append(int(values[0]))
        counts.append(len(values))
        steps.append(int(gaps[0]) if len(gaps) else 1)
    if int(np.prod(counts)) != len(places):
        return None
    return tuple(low), tuple(counts), tuple(steps)


def _around(places: Ints) -> list[Ints]:
    """Return the places along each axis of the smallest even box around some cells."""
    lines: list[Ints] = []
    for axis in range(places.shape[1]):
        values = np.unique(places[:, axis])
        step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
        lines.append(np.arange(values[0], values[-1] + 1, step))
    return lines


def _law(weights: Ints) -> tuple[str, int, int, int] | None:
    """Return how weights follow their order: kind, base, start and slope.

    They are affine, powers of two, or alternate.
    """
    steps = np.unique(np.diff(weights))
    if len(steps) == 1:
        return "affine", 1, int(weights[0]), int(steps[0])
    first = int(weights[0])
    turns = np.where(np.arange(len(weights)) % 2, -first, first)
    if np.array_equal(turns, weights):
        return "alternating", abs(first), int(first < 0), 1
    least = int(weights[np.argmin(np.abs(weights))])
    if not least:
        return None
    least //= least & -least  # the odd part: what the exponents leave
    if (weights % least).any():
        return None
    ratios = (weights // least).tolist()
    if any(r <= 0 or r & (r - 1) for r in ratios):
        return None
    exponents = [r.bit_length() - 1 for r in ratios]
    slopes = {b - a for a, b in itertools.pairwise(exponents)}
    if len(slopes) != 1:
        return None
    return "power", least, exponents[0], slopes.pop()
