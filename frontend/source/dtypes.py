"""numpy's dtypes: which one a result has, and what becomes of a value that is put into one.

Result dtypes are asked of numpy itself, on arrays without entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ddc.ir import DdcError

from .emitter import Operand
from .values import Arr, Builtin, DType, Name, Sym, Value, is_number, kind_of
from .wording import python_type, shown

if TYPE_CHECKING:
    from .containers import Containers as Trace

Dtype = np.dtype[Any]

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)
FLOAT64 = np.dtype(np.float64)
KIND = {"b": "bool", "i": "int", "u": "int", "f": "float", "O": "object"}
_EXACT = {8: 1 << 53, 4: 1 << 24, 2: 1 << 11}  # ints that a float of so many bytes holds
OBJECT = np.dtype(object)
_NAMES = {"int": INT64, "float": FLOAT64, "bool": BOOL, "object": OBJECT}
_KNOWN = "bool object int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 intp".split()


def dtype_of(trace: Trace, value: Value) -> Dtype:
    """Return a dtype that the program names."""
    if isinstance(value, DType):
        return value.dtype
    if isinstance(value, Builtin) and value.name in _NAMES:
        return _NAMES[value.name]
    if isinstance(value, str) and (value in _KNOWN or value in _NAMES):
        return _NAMES.get(value) or np.dtype(value)
    raise trace.error(
        f"the dtype {shown(value) if isinstance(value, str) else ''} is not understood"
    )


def limits(dtype: Dtype) -> tuple[int, int]:
    """Return the least and the greatest value of an int dtype."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def kind_for(dtype: Dtype) -> str:
    """Return the kind of the entries of an array."""
    found = KIND.get(dtype.kind)
    if found is None:
        raise DdcError(f"arrays of dtype {dtype} are not understood")
    return found


def inferred(trace: Trace, values: Sequence[Value]) -> Dtype:
    """Return the dtype of an array made of Python numbers and arrays."""
    kinds: set[str] = set()
    dtypes: list[Dtype] = []
    for value in values:
        if isinstance(value, Arr):
            dtypes.append(value.dtype)
        elif is_number(value):
            kinds.add(kind_of(value))
        elif isinstance(value, (str, Name)):
            return OBJECT
        else:
            raise trace.error(f"an array of {python_type(value)} is not understood")
    if kinds & {"truth", "number"}:
        raise trace.error("the dtype of this array depends on the input; name a dtype")
    dtypes += [_NAMES[k] for k in sorted(kinds)]
    return np.result_type(*dtypes) if dtypes else FLOAT64


def put(trace: Trace, value: Value, dtype: Dtype, what: str = "") -> Value:
    """Return a Python number as an entry of an array: out of the dtype's range it raises."""
    if isinstance(value, str) and dtype.kind in "iuf":
        value = _parsed(trace, value, dtype)
    if dtype.kind in "iu" and is_number(value) and kind_of(value) in ("int", "bool", "truth"):
        low, high = limits(dtype)
        a, graph = trace.numbers.operand(value), trace.graph
        least, most = graph.span(a)
        if least < low or most > high:
            outside = graph.or_([graph.lt(a, low), graph.lt(high, a)])
            trace.never(outside, f"OverflowError: an int out of bounds for {dtype}")
        return trace.numbers.to_int(value)
    return cast(trace, value, dtype)


def _parsed(trace: Trace, text: str, dtype: Dtype) -> Value:
    try:
        return float(text) if dtype.kind == "f" else int(text)
    except ValueError:
        trace.never(1, "ValueError: a text that is no number")
        raise AssertionError from None


def cast(trace: Trace, value: Value, dtype: Dtype) -> Value:
    """Return an entry as another dtype holds it: ints wrap, floats are cut off."""
    if dtype.kind == "O":
        return value
    if isinstance(value, Name):
        raise trace.error("an array of numbers made of strings is not understood")
    if dtype.kind == "b":
        return trace.numbers.to_bool(value)
    if dtype.kind in "iu":
        if kind_of(value) in ("float", "number"):
            value = trace.numbers.to_int(value)
            low, high = limits(dtype)
            a = trace.numbers.operand(value)
            least, most = trace.graph.span(a)
            if least < low or most > high:
                outside = trace.graph.or_([trace.graph.lt(a, low), trace.graph.lt(high, a)])
                trace.never(
                    outside, f"what a float beyond {dtype} becomes, which depends on the machine"
                )
        return trace.numbers.value(wrapped(trace, trace.numbers.operand(value), dtype), "int")
    return rounded(trace, trace.numbers.to_float(value), dtype)


def wrapped(trace: Trace, a: Operand, dtype: Dtype) -> Operand:
    """Return an int modulo the range of its dtype."""
    low, high = limits(dtype)
    if not isinstance(a, str):
        return (int(a) - low) % (high - low + 1) + low
    least, most = trace.graph.span(a)
    if low <= least and most <= high:
        return a
    graph = trace.graph
    return graph.add([graph.mod(graph.sub(a, low), high - low + 1), low])


def rounded(trace: Trace, value: Value, dtype: Dtype) -> Value:
    """Return a float as its dtype holds it; what float32 rounds is refused."""
    kind_for(dtype)
    if dtype == FLOAT64:
        a = trace.numbers.operand(value)
        if isinstance(a, str) and trace.graph.is_int(a) and not trace.graph.fits_float(a):
            return trace.numbers.value(trace.graph.real(a), "float")
        return value
    if not isinstance(value, Sym):
        return float(dtype.type(value))
    low, high = trace.graph.span(value.name)
    reach = _EXACT.get(dtype.itemsize, 0)
    if trace.graph.is_int(value.name) and -reach <= low and high <= reach:
        return value
    raise trace.error(f"arithmetic in {dtype} is not understood; say float64")


def probe(trace: Trace, function: Callable[..., Any], *args: Value) -> Dtype:
    """Return the dtype that numpy gives to a function's result."""
    given = [_sample(trace, a) for a in args]
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*given)).dtype
    except (TypeError, ValueError, OverflowError) as error:
        line = str(error).splitlines()[0][:120]
        trace.never(1, f"{type(error).__name__}: {shown(line)}")
        raise AssertionError from None


def _sample(trace: Trace, value: Value) -> Any:
    if isinstance(value, Arr):
        return np.empty(0, value.dtype)
    if isinstance(value, Sym):
        if value.kind in ("truth", "number"):
            raise trace.error("the type of this number depends on the input; say int() or float()")
        return {"bool": False, "int": 0, "float": 0.0}[value.kind]
    if is_number(value):
        return value
    raise trace.error(f"array arithmetic with {python_type(value)} is not understood")
