"""What of a module becomes a network, cones and slices, and what is refused."""

from __future__ import annotations

import time
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from ddc.ir import BIT, INT, REAL, DdcError, Int, Module, OneHot, Type
from ddc.ir.exact import Network, decide, evaluate, tabulate
from tests.ir.exact.build import Net, array, bits, spins


def test_inputs_are_flat_in_order_of_parameters() -> None:
    net = Net(a=bits(2, 2), b=Int(-1, 1), c=array(Int.of(2, 5), 1))
    flat = net.op("reshape", "a", shape=(4,))
    x = net.op("concat", flat, net.op("reshape", "b", shape=(1,)), "c")
    network = Network.of(
        net.module(net.op("step", net.dense(x, [[0.0, 1.0, 0.0, 0.0, 0.0, -1.0]])))
    )
    assert network.inputs == tuple(range(6))
    assert [list(few) for few in network.levels] == [[0, 1]] * 4 + [[-1, 0, 1], [2, 5]]
    assert network.cone(0) == (1, 5)
    part = network.slice([0])
    assert part.inputs == (1, 5)
    assert [list(few) for few in part.levels] == [[0, 1], [2, 5]]


def test_a_slice_of_a_large_convolution_costs_its_cone() -> None:
    rng = np.random.default_rng(0)
    net = Net(x=bits(1000, 1000))
    image = net.op("reshape", "x", shape=(1, 1000, 1000))
    weight, bias = rng.normal(size=(4, 1, 3, 3)), rng.normal(size=4)
    hidden = net.op("conv", image, weight, bias, padding=(1, 1, 1, 1), mode="circular")
    out = net.op("conv", net.op("relu", hidden), rng.normal(size=(1, 4, 1, 1)))
    module = net.module(net.op("step", net.op("reshape", out, shape=(1000, 1000))))
    begin = time.perf_counter()
    network = Network.of(module)
    cone = network.cone(0)
    table = tabulate(network.slice([0]))
    inner = tabulate(network.slice([1001]))
    assert time.perf_counter() - begin < 5
    cells = [(r % 1000) * 1000 + c % 1000 for r in (-1, 0, 1) for c in (-1, 0, 1)]
    assert cone == tuple(sorted(cells)) == table.positions
    assert table.rows == 512
    # The same function once the cells are put in the same order around the centre.
    again = tabulate(network.slice([0]), cells)
    np.testing.assert_array_equal(again.output(0), inner.output(0))


def test_cones_of_all_outputs_at_once() -> None:
    net = Net(x=bits(6))
    line = net.op("reshape", "x", shape=(1, 6))
    out = net.op("conv", line, [[[1.0, 0.0, -1.0]]], padding=(1, 1))
    network = Network.of(net.module(net.op("sign", out)))
    found = [cone.tolist() for cone in network.cones()]
    assert found == [[1], [0, 2], [1, 3], [2, 4], [3, 5], [4]]
    assert network.slice([2, 3]).inputs == (1, 2, 3, 4)
    assert network.slice([2, 3]).slice([1]).inputs == (2, 4)
    assert network.slice([2, 3]).slice([1]).outputs == (3,)


def test_cones_of_a_wide_dense_network_take_no_cube_of_its_width() -> None:
    rng = np.random.default_rng(0)
    width = 700
    first = rng.normal(size=(width, width))
    first[:, 5] = 0  # which nothing reads
    last = rng.normal(size=(width, width))
    last[3] = 0
    net = Net(x=bits(width))
    hidden = net.op("relu", net.dense("x", first))
    module = net.module(net.op("step", net.dense(hidden, last)))
    network = Network.of(module)
    tracemalloc.start()
    cones = network.cones()
    assert tracemalloc.get_traced_memory()[1] < 1 << 29
    tracemalloc.stop()
    assert not len(cones[3])
    everything = [i for i in range(width) if i != 5]
    assert all(cone.tolist() == everything for k, cone in enumerate(cones) if k != 3)


def test_positions_choose_and_order_the_digits() -> None:
    net = Net(x=bits(3))
    module = net.module(net.op("step", net.dense("x", [[1.0, 0.0, -1.0]])))
    network = Network.of(module)
    assert tabulate(network, [0, 2]).output(0).tolist() == [0, 0, 1, 0]
    assert tabulate(network, [2, 0]).output(0).tolist() == [0, 1, 0, 0]
    assert tabulate(network, [1, 2, 0]).output(0).tolist() == [0, 1, 0, 0] * 2
    with pytest.raises(DdcError, match="depend on input 2"):
        tabulate(network, [0, 1])
    with pytest.raises(DdcError, match="different inputs"):
        tabulate(network, [0, 0])


