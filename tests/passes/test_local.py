"""Networks beyond enumeration: proved by bounds, refuted with rows, or left to other raisers."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from ddc.ir import DdcError, Module, print_module
from ddc.ir.exact import Network, likely_inputs
from ddc.ir.interpreter import run_batch
from ddc.passes import Context, run
from ddc.passes.local import NotLocalError, table_of
from ddc.passes.tables import tables_of
from tests.ir.exact.build import Net, bits
from tests.ir.exact.test_linear_bounds import module, ring

CELLS = 64


def noisy(noise: float) -> Module:
    return module(ring(CELLS, noise), "relu", f"cells: bit[{CELLS}]", "step")


def test_a_ring_of_64_cells_becomes_its_rule() -> None:
    context = Context()
    network = noisy(0.0005)
    program = run(network, "raise,roll,minimise", context)
    cells = np.random.default_rng(1).integers(0, 2, (300, CELLS))
    (found,) = run_batch(program, {"cells": cells})
    assert np.array_equal(found, np.roll(cells, 1, 1) ^ np.roll(cells, -1, 1))
    assert "xor" in print_module(program) and print_module(program).count("\n") < 20
    facts = tables_of(network, context).local
    assert facts is not None
    claim = facts.evidence()
    assert (claim.kind, claim.method, claim.detail("outputs")) == ("proved", "bounds", CELLS)


def test_a_network_that_is_wrong_is_told_with_an_input_and_the_rule() -> None:
    with pytest.raises(NotLocalError) as caught:
        run(noisy(0.012), "raise", Context())
    text = str(caught.value)
    assert "of 64 outputs follow a rule of a few inputs except" in text and "\n" not in text
    assert "y[1] is cells[0] ^ cells[2], but " in text and " at cells = [" in text


def test_the_rules_are_taken_when_inexact_is_allowed() -> None:
    context = Context(allow_inexact=True)
    network = noisy(0.012)
    program = run(network, "raise,roll,minimise", context)
    assert print_module(program).count("\n") < 20 and context.notes
    facts = tables_of(network, context).local
    assert facts is not None and facts.evidence().kind == "inexact"


def test_outputs_of_everything_are_left_to_others() -> None:
    generator = np.random.default_rng(3)
    layers = [
        (generator.normal(size=(8, 40)), generator.normal(size=8)),
        (generator.normal(size=(2, 8)), np.zeros(2)),
    ]
    with pytest.raises(DdcError, match="reads 40 free inputs"):
        run(module(layers, "relu", "x: bit[40]", "step"), "tabulate", Context())


def test_tables_of_bits_and_of_numbers() -> None:
    bits = table_of((4, 7), ((0, 1), (0, 1)), np.array([0, 1, 1, 0]))
    assert bits.words is not None and bits.output(0).tolist() == [0, 1, 1, 0]
    wide = table_of((2,), ((0, 1, 2),), np.array([1, 0, 5]))
    assert wide.words is None and wide.output(0).tolist() == [1, 0, 5]


def test_many_layers_that_floating_point_does_not_follow_are_not_redone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    net = Net(x=bits(64))
    x = "x"
    for _ in range(20):  # as layers are before training: sums of size, whose signs cancel
        weight, bias = rng.uniform(-0.125, 0.125, (64, 64)), rng.uniform(-0.125, 0.125, 64)
        x = net.op("relu", net.dense(x, weight, bias))
    module = net.module(
        net.op("step", net.dense(x, rng.uniform(-0.125, 0.125, (64, 64)), np.zeros(64)))
    )
    network = Network.of(module)
    place = importlib.import_module("ddc.ir.exact.network")
    monkeypatch.setattr(place, "decide_exactly", lambda *_: pytest.fail("redone in big integers"))
    with pytest.raises(DdcError, match="too many to be redone"):
        likely_inputs(network)
