"""Transposing bytes: as many vectors as a vector has bytes, by interleaving pairs of them."""

from __future__ import annotations

from collections.abc import Sequence

from .bits import vector_type
from .text import Writer

ONE_IN_BYTES = 0x0101010101010101
STAGES = 3  # of interleaving that are made in registers at once


class Vectors:
    """Loads and stores of vectors, through one writer in which some names are taken."""

    def __init__(self, lanes: int, names: Sequence[str] = ()) -> None:
        self.lanes = lanes
        self.type = vector_type(lanes)
        self.w = Writer()
        for name in names:
            self.w.name(name)

    def at(self, base: str, index: str) -> str:
        return self.w.let(f"getelementptr inbounds {self.type}, ptr {base}, i64 {index}", "at")

    def load(self, base: str, index: str, wish: str = "v") -> str:
        place = self.at(base, index)
        return self.w.let(f"load {self.type}, ptr {place}, align {self.lanes // 8}", wish)

    def store(self, value: str, base: str, index: str) -> None:
        place = self.at(base, index)
        self.w.line(f"store {self.type} {value}, ptr {place}, align {self.lanes // 8}")

    def add(self, a: str, b: str | int) -> str:
        return a if b == 0 else self.w.let(f"add nsw i64 {a}, {b}")

    def room(self, type_: str, wish: str) -> str:
        """Return memory of the function, aligned to a cache line."""
        place = self.w.alloca(type_, wish)
        self.w.entry[-1] = self.w.entry[-1].replace("align 16", "align 64")
        return place


def transpose(v: Vectors, source: str, between: str, target: str) -> None:
    """Add a transposition: byte j of vector k becomes byte k of vector j.

    There are as many vectors as each has bytes. They go from `source` to `between` and from there to
    `target`, which are apart.

    Interleaving two vectors that differ in the highest bit of their places moves this bit behind the
    bits of the bytes' places, and the highest bit of those behind the bits of the vectors' places.
    """
    size = (v.lanes // 8).bit_length() - 1
    if size <= STAGES:
        _interleaved(v, size, size, source, target)
        return
    first = -(-size // 2)
    _interleaved(v, size, first, source, between)
    _interleaved(v, size, size - first, between, target)


def _interleaved(v: Vectors, size: int, stages: int, source: str, target: str) -> None:
    """Add some stages on 2^size vectors."""
    count, rest = 1 << stages, size - stages
    with v.w.loop("0", str(1 << rest), "group") as group:
        values = [v.load(source, v.add(group.var, k << rest)) for k in range(count)]
        for _ in range(stages):
            pairs = [_pair(v, values[k], values[k + count // 2]) for k in range(count // 2)]
            values = [value for pair in pairs for value in pair]
        start = v.w.let(f"shl i64 {group.var}, {stages}")
        for k, value in enumerate(values):
            v.store(value, target, v.add(start, k))


def _pair(v: Vectors, a: str, b: str) -> tuple[str, str]:
    """Return the bytes of two vectors in turns: first those of the lower halves."""
    w, size = v.w, v.lanes // 8
    type_ = f"<{size} x i8>"
    given = [w.let(f"bitcast {v.type} {x} to {type_}") for x in (a, b)]
    found: list[str] = []
    for start in (0, size // 2):
        mask = ", ".join(
            f"i32 {k + side * size}" for k in range(start, start + size // 2) for side in (0, 1)
        )
        mixed = w.let(
            f"shufflevector {type_} {given[0]}, {type_} {given[1]}, <{size} x i32> <{mask}>"
        )
        found.append(w.let(f"bitcast {type_} {mixed} to {v.type}"))
    return found[0], found[1]
