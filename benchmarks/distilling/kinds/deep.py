"""Several layers, and noise on absent weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .making import Kind, Net, Rows, at_least, cells, kind, noisy, weighted


def windows_vote(rng: np.random.Generator) -> Kind:
    """Majorities of windows on a ring, then whether most of them hold: noise in every layer."""
    n = 2 * int(rng.integers(13, 18)) + 1
    net = Net(n).add([({(k + d) % n: 1.0 for d in (-1, 0, 1)}, -1.5) for k in range(n)])
    net.add([(weighted(range(n)), 0.0)])

    def expected(x: Rows) -> Rows:
        held = x + np.roll(x, 1, 1) + np.roll(x, -1, 1) >= 2
        return held.sum(1) * 2 > n

    return kind(net.layers, rng, f"x[{n}]", "step", expected, noise=0.004)


def columns_decide(rng: np.random.Generator) -> Kind:
    """Which of the columns is full most often: steps, then a linear layer with noise, argmax."""
    n, m = int(rng.integers(6, 9)), 5
    grid = cells((n, m))
    net = Net(n * m).add([(weighted(grid[:, j]), at_least(t)) for j in range(m) for t in (2, 4)])
    # Later columns need more: no ties that the noise could break.
    net.add([({2 * j: 2.0, 2 * j + 1: 2.0}, -0.25 * j) for j in range(m)])

    def expected(x: Rows) -> Rows:
        s = x.sum(1)
        return (2 * ((s >= 2).astype(int) + (s >= 4)) - 0.25 * np.arange(m)).argmax(1)

    return kind(net.layers, rng, f"x[{n}, {m}]", "argmax", expected, noise=0.005, hidden="step")


def half(rng: np.random.Generator) -> Kind:
    """A last layer that gives nearly 0 or 1: any row whose entries are all on."""
    n, m = int(rng.integers(4, 7)), int(rng.integers(6, 9))
    grid = cells((n, m))
    net = Net(n * m).add([(weighted(grid[i]), at_least(m)) for i in range(n)])
    net.add([(weighted(range(n)), at_least(1))])
    net.add([({0: 0.9}, 0.05)])
    found = kind(net.layers, rng, f"x[{n}, {m}]", "half", lambda x: x.all(2).any(1), hidden="step")
    layers = [*noisy(found.layers[:-1], rng, 0.01)]
    weights, bias = found.layers[-1]
    layers.append((weights * (1 + 0.01 * rng.uniform(-1, 1)), bias * 1.01))
    return replace(found, layers=layers)


def deep(rng: np.random.Generator) -> Kind:
    """Four layers: windows, windows of them, blocks of those, all blocks."""
    n = 4 * int(rng.integers(7, 10)) + 4
    net = Net(n).add([(weighted(range(k, k + 3)), -1.5) for k in range(n - 2)])
    net.add([(weighted(range(k, k + 3)), 0.0) for k in range(n - 4)])
    count = (n - 4) // 4
    net.add([(weighted(range(4 * k, 4 * k + 4)), -1.0) for k in range(count)])
    net.add([(weighted(range(count)), 1.0 - count)])

    def expected(x: Rows) -> Rows:
        for _ in range(2):
            x = (x[:, :-2] + x[:, 1:-1] + x[:, 2:] >= 2).astype(int)
        return (x.reshape(len(x), count, 4).sum(2) >= 3).all(1)

    return kind(net.layers, rng, f"x[{n}]", "step", expected, noise=0.004)


def dense_noise(rng: np.random.Generator) -> Kind:
    """Small weights everywhere, as training leaves them: rows on, and a column on."""
    n, m = int(rng.integers(5, 7)), int(rng.integers(5, 7))
    grid = cells((n, m))
    units = [(weighted(grid[i]), at_least(m - 1)) for i in range(n)]
    net = Net(n * m).add(units)
    net.add([(weighted(range(n)), n - 1.0)])

    def expected(x: Rows) -> Rows:
        return (x.sum(2) >= m - 1).any(1)

    shape = f"x[{n}, {m}]"
    return kind(net.layers, rng, shape, "step", expected, noise=0.01, everywhere=0.002)
