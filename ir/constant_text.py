"""Constant arrays as text: nested lists of numbers, base64 of the bytes, or base64 where sparse.

Bytes are little-endian and row-major. The sparse form lists the places of the entries that are not
0 as 32-bit unsigned ints, and those entries.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DdcError

LARGEST_LISTED = 64
LARGEST_RANK = 32
LARGEST_COUNT = 1 << 40
LARGEST_EXPANSION = 1 << 20  # entries that a sparse text of any length may stand for
EXPANSION = 256  # entries that each character of a longer sparse text may stand for

# word of the text -> its dtypes
DTYPES = {"real": ("float32", "float64"), "int": ("int64",)}


def constant_array(
    base: str, shape: tuple[int, ...], dtype: str, form: str, data: Sequence[Any]
) -> NDArray[Any]:
    """Return the array that a constant's text says.

    Raises `DdcError` with the rest of a sentence that begins with the constant's name.
    """
    if dtype not in DTYPES.get(base, ()):
        raise DdcError(f"cannot be {base} {dtype}")
    if len(shape) > LARGEST_RANK or math.prod(max(1, d) for d in shape) >= LARGEST_COUNT:
        raise DdcError("is too large")
    count = math.prod(shape)
    if form == "listed":
        return _listed(shape, dtype, data[0])
    wire = np.dtype(dtype).newbyteorder("<")
    if form == "dense":
        raw = _decoded(data[0], count * wire.itemsize)
        return np.frombuffer(raw, wire).reshape(shape).astype(dtype)
    places, entries = data
    if count > max(LARGEST_EXPANSION, EXPANSION * (len(places) + len(entries))):
        raise DdcError("is too large for the entries given")
    at = np.frombuffer(_decoded(places, None), "<u4")
    values = np.frombuffer(_decoded(entries, len(at) * wire.itemsize), wire)
    if np.any(at[1:] <= at[:-1]) or np.any(at >= count):
        raise DdcError("has places that do not increase or lie outside")
    flat = np.zeros(count, dtype)
    flat[at] = values
    return flat.reshape(shape)


def _decoded(text: str, size: int | None) -> bytes:
    if size is not None and len(text) != 4 * -(-size // 3):
        raise DdcError(f"needs {size} bytes")
    try:
        raw = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise DdcError("is not base64") from None
    if size is not None and len(raw) != size:
        raise DdcError(f"needs {size} bytes, not {len(raw)}")
    if size is None and len(raw) % 4:
        raise DdcError("has places of fewer than 4 bytes")
    return raw


def _listed(shape: tuple[int, ...], dtype: str, entries: Any) -> NDArray[Any]:
    level: list[Any] = [entries]
    for length in shape:
        rows: list[list[Any]] = [row for row in level if isinstance(row, list)]
        if len(rows) < len(level) or any(len(row) != length for row in rows):
            raise DdcError("has entries of another shape than it says")
        level = [entry for row in rows for entry in row]
    if any(isinstance(entry, list) for entry in level):
        raise DdcError("has entries of another shape than it says")
    try:
        if dtype != "int64":
            array = np.array([float(entry) for entry in level], np.float64)
            with np.errstate(over="ignore"):
                array = array.astype(dtype)
            if not np.all(np.isfinite(array)):
                raise OverflowError
            return array.reshape(shape)
        if any(isinstance(entry, Fraction) for entry in level):
            raise DdcError("is of ints")
        return np.array(level, np.int64).reshape(shape)
    except OverflowError:
        raise DdcError(f"has entries beyond the range of {dtype}") from None


def constant_text(array: NDArray[Any], elide: bool = False) -> str:
    """Return type, dtype and entries; `elide` leaves out the entries of large arrays."""
    base = "real" if array.dtype.kind == "f" else "int"
    shape = f"[{', '.join(map(str, array.shape))}]" if array.shape else ""
    head = f"{base}{shape} {array.dtype.name}"
    if array.size <= LARGEST_LISTED:
        entries = _entry_texts(array.reshape(-1))
        if entries is not None:
            return f"{head} {_nested(entries, array.shape)}"
    return f'{head} "..."' if elide else f"{head} {_encoded(array)}"


def _entry_texts(array: NDArray[Any]) -> list[str] | None:
    """Return numbers that read back as exactly these entries, None where there are none."""
    if array.dtype.kind != "f":
        return [str(entry) for entry in array.tolist()]
    texts: list[str] = []
    for number, narrow in zip(array.tolist(), array.astype(str).tolist()):
        if not math.isfinite(number) or (number == 0 and math.copysign(1, number) < 0):
            return None
        short = repr(float(narrow))
        same = float(np.array(float(short), array.dtype)) == number
        texts.append(short if same else repr(number))
    return texts


def _nested(entries: list[str], shape: tuple[int, ...]) -> str:
    rows = entries
    for length, count in zip(reversed(shape), _counts(shape)):
        rows = ["[" + ", ".join(rows[length * k : length * (k + 1)]) + "]" for k in range(count)]
    return rows[0] if rows else "[]"


def _counts(shape: tuple[int, ...]) -> list[int]:
    """Return how many rows there are at each level, innermost level first."""
    return [math.prod(shape[:k]) for k in reversed(range(len(shape)))]


def _encoded(array: NDArray[Any]) -> str:
    wire = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).reshape(-1)
    bits = wire.view(f"<u{wire.itemsize}")
    at = np.flatnonzero(bits)
    size = wire.size * wire.itemsize
    expands = wire.size > max(LARGEST_EXPANSION, EXPANSION * len(at) * (4 + wire.itemsize))
    if len(at) * (4 + wire.itemsize) < size and wire.size < 1 << 32 and not expands:
        return f'sparse "{_base64(at.astype("<u4"))}" "{_base64(wire[at])}"'
    return f'"{_base64(wire)}"'


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
