"""Windows, strides and blocks."""

from __future__ import annotations

import numpy as np

from .making import Kind, Net, Rows, at_least, both, cells, kind, weighted


def window(rng: np.random.Generator) -> Kind:
    n, width = int(rng.integers(35, 50)), int(rng.choice([5, 7]))
    count = n - width + 1
    units = [(weighted(range(k, k + width)), at_least(width // 2 + 1)) for k in range(count)]

    def expected(x: Rows) -> Rows:
        total = np.cumsum(np.pad(x, ((0, 0), (1, 0))), 1)
        return 2 * (total[:, width:] - total[:, :-width]) > width

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def bordered(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(8, 11)), int(rng.integers(8, 11))
    grid = cells((n, m))
    units = []
    for i, j in np.ndindex(n, m):
        around = grid[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        units.append((weighted(around), at_least(4)))

    def expected(x: Rows) -> Rows:
        wide = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        total = sum(wide[:, a : a + n, b : b + m] for a in range(3) for b in range(3))
        return total >= 4

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.01)


def edges(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(6, 9)), int(rng.integers(8, 12))
    grid = cells((n, m))
    units = [
        ({int(grid[i, j]): 1.0, int(grid[i, j + 1]): -1.0}, 0.0) for i, j in np.ndindex(n, m - 1)
    ]
    return kind(
        Net(n * m).add(units).layers,
        rng,
        f"x[{n}, {m}]",
        "sign",
        lambda x: np.sign(x[:, :, :-1] - x[:, :, 1:]),
        most=5,
    )


def stride(rng: np.random.Generator) -> Kind:
    width, step, count = 4, 3, int(rng.integers(9, 14))
    n = step * (count - 1) + width
    units = [
        (dict(zip(range(step * k, step * k + width), (2.0, 1.0, 1.0, 2.0))), -2.5)
        for k in range(count)
    ]

    def expected(x: Rows) -> Rows:
        taps = np.array([2, 1, 1, 2])
        return np.stack([x[:, step * k : step * k + width] @ taps >= 3 for k in range(count)], 1)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.01)


def ring_stride(rng: np.random.Generator) -> Kind:
    count = int(rng.integers(14, 20))
    n = 2 * count
    units = [({(2 * k + d) % n: 1.0 for d in (-1, 0, 1, 2, 3)}, -2.5) for k in range(count)]

    def expected(x: Rows) -> Rows:
        total: Rows = np.sum([np.roll(x, -d, 1) for d in (-1, 0, 1, 2, 3)], axis=0)
        return total[:, ::2] > 2

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected)


def pooled(rng: np.random.Generator) -> Kind:
    rows, columns, a, b = 3, int(rng.integers(3, 5)), 3, 4
    grid = cells((rows * a, columns * b))
    units = [
        (weighted(grid[a * i : a * i + a, b * j : b * j + b]), at_least(a * b // 2 + 1))
        for i, j in np.ndindex(rows, columns)
    ]

    def expected(x: Rows) -> Rows:
        return x.reshape(len(x), rows, a, columns, b).sum((2, 4)) * 2 > a * b

    shape = f"x[{rows * a}, {columns * b}]"
    return kind(Net(grid.size).add(units).layers, rng, shape, "step", expected, noise=0.01)


def blocks(rng: np.random.Generator) -> Kind:
    """Each cell is compared with the others of its block: an index rounded down."""
    width, count = 5, int(rng.integers(6, 9))
    n = width * count
    units = []
    for cell in range(n):
        start = cell // width * width
        units.append((both(weighted(range(start, start + width), -1.0), {cell: 4.0}), 0.5))

    def expected(x: Rows) -> Rows:
        parts = x.reshape(len(x), count, width)
        return (4 * parts - parts.sum(2, keepdims=True) >= 0).reshape(len(x), n)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.01)


def comb(rng: np.random.Generator) -> Kind:
    """Cells of equal remainder: counts over strides."""
    step, count = int(rng.integers(4, 7)), 6
    n = step * count
    units = [(weighted(range(k, n, step)), at_least(4)) for k in range(step)]

    def expected(x: Rows) -> Rows:
        return x.reshape(len(x), count, step).sum(1) >= 4

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def outer(rng: np.random.Generator) -> Kind:
    """All pairs of an entry of one vector and one of another, in one row: quotient, remainder."""
    n, m = int(rng.integers(4, 7)), int(rng.integers(20, 25))
    units = [({k // m: 1.0, n + k % m: 1.0}, -1.5) for k in range(n * m)]

    def expected(a: Rows, b: Rows) -> Rows:
        return (a[:, :, None] & b[:, None, :]).reshape(len(a), -1)

    layers = Net(n + m).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{m}]", "step", expected, noise=0.05)
