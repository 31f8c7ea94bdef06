"""Memory that is used again from block to block."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Scratch:
    """Memory of one thread that is used again from block to block."""

    def __init__(self) -> None:
        self.found: dict[object, NDArray[np.uint8]] = {}
        self.targets: Sequence[NDArray[Any]] = ()

    def target(self, number: int, shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
        """Return the array of a result: where it is wanted, if that stores it as it is."""
        if number < len(self.targets):
            wanted = self.targets[number]
            if wanted.dtype == dtype and wanted.size == math.prod(shape):
                if wanted.flags.c_contiguous:
                    return wanted.reshape(shape)
        return self.get(("target", number), shape, dtype)

    def get(self, key: object, shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
        """Return an aligned array; what was in it is lost."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        known = self.found.get(key)
        if known is None or known.size < size:
            known = self.found[key] = aligned(max(64, size))
        found: NDArray[Any] = known[:size].view(dtype).reshape(shape)
        return found


def aligned(size: int) -> NDArray[np.uint8]:
    """Return uninitialised memory that begins at a cache line."""
    raw = np.empty(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def roomy(size: int) -> NDArray[np.uint8]:
    """Return `aligned` memory of any size: in a file of its own where memory would not do."""
    raw = spacious((size + 64,), np.dtype(np.uint8))
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def spacious(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array: in memory, or in a file of its own where memory would not do."""
    size = math.prod(shape) * dtype.itemsize
    if size <= _free_memory() // 2:
        try:
            return np.empty(shape, dtype=dtype)
        except MemoryError:  # a limit on this process
            pass
    with tempfile.TemporaryFile(dir=os.environ.get("DDC_SCRATCH")) as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


def _free_memory() -> int:
    """Return the bytes of memory that are not in use; much where the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 1 << 62
