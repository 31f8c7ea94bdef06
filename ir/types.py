"""Types: what values are, with ranges and symbolic sizes.

`bit` and `int<0..1>` hold the same values and are accepted for each other; a bit or an int is
accepted where a real is wanted. Ranges are part of the type.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .affine import Affine

LARGEST_RANGE = 1 << 16  # an int type with more values than this is not enumerated
LARGEST_BOUND = 4096  # bits of a literal, and of a bound that is kept


@dataclass(frozen=True)
class Bit:
    """0 or 1."""

    def __str__(self) -> str:
        return "bit"


@dataclass(frozen=True)
class Int:
    """Integers: unbounded (None), in a range, or one of a few `values` (sorted, distinct)."""

    low: int | None = None
    high: int | None = None
    values: tuple[int, ...] = ()

    @staticmethod
    def of(*values: int) -> Int:
        """Return the type of exactly these values."""
        distinct = tuple(sorted(set(values)))
        return Int(distinct[0], distinct[-1], distinct)

    def __str__(self) -> str:
        if self.values:
            return "int{" + ", ".join(map(str, self.values)) + "}"
        if self.low is None and self.high is None:
            return "int"
        low = "" if self.low is None else str(self.low)
        high = "" if self.high is None else str(self.high)
        return f"int<{low}..{high}>"


@dataclass(frozen=True)
class OneHot:
    """The program sees an int in 0..size-1, the network `size` numbers."""

    size: int

    def __str__(self) -> str:
        return f"onehot<{self.size}>"


@dataclass(frozen=True)
class Category:
    """One of a few names; inside the program the position of the name in the list."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "category{" + ", ".join(quote(name) for name in self.names) + "}"


@dataclass(frozen=True)
class Real:
    """Real numbers, optionally in a range; IEEE 754 binary64 when computed."""

    low: Fraction | None = None
    high: Fraction | None = None

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "real"
        low = "" if self.low is None else number_text(self.low)
        high = "" if self.high is None else number_text(self.high)
        return f"real<{low}..{high}>"


@dataclass(frozen=True)
class Missing:
    """A value of `base` that may be missing (a NaN to the interpreter); written `T?`."""

    base: Real | Int | Category

    def __str__(self) -> str:
        return f"{self.base}?"


Scalar = Bit | Int | OneHot | Category | Real | Missing


@dataclass(frozen=True)
class Array:
    """A rectangular array; each dim is affine in the function's sizes."""

    element: Scalar
    dims: tuple[Affine, ...]

    def __str__(self) -> str:
        return f"{self.element}[{', '.join(map(str, self.dims))}]"


Type = Scalar | Array

BIT = Bit()
INT = Int()
REAL = Real()


def element(type_: Type) -> Scalar:
    """Return the type of one entry: of the elements of an array, or the scalar itself."""
    return type_.element if isinstance(type_, Array) else type_


def dims(type_: Type) -> tuple[Affine, ...]:
    """Return the dims of an array, () for a scalar."""
    return type_.dims if isinstance(type_, Array) else ()


def shape_of(type_: Type) -> tuple[int, ...]:
    """Return the shape of a type without size symbols."""
    return tuple(dim.const for dim in dims(type_))


def with_dims(scalar: Scalar, shape: tuple[Affine, ...]) -> Type:
    """Return the array type of that shape, or the scalar itself for shape ()."""
    return Array(scalar, shape) if shape else scalar


def int_bounds(scalar: Scalar) -> tuple[int | None, int | None] | None:
    """Return the inclusive range of a type whose values are integers, None for other types."""
    if isinstance(scalar, Bit):
        return 0, 1
    if isinstance(scalar, Int):
        return scalar.low, scalar.high
    if isinstance(scalar, OneHot):
        return 0, scalar.size - 1
    if isinstance(scalar, Category):
        return 0, len(scalar.names) - 1
    return None


def int_type(low: int | None, high: int | None) -> Bit | Int:
    """Return the type of that range; 0..1 is a bit, and a bound of many digits is none."""
    low, high = known_bound(low), known_bound(high)
    return BIT if (low, high) == (0, 1) else Int(low, high)


def known_bound(bound: int | None) -> int | None:
    """Return the bound, None where it has so many digits that ranges would grow without end."""
    return None if bound is None or bound.bit_length() > LARGEST_BOUND else bound


def levels(scalar: Scalar) -> tuple[int, ...] | None:
    """Return every value of a small discrete type in increasing order, None for other types."""
    if isinstance(scalar, Int) and scalar.values:
        return scalar.values
    bounds = int_bounds(scalar)
    if bounds is None or bounds[0] is None or bounds[1] is None:
        return None
    if bounds[1] - bounds[0] >= LARGEST_RANGE:
        return None
    return tuple(range(bounds[0], bounds[1] + 1))


def is_bit(scalar: Scalar) -> bool:
    """Tell whether every value of the type is 0 or 1."""
    bounds = int_bounds(scalar)
    if bounds is None or bounds[0] is None or bounds[1] is None:
        return False
    return bounds[0] >= 0 and bounds[1] <= 1


def quote(text: str) -> str:
    """Return `text` as a string literal of the IR: printable ASCII, everything else escaped."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'


def number_text(value: int | Fraction) -> str:
    """Return an exact number as text: ints plain, reals so that they read back unchanged.

    A real is written as a decimal where a short one is exact, as a hex float where it is a
    binary64 number, and as a fraction `p/q` otherwise.
    """
    if isinstance(value, int):
        return str(int(value))  # a bool is an int
    try:
        nearest = float(value)
    except OverflowError:
        return f"{value.numerator}/{value.denominator}"
    if Fraction(repr(nearest)) == value:
        return repr(nearest)
    if Fraction(nearest) == value:
        return nearest.hex()
    return f"{value.numerator}/{value.denominator}"
