"""Truth, comparison, identity and membership of values of any type."""

from __future__ import annotations

from collections.abc import Sequence

from ddc.ir import DdcError

from .emitter import Operand
from .iteration import Iteration
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
    Sym,
    Value,
    is_number,
)
from .wording import python_type

_ORDER = {"<": (1, 0), "<=": (1, 1), ">": (0, 0), ">=": (0, 1)}  # forward, true of equals


class Comparisons(Iteration):
    """What values are to `if`, `==`, `<`, `is` and `in`."""

    # ------------------------------------------------------------ truth

    def truth(self, value: Value) -> Operand:
        """Return whether a value is true, as a bit."""
        self.check_current(value)
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
            return self.binary(sign, a, b)
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

    def binary(self, sign: str, a: Value, b: Value) -> Value:
        """Return `a sign b`."""
        raise NotImplementedError

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
        self.check_current(container)
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
