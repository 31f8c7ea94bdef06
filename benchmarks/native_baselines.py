"""What `benchmarks.native` compares with: loops of numba, and numpy as reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit  # pyright: ignore[reportMissingImports]


@njit(cache=False)
def numba_rule30(a: Any, b: Any) -> None:
    for i in range(1, a.size - 1):
        b[i] = a[i - 1] ^ (a[i] | a[i + 1])


@njit(cache=False)
def numba_life(a: Any, b: Any) -> None:
    """One step of a padded grid, without branches."""
    rows, columns = a.shape
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            n = np.uint8(
                a[i - 1, j - 1] + a[i - 1, j] + a[i - 1, j + 1] + a[i, j - 1] + a[i, j + 1]
                + a[i + 1, j - 1] + a[i + 1, j] + a[i + 1, j + 1]
            )  # fmt: skip
            b[i, j] = (n == 3) | ((n == 2) & (a[i, j] == 1))


@njit(cache=False)
def numba_final(table: Any, x: Any, shift: Any) -> Any:
    """Unsigned indices into a table of bytes: the fastest of the forms that were tried."""
    s = np.uint64(0)
    for k in range(x.size):
        s = np.uint64(table[(np.uint64(x[k]) << shift) | s])
    return s


@njit(cache=False)
def numba_each(table: Any, x: Any, y: Any, shift: Any, accepted: Any) -> Any:
    s = np.uint64(0)
    for k in range(x.size):
        s = np.uint64(table[(np.uint64(x[k]) << shift) | s])
        y[k] = s == accepted
    return s


@njit(cache=False)
def numba_batch(table: Any, x: Any, y: Any) -> None:
    for row in range(x.shape[0]):
        s = np.uint64(0)
        for k in range(x.shape[1]):
            s = np.uint64(table[(np.uint64(x[row, k]) << np.uint64(2)) | s])
        y[row] = s


def flat(rows: Sequence[Sequence[int]]) -> Any:
    """Return next states by state and symbol as numba's table: a symbol's row of a power of two."""
    table = np.array(rows, dtype=np.uint8).T
    width = 1 << (len(rows) - 1).bit_length()
    padded = np.zeros((len(table), width), dtype=np.uint8)
    padded[:, : len(rows)] = table
    return padded.ravel()


def wrap(padded: Any) -> None:
    padded[0], padded[-1] = padded[-2], padded[1]
    padded[:, 0], padded[:, -1] = padded[:, -2], padded[:, 1]


def reference_rule30(row: Any) -> Any:
    return np.roll(row, 1) ^ (row | np.roll(row, -1))


def reference_life(cells: Any) -> Any:
    padded = np.pad(cells.astype(np.int16), 1, mode="wrap")
    rows, columns = cells.shape
    count = sum(padded[a : a + rows, b : b + columns] for a in range(3) for b in range(3)) - cells
    return ((count == 3) | ((cells == 1) & (count == 2))).astype(np.uint8)


@njit(cache=False)
def numba_read(words: Any) -> Any:
    """Read memory at full width: the compiler keeps several vectors of sums."""
    total = np.uint64(0)
    for k in range(words.size):
        total ^= words[k]
    return total
