"""Both ends of a row of cells, stepped with their borders: a few cells, as bits of Python ints.

A pass of several steps over a packed row treats the row as a ring. Where it is none, the cells
that the border can reach are stepped here and put in their place afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.stencil import Stencil
from ddc.ir.equivalence.gates import Gates


@dataclass(frozen=True)
class Rule:
    """A rule on one axis as a list of gates over offsets; signals are as in `Gates`."""

    variables: Mapping[int, int]  # node -> offset
    gates: tuple[tuple[int, bool, int, int], ...]  # node, whether xor, and two signals
    output: int

    @staticmethod
    def of(stencil: Stencil) -> Rule:
        """Return the gates of a stencil."""
        gates = Gates()
        signals = {o: gates.variable(k) for k, o in enumerate(stencil.offsets)}
        output = stencil.output(gates, signals)
        offsets = {signals[o] >> 1: o[0] for o in stencil.offsets}
        nodes = [n for n in cone(gates, [output]) if gates.kind[n] in ("and", "xor")]
        return Rule(
            offsets,
            tuple((n, gates.kind[n] == "xor", gates.left[n], gates.right[n]) for n in nodes),
            output,
        )

    def step(self, cells: int, count: int, border: str | int, mirrored: bool) -> int:
        """Return the cells (bit k is cell k) after a step; beyond cell 0 lies the border.

        What lies beyond the last cell is taken as 0. `mirrored` counts cells from the other end.
        """
        mask = (1 << count) - 1
        outside = border if isinstance(border, int) else cells & 1
        values = {0: 0}
        for node, offset in self.variables.items():
            away = -offset if mirrored else offset
            if away >= 0:
                values[node] = cells >> away
            else:
                values[node] = (cells << -away) & mask | ((1 << -away) - 1 if outside else 0)

        def signal(number: int) -> int:
            value = values[number >> 1]
            return value ^ mask if number & 1 else value

        for node, is_xor, a, b in self.gates:
            values[node] = signal(a) ^ signal(b) if is_xor else signal(a) & signal(b)
        return signal(self.output)


@dataclass(frozen=True)
class Ends:
    """The two ends of a row in lanes: words of a buffer [vectors, words]."""

    rule: Rule
    border: str | int
    first: int  # the vector of the first cell
    rows: int

    def after(self, words: NDArray[np.uint64], steps: int, radius: int) -> list[NDArray[np.uint8]]:
        """Return the cells at both ends after some steps, the outermost one first."""
        near = steps * radius
        found: list[NDArray[np.uint8]] = []
        for mirrored in (False, True):
            bits = self.cells(words, 2 * near, mirrored)
            cells = int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
            for _ in range(steps):
                cells = self.rule.step(cells, 2 * near, self.border, mirrored)
            raw = np.frombuffer(
                (cells & (1 << near) - 1).to_bytes(near // 8 + 1, "little"), np.uint8
            )
            found.append(np.unpackbits(raw, count=near, bitorder="little"))
        return found

    def cells(self, words: NDArray[np.uint64], count: int, mirrored: bool) -> NDArray[np.uint8]:
        """Return the cells at one end, the outermost one first."""
        if mirrored:
            end = self.first + self.rows
            return (words[end - count : end, -1][::-1] >> np.uint64(63)).astype(np.uint8)
        return (words[self.first : self.first + count, 0] & np.uint64(1)).astype(np.uint8)

    def put(self, words: NDArray[np.uint64], ends: list[NDArray[np.uint8]]) -> None:
        """Write the cells at both ends."""
        low, high = ends
        top, one = np.uint64(63), np.uint64(1)
        place = slice(self.first, self.first + len(low))
        words[place, 0] = words[place, 0] & ~one | low
        end = self.first + self.rows
        place = slice(end - len(high), end)
        bits = high[::-1].astype(np.uint64) << top
        words[place, -1] = words[place, -1] & ~(one << top) | bits
