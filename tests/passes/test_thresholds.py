"""Sign and step units raised exactly: every unit against big-fraction arithmetic, ties included."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest

from ddc.ir import BIT, REAL, Array, Builder, Constant, Global, Int, Module, Scalar, check
from ddc.ir.affine import Affine
from ddc.ir.interpreter import run
from ddc.passes import Declined
from ddc.passes import run as run_passes

Layer = tuple[np.ndarray, np.ndarray, str]


def network(element: Scalar, width: int, layers: list[Layer]) -> Module:
    builder = Builder(["x"])
    constants: list[tuple[str, Constant]] = []
    value = "x"
    for number, (weight, bias, activation) in enumerate(layers):
        constants += [(f"w{number}", Constant(weight)), (f"b{number}", Constant(bias))]
        value = builder.op("dense", value, Global(f"w{number}"), Global(f"b{number}"))
        if activation:
            value = builder.op(activation, value)
    count = len(layers[-1][1])
    kinds: dict[str, Scalar] = {"step": BIT, "sign": Int(-1, 1)}
    kind = kinds.get(layers[-1][2], REAL)
    result = Array(kind, (Affine.of(count),))
    function = builder.function(
        "f", [("x", Array(element, (Affine.of(width),)))], [("y", result)], [value]
    )
    return check(Module((function,), tuple(constants)))


def exact(layers: list[Layer], x: tuple[int, ...]) -> list[int]:
    values = [Fraction(v) for v in x]
    for weight, bias, activation in layers:
        sums = [
            sum((Fraction(float(w)) * v for w, v in zip(row, values)), Fraction(float(b)))
            for row, b in zip(weight, bias)
        ]
        if activation == "step":
            sums = [Fraction(int(s > 0)) for s in sums]
        elif activation == "sign":
            sums = [Fraction((s > 0) - (s < 0)) for s in sums]
        values = sums
    return [int(v) for v in values]


@pytest.mark.parametrize("seed", range(24))
def test_random_threshold_networks(seed: int) -> None:
    source = random.Random(seed)
    kinds: list[tuple[Scalar, tuple[int, ...]]] = [
        (BIT, (0, 1)),
        (Int.of(-1, 1), (-1, 1)),
        (Int(0, 2), (0, 1, 2)),
    ]
    element, levels = source.choice(kinds)
    width, rng = source.choice([3, 5]), np.random.default_rng(seed)
    layers: list[Layer] = []
    inputs = width
    for depth in range(source.choice([1, 2, 3])):
        units = source.choice([1, 2, 4])
        weight = rng.integers(-3, 4, (units, inputs)) / source.choice([1.0, 2.0, 8.0])
        bias = rng.integers(-3, 4, units) / source.choice([1.0, 2.0])
        activation = source.choice(["step", "sign", ""] if depth == 0 else ["step", "sign"])
        layers.append((weight, bias, activation))
        inputs = units
    if not layers[-1][2]:
        layers.append((np.eye(inputs), np.zeros(inputs), "sign"))
    module = network(element, width, layers)
    raised = run_passes(module, "thresholds")
    for x in itertools.product(levels, repeat=width):
        (found,) = run(raised, {"x": list(x)})
        assert np.asarray(found).tolist() == exact(layers, x)


def test_weights_become_coprime_and_plain() -> None:
    layers: list[Layer] = [(np.full((1, 41), 2.5), np.array([-51.25]), "step")]
    raised = run_passes(network(BIT, 41, layers), "thresholds")
    (unit,) = [op for op in raised.entry.body.ops if op.code == "threshold"]
    assert unit.attr("least") == 21 and unit.attr("weights") is None


def test_other_networks_are_declined() -> None:
    relu: list[Layer] = [
        (np.eye(2), np.zeros(2), "relu"),
        (np.ones((1, 2)), np.zeros(1), "step"),
    ]
    with pytest.raises(Declined, match="neither a sign nor a step"):
        run_passes(network(BIT, 2, relu), "thresholds")
    noise: list[Layer] = [(np.array([[1e-30, 1.0]]), np.array([0.1]), "step")]
    with pytest.raises(Declined, match="no short common scale"):
        run_passes(network(BIT, 2, noise), "thresholds")
