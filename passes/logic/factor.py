"""Algebraic factoring of a cover (Brayton & McMullen, "The decomposition and factorization of
Boolean expressions", 1982): common cubes, kernels as divisors, weak division."""

from __future__ import annotations

from collections.abc import Iterable

from .build import conjoin, disjoin, mux
from .expr import Expr
from .predicate import members
from .table import Axis

Cube = tuple[int, ...]
Literal = tuple[int, int]  # axis, mask of allowed positions
Term = frozenset[Literal]


def factor(axes: tuple[Axis, ...], cubes: list[Cube]) -> Expr:
    """Write a sum of cubes as a factored expression."""
    terms = [
        frozenset((at, mask) for at, mask in enumerate(cube) if mask + 1 < 1 << len(axes[at]))
        for cube in cubes
    ]
    return _factor(axes, _ordered(terms))


def _ordered(terms: Iterable[Term]) -> list[Term]:
    """Drop repetitions and order terms, so that the result does not depend on hashing."""
    return sorted(set(terms), key=lambda term: (len(term), sorted(term)))


def _product(axes: tuple[Axis, ...], term: Term) -> Expr:
    literals = (
        members(axes[at], frozenset(i for i in range(mask.bit_length()) if mask >> i & 1))
        for at, mask in sorted(term)
    )
    return conjoin(literals)


def _factor(axes: tuple[Axis, ...], terms: list[Term]) -> Expr:
    common = frozenset[Literal].intersection(*terms) if terms else frozenset[Literal]()
    if common:
        rest = _ordered(term - common for term in terms)
        return conjoin((_product(axes, common), _factor(axes, rest)))
    divisor = _kernel(terms)
    if len(divisor) < 2 or len(terms) == len(divisor):
        return disjoin(_product(axes, term) for term in terms)
    quotient, rest = _divide(terms, divisor)
    if len(quotient) == 1 or not quotient:
        return _by_literal(axes, terms, quotient[0] if quotient else frozenset())
    quotient = _cube_free(quotient)
    divisor, rest = _divide(terms, quotient)
    if len(divisor) < 2 or frozenset[Literal].intersection(*divisor):
        return _by_literal(axes, terms, divisor[0] if divisor else frozenset())
    both = conjoin((_factor(axes, quotient), _factor(axes, divisor)))
    return disjoin((both, _factor(axes, rest))) if rest else both


def _by_literal(axes: tuple[Axis, ...], terms: list[Term], among: Term) -> Expr:
    counts = _counts(terms)
    literal = max(sorted(among) or sorted(counts), key=counts.__getitem__)
    inside = [term - {literal} for term in terms if literal in term]
    rest = [term for term in terms if literal not in term]
    opposite = (literal[0], (1 << len(axes[literal[0]])) - 1 - literal[1])
    if counts.get(opposite):
        otherwise = [term - {opposite} for term in rest if opposite in term]
        chosen = mux(
            _product(axes, frozenset((literal,))),
            _factor(axes, _ordered(inside)),
            _factor(axes, _ordered(otherwise)),
        )
        rest = [term for term in rest if opposite not in term]
        return disjoin((chosen, _factor(axes, rest))) if rest else chosen
    product = conjoin((_product(axes, frozenset((literal,))), _factor(axes, _ordered(inside))))
    return disjoin((product, _factor(axes, rest))) if rest else product


def _counts(terms: list[Term]) -> dict[Literal, int]:
    counts: dict[Literal, int] = {}
    for term in terms:
        for literal in sorted(term):
            counts[literal] = counts.get(literal, 0) + 1
    return counts


def _kernel(terms: list[Term]) -> list[Term]:
    """Find one level-0 kernel: divide by a repeated literal until none is left."""
    while True:
        counts = _counts(terms)
        repeated = [literal for literal in sorted(counts) if counts[literal] > 1]
        if not repeated:
            return terms
        literal = max(repeated, key=counts.__getitem__)
        terms = _cube_free([term - {literal} for term in terms if literal in term])


def _cube_free(terms: list[Term]) -> list[Term]:
    common = frozenset[Literal].intersection(*terms)
    return _ordered(term - common for term in terms)


def _divide(terms: list[Term], divisor: list[Term]) -> tuple[list[Term], list[Term]]:
    """Divide weakly: terms = divisor * quotient + rest, without sharing of axes."""
    parts = [{term - d for term in terms if d <= term} for d in divisor]
    used = {at for d in divisor for at, _ in d}
    quotient = [q for q in set[Term].intersection(*parts) if not used & {at for at, _ in q}]
    made = {d | q for d in divisor for q in quotient}
    return _ordered(quotient), [term for term in terms if term not in made]
