"""Transposing bits: 64 x 64 in every word of 64 vectors, six stages of exchanges in registers."""

from __future__ import annotations

from .bits import vector_type
from .text import Writer

BLOCK = 64  # vectors of a block
GROUP = 8  # vectors in registers, for three stages
STAGES = (
    (32, 0x00000000FFFFFFFF),
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)  # distance of the vectors that exchange bits, and the lower bits


class Vectors:
    """Loads and stores of vectors, through one writer in which some names are taken."""

    def __init__(self, lanes: int, names: tuple[str, ...] = ()) -> None:
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


def transpose(v: Vectors, source: str, between: str, target: str) -> None:
    """Add a transposition: bit j of word w of vector k becomes bit k of word w of vector j.

    Three blocks of 64 vectors, which may be the same one: the first three stages go from `source`
    to `between`, the last three from there to `target`.
    """
    far, near = STAGES[:3], STAGES[3:]
    for stages, apart, given, made in (
        (far, BLOCK // GROUP, source, between),
        (near, 1, between, target),
    ):
        step = 1 if apart > 1 else GROUP
        with v.w.loop("0", str(step * GROUP), "group", str(step)) as group:
            places = [v.add(group.var, k * apart) for k in range(GROUP)]
            values = [v.load(given, place) for place in places]
            for distance, mask in stages:
                for k in range(GROUP):
                    if not k & (distance // apart):
                        other = k + distance // apart
                        low, high = _exchanged(v, values[k], values[other], distance, mask)
                        values[k], values[other] = low, high
            for value, place in zip(values, places):
                v.store(value, made, place)


def _exchanged(v: Vectors, a: str, b: str, distance: int, mask: int) -> tuple[str, str]:
    """Return `a` with the lower bits of `b` as its upper ones, and `b` with those of `a` below."""
    w, t = v.w, v.type

    def splat(value: int) -> str:
        return str(value) if v.lanes == 64 else f"splat (i64 {value})"

    upper = (mask << distance) - (1 << 64)
    kept = w.let(f"and {t} {a}, {splat(mask)}")
    moved = w.let(f"shl {t} {b}, {splat(distance)}")
    moved = w.let(f"and {t} {moved}, {splat(upper)}")
    low = w.let(f"or {t} {kept}, {moved}")
    kept = w.let(f"and {t} {b}, {splat(upper)}")
    moved = w.let(f"lshr {t} {a}, {splat(distance)}")
    moved = w.let(f"and {t} {moved}, {splat(mask)}")
    return low, w.let(f"or {t} {kept}, {moved}")
