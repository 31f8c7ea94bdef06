"""Integer ranges and the subtype relation: what interval arithmetic knows about values.

None as a bound is unbounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from .types import (
    REAL,
    Int,
    Missing,
    Real,
    Scalar,
    Type,
    dims,
    element,
    int_bounds,
    int_type,
    known_bound,
    levels,
)

Bound = int | None
Range = tuple[Bound, Bound]


class TypeProblem(Exception):
    """An op whose operands or attributes do not fit."""


# ---------------------------------------------------------------- ranges


def int_range(scalar: Scalar, what: str = "operand") -> Range:
    """Return the range of an integer type; a problem for other types."""
    bounds = int_bounds(scalar)
    if bounds is None:
        raise TypeProblem(f"{what} must be an int, not {scalar}")
    return bounds


def add_ranges(ranges: Sequence[Range]) -> Range:
    """Return the range of a sum."""
    lows = [low for low, _ in ranges]
    highs = [high for _, high in ranges]
    low = None if None in lows else sum(b for b in lows if b is not None)
    high = None if None in highs else sum(b for b in highs if b is not None)
    return low, high


def negate_range(r: Range) -> Range:
    """Return the range of the negated values."""
    low, high = r
    return (None if high is None else -high), (None if low is None else -low)


def multiply_ranges(a: Range, b: Range) -> Range:
    """Return the range of a product."""
    if None in a or None in b:
        nonnegative = all(low is not None and low >= 0 for low, _ in (a, b))
        return known_bound((a[0] or 0) * (b[0] or 0)) if nonnegative else None, None
    corners = [x * y for x in a for y in b if x is not None and y is not None]
    return known_bound(min(corners)), known_bound(max(corners))


def join_ranges(ranges: Sequence[Range]) -> Range:
    """Return the smallest range that holds all of them."""
    lows = [low for low, _ in ranges]
    highs = [high for _, high in ranges]
    return (
        None if None in lows else min(b for b in lows if b is not None),
        None if None in highs else max(b for b in highs if b is not None),
    )


MOST_LISTED = 16  # values that a joined type lists one by one


def join(types: Sequence[Scalar]) -> Scalar:
    """Return the smallest type that holds the values of all of them."""
    if any(isinstance(t, Real) for t in types):
        return REAL
    if all(t == types[0] for t in types):
        return types[0]
    if any(isinstance(t, Missing) for t in types):
        raise TypeProblem("a value that may be missing cannot be mixed with other types")
    if any(isinstance(t, Int) and t.values for t in types):
        few = _few_values(types)
        if few is not None:
            return few
    low, high = join_ranges([int_range(t) for t in types])
    return int_type(low, high)


def _few_values(types: Sequence[Scalar]) -> Scalar | None:
    """Return the type of exactly the values of all types, None where they are many or a range."""
    known = [levels(t) for t in types]
    values = {v for few in known if few is not None for v in few}
    if None in known or len(values) > MOST_LISTED:
        return None
    if max(values) - min(values) == len(values) - 1:
        return int_type(min(values), max(values))
    return Int.of(*values)


def accepts(wanted: Type, given: Type) -> bool:
    """Tell whether every value of `given` is a value of `wanted` (ints are reals too)."""
    if dims(wanted) != dims(given):
        return False
    want, give = element(wanted), element(given)
    if isinstance(want, Missing):
        return give == want or accepts(want.base, give)
    if isinstance(want, Real):
        return _fits_real(want, give)
    target, source = int_bounds(want), int_bounds(give)
    if target is None or source is None:
        return want == give
    if isinstance(want, Int) and want.values:
        return set(levels(give) or ()) <= set(want.values) and levels(give) is not None
    low_fits = target[0] is None or (source[0] is not None and source[0] >= target[0])
    high_fits = target[1] is None or (source[1] is not None and source[1] <= target[1])
    return low_fits and high_fits


def _fits_real(want: Real, give: Scalar) -> bool:
    low: Fraction | int | None
    high: Fraction | int | None
    if isinstance(give, Real):
        low, high = give.low, give.high
    elif (bounds := int_bounds(give)) is not None:
        low, high = bounds
    else:
        return False
    low_fits = want.low is None or (low is not None and low >= want.low)
    return low_fits and (want.high is None or (high is not None and high <= want.high))
