"""Make the loop body of a family from the shapes that its units share and the fit of their indices."""

# What numpy's functions give has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from ddc.ir import Affine
from ddc.passes import lattice

from .fit import Fit
from .model import Family, Inner, Source, Term, plain
from .shapes import Key, Pattern, Weight

MOST_PIECES = 12  # loops and points that make up one pattern
FEWEST = 4  # fewer cells read better one by one

Outcomes = tuple[int, int, int] | None


def moduli(keys: Sequence[Key], sources: Sequence[Source]) -> list[int]:
    """Return, for every index column of features with these keys, the ring it may run around."""
    found: list[int] = []
    for key in keys:
        shape = sources[cast(int, key[1])].shape
        if key[0] == "line":
            found += [shape[axis] for axis in cast(tuple[int, ...], key[2])]
        elif key[0] == "set":
            found += shape
        elif key[0] == "box":
            found += [0] * (2 * len(shape))
        else:
            found += [0] * len(shape) + [2 if key[2] == "alternating" else 0, 0]
        weight = _weight(key)
        if weight is not None:
            found += [2 if weight.kind == "sign" else 0] * weight.indices
    return found


def _weight(key: Key) -> Weight | None:
    """Return the weight of a key, None for runs, whose weights are their own."""
    return next((part for part in key if isinstance(part, Weight)), None)


def family(
    keys: Sequence[Key],
    fit: Fit,
    outcomes: Outcomes,
    sources: Sequence[Source],
    patterns: Sequence[Pattern],
) -> Family | None:
    """Return the family of units with features of these keys; the last column is the bias.

    None where a pattern is no short nest of loops.
    """
    terms: list[Term] = []
    at = 0
    for key in keys:
        number = cast(int, key[1])
        shape = sources[number].shape
        count = len(shape)
        if key[0] == "line":
            count = len(cast(tuple[int, ...], key[2]))
        elif key[0] == "box":
            count = 2 * len(shape)
        elif key[0] == "run":
            count = len(shape) + 2
        columns, ring = fit.columns[at : at + count], fit.ring[at : at + count]
        at += count
        weight, follows = _weight(key), fit.columns[:0]
        if weight is not None:
            follows = fit.columns[at : at + weight.indices]
            at += weight.indices
            key = tuple(1 if part is weight else part for part in key)
        if key[0] == "set":  # the pattern itself in place of its number
            key = (*key[:3], patterns[cast(int, key[3])], *key[4:])
        made = _BUILDERS[str(key[0])](key, number, shape, columns, ring)
        if made is None:
            return None
        terms += made if weight is None else [_weighted(t, weight, follows) for t in made]
    return Family(fit.counts, tuple(terms), fit.columns[-1], outcomes)


def _weighted(term: Term, weight: Weight, follows: Sequence[Affine]) -> Term:
    """Return a term with a weight, which may follow the coordinates."""
    term = replace(term, weight=term.weight * weight.base)
    if not follows:
        return term
    (index,) = follows
    if weight.kind == "sign":
        turn = Affine.of(1) - index.mod(2) * 2
        return plain(replace(term, factor=turn))
    return plain(replace(term, factor=index, power=weight.kind == "power"))


def _loop_symbol(number: int) -> Affine:
    return Affine.symbol(f"%d{number}")


def _flags(shape: tuple[int, ...]) -> tuple[bool, ...]:
    return (False,) * len(shape)


def _line(
    key: Key,
    number: int,
    shape: tuple[int, ...],
    columns: tuple[Affine, ...],
    ring: tuple[bool, ...],
) -> list[Term]:
    fixed, weight = cast(tuple[int, ...], key[2]), cast(int, key[3])
    loops: list[Inner] = []
    index: list[Affine] = []
    around: list[bool] = []
    for axis, extent in enumerate(shape):
        if axis in fixed:
            index.append(columns[fixed.index(axis)])
            around.append(ring[fixed.index(axis)])
            continue
        around.append(False)
        if extent == 1:
            index.append(Affine())
        else:
            index.append(_loop_symbol(len(loops)))
            loops.append(Inner(Affine(), Affine.of(extent)))
    term = Term(number, weight, tuple(loops), tuple(index), tuple(around), _flags(shape))
    return [term]


