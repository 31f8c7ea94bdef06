"""functools, itertools and operator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .values import Partial, Stream, Value

if TYPE_CHECKING:
    from .expressions import Expressions as Trace


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


def flatten(trace: Trace, values: Value) -> Value:
    """Return itertools.chain.from_iterable."""
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


OPERATORS: dict[str, Callable[..., Value]] = {
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

FUNCTOOLS: dict[str, Callable[..., Value]] = {"reduce": _reduce, "partial": _partial}

ITERTOOLS: dict[str, Callable[..., Value]] = {
    "chain": _chain,
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
}
