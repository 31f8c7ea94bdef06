"""Loops that only walk along the rows or columns of arrays, and what of each line they read.

`sum(image[i][p] for p in range(n))` for every i reads as `sum(row) for row in image`, and
`formula[0][p]` with `any(formula[q][p] for q in range(1, n))` as `x, *others` of `zip(*formula)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ddc.ir import Affine, Loop, Op, Operand, Scalar, operands_of, walk


@dataclass
class Line:
    """The lines of one array along one axis, as a loop walks over them."""

    array: Operand
    axis: int  # that the loop walks along
    rank: int
    places: dict[int, list[Op]] = field(default_factory=lambda: {})  # loads of single entries
    rests: list[tuple[Op, Op]] = field(
        default_factory=lambda: []
    )  # loads of all from some place on

    @property
    def starred(self) -> bool:
        """Tell whether the single entries stand before the rest, so that a pattern names both."""
        return bool(self.places) and all(_low(r) == self.named for r, _ in self.rests)

    @property
    def named(self) -> int:
        """Return how many entries a pattern names."""
        return max(self.places, default=-1) + 1


def _low(reduction: Op) -> int:
    return reduction.loops[0].low.const


@dataclass(frozen=True)
class Known:
    """What is asked of the emitter: shapes and types of values."""

    shape: Callable[[Operand], tuple[Affine, ...]]
    scalar: Callable[[Operand], Scalar]
    smallest: dict[str, int]


MOST_NAMED = 6  # entries of a line that a pattern names


def lines(op: Op, known: Known) -> list[list[Line]] | None:
    """Return for each loop of an op the lines that it walks along, None where it does more."""
    assert op.body is not None
    if any(loop.low != Affine.of(0) for loop in op.loops):
        return None
    inner = list(walk(op.body))
    own = {name for o in inner for name in o.results}
    own |= {s.name for o in inner for s in o.states}
    reductions = {
        o.loops[0].symbol: o
        for o in op.body.ops
        if o.code == "reduce" and len(o.loops) == 1 and o.attr("kind") != "argmax"
    }
    variables = {loop.symbol: loop for loop in op.loops}
    found: dict[str, list[Line]] = {symbol: [] for symbol in variables}
    values = [op.body.yields, op.body.nexts, *(operands_of(o) for o in inner)]
    if any(f"%{v}" in variables for row in values for v in row if isinstance(v, str)):
        return None
    for o in inner:
        bounds = [e for v in o.loops for e in (v.low, v.high)]
        if any(e.symbols() & variables.keys() for e in bounds):
            return None
        mine = {s for i in o.index for s in i.at.symbols()} & variables.keys()
        if mine and not (
            len(mine) == 1 and _line(o, variables[mine.pop()], own, reductions, found, known)
        ):
            return None
    rests = [rest for all_ in found.values() for line in all_ for rest in line.rests]
    if not all(_only_walks(r, [load for o, load in rests if o is r]) for r, _ in rests):
        return None
    if any(not _is_plain(line) for all_ in found.values() for line in all_):
        return None
    return list(found.values()) if all(found.values()) else None


def _only_walks(reduction: Op, loads: Sequence[Op]) -> bool:
    """Tell whether a reduction uses its loop variable for nothing but some loads."""
    (loop,) = reduction.loops
    assert reduction.body is not None
    inner = list(walk(reduction.body))
    values = [*reduction.body.yields, *(v for o in inner for v in operands_of(o))]
    uses = [o for o in inner if any(loop.symbol in i.at.symbols() for i in o.index)]
    bounds = [e for o in inner for v in o.loops for e in (v.low, v.high)]
    return (
        loop.var not in values
        and len(uses) == len(loads)
        and not any(loop.symbol in e.symbols() for e in bounds)
    )


def _line(
    load: Op,
    loop: Loop,
    own: set[str],
    reductions: dict[str, Op],
    found: dict[str, list[Line]],
    known: Known,
) -> bool:
    """Note what a load reads of a line; tell whether it is a place or the rest of one."""
    if load.code != "load" or load.operands[0] in own:
        return False
    array, rank = load.operands[0], len(load.index)
    shape = known.shape(array)
    axes = [k for k, i in enumerate(load.index) if loop.symbol in i.at.symbols()]
    if len(axes) != 1 or rank not in (1, 2) or load.index[axes[0]].at != Affine.symbol(loop.symbol):
        return False
    (axis,) = axes
    if shape[axis] != loop.high or type(known.scalar(array)) is not type(known.scalar(load.result)):
        return False
    line = next((x for x in found[loop.symbol] if (x.array, x.axis) == (array, axis)), None)
    if line is None:
        line = Line(array, axis, rank)
        found[loop.symbol].append(line)
    if rank == 1:
        line.places.setdefault(0, []).append(load)
        return True
    at, extent = load.index[1 - axis].at, shape[1 - axis]
    if at.is_const:
        line.places.setdefault(at.const, []).append(load)
        inside = at.const >= 0 and extent.at_least(at.const + 1, known.smallest)
        return inside and at.const < MOST_NAMED
    reduction = next((r for s, r in reductions.items() if at == Affine.symbol(s)), None)
    if reduction is None or reduction.body is None or load not in reduction.body.ops:
        return False
    (inner,) = reduction.loops
    line.rests.append((reduction, load))
    return inner.low.is_const and inner.low.const >= 0 and inner.high == extent


def _is_plain(line: Line) -> bool:
    """Tell whether a pattern, or a name for the whole line, says what is read of it."""
    if line.rank == 1 or not line.rests:
        return True
    return line.starred or (not line.places and all(_low(r) == 0 for r, _ in line.rests))


def window_of(
    op: Op, shape: Callable[[Operand], tuple[Affine, ...]]
) -> tuple[Operand, int, int] | None:
    """Return a sequence, how far before its start a map reads it, and what stands there.

    Only where the map is over the whole sequence, does nothing but read at fixed distances, none
    after the end, and meets the border in two places or more.
    """
    assert op.body is not None
    loops = op.loops
    if len(loops) != 1 or loops[0].low != Affine.of(0) or any(o.body for o in op.body.ops):
        return None
    symbol = loops[0].symbol
    values = [*op.body.yields, *(v for o in op.body.ops for v in o.operands)]
    reads = [o for o in op.body.ops if any(symbol in i.at.symbols() for i in o.index)]
    if loops[0].var in values or not reads or any(o.code != "load" for o in reads):
        return None
    array = reads[0].operands[0]
    inside = {o.result for o in op.body.ops}
    if not isinstance(array, str) or array in inside or shape(array) != (loops[0].high,):
        return None
    steps: list[int] = []
    fills: set[int] = set()
    for read in op.body.ops:
        if read.operands[:1] != (array,):
            if read in reads:
                return None
            continue
        step = read.index[0].at - Affine.symbol(symbol)
        if not step.is_const or step.const > 0:
            return None
        if step.const < 0:
            (index,) = read.index
            if index.border != "else" or not isinstance(index.other, int):
                return None
            steps.append(-step.const)
            fills.add(index.other)
    if len(steps) < 2 or len(fills) != 1 or max(steps) > MOST_NAMED:
        return None
    return array, max(steps), fills.pop()