def test_constant_outputs_have_an_empty_cone() -> None:
    net = Net(x=bits(2))
    network = Network.of(net.module(net.op("step", net.dense("x", [[0.0, 0.0]], [3.0]))))
    assert network.cone(0) == ()
    assert tabulate(network.slice([0])).output(0).tolist() == [1]
    assert decide(network.slice([0]), np.zeros((2, 0), int)).tolist() == [[1], [1]]


def test_outputs_that_are_inputs() -> None:
    net = Net(x=bits(3))
    network = Network.of(net.module(net.op("concat", "x", "x")))
    assert network.cone(4) == (1,)
    assert decide(network, [[0, 1, 1]]).tolist() == [[0, 1, 1, 0, 1, 1]]
    assert tabulate(network).output(0).tolist() == [0] * 4 + [1] * 4
    reverse = network.slice([2, 0]).over([2, 0])
    assert decide(reverse, [[1, 0]]).tolist() == [[1, 0]]


def test_tables_of_digits_have_the_smallest_type() -> None:
    net = Net(x=array(Int(0, 300), 1))
    z = net.op("reshape", net.dense("x", [[3.0]], [-4.0]), shape=())
    table = tabulate(Network.of(net.module(net.op("round", z))))
    assert table.output(0).tolist() == [3 * v - 4 for v in range(301)]
    assert table.digits is not None and table.digits.dtype == np.int16
    net = Net(x=array(Int(0, 300), 1))
    table = tabulate(Network.of(net.module(net.op("sign", net.dense("x", [[3.0]], [-4.0])))))
    assert table.digits is not None and table.digits.dtype == np.int8


def large(count: int) -> Module:
    net = Net(x=bits(count))
    return net.module(net.op("step", net.dense("x", np.ones((1, count)))))


def test_domains_that_are_too_large_are_refused() -> None:
    with pytest.raises(DdcError, match="too many for a table"):
        tabulate(Network.of(large(40)))


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (array(REAL, 2), "x is real"),
        (array(INT, 2), "bounded discrete"),
        (array(Int(0, 1 << 60), 2), "beyond 2"),
    ],
)
def test_inputs_that_are_not_discrete_are_refused(type_: Type, message: str) -> None:
    net = Net(x=type_)
    with pytest.raises(DdcError, match=message):
        Network.of(net.module(net.op("step", net.dense("x", [[1.0, 1.0]]))))


def test_a_wide_range_can_be_decided_but_not_tabulated() -> None:
    net = Net(x=array(Int(0, 1 << 40), 2))
    network = Network.of(net.module(net.op("step", net.dense("x", [[1.0, -1.0]]))))
    assert decide(network, [[1 << 40, 0], [5, 5], [5, 6]]).tolist() == [[1], [0], [0]]
    with pytest.raises(DdcError, match="too many"):
        tabulate(network)


def test_ops_that_are_no_part_of_a_network_are_named() -> None:
    net = Net(x=bits(2))
    module = net.module(net.op("and", net.op("step", net.dense("x", np.eye(2))), 1))
    with pytest.raises(DdcError, match="and .*%and"):
        Network.of(module)
    net = Net(x=bits(2))
    p = net.op("softmax", net.dense("x", np.ones((3, 2))))
    with pytest.raises(DdcError, match="softmax"):
        Network.of(net.module(net.op("gt", p, Fraction(1, 2))))
    net = Net(x=bits(2))
    p = net.op("softmax", net.dense("x", np.ones((3, 2))))
    with pytest.raises(DdcError, match="softmax"):
        Network.of(net.module(net.op("step", net.dense(p, np.ones((1, 3))))))


def test_real_outputs_are_refused_when_they_are_decided() -> None:
    net = Net(x=bits(2))
    network = Network.of(net.module(net.dense("x", [[1.0, 1.0]])))
    assert not network.discrete
    with pytest.raises(DdcError, match="real number"):
        decide(network, [[0, 1]])
    with pytest.raises(DdcError, match="real number"):
        tabulate(network)
    values, error = evaluate(network, [[0, 1], [1, 1]])
    assert values.tolist() == [[1.0], [2.0]]
    assert error.tolist() == [0.0]


