"""Functions of up to three bits as C: short ones in place, the others by name.

With AVX-512 any function of three bits is one instruction, which compilers do not always find.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

LETTERS = "abc"
COLUMNS = (0xF0, 0xCC, 0xAA)  # the bits of a table where a, b and c hold
SHORT = 2  # operations of a formula that stands in place
NAMES = {0x96: "parity", 0xE8: "majority"}
FORMULAS = {0xE8: "(a & b) | (c & (a ^ b))"}  # a ^ b is there where the parity is wanted too
ALL = 0xFF

Tree = str | tuple[str, int, int]  # a letter, perhaps complemented, or the tables of two operands

LOOKUP = """\
/* Functions of three bits in every lane. Entry 4a + 2b + c of a table is the value at a, b, c. */
#if defined(__AVX512F__) && !defined(PORTABLE)
#include <immintrin.h>
#define LOOKUP(table, formula)                                                                     \\
    (Lanes) _mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, table)
#else
#define LOOKUP(table, formula) (formula)
#endif
"""


@lru_cache(maxsize=1)
def _trees() -> dict[int, tuple[int, int, Tree]]:
    """Return for each table its number of operations and of complements, and a smallest tree."""
    found: dict[int, tuple[int, int, Tree]] = {}
    for letter, column in zip(LETTERS, COLUMNS):
        found |= {column: (0, 0, letter), column ^ ALL: (0, 1, f"~{letter}")}
    while len(found) < ALL - 1:
        size = 1 + max(tree[0] for tree in found.values())
        made: dict[int, tuple[int, int, Tree]] = {}
        for (f, left), (g, right) in itertools.combinations(found.items(), 2):
            if left[0] + right[0] != size - 1:
                continue
            for symbol, table in (("&", f & g), ("|", f | g), ("^", f ^ g)):
                flips = left[1] + right[1]
                if table in (0, ALL) or table in found:
                    continue
                if table not in made or flips < made[table][1]:
                    made[table] = (size, flips, (symbol, f, g))
        found |= made
    return found


@lru_cache(maxsize=256)
def formula(table: int) -> str:
    """Return a function of `a`, `b` and `c` that is not constant, with the fewest operations."""
    if table in FORMULAS:
        return FORMULAS[table]
    tree = _trees()[table][2]
    if isinstance(tree, str):
        return tree
    symbol, *operands = tree
    parts: list[str] = []
    for operand in operands:
        inner, text = _trees()[operand][2], formula(operand)
        alone = isinstance(inner, str) or inner[0] == symbol
        parts.append(text if alone else f"({text})")
    return f" {symbol} ".join(parts)


class Functions:
    """The functions of three bits that a text uses by name."""

    def __init__(self) -> None:
        self.tables: set[int] = set()

    def call(self, table: Sequence[int], reads: Sequence[str]) -> str:
        """Return the value of a look-up; the first operand is the highest digit of an index."""
        if not reads:
            return "~(Lanes){0}" if table[0] else "(Lanes){0}"
        spread = ALL >> (8 - (8 >> len(reads)))
        whole = sum(spread * entry << k * (8 >> len(reads)) for k, entry in enumerate(table))
        if len(reads) < 3 or _trees()[whole][0] <= SHORT:
            names = dict(zip(LETTERS, reads))
            return re.sub("[abc]", lambda letter: names[letter[0]], formula(whole))
        order, whole = min(
            ((p, _permuted(table, p)) for p in itertools.permutations(range(3))),
            key=lambda found: found[1],
        )
        self.tables.add(whole)
        return f"{_name(whole)}({', '.join(reads[k] for k in order)})"

    def lines(self) -> list[str]:
        """Return the definitions of what was called."""
        if not self.tables:
            return []
        made = [LOOKUP]
        for table in sorted(self.tables):
            made += [
                f"static inline Lanes {_name(table)}(Lanes a, Lanes b, Lanes c)",
                "{",
                f"    return LOOKUP(0x{table:02X}, {formula(table)});",
                "}",
                "",
            ]
        return made


def _name(table: int) -> str:
    return NAMES.get(table, f"lookup_{table:02X}")


def _permuted(table: Sequence[int], order: Iterable[int]) -> int:
    """Return a table of three operands that come in another order."""
    places = [2 - k for k in order]
    whole = 0
    for index in range(8):
        digits = (index >> 2 & 1, index >> 1 & 1, index & 1)
        whole |= table[sum(d << place for d, place in zip(digits, places))] << index
    return whole
