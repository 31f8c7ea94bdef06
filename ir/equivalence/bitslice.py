"""Bit-sliced enumeration: gates over all assignments, 64 of them to a word.

Assignments are numbered in counting order with the first input as the most significant digit, so
that the first one found is the lexicographically smallest. They are worked off in blocks: the
last inputs run through all their values inside a block, always with the same patterns, and the
inputs before them are constant in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gates import Gates, Planes

Words = NDArray[np.uint64]

LARGEST_BLOCK = 1 << 20  # assignments; the words of a few gates then stay in the cache
ONES = np.full(1, ~np.uint64(0))
ZEROS = np.zeros(1, dtype=np.uint64)


class Space:
    """All assignments of some flat inputs: their positions in order, how many values each has."""

    def __init__(self, positions: Sequence[int], sizes: Sequence[int], block: int) -> None:
        self.positions = tuple(positions)
        self.sizes = tuple(sizes)
        self.total = math.prod(sizes)
        self.leading = len(sizes)
        self.block = 1
        while self.leading and self.block * sizes[self.leading - 1] <= block:
            self.leading -= 1
            self.block *= sizes[self.leading]

    def digits(self, number: int) -> list[int]:
        """Return the digits of an assignment by its number."""
        result: list[int] = []
        for size in reversed(self.sizes):
            number, digit = divmod(number, size)
            result.append(digit)
        return result[::-1]

    def stride(self, place: int) -> int:
        """Return after how many assignments the digit at a place changes."""
        return math.prod(self.sizes[place + 1 :])

    def starts(self) -> Iterator[int]:
        """Yield the number of the first assignment of each block."""
        return iter(range(0, self.total, self.block)) if self.total else iter(())

    def column(self, place: int, start: int) -> NDArray[np.int64]:
        """Return the digits at a place for the assignments of a block."""
        stride, size = self.stride(place), self.sizes[place]
        if place < self.leading:
            return np.full(self.block, start // stride % size, dtype=np.int64)
        once = np.repeat(np.arange(size), stride)
        return np.tile(once, self.block // len(once))


def signals_of(size: int) -> int:
    """Return how many signals a digit with that many values needs."""
    return (size - 1).bit_length()


def digit_signals(gates: Gates, sizes: Sequence[int]) -> list[Planes]:
    """Return the signals of each digit, most significant first; variables are counted through."""
    result: list[Planes] = []
    number = 0
    for size in sizes:
        count = signals_of(size)
        result.append(tuple(gates.variable(number + k) for k in range(count)))
        number += count
    return result


@lru_cache(maxsize=256)
def _pattern(size: int, stride: int, bit: int, block: int) -> Words:
    """Return a bit of a digit for all assignments of a block, packed."""
    once = np.repeat(np.arange(size) >> bit & 1, stride).astype(np.uint8)
    return packed(np.tile(once, block // len(once)))


def packed(bits: NDArray[Any]) -> Words:
    """Return bits in words, the first one lowest; the last word is filled up with zeros."""
    octets = np.packbits(bits.astype(bool), bitorder="little")
    return np.pad(octets, (0, -len(octets) % 8)).view("<u8")


class Leaves:
    """The words of each variable in a block: digits of the space, and tables beside them."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.tables: dict[int, Callable[[int], Words]] = {}
        self._digits: list[tuple[int, int]] = []
        for place, size in enumerate(space.sizes):
            self._digits += [(place, k) for k in reversed(range(signals_of(size)))]

    def words(self, variable: int, start: int) -> Words:
        """Return the words of a variable in the block that begins at an assignment."""
        if variable in self.tables:
            return self.tables[variable](start)
        place, bit = self._digits[variable]
        size, stride = self.space.sizes[place], self.space.stride(place)
        if place < self.space.leading:
            return ONES if start // stride % size >> bit & 1 else ZEROS
        return _pattern(size, stride, bit, self.space.block)

    @property
    def variables(self) -> int:
        """The number of variables that are digits; tables come behind them."""
        return len(self._digits)


