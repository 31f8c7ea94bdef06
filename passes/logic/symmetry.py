"""Classes of interchangeable variables, and functions written over their counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from .build import invert, linear
from .expr import Compare, Const, Expr
from .strategy import Solver
from .table import Axis, Ints, Problem, compatible, spread_positions

Member = tuple[int, bool]  # axis, and whether its values count backwards
Class = list[Member]

_SAMPLED_FROM = 1 << 14
_SAMPLE = 1024


def counts(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the function over the counts (or sums) of its classes of interchangeable axes."""
    if not solver.affords(problem.size * len(problem.axes) * 4):
        return
    classes = symmetry_classes(problem)
    large = [members for members in classes if len(members) > 2]
    several = [members for members in classes if len(members) > 1]
    tried: list[list[Class]] = []
    for chosen in (several, large):
        if chosen and chosen not in tried and (large or len(problem.axes) > 3):
            tried.append(chosen)
            for written in (_over_sums, _over_level_counts):
                counted = written(problem, chosen)
                if counted is not None and counted.size < problem.size:
                    yield solver.solve(counted)
                    break


def symmetry_classes(problem: Problem) -> list[Class]:
    """Partition the axes into classes of interchangeable ones, also up to reversal.

    Each axis is compared with one representative of each class. With don't-cares the classes
    are a guess: the caller verifies them when it writes the function over sums.
    """
    classes: list[Class] = []
    for at, axis in enumerate(problem.axes):
        for members in classes:
            first = members[0][0]
            if not _same_levels(problem.axes[first], axis):
                continue
            backwards = _interchangeable(problem, first, at)
            if backwards is not None:
                members.append((at, backwards))
                break
        else:
            classes.append([(at, False)])
    return classes


def _same_levels(one: Axis, other: Axis) -> bool:
    return one.is_numeric and one.groups == other.groups


def _interchangeable(problem: Problem, i: int, j: int) -> bool | None:
    """Say whether swapping two axes (True: one of them reversed) keeps the function."""
    values, care = problem.values, problem.care
    for backwards in (False, True):
        if not _agrees_on_sample(problem, i, j, backwards):
            continue
        if backwards and not _evenly_spaced(problem.axes[j].numbers):
            break
        turned = np.flip(values, j) if backwards else values
        turned_care = np.flip(care, j) if backwards else care
        if compatible(turned, turned_care, turned.swapaxes(i, j), turned_care.swapaxes(i, j)):
            return backwards
    return None


def _agrees_on_sample(problem: Problem, i: int, j: int, backwards: bool) -> bool:
    """Compare a few entries first: most pairs of a large table differ on them."""
    if problem.size < _SAMPLED_FROM:
        return True
    at = spread_positions(problem.size, _SAMPLE)
    points = list(np.unravel_index(at, problem.values.shape))
    last = len(problem.axes[j]) - 1
    swapped = [*points]
    swapped[i], swapped[j] = (
        (last - points[j], last - points[i]) if backwards else (points[j], points[i])
    )
    one, other = tuple(points), tuple(swapped)
    return compatible(
        problem.values[one], problem.care[one], problem.values[other], problem.care[other]
    )


def _evenly_spaced(numbers: Ints) -> bool:
    return bool((numbers + numbers[::-1] == numbers[0] + numbers[-1]).all())


def _over_sums(problem: Problem, classes: list[Class]) -> Problem | None:
    """Replace each class by one axis that holds the sum of its members."""
    axes, places = _uncounted(problem, classes)
    for members in classes:
        total: Ints = np.zeros((1,) * len(problem.axes), dtype=np.int64)
        terms: list[tuple[int, Expr]] = []
        turned = [back for _, back in members]
        # One bit that counts against several others reads better negated.
        bits = len(members) > 2 and problem.axes[members[0][0]].is_bit
        negate = bits and min(sum(turned), turned.count(False)) == 1
        fewer = negate and sum(turned) > 1
        for at, back in members:
            column = problem.grid_of(at)
            if negate:
                back ^= fewer
                total = total + (1 - column if back else column)
                terms.append((1, invert(problem.axes[at].expr) if back else problem.axes[at].expr))
            else:
                total = total - column if back else total + column
                terms.append((-1 if back else 1, problem.axes[at].expr))
        levels, place = np.unique(total, return_inverse=True)
        axes.append(Axis(linear(terms), tuple((int(level),) for level in levels)))
        places.append(place.reshape(total.shape))
    return problem.quotient(axes, places)


def _uncounted(problem: Problem, classes: list[Class]) -> tuple[list[Axis], list[Ints]]:
    """Give the axes outside all classes and the positions along them."""
    counted = {at for members in classes for at, _ in members}
    positions = problem.positions()
    free = [at for at in range(len(problem.axes)) if at not in counted]
    return [problem.axes[at] for at in free], [positions[at] for at in free]


def _over_level_counts(problem: Problem, classes: list[Class]) -> Problem | None:
    """Replace each class by axes that count how many members have each level but the first."""
    positions = problem.positions()
    axes, places = _uncounted(problem, classes)
    for members, level in _levels(problem, classes):
        exprs: list[tuple[int, Expr]] = []
        place: Ints = np.zeros(1, dtype=np.int64)
        for at, back in members:
            axis = problem.axes[at]
            index = len(axis) - 1 - level if back else level
            exprs.append((1, Compare("eq", axis.expr, Const(axis.groups[index][0]))))
            place = place + (positions[at] == index)
        axes.append(Axis(linear(exprs), tuple((n,) for n in range(len(members) + 1))))
        places.append(place)
    return problem.quotient(axes, places)


def _levels(problem: Problem, classes: Sequence[Class]) -> Iterator[tuple[Class, int]]:
    for members in classes:
        yield from product((members,), range(1, len(problem.axes[members[0][0]])))
