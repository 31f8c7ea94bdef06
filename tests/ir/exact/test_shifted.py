"""Outputs that are one function at different places, told without cutting each one out."""

from __future__ import annotations

import numpy as np
import pytest

from ddc.ir import Module
from ddc.ir.exact import Network
from ddc.passes import Context
from ddc.passes.tables import tables_of
from tests.ir.exact.build import Net, bits

SIDE = 12


def grown(mode: str, dead: bool = False, dense: bool = False) -> Module:
    """Return two convolutions on cells of bits, and where asked a last layer of all cells."""
    rng = np.random.default_rng(3)
    net = Net(x=bits(SIDE, SIDE))
    image = net.op("reshape", "x", shape=(1, SIDE, SIDE))
    kernel = rng.normal(size=(3, 1, 3, 3))
    kernel[2] *= not dead
    hidden = net.op("conv", image, kernel, rng.normal(size=3), padding=(1, 1, 1, 1), mode=mode)
    out = net.op("conv", net.op("relu", hidden), rng.normal(size=(1, 3, 1, 1)))
    flat = net.op("reshape", out, shape=(SIDE * SIDE,))
    if dense:
        flat = net.dense(flat, np.eye(SIDE * SIDE), np.zeros(SIDE * SIDE))
    return net.module(net.op("step", flat))


@pytest.mark.parametrize("mode", ["zero", "circular"])
@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("dense", [False, True])
def test_equal_keys_are_equal_functions(mode: str, dead: bool, dense: bool) -> None:
    network = Network.of(grown(mode, dead, dense))
    keys = network.shift_keys()
    assert keys is not None
    first: dict[bytes, bytes] = {}
    for output, key in enumerate(keys):
        fingerprint = network.slice([output]).fingerprint
        assert first.setdefault(key, fingerprint) == fingerprint
    # The inner cells, and where there is a border its four corners and four sides.
    inner = (SIDE - 2) ** 2
    assert max(keys.count(key) for key in first) == inner
    assert mode == "circular" or len(first) == 9


def test_the_place_of_inputs_that_coincide_matters() -> None:
    net = Net(x=bits(4))
    weight = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]]
    pairs = net.op("step", net.dense("x", weight, [-1.5, -1.5, -1.5]))
    last = [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]  # of pairs that are apart, and that share an input
    network = Network.of(net.module(net.op("step", net.dense(pairs, last, [-0.5, -0.5]))))
    keys = network.shift_keys()
    assert keys is not None and keys[0] != keys[1]


@pytest.mark.parametrize("mode", ["zero", "circular"])
def test_few_cells_are_cut_out(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[int] = []
    plain = Network.slice

    def counted(self: Network, outputs: list[int]) -> Network:
        cut.extend(outputs)
        return plain(self, outputs)

    monkeypatch.setattr(Network, "slice", counted)
    assert len(tables_of(grown(mode), Context()).groups) == SIDE * SIDE
    # Without padding all but corners and sides are alike; around a torus, all but the seam.
    assert len(cut) <= (9 if mode == "zero" else 4 * SIDE)
