"""A rule on a grid at several rows, as look-ups that neighbouring cells share.

What a cell computes of the cells in some columns of its window, the next cell of the row computes
of the same columns, one further to the left of it. Values are therefore kept as a structure and a
shift: the same structure at another shift is the same value at another column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ddc.ir.equivalence.gates import Gates, Planes

from .decompose import Step, support
from .logic import cone
from .luts import Recipe, recipe
from .stencil import Stencil

MOST_CARRIED = 16  # values of earlier columns that stay in registers
LARGEST_GAP = 2  # columns between values of which the older is kept, not computed anew

Value = tuple[int, int]  # a structure and the column of its last cell, relative to the cell made


@dataclass(frozen=True)
class Look:
    """A look-up of up to three values; the first one is the highest digit of an entry's index."""

    table: tuple[int, ...]
    reads: tuple[Value, ...]


@dataclass(frozen=True)
class Plan:
    """How some rows are made from left to right.

    `structures[k]` is a look-up, its reads relative to its own shift, or a number: the row of a cell.
    `carried` gives for the newest values of some structures the shift of the oldest one of the same
    structure that is still wanted: those between were computed for the columns before, and for the
    first column they are in `first`. `body` makes one cell of each row, operands first, and
    `outputs` are the results.
    """

    structures: tuple[Look | int, ...]
    carried: dict[Value, int]
    first: tuple[Value, ...]
    body: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @property
    def kept(self) -> tuple[Value, ...]:
        """The values that stay for the next column: each is one column older then."""
        return tuple((k, s) for (k, new), old in self.carried.items() for s in range(old, new))

    @property
    def work(self) -> int:
        """How many look-ups one cell of each row takes."""
        return sum(isinstance(self.structures[k], Look) for k, _ in self.body)


def reads_of(structure: Look | int, shift: int) -> tuple[Value, ...]:
    """Return the values that a structure at some shift reads."""
    if isinstance(structure, int):
        return ()
    return tuple((k, shift + relative) for k, relative in structure.reads)


class _Ordered(Gates):
    """Gates whose sums take the earliest variables first."""

    def weighted_sum(
        self, terms: Iterable[tuple[Planes, int]], offset: int, low: int, high: int
    ) -> Planes:
        ordered = sorted(terms, key=lambda term: [plane >> 1 for plane in term[0]])
        return super().weighted_sum(ordered, offset, low, high)


@lru_cache(maxsize=64)
def rule_recipe(stencil: Stencil, order: tuple[int, ...]) -> Recipe:
    """Return the rule as look-ups; cells are variables by their place in `offsets`.

    Sums add the cells up in the given order. Every look-up but the last gives 0 where all that it
    reads is 0, so that a value has one form.
    """
    gates = _Ordered()
    signals = {stencil.offsets[k]: gates.variable(k) for k in order}
    output = stencil.output(gates, signals)
    return normal(recipe(gates, output, cone(gates, [output])))


def normal(rule: Recipe) -> Recipe:
    """Return the same rule in a form in which equal values look alike.

    Every look-up depends on all that it reads, and every one but the last gives 0 where all that
    it reads is 0; none but the last is constant or a copy.
    """
    meant: dict[Hashable, tuple[Hashable | None, int]] = {}  # what is equal or opposite to what
    steps: list[Step] = []
    for step in rule.steps:
        reads = [meant.get(name, (name, 0)) for name in step.reads]
        names = tuple(dict.fromkeys(name for name, _ in reads if name is not None))
        entries: list[int] = []
        for index in range(1 << len(names)):
            digits = {n: index >> (len(names) - 1 - k) & 1 for k, n in enumerate(names)}
            place = 0
            for name, flip in reads:
                place = 2 * place + (flip if name is None else digits[name] ^ flip)
            entries.append(step.table[place])
        table, names = support(tuple(entries), names)
        bits = tuple(int(bool(entry)) for entry in table)
        if step.name == rule.result:
            steps.append(Step(step.name, names, bits))
            break
        if len(names) < 2:
            meant[step.name] = (names[0] if names else None, bits[0])
            continue
        meant[step.name] = (step.name, bits[0])
        steps.append(Step(step.name, names, tuple(entry ^ bits[0] for entry in bits)))
    used: set[Hashable] = {rule.result}
    kept: list[Step] = []
    for step in reversed(steps):
        if step.name in used:
            used.update(step.reads)
            kept.append(step)
    return Recipe(tuple(reversed(kept)), rule.result)


