"""What the rules of `grammar.lark` for numbers, index expressions and types build."""

from __future__ import annotations

import re
import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .affine import Affine
from .errors import Diagnostic, Location
from .module import Number, Param
from .types import (
    BIT,
    INT,
    REAL,
    Array,
    Category,
    Int,
    Missing,
    OneHot,
    Real,
    Scalar,
    Type,
)
from .wellformed import number_problem

if TYPE_CHECKING:
    from lark import Token
else:
    Token = Any

Parts = list[Any]  # what the parts of a rule have built, None for optional parts left out

LARGEST_DIGITS = 1300  # digits of a number: about as many as 4096 bits
LARGEST_EXPONENT = 1100

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"'}
_EXPONENT = re.compile(r"[ep]([+-]?[0-9]+)\Z")


def place(token: Token) -> Location:
    """Return where a token stands."""
    return Location(int(token.line or 1), int(token.column or 1), len(token))


class TypeActions(threading.local):
    """The meaning of the rules for types; `diagnostics` are the problems of the present text."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def problem(self, message: str, location: Location | None) -> None:
        """Remember a problem."""
        self.diagnostics.append(Diagnostic(message, location))

    # ------------------------------------------------------------ tokens

    def number(self, parts: Parts) -> Number:
        """Return an exact number: an int, or a real written with a dot, exponent or `/`."""
        (token,) = parts
        return self.to_int(token) if token.type == "INT" else self._real(token)

    def negative(self, parts: Parts) -> Number:
        """Return a negative number."""
        return -self.number(parts)

    def to_int(self, token: Token) -> int:
        if len(token) > LARGEST_DIGITS:
            self.problem(f"a number of more than {LARGEST_DIGITS} digits", place(token))
            return 0
        return int(token)

    def _real(self, token: Token) -> Fraction:
        text = str(token)
        exponent = _EXPONENT.search(text)
        size = exponent.group(1) if exponent is not None else "0"
        if len(text) > 2 * LARGEST_DIGITS or len(size) > 6 or abs(int(size)) > LARGEST_EXPONENT:
            self.problem("a real beyond the range of binary64", place(token))
            return Fraction(0)
        try:
            value = _hex_float(text) if text.startswith("0x") else Fraction(text)
        except ZeroDivisionError:
            self.problem("a fraction with the denominator 0", place(token))
            return Fraction(0)
        if (problem := number_problem(value)) is not None:
            self.problem(problem, place(token))
        return value

    def string(self, parts: Parts) -> str:
        """Return a string without its quotes and escapes."""
        (token,) = parts

        def unescaped(match: re.Match[str]) -> str:
            plain = match.group(4)
            if plain is None:
                code = int(match.group(1) or match.group(2) or match.group(3), 16)
                if code <= 0x10FFFF:
                    return chr(code)
            elif plain in _PLAIN_ESCAPES:
                return _PLAIN_ESCAPES[plain]
            self.problem(f"unknown escape {match.group()} in a string", place(token))
            return "?"

        return _ESCAPE.sub(unescaped, str(token)[1:-1])

    # ------------------------------------------------------------ index expressions

    def affine(self, parts: Parts) -> Affine:
        """Return the sum of signed terms."""
        if len(parts) == 1:
            only: Affine = parts[0]
            return only
        return Affine.total(parts)

    def plus(self, parts: Parts) -> Affine:
        """Return a term as it is."""
        term: Affine = parts[0]
        return term

    plain_term = nested = plus

    def minus(self, parts: Parts) -> Affine:
        """Return a negated term."""
        term: Affine = parts[0]
        return -term

    def product(self, parts: Parts) -> Affine:
        """Return an integer multiple."""
        factor, atom = parts
        scaled: Affine = atom * self.to_int(factor)
        return scaled

    def modulo(self, parts: Parts) -> Affine:
        """Return the remainder by a positive constant."""
        atom, by = parts
        divisor = self._divisor(by)
        remainder: Affine = atom.mod(divisor)
        return remainder

    def floordiv(self, parts: Parts) -> Affine:
        """Return the quotient by a positive constant, rounded down."""
        atom, by = parts
        quotient: Affine = atom.floordiv(self._divisor(by))
        return quotient

    def _divisor(self, token: Token) -> int:
        value = self.to_int(token)
        if value == 0:
            self.problem("the divisor of an index must be positive", place(token))
        return value or 1

    def fixed(self, parts: Parts) -> Affine:
        """Return a constant."""
        return Affine.of(self.to_int(parts[0]))

    def symbol(self, parts: Parts) -> Affine:
        """Return a size or (with its sigil) a loop variable."""
        return Affine.symbol(str(parts[0]))

    # ------------------------------------------------------------ types

    def bit(self, _: Parts) -> Scalar:
        """Return the type `bit`."""
        return BIT

    def integer(self, _: Parts) -> Scalar:
        """Return the type `int`."""
        return INT

    def int_range(self, parts: Parts) -> Scalar:
        """Return a range of ints."""
        word, low, high = parts
        for bound in (low, high):
            if isinstance(bound, Fraction):
                self.problem("the range of an int has int bounds", place(word))
                return INT
        if low is not None and high is not None and low > high:
            self.problem(f"the range {low}..{high} is empty", place(word))
            return INT
        return Int(low, high)

    def int_values(self, parts: Parts) -> Scalar:
        """Return the type of a few ints."""
        word, *values = parts
        if any(isinstance(value, Fraction) for value in values):
            self.problem("the values of an int type are ints", place(word))
            return INT
        return Int.of(*values)

    def onehot(self, parts: Parts) -> Scalar:
        """Return a one-hot type."""
        word, size = parts
        if not (count := self.to_int(size)):
            self.problem("onehot needs a size of at least 1", place(word))
        return OneHot(count or 1)

    def category(self, parts: Parts) -> Scalar:
        """Return a type of names."""
        word, *names = parts
        if len(set(names)) < len(names):
            self.problem("a category names a value twice", place(word))
        return Category(tuple(names))

    def real(self, _: Parts) -> Scalar:
        """Return the type `real`."""
        return REAL

    def real_range(self, parts: Parts) -> Scalar:
        """Return a range of reals."""
        word, *bounds = parts
        low, high = (None if b is None else Fraction(b) for b in bounds)
        if low is not None and high is not None and low > high:
            self.problem("the range of a real is empty", place(word))
            return REAL
        return Real(low, high)

    def dims(self, parts: Parts) -> tuple[Affine, ...]:
        """Return the dims of an array."""
        return tuple(parts)

    def shape(self, parts: Parts) -> tuple[Affine, ...]:
        """Return a shape, which may be that of a scalar."""
        return tuple(part for part in parts if part is not None)

    def type(self, parts: Parts) -> Type:
        """Return a type."""
        scalar, optional, shape = parts
        if optional is not None:
            if isinstance(scalar, (Real, Int, Category)):
                scalar = Missing(scalar)
            else:
                self.problem(f"{scalar} cannot be missing", place(optional))
        return scalar if shape is None else Array(scalar, shape)

    def input(self, parts: Parts) -> Param:
        """Return a parameter; its name may have a sigil."""
        name, type_ = parts
        return Param(str(name).lstrip("%"), type_)

    param = input

    def signature(self, parts: Parts) -> tuple[Param, ...]:
        """Return the parameters."""
        return tuple(parts)

    params = signature


def _hex_float(text: str) -> Fraction:
    """Return the value of `0x1.8p+3`, exactly."""
    digits, exponent = text[2:].split("p")
    whole, _, places = digits.partition(".")
    mantissa = Fraction(int(whole + places, 16), 16 ** len(places))
    power = int(exponent)
    return mantissa * (1 << power) if power >= 0 else mantissa / (1 << -power)
