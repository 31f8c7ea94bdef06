"""Attributes: methods of values, and what modules hold; a closed table, nothing is looked up."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .array_library import ARRAY_ATTRIBUTES, NUMPY
from .array_reducing import ufunc_part
from .math_library import MATH
from .standard_library import FUNCTOOLS, ITERTOOLS, OPERATORS, flatten
from .values import (
    Arr,
    Builtin,
    DType,
    Items,
    Library,
    Mapping,
    Partial,
    Sym,
    Value,
)
from .wording import python_type, shown

if TYPE_CHECKING:
    from .expressions import Expressions as Trace


def attribute(trace: Trace, value: Value, name: str) -> Value:
    """Return value.name."""
    if isinstance(value, Library):
        found = _LIBRARIES.get(value.name, {}).get(name)
        if found is None:
            raise trace.error(f"{value.name}.{shown(name)} is not understood")
        return found
    if isinstance(value, Arr) and name in ARRAY_ATTRIBUTES:
        return ARRAY_ATTRIBUTES[name](trace, value)
    if isinstance(value, Builtin) and value.name in _PARTS and name in _PARTS[value.name]:
        return _PARTS[value.name][name]
    if isinstance(value, Builtin) and (part := ufunc_part(value.name, name)) is not None:
        return part
    if isinstance(value, DType) and name in ("type", "kind"):
        return value if name == "type" else value.dtype.kind
    for kind, methods in _METHODS:
        if isinstance(value, kind) and name in methods:
            return Partial(partial(methods[name], trace, value))
    raise trace.error(f"the attribute {shown(name)} of {python_type(value)} is not understood")


# ---------------------------------------------------------------- lists, tuples, dicts, numbers


def _append(trace: Trace, target: Items, value: Value) -> None:
    trace.touch(target)
    target.items.append(value)


def _extend(trace: Trace, target: Items, values: Value) -> None:
    more = trace.items_of(values)
    trace.touch(target)
    target.items += more


def _insert(trace: Trace, target: Items, place: Value, value: Value) -> None:
    at = trace.whole(place, "an index")
    trace.plain_list(target)
    trace.touch(target)
    target.items.insert(at, value)


def _pop(trace: Trace, target: Items, place: Value = -1) -> Value:
    at = trace.whole(place, "an index")
    items = trace.plain_list(target)
    if not -len(items) <= at < len(items):
        trace.never(1, "IndexError: pop from an empty list")
    trace.touch(target)
    return target.items.pop(at)


def _clear(trace: Trace, target: Items) -> None:
    trace.touch(target)
    target.items.clear()


def _reverse(trace: Trace, target: Items) -> None:
    trace.touch(target)
    target.items.reverse()


def _sort(trace: Trace, target: Items, **named: Value) -> None:
    from .builtins import BUILTINS

    done = trace.call(BUILTINS["sorted"], [target], named)
    trace.touch(target)
    target.items[:] = done.items


def _copy(trace: Trace, target: Items | Mapping) -> Value:
    trace.charge(len(target.items))
    return type(target)(target.items.copy())  # type: ignore[arg-type]


def _count(trace: Trace, target: Value, value: Value) -> Value:
    items = trace.plain_list(target)
    bits = [trace.equal(v, value) for v in items]
    return trace.numbers.value(trace.graph.add(bits or [0]), "int")


def _index(trace: Trace, target: Value, value: Value) -> Value:
    items = trace.plain_list(target)
    graph = trace.graph
    bits = [trace.equal(v, value) for v in items]
    missing = graph.not_(graph.or_(bits))
    if missing != 0 and not _is_extreme(trace, items, value):
        trace.never(missing, "ValueError: index of what is not there")
    if not items:
        raise trace.error("index in an empty list is not understood")
    result: Any = len(items) - 1
    for k in range(len(items) - 2, -1, -1):
        result = graph.select(bits[k], k, result)
    return trace.numbers.value(result, "int")


def _is_extreme(trace: Trace, items: list[Value], value: Value) -> bool:
    """Tell whether a value is the least or greatest of items, and so one of them."""
    op = trace.graph.ops.get(value.name) if isinstance(value, Sym) else None
    if op is None or op.code not in ("min", "max", "and", "or"):
        return False
    names = {v.name for v in items if isinstance(v, Sym)}
    numbers = {v for v in items if isinstance(v, int)}
    known = all(o in names if isinstance(o, str) else o in numbers for o in op.operands)
    return known and value.name not in trace.graph.nans


def _get(trace: Trace, target: Mapping, key: Value, default: Value = None) -> Value:
    return trace.look_up(target, key, [default])


def _keys(trace: Trace, target: Mapping) -> Value:
    return Items(list(target.items))


def _values(trace: Trace, target: Mapping) -> Value:
    return Items(list(target.items.values()))


def _pairs(trace: Trace, target: Mapping) -> Value:
    return Items(list(target.items.items()))


def _update(trace: Trace, target: Mapping, other: Value) -> None:
    if not isinstance(other, Mapping):
        raise trace.error("update by what is no dict is not understood")
    trace.touch(target)
    target.items.update(other.items)


def _bit_count(trace: Trace, value: Value) -> Value:
    graph = trace.graph
    a = trace.numbers.operand(trace.numbers.absolute(value))
    high = graph.span(a)[1]
    if math.isinf(high):
        raise trace.error("bit_count of an int without bounds is not understood")
    return trace.numbers.value(graph.add(graph.bits(a, max(1, int(high).bit_length()))), "int")


def _bit_length(trace: Trace, value: Value) -> Value:
    graph = trace.graph
    a = trace.numbers.operand(trace.numbers.absolute(value))
    high = graph.span(a)[1]
    if math.isinf(high):
        raise trace.error("bit_length of an int without bounds is not understood")
    powers = range(int(high).bit_length())
    return trace.numbers.value(graph.add([graph.le(1 << k, a) for k in powers] or [0]), "int")


def _is_integer(trace: Trace, value: Value) -> Value:
    rounded = trace.numbers.round(value)
    return trace.numbers.compare("==", rounded, value)


def _join(trace: Trace, separator: str, values: Value) -> Value:
    items = trace.plain_list(values)
    if not all(isinstance(v, str) for v in items):
        raise trace.error("joining strings that depend on the input is not understood")
    trace.charge(sum(map(len, items)) + len(separator) * len(items))
    return separator.join(items)


def _split(trace: Trace, text: str, separator: Value = None) -> Value:
    if separator is not None and not isinstance(separator, str):
        raise trace.error("splitting by what is no string is not understood")
    if separator == "":
        trace.never(1, "ValueError: an empty separator")
    trace.charge(len(text))
    return Items([*text.split(separator)])


def _splitlines(trace: Trace, text: str) -> Value:
    trace.charge(len(text))
    return Items([*text.splitlines()])


_METHODS: tuple[tuple[Any, dict[str, Callable[..., Value]]], ...] = (
    (
        Items,
        {
            "append": _append,
            "extend": _extend,
            "insert": _insert,
            "pop": _pop,
            "clear": _clear,
            "reverse": _reverse,
            "sort": _sort,
            "copy": _copy,
            "count": _count,
            "index": _index,
        },
    ),
    (tuple, {"count": _count, "index": _index}),
    (range, {"count": _count, "index": _index}),
    (
        Mapping,
        {
            "get": _get,
            "keys": _keys,
            "values": _values,
            "items": _pairs,
            "update": _update,
            "copy": _copy,
        },
    ),
    (
        (int, float, Sym),
        {"bit_count": _bit_count, "bit_length": _bit_length, "is_integer": _is_integer},
    ),
    (str, {"join": _join, "split": _split, "splitlines": _splitlines}),
)


# ---------------------------------------------------------------- modules


def _named(library: str, functions: dict[str, Callable[..., Value]]) -> dict[str, Value]:
    return {name: Builtin(f"{library}.{name}", call) for name, call in functions.items()}


def _fromkeys(trace: Trace, keys: Value, value: Value = None) -> Value:
    return Mapping({trace.key(k): value for k in trace.plain_list(keys)})


_PARTS: dict[str, dict[str, Value]] = {
    "itertools.chain": {"from_iterable": Builtin("chain.from_iterable", flatten)},
    "dict": {"fromkeys": Builtin("dict.fromkeys", _fromkeys)},
}

_LIBRARIES: dict[str, dict[str, Value]] = {
    "math": {
        **_named("math", MATH),
        "pi": math.pi,
        "e": math.e,
        "tau": math.tau,
        "inf": math.inf,
        "nan": math.nan,
    },
    "functools": _named("functools", FUNCTOOLS),
    "itertools": _named("itertools", ITERTOOLS),
    "operator": _named("operator", OPERATORS),
    "numpy": NUMPY,
}
