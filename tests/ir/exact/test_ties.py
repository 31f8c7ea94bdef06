"""Values exactly at their cut, and values that floating point rounds onto it."""

from __future__ import annotations

import itertools
import time
from fractions import Fraction

import numpy as np
import pytest

from ddc.ir import DdcError, Int, Module
from ddc.ir.exact import Network, decide, tabulate
from ddc.ir.exact.smooth import SmoothPlan
from ddc.ir.exact.table import inputs_of
from tests.ir.exact import reference
from tests.ir.exact.build import Net, array, bits, spins

TINY = 2.0**-60


def outputs(module: Module, rows: list[list[int]]) -> list[list[int]]:
    """Return the decisions, checked to be the same in the table."""
    network = Network.of(module)
    found = decide(network, rows).tolist()
    table = tabulate(network)
    every = table.inputs_of(np.arange(table.rows)).tolist()
    columns = [table.output(o) for o in range(table.outputs)]
    for row, values in zip(rows, found):
        assert [int(c[every.index(row)]) for c in columns] == values
    return [[int(v) for v in values] for values in found]


def test_a_small_weight_is_not_lost_beside_large_ones() -> None:
    net = Net(x=bits(3))
    z = net.dense("x", [[1.0, TINY, -1.0]])
    module = net.module(net.op("sign", z))
    assert outputs(module, [[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 1, 1]]) == [[1], [0], [1], [-1]]


def test_a_small_hidden_value_is_not_lost() -> None:
    # relu(1 + 2^-60) - relu(1) = 2^-60; binary64 says 0
    net = Net(x=bits(2))
    hidden = net.op("relu", net.dense("x", [[1.0, TINY], [1.0, 0.0]]))
    module = net.module(net.op("sign", net.dense(hidden, [[1.0, -1.0]])))
    assert outputs(module, [[1, 1], [1, 0], [0, 0]]) == [[1], [0], [0]]


def test_sums_of_87_bits() -> None:
    # 3^27 and 5^18 below 2^43, their product minus itself plus one unit
    a, b = float(3**27), float(5**18)
    net = Net(x=bits(2))
    first = net.op("relu", net.dense("x", [[a, 0.0], [a, 0.0], [0.0, 1.0]]))
    z = net.dense(first, [[b, -b, 1.0], [b, -b + 2.0, -2 * a + 1.0]])
    module = net.module(net.op("sign", z))
    # second unit: 2a - (2a - 1) x1
    assert outputs(module, [[1, 0], [1, 1], [0, 1]]) == [[0, 1], [1, 1], [1, -1]]


def test_floats_that_are_not_decimal_numbers() -> None:
    # 0.1 + 0.2 - 0.3 as stored is 2^-55 more than 0, and not 2^-54 as binary64 adds it up
    assert Fraction(0.1) + Fraction(0.2) - Fraction(0.3) == Fraction(1, 2**55)
    net = Net(x=bits(3))
    z = net.dense("x", [[0.1, 0.2, -0.3]], [-(2.0**-55)])
    module = net.module(net.op("sign", z))
    assert outputs(module, [[1, 1, 1], [0, 0, 0]]) == [[0], [-1]]


def test_argmax_takes_the_first_of_equals() -> None:
    net = Net(x=bits(3))
    module = net.module(net.op("argmax", net.dense("x", np.eye(3)[[2, 0, 1, 0]])))
    rows = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]]
    assert outputs(module, rows) == [[0], [1], [2], [1], [0], [0]]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_argmax_of_one_number_is_0(activation: str) -> None:
    net = Net(x=bits(2))
    z = net.op(activation, net.dense("x", [[5.0, 1.0]], [1.0]))
    module = net.module(net.op("argmax", net.op("add", z, Fraction(3))))
    network = Network.of(module)
    assert decide(network, [[1, 1]]).tolist() == [[0]]
    assert network.exact_plan.run(np.array([[1], [1]])).tolist() == [[0]]
    assert tabulate(network).output(0).tolist() == [0] * 4


def test_argmax_with_a_difference_below_rounding() -> None:
    net = Net(x=bits(1))
    hidden = net.op("relu", net.dense("x", [[1.0], [TINY]]))
    module = net.module(net.op("argmax", net.dense(hidden, [[1.0, 0.0], [1.0, 1.0]])))
    assert outputs(module, [[0], [1]]) == [[0], [1]]


def test_round_goes_half_to_even_exactly() -> None:
    net = Net(x=array(Int(-3, 3), 2))
    z = net.dense("x", [[0.5, 2.0**-70], [1.5, 0.0]])
    module = net.module(net.op("round", z))
    rows = [[1, 0], [1, 1], [1, -1], [3, 0], [3, -1], [-1, 0], [-1, -1], [-3, 1]]
    expected = [[0, 2], [1, 2], [0, 2], [2, 4], [1, 4], [0, -2], [-1, -2], [-1, -4]]
    assert outputs(module, rows) == expected


