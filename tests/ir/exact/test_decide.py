"""Decisions and tables against fractions, on random small networks of every layer kind."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ddc.ir import Int, Module, OneHot
from ddc.ir.exact import Network, decide, tabulate
from tests.ir.exact import reference
from tests.ir.exact.build import Net, array, bits, spins

Rng = np.random.Generator


def weights(rng: Rng, *shape: int) -> Any:
    """Return float32 weights, coarse ones half of the time so that ties are common."""
    raw = rng.normal(size=shape)
    if rng.random() < 0.5:
        raw = np.round(raw * 2) / 2
    sparse = np.where(rng.random(shape) < 0.3, 0, raw)
    return sparse.astype(np.float32 if rng.random() < 0.7 else np.float64)


def check(module: Module) -> None:
    network = Network.of(module)
    rows = reference.domain(module)
    expected = [[int(v) for v in reference.forward(module, row)] for row in rows]
    np.testing.assert_array_equal(decide(network, rows), expected)
    table = tabulate(network)
    assert table.rows == len(rows)
    found = np.stack([table.output(o) for o in range(table.outputs)], axis=1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(table.inputs_of(np.arange(len(rows))), rows)
    for output in range(len(network.outputs)):
        part = network.slice([output])
        small = tabulate(part)
        cone = network.cone(output)
        assert part.inputs == cone == small.positions
        columns = np.array(rows)[:, list(cone)]
        np.testing.assert_array_equal(decide(part, columns)[:, 0], np.array(expected)[:, output])
        assert cone_holds(cone, rows, np.array(expected)[:, output])


def cone_holds(cone: tuple[int, ...], rows: Any, values: Any) -> bool:
    """Tell whether the output is a function of the inputs in the cone."""
    seen: dict[tuple[int, ...], int] = {}
    return all(
        seen.setdefault(tuple(row[i] for i in cone), value) == value
        for row, value in zip(rows, values.tolist())
    )


def mlp(rng: Rng, activation: str, decision: str, **attrs: Any) -> Module:
    net = Net(x=bits(5))
    hidden = net.op(activation, net.dense("x", weights(rng, 6, 5), weights(rng, 6)), **attrs)
    hidden = net.op(activation, net.dense(hidden, weights(rng, 5, 6), weights(rng, 5)), **attrs)
    return net.module(net.op(decision, net.dense(hidden, weights(rng, 4, 5), weights(rng, 4))))


def spin_net(rng: Rng) -> Module:
    net = Net(x=spins(5))
    hidden = net.op("sign", net.dense("x", weights(rng, 6, 5)))
    return net.module(net.op("sign", net.dense(hidden, weights(rng, 3, 6))))


def conv_net(rng: Rng, **attrs: Any) -> Module:
    net = Net(x=bits(2, 4))
    image = net.op("reshape", "x", shape=(1, 2, 4))
    hidden = net.op(
        "relu", net.op("conv", image, weights(rng, 2, 1, 2, 3), weights(rng, 2), **attrs)
    )
    out = net.op("conv", hidden, weights(rng, 2, 1, 1, 2), weights(rng, 2), groups=2)
    return net.module(net.op("step", out))


def classes(rng: Rng) -> Module:
    net = Net(x=bits(2, 3))
    image = net.op("reshape", "x", shape=(1, 2, 3))
    out = net.op("conv", image, weights(rng, 3, 1, 1, 2), weights(rng, 3), padding=(0, 0, 0, 1))
    return net.module(net.op("argmax", net.op("relu", out), axis=0))


def conv1(rng: Rng) -> Module:
    net = Net(x=spins(8))
    line = net.op("reshape", "x", shape=(2, 4))
    out = net.op(
        "conv",
        line,
        weights(rng, 4, 1, 2),
        groups=2,
        dilation=(2,),
        padding=(1, 2),
        mode="circular",
    )
    return net.module(net.op("sign", out))


def tokens(rng: Rng) -> Module:
    net = Net(w=array(OneHot(3), 3), k=Int(-1, 2))
    rows = net.op("embedding", "w", weights(rng, 3, 2))
    flat = net.op("reshape", rows, shape=(6,))
    both = net.op("concat", flat, net.op("reshape", "k", shape=(1,)))
    hidden = net.op("relu", net.dense(both, weights(rng, 5, 7), weights(rng, 5)))
    return net.module(net.op("argmax", net.dense(hidden, weights(rng, 4, 5))))


def onehot(rng: Rng) -> Module:
    net = Net(w=array(OneHot(4), 2), x=bits(2))
    hot = net.op("reshape", net.op("onehot", "w", size=4), shape=(8,))
    z = net.dense(net.op("concat", hot, "x"), weights(rng, 3, 10), weights(rng, 3))
    factor = weights(rng, 3)
    return net.module(net.op("step", net.op("scale", net.op("relu", z), factor, weights(rng, 3))))


def residual(rng: Rng) -> Module:
    net = Net(x=array(Int(0, 2), 4))
    first = net.dense("x", weights(rng, 4, 4), weights(rng, 4))
    hidden = net.op("relu", first)
    total = net.op("add", net.dense(hidden, weights(rng, 4, 4)), first, "x", Fraction(1, 4))
    other = net.op("mul", net.op("sub", net.op("neg", total), "x"), Fraction(-3, 8))
    return net.module(
        net.op("gt", total, Fraction(1, 3)),
        net.op("le", Fraction(1, 2), other),
        net.op("eq", total, other),
        net.op("round", other),
        net.op("sign", first),
    )


KINDS: dict[str, Callable[[Rng], Module]] = {
    "relu": lambda rng: mlp(rng, "relu", "step"),
    "sign": lambda rng: mlp(rng, "sign", "sign"),
    "step": lambda rng: mlp(rng, "step", "argmax"),
    "round": lambda rng: mlp(rng, "round", "round"),
    "leaky": lambda rng: mlp(rng, "leaky_relu", "step", slope=Fraction(1, 100)),
    "leaky float": lambda rng: mlp(rng, "leaky_relu", "sign", slope=Fraction(0.01)),
    "hardtanh": lambda rng: mlp(rng, "hardtanh", "round", low=Fraction(-1), high=Fraction(3, 2)),
    "spins": spin_net,
    "conv": lambda rng: conv_net(rng, padding=(0, 1, 1, 1)),
    "circular": lambda rng: conv_net(rng, padding=(1, 0, 1, 2), mode="circular"),
    "stride": lambda rng: conv_net(rng, padding=(1, 1, 2, 1), stride=(2, 2), dilation=(1, 2)),
    "conv1": conv1,
    "tokens": tokens,
    "classes": classes,
    "one-hot": onehot,
    "residual": residual,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_random_networks_against_fractions(kind: str, seed: int) -> None:
    check(KINDS[kind](np.random.default_rng(seed)))
