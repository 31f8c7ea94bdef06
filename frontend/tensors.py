"""Arrays out of untrusted bytes: a closed table of dtypes, every view checked against its storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddc.ir import DdcError

MAX_AXES = 16
MAX_SIZE = 1 << 40

# dtype name: how it lies in the file, how wide one number is. bfloat16 has no numpy dtype of its
# own: its bits are the upper half of a float32.
DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}


def decode(data: bytes | bytearray, dtype: str) -> np.ndarray:
    """Return a flat array of the numbers in `data`; half and bfloat16 widen exactly to float32."""
    if dtype == "bool":
        truths: np.ndarray = np.frombuffer(data, np.uint8) != 0
        return truths
    flat: np.ndarray = np.frombuffer(data, DTYPES[dtype])
    if dtype == "bfloat16":
        upper: np.ndarray = flat.astype("<u4") << 16
        return upper.view("<f4")
    return widen(flat, "<f4") if dtype == "float16" else flat


def widen(array: np.ndarray, dtype: str = "<f8") -> np.ndarray:
    """Return an array in a wider dtype, without a warning where it holds signalling NaNs."""
    with np.errstate(invalid="ignore"):
        wide: np.ndarray = array.astype(dtype)
    return wide


def strided(flat: np.ndarray, offset: object, size: object, stride: object) -> np.ndarray:
    """Return a read-only view of a flat storage; raise `DdcError` if it would reach outside it.

    A view may not show more numbers than its storage holds: an expanded axis (stride 0) would let
    a small file claim an array of any size.
    """
    start = _natural(offset, "offset")
    shape = [_natural(n, "size") for n in _sequence(size, "size")]
    strides = [_natural(n, "stride") for n in _sequence(stride, "stride")]
    if len(shape) != len(strides) or len(shape) > MAX_AXES:
        raise DdcError(f"a tensor has {len(shape)} sizes and {len(strides)} strides")
    count = 1
    for n in shape:
        count *= n
    last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if count == 0:
        return np.zeros(shape, flat.dtype)
    if last >= flat.size or count > flat.size:
        raise DdcError(
            f"a tensor of shape {shape}, strides {strides}, offset {start} reaches outside its "
            f"storage of {flat.size} numbers"
        )
    steps = [step * flat.itemsize for step in strides]
    view: np.ndarray = np.lib.stride_tricks.as_strided(flat[start:], shape, steps, writeable=False)
    return view


def _sequence(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, (tuple, list)) or len(value) > MAX_AXES:
        raise DdcError(f"a tensor's {what} is not a short tuple of numbers")
    return value


def _natural(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value < MAX_SIZE:
        raise DdcError(f"a tensor's {what} is not a number in range")
    return value
