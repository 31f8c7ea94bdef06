"""Linear separators between two groups of samples: support vector machines, made readable.

Method: A. Blazek and Lin, Nat Comput Sci 1:607-618 (2021), as deep distilling uses it (Nat Comput
Sci 4:110-118, 2024). The solver is scikit-learn's. What is solved is first brought to a normal form
(constant columns dropped, equal columns merged, columns sorted), so that problems which differ
only in the order of their columns are solved once, and equal columns get equal weights exactly.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 1e-6  # of the solver's stopping rule
MAX_ITERATIONS = 200_000
EXACT_SAMPLES = 5_000  # beyond this many samples the solver for large data is used
HARD = 1e5  # penalty of a margin without exceptions
SMALL = 1e-5  # weights below this share of the greatest are zero
NEAR_INTEGER = 0.025
MULTIPLIERS = range(1, 11)
EQUAL = 1e-4  # share of the greatest weight by which equal ones may differ
PIP = 'pip install "deep-distilling-compiler[learn]"'


@dataclass(frozen=True)
class Plane:
    """The linear function `weights @ x[columns] + bias`, positive on the first group."""

    columns: Ints
    weights: Floats
    bias: float

    def scores(self, rows: Floats) -> Floats:
        """Return the function's value for every row."""
        result: Floats = rows[:, self.columns] @ self.weights + self.bias
        return result

    def negated(self) -> Plane:
        """Return the plane with its sides exchanged."""
        return Plane(self.columns, 0.0 - self.weights, 0.0 - self.bias)


@dataclass
class Separator:
    """Fits planes between groups of rows and remembers the problems that it has solved."""

    strictness: float = 0.0  # -1 puts the plane at the second group, 1 at the first
    solved: dict[bytes, Floats] = field(default_factory=dict)

    def fit(self, first: Floats, second: Floats, penalty: float) -> Plane:
        """Return the plane of a support vector machine with balanced classes.

        `first`, `second`: groups of rows [samples, columns]; `penalty`: C of the machine. The bias
        puts the plane half way between the nearest scores of the two groups.
        """
        rows = np.concatenate([first, second])
        columns = np.flatnonzero((rows != rows[0]).any(0))
        if not columns.size:
            return Plane(columns, np.zeros(0), 0.0)
        first, second = first[:, columns], second[:, columns]
        if len(first) == len(second) == 1:
            weights: Floats = first[0] - second[0]
        else:
            weights = self._machine(first, second, penalty)
        used = weights != 0
        bias = self.bias(first @ weights, second @ weights)
        return Plane(columns[used], weights[used], bias)

    def fit_apart(self, first: Floats, second: Floats, penalty: float) -> Plane:
        """Return the plane of `fit`, or of a hard margin where that leaves fewer on a wrong side."""
        soft = self.fit(first, second, penalty)
        if penalty >= HARD or not _wrong(soft, first, second):
            return soft
        hard = self.fit(first, second, HARD)
        return min(soft, hard, key=lambda plane: _wrong(plane, first, second))

    def fit_integers(self, first: Floats, second: Floats, penalty: float) -> Plane:
        """Return the plane in small integers where it is one up to the solver's noise.

        A soft margin may hide the integers; then a hard one is tried, and kept only if it shows them.
        """
        soft = self.fit_apart(first, second, penalty)
        whole = self.integers(soft, first, second)
        if whole is not soft or penalty >= HARD:
            return whole
        hard = self.fit(first, second, HARD)
        whole = self.integers(hard, first, second)
        return soft if whole is hard else whole

    def integers(self, plane: Plane, first: Floats, second: Floats) -> Plane:
        """Return the plane in small integers if it is one up to noise, else the plane itself.

        Weights below `SMALL` of the greatest are dropped, the rest are scaled so that the least is
        1 .. 10; the bias follows from the whole weights. It must separate as well as before.
        """
        size = np.abs(plane.weights)
        if not size.size or not size.max() > 0:
            return plane
        kept = size > SMALL * size.max()
        values = plane.weights[kept] / size[kept].min()
        columns = plane.columns[kept]
        for multiplier in MULTIPLIERS:
            scaled = values * multiplier
            whole = np.rint(scaled)
            if np.abs(scaled - whole).max() > NEAR_INTEGER:
                continue
            bias = self.bias(first[:, columns] @ whole, second[:, columns] @ whole)
            factor = next((k for k in MULTIPLIERS if bias * k == round(bias * k)), 1)
            rounded = Plane(columns, whole * factor, bias * factor)
            worse = _wrong(rounded, first, second) > _wrong(plane, first, second)
            return plane if worse else rounded
        return plane

    def bias(self, first: Floats, second: Floats) -> float:
        """Return the bias for the scores of two groups without one."""
        low, high = float(first.min()), float(second.max())
        return -high - (low - high) * (0.999 * self.strictness + 1) / 2 + 0.0

    def _machine(self, first: Floats, second: Floats, penalty: float) -> Floats:
        """Return the weights of every column."""
        rows = np.concatenate([_in_order(first), _in_order(second)])
        order = np.lexsort(rows[::-1])
        fresh = np.ones(len(order), dtype=bool)
        fresh[1:] = (rows[:, order[1:]] != rows[:, order[:-1]]).any(0)
        group = np.cumsum(fresh) - 1
        times = np.bincount(group).astype(np.float64)
        narrow = np.ascontiguousarray(rows[:, order[fresh]])
        head = np.array([len(first), len(second), penalty])
        key = b"".join(part.tobytes() for part in (head, times, narrow))
        if key not in self.solved:
            # A column that stands m times is one column of sqrt(m) times its length.
            label = np.repeat([1, -1], [len(first), len(second)])
            self.solved[key] = _solve(narrow * np.sqrt(times), label, penalty) / np.sqrt(times)
        weights = np.empty(rows.shape[1])
        weights[order] = self.solved[key][group]
        return weights


