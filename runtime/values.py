"""Values of arrays: checked against their declared type and stored as native entries, in blocks.

What is large is looked at block by block, so that no copy of more than a block is made unless the
dtype has to change, and a block is read from memory once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering.nest import entry_dtype
from ddc.ir import Category, DdcError, Int, Missing, Param, Real, element
from ddc.ir.inputs import array_of
from ddc.ir.types import int_bounds

from .moves import taken

BLOCK = 1 << 18  # entries that are looked at together
LARGE = 1 << 14  # entries from which native code is worth its compilation


class OverflowReported(DdcError):
    """An int left 64 bits, or a NaN was to be rounded: the native answer means nothing."""


class InputError(DdcError, ValueError):
    """A program was called with what it does not take."""


def entries(
    param: Param, array: NDArray[Any], type_: str, single: bool = False, first: int = 0
) -> NDArray[Any]:
    """Return an array's values as contiguous entries of a stored type.

    The array itself (or a view) where nothing has to change. `first` is the place of the array in
    a longer one, along its first axis. Raises `DdcError` for values that are not of the declared
    type, `OverflowReported` for ints beyond 64 bits.
    """
    dtype = _stored(type_, single)
    if array.size >= LARGE and array.flags.c_contiguous:
        quickly = taken(param, array, dtype)
        if quickly is not None:
            return quickly
    if array.size <= BLOCK:
        return _block(param, array, type_, dtype, (first,), array.shape)
    whole = np.ascontiguousarray(array)
    flat = whole.reshape(-1)
    if _same_bytes(array.dtype, dtype):
        for start, stop in _blocks(flat.size):
            _block(param, flat[start:stop], type_, dtype, (first, start), array.shape)
        return whole.view(dtype)
    made = np.empty(array.shape, dtype=dtype)
    out = made.reshape(-1)
    for start, stop in _blocks(flat.size):
        out[start:stop] = _block(param, flat[start:stop], type_, dtype, (first, start), array.shape)
    return made


@lru_cache(maxsize=32)
def _stored(type_: str, single: bool) -> np.dtype[Any]:
    """Return the dtype of stored entries."""
    return np.dtype(np.float32) if single and type_ == "f64" else entry_dtype(type_)


def _blocks(size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, size, BLOCK):
        yield start, min(size, start + BLOCK)


def _same_bytes(given: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Tell whether good values of one dtype have the same bytes in another."""
    small = given.kind in "bui" and wanted.kind in "bui" and given.itemsize == wanted.itemsize
    return given.isnative and (given == wanted or small)


def _block(
    param: Param,
    array: NDArray[Any],
    type_: str,
    dtype: np.dtype[Any],
    place: tuple[int, ...],
    shape: tuple[int, ...],
) -> NDArray[Any]:
    if _is_good(param, array, type_, dtype):
        if _same_bytes(array.dtype, dtype):
            return np.ascontiguousarray(array).view(dtype).reshape(array.shape)
        return np.asarray(array, dtype=dtype, order="C")
    try:
        exact = array_of(param, array.reshape(1, -1)).reshape(array.shape)
    except DdcError:
        raise _complaint(param, array, place, shape) from None
    if exact.dtype == object and type_ != "f64":
        try:
            return np.ascontiguousarray(exact.astype(np.int64).astype(dtype))
        except OverflowError:
            raise OverflowReported("an input does not fit into 64 bits") from None
    return np.asarray(exact, dtype=dtype, order="C")


def _is_good(param: Param, array: NDArray[Any], type_: str, dtype: np.dtype[Any]) -> bool:
    """Tell quickly whether all values are of the declared type; False means to look closer."""
    scalar, kind = element(param.type), array.dtype.kind
    if array.size == 0:
        return kind in "buif"
    if isinstance(scalar, (Missing, Category)) or kind not in "buif":
        return False
    if isinstance(scalar, Int) and scalar.values:
        return False
    low: Any
    high: Any
    if isinstance(scalar, Real):
        low, high = scalar.low, scalar.high
        if low is None and high is None:  # the least of some numbers is no number if one is not
            return kind != "f" or not math.isnan(array.min().item())
    else:
        low, high = int_bounds(scalar) or (None, None)
        if kind == "b" and (low is None or low <= 0) and (high is None or high >= 1):
            return True
        if kind == "f" and not bool((np.rint(array) == array).all()):
            return False
        if low is None or high is None:
            reach = np.iinfo(dtype)
            low = reach.min if low is None else low
            high = reach.max if high is None else high
        if kind == "f" and (low < -(1 << 53) or high > 1 << 53):
            return False  # beyond these a float is not one int
    least = 0 if kind == "u" and low is not None and low <= 0 else array.min().item()
    most = array.max().item()
    if isinstance(least, float) and (math.isnan(least) or math.isnan(most)):
        return False
    if isinstance(scalar, Real):  # a bound is rounded once, as every constant of reals
        low, high = None if low is None else float(low), None if high is None else float(high)
    return bool((low is None or least >= low) and (high is None or most <= high))


def _complaint(
    param: Param, array: NDArray[Any], place: tuple[int, ...], shape: tuple[int, ...]
) -> DdcError:
    """Return the error for the first bad entry, at its place in the whole array."""
    flat = array.reshape(-1)
    low, high = 0, flat.size  # the first bad entry is in low..high
    while high - low > 1:
        middle = (low + high) // 2
        if _accepted(param, flat[low:middle]) is None:
            low = middle
        else:
            high = middle
    error = _accepted(param, flat[low:high])
    message = str(error)
    if len(shape) == 0 or ", which is no" not in message:
        return DdcError(message)
    first, start = (place[0], place[1] if len(place) > 1 else 0)
    at = [int(k) for k in np.unravel_index(start + low, shape)]
    at[0] += first
    head, tail = message.split(", which is no", 1)
    return DdcError(f"{head.split(' at [')[0]} at {at}, which is no{tail}")


def _accepted(param: Param, values: NDArray[Any]) -> DdcError | None:
    try:
        array_of(param, values.reshape(1, -1))
    except DdcError as error:
        return error
    return None
