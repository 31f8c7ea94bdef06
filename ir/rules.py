"""Type rules: from the types of an op's operands to the types of its results.

Each rule takes the op and its operand types and returns the result type, or raises `TypeProblem`
with what is wrong. Integer ranges are propagated by interval arithmetic (None is unbounded).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .affine import Affine
from .ranges import (
    Range,
    TypeProblem,
    add_ranges,
    int_range,
    join,
    multiply_ranges,
    negate_range,
)
from .types import (
    BIT,
    INT,
    REAL,
    Array,
    Int,
    Missing,
    Real,
    Scalar,
    Type,
    dims,
    element,
    int_bounds,
    int_type,
    is_bit,
    known_bound,
    levels,
    with_dims,
)

if TYPE_CHECKING:
    from .module import Op

Rule = Callable[["Op", Sequence[Type]], Type]


# ---------------------------------------------------------------- shapes


def common_dims(types: Sequence[Type]) -> tuple[Affine, ...]:
    """Return the shape of an elementwise op: scalars go with any array, arrays must agree."""
    shapes = {dims(t) for t in types if dims(t)}
    if len(shapes) > 1:
        shown = " and ".join(sorted(str(t) for t in types if dims(t)))
        raise TypeProblem(f"shapes differ: {shown}")
    return shapes.pop() if shapes else ()


def concrete(shape: Sequence[Affine], what: str) -> tuple[int, ...]:
    """Return a shape without size symbols; a problem where there are some."""
    if not all(d.is_const for d in shape):
        raise TypeProblem(f"{what} needs a fixed shape, not [{', '.join(map(str, shape))}]")
    return tuple(d.const for d in shape)


# ---------------------------------------------------------------- elementwise


def _lifted(scalar_rule: Callable[[Op, list[Scalar]], Scalar]) -> Rule:
    def rule(op: Op, types: Sequence[Type]) -> Type:
        return with_dims(scalar_rule(op, [element(t) for t in types]), common_dims(types))

    return rule


def _need_bits(scalars: Sequence[Scalar]) -> None:
    for scalar in scalars:
        if not is_bit(scalar):
            raise TypeProblem(f"operand must be a bit, not {scalar}")


def need_number(scalars: Sequence[Scalar]) -> bool:
    """Check that all operands are numbers; tell whether all are ints."""
    for scalar in scalars:
        if isinstance(scalar, Missing) or not (
            isinstance(scalar, Real) or int_bounds(scalar) is not None
        ):
            raise TypeProblem(f"operand must be a number, not {scalar}")
    return not any(isinstance(s, Real) for s in scalars)


def _logic(_: Op, scalars: list[Scalar]) -> Scalar:
    _need_bits(scalars)
    return BIT


def _threshold(op: Op, scalars: list[Scalar]) -> Scalar:
    if not need_number(scalars):
        raise TypeProblem("threshold counts bits or ints, not reals")
    weights = op.attr("weights")
    if isinstance(weights, tuple) and len(weights) != len(scalars):
        raise TypeProblem(f"{len(weights)} weights for {len(scalars)} operands")
    if weights is None:
        _need_bits(scalars)
    return BIT


def _sum(_: Op, scalars: list[Scalar]) -> Scalar:
    if not need_number(scalars):
        return REAL
    return int_type(*add_ranges([int_range(s) for s in scalars]))


def _difference(_: Op, scalars: list[Scalar]) -> Scalar:
    if not need_number(scalars):
        return REAL
    a, b = (int_range(s) for s in scalars)
    return int_type(*add_ranges([a, negate_range(b)]))


def _negation(_: Op, scalars: list[Scalar]) -> Scalar:
    if not need_number(scalars):
        return REAL
    return int_type(*negate_range(int_range(scalars[0])))


def _product(_: Op, scalars: list[Scalar]) -> Scalar:
    if not need_number(scalars):
        return REAL
    result: Range = (1, 1)
    for scalar in scalars:
        result = multiply_ranges(result, int_range(scalar))
    return int_type(*result)


def _nonzero(scalar: Scalar, what: str) -> Range:
    low, high = int_range(scalar, what)
    values = levels(scalar) if isinstance(scalar, Int) and scalar.values else None
    may_be_zero = (
        0 in values if values else (low is None or low <= 0) and (high is None or high >= 0)
    )
    if may_be_zero:
        raise TypeProblem(f"{what} may be 0: {scalar}")
    return low, high


def _quotient(_: Op, scalars: list[Scalar]) -> Scalar:
    need_number(scalars)
    if not isinstance(scalars[1], Real):
        _nonzero(scalars[1], "divisor")
    return REAL


def _floordiv(_: Op, scalars: list[Scalar]) -> Scalar:
    a = int_range(scalars[0])
    b = _nonzero(scalars[1], "divisor")
    if None in a or None in b:
        positive = b[0] is not None and b[0] > 0 and a[0] is not None and a[0] >= 0
        return Int(0, a[1]) if positive else INT
    # The loop variable of an empty range may have a bound 0 all the same.
    corners = [x // y for x in a for y in b if x is not None and y]
    # The smallest divisors in size may lie strictly inside the range of the divisor.
    for y in (-1, 1):
        if b[0] is not None and b[1] is not None and b[0] <= y <= b[1]:
            corners += [x // y for x in a if x is not None]
    return int_type(min(corners), max(corners)) if corners else INT


def _modulo(_: Op, scalars: list[Scalar]) -> Scalar:
    a = int_range(scalars[0])
    low, high = _nonzero(scalars[1], "divisor")
    if low is not None and low > 0:
        top = None if high is None else high - 1
        inside = a[0] is not None and a[0] >= 0 and a[1] is not None
        if inside and a[1] is not None:
            top = a[1] if top is None else min(top, a[1])
        return int_type(0, top)
    if high is not None and high < 0:
        return Int(None if low is None else low + 1, 0)
    return INT


def _power(_: Op, scalars: list[Scalar]) -> Scalar:
    if not need_number(scalars):
        return REAL
    base, exponent = int_range(scalars[0]), int_range(scalars[1], "exponent")
    if exponent[0] is None or exponent[0] < 0:
        raise TypeProblem(f"an int exponent must not be negative: {scalars[1]}")
    if base[0] is not None and base[0] >= 0:
        bounded = base[1] is not None and exponent[1] is not None and exponent[1] <= 64
        high = base[1] ** exponent[1] if bounded and base[1] is not None and exponent[1] else None
        if exponent == (0, 0):
            high = 1
        return Int(0, None if high is None else known_bound(max(1, high)))
    return INT


def _magnitude(_: Op, scalars: list[Scalar]) -> Scalar:
    if not need_number(scalars):
        return REAL
    low, high = int_range(scalars[0])
    if low is not None and low >= 0:
        return int_type(low, high)
    top = None if low is None or high is None else max(-low, high)
    bottom = -high if high is not None and high < 0 else 0
    return int_type(bottom, top)


def _extreme(pick_low: bool) -> Callable[[Op, list[Scalar]], Scalar]:
    def rule(_: Op, scalars: list[Scalar]) -> Scalar:
        if not need_number(scalars):
            return REAL
        ranges = [int_range(s) for s in scalars]
        lows = [low for low, _ in ranges]
        highs = [high for _, high in ranges]
        pick = min if pick_low else max
        known_lows = [b for b in lows if b is not None]
        known_highs = [b for b in highs if b is not None]
        low_known = len(known_lows) == len(lows) if pick_low else bool(known_lows)
        high_known = bool(known_highs) if pick_low else len(known_highs) == len(highs)
        return int_type(
            pick(known_lows) if low_known else None, pick(known_highs) if high_known else None
        )

    return rule


def _real_function(_: Op, scalars: list[Scalar]) -> Scalar:
    need_number(scalars)
    return REAL


def _comparison(_: Op, scalars: list[Scalar]) -> Scalar:
    need_number(scalars)
    return BIT


def _choice(_: Op, scalars: list[Scalar]) -> Scalar:
    _need_bits(scalars[:1])
    return join(scalars[1:])


def _sign(_: Op, scalars: list[Scalar]) -> Scalar:
    need_number(scalars)
    return Int(-1, 1)


def _rounded(_: Op, scalars: list[Scalar]) -> Scalar:
    return scalars[0] if need_number(scalars) else INT


def _table(op: Op, scalars: list[Scalar]) -> Scalar:
    entries = op.attr("entries")
    size = 1
    for scalar in scalars:
        if isinstance(scalar, Missing) or (values := levels(scalar)) is None:
            raise TypeProblem(f"a table is over small ints, not {scalar}")
        size *= len(values)
    if not isinstance(entries, tuple) or len(entries) != size:
        count = len(entries) if isinstance(entries, tuple) else 0
        raise TypeProblem(f"{count} entries for {size} cases")
    return _of_values(entries)


def _of_values(values: Sequence[object]) -> Scalar:
    distinct = set(values)
    ints = [v for v in distinct if isinstance(v, int)]
    if len(ints) < len(distinct):
        return REAL
    return int_type(min(ints), max(ints))


def _curve(op: Op, scalars: list[Scalar]) -> Scalar:
    scalar = scalars[0]
    base = scalar.base if isinstance(scalar, Missing) else scalar
    need_number([base])
    if isinstance(scalar, Missing) != (op.attr("missing") is not None):
        raise TypeProblem("`missing` goes with an operand that may be missing, and only with one")
    knots = op.attr("knots")
    if not isinstance(knots, tuple) or not knots:
        raise TypeProblem("a curve needs at least one knot")
    xs = [knot[0] for knot in knots if isinstance(knot, tuple)]
    if any(b < a for a, b in itertools.pairwise(xs)):
        raise TypeProblem("the knots of a curve must not go back")
    if any(c == a for a, c in zip(xs, xs[2:])):
        raise TypeProblem("at most two knots may share a place")
    smallest = {"log": 0, "log1p": -1}.get(str(op.attr("in")))
    if smallest is not None and xs[0] <= smallest:
        raise TypeProblem(f"knots in {op.attr('in')} must lie above {smallest}")
    return REAL


def _bin(op: Op, scalars: list[Scalar]) -> Scalar:
    need_number(scalars)
    cuts = op.attr("at")
    if not isinstance(cuts, tuple):
        raise TypeProblem("bin needs cut points")
    points = [c for c in cuts if not isinstance(c, tuple)]
    if any(b <= a for a, b in itertools.pairwise(points)):
        raise TypeProblem("cut points must increase")
    return int_type(0, len(points))


# ---------------------------------------------------------------- arrays and data


def _same(_: Op, types: Sequence[Type]) -> Type:
    return types[0]


def _argmax(op: Op, types: Sequence[Type]) -> Type:
    shape = dims(types[0])
    if not shape:
        raise TypeProblem("argmax needs an array")
    need_number([element(types[0])])
    axis = op.attr("axis")
    at = axis if isinstance(axis, int) else len(shape) - 1
    if not 0 <= at < len(shape):
        raise TypeProblem(f"{types[0]} has no axis {at}")
    high = shape[at].const - 1 if shape[at].is_const else None
    return with_dims(Int(0, high), shape[:at] + shape[at + 1 :])


def _load(op: Op, types: Sequence[Type]) -> Type:
    shape = dims(types[0])
    if len(op.index) != len(shape):
        raise TypeProblem(f"{len(op.index)} indices for {types[0]}")
    return _bordered(element(types[0]), [i.other for i in op.index if i.border == "else"])


def _bordered(scalar: Scalar, others: Sequence[object]) -> Scalar:
    if not others:
        return scalar
    return join([scalar, *(_of_values([value]) for value in others)])


def _gather(op: Op, types: Sequence[Type]) -> Type:
    shape = dims(types[0])
    if len(types) - 1 != len(shape):
        raise TypeProblem(f"{len(types) - 1} indices for {types[0]}")
    border = op.attr("border") or "inside"
    for type_ in types[1:]:
        if dims(type_):
            raise TypeProblem("an index of gather must be a scalar")
        int_range(element(type_), "index")
    other = op.attr("else")
    if (border == "else") != (other is not None):
        raise TypeProblem("`border else` and `else VALUE` go together")
    return _bordered(element(types[0]), [] if other is None else [other])


def _index(_: Op, types: Sequence[Type]) -> Type:
    raise AssertionError("the range of an index comes from its loops")


def _concat(_: Op, types: Sequence[Type]) -> Type:
    first = dims(types[0])
    if not first:
        raise TypeProblem("concat joins arrays")
    if any(dims(t)[1:] != first[1:] or not dims(t) for t in types):
        raise TypeProblem("concat needs arrays that agree beyond the first axis")
    total = Affine.of(0)
    for type_ in types:
        total = total + dims(type_)[0]
    return Array(join([element(t) for t in types]), (total, *first[1:]))


def _reshape(op: Op, types: Sequence[Type]) -> Type:
    def count(shape: Sequence[Affine]) -> int:
        return math.prod(concrete(shape, "reshape"))

    if dims(types[0]) != op.shape and count(dims(types[0])) != count(op.shape):
        shown = ", ".join(map(str, op.shape))
        raise TypeProblem(f"cannot reshape {types[0]} to [{shown}]")
    return with_dims(element(types[0]), op.shape)


def _pack(op: Op, types: Sequence[Type]) -> Type:
    if any(dims(t) for t in types):
        raise TypeProblem("pack takes scalars")
    count = math.prod(concrete(op.shape, "pack"))
    if count != len(types):
        raise TypeProblem(f"{len(types)} scalars for {count} entries")
    return with_dims(join([element(t) for t in types]), op.shape)


def _onehot(op: Op, types: Sequence[Type]) -> Type:
    size = op.attr("size")
    values = levels(element(types[0]))
    if not isinstance(size, int) or size < 1:
        raise TypeProblem("onehot needs a size of at least 1")
    if values is None or values[0] < 0 or values[-1] >= size:
        raise TypeProblem(f"onehot of size {size} takes ints in 0..{size - 1}")
    return Array(BIT, (*dims(types[0]), Affine.of(size)))


RULES: dict[str, Rule] = {
    "logic": _lifted(_logic),
    "threshold": _lifted(_threshold),
    "sum": _lifted(_sum),
    "difference": _lifted(_difference),
    "negation": _lifted(_negation),
    "product": _lifted(_product),
    "quotient": _lifted(_quotient),
    "floordiv": _lifted(_floordiv),
    "modulo": _lifted(_modulo),
    "power": _lifted(_power),
    "magnitude": _lifted(_magnitude),
    "minimum": _lifted(_extreme(pick_low=True)),
    "maximum": _lifted(_extreme(pick_low=False)),
    "real": _lifted(_real_function),
    "comparison": _lifted(_comparison),
    "choice": _lifted(_choice),
    "sign": _lifted(_sign),
    "round": _lifted(_rounded),
    "table": _lifted(_table),
    "curve": _lifted(_curve),
    "bin": _lifted(_bin),
    "same": _same,
    "argmax": _argmax,
    "load": _load,
    "gather": _gather,
    "index": _index,
    "concat": _concat,
    "pack": _pack,
    "reshape": _reshape,
    "onehot": _onehot,
}
