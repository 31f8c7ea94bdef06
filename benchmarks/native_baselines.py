"""The programs that `benchmarks.native` times, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit  # pyright: ignore[reportMissingImports]

RULE30 = """\
func @rule30<N>(%cells: bit[N]) -> (%next: bit[N]) {
  %next = map %i in 0..N {
    %left = load %cells[%i - 1 wrap]
    %mid = load %cells[%i]
    %right = load %cells[%i + 1 wrap]
    %any = or %mid, %right
    %out = xor %left, %any
    yield %out
  }
  return %next
}
"""

LIFE = """\
func @life<N, M>(%grid: bit[N, M]) -> (%next: bit[N, M]) {
  %next = map %i in 0..N, %j in 0..M {
    %count = reduce add %di in -1..2, %dj in -1..2 {
      %x = load %grid[%di + %i wrap, %dj + %j wrap]
      yield %x
    }
    %centre = load %grid[%i, %j]
    %others = sub %count, %centre
    %three = eq %others, 3
    %two = eq %others, 2
    %stays = and %centre, %two
    %alive = or %three, %stays
    yield %alive
  }
  return %next
}
"""

AUTOMATON = """\
func @m<T>(%x: int<0..3>[T]) -> (RESULT) {
  %y, %last = scan %t in 0..T with (%s: int<0..3> = 0) {
    %a = load %x[%t]
    %n = table [1, 0, 2, 3, 2, 1, 3, 0, 3, 0, 1, 2, 0, 2, 3, 1] of %s, %a
    %o = eq %n, 2
    next %n
    yield %o
  }
  return NAMES
}
"""

BITS = """\
func @m<T>(%x: bit[T]) -> (%last: int<0..3>) {
  %y, %last = scan %t in 0..T with (%s: int<0..3> = 0) {
    %a = load %x[%t]
    %n = table [1, 0, 2, 1, 3, 0, 1, 2] of %s, %a
    next %n
    yield %n
  }
  return %last
}
"""


def binary_rules() -> str:
    rng = np.random.default_rng(1)
    lines = [f"  %x{k} = load %x[{k}]" for k in range(32)]
    for k in range(6):
        chosen = sorted(rng.choice(32, 4, replace=False))
        lines.append(f"  %c{k} = and " + ", ".join(f"%x{i}" for i in chosen))
    counted = ", ".join(f"%x{i}" for i in sorted(rng.choice(32, 12, replace=False)))
    lines.append(f"  %many = threshold 8 of {counted}")
    lines.append("  %y = or %many, " + ", ".join(f"%c{k}" for k in range(6)))
    body = "\n".join(lines)
    return f"func @rules(%x: bit[32]) -> (%y: bit) {{\n{body}\n  return %y\n}}"


def float_rules() -> str:
    rng = np.random.default_rng(2)
    lines: list[str] = []
    for k in range(32):
        lines += [f"  %x{k} = load %x[{k}]"]
        for half, cut in enumerate(rng.normal(size=2).astype(np.float32)):
            lines.append(f"  %b{k}_{half} = ge %x{k}, {float(cut)!r}")
    for k in range(6):
        chosen = sorted(rng.choice(32, 4, replace=False))
        lines.append(f"  %c{k} = and " + ", ".join(f"%b{i}_{k % 2}" for i in chosen))
    counted = ", ".join(f"%b{i}_0" for i in sorted(rng.choice(32, 12, replace=False)))
    lines.append(f"  %many = threshold 8 of {counted}")
    lines.append("  %y = or %many, " + ", ".join(f"%c{k}" for k in range(6)))
    body = "\n".join(lines)
    return f"func @rules(%x: real[32]) -> (%y: bit) {{\n{body}\n  return %y\n}}"


def logic_program(count: int) -> str:
    rng = np.random.default_rng(5)
    lines = [f"  %v{k} = load %x[{k}]" for k in range(32)]
    for k in range(32, 32 + count):
        a, b = rng.integers(max(0, k - 48), k, 2)
        lines.append(f"  %v{k} = {('and', 'or', 'xor')[rng.integers(3)]} %v{a}, %v{b}")
    tail = ", ".join(f"%v{k}" for k in range(count - 16, 32 + count))
    body = "\n".join(lines)
    return f"func @logic(%x: bit[32]) -> (%y: bit) {{\n{body}\n  %y = xor {tail}\n  return %y\n}}"


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
def numba_final(table: Any, x: Any) -> Any:
    """Unsigned indices into a table of bytes: the fastest of the forms that were tried."""
    s = np.uint64(0)
    for k in range(x.size):
        s = np.uint64(table[(np.uint64(x[k]) << np.uint64(2)) | s])
    return s


@njit(cache=False)
def numba_each(table: Any, x: Any, y: Any) -> Any:
    s = np.uint64(0)
    for k in range(x.size):
        s = np.uint64(table[(np.uint64(x[k]) << np.uint64(2)) | s])
        y[k] = s == np.uint64(2)
    return s


@njit(cache=False)
def numba_batch(table: Any, x: Any, y: Any) -> None:
    for row in range(x.shape[0]):
        s = np.uint64(0)
        for k in range(x.shape[1]):
            s = np.uint64(table[(np.uint64(x[row, k]) << np.uint64(2)) | s])
        y[row] = s


def flat(rows: Sequence[Sequence[int]]) -> Any:
    """Return next states by state and symbol as numba's table, by symbol and state."""
    return np.array(rows, dtype=np.uint8).T.ravel().copy()


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
