"""Families: units of one layer that are one loop body at different coordinates.

A family is a box of coordinates, one comparison, and a sum of terms. A term is a weight times the
sum of one array over a nest of inner loops; its indices are affine in the coordinates (`%c0`, …)
and the inner loop variables (`%d0`, …), wrapped around where the array is read as a ring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Affine
from ddc.ir.exact.sources import Ints

UInts = NDArray[np.uint64]

COORDINATES = tuple(f"%c{k}" for k in range(8))


@dataclass(frozen=True)
class Source:
    """An array that units read: an input, or the values of a family at its coordinates."""

    name: str
    shape: tuple[int, ...]
    low: int
    high: int

    @property
    def count(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Inner:
    """An inner loop of a term, with bounds affine in the coordinates and in the loops before it."""

    low: Affine
    high: Affine


@dataclass(frozen=True)
class Term:
    """`weight * factor * sum over loops of source[index]`.

    `factor` (None: 1) is affine in coordinates and loops, or with `power` an exponent of 2.
    `ring` tells for each axis whether the index wraps around, `clipped` whether places outside
    the array are left out. `how` is "or" or "and" for a term that says whether any, or all, of
    the bits that it reads are 1.
    """

    source: int
    weight: int
    loops: tuple[Inner, ...]
    index: tuple[Affine, ...]
    ring: tuple[bool, ...]
    clipped: tuple[bool, ...]
    factor: Affine | None = None
    power: bool = False
    how: str = "add"


@dataclass(frozen=True)
class Family:
    """Units at all coordinates of a box (counts); the value compares `bias + terms` with 0.

    `outcomes` are the values for a negative sum, 0 and a positive one, or None for linear units,
    whose value is `scale` times the sum.
    """

    counts: tuple[int, ...]
    terms: tuple[Term, ...]
    bias: Affine
    outcomes: tuple[int, int, int] | None
    scale: Fraction = Fraction(1)

    @property
    def size(self) -> int:
        """The number of units."""
        return int(np.prod(self.counts, dtype=np.int64))

    def placed(self, put: Mapping[str, Affine]) -> Family:
        """Return the family with other expressions in place of its coordinates."""
        terms = tuple(
            plain(
                replace(
                    term,
                    index=tuple(i.substitute(put) for i in term.index),
                    loops=tuple(
                        Inner(o.low.substitute(put), o.high.substitute(put)) for o in term.loops
                    ),
                    factor=None if term.factor is None else term.factor.substitute(put),
                )
            )
            for term in self.terms
        )
        return replace(self, terms=terms, bias=self.bias.substitute(put))


@dataclass(frozen=True, eq=False)
class Entries:
    """Weights of several units over flat places of all sources, not merged, in no order."""

    owners: Ints
    places: Ints
    weights: Ints
    bias: Ints  # of each unit


def plain(term: Term) -> Term:
    """Return a term with a constant factor as a part of its weight."""
    if term.factor is None or not term.factor.is_const:
        return term
    number = 1 << term.factor.const if term.power else term.factor.const
    return replace(term, weight=term.weight * number, factor=None, power=False)


def grid(counts: tuple[int, ...]) -> Ints:
    """Return all coordinates of a box, row-major, [units, axes]."""
    if not counts:
        return np.zeros((1, 0), dtype=np.int64)
    return np.indices(counts, dtype=np.int64).reshape(len(counts), -1).T


def flat_places(coordinates: Ints, counts: tuple[int, ...]) -> Ints:
    """Return the row-major number of each coordinate [units, axes] of a box."""
    flat: Ints = np.zeros(len(coordinates), dtype=np.int64)
    for axis, count in enumerate(counts):
        flat = flat * count + coordinates[:, axis]
    return flat


def expand(family: Family, coordinates: Ints, sources: list[Source], offsets: Ints) -> Entries:
    """Return the weights of the units at these coordinates [units, axes].

    Entry `cell` of source s is the place `offsets[s] + cell`; places outside a clipped axis are
    left out.
    """
    count = len(coordinates)
    names = {COORDINATES[k]: coordinates[:, k] for k in range(coordinates.shape[1])}
    owners: list[Ints] = []
    places: list[Ints] = []
    weights: list[Ints] = []
    for term in family.terms:
        lanes = np.arange(count)
        values = dict(names)
        for number, loop in enumerate(term.loops):
            low = np.broadcast_to(loop.low.evaluate(values), lanes.shape)
            trips = np.maximum(loop.high.evaluate(values) - low, 0)
            trips = np.broadcast_to(trips, lanes.shape)
            repeat = np.repeat(np.arange(len(lanes)), trips)
            first = np.repeat(np.cumsum(trips) - trips, trips)
            values = {n: v[repeat] for n, v in values.items()}
            values[f"%d{number}"] = low[repeat] + np.arange(len(repeat)) - first
            lanes = lanes[repeat]
        cell = np.zeros(len(lanes), dtype=np.int64)
        inside = np.ones(len(lanes), dtype=bool)
        for axis, extent in enumerate(sources[term.source].shape):
            at = np.broadcast_to(term.index[axis].evaluate(values), lanes.shape)
            if term.ring[axis]:
                at = at % extent
            inside &= (at >= 0) & (at < extent)
            cell = cell * extent + at
        weight = np.full(len(lanes), term.weight, dtype=np.int64)
        if term.factor is not None:
            factor = np.broadcast_to(term.factor.evaluate(values), lanes.shape)
            weight = weight << factor if term.power else weight * factor
        owners.append(lanes[inside])
        places.append(cell[inside] + offsets[term.source])
        weights.append(weight[inside])
    bias = np.array(np.broadcast_to(family.bias.evaluate(names), (count,)), dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    return Entries(
        np.concatenate([none, *owners]),
        np.concatenate([none, *places]),
        np.concatenate([none, *weights]),
        bias,
    )


def keys(numbers: Ints) -> UInts:
    """Return a random odd number for each number (splitmix64)."""
    z = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: UInts = z ^ (z >> np.uint64(31)) | np.uint64(1)
    return mixed


def hashes(entries: Entries) -> Ints:
    """Return a random linear function of each unit's weights: order and merging do not matter."""
    parts = keys(entries.places) * entries.weights.astype(np.uint64)
    total = entries.bias.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)
    np.add.at(total, entries.owners, parts)
    return total.view(np.int64)


