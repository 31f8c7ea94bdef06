"""Values of random programs: where they can lie, and whether they are computed without rounding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from ddc import ir
from ddc.ir import Affine, Operand, Type

GRAIN = 3  # real inputs are multiples of 1/8
Number = int | Fraction
# Lowest and highest value, and the number of binary places (None: rounded on the way).
Interval = tuple[Any, Any, int | None]


@dataclass(frozen=True)
class Value:
    """An operand with its type, the interval of its entries, and its binary places."""

    operand: Operand
    type: Type
    low: Any
    high: Any
    grain: int | None

    @property
    def interval(self) -> Interval:
        """Where the entries lie."""
        return self.low, self.high, self.grain

    @property
    def dims(self) -> tuple[Affine, ...]:
        """The shape, () for a scalar."""
        return ir.dims(self.type)

    @property
    def cases(self) -> int:
        """How many values a small discrete type has, 0 for other types."""
        scalar = ir.element(self.type)
        if isinstance(scalar, ir.Missing):
            return 0
        return len(ir.levels(scalar) or ())

    @property
    def nonzero_int(self) -> bool:
        """Tell whether the type is of ints other than 0."""
        scalar = ir.element(self.type)
        if (levels := ir.levels(scalar)) is not None and isinstance(scalar, ir.Int):
            return 0 not in levels
        low, high = ir.int_bounds(scalar) or (None, None)
        return (low is not None and low > 0) or (high is not None and high < 0)

    def narrowed(self) -> Value:
        """Return the value with its interval cut down to its type."""
        low, high = ir.int_bounds(ir.element(self.type)) or (None, None)
        return replace(
            self,
            low=self.low if low is None else max(self.low, low),
            high=self.high if high is None else min(self.high, high),
        )

    def holds(self, other: Value) -> bool:
        """Tell whether every possible value of `other` is one of this."""
        if other.grain is None or self.grain is None:
            return False
        return self.low <= other.low and other.high <= self.high and other.grain <= self.grain


def is_number(value: Value) -> bool:
    """Tell whether arithmetic takes the value."""
    return not isinstance(ir.element(value.type), ir.Missing)


def is_exact(value: Value) -> bool:
    """Tell whether the value is computed without rounding."""
    return value.grain is not None


def interval_of_type(scalar: ir.Scalar, wide: bool) -> Interval:
    """Return where inputs of a type are drawn."""
    if isinstance(scalar, ir.Missing):
        return interval_of_type(scalar.base, wide)
    if isinstance(scalar, ir.Real):
        low = Fraction(-8) if scalar.low is None else scalar.low
        high = Fraction(8) if scalar.high is None else scalar.high
        return low, high, GRAIN
    bounds = ir.int_bounds(scalar)
    assert bounds is not None
    most = 1 << (70 if wide else 10)
    return (
        -most if bounds[0] is None else bounds[0],
        most if bounds[1] is None else bounds[1],
        0,
    )


def affine_interval(at: Affine, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Return the least and greatest value of an index expression, each symbol on its own."""
    low = high = at.const
    for symbol, coefficient in at.terms:
        if isinstance(symbol, str):
            ends = ranges[symbol]
        else:
            inner = affine_interval(symbol.of, ranges)
            ends = (0, symbol.by - 1)
            if symbol.kind == "floordiv":
                ends = (inner[0] // symbol.by, inner[1] // symbol.by)
        scaled = sorted(coefficient * end for end in ends)
        low, high = low + scaled[0], high + scaled[1]
    return low, high


def hull(intervals: Sequence[Interval]) -> Interval:
    """Return the smallest interval that holds all of them."""
    grains = [g for _, _, g in intervals]
    grain = None if None in grains else max(g for g in grains if g is not None)
    return min(i[0] for i in intervals), max(i[1] for i in intervals), grain


def combine(code: str, args: Sequence[Value], wide: bool) -> Interval | None:
    """Return where the result of an op lies, None where the op would not be tame."""
    real = any(isinstance(ir.element(a.type), ir.Real) for a in args)
    found = _combine(code, args)
    if found is None:
        return None
    low, high, grain = found
    size = max(abs(low), abs(high))
    if code in _JOINING and real and any(abs(a.low) + abs(a.high) > 1 << 40 for a in args):
        return None  # a big int would be rounded as it becomes a real
    if not real and code not in _REAL:
        return found if size < 1 << (200 if wide else 40) else None
    if size > 1 << 40:
        return None
    if grain is not None and size * (1 << grain) >= 1 << 45:
        grain = None
    return low, high, grain


_JOINING = frozenset(
    ["add", "sub", "mul", "min", "max", "select", "pack", "concat", "pow"]
) | frozenset(["eq", "ne", "lt", "le", "gt", "ge"])
_REAL = frozenset(["div", "exp", "log", "sqrt", "sin", "cos"])
_BITS = frozenset(["eq", "ne", "lt", "le", "gt", "ge", "step"])


def _combine(code: str, args: Sequence[Value]) -> Interval | None:
    a = args[0]
    if code in _BITS:
        return 0, 1, 0
    if code == "sign":
        return -1, 1, 0
    if code == "round":
        return math.floor(a.low), math.ceil(a.high), 0
    if code in ("pack", "concat"):
        return hull([x.interval for x in args])
    if code == "select":
        return hull([x.interval for x in args[1:]])
    if code in ("min", "max"):
        pick = min if code == "min" else max
        _, _, grain = hull([x.interval for x in args])
        return pick(x.low for x in args), pick(x.high for x in args), grain
    if code in ("add", "sub", "neg"):
        return _sum(args, code)
    if code == "mul":
        return _product(args)
    if code == "abs":
        low = 0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
        return low, max(abs(a.low), abs(a.high)), a.grain
    if code in ("mod", "floordiv"):
        most = max(abs(args[1].low), abs(args[1].high))
        top = max(abs(a.low), abs(a.high)) + 1
        return (-most, most, 0) if code == "mod" else (-top, top, 0)
    return _rounded(code, args)


def _sum(args: Sequence[Value], code: str) -> Interval | None:
    signed = [(x.low, x.high) for x in args]
    if code == "neg" or code == "sub":
        low, high = signed[-1]
        signed[-1] = (-high, -low)
    _, _, grain = hull([x.interval for x in args])
    if grain is None and not (
        all(low >= 0 for low, _ in signed) or all(high <= 0 for _, high in signed)
    ):
        return None if len(args) > 1 else (*signed[0], None)
    return sum(low for low, _ in signed), sum(high for _, high in signed), grain


def _product(args: Sequence[Value]) -> Interval:
    low: Any = 1
    high: Any = 1
    grain: int | None = 0
    for x in args:
        ends = [p * q for p, q in product((low, high), (x.low, x.high))]
        low, high = min(ends), max(ends)
        grain = None if grain is None or x.grain is None else grain + x.grain
    return low, high, grain


def _rounded(code: str, args: Sequence[Value]) -> Interval | None:
    """Return the interval of a real function (and of a power of ints, which is exact)."""
    a = args[0]
    if code == "pow":
        return _power(a, args[1])
    if code == "div":
        b = args[1]
        if b.low <= Fraction(1, 100) and b.high >= Fraction(-1, 100):
            return None
        ends = [Fraction(p) / Fraction(q) for p, q in product((a.low, a.high), (b.low, b.high))]
        return min(ends), max(ends), None
    if code in ("sin", "cos"):
        return (-1, 1, None) if is_exact(a) and max(abs(a.low), abs(a.high)) < 1000 else None
    if code == "exp":
        fits = -20 <= a.low and a.high <= 20
        return (0, _above(math.exp(a.high)), None) if fits else None
    if code == "sqrt":
        return (0, _above(math.sqrt(a.high)), None) if a.low >= 0 else None
    assert code == "log"
    fits = a.low >= Fraction(1, 100) and a.high < 1 << 40 and is_exact(a)
    return (-5, _above(abs(math.log(a.high))), None) if fits else None


def _power(a: Value, exponent: Value) -> Interval | None:
    real = any(isinstance(ir.element(x.type), ir.Real) for x in (a, exponent))
    if real:
        fits = a.low >= Fraction(1, 100) and abs(exponent.low) + abs(exponent.high) <= 8
        return (0, 1 << 30, None) if fits and a.high < 100 else None
    most = max(abs(a.low), abs(a.high), 1) ** int(exponent.high)
    return -most, most, 0


def _above(value: float) -> Fraction:
    return Fraction(math.ceil(value) + 1)
