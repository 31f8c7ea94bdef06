"""Indexing, look-ups, stores and operators of containers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ddc.ir import DdcError

from . import arrays
from .comparisons import Comparisons
from .emitter import Operand
from .values import Arr, Guarded, Items, Mapping, Poison, Sym, Value, is_number, kind_of
from .wording import python_type

_SEQUENCES = (Items, tuple, str, range)


class Containers(Comparisons):
    """Entries of containers, read and written, and operators on containers."""

    # ------------------------------------------------------------ keys and indices

    def key(self, value: Value) -> Value:
        """Return a value as a key of a dict or set, which must be concrete."""
        if isinstance(value, tuple):
            return tuple(self.key(v) for v in value)
        if isinstance(value, Arr) and not value.shape:
            value = value.data.item()
        if isinstance(value, (bool, int, float, str, frozenset)) or value is None:
            return value
        if isinstance(value, (Items, Mapping, Arr)):
            self.never(1, "TypeError: unhashable key")
        raise self.error("a key that depends on the input is understood in look-ups only")

    def whole(self, value: Value, what: str) -> int:
        """Return an int that does not depend on the input."""
        if isinstance(value, Arr) and not value.shape and value.dtype.kind in "iub":
            value = value.data.item()
        if isinstance(value, Sym):
            raise self.error(f"{what} that depends on the input is not understood")
        if isinstance(value, int):
            return int(value)
        self.never(1, f"TypeError: {what} by {python_type(value)}")
        raise AssertionError

    def item(self, value: Value, place: Value) -> Value:
        """Return value[place]."""
        self.check_current(value)
        if isinstance(value, Arr):
            try:
                return arrays.get_item(self, value, place)
            except DdcError as error:
                raise self.located(error) from None
        if isinstance(place, Arr) and not place.shape:
            place = place.data.item()
        if isinstance(value, Mapping):
            return self.look_up(value, place, None)
        if not isinstance(value, _SEQUENCES):
            raise self.error(f"indexing {python_type(value)} is not understood")
        if isinstance(place, slice):
            return self._slice(value, place)
        if isinstance(place, Sym):
            if place.kind in ("float", "number"):
                self.never(1, "TypeError: an index that is a float")
            return self._at(self.plain_list(value), place.name)
        at = self.whole(place, "an index")
        items = value.items if isinstance(value, Items) else value
        if isinstance(value, Items) and any(isinstance(v, Guarded) for v in value.items):
            raise self.error("a list whose length depends on the input is not understood here")
        if not -len(items) <= at < len(items):
            self.never(1, "IndexError: an index out of range")
        found = items[at]
        if isinstance(found, Poison):
            raise self.error(found.why)
        return found

    def _slice(self, value: Value, place: slice) -> Value:
        ends = (place.start, place.stop, place.step)
        if isinstance(place.start, Sym) and isinstance(place.stop, Sym) and place.step is None:
            return self._window(value, place.start.name, place.stop.name)
        start, stop, step = (None if e is None else self.whole(e, "a slice") for e in ends)
        if step == 0:
            self.never(1, "ValueError: a slice with step 0")
        place = slice(start, stop, step)
        if isinstance(value, (tuple, str, range)):
            return value[place]
        items = self.plain_list(value)[place]
        return Items(items)

    def _window(self, value: Value, start: str, stop: str) -> Value:
        """Return a slice of a fixed length from a place that the input decides."""
        items, graph = self.plain_list(value), self.graph
        width = graph.sub(stop, start)
        if isinstance(width, str) or isinstance(value, str):
            raise self.error("a slice whose length depends on the input is not understood")
        last = len(items) - int(width)
        outside = graph.or_([graph.lt(start, 0), graph.lt(last, start)])
        if outside != 0 and self.possible(outside).possible is not False:
            raise self.error(
                "a slice that may lie outside, as the input decides, is not understood"
            )
        first = graph.clamp(start, 0, max(0, last))
        places = [graph.add([first, k]) for k in range(int(width))]
        found = [self._at(items, p) if isinstance(p, str) else items[int(p)] for p in places]
        return tuple(found) if isinstance(value, tuple) else Items(found)

    def _at(self, items: list[Value], place: str) -> Value:
        """Return the entry at a symbolic place."""
        count, graph = len(items), self.graph
        low, high = graph.span(place)
        if low < -count or high >= count:
            outside = graph.or_([graph.lt(place, -count), graph.le(count, place)])
            self.never(outside, "IndexError: an index out of range")
            if not count:
                raise self.error("an index into an empty list is not understood")
            place = str(graph.clamp(place, -count, count - 1)) if count > 1 or low < 0 else place
            if count == 1:
                return items[0]
        self.charge(count)
        rows = [row for row in items if isinstance(row, tuple)]
        if len(rows) == count and len({len(row) for row in rows}) == 1:
            return tuple(self._at(list(column), place) for column in zip(*rows))
        numbers = all(is_number(v) for v in items)
        values = graph.levels(place)
        if numbers and values is not None and not any(isinstance(v, Sym) for v in items):
            kinds = {kind_of(items[v]) for v in values}
            kind = kinds.pop() if len(kinds) == 1 else _wider(kinds)
            return self.numbers.value(graph.table([_plain(items[v]) for v in values], place), kind)
        if low < 0 or isinstance(low, float):
            place = str(graph.emit("mod", place, count))
        if numbers and len({kind_of(v) for v in items}) == 1:
            operands = [self.numbers.operand(v) for v in items]
            if len(items) > 4:
                return self.numbers.value(graph.array("gather", operands, place), kind_of(items[0]))
        result = items[-1]
        for k in range(count - 2, -1, -1):
            result = self.pick_one(graph.eq(place, k), items[k], result)
        if isinstance(result, Poison):
            raise self.error(result.why)
        return result

    def look_up(self, table: Mapping, key: Value, default: list[Value] | None) -> Value:
        """Return table[key]; `default` holds what stands for a key that is not there."""
        entries = list(table.items.items())
        self.charge(len(entries))
        matches: list[tuple[Operand, Value]] = []
        for k, v in entries:
            bit = self.equal(key, k)
            if not isinstance(bit, str) and bit:
                return v
            if bit:
                matches.append((bit, v))
        anything = self.graph.or_([bit for bit, _ in matches])
        if default is None:
            self.never(self.graph.not_(anything), "KeyError: a key that is not there")
            (_, result), matches = matches[-1], matches[:-1]
        else:
            (result,) = default
        tabulated = self._tabulated(key, matches, result)
        if tabulated is not None:
            return tabulated
        for bit, v in reversed(matches):
            result = self.pick_one(bit, v, result)
        return result

    def _tabulated(
        self, key: Value, matches: Sequence[tuple[Operand, Value]], other: Value
    ) -> Value | None:
        """Return a look-up of numbers by one small int as a table."""
        if not isinstance(key, Sym) or len(matches) < 3:
            return None
        values = self.graph.levels(key.name)
        results = [other, *(v for _, v in matches)]
        if (
            values is None
            or len(values) > 4096
            or {kind_of(v) for v in results if is_number(v)} != {"int"}
        ):
            return None
        if not all(isinstance(v, int) for v in results):
            return None
        by_level: list[int | float] = []
        for level in values:
            hit = [v for (bit, v) in matches if self._is_level(bit, key.name, level)]
            by_level.append(hit[0] if hit else other)
        return self.numbers.value(self.graph.table(by_level, key.name), "int")

    def _is_level(self, bit: Operand, name: str, level: int) -> bool:
        return self.graph.eq(name, level) == bit

    def store(self, target: Value, place: Value, value: Value) -> None:
        """Do target[place] = value."""
        if isinstance(target, Arr):
            try:
                arrays.set_item(self, target, place, value)
            except DdcError as error:
                raise self.located(error) from None
            return
        if isinstance(target, Mapping):
            key = self.key(place)
            self.touch(target)
            target.items[key] = value
            return
        if not isinstance(target, Items):
            self.never(1, f"TypeError: {python_type(target)} does not change")
            raise AssertionError
        if isinstance(place, slice):
            new = self.plain_list(value)
            if place.step not in (None, 1) and len(target.items[place]) != len(new):
                self.never(1, "ValueError: a slice of another length")
            self.touch(target)
            target.items[place] = new
            return
        if isinstance(place, Sym):
            self._store_at(target, place.name, value)
            return
        at = self.whole(place, "an index")
        if not -len(target.items) <= at < len(target.items):
            self.never(1, "IndexError: an index out of range")
        self.touch(target)
        target.items[at] = value

    def _store_at(self, target: Items, place: str, value: Value) -> None:
        """Store at a symbolic place: every entry keeps what it holds or takes the new value."""
        count, graph = len(target.items), self.graph
        low, high = graph.span(place)
        if low < -count or high >= count:
            outside = graph.or_([graph.lt(place, -count), graph.le(count, place)])
            self.never(outside, "IndexError: an index out of range")
        self.charge(count)
        self.touch(target)
        for k in range(count):
            here = graph.or_([graph.eq(place, k), graph.eq(place, k - count)])
            target.items[k] = self.pick_one(here, value, target.items[k])

    # ------------------------------------------------------------ containers and operators

    def call(self, function: Value, args: Sequence[Value], named: dict[str, Value]) -> Value:
        """Return the result of a call."""
        raise NotImplementedError

    def join_containers(self, sign: str, a: Value, b: Value) -> Value:
        """Return `a sign b` where one is no number."""
        if sign == "+":
            if isinstance(a, Items) and isinstance(b, Items):
                self.charge(len(a.items) + len(b.items))
                return Items([*a.items, *b.items])
            if isinstance(a, (tuple, str)) and type(a) is type(b):
                self.charge(len(a) + len(b))
                joined: Any = a
                return joined + b
        if sign == "*":
            for x, n in ((a, b), (b, a)):
                if isinstance(x, (Items, tuple, str)) and isinstance(n, int):
                    items: Any = x.items if isinstance(x, Items) else x
                    self.charge(len(items) * max(0, n))
                    return Items(items * n) if isinstance(x, Items) else items * n
        if isinstance(a, frozenset) and isinstance(b, frozenset) and sign in _SET_SIGNS:
            return _SET_SIGNS[sign](a, b)
        for x in (a, b):
            if isinstance(x, Poison):
                raise self.error(x.why)
        raise self.error(f"'{sign}' of {python_type(a)} and {python_type(b)} is not understood")


_SET_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "|": lambda a, b: a | b,
    "&": lambda a, b: a & b,
    "-": lambda a, b: a - b,
    "^": lambda a, b: a ^ b,
}


def _plain(value: Any) -> int | float:
    return int(value) if isinstance(value, int) else float(value)


def _wider(kinds: set[str]) -> str:
    return "truth" if kinds <= {"bool", "int"} else "number"
