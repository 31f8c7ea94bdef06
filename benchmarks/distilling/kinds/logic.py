"""Gates, parity, decoders and cellular automata."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from .making import Kind, Net, Rows, at_least, both, cells, kind, weighted


def gates(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(5, 8))
    every = weighted(range(n))
    units = [(every, at_least(k)) for k in (1, (n + 1) // 2, n)]
    minus = weighted(range(n), -1.0)
    units += [(minus, 0.5), (minus, n - 0.5)]  # none of them, not all

    def expected(x: Rows) -> Rows:
        s = x.sum(1)
        return np.stack([s >= 1, s >= (n + 1) // 2, s == n, s == 0, s < n], 1)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def parity(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(6, 9))
    net = Net(n).add([(weighted(range(n)), at_least(k)) for k in range(1, n + 1)])
    signs = {k: 1.0 if k % 2 == 0 else -1.0 for k in range(n)}
    net.add([(signs, 0.0 if n % 2 else -1.0)])
    return kind(net.layers, rng, f"x[{n}]", "step", lambda x: x.sum(1) % 2)


def mixed(rng: np.random.Generator) -> Kind:
    weights = rng.permutation([5, 3, 2, 1, -1, -2, -4, 6, -3])
    units = [(dict(enumerate(weights.astype(float))), -b) for b in (0.5, 2.5, -1.5)]
    layers = Net(9).add(units).layers

    def expected(x: Rows) -> Rows:
        return np.stack([x @ weights > b for b in (0.5, 2.5, -1.5)], 1)

    return kind(layers, rng, "x[9]", "step", expected, noise=0.004)


def decoder(rng: np.random.Generator) -> Kind:
    bits = 3
    units = []
    for number in range(1 << bits):
        signs = [1.0 if number >> (bits - 1 - k) & 1 else -1.0 for k in range(bits)]
        units.append((dict(enumerate(signs)), 0.5 - sum(s > 0 for s in signs)))
    layers = Net(bits).add(units).layers

    def expected(x: Rows) -> Rows:
        return (x @ [4, 2, 1])[:, None] == np.arange(8)

    return kind(layers, rng, "x[3]", "step", expected, noise=0.05)


def ring(n: int, function: Callable[[tuple[int, ...]], int], reach: int) -> Net:
    """Return an automaton: one unit for each neighbourhood of 1, then any of them."""
    cases = [c for c in itertools.product((0, 1), repeat=2 * reach + 1) if function(c)]
    first = []
    for cell in range(n):
        for case in cases:
            entries = {
                (cell + d) % n: 1.0 if bit else -1.0
                for d, bit in zip(range(-reach, reach + 1), case)
            }
            first.append((entries, 0.5 - sum(case)))
    k = len(cases)
    second = [(weighted(range(k * c, k * c + k)), k - 1.0) for c in range(n)]
    return Net(n).add(first).add(second)


def automaton(rng: np.random.Generator) -> Kind:
    n, rule = int(rng.integers(30, 45)), int(rng.choice([30, 54, 106, 110, 150, 184]))
    net = ring(n, lambda c: rule >> (4 * c[0] + 2 * c[1] + c[2]) & 1, 1)

    def expected(x: Rows) -> Rows:
        return rule >> (4 * np.roll(x, 1, 1) + 2 * x + np.roll(x, -1, 1)) & 1

    return kind(net.layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def wide_automaton(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(26, 33))
    born = set(rng.choice(6, size=3, replace=False).tolist())
    net = ring(n, lambda c: int(sum(c) in born), 2)

    def expected(x: Rows) -> Rows:
        s = sum(np.roll(x, d, 1) for d in range(-2, 3))
        return np.isin(s, list(born))

    return kind(net.layers, rng, f"x[{n}]", "step", expected)


def life(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(6, 9)), int(rng.integers(9, 12))
    grid = cells((n, m))
    first, second = [], []
    for i, j in np.ndindex(n, m):
        block = [grid[(i + a) % n, (j + b) % m] for a in (-1, 0, 1) for b in (-1, 0, 1)]
        entries = both(weighted(block, 2.0), {int(grid[i, j]): -1.0})
        first += [(entries, -4.5), ({p: -w for p, w in entries.items()}, 7.5)]
        k = 2 * (i * m + j)
        second.append(({k: 1.0, k + 1: 1.0}, -1.0))

    def expected(x: Rows) -> Rows:
        s = sum(np.roll(x, (a, b), (1, 2)) for a in (-1, 0, 1) for b in (-1, 0, 1)) - x
        return (s == 3) | ((s == 2) & (x == 1))

    layers = Net(n * m).add(first).add(second).layers
    return kind(layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.01)
