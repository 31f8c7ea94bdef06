"""Thirty kinds of essence nets: each is read as families, proved, and computes what it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from benchmarks.networks import essence_automaton
from ddc.ir import Module, check, dims, element, levels, walk
from ddc.ir.interpreter import run_batch
from ddc.passes import Context
from ddc.passes.families import Families, structure_of, units_found
from tests.passes.family_nets import Layers, maxsat, module, orientation, shuffled, zeros

Rows = Any  # numpy arrays, first axis the batch


@dataclass(frozen=True)
class Kind:
    """A network, the function it computes, and how many ops its program may have at most."""

    build: Callable[[], Module]
    expected: Callable[..., Rows]
    ops: int


def single(weights: list[float], bias: float, output: str = "step") -> Module:
    result = "bit" if output == "step" else "int<-1..1>"
    layer = (np.array(weights)[:, None], np.array([bias]))
    return module([layer], f"x: bit[{len(weights)}]", output, result)


def xor2() -> Module:
    first = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([-0.5, -1.5])
    return module(
        [first, (np.array([[1.0], [-1.0]]), np.array([-1.0]))], "x: bit[2]", "step", "bit"
    )


def automaton(rule: int, cells: int) -> Kind:
    def expected(x: Rows) -> Rows:
        place = 4 * np.roll(x, 1, 1) + 2 * x + np.roll(x, -1, 1)
        return rule >> place & 1

    def build() -> Module:
        layers = essence_automaton(rule, cells, seed=rule)
        return module(layers, f"x: bit[{cells}]", "step", f"bit[{cells}]")

    return Kind(build, expected, 130)


def argmax(n: int, most: int, every: bool, seed: int | None = None) -> Kind:
    """Compare pairs (all ordered ones, or i < j only), then count the wins of each."""

    def build() -> Module:
        pairs = [(i, j) for i in range(n) for j in range(n) if i < j or (every and i != j)]
        first, second = zeros(n, len(pairs)), zeros(len(pairs), n)
        for k, (i, j) in enumerate(pairs):
            first[i, k], first[j, k] = 1, -1
            second[k, i] = 1
            if not every:
                second[k, j] = -1
        layers: Layers = [(first, zeros(len(pairs))), (second, zeros(n))]
        layers = layers if seed is None else shuffled(layers, seed)
        return module(layers, f"x: int<0..{most}>[{n}]", "argmax", f"int<0..{n - 1}>")

    return Kind(build, lambda x: x.argmax(1), 12)


def rank(n: int) -> Kind:
    """Tell which entries are greater than at least half of the others."""

    def build() -> Module:
        pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
        first, second = zeros(n, len(pairs)), zeros(len(pairs), n)
        for k, (i, j) in enumerate(pairs):
            first[i, k], first[j, k] = 1, -1
            second[k, i], second[k, j] = 1, -1
        layers = shuffled([(first, zeros(len(pairs))), (second, zeros(n))], 3)
        return module(layers, f"x: int<0..9>[{n}]", "sign", f"int<-1..1>[{n}]")

    def expected(x: Rows) -> Rows:
        wins = np.sign(x[:, :, None] - x[:, None, :]).sum(2)
        return np.sign(wins)

    return Kind(build, expected, 12)


def ordered(n: int) -> Kind:
    """Sort bits: output k is 1 where at least k + 1 are."""
    layer = np.ones((n, n)), -np.arange(n) - 0.5
    return Kind(
        lambda: module([layer], f"x: bit[{n}]", "step", f"bit[{n}]"),
        lambda x: x.sum(1)[:, None] > np.arange(n),
        8,
    )


def life(n: int) -> Kind:
    """Life on a torus: 5 <= 2 * neighbours + centre <= 7."""

    def build() -> Module:
        index = np.arange(n * n).reshape(n, n)
        first, second = zeros(n * n, 2 * n * n), zeros(2 * n * n, n * n)
        for cell in range(n * n):
            i, j = divmod(cell, n)
            around = index[
                np.ix_([(i + d) % n for d in (-1, 0, 1)], [(j + d) % n for d in (-1, 0, 1)])
            ]
            for k, unit in enumerate((cell, n * n + cell)):
                first[around.ravel(), unit] = 4
                first[cell, unit] = 2
                second[unit, cell] = 1 - 2 * k
        bias = np.repeat([-9.0, -15.0], n * n)
        layers = shuffled([(first, bias), (second, np.full(n * n, -1.0))], 5)
        return module(layers, f"x: bit[{n}, {n}]", "step", f"bit[{n}, {n}]")

    def expected(x: Rows) -> Rows:
        s = sum(
            np.roll(x, (a, b), (1, 2)) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)
        )
        return (s == 3) | ((s == 2) & (x == 1))

    return Kind(build, expected, 30)


def banded(n: int, taps: list[float], bias: float, stride: int = 1, border: bool = False) -> Kind:
    """A window that moves along a vector, inside it or over its borders (read as 0)."""
    reach = len(taps) // 2 if border else 0
    count = (n + 2 * reach - len(taps)) // stride + 1
    weights = zeros(n, count)
    for unit in range(count):
        for k, tap in enumerate(taps):
            at = unit * stride + k - reach
            if 0 <= at < n:
                weights[at, unit] = tap

    def expected(x: Rows) -> Rows:
        wide = np.pad(x, ((0, 0), (reach, reach)))
        total = sum(
            t * wide[:, k : k + count * stride : stride][:, :count] for k, t in enumerate(taps)
        )
        return total + bias > 0

    return Kind(
        lambda: module([(weights, np.full(count, bias))], f"x: bit[{n}]", "step", f"bit[{count}]"),
        expected,
        14,
    )


def prefix(n: int) -> Kind:
    """Tell for each place whether most entries up to it are 1."""
    weights = np.triu(np.ones((n, n)))
    bias = -(np.arange(n) + 1) / 2
    return Kind(
        lambda: module([(weights, bias)], f"x: bit[{n}]", "sign", f"int<-1..1>[{n}]"),
        lambda x: np.sign(2 * np.cumsum(x, 1) - np.arange(1, n + 1)),
        10,
    )


def suffix(n: int) -> Kind:
    """Tell for each place whether all entries from it on are 1."""
    weights = np.tril(np.ones((n, n)))
    bias = 0.5 - (n - np.arange(n))
    return Kind(
        lambda: module([(weights, bias)], f"x: bit[{n}]", "step", f"bit[{n}]"),
        lambda x: np.flip(np.cumprod(np.flip(x, 1), 1), 1),
        10,
    )


def lines(n: int, m: int, row: int, column: int, crossing: int, bias: float, output: str) -> Kind:
    """Compare sums over the row and the column of each cell."""

    def build() -> Module:
        index = np.arange(n * m).reshape(n, m)
        weights = zeros(n * m, n * m)
        for i in range(n):
            for j in range(m):
                weights[index[i], m * i + j] += row
                weights[index[:, j], m * i + j] += column
                weights[index[i, j], m * i + j] += crossing
        kind = "bit" if output == "step" else "int<-1..1>"
        return module(
            [(weights, np.full(n * m, bias))], f"x: bit[{n}, {m}]", output, f"{kind}[{n}, {m}]"
        )

    def expected(x: Rows) -> Rows:
        total = row * x.sum(2)[:, :, None] + column * x.sum(1)[:, None, :] + crossing * x + bias
        return np.sign(total) if output == "sign" else total > 0

    return Kind(build, expected, 20)


def complement(n: int, m: int) -> Kind:
    """For each row: is its count greater than that of all other rows?"""

    def build() -> Module:
        index = np.arange(n * m).reshape(n, m)
        weights = -np.ones((n * m, n))
        for i in range(n):
            weights[index[i], i] = 1
        return module([(weights, zeros(n))], f"x: bit[{n}, {m}]", "sign", f"int<-1..1>[{n}]")

    def expected(x: Rows) -> Rows:
        rows = x.sum(2)
        return np.sign(2 * rows - rows.sum(1, keepdims=True))

    return Kind(build, expected, 14)


def binary(n: int) -> Kind:
    """Compare two binary numbers, most significant bit first; ties are 0."""
    powers = 2.0 ** np.arange(n - 1, -1, -1)
    layer = np.concatenate([powers, -powers])[:, None], zeros(1)

    def expected(a: Rows, b: Rows) -> Rows:
        return np.sign(a @ powers - b @ powers)

    return Kind(
        lambda: module([layer], f"a: bit[{n}], b: bit[{n}]", "sign", "int<-1..1>"), expected, 16
    )


def alternating(n: int) -> Kind:
    """Compare the entries at even places with those at odd ones."""
    signs = np.where(np.arange(n) % 2, -1.0, 1.0)
    return Kind(
        lambda: module([(signs[:, None], zeros(1))], f"x: bit[{n}]", "sign", "int<-1..1>"),
        lambda x: np.sign(x @ signs),
        10,
    )


def planes(n: int) -> Kind:
    """For each plane of a cube and the line through it: do the counts reach half?"""

    def build() -> Module:
        index = np.arange(n**3).reshape(n, n, n)
        weights = zeros(n**3, n)
        for i in range(n):
            weights[index[i], i] = 1
        return module(
            [(weights, np.full(n, -n * n / 2))],
            f"x: bit[{n}, {n}, {n}]",
            "sign",
            f"int<-1..1>[{n}]",
        )

    return Kind(build, lambda x: np.sign(2 * x.sum((2, 3)) - n * n), 10)


def cubes(n: int) -> Kind:
    """Windows of 2 x 2 x 2 in a cube: more than half."""

    def build() -> Module:
        index = np.arange(n**3).reshape(n, n, n)
        m = n - 1
        weights = zeros(n**3, m**3)
        for unit, (i, j, k) in enumerate(np.ndindex(m, m, m)):
            weights[index[i : i + 2, j : j + 2, k : k + 2].ravel(), unit] = 1
        return module(
            [(weights, np.full(m**3, -4.0))],
            f"x: bit[{n}, {n}, {n}]",
            "step",
            f"bit[{m}, {m}, {m}]",
        )

    def expected(x: Rows) -> Rows:
        m = n - 1
        total = sum(x[:, a : a + m, b : b + m, c : c + m] for a, b, c in np.ndindex(2, 2, 2))
        return total > 4

    return Kind(build, expected, 12)


def diagonal(n: int) -> Kind:
    """Compare the two diagonals of a square, and each diagonal entry's row with its column."""
    index = np.arange(n * n).reshape(n, n)
    weights = zeros(n * n, 1)
    np.add.at(weights[:, 0], np.diagonal(index), 1)
    np.add.at(weights[:, 0], np.diagonal(index[:, ::-1]), -1)

    def expected(x: Rows) -> Rows:
        return np.sign(np.trace(x, 0, 1, 2) - np.trace(x[:, :, ::-1], 0, 1, 2))

    return Kind(
        lambda: module([(weights, zeros(1))], f"x: bit[{n}, {n}]", "sign", "int<-1..1>"),
        expected,
        14,
    )


