"""Differentia units between subconcepts of different classes, and subconcept units that hear them.

Method: Blazek and Lin, Nat Comput Sci 1:607-618 (2021). A differentia unit says which of two
subconcepts a sample is more like; a subconcept unit tells its subconcept from all samples of other
classes by what the differentia units say. Both are sign units with the third value 0 on the plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ddc.ir import DdcError

from .separate import Floats, Ints, Plane, Separator, distinct, equalised
from .subconcepts import Progress, Subconcept

DIFFERENTIA_PENALTY = 15.0
SUBCONCEPT_PENALTY = 1e4
DROPPED = 0.2  # share of the features that one step of pruning tries to drop
EQUAL = 1e-6  # share of the greatest weight by which features of equal weight may differ
MAX_SIGNS = 1 << 30  # what the differentia units say on the samples, held at a time
MAX_PAIRS = 1 << 22
SCALE = 8.0  # of a soft differentia unit
NEAR_INTEGER = 1e-3  # sums this near to whole numbers are meant to be whole


@dataclass(frozen=True)
class Unit:
    """A subconcept unit over differentia units, which it names by pairs of subconcepts."""

    pairs: Sequence[tuple[int, int]]
    weights: Floats
    bias: float


@dataclass
class Differentiae:
    """The differentia units of all pairs of subconcepts, made when they are asked for.

    The unit of a pair (a, b), a < b, is positive on a. `rows` are the distinct samples.
    """

    rows: Floats
    parts: Sequence[Subconcept]
    separator: Separator
    symbolic: bool

    def __post_init__(self) -> None:
        self._planes: dict[tuple[int, int], Plane] = {}

    def plane(self, first: int, second: int) -> Plane:
        """Return the unit of a pair, first < second."""
        found = self._planes.get((first, second))
        if found is not None:
            return found
        groups = self.rows[self.parts[first].rows], self.rows[self.parts[second].rows]
        if self.symbolic:
            plane = self.separator.fit_integers(*groups, DIFFERENTIA_PENALTY)
        else:
            plane = _scaled(equalised(self.separator.fit_apart(*groups, DIFFERENTIA_PENALTY)))
        self._planes[first, second] = plane
        return plane

    def partners(self, number: int) -> list[tuple[int, int]]:
        """Return the pairs of a subconcept with all of other classes, by partner."""
        label = self.parts[number].label
        others = [k for k, part in enumerate(self.parts) if part.label != label]
        return [(min(number, k), max(number, k)) for k in others]

    def said(self, pairs: Sequence[tuple[int, int]]) -> Floats:
        """Return what the units of pairs say on every sample [samples, pairs]."""
        result = np.empty((len(self.rows), len(pairs)))
        for at, (first, second) in enumerate(pairs):
            result[:, at] = self.plane(first, second).scores(self.rows)
        return sign(result) if self.symbolic else np.tanh(result)


def sign(sums: Floats) -> Floats:
    """Return -1, 0 or 1; sums that are whole numbers up to noise are taken as such."""
    whole = np.rint(sums)
    near = np.abs(sums - whole) < NEAR_INTEGER
    return np.sign(np.where(near, whole, sums))


def _scaled(plane: Plane) -> Plane:
    """Return a plane for a soft unit, steep enough to be nearly a decision."""
    return Plane(plane.columns, plane.weights * SCALE, plane.bias * SCALE)


def subconcept_units(
    differentiae: Differentiae,
    labels: Ints,
    ratio: float,
    prefer: str = "first",
    progress: Progress | None = None,
) -> list[Unit]:
    """Return a unit for every subconcept.

    `labels`: the class of every sample; `ratio`: the least share of the first margin that pruning
    keeps, 0 to prune while the samples stay apart, infinity to hear every differentia unit;
    `prefer`: of partners that serve alike, keep the `first`, or the one `near` in the data's order.
    """
    parts = differentiae.parts
    hear_all = not np.isfinite(ratio)
    every = _all_pairs(parts) if hear_all else []
    _check_size(len(differentiae.rows), len(every) if hear_all else len(parts), len(parts))
    said = differentiae.said(every) if hear_all else None
    found: list[Unit] = []
    for number, part in enumerate(parts):
        if progress is not None:
            progress("fitting subconcept units", number / len(parts))
        pairs = every if hear_all else differentiae.partners(number)
        heard = said if said is not None else differentiae.said(pairs)
        turn = np.array([-1.0 if number == second else 1.0 for _, second in pairs])
        pruning = _Pruning(
            heard[part.rows] * turn,
            heard[labels != part.label] * turn,
            differentiae.separator,
            np.arange(len(pairs)) if prefer == "first" else _apart(parts, number, pairs),
        )
        plane = pruning.plane(np.arange(len(pairs)))
        if not hear_all:
            plane = pruning.run(plane, ratio)
        if differentiae.symbolic:
            plane = pruning.whole(plane)
        used = plane.columns.tolist()
        weights = plane.weights * turn[plane.columns]
        found.append(Unit([pairs[at] for at in used], weights, plane.bias))
    return found


def _all_pairs(parts: Sequence[Subconcept]) -> list[tuple[int, int]]:
    labels = np.array([part.label for part in parts])
    first, second = np.nonzero(np.triu(labels[:, None] != labels[None, :]))
    if len(first) > MAX_PAIRS:
        raise DdcError(f"{len(parts)} subconcepts make too many pairs: say --subconcepts K")
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _apart(parts: Sequence[Subconcept], number: int, pairs: Sequence[tuple[int, int]]) -> Ints:
    """Return how far a subconcept and its partners are from each other in the data's order."""
    start = int(parts[number].rows[0])
    partners = [second if first == number else first for first, second in pairs]
    return np.array([abs(int(parts[partner].rows[0]) - start) for partner in partners])


