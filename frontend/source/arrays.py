"""numpy arrays: elementwise operators, broadcasting, indexing and assignment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import BOOL, OBJECT, Dtype, cast, inferred, kind_for, probe, put
from .ufuncs import UFUNCS, compute
from .values import Arr, Items, Name, Sym, Value, is_number, kind_of, new_array
from .wording import python_type

if TYPE_CHECKING:
    from .containers import Containers as Trace
    from .machine import Machine

OPERATORS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "remainder",
    "**": "power",
    "&": "bitwise_and",
    "|": "bitwise_or",
    "^": "bitwise_xor",
    "<<": "left_shift",
    ">>": "right_shift",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
_UNARY = {"-": "negative", "+": "positive", "~": "invert"}
DEEPEST_ARRAY = 32


def filled(trace: Trace, shape: Sequence[int], value: Value, dtype: Dtype) -> Arr:
    """Return an array with one value in every entry."""
    kind_for(dtype)
    trace.charge(math.prod(shape))
    data = np.empty(tuple(shape), dtype=object)
    data[...] = value
    return new_array(data, dtype)


def from_flat(shape: Sequence[int], values: Sequence[Value], dtype: Dtype) -> Arr:
    """Return an array of these entries, row-major."""
    data = np.empty(len(values), dtype=object)
    for k, value in enumerate(values):
        data[k] = value
    return new_array(data.reshape(tuple(shape)), dtype)


def as_array(trace: Trace, value: Value, dtype: Dtype | None = None) -> Arr:
    """Return a number, an array or nested sequences as an array of a dtype."""
    if isinstance(value, Arr):
        trace.current(value.buffer)
        return value if dtype in (None, value.dtype) else converted(trace, value, dtype)
    if is_number(value) or isinstance(value, (str, Name)):
        found = inferred(trace, [value]) if dtype is None else dtype
        if dtype is None and _may_be_large(trace, value):
            large = from_flat((), [value], OBJECT)
            large.mixed = True
            return large
        return from_flat((), [put(trace, value, found)], found)
    shape: list[int] = []
    level: list[Value] = [value]
    while level and not any(isinstance(v, (Arr, str, Name)) or is_number(v) for v in level):
        if len(shape) >= DEEPEST_ARRAY:
            raise trace.error(f"an array of {python_type(level[0])} is not understood")
        rows = [trace.plain_list(v) for v in level]
        if len({len(r) for r in rows}) > 1:
            trace.never(1, "ValueError: an array of rows of different lengths")
        shape.append(len(rows[0]))
        level = [item for row in rows for item in row]
    found = inferred(trace, level) if dtype is None else dtype
    flat: list[Value] = []
    inner: set[tuple[int, ...]] = set()
    for item in level:
        if isinstance(item, Arr):
            inner.add(item.shape)
            trace.charge(item.data.size)
            flat += [cast(trace, v, found) for v in item.data.ravel().tolist()]
        elif is_number(item) or isinstance(item, (str, Name)):
            inner.add(())
            flat.append(put(trace, item, found))
        else:
            trace.never(1, "ValueError: an array of rows of different shapes")
    if len(inner) > 1:
        trace.never(1, "ValueError: an array of rows of different shapes")
    return from_flat((*shape, *(inner.pop() if inner else ())), flat, found)


def _may_be_large(trace: Trace, value: Value) -> bool:
    """Tell whether an int may lie beyond int64, so that numpy makes an object of it."""
    if not isinstance(value, Sym) or value.kind != "int":
        return False
    low, high = trace.graph.span(value.name)
    return bool(low < -(1 << 63) or high >= 1 << 63)


def converted(trace: Trace, value: Arr, dtype: Dtype) -> Arr:
    """Return a copy of an array with entries of another dtype."""
    trace.charge(value.data.size)
    flat = [cast(trace, v, dtype) for v in value.data.ravel().tolist()]
    return from_flat(value.shape, flat, dtype)


# ---------------------------------------------------------------- elementwise


def binary(trace: Trace, sign: str, a: Value, b: Value) -> Value:
    """Return `a sign b` where one is an array."""
    if sign == "@":
        from .array_reducing import matmul

        return matmul(trace, a, b)
    return function(trace, OPERATORS[sign], a, b)


def unary(trace: Trace, sign: str, value: Arr) -> Value:
    """Return `sign value`."""
    return function(trace, _UNARY[sign], value)


def _operand(trace: Trace, value: Value) -> Value:
    """Return an array, or a Python number, whose type counts for little in promotion."""
    if isinstance(value, Arr) or is_number(value):
        return value
    return as_array(trace, value)


def function(trace: Trace, name: str, *args: Value) -> Arr:
    """Return an elementwise function of arrays and numbers."""
    operands = [_operand(trace, a) for a in args]
    ufunc = UFUNCS[name][0]
    dtype = probe(trace, ufunc, *operands)
    kind_for(dtype)
    _check_mixed(trace, operands, dtype)
    given = dtype if dtype != BOOL else None
    columns: list[Arr] = []
    for operand in operands:
        if isinstance(operand, Arr):
            columns.append(operand)
        else:
            wanted = given if given is not None and given.kind in "iu" else None
            columns.append(as_array(trace, operand, wanted))
    return elementwise(trace, name, columns, dtype)


def _check_mixed(trace: Trace, operands: Sequence[Value], dtype: Dtype) -> None:
    if dtype == OBJECT and any(isinstance(o, Arr) and o.mixed for o in operands):
        raise trace.error("the dtype of this result depends on the input; name a dtype")
    others = [o for o in operands if isinstance(o, Arr) and o.dtype != dtype]
    if others and any(isinstance(o, Arr) and o.mixed for o in operands) and len(operands) > 1:
        if dtype != BOOL:
            raise trace.error("the dtype of this result depends on the input; name a dtype")


def broadcast_shape(trace: Trace, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the common shape, counted before anything of it is made."""
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        trace.never(1, "ValueError: shapes that do not fit together")
        raise AssertionError from None
    trace.charge(math.prod(shape))
    return shape


