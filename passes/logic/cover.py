"""Irredundant covers by cubes over multi-valued axes, and their algebraic factoring.

A cube is one bit mask of allowed positions per axis (multi-valued input, binary output, as in
espresso; Brayton et al., "Logic Minimization Algorithms for VLSI Synthesis", 1984).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from .build import invert
from .expr import Expr
from .factor import Cube, factor
from .predicate import literal_cost
from .strategy import Solver
from .table import Axis, Bits, Problem, open_grid

_ALL_PRIMES = 20_000  # subsets of positions, multiplied over the axes
_COVER_WORK = 4_000_000
_MOST_CUBES = 40


def covers(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer factored covers of the on-set, and of the off-set under a negation."""
    if problem.size > 1 << 14:
        return
    for wanted, forbidden, negate in (
        (problem.on, problem.off, False),
        (problem.off, problem.on, True),
    ):
        if not solver.affords(problem.size * 20 + 500_000):
            return
        cubes = _cover(problem.axes, wanted, forbidden)
        if cubes is not None:
            expr = factor(problem.axes, cubes)
            yield invert(expr) if negate else expr


def _cover(axes: tuple[Axis, ...], wanted: Bits, forbidden: Bits) -> list[Cube] | None:
    """Return an irredundant cover, or None where it takes too many cubes."""
    subsets = reduce(lambda n, axis: n * ((1 << len(axis)) - 1), axes, 1)
    if subsets <= _ALL_PRIMES:
        candidates = _primes(axes, wanted, forbidden)
    else:
        grown = _grown_cubes(wanted, forbidden)
        if grown is None:
            return None
        candidates = grown
    points = np.argwhere(wanted)
    if len(candidates) * len(points) > _COVER_WORK:
        return None
    covered = _incidence(candidates, points)
    chosen = _select(axes, candidates, covered)
    if len(chosen) > _MOST_CUBES:
        return None
    return _cheapened(axes, [candidates[i] for i in chosen], points)


def _primes(axes: tuple[Axis, ...], wanted: Bits, forbidden: Bits) -> list[Cube]:
    """List all prime cubes that hold a wanted point, on the tensor of all cubes."""
    implicant, useful = ~forbidden, wanted
    for at, axis in enumerate(axes):
        members = [[i for i in range(len(axis)) if mask >> i & 1] for mask in _masks(axis)]
        implicant = np.stack([implicant.take(m, at).all(at) for m in members], at)
        useful = np.stack([useful.take(m, at).any(at) for m in members], at)
    prime = implicant & useful
    for at, axis in enumerate(axes):
        grows = [
            (
                np.any(
                    [
                        implicant.take((mask | 1 << i) - 1, at)
                        for i in range(len(axis))
                        if not mask >> i & 1
                    ],
                    0,
                )
                if mask + 1 < 1 << len(axis)
                else np.zeros_like(implicant.take(0, at))
            )
            for mask in _masks(axis)
        ]
        prime &= ~np.stack(grows, at)
    return [tuple(int(i) + 1 for i in index) for index in np.argwhere(prime)]


def _masks(axis: Axis) -> range:
    return range(1, 1 << len(axis))


def _grown_cubes(wanted: Bits, forbidden: Bits) -> list[Cube] | None:
    """Grow a prime cube around every point not covered yet, in two orders of the axes."""
    rank = wanted.ndim
    cubes: dict[Cube, None] = {}
    for order in (range(rank), range(rank - 1, -1, -1)):
        left = wanted.copy()
        grown = 0
        while left.any():
            start = np.unravel_index(int(left.argmax()), left.shape)
            cube = _grow(tuple(1 << int(i) for i in start), forbidden, order)
            cubes[cube] = None
            left[_box(cube, left.shape)] = False
            grown += 1
            if grown > 2 * _MOST_CUBES:
                return None
    return list(cubes)


def _grow(cube: Cube, forbidden: Bits, order: range) -> Cube:
    for at in order:
        for i in range(forbidden.shape[at]):
            wider = (*cube[:at], cube[at] | 1 << i, *cube[at + 1 :])
            if wider != cube and not forbidden[_box(wider, forbidden.shape)].any():
                cube = wider
    return cube


def _box(cube: Cube, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    sides = [
        np.array([i for i in range(length) if mask >> i & 1])
        for mask, length in zip(cube, shape, strict=True)
    ]
    return tuple(open_grid(sides))


def _incidence(cubes: list[Cube], points: np.ndarray) -> Bits:
    """Say which cube covers which point: shape (cubes, points)."""
    inside = np.ones((len(cubes), len(points)), dtype=np.bool_)
    for at, positions in enumerate(points.T):
        # A mask may have more bits than any integer of numpy.
        every = range(int(positions.max(initial=-1)) + 1)
        allowed = np.array([[cube[at] >> i & 1 for i in every] for cube in cubes], dtype=np.bool_)
        inside &= allowed[:, positions]
    return inside


def _cube_cost(axes: tuple[Axis, ...], cube: Cube) -> int:
    return 1 + sum(
        literal_cost(axis.groups, _positions(mask)) + 1
        for axis, mask in zip(axes, cube, strict=True)
        if mask + 1 < 1 << len(axis)
    )


def _positions(mask: int) -> frozenset[int]:
    return frozenset(i for i in range(mask.bit_length()) if mask >> i & 1)


def _select(axes: tuple[Axis, ...], cubes: list[Cube], covered: Bits) -> list[int]:
    """Choose cubes that cover every point: essential ones, then the best gain per cost."""
    prices = np.array([_cube_cost(axes, cube) for cube in cubes])
    alone = covered.sum(0) == 1
    chosen: list[int] = np.flatnonzero(covered[:, alone].any(1)).tolist()
    left = ~covered[chosen].any(0)
    while left.any() and len(chosen) <= 2 * _MOST_CUBES:
        gain = covered[:, left].sum(1) / prices
        best = int(gain.argmax())
        chosen.append(best)
        left &= ~covered[best]
    for i in sorted(chosen, key=lambda i: -int(prices[i])):
        others = [j for j in chosen if j != i]
        if others and covered[others].any(0).all():
            chosen = others
    return chosen


def _cheapened(axes: tuple[Axis, ...], cubes: list[Cube], points: np.ndarray) -> list[Cube]:
    """Shrink each literal to a cheaper set, where other cubes cover what it gives up."""
    if all(axis.is_bit for axis in axes):
        return cubes
    for at in range(len(cubes)):
        for v, axis in enumerate(axes):
            if len(axis) > 8 or axis.is_bit:
                continue
            inside = _incidence(cubes, points)
            others = np.delete(inside, at, 0).any(0)
            needed = 0
            for i in points[inside[at] & ~others][:, v]:
                needed |= 1 << int(i)
            spare = cubes[at][v] & ~needed
            options = [needed | part for part in _submasks(spare) if needed | part]
            best = min(sorted(options, reverse=True), key=lambda m: _literal_price(axis, m))
            cube = cubes[at]
            cubes[at] = (*cube[:v], best, *cube[v + 1 :])
    return cubes


def _literal_price(axis: Axis, mask: int) -> int:
    if mask + 1 == 1 << len(axis):
        return 0
    return literal_cost(axis.groups, _positions(mask)) + 1


def _submasks(mask: int) -> Iterator[int]:
    part = mask
    while part:
        yield part
        part = (part - 1) & mask
    yield 0
