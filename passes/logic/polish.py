"""Last rewriting of a finished expression, where it pays: counts used once, parities, equality."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .build import at_least, compare, conjoin, disjoin, exclusive, invert, linear, opened, select
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
            if _are_bits(terms, bits):
                if op == "ge" or op == "gt":
                    return at_least(k + (op == "gt"), counted)
                if op in ("eq", "ne") and k in (0, len(counted)):
                    whole = conjoin(counted) if k else invert(disjoin(counted))
                    return _equalities(whole if op == "eq" else invert(whole))
                if (op == "le" or op == "lt") and k + (op == "le") in (1, len(counted)):
                    return invert(at_least(k + (op == "le"), counted))
            if op in ("eq", "ne") and k == 1 and len(counted) == 2 and _are_bits(terms, bits):
                return exclusive(counted) if op == "eq" else Compare("eq", *counted)
            return compare(op, *operands)
        case Compare("eq" | "ne" as op, Mod(_, 2), Const(k)) if _is_bit(operands[0], bits):
            return exclusive((operands[0], Const((k + (op == "eq")) % 2)))
        case Mod(Linear(terms, const), 2):
            if _are_bits([(abs(c), term) for c, term in terms], bits):
                return exclusive((*operands[0].operands, Const(const % 2)))
        case Linear(terms, const) if any(_merges(a, uses) for a in node.operands):
            parts = zip(terms, operands, strict=True)
            merged = [t for (c, old), new in parts for t in _opened(c, old, new, uses)]
            return linear(merged, const)
        case Compare(op, Linear() | Const(), Linear() | Const()):
            return compare(op, *operands)
        case Not(Xor()) if len(operands[0].operands) == 2:
            return Compare("eq", *operands[0].operands)
        case Compare("lt" | "le" | "gt" | "ge" as op, left, right) if (
            _is_bit(left, bits) and _is_bit(right, bits) and not isinstance(right, Const)
        ):
            small, large = operands if op in ("lt", "le") else operands[::-1]
            join = conjoin if op in ("lt", "gt") else disjoin
            return join((invert(small), large))
        case Not():
            return _equalities(invert(operands[0]))
        case And():
            return conjoin(operands)
        case Or():
            return disjoin(operands)
        case Select():
            return select(*operands)
        case _:
            pass
    return node if operands == node.operands else with_operands(node, operands)


def _equalities(expr: Expr) -> Expr:
    """Write "none of these pairs differ" as equalities."""
    match expr:
        case Not(Or(args)) if all(isinstance(a, Xor) and len(a.args) == 2 for a in args):
            return conjoin(Compare("eq", *a.operands) for a in args)
        case _:
            return expr


def _merges(operand: Expr, uses: dict[Expr, int]) -> bool:
    return isinstance(operand, Linear) and uses[operand] == 1


def _opened(c: int, old: Expr, new: Expr, uses: dict[Expr, int]) -> list[tuple[int, Expr]]:
    return opened(c, new) if abs(c) == 1 and _merges(old, uses) else [(c, new)]


def _are_bits(terms: Iterable[tuple[int, Expr]], bits: Collection[int]) -> bool:
    return all(c == 1 and _is_bit(term, bits) for c, term in terms)


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
