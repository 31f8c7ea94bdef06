"""Constructors that simplify as they build: constants, duplicates, complements, sums."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

from .expr import (
    And,
    Compare,
    CompareOp,
    Const,
    Expr,
    FloorDiv,
    Linear,
    Max,
    Min,
    Mod,
    Not,
    Or,
    Select,
    Threshold,
    Var,
    Xor,
)

FALSE = Const(0)
TRUE = Const(1)

_OPPOSITE: dict[CompareOp, CompareOp] = {
    "eq": "ne",
    "ne": "eq",
    "lt": "ge",
    "ge": "lt",
    "le": "gt",
    "gt": "le",
}
_MIRROR: dict[CompareOp, CompareOp] = {
    "eq": "eq",
    "ne": "ne",
    "lt": "gt",
    "gt": "lt",
    "le": "ge",
    "ge": "le",
}


def invert(arg: Expr) -> Expr:
    """Build the complement of a bit, pushed inwards where that costs nothing."""
    match arg:
        case Const(value):
            return Const(1 - value)
        case Not(inner):
            return inner
        case Compare("eq" | "ne" as op, Mod(_, 2) as left, Const(0 | 1 as value)):
            return Compare("eq", left, Const(1 - value if op == "eq" else value))
        case Compare(op, left, right):
            return Compare(_OPPOSITE[op], left, right)
        case Threshold(k, args, weights):
            weights = weights or (1,) * len(args)
            return compare("lt", Linear(tuple(zip(weights, args, strict=True)), 0), Const(k))
        case Xor(args) if any(isinstance(a, Compare) for a in args):
            at = next(i for i, a in enumerate(args) if isinstance(a, Compare))
            return Xor((*args[:at], invert(args[at]), *args[at + 1 :]))
        case And(args) | Or(args) if sum(map(_inversion_price, args)) <= 0:
            return (disjoin if isinstance(arg, And) else conjoin)(map(invert, args))
        case Select(cond, Const() as then, other) | Select(cond, then, Const() as other):
            return mux(cond, invert(then), invert(other))
        case _:
            return Not(arg)


def _inversion_price(arg: Expr) -> int:
    match arg:
        case Not():
            return -1
        case Compare():
            return 0
        case _:
            return 1


def reading_order(arg: Expr) -> tuple[int, int, int]:
    """Order operands for reading: literals by variable first, then larger ones."""
    first = min(arg.variables, default=-1)
    return int(not _is_literal(arg)), len(arg.variables), first


def _is_literal(arg: Expr) -> bool:
    match arg:
        case Var() | Not(Var()) | Compare(_, Var(), Const()):
            return True
        case _:
            return False


def conjoin(args: Iterable[Expr]) -> Expr:
    """Build the conjunction of bits."""
    return _lattice(args, And, FALSE, TRUE)


def disjoin(args: Iterable[Expr]) -> Expr:
    """Build the disjunction of bits."""
    return _lattice(args, Or, TRUE, FALSE)


def _lattice(args: Iterable[Expr], kind: type[And | Or], zero: Expr, one: Expr) -> Expr:
    dual = Or if kind is And else And
    flat: dict[Expr, None] = {}
    for arg in args:
        flat.update(dict.fromkeys(_parts(arg, kind, dual)))
    flat.pop(one, None)
    if zero in flat or any(invert_if_cheap(part) in flat for part in flat):
        return zero
    if not flat:
        return one
    denied = [part.arg for part in flat if isinstance(part, Not)]
    if len(denied) > 1:  # one negation of the dual instead of several
        together = Not(dual(tuple(sorted(denied, key=reading_order))))
        flat = dict.fromkeys([part for part in flat if not isinstance(part, Not)] + [together])
    if len(flat) == 1:
        return next(iter(flat))
    return kind(tuple(sorted(flat, key=reading_order)))


def _parts(arg: Expr, kind: type[And | Or], dual: type[And | Or]) -> list[Expr]:
    if isinstance(arg, kind):
        return [part for inner in arg.args for part in _parts(inner, kind, dual)]
    if isinstance(arg, Not) and isinstance(arg.arg, dual):
        return [Not(inner) for inner in arg.arg.args]
    return [arg]


def invert_if_cheap(arg: Expr) -> Expr | None:
    """Return the complement where it is one node away, for finding complementary operands."""
    match arg:
        case Not(inner):
            return inner
        case Compare(op, left, right):
            return Compare(_OPPOSITE[op], left, right)
        case _:
            return None


def exclusive(args: Iterable[Expr]) -> Expr:
    """Build the parity of bits: equal operands cancel, complements move to the outside."""
    flat: dict[Expr, None] = {}
    odd = 0
    stack = list(args)[::-1]
    while stack:
        arg = stack.pop()
        match arg:
            case Xor(inner):
                stack.extend(inner[::-1])
            case Not(inner):
                odd ^= 1
                stack.append(inner)
            case Const(value):
                odd ^= value
            case _ if arg in flat:
                del flat[arg]
            case _:
                flat[arg] = None
    if len(flat) < 2:
        body = next(iter(flat), FALSE)
    else:
        body = Xor(tuple(sorted(flat, key=reading_order)))
    return invert(body) if odd else body


def mux(cond: Expr, then: Expr, other: Expr) -> Expr:
    """Build `then if cond else other` for bits."""
    if then is other:
        return then
    if isinstance(cond, Const):
        return then if cond.value else other
    if then is TRUE:
        return disjoin((cond, other))
    if then is FALSE:
        return conjoin((invert(cond), other))
    if other is TRUE:
        return disjoin((invert(cond), then))
    if other is FALSE:
        return conjoin((cond, then))
    if then is invert(other):
        return exclusive((cond, other))
    return select(cond, then, other)


def select(cond: Expr, then: Expr, other: Expr) -> Expr:
    """Build `then if cond else other` for integers."""
    if then is other:
        return then
    match cond:
        case Const(value):
            return then if value else other
        case Not(inner):
            return Select(inner, other, then)
        case Compare("ne", left, right):
            return Select(Compare("eq", left, right), other, then)
        case _:
            return Select(cond, then, other)


def linear(terms: Iterable[tuple[int, Expr]], const: int = 0) -> Expr:
    """Build an integer linear form; equal terms are merged, nested forms are kept."""
    sums: dict[Expr, int] = {}
    stack = list(terms)[::-1]
    while stack:
        coefficient, term = stack.pop()
        match term:
            case Const(value):
                const += coefficient * value
            case Linear(inner, offset) if len(inner) == 1:
                const += coefficient * offset
                stack.extend((coefficient * c, t) for c, t in inner[::-1])
            case _:
                sums[term] = sums.get(term, 0) + coefficient
    kept = [(c, t) for t, c in sums.items() if c]
    if not kept:
        return Const(const)
    if kept == [(1, kept[0][1])] and not const:
        return kept[0][1]
    kept.sort(key=lambda pair: pair[0] < 0)
    return Linear(tuple(kept), const)


def opened(coefficient: int, form: Expr) -> list[tuple[int, Expr]]:
    """List the terms of a multiple of a form, to be merged into another."""
    if not isinstance(form, Linear):
        return [(coefficient, form)]
    terms = [(coefficient * c, term) for c, term in form.terms]
    return [*terms, (coefficient * form.const, TRUE)] if form.const else terms


def _opened_differences(terms: list[tuple[int, Expr]]) -> list[tuple[int, Expr]]:
    """Open nested forms of mixed sign too, whose two halves belong on two sides of a comparison."""
    return [
        part
        for c, term in terms
        for part in (opened(c, term) if _is_difference(term) else [(c, term)])
    ]


def _is_difference(term: Expr) -> bool:
    return isinstance(term, Linear) and any(c < 0 for c, _ in term.terms)


def compare(op: CompareOp, left: Expr, right: Expr) -> Expr:
    """Build a comparison of integers: constants on the right, no negative terms, no common factor."""
    whole = linear(_opened_differences([*opened(1, left), *opened(-1, right)]))
    terms = {t: c for c, t in whole.terms} if isinstance(whole, Linear) else {whole: 1}
    bound = -whole.const if isinstance(whole, Linear) else 0
    plain = op not in ("eq", "ne") and set(terms.values()) <= {1}
    for term in [t for t in terms if isinstance(t, Not)]:
        if not plain:  # 2*a - (not b) is 2*a + b - 1
            weight = terms.pop(term)
            bound -= weight
            terms[term.arg] = terms.get(term.arg, 0) - weight
    if isinstance(whole, Const):
        return TRUE if _holds(op, whole.value) else FALSE
    factor = gcd(*terms.values())
    if factor > 1:
        if bound % factor and op in ("eq", "ne"):
            return FALSE if op == "eq" else TRUE
        # Over the integers a*x > b is x > floor(b/a) and a*x >= b is x >= ceil(b/a).
        bound = bound // factor if op in ("gt", "le", "eq", "ne") else -(-bound // factor)
        terms = {t: c // factor for t, c in terms.items()}
    if sum(c < 0 for c in terms.values()) * 2 > len(terms):
        op, bound = _MIRROR[op], -bound
        terms = {t: -c for t, c in terms.items()}
    positive = [(c, t) for t, c in terms.items() if c > 0]
    negative = [(-c, t) for t, c in terms.items() if c < 0]
    if (op, bound) in _ABSORBED and (negative or len(positive) > 1):  # a - b >= 1 is a > b
        op, bound = _ABSORBED[op, bound], 0
    if not negative:
        return Compare(op, linear(positive), Const(bound))
    if op in ("lt", "le") and not bound:
        return Compare(_MIRROR[op], linear(negative), linear(positive))
    if bound < 0:
        return Compare(op, linear(positive, -bound), linear(negative))
    return Compare(op, linear(positive), linear(negative, bound))


_ABSORBED: dict[tuple[CompareOp, int], CompareOp] = {
    ("ge", 1): "gt",
    ("gt", -1): "ge",
    ("lt", 1): "le",
    ("le", -1): "lt",
}


def _holds(op: CompareOp, difference: int) -> bool:
    sign = (difference > 0) - (difference < 0)
    return (
        sign
        in {"eq": (0,), "ne": (-1, 1), "lt": (-1,), "gt": (1,), "le": (-1, 0), "ge": (0, 1)}[op]
    )


def at_least(k: int, literals: tuple[Expr, ...]) -> Expr:
    """Build "at least k of these bits"."""
    if k <= 0:
        return TRUE
    if k > len(literals):
        return FALSE
    if k == 1:
        return disjoin(literals)
    if k == len(literals):
        return conjoin(literals)
    negated = sum(isinstance(literal, Not) for literal in literals)
    if 2 * negated > len(literals):
        return invert(at_least(len(literals) - k + 1, tuple(map(invert, literals))))
    return Threshold(k, tuple(sorted(literals, key=reading_order)), ())


def minimum(args: Iterable[Expr]) -> Expr:
    """Build the least of integers."""
    return _extreme(args, Min)


def maximum(args: Iterable[Expr]) -> Expr:
    """Build the greatest of integers."""
    return _extreme(args, Max)


def _extreme(args: Iterable[Expr], kind: type[Min | Max]) -> Expr:
    flat: dict[Expr, None] = {}
    for arg in args:
        for part in arg.args if isinstance(arg, kind) else (arg,):
            flat[part] = None
    return kind(tuple(flat)) if len(flat) > 1 else next(iter(flat))


def modulo(arg: Expr, k: int) -> Expr:
    """Build the remainder of division by the positive constant k."""
    return FALSE if k == 1 else Mod(arg, k)


def quotient(arg: Expr, k: int) -> Expr:
    """Build division by the positive constant k, rounding down."""
    return arg if k == 1 else FloorDiv(arg, k)