def _check_size(samples: int, width: int, parts: int) -> None:
    if samples * width > MAX_SIGNS or parts * parts > 2 * MAX_PAIRS:
        raise DdcError(
            f"{parts} subconcepts on {samples} samples are too many for this memory: say "
            "--subconcepts K with a smaller K"
        )


@dataclass
class _Pruning:
    """Drops features of a subconcept unit as long as it tells its samples from the others."""

    own: Floats
    others: Floats
    separator: Separator
    rank: Ints  # of every feature; of equally light ones the highest goes first

    def __post_init__(self) -> None:
        self.others = distinct(self.others)
        self.own = distinct(self.own)

    def plane(self, kept: Ints) -> Plane:
        """Return the plane over some of the features."""
        groups = self.own[:, kept], self.others[:, kept]
        plane = equalised(self.separator.fit_apart(*groups, SUBCONCEPT_PENALTY))
        return replace(plane, columns=kept[plane.columns])

    def whole(self, plane: Plane) -> Plane:
        """Return the plane over the same features in small integers, if it is one."""
        kept = plane.columns
        groups = self.own[:, kept], self.others[:, kept]
        found = self.separator.fit_integers(*groups, SUBCONCEPT_PENALTY)
        return replace(found, columns=kept[found.columns])

    def margin(self, plane: Plane) -> float:
        """Return the width between the nearest samples, negative where some are mixed."""
        length = float(np.linalg.norm(plane.weights))
        if length == 0:
            return -np.inf
        return float(plane.scores(self.own).min() - plane.scores(self.others).max()) / length

    def run(self, plane: Plane, ratio: float) -> Plane:
        """Return the plane over the features that are left.

        Tries all features of the least weight at once, or a fifth of them where that is more; after
        a failure half as many; a feature that cannot go stays for good.
        """
        first = self.margin(plane)
        if first <= 0:
            return plane
        # Any real gap: well above the rounding of sums of signs.
        needed = max(ratio * first, 1e-6)
        needful: set[int] = set()
        while True:
            order = _droppable(plane, self.rank, needful)
            step = _first_step(plane, order)
            while step:
                kept = np.setdiff1d(plane.columns, order[:step])
                smaller = self.plane(kept) if kept.size else None
                if smaller is not None and self.margin(smaller) >= needed:
                    plane = smaller
                    break
                step //= 2
            else:
                if not order.size:
                    return plane
                needful.add(int(order[0]))


def _droppable(plane: Plane, rank: Ints, needful: set[int]) -> Ints:
    """Return features that may go, the lightest first, of equal ones the highest rank first."""
    size = np.abs(plane.weights)
    level = np.rint(size / (EQUAL * size.max(initial=1e-300)))
    order = plane.columns[np.lexsort((-rank[plane.columns], level))]
    return order[~np.isin(order, list(needful))]


def _first_step(plane: Plane, order: Ints) -> int:
    """Return how many features to drop first: all of the least weight, or a fifth."""
    if not order.size:
        return 0
    weight = dict(zip(plane.columns.tolist(), np.abs(plane.weights).tolist(), strict=True))
    least = weight[int(order[0])]
    slack = 2 * EQUAL * max(weight.values())
    equal = sum(1 for at in order.tolist() if weight[at] <= least + slack)
    return max(equal, int(DROPPED * order.size))
