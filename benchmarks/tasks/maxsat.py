"""MAX-SAT one variable at a time: training set, formulas, scoring and the policies to compare.

A formula is a matrix clause x literal, literal 2 v is variable v, 2 v + 1 its negation. A policy
answers the probability that the first variable is TRUE. The network sees the transpose, literal x
clause; the policies here hear how many literals are left in each live clause with the variable, and
in each with its negation, which is all that any of them uses.
Encoding, training set and generators: Blazek, Venkatesh and Lin, Nat Comput Sci 4:110-118 (2024).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ddc.frontend import Samples

Formula = NDArray[np.uint8]
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Policy = Callable[[Counts, Counts], float]

NEARLY = 0.99  # label of a clause that has another way to be satisfied


def training(variables: int, clauses: int) -> Samples:
    """Return `clauses (4 variables - 2)` formulas of one clause each, as literal x clause.

    For each clause: {x} is TRUE, {not x} FALSE; with any other literal 0.99 and 0.01. Labels are
    the probabilities of FALSE and TRUE.
    """
    rows: list[NDArray[np.int64]] = []
    truths: list[float] = []
    for clause in range(clauses):
        for other in (None, *range(2, 2 * variables)):
            for own in (0, 1):
                formula = np.zeros((2 * variables, clauses), dtype=np.int64)
                formula[own, clause] = 1
                if other is not None:
                    formula[other, clause] = 1
                rows.append(formula)
                sure = 1.0 if other is None else NEARLY
                truths.append(sure if own == 0 else 1 - sure)
    truth = np.round(truths, 12)
    return Samples({"formula": np.stack(rows)}, np.stack([1 - truth, truth], 1).round(12))


def three_sat(variables: int, clauses: int, generator: np.random.Generator) -> Formula:
    """Return clauses of three different variables with random signs."""
    return _clauses(np.full(clauses, min(3, variables)), variables, generator)


def random_k(variables: int, clauses: int, generator: np.random.Generator) -> Formula:
    """Return clauses of k variables, k from Binomial(n, 3 / n) without 0."""
    sizes = np.zeros(clauses, dtype=np.int64)
    while (empty := sizes == 0).any():
        sizes[empty] = generator.binomial(variables, min(1.0, 3 / variables), int(empty.sum()))
    return _clauses(sizes, variables, generator)


FAMILIES = {"3-SAT": three_sat, "random-k": random_k}


def _clauses(sizes: NDArray[np.int64], variables: int, generator: np.random.Generator) -> Formula:
    formula = np.zeros((len(sizes), 2 * variables), dtype=np.uint8)
    for clause, size in enumerate(sizes.tolist()):
        chosen = generator.choice(variables, size=size, replace=False)
        formula[clause, 2 * chosen + generator.integers(0, 2, size)] = 1
    return formula


def satisfied(formula: Formula, policy: Policy, generator: np.random.Generator) -> int:
    """Return how many clauses a policy satisfies, variables in order, each value drawn."""
    variables = formula.shape[1] // 2
    where, literal = np.nonzero(formula)
    order = np.argsort(literal, kind="stable")
    holders = np.split(where[order], np.cumsum(np.bincount(literal, minlength=2 * variables))[:-1])
    left = formula.sum(1, dtype=np.int64)
    alive = left > 0
    for variable in range(variables):
        own, negated = (some[alive[some]] for some in holders[2 * variable : 2 * variable + 2])
        truth = generator.random() < policy(left[own], left[negated])
        done, lost = (own, negated) if truth else (negated, own)
        alive[done] = False
        left[lost] -= 1
    return int((~alive).sum())


def seen(matrix: Formula) -> tuple[Counts, Counts]:
    """Return what policies hear of a literal x clause matrix with the variable's literals first."""
    left = matrix.sum(0, dtype=np.int64)
    return left[matrix[0] > 0], left[matrix[1] > 0]


