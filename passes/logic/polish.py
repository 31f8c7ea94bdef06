"""Last rewriting of a finished expression, where it pays: counts used once, parities, equality."""

from __future__ import annotations

from collections.abc import Collection

from .build import at_least, conjoin, disjoin, exclusive, invert, linear, opened, select
from .expr import (
    And,
    Compare,
    Const,
    Expr,
    Linear,
    Mod,
    Not,
    Or,
    Select,
    Threshold,
    Var,
    Xor,
    topological,
    with_operands,
)


def polish(expr: Expr, bits: Collection[int]) -> Expr:
    """Rewrite an expression whose variables `bits` are bits into the forms that read best."""
    order = topological((expr,))
    uses: dict[Expr, int] = {}
    for node in order:
        for operand in node.operands:
            uses[operand] = uses.get(operand, 0) + 1
    done: dict[Expr, Expr] = {}
    for node in order:
        done[node] = _rewrite(node, tuple(done[operand] for operand in node.operands), uses, bits)
    return done[expr]


def _rewrite(
    node: Expr, operands: tuple[Expr, ...], uses: dict[Expr, int], bits: Collection[int]
) -> Expr:
    match node:
        case Compare(op, Linear(terms, 0) as count, Const(k)) if uses[count] == 1:
            counted = operands[0].operands
            if all(c == 1 for c, _ in terms) and all(_is_bit(a, bits) for a in counted):
                if op == "ge" or op == "gt":
                    return at_least(k + (op == "gt"), counted)
                if (op == "le" or op == "lt") and k + (op == "le") in (1, len(counted)):
                    return invert(at_least(k + (op == "le"), counted))
        case Compare("eq" | "ne" as op, Mod(_, 2), Const(k)) if _is_bit(operands[0], bits):
            return exclusive((operands[0], Const((k + (op == "eq")) % 2)))
        case Mod(Linear(terms, const), 2):
            counted = operands[0].operands
            if all(c in (1, -1) for c, _ in terms) and all(_is_bit(a, bits) for a in counted):
                return exclusive((*counted, Const(const % 2)))
        case Linear(terms, const) if any(_merges(a, uses) for a in node.operands):
            parts = zip(terms, operands, strict=True)
            merged = [t for (c, old), new in parts for t in _opened(c, old, new, uses)]
            return linear(merged, const)
        case Not(Xor()) if len(operands[0].operands) == 2:
            return Compare("eq", *operands[0].operands)
        case Not():
            return invert(operands[0])
        case And():
            return conjoin(operands)
        case Or():
            return disjoin(operands)
        case Select():
            return select(*operands)
        case _:
            pass
    return node if operands == node.operands else with_operands(node, operands)


def _merges(operand: Expr, uses: dict[Expr, int]) -> bool:
    return isinstance(operand, Linear) and uses[operand] == 1


def _opened(c: int, old: Expr, new: Expr, uses: dict[Expr, int]) -> list[tuple[int, Expr]]:
    return opened(c, new) if abs(c) == 1 and _merges(old, uses) else [(c, new)]


def _is_bit(expr: Expr, bits: Collection[int]) -> bool:
    match expr:
        case Var(index):
            return index in bits
        case And() | Or() | Xor() | Not() | Compare() | Threshold() | Const(0 | 1):
            return True
        case Select(_, then, other):
            return _is_bit(then, bits) and _is_bit(other, bits)
        case _:
            return False
