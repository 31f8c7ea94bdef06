"""Affine cells with small errors settle on the integer recurrence behind them, others stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ddc.frontend.learn.recurrent import Recurrent
from ddc.frontend.learn.settle import settled

Ints = NDArray[np.int64]


def spring(x: Ints) -> Ints:
    """v += x - p; p += v; y = p."""
    v, p = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0])
    found = []
    for t in range(x.shape[1]):
        v = v + x[:, t] - p
        p = p + v
        found.append(p)
    return np.stack(found, axis=1)


def disguised(rng: np.random.Generator, error: float) -> Recurrent:
    """Return the spring in a random basis, with errors on all weights."""
    a = np.array([[1.0, -1.0], [1.0, 0.0]])  # of (v, p)
    b = np.array([[1.0], [1.0]])
    basis = rng.normal(size=(2, 2)) + 2 * np.eye(2)
    inverse = np.linalg.inv(basis)

    def off(array: NDArray[np.float64]) -> NDArray[np.float64]:
        return array + error * rng.normal(size=array.shape)

    weight = np.concatenate([off(basis @ a @ inverse), off(basis @ b)], axis=1)
    f = ((weight, off(np.zeros(2))),)
    g = ((off(np.array([[0.0, 1.0]]) @ inverse), off(np.zeros(1))),)
    return Recurrent(f, g, np.zeros(2), 10, 1, 1, 1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_spring_in_any_basis(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def check() -> tuple[Ints, Ints]:
        x = rng.integers(-10, 11, size=(200, 40, 1))
        return x, spring(x)

    found = settled(disguised(rng, 1e-3), check)
    (weight, bias), (read, shift) = found.f[0], found.g[0]
    assert (weight == np.rint(weight)).all() and not bias.any() and not shift.any()
    assert read.tolist() == [[1, 0]]
    # y, and what y will be a step later: y[t+1] = y[t] - y[t-1] + x has this companion matrix.
    assert weight.tolist() == [[0, 1, 1], [-1, 1, 1]]


def test_nothing_is_rounded_that_is_wrong_then() -> None:
    rng = np.random.default_rng(0)
    leaking = Recurrent(
        ((np.array([[0.95, 1.0]]), np.zeros(1)),),
        ((np.eye(1), np.zeros(1)),),
        np.zeros(1),
        9,
        1,
        1,
        1,
        1,
    )

    def check() -> tuple[Ints, Ints]:
        x = rng.integers(0, 2, size=(50, 30, 1))
        h, found = np.zeros((50, 1)), []
        for t in range(30):
            h = 0.95 * h + x[:, t]
            found.append(np.rint(h).astype(np.int64))
        return x, np.stack(found, axis=1)

    assert settled(leaking, check) is leaking


def test_networks_with_layers_stay() -> None:
    two = ((np.eye(2), np.zeros(2)), (np.eye(1, 2), np.zeros(1)))
    deep = Recurrent(two, ((np.eye(1), np.zeros(1)),), np.zeros(1), 9, 1, 1, 1, 1)
    assert settled(deep, lambda: pytest.fail("nothing to check")) is deep
