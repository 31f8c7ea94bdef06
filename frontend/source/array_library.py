"""numpy's functions and the methods of its arrays: a closed table."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from . import arrays
from .arrays import as_array, broadcast_shape, converted, filled, from_flat
from .dtypes import BOOL, FLOAT64, INT64, Dtype, cast, dtype_of, kind_for, probe, put
from .graph import Operand
from .ufuncs import UFUNCS, compute, finished
from .values import (
    Arr,
    Builtin,
    DType,
    Inert,
    Items,
    Partial,
    Sym,
    Value,
    is_number,
    new_array,
)

if TYPE_CHECKING:
    from .expressions import Expressions as Trace


def _whole(trace: Trace, value: Value) -> int:
    return trace.whole(value, "a size or axis")


def _wholes(trace: Trace, value: Value) -> tuple[int, ...]:
    """Return an int or a sequence of ints as a tuple."""
    if isinstance(value, (int, Sym)) or (isinstance(value, Arr) and not value.shape):
        return (_whole(trace, value),)
    return tuple(_whole(trace, v) for v in trace.plain_list(value))


def _shape(trace: Trace, value: Value) -> tuple[int, ...]:
    found = _wholes(trace, value)
    if any(d < 0 for d in found):
        trace.never(1, "ValueError: a negative size")
    return found


def _dtype(trace: Trace, value: Value, default: Dtype | None) -> Dtype | None:
    return default if value is None else dtype_of(trace, value)


# ---------------------------------------------------------------- making arrays


def _array(trace: Trace, value: Value, dtype: Value = None, **options: Value) -> Value:
    found = as_array(trace, value, _dtype(trace, dtype, None))
    return found if found is not value else converted(trace, found, found.dtype)


def _asarray(trace: Trace, value: Value, dtype: Value = None) -> Value:
    return as_array(trace, value, _dtype(trace, dtype, None))


def _full_of(value: Value) -> Callable[..., Value]:
    def call(trace: Trace, shape: Value, dtype: Value = None) -> Value:
        found = _dtype(trace, dtype, FLOAT64)
        assert found is not None
        return filled(trace, _shape(trace, shape), cast(trace, value, found), found)

    return call


def _full(trace: Trace, shape: Value, fill_value: Value, dtype: Value = None) -> Value:
    item = as_array(trace, fill_value, _dtype(trace, dtype, None))
    return _broadcast_copy(trace, item, _shape(trace, shape))


def _broadcast_copy(trace: Trace, value: Arr, shape: tuple[int, ...]) -> Arr:
    trace.charge(math.prod(shape))
    return new_array(_shaped(trace, np.broadcast_to, value.data, shape).copy(), value.dtype)


def _like(value: Value) -> Callable[..., Value]:
    def call(trace: Trace, like: Value, dtype: Value = None) -> Value:
        given = as_array(trace, like)
        found = _dtype(trace, dtype, given.dtype)
        assert found is not None
        return filled(trace, given.shape, cast(trace, value, found), found)

    return call


def _full_like(trace: Trace, like: Value, fill_value: Value, dtype: Value = None) -> Value:
    given = as_array(trace, like)
    found = _dtype(trace, dtype, given.dtype)
    assert found is not None
    item = as_array(trace, fill_value)
    entry = put(trace, item.data.item(), found) if is_number(fill_value) else item.data.item()
    return filled(trace, given.shape, cast(trace, entry, found), found)


def _arange(trace: Trace, *ends: Value, dtype: Value = None) -> Value:
    numbers = [trace.numbers.operand(e.data.item() if isinstance(e, Arr) else e) for e in ends]
    if any(isinstance(n, str) for n in numbers) or not 1 <= len(numbers) <= 3:
        raise trace.error("np.arange of what depends on the input is not understood")
    start, stop, step = {
        1: lambda: (0, numbers[0], 1),
        2: lambda: (*numbers, 1),
        3: lambda: tuple(numbers),
    }[len(numbers)]()
    if not step:
        trace.never(1, "ZeroDivisionError: np.arange with step 0")
    trace.charge(max(0, math.ceil((float(stop) - float(start)) / float(step))))  # type: ignore[arg-type]
    data = np.arange(start, stop, step)
    return _concrete(trace, data, _dtype(trace, dtype, None))


def _concrete(trace: Trace, data: Any, dtype: Dtype | None = None) -> Arr:
    """Return a numpy array of numbers as a value."""
    found = np.asarray(data)
    kind_for(found.dtype)
    result = from_flat(found.shape, found.ravel().tolist(), found.dtype)
    return result if dtype in (None, found.dtype) else converted(trace, result, dtype)


def _eye(trace: Trace, n: Value, m: Value = None, k: Value = 0, dtype: Value = None) -> Value:
    size = _whole(trace, n)
    width = size if m is None else _whole(trace, m)
    trace.charge(max(0, size) * max(0, width))
    found = _dtype(trace, dtype, FLOAT64)
    return _concrete(trace, np.eye(size, width, _whole(trace, k)), found)


def _linspace(trace: Trace, start: Value, stop: Value, num: Value = 50) -> Value:
    count = _whole(trace, num)
    trace.charge(max(0, count))
    if isinstance(start, Sym) or isinstance(stop, Sym):
        raise trace.error("np.linspace of what depends on the input is not understood")
    return _concrete(trace, np.linspace(start, stop, count))


def _indices(trace: Trace, dimensions: Value) -> Value:
    shape = _shape(trace, dimensions)
    trace.charge(len(shape) * math.prod(shape))
    return _concrete(trace, np.indices(shape))


def _ogrid(trace: Trace, place: Value, dense: bool) -> Value:
    parts = place if isinstance(place, tuple) else (place,)
    axes: list[Any] = []
    for part in parts:
        if not isinstance(part, slice):
            raise trace.error("np.ogrid takes slices")
        stop, step = part.stop or 0, part.step or 1
        trace.charge(max(0, (stop - (part.start or 0)) // step))
        axes.append(np.arange(part.start or 0, stop, step))
    if not isinstance(place, tuple):
        return _concrete(trace, axes[0])
    if dense:
        trace.charge(len(axes) * math.prod(len(a) for a in axes))
        return _concrete(trace, np.stack(np.meshgrid(*axes, indexing="ij")))
    return tuple(_concrete(trace, a) for a in np.ix_(*axes))


# ---------------------------------------------------------------- shapes


def _shaped(trace: Trace, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Return what numpy makes of entries that it moves and does not compute with."""
    try:
        return function(*args, **named)
    except (ValueError, IndexError, TypeError) as error:
        line = str(error).splitlines()[0][:100] if str(error) else ""
        trace.never(1, f"{type(error).__name__}: {ascii(line)[1:-1]}")
        raise AssertionError from None


