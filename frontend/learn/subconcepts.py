"""Subconcepts: groups of training samples of one class, each to be told from other classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ddc.ir import DdcError

from .separate import (
    Floats,
    Ints,
    Separator,
    balanced_error,
    best_threshold,
    library,
    separable,
)

Progress = Callable[[str, float], None]

MAX_LINKED = 8_000  # samples of one class in a linkage, which takes memory for every pair
PENALTY = 10.0
MOST_ERROR = 0.02  # of the separator of two subconcepts
SAME_LENGTH = 1e-9  # share by which equal branches of a linkage may differ


@dataclass(frozen=True)
class Subconcept:
    """Samples of one class, by their row numbers in increasing order."""

    label: int
    rows: Ints


def one_each(labels: Ints) -> list[Subconcept]:
    """Return every sample as a subconcept of its own, class by class."""
    order = np.argsort(labels, kind="stable")
    return [Subconcept(int(labels[row]), np.array([row])) for row in order]


def by_linkage(rows: Floats, labels: Ints, count: int) -> list[Subconcept]:
    """Return `count` subconcepts by Ward linkage of each class.

    Starts with one subconcept per class and splits the class whose next branch is longest, of equal
    ones the class with fewer subconcepts. Method: Blazek and Lin (2021).
    """
    members = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]
    trees = [_linkage(rows[some]) for some in members]
    branches = [tree[::-1, 2] for tree in trees]  # the longest first
    counts = [1] * len(members)
    longest = max(float(lengths.max(initial=0.0)) for lengths in branches)
    for _ in range(count - len(members)):
        best = None
        for label, lengths in enumerate(branches):
            if counts[label] > len(lengths):
                continue
            length = float(lengths[counts[label] - 1])
            if best is None or length > best[0] + SAME_LENGTH * longest:
                best = length, label
            elif length > best[0] - SAME_LENGTH * longest and counts[label] < counts[best[1]]:
                best = length, label
        if best is None:
            break
        counts[best[1]] += 1
    found: list[Subconcept] = []
    for label, some in enumerate(members):
        found += [Subconcept(label, some[part]) for part in _cut(trees[label], counts[label])]
    return found


def _linkage(rows: Floats) -> Floats:
    """Return scipy's Ward linkage: one row per merge, the shortest first."""
    if len(rows) > MAX_LINKED:
        raise DdcError(
            f"a class of {len(rows)} samples is too large for a linkage, which takes {MAX_LINKED}: "
            "give fewer samples"
        )
    if len(rows) < 2:
        return np.zeros((0, 4))
    distances = library("scipy.spatial.distance").pdist(rows)
    tree: Floats = library("scipy.cluster.hierarchy").linkage(distances, "ward")
    return tree


def _cut(tree: Floats, count: int) -> list[Ints]:
    """Return the clusters that are left when the last `count - 1` merges are undone."""
    size = len(tree) + 1
    owner = np.arange(2 * size - 1)
    for merge in range(size - count - 1, -1, -1):
        owner[tree[merge, :2].astype(np.int64)] = owner[size + merge]
    _, at, group = np.unique(owner[:size], return_index=True, return_inverse=True)
    # In order of their first samples.
    rank = np.empty(len(at), dtype=np.int64)
    rank[np.argsort(at)] = np.arange(len(at))
    order = np.argsort(rank[group], kind="stable")
    return np.split(order, np.cumsum(np.bincount(rank[group]))[:-1])