class Program:
    """The gates that some signals need, in order, with the buffers they can share."""

    def __init__(self, gates: Gates, roots: Sequence[int]) -> None:
        self.gates = gates
        self.roots = tuple(roots)
        self.order = _cone(gates, roots)
        last: dict[int, int] = {}
        for node in self.order:
            if gates.kind[node] in ("and", "xor"):
                last[gates.left[node] >> 1] = last[gates.right[node] >> 1] = node
        kept = {root >> 1 for root in roots}
        self._dying: dict[int, list[int]] = {}
        for node, user in last.items():
            if node not in kept and gates.kind[node] in ("and", "xor"):
                self._dying.setdefault(user, []).append(node)

    @property
    def gates_used(self) -> int:
        """The number of gates and leaves that the signals need."""
        return len(self.order)

    def run(self, leaf: Callable[[int], Words], size: int) -> list[Words]:
        """Return the words of the roots; `leaf` gives those of a variable."""
        gates, values = self.gates, dict[int, Words]()
        flipped: dict[int, int] = {0: 0}  # 1 where the complement is what is stored
        free: list[Words] = []
        values[0] = ZEROS
        for node in self.order:
            kind = gates.kind[node]
            if kind == "constant":
                continue
            if kind == "variable":
                values[node], flipped[node] = leaf(gates.left[node]), 0
                continue
            left, right = gates.left[node], gates.right[node]
            a, b = values[left >> 1], values[right >> 1]
            p, q = left & 1 ^ flipped[left >> 1], right & 1 ^ flipped[right >> 1]
            out = None
            if len(a) > 1 or len(b) > 1:
                out = free.pop() if free else np.empty(size, dtype=np.uint64)
            values[node], flipped[node] = _gate(kind, a, b, p, q, out)
            for done in self._dying.get(node, ()):
                if len(values[done]) > 1:
                    free.append(values[done])
                del values[done]
        return [
            ~values[root >> 1] if root & 1 ^ flipped[root >> 1] else values[root >> 1]
            for root in self.roots
        ]


def _gate(kind: str, a: Words, b: Words, p: int, q: int, out: Words | None) -> tuple[Words, int]:
    if kind == "xor":
        return np.bitwise_xor(a, b, out=out), p ^ q
    if p and q:
        return np.bitwise_or(a, b, out=out), 1
    if p:
        a, b = b, a
    if p or q:  # a and not b = (a or b) xor b
        return np.bitwise_xor(np.bitwise_or(a, b, out=out), b, out=out), 0
    return np.bitwise_and(a, b, out=out), 0


def _cone(gates: Gates, roots: Sequence[int]) -> list[int]:
    seen: set[int] = set()
    stack = [root >> 1 for root in roots]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if gates.kind[node] in ("and", "xor"):
            stack += [gates.left[node] >> 1, gates.right[node] >> 1]
    return sorted(seen)


def first_assignment(program: Program, leaves: Leaves) -> int | None:
    """Return the number of the first assignment for which a signal holds, None for none."""
    space = leaves.space
    size = -(-space.block // 64)
    tail = np.uint64((1 << (space.block % 64 or 64)) - 1)
    for start in space.starts():
        (words,) = program.run(partial(leaves.words, start=start), size)
        found = first_bit(words, tail)
        if found is not None:
            return start + found
    return None


def first_bit(words: Words, tail: np.uint64) -> int | None:
    """Return the position of the first 1, where only `tail` counts in the last word."""
    places = np.flatnonzero(words)
    if len(places) == 0:
        return None
    place = int(places[0])
    word = int(words[place]) & (int(tail) if place == len(words) - 1 else -1)
    return place * 64 + (word & -word).bit_length() - 1 if word else None


__all__ = ["Leaves", "Program", "Space", "Words", "digit_signals", "first_assignment", "packed"]
