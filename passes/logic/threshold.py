"""Linear threshold functions with small integer weights, exactly.

The weights solve the linear programme of Muroga ("Threshold Logic and Its Applications", 1971):
least total weight such that every true point outweighs every false one. Its dual is solved by
the revised simplex method in rational arithmetic; a column is generated from the most violated
point of the table, so the programme is never written out. Equal variables share one weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from .build import at_least, compare, invert, linear
from .expr import Const, Expr, Threshold
from .strategy import Solver
from .table import Ints, Problem

_MOST_AXES = 24
_PIVOTS_PER_CLASS = 40
_LARGEST_WEIGHT = 1 << 12


@dataclass(frozen=True)
class _Oriented:
    """Hold a problem whose axes all push the function upwards, in classes of equal weight."""

    problem: Problem
    signs: list[int]
    columns: list[Ints]  # open grid of non-negative values, by class
    owner: list[int]  # the class of each axis


def thresholds(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the function as one weighted comparison, if it is a linear threshold function."""
    weights = separating_weights(problem, solver)
    if weights is None:
        return
    rank = len(problem.axes)
    score = sum(
        (w * column for w, column in zip(weights, problem.grid(), strict=True)),
        np.zeros((1,) * rank, dtype=np.int64),
    )
    score = np.broadcast_to(score, problem.values.shape)
    lowest_true, highest_false = int(score[problem.on].min()), int(score[problem.off].max())
    if lowest_true <= highest_false:
        return
    yield from _written(problem, weights, highest_false, lowest_true)


def separating_weights(problem: Problem, solver: Solver) -> list[int] | None:
    """Return small integer weights by axis that separate the true from the false points."""
    rank = len(problem.axes)
    if not (problem.all_numeric and 1 < rank <= _MOST_AXES):
        return None
    if len(problem.outputs) < 2 or not solver.affords(problem.size * rank * 4):
        return None
    oriented = _orient(problem)
    found = _separate(oriented, solver) if oriented is not None else None
    if oriented is None or found is None:
        return None
    return [found[own] * sign for own, sign in zip(oriented.owner, oriented.signs, strict=True)]


def _written(problem: Problem, weights: list[int], below: int, bound: int) -> Iterator[Expr]:
    exprs = [axis.expr for axis in problem.axes]
    terms = [(w, e) for w, e in zip(weights, exprs, strict=True) if w]
    negative = [-w for w, _ in terms if w < 0]
    sizes = tuple(abs(w) for w, _ in terms)
    if problem.all_bits and set(sizes) == {1}:
        yield at_least(bound + sum(negative), tuple(e if w > 0 else invert(e) for w, e in terms))
    if problem.all_bits and not negative:
        yield Threshold(bound, tuple(e for _, e in terms), sizes)
    leaves = sum(len(term.operands) or 1 for _, term in terms)
    one_sided = problem.all_bits and min(len(negative), len(terms) - len(negative)) == 1
    if one_sided or (
        leaves < 4 and all(axis.is_bit or axis.expr.operands for axis in problem.axes)
    ):
        return  # logic says it better than an inequality of so few bits
    # Any bound in (below, bound] separates; comparing with zero reads best.
    for choice in (
        bound,
        below + 1,
        *((0,) if below < 0 <= bound else ()),
        *((1,) if below < 1 <= bound else ()),
    ):
        yield compare("ge", linear(terms), Const(choice))


def _orient(problem: Problem) -> _Oriented | None:
    """Turn every axis upwards, or return None where the function is not monotone in one."""
    signs: list[int] = []
    influence: list[tuple[int, int]] = []
    for at in range(len(problem.axes)):
        first = problem.on.take(range(len(problem.axes[at]) - 1), at)
        later = problem.on.take(range(1, len(problem.axes[at])), at)
        first_off = problem.off.take(range(len(problem.axes[at]) - 1), at)
        later_off = problem.off.take(range(1, len(problem.axes[at])), at)
        rises, falls = int((first_off & later).sum()), int((first & later_off).sum())
        if rises and falls:
            return None
        signs.append(-1 if falls else 1)
        influence.append((rises + falls, len(problem.axes[at])))
    return _grouped(problem, signs, influence)


def _grouped(problem: Problem, signs: list[int], influence: list[tuple[int, int]]) -> _Oriented:
    """Give equally influential axes one weight (exact without don't-cares: Chow parameters)."""
    keys: list[tuple[object, ...]] = []
    columns: list[Ints] = []
    for at, (axis, column) in enumerate(zip(problem.axes, problem.grid(), strict=True)):
        up = column - column.min() if signs[at] > 0 else column.max() - column
        label = influence[at] if problem.full else (at,)
        keys.append((label, tuple(np.sort(up.ravel()).tolist()), len(axis)))
        columns.append(up)
    classes = list(dict.fromkeys(keys))
    owner = [classes.index(key) for key in keys]
    sums = [
        sum(
            (column for column, mine in zip(columns, owner, strict=True) if mine == own),
            np.zeros((1,) * len(columns), dtype=np.int64),
        )
        for own in range(len(classes))
    ]
    return _Oriented(problem, signs, sums, owner)


