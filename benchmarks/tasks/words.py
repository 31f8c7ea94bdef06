"""Tasks on binary words: what is asked, how the words are spelt, and the answer by plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ddc.frontend import Samples

Bits = list[int]


@dataclass(frozen=True)
class Word:
    """A task of `count` numbers: the answer takes ints and the number of bits.

    `spelling` is "low" (one input a number, lowest bit first), "high" (highest first) or "halves"
    (one input, the numbers one after the other, highest bit first).
    """

    name: str
    count: int
    answer: Callable[..., int]
    outputs: Callable[[int], int] = lambda bits: bits  # how many bits the answer has; 0 for one
    spelling: str = "low"
    bits: int = 6  # of the words that a network of one number is trained on

    def spell(self, values: list[int], bits: int) -> dict[str, np.ndarray]:
        """Return the numbers as the inputs of the task."""
        words = [digits(value, bits) for value in values]
        if self.spelling == "low":
            words = [word[::-1] for word in words]
        if self.spelling == "halves":
            return {"x": np.array([bit for word in words for bit in word])}
        return {name: np.array(word) for name, word in zip("abc", words)}

    def wanted(self, values: list[int], bits: int) -> Bits | int:
        """Return the right answer, its bits in the order of the words."""
        found = self.answer(*values, bits)
        count = self.outputs(bits)
        if not count:
            return found
        word = digits(found % (1 << count), count)
        return word[::-1] if self.spelling == "low" else word

    def samples(self, bits: int) -> Samples:
        """Return all numbers of so many bits with their answers."""
        rows = range(1 << bits * self.count)
        values = [
            [row >> bits * place & (1 << bits) - 1 for place in range(self.count)] for row in rows
        ]
        spelt = [self.spell(row, bits) for row in values]
        arrays = {name: np.stack([row[name] for row in spelt]) for name in spelt[0]}
        return Samples(arrays, np.array([self.wanted(row, bits) for row in values]))


def digits(value: int, count: int) -> Bits:
    """Return a number in binary, the highest bit first."""
    return [int(digit) for digit in format(value, f"0{count}b")]


def _one(bits: int) -> int:
    return 0


def _longer(bits: int) -> int:
    return bits + 1


TASKS = (
    Word("a + b", 2, lambda a, b, n: a + b, _longer),
    Word("a + b, highest bit first, in one input", 2, lambda a, b, n: a + b, _longer, "halves"),
    Word("a - b", 2, lambda a, b, n: a - b),
    Word("a + 1", 1, lambda a, n: a + 1),
    Word("-a, highest bit first", 1, lambda a, n: -a, spelling="high"),
    Word("from Gray code", 1, lambda a, n: _from_gray(a)),
    Word("max(a, b), highest bit first", 2, lambda a, b, n: max(a, b), spelling="high"),
    Word("a > b, highest bit first, in one input", 2, lambda a, b, n: int(a > b), _one, "halves"),
    Word("a = b", 2, lambda a, b, n: int(a == b), _one),
    Word("a multiple of 3", 1, lambda a, n: int(a % 3 == 0), _one, bits=7),
    Word("no two neighbouring ones", 1, lambda a, n: int(not a & a >> 1), _one, bits=7),
)


def _from_gray(code: int) -> int:
    value = 0
    while code:
        value, code = value ^ code, code >> 1
    return value
