"""Tables of outputs: what is counted against the limits."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from ddc.ir import Module
from ddc.passes import Context, Declined
from ddc.passes.tabulate import Tabulate
from tests.ir.exact.build import Net, bits


def three_neighbours(side: int) -> Module:
    """Return a network that is 1 where three neighbours or more are, on a torus."""
    net = Net(x=bits(side, side))
    kernel = np.ones((1, 1, 3, 3))
    kernel[0, 0, 1, 1] = 0
    image = net.op("reshape", "x", shape=(1, side, side))
    bias = np.array([-2.5])
    sums = net.op("conv", image, kernel, bias, padding=(1, 1, 1, 1), mode="circular")
    return net.module(net.op("step", net.op("reshape", sums, shape=(side, side))))


def test_cells_that_share_a_table_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = three_neighbours(6)
    place = importlib.import_module("ddc.passes.tabulate")
    monkeypatch.setattr(place, "MAX_TOTAL", 256 * 9)  # cells at the border read in another order
    (result,) = Tabulate().run(module, Context()).entry.results
    assert str(result.type) == "bit[6, 6]"
    monkeypatch.setattr(place, "MAX_TOTAL", 255)
    with pytest.raises(Declined, match="all outputs together"):
        Tabulate().run(module, Context())


def test_too_many_different_tables_are_declined_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    net = Net(x=bits(6))
    module = net.module(net.op("step", net.dense("x", rng.normal(size=(20, 6)), np.zeros(20))))
    place = importlib.import_module("ddc.passes.tabulate")
    monkeypatch.setattr(place, "MAX_DIFFERENT", 15)
    monkeypatch.setattr(place, "MAX_TOTAL_DIFFERENT", 1024)
    with pytest.raises(Declined, match="15 different functions"):
        Tabulate().run(module, Context())
    monkeypatch.setattr(place, "MAX_TOTAL_DIFFERENT", 20 * 64)
    Tabulate().run(module, Context())


def test_equal_tables_are_counted_once_as_different(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    net = Net(x=bits(6))
    weight = np.tile(rng.normal(size=(1, 6)), (20, 1))
    module = net.module(net.op("step", net.dense("x", weight, np.zeros(20))))
    place = importlib.import_module("ddc.passes.tabulate")
    monkeypatch.setattr(place, "MAX_DIFFERENT", 1)
    monkeypatch.setattr(place, "MAX_TOTAL_DIFFERENT", 1)
    Tabulate().run(module, Context())
