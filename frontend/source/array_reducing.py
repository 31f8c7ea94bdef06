"""numpy: sums, extremes and other reductions, and products of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from . import arrays
from .array_making import named_dtype, whole, wholes
from .arrays import as_array, from_flat
from .dtypes import BOOL, FLOAT64, INT64, Dtype, cast, kind_for, probe
from .emitter import Operand
from .ufuncs import UFUNCS, compute, finished
from .values import Arr, Builtin, DType, Items, Sym, Value, new_array

if TYPE_CHECKING:
    from .containers import Containers as Trace


# ---------------------------------------------------------------- reductions


def _reduced(
    trace: Trace,
    value: Value,
    axis: Value,
    keepdims: Value,
    dtype: Dtype | None,
    combine: Callable[[list[Value]], Value],
) -> Value:
    """Combine the entries along some axes (None: all)."""
    given = as_array(trace, value)
    ndim = given.data.ndim
    if axis is None:
        axes = tuple(range(ndim))
    else:
        axes = tuple(a + ndim if a < 0 else a for a in wholes(trace, axis))
    if any(not 0 <= a < ndim for a in axes):
        trace.never(1, "AxisError: an axis that the array does not have")
    trace.charge(given.data.size)
    kept = [k for k in range(ndim) if k not in axes]
    moved = np.transpose(given.data, (*kept, *axes))
    outer = tuple(given.shape[k] for k in kept)
    lines = (
        moved.reshape((math.prod(outer), -1))
        if given.data.size
        else np.empty((math.prod(outer), 0), object)
    )
    found = [combine(list(line)) for line in lines]
    shape = tuple(1 if k in axes else n for k, n in enumerate(given.shape)) if keepdims else outer
    return from_flat(shape, found, given.dtype if dtype is None else dtype)


def _total_dtype(dtype: Dtype) -> Dtype:
    """Return the dtype in which numpy adds and multiplies up."""
    return dtype if dtype.kind == "O" else np.sum(np.empty(0, dtype)).dtype


def _sum(
    trace: Trace, a: Value, axis: Value = None, dtype: Value = None, keepdims: Value = False
) -> Value:
    given = as_array(trace, a)
    found = named_dtype(trace, dtype, _total_dtype(given.dtype))
    assert found is not None
    start: Value = 0.0 if found.kind == "f" else 0

    def combine(line: list[Value]) -> Value:
        parts = [cast(trace, v, found) for v in line]
        return finished(trace, trace.numbers.sum(parts, start), found)

    return _reduced(trace, given, axis, keepdims, found, combine)


def _prod(
    trace: Trace, a: Value, axis: Value = None, dtype: Value = None, keepdims: Value = False
) -> Value:
    given = as_array(trace, a)
    found = named_dtype(trace, dtype, _total_dtype(given.dtype))
    assert found is not None
    one: Value = 1.0 if found.kind == "f" else 1

    def combine(line: list[Value]) -> Value:
        parts = [cast(trace, v, found) for v in line]
        return reduce(lambda x, y: compute(trace, "multiply", found, [x, y]), parts, one)

    return _reduced(trace, given, axis, keepdims, found, combine)


def _mean(trace: Trace, a: Value, axis: Value = None, keepdims: Value = False) -> Value:
    given = as_array(trace, a)
    total = _sum(trace, given, axis, DType(FLOAT64), keepdims)
    count = given.data.size // max(1, total.data.size)
    return arrays.function(trace, "divide", total, float(count))


def _quantified(code: str) -> Callable[..., Value]:
    def call(trace: Trace, a: Value, axis: Value = None, keepdims: Value = False) -> Value:
        join = trace.graph.or_ if code == "or" else trace.graph.and_

        def combine(line: list[Value]) -> Value:
            return trace.numbers.value(join([trace.truth(v) for v in line]), "bool")

        return _reduced(trace, a, axis, keepdims, BOOL, combine)

    return call


_all = _quantified("and")
_any = _quantified("or")


def _extreme(code: str) -> Callable[..., Value]:
    def call(trace: Trace, a: Value, axis: Value = None, keepdims: Value = False) -> Value:
        given = as_array(trace, a)

        def combine(line: list[Value]) -> Value:
            if not line:
                trace.never(1, f"ValueError: the {code} of nothing")
            if not any(trace.graph.may_be_nan(trace.numbers.operand(v)) for v in line):
                return trace.numbers.extreme(code, line)
            entry = UFUNCS["minimum" if code == "min" else "maximum"][1]
            return reduce(lambda x, y: entry(trace, x, y), line)

        return _reduced(trace, given, axis, keepdims, None, combine)

    return call


def _place(sign: int) -> Callable[..., Value]:
    def call(trace: Trace, a: Value, axis: Value = None, keepdims: Value = False) -> Value:
        def combine(line: list[Value]) -> Value:
            if not line:
                trace.never(1, "ValueError: argmax of nothing")
            if not any(isinstance(v, Sym) for v in line):
                values = np.array(line)
                return int(np.argmax(values) if sign > 0 else np.argmin(values))
            numbers = [trace.numbers.plus(v) if sign > 0 else trace.numbers.negate(v) for v in line]
            operands = [trace.numbers.operand(v) for v in numbers]
            if len(operands) == 1:
                return 0
            return trace.numbers.value(trace.graph.array("argmax", operands), "int")

        return _reduced(trace, a, axis, keepdims, INT64, combine)

    return call


def _count_nonzero(trace: Trace, a: Value, axis: Value = None, keepdims: Value = False) -> Value:
    def combine(line: list[Value]) -> Value:
        bits: list[Operand] = [trace.truth(v) for v in line]
        return trace.numbers.value(trace.graph.add(bits or [0]), "int")

    return _reduced(trace, a, axis, keepdims, INT64, combine)


def _running(name: str) -> Callable[..., Value]:
    def call(trace: Trace, a: Value, axis: Value = None, dtype: Value = None) -> Value:
        given = as_array(trace, a)
        total = _sum(trace, from_flat((0,), [], given.dtype))
        found = named_dtype(trace, dtype, total.dtype)
        data = given.data.reshape(-1) if axis is None else given.data
        along = 0 if axis is None else whole(trace, axis)
        return _accumulated(trace, name, new_array(data, given.dtype), along, found)

    return call


def _accumulated(trace: Trace, name: str, value: Arr, axis: int, dtype: Dtype | None) -> Value:
    found = value.dtype if dtype is None else dtype
    trace.charge(value.data.size)
    moved = np.moveaxis(value.data, axis, 0)
    out = np.empty(moved.shape, dtype=object)
    for at in np.ndindex(*moved.shape[1:]):
        total: Value = None
        for k in range(moved.shape[0]):
            item = cast(trace, moved[(k, *at)], found)
            total = item if total is None else compute(trace, name, found, [total, item])
            out[(k, *at)] = total
    return new_array(np.moveaxis(out, 0, axis), found)


def _diff(trace: Trace, a: Value, n: Value = 1, axis: Value = -1) -> Value:
    result = as_array(trace, a)
    along = whole(trace, axis)
    for _ in range(min(whole(trace, n), 64)):
        moved = np.moveaxis(result.data, along, 0)
        later, earlier = (new_array(part, result.dtype) for part in (moved[1:], moved[:-1]))
        name = "not_equal" if result.dtype == BOOL else "subtract"
        found = arrays.function(trace, name, later, earlier)
        result = new_array(np.moveaxis(found.data, 0, along), found.dtype)
    return result


def _sort(trace: Trace, a: Value, axis: Value = -1) -> Value:
    from .builtins import BUILTINS

    given = as_array(trace, a)
    moved = np.moveaxis(given.data, whole(trace, axis), -1)
    out = np.empty(moved.shape, dtype=object)
    for at in np.ndindex(*moved.shape[:-1]):
        out[at] = trace.call(BUILTINS["sorted"], [Items(list(moved[at]))], {}).items
    return new_array(np.moveaxis(out, -1, whole(trace, axis)), given.dtype)


def _method_reduce(name: str) -> Callable[..., Value]:
    def call(trace: Trace, a: Value, axis: Value = 0, keepdims: Value = False) -> Value:
        given = as_array(trace, a)
        if name == "add":
            return _sum(trace, given, axis, None, keepdims)
        dtype = probe(trace, UFUNCS[name][0], given, given)

        def combine(line: list[Value]) -> Value:
            if not line:
                raise trace.error("a reduction of nothing is not understood")
            first = line[0] if dtype != BOOL else trace.numbers.to_bool(line[0])
            return reduce(lambda x, y: compute(trace, name, dtype, [x, y]), line[1:], first)

        return _reduced(trace, given, axis, keepdims, dtype, combine)

    return call


def _method_accumulate(name: str) -> Callable[..., Value]:
    def call(trace: Trace, a: Value, axis: Value = 0) -> Value:
        given = as_array(trace, a)
        dtype = probe(trace, UFUNCS[name][0], given, given)
        return _accumulated(trace, name, given, whole(trace, axis), dtype)

    return call


def ufunc_part(name: str, part: str) -> Value | None:
    """Return np.NAME.reduce and the like."""
    if name.removeprefix("np.") not in UFUNCS or part not in ("reduce", "accumulate"):
        return None
    plain = name.removeprefix("np.")
    make = _method_reduce if part == "reduce" else _method_accumulate
    return Builtin(f"{name}.{part}", make(plain))


# ---------------------------------------------------------------- linear algebra


def matmul(trace: Trace, a: Value, b: Value) -> Value:
    """Return a @ b for arrays of one or two axes, or stacks of matrices on the left."""
    x, y = as_array(trace, a), as_array(trace, b)
    if not x.shape or not y.shape or y.data.ndim > 2:
        if y.data.ndim > 2:
            raise trace.error("products of stacks of matrices are not understood")
        trace.never(1, "ValueError: a product with a scalar")
    dtype = np.matmul(np.empty((0, 0), x.dtype), np.empty((0, 0), y.dtype)).dtype
    columns = y.data.reshape(y.shape[0], -1)
    if x.shape[-1] != y.shape[0]:
        trace.never(1, "ValueError: shapes that do not fit together")
    lines = x.data.reshape(-1, x.shape[-1])
    trace.charge(lines.shape[0] * columns.shape[0] * columns.shape[1])
    found = [_dot_line(trace, row, column, dtype) for row in lines for column in columns.T]
    shape = (*x.shape[:-1], *y.shape[1:])
    return from_flat(shape, found, dtype)


def _dot_line(trace: Trace, row: Any, column: Any, dtype: Dtype) -> Value:
    kind = kind_for(dtype)
    zero: Value = trace.numbers.value(0.0 if kind == "float" else 0, kind)
    if dtype == BOOL:
        both = [trace.graph.and_([trace.truth(p), trace.truth(q)]) for p, q in zip(row, column)]
        return trace.numbers.value(trace.graph.or_(both), "bool")
    terms: list[Value] = []
    for p, q in zip(row.tolist(), column.tolist()):
        u, v = (trace.numbers.value(trace.numbers.operand(w), kind) for w in (p, q))
        if not isinstance(u, Sym) and u == 0 or not isinstance(v, Sym) and v == 0:
            continue
        terms.append(trace.numbers.binary("*", u, v))
    return finished(trace, trace.numbers.sum(terms, zero), dtype)


def _dot(trace: Trace, a: Value, b: Value) -> Value:
    x, y = as_array(trace, a), as_array(trace, b)
    return matmul(trace, x, y) if x.shape and y.shape else arrays.function(trace, "multiply", x, y)


def _outer(trace: Trace, a: Value, b: Value) -> Value:
    x, y = as_array(trace, a), as_array(trace, b)
    rows = new_array(x.data.reshape(-1, 1), x.dtype)
    return arrays.function(trace, "multiply", rows, new_array(y.data.reshape(1, -1), y.dtype))


def _interp(trace: Trace, x: Value, xp: Value, fp: Value) -> Value:
    given = as_array(trace, x)
    places = as_array(trace, xp, FLOAT64).data.tolist()
    heights = as_array(trace, fp, FLOAT64).data.tolist()
    if any(isinstance(v, Sym) for v in (*places, *heights)) or sorted(set(places)) != places:
        raise trace.error("np.interp needs increasing places and constant heights")
    knots = tuple((Fraction(p), Fraction(h)) for p, h in zip(places, heights))
    found: list[Value] = []
    for item in given.data.ravel().tolist():
        a = trace.numbers.operand(item)
        if isinstance(a, str):
            found.append(trace.numbers.value(trace.graph.emit("curve", a, knots=knots), "float"))
        else:
            found.append(float(np.interp(a, places, heights)))
    return from_flat(given.shape, found, FLOAT64)


REDUCING: dict[str, Callable[..., Value]] = {
    "sum": _sum,
    "prod": _prod,
    "mean": _mean,
    "any": _any,
    "all": _all,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "amin": _extreme("min"),
    "amax": _extreme("max"),
    "argmax": _place(1),
    "argmin": _place(-1),
    "count_nonzero": _count_nonzero,
    "cumsum": _running("add"),
    "cumprod": _running("multiply"),
    "diff": _diff,
    "sort": _sort,
    "dot": _dot,
    "matmul": matmul,
    "inner": _dot,
    "outer": _outer,
    "interp": _interp,
}
