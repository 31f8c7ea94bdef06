"""Tell whether a small expression of one number is the logistic function of it, for every number.

Stable programs write `1 / (1 + e ** -x)` in several ways, by cases of the sign of x. In each case
|x| is a number a >= 0, everything else is linear in a or a quotient of polynomials in
E = e ** -a, and two such quotients are equal where their cross products are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from ddc.ir import Op, Operand

Polynomial = dict[int, Fraction]  # exponents of E, negative ones too
MOST_TERMS = 16


class _UnknownError(Exception):
    """An op that is not followed."""


@dataclass(frozen=True)
class _Linear:
    """`const + slope * a` with a >= 0."""

    const: Fraction
    slope: Fraction

    @property
    def sign(self) -> int:
        """The sign for every a > 0."""
        if self.const * self.slope < 0:
            raise _UnknownError
        total = self.const + self.slope
        return (total > 0) - (total < 0)


@dataclass(frozen=True)
class _Quotient:
    top: Polynomial
    bottom: Polynomial


_Number = _Linear | _Quotient


def logistic(ops: Sequence[Op], root: str, variable: str) -> int:
    """Return 1 where root is the logistic function of the variable, -1 of its negative, else 0.

    `ops` are in order; those from the variable to the root are followed.
    """
    for turn in (1, -1):
        try:
            if all(_case(ops, root, variable, sign, turn * sign) for sign in (1, -1)):
                return turn
        except (_UnknownError, ZeroDivisionError, KeyError):
            return 0
    return 0


def _case(ops: Sequence[Op], root: str, variable: str, sign: int, wanted: int) -> bool:
    """Tell whether root is the logistic function of `wanted * a` where the variable is `sign * a`."""
    values: dict[str, _Number] = {variable: _Linear(Fraction(0), Fraction(sign))}
    for op in ops:
        known = [o for o in op.operands if isinstance(o, str)]
        if len(op.results) != 1 or op.results[0] in values or not known:
            continue
        if all(o in values for o in known):
            with suppress(_UnknownError):
                values[op.results[0]] = _apply(op, values)
    found = _quotient(values[root])
    one = Fraction(1)
    top: Polynomial = {0: one} if wanted > 0 else {1: one}
    return _times(found.top, {0: one, 1: one}) == _times(found.bottom, top)


def _number(operand: Operand, values: Mapping[str, _Number]) -> _Number:
    if isinstance(operand, str):
        return values[operand]
    if isinstance(operand, (int, Fraction, float)):
        return _Linear(Fraction(operand), Fraction(0))
    raise _UnknownError


def _quotient(number: _Number) -> _Quotient:
    if isinstance(number, _Quotient):
        return number
    if number.slope:
        raise _UnknownError
    return _Quotient({0: number.const}, {0: Fraction(1)})


def _apply(op: Op, values: Mapping[str, _Number]) -> _Number:
    given = [_number(o, values) for o in op.operands]
    lines = [g for g in given if isinstance(g, _Linear)]
    linear = len(lines) == len(given)
    code = op.code
    if code in ("lt", "le", "gt", "ge") and linear:
        sign = _Linear(lines[0].const - lines[1].const, lines[0].slope - lines[1].slope).sign
        truth = {"lt": sign < 0, "le": sign <= 0, "gt": sign > 0, "ge": sign >= 0}[code]
        return _Linear(Fraction(int(truth)), Fraction(0))
    if code == "select" and isinstance(given[0], _Linear) and not given[0].slope:
        return given[1] if given[0].const else given[2]
    if code == "abs" and linear:
        turn = lines[0].sign or 1
        return _Linear(lines[0].const * turn, lines[0].slope * turn)
    if code in ("min", "max") and linear and len(lines) == 2:
        sign = _Linear(lines[0].const - lines[1].const, lines[0].slope - lines[1].slope).sign
        return lines[0] if (sign <= 0) == (code == "min") else lines[1]
    if code == "exp" and linear and not lines[0].const and lines[0].slope.denominator == 1:
        return _Quotient({-int(lines[0].slope): Fraction(1)}, {0: Fraction(1)})
    if code == "sigmoid" and linear and not lines[0].const and abs(lines[0].slope) == 1:
        one = Fraction(1)
        top: Polynomial = {0: one} if lines[0].slope > 0 else {1: one}
        return _Quotient(top, {0: one, 1: one})
    if code in ("add", "sub", "neg") and linear:
        signs = {"add": [1] * len(lines), "sub": [1, -1], "neg": [-1]}[code]
        return _Linear(
            sum((s * v.const for s, v in zip(signs, lines)), Fraction(0)),
            sum((s * v.slope for s, v in zip(signs, lines)), Fraction(0)),
        )
    return _rational(code, [_quotient(g) for g in given])


def _rational(code: str, given: Sequence[_Quotient]) -> _Quotient:
    if code == "neg":
        return _Quotient(_times(given[0].top, {0: Fraction(-1)}), given[0].bottom)
    if code not in ("add", "sub", "mul", "div") or not given:
        raise _UnknownError
    total = given[0]
    for other in given[1:]:
        if code == "div":
            other = _Quotient(other.bottom, other.top)
        if code in ("mul", "div"):
            top = _times(total.top, other.top)
        else:
            sign = Fraction(-1 if code == "sub" else 1)
            top = _plus(
                _times(total.top, other.bottom), _times(_times(other.top, total.bottom), {0: sign})
            )
        total = _Quotient(top, _times(total.bottom, other.bottom))
        if not total.bottom:
            raise _UnknownError
    return total


def _plus(a: Polynomial, b: Polynomial) -> Polynomial:
    total = {k: a.get(k, Fraction(0)) + b.get(k, Fraction(0)) for k in {*a, *b}}
    return {k: v for k, v in total.items() if v}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    total: Polynomial = {}
    for i, x in a.items():
        for j, y in b.items():
            total[i + j] = total.get(i + j, Fraction(0)) + x * y
    if len(total) > MOST_TERMS:
        raise _UnknownError
    return {k: v for k, v in total.items() if v}


__all__ = ["logistic"]