def noisy(seed: int) -> Kind:
    """A window majority whose weights carry noise that no decision hangs on."""
    n, width = 20, 5
    generator = np.random.default_rng(seed)
    weights = zeros(n, n - width + 1)
    for unit in range(n - width + 1):
        weights[unit : unit + width, unit] = 0.7 * (1 + 0.02 * generator.standard_normal(width))
    bias = -0.7 * 2.5 * (1 + 0.01 * generator.standard_normal(n - width + 1))

    def expected(x: Rows) -> Rows:
        return sum(x[:, k : n - width + 1 + k] for k in range(width)) > 2

    return Kind(
        lambda: module([(weights, bias)], f"x: bit[{n}]", "step", f"bit[{n - width + 1}]"),
        expected,
        10,
    )


def majority_of_windows(n: int) -> Kind:
    """Two layers: three-cell majorities on a ring, then whether more than half of all hold."""
    first, last = zeros(n, n), np.ones((n, 1))
    for unit in range(n):
        first[[(unit + d) % n for d in (-1, 0, 1)], unit] = 2
    layers = shuffled([(first, np.full(n, -3.0)), (last, zeros(1))], 9)

    def expected(x: Rows) -> Rows:
        held = x + np.roll(x, 1, 1) + np.roll(x, -1, 1) >= 2
        return np.sign(2 * held.sum(1) - n)

    return Kind(lambda: module(layers, f"x: bit[{n}]", "sign", "int<-1..1>"), expected, 14)


