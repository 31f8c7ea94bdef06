"""Rows, columns, diagonals, frames and planes."""

from __future__ import annotations

import numpy as np

from .making import Kind, Net, Rows, at_least, both, cells, kind, weighted


def crossing(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(6, 9)), int(rng.integers(6, 9))
    grid = cells((n, m))
    units = [
        (
            both(weighted(grid[i]), weighted(grid[:, j]), {int(grid[i, j]): -1.0}),
            -0.5 - (n + m) // 3,
        )
        for i, j in np.ndindex(n, m)
    ]

    def expected(x: Rows) -> Rows:
        return x.sum(2)[:, :, None] + x.sum(1)[:, None, :] - x > (n + m) // 3

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.005)


def row_column(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(5, 8)), int(rng.integers(8, 11))
    grid = cells((n, m))
    units = [
        (both(weighted(grid[i]), weighted(grid[:, j], -1.0)), 0.0) for i, j in np.ndindex(n, m)
    ]

    def expected(x: Rows) -> Rows:
        return np.sign(x.sum(2)[:, :, None] - x.sum(1)[:, None, :])

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "sign", expected)


def others(rng: np.random.Generator) -> Kind:
    """Each row against the mean of the other rows."""
    n, m = int(rng.integers(5, 8)), int(rng.integers(5, 8))
    grid = cells((n, m))
    units = [(both(weighted(grid, -1.0), weighted(grid[i], float(n))), 0.0) for i in range(n)]

    def expected(x: Rows) -> Rows:
        rows = x.sum(2)
        return np.sign((n - 1) * rows - (rows.sum(1, keepdims=True) - rows))

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "sign", expected)


def hole(rng: np.random.Generator) -> Kind:
    """All entries but the own one: is anything else on?"""
    n = int(rng.integers(26, 34))
    units = [({p: 1.0 for p in range(n) if p != k}, -0.5) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return x.sum(1, keepdims=True) - x > 0

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.01)


def frame(rng: np.random.Generator) -> Kind:
    """The border of a picture against its inside."""
    n, m = int(rng.integers(6, 9)), int(rng.integers(7, 10))
    grid = cells((n, m))
    entries = both(weighted(grid), weighted(grid[1:-1, 1:-1], -2.0))

    def expected(x: Rows) -> Rows:
        inside = x[:, 1:-1, 1:-1].sum((1, 2))
        return np.sign(x.sum((1, 2)) - 2 * inside)

    return kind(Net(n * m).add([(entries, 0.0)]).layers, rng, f"x[{n}, {m}]", "sign", expected)


def antidiagonals(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(5, 7)), int(rng.integers(6, 8))
    grid = cells((n, m))
    units = []
    for k in range(n + m - 1):
        line = [grid[i, k - i] for i in range(n) if 0 <= k - i < m]
        units.append((weighted(line), at_least(2)))

    def expected(x: Rows) -> Rows:
        flipped = x[:, :, ::-1]
        sums = [np.trace(flipped, m - 1 - k, 1, 2) for k in range(n + m - 1)]
        return np.stack(sums, 1) >= 2

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.01)


def diagonals(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(6, 9))
    grid = cells((n, n))
    entries = both(weighted(np.diagonal(grid)), weighted(np.diagonal(grid[:, ::-1]), -1.0))

    def expected(x: Rows) -> Rows:
        return np.sign(np.trace(x, 0, 1, 2) - np.trace(x[:, ::-1], 0, 1, 2))

    return kind(Net(n * n).add([(entries, 0.0)]).layers, rng, f"x[{n}, {n}]", "sign", expected)


def cube_planes(rng: np.random.Generator) -> Kind:
    a, b, c = (int(rng.integers(3, 5)), int(rng.integers(4, 6)), int(rng.integers(3, 5)))
    grid = cells((a, b, c))
    units = [(weighted(grid[:, j]), -(a * c // 2) - 0.5) for j in range(b)]

    def expected(x: Rows) -> Rows:
        return x.sum((1, 3)) > a * c // 2

    return kind(
        Net(grid.size).add(units).layers, rng, f"x[{a}, {b}, {c}]", "step", expected, noise=0.01
    )


def cube_windows(rng: np.random.Generator) -> Kind:
    a, b, c = (int(rng.integers(3, 5)), int(rng.integers(4, 6)), int(rng.integers(4, 6)))
    grid = cells((a, b, c))
    units = [
        (weighted(grid[i : i + 2, j : j + 2, k : k + 2]), at_least(5))
        for i, j, k in np.ndindex(a - 1, b - 1, c - 1)
    ]

    def expected(x: Rows) -> Rows:
        total = sum(
            x[:, i : i + a - 1, j : j + b - 1, k : k + c - 1] for i, j, k in np.ndindex(2, 2, 2)
        )
        return total >= 5

    shape = f"x[{a}, {b}, {c}]"
    return kind(Net(grid.size).add(units).layers, rng, shape, "step", expected, noise=0.01)
