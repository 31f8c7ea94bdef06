"""Functional decomposition: literals split off, disjoint supports, Shannon and Davio expansions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from .build import conjoin, disjoin, exclusive, invert, mux
from .expr import Expr, Not
from .predicate import members
from .strategy import Solver
from .table import BIT, Axis, Bits, Ints, Problem, any_over, compatible

_SUBSETS_UP_TO = 8  # axes: every bound set is tried up to here, only pairs and triples beyond
_BOUND_SET_WORK = 1 << 28  # bound sets tried, times entries
_SPLIT_LEVELS_UP_TO = 12  # levels of an axis: a longer chain of them is no explanation
_EXPAND_UP_TO = 9
_FULL_SEARCH_UP_TO = 5
_BEAM = 2


def split_literal(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer `x and g`, `x or g` or `x xor g` for the first bit x that fits: always worth it."""
    for at, axis in enumerate(problem.axes):
        if axis.is_bit:
            found = list(_settled(problem, at, solver))
            if found:
                yield from found
                return
    for at, axis in enumerate(problem.axes):
        split = _complementary(problem, at)
        if split is not None:
            flipped, rest = split
            yield exclusive((members(axis, flipped), solver.solve(rest)))
            return


def split_levels(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer `v in set and g` or `v in set or g` for every many-valued axis v that fits."""
    for at, axis in enumerate(problem.axes):
        if 2 < len(axis) <= _SPLIT_LEVELS_UP_TO and solver.affords(problem.size * 4):
            yield from _settled(problem, at, solver)


def _settled(problem: Problem, at: int, solver: Solver) -> Iterator[Expr]:
    axis = problem.axes[at]
    never = [i for i in range(len(axis)) if not problem.on.take(i, at).any()]
    always = [i for i in range(len(axis)) if not problem.off.take(i, at).any()]
    for settled, join in ((never, conjoin), (always, disjoin)):
        if settled:
            left = [i for i in range(len(axis)) if i not in settled]
            literal = members(axis, frozenset(left if join is conjoin else settled))
            yield join((literal, solver.solve(problem.ignoring(at, settled))))


def _complementary(problem: Problem, at: int) -> tuple[frozenset[int], Problem] | None:
    """Find the positions of an axis at which the function is the complement of the others."""
    first = problem.at(at, 0)
    values, care = first.values, first.care
    flipped: set[int] = set()
    for i in range(1, len(problem.axes[at])):
        part = problem.at(at, i)
        if compatible(values, care, part.values, part.care):
            new = part.values
        elif compatible(values, care, 1 - part.values, part.care):
            flipped.add(i)
            new = 1 - part.values
        else:
            return None
        values, care = np.where(care, values, new), care | part.care
    return frozenset(flipped), first.with_values(values, care)


def disjoint(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer h(A, g(B)) for the first sets A, B without a common axis that allow a bit g."""
    rank = len(problem.axes)
    largest = rank - 1 if rank <= _SUBSETS_UP_TO else 3
    left = _BOUND_SET_WORK // problem.size
    for length in range(2, largest + 1):
        for bound in combinations(range(rank), length):
            left -= 1
            if left < 0 or not solver.affords(problem.size * 2 + 10_000):
                return
            classes = _columns(problem, bound)
            if classes is None:
                continue
            inner = Problem(tuple(problem.axes[at] for at in bound), *classes)
            yield solver.solve(_outer(problem, bound, classes[0], solver.solve(inner)))
            return


def _columns(problem: Problem, bound: tuple[int, ...]) -> tuple[Ints, Bits] | None:
    """Sort the assignments of the bound set into two classes, if two are enough."""
    values = np.moveaxis(problem.values, bound, range(len(bound)))
    care = np.moveaxis(problem.care, bound, range(len(bound)))
    shape = values.shape[: len(bound)]
    count = int(np.prod(shape))
    rows, cares = values.reshape(count, -1), care.reshape(count, -1)
    labels = np.zeros(count, dtype=np.int64)
    known: list[tuple[Ints, Bits]] = []
    for i in range(count):
        for label, (row, row_care) in enumerate(known):
            if compatible(row, row_care, rows[i], cares[i]):
                labels[i] = label
                if not problem.full:
                    known[label] = np.where(row_care, row, rows[i]), row_care | cares[i]
                break
        else:
            if len(known) == 2:
                return None
            labels[i] = len(known)
            known.append((rows[i], cares[i]))
    return np.reshape(labels, shape), np.reshape(any_over(cares, (1,)), shape)


def _outer(problem: Problem, bound: tuple[int, ...], labels: Ints, inner: Expr) -> Problem:
    """Replace the bound axes by one bit axis."""
    free = [at for at in range(len(problem.axes)) if at not in bound]
    if isinstance(inner, Not):  # count the complement as the bit: one negation less
        inner, labels = invert(inner), 1 - labels
    positions = problem.positions()
    shape = [len(axis) if at in bound else 1 for at, axis in enumerate(problem.axes)]
    outer = problem.quotient(
        (*(problem.axes[at] for at in free), Axis(inner, BIT)),
        [*(positions[at] for at in free), labels.reshape(shape)],
    )
    assert outer is not None
    return outer


def selections(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a choice by one bit between functions of the others."""
    for at, axis in enumerate(problem.axes):
        yield mux(axis.expr, solver.solve(problem.at(at, 1)), solver.solve(problem.at(at, 0)))


def expansions(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer Shannon and both Davio expansions on every bit axis, or on the most promising."""
    rank = len(problem.axes)
    if rank > _EXPAND_UP_TO:
        return
    bits = [at for at, axis in enumerate(problem.axes) if axis.is_bit]
    if rank > _FULL_SEARCH_UP_TO:
        bits = sorted(bits, key=lambda at: _difficulty(problem, at))[:_BEAM]
    for at in bits:
        if not solver.affords(problem.size * 40):
            return
        low, high = problem.at(at, 0), problem.at(at, 1)
        x, if_low, if_high = problem.axes[at].expr, solver.solve(low), solver.solve(high)
        yield mux(x, if_high, if_low)
        yield from _around_common(x, low, high, solver)
        if not problem.full:
            continue
        change = solver.solve(low.with_values(low.values ^ high.values))
        yield exclusive((if_low, conjoin((x, change))))
        yield exclusive((if_high, conjoin((invert(x), change))))


def _around_common(x: Expr, low: Problem, high: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer `common or (high' if x else low')`, where the common part frees both, and its dual."""
    for join, settled in ((disjoin, 1), (conjoin, 0)):
        shared = (low.values == settled) & (high.values == settled) & low.care & high.care
        if not shared.any():
            continue
        common = low.with_values(np.where(shared, settled, 1 - settled), low.care | high.care)
        rest = [
            solver.solve(part.with_values(part.values, part.care & ~shared)) for part in (low, high)
        ]
        yield join((solver.solve(common), mux(x, rest[1], rest[0])))


def _difficulty(problem: Problem, at: int) -> int:
    """Estimate the size of both cofactors by their distinct second cofactors."""
    total = 0
    for i in range(2):
        part = problem.at(at, i)
        for other, axis in enumerate(part.axes):
            total += len({part.values.take(j, other).tobytes() for j in range(len(axis))})
    return total
