"""Functions by cases: chains of conditions, choices between simpler forms, sums of conditions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from .build import linear, modulo, select
from .cost import rank
from .expr import Compare, Const, Expr, Lookup, Threshold
from .integer import clamped_forms, linear_forms, quotients, remainders
from .predicate import members
from .strategy import Solver
from .table import Axis, Ints, Problem

_MOST_CASES = 16
_SPLIT_UP_TO = 9
_MOST_PAIRS = 12
_CHOICES_UP_TO = 1 << 12  # entries


def cases(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a chain of cases, one for each output; a case does not care about earlier ones."""
    outputs = problem.outputs
    if not 2 < len(outputs) <= _MOST_CASES or not solver.affords(problem.size * len(outputs)):
        return
    counts = {v: int((problem.values[problem.care] == v).sum()) for v in outputs}
    common = max(outputs, key=lambda v: (counts[v], -v))
    orders = {outputs, outputs[::-1], (*(v for v in outputs if v != common), common)}
    for order in sorted(orders):
        chain = _chain(problem, order, solver)
        if chain is None:
            return
        yield chain


def _chain(problem: Problem, order: tuple[int, ...], solver: Solver) -> Expr | None:
    conditions: list[tuple[int, Expr]] = []
    care = problem.care
    for value in order[:-1]:
        matches = problem.values == value
        condition = solver.solve(problem.with_values(matches, care))
        if isinstance(condition, Lookup):
            return None
        conditions.append((value, condition))
        care = care & ~matches
    result: Expr = Const(order[-1])
    for value, condition in reversed(conditions):
        result = select(condition, Const(value), result)
    return result


def choices(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a choice between two of the axes, their successors, their sums and constants."""
    if not problem.all_numeric or problem.size > _CHOICES_UP_TO:
        return
    if not solver.affords(problem.size * 1000):
        return
    pool = [(form, (problem.values == values) & problem.care) for form, values in _forms(problem)]
    pool = [(form, agrees) for form, agrees in pool if agrees.any()]
    tried = 0
    for (one, agrees), (other, differs) in combinations(pool, 2):
        if tried < _MOST_PAIRS and (agrees | differs)[problem.care].all():
            tried += 1
            decided = problem.with_values(agrees, agrees ^ differs)
            yield select(solver.solve(decided), one, other)


def _forms(problem: Problem) -> Iterator[tuple[Expr, Ints]]:
    cycle = problem.outputs[-1] + 1
    for axis, column in zip(problem.axes, problem.grid(), strict=True):
        yield axis.expr, column
        if cycle > 1:
            for step in (1, -1):
                yield modulo(linear([(1, axis.expr)], step), cycle), (column + step) % cycle
        for step in (1, -1):
            yield linear([(1, axis.expr)], step), column + step
        yield linear([(-1, axis.expr)]), -column
    for output in problem.outputs:
        yield Const(output), np.full((1,) * len(problem.axes), output, dtype=np.int64)


def separable(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a sum of functions of one axis each."""
    if len(problem.axes) < 2 or not problem.full or not solver.affords(problem.size * 4):
        return
    base = int(problem.values.flat[0])
    parts: list[Problem] = []
    total: Ints = np.full((1,) * len(problem.axes), base, dtype=np.int64)
    for at, axis in enumerate(problem.axes):
        line = problem.values[
            tuple(slice(None) if i == at else 0 for i in range(problem.values.ndim))
        ]
        total = total + (line - base).reshape([-1 if i == at else 1 for i in range(total.ndim)])
        parts.append(Problem((axis,), line - base, np.ones(len(axis), dtype=np.bool_)))
    if (total == problem.values).all():
        yield linear([(1, solver.solve(part)) for part in parts], base)


def staircase(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a sum of conditions: one for every step up from an output, and down."""
    outputs = problem.outputs
    if not 2 < len(outputs) <= 5 or not solver.affords(problem.size * len(outputs)):
        return
    base = 0 if 0 in outputs else outputs[0]
    terms: list[tuple[int, Expr]] = []
    for low, high in pairwise(outputs):
        up = low >= base
        passed = problem.values >= high if up else problem.values <= low
        step = high - low
        condition = solver.solve(problem.with_values(passed))
        if not isinstance(condition, Compare | Threshold):
            return
        terms.append((step if up else -step, condition))
    yield linear(terms, base)


def split_bit(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a choice by one bit between functions of the other axes."""
    if not 1 < len(problem.axes) <= _SPLIT_UP_TO:
        return
    for at, axis in enumerate(problem.axes):
        if axis.is_bit and solver.affords(problem.size * 40):
            low, high = solver.solve(problem.at(at, 0)), solver.solve(problem.at(at, 1))
            yield select(axis.expr, high, low)


def split_range(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a choice by a bound or the parity of one axis between two simple forms."""
    for at, axis in enumerate(problem.axes):
        for inside in _splits(axis):
            if not solver.affords(problem.size * 40 + 100_000):
                return
            outside = [i for i in range(len(axis)) if i not in inside]
            then = _simple(problem.taking(at, inside), solver)
            other = _simple(problem.taking(at, outside), solver) if then is not None else None
            if then is not None and other is not None:
                yield select(members(axis, frozenset(inside)), then, other)


def _splits(axis: Axis) -> Iterator[list[int]]:
    if axis.is_numeric and not axis.is_bit:
        yield from (list(range(at, len(axis))) for at in range(1, len(axis)))
        even = [i for i, number in enumerate(axis.numbers) if number % 2 == 0]
        if 0 < len(even) < len(axis):
            yield even


def _simple(problem: Problem, solver: Solver) -> Expr | None:
    """Return a form without cases, if there is one."""
    if len(problem.outputs) < 2:
        return Const(problem.outputs[0] if problem.outputs else 0)
    strategies = (linear_forms, remainders, quotients, clamped_forms)
    found = [expr for strategy in strategies for expr in strategy(problem, solver)]
    return min(found, key=rank, default=None)
