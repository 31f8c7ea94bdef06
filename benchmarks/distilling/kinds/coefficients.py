"""Prefixes and triangles, and weights that grow along a vector or with the unit."""

from __future__ import annotations

import itertools

import numpy as np

from .making import Kind, Net, Rows, both, cells, kind, weighted


def prefix(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(27, 36))
    units = [(weighted(range(k + 1), 2.0), -(k + 1.0)) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return np.sign(2 * np.cumsum(x, 1) - np.arange(1, n + 1))

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "sign", expected)


def suffix(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(26, 33))
    units = [(weighted(range(k, n)), 0.5 - (n - k)) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return np.flip(np.minimum.accumulate(np.flip(x, 1), 1), 1)

    layers = Net(n).add(units).layers
    return kind(layers, rng, f"x[{n}]", "step", expected, noise=0.005)


def triangle(rng: np.random.Generator) -> Kind:
    """One output for each pair i < j, in the order of the pairs."""
    n = int(rng.integers(6, 9))
    pairs = list(itertools.combinations(range(n), 2))
    units = [({i: 1.0, j: -1.0}, 0.0) for i, j in pairs]
    first, second = (list(k) for k in zip(*pairs))

    def expected(x: Rows) -> Rows:
        return np.sign(x[:, first] - x[:, second])

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "sign", expected, most=9)


def lower_triangle(rng: np.random.Generator) -> Kind:
    """One output for each pair j <= i of a vector of bits: are both on?"""
    n = int(rng.integers(25, 29))
    pairs = [(i, j) for i in range(n) for j in range(i + 1)]
    units = [({i: 1.0, j: 1.0} if i != j else {i: 2.0}, -1.5) for i, j in pairs]
    first, second = (list(k) for k in zip(*pairs))

    def expected(x: Rows) -> Rows:
        return x[:, first] & x[:, second]

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.05)


def half_square(rng: np.random.Generator) -> Kind:
    """Compare the cells above the diagonal of a square with those below."""
    n = int(rng.integers(6, 9))
    grid = cells((n, n))
    up, down = np.triu_indices(n, 1), np.tril_indices(n, -1)
    units = [(both(weighted(grid[up]), weighted(grid[down], -1.0)), 0.0)]

    def expected(x: Rows) -> Rows:
        return np.sign(np.triu(x, 1).sum((1, 2)) - np.tril(x, -1).sum((1, 2)))

    return kind(Net(n * n).add(units).layers, rng, f"x[{n}, {n}]", "sign", expected)


def growing(rng: np.random.Generator) -> Kind:
    """Weights that grow along the vector: is the mean place of the 1s right of the middle?"""
    n = 2 * int(rng.integers(14, 18)) + 1
    units = [({k: float(k - n // 2) for k in range(n)}, 0.0)]
    places = np.arange(n) - n // 2
    layers = Net(n).add(units).layers
    return kind(layers, rng, f"x[{n}]", "sign", lambda x: np.sign(x @ places))


def shares(rng: np.random.Generator) -> Kind:
    """A weight that grows with the unit: which multiple of one count is below the other?"""
    n, m, count = int(rng.integers(12, 15)), int(rng.integers(13, 18)), 6
    units = [
        (both(weighted(range(n), float(k + 1)), weighted(range(n, n + m), -1.0)), 0.0)
        for k in range(count)
    ]

    def expected(a: Rows, b: Rows) -> Rows:
        return np.sign(np.outer(a.sum(1), np.arange(1, count + 1)) - b.sum(1)[:, None])

    layers = Net(n + m).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{m}]", "sign", expected)


def binary_prefix(rng: np.random.Generator) -> Kind:
    """Compare every leading part of two binary numbers: powers of two on a prefix."""
    n = int(rng.integers(13, 17))
    units = []
    for k in range(n):
        entries = {i: 2.0 ** (k - i) for i in range(k + 1)}
        units.append((both(entries, {n + i: -w for i, w in entries.items()}), 0.0))

    def expected(a: Rows, b: Rows) -> Rows:
        differing = a != b
        first = np.where(differing, np.arange(n), n)
        seen = np.minimum.accumulate(first, 1)
        sign = np.take_along_axis(np.pad(a - b, ((0, 0), (0, 1))), np.minimum(seen, n), 1)
        return sign

    layers = Net(2 * n).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{n}]", "sign", expected)


def powers(rng: np.random.Generator) -> Kind:
    """A weight that doubles from unit to unit: one number against another shifted."""
    n, m, count = int(rng.integers(25, 30)), 12, 5
    units = [
        (both(weighted(range(n), -1.0), weighted(range(n, n + m), 2.0**k)), 0.0)
        for k in range(count)
    ]

    def expected(a: Rows, b: Rows) -> Rows:
        return np.sign((b.sum(1)[:, None] << np.arange(count)) - a.sum(1)[:, None])

    layers = Net(n + m).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{m}]", "sign", expected)


def checkers(rng: np.random.Generator) -> Kind:
    """Signs that alternate in both directions: the white cells against the black ones, by row."""
    n, m = int(rng.integers(5, 8)), int(rng.integers(7, 10))
    grid = cells((n, m))
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(m))
    rows = [(dict(zip(grid[i].tolist(), signs[i].tolist())), 0.0) for i in range(n)]
    whole = signs.astype(np.int64)
    layers = Net(n * m).add(rows).layers
    return kind(layers, rng, f"x[{n}, {m}]", "sign", lambda x: np.sign((x * whole).sum(2)))
