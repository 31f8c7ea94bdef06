"""Integer points as loops: `origin + t1 * v1 + t2 * v2 + …`, each t in a range from 0."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, ...]

MIN_WITH_HOLE = 6  # a box of fewer points with a hole is no box to a reader
MAX_LOOPS = 4


@dataclass(frozen=True)
class Lattice:
    """A box of points: one vector and one count for each loop, and the points left out."""

    origin: Point
    vectors: tuple[Point, ...]
    counts: tuple[int, ...]
    missing: tuple[Point, ...] = ()

    def points(self) -> list[Point]:
        """Return all points of the box, the last loop fastest, those left out too."""
        return [
            tuple(
                start + sum(t * vector[axis] for t, vector in zip(steps, self.vectors))
                for axis, start in enumerate(self.origin)
            )
            for steps in itertools.product(*(range(count) for count in self.counts))
        ]


def find(points: Sequence[Point], holes: int) -> Lattice | None:
    """Return the box of distinct points: any lattice, or an axis-parallel box with few holes."""
    ordered = sorted(set(points))
    if len(ordered) < len(points) or not ordered[0]:
        return None
    array = np.array(ordered, dtype=np.int64)
    return _nested(array) or (_axis_parallel(array, holes) if holes else None)


def _nested(points: NDArray[np.int64]) -> Lattice | None:
    """Read sorted points as nested runs, the innermost first."""
    vectors: list[Point] = []
    counts: list[int] = []
    block = 1  # points that the loops found so far make
    while block < len(points):
        if len(vectors) == MAX_LOOPS:
            return None
        vector = points[block] - points[0]
        # The run goes on as long as whole blocks repeat, shifted by the vector.
        count = 1
        while (count + 1) * block <= len(points) and np.array_equal(
            points[count * block : (count + 1) * block], points[:block] + count * vector
        ):
            count += 1
        if count == 1 or len(points) % (count * block):
            return None
        vectors.insert(0, tuple(vector.tolist()))
        counts.insert(0, count)
        block *= count
    return Lattice(tuple(points[0].tolist()), tuple(vectors), tuple(counts))


def _axis_parallel(points: NDArray[np.int64], holes: int) -> Lattice | None:
    """Return the smallest axis-parallel box, with even steps, that lacks at most `holes` points."""
    if len(points) < MIN_WITH_HOLE:
        return None
    vectors: list[Point] = []
    counts: list[int] = []
    width = points.shape[1]
    for axis in range(width):
        places = np.unique(points[:, axis])
        steps = np.unique(np.diff(places))
        if len(steps) > 1:
            return None
        if len(steps) == 1:
            vectors.append(tuple(int(steps[0]) if a == axis else 0 for a in range(width)))
            counts.append(len(places))
    if np.prod(counts) > len(points) + holes:
        return None
    box = Lattice(tuple(points.min(axis=0).tolist()), tuple(vectors), tuple(counts))
    present = {tuple(point) for point in points.tolist()}
    return replace(box, missing=tuple(p for p in box.points() if p not in present))
