"""Private helpers that an emitted module carries when it needs them.

Each entry: the source, the helpers it calls, and whether it needs `math`. They follow IEEE 754
where Python raises instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ddc.backends.needs import closure


@dataclass(frozen=True)
class Helper:
    """A function of the emitted module."""

    source: str
    needs: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


def _helper(source: str, *needs: str, imports: tuple[str, ...] = ()) -> Helper:
    return Helper(source.strip("\n"), needs, imports)


_MATH = ("math",)

PLAIN: dict[str, Helper] = {
    "_chosen": _helper('''
def _chosen(x, values, message, rank=0):
    """Return x, one of the values or an array of them, as (nested lists of) ints."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if rank and hasattr(x, "index") and not isinstance(x, str):
        return [_chosen(y, values, message, rank - 1) for y in x]
    if rank or x not in values:
        raise ValueError(message)
    return int(x)
'''),
    "_named": _helper('''
def _named(x, names, message, rank=0):
    """Return the place of x among the names, for an array (nested) lists of places."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if rank and hasattr(x, "index") and not isinstance(x, str):
        return [_named(y, names, message, rank - 1) for y in x]
    if rank or x not in names:
        raise ValueError(message)
    return names.index(x)
'''),
    "_integers": _helper('''
def _integers(x, message, rank=0, low=float("-inf"), high=float("inf")):
    """Return x, a whole number in low..high or an array of them, as (nested lists of) ints."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if rank and hasattr(x, "index") and not isinstance(x, str):
        return [_integers(y, message, rank - 1, low, high) for y in x]
    if rank or not isinstance(x, (int, float)) or x % 1 or not low <= x <= high:
        raise ValueError(message)
    return int(x)
'''),
    "_reals": _helper('''
def _reals(x, message, rank=0, low=float("-inf"), high=float("inf")):
    """Return x, a number in low..high or an array of them, as (nested lists of) floats."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if rank and hasattr(x, "index") and not isinstance(x, str):
        return [_reals(y, message, rank - 1, low, high) for y in x]
    if rank or not isinstance(x, (int, float)) or not low <= x <= high:
        raise ValueError(message)
    return float(x)
'''),
    "_optional": _helper('''
def _optional(x, rank, check):
    """Return what check makes of each number as a float, NaN where it is missing."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if rank and hasattr(x, "index") and not isinstance(x, str):
        return [_optional(y, rank - 1, check) for y in x]
    return float("nan") if not rank and (x is None or x != x) else float(check(x))
'''),
    "_divide": _helper(
        '''
def _divide(a, b):
    """Return a / b, infinite or NaN where b is 0."""
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1, b)
''',
        imports=_MATH,
    ),
    "_power": _helper(
        '''
def _power(a, b):
    """Return a ** b, infinite or NaN where Python would raise or leave the reals."""
    odd = abs(b) < 2**53 and b % 2 == 1
    if a == 0 and b < 0:
        return math.copysign(math.inf, a) if odd else math.inf
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and odd else math.inf
    except ValueError:
        return math.nan
''',
        imports=_MATH,
    ),
    "_exp": _helper(
        '''
def _exp(x):
    """Return e ** x, infinite where it overflows."""
    return math.inf if x > 709.782712893384 else math.exp(x)
''',
        imports=_MATH,
    ),
    "_log": _helper(
        '''
def _log(x):
    """Return the natural logarithm: -inf at 0, NaN below."""
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan
''',
        imports=_MATH,
    ),
    "_log1p": _helper(
        '''
def _log1p(x):
    """Return log(1 + x), -inf from -1 down."""
    return -math.inf if x <= -1 else math.log1p(x)
''',
        imports=_MATH,
    ),
    "_symlog1p": _helper(
        '''
def _symlog1p(x):
    """Return log(1 + |x|) with the sign of x."""
    return math.copysign(math.log1p(abs(x)), x)
''',
        imports=_MATH,
    ),
    "_sqrt": _helper(
        '''
def _sqrt(x):
    """Return the square root, NaN below 0."""
    return math.nan if x < 0 else math.sqrt(x)
''',
        imports=_MATH,
    ),
    "_sin": _helper(
        '''
def _sin(x):
    """Return the sine, NaN at infinity."""
    return math.sin(x) if abs(x) < math.inf else math.nan
''',
        imports=_MATH,
    ),
    "_cos": _helper(
        '''
def _cos(x):
    """Return the cosine, NaN at infinity."""
    return math.cos(x) if abs(x) < math.inf else math.nan
''',
        imports=_MATH,
    ),
    "_sigmoid": _helper(
        '''
def _sigmoid(x):
    """Return 1 / (1 + e ** -x) without overflow."""
    return math.exp(min(x, 0)) / (1 + math.exp(-abs(x)))
''',
        imports=_MATH,
    ),
    "_leaky_relu": _helper('''
def _leaky_relu(x, slope):
    """Return x, or slope * x below 0."""
    return x if x >= 0 else slope * x
'''),
    "_sign": _helper('''
def _sign(x):
    """Return -1, 0 or 1."""
    return (x > 0) - (x < 0)
'''),
    "_present": _helper('''
def _present(x, other):
    """Return x, or the other value where x is missing."""
    return x if x == x else other
'''),
    "_min": _helper('''
def _min(values):
    """Return the least value, NaN where one is NaN."""
    values = list(values)
    return next((v for v in values if v != v), min(values))
'''),
    "_max": _helper('''
def _max(values):
    """Return the greatest value, NaN where one is NaN."""
    values = list(values)
    return next((v for v in values if v != v), max(values))
'''),
    "_product": _helper('''
def _product(values):
    """Return the product of numbers."""
    result = 1
    for value in values:
        result *= value
    return result
'''),
    "_curve": _helper('''
def _curve(x, knots, scale=float):
    """Return the height at x of the line through the knots, straight over scale(x), flat outside."""
    for (x0, y0), (x1, y1) in zip(knots, knots[1:]):
        if x0 <= x < x1:
            return y0 + (y1 - y0) / (scale(x1) - scale(x0)) * (scale(x) - scale(x0))
    return knots[0][1] if x < knots[0][0] else knots[-1][1] if x == x else x
'''),
    "_curve_beyond": _helper(
        '''
def _curve_beyond(x, knots, scale=float):
    """Return the curve's height at x, going on outside with the outermost slopes."""
    ends = knots[:2] if x < knots[0][0] else knots[-2:]
    if x != x or knots[0][0] <= x < knots[-1][0] or len(knots) == 1 or ends[0][0] == ends[1][0]:
        return _curve(x, knots, scale)
    (x0, y0), (x1, y1) = ends
    start, height = (x0, y0) if x < x0 else (x1, y1)
    return height + (y1 - y0) / (scale(x1) - scale(x0)) * (scale(x) - scale(start))
''',
        "_curve",
    ),
    "_rows": _helper('''
def _rows(values, *shape):
    """Return a flat list as nested lists of that shape."""
    for size in reversed(shape[1:]):
        values = [values[k : k + size] for k in range(0, len(values), size)]
    return values
'''),
    "_lists": _helper('''
def _lists(x):
    """Return nested tuples as nested lists."""
    return [_lists(y) for y in x] if isinstance(x, (tuple, list)) else x
'''),
}


def with_needs(names: Iterable[str], table: Mapping[str, Helper]) -> list[str]:
    """Return the helpers with those that they call, in the table's order."""
    return closure(names, {name: helper.needs for name, helper in table.items()})
