"""Numbers that meet sums over whole axes, and what they may be in terms of the sizes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from ddc.ir import Affine, Block, Function, Op

SMALL = 2  # numbers up to this in size do not follow a size
CLEAR = 8  # numbers from this size on are no constants that look like a size by chance

# A product of expressions of the sizes.
Reading = tuple[Affine, ...]

_KEEP = ("add", "sub", "neg", "mul", "min", "max", "abs")
_COMPARE = ("ge", "gt", "le", "lt", "eq", "ne", "sign", "step")
_ENDS = ("argmax", "softmax", "sigmoid", "not")
MEETING = frozenset((*_KEEP, *_COMPARE))


class UnreadError(Exception):
    """A sum that follows a size is used in a way that hides numbers; the message says which."""


def followers(function: Function, tied: set[str]) -> tuple[set[int], set[str]]:
    """Return the numbers that meet sums over tied loops, and the results of the ops they meet in.

    Raises `UnreadError` where such a sum goes into a table or the like.
    """
    found = _Followers(tied)
    found.block(function.body)
    return found.numbers, found.meeting


class _Followers:
    def __init__(self, tied: set[str]) -> None:
        self.tied = tied
        self.growing: set[object] = set()  # values that grow with a size
        self.numbers: set[int] = set()
        self.meeting: set[str] = set()

    def block(self, block: Block) -> None:
        """Follow sums through the ops of a block."""
        for op in block.ops:
            if op.body is not None:
                self.block(op.body)
                self._structured(op, op.body)
            elif any(o in self.growing for o in op.operands if isinstance(o, str)):
                self._op(op)

    def _structured(self, op: Op, body: Block) -> None:
        inner = [o in self.growing for o in body.yields if isinstance(o, str)]
        summed = op.code == "reduce" and op.attr("kind") in ("add", "count")
        if any(inner) or (summed and any(loop.symbol in self.tied for loop in op.loops)):
            self.growing.update(op.results)

    def _op(self, op: Op) -> None:
        if op.code in MEETING:
            self.meeting.add(op.results[0])
            self.numbers |= {o for o in op.operands if isinstance(o, int) and abs(o) > SMALL}
            if op.code in _KEEP:
                self.growing.update(op.results)
        elif op.code == "select":
            if any(o in self.growing for o in op.operands[1:]):
                self.growing.update(op.results)
        elif op.code in ("load", "pack"):
            self.growing.update(op.results)
        elif op.code not in _ENDS:
            raise UnreadError(f"'{op.code}' of a count that follows the size")


class Readings:
    """Simple expressions of the sizes by their value at the trained ones."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self.values = values

    def all(self, number: int) -> list[Reading]:
        """Return every simple expression with this value."""
        if abs(number) < CLEAR:
            return []
        wanted = abs(number)
        found: dict[str, Reading] = {}
        for name, value in self.values.items():
            symbol = Affine.symbol(name)
            for shift in (-1, 0, 1):
                if value + shift == wanted:
                    found[str(symbol + shift)] = (symbol + shift,)
            if 2 * value == wanted:
                found[str(symbol * 2)] = (symbol * 2,)
            if value // 2 == wanted and value % 2 == 0:
                found[str(symbol.floordiv(2))] = (symbol.floordiv(2),)
        pairs = itertools.combinations_with_replacement(self.values.items(), 2)
        for (a, x), (b, y) in pairs:
            for i, j in itertools.product((-1, 0), repeat=2):
                if (x + i) * (y + j) == wanted and not (a == b and i > j):
                    factors = (Affine.symbol(a) + i, Affine.symbol(b) + j)
                    found[" * ".join(map(str, factors))] = factors
        if number < 0:
            return [(first * -1, *rest) for first, *rest in found.values()]
        return list(found.values())

    def reading(self, number: int) -> Reading | None:
        """Return the only simple expression with this value, None for none and for several."""
        found = self.all(number)
        return found[0] if len(found) == 1 else None

    def alike(self, number: int) -> tuple[str, str] | None:
        """Return two sizes of equal value that several expressions of the number differ in."""
        found = self.all(number)
        if len(found) < 2:
            return None
        used = sorted({s for reading in found for factor in reading for s in factor.symbols()})
        for a, b in itertools.combinations(used, 2):
            if self.values[a] == self.values[b]:
                return a, b
        return None
