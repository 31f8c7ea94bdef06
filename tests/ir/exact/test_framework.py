"""Where float32 answers differently from exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ddc.ir import DdcError
from ddc.ir.exact import Network, framework_mismatch, tabulate
from tests.ir.exact.build import Net, bits


def test_a_weight_that_float32_loses_is_counted() -> None:
    net = Net(x=bits(4))
    module = net.module(net.op("step", net.dense("x", [[1.0, -1.0, 2.0**-30, 0.0]])))
    table = tabulate(Network.of(module))
    # 1 - 1 + 2^-30 is positive; float32 adds from either end, and is right only where the large
    # numbers cancel first; 1 + 0 + 2^-30 is right always. Rows 1110 and 1111 may differ.
    found = framework_mismatch(module, table)
    assert found.rows in (0, 2)
    assert found.first in (None, 14)


def test_hidden_rounding_is_counted() -> None:
    net = Net(x=bits(3))
    hidden = net.op("relu", net.dense("x", [[1.0, 2.0**-30, 0.0], [1.0, 0.0, 0.0]]))
    module = net.module(net.op("step", net.dense(hidden, [[1.0, -1.0]])))
    found = framework_mismatch(module, tabulate(Network.of(module)))
    # exact: positive where x1 = 1; float32 loses 2^-30 beside 1: rows 110, 111
    assert (found.rows, found.first) == (2, 6)


def test_saturation_is_counted() -> None:
    net = Net(x=bits(2))
    z = net.dense("x", [[30.0, 0.0], [30.0, 1.0]])
    module = net.module(net.op("argmax", net.op("sigmoid", z)))
    found = framework_mismatch(module, tabulate(Network.of(module)))
    assert (found.rows, found.first) == (1, 3)  # both are 1.0 in float32 for 11
    net = Net(x=bits(2))
    p = net.op("softmax", net.dense("x", [[0.0, 1.0], [1.0, 0.0], [-200.0, -200.0]]))
    module = net.module(net.op("argmax", p))
    found = framework_mismatch(module, tabulate(Network.of(module)))
    assert (found.rows, found.first) == (0, None)


def test_a_softmax_along_channels_saturates() -> None:
    net = Net(x=bits(2, 2))
    scaled = net.op("mul", "x", Fraction(200))
    raised = net.op("add", scaled, np.array([[0.0, 0.0], [100.0, 0.0]]))
    module = net.module(net.op("argmax", net.op("softmax", raised, axis=0), axis=0))
    found = framework_mismatch(module, tabulate(Network.of(module)))
    assert (found.rows, found.first) == (0, None)


def test_a_sigmoid_just_above_one_half() -> None:
    net = Net(x=bits(1))
    p = net.op("sigmoid", net.dense("x", [[2.0**-40]]))
    module = net.module(net.op("gt", p, Fraction(1, 2)))
    found = framework_mismatch(module, tabulate(Network.of(module)))
    assert (found.rows, found.first) == (1, 1)


def test_large_tables_are_looked_at_on_drawn_rows() -> None:
    # exact: positive where x0 = 1 and x13 = 1, a quarter; float32 loses 2^-30 beside 1
    net = Net(x=bits(14))
    first = np.zeros((2, 14))
    first[:, 0] = 1
    first[0, 13] = 2.0**-30
    hidden = net.op("relu", net.dense("x", first))
    module = net.module(net.op("step", net.dense(hidden, [[1.0, -1.0]])))
    table = tabulate(Network.of(module))
    every = framework_mismatch(module, table)
    assert (every.rows, every.first, every.looked) == (1 << 12, (1 << 13) + 1, 1 << 14)
    some = framework_mismatch(module, table, 9999, drawn=2000)
    assert 1800 < some.looked <= 2000 and abs(4 * some.rows - some.looked) < 300
    assert some.first is not None and some.first >> 13 == 1 and some.first & 1 == 1
    assert some == framework_mismatch(module, table, 9999, drawn=2000)


def test_the_table_must_hold_all_outputs() -> None:
    net = Net(x=bits(2))
    module = net.module(net.op("step", net.dense("x", [[1.0, 0.0], [0.0, 1.0]])))
    with pytest.raises(DdcError, match="a table of 1 outputs"):
        framework_mismatch(module, tabulate(Network.of(module).slice([0])))
