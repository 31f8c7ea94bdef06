"""Reads beyond borders: where an index is surely inside, and what it becomes where it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ddc.ir import Affine, Block, Index, Loop, Op, Quotient, walk

from .nest import INDEX, Bin, Call, Const, Expr, Select
from .values import add as plus
from .values import compare, index, maximum, minimum, subtract

Pair = tuple[Affine, Affine]  # an index and the length of its axis
Bounds = Mapping[str, tuple[Affine, Affine]]  # loop symbol -> inclusive bounds, outer loops first


@dataclass(frozen=True)
class Facts:
    """What is known about index expressions: bounds of loops, and the smallest sizes."""

    bounds: Bounds
    smallest: Mapping[str, int]

    def nonnegative(self, at: Affine) -> bool:
        """Tell whether an expression is surely at least 0."""
        return at.extreme(self.bounds, upper=False).at_least(0, self.smallest)

    def inside(self, pair: Pair) -> bool:
        """Tell whether an index is surely on its axis."""
        at, dim = pair
        return self.nonnegative(at) and self.nonnegative(dim - 1 - at)


def bordered_pairs(
    block: Block, shape: Callable[[Op], Sequence[Affine]]
) -> Iterable[tuple[Pair, Index]]:
    """Yield each index with its axis, of the loads in a block that may lie outside."""
    for op in walk(block):
        if op.code == "load":
            for at, dim in zip(op.index, shape(op)):
                if at.border != "inside":
                    yield (at.at, dim), at


@dataclass(frozen=True)
class Split:
    """Candidates for the bounds of the iterations that read inside, and what they make inside."""

    low: tuple[Affine, ...]
    high: tuple[Affine, ...]
    pairs: frozenset[Pair]


def split(loop: Loop, pairs: Iterable[Pair], facts: Facts, inner: frozenset[str]) -> Split | None:
    """Return how to split a loop so that most iterations read inside, None where none need it."""
    lows: dict[Affine, None] = {}
    highs: dict[Affine, None] = {}
    found: set[Pair] = set()
    for at, dim in pairs:
        factor = at.coefficient(loop.symbol)
        rest = at - Affine.symbol(loop.symbol, factor)
        if factor not in (1, -1) or rest.symbols() & (inner | {loop.symbol}):
            continue
        if facts.inside((at, dim)) or any(isinstance(s, Quotient) for s, _ in rest.terms):
            continue
        lows[-rest if factor == 1 else rest - dim + 1] = None
        highs[dim - rest if factor == 1 else rest + 1] = None
        found.add((at, dim))
    if not found:
        return None
    return Split(
        _binding(tuple(lows), facts, loop.low, upper=False),
        _binding(tuple(highs), facts, loop.high, upper=True),
        frozenset(found),
    )


def _binding(
    candidates: tuple[Affine, ...], facts: Facts, own: Affine, upper: bool
) -> tuple[Affine, ...]:
    """Return the candidates that are not surely implied by others or by the loop's own bound."""

    def implied(a: Affine, b: Affine) -> bool:
        return facts.nonnegative(a - b) if upper else facts.nonnegative(b - a)

    kept: list[Affine] = []
    for candidate in candidates:
        if implied(candidate, own) or any(implied(candidate, other) for other in kept):
            continue
        kept = [other for other in kept if not implied(other, candidate)] + [candidate]
    return tuple(kept)


def bounds_of_inside(
    chosen: Split, loop: Loop, facts: Facts, text: Callable[[Affine], Expr]
) -> tuple[Expr, Expr]:
    """Return the half-open range of iterations that read inside, within the loop's own range."""
    low, high = text(loop.low), text(loop.high)
    first = low
    for bound in chosen.low:
        # The loop's own bound is below a bound that binds, unless that cannot be known.
        above = facts.nonnegative(bound - loop.low)
        first = text(bound) if above and first == low else maximum(first, text(bound))
    if chosen.low and not all(facts.nonnegative(loop.high - b) for b in chosen.low):
        first = minimum(first, high)
    elif not facts.nonnegative(loop.high - loop.low):
        first = minimum(first, high)
    last = high
    for bound in chosen.high:
        below = facts.nonnegative(loop.high - bound)
        last = text(bound) if below and last == high else minimum(last, text(bound))
    if last != high or not facts.nonnegative(loop.high - loop.low):
        last = maximum(last, first)
    return first, last


def wrapped(place: Expr, pair: Pair, dim: Expr, facts: Facts) -> Expr:
    """Return an index modulo its axis, by comparisons where it lies at most one axis away."""
    at, extent = pair
    below = not facts.nonnegative(at)
    above = not facts.nonnegative(extent - 1 - at)
    near_below = facts.nonnegative(at + extent)
    near_above = facts.nonnegative(extent * 2 - 1 - at)
    if (below and not near_below) or (above and not near_above):
        return Call("floormod", (place, dim), INDEX)
    result = place
    if above:
        result = _chosen(compare("ge", place, dim), subtract(place, dim), result)
    if below:
        result = _chosen(compare("lt", place, index(0)), plus(place, dim), result)
    return result


def _chosen(condition: Expr, a: Expr, b: Expr) -> Expr:
    if isinstance(condition, Const):
        return a if condition.value else b
    return Select(condition, a, b, INDEX)


def clamped(place: Expr, pair: Pair, dim: Expr, facts: Facts) -> Expr:
    """Return the nearest index on the axis."""
    at, extent = pair
    result = place
    if not facts.nonnegative(extent - 1 - at):
        result = minimum(result, subtract(dim, index(1)))
    if not facts.nonnegative(at):
        result = maximum(result, index(0))
    return result


def inside(place: Expr, pair: Pair, dim: Expr, facts: Facts) -> Expr | None:
    """Return the condition that an index is on its axis, None where it surely is."""
    at, extent = pair
    conditions: list[Expr] = []
    if not facts.nonnegative(at):
        conditions.append(compare("ge", place, index(0)))
    if not facts.nonnegative(extent - 1 - at):
        conditions.append(compare("lt", place, dim))
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    return Bin("and", conditions[0], conditions[1], "bool")