def _moving(function: Callable[..., Any], **kinds: str) -> Callable[..., Value]:
    """Return a function that moves entries; its options are concrete."""

    def call(trace: Trace, value: Value, *args: Value, **named: Value) -> Value:
        given = as_array(trace, value)
        trace.charge(given.data.size)
        options = {k: _option(trace, v) for k, v in named.items()}
        found = _shaped(trace, function, given.data, *(_option(trace, a) for a in args), **options)
        result = new_array(np.asarray(found, dtype=object), given.dtype, given)
        result.mixed = given.mixed
        return result

    return call


def _option(trace: Trace, value: Value) -> Any:
    if value is None or isinstance(value, (int, str, slice)):
        return value
    return _wholes(trace, value) if not isinstance(value, float) else value


def _reshape(trace: Trace, value: Value, *shape: Value, **named: Value) -> Value:
    given = as_array(trace, value)
    sizes = tuple(s for part in (*shape, *named.values()) for s in _wholes(trace, part))
    found = _shaped(trace, np.reshape, given.data, sizes)
    return new_array(found, given.dtype, given)


def _transpose(trace: Trace, value: Value, *axes: Value) -> Value:
    given = as_array(trace, value)
    order = tuple(s for part in axes if part is not None for s in _wholes(trace, part))
    return new_array(_shaped(trace, np.transpose, given.data, order or None), given.dtype, given)