def by_matrix(
    formula: Formula, answer: Callable[[Formula], float], generator: np.random.Generator
) -> int:
    """Return how many clauses are satisfied by a policy that sees the literal x clause matrix.

    As published: satisfied clauses are counted and zeroed, then the matrix moves up by two literals
    and zeros follow, so that its shape stays.
    """
    left = formula.T.copy()
    count = 0
    for _ in range(len(left) // 2):
        truth = generator.random() < answer(left)
        done = left[0 if truth else 1] > 0
        count += int(done.sum())
        left[:, done] = 0
        left[:-2] = left[2:].copy()
        left[-2:] = 0
    return count


def coin(own: Counts, negated: Counts) -> float:
    """Answer TRUE and FALSE alike."""
    return 0.5


def _greater(positive: float, negative: float) -> float:
    return 0.5 if positive == negative else float(positive > negative)


def greedy(own: Counts, negated: Counts) -> float:
    """Answer what satisfies more clauses, ties by a coin."""
    return _greater(len(own), len(negated))


def johnson(own: Counts, negated: Counts) -> float:
    """Answer what satisfies more weight, 2^-r for a clause of r literals, ties by a coin.

    Source: Johnson, Approximation algorithms for combinatorial problems, JCSS 9:256-278 (1974).
    Sums are exact for clauses of up to 40 literals, beyond what the generators draw.
    """
    return _greater(float(np.ldexp(1.0, -own).sum()), float(np.ldexp(1.0, -negated).sum()))


def three_quarters(own: Counts, negated: Counts) -> float:
    """Answer TRUE with probability t / (t + f), what each value gains less what it may lose.

    Satisfies 3/4 of the optimum in expectation: Buchbinder, Feldman, Naor and Schwartz (double
    greedy, 2012), as Poloczek, Schnitger, Williamson and van Zuylen state it for MAX-SAT (2017).
    """
    truth = max(0.0, (len(own) - int((negated == 1).sum())) / 2)
    false = max(0.0, (len(negated) - int((own == 1).sum())) / 2)
    return truth / (truth + false) if truth + false else 0.5


def distilled(own: Counts, negated: Counts) -> float:
    """Answer what the learned network computes, at any size: clauses vote 10 alone, else 2.298."""
    votes = [np.where(left > 1, np.log(NEARLY / (1 - NEARLY)) / 2, 10.0) for left in (own, negated)]
    return float(0.5 + 0.5 * np.tanh(votes[0].sum() - votes[1].sum()))


POLICIES: dict[str, Policy] = {
    "distilled": distilled,
    "Johnson 1974": johnson,
    "greedy": greedy,
    "3/4 approximation": three_quarters,
    "random": coin,
}


def network(variables: int, clauses: int) -> list[tuple[Floats, Floats]]:
    """Return the layers of the published network at any size, units in families of one per clause.

    With x and y the first variable's literals, o the sum of the other L - 2 and m = 2 (L - 2), the
    differentiae of clause i are 1 - 2 o, 2 o - 1, m (x - y) + 2 o - 1, m (y - x) + 2 o - 1, and
    x - y and y - x against clause 0; it has 10.6 million weights at 20 variables and 200 clauses.
    """
    literals = 2 * variables
    first = np.zeros((6, clauses, literals, clauses))
    bias = np.repeat([1.0, -1.0, -1.0, -1.0, 0.0, 0.0], clauses)
    steep = 2.0 * (literals - 2)
    for i in range(clauses):
        first[0, i, 2:, i] = -2
        first[1:4, i, 2:, i] = 2
        first[2, i, :2, i] = steep, -steep
        first[3, i, :2, i] = -steep, steep
        for family, own in ((4, 0), (5, 1)):
            first[family, i, own, i] += 1
            first[family, i, 1 - own, 0] -= 1
    heard = np.zeros((6, 4))
    heard[[0, 4], 0] = heard[[0, 5], 1] = 1, 2
    heard[[1, 2], 2] = heard[[1, 3], 3] = 1
    second = np.kron(heard, np.eye(clauses)).astype(np.float64)
    votes = np.array([10.0, -10.0, *(np.array([1, -1]) * np.log(NEARLY / (1 - NEARLY)) / 2)]) / 2
    last: NDArray[np.float64] = np.repeat(np.stack([-votes, votes], 1), clauses, axis=0)
    return [
        (first.reshape(6 * clauses, -1).T.copy(), bias),
        (second, np.repeat([-2.0, -2.0, -1.0, -1.0], clauses)),
        (last, np.zeros(2)),
    ]
