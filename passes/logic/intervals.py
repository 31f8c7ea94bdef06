"""Regions of one number whose ends follow the other axes: `low(a) <= b <= high(a)`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .build import compare, conjoin, invert
from .expr import Expr
from .strategy import Solver
from .table import Axis, Ints, Problem

_FEWEST_LEVELS = 8  # of the number that is bounded; shorter axes are told level by level
_MOST_ENDS = 1 << 10  # entries of the function that gives an end


def intervals(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer bounds of one axis by functions of the others, where the on- or off-set is such."""
    if len(problem.axes) < 2 or not problem.full:
        return
    for at, axis in enumerate(problem.axes):
        rows = problem.size // len(axis)
        if not axis.is_numeric or len(axis) < _FEWEST_LEVELS or rows > _MOST_ENDS:
            continue
        for one, negate in ((problem, False), (problem.inverted(), True)):
            if not solver.affords(problem.size * 4):
                return
            found = _bounded(one, at, axis, solver)
            if found is not None:
                yield invert(found) if negate else found
                break


def _bounded(problem: Problem, at: int, axis: Axis, solver: Solver) -> Expr | None:
    on = np.moveaxis(problem.on, at, -1)
    top, count = len(axis) - 1, on.sum(-1)
    first, last = on.argmax(-1), top - on[..., ::-1].argmax(-1)
    empty = count == 0
    if ((last - first + 1 != count) & ~empty).any():
        return None
    rest = tuple(other for i, other in enumerate(problem.axes) if i != at)
    numbers = axis.numbers

    def end(values: Ints, needed: Ints) -> Expr:
        return solver.solve(Problem(rest, np.where(needed, values, 0), needed.astype(np.bool_)))

    always = np.ones_like(empty)
    above = ((last == top) | empty).all()  # no upper end
    if above:
        low = end(np.where(empty, numbers[top] + 1, numbers[first]), always)
        return compare("ge", axis.expr, low)
    below = ((first == 0) | empty).all()
    high = end(np.where(empty, numbers[0] - 1, numbers[last]), always if below else ~empty)
    if below:
        return compare("le", axis.expr, high)
    low = end(np.where(empty, numbers[top] + 1, numbers[first]), always)
    return conjoin((compare("ge", axis.expr, low), compare("le", axis.expr, high)))
