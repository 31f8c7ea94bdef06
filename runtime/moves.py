"""Numbers from arrays to stored entries and back, in native code: checked where they are taken."""

from __future__ import annotations

import ctypes
import math
import struct
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Category, Int, Missing, Param, Real, element
from ddc.ir.types import int_bounds

FEW = 8  # values of an int that are compared one by one
EXACT = 1 << 53  # ints up to this in size are doubles

_TAKE = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)


def number_of(dtype: np.dtype[Any]) -> str | None:
    """Return the name of a type of numbers that native code moves, None for others."""
    from ddc.backends.llvm.elements import NUMBERS

    name = f"{dtype.kind}{dtype.itemsize}"
    return name if dtype.isnative and name in NUMBERS else None


def range_of(
    param: Param, stored: np.dtype[Any]
) -> tuple[int | float, int | float, tuple[int, ...]] | None:
    """Return between which numbers stored entries are to lie, and among which if they are few.

    None for names, for what may be missing, and for many values.
    """
    scalar = element(param.type)
    if isinstance(scalar, (Missing, Category)):
        return None
    if isinstance(scalar, Real):
        low = -math.inf if scalar.low is None else float(scalar.low)
        return low, math.inf if scalar.high is None else float(scalar.high), ()
    few = tuple(int(v) for v in scalar.values) if isinstance(scalar, Int) else ()
    if len(few) > FEW:
        return None
    reach = np.iinfo(stored)
    least, most = int_bounds(scalar) or (None, None)
    return (
        int(reach.min) if least is None else max(int(least), int(reach.min)),
        int(reach.max) if most is None else min(int(most), int(reach.max)),
        few,
    )


def limits(param: Param, given: np.dtype[Any], stored: np.dtype[Any]) -> tuple[int, int] | None:
    """Return between which numbers of an array all are good, as `take` wants them.

    None where good numbers are not all those of a range, or where there is no such number.
    """
    among = range_of(param, stored)
    if among is None or among[2]:
        return None
    low, high, _ = among
    real = isinstance(element(param.type), Real)
    if given.kind == "f":
        if not real and (low < -EXACT or high > EXACT):
            return None  # beyond these a float is not one int
        first, last = struct.unpack("<2q", struct.pack("<2d", low, high))
        return int(first), int(last)
    least, most = (0, 1) if given.kind == "b" else (np.iinfo(given).min, np.iinfo(given).max)
    low = int(least) if low == -math.inf else max(int(least), math.ceil(low))
    high = int(most) if high == math.inf else min(int(most), math.floor(high))
    return (_signed(low), _signed(high)) if low <= high else None


def whole_range(stored: np.dtype[Any]) -> tuple[int, int]:
    """Return limits that all stored entries keep, but for NaN."""
    if stored.kind == "f":
        first, last = struct.unpack("<2q", struct.pack("<2d", -math.inf, math.inf))
        return int(first), int(last)
    return int(np.iinfo(stored).min), int(np.iinfo(stored).max)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def same_bytes(given: str, stored: str) -> bool:
    """Tell whether numbers of both types have as many bits, in the same form."""
    from ddc.backends.llvm.elements import same_bytes

    return same_bytes(given, stored)


@dataclass(frozen=True)
class Mover:
    """The addresses of `take` and `give`, whether good numbers have the same bytes on both sides, and
    what keeps the code."""

    take: int
    give: int
    as_it_is: bool
    library: Any


_MOVERS: dict[tuple[str, str], Mover | None] = {}
_ONE_AT_A_TIME = threading.Lock()  # code that a second thread made again would be lost


def mover(given: str, stored: str) -> Mover | None:
    """Return native code from one type of numbers to another; None without llvmlite."""
    with _ONE_AT_A_TIME:
        if (given, stored) not in _MOVERS:
            _MOVERS[given, stored] = _compiled(given, stored)
        return _MOVERS[given, stored]


def _compiled(given: str, stored: str) -> Mover | None:
    try:
        from ddc.backends.llvm.elements import moves, same_bytes
        from ddc.backends.llvm.machine import host

        from .cache import ObjectCache
        from .jit import code_of, library_of

        code = code_of(moves(given, stored), host(), 2, False, ObjectCache.standard())
        library = library_of(code, ("take", "give"))
    except ImportError:
        return None
    return Mover(library["take"], library["give"], same_bytes(given, stored), library)


def taken(param: Param, array: NDArray[Any], stored: np.dtype[Any]) -> NDArray[Any] | None:
    """Return the values of a contiguous array as stored entries, itself where its bytes are those.

    None where they have to be looked at more closely, or where this is not for native code.
    """
    given, made = number_of(array.dtype), number_of(stored)
    bounds = None if given is None or made is None else limits(param, array.dtype, stored)
    if given is None or made is None or bounds is None:
        return None
    found = mover(given, made)
    if found is None:
        return None
    out = array if found.as_it_is else np.empty(array.shape, dtype=stored)
    bad = _TAKE(found.take)(array.ctypes.data, out.ctypes.data, array.size, *bounds)
    if bad:
        return None
    return array.view(stored) if found.as_it_is else out
