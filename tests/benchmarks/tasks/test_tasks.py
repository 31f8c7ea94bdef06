"""The tasks' generators against what is published about them, and the policies against brute force."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from benchmarks.tasks import automata, maxsat, numbers, orientation


def test_automata() -> None:
    samples = automata.one(110)
    # Wolfram's table of rule 110: 111 110 101 100 011 010 001 000 -> 0 1 1 0 1 1 1 0.
    assert samples.y is not None
    table = {tuple(x.tolist()): int(y) for x, y in zip(samples.arrays["cells"], samples.y)}
    assert [table[p] for p in reversed(list(product((0, 1), repeat=3)))] == [0, 1, 1, 0, 1, 1, 1, 0]


def test_all_automata_are_each_of_them() -> None:
    samples = automata.every()
    assert samples.y is not None
    rule, cells = samples.arrays["rule"], samples.arrays["cells"]
    assert rule.shape == (2048, 8) and cells.shape == (2048, 3)
    assert len(np.unique(np.hstack([rule, cells]), axis=0)) == 2048
    for at in (0, 777, 2047):
        place = 4 * cells[at, 0] + 2 * cells[at, 1] + cells[at, 2]
        assert samples.y[at] == rule[at, place]


def test_life() -> None:
    samples = automata.life()
    assert samples.y is not None and samples.y.sum() == comb(8, 3) * 2 + comb(8, 2) == 140


@pytest.mark.parametrize("bits", [1, 3])
def test_binary_numbers(bits: int) -> None:
    def greater(a: int, b: int) -> list[int]:
        return [int(a > b)]

    def total(a: int, b: int) -> list[int]:
        return [a + b >> k & 1 for k in range(bits + 1)]

    for samples, answer in [
        (numbers.comparison(bits), greater),
        (numbers.addition(bits), total),
    ]:
        assert samples.y is not None and len(samples.y) == 4**bits
        powers = 1 << np.arange(bits)
        both = [(samples.arrays[name] @ powers).tolist() for name in "ab"]
        assert len(set(zip(*both))) == 4**bits
        wanted = samples.y.reshape(len(samples.y), -1).tolist()
        assert wanted == [answer(a, b) for a, b in zip(*both)]


def test_distinct_rows() -> None:
    rows = numbers.distinct_rows(8, 50, seed=1)
    assert rows.shape == (50, 8) and rows.min() >= 0 and rows.max() < 100
    assert all(len(set(row)) == 8 for row in rows.tolist())
    assert (rows == numbers.distinct_rows(8, 50, seed=1)).all()


def test_orientation_training_set() -> None:
    samples = orientation.training(28)
    images = samples.arrays["image"]
    assert samples.y is not None and images.shape == (56, 28, 28)
    assert images[6, :, 3].all() and images[6].sum() == 28 and samples.y[6] == 0
    assert images[7, 3].all() and images[7].sum() == 28 and samples.y[7] == 1


@pytest.mark.parametrize("size", [28, 280])
@pytest.mark.parametrize("family", orientation.FAMILIES)
def test_orientation_families_are_balanced_at_any_size(family: str, size: int) -> None:
    images, labels = orientation.images(family, size, 20, seed=7)
    assert images.shape == (40, size, size) and labels.sum() == 20
    assert (images.reshape(40, -1).sum(1) > 0).all()
    wide = np.stack([images.any(1).sum(1), images.any(2).sum(1)], 1)  # columns, rows that are lit
    # Half of the dots of a steep diagonal may stand in as many rows as columns.
    slack = 0 if family == "dotted diagonal" else 1
    assert (wide[labels == 1, 0] - wide[labels == 1, 1] >= slack).all()
    assert (images[::2] == images[1::2].transpose(0, 2, 1)).all()
    again, _ = orientation.images(family, size, 20, seed=7)
    assert (images == again).all()


def test_orientation_closed_form_on_lines() -> None:
    samples = orientation.training(9)
    assert samples.y is not None
    found = [orientation.closed_form(image.astype(np.uint8)) for image in samples.arrays["image"]]
    assert found == [(label, False) for label in samples.y.tolist()]
    assert orientation.closed_form(np.zeros((9, 9), np.uint8)) == (0, True)


def test_shapes() -> None:
    def drawn(family: str, width: int, height: int) -> set[tuple[int, int]]:
        x, y = orientation.FAMILIES[family].draw(width, height)
        return set(zip(x.tolist(), y.tolist()))

    assert drawn("diagonal", 5, 3) == {(0, 0), (1, 0), (2, 1), (3, 2), (4, 2)}
    assert drawn("dotted", 5, 2) == {(0, 0), (2, 0), (4, 0)}
    assert drawn("dotted diagonal", 5, 3) == {(0, 0), (2, 1), (4, 2)}
    assert drawn("zigzag", 6, 3) == {(0, 0), (1, 1), (2, 2), (3, 1), (4, 0), (5, 1)}
    assert drawn("outline", 4, 3) == {(x, y) for x in range(4) for y in range(3)} - {(1, 1), (2, 1)}


def test_maxsat_training_set() -> None:
    samples = maxsat.training(10, 100)
    formulas = samples.arrays["formula"]
    assert samples.y is not None and formulas.shape == (3800, 20, 100)  # as published
    assert np.allclose(samples.y.sum(1), 1) and set(samples.y[:, 1]) == {0, 0.01, 0.99, 1}
    assert (formulas.any(1).sum(1) == 1).all()  # one clause each
    alone = formulas.sum((1, 2)) == 1
    assert alone.sum() == 200 and (samples.y[alone, 1] == formulas[alone, 0].any(1)).all()


@pytest.mark.parametrize("family", maxsat.FAMILIES)
def test_formulas(family: str) -> None:
    draw = maxsat.FAMILIES[family]
    formula = draw(20, 3000, np.random.default_rng(5))
    sizes = formula.sum(1)
    assert not (formula[:, 0::2] & formula[:, 1::2]).any() and (sizes > 0).all()
    if family == "3-SAT":
        assert (sizes == 3).all()
    else:
        # Binomial(20, 3/20) without 0 has mean 3 / (1 - 0.85^20).
        assert abs(sizes.mean() - 3 / (1 - 0.85**20)) < 0.1
    assert abs(formula[:, 0::2].sum() / formula.sum() - 0.5) < 0.03
    assert (formula == draw(20, 3000, np.random.default_rng(5))).all()


def clause(*literals: int, width: int = 6) -> list[int]:
    return [int(at in literals) for at in range(width)]


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        # P(TRUE) by greedy, Johnson, 3/4; literal 0 is x, 1 is not x.
        ([clause(0), clause(1, 2), clause(1, 4)], (0.0, 0.5, 0.5)),
        ([clause(0), clause(1, 2)], (0.5, 1.0, 1.0)),
        ([clause(0, 2, 4), clause(1, 3)], (0.5, 0.0, 0.5)),
        ([clause(2), clause(3)], (0.5, 0.5, 0.5)),
        ([clause(0), clause(1, 2), clause(1, 3), clause(1, 5)], (0.0, 0.0, 1 / 3)),
    ],
)
def test_policies(clauses: list[list[int]], expected: tuple[float, float, float]) -> None:
    formula = np.array(clauses, dtype=np.uint8).T
    heard = maxsat.seen(formula)
    found = [p(*heard) for p in (maxsat.greedy, maxsat.johnson, maxsat.three_quarters)]
    assert found == pytest.approx(expected)


def test_scoring_counts_what_the_assignment_satisfies() -> None:
    generator = np.random.default_rng(1)
    formula = maxsat.random_k(6, 30, generator)
    for truths in product((0, 1), repeat=6):
        answers = [iter(truths), iter(truths)]
        counts = {
            maxsat.satisfied(formula, lambda *_: float(next(answers[0])), generator),
            maxsat.by_matrix(formula, lambda _: float(next(answers[1])), generator),
        }
        literals = [2 * v + (1 - t) for v, t in enumerate(truths)]
        assert counts == {formula[:, literals].any(1).sum()}


def test_policies_hear_the_clauses_that_are_left() -> None:
    generator = np.random.default_rng(8)
    formula = maxsat.random_k(7, 40, generator)
    for policy in maxsat.POLICIES.values():
        scores = [
            maxsat.satisfied(formula, policy, np.random.default_rng(3)),
            maxsat.by_matrix(formula, lambda m: policy(*maxsat.seen(m)), np.random.default_rng(3)),
        ]
        assert scores[0] == scores[1]


def test_policies_reach_their_guarantees() -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        formula = maxsat.three_sat(6, 40, generator)
        best = max(
            formula[:, [2 * v + (1 - t) for v, t in enumerate(truths)]].any(1).sum()
            for truths in product((0, 1), repeat=6)
        )
        scores = {
            name: np.mean([maxsat.satisfied(formula, policy, generator) for _ in range(10)])
            for name, policy in maxsat.POLICIES.items()
        }
        assert scores["Johnson 1974"] >= 7 / 8 * 40 and max(scores.values()) <= best
        assert scores["3/4 approximation"] > 0.75 * best
