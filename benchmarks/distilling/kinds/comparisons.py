"""Comparisons: greatest and least entries, sorting, equality, votes."""

from __future__ import annotations

import numpy as np

from .making import Kind, Net, Rows, at_least, kind, weighted


def tournament(n: int, every: bool = False) -> Net:
    """Return the signs of all differences of entries, and for each entry the sum of its wins."""
    pairs = [(i, j) for i in range(n) for j in range(n) if i < j or (every and i != j)]
    net = Net(n).add([({i: 1.0, j: -1.0}, 0.0) for i, j in pairs])
    wins: list[dict[int, float]] = [{} for _ in range(n)]
    for k, (i, j) in enumerate(pairs):
        wins[i][k] = 1.0
        if not every:
            wins[j][k] = -1.0
    return net.add([(entries, 0.0) for entries in wins])


def argmax(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(5, 8))
    layers = tournament(n).layers
    return kind(layers, rng, f"x[{n}]", "argmax", lambda x: x.argmax(1), most=20)


def argmin_wide(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(15, 22))
    first, (weights, bias) = tournament(n, True).layers
    layers = [first, (-weights, bias)]
    return kind(layers, rng, f"x[{n}]", "argmax", lambda x: x.argmin(1), most=99)


def median(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(7, 12))

    def expected(x: Rows) -> Rows:
        return np.sign(np.sign(x[:, :, None] - x[:, None, :]).sum(2))

    return kind(tournament(n).layers, rng, f"x[{n}]", "sign", expected, most=9)


def sorted_bits(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(30, 40))
    units = [(weighted(range(n)), at_least(k + 1)) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return -np.sort(-x, 1)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected)


def comparison(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(10, 15))
    powers = 2.0 ** np.arange(n - 1, -1, -1)
    units = [(dict(enumerate([*powers, *-powers])), 0.0)]
    whole = powers.astype(np.int64)
    layers = Net(2 * n).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{n}]", "sign", lambda a, b: np.sign(a @ whole - b @ whole))


def equality(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(13, 20))
    net = Net(2 * n)
    net.add([({k: 1.0, n + k: -1.0}, 0.0) for k in range(n)])  # 0 where equal
    # Twice each difference, by its two signs.
    both_ways = [({k: s}, -0.5) for k in range(n) for s in (1.0, -1.0)]
    net.add(both_ways)  # 1 where that side is greater, else -1
    net.add([(weighted(range(2 * n), -1.0), 0.5 - 2 * n + 0.5)])
    return kind(net.layers, rng, f"a[{n}]; b[{n}]", "step", lambda a, b: (a == b).all(1))


def majority_vote(rng: np.random.Generator) -> Kind:
    """Blocks vote for their class; the last layer has noise and its argmax no ties."""
    blocks, width = 9, 5
    net = Net(blocks * width)
    net.add([(weighted(range(width * b, width * b + width)), -2.5) for b in range(blocks)])
    thresholds = [(weighted(range(blocks)), t) for t in (-2.0, 4.0)]
    net.add(thresholds)  # sum > 2, sum > -4
    net.add([({0: -1.0, 1: -1.0}, 0.0), ({0: -1.0, 1: 1.0}, 0.5), ({0: 1.0, 1: 1.0}, 0.25)])

    def expected(x: Rows) -> Rows:
        s = np.where(x.reshape(len(x), blocks, width).sum(2) > 2, 1, -1).sum(1)
        high, low = np.where(s > 2, 1, -1), np.where(s > -4, 1, -1)
        return np.stack([-high - low, low - high + 0.5, high + low + 0.25], 1).argmax(1)

    return kind(net.layers, rng, f"x[{blocks * width}]", "argmax", expected, noise=0.01)