def _pad(
    trace: Trace,
    array: Value,
    pad_width: Value,
    mode: Value = "constant",
    constant_values: Value = 0,
) -> Value:
    given = as_array(trace, array)
    if mode not in ("constant", "wrap", "edge", "reflect", "symmetric"):
        raise trace.error("this mode of np.pad is not understood")
    widths: Any = as_array(trace, pad_width).data.astype(np.int64)
    pairs = _shaped(trace, np.broadcast_to, widths, (given.data.ndim, 2)).tolist()
    if any(w < 0 for pair in pairs for w in pair):
        trace.never(1, "ValueError: a negative pad width")
    trace.charge(math.prod(n + a + b for n, (a, b) in zip(given.shape, pairs)))
    if mode != "constant":
        return new_array(_shaped(trace, np.pad, given.data, pairs, mode=mode), given.dtype)
    item = as_array(trace, constant_values)
    if item.shape:
        raise trace.error("several constant_values of np.pad are not understood")
    shape = tuple(n + a + b for n, (a, b) in zip(given.shape, pairs))
    found = filled(trace, shape, cast(trace, item.data.item(), given.dtype), given.dtype)
    found.data[tuple(slice(a, a + n) for n, (a, _) in zip(given.shape, pairs))] = given.data
    return found


def _roll(trace: Trace, a: Value, shift: Value, axis: Value = None) -> Value:
    given = as_array(trace, a)
    trace.charge(given.data.size)
    steps, along = _option(trace, shift), _option(trace, axis)
    return new_array(_shaped(trace, np.roll, given.data, steps, along), given.dtype)


def _repeat(trace: Trace, a: Value, repeats: Value, axis: Value = None) -> Value:
    given = as_array(trace, a)
    times = _wholes(trace, repeats)
    trace.charge(given.data.size * max((*times, 0)))
    many = times[0] if len(times) == 1 else times
    return new_array(_shaped(trace, np.repeat, given.data, many, _option(trace, axis)), given.dtype)


def _tile(trace: Trace, value: Value, reps: Value) -> Value:
    given = as_array(trace, value)
    times = _wholes(trace, reps)
    trace.charge(given.data.size * math.prod(times))
    return new_array(_shaped(trace, np.tile, given.data, times), given.dtype)


def _broadcast_to(trace: Trace, value: Value, shape: Value) -> Value:
    return _broadcast_copy(trace, as_array(trace, value), _shape(trace, shape))


def _broadcast_arrays(trace: Trace, *values: Value) -> Value:
    given = [as_array(trace, v) for v in values]
    shape = broadcast_shape(trace, [g.shape for g in given])
    return tuple(_broadcast_copy(trace, g, shape) for g in given)


def _joined(function: Callable[..., Any]) -> Callable[..., Value]:
    def call(trace: Trace, values: Value, axis: Value = None, dtype: Value = None) -> Value:
        given = [as_array(trace, v) for v in trace.plain_list(values)]
        if not given:
            trace.never(1, "ValueError: joining no arrays")
        found = _dtype(trace, dtype, np.result_type(*(g.dtype for g in given)))
        assert found is not None
        parts = [as_array(trace, g, found).data for g in given]
        trace.charge(sum(p.size for p in parts))
        options = {} if axis is None else {"axis": _option(trace, axis)}
        return new_array(np.asarray(_shaped(trace, function, parts, **options)), found)

    return call


def _windows(trace: Trace, x: Value, window_shape: Value, axis: Value = None) -> Value:
    given = as_array(trace, x)
    view = _shaped(
        trace,
        np.lib.stride_tricks.sliding_window_view,
        given.data,
        _wholes(trace, window_shape),
        _option(trace, axis),
    )
    trace.charge(view.size)
    return new_array(view.copy(), given.dtype)


