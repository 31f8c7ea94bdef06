"""Find the families of a layer: group by shape, fit the indices, take the shortest description.

Nothing is compared pairwise: units are grouped by the keys of their features. Every strategy of
description is scored by the length of what it leaves to say, families and single units alike;
units that no family takes are looked up, by a hash of their weights, at coordinates where an
existing family has none (borders, crossings, pairs in the other order).
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ddc.ir import Affine
from ddc.ir.exact.sources import Ints, per_row
from ddc.passes.base import Declined

from . import build
from .fit import fit
from .model import (
    COORDINATES,
    Entries,
    Family,
    Source,
    Term,
    clipped,
    expand,
    flat_places,
    grid,
    hashes,
    settled,
    shifted,
)
from .shapes import FOLLOWING, STRATEGIES, Cells, Describer, Feature, Strategy

MOST_PLACES = 1 << 20  # coordinates at which one family is looked up
LARGE = 20_000  # entries beyond which two descriptions without any family are enough
MOST_LOOSE = 20_000  # entries of units that are written one by one
LOOP = 8  # what a loop or a single unit costs, beside what stands in it
MOST_TRIED = 3  # families of one description that are looked up everywhere
MOST_FILLED = 1 << 12  # units of a result that any family found in it is tried on
MOST_FOLLOWING = 1 << 12  # units whose weights may follow their coordinates
FEWEST_FOLLOWED = 4  # places of a coordinate that weights follow
MOST_ROWS = 64  # of a result that fills its box partly
MARGIN = 4  # coordinates beyond a box at which units are looked for


@dataclass(frozen=True, eq=False)
class Layer:
    """Units over flat places of all sources; `outcomes` [units, 3] is None for linear ones."""

    entries: Entries
    outcomes: Ints | None
    sources: list[Source]
    offsets: Ints
    blank: dict[int, Ints]

    @property
    def count(self) -> int:
        """The number of units."""
        return len(self.entries.bias)

    def outcome(self, unit: int) -> tuple[int, int, int] | None:
        """Return the outcomes of a unit."""
        if self.outcomes is None:
            return None
        below, tie, above = self.outcomes[unit].tolist()
        return below, tie, above


@dataclass(frozen=True, eq=False)
class Found:
    """A family, its units, and the flat coordinate of each."""

    family: Family
    units: Ints
    places: Ints
    cost: int = 0


@dataclass(frozen=True, eq=False)
class Reading:
    """A layer read as families, with the units that are left to be written one by one."""

    families: list[Found]
    finder: _Finder
    rest: Ints

    @property
    def cost(self) -> tuple[int, int]:
        """The number of loops and single units, and the length of their description."""
        count = len(self.families) + len(self.rest)
        return count, sum(f.cost for f in self.families)

    def all(self) -> list[Found]:
        """Return the families, then every other unit as one without coordinates.

        Raises `Declined` where units that share no shape with others have too many weights.
        """
        if int(self.finder.fan_in[self.rest].sum()) > MOST_LOOSE:
            raise Declined(f"{len(self.rest)} units of a layer share no shape with others")
        return [*self.families, *map(self.finder.single, self.rest.tolist())]


def find(layer: Layer, shape: tuple[int, ...] | None = None) -> Reading:
    """Return the families of all units.

    With a `shape` the units are the entries of a result of that shape: coordinates are places in
    it where one family covers it all, otherwise consecutive units.
    """
    finder = _Finder(layer)
    every = np.arange(layer.count)
    if shape is not None:
        full = finder.whole(shape)
        if full is not None:
            return Reading([full], finder, every[:0])
        boxed = finder.boxed() if len(shape) == 1 else None
        if boxed is not None:
            return Reading(boxed, finder, every[:0])
        return finder.rounds(every, grid((layer.count,)))
    return finder.rounds(every, None)


class _Finder:
    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.describer = Describer(layer.sources, layer.blank)
        blank = [layer.offsets[number] + cells for number, cells in layer.blank.items()]
        self.blank: Ints = np.concatenate([np.zeros(0, dtype=np.int64), *blank])
        self.hashes = self._hashes(layer.entries)
        self.fan_in = np.bincount(layer.entries.owners, minlength=layer.count)

    def _hashes(self, entries: Entries) -> Ints:
        """Return the hash of every unit, entries that are always 0 left out."""
        if len(self.blank):
            kept = ~np.isin(entries.places, self.blank)
            entries = Entries(
                entries.owners[kept], entries.places[kept], entries.weights[kept], entries.bias
            )
        return hashes(entries)

    def rounds(self, units: Ints, driver: Ints | None) -> Reading:
        """Take families strategy by strategy until only single units are left."""
        done: list[Found] = []
        while len(units):
            families = [f for f in self.best(units, driver) if len(f.units) > 1]
            if not families:
                break
            families.sort(key=lambda f: -len(f.units))
            if driver is None:
                families = self._grown(families, units)
            done += families
            taken = np.concatenate([f.units for f in families])
            units = np.setdiff1d(units, taken)
        return Reading(done, self, units)

    def whole(self, shape: tuple[int, ...]) -> Found | None:
        """Return one family whose coordinates are the places in a result of that shape."""
        every = np.arange(self.layer.count)
        cells, driver = self._cells(every), grid(shape)
        best: Found | None = None
        few_enough = len(every) <= MOST_FILLED
        for strategies in (STRATEGIES, FOLLOWING):
            for strategy in strategies:
                found = list(self._families(cells, every, strategy, driver, shape))
                found.sort(key=lambda f: -len(f.units))
                for few in found[:MOST_TRIED]:
                    likely = few_enough or len(few.units) * 2 > len(every)
                    full = self.filled(few) if likely else None
                    if full is not None and (best is None or full.cost < best.cost):
                        best = full
            if best is not None or len(every) < 2:
                break
        return best

    def boxed(self) -> list[Found] | None:
        """Return all units as places of a box of their own, in its order.

        Where they fill only a part of each row of the box, as triangles do, the rows are families.
        """
        every = np.arange(self.layer.count)
        cells = self._cells(every)
        for strategy in (*STRATEGIES, *FOLLOWING):
            for found in self._families(cells, every, strategy, None):
                if len(found.family.counts) < 2 or 2 * len(found.units) < len(every):
                    continue
                if len(found.units) < len(every):
                    found = self._grow(found, np.setdiff1d(every, found.units))
                if len(found.units) < len(every):
                    continue
                for turned in _turned(found):
                    order = turned.places[np.argsort(turned.units)]
                    if (np.diff(order) <= 0).any():
                        continue
                    full = turned.family.size == len(every)
                    rows = [turned] if full else self._rows(turned, order)
                    if rows is not None:
                        return rows
        return None

    def _rows(self, found: Found, places: Ints) -> list[Found] | None:
        """Return the rows of a box that units fill partly, None where they are no runs."""
        counts = found.family.counts
        row, column = np.divmod(places, counts[-1])
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        if len(starts) > MOST_ROWS or ((np.diff(column) != 1) & (np.diff(row) == 0)).any():
            return None
        stops = np.append(starts[1:], len(places))
        made: list[Found] = []
        for start, stop in zip(starts.tolist(), stops.tolist()):
            outer = np.unravel_index(int(row[start]), counts[:-1])
            put = dict(zip(COORDINATES, (Affine.of(int(k)) for k in outer)))
            last = COORDINATES[len(counts) - 1]
            put[last] = Affine.symbol(COORDINATES[0]) + int(column[start])
            family = replace(found.family.placed(put), counts=(stop - start,))
            units = np.arange(start, stop)
            family = clipped(family, self.layer.sources)
            made.append(Found(family, units, units - start, found.cost))
        return made

    def best(self, units: Ints, driver: Ints | None) -> list[Found]:
        """Return the families of the strategy with the shortest description."""
        cells = self._cells(units)
        chosen: list[Found] = []
        least: int | None = None
        for number, strategy in enumerate((*STRATEGIES, *FOLLOWING)):
            if number == len(STRATEGIES) and not self._may_follow(chosen, units):
                break
            found = list(self._families(cells, units, strategy, driver))
            taken = sum(len(f.units) for f in found)
            rest = np.setdiff1d(
                units, np.concatenate([f.units for f in found]) if found else units[:0]
            )
            total = sum(f.cost for f in found) + int((self.fan_in[rest] + LOOP).sum())
            if least is None or total < least:
                least, chosen = total, found
            good = least == 0 or (taken == len(units) and total * 8 < len(cells.owners))
            if number and (good or (not chosen and len(cells.owners) > LARGE)):
                break
        return chosen

    def _may_follow(self, chosen: list[Found], units: Ints) -> bool:
        """Tell whether weights that follow the unit may say more: too much is left to say."""
        return len(units) <= MOST_FOLLOWING and not (
            len(chosen) == 1 and len(chosen[0].units) == len(units)
        )

    def _cells(self, units: Ints) -> Cells:
        entries, layer = self.layer.entries, self.layer
        number = np.full(layer.count, -1, dtype=np.int64)
        number[units] = np.arange(len(units))
        mine = number[entries.owners] >= 0
        places = entries.places[mine]
        source = np.searchsorted(layer.offsets, places, side="right") - 1
        cells = places - layer.offsets[source]
        return Cells(len(units), number[entries.owners[mine]], source, cells, entries.weights[mine])

    def _families(
        self,
        cells: Cells,
        units: Ints,
        strategy: Strategy,
        driver: Ints | None,
        box: tuple[int, ...] | None = None,
    ) -> Iterator[Found]:
        features = self.describer.describe(cells, strategy)
        groups: dict[object, list[int]] = {}
        for number, found in enumerate(features):
            key = (tuple(k for k, _ in found), self.layer.outcome(int(units[number])))
            groups.setdefault(key, []).append(number)
        for members in groups.values():
            if len(members) > 1 or box == ():
                yield from self._fitted(np.array(members), features, units, driver, box)

    def _fitted(
        self,
        members: Ints,
        features: list[list[Feature]],
        units: Ints,
        driver: Ints | None,
        box: tuple[int, ...] | None = None,
    ) -> Iterator[Found]:
        found = self._try(members, features, units, driver, box)
        if found is not None:
            yield found
            return
        for which in self._splits(members, features, units):
            parts = [members[which == value] for value in range(int(which.max()) + 1)]
            tried = [
                self._try(part, features, units, driver, box) for part in parts if len(part) > 1
            ]
            good = [found for found in tried if found is not None]
            if good:
                yield from good
                return

    def _splits(self, members: Ints, features: list[list[Feature]], units: Ints) -> Iterator[Ints]:
        """Yield ways to divide units: by bias, and by how their places lie to each other."""
        bias = self.layer.entries.bias[units[members]]
        columns, around = self._columns(members, features, units)
        first = columns[:, :1]
        ring = np.array([max(m, 0) for m in around[:-1]], dtype=np.int64)
        apart = columns[:, :-1] - first
        wrapped = np.where(ring > 0, apart % np.maximum(ring, 1), apart)
        for table in (bias[:, None], wrapped, np.column_stack([wrapped, bias])):
            _, which = np.unique(table, axis=0, return_inverse=True)
            which = which.ravel()
            if 0 < int(which.max()) < len(members) // 2:
                yield which

    def _try(
        self,
        members: Ints,
        features: list[list[Feature]],
        units: Ints,
        driver: Ints | None,
        box: tuple[int, ...] | None = None,
    ) -> Found | None:
        keys = [key for key, _ in features[int(members[0])]]
        columns, around = self._columns(members, features, units)
        known = fit(columns, around, None if driver is None else driver[units[members]], box)
        if known is None:
            return None
        if len(members) == 2 and box is None and not _close(columns):
            return None
        outcomes = self.layer.outcome(int(units[members[0]]))
        family = build.family(keys, known, outcomes, self.layer.sources, self.describer.patterns)
        if family is None or not _followed(family):
            return None
        places = flat_places(known.coordinates, known.counts)
        return Found(clipped(family, self.layer.sources), units[members], places, _cost(family))

    def _columns(
        self, members: Ints, features: list[list[Feature]], units: Ints
    ) -> tuple[Ints, list[int]]:
        """Return the indices of units that share their keys, bias last, and the rings they run on."""
        keys = [key for key, _ in features[int(members[0])]]
        rows = [
            [i for _, params in features[m] for i in params] + [int(self.layer.entries.bias[u])]
            for m, u in zip(members.tolist(), units[members].tolist())
        ]
        columns = np.array(rows, dtype=np.int64)
        return columns, [*build.moduli(keys, self.layer.sources), 0]

    def single(self, unit: int) -> Found:
        """Return one unit as a family without coordinates, described as shortly as possible."""
        best: Found | None = None
        units = np.array([unit])
        cells = self._cells(units)
        for strategy in STRATEGIES:
            features = self.describer.describe(cells, strategy)
            found = self._try(np.array([0]), features, units, None)
            if found is not None and (best is None or found.cost < best.cost):
                best = found
        if best is not None:
            return best
        return Found(self._term_by_term(unit), units, np.zeros(1, dtype=np.int64))

    def _term_by_term(self, unit: int) -> Family:
        cells = self._cells(np.array([unit]))
        terms: list[Term] = []
        for source, cell, weight in zip(
            cells.sources.tolist(), cells.cells.tolist(), cells.weights.tolist()
        ):
            shape = self.layer.sources[source].shape
            index = tuple(Affine.of(int(i)) for i in np.unravel_index(cell, shape))
            flags = (False,) * len(shape)
            terms.append(Term(source, weight, (), index, flags, flags))
        bias = Affine.of(int(self.layer.entries.bias[unit]))
        return Family((), tuple(terms), bias, self.layer.outcome(unit))

    # ------------------------------------------------------------ coordinates without a unit

    def filled(self, found: Found) -> Found | None:
        """Return the family with every unit of the layer at its own place, None if some differ."""
        family = clipped(found.family, self.layer.sources)
        entries = expand(family, grid(family.counts), self.layer.sources, self.layer.offsets)
        same = np.array_equal(self._hashes(entries), self.hashes)
        if not same:
            same = np.array_equal(self._hashes(_coprime(entries, family)), self.hashes)
        outcomes = self.layer.outcomes
        if not same or (outcomes is not None and (outcomes != np.array(family.outcomes)).any()):
            return None
        every = np.arange(self.layer.count)
        return Found(family, every, every, found.cost)

    def _grown(self, families: list[Found], units: Ints) -> list[Found]:
        """Let large families take units of small ones, and single ones, at free coordinates."""
        done: list[Found] = []
        owner = {int(u): None for u in units.tolist()}
        for found in families:
            mine = np.array([u for u in found.units.tolist() if u in owner], dtype=np.int64)
            if len(mine) < len(found.units):
                if len(mine) < 2:
                    continue
                kept = np.isin(found.units, mine)
                found = replace(found, units=found.units[kept], places=found.places[kept])
            for unit in mine.tolist():
                del owner[unit]
            if owner and found.family.counts:
                found = self._grow(found, np.array(list(owner), dtype=np.int64))
                for unit in found.units.tolist():
                    owner.pop(unit, None)
            done.append(found)
        return done

    def _grow(self, found: Found, free: Ints) -> Found:
        layer, family = self.layer, found.family
        outcomes = layer.outcomes
        if outcomes is not None:
            free = free[(outcomes[free] == np.array(family.outcomes)).all(axis=1)]
        wide = tuple(count + 2 * MARGIN for count in family.counts)
        if not len(free) or int(np.prod(wide)) > MOST_PLACES:
            return found
        box = grid(wide) - MARGIN
        inside = ((box >= 0) & (box < np.array(family.counts))).all(axis=1)
        flat = np.zeros(len(box), dtype=np.int64)
        flat[inside] = flat_places(box[inside], family.counts)
        box = box[~(inside & np.isin(flat, found.places))]
        known = self._hashes(_coprime(expand(family, box, layer.sources, layer.offsets), family))
        order = np.argsort(known, kind="stable")
        at = np.searchsorted(known[order], self.hashes[free])
        at = np.minimum(at, len(order) - 1)
        match = known[order][at] == self.hashes[free]
        if not match.any():
            return found
        taken, places = free[match], box[order[at[match]]]
        low = np.minimum(places.min(axis=0), 0)
        high = np.maximum(places.max(axis=0) + 1, np.array(family.counts))
        counts = tuple((high - low).tolist())
        moved = shifted(family, (-low).tolist(), counts)
        old = np.stack(np.unravel_index(found.places, family.counts), axis=1)
        flat = flat_places(np.concatenate([old, places]) - low, counts)
        units = np.concatenate([found.units, taken])
        return Found(clipped(moved, layer.sources), units, flat, found.cost)


def _turned(found: Found) -> Iterator[Found]:
    """Yield a family with its coordinates in every order."""
    counts = found.family.counts
    places = np.stack(np.unravel_index(found.places, counts), axis=1)
    for order in itertools.permutations(range(len(counts))):
        put = {COORDINATES[k]: Affine.symbol(COORDINATES[n]) for n, k in enumerate(order)}
        shape = tuple(counts[k] for k in order)
        family = replace(found.family.placed(put), counts=shape)
        yield Found(family, found.units, flat_places(places[:, list(order)], shape), found.cost)


def _coprime(entries: Entries, family: Family) -> Entries:
    """Return units as the network's are written, where places of a family fall together."""
    if family.outcomes is None or family.outcomes[0] != family.outcomes[1]:
        return entries
    entries = settled(entries)
    counts = np.bincount(entries.owners, minlength=len(entries.bias))
    starts = np.concatenate([[0], np.cumsum(counts)])
    divisor = np.maximum(per_row(np.gcd, np.abs(entries.weights), starts, 1), 1)
    weights = entries.weights // divisor[entries.owners]
    return replace(entries, weights=weights, bias=-(-entries.bias // divisor))


def _followed(family: Family) -> bool:
    """Tell whether weights follow coordinates far enough: two or three are a line in any case."""
    for term in family.terms:
        symbols = set() if term.factor is None else term.factor.symbols()
        for name, count in zip(COORDINATES, family.counts):
            if name in symbols and count < FEWEST_FOLLOWED:
                return False
    return True


def _close(columns: Ints) -> bool:
    """Tell whether two units look like neighbours: any two are a family in some way."""
    steps = np.abs(columns[1] - columns[0])
    moved = steps[steps > 0]
    return bool(len(moved) == 0 or moved.max() == 1)


def _cost(family: Family) -> int:
    """Return the length of a family's description."""
    total = LOOP + len(family.counts) + (not family.bias.is_const)
    for term in family.terms:
        quotients = sum(not isinstance(s, str) for i in term.index for s, _ in i.terms)
        total += 2 + len(term.loops) + 2 * quotients + 2 * (term.factor is not None)
        total += sum(not loop.low.is_const or not loop.high.is_const for loop in term.loops)
        total += sum(len(i.terms) > 1 for i in term.index) + sum(term.ring)
    return total
