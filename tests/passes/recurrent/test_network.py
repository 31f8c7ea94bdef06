"""Exact decisions of recurrent networks: ties, rounding, and the reference interpreter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ddc.ir.interpreter import run_batch
from ddc.passes.recurrent.network import StepNetwork

from . import networks


@pytest.mark.parametrize("name", ["parity", "adder", "accumulator", "greatest", "difference"])
def test_steps_agree_with_the_interpreter(name: str) -> None:
    module = getattr(networks, name)(8)
    net = StepNetwork(module)
    words = np.random.default_rng(0).integers(0, net.size, size=(200, 8))
    answers, sure = net.run(words)
    assert sure.all()
    (y,) = run_batch(module, net.inputs(words))
    np.testing.assert_array_equal(answers[:, :, 0], y)
    np.testing.assert_array_equal(net.exact(words[7]), answers[7])


def test_ties_are_decided_exactly() -> None:
    # h' = h + x / 2 with the tie at a half rounding to even: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2.
    net = StepNetwork(networks.network((([[1, 0.5]], [0]),), networks.SAME, "x: bit[T]", [0], 5))
    words = np.ones((1, 5), dtype=np.int64)
    assert not net.run(words)[1][0]
    assert net.decide(words)[0, :, 0].tolist() == [0, 1, 2, 2, 2]


def test_a_hair_beside_the_tie() -> None:
    # 0.1 is stored as a number above a tenth: five of them are above a half.
    exact = 5 * Fraction(0.1)
    assert exact > Fraction(1, 2)
    module = networks.network((([[1, 0.1]], [0]),), networks.SAME, "x: bit[T]", [0], 5, "half")
    assert StepNetwork(module).decide(np.ones((1, 5), dtype=np.int64))[0, :, 0].tolist() == [
        0,
        0,
        0,
        0,
        1,
    ]