def _take(
    trace: Trace, a: Value, indices: Value, axis: Value = None, mode: Value = "raise"
) -> Value:
    given, places = as_array(trace, a), as_array(trace, indices)
    if axis is None:
        given = new_array(given.data.reshape(-1), given.dtype)
    elif _whole(trace, axis) not in (0, -given.data.ndim):
        raise trace.error("np.take along another axis than 0 is not understood")
    size = given.shape[0] if given.shape else 1
    if mode == "wrap":
        places = arrays.function(trace, "remainder", places, size)
    elif mode == "clip":
        places = _clip(trace, places, 0, size - 1)
    return arrays.get_item(trace, given, places)


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
        bit = trace.graph.or_([trace.equal(item, v) for v in options])
        found.append(trace.numbers.value(bit, "bool"))
    return from_flat(given.shape, found, BOOL)


def _array_equal(trace: Trace, a: Value, b: Value) -> Value:
    x, y = as_array(trace, a), as_array(trace, b)
    if x.shape != y.shape:
        return False
    return _all(trace, arrays.function(trace, "equal", x, y))


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
        axes = tuple(a + ndim if a < 0 else a for a in _wholes(trace, axis))
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


def _sum(
    trace: Trace, a: Value, axis: Value = None, dtype: Value = None, keepdims: Value = False
) -> Value:
    given = as_array(trace, a)
    found = _dtype(trace, dtype, np.sum(np.empty(0, given.dtype)).dtype)
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
    found = _dtype(trace, dtype, np.prod(np.empty(0, given.dtype)).dtype)
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
        found = _dtype(trace, dtype, total.dtype)
        data = given.data.reshape(-1) if axis is None else given.data
        along = 0 if axis is None else _whole(trace, axis)
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
    along = _whole(trace, axis)
    for _ in range(min(_whole(trace, n), 64)):
        moved = np.moveaxis(result.data, along, 0)
        later, earlier = (new_array(part, result.dtype) for part in (moved[1:], moved[:-1]))
        name = "not_equal" if result.dtype == BOOL else "subtract"
        found = arrays.function(trace, name, later, earlier)
        result = new_array(np.moveaxis(found.data, 0, along), found.dtype)
    return result


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
    from fractions import Fraction

    knots = tuple((Fraction(p), Fraction(h)) for p, h in zip(places, heights))
    found: list[Value] = []
    for item in given.data.ravel().tolist():
        a = trace.numbers.operand(item)
        if isinstance(a, str):
            found.append(trace.numbers.value(trace.graph.emit("curve", a, knots=knots), "float"))
        else:
            found.append(float(np.interp(a, places, heights)))
    return from_flat(given.shape, found, FLOAT64)


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
        out.data[...] = _shaped(
            trace, np.broadcast_to, converted(trace, result, out.dtype).data, out.shape
        )
        return out

    return call


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
        return _accumulated(trace, name, given, _whole(trace, axis), dtype)

    return call


def ufunc_part(name: str, part: str) -> Value | None:
    """Return np.NAME.reduce and the like."""
    if name.removeprefix("np.") not in UFUNCS or part not in ("reduce", "accumulate"):
        return None
    plain = name.removeprefix("np.")
    make = _method_reduce if part == "reduce" else _method_accumulate
    return Builtin(f"{name}.{part}", make(plain))


def _ndim(trace: Trace, value: Value) -> Value:
    return as_array(trace, value).data.ndim


def _size(trace: Trace, value: Value) -> Value:
    return as_array(trace, value).data.size


def _shape_of(trace: Trace, value: Value) -> Value:
    return as_array(trace, value).shape


