"""The shortest way to say that one value lies in a set: `x`, `x == v`, `x >= v`, ranges, parity."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from .build import FALSE, TRUE, compare, conjoin, disjoin, invert, linear, modulo
from .cost import cost
from .expr import Compare, Const, Expr, Linear, Var
from .table import Axis

_LARGEST_MODULUS = 8
_NAME = Var(-1)


@lru_cache(maxsize=1 << 14)
def members(axis: Axis, inside: frozenset[int]) -> Expr:
    """Build the cheapest bit that is one exactly at these positions of the axis."""
    if not inside:
        return FALSE
    if len(inside) == len(axis):
        return TRUE
    if axis.is_bit:
        return axis.expr if 1 in inside else invert(axis.expr)
    wanted = {value for i in inside for value in axis.groups[i]}
    levels = sorted(value for group in axis.groups for value in group)
    return min(_candidates(axis.expr, levels, wanted), key=reading)


@lru_cache(maxsize=1 << 14)
def literal_cost(groups: tuple[tuple[int, ...], ...], inside: frozenset[int]) -> int:
    """Return what a reader pays for `members` on an axis that is a name."""
    return cost(members(Axis(_NAME, groups), inside))


def _candidates(x: Expr, levels: list[int], wanted: set[int]) -> Iterable[Expr]:
    yield _runs(x, levels, [level in wanted for level in levels])
    yield invert(_runs(x, levels, [level not in wanted for level in levels]))
    for k in range(2, min(_LARGEST_MODULUS, levels[-1] - levels[0]) + 1):
        residues = {value % k for value in wanted}
        others = {level % k for level in levels if level not in wanted}
        if residues & others:
            continue
        if len(residues) == 1:
            (residue,) = residues
            yield compare("eq", modulo(x, k), Const(residue))
            if residue and isinstance(x, Linear) and any(c < 0 for c, _ in x.terms):
                turned = linear([(-c, term) for c, term in x.terms], -x.const)
                yield compare("eq", modulo(turned, k), Const(k - residue))
        elif len(others) == 1 and k > 2:
            yield compare("ne", modulo(x, k), Const(others.pop()))


def _runs(x: Expr, levels: list[int], inside: list[bool]) -> Expr:
    """Say which runs of consecutive levels the value lies in."""
    runs: list[Expr] = []
    start: int | None = None
    for at, member in enumerate([*inside, False]):
        if member and start is None:
            start = at
        elif not member and start is not None:
            runs.append(_run(x, levels, start, at - 1))
            start = None
    return disjoin(runs)


def _run(x: Expr, levels: list[int], first: int, last: int) -> Expr:
    if first == last:
        return compare("eq", x, Const(levels[first]))
    above = compare("ge", x, Const(levels[first])) if first else TRUE
    below = compare("le", x, Const(levels[last])) if last < len(levels) - 1 else TRUE
    return conjoin((above, below))


def reading(expr: Expr) -> tuple[int, int, int]:
    """Order predicates: by cost, then equalities, >= and <= before > and < but for zero."""
    match expr:
        case Compare(op, _, Const(value)):
            if op in ("gt", "lt") and value == 0:
                op = "ge"
            return cost(expr), _OPS.index(op), abs(value)
        case _:
            return cost(expr), 0, 0


_OPS = ("eq", "ge", "le", "ne", "gt", "lt")
