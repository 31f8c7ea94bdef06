"""numpy's functions and the methods of its arrays: a closed table."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from . import arrays
from .array_making import MAKING, grid, moved, transpose, whole
from .array_reducing import REDUCING
from .arrays import as_array, broadcast_shape, converted, from_flat
from .dtypes import BOOL, INT64, cast, dtype_of, probe
from .ufuncs import UFUNCS
from .values import Arr, Builtin, DType, Inert, Items, Partial, Value, is_number, new_array

if TYPE_CHECKING:
    from .containers import Containers as Trace


# ---------------------------------------------------------------- choice


def _where(trace: Trace, condition: Value, *sides: Value) -> Value:
    if len(sides) != 2:
        raise trace.error("np.where with one argument is not understood")
    mask = as_array(trace, condition)
    samples = [s if is_number(s) or isinstance(s, Arr) else as_array(trace, s) for s in sides]
    dtype = probe(trace, lambda a, b: np.where(np.empty(0, bool), a, b), *samples)
    columns = [mask]
    for side in samples:
        if isinstance(side, Arr):
            columns.append(as_array(trace, side, dtype))
        else:
            columns.append(from_flat((), [cast(trace, side, dtype)], dtype))
    shape = broadcast_shape(trace, [c.shape for c in columns])
    flats = [np.broadcast_to(c.data, shape).ravel().tolist() for c in columns]
    found = [trace.pick_one(trace.truth(c), a, b) for c, a, b in zip(*flats)]
    return from_flat(shape, found, dtype)


def _select(trace: Trace, condlist: Value, choicelist: Value, default: Value = 0) -> Value:
    choices = [*trace.plain_list(choicelist), default]
    given = [c if is_number(c) or isinstance(c, Arr) else as_array(trace, c) for c in choices]
    dtype = probe(trace, lambda *cs: np.empty(0, np.result_type(*cs)), *given)
    choicelist = Items([as_array(trace, g, dtype) for g in given[:-1]])
    result: Value = as_array(trace, given[-1], dtype)
    pairs = list(zip(trace.plain_list(condlist), trace.plain_list(choicelist)))
    for condition, choice in reversed(pairs):
        result = _where(trace, condition, choice, result)
    return result


def _clip(
    trace: Trace, a: Value, a_min: Value = None, a_max: Value = None, **named: Value
) -> Value:
    low = named.get("min", a_min)
    high = named.get("max", a_max)
    result: Value = as_array(trace, a)
    if low is not None:
        result = arrays.function(trace, "maximum", result, low)
    return result if high is None else arrays.function(trace, "minimum", result, high)


def _isin(trace: Trace, element: Value, test_elements: Value, **named: Value) -> Value:
    given, values = as_array(trace, element), as_array(trace, test_elements)
    options = values.data.ravel().tolist()
    trace.charge(given.data.size * len(options))
    found: list[Value] = []
    for item in given.data.ravel().tolist():
        bit = trace.one_of(item, options)
        found.append(trace.numbers.value(bit, "bool"))
    return from_flat(given.shape, found, BOOL)


def _array_equal(trace: Trace, a: Value, b: Value) -> Value:
    x, y = as_array(trace, a), as_array(trace, b)
    if x.shape != y.shape:
        return False
    return REDUCING["all"](trace, arrays.function(trace, "equal", x, y))


def _searchsorted(trace: Trace, a: Value, v: Value, side: Value = "left") -> Value:
    table, given = as_array(trace, a), as_array(trace, v)
    cuts = table.data.tolist()
    trace.charge(given.data.size * len(cuts))
    sign = "<=" if side == "right" else "<"
    found: list[Value] = []
    for item in given.data.ravel().tolist():
        # A NaN sorts behind everything.
        nan = UFUNCS["isnan"][1](trace, item)
        bits = [
            trace.graph.or_([trace.truth(trace.compare(sign, c, item)), trace.truth(nan)])
            for c in cuts
        ]
        found.append(trace.numbers.value(trace.graph.add(bits or [0]), "int"))
    return from_flat(given.shape, found, INT64)


def _take(
    trace: Trace, a: Value, indices: Value, axis: Value = None, mode: Value = "raise"
) -> Value:
    given, places = as_array(trace, a), as_array(trace, indices)
    if axis is None:
        given = new_array(given.data.reshape(-1), given.dtype)
    elif whole(trace, axis) not in (0, -given.data.ndim):
        raise trace.error("np.take along another axis than 0 is not understood")
    size = given.shape[0] if given.shape else 1
    if mode == "wrap":
        places = arrays.function(trace, "remainder", places, size)
    elif mode == "clip":
        places = _clip(trace, places, 0, size - 1)
    return arrays.get_item(trace, given, places)


# ---------------------------------------------------------------- tables


def _elementwise(name: str) -> Callable[..., Value]:
    def call(trace: Trace, *args: Value, **named: Value) -> Value:
        if named.keys() - {"out", "dtype", "where"}:
            raise trace.error(f"these options of np.{name} are not understood")
        if name == "round" and len(args) > 1:
            raise trace.error("rounding to decimals is not understood")
        result = arrays.function(trace, name, *args)
        mask, out = named.get("where", True), named.get("out")
        if "dtype" in named:
            if result.dtype.kind != "f":
                converted_args = [as_array(trace, a, dtype_of(trace, named["dtype"])) for a in args]
                return arrays.function(trace, name, *converted_args)
            raise trace.error("a dtype for this function is not understood")
        if out is None:
            return result
        if not isinstance(out, Arr):
            raise trace.error("this 'out' is not understood")
        if mask is not True:
            result = _where(trace, mask, result, out)
        trace.touch(out.buffer)
        out.data[...] = moved(
            trace, np.broadcast_to, converted(trace, result, out.dtype).data, out.shape
        )
        return out

    return call


def _result_type(trace: Trace, *values: Value) -> Value:
    named = [dtype_of(trace, v) for v in values if isinstance(v, (DType, Builtin, str))]
    others = [v for v in values if not isinstance(v, (DType, Builtin, str))]
    given = [v if is_number(v) or isinstance(v, Arr) else as_array(trace, v) for v in others]
    return DType(probe(trace, lambda *cs: np.empty(0, np.result_type(*cs, *named)), *given))


def _ndim(trace: Trace, value: Value) -> Value:
    return as_array(trace, value).data.ndim


def _size(trace: Trace, value: Value) -> Value:
    return as_array(trace, value).data.size


def _shape_of(trace: Trace, value: Value) -> Value:
    return as_array(trace, value).shape


def _errstate(trace: Trace, **named: Value) -> Value:
    return Inert("np.errstate")


def _tolist(trace: Trace, value: Arr) -> Value:
    level: list[Value] = value.data.ravel().tolist()
    for size in reversed(value.shape):
        count = len(level) // size if size else math.prod(value.shape[:-1])
        level = [Items(level[k * size : (k + 1) * size]) for k in range(count)]
        if not size:
            break
    return level[0] if level else Items([])


def _item(trace: Trace, value: Arr, *place: Value) -> Value:
    if place:
        return arrays.get_item(trace, value, tuple(place)).data.item()
    if value.data.size != 1:
        trace.never(1, "ValueError: item of several entries")
    return value.data.item()


def _astype(trace: Trace, value: Arr, dtype: Value, copy: Value = True) -> Value:
    return converted(trace, value, dtype_of(trace, dtype))


def _fill(trace: Trace, value: Arr, item: Value) -> None:
    arrays.set_item(trace, value, Ellipsis, item)


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    **MAKING,
    **REDUCING,
    **{name: _elementwise(name) for name in UFUNCS},
    "take": _take,
    "where": _where,
    "select": _select,
    "clip": _clip,
    "isin": _isin,
    "array_equal": _array_equal,
    "searchsorted": _searchsorted,
    "result_type": _result_type,
    "ndim": _ndim,
    "size": _size,
    "shape": _shape_of,
    "errstate": _errstate,
}

_SCALARS = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 intp int_"
).split()


def _grid(dense: bool) -> Callable[[Trace, Value], Value]:
    return lambda trace, place: grid(trace, place, dense)


GRIDS = {"np.ogrid": _grid(False), "np.mgrid": _grid(True)}

NUMPY: dict[str, Value] = {
    **{name: Builtin(f"np.{name}", call) for name, call in _FUNCTIONS.items()},
    **{name: DType(np.dtype(name.rstrip("_"))) for name in _SCALARS},
    **{
        name: Builtin(name, None)
        for name in ("ndarray", "integer", "floating", "number", "generic")
    },
    "bool": DType(BOOL),
    "True_": True,
    "False_": False,
    "pi": math.pi,
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "newaxis": None,
    "ogrid": Builtin("np.ogrid", None),
    "mgrid": Builtin("np.mgrid", None),
    "lib": Inert("np.lib"),
}


def _bound(function: Callable[..., Value]) -> Callable[[Trace, Arr], Value]:
    return lambda trace, value: Partial(partial(function, trace, value))


ARRAY_ATTRIBUTES: dict[str, Callable[[Trace, Arr], Value]] = {
    "shape": lambda trace, value: value.shape,
    "ndim": lambda trace, value: value.data.ndim,
    "size": lambda trace, value: value.data.size,
    "dtype": lambda trace, value: DType(value.dtype),
    "T": lambda trace, value: transpose(trace, value),
    "flat": lambda trace, value: _FUNCTIONS["ravel"](trace, value),
    "tolist": _bound(_tolist),
    "item": _bound(_item),
    "astype": _bound(_astype),
    "copy": _bound(MAKING["copy"]),
    "fill": _bound(_fill),
    "flatten": _bound(lambda trace, value: MAKING["copy"](trace, MAKING["ravel"](trace, value))),
    **{
        name: _bound(_FUNCTIONS[name])
        for name in (
            "reshape transpose ravel squeeze swapaxes diagonal repeat take clip sum prod mean any "
            "all min max argmax argmin cumsum cumprod dot round searchsorted"
        ).split()
    },
}