def _set(
    key: Key,
    number: int,
    shape: tuple[int, ...],
    columns: tuple[Affine, ...],
    ring: tuple[bool, ...],
) -> list[Term] | None:
    weight, pattern, rings = cast(int, key[2]), cast(Pattern, key[3]), bool(key[4])
    pieces = _pieces(pattern)
    slope = None if rings or (pieces is not None and len(pieces) == 1) else _sloped(pattern)
    if slope is not None:
        return [_leaning(slope, number, weight, columns, ring, shape)]
    if pieces is None:
        return None
    around = tuple(r or (rings and not c.is_const) for r, c in zip(ring, columns))
    # A pattern that runs over the end of a ring at a constant place wraps there too.
    if rings:
        most = [max(p[axis] for p in pattern) for axis in range(len(shape))]
        around = tuple(
            a or (c.is_const and c.const + m >= n)
            for a, c, m, n in zip(around, columns, most, shape)
        )
    terms: list[Term] = []
    for box, sign in pieces:
        terms.append(_lattice(box, number, sign * weight, columns, around, shape))
        for hole in box.missing:
            index = tuple(c + h for c, h in zip(columns, hole))
            terms.append(Term(number, -sign * weight, (), index, around, _flags(shape)))
    return terms


def _lattice(
    box: lattice.Lattice,
    number: int,
    weight: int,
    columns: tuple[Affine, ...],
    around: tuple[bool, ...],
    shape: tuple[int, ...],
) -> Term:
    """Return the sum over a lattice; a loop that moves one axis by 1 runs over its offsets."""
    offsets = [Affine.of(o) for o in box.origin]
    loops: list[Inner] = []
    at = list(columns)
    for vector, count in zip(box.vectors, box.counts):
        moved = [axis for axis, step in enumerate(vector) if step]
        low = Affine()
        if len(moved) == 1 and vector[moved[0]] == 1:
            (axis,) = moved
            low = offsets[axis]
            if at[axis].is_const and not around[axis]:
                low, at[axis] = low + at[axis], Affine()
            offsets[axis] = Affine()
        for axis in moved:
            at[axis] = at[axis] + _loop_symbol(len(loops)) * vector[axis]
        loops.append(Inner(low, low + count))
    index = tuple(a + o for a, o in zip(at, offsets))
    return Term(number, weight, tuple(loops), index, around, _flags(shape))


def _pieces(pattern: Pattern) -> list[tuple[lattice.Lattice, int]] | None:
    """Return a pattern as few lattices."""
    if len(pattern) < FEWEST:
        return [(lattice.Lattice(point, (), ()), 1) for point in pattern]
    whole = lattice.find(pattern, 1)
    if whole is not None:
        return [(whole, 1)]
    rows: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for point in sorted(pattern):
        rows.setdefault(point[:-1], []).append(point)
    pieces: list[tuple[lattice.Lattice, int]] = []
    for row in rows.values():
        run: list[tuple[int, ...]] = []
        for point in row:
            if run and point[-1] != run[-1][-1] + 1:
                pieces.append(_run_piece(run))
                run = []
            run.append(point)
        pieces.append(_run_piece(run))
        if len(pieces) > MOST_PIECES:
            return None
    return pieces


@dataclass(frozen=True)
class _Slope:
    """Rows of cells whose ends lie on straight lines: a triangle, a parallelogram.

    Row t from 0 runs along axis `along` from `low` to below `high`, both affine in t.
    """

    across: int
    along: int
    rows: int
    low: tuple[int, int]  # at row 0, and the step from row to row
    high: tuple[int, int]