def _sort(trace: Trace, a: Value, axis: Value = -1) -> Value:
    from .builtins import BUILTINS

    given = as_array(trace, a)
    moved = np.moveaxis(given.data, _whole(trace, axis), -1)
    out = np.empty(moved.shape, dtype=object)
    for at in np.ndindex(*moved.shape[:-1]):
        out[at] = trace.call(BUILTINS["sorted"], [Items(list(moved[at]))], {}).items
    return new_array(np.moveaxis(out, -1, _whole(trace, axis)), given.dtype)


def _meshgrid(trace: Trace, *values: Value, indexing: Value = "xy") -> Value:
    given = [as_array(trace, v) for v in values]
    trace.charge(len(given) * math.prod(g.data.size for g in given))
    found = np.meshgrid(*(g.data for g in given), indexing=indexing)
    return tuple(new_array(f, g.dtype) for f, g in zip(found, given))


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


def _copy(trace: Trace, value: Value) -> Value:
    given = as_array(trace, value)
    return converted(trace, given, given.dtype)


def _fill(trace: Trace, value: Arr, item: Value) -> None:
    arrays.set_item(trace, value, Ellipsis, item)


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{name: _elementwise(name) for name in UFUNCS},
    "array": _array,
    "asarray": _asarray,
    "ascontiguousarray": _asarray,
    "atleast_1d": _moving(np.atleast_1d),
    "atleast_2d": _moving(np.atleast_2d),
    "copy": _copy,
    "zeros": _full_of(0),
    "ones": _full_of(1),
    "empty": _full_of(0),
    "full": _full,
    "zeros_like": _like(0),
    "ones_like": _like(1),
    "empty_like": _like(0),
    "full_like": _full_like,
    "arange": _arange,
    "eye": _eye,
    "identity": _eye,
    "linspace": _linspace,
    "indices": _indices,
    "meshgrid": _meshgrid,
    "reshape": _reshape,
    "transpose": _transpose,
    "ravel": _moving(np.ravel),
    "flip": _moving(np.flip),
    "fliplr": _moving(np.fliplr),
    "flipud": _moving(np.flipud),
    "rot90": _moving(np.rot90),
    "squeeze": _moving(np.squeeze),
    "expand_dims": _moving(np.expand_dims),
    "swapaxes": _moving(np.swapaxes),
    "moveaxis": _moving(np.moveaxis),
    "diagonal": _moving(np.diagonal),
    "roll": _roll,
    "pad": _pad,
    "repeat": _repeat,
    "tile": _tile,
    "take": _take,
    "broadcast_to": _broadcast_to,
    "broadcast_arrays": _broadcast_arrays,
    "concatenate": _joined(np.concatenate),
    "stack": _joined(np.stack),
    "hstack": _joined(np.hstack),
    "vstack": _joined(np.vstack),
    "column_stack": _joined(np.column_stack),
    "where": _where,
    "select": _select,
    "clip": _clip,
    "isin": _isin,
    "array_equal": _array_equal,
    "searchsorted": _searchsorted,
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
    "ndim": _ndim,
    "size": _size,
    "shape": _shape_of,
    "errstate": _errstate,
}

_SCALARS = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 intp int_"
).split()


def _grid(dense: bool) -> Callable[[Trace, Value], Value]:
    return lambda trace, place: _ogrid(trace, place, dense)


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
    "T": lambda trace, value: _transpose(trace, value),
    "flat": lambda trace, value: _FUNCTIONS["ravel"](trace, value),
    "tolist": _bound(_tolist),
    "item": _bound(_item),
    "astype": _bound(_astype),
    "copy": _bound(_copy),
    "fill": _bound(_fill),
    "flatten": _bound(lambda trace, value: _copy(trace, _FUNCTIONS["ravel"](trace, value))),
    **{
        name: _bound(_FUNCTIONS[name])
        for name in (
            "reshape transpose ravel squeeze swapaxes diagonal repeat take clip sum prod mean any "
            "all min max argmax argmin cumsum cumprod dot round searchsorted"
        ).split()
    },
}
