"""Networks that compare pairs of numbers: the place of the greatest, ties as the network has them."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

from ddc.ir import Module
from ddc.ir.exact import decide
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate
from ddc.passes import Context, Declined, run
from ddc.passes.orders import Orders, proved_by_orders
from ddc.passes.orders.invariant import compares_only, order_only, weak_orders
from ddc.passes.tables import network_of
from tests.passes.family_nets import module

AFTER = "fold,hoist,dce,generalise,name"


def pairs(size: int, cut: float, output: str = "argmax", slope: float = 1.0) -> Module:
    """Return a net of sign units for every pair, and one unit for each number that sums its own."""
    left, right = np.array(list(itertools.combinations(range(size), 2))).T
    first = np.zeros((size, len(left)))
    first[left, range(len(left))] = slope
    first[right, range(len(left))] = -slope
    second = first.T / slope
    layers = [
        (first, np.zeros(len(left))),
        (second, np.full(size, -cut)),
        (np.eye(size), np.zeros(size)),
    ]
    result = f"int<0..{size - 1}>" if output == "argmax" else f"bit[{size}]"
    return module(layers, f"x: int<0..99999>[{size}]", output, result)


def test_orders_are_counted_as_fubini_did() -> None:
    fubini = [1, 1]
    for n in range(2, 8):
        fubini.append(sum(comb(n, k) * fubini[n - k] for k in range(1, n + 1)))
    for n in range(1, 8):
        rows = weak_orders(n)
        assert len(rows) == fubini[n] == len(np.unique(rows, axis=0))
        assert all(set(row) == set(range(max(row) + 1)) for row in rows[:500].tolist())


@pytest.mark.parametrize("size", [3, 4, 5])
@pytest.mark.parametrize("output", ["argmax", "step"])
def test_the_program_is_the_network_with_ties(size: int, output: str) -> None:
    # A unit is 1 where its number is the only greatest, 0 where two are, and -1 elsewhere.
    net = pairs(size, size - 2, output)
    context = Context(signature=net.entry.params)
    program = run(Orders().run(net, context), AFTER, context)
    assert program.entry.sizes
    rows = np.random.default_rng(0).integers(0, 3, (400, size))
    fixed = instantiate(program, {"N": size})
    (found,) = run_batch(fixed, {"x": rows})
    wanted = decide(network_of(net, context), rows)
    assert np.array_equal(found.reshape(400, -1), wanted)
    claim = proved_by_orders(program, net, {"N": size}, context)
    assert claim is not None and claim.kind == "proved"


def test_the_place_of_the_greatest_of_any_number() -> None:
    net = pairs(4, 2)
    context = Context(signature=net.entry.params)
    program = run(Orders().run(net, context), AFTER, context)
    for size in (1, 2, 9, 50):
        rows = np.stack([np.random.default_rng(k).permutation(size) for k in range(20)])
        (found,) = run_batch(instantiate(program, {"N": size}), {"x": rows})
        assert found.tolist() == rows.argmax(axis=1).tolist()


def test_a_wrong_program_is_not_proved() -> None:
    net, context = pairs(4, 2), Context()
    least = module([(-np.eye(4), np.zeros(4))], "x: int<0..99999>[4]", "argmax", "int<0..3>")
    wrong = Orders().run(least, context)
    assert order_only(wrong.entry)
    assert proved_by_orders(wrong, net, {}, context) is None


def test_more_than_order_is_seen() -> None:
    apart = pairs(3, 1)
    assert compares_only(apart)
    uneven = module(
        [(np.array([[1.0], [-2.0], [0.0]]), np.zeros(1)), (np.ones((1, 1)), np.zeros(1))],
        "x: int<0..99999>[3]",
        "step",
        "bit",
    )
    assert not compares_only(uneven)
    with pytest.raises(Declined):
        Orders().run(uneven, Context())
    far = module(
        [(np.array([[1.0], [-1.0], [0.0]]), -np.ones(1)), (np.ones((1, 1)), np.zeros(1))],
        "x: int<0..99999>[3]",
        "step",
        "bit",
    )
    assert not compares_only(far)  # greater by more than one is no matter of order


@pytest.mark.parametrize(("end", "answer"), [("max", np.max), ("min", np.min)])
def test_small_ranges_are_asked_on_every_input(end: str, answer: object) -> None:
    # max(a, b) = a + relu(b - a), twice: no unit compares, and every input is looked at.
    sign = 1.0 if end == "max" else -1.0
    first = np.array([[1, -1, -sign, 0, 0], [0, 0, sign, 0, 0], [0, 0, 0, 1, -1]], dtype=float)
    second = np.zeros((5, 4))
    second[[0, 1, 2], 0] = (1, -1, sign)  # the greater of the first two
    second[[0, 1, 2], 1] = (-1, 1, -sign)
    second[[0, 1, 2, 3, 4], 2] = (-sign, sign, -1.0, sign, -sign)
    third = np.array([[1.0], [-1.0], [sign], [0.0]])
    net = module(
        [(first, np.zeros(5)), (second, np.zeros(4)), (third, np.zeros(1))],
        "x: int<0..5>[3]",
        "round",
        "int",
        hidden="relu",
    )
    context = Context(signature=net.entry.params)
    program = run(Orders().run(net, context), AFTER, context)
    rows = np.array(list(itertools.product(range(6), repeat=3)))
    assert callable(answer)
    (found,) = run_batch(instantiate(program, {"N": 3}), {"x": rows})
    assert found.tolist() == answer(rows, axis=1).tolist()
