"""What is known about real values: an interval, so that helpers stand only where they must.

An interval says that the value lies in it and is no NaN; None says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from ddc.ir import Missing, Op, Real, Scalar, int_bounds

Interval = tuple[float, float] | None


def of_type(scalar: Scalar) -> Interval:
    """Return the interval of a declared type: declared reals are no NaN."""
    if isinstance(scalar, Missing):
        return None
    if isinstance(scalar, Real):
        bounds: tuple[int | Fraction | None, int | Fraction | None] = (scalar.low, scalar.high)
    else:
        bounds = int_bounds(scalar) or (None, None)
    low, high = bounds
    return (
        -math.inf if low is None else _down(low),
        math.inf if high is None else _up(high),
    )


def _down(value: int | Fraction) -> float:
    return -_up(-value)


def _up(value: int | Fraction) -> float:
    try:
        return math.nextafter(float(value), math.inf) if value % 1 else float(value)
    except OverflowError:
        return math.inf if value > 0 else -float.fromhex("0x1.fffffffffffffp+1023")


def of_number(value: int | Fraction) -> Interval:
    """Return the interval around one number."""
    return _down(value), _up(value)


def join(a: Interval, b: Interval) -> Interval:
    """Return an interval around both."""
    return None if a is None or b is None else (min(a[0], b[0]), max(a[1], b[1]))


def of_op(op: Op, args: Sequence[Interval]) -> Interval:
    """Return the interval of a scalar op's result, for reals."""
    rule = _RULES.get(op.code)
    known = [a for a in args if a is not None]
    if rule is None or len(known) < len(args):
        return None
    return rule(known)


Known = tuple[float, float]


def _add(args: Sequence[Known]) -> Interval:
    if any(a[0] == -math.inf for a in args) and any(a[1] == math.inf for a in args):
        return None
    return _wider(math.fsum(a[0] for a in args), math.fsum(a[1] for a in args))


def _wider(low: float, high: float) -> Interval:
    """Return an interval with room for the rounding of a few operations."""
    return low - abs(low) * 1e-9, high + abs(high) * 1e-9


def _subtract(args: Sequence[Known]) -> Interval:
    a, b = args
    return _add([a, (-b[1], -b[0])])


def _multiply(args: Sequence[Known]) -> Interval:
    low, high = args[0]
    for other in args[1:]:
        corners = [x * y for x in (low, high) for y in other]
        if any(math.isinf(c) or math.isnan(c) for c in corners):
            return None
        low, high = min(corners), max(corners)
    return _wider(low, high)


def _divide(args: Sequence[Known]) -> Interval:
    a, b = args
    if b[0] <= 0 <= b[1] or math.inf in (*map(abs, a), *map(abs, b)):
        return None
    corners = [x / y for x in a for y in b]
    return _wider(min(corners), max(corners))


def _sqrt(args: Sequence[Known]) -> Interval:
    return None if args[0][0] < 0 else (0.0, math.inf)


def _negate(args: Sequence[Known]) -> Interval:
    return -args[0][1], -args[0][0]


def _absolute(args: Sequence[Known]) -> Interval:
    low, high = args[0]
    return max(0.0, low, -high), max(-low, high)


def _choose(args: Sequence[Known]) -> Interval:
    return join(args[1], args[2])


def _exp(args: Sequence[Known]) -> Interval:
    top = math.inf if args[0][1] > 700 else math.exp(args[0][1]) * 1.001
    return (math.exp(args[0][0]) * 0.999 if args[0][0] > -700 and args[0][0] < 700 else 0.0), top


def _unit(args: Sequence[Known]) -> Interval:
    return None if math.inf in (args[0][1], -args[0][0]) else (-1.0, 1.0)


_RULES: dict[str, Callable[[Sequence[Known]], Interval]] = {
    "add": _add,
    "sub": _subtract,
    "mul": _multiply,
    "div": _divide,
    "sqrt": _sqrt,
    "neg": _negate,
    "abs": _absolute,
    "min": lambda args: (min(a[0] for a in args), min(a[1] for a in args)),
    "max": lambda args: (max(a[0] for a in args), max(a[1] for a in args)),
    "relu": lambda args: (max(0.0, args[0][0]), max(0.0, args[0][1])),
    "tanh": lambda _: (-1.0, 1.0),
    "sigmoid": lambda _: (0.0, 1.0),
    "select": _choose,
    "exp": _exp,
    "sin": _unit,
    "cos": _unit,
    "const": lambda args: args[0],
}
