"""Functions of up to three bits as C: short ones in place, the others by name.

With AVX-512 any function of three bits is one instruction, which compilers do not always find.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ddc.backends.lowering.formulas import (
    MAJORITY,
    PARITY,
    Formula,
    formula_of,
    whole_table,
)

LETTERS = "abc"
SYMBOLS = {"and": "&", "or": "|", "xor": "^"}
SHORT = 2  # operations of a formula that stands in place
NAMES = {PARITY: "parity", MAJORITY: "majority"}

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


@lru_cache(maxsize=256)
def formula(table: int) -> str:
    """Return a function of `a`, `b` and `c` that is not constant, with the fewest operations."""
    return _text(formula_of(table))


def _text(tree: Formula) -> str:
    if tree.left is None or tree.right is None:
        return "~" * tree.flips + LETTERS[tree.place]
    parts: list[str] = []
    for operand in (tree.left, tree.right):
        alone = operand.symbol in ("", tree.symbol)
        parts.append(_text(operand) if alone else f"({_text(operand)})")
    return f" {SYMBOLS[tree.symbol]} ".join(parts)


class Functions:
    """The functions of three bits that a text uses by name."""

    def __init__(self) -> None:
        self.tables: set[int] = set()

    def call(self, table: Sequence[int], reads: Sequence[str]) -> str:
        """Return the value of a look-up; the first operand is the highest digit of an index."""
        if not reads:
            return "~(Lanes){0}" if table[0] else "(Lanes){0}"
        whole = whole_table(table)
        if len(reads) < 3 or formula_of(whole).size <= SHORT:
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