def vertical(x: Rows) -> Rows:
    """The closed form of the orientation net."""
    n = x.shape[1]
    d = np.sign(x.sum(1)[:, :, None] - x.sum(2)[:, None, :])
    u = d.sum((1, 2))[:, None]
    first = np.sign(n * d.sum(2) - (n - 1) * u - n * (n - 1))
    second = np.sign((n - 1) * u - n * d.sum(1) - n * (n - 1))
    return (first.sum(1) < second.sum(1)).astype(np.int64)


def satisfied(x: Rows) -> Rows:
    """The closed form of the MAX-SAT policy."""
    weight = np.where(x[:, 2:].any(1), 1.14878, 5.0)
    total = ((x[:, 0] - x[:, 1]) * weight).sum(1)
    true = 1 / (1 + np.exp(-2 * total))
    return np.stack([true, 1 - true], 1)


KINDS: dict[str, Kind] = {
    "and3": Kind(lambda: single([1, 1, 1], -2.5), lambda x: x.all(1), 6),
    "or4": Kind(lambda: single([1, 1, 1, 1], -0.5), lambda x: x.any(1), 8),
    "maj5": Kind(lambda: single([1] * 5, -2.5), lambda x: x.sum(1) > 2, 8),
    "mixed weights": Kind(
        lambda: single([3, 2, -1, -1], -1.5), lambda x: x @ [3, 2, -1, -1] > 1.5, 10
    ),
    "tie2": Kind(lambda: single([1, -1], 0, "sign"), lambda x: np.sign(x[:, 0] - x[:, 1]), 6),
    "xor2": Kind(xor2, lambda x: x[:, 0] ^ x[:, 1], 12),
    "rule 30": automaton(30, 12),
    "rule 90": automaton(90, 12),
    "rule 110": automaton(110, 12),
    "rule 184": automaton(184, 12),
    "rule 232": automaton(232, 12),
    "argmax of 3": argmax(3, 9, True),
    "argmax of 5": argmax(5, 99, False),
    "argmax of 8, permuted": argmax(8, 99, False, 1),
    "argmax of 6, all pairs": argmax(6, 20, True, 2),
    "rank": rank(7),
    "ordered bits": ordered(9),
    "life": life(7),
    "window": banded(16, [1, 1, 1, 1, 1], -2.5),
    "window with borders": banded(15, [1, 2, 1], -1.5, border=True),
    "two taps": banded(14, [4, 2], -3),
    "stride": banded(21, [1, 1, 1], -1.5, stride=2),
    "blocks": banded(24, [1, 1, 1, 1], -2, stride=4),
    "prefix": prefix(12),
    "suffix": suffix(10),
    "row and column": lines(5, 6, 1, 1, 0, -5.5, "step"),
    "row and column, ties": lines(5, 4, 1, -1, 0, 0, "sign"),
    "row and column, crossing": lines(4, 5, 2, 1, 3, -4, "sign"),
    "rows against the others": complement(5, 6),
    "binary comparison": binary(8),
    "alternating": alternating(11),
    "3-D planes": planes(4),
    "3-D windows": cubes(4),
    "diagonals": diagonal(6),
    "noisy": noisy(4),
    "two layers": majority_of_windows(11),
    "orientation": Kind(lambda: orientation(6, 7), vertical, 45),
    "max-sat": Kind(lambda: maxsat(6, 9, 8), satisfied, 75),
}


