"""Sequences that a rule cannot tell from each other, and the penalty on how their states spread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ddc.frontend.learn.alike import LEAST, Alike, kinds
from ddc.frontend.learn.recurrent import Recipe, train

torch = pytest.importorskip("torch")

Ints = NDArray[np.int64]
LETTERS = np.array([[0], [1], [2]])


def carries(x: Ints) -> Ints:
    """Return 1 where the sum passes a multiple of 3."""
    total = x.cumsum(axis=1)
    found: Ints = total // 3 - (total - x) // 3
    return found


def drawn(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
    x = rng.integers(0, 3, size=(count, length, 1))
    return x, carries(x)


def test_alike_is_what_has_the_same_rest_and_output() -> None:
    x, y = drawn(np.random.default_rng(5), 300, 6)
    found = kinds(carries, x, y, LETTERS)
    assert found.shape == (300, 6)
    meant = x.cumsum(axis=1)[:, :, 0] % 3 * 2 + y[:, :, 0]
    pairs = set(zip(found.ravel().tolist(), meant.ravel().tolist()))
    # One to one: as many pairs as values on either side. A rest of 2 comes without a carry only.
    assert len(pairs) == len(np.unique(found)) == len(np.unique(meant)) == 5


def test_the_penalty_is_the_share_of_the_variance_within_what_is_alike() -> None:
    alike = Alike(torch, drawn, carries, Recipe(alike=0.5), 4)
    assert alike.letters.tolist() == LETTERS.tolist()
    alike.count = 2
    labels = torch.tensor([0, 0, 1, 1])
    states = torch.tensor([[[1.0], [3.0], [7.0], [9.0]], [[1.0], [1.0], [2.0], [2.0]]])
    # Variance 1 within and 10 in all for the first seed, none within for the other.
    meant = 0.5 * np.log([1 / 10 + LEAST, LEAST])
    assert np.allclose(alike.penalty(states, labels).numpy(), meant, atol=1e-4)


def test_a_batch_is_labelled_by_the_rule_and_in_the_order_of_the_states() -> None:
    alike = Alike(torch, drawn, carries, Recipe(alike=0.5), 5)
    x, y, labels = alike.batch(np.random.default_rng(1), 7, 3)
    assert x.shape == y.shape == (7, 3, 1) and (carries(x) == y).all()
    steps = labels.numpy().reshape(3, 7)
    rest = x.cumsum(axis=1)[:, :, 0].T % 3
    for label in np.unique(steps):
        assert len(np.unique(rest[steps == label])) == 1


def share_within(recipe: Recipe) -> float:
    """Return how much of the variance of a trained network's states lies between states that are alike."""
    found = train(drawn, 6, recipe, rule=carries)
    assert found.right == found.checked
    x, y = drawn(np.random.default_rng(3), 1000, 6)
    (w0, b0), (w1, b1) = found.f
    h, states = np.repeat(found.h0[None], len(x), axis=0), []
    for t in range(x.shape[1]):
        h = np.maximum(np.concatenate([h, x[:, t]], axis=1) @ w0.T + b0, 0) @ w1.T + b1
        states.append(h)
    rest, outputs = x.cumsum(axis=1)[:, :, 0].T % 3, y[:, :, 0].T
    labels, after = (rest * 2 + outputs).ravel(), np.concatenate(states)
    within = sum(
        float(((after[labels == n] - after[labels == n].mean(axis=0)) ** 2).sum())
        for n in np.unique(labels)
    )
    return within / float(((after - after.mean(axis=0)) ** 2).sum())


def test_states_of_a_network_trained_so_lie_together() -> None:
    plain = Recipe(hidden=2, f=(16,), seeds=4, batch=64, steps=1200, scale="unit", checked=1 << 12)
    assert 5 * share_within(replace(plain, alike=0.03)) < share_within(plain)