def _scores(oriented: _Oriented, weights: list[int]) -> Ints:
    total: Ints = np.zeros((1,) * len(oriented.problem.axes), dtype=np.int64)
    for weight, column in zip(weights, oriented.columns, strict=True):
        total = total + weight * column
    return np.broadcast_to(total, oriented.problem.values.shape)


def _separate(oriented: _Oriented, solver: Solver) -> list[int] | None:
    """Find non-negative integer weights by class, or None where there are none (or no budget)."""
    problem, classes = oriented.problem, len(oriented.columns)
    on, off = problem.on, problem.off
    sizes = [oriented.owner.count(own) for own in range(classes)]
    basis = _Basis([Fraction(size) for size in sizes] + [Fraction(1, 64)])
    for _ in range(_PIVOTS_PER_CLASS * classes + _PIVOTS_PER_CLASS):
        if not solver.affords(problem.size * (classes + 4) + 1000 * classes * (classes + 20)):
            return None
        if not basis.make_non_negative():
            return None
        scale = lcm(*(w.denominator for w in basis.prices))
        scaled = [int(w * scale) for w in basis.prices]
        if max(scaled) > 1 << 40:
            return None
        score = _scores(oriented, scaled[:-1])
        lowest = np.where(on, score, np.iinfo(np.int64).max)
        highest = np.where(off, score, np.iinfo(np.int64).min)
        true, false = int(lowest.argmin()), int(highest.argmax())
        slack_true = int(lowest.flat[true]) - scaled[-1]
        slack_false = scaled[-1] - scale - int(highest.flat[false])
        if slack_true >= 0 and slack_false >= 0:
            return _shrunk(oriented, scaled[:-1])
        index, sign = (true, 1) if slack_true <= slack_false else (false, -1)
        at = np.unravel_index(index, problem.values.shape)
        point = [int(np.broadcast_to(c, problem.values.shape)[at]) for c in oriented.columns]
        column = [Fraction(sign * x) for x in point] + [Fraction(-sign)]
        if not basis.enter(column, Fraction(sign < 0)):
            return None
    return None


class _Basis:
    """Hold a basis of `max b*y, A^T y <= c, y >= 0`; its prices are the primal weights."""

    def __init__(self, bounds: list[Fraction]) -> None:
        size = len(bounds)
        self._level = list(bounds)
        self._inverse = [[Fraction(i == j) for j in range(size)] for i in range(size)]
        self.prices = [Fraction(0)] * size

    def make_non_negative(self) -> bool:
        """Bring slack columns in until no price is negative."""
        size = len(self.prices)
        for _ in range(size * size):
            worst = min(range(size), key=self.prices.__getitem__)
            if self.prices[worst] >= 0:
                return True
            unit = [Fraction(i == worst) for i in range(size)]
            if not self.enter(unit, Fraction(0)):
                return False
        return False

    def enter(self, column: list[Fraction], gain: Fraction) -> bool:
        """Bring a violated constraint into the basis; False: the programme has no solution."""
        size = len(column)
        step = [
            sum((r * c for r, c in zip(row, column, strict=True) if r and c), Fraction(0))
            for row in self._inverse
        ]
        rows = [i for i in range(size) if step[i] > 0]
        if not rows:
            return False
        out = min(rows, key=lambda i: (self._level[i] / step[i], i))
        reduced = gain - sum((p * c for p, c in zip(self.prices, column, strict=True)), Fraction(0))
        pivot = [value / step[out] for value in self._inverse[out]]
        level = self._level[out] / step[out]
        for i in range(size):
            if i != out and step[i]:
                self._inverse[i] = [
                    a - step[i] * b for a, b in zip(self._inverse[i], pivot, strict=True)
                ]
                self._level[i] -= step[i] * level
        self._inverse[out], self._level[out] = pivot, level
        self.prices = [p + reduced * v for p, v in zip(self.prices, pivot, strict=True)]
        return True


def _shrunk(oriented: _Oriented, weights: list[int]) -> list[int] | None:
    """Find the smallest proportional integer weights that still separate."""
    largest = max(weights)
    tries = min(largest, max(64, (1 << 22) // oriented.problem.size))
    for size in range(1, tries + 1):
        rounded = [(2 * w * size + largest) // (2 * largest) for w in weights]
        if _separates(oriented, rounded):
            return rounded
    return weights if largest <= _LARGEST_WEIGHT and _separates(oriented, weights) else None


def _separates(oriented: _Oriented, weights: list[int]) -> bool:
    score = _scores(oriented, weights)
    return bool(score[oriented.problem.on].min() > score[oriented.problem.off].max())
