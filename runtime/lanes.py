"""Rows of bits in lanes: which rows lie where, and the kernels that bring them there and back.

A block of rows is cut into as many runs as a vector has bits (`ddc.backends.llvm.row_bits`). All blocks
have the same size; the last one ends with the last row, and rows that two blocks hold give the
same answer twice.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm.machine import Cpu
from ddc.backends.llvm.row_bits import LEAST, batch_driver, room, row_conversions

from .cache import ObjectCache
from .jit import code_of, library_of

Bytes = NDArray[np.uint8]

NEAR = 1 << 19  # bytes of a block of rows


@dataclass(frozen=True)
class Blocks:
    """Blocks that cover some rows: `depth` rows in each lane."""

    rows: int
    lanes: int
    depth: int

    @property
    def size(self) -> int:
        """The rows of a block."""
        return self.lanes * self.depth

    @property
    def count(self) -> int:
        """The number of blocks."""
        return -(-self.rows // self.size)

    def first(self, number: int) -> int:
        """Return the first row of a block."""
        return min(number * self.size, self.rows - self.size)


def blocks_of(lanes: int, rows: int, widths: Sequence[int], wide: int) -> Blocks | None:
    """Return blocks for rows of arrays of some widths, `wide` bytes being read for each row.

    None for batches that do not fill a block, whose runs have 64 numbers at least.
    """
    least = -(-LEAST // max(1, min(widths)))
    if not min(widths) or rows < lanes * least:
        return None
    wish = NEAR // max(1, wide * lanes)
    return Blocks(rows, lanes, max(least, min(wish, rows // lanes)))


def element_of(dtype: np.dtype[Any]) -> str | None:
    """Return the name of the conversions for numbers of some dtype, None where there are none."""
    if not dtype.isnative:
        return None
    if dtype.kind in "bui":
        return str(8 * dtype.itemsize)
    return {4: "single", 8: "double"}.get(dtype.itemsize) if dtype.kind == "f" else None


class Lanes:
    """Packs and unpacks rows of numbers that are 0 or 1."""

    def __init__(self, lanes: int, cpu: Cpu, cache: bool = True) -> None:
        self.lanes = lanes
        self.cpu = cpu
        self.store = ObjectCache.standard() if cache else None
        self.one_at_a_time = threading.Lock()
        self.kernels: dict[str, tuple[Any, Any, Any]] = {}
        library = library_of(code_of(batch_driver(), cpu, 2, False, self.store), ("batch",))
        arguments = (*[ctypes.c_void_p] * 6, *[ctypes.c_int64] * 8)
        self.batch: Any = ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(library["batch"])
        self.library = library

    @property
    def bytes(self) -> int:
        """The bytes of a vector."""
        return self.lanes // 8

    def room(self, cells: int) -> int:
        """Return the bytes that the kernels work in, for runs of up to some numbers."""
        return room(self.lanes, cells)

    def places(self, element: str) -> tuple[int, int]:
        """Return the addresses of `pack` and `unpack` for numbers of a type (see `element_of`)."""
        with self.one_at_a_time:
            if element not in self.kernels:
                text = row_conversions(self.lanes, element)
                code = code_of(text, self.cpu, 2, False, self.store)
                library = library_of(code, ("pack", "unpack"))
                self.kernels[element] = library["pack"], library["unpack"], library
            pack, unpack, _ = self.kernels[element]
            return pack, unpack

    def pack(self, rows: NDArray[Any], target: int, work: int) -> bool:
        """Pack a block of contiguous rows [rows, width] to vectors at an aligned address.

        Return whether all numbers were 0 or 1.
        """
        element = element_of(rows.dtype)
        assert element is not None
        address = self.places(element)[0]
        return not _PACK(address)(rows.ctypes.data, target, work, rows.size // self.lanes)

    def unpack(self, source: int, rows: NDArray[Any], work: int) -> None:
        """Unpack vectors at an aligned address to a block of contiguous rows [rows, width]."""
        element = element_of(rows.dtype)
        assert element is not None
        address = self.places(element)[1]
        _UNPACK(address)(source, rows.ctypes.data, work, rows.size // self.lanes)

    def ordered(self, vectors: Bytes, depth: int) -> Bytes:
        """Return the bits of vectors [vectors, bytes] in the order of rows [blocks, rows]."""
        bits = np.unpackbits(vectors, axis=-1, bitorder="little")
        lanes = bits.reshape(-1, depth, self.lanes).transpose(0, 2, 1)
        return np.ascontiguousarray(lanes).reshape(-1, depth * self.lanes)


_PACK = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3, ctypes.c_int64)
_UNPACK = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)


@lru_cache(maxsize=8)
def lanes_of(lanes: int, cpu: Cpu, cache: bool = True) -> Lanes:
    """Return the conversions for vectors of some bits."""
    return Lanes(lanes, cpu, cache)
