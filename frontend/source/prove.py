"""Can a condition hold for some input? By enumeration where the inputs that matter are few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Block, DdcError, Function, Missing, Module, Op, Param, Real, int_bounds
from ddc.ir import levels as levels_of
from ddc.ir.interpreter import run_batch

from .emitter import Operand
from .graph import Graph

MOST_CASES = 1 << 18
FEW_CASES = 1 << 12
SAMPLES = 2000


@dataclass(frozen=True)
class Verdict:
    """Whether a condition can hold (None: not known), and an input for which it does."""

    possible: bool | None
    witness: dict[str, Any] | None = None


def can_hold(graph: Graph, bits: Sequence[Operand]) -> Verdict:
    """Tell whether all bits can be 1 at once, with an input for which they are."""
    both = graph.and_(bits)
    if not isinstance(both, str):
        return Verdict(bool(both), {} if both else None)
    ops, leaves = slice_of(graph, [both])
    cases = case_count(graph, leaves)
    whole = cases is not None and cases <= MOST_CASES
    rows = _all_rows(graph, leaves) if whole else _sampled_rows(graph, leaves)
    try:
        (holds,) = evaluate(graph, ops, leaves, [both], rows)
    except DdcError:
        return Verdict(None)
    (found,) = np.nonzero(holds)
    if not len(found):
        if whole or _never_by_order(graph, both) or _never_from_cuts(graph, both):
            return Verdict(False)
        return _any_can_hold(graph, bits[:-1], _cases(graph, bits[-1]))
    return Verdict(True, {name: rows[name][found[0]].item() for name in leaves})


def _cases(graph: Graph, bit: Operand) -> list[Operand]:
    """Return the cases of a disjunction; a negated conjunction is one too."""
    op = graph.ops.get(bit) if isinstance(bit, str) else None
    if op is None:
        return [bit]
    if op.code == "or":
        return [o for o in op.operands if isinstance(o, str)]
    inner = graph.ops.get(str(op.operands[0])) if op.code == "not" else None
    if inner is None or inner.code != "and":
        return [bit]
    return [graph.not_(o) for o in inner.operands if isinstance(o, str)]


def _any_can_hold(graph: Graph, given: Sequence[Operand], cases: list[Operand]) -> Verdict:
    """Tell whether some case can hold, each of which may depend on less."""
    if len(cases) < 2:
        return Verdict(None)
    verdict = Verdict(False)
    for case in cases:
        found = can_hold(graph, [*given, case])
        if found.possible:
            return found
        if found.possible is None:
            verdict = found
    return verdict


def _never_by_order(graph: Graph, bit: str) -> bool:
    """Tell whether a conjunction bounds a number from both sides so that nothing is left."""
    lowest: dict[str, tuple[Any, bool]] = {}  # bound, whether it is excluded
    highest: dict[str, tuple[Any, bool]] = {}  # bound, whether it is included
    for op in _conjuncts(graph, bit):
        if op.code not in ("lt", "le"):
            continue
        (a, b), strict = op.operands, op.code == "lt"
        if isinstance(b, str) and not isinstance(a, str):
            lowest[b] = max(lowest.get(b, (a, strict)), (a, strict))
        if isinstance(a, str) and not isinstance(b, str):
            highest[a] = min(highest.get(a, (b, not strict)), (b, not strict))
    for name in lowest.keys() & highest.keys():
        (low, excluded), (high, included) = lowest[name], highest[name]
        if low > high or (low == high and (excluded or not included)):
            return True
    return False


def _conjuncts(graph: Graph, bit: str) -> list[Op]:
    """Return the ops whose conjunction a bit is, as far as they are built by `and`."""
    found: dict[str, Op] = {}
    stack: list[object] = [bit]
    while stack:
        name = stack.pop()
        op = graph.ops.get(name) if isinstance(name, str) and name not in found else None
        if op is None:
            continue
        found[op.result] = op
        if op.code == "and":
            stack += op.operands
    return list(found.values())


def _never_from_cuts(graph: Graph, bit: str) -> bool:
    """Tell whether a condition is 0 whatever small ints the reals in it were turned into."""
    ops, leaves = slice_of(graph, [bit], cut=True)
    cases = case_count(graph, leaves)
    if cases is None or cases > MOST_CASES:
        return False
    try:
        (holds,) = evaluate(graph, ops, leaves, [bit], _all_rows(graph, leaves))
    except DdcError:
        return False
    return not holds.any()


def value_set(graph: Graph, a: Operand) -> frozenset[int] | None:
    """Return all values that an int takes, None where it depends on too much."""
    if not isinstance(a, str):
        return frozenset([int(a)])
    ops, leaves = slice_of(graph, [a])
    cases = case_count(graph, leaves)
    if cases is None or cases > FEW_CASES:
        return None
    (values,) = evaluate(graph, ops, leaves, [a], _all_rows(graph, leaves))
    return frozenset(int(v) for v in np.unique(values))


def slice_of(
    graph: Graph, roots: Sequence[Operand], cut: bool = False
) -> tuple[list[Op], list[str]]:
    """Return the ops that values depend on, in order, and the entries of the input among them.

    With `cut`, small ints that are made of other numbers (comparisons of reals) are leaves too.
    """
    cuts = _cuts(graph, *slice_of(graph, roots)) if cut else frozenset[str]()
    seen: set[str] = set()
    leaves: dict[str, None] = {}
    stack = [r for r in roots if isinstance(r, str)]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        op = graph.ops.get(name)
        if op is None or op.code == "load" or name in cuts:
            leaves[name] = None
            continue
        stack.extend(o for o in op.operands if isinstance(o, str))
    ops = [graph.ops[n] for n in sorted((n for n in seen if n not in leaves), key=graph.order)]
    return ops, sorted(leaves)


def _cuts(graph: Graph, ops: Sequence[Op], leaves: Sequence[str]) -> frozenset[str]:
    """Return the small ints that are made of numbers with more than a few values.

    A real that is chosen among constants has few values, as the choice has.
    """
    few = {leaf for leaf in leaves if levels_of(graph.types[leaf]) is not None}
    cuts: set[str] = set()
    for op in ops:
        if all(o in few for o in op.operands if isinstance(o, str)):
            few.add(op.result)
        elif levels_of(graph.types[op.result]) is not None:
            cuts.add(op.result)
            few.add(op.result)
    return frozenset(cuts)


def case_count(graph: Graph, leaves: Sequence[str]) -> int | None:
    """Return the number of inputs, None where some are not a few ints."""
    total = 1
    for leaf in leaves:
        values = levels_of(graph.types[leaf])
        if values is None:
            return None
        total *= len(values)
    return total


def _all_rows(graph: Graph, leaves: Sequence[str]) -> dict[str, NDArray[Any]]:
    axes = [levels_of(graph.types[leaf]) or () for leaf in leaves]
    shape = tuple(len(a) for a in axes)
    places = np.unravel_index(np.arange(math.prod(shape)), shape) if shape else ()
    return {leaf: np.array(a, np.int64)[at] for leaf, a, at in zip(leaves, axes, places)}


def _sampled_rows(graph: Graph, leaves: Sequence[str]) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(0)
    rows: dict[str, NDArray[Any]] = {}
    for leaf in leaves:
        type_ = graph.types[leaf]
        base = type_.base if isinstance(type_, Missing) else type_
        values = levels_of(base)
        low, high = (-1e6, 1e6)
        if isinstance(base, Real):
            low = -1e6 if base.low is None else float(base.low)
            high = 1e6 if base.high is None else float(base.high)
        elif (bounds := int_bounds(base)) is not None:
            low = -1e6 if bounds[0] is None else max(bounds[0], -(1 << 53))
            high = 1e6 if bounds[1] is None else min(bounds[1], 1 << 53)
        if values is not None:
            drawn = random.choice(np.array(values, np.int64), SAMPLES)
        else:
            scale = 10.0 ** random.uniform(-6, 0, SAMPLES)
            drawn = np.clip(random.uniform(low, high, SAMPLES) * scale, low, high)
            drawn[:3] = np.clip([0.0, low, high], low, high)
            if not isinstance(base, Real):
                drawn = np.clip(np.rint(drawn), math.ceil(low), math.floor(high)).astype(np.int64)
        rows[leaf] = drawn
    return rows


def evaluate(
    graph: Graph,
    ops: Sequence[Op],
    leaves: Sequence[str],
    wanted: Sequence[str],
    rows: dict[str, NDArray[Any]],
) -> tuple[NDArray[Any], ...]:
    """Return values for rows of inputs."""
    params = tuple(Param(leaf, graph.types[leaf]) for leaf in leaves)
    results = tuple(Param(f"r{k}", graph.types[w]) for k, w in enumerate(wanted))
    function = Function("f", params, results, Block(tuple(ops), tuple(wanted)))
    return run_batch(Module((function,)), rows)
