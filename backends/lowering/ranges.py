"""Where ints lie, so that each gets the narrowest type that cannot overflow.

Sizes are taken to be at most `LARGEST_SIZE`: each is the length of an axis that is in memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from ddc.ir import Affine, Bit, Missing, Quotient, Real, Scalar, int_bounds

from .nest import INTS, limits

LARGEST_SIZE = 1 << 44
Interval = tuple[int, int]
I64: Interval = (-(1 << 63), (1 << 63) - 1)
BITS: Interval = (0, 1)


def fits(interval: Interval, type_: str) -> bool:
    """Tell whether a type holds every value of an interval."""
    low, high = limits(type_)
    return low <= interval[0] and interval[1] <= high


def smallest(interval: Interval) -> str:
    """Return the smallest signed type that holds an interval, `i64` where none does."""
    return next((t for t in INTS if fits(interval, t)), "i64")


def clipped(interval: Interval) -> Interval:
    """Return what 64 bits hold of an interval."""
    return max(interval[0], I64[0]), min(interval[1], I64[1])


def storage(scalar: Scalar) -> str:
    """Return the type in which values of a parameter or result are stored."""
    if isinstance(scalar, (Real, Missing)):
        return "f64"
    if isinstance(scalar, Bit):
        return "bit"
    low, high = int_bounds(scalar) or (None, None)
    return "i64" if low is None or high is None else smallest((low, high))


def declared(scalar: Scalar) -> Interval | None:
    """Return the interval of an int type as far as 64 bits hold it, None for reals."""
    bounds = int_bounds(scalar)
    if bounds is None:
        return None
    low, high = bounds
    return clipped((I64[0] if low is None else low, I64[1] if high is None else high))


def hull(a: Interval, b: Interval) -> Interval:
    """Return the smallest interval that holds both."""
    return min(a[0], b[0]), max(a[1], b[1])


def plus(a: Interval, b: Interval) -> Interval:
    """Return the interval of sums."""
    return a[0] + b[0], a[1] + b[1]


def minus(a: Interval, b: Interval) -> Interval:
    """Return the interval of differences."""
    return a[0] - b[1], a[1] - b[0]


def times(a: Interval, b: Interval) -> Interval:
    """Return the interval of products."""
    corners = [x * y for x in a for y in b]
    return min(corners), max(corners)


def magnitude(a: Interval) -> Interval:
    """Return the interval of absolute values."""
    if a[0] >= 0:
        return a
    return (0 if a[1] >= 0 else -a[1]), max(-a[0], a[1])


def quotient(a: Interval, b: Interval) -> Interval:
    """Return an interval of quotients rounded down."""
    reach = max(abs(a[0]), abs(a[1]))
    if a[0] >= 0 and b[0] > 0:
        return a[0] // b[1], a[1] // b[0]
    return -reach, reach


def remainder(a: Interval, b: Interval) -> Interval:
    """Return an interval of remainders of quotients rounded down."""
    low = min(0, b[0] + 1)
    high = max(0, b[1] - 1)
    if a[0] >= 0 and b[0] > 0:
        high = min(high, a[1])
    return low, high


def power(a: Interval, b: Interval) -> Interval:
    """Return an interval of powers; beyond 64 bits it is only known to be too long."""
    exponent = max(0, b[1])
    reach = max(abs(a[0]), abs(a[1]), 1)
    top = 1 << 64 if exponent > 64 and reach > 1 else reach**exponent
    return (0 if a[0] >= 0 else -top), max(top, 1)


def affine(at: Affine, loops: Mapping[str, Interval]) -> Interval:
    """Return the interval of an index expression; a symbol without bounds is a size."""
    low = high = at.const
    for symbol, coefficient in at.terms:
        if isinstance(symbol, Quotient):
            inner = affine(symbol.of, loops)
            by = (symbol.by, symbol.by)
            part = remainder(inner, by) if symbol.kind == "mod" else quotient(inner, by)
        else:
            part = loops.get(symbol, (0, LARGEST_SIZE))
        ends = times(part, (coefficient, coefficient))
        low, high = low + ends[0], high + ends[1]
    return low, high
