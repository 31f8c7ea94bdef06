"""Where reals lie: spans of binary64 results, and whether they may be NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

Span = tuple[Any, Any]  # lowest and highest value, infinite where unbounded

WIDE: Span = (-math.inf, math.inf)
POSITIVE: Span = (0.0, math.inf)
LARGEST = 1e308


def span_of(code: str, operands: Sequence[object], spans: Sequence[Span]) -> Span:
    """Return the span of a real result; rounding is monotone, so corners are enough."""
    rule = _RULES.get(code)
    if rule is None:
        return WIDE
    low, high = rule([(_double(a, -1), _double(b, 1)) for a, b in spans])
    if low != low or high != high:
        return WIDE
    if code == "mul" and len(operands) == 2 and operands[0] == operands[1]:
        low = max(low, 0.0)
    return low, high


def _double(value: Any, side: int) -> float:
    try:
        number = float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
    exact = not math.isfinite(number) or number == value
    return number if exact else math.nextafter(number, side * math.inf)


def nan_of(code: str, spans: Sequence[Span], nans: Sequence[bool]) -> bool:
    """Tell whether a real result may be NaN."""
    if any(nans[1:] if code == "select" else nans):
        return True
    if code in ("add", "sub"):
        signed = [
            (-h, -low) if code == "sub" and k else (low, h) for k, (low, h) in enumerate(spans)
        ]
        tops = [k for k, (_, high) in enumerate(signed) if high >= LARGEST]
        return any(j != k and signed[k][0] <= -LARGEST for j in tops for k in range(len(signed)))
    if code == "mul":
        big = [k for k, (low, high) in enumerate(spans) if high >= LARGEST or low <= -LARGEST]
        zero = [k for k, (low, high) in enumerate(spans) if low <= 0 <= high]
        # A product of finite numbers that overflows is infinite already before the last factor.
        return any(j != k for j in big for k in zero) or (len(spans) > 2 and bool(zero))
    if code in ("log", "sqrt"):
        return bool(spans[0][0] < 0)
    if code in ("table", "bin", "select", "min", "max", "abs", "neg", "exp", "tanh", "sigmoid"):
        return False
    if code == "div":
        (a, b), (c, d) = spans
        huge = max(abs(a), abs(b)) >= LARGEST and max(abs(c), abs(d)) >= LARGEST
        return bool((c <= 0 <= d and a <= 0 <= b) or huge)
    return True


def _corners(function: Callable[[float, float], float]) -> Callable[[Sequence[Span]], Span]:
    def rule(spans: Sequence[Span]) -> Span:
        low, high = spans[0]
        for span in spans[1:]:
            ends = [function(a, b) for a, b in product((low, high), span)]
            if any(e != e for e in ends):
                return WIDE
            low, high = min(ends), max(ends)
        return low, high

    return rule


def _divide(spans: Sequence[Span]) -> Span:
    (a, b), (c, d) = spans
    if c <= 0 <= d:
        return WIDE
    return _corners(lambda x, y: x / y)([(a, b), (c, d)])


def _increasing(
    function: Callable[[float], float], limit: Span
) -> Callable[[Sequence[Span]], Span]:
    """Return the rule of an increasing function that libraries compute to within a few places."""

    def value(x: float, side: float) -> float:
        y: float
        try:
            y = function(x)
        except OverflowError:
            return math.inf
        except ValueError:
            return float(limit[0])
        for _ in range(4):
            y = math.nextafter(y, side * math.inf)
        return float(min(max(y, limit[0]), limit[1]))

    return lambda spans: (value(spans[0][0], -1), value(spans[0][1], 1))


def _power(spans: Sequence[Span]) -> Span:
    return POSITIVE if spans[0][0] >= 0 else WIDE


def _magnitude(spans: Sequence[Span]) -> Span:
    low, high = spans[0]
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


_RULES: dict[str, Callable[[Sequence[Span]], Span]] = {
    "add": _corners(lambda a, b: a + b),
    "sub": _corners(lambda a, b: a - b),
    "mul": _corners(lambda a, b: a * b),
    "div": _divide,
    "neg": lambda s: (-s[0][1], -s[0][0]),
    "abs": _magnitude,
    "min": lambda s: (min(a for a, _ in s), min(b for _, b in s)),
    "max": lambda s: (max(a for a, _ in s), max(b for _, b in s)),
    "select": lambda s: (min(a for a, _ in s[1:]), max(b for _, b in s[1:])),
    "exp": _increasing(math.exp, POSITIVE),
    "log": _increasing(math.log, WIDE),
    "sqrt": _increasing(math.sqrt, POSITIVE),
    "tanh": _increasing(math.tanh, (-1.0, 1.0)),
    "sigmoid": lambda s: (0.0, 1.0),
    "sin": lambda s: (-1.0, 1.0),
    "cos": lambda s: (-1.0, 1.0),
    "pow": _power,
}