class Splitting:
    """Splits subconcepts until each can be told from every one of another class by a plane."""

    def __init__(self, rows: Floats, labels: Ints, separator: Separator, seed: int) -> None:
        self.rows = rows
        self.separator = separator
        self.generator = np.random.default_rng(seed)
        kinds = range(int(labels.max()) + 1)
        self.parts = [Subconcept(kind, np.flatnonzero(labels == kind)) for kind in kinds]
        self.errors = np.zeros((0, 0))
        for number in range(len(self.parts)):
            self._measure(number)

    def run(self, least: int, most: int, progress: Progress | None) -> list[Subconcept]:
        """Return at least `least` subconcepts, or as few as separate, never more than `most`."""
        while len(self.parts) < most:
            worst = float(self.errors.max(initial=0.0))
            if worst <= MOST_ERROR and len(self.parts) >= least:
                break
            if progress is not None:
                progress("splitting subconcepts", len(self.parts) / most)
            if not self._split_worst(worst):
                break
        return sorted(self.parts, key=lambda part: (part.label, int(part.rows[0])))

    def _measure(self, number: int) -> None:
        """Fill in the errors of the pairs of one subconcept."""
        old = len(self.errors)
        if number >= old:
            self.errors = np.pad(self.errors, (0, number + 1 - old))
        part = self.parts[number]
        for other in range(len(self.errors)):
            if self.parts[other].label != part.label:
                error = self._error(part.rows, self.parts[other].rows)
                self.errors[number, other] = self.errors[other, number] = error

    def _error(self, first: Ints, second: Ints) -> float:
        groups = self.rows[first], self.rows[second]
        plane = self.separator.fit(*groups, PENALTY)
        error = balanced_error(plane.scores(groups[1]), plane.scores(groups[0]))
        # A soft margin may give up samples that a plane does tell apart.
        if error > MOST_ERROR and len(first) + len(second) <= MAX_LINKED and separable(*groups):
            return 0.0
        return error

    def _split_worst(self, worst: float) -> bool:
        """Split one of the worst pair, or the largest where all pairs are apart."""
        if worst <= MOST_ERROR:
            sizes = [len(part.rows) for part in self.parts]
            number = int(np.argmax(sizes))
            halves = self._fallback(self.parts[number].rows)
            if halves is None:
                return False
            self._replace(number, halves)
            return True
        pair = divmod(int(np.argmax(self.errors)), len(self.errors))
        choices: list[tuple[float, int, tuple[Ints, Ints]]] = []
        for number, other in (pair, pair[::-1]):
            halves = self._halves(number, other)
            if halves is not None:
                against = self.parts[other].rows
                total = sum(self._error(half, against) for half in halves)
                choices.append((total, number, halves))
        if not choices:
            return False
        _, number, halves = min(choices, key=lambda choice: choice[:2])
        self._replace(number, halves)
        return True

    def _replace(self, number: int, halves: tuple[Ints, Ints]) -> None:
        label = self.parts[number].label
        self.parts[number] = Subconcept(label, halves[0])
        self.parts.append(Subconcept(label, halves[1]))
        self._measure(number)
        self._measure(len(self.parts) - 1)

    def _halves(self, number: int, other: int) -> tuple[Ints, Ints] | None:
        """Split a subconcept by the plane across the two centroids, or else by linkage."""
        own, against = self.parts[number].rows, self.parts[other].rows
        if len(own) < 2:
            return None
        direction = self.rows[own].mean(0) - self.rows[against].mean(0)
        scores = self.rows[own] @ direction
        threshold, _ = best_threshold(self.rows[against] @ direction, scores)
        return _parted(own, scores > threshold) or self._fallback(own)

    def _fallback(self, own: Ints) -> tuple[Ints, Ints] | None:
        if len(own) < 2:
            return None
        if len(own) <= MAX_LINKED:
            first, second = _cut(_linkage(self.rows[own]), 2)
            return own[first], own[second]
        return _parted(own, self.generator.random(len(own)) < 0.5)


def _parted(rows: Ints, chosen: np.ndarray) -> tuple[Ints, Ints] | None:
    """Return chosen and other rows, or None where one part is empty."""
    if chosen.all() or not chosen.any():
        return None
    return rows[chosen], rows[~chosen]


def subconcepts(
    rows: Floats,
    labels: Ints,
    count: int | None,
    separator: Separator,
    seed: int = 0,
    progress: Progress | None = None,
) -> Sequence[Subconcept]:
    """Return the subconcepts of labelled rows.

    `rows` [samples, columns]; `labels` 0, 1, 2 … [samples]; `count`: how many in all, 0 for one per
    sample, None for as few as linear separators tell apart. Raises `DdcError` for less than one per
    class.
    """
    kinds = int(labels.max()) + 1
    if count is None:
        return Splitting(rows, labels, separator, seed).run(kinds, len(rows), progress)
    if count == 0 or count >= len(rows):
        return one_each(labels)
    if count < kinds:
        raise DdcError(f"{count} subconcepts are too few for {kinds} classes")
    return by_linkage(rows, labels, count)