def elementwise(trace: Trace, name: str, columns: Sequence[Arr], dtype: Dtype) -> Arr:
    """Return a function of entries, broadcast."""
    shape = broadcast_shape(trace, [c.shape for c in columns])
    flats = [np.broadcast_to(c.data, shape).ravel().tolist() for c in columns]
    return from_flat(shape, [compute(trace, name, dtype, list(v)) for v in zip(*flats)], dtype)


def update(trace: Trace, sign: str, old: Arr, value: Value) -> Arr:
    """Do `old sign= value` in place."""
    new = binary(trace, sign, old, value)
    if not np.can_cast(new.dtype, old.dtype, "same_kind"):
        trace.never(1, f"UFuncTypeError: {new.dtype} does not go into {old.dtype}")
    if new.shape != old.shape:
        trace.never(1, "ValueError: a result that does not fit into the array")
    trace.touch(old.buffer)
    old.data[...] = converted(trace, new, old.dtype).data
    return old


# ---------------------------------------------------------------- indexing


def rows(trace: Machine, value: Arr) -> Iterator[Value]:
    """Yield the entries along the first axis."""
    if not value.shape:
        trace.never(1, "TypeError: iteration over an array without axes")
    for k in range(value.shape[0]):
        yield _view(value, value.data[k])


def _view(value: Arr, data: Any) -> Arr:
    if isinstance(data, np.ndarray):
        found = new_array(data, value.dtype, value)
    else:
        found = from_flat((), [data], value.dtype)
    found.mixed = value.mixed
    return found


def get_item(trace: Trace, value: Arr, place: Value) -> Value:
    """Return value[place]."""
    parts = list(place) if isinstance(place, tuple) else [place]
    if any(_is_symbolic(p) for p in parts):
        return _gather(trace, value, parts)
    index = tuple(_concrete(trace, p) for p in parts)
    _charge_index(trace, value, index)
    try:
        return _view(value, value.data[index])
    except IndexError:
        trace.never(1, "IndexError: an index out of range")
        raise AssertionError from None


def _entries(part: Value) -> list[Value]:
    if isinstance(part, Arr):
        return part.data.ravel().tolist()
    if isinstance(part, (Items, tuple)):
        items = part.items if isinstance(part, Items) else part
        return [v for item in items for v in _entries(item)]
    return [part]


def _is_symbolic(part: Value) -> bool:
    return any(isinstance(v, Sym) for v in _entries(part))


def _concrete(trace: Trace, part: Value) -> Any:
    """Return a concrete index for numpy."""
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        if part.step == 0:
            trace.never(1, "ValueError: a slice with step 0")
        ends = (part.start, part.stop, part.step)
        return slice(*(None if e is None else trace.whole(e, "a slice") for e in ends))
    if isinstance(part, bool):
        raise trace.error("a bool as an index is not understood")
    if isinstance(part, int):
        return part
    array = as_array(trace, part)
    if array.dtype.kind not in "iub" and array.data.size:
        trace.never(1, "IndexError: an index that is no int")
    if array.dtype.kind == "b":
        return array.data.astype(np.bool_)
    return array.data.astype(np.int64) if array.shape else int(array.data.item())


def _charge_index(trace: Trace, value: Arr, index: Sequence[Any]) -> None:
    arrays = [i for i in index if isinstance(i, np.ndarray)]
    if not arrays:
        return
    whole = [i.size if i.dtype == np.bool_ else 0 for i in arrays]
    shape = broadcast_shape(trace, [i.shape for i in arrays if i.dtype != np.bool_])
    rest = value.data.size if len(arrays) < value.data.ndim else 1
    trace.charge(math.prod(shape) * rest + sum(whole))