def test_float32_weights_are_taken_as_stored() -> None:
    weight = np.array([[0.1]], dtype=np.float32)
    exactly = float(weight[0, 0])
    net = Net(x=bits(1))
    hidden = net.op("relu", net.dense("x", weight))
    cuts = [
        Fraction(exactly),
        Fraction(0.1),
        Fraction(1, 10),
        Fraction(exactly) - Fraction(1, 2**90),
    ]
    module = net.module(*(net.op("gt", net.op("reshape", hidden, shape=()), c) for c in cuts))
    assert outputs(module, [[1]]) == [[0, 1, 1, 1]]


@pytest.mark.parametrize("seed", range(4))
def test_weights_of_every_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = np.ldexp(rng.normal(size=(8, 5)), rng.integers(-900, 900, size=(8, 5)))
    net = Net(x=bits(5))
    hidden = net.op("relu", net.dense("x", raw[:, :5]))
    mixed = np.ldexp(rng.normal(size=(4, 8)), rng.integers(-900, 90, size=(4, 8)))
    module = net.module(net.op("sign", net.dense(hidden, mixed)))
    rows = reference.domain(module)
    expected = [[int(v) for v in reference.forward(module, row)] for row in rows]
    assert decide(Network.of(module), rows).tolist() == expected
    table = tabulate(Network.of(module))
    assert np.stack([table.output(o) for o in range(4)], axis=1).tolist() == expected


def test_integer_weights_are_exact_in_float64() -> None:
    rng = np.random.default_rng(1)
    net = Net(x=bits(20))
    hidden = net.op("relu", net.dense("x", rng.integers(-3, 4, size=(40, 20))))
    final = rng.integers(-3, 4, size=(8, 40)).astype(np.float64)
    module = net.module(net.op("sign", net.dense(hidden, np.concatenate([final, -final]))))
    table = tabulate(Network.of(module))
    assert table.redone == 0
    assert table.digits is not None
    np.testing.assert_array_equal(table.digits[:8], -table.digits[8:])


