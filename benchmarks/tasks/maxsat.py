"""MAX-SAT one variable at a time: training set, formulas, scoring and the policies to compare.

A formula is a matrix clause x literal, literal 2 v is variable v, 2 v + 1 its negation. A policy
sees the transpose, literal x clause, and answers the probability that the first variable is TRUE.
Encoding, training set and generators: Blazek, Venkatesh and Lin, Nat Comput Sci 4:110-118 (2024).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ddc.frontend import Samples

Formula = NDArray[np.uint8]
Policy = Callable[[Formula], float]

NEARLY = 0.99  # label of a clause that has another way to be satisfied
LADDER = 21  # numbers of clauses that are tried


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


def ladder(variables: int) -> list[int]:
    """Return the numbers of clauses that formulas are drawn with."""
    return [max(1, int(m)) for m in np.linspace(0, 10 * variables, LADDER)]


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
    """Return how many clauses a policy satisfies, variables in order, each value drawn.

    What is satisfied is counted and zeroed; then the next variable comes first.
    """
    left = formula.copy()
    count = 0
    while left.shape[1]:
        truth = generator.random() < policy(left.T)
        done = left[:, 0 if truth else 1] > 0
        count += int(done.sum())
        # Satisfied clauses and clauses without a literal left change no policy's answer.
        left = left[~done, 2:]
        left = left[left.any(1)]
    return count


def coin(_: Formula) -> float:
    """Answer TRUE and FALSE alike."""
    return 0.5


def _greater(positive: float, negative: float) -> float:
    return 0.5 if positive == negative else float(positive > negative)


def greedy(formula: Formula) -> float:
    """Answer what satisfies more clauses, ties by a coin."""
    return _greater(int(formula[0].sum()), int(formula[1].sum()))


def johnson(formula: Formula) -> float:
    """Answer what satisfies more weight, 2^-r for a clause of r literals, ties by a coin.

    Source: Johnson, Approximation algorithms for combinatorial problems, JCSS 9:256-278 (1974).
    """
    heard = formula[:, (formula[:2] > 0).any(0)]
    weight = np.ldexp(1.0, -heard.sum(0, dtype=np.int64))
    # Powers of two below the last place of the sum would tie falsely: no such sizes stand here.
    return _greater(float(heard[0] @ weight), float(heard[1] @ weight))


def three_quarters(formula: Formula) -> float:
    """Answer TRUE with probability t / (t + f), what each value gains less what it may lose.

    Satisfies 3/4 of the optimum in expectation: Buchbinder, Feldman, Naor and Schwartz (double
    greedy, 2012), as Poloczek, Schnitger, Williamson and van Zuylen state it for MAX-SAT (2017).
    """
    positive, negative = formula[0] > 0, formula[1] > 0
    alone = formula.sum(0, dtype=np.int64) == 1
    truth = max(0.0, (int(positive.sum()) - int((alone & negative).sum())) / 2)
    false = max(0.0, (int(negative.sum()) - int((alone & positive).sum())) / 2)
    return truth / (truth + false) if truth + false else 0.5


def closed_form(formula: Formula) -> float:
    """Answer what the learned network computes, at any size."""
    strength = np.where(formula[2:].any(0), np.log(NEARLY / (1 - NEARLY)) / 2, 10.0)
    margin = float((formula[0].astype(float) - formula[1]) @ strength)
    return float(0.5 + 0.5 * np.tanh(margin))


POLICIES: dict[str, Policy] = {
    "Johnson 1974": johnson,
    "greedy": greedy,
    "3/4 approximation": three_quarters,
    "random": coin,
}
