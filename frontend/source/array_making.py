"""numpy: making arrays, and moving their entries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import as_array, broadcast_shape, converted, filled, from_flat
from .dtypes import BOOL, FLOAT64, Dtype, cast, dtype_of, kind_for, put
from .values import Arr, Sym, Value, is_number, new_array

if TYPE_CHECKING:
    from .containers import Containers as Trace


def whole(trace: Trace, value: Value) -> int:
    """Return a size or axis, which may not depend on the input."""
    return trace.whole(value, "a size or axis")


def wholes(trace: Trace, value: Value) -> tuple[int, ...]:
    """Return an int or a sequence of ints as a tuple."""
    if isinstance(value, (int, Sym)) or (isinstance(value, Arr) and not value.shape):
        return (whole(trace, value),)
    return tuple(whole(trace, v) for v in trace.plain_list(value))


def _shape(trace: Trace, value: Value) -> tuple[int, ...]:
    found = wholes(trace, value)
    if any(d < 0 for d in found):
        trace.never(1, "ValueError: a negative size")
    return found


def named_dtype(trace: Trace, value: Value, default: Dtype | None) -> Dtype | None:
    """Return the dtype that an argument names, `default` for None."""
    return default if value is None else dtype_of(trace, value)


# ---------------------------------------------------------------- making arrays


def _array(trace: Trace, value: Value, dtype: Value = None, **options: Value) -> Value:
    found = as_array(trace, value, named_dtype(trace, dtype, None))
    return found if found is not value else converted(trace, found, found.dtype)


def _asarray(trace: Trace, value: Value, dtype: Value = None) -> Value:
    return as_array(trace, value, named_dtype(trace, dtype, None))


def _full_of(value: Value) -> Callable[..., Value]:
    def call(trace: Trace, shape: Value, dtype: Value = None) -> Value:
        found = named_dtype(trace, dtype, FLOAT64)
        assert found is not None
        return filled(trace, _shape(trace, shape), cast(trace, value, found), found)

    return call


def _full(trace: Trace, shape: Value, fill_value: Value, dtype: Value = None) -> Value:
    item = as_array(trace, fill_value, named_dtype(trace, dtype, None))
    return _broadcast_copy(trace, item, _shape(trace, shape))


def _broadcast_copy(trace: Trace, value: Arr, shape: tuple[int, ...]) -> Arr:
    trace.charge(math.prod(shape))
    return new_array(moved(trace, np.broadcast_to, value.data, shape).copy(), value.dtype)


def _like(value: Value) -> Callable[..., Value]:
    def call(trace: Trace, like: Value, dtype: Value = None) -> Value:
        given = as_array(trace, like)
        found = named_dtype(trace, dtype, given.dtype)
        assert found is not None
        return filled(trace, given.shape, cast(trace, value, found), found)

    return call


def _full_like(trace: Trace, like: Value, fill_value: Value, dtype: Value = None) -> Value:
    given = as_array(trace, like)
    found = named_dtype(trace, dtype, given.dtype)
    assert found is not None
    item = as_array(trace, fill_value)
    entry = put(trace, item.data.item(), found) if is_number(fill_value) else item.data.item()
    return filled(trace, given.shape, cast(trace, entry, found), found)


def _arange(trace: Trace, *ends: Value, dtype: Value = None) -> Value:
    numbers = [e.data.item() if isinstance(e, Arr) else e for e in ends]
    if not 1 <= len(numbers) <= 3 or any(type(n) not in (int, float) for n in numbers):
        raise trace.error("np.arange of what depends on the input is not understood")
    if not all(math.isfinite(n) for n in numbers) or (len(numbers) == 3 and not numbers[2]):
        trace.never(1, "ValueError: np.arange without an end")
    start, stop = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else 1
    trace.charge(max(0, math.ceil((stop - start) / step)))
    return _concrete(trace, np.arange(start, stop, step), named_dtype(trace, dtype, None))


def _concrete(trace: Trace, data: Any, dtype: Dtype | None = None) -> Arr:
    """Return a numpy array of numbers as a value."""
    found = np.asarray(data)
    kind_for(found.dtype)
    result = from_flat(found.shape, found.ravel().tolist(), found.dtype)
    return result if dtype in (None, found.dtype) else converted(trace, result, dtype)


def _eye(trace: Trace, n: Value, m: Value = None, k: Value = 0, dtype: Value = None) -> Value:
    size = whole(trace, n)
    width = size if m is None else whole(trace, m)
    trace.charge(max(0, size) * max(0, width))
    found = named_dtype(trace, dtype, FLOAT64)
    return _concrete(trace, np.eye(size, width, whole(trace, k)), found)


def _linspace(trace: Trace, start: Value, stop: Value, num: Value = 50) -> Value:
    count = whole(trace, num)
    trace.charge(max(0, count))
    if isinstance(start, Sym) or isinstance(stop, Sym):
        raise trace.error("np.linspace of what depends on the input is not understood")
    return _concrete(trace, np.linspace(start, stop, count))


def _indices(trace: Trace, dimensions: Value) -> Value:
    shape = _shape(trace, dimensions)
    trace.charge(len(shape) * math.prod(shape))
    return _concrete(trace, np.indices(shape))


def grid(trace: Trace, place: Value, dense: bool) -> Value:
    """Return np.mgrid (dense) or np.ogrid of slices."""
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


def _copy(trace: Trace, value: Value) -> Value:
    given = as_array(trace, value)
    return converted(trace, given, given.dtype)


def _meshgrid(trace: Trace, *values: Value, indexing: Value = "xy") -> Value:
    given = [as_array(trace, v) for v in values]
    trace.charge(len(given) * math.prod(g.data.size for g in given))
    found = np.meshgrid(*(g.data for g in given), indexing=indexing)
    return tuple(new_array(f, g.dtype) for f, g in zip(found, given))


# ---------------------------------------------------------------- shapes


def moved(trace: Trace, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
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
        options = {k: option(trace, v) for k, v in named.items()}
        found = moved(trace, function, given.data, *(option(trace, a) for a in args), **options)
        result = new_array(np.asarray(found, dtype=object), given.dtype, given)
        result.mixed = given.mixed
        return result

    return call


def option(trace: Trace, value: Value) -> Any:
    """Return an argument that numpy itself reads, such as an axis or several."""
    if value is None or isinstance(value, (int, str, slice)):
        return value
    return wholes(trace, value) if not isinstance(value, float) else value


def _reshape(trace: Trace, value: Value, *shape: Value, **named: Value) -> Value:
    given = as_array(trace, value)
    sizes = tuple(s for part in (*shape, *named.values()) for s in wholes(trace, part))
    found = moved(trace, np.reshape, given.data, sizes)
    return new_array(found, given.dtype, given)


def transpose(trace: Trace, value: Value, *axes: Value) -> Value:
    """Return an array with its axes in another order, reversed by default."""
    given = as_array(trace, value)
    order = tuple(s for part in axes if part is not None for s in wholes(trace, part))
    return new_array(moved(trace, np.transpose, given.data, order or None), given.dtype, given)


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
    pairs = moved(trace, np.broadcast_to, widths, (given.data.ndim, 2)).tolist()
    if any(w < 0 for pair in pairs for w in pair):
        trace.never(1, "ValueError: a negative pad width")
    trace.charge(math.prod(n + a + b for n, (a, b) in zip(given.shape, pairs)))
    if mode != "constant":
        return new_array(moved(trace, np.pad, given.data, pairs, mode=mode), given.dtype)
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
    steps, along = option(trace, shift), option(trace, axis)
    return new_array(moved(trace, np.roll, given.data, steps, along), given.dtype)


def _repeat(trace: Trace, a: Value, repeats: Value, axis: Value = None) -> Value:
    given = as_array(trace, a)
    times = wholes(trace, repeats)
    trace.charge(given.data.size * max((*times, 0)))
    many = times[0] if len(times) == 1 else times
    return new_array(moved(trace, np.repeat, given.data, many, option(trace, axis)), given.dtype)


def _tile(trace: Trace, value: Value, reps: Value) -> Value:
    given = as_array(trace, value)
    times = wholes(trace, reps)
    trace.charge(given.data.size * math.prod(times))
    return new_array(moved(trace, np.tile, given.data, times), given.dtype)


def _broadcast_to(trace: Trace, value: Value, shape: Value) -> Value:
    return _broadcast_copy(trace, as_array(trace, value), _shape(trace, shape))


def _broadcast(trace: Trace, *values: Value) -> Value:
    """Return an array of the common shape: np.broadcast is asked for that only."""
    shape = broadcast_shape(trace, [as_array(trace, v).shape for v in values])
    return filled(trace, shape, False, BOOL)


def _broadcast_arrays(trace: Trace, *values: Value) -> Value:
    given = [as_array(trace, v) for v in values]
    shape = broadcast_shape(trace, [g.shape for g in given])
    return tuple(_broadcast_copy(trace, g, shape) for g in given)


def _joined(function: Callable[..., Any]) -> Callable[..., Value]:
    def call(trace: Trace, values: Value, axis: Value = None, dtype: Value = None) -> Value:
        given = [as_array(trace, v) for v in trace.plain_list(values)]
        if not given:
            trace.never(1, "ValueError: joining no arrays")
        found = named_dtype(trace, dtype, np.result_type(*(g.dtype for g in given)))
        assert found is not None
        parts = [as_array(trace, g, found).data for g in given]
        trace.charge(sum(p.size for p in parts))
        options = {} if axis is None else {"axis": option(trace, axis)}
        return new_array(np.asarray(moved(trace, function, parts, **options)), found)

    return call


MAKING: dict[str, Callable[..., Value]] = {
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
    "transpose": transpose,
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
    "broadcast_to": _broadcast_to,
    "broadcast_arrays": _broadcast_arrays,
    "broadcast": _broadcast,
    "concatenate": _joined(np.concatenate),
    "stack": _joined(np.stack),
    "hstack": _joined(np.hstack),
    "vstack": _joined(np.vstack),
    "column_stack": _joined(np.column_stack),
}
