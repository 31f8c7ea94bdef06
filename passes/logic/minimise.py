"""Turn an explicit function table into the shortest readable expression that equals it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import overload

import numpy as np

from .build import linear
from .cases import cases, choices, separable, split_bit, split_range, staircase
from .cost import cost, rank
from .cover import covers
from .decompose import disjoint, expansions, selections, split_levels, split_literal
from .diagram import diagrams
from .evaluate import evaluate
from .expr import Const, Expr, Lookup, Var, substitute
from .integer import (
    along_index,
    bends,
    clamped_forms,
    extremes,
    linear_forms,
    quotients,
    remainders,
    two_valued,
)
from .intervals import intervals
from .polish import polish
from .predicate import members, reading
from .products import products, quadratic_forms, sums_of_products
from .relation import relations, sums_and_differences
from .small import minimal
from .strategy import Strategy
from .symmetry import counts
from .table import BIT, Axis, Problem, Table, level_classes, open_grid, without_irrelevant
from .threshold import thresholds

_FUEL = {-1: 10_000_000, 0: 200_000_000, 1: 500_000_000, 2: 8_000_000_000}
_SHARED = 1_600_000_000  # for all tables of a function together
_LEAST = 2_000_000  # for each of them all the same
_STEP = 500_000  # work that any subproblem costs, whatever its size
_DEEPEST = 60  # subproblems inside subproblems; Python's stack holds about three times as many

_UNPAID = 1 << 14  # entries of a table that is still drawn as a diagram when the budget is spent


@overload
def minimise(table: Table, *, effort: int = 1, give_up: None = None, tables: int = 1) -> Expr: ...
@overload
def minimise(table: Table, *, effort: int = 1, give_up: int, tables: int = 1) -> Expr | None: ...
def minimise(
    table: Table, *, effort: int = 1, give_up: int | None = None, tables: int = 1
) -> Expr | None:
    """Return the cheapest expression found that equals the table wherever it cares.

    `effort` 0, 1 or 2 bounds the search, -1 where only a rough cost is asked for, and so does the
    number of `tables` that share what a function may cost; the result is the same on every run.
    With `give_up`, return None where nothing of at most that cost (see `cost`) is found.

    Raises AssertionError where the result differs from the table: a bug in this package.
    """
    problem = _problem(table)
    # Logic of at most three bits stays in the and/or/xor/not of its minimal circuit.
    strict = _is_small(problem)
    share = max(_LEAST, _SHARED // tables) if tables > 1 else _FUEL[effort]
    expr = Search(min(_FUEL[effort], share), strict).solve(problem)
    bits = [at for at, axis in enumerate(problem.axes) if axis.is_bit]
    if not strict:
        expr = polish(expr, bits)
    if give_up is not None and cost(expr) > give_up:
        return None
    values = evaluate(expr, open_grid([np.asarray(sorted(level)) for level in table.levels]))
    wrong = (np.broadcast_to(values, problem.values.shape) != problem.values) & problem.care
    if wrong.any():
        raise AssertionError(f"minimise: wrong at entry {int(wrong.argmax())} of the table")
    return expr


def _problem(table: Table) -> Problem:
    values = table.values.astype(np.int64)
    care = np.ones(values.shape, np.bool_) if table.care is None else table.care.astype(np.bool_)
    axes: list[Axis] = []
    for at, levels in enumerate(table.levels):
        order = sorted(range(len(levels)), key=levels.__getitem__)
        values, care = values.take(order, at), care.take(order, at)
        axes.append(Axis(Var(at), tuple((int(levels[i]),) for i in order)))
    return Problem(tuple(axes), np.where(care, values, 0), care)


class Search:
    """Solve a problem and its subproblems by all strategies, on one budget, with a memo."""

    def __init__(self, fuel: int, strict: bool) -> None:
        self._fuel = fuel
        self._strict = strict
        self._depth = 0
        self._memo: dict[tuple[object, ...], Expr] = {}

    def affords(self, work: int) -> bool:
        self._fuel -= work
        return self._fuel >= 0

    def solve(self, problem: Problem) -> Expr:
        if len(problem.outputs) < 2:
            return Const(problem.outputs[0] if problem.outputs else 0)
        if _is_small(problem):
            return _small(problem, self._strict)
        problem = without_irrelevant(problem)
        known = self._memo.get(problem.key)
        if known is None:
            if self._depth == _DEEPEST or not self.affords(_STEP + 10 * problem.size):
                solve = self._exhausted
            else:
                solve = self._logic if problem.is_logic else self._integer
            self._depth += 1
            try:
                known = self._memo[problem.key] = min(solve(problem), key=rank)
            finally:
                self._depth -= 1
        return known

    def _exhausted(self, problem: Problem) -> Iterator[Expr]:
        """Write the table down without any search."""
        if problem.size <= _UNPAID:
            yield from diagrams(problem, self)
        yield _lookup(problem)

    def _logic(self, problem: Problem) -> Iterator[Expr]:
        if len(problem.axes) == 1:
            yield members(problem.axes[0], frozenset(map(int, np.flatnonzero(problem.on))))
            yield from remainders(problem, self)
            yield from quotients(problem, self)
            return
        many = len(problem.axes) if len(problem.axes) > 5 else 0
        for strategy in (split_literal, *_NUMERIC_LOGIC):
            found = list(strategy(problem, self))
            yield from found
            if found and min(map(cost, found)) <= _floor(problem) + many:
                return
        yield from intervals(problem, self)  # of levels that are numbers still
        merged = _merged(problem)
        if merged.size < problem.size or merged.axes != problem.axes:
            yield self.solve(merged)
        else:
            yield from self._hard_logic(problem)

    def _hard_logic(self, problem: Problem) -> Iterator[Expr]:
        """Try what costs most, unless the function decomposes."""
        found = list(split_literal(problem, self)) or list(disjoint(problem, self))
        yield from found
        if found:
            return
        for strategy in (split_levels, covers, expansions, diagrams):
            yield from strategy(problem, self)
        yield _lookup(problem)

    def _integer(self, problem: Problem) -> Iterator[Expr]:
        best: list[Expr] = []
        for strategy in _INTEGER:
            best.extend(strategy(problem, self))
            if best and cost(min(best, key=rank)) <= _floor(problem) + 6:
                break
        else:
            best.extend(diagrams(problem, self))
            best.append(_lookup(problem))
        yield from best


_NUMERIC_LOGIC: tuple[Strategy, ...] = (
    counts,
    thresholds,
    relations,
    sums_and_differences,
    products,
)
_INTEGER: tuple[Strategy, ...] = (
    linear_forms,
    two_valued,
    remainders,
    clamped_forms,
    extremes,
    bends,
    quotients,
    along_index,
    sums_and_differences,
    quadratic_forms,
    sums_of_products,
    products,
    separable,
    counts,
    staircase,
    split_bit,
    choices,
    cases,
    split_range,
)


def _small(problem: Problem, strict: bool) -> Expr:
    wanted = sum(int(v) << i for i, v in enumerate(problem.on.ravel()))
    cared = sum(int(v) << i for i, v in enumerate(problem.care.ravel()))
    form = _small_form(len(problem.axes), wanted, cared, strict)
    expr = substitute(form, {Var(i): axis.expr for i, axis in enumerate(problem.axes)})
    return polish(expr, ()) if any(axis.expr.operands for axis in problem.axes) else expr


@lru_cache(maxsize=1 << 14)
def _small_form(inputs: int, wanted: int, cared: int, strict: bool) -> Expr:
    """Return the best form over Var(0..inputs-1): a minimal circuit, or what reads shorter."""
    found = [minimal(inputs, wanted, cared)]
    values = np.array([wanted >> i & 1 for i in range(1 << inputs)]).reshape((2,) * inputs)
    care = np.array([bool(cared >> i & 1) for i in range(1 << inputs)]).reshape((2,) * inputs)
    problem = Problem(tuple(Axis(Var(i), BIT) for i in range(inputs)), values, care)
    if len(problem.outputs) == 2:
        solver = Search(_FUEL[0], strict)
        found.extend(thresholds(problem, solver))
        found.extend(counts(problem, solver))
        if not strict and inputs == 3:
            found.extend(selections(problem, solver))
    return min(found, key=rank)


def _is_small(problem: Problem) -> bool:
    return problem.is_logic and problem.all_bits and len(problem.axes) <= 3


def _floor(problem: Problem) -> int:
    """Return the least cost of a formula that reads every axis once."""
    return len(problem.axes) - 1 + sum(cost(axis.expr) for axis in problem.axes)


def _merged(problem: Problem) -> Problem:
    """Tell apart only the levels that matter; an axis of two classes becomes a bit."""
    for at in range(len(problem.axes)):
        axis = problem.axes[at]
        classes = level_classes(problem, at)
        if len(classes) == len(axis) and (len(axis) > 2 or axis.is_bit):
            continue
        position = np.zeros(len(axis), dtype=np.int64)
        for label, positions in enumerate(classes):
            position[positions] = label
        if len(classes) == 2:
            bits = [members(axis, frozenset(positions)) for positions in classes]
            one = 0 if reading(bits[0]) < reading(bits[1]) else 1
            new = Axis(bits[one], BIT)
            position = position if one else 1 - position
        else:
            groups = tuple(
                tuple(sorted(v for i in positions for v in axis.groups[i])) for positions in classes
            )
            new = Axis(axis.expr, groups)
        places = problem.positions()
        places[at] = position[places[at]]
        axes = (*problem.axes[:at], new, *problem.axes[at + 1 :])
        smaller = problem.quotient(axes, places)
        assert smaller is not None
        problem = smaller
    return problem


def _lookup(problem: Problem) -> Expr:
    values: tuple[int, ...] = tuple(problem.filled.ravel().tolist())
    args: list[Expr] = []
    levels: list[tuple[int, ...]] = []
    for axis in problem.axes:
        if axis.is_numeric:
            args.append(axis.expr)
            levels.append(tuple(int(n) for n in axis.numbers))
        else:
            labels = [(label, members(axis, frozenset((label,)))) for label in range(1, len(axis))]
            args.append(linear(labels))
            levels.append(tuple(range(len(axis))))
    return Lookup(values, tuple(args), tuple(levels))