@lru_cache(maxsize=64)
def plan(stencil: Stencil, rows: int) -> Plan:
    """Return how a rule on two axes makes some rows at once, with as few look-ups as are known."""
    plans = [
        _plan(stencil, rule_recipe(stencil, order), rows, carrying)
        for order in _orders(stencil)
        for carrying in (True, False)
    ]
    fit = [made for made in plans if len(made.kept) <= MOST_CARRIED]
    return min(fit, key=lambda made: (made.work, len(made.kept)))


def _orders(stencil: Stencil) -> list[tuple[int, ...]]:
    """Return orders in which cells may be added up: by rows or by columns, the longest first."""
    orders: list[tuple[int, ...]] = []
    for axis in (0, 1):
        length = Counter(offset[axis] for offset in stencil.offsets)
        keys = [(-length[o[axis]], o[axis], o[1 - axis]) for o in stencil.offsets]
        orders.append(tuple(sorted(range(len(keys)), key=keys.__getitem__)))
    return orders


class _Structures:
    """Structures of values, each kept once."""

    def __init__(self) -> None:
        self.kept: dict[Look | int, int] = {}

    def value(self, structure: Look | int, shift: int) -> Value:
        return self.kept.setdefault(structure, len(self.kept)), shift

    def look(self, table: tuple[int, ...], reads: Sequence[Value]) -> Value:
        """Return a look-up, whose reads are put in order."""
        order = sorted(range(len(reads)), key=lambda k: reads[k])
        shift = max((reads[k][1] for k in order), default=0)
        places = [len(reads) - 1 - k for k in order]
        entries: list[int] = []
        for index in range(len(table)):
            digits = [index >> (len(order) - 1 - k) & 1 for k in range(len(order))]
            entries.append(table[sum(d << place for d, place in zip(digits, places))])
        relative = tuple((reads[k][0], reads[k][1] - shift) for k in order)
        return self.value(Look(tuple(entries), relative), shift)


def _plan(stencil: Stencil, steps: Recipe, rows: int, carrying: bool) -> Plan:
    structures = _Structures()
    outputs: list[Value] = []
    for row in range(rows):
        known: dict[object, Value] = {
            ("variable", k): structures.value(row + down, across)
            for k, (down, across) in enumerate(stencil.offsets)
        }
        for step in steps.steps:
            known[step.name] = structures.look(step.table, [known[name] for name in step.reads])
        outputs.append(known[steps.result])
    kept = tuple(structures.kept)
    carried = _runs(kept, _needed(kept, outputs, {})) if carrying else {}
    body = _needed(kept, outputs, carried)
    carried = {newest: oldest for newest, oldest in carried.items() if newest in set(body)}
    made = Plan(kept, carried, (), tuple(body), tuple(outputs))
    return replace(made, first=tuple(_needed(kept, made.kept, {})))


def _runs(structures: Sequence[Look | int], values: Sequence[Value]) -> dict[Value, int]:
    """Return the newest value and the oldest shift of the look-ups that are wanted more than once."""
    carried: dict[Value, int] = {}
    for k, shift in sorted(values, reverse=True):
        if isinstance(structures[k], int):
            continue
        newest = next(reversed(carried), (-1, 0))
        if newest[0] == k and carried[newest] - shift <= LARGEST_GAP:
            carried[newest] = shift
        else:
            carried[k, shift] = shift
    return {newest: oldest for newest, oldest in carried.items() if oldest < newest[1]}


def _needed(
    structures: Sequence[Look | int], wanted: Sequence[Value], carried: Mapping[Value, int]
) -> list[Value]:
    """Return what must be computed, operands first; of what is carried only the newest values."""
    newest = {(k, s): (k, new) for (k, new), old in carried.items() for s in range(old, new)}
    found: set[Value] = set()
    stack = list(wanted)
    while stack:
        last = stack.pop()
        k, shift = value = newest.get(last, last)
        if value not in found:
            found.add(value)
            stack += reads_of(structures[k], shift)
    return sorted(found)
