"""Functions whose outputs are not bits: linear forms, remainders, quotients, clamps, extremes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .build import linear, maximum, minimum, modulo, opened, quotient, select
from .expr import Const, Expr
from .strategy import Solver, Strategy
from .table import Axis, Bits, Ints, Problem, spread
from .threshold import separating_weights

_LARGEST_DIVISOR = 64
_FIT_POINTS = 256
_LARGEST_COEFFICIENT = 1 << 20


def two_valued(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a bit, scaled or chosen by, where there are only two outputs."""
    if len(problem.outputs) == 2:
        low, high = problem.outputs
        bit = solver.solve(problem.with_values(problem.values == high))
        yield linear([(high - low, bit)], low)
        yield select(bit, Const(high), Const(low))


def linear_forms(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer an exact integer linear form of the axes."""
    if problem.all_numeric and solver.affords(problem.size * 4):
        fitted = _fit(problem, problem.care)
        if fitted is not None:
            yield _form(problem, *fitted)


def clamped_forms(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a linear form clamped at the least, the greatest or both outputs."""
    if not problem.all_numeric or len(problem.outputs) < 3 or not solver.affords(problem.size * 16):
        return
    low, high = problem.outputs[0], problem.outputs[-1]
    for use_low, use_high in ((True, False), (False, True), (True, True)):
        inside = problem.care.copy()
        if use_low:
            inside &= problem.values > low
        if use_high:
            inside &= problem.values < high
        if len(problem.axes) == 1:
            inside = _with_corners(inside) & problem.care
        fitted = _fit(problem, inside)
        if fitted is None:
            continue
        values = _evaluated(problem, *fitted)
        form = _form(problem, *fitted)
        if use_low:
            values, form = np.maximum(values, low), maximum((form, Const(low)))
        if use_high:
            values, form = np.minimum(values, high), minimum((form, Const(high)))
        if (values == problem.values)[problem.care].all():
            yield form


def _with_corners(inside: Bits) -> Bits:
    """Add the last entry before and the first entry after a run: a clamp is linear up to there."""
    wider = inside.copy()
    wider[:-1] |= inside[1:]
    wider[1:] |= inside[:-1]
    return wider


def remainders(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a linear form modulo a small number."""
    if not problem.all_numeric or problem.outputs[0] < 0:
        return
    least = problem.outputs[-1] + 1
    # A bit must stay one where nobody cares too, so only parity serves for logic.
    most = 2 if problem.is_logic else min(least + 4, _LARGEST_DIVISOR)
    for k in range(max(2, least), most + 1):
        if not solver.affords(problem.size * 4):
            return
        fitted = _fit_modulo(problem, k)
        if fitted is not None:
            yield modulo(_form(problem, *fitted), k)
            return


def quotients(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a linear form of one axis, divided by a small number and reduced by another."""
    if len(problem.axes) != 1 or not problem.all_numeric or len(problem.outputs) < 2:
        return
    numbers = problem.axes[0].numbers
    spread = int(numbers.max() - numbers.min()) + 1
    for divisor in range(2, min(spread, _LARGEST_DIVISOR) + 1):
        for offset in range(1 if problem.is_logic else divisor):  # a bit: true periods only
            if not solver.affords(problem.size + 50_000):
                return
            whole = (numbers + offset) // divisor
            steps = np.unique(whole)
            axis = problem.axes[0]
            position = np.searchsorted(steps, whole)
            groups = tuple((int(step),) for step in steps)
            divided = quotient(linear([(1, axis.expr)], offset), divisor)
            over = problem.quotient([Axis(divided, groups)], [position])
            if over is None or not solver.affords(1_000_000):
                continue
            for strategy in (remainders,) if problem.is_logic else _AFTER_DIVISION:
                yield from strategy(over, solver)


_AFTER_DIVISION: tuple[Strategy, ...] = (linear_forms, remainders, clamped_forms)


def along_index(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer a function of the weighted sum that decides whether the output is high or low."""
    if len(problem.axes) < 2 or len(problem.outputs) < 3 or not problem.all_numeric:
        return
    middle = problem.outputs[len(problem.outputs) // 2]
    weights = separating_weights(problem.with_values(problem.values >= middle), solver)
    if weights is None:
        return
    index = np.ascontiguousarray(_evaluated(problem, weights, 0))
    levels, place = np.unique(index, return_inverse=True)
    axis = Axis(_form(problem, weights, 0), tuple((int(level),) for level in levels))
    over = problem.quotient([axis], [place.reshape(index.shape)])
    if over is not None:
        yield solver.solve(over)


def extremes(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the least or greatest of axes and constants."""
    if not problem.all_numeric or not solver.affords(problem.size * 2 * len(problem.axes)):
        return
    grid, exprs = problem.grid(), [axis.expr for axis in problem.axes]
    low, high = problem.outputs[0], problem.outputs[-1]
    for fold, build, edge in ((np.minimum, minimum, high), (np.maximum, maximum, low)):
        values: Ints = np.asarray(grid[0])
        for column in grid[1:]:
            values = fold(values, column)
        values = np.broadcast_to(values, problem.values.shape)
        if (values == problem.values)[problem.care].all():
            yield build(exprs)
        elif (fold(values, edge) == problem.values)[problem.care].all():
            yield build([*exprs, Const(edge)])


def bends(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the greatest or least of two linear forms of one axis: distances, tents."""
    if len(problem.axes) != 1 or not problem.all_numeric or len(problem.outputs) < 3:
        return
    numbers, at = problem.axes[0].numbers, np.flatnonzero(problem.care)
    if len(at) < 4 or not solver.affords(problem.size):
        return
    ends: list[tuple[list[int], int]] = []
    for first, second in ((at[0], at[1]), (at[-2], at[-1])):
        rise = int(problem.values[second] - problem.values[first])
        run = int(numbers[second] - numbers[first])
        if rise % run:
            return
        ends.append(([rise // run], int(problem.values[first] - rise // run * numbers[first])))
    values = [_evaluated(problem, *end) for end in ends]
    forms = [_form(problem, *end) for end in ends]
    for fold, build in ((np.maximum, maximum), (np.minimum, minimum)):
        if (fold(*values) == problem.values)[problem.care].all():
            yield build(forms)


def _form(problem: Problem, weights: list[int], const: int) -> Expr:
    exprs = [axis.expr for axis in problem.axes]
    if len(exprs) == 1 and abs(weights[0]) == 1:
        return linear(opened(weights[0], exprs[0]), const)
    return linear(zip(weights, exprs, strict=True), const)


def _evaluated(problem: Problem, weights: list[int], const: int) -> Ints:
    total: Ints = np.full((1,) * len(problem.axes), const, dtype=np.int64)
    for weight, column in zip(weights, problem.grid(), strict=True):
        total = total + weight * column
    return np.broadcast_to(total, problem.values.shape)


def _fit(problem: Problem, where: np.ndarray) -> tuple[list[int], int] | None:
    """Fit an integer linear form to the values at these entries by least squares, rounded."""
    at = spread(np.flatnonzero(where), _FIT_POINTS)
    if len(at) < 2:
        return None
    points = np.unravel_index(at, problem.values.shape)
    columns = [axis.numbers[p] for axis, p in zip(problem.axes, points, strict=True)]
    matrix = np.stack([*columns, np.ones(len(at), dtype=np.int64)], axis=1)
    wanted = problem.values[points]
    solution = np.linalg.lstsq(matrix.astype(np.float64), wanted.astype(np.float64), rcond=None)[0]
    rounded = np.rint(solution)
    if not np.isfinite(rounded).all() or (np.abs(rounded) > _LARGEST_COEFFICIENT).any():
        return None
    weights = [int(w) for w in rounded]
    fitted = weights[:-1], weights[-1]
    if not (_evaluated(problem, *fitted) == problem.values)[where].all():
        return None
    return fitted


def _fit_modulo(problem: Problem, k: int) -> tuple[list[int], int] | None:
    """Fit a linear form modulo k from differences between neighbouring entries."""
    rank = len(problem.axes)
    weights: list[int] = []
    for at, axis in enumerate(problem.axes):
        steps = np.diff(axis.numbers)
        known = np.diff(problem.values, axis=at) % k
        both = problem.care.take(range(1, len(axis)), at) & problem.care.take(
            range(len(axis) - 1), at
        )
        options = [
            w
            for w in sorted(range(-(k - 1) // 2, k // 2 + 1), key=lambda w: (abs(w), -w))
            if (
                (
                    (known - (w * steps).reshape([-1 if i == at else 1 for i in range(rank)])) % k
                    == 0
                )
                | ~both
            ).all()
        ]
        if not options:
            return None
        weights.append(options[0])
    first = np.unravel_index(int(problem.care.argmax()), problem.values.shape)
    base = np.broadcast_to(_evaluated(problem, weights, 0), problem.values.shape)[first]
    const = int(problem.values[first] - base) % k
    if not (_evaluated(problem, weights, const) % k == problem.values)[problem.care].all():
        return None
    return weights, const