def inputs_of(network: Module, count: int, seed: int) -> dict[str, Rows]:
    """Return random inputs, sparse, even and dense ones, the first all at their least."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, Rows] = {}
    for param in network.entry.params:
        values = np.array(levels(element(param.type)))
        shape = [d.const for d in dims(param.type)]
        share = generator.random((count, *([1] * len(shape)))) ** 2
        picked = generator.integers(len(values), size=(count, *shape))
        picked[generator.random((count, *shape)) < share] = 0
        picked[0] = 0
        arrays[param.name] = values[picked]
    return arrays


@pytest.mark.parametrize("name", KINDS)
def test_kind(name: str) -> None:
    kind = KINDS[name]
    network = kind.build()
    context = Context()
    units = check(Families(fuse=False).run(network, context))
    program = check(Families().run(network, context))
    rows = inputs_of(network, 400, len(name))
    expected = np.asarray(kind.expected(*rows.values())).astype(np.float64)
    (shown,) = run_batch(network, rows)
    np.testing.assert_allclose(shown.reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)
    for found in (units, program):
        (answers,) = run_batch(found, rows)
        np.testing.assert_allclose(
            answers.reshape(expected.shape), expected, rtol=1e-12, atol=1e-12
        )
    assert units_found(units, structure_of(network, context)) > 0
    count = sum(1 for _ in walk(units.entry.body))
    assert count <= kind.ops, f"{count} ops"
    assert sum(1 for _ in walk(program.entry.body)) <= count
