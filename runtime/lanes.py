"""Rows of bits in lanes: bit `l` of a vector belongs to the rows of lane `l`.

A block of rows is cut into as many runs as a vector has bits. A run is contiguous memory, so that
packing is the transposition that grids need too (`ddc.backends.llvm.packed`): vector `r * n + f`
holds entry `f` of the `r`-th row of every run. Runs overlap where the rows are no multiple of the
lanes; rows that two lanes hold give the same answer twice.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm import packed
from ddc.backends.llvm.machine import Cpu
from ddc.backends.llvm.packed import BLOCK, Packed

from .cache import ObjectCache
from .jit import code_of, library_of

Bytes = NDArray[np.uint8]


class Lanes:
    """Packs and unpacks rows of bytes that are 0 or 1."""

    def __init__(self, lanes: int, cpu: Cpu, cache: bool = True) -> None:
        self.lanes = lanes
        text = packed.module([packed.conversions(Packed(lanes, 1))], lanes)
        store = ObjectCache.standard() if cache else None
        code = code_of(text, cpu, level=2, vectorise=False, cache=store)
        self.library = library_of(code, ("pack", "unpack"))
        arguments = (*[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 4)
        self._pack: Any = ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(self.library["pack"])
        self._unpack: Any = ctypes.CFUNCTYPE(None, *arguments)(self.library["unpack"])

    def depth(self, rows: int) -> int:
        """Return how many rows each lane holds."""
        return -(-rows // self.lanes)

    def fits(self, rows: int, width: int) -> bool:
        """Tell whether rows of some bytes fill the blocks that are transposed."""
        return rows >= self.lanes and self.depth(rows) * width >= BLOCK

    def starts(self, rows: int, width: int) -> NDArray[np.int64]:
        """Return the byte where each lane's run begins."""
        return _starts(self.lanes, rows, width)

    def pack(self, rows: Bytes, target: int) -> bool:
        """Pack contiguous rows [rows, width] to vectors at an aligned address.

        Return whether all bytes were 0 or 1.
        """
        count, width = rows.shape
        offsets = self.starts(count, width)
        cells = self.depth(count) * width
        return not self._pack(rows.ctypes.data, offsets.ctypes.data, target, 1, cells, 0, 0)

    def unpack(self, source: int, rows: Bytes) -> None:
        """Unpack vectors at an aligned address to contiguous rows [rows, width]."""
        count, width = rows.shape
        offsets = self.starts(count, width)
        cells = self.depth(count) * width
        self._unpack(rows.ctypes.data, offsets.ctypes.data, source, 1, cells, 0, 0)


@lru_cache(maxsize=64)
def _starts(lanes: int, rows: int, width: int) -> NDArray[np.int64]:
    return np.arange(lanes, dtype=np.int64) * rows // lanes * width


@lru_cache(maxsize=8)
def lanes_of(lanes: int, cpu: Cpu, cache: bool = True) -> Lanes:
    """Return the conversions for vectors of some bits."""
    return Lanes(lanes, cpu, cache)