def _gather(trace: Trace, value: Arr, parts: list[Value]) -> Value:
    """Return entries at computed places."""
    if any(p is Ellipsis or p is None or isinstance(p, slice) for p in parts):
        keep = [p for p in parts[1:] if p not in (slice(None), Ellipsis)]
        if keep or isinstance(parts[0], slice) or parts[0] in (None, Ellipsis):
            raise trace.error("an index that depends on the input next to slices is not understood")
        parts = parts[:1]
    columns = [as_array(trace, p) for p in parts]
    if any(c.dtype.kind == "b" for c in columns):
        raise trace.error("a mask that depends on the input is understood in assignments only")
    whole = all(kind_of(v) in ("int", "truth") for c in columns for v in c.data.ravel().tolist())
    if not whole:
        trace.never(1, "IndexError: an index that is no int")
    if len(columns) > value.data.ndim:
        trace.never(1, "IndexError: too many indices")
    shape = broadcast_shape(trace, [c.shape for c in columns])
    flats = [np.broadcast_to(c.data, shape).ravel().tolist() for c in columns]
    inner = value.shape[len(columns) :]
    table = value.data.reshape((-1, *inner)) if value.data.size else value.data
    trace.charge(math.prod(shape) * math.prod(inner))
    found: list[Value] = []
    for places in zip(*flats):
        place = _flat_place(trace, places, value.shape)
        if not inner:
            found.append(trace.item(Items(list(table)), place))
            continue
        for column in table.reshape(table.shape[0], -1).T:
            found.append(trace.item(Items(list(column)), place))
    return from_flat((*shape, *inner), found, value.dtype)


def _flat_place(trace: Trace, places: Sequence[Value], shape: Sequence[int]) -> Value:
    """Return the row-major place of indices, each of which may count from the end."""
    if len(places) == 1:
        return places[0]
    graph, total = trace.graph, 0
    flat: Any = total
    for place, size in zip(places, shape):
        a = trace.numbers.operand(place)
        low, high = graph.span(a)
        if low < -size or high >= size:
            outside = graph.or_([graph.lt(a, -size), graph.le(size, a)])
            trace.never(outside, "IndexError: an index out of range")
            a = graph.clamp(a, -size, size - 1)
        if graph.span(a)[0] < 0:
            a = graph.mod(a, size) if isinstance(a, str) else a % size
        flat = graph.add([graph.mul(flat, size), a])
    return trace.numbers.value(flat, "int")


def set_item(trace: Trace, target: Arr, place: Value, value: Value) -> None:
    """Do target[place] = value."""
    parts = list(place) if isinstance(place, tuple) else [place]
    if any(_is_symbolic(p) for p in parts):
        _masked(trace, target, parts, value)
        return
    index = tuple(_concrete(trace, p) for p in parts)
    _charge_index(trace, target, index)
    new = _as_entries(trace, value, target.dtype)
    trace.touch(target.buffer)
    try:
        target.data[index] = new.data if new.shape else new.data.item()
    except (IndexError, ValueError) as error:
        trace.never(1, f"{type(error).__name__}: a value that does not fit the place")


def _as_entries(trace: Trace, value: Value, dtype: Dtype) -> Arr:
    if isinstance(value, Arr):
        return as_array(trace, value, dtype)
    if is_number(value):
        return from_flat((), [put(trace, value, dtype)], dtype)
    return as_array(trace, as_array(trace, value), dtype)


def _masked(trace: Trace, target: Arr, parts: list[Value], value: Value) -> None:
    """Assign where a mask that depends on the input is true, or at a computed place."""
    new = _as_entries(trace, value, target.dtype)
    if len(parts) == 1 and target.data.ndim == 1 and not as_array(trace, parts[0]).shape:
        row = Items(list(target.data))
        trace.store(row, as_array(trace, parts[0]).data.item(), new.data.item())
        trace.touch(target.buffer)
        for k, item in enumerate(row.items):
            target.data[k] = item
        return
    mask = as_array(trace, parts[0])
    if len(parts) != 1 or mask.dtype != BOOL or mask.shape != target.shape or new.shape:
        raise trace.error("an assignment at places that depend on the input is not understood")
    trace.charge(target.data.size)
    trace.touch(target.buffer)
    item = new.data.item()
    for at in np.ndindex(*target.shape):
        bit = trace.truth(mask.data[at])
        target.data[at] = trace.pick_one(bit, item, target.data[at])


# ---------------------------------------------------------------- numpy scalars of Python values


def conversion(dtype: Dtype) -> Any:
    """Return the function that numpy's scalar type is."""

    def call(trace: Trace, value: Value = 0) -> Value:
        found = as_array(trace, value)
        return as_array(trace, value, dtype) if is_number(value) else converted(trace, found, dtype)

    return call