def test_a_softmax_over_two_classes_against_one_half() -> None:
    net = Net(x=spins(2))
    p = net.op("softmax", net.dense("x", [[1.0, 0.0], [0.0, 1.0]]), axis=0)
    network = Network.of(net.module(net.op("gt", p, Fraction(1, 2))))
    rows = [[1, -1], [-1, 1], [1, 1]]
    assert decide(network, rows).tolist() == [[1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_softmax_goes_away_in_front_of_an_argmax_along_the_same_axis(axis: int) -> None:
    net = Net(x=bits(2, 3))
    net.builder.op("softmax", "x", name="p", axis=axis)
    network = Network.of(net.module(net.op("argmax", "p", axis=axis)))
    rows = np.array([[0, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 1]])
    expected = rows.reshape(2, 2, 3).argmax(axis=axis + 1).reshape(2, -1)
    assert decide(network, rows).tolist() == expected.tolist()
    assert not network.smooth and tabulate(network).outputs == (3, 2)[axis]
    with pytest.raises(DdcError, match="softmax"):
        Network.of(net.module("p"))


def test_a_softmax_along_another_axis_stays() -> None:
    net = Net(x=bits(2, 3))
    p = net.op("softmax", "x", axis=0)
    with pytest.raises(DdcError, match="softmax"):
        Network.of(net.module(net.op("argmax", p, axis=1)))
    net = Net(x=bits(2, 3))
    p = net.op("reshape", net.op("softmax", "x", axis=1), shape=(3, 2))
    with pytest.raises(DdcError, match="softmax"):
        Network.of(net.module(net.op("argmax", p)))


def test_half_of_a_softmax_along_channels() -> None:
    net = Net(x=bits(2, 3))
    network = Network.of(net.module(net.op("gt", net.op("softmax", "x", axis=0), Fraction(1, 2))))
    assert decide(network, [[0, 1, 1, 1, 0, 1]]).tolist() == [[0, 1, 0, 1, 0, 0]]


def test_one_million_rows_in_little_time_and_memory() -> None:
    rng = np.random.default_rng(4)
    net = Net(x=bits(20))
    first, bias = rng.normal(size=(64, 20)), rng.normal(size=64)
    last = rng.normal(size=(20, 64)).astype(np.float32)
    hidden = net.op("relu", net.dense("x", first.astype(np.float32), bias.astype(np.float32)))
    network = Network.of(net.module(net.op("step", net.dense(hidden, last))))
    told: list[int] = []
    begin = time.perf_counter()
    table = tabulate(network, progress=lambda done, rows: told.append(done))
    assert time.perf_counter() - begin < 4
    assert table.words is not None and table.words.shape == (20, 1 << 14)
    assert told == sorted(told) and len(told) > 4
    rows = rng.integers(0, 1 << 20, size=500)
    x = table.inputs_of(rows)
    hidden_values = np.maximum(x @ first.astype(np.float32).T + bias.astype(np.float32), 0)
    expected = hidden_values @ last.T.astype(np.float64)
    found = np.stack([table.output(o)[rows] for o in range(20)], axis=1)
    clear = np.abs(expected) > 1e-3
    np.testing.assert_array_equal(found[clear], (expected > 0)[clear])
    np.testing.assert_array_equal(decide(network, x), found)


def test_a_large_vocabulary() -> None:
    rng = np.random.default_rng(6)
    table = rng.normal(size=(5000, 3))
    net = Net(w=array(OneHot(5000), 1))
    vector = net.op("reshape", net.op("embedding", "w", table), shape=(3,))
    network = Network.of(net.module(net.op("argmax", net.dense(vector, np.eye(3)))))
    assert tabulate(network).output(0).tolist() == table.argmax(axis=1).tolist()


def test_bits_are_stored_little_endian() -> None:
    net = Net(x=bits(7))
    table = tabulate(Network.of(net.module(net.op("step", net.dense("x", np.eye(7))))))
    assert table.words is not None
    # input 0 is the most significant digit: rows 64 to 127, the second word
    assert table.words[0].tolist() == [0, 2**64 - 1]
    assert table.words[6].tolist() == [0xAAAAAAAAAAAAAAAA] * 2


def test_a_single_bit() -> None:
    net = Net(x=BIT)
    network = Network.of(net.module(net.op("gt", "x", Fraction(1, 2))))
    table = tabulate(network)
    assert table.words is not None and table.words.tolist() == [[2]]
