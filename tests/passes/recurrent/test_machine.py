"""Minimal machines and the numbers of their states, against machines that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc.passes.recurrent.encode import encode
from ddc.passes.recurrent.machine import Closing, Mealy, machines
from ddc.passes.recurrent.network import StepNetwork

from . import networks


def divider(by: int) -> Mealy:
    total = 2 * np.arange(by)[:, None] + np.arange(2)
    return Mealy(total % by, (total // by)[:, :, None])


def closed(name: str) -> tuple[StepNetwork, Mealy]:
    net = StepNetwork(getattr(networks, name)())
    return net, next(machines(net, np.random.default_rng(0), Closing()))


@pytest.mark.parametrize(("name", "states"), [("parity", 2), ("adder", 2), ("greatest", 6)])
def test_minimal_machines(name: str, states: int) -> None:
    net, machine = closed(name)
    assert machine.states == states
    words = np.random.default_rng(1).integers(0, net.size, size=(100, 10))
    np.testing.assert_array_equal(machine.run(words), net.decide(words))


def test_counters_do_not_close() -> None:
    far = Closing()
    net = StepNetwork(networks.accumulator())
    assert not list(machines(net, np.random.default_rng(0), far))
    assert far.states > 100 and far.why


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(7)), st.sampled_from([3, 5, 7]))
def test_division_is_found_under_any_names_of_states(order: list[int], by: int) -> None:
    machine = divider(by)
    names = [name for name in order if name < by]
    place = np.argsort(names)
    shuffled = Mealy(place[machine.next[names]], machine.out[names])
    start = int(place[0])
    swap = np.arange(by)
    swap[[0, start]] = [start, 0]
    first = Mealy(swap[shuffled.next[swap]], shuffled.out[swap])
    coding = encode(first.minimal(), StepNetwork(networks.parity()))
    assert coding.sum is not None and coding.next is not None
    assert (abs(coding.sum.factor), coding.next.code, coding.next.by) == (2, "mod", by)
    assert coding.labels[0] == 0


def test_minimal_merges_equal_states() -> None:
    # Two copies of parity, entered at random.
    nexts = np.array([[2, 1], [3, 0], [0, 3], [1, 2]])
    out = np.array([[0, 1], [1, 0], [0, 1], [1, 0]])[:, :, None]
    assert Mealy(nexts, out).minimal().states == 2
