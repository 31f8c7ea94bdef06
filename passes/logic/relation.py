"""Conjunctions and disjunctions of relations between few numbers: orders, equalities, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import combinations, product
from math import prod

import numpy as np

from .build import compare, conjoin, invert, linear, opened
from .cost import cost
from .expr import Const, Expr
from .predicate import members
from .strategy import Solver
from .table import Axis, Bits, Ints, Problem, any_over, open_grid, spread

_MOST_AXES = 24
_MOST_ATOMS = 600
_LONGEST = 12
_SAMPLE = 2048  # points of the off-set
_ROUNDS = 20
_TRIPLES_UP_TO = 5  # axes

_WEIGHTS = ((1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2))

Atom = tuple[Expr, int, Bits]  # the relation, its cost, and where it holds (broadcastable)


def relations(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the function, or its complement, as a conjunction of relations that it implies."""
    rank = len(problem.axes)
    if rank < 2 or rank > _MOST_AXES or (problem.all_bits and rank < 4):
        return
    for one, negate in ((problem, False), (problem.inverted(), True)):
        if not solver.affords(problem.size * rank * rank // 2 + 100_000):
            return
        found = _conjunction(one)
        if found is not None:
            yield invert(found) if negate else found


def sums_and_differences(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the function over the sum or the difference of two axes, where that determines it."""
    numeric = [at for at, axis in enumerate(problem.axes) if axis.is_numeric]
    for i, j in combinations(numeric, 2):
        if min(len(problem.axes[at]) for at in (i, j)) == 2 and problem.size < 12:
            continue
        if problem.axes[i].is_bit and problem.axes[j].is_bit:
            continue
        with_bit = problem.axes[i].is_bit or problem.axes[j].is_bit
        for weights in _WEIGHTS[: 2 if with_bit else None]:
            if not solver.affords(problem.size * 4):
                return
            smaller = _over_form(problem, (i, j), weights)
            if smaller is not None and smaller.size < problem.size:
                yield solver.solve(smaller)
                return


def _over_form(problem: Problem, pair: tuple[int, int], weights: tuple[int, int]) -> Problem | None:
    positions = problem.positions()
    free = [at for at in range(len(problem.axes)) if at not in pair]
    form: Ints = np.zeros((1,) * len(problem.axes), dtype=np.int64)
    for at, weight in zip(pair, weights, strict=True):
        form = form + weight * problem.axes[at].numbers[positions[at]]
    levels, place = np.unique(form, return_inverse=True)
    expr = linear(
        term
        for at, weight in zip(pair, weights, strict=True)
        for term in opened(weight, problem.axes[at].expr)
    )
    axis = Axis(expr, tuple((int(level),) for level in levels))
    axes = [*(problem.axes[at] for at in free), axis]
    return problem.quotient(axes, [*(positions[at] for at in free), place.reshape(form.shape)])


def _conjunction(problem: Problem) -> Expr | None:
    atoms = list(_implied(problem))
    if not 0 < len(atoms) <= _MOST_ATOMS:
        return None
    # Choose on a sample of the off-set; add a point that the choice lets through, and repeat.
    points = np.flatnonzero(problem.off)
    sample = spread(points, _SAMPLE)
    for _ in range(_ROUNDS):
        chosen = _choose(atoms, np.unravel_index(sample, problem.values.shape))
        if chosen is None or len(chosen) > _LONGEST:
            return None
        holds = atoms[chosen[0]][2]
        for i in chosen[1:]:
            holds = holds & atoms[i][2]
        wrong = np.flatnonzero(np.broadcast_to(holds, problem.values.shape) & problem.off)
        if not len(wrong):
            return conjoin(atoms[i][0] for i in chosen)
        sample = np.append(sample, spread(wrong, 16))
    return None


def _choose(atoms: list[Atom], points: tuple[Ints, ...]) -> list[int] | None:
    """Choose atoms of small cost such that one of them excludes each point."""
    excluded = np.stack(
        [
            ~holds[tuple(p if n > 1 else 0 * p for p, n in zip(points, holds.shape, strict=True))]
            for _, _, holds in atoms
        ]
    )
    if not excluded.any(0).all():
        return None
    prices = np.array([price for _, price, _ in atoms])
    chosen: list[int] = []
    left = np.ones(excluded.shape[1], dtype=np.bool_)
    while left.any():
        best = int((excluded[:, left].sum(1) / (prices + 1)).argmax())
        chosen.append(best)
        left &= ~excluded[best]
    for i in sorted(chosen, key=lambda i: -int(prices[i])):
        others = [j for j in chosen if j != i]
        if others and excluded[others].any(0).all():
            chosen = others
    return sorted(chosen)


def _implied(problem: Problem) -> Iterator[Atom]:
    """List relations on one, two or three axes that hold wherever the function does."""
    rank = len(problem.axes)
    positions = problem.positions()
    points = np.flatnonzero(problem.on)
    sample = np.unravel_index(spread(points, _SAMPLE), problem.values.shape)
    for at, axis in enumerate(problem.axes):
        if len(np.unique(sample[at])) == len(axis):
            continue
        others = tuple(i for i in range(rank) if i != at)
        allowed = any_over(problem.on, others)
        if not allowed.all():
            expr = members(axis, frozenset(map(int, np.flatnonzero(allowed))))
            yield expr, cost(expr), allowed[positions[at]]
    for chosen in _tuples(problem):
        if _all_seen([sample[at] for at in chosen], [len(problem.axes[at]) for at in chosen]):
            continue
        seen = any_over(problem.on, tuple(at for at in range(rank) if at not in chosen))
        axes = [problem.axes[at] for at in chosen]
        shape = [len(axis) if at in chosen else 1 for at, axis in enumerate(problem.axes)]
        for signs in product((1,), *[(-1, 1)] * (len(chosen) - 1)):
            grid = open_grid([sign * axis.numbers for sign, axis in zip(signs, axes, strict=True)])
            form = reduce(np.add, grid)
            terms = linear((sign, axis.expr) for sign, axis in zip(signs, axes, strict=True))
            for expr, holds in _bounds(terms, form, seen, all(axis.is_bit for axis in axes)):
                yield expr, cost(expr), holds.reshape(shape)


def _tuples(problem: Problem) -> Iterator[tuple[int, ...]]:
    """List the pairs, and among few axes of many levels the triples, that may be related."""
    axes = problem.axes
    numeric = [at for at, axis in enumerate(axes) if axis.is_numeric]
    yield from (
        p for p in combinations(numeric, 2) if not _bit_against_sum(*(axes[at] for at in p))
    )
    many = [at for at in numeric if len(axes[at]) > 2]
    if len(many) <= _TRIPLES_UP_TO:
        yield from combinations(many, 3)


def _bit_against_sum(one: Axis, other: Axis) -> bool:
    """Say whether one axis is a bit and the other a count, which logic relates better."""
    return one.is_bit != other.is_bit and bool(one.expr.operands or other.expr.operands)


def _all_seen(columns: list[Ints], lengths: list[int]) -> bool:
    return len(np.unique(np.ravel_multi_index(columns, lengths))) == prod(lengths)


def _bounds(terms: Expr, form: Ints, seen: Bits, both_bits: bool) -> Iterator[tuple[Expr, Bits]]:
    """List bounds, equalities and inequalities of a form that hold wherever `seen`."""
    values = np.unique(form[seen])
    low, high = int(values[0]), int(values[-1])
    if low == high:
        if not both_bits or low == int(form.max() + form.min()) // 2:
            yield compare("eq", terms, Const(low)), form == low
        return
    for missing in np.setdiff1d(np.unique(form), values):
        if low < missing < high:
            yield compare("ne", terms, Const(int(missing))), form != missing
    if not both_bits:  # logic says it better
        if low > form.min():
            yield compare("ge", terms, Const(low)), form >= low
        if high < form.max():
            yield compare("le", terms, Const(high)), form <= high
