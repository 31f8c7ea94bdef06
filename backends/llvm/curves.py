"""Curves on vectors, for AVX-512: a binary search whose tables are permuted inside registers.

The loop vectoriser calls these where it finds their scalar forms in a loop ("Vector function ABI
specification for AVX2", Intel 2015, in LLVM's own variant `_ZGV_LLVM_`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .text import Writer

FEWEST, MOST = 3, 64  # pieces; fewer are as quick by comparisons, more as tables in memory


class VectorCurve:
    """Writes the vector form of one curve: a function of `raw` and `x` (see `nest.Pieces`)."""

    def __init__(self, single: bool, literal: Callable[[float], str]) -> None:
        self.w = Writer()
        for name in ("raw", "x"):
            self.w.name(name)
        self.literal = literal
        self.lanes = 16 if single else 8
        self.number = "float" if single else "double"
        self.type = f"<{self.lanes} x {self.number}>"
        self.ints = f"<{self.lanes} x i{32 if single else 64}>"
        self.int = f"i{32 if single else 64}"
        self.permute = f"@llvm.x86.avx512.vpermi2var.{'ps' if single else 'pd'}.512"

    def text(
        self,
        name: str,
        places: Sequence[float],
        heights: Sequence[float],
        slopes: Sequence[float],
        feet: Sequence[float],
    ) -> str:
        """Return the function; columns have one entry more than there are places."""
        w, count = self.w, len(places)
        flat = slopes[0] == 0.0
        piece = self._search(places)
        # The piece before the first place is the one after it, but for a height that stays.
        height, slope, foot = (
            self._look_up(column[1:], piece) for column in (heights, slopes, feet)
        )
        away = w.let(f"fsub {self.type} %x, {foot}")
        rise = w.let(f"fmul {self.type} {slope}, {away}")
        sloped = w.let(f"fadd {self.type} {height}, {rise}")
        level = w.let(f"fcmp oeq {self.type} {slope}, zeroinitializer")
        made = self._select(level, height, sloped)
        if flat:
            before = w.let(f"fcmp olt {self.type} %raw, {self._splat(places[0])}")
            made = self._select(before, self._splat(heights[0]), made)
        w.line(f"ret {self.type} {made}")
        assert count == len(heights) - 1
        head = f"define internal {self.type} @{name}({self.type} %raw, {self.type} %x) #8 {{"
        return "\n".join([head, w.text(), "}"])

    @property
    def declaration(self) -> str:
        """The permutation that the function uses."""
        return f"declare {self.type} {self.permute}({self.type}, {self.ints}, {self.type})"

    def _splat(self, value: float) -> str:
        return f"splat ({self.number} {self.literal(value)})"

    def _select(self, test: str, a: str, b: str) -> str:
        return self.w.let(
            f"select <{self.lanes} x i1> {test}, {self.type} {a}, {self.type} {b}", "chosen"
        )

    def _search(self, places: Sequence[float]) -> str:
        """Return how many places after the first one are at most `raw`."""
        w, size = self.w, (len(places) - 1).bit_length()
        cuts = [-math.inf, *places[1:]]
        cuts += [math.nan] * ((1 << size) - len(cuts))  # which nothing reaches
        piece = "zeroinitializer"
        for k in reversed(range(size)):
            if k == size - 1:
                cut = self._splat(cuts[1 << k])
            else:
                tried = w.let(f"or {self.ints} {piece}, splat ({self.int} {1 << k})")
                cut = self._look_up(cuts, tried)
            reached = w.let(f"fcmp oge {self.type} %raw, {cut}")
            step = w.let(
                f"select <{self.lanes} x i1> {reached}, {self.ints} splat ({self.int} {1 << k}),"
                f" {self.ints} zeroinitializer"
            )
            piece = w.let(f"or {self.ints} {piece}, {step}", "piece")
        return piece

    def _look_up(self, column: Sequence[float], piece: str) -> str:
        """Return the entries of a column at places."""
        w, reach = self.w, 2 * self.lanes  # entries that one permutation chooses from
        padded = [*column, *[column[-1]] * (-len(column) % reach)]
        found = ""
        for start in range(0, len(padded), reach):
            pair = [
                self._vector(padded[start + half : start + half + self.lanes])
                for half in (0, self.lanes)
            ]
            shown = f"({self.type} {pair[0]}, {self.ints} {piece}, {self.type} {pair[1]})"
            entry = w.let(f"call {self.type} {self.permute}{shown}", "entry")
            if not found:
                found = entry
                continue
            here = w.let(f"icmp uge {self.ints} {piece}, splat ({self.int} {start})")
            found = self._select(here, entry, found)
        return found

    def _vector(self, values: Sequence[float]) -> str:
        return "<" + ", ".join(f"{self.number} {self.literal(v)}" for v in values) + ">"
