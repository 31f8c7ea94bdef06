"""Ranges of ints in practice: no array holds 2 ** 40 entries, so sizes are bounded.

They decide where int64 is wide enough; elsewhere arrays hold Python ints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ddc.ir import OPS, Affine, Function, Int, Op, Quotient, Scalar, Type, dims, element, int_bounds
from ddc.ir.ranges import TypeProblem

LARGEST_SIZE = 1 << 40
WORD = (1 << 62) - 1

Range = tuple[int | None, int | None]


def fits(r: Range) -> bool:
    """Tell whether int64 holds every number of a range, with a bit to spare."""
    return r[0] is not None and r[1] is not None and -WORD <= r[0] and r[1] <= WORD


def reach(r: Range) -> int | None:
    """Return the greatest magnitude in a range, None where it is unbounded."""
    return None if r[0] is None or r[1] is None else max(abs(r[0]), abs(r[1]))


def longest(function: Function) -> dict[str, int]:
    """Return for each size how large it can be where every parameter fits into an array."""
    least = {size.name: size.minimum for size in function.sizes}
    found = dict.fromkeys(least, LARGEST_SIZE)
    for param in function.params:
        shape = dims(param.type)
        for size in least:
            power = sum(extent == Affine.symbol(size) for extent in shape)
            if power > 1 and all(extent.at_least(1, least) for extent in shape):
                root = 1
                while (2 * root) ** power <= LARGEST_SIZE:
                    root *= 2
                found[size] = min(found[size], root)
    return found


def of_affine(
    at: Affine, known: Mapping[str, Range], smallest: Mapping[str, int], longest: Mapping[str, int]
) -> Range:
    """Return the range of an index expression."""
    low, high = at.const, at.const
    for symbol, coefficient in at.terms:
        if isinstance(symbol, Quotient):
            inner = of_affine(symbol.of, known, smallest, longest)
            ends = _quotient(symbol, inner)
        elif symbol.startswith("%"):
            ends = known.get(symbol[1:], (None, None))
        else:
            ends = (smallest.get(symbol, 0), longest.get(symbol, LARGEST_SIZE))
        if ends[0] is None or ends[1] is None:
            return None, None
        corners = (coefficient * ends[0], coefficient * ends[1])
        low, high = low + min(corners), high + max(corners)
    return low, high


def _quotient(symbol: Quotient, inner: Range) -> Range:
    if symbol.kind == "mod":
        return 0, symbol.by - 1
    if inner[0] is None or inner[1] is None:
        return None, None
    return inner[0] // symbol.by, inner[1] // symbol.by


def of_op(op: Op, args: Sequence[tuple[Scalar, Range]]) -> Range:
    """Return the range of a scalar op's result from the ranges of its operands."""
    types: list[Type] = []
    for scalar, (low, high) in args:
        bounds = int_bounds(scalar)
        narrow = bounds is None or op.code in ("table", "onehot") or (low, high) == bounds
        types.append(scalar if narrow else Int(low, high))
    try:
        found = OPS[op.code].rule(op, types)
    except TypeProblem:
        return None, None
    return int_bounds(element(found)) or (None, None)