def _in_order(rows: Floats) -> Floats:
    """Return rows in an order that does not depend on the order of their columns."""
    return rows[np.lexsort(((rows * rows).sum(1), rows.sum(1)))]


def distinct(rows: Floats) -> Floats:
    """Return the rows without repetitions, in order of appearance."""
    rows = np.ascontiguousarray(rows) + 0.0  # no -0
    first: dict[bytes, int] = {}
    for at, row in enumerate(rows):
        first.setdefault(row.tobytes(), at)
    return rows[list(first.values())]


def _solve(rows: Floats, label: Ints, penalty: float) -> Floats:
    """Return the weights that scikit-learn finds with balanced classes."""
    svm = library("sklearn.svm")
    # Checks of the arguments would take longer than most of these fits.
    quick = library("sklearn").config_context(skip_parameter_validation=True, assume_finite=True)
    with warnings.catch_warnings(), quick:
        warnings.simplefilter("ignore")  # a solver that stops early is judged by its plane
        if len(rows) <= EXACT_SAMPLES:
            machine: Any = svm.SVC(
                kernel="linear",
                C=penalty,
                tol=TOLERANCE,
                max_iter=MAX_ITERATIONS,
                class_weight="balanced",
            )
        else:
            machine = svm.LinearSVC(
                C=penalty, dual="auto", max_iter=10_000, class_weight="balanced", random_state=0
            )
        machine.fit(rows, label)
    found: Floats = np.asarray(machine.coef_[0], dtype=np.float64)
    return found


def separable(first: Floats, second: Floats) -> bool:
    """Tell whether some plane has one group of rows on each side, by a linear program."""
    rows = np.concatenate([first, second])
    columns = (rows != rows[0]).any(0)
    ones = np.ones((len(rows), 1))
    turn = np.repeat([-1.0, 1.0], [len(first), len(second)])[:, None]
    sides = np.hstack([rows[:, columns], ones]) * turn
    solver = library("scipy.optimize").linprog
    found = solver(np.zeros(sides.shape[1]), sides, -ones[:, 0], bounds=(None, None))
    return bool(found.status == 0)


def library(name: str) -> Any:
    """Import a module of the extra `learn`; raise `DdcError` with the line to type without it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        package = "scikit-learn" if name.startswith("sklearn") else name.partition(".")[0]
        raise DdcError(f"learning needs {package}, which is not installed: {PIP}") from None


def balanced_error(low_scores: Floats, high_scores: Floats) -> float:
    """Return the least mean share of wrong scores over all thresholds (0: apart, 0.5: mixed).

    `high_scores` should be above the threshold, `low_scores` not.
    """
    return best_threshold(low_scores, high_scores)[1]


def best_threshold(low_scores: Floats, high_scores: Floats) -> tuple[float, float]:
    """Return the threshold with the least balanced error, and that error."""
    scores = np.concatenate([low_scores, high_scores])
    order = np.argsort(scores, kind="stable")
    scores = scores[order]
    high = order >= len(low_scores)
    missed = np.cumsum(high) / len(high_scores)  # high ones at or below
    false = 1 - np.cumsum(~high) / len(low_scores)  # low ones above
    error = (missed + false) / 2
    # A threshold can only stand between two different scores, allowing for rounding.
    slack = 1e-9 * max(1.0, float(np.abs(scores).max()))
    error[:-1][np.diff(scores) <= slack] = np.inf
    at = int(np.argmin(error))
    following = scores[min(at + 1, len(scores) - 1)]
    return float(scores[at] + following) / 2, float(error[at])


def _wrong(plane: Plane, first: Floats, second: Floats) -> int:
    """Return how many samples are not strictly on their side."""
    return int((plane.scores(first) <= 0).sum() + (plane.scores(second) >= 0).sum())


def equalised(plane: Plane) -> Plane:
    """Return the plane with weights of nearly equal size made equal."""
    return Plane(plane.columns, equal_sizes(plane.weights, EQUAL), plane.bias)


def equal_sizes(values: Floats, share: float) -> Floats:
    """Return numbers with sizes that differ by less than a share of the greatest made equal."""
    size = np.abs(values)
    if not size.size:
        return values
    order = np.argsort(size, axis=None, kind="stable")
    steps = np.diff(size.flat[order]) > share * size.max()
    group = np.concatenate([[0], np.cumsum(steps)])
    mean = np.bincount(group, size.flat[order]) / np.bincount(group)
    result = np.empty(size.size)
    result[order] = mean[group]
    return np.sign(values) * result.reshape(values.shape)
