"""Attributes: methods of values, and what modules hold; a closed table, nothing is looked up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .array_library import ARRAY_ATTRIBUTES, NUMPY, ufunc_part
from .machine import python_type, shown
from .values import (
    Arr,
    Builtin,
    DType,
    Items,
    Library,
    Mapping,
    Partial,
    Stream,
    Sym,
    Value,
    is_number,
)

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
    (str, {"join": _join}),
)


# ---------------------------------------------------------------- math


def _float_of(trace: Trace, value: Value) -> Any:
    if isinstance(value, Arr) and not value.shape:
        value = value.data.item()
    if not is_number(value):
        raise trace.error(f"arithmetic with {python_type(value)} is not understood")
    return trace.numbers.operand(value)


def _concrete(trace: Trace, function: Callable[..., Any], *values: Any) -> Any:
    try:
        return function(*values)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        trace.never(1, f"{type(error).__name__}: {error}")
        raise AssertionError from None


def _real(
    code: str, function: Callable[..., float], domain: Callable[[Trace, Any], Any] | None = None
) -> Callable[..., Value]:
    def call(trace: Trace, value: Value) -> Value:
        x = _float_of(trace, value)
        if not isinstance(x, str):
            return _concrete(trace, function, x)
        if domain is not None:
            trace.never(domain(trace, x), f"ValueError: math.{code} outside its domain")
        return trace.numbers.value(trace.graph.emit(code, trace.graph.real(x)), "float")

    return call


def _infinite(trace: Trace, x: Any) -> Any:
    """Return 0: that an argument is infinite is found out when the program is compared."""
    return 0


def _log(trace: Trace, value: Value, base: Value = None) -> Value:
    found = _natural(trace, value)
    return found if base is None else trace.binary("/", found, _natural(trace, base))


_natural = _real("log", math.log, lambda t, x: t.graph.le(x, 0))


def _of_log(factor: float) -> Callable[..., Value]:
    return lambda trace, value: trace.binary("/", _natural(trace, value), factor)


def _log1p(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return _concrete(trace, math.log1p, x)
    trace.never(trace.graph.le(x, -1), "ValueError: math.log1p outside its domain")
    # The knots of a curve are the only place where the IR has log1p itself.
    shifted = trace.graph.add([trace.graph.real(x), 1.0])
    return trace.numbers.value(trace.graph.emit("log", shifted), "float")


def _math_pow(trace: Trace, a: Value, b: Value) -> Value:
    x, y = _float_of(trace, a), _float_of(trace, b)
    if not isinstance(x, str) and not isinstance(y, str):
        return _concrete(trace, math.pow, x, y)
    graph = trace.graph
    if not (isinstance(y, (int, float)) and float(y).is_integer()):
        trace.never(graph.lt(x, 0), "ValueError: math.pow outside its domain")
    wrong = graph.and_([graph.eq(x, 0), graph.lt(y, 0)])
    trace.never(wrong, "ValueError: math.pow outside its domain")
    return trace.numbers.value(graph.emit("pow", graph.real(x), graph.real(y)), "float")


def _copysign(trace: Trace, a: Value, b: Value) -> Value:
    if not isinstance(a, Sym) and not isinstance(b, Sym):
        return math.copysign(a, b)
    size = trace.numbers.to_float(trace.numbers.absolute(a))
    negative = trace.truth(trace.compare("<", b, 0))
    return trace.numbers.select(negative, trace.numbers.negate(size), size)


def _fabs(trace: Trace, value: Value) -> Value:
    return trace.numbers.absolute(trace.numbers.to_float(value))


def _prod(trace: Trace, values: Value, *, start: Value = 1) -> Value:
    total = start
    for item in trace.plain_list(values):
        total = trace.binary("*", total, item)
    return total


def _isnan(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return x != x
    if not trace.graph.may_be_nan(x):
        return False
    return trace.numbers.value(trace.graph.not_(trace.graph.emit("eq", x, x)), "bool")


def _isinf(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return math.isinf(x)
    size = trace.numbers.absolute(value)
    return trace.numbers.compare("==", size, math.inf)


def _isfinite(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return math.isfinite(x)
    size = trace.numbers.absolute(value)
    return trace.numbers.compare("<", size, math.inf)


def _hypot(trace: Trace, *values: Value) -> Value:
    squares = [trace.binary("*", v, v) for v in values]
    total = trace.numbers.sum(squares, 0)
    return attribute(trace, Library("math"), "sqrt").call(trace, total)


def _fsum(trace: Trace, values: Value) -> Value:
    return trace.numbers.to_float(trace.numbers.sum(trace.plain_list(values), 0))


def _gcd(trace: Trace, *values: Value) -> Value:
    return math.gcd(*(trace.whole(v, "math.gcd") for v in values))


def _comb(trace: Trace, n: Value, k: Value) -> Value:
    size, few = trace.whole(n, "math.comb"), trace.whole(k, "math.comb")
    if size > 1000:
        raise trace.error("math.comb beyond 1000 is not understood")
    return _concrete(trace, math.comb, size, few)


def _numeric(method: str) -> Callable[..., Value]:
    def call(trace: Trace, value: Value) -> Value:
        if isinstance(value, (int, float)):
            return _concrete(trace, getattr_of(method), value)
        function: Callable[[Value], Value] = {
            "floor": trace.numbers.floor,
            "ceil": trace.numbers.ceil,
            "trunc": trace.numbers.to_int,
        }[method]
        return function(value)

    return call


def getattr_of(method: str) -> Callable[[Any], Any]:
    """Return the function of `math` for a method of ours."""
    return {"floor": math.floor, "ceil": math.ceil, "trunc": math.trunc}[method]


def _tan(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return _concrete(trace, math.tan, x)
    sine, cosine = (trace.graph.emit(c, trace.graph.real(x)) for c in ("sin", "cos"))
    return trace.numbers.value(trace.graph.emit("div", sine, cosine), "float")


_MATH_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "exp": _real("exp", math.exp),
    "log": _log,
    "log2": _of_log(math.log(2)),
    "log10": _of_log(math.log(10)),
    "log1p": _log1p,
    "sqrt": _real("sqrt", math.sqrt, lambda t, x: t.graph.lt(x, 0)),
    "sin": _real("sin", math.sin),
    "cos": _real("cos", math.cos),
    "tan": _tan,
    "tanh": _real("tanh", math.tanh),
    "pow": _math_pow,
    "copysign": _copysign,
    "fabs": _fabs,
    "floor": _numeric("floor"),
    "ceil": _numeric("ceil"),
    "trunc": _numeric("trunc"),
    "prod": _prod,
    "fsum": _fsum,
    "hypot": _hypot,
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "gcd": _gcd,
    "comb": _comb,
}


# ---------------------------------------------------------------- functools, itertools, operator

_NOTHING = object()


def _reduce(trace: Trace, function: Value, values: Value, start: Value = _NOTHING) -> Value:
    items = trace.plain_list(values)
    if start is _NOTHING:
        if not items:
            trace.never(1, "TypeError: reduce of nothing")
        start, items = items[0], items[1:]
    total = start
    for item in items:
        total = trace.call(function, [total, item], {})
    return total


def _partial(trace: Trace, function: Value, *args: Value, **named: Value) -> Value:
    return Partial(lambda *more, **rest: trace.call(function, [*args, *more], {**named, **rest}))


def _product(trace: Trace, *values: Value, repeat: Value = 1) -> Value:
    columns = [trace.plain_list(v) for v in values] * trace.whole(repeat, "repeat")
    return Stream(itertools.product(*columns))


def _chain(trace: Trace, *values: Value) -> Value:
    return Stream(itertools.chain(*(trace.iterate(v) for v in values)))


def _flatten(trace: Trace, values: Value) -> Value:
    return Stream(item for part in trace.iterate(values) for item in trace.iterate(part))


def _accumulate(
    trace: Trace, values: Value, function: Value = None, *, initial: Value = None
) -> Value:
    def totals() -> Iterator[Value]:
        items = trace.iterate(values)
        total = next(items, _NOTHING) if initial is None else initial
        if total is _NOTHING:
            return
        yield total
        for item in items:
            total = (
                trace.binary("+", total, item)
                if function is None
                else trace.call(function, [total, item], {})
            )
            yield total

    return Stream(totals())


def _repeat(trace: Trace, value: Value, times: Value = None) -> Value:
    count = () if times is None else (trace.whole(times, "repeat"),)
    return Stream(itertools.repeat(value, *count))


def _counter(trace: Trace, start: Value = 0, step: Value = 1) -> Value:
    return Stream(itertools.count(trace.whole(start, "count"), trace.whole(step, "count")))


def _cycle(trace: Trace, values: Value) -> Value:
    return Stream(itertools.cycle(trace.plain_list(values)))


def _islice(trace: Trace, values: Value, *ends: Value) -> Value:
    whole = [None if e is None else trace.whole(e, "islice") for e in ends]
    return Stream(itertools.islice(trace.iterate(values), *whole))


def _pairwise(trace: Trace, values: Value) -> Value:
    return Stream(itertools.pairwise(trace.iterate(values)))


def _zip_longest(trace: Trace, *values: Value, fillvalue: Value = None) -> Value:
    columns = [trace.plain_list(v) for v in values]
    return Stream(itertools.zip_longest(*columns, fillvalue=fillvalue))


def _combinations(trace: Trace, values: Value, count: Value) -> Value:
    return Stream(itertools.combinations(trace.plain_list(values), trace.whole(count, "a size")))


def _starmap(trace: Trace, function: Value, values: Value) -> Value:
    rows = trace.iterate(values)
    return Stream(trace.call(function, trace.plain_list(row), {}) for row in rows)


def _infix(sign: str) -> Callable[..., Value]:
    return lambda trace, a, b: trace.binary(sign, a, b)


def _comparing(sign: str) -> Callable[..., Value]:
    return lambda trace, a, b: trace.compare(sign, a, b)


def _itemgetter(trace: Trace, *places: Value) -> Value:
    if len(places) == 1:
        return Partial(lambda value: trace.item(value, places[0]))
    return Partial(lambda value: tuple(trace.item(value, p) for p in places))


_OPERATORS: dict[str, Callable[..., Value]] = {
    **{
        name: _infix(sign)
        for name, sign in {
            "add": "+",
            "sub": "-",
            "mul": "*",
            "truediv": "/",
            "floordiv": "//",
            "mod": "%",
            "pow": "**",
            "and_": "&",
            "or_": "|",
            "xor": "^",
            "lshift": "<<",
            "rshift": ">>",
        }.items()
    },
    **{
        name: _comparing(sign)
        for name, sign in {
            "eq": "==",
            "ne": "!=",
            "lt": "<",
            "le": "<=",
            "gt": ">",
            "ge": ">=",
        }.items()
    },
    "neg": lambda trace, a: trace.numbers.negate(a),
    "not_": lambda trace, a: trace.numbers.value(trace.graph.not_(trace.truth(a)), "bool"),
    "truth": lambda trace, a: trace.numbers.value(trace.truth(a), "bool"),
    "getitem": lambda trace, a, b: trace.item(a, b),
    "itemgetter": _itemgetter,
}


def _named(library: str, functions: dict[str, Callable[..., Value]]) -> dict[str, Value]:
    return {name: Builtin(f"{library}.{name}", call) for name, call in functions.items()}


_CHAIN = Builtin("itertools.chain", _chain)
_PARTS: dict[str, dict[str, Value]] = {
    "itertools.chain": {"from_iterable": Builtin("chain.from_iterable", _flatten)},
    "dict": {
        "fromkeys": Builtin(
            "dict.fromkeys",
            lambda trace, keys, value=None: Mapping(
                {trace.key(k): value for k in trace.plain_list(keys)}
            ),
        )
    },
}

_LIBRARIES: dict[str, dict[str, Value]] = {
    "math": {
        **_named("math", _MATH_FUNCTIONS),
        "pi": math.pi,
        "e": math.e,
        "tau": math.tau,
        "inf": math.inf,
        "nan": math.nan,
    },
    "functools": _named("functools", {"reduce": _reduce, "partial": _partial}),
    "itertools": {
        **_named(
            "itertools",
            {
                "product": _product,
                "accumulate": _accumulate,
                "repeat": _repeat,
                "count": _counter,
                "cycle": _cycle,
                "islice": _islice,
                "pairwise": _pairwise,
                "zip_longest": _zip_longest,
                "combinations": _combinations,
                "starmap": _starmap,
            },
        ),
        "chain": _CHAIN,
    },
    "operator": _named("operator", _OPERATORS),
    "numpy": NUMPY,
}