def _sloped(pattern: Pattern) -> _Slope | None:
    """Return a pattern of one plane as rows between two straight lines, None for others."""
    points = np.array(sorted(pattern), dtype=np.int64)
    axes = [axis for axis in range(points.shape[1]) if points[:, axis].any()]
    if len(axes) != 2 or len(points) < FEWEST:
        return None
    across, along = axes
    rows = np.arange(int(points[-1, across]) + 1)
    mine = [points[points[:, across] == row, along] for row in rows.tolist()]
    if len(rows) < 3 or any(not len(m) or m[-1] - m[0] + 1 != len(m) for m in mine):
        return None
    ends = np.array([(m[0], m[-1] + 1) for m in mine])
    steps = np.diff(ends, axis=0)
    if (steps != steps[0]).any():
        return None
    (low, high), (down, up) = ends[0].tolist(), steps[0].tolist()
    return _Slope(across, along, len(rows), (low, down), (high, up))


def _leaning(
    slope: _Slope,
    number: int,
    weight: int,
    columns: tuple[Affine, ...],
    ring: tuple[bool, ...],
    shape: tuple[int, ...],
) -> Term:
    """Return the sum over a triangle or parallelogram; loops start where the array is read."""
    index = list(columns)
    base = Affine()
    if index[slope.across].is_const:
        base, index[slope.across] = index[slope.across], Affine()
    row = _loop_symbol(0) - base
    low, high = (row * step + start for start, step in (slope.low, slope.high))
    if index[slope.along].is_const:
        shift, index[slope.along] = index[slope.along], Affine()
        low, high = low + shift, high + shift
    index[slope.across] += _loop_symbol(0)
    index[slope.along] += _loop_symbol(1)
    loops = (Inner(base, base + slope.rows), Inner(low, high))
    return Term(number, weight, loops, tuple(index), ring, _flags(shape))


def _run_piece(run: list[tuple[int, ...]]) -> tuple[lattice.Lattice, int]:
    if len(run) == 1:
        return lattice.Lattice(run[0], (), ()), 1
    vector = (0,) * (len(run[0]) - 1) + (1,)
    return lattice.Lattice(run[0], (vector,), (len(run),)), 1


def _box(
    key: Key,
    number: int,
    shape: tuple[int, ...],
    columns: tuple[Affine, ...],
    ring: tuple[bool, ...],
) -> list[Term]:
    weight, steps = cast(int, key[2]), cast(tuple[int, ...], key[3])
    loops: list[Inner] = []
    index: list[Affine] = []
    for axis in range(len(shape)):
        low, count, step = columns[axis], columns[len(shape) + axis], steps[axis]
        if count == Affine.of(1):
            index.append(low)
        elif step == 1:
            index.append(_loop_symbol(len(loops)))
            loops.append(Inner(low, low + count))
        else:
            index.append(low + _loop_symbol(len(loops)) * step)
            loops.append(Inner(Affine(), count))
    return [Term(number, weight, tuple(loops), tuple(index), _flags(shape), _flags(shape))]


def _run(
    key: Key,
    number: int,
    shape: tuple[int, ...],
    columns: tuple[Affine, ...],
    ring: tuple[bool, ...],
) -> list[Term]:
    kind, weight, slope = cast(str, key[2]), cast(int, key[3]), cast(int, key[4])
    step = cast(tuple[int, ...], key[5])
    *places, start, count = columns
    symbol = _loop_symbol(0)
    low = Affine()
    index = tuple(c + symbol * s for c, s in zip(places, step))
    moved = [axis for axis, s in enumerate(step) if s]
    if len(moved) == 1 and step[moved[0]] == 1 and places[moved[0]].is_const:
        (axis,) = moved
        low = places[axis]
        index = tuple(symbol if a == axis else i for a, i in enumerate(index))
    factor = (symbol - low) * slope + start
    if kind == "alternating":
        factor = Affine.of(1) - factor.mod(2) * 2
    loops = (Inner(low, low + count),)
    flags = _flags(shape)
    return [Term(number, weight, loops, index, flags, flags, factor, kind == "power")]


_BUILDERS = {"line": _line, "set": _set, "box": _box, "run": _run}
