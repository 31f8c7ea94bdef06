"""Noise on weights is taken out where no decision can hang on it, and nowhere else."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from ddc.ir.exact.sources import Rows
from ddc.passes.families.noise import Ranges, simplest, simplest_choice


def ranges(count: int, low: int = 0, high: int = 1) -> Ranges:
    ones = np.ones(count, dtype=np.int64)
    return Ranges(ones * low, ones * high, ones * (high - low))


def test_majority_of_signs_needs_the_parity() -> None:
    """The sum of an odd number of signs is never 0: noise may move the threshold around it."""
    generator = np.random.default_rng(1)
    weights = 0.7 * (1 + 0.01 * generator.standard_normal(33))
    found = simplest(weights, Fraction(0.1), ranges(33, -1, 1))
    assert found is not None
    assert found[0].tolist() == [1] * 33
    assert found[1] == 0


def test_even_number_of_signs_hangs_on_noise() -> None:
    generator = np.random.default_rng(2)
    weights = 0.7 * (1 + 0.01 * generator.standard_normal(32))
    assert simplest(weights, Fraction(0), ranges(32, -1, 1)) is None


@pytest.mark.parametrize("seed", range(12))
def test_the_same_on_every_input(seed: int) -> None:
    generator = np.random.default_rng(seed)
    whole = generator.integers(-5, 6, size=9)
    whole[generator.random(9) < 0.3] = 0
    scale = generator.uniform(0.1, 10)
    weights = scale * (whole + generator.uniform(-0.004, 0.004, 9))
    bias = Fraction(scale) * (int(generator.integers(-6, 7)) + Fraction(1, 2))
    found = simplest(weights, bias, ranges(9))
    assert found is not None
    cases = np.array(list(itertools.product((0, 1), repeat=9)))
    exact = [sum(Fraction(w) for w, x in zip(weights, row) if x) + bias for row in cases]
    assert [z > 0 for z in exact] == (cases @ found[0] + found[1] > 0).tolist()
    assert np.abs(found[0]).max() <= max(np.abs(whole).max(), 1)


def rows(weights: list[list[float]], bias: list[float]) -> Rows:
    table = np.array(weights)
    starts = np.arange(0, table.size + 1, table.shape[1])
    columns = np.tile(np.arange(table.shape[1]), len(table))
    return Rows(table.shape[1], starts, columns, table.ravel(), np.array(bias))


@pytest.mark.parametrize("seed", range(8))
def test_the_first_greatest_stays(seed: int) -> None:
    generator = np.random.default_rng(seed)
    whole = generator.integers(-2, 3, size=(4, 6))
    shifts = generator.permutation(4) / 4
    weights = 2.5 * (whole + generator.uniform(-0.002, 0.002, whole.shape))
    weights[weights == 0] = 1e-9
    net = rows(weights.tolist(), (2.5 * shifts).tolist())
    found = simplest_choice(net, np.arange(4)[None], ranges(6))
    assert found is not None
    cases = np.array(list(itertools.product((0, 1), repeat=6)))
    theirs = (cases @ weights.T + 2.5 * shifts).argmax(1)
    ours = (cases @ found[0].reshape(4, 6).T + found[1]).argmax(1)
    assert np.array_equal(ours, theirs)
    assert np.abs(found[0]).max() <= 8


def test_a_tie_that_noise_breaks_is_kept() -> None:
    """Two equal units but for noise: the noise decides, so nothing is simplified."""
    net = rows([[1.0, 1.0], [1.0, 1.0000001]], [0.0, 0.0])
    assert simplest_choice(net, np.array([[0, 1]]), ranges(2)) is None
