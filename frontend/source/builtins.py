"""Python's built-in functions, for values that may depend on the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import arrays
from .values import (
    Arr,
    Builtin,
    DType,
    ErrorType,
    Function,
    Guarded,
    Items,
    Mapping,
    Name,
    Partial,
    Stream,
    Sym,
    Value,
    is_number,
    kind_of,
)
from .wording import python_type

if TYPE_CHECKING:
    from .expressions import Expressions as Trace

MOST_SORTED = 256


def _number(trace: Trace, value: Value) -> Value:
    """Return a number, also out of an array without axes."""
    if isinstance(value, Arr) and value.data.size == 1:
        return value.data.item()
    if not is_number(value):
        raise trace.error(f"arithmetic with {python_type(value)} is not understood")
    return value


def _int(trace: Trace, value: Value = 0, base: Value = None) -> Value:
    if isinstance(value, Name) and base is None:
        numbers = [_parse(trace, o or "", int) for o in value.options]
        return trace.numbers.value(trace.graph.table(numbers, value.place), "int")
    if isinstance(value, str):
        if base is not None:
            return _parse(trace, value, lambda t: int(t, trace.whole(base, "a base")))
        return _parse(trace, value, int)
    return trace.numbers.to_int(_number(trace, value))


def _parse(trace: Trace, text: str, function: Callable[[str], Any]) -> Any:
    try:
        return function(text)
    except ValueError:
        trace.never(1, "ValueError: not a number")
        raise AssertionError from None


def _float(trace: Trace, value: Value = 0.0) -> Value:
    if isinstance(value, str):
        return _parse(trace, value, float)
    return trace.numbers.to_float(_number(trace, value))


def _bool(trace: Trace, value: Value = False) -> Value:
    return trace.numbers.value(trace.truth(value), "bool")


def _str(trace: Trace, value: Value = "") -> Value:
    if isinstance(value, (int, str)) or value is None:
        return str(value)
    if isinstance(value, Sym) and (levels := trace.graph.levels(value.name)) is not None:
        if len(levels) <= 16 and value.kind in ("int", "bool"):
            texts = [str(bool(v) if value.kind == "bool" else v) for v in levels]
            places = trace.graph.table(list(range(len(levels))), value.name)
            return Name(places, tuple(texts))
    raise trace.error(f"a string of {python_type(value)} is not understood")


def _list(trace: Trace, value: Value = ()) -> Value:
    return Items(trace.items_of(value))


def _tuple(trace: Trace, value: Value = ()) -> Value:
    return tuple(trace.plain_list(value))


def _set(trace: Trace, value: Value = ()) -> Value:
    return frozenset(trace.key(v) for v in trace.plain_list(value))


def _dict(trace: Trace, value: Value = (), **named: Value) -> Value:
    if isinstance(value, Mapping):
        return Mapping({**value.items, **named})
    pairs = [trace.plain_list(p) for p in trace.plain_list(value)]
    if any(len(p) != 2 for p in pairs):
        trace.never(1, "ValueError: a dict of what are no pairs")
    return Mapping({**{trace.key(k): v for k, v in pairs}, **named})


def _range(trace: Trace, *ends: Value) -> Value:
    found = [trace.whole(e, "a range") for e in ends]
    if len(found) == 3 and found[2] == 0:
        trace.never(1, "ValueError: a range with step 0")
    if any(abs(e) > 1 << 62 for e in found):
        raise trace.error("a range beyond 2**62 is not understood")
    return range(*found)


def _abs(trace: Trace, value: Value) -> Value:
    if isinstance(value, Arr):
        return arrays.function(trace, "absolute", value)
    return trace.numbers.absolute(_number(trace, value))


def _round(trace: Trace, value: Value, digits: Value = None) -> Value:
    if digits is not None:
        if isinstance(value, float) and isinstance(digits, int):
            return round(value, digits)
        raise trace.error("rounding to digits is not understood")
    if isinstance(value, Arr):
        return arrays.function(trace, "rint", value)
    return trace.numbers.round(_number(trace, value))


def _sum(trace: Trace, values: Value, start: Value = 0) -> Value:
    items: list[Value] = []
    for item in trace.iterate(values):
        trace.charge(1)
        if isinstance(item, Guarded):
            zero = 0.0 if kind_of(item.value) == "float" else 0
            item = trace.numbers.select(item.there, item.value, zero)
        items.append(item)
    if all(is_number(v) for v in (*items, start)):
        return trace.numbers.sum(items, start)
    total = start
    for item in items:
        total = trace.binary("+", total, item)
    return total


def _any(trace: Trace, values: Value) -> Value:
    return _quantified(trace, values, True)


def _all(trace: Trace, values: Value) -> Value:
    return _quantified(trace, values, False)


def _quantified(trace: Trace, values: Value, stop: bool) -> Value:
    graph = trace.graph
    bits: list[Any] = []
    for item in trace.iterate(values):
        trace.charge(1)
        there, value = (item.there, item.value) if isinstance(item, Guarded) else (1, item)
        bit = trace.truth(value)
        bit = graph.and_([there, bit if stop else graph.not_(bit)])
        bits.append(bit)
        if bit == 1:
            break
    found = graph.or_(bits)
    return trace.numbers.value(found if stop else graph.not_(found), "bool")


def _min(trace: Trace, *values: Value, key: Value = None, default: Value = Guarded) -> Value:
    return _extreme(trace, "min", values, key, default)


def _max(trace: Trace, *values: Value, key: Value = None, default: Value = Guarded) -> Value:
    return _extreme(trace, "max", values, key, default)


def _extreme(
    trace: Trace, code: str, values: tuple[Value, ...], key: Value, default: Value
) -> Value:
    items = trace.plain_list(values[0]) if len(values) == 1 else list(values)
    if not items:
        if default is Guarded:
            trace.never(1, f"ValueError: {code} of nothing")
        return default
    items = [v.data.item() if isinstance(v, Arr) and not v.shape else v for v in items]
    if key is None and all(is_number(v) for v in items):
        return trace.numbers.extreme(code, items)
    best = items[0]
    rank = best if key is None else trace.call(key, [best], {})
    for item in items[1:]:
        other = item if key is None else trace.call(key, [item], {})
        better = trace.truth(trace.compare("<" if code == "min" else ">", other, rank))
        best = trace.pick_one(better, item, best)
        rank = trace.pick_one(better, other, rank)
    return best


def _len(trace: Trace, value: Value) -> Value:
    return trace.length(value)


def _enumerate(trace: Trace, values: Value, start: Value = 0) -> Value:
    first = trace.whole(start, "a start")
    source = trace.iterate(values)

    def numbered() -> Iterator[Value]:
        for place, item in enumerate(source, first):
            if isinstance(item, Guarded):
                raise trace.error("counting a list whose length depends on the input")
            yield place, item

    return Stream(numbered())


def _zip(trace: Trace, *values: Value, strict: Value = False) -> Value:
    sources = [trace.iterate(v) for v in values]
    if not strict:
        return Stream(zip(*(_present(trace, s) for s in sources)))
    columns = [trace.plain_list(v) for v in values]
    if len({len(c) for c in columns}) > 1:
        trace.never(1, "ValueError: zip of different lengths")
    return Stream(zip(*columns))


def _present(trace: Trace, source: Iterator[Value]) -> Iterator[Value]:
    for item in source:
        if isinstance(item, Guarded):
            raise trace.error("a list whose length depends on the input is not understood here")
        yield item


def _map(trace: Trace, function: Value, *values: Value) -> Value:
    rows = zip(*(_present(trace, trace.iterate(v)) for v in values))
    return Stream(trace.call(function, list(row), {}) for row in rows)


def _filter(trace: Trace, function: Value, values: Value) -> Value:
    def kept() -> Iterator[Value]:
        for item in _present(trace, trace.iterate(values)):
            bit = trace.truth(item if function is None else trace.call(function, [item], {}))
            if bit != 0:
                yield trace.guarded([bit], item)

    return Stream(kept())


def _reversed(trace: Trace, values: Value) -> Value:
    if isinstance(values, range):
        return Stream(iter(values[::-1]))
    return Stream(iter(trace.items_of(values)[::-1]))


def _sorted(trace: Trace, values: Value, *, key: Value = None, reverse: Value = False) -> Value:
    items = trace.plain_list(values)
    ranks = items if key is None else [trace.call(key, [v], {}) for v in items]
    backward = trace.decided(trace.truth(reverse))
    if not any(isinstance(r, (Sym, Name)) for r in _flat(ranks)):
        trace.charge(len(items) * 8)
        try:
            order = sorted(range(len(items)), key=lambda k: ranks[k], reverse=bool(backward))
        except TypeError:
            raise trace.error("sorting these values is not understood") from None
        return Items([items[k] for k in order])
    if key is not None or len(items) > MOST_SORTED or not all(is_number(v) for v in items):
        raise trace.error("sorting by a key that depends on the input is not understood")
    for end in range(len(items) - 1, 0, -1):
        for k in range(end):
            trace.charge(1)
            pair = [items[k], items[k + 1]]
            low, high = trace.numbers.extreme("min", pair), trace.numbers.extreme("max", pair)
            items[k], items[k + 1] = (high, low) if backward else (low, high)
    return Items(items)


def _flat(values: list[Value]) -> Iterator[Value]:
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(list(value))
        elif isinstance(value, Items):
            yield from _flat(value.items)
        else:
            yield value


def _iter(trace: Trace, value: Value) -> Value:
    return Stream(trace.iterate(value))


_NOTHING = object()


def _next(trace: Trace, stream: Value, default: Value = _NOTHING) -> Value:
    if not isinstance(stream, Stream):
        raise trace.error(f"next of {python_type(stream)} is not understood")
    guarded: list[Guarded] = []
    for item in stream.source:
        trace.charge(1)
        if not isinstance(item, Guarded):
            return _first(trace, guarded, item)
        guarded.append(item)
    if default is _NOTHING:
        missing = trace.graph.not_(trace.graph.or_([g.there for g in guarded]))
        trace.never(missing, "StopIteration")
        default = guarded.pop().value
    return _first(trace, guarded, default)


def _first(trace: Trace, guarded: list[Guarded], value: Value) -> Value:
    """Return the first item that is there, else the value."""
    for item in reversed(guarded):
        value = trace.pick_one(item.there, item.value, value)
    return value


def _divmod(trace: Trace, a: Value, b: Value) -> Value:
    return trace.binary("//", a, b), trace.binary("%", a, b)


def _pow(trace: Trace, a: Value, b: Value, modulus: Value = None) -> Value:
    power = trace.binary("**", a, b)
    return power if modulus is None else trace.binary("%", power, modulus)


def _slice(trace: Trace, *ends: Value) -> Value:
    return slice(*(None if e is None else trace.whole(e, "a slice") for e in ends))


_TYPES: dict[str, Callable[[Value], bool]] = {
    "int": lambda v: is_number(v) and kind_of(v) in ("int", "bool", "truth"),
    "bool": lambda v: is_number(v) and kind_of(v) == "bool",
    "float": lambda v: is_number(v) and kind_of(v) == "float",
    "str": lambda v: isinstance(v, (str, Name)),
    "list": lambda v: isinstance(v, Items),
    "tuple": lambda v: isinstance(v, tuple),
    "dict": lambda v: isinstance(v, Mapping),
    "set": lambda v: isinstance(v, frozenset),
    "frozenset": lambda v: isinstance(v, frozenset),
    "range": lambda v: isinstance(v, range),
    "complex": lambda v: False,
    "bytes": lambda v: False,
    "ndarray": lambda v: isinstance(v, Arr) and bool(v.shape),
    "object": lambda v: True,
}


def _isinstance(trace: Trace, value: Value, kinds: Value) -> Value:
    if isinstance(kinds, tuple):
        return any(_isinstance(trace, value, k) for k in kinds)
    name = kinds.name if isinstance(kinds, Builtin) else None
    if isinstance(kinds, DType):
        return isinstance(value, Arr) and not value.shape and value.dtype == kinds.dtype
    if name in ("integer", "floating", "bool_", "number", "generic"):
        kinds_of = {"integer": "iu", "floating": "f", "bool_": "b", "number": "iuf"}
        letters = kinds_of.get(str(name), "iufb")
        return isinstance(value, Arr) and not value.shape and value.dtype.kind in letters
    if name not in _TYPES:
        raise trace.error("isinstance of this type is not understood")
    if is_number(value) and (
        kind_of(value) == "number" or (kind_of(value) == "truth" and name == "bool")
    ):
        raise trace.error("a number whose type depends on the input is not understood")
    return _TYPES[name](value)


_METHODS = {
    Arr: ("tolist", "shape", "dtype", "ndim", "item", "astype", "size"),
    Items: ("append", "index", "copy"),
    Mapping: ("keys", "items", "get"),
}


def _hasattr(trace: Trace, value: Value, name: Value) -> Value:
    if not isinstance(name, str):
        raise trace.error("hasattr of this is not understood")
    if name == "__len__":
        sized = isinstance(value, (Items, Mapping, tuple, str, range, frozenset, Name))
        return sized or (isinstance(value, Arr) and bool(value.shape))
    if name == "index":
        return isinstance(value, (Items, tuple, str, range, Name))
    if name == "__iter__":
        return isinstance(value, (Items, Mapping, tuple, str, range, frozenset, Stream, Arr))
    for kind, names in _METHODS.items():
        if isinstance(value, kind) and name in names:
            return True
    if name in ("tolist", "shape", "dtype", "ndim", "astype", "__array__"):
        return isinstance(value, Arr)
    raise trace.error("hasattr of this name is not understood")


def _callable(trace: Trace, value: Value) -> Value:
    return isinstance(value, (Function, Builtin, Partial))


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "list": _list,
    "tuple": _tuple,
    "set": _set,
    "frozenset": _set,
    "dict": _dict,
    "range": _range,
    "abs": _abs,
    "round": _round,
    "sum": _sum,
    "any": _any,
    "all": _all,
    "min": _min,
    "max": _max,
    "len": _len,
    "enumerate": _enumerate,
    "zip": _zip,
    "map": _map,
    "filter": _filter,
    "reversed": _reversed,
    "sorted": _sorted,
    "iter": _iter,
    "next": _next,
    "divmod": _divmod,
    "pow": _pow,
    "slice": _slice,
    "isinstance": _isinstance,
    "hasattr": _hasattr,
    "callable": _callable,
}

_ERRORS = (
    "ValueError",
    "TypeError",
    "IndexError",
    "LookupError",
    "KeyError",
    "ArithmeticError",
    "ZeroDivisionError",
    "OverflowError",
    "AssertionError",
    "RuntimeError",
    "NotImplementedError",
    "Exception",
)

BUILTINS: dict[str, Value] = {
    **{name: Builtin(name, call) for name, call in _FUNCTIONS.items()},
    **{name: Builtin(name, None) for name in ("complex", "bytes", "object")},
    **{name: ErrorType(name) for name in _ERRORS},
    "__name__": "rules",
}
