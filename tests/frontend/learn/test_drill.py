"""Networks that are wrong on rare words are trained on until no word is wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from ddc.frontend.learn.drill import drilled
from ddc.frontend.learn.recurrent import Recipe, Recurrent

pytest.importorskip("torch")

Ints = NDArray[np.int64]
LENGTH = 5
RECIPE = Recipe(hidden=2, f=(4,), rate=2e-2, batch=64, checked=1 << 12, drill=600)


def peak(x: Ints) -> Ints:
    """Return the greatest of this letter and the one before, which is 0 at first."""
    before = np.concatenate([np.zeros_like(x[:, :1]), x[:, :-1]], axis=1)
    found: Ints = np.maximum(x, before)
    return found


def network(error: float) -> Recurrent:
    """Return a network for letters 0, 1 and 2 whose answer is short by `error` where a 2 stood before.

    h = [max(a, b), b] of the letter before and this one: max(a, b) = a + relu(b - a).
    """
    inside = np.array([[0.0, 1.0, 0.0], [0, -1, 1], [0, 0, 1], [0, 1, 0]])
    after = np.array([[1.0, 1.0, 0.0, 0.0], [0, 0, 1, 0]])
    shift = np.array([0.0, 0.0, 0.0, -1.0])
    after[0, 3] = -error
    f = ((inside, shift), (after, np.zeros(2)))
    return Recurrent(f, ((np.eye(1, 2), np.zeros(1)),), np.zeros(2), LENGTH, 0, 0, 0, 7)


def rare(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
    """Draw sequences in which a 2 comes only at the end."""
    x = rng.integers(0, 2, size=(count, length, 1))
    x[:, -1] = rng.integers(0, 3, size=(count, 1))
    return x, peak(x)


def common(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
    x = rng.integers(0, 3, size=(count, length, 1))
    return x, peak(x)


def wrong(net: Recurrent) -> int:
    """Count the words on which a network is wrong, of all words, in plain Python numbers."""
    (w0, b0), (w1, b1) = net.f
    read, shift = net.g[0]
    count = 0
    for word in product(range(3), repeat=LENGTH):
        h = np.zeros(2)
        for t, letter in enumerate(word):
            h = w1 @ np.maximum(w0 @ np.array([*h, letter]) + b0, 0) + b1
            if round(float((read @ h + shift)[0])) != max(word[max(0, t - 1) : t + 1]):
                count += 1
                break
    return count


def test_the_networks_of_these_tests() -> None:
    assert wrong(network(0.0)) == 0
    assert wrong(network(0.8)) > 50


@pytest.mark.parametrize("source", [rare, common])
def test_words_that_are_never_drawn_are_found_by_their_rule(source: object) -> None:
    found = drilled(network(0.8), source, RECIPE, peak)  # type: ignore[arg-type]
    assert wrong(found) == 0
    assert found.steps == 7 + RECIPE.drill
    assert found.right == found.safe == found.checked == RECIPE.checked


def test_without_a_rule_what_is_drawn_counts() -> None:
    assert wrong(drilled(network(0.8), common, RECIPE)) == 0
    # None of these words shows a mistake, so that there is nothing to learn.
    assert drilled(network(0.8), rare, RECIPE).steps == 7


def test_a_network_that_is_right_stays() -> None:
    first = network(0.1)
    found = drilled(first, common, RECIPE, peak)
    assert found.f is first.f and found.g is first.g and found.steps == 7
    assert found.right == found.checked


def test_no_worse_than_before_and_the_same_each_time() -> None:
    hasty = replace(RECIPE, rate=5.0, drill=20)
    assert wrong(drilled(network(0.8), common, hasty, peak)) <= wrong(network(0.8))
    one, other = (drilled(network(0.8), common, RECIPE, peak) for _ in range(2))
    assert all(np.array_equal(a, b) for p, q in zip(one.f, other.f) for a, b in zip(p, q))
