"""Truth, comparison, membership, indexing and iteration of values of any type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ddc.ir import DdcError

from . import arrays
from .graph import Operand
from .machine import LocatedError, Machine, Merge, python_type
from .values import (
    Arr,
    Builtin,
    DType,
    ErrorType,
    Function,
    Guarded,
    Items,
    Library,
    Mapping,
    Name,
    Partial,
    Poison,
    Stream,
    Sym,
    Value,
    is_number,
    kind_of,
    next_serial,
)

_SEQUENCES = (Items, tuple, str, range)
_ORDER = {"<": (1, 0), "<=": (1, 1), ">": (0, 0), ">=": (0, 1)}


class Containers(Machine):
    """What containers and numbers have in common."""

    def located(self, error: DdcError) -> DdcError:
        """Return an error with the place where the trace is, if it has none."""
        return error if isinstance(error, LocatedError) else self.error(str(error))

    def _check_current(self, value: Value) -> None:
        if isinstance(value, (Items, Mapping)):
            self.current(value)
        elif isinstance(value, Arr):
            self.current(value.buffer)

    # ------------------------------------------------------------ truth

    def truth(self, value: Value) -> Operand:
        """Return whether a value is true, as a bit."""
        self._check_current(value)
        if is_number(value):
            return self.numbers.truth(value)
        if isinstance(value, Items):
            if any(not isinstance(v, Guarded) for v in value.items):
                return 1
            return self.graph.or_([v.there for v in value.items])
        if isinstance(value, (Mapping, tuple, str, range, frozenset)) or value is None:
            return int(bool(value.items if isinstance(value, Mapping) else value))
        if isinstance(value, Arr):
            if value.data.size != 1:
                self.never(1, "ValueError: the truth of an array is ambiguous")
            return self.numbers.truth(value.data.item())
        if isinstance(value, Name):
            return self.graph.table([int(bool(o)) for o in value.options], value.place)
        if isinstance(value, (Function, Builtin, Partial, Library, DType, ErrorType)):
            return 1
        raise self.error(f"the truth of {python_type(value)} is not understood")

    # ------------------------------------------------------------ comparison

    def compare(self, sign: str, a: Value, b: Value) -> Value:
        """Return `a sign b`."""
        if sign in ("in", "not in"):
            bit = self.contains(b, a)
            return self.numbers.value(self.graph.not_(bit) if sign == "not in" else bit, "bool")
        if sign in ("is", "is not"):
            same = self._identity(a, b)
            return self.numbers.value(self.graph.not_(same) if sign == "is not" else same, "bool")
        if isinstance(a, Arr) or isinstance(b, Arr):
            if a is None or b is None:
                return sign == "!="
            try:
                return arrays.binary(self, sign, a, b)
            except DdcError as error:
                raise self.located(error) from None
        if sign in ("==", "!="):
            bit = self.equal(a, b)
            return self.numbers.value(self.graph.not_(bit) if sign == "!=" else bit, "bool")
        if is_number(a) and is_number(b):
            try:
                return self.numbers.compare(sign, a, b)
            except DdcError as error:
                raise self.located(error) from None
        for kinds in (Items, tuple):
            if isinstance(a, kinds) and isinstance(b, kinds):
                bit = self._order(sign, self.plain_list(a), self.plain_list(b))
                return self.numbers.value(bit, "bool")
        if isinstance(a, str) and isinstance(b, str):
            return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]
        raise self.error(f"'{sign}' of {python_type(a)} and {python_type(b)} is not understood")

    def equal(self, a: Value, b: Value) -> Operand:
        """Return whether two values are equal, as a bit."""
        if is_number(a) and is_number(b):
            return self.numbers.truth(self.numbers.compare("==", a, b))
        if isinstance(a, Name) or isinstance(b, Name):
            return self._equal_names(a, b)
        for kinds in (Items, tuple):
            if isinstance(a, kinds) and isinstance(b, kinds):
                xs, ys = self.plain_list(a), self.plain_list(b)
                if len(xs) != len(ys):
                    return 0
                self.charge(len(xs))
                return self.graph.and_([self.equal(x, y) for x, y in zip(xs, ys)])
        if isinstance(a, Mapping) or isinstance(b, Mapping) or isinstance(a, Arr):
            raise self.error(f"'==' of {python_type(a)} is not understood here")
        plain = (str, range, frozenset, type(None), int, float, Ellipsis.__class__)
        if isinstance(a, plain) and isinstance(b, plain):
            return int(a == b)
        return int(a is b or (isinstance(a, DType) and isinstance(b, DType) and a.dtype == b.dtype))

    def _equal_names(self, a: Value, b: Value) -> Operand:
        if not isinstance(a, Name):
            a, b = b, a
        if isinstance(b, str) or b is None:
            return self.graph.table([int(o == b) for o in a.options], a.place)
        if not isinstance(b, Name):
            return 0
        places = [
            self.graph.table(
                [a.options.index(o) if o in a.options else -1 for o in b.options], b.place
            )
        ]
        return self.graph.eq(a.place, places[0])

    def _order(self, sign: str, xs: list[Value], ys: list[Value]) -> Operand:
        """Compare sequences: the first entries that differ decide."""
        forward, equal = _ORDER[sign]
        if len(xs) == len(ys):
            result: Operand = equal
        else:
            result = int((len(xs) < len(ys)) == bool(forward))
        for x, y in reversed(list(zip(xs, ys))):
            self.charge(1)
            less = self.truth(self.compare("<" if forward else ">", x, y))
            result = self.graph.select(self.equal(x, y), result, less)
        return result

    def _identity(self, a: Value, b: Value) -> Operand:
        if a is None or b is None:
            if isinstance(a, Name) or isinstance(b, Name):
                return self._equal_names(a, b)
            return int(a is b)
        if isinstance(a, bool) and isinstance(b, bool):
            return int(a == b)
        for x, y in ((a, b), (b, a)):
            if isinstance(x, bool) and isinstance(y, Sym) and y.kind == "int":
                return 0
        if is_number(a) or is_number(b) or isinstance(a, str) or isinstance(b, str):
            raise self.error("'is' of numbers and strings is not understood; say '=='")
        return int(a is b)

    def contains(self, container: Value, item: Value) -> Operand:
        """Return whether a container holds a value, as a bit."""
        self._check_current(container)
        if isinstance(container, range) and is_number(item):
            return self._in_range(container, item)
        if isinstance(container, (frozenset, Mapping)):
            keys = list(container.items if isinstance(container, Mapping) else container)
            return self.one_of(item, keys)
        if isinstance(container, str):
            if isinstance(item, Name):
                found = [int(o is not None and o in container) for o in item.options]
                return self.graph.table(found, item.place)
            if isinstance(item, str):
                return int(item in container)
            raise self.error("'in' of this value and a string is not understood")
        if isinstance(container, Arr):
            flat = container.data.ravel().tolist()
            return self.graph.or_([self.equal(item, v) for v in flat])
        return self.one_of(item, self.plain_list(container))

    def one_of(self, item: Value, options: Sequence[Value]) -> Operand:
        """Return whether a value is one of several, as a bit."""
        self.charge(len(options))
        if isinstance(item, Name) and all(isinstance(o, str) or o is None for o in options):
            found = [int(o in options) for o in item.options]
            return self.graph.table(found, item.place)
        levels = self.graph.levels(item.name) if isinstance(item, Sym) else None
        if levels is not None and not any(isinstance(o, (Sym, Poison)) for o in options):
            numbers = {o for o in options if isinstance(o, (int, float))}
            inside = numbers.issuperset(levels)
            if inside or numbers.isdisjoint(levels):
                return int(inside)
        return self.graph.or_([self.equal(item, o) for o in options])

    def _in_range(self, values: range, item: Value) -> Operand:
        if not isinstance(item, Sym):
            return int(item in values)
        x = item.name
        if not len(values):
            return 0
        if not self.graph.is_int(x):
            self.charge(len(values))
            return self.graph.or_([self.graph.eq(x, v) for v in values])
        low, high = min(values[0], values[-1]), max(values[0], values[-1])
        inside = [self.graph.le(low, x), self.graph.le(x, high)]
        step = abs(values.step)
        if step > 1:
            inside.append(self.graph.eq(self.graph.mod(self.graph.sub(x, low), step), 0))
        return self.graph.and_(inside)

    # ------------------------------------------------------------ iteration

    def iterate(self, value: Value) -> Iterator[Value]:
        """Return an iterator over the items, some of them guarded."""
        self._check_current(value)
        if isinstance(value, Stream):
            return value.source
        if isinstance(value, Items):
            return self._live(value)
        if isinstance(value, (tuple, str, range)):
            return iter(value)
        if isinstance(value, frozenset):
            return iter(sorted(value, key=_key_order))
        if isinstance(value, Mapping):
            return iter(list(value.items))
        if isinstance(value, Arr):
            return arrays.rows(self, value)
        raise self.error(f"iterating over {python_type(value)} is not understood")

    def _live(self, value: Items) -> Iterator[Value]:
        """Walk a list as Python does: what is appended on the way is reached too."""
        place = 0
        while place < len(value.items):
            self.charge(1)
            yield value.items[place]
            place += 1

    def items_of(self, value: Value) -> list[Value]:
        """Return all items, counted before they are stored; some may be guarded."""
        if isinstance(value, (tuple, range, str)):
            self.charge(len(value))
            return list(value)
        found: list[Value] = []
        for item in self.iterate(value):
            self.charge(1)
            found.append(item)
        return found

    def plain_list(self, value: Value) -> list[Value]:
        """Return all items; an error where their number depends on the input."""
        found = self.items_of(value)
        if any(isinstance(v, Guarded) for v in found):
            raise self.error("a list whose length depends on the input is not understood here")
        return found

    def guarded(self, guards: Sequence[Operand], value: Value) -> Value:
        """Return a value that is there only where all guards are 1."""
        there = self.graph.and_(guards)
        if isinstance(value, Guarded):
            there, value = self.graph.and_([there, value.there]), value.value
        return value if there == 1 else Guarded(there, value)

    def length(self, value: Value) -> Value:
        """Return len(value)."""
        self._check_current(value)
        if isinstance(value, Items):
            total = self.graph.add(
                [v.there if isinstance(v, Guarded) else 1 for v in value.items] or [0]
            )
            return self.numbers.value(total, "int")
        if isinstance(value, (tuple, str, range, frozenset)):
            return len(value)
        if isinstance(value, Mapping):
            return len(value.items)
        if isinstance(value, Arr) and value.shape:
            return value.shape[0]
        return self.never(1, f"TypeError: {python_type(value)} has no length")

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
        self._check_current(value)
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

    def pick_one(self, bit: Operand, then: Value, other: Value) -> Value:
        """Return one of two values, as a bit decides."""
        return Merge(self, next_serial(), {}, {}).value(bit, then, other)

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

    def binary(self, sign: str, a: Value, b: Value) -> Value:
        """Return `a sign b`."""
        raise NotImplementedError

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


def _key_order(key: Value) -> tuple[str, Any]:
    return ("number", key) if isinstance(key, (int, float)) else (type(key).__name__, str(key))


def _plain(value: Any) -> int | float:
    return int(value) if isinstance(value, int) else float(value)


def _wider(kinds: set[str]) -> str:
    return "truth" if kinds <= {"bool", "int"} else "number"