def test_ties_on_half_of_the_rows_of_a_wide_net_end_in_time() -> None:
    # Every hidden unit twice with opposite weights: the first output is 0 on every row, the second
    # is the sign of 2^-40 x0. Nothing of this is exact in binary64.
    rng = np.random.default_rng(2)
    first = rng.normal(size=(12, 16)).astype(np.float32)
    outer = rng.normal(size=12).astype(np.float32)
    net = Net(x=bits(16))
    twice = np.concatenate([first, first, np.eye(16, dtype=np.float32)[:1]])
    hidden = net.op("relu", net.dense("x", twice))
    weights = np.zeros((2, 25), np.float32)
    weights[:, :24] = np.concatenate([outer, -outer])
    weights[1, 24] = 2.0**-40
    module = net.module(net.op("sign", net.dense(hidden, weights)))
    begin = time.perf_counter()
    table = tabulate(Network.of(module))
    assert time.perf_counter() - begin < 20
    assert table.redone == 1 << 16
    assert not table.output(0).any()
    np.testing.assert_array_equal(table.output(1), np.arange(1 << 16) >> 15)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_equal_smooth_units_cancel(activation: str) -> None:
    # f(1) - f(1), with arguments that are equal in exact arithmetic only
    net = Net(x=bits(2))
    z = net.dense("x", [[1.0, TINY], [1.0, 0.0], [0.0, 0.0]], [0.0, 0.0, 1.0])
    hidden = net.op(activation, z)
    module = net.module(net.op("sign", net.dense(hidden, [[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])))
    assert outputs(module, [[1, 0], [1, 1], [0, 0]]) == [[0, 0], [1, 0], [0, -1]]


def test_tanh_is_odd() -> None:
    net = Net(x=spins(2))
    hidden = net.op("tanh", net.dense("x", [[0.3, 0.0], [0.0, 0.3]]))
    module = net.module(net.op("sign", net.dense(hidden, [[1.0, 1.0]])))
    assert outputs(module, [[1, -1], [-1, 1], [1, 1], [-1, -1]]) == [[0], [0], [1], [-1]]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_many_ties_of_smooth_units(activation: str) -> None:
    # Rounded weights on spins: arguments agree in size on many rows, and sums cancel on some.
    rng = np.random.default_rng(11)
    first = rng.choice([-0.1, 0.0, 0.0, 0.0, 0.1], size=(12, 10))
    last = np.concatenate([rng.choice([-0.75, 0.0, 0.75], size=(5, 12)), np.ones((1, 12))])
    net = Net(x=spins(10))
    hidden = net.op(activation, net.dense("x", first))
    bias = -0.5 * last.sum(axis=1) if activation == "sigmoid" else np.zeros(6)
    module = net.module(net.op("sign", net.dense(hidden, last, bias)))
    network = Network.of(module)
    plan = network.exact_plan
    assert isinstance(plan, SmoothPlan) and plan.cancelling is not None
    x = inputs_of(network.levels, np.arange(1 << 10))
    found = plan.run(x)
    plan.cancelling = None
    np.testing.assert_array_equal(plan.run(x), found)
    np.testing.assert_array_equal(decide(network, x.T).T, found)
    assert 50 < np.count_nonzero(found == 0)


def test_two_smooth_layers_with_a_tie() -> None:
    rng = np.random.default_rng(3)
    net = Net(x=spins(4))
    first = net.op("tanh", net.dense("x", rng.normal(size=(3, 4))))
    # the second layer is odd, so that opposite inputs give opposite values
    second = net.op("tanh", net.dense(first, rng.normal(size=(3, 3))))
    weight = rng.normal(size=(1, 3))
    swapped = net.op("neg", "x")
    other = net.op("tanh", net.dense(swapped, net.constants[0][1].array))
    other = net.op("tanh", net.dense(other, net.constants[1][1].array))
    total = net.op("add", net.dense(second, weight), net.dense(other, weight))
    module = net.module(net.op("sign", total))
    network = Network.of(module)
    assert not tabulate(network).digits.any()  # type: ignore[union-attr]


def test_saturated_sigmoids_are_told_apart() -> None:
    # sigmoid(z) > 1/2 and argmax are decided by z itself
    net = Net(x=bits(2))
    z = net.dense("x", [[1.0, TINY], [1.0, 0.0]], [60.0, 60.0])
    module = net.module(net.op("argmax", net.op("sigmoid", z)))
    assert outputs(module, [[0, 0], [0, 1]]) == [[0], [0]]
    net = Net(x=bits(2))
    z = net.dense("x", [[1.0, 0.0], [1.0, TINY]], [60.0, 60.0])
    module = net.module(net.op("argmax", net.op("softmax", net.op("tanh", z))))
    assert outputs(module, [[0, 0], [0, 1]]) == [[0], [1]]
    net = Net(x=bits(2))
    p = net.op("sigmoid", net.dense("x", [[TINY, -2.0]]))
    module = net.module(net.op("gt", p, Fraction(1, 2)), net.op("round", p))
    assert outputs(module, [[0, 0], [1, 0], [0, 1]]) == [[0, 0], [1, 1], [0, 0]]


def test_sigmoid_against_other_cuts() -> None:
    net = Net(x=bits(1))
    p = net.op("sigmoid", net.op("reshape", net.dense("x", [[1.0]]), shape=()))
    cuts = [Fraction(73105857, 10**8), Fraction(73105858, 10**8), Fraction(1), Fraction(-1)]
    module = net.module(*(net.op("ge", p, c) for c in cuts))
    # sigmoid(1) = 0.731058578...
    assert outputs(module, [[1]]) == [[1, 0, 0, 1]]


def test_what_no_precision_decides_is_an_error_that_names_the_input() -> None:
    # 2^-1000 tanh(2^-1000 tanh(...)), ten times: positive, and smaller than 2^-8192
    net = Net(cells=bits(2))
    x = net.dense("cells", [[1.0, -1.0]])
    for _ in range(10):
        x = net.op("tanh", net.dense(x, [[2.0**-1000]]))
    network = Network.of(net.module(net.op("step", net.dense(x, [[1.0]]))))
    assert decide(network, [[0, 0], [1, 1]]).tolist() == [[0], [0]]
    with pytest.raises(DdcError, match=r"cells = \[1, 0\].*round its weights"):
        decide(network, [[1, 0]])


def test_smooth_nets_against_decimal_evaluation() -> None:
    import mpmath

    rng = np.random.default_rng(7)
    first, second = rng.normal(size=(5, 4)), rng.normal(size=(3, 5))
    net = Net(x=spins(4))
    hidden = net.op("sigmoid", net.dense("x", first))
    middle = net.op("tanh", net.dense(hidden, rng.normal(size=(5, 5))))
    final = net.op("relu", net.dense(middle, second))
    module = net.module(net.op("sign", net.dense(final, rng.normal(size=(2, 3)))))
    arrays = [mpmath.matrix(c.array.tolist()) for _, c in module.constants]
    with mpmath.workdps(60):
        for row in itertools.product((-1, 1), repeat=4):
            v = (arrays[0] * mpmath.matrix(row)).apply(lambda z: 1 / (1 + mpmath.exp(-z)))
            v = (arrays[1] * v).apply(mpmath.tanh)
            v = (arrays[2] * v).apply(lambda z: max(z, mpmath.mpf(0)))
            expected = [int(mpmath.sign(z)) for z in arrays[3] * v]
            network = Network.of(module)
            assert decide(network, [row]).tolist() == [expected]
            x = np.array(row)[:, None]
            assert network.exact_plan.run(x)[:, 0].tolist() == expected


def test_inputs_outside_their_type_are_refused() -> None:
    net = Net(x=spins(2))
    network = Network.of(net.module(net.op("sign", net.dense("x", [[1.0, 1.0]]))))
    with pytest.raises(DdcError, match="outside"):
        decide(network, [[1, 2]])
    with pytest.raises(DdcError, match="rows of 2"):
        decide(network, [[1]])
    for bad in (0.5, float("nan"), "a", 1 << 80):
        with pytest.raises(DdcError, match="integers"):
            decide(network, [[1, bad]])