def settled(entries: Entries) -> Entries:
    """Return the entries sorted by unit and place, merged, zeros left out."""
    order = np.lexsort((entries.places, entries.owners))
    owners, places = entries.owners[order], entries.places[order]
    weights = entries.weights[order]
    fresh = np.ones(len(places), dtype=bool)
    fresh[1:] = (owners[1:] != owners[:-1]) | (places[1:] != places[:-1])
    start = np.flatnonzero(fresh)
    if len(start):
        weights = np.add.reduceat(weights, start)
    kept = weights != 0
    return Entries(owners[start][kept], places[start][kept], weights[kept], entries.bias)


def shifted(family: Family, before: Sequence[int], counts: tuple[int, ...]) -> Family:
    """Return the family on a larger box, its coordinates moved up by `before`."""
    shift = {name: Affine.symbol(name) - by for name, by in zip(COORDINATES, before)}
    return replace(family.placed(shift), counts=counts)


def clipped(family: Family, sources: Sequence[Source]) -> Family:
    """Return the family with the axes marked on which some index leaves its array, or wraps."""
    bounds = {COORDINATES[k]: (Affine(), Affine.of(n - 1)) for k, n in enumerate(family.counts)}
    terms: list[Term] = []
    for term in family.terms:
        inner = dict(bounds)
        for number, loop in enumerate(term.loops):
            inner[f"%d{number}"] = (loop.low, loop.high - 1)
        flags: list[bool] = []
        ring: list[bool] = []
        for axis, index in enumerate(term.index):
            low = index.extreme(inner, upper=False)
            high = index.extreme(inner, upper=True)
            extent = sources[term.source].shape[axis]
            out = not (low.is_const and high.is_const) or low.const < 0 or high.const >= extent
            flags.append(out and not term.ring[axis])
            ring.append(out and term.ring[axis])
        terms.append(replace(term, clipped=tuple(flags), ring=tuple(ring)))
    return replace(family, terms=tuple(terms))
