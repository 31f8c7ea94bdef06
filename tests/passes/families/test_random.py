"""Random networks, with and without structure: every program is exact."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from ddc.ir import Module, check, dims
from ddc.ir.exact import Network, decide
from ddc.ir.interpreter import run_batch
from ddc.passes import Context
from ddc.passes.families import Families, structure_of, units_found
from tests.passes.family_nets import Layers, module, shuffled


def dense(generator: np.random.Generator) -> Module:
    """Return a network without any structure but small weights."""
    widths = [5, int(generator.integers(2, 7)), int(generator.integers(1, 5)), 3]
    layers: Layers = []
    for inputs, units in itertools.pairwise(widths[: int(generator.integers(2, 5))]):
        weights = generator.integers(-2, 3, size=(inputs, units)) * (
            generator.random((inputs, units)) < 0.7
        )
        layers.append((weights.astype(float), generator.integers(-4, 5, size=units) / 2))
    return _module(generator, shuffled(layers, 0), "x: int<-1..1>[5]")


def ring(generator: np.random.Generator) -> Module:
    """Return layers of windows on a ring, several kinds a layer, shuffled."""
    n = 8
    layers: Layers = []
    kinds = 1
    for _ in range(int(generator.integers(1, 4))):
        more = int(generator.integers(1, 4))
        weights = np.zeros((kinds * n, more * n))
        bias = np.zeros(more * n)
        for kind in range(more):
            taps = generator.integers(-2, 3, size=(kinds, 3))
            offset = float(generator.integers(-3, 4)) / 2
            for i, source, d in itertools.product(range(n), range(kinds), (-1, 0, 1)):
                weights[source * n + (i + d) % n, kind * n + i] += taps[source, d + 1]
            bias[kind * n : (kind + 1) * n] = offset
        layers.append((weights, bias))
        kinds = more
    layers = shuffled(layers, int(generator.integers(1000)))
    weights, bias = layers[-1]
    layers[-1] = weights[:, :n], bias[:n]
    return _module(generator, layers, "x: bit[8]")


def table(generator: np.random.Generator) -> Module:
    """Return sums over rows, columns, cells and all of a table, then sums of those units."""
    n, m = int(generator.integers(2, 4)), int(generator.integers(2, 4))
    row, column, cell, every = generator.integers(-2, 3, size=4)
    weights = np.full((n * m, n * m), float(every))
    for i, j in itertools.product(range(n), range(m)):
        weights[[m * i + k for k in range(m)], m * i + j] += row
        weights[[m * k + j for k in range(n)], m * i + j] += column
        weights[m * i + j, m * i + j] += cell
    first = weights, np.full(n * m, float(generator.integers(-2, 3)))
    second = np.zeros((n * m, n))
    for i in range(n):
        second[:, i] = generator.integers(-1, 2)
        second[m * i : m * i + m, i] += generator.integers(-2, 3)
    layers: Layers = [first, (second, np.full(n, float(generator.integers(-3, 4))))]
    layers = shuffled(layers, int(generator.integers(1000)))
    return _module(generator, layers, f"x: bit[{n}, {m}]")


def _module(generator: np.random.Generator, layers: Layers, inputs: str) -> Module:
    count = layers[-1][1].size
    output = ["step", "sign", "argmax"][int(generator.integers(3))]
    result = {
        "step": f"bit[{count}]",
        "sign": f"int<-1..1>[{count}]",
        "argmax": f"int<0..{count - 1}>",
    }[output]
    hidden = ["sign", "step"][int(generator.integers(2))]
    return module(layers, inputs, output, result, hidden)


@pytest.mark.parametrize("build", [dense, ring, table])
@pytest.mark.parametrize("seed", range(25))
def test_programs_are_exact(build: Callable[[np.random.Generator], Module], seed: int) -> None:
    network = build(np.random.default_rng(seed))
    exact = Network.of(network)
    context = Context()
    rows = np.array(list(itertools.product(*exact.levels)), dtype=np.int64)
    expected = decide(exact, rows)
    shape = [dim.const for dim in dims(network.entry.params[0].type)]
    programs: list[Module] = []
    for fuse in (False, True):
        programs.append(check(Families(fuse=fuse).run(network, context)))
    for program in programs:
        (found,) = run_batch(program, {"x": rows.reshape(-1, *shape)})
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    assert units_found(programs[0], structure_of(network, context)) >= 0
