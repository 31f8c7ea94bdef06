"""Functions of three bits as formulas of and, or and xor with the fewest operations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

COLUMNS = (0xF0, 0xCC, 0xAA)  # the bits of a table where the first, second and third operand hold
ALL = 0xFF
PARITY, MAJORITY = 0x96, 0xE8


@dataclass(frozen=True)
class Formula:
    """An operand by its place, perhaps complemented, or an operation on two formulas."""

    size: int  # operations
    flips: int  # complemented operands
    place: int = 0
    symbol: str = ""  # and | or | xor, empty for an operand
    left: Formula | None = None
    right: Formula | None = None


@lru_cache(maxsize=1)
def _formulas() -> dict[int, Formula]:
    """Return the smallest formula of each table that is not constant."""
    found: dict[int, Formula] = {}
    for place, column in enumerate(COLUMNS):
        found |= {column: Formula(0, 0, place), column ^ ALL: Formula(0, 1, place)}
    while len(found) < ALL - 1:
        size = 1 + max(formula.size for formula in found.values())
        made: dict[int, Formula] = {}
        for (f, left), (g, right) in itertools.combinations(found.items(), 2):
            if left.size + right.size != size - 1:
                continue
            flips = left.flips + right.flips
            for symbol, table in (("and", f & g), ("or", f | g), ("xor", f ^ g)):
                if table in (0, ALL) or table in found:
                    continue
                if table not in made or flips < made[table].flips:
                    made[table] = Formula(size, flips, 0, symbol, left, right)
        found |= made
    # What a full adder needs besides its parity: `a xor b` is then there already.
    a, b, c = (found[column] for column in COLUMNS)
    both = Formula(1, 0, 0, "and", a, b)
    half = Formula(1, 0, 0, "xor", a, b)
    found[PARITY] = Formula(2, 0, 0, "xor", half, c)
    found[MAJORITY] = Formula(4, 0, 0, "or", both, Formula(2, 0, 0, "and", c, half))
    return found


def formula_of(table: int) -> Formula:
    """Return a formula of a function of three bits that is not constant.

    Entry `4a + 2b + c` of the table is the value at a, b, c.
    """
    return _formulas()[table]


def whole_table(entries: Sequence[int]) -> int:
    """Return the entries of a look-up of up to three operands as a table of three."""
    width = 8 // len(entries)
    return sum(((1 << width) - 1) * entry << k * width for k, entry in enumerate(entries))
