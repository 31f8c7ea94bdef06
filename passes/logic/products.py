"""Functions of the product, the remainder or the quotient of two numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement, permutations

import numpy as np

from .build import conjoin, linear
from .expr import Arithmetic, ArithmeticOp, Expr, Mod, topological
from .strategy import Solver
from .table import Axis, Ints, Problem, spread

_FEWEST_LEVELS = 3  # of a factor: a bit times a number is a choice
_MOST_AXES = 4  # of a quadratic form
_FIT_POINTS = 256
_MOST_TERMS = 24  # of a sum of products
_LARGEST = 1 << 16  # coefficient
_LARGEST_FACTOR = 1 << 20  # products with coefficients are exact in an int64


def quadratic_forms(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer an exact integer quadratic form of few axes."""
    rank = len(problem.axes)
    if rank > _MOST_AXES or not problem.all_numeric or len(problem.outputs) < 3:
        return
    wide = [_is_wide(axis) for axis in problem.axes]
    pairs = [
        (i, j) for i, j in combinations_with_replacement(range(rank), 2) if wide[i] and wide[j]
    ]
    at = spread(np.flatnonzero(problem.care), _FIT_POINTS)
    if not pairs or len(at) < rank + len(pairs) + 2 or not solver.affords(problem.size * 8):
        return
    grid = problem.grid()
    terms: list[Ints] = [*grid, *(grid[i] * grid[j] for i, j in pairs)]
    shape = problem.values.shape
    columns = [np.broadcast_to(term, shape).ravel()[at] for term in terms]
    matrix = np.stack([*columns, np.ones(len(at), dtype=np.int64)], axis=1).astype(np.float64)
    wanted = problem.values.ravel()[at].astype(np.float64)
    solution = np.rint(np.linalg.lstsq(matrix, wanted, rcond=None)[0])
    if not np.isfinite(solution).all() or (np.abs(solution) > _LARGEST).any():
        return
    *weights, const = (int(w) for w in solution)
    total: Ints = np.full((1,) * rank, const, dtype=np.int64)
    for weight, term in zip(weights, terms, strict=True):
        total = total + weight * term
    if not (np.broadcast_to(total, shape) == problem.values)[problem.care].all():
        return
    axes = [axis.expr for axis in problem.axes]
    exprs = [*axes, *(Arithmetic("mul", axes[i], axes[j]) for i, j in pairs)]
    yield linear(zip(weights, exprs, strict=True), const)


def sums_of_products(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a sum of conjunctions of bits (the multilinear polynomial), where it is short."""
    rank = len(problem.axes)
    if not problem.all_bits or not problem.full or not solver.affords(problem.size * rank):
        return
    terms = problem.values.copy()
    for at in range(rank):  # the Moebius transform
        along = np.moveaxis(terms, at, 0)
        along[1] -= along[0]
    places = np.argwhere(terms)
    if len(places) > min(_MOST_TERMS, problem.size // 4):
        return
    axes = [axis.expr for axis in problem.axes]
    parts = [
        (int(terms[tuple(place)]), conjoin(axes[k] for k in np.flatnonzero(place)))
        for place in places
        if place.any()
    ]
    yield linear(parts, int(terms[(0,) * rank]))


def products(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the function over `a * b`, `a % b` or `a // b` of two axes, where that determines it."""
    wide = [at for at, axis in enumerate(problem.axes) if _is_wide(axis)]
    for one, other in combinations(wide, 2):
        for op, left, right in _forms(problem, one, other):
            if not solver.affords(problem.size * 4):
                return
            smaller = _over(problem, op, left, right)
            if smaller is None or smaller.size >= problem.size:
                continue
            found = solver.solve(smaller)
            # What divides a product of two numbers is said of each of them.
            if not (problem.is_logic and op == "mul" and _has_remainder(found)):
                yield found


def _has_remainder(expr: Expr) -> bool:
    return any(isinstance(node, Mod) for node in topological((expr,)))


def _is_wide(axis: Axis) -> bool:
    if not axis.is_numeric or len(axis) < _FEWEST_LEVELS:
        return False
    return int(np.abs(axis.numbers).max()) <= _LARGEST_FACTOR


def _forms(problem: Problem, one: int, other: int) -> Iterator[tuple[ArithmeticOp, int, int]]:
    yield "mul", one, other
    for left, right in permutations((one, other)):
        if problem.axes[right].numbers.min() > 0:
            yield "mod", left, right
            yield "floordiv", left, right


def _over(problem: Problem, op: ArithmeticOp, left: int, right: int) -> Problem | None:
    """Return the problem with two axes as one, None where that does not determine it."""
    a, b = problem.grid_of(left), problem.grid_of(right)
    form: Ints = a * b if op == "mul" else a % b if op == "mod" else a // b
    levels, place = np.unique(form, return_inverse=True)
    expr = Arithmetic(op, problem.axes[left].expr, problem.axes[right].expr)
    axis = Axis(expr, tuple((int(level),) for level in levels))
    free = [at for at in range(len(problem.axes)) if at not in (left, right)]
    positions = problem.positions()
    axes = [*(problem.axes[at] for at in free), axis]
    return problem.quotient(axes, [*(positions[at] for at in free), place.reshape(form.shape)])
