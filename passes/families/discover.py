"""Read a whole network as families, layer by layer.

Hidden units have no order: once a layer is understood, its units are known by the family they
belong to and their coordinates in it, and the next layer is read in those terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ddc.ir import DdcError, Module, dims, fresh_name
from ddc.ir.exact.graph import Graph, Stage
from ddc.ir.exact.lower import lower
from ddc.ir.exact.sources import Ints, rows_of
from ddc.passes.base import Declined

from .find import Found, Layer, Reading, find
from .integers import Units, alike, comparing, linear, merged
from .model import (
    Entries,
    Family,
    Source,
    clipped,
    expand,
    flat_places,
    grid,
    hashes,
    settled,
    shifted,
)
from .noise import Ranges

MOST_WEIGHTS = 5_000_000  # non-zero weights of a layer that are grouped


@dataclass(frozen=True)
class Named:
    """A family as an array: the number of its source, and which of its coordinates are units."""

    family: Family
    source: int


@dataclass(frozen=True, eq=False)
class Reference:
    """The units of a stage as integers over numbered values: what the program has to give back."""

    start: int
    units: Units


@dataclass(eq=False)
class Structure:
    """A network as families: `hidden` in order, then those that make up the results in order.

    `decision` is what is done with the last families: `""`, `argmax` or `softmax`; `shape` is the
    shape of what they make up.
    """

    module: Module
    sources: list[Source]
    hidden: list[Named] = field(default_factory=list[Named])
    outputs: list[Family] = field(default_factory=list[Family])
    decision: str = ""
    shape: tuple[int, ...] = ()
    references: list[Reference] = field(default_factory=list[Reference])
    targets: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def simplified(self) -> int:
        """The number of units whose weights were replaced by simpler ones, with proof."""
        return sum(reference.units.simplified for reference in self.references)

    @property
    def noisy(self) -> int:
        """The number of units that decide, and whose weights stay noisy."""
        chosen = self.decision == "argmax"
        deciding = [r.units for r in self.references if chosen or r.units.outcomes is not None]
        return sum(units.noisy for units in deciding)


def discover(module: Module) -> Structure:
    """Return the network as families; `Declined` for what has no units of this kind."""
    graph = _graph(module)
    if len(module.entry.results) != 1:
        raise Declined("several results are not read as families")
    return _Reader(module, graph).run()


def _graph(module: Module) -> Graph:
    try:
        return lower(module)
    except DdcError as error:
        try:
            return lower(module, verbatim=True)
        except DdcError:
            raise Declined(str(error)) from None


def _step(levels: Sequence[int]) -> int:
    """Return the greatest step that divides all distances between values, 0 for one value."""
    if isinstance(levels, range):
        return levels.step if len(levels) > 1 else 0
    return int(np.gcd.reduce(np.diff(levels), initial=0))


class _Reader:
    def __init__(self, module: Module, graph: Graph) -> None:
        self.graph = graph
        inputs = len(graph.levels)
        ends = [(few[0], few[-1]) for few in graph.levels]
        total = inputs + sum(stage.source.count for stage in graph.stages)
        low, high, step = np.zeros((3, total), dtype=np.int64)
        if ends:
            low[:inputs], high[:inputs] = np.array(ends, dtype=np.int64).T
            step[:inputs] = [_step(few) for few in graph.levels]
        self.ranges = Ranges(low, high, step)
        self.place = np.full(total, -1, dtype=np.int64)
        self.place[:inputs] = np.arange(inputs)
        self.factor = np.ones(total, dtype=np.int64)
        self.offsets: list[int] = [entry.start for entry in graph.inputs]
        self.width = inputs
        self.blank: dict[int, Ints] = {}
        self.mirrored: dict[int, int] = {}  # source -> side of the square
        sources = [
            Source(
                entry.name,
                entry.shape,
                min((graph.levels[entry.start + k][0] for k in range(entry.count)), default=0),
                max((graph.levels[entry.start + k][-1] for k in range(entry.count)), default=0),
            )
            for entry in graph.inputs
        ]
        self.found = Structure(module, sources)
        self.names = {entry.name for entry in graph.inputs}

    def run(self) -> Structure:
        """Read every stage; the last one is the result."""
        stages = list(self.graph.stages)
        if not stages:
            raise Declined("there are no units")
        if stages[-1].activation.kind == "softmax":
            stages = self._softmax(stages)
        for number, stage in enumerate(stages):
            if stage.activation.kind == "compare":
                continue
            last = stage.activation.kind == "identity" and number == len(stages) - 1
            if not last:
                raise Declined(f"a {stage.activation.kind} unit is neither a sign nor a step")
        for number, stage in enumerate(stages[:-1], 1):
            self._hidden(number, stage)
        self._last(stages[-1])
        return self.found

    def _softmax(self, stages: list[Stage]) -> list[Stage]:
        last = stages[-1]
        if len(stages) < 2 or last.source.count != last.activation.group:
            raise Declined("a softmax over several groups is not read as families")
        copied = rows_of(last.source, np.arange(last.source.count)).columns
        whole = np.arange(stages[-2].start, stages[-2].stop)
        if not np.array_equal(copied, whole) or self.graph.choices is not None:
            raise Declined("a softmax of some units is not read as families")
        self.found.decision = "softmax"
        return stages[:-1]

    # ------------------------------------------------------------ stages

    def _units(self, stage: Stage) -> list[Units]:
        """Return the units of a stage, in one or two ways of writing them."""
        rows = merged(rows_of(stage.source, np.arange(stage.source.count)))
        if len(rows.weights) > MOST_WEIGHTS:
            raise Declined(f"a layer has more than {MOST_WEIGHTS} weights that are not 0")
        if stage.activation.kind == "identity":
            units = linear(rows, self._choices(stage), self.ranges)
        else:
            units = comparing(rows, stage.activation, self.ranges)
        self.found.references.append(Reference(stage.start, units))
        other = alike(units, rows, stage.activation)
        return [units] if other is None else [units, other]

    def _choices(self, stage: Stage) -> Ints | None:
        """Return the units of the last layer among which each output chooses, None for others."""
        if self.graph.choices is None:
            return None
        numbers = self.graph.choices[self.graph.results] - stage.start
        return numbers if ((numbers >= 0) & (numbers < stage.source.count)).all() else None

    def _layer(self, units: Units, order: Ints | None = None) -> Layer:
        owners = units.owners
        weights = units.weights * self.factor[units.columns]
        places = self.place[units.columns]
        bias, outcomes = units.bias, units.outcomes
        if order is not None:
            position = np.full(units.count, -1, dtype=np.int64)
            position[order] = np.arange(len(order))
            kept = position[owners] >= 0
            owners, places, weights = position[owners[kept]], places[kept], weights[kept]
            bias = bias[order]
            outcomes = None if outcomes is None else outcomes[order]
        entries = settled(Entries(owners, places, weights, bias))
        offsets = np.array(self.offsets, dtype=np.int64)
        return Layer(entries, outcomes, self.found.sources, offsets, self.blank)

    def _turned(self, layer: Layer) -> Layer | None:
        """Return the layer with every weight on mirrored pairs positive, by the other entry."""
        places, weights = layer.entries.places.copy(), layer.entries.weights.copy()
        source = np.searchsorted(layer.offsets, places, side="right") - 1
        turned = False
        for number, side in self.mirrored.items():
            mine = (source == number) & (weights < 0)
            if mine.any():
                turned = True
                row, column = np.divmod(places[mine] - layer.offsets[number], side)
                places[mine] = layer.offsets[number] + column * side + row
                weights[mine] = -weights[mine]
        if not turned:
            return None
        entries = settled(Entries(layer.entries.owners, places, weights, layer.entries.bias))
        return Layer(entries, layer.outcomes, layer.sources, layer.offsets, layer.blank)

    def _best(self, layer: Layer, shape: tuple[int, ...] | None) -> Reading:
        turned = self._turned(layer)
        if turned is None:
            return find(layer, shape)
        return min(find(layer, shape), find(turned, shape), key=lambda reading: reading.cost)

    def _hidden(self, number: int, stage: Stage) -> None:
        written = self._units(stage)
        flipped = np.ones(stage.source.count, dtype=np.int64)
        reading: Reading | None = None
        for units in written:
            layer = self._layer(units)
            found = self._best(layer, None)
            if reading is None or found.cost < reading.cost:
                reading, flipped = found, np.ones_like(flipped)
            other, signs = _flipped(layer)
            if other is not None and len(reading.rest):
                found = self._best(other, None)
                if found.cost < reading.cost:
                    reading, flipped = found, signs
        assert reading is not None
        for few in reading.all():
            self._register(number, stage, self._squared(few), flipped)
        ends = written[0].outcomes
        assert ends is not None
        self._bounded(slice(stage.start, stage.stop), ends)

    def _bounded(self, mine: slice, outcomes: Ints) -> None:
        """Note what units with these outcomes [units, 3] can be."""
        self.ranges.low[mine] = outcomes.min(axis=1)
        self.ranges.high[mine] = outcomes.max(axis=1)
        self.ranges.step[mine] = np.gcd.reduce(np.abs(np.diff(outcomes, axis=1)), axis=1)

    def _register(self, number: int, stage: Stage, found: Found, flipped: Ints) -> None:
        family = found.family
        assert family.outcomes is not None
        name = self._name(number)
        sources = self.found.sources
        source = Source(name, family.counts, min(family.outcomes), max(family.outcomes))
        index, offset = len(sources), self.width
        numbers = stage.start + found.units
        self.place[numbers] = offset + found.places
        self.factor[numbers] = flipped[found.units]
        self._look(index, family, found)
        sources.append(source)
        self.offsets.append(offset)
        self.width += source.count
        self.found.hidden.append(Named(family, index))

    def _squared(self, found: Found) -> Found:
        """Return pairs of entries of one array on a square, where that makes them odd.

        Pairs i < j have i from 0 and j from 1; on one range for both, swapping the two turns the
        sign, and what is read of one pair can be read of the other.
        """
        family = found.family
        if family.outcomes is None or family.outcomes[0] != -family.outcomes[2]:
            return found
        lows: dict[str, set[tuple[int, int, int]]] = {"%c0": set(), "%c1": set()}
        for term in family.terms:
            for axis, index in enumerate(term.index):
                for symbol in lows if len(family.counts) == 2 else ():
                    if index.coefficient(symbol) == 1:
                        lows[symbol].add((term.source, axis, index.const))
        shifts = {
            (b - a)
            for source, axis, a in lows["%c0"]
            for other, line, b in lows["%c1"]
            if (source, axis) == (other, line)
        }
        for shift in sorted(shifts):
            before = np.array([max(-shift, 0), max(shift, 0)])
            counts = np.array(family.counts) + before
            if shift and counts.max() ** 2 <= 4 * family.size + 8:
                return self._aligned(found, before, int(counts.max()))
        return found

    def _aligned(self, found: Found, before: Ints, side: int) -> Found:
        """Return the family on a square, its coordinates moved up by `before`."""
        moved = shifted(found.family, before.tolist(), (side, side))
        offsets = np.array(self.offsets, dtype=np.int64)
        mine = hashes(expand(moved, grid((side, side)), self.found.sources, offsets))
        if not np.array_equal(mine.reshape(side, side).T.ravel(), -mine):
            return found
        places = np.stack(np.unravel_index(found.places, found.family.counts), axis=1) + before
        moved = clipped(moved, self.found.sources)
        return Found(moved, found.units, flat_places(places, (side, side)), found.cost)

    def _name(self, number: int) -> str:
        name = fresh_name(f"layer{number}", self.names)
        self.names.add(name)
        return name

    def _look(self, index: int, family: Family, found: Found) -> None:
        """Note entries that are always 0, and pairs that are each other's negative."""
        assert family.outcomes is not None
        below, tie, above = family.outcomes
        if tie != 0 or below != -above or not family.counts:
            return
        square = len(family.counts) == 2 and family.counts[0] == family.counts[1]
        if not square and len(np.unique(found.places)) == family.size:
            return
        offsets = np.array(self.offsets, dtype=np.int64)
        every = grid(family.counts)
        entries = settled(expand(family, every, self.found.sources, offsets))
        empty = np.bincount(entries.owners, minlength=len(every)) == 0
        zero = np.flatnonzero(empty & (entries.bias == 0))
        if len(zero):
            self.blank[index] = zero
        if not square or family.counts[0] < 2:
            return
        mine = hashes(entries)
        if np.array_equal(mine.reshape(family.counts).T.ravel(), -mine):
            self.mirrored[index] = family.counts[0]

    # ------------------------------------------------------------ results

    def _last(self, stage: Stage) -> None:
        graph, found = self.graph, self.found
        written = self._units(stage)
        shape = tuple(dim.const for dim in dims(found.module.entry.results[0].type))
        if graph.choices is not None:
            found.decision = "argmax"
            numbers = graph.choices[graph.results]
            shape = (*shape, numbers.shape[1])
            numbers = numbers.ravel()
        elif found.decision == "softmax":
            numbers = np.arange(stage.start, stage.stop)
        else:
            numbers = graph.results
        inside = (numbers >= stage.start) & (numbers < stage.stop)
        if not inside.all():
            raise Declined("a result is not a unit of the last layer")
        order = numbers - stage.start
        readings = [self._best(self._layer(units, order), shape) for units in written]
        families = min(readings, key=lambda reading: reading.cost).all()
        families.sort(key=lambda f: int(f.units[np.argmin(f.places)]))
        found.targets, found.shape = numbers, shape
        at = 0
        for few in families:
            expected = np.arange(at, at + len(few.units))
            plain = np.array_equal(few.units[np.argsort(few.places)], expected)
            if not plain or few.family.size != len(few.units):
                raise Declined("the outputs are interleaved in a way that is no loop")
            at += len(few.units)
            linear_ = few.family.outcomes is None
            family = replace(few.family, scale=written[0].scale) if linear_ else few.family
            found.outputs.append(family)


def _flipped(layer: Layer) -> tuple[Layer | None, Ints]:
    """Return the layer with odd units turned so that their first weight is positive."""
    entries, outcomes = layer.entries, layer.outcomes
    assert outcomes is not None
    below, tie, above = outcomes.T
    odd = (below == -above) & ((tie == 0) | (tie == below))
    first = np.zeros(layer.count, dtype=np.int64)
    starts = np.flatnonzero(np.diff(entries.owners, prepend=-1))
    first[entries.owners[starts]] = entries.weights[starts]
    turn = odd & (first < 0)
    signs = np.where(turn, -1, 1)
    if not turn.any():
        return None, signs
    # The negative of `z > 0 ? a : -a` is `1 - z > 0 ? a : -a` over integers.
    bias = entries.bias * signs + (turn & (tie == below))
    weights = entries.weights * signs[entries.owners]
    turned = Entries(entries.owners, entries.places, weights, bias)
    return Layer(turned, outcomes, layer.sources, layer.offsets, layer.blank), signs


__all__ = ["Named", "Reference", "Structure", "discover"]
