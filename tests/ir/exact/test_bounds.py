"""The bounds: floating point never decides what big integers decide differently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddc.ir import Int
from ddc.ir.exact import Network, decide, tabulate
from ddc.ir.exact.bounds import DOUBLE, SINGLE, Format, grains
from ddc.ir.exact.floats import Verdict
from tests.ir.exact.build import Net, array, bits

FORMS = (SINGLE, DOUBLE)


def close_calls(seed: int, activation: str, depth: int) -> Network:
    """Return a network many of whose values are within rounding of their cuts.

    The biases of every layer put each unit next to 0 on some row.
    """
    rng = np.random.default_rng(seed)
    net = Net(x=bits(10))
    x, values = "x", rng.integers(0, 2, size=(10, 12)).astype(np.float64)
    width = 10
    for layer in range(depth):
        size = 12 if layer < depth - 1 else 6
        weight = rng.normal(size=(size, width)).astype(np.float32)
        at = values[:, rng.integers(0, values.shape[1], size)]
        bias = -np.einsum("ij,ji->i", weight, at) * (1 + rng.choice([0, 1e-7, -1e-7, 1e-15], size))
        z = weight @ values + bias[:, None]
        if layer == depth - 1:
            return Network.of(net.module(net.op("sign", net.dense(x, weight, bias))))
        x = net.op(activation, net.dense(x, weight, bias))
        values = np.maximum(z, 0) if activation == "relu" else np.sign(z)
        width = size
    raise AssertionError


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("activation", ["relu", "sign"])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_decided_rows_are_right(form: Format, activation: str, depth: int) -> None:
    undecided_rows = 0
    for seed in range(5):
        network = close_calls(seed, activation, depth)
        x = ((np.arange(1 << 10) >> np.arange(10)[:, None]) & 1).astype(np.int64)
        exact = network.exact_plan.run(x)
        found, undecided = network.plan(form).run(x.astype(form.dtype))
        decided = np.ones(1 << 10, bool) if undecided is None else ~undecided
        undecided_rows += int((~decided).sum())
        np.testing.assert_array_equal(found[:, decided], exact[:, decided])
        np.testing.assert_array_equal(decide(network, x.T).T, exact)
        table = tabulate(network, range(9, -1, -1))
        np.testing.assert_array_equal([table.output(o) for o in range(6)], exact)
    assert undecided_rows > 0


@pytest.mark.parametrize("form", FORMS)
def test_bounds_hold_for_real_outputs(form: Format) -> None:
    rng = np.random.default_rng(8)
    net = Net(x=array(Int(-2, 2), 6))
    x, width = "x", 6
    kinds: list[tuple[str, dict[str, Any]]] = [("tanh", {}), ("sigmoid", {}), ("relu", {})]
    for kind, attrs in kinds:
        x = net.op(kind, net.dense(x, rng.normal(size=(20, width)), rng.normal(size=20)), **attrs)
        width = 20
    network = Network.of(net.module(net.dense(x, rng.normal(size=(4, 20)))))
    rows = rng.integers(-2, 3, size=(500, 6))
    values = rows.T.astype(form.dtype)
    precise: Any = rows.T.astype(np.longdouble)
    plan = network.plan(form)
    for step, layer in zip(plan.steps, network.chain.layers):
        full: Any = np.zeros((layer.rows.count, layer.rows.width), np.longdouble)
        full[layer.rows.owners, layer.rows.columns] = layer.rows.weights
        precise = full @ precise + layer.rows.bias[:, None]
        ((_, _, activation),) = layer.runs
        if activation.kind == "tanh":
            precise = np.tanh(precise)
        elif activation.kind == "sigmoid":
            precise = 1 / (1 + np.exp(-precise))
        elif activation.kind == "ramp":
            precise = np.maximum(precise, 0)
        values = step.matrix(values)
        step.activate(values, Verdict())
        error = np.abs(values - precise).max(axis=1)
        assert (error <= step.values.error).all()
        assert (precise >= step.values.low[:, None]).all()
        assert (precise <= step.values.high[:, None]).all()
    assert (plan.values.error < 1e6 * form.unit).all()


def test_grains() -> None:
    values = np.array([1.0, 3.0, 0.5, 12.0, -0.75, 2.0**-1074, 2.0**1000, 0.1])
    assert grains(values).tolist() == [0, 0, -1, 2, -2, -1074, 1000, -55]
    assert grains(np.zeros(1))[0] > 10_000


def test_wide_sparse_layers() -> None:
    # 60 x 60 cells by two convolutions: sparse rows in floating point and in big integers
    rng = np.random.default_rng(9)
    kernel = np.round(rng.normal(size=(3, 1, 3, 3)), 1)
    net = Net(x=bits(60, 60))
    image = net.op("reshape", "x", shape=(1, 60, 60))
    hidden = net.op("relu", net.op("conv", image, kernel, padding=(1, 1, 1, 1)))
    last = np.array([[0.1, 0.2, -0.3]]).reshape(1, 3, 1, 1)
    module = net.module(net.op("sign", net.op("conv", hidden, last)))
    network = Network.of(module)
    x = rng.integers(0, 2, size=(2, 3600))
    x[1] = 0
    found = decide(network, x)
    np.testing.assert_array_equal(network.exact_plan.run(x.T.copy()).T, found)
    padded = np.pad(x.reshape(2, 60, 60), ((0, 0), (1, 1), (1, 1)))
    total = np.zeros((2, 60, 60))
    for channel in range(3):
        z = sum(
            kernel[channel, 0, i, j] * padded[:, i : i + 60, j : j + 60]
            for i in range(3)
            for j in range(3)
        )
        total += last[0, channel, 0, 0] * np.maximum(z, 0)
    clear = np.abs(total) > 1e-9
    np.testing.assert_array_equal(found.reshape(2, 60, 60)[clear], np.sign(total)[clear])
    assert not found[1].any()
    assert network.cone(61) == (0, 1, 2, 60, 61, 62, 120, 121, 122)


def test_blocks_of_any_size_give_the_same_table() -> None:
    rng = np.random.default_rng(10)
    net = Net(x=bits(9), k=array(Int(0, 2), 2))
    both = net.op("concat", "x", "k")
    hidden = net.op("relu", net.dense(both, rng.normal(size=(7, 11))))
    network = Network.of(net.module(net.op("step", net.dense(hidden, rng.normal(size=(3, 7))))))
    whole = tabulate(network, chunk=1 << 20)
    for chunk in (1, 100, 1000):
        np.testing.assert_array_equal(tabulate(network, chunk=chunk).digits, whole.digits)
    assert tabulate(network.slice([1])).rows == 9 << 9
