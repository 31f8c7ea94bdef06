"""Circuits, gates and packed enumeration against the interpreter, entry by entry."""

from __future__ import annotations

import itertools
import math
import time
from random import Random
from typing import Any

import numpy as np
import pytest

from ddc.ir import BIT, Bit, Int, Module, OneHot, Scalar, dims, element, levels
from ddc.ir.equivalence.bitslice import (
    Leaves,
    Program,
    Space,
    digit_signals,
    first_assignment,
    first_bit,
    packed,
)
from ddc.ir.equivalence.circuit import Circuit
from ddc.ir.equivalence.gates import Gates, Planes, width_of
from ddc.ir.equivalence.lower import Lowering, NotLoweredError
from ddc.ir.equivalence.unroll import input_nodes, unroll
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate
from tests.ir.equivalence.programs import on_entries, rule30
from tests.ir.mutations import all_inputs, count_inputs
from tests.ir.random_programs import Options, random_module


def written_out(module: Module, sizes: dict[str, int]) -> tuple[Circuit, list[int], list[Scalar]]:
    circuit, fixed = Circuit(), instantiate(module, sizes).entry
    results = unroll(module, module.entry, sizes, circuit, input_nodes(circuit, fixed))
    types: list[Scalar] = []
    for param in fixed.params:
        types += [element(param.type)] * math.prod(d.const for d in dims(param.type))
    return circuit, [node for result in results for node in result.ravel().tolist()], types


def interpreted(module: Module, sizes: dict[str, int]) -> Any:
    results = run_batch(module, all_inputs(module, sizes), sizes=sizes)
    return np.concatenate([r.reshape(len(r), -1) for r in results], axis=1)


def unpacked(planes: Planes, gates: Gates, leaves: Leaves) -> Any:
    """Return the ints that planes stand for, for every assignment of a single block."""
    count = -(-leaves.space.block // 64)
    words = Program(gates, planes).run(lambda variable: leaves.words(variable, 0), count)
    total: Any = 0
    for place, plane in enumerate(words):
        octets = np.broadcast_to(plane, (count,)).copy().view(np.uint8)
        bits = np.unpackbits(octets, bitorder="little")[: leaves.space.block].astype(np.int64)
        total = total + bits * ((1 << place) if place < len(words) - 1 else -(1 << place))
    return total


@pytest.mark.parametrize("serial", [False, True])
def test_random_programs(serial: bool) -> None:
    lowered = 0
    for seed in range(250):
        rng = Random(seed)
        module = random_module(rng, Options(arrays=1, scalars=1, extent=2))
        sizes = {"N": rng.randint(2, 3)} if module.entry.sizes else {}
        if count_inputs(module, sizes) > 4096:
            continue
        circuit, nodes, types = written_out(module, sizes)
        wanted = interpreted(module, sizes)
        space = Space(range(len(types)), [len(levels(t) or ()) for t in types], 1 << 20)
        columns = {
            k: np.array(levels(t), dtype=np.int64)[space.column(k, 0)] for k, t in enumerate(types)
        }
        for place, column in enumerate(circuit.simulate(nodes, columns)):
            assert (column == wanted[:, place]).all(), f"seed {seed}"
        gates, leaves = Gates(serial), Leaves(space)
        digits = digit_signals(gates, space.sizes)
        try:
            planes = Lowering(circuit, gates, digits.__getitem__).planes(nodes)
        except NotLoweredError:
            continue
        lowered += 1
        for place, number in enumerate(planes):
            assert (unpacked(number, gates, leaves) == wanted[:, place]).all(), f"seed {seed}"
    assert lowered > 150


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 2), (5,), (2, 3, 4, 5), (1, 2), ()])
@pytest.mark.parametrize("block", [1, 6, 64, 1 << 20])
def test_counting_order(sizes: tuple[int, ...], block: int) -> None:
    """Blocks one after the other list all assignments, the first digit being the slowest."""
    wanted = list(itertools.product(*[range(size) for size in sizes]))
    space = Space(range(len(sizes)), sizes, block)
    rows: list[tuple[int, ...]] = []
    for start in space.starts():
        columns = [space.column(k, start).tolist() for k in range(len(sizes))]
        rows += [tuple(row) for row in zip(*columns)] if columns else [()]
    assert rows == wanted
    assert [tuple(space.digits(k)) for k in range(space.total)] == wanted
    leaves = Leaves(space)
    for start in space.starts():
        variable = 0
        for place, size in enumerate(sizes):
            column = space.column(place, start)
            for bit in reversed(range((size - 1).bit_length())):
                words = np.broadcast_to(leaves.words(variable, start), (-(-space.block // 64),))
                bits = np.unpackbits(words.copy().view(np.uint8), bitorder="little")
                assert (bits[: space.block] == column >> bit & 1).all()
                variable += 1


@pytest.mark.parametrize("place", [0, 5, 63, 64, 127, 128, 190])
def test_first_bit(place: int) -> None:
    bits = np.zeros(191, dtype=bool)
    bits[place] = bits[190] = True
    tail = np.uint64((1 << 63) - 1)
    assert first_bit(packed(bits), tail) == place
    assert first_bit(packed(np.zeros(191)), tail) is None
    beyond = packed(np.zeros(191))
    beyond[-1] = np.uint64(1 << 63)
    assert first_bit(beyond, tail) is None


def test_every_gate_with_every_complement() -> None:
    space = Space(range(3), (2, 2, 2), 1 << 20)
    rows = np.array(list(itertools.product((0, 1), repeat=3)))
    for signs in itertools.product((0, 1), repeat=3):
        gates, leaves = Gates(), Leaves(space)
        signals = [s[0] ^ flip for s, flip in zip(digit_signals(gates, (2, 2, 2)), signs)]
        a, b, c = (rows ^ np.array(signs)).T
        x, y, z = signals
        cases = {
            gates.both(x, y): a & b,
            gates.either(gates.both(x, y), z): a & b | c,
            gates.differ(x, gates.both(y, z)): a ^ (b & c),
            gates.choose(x, y, z): np.where(a, b, c),
            gates.choose(x, gates.either(y, z), 0): a & (b | c),
            gates.parity(signals) ^ 1: 1 - (a ^ b ^ c),
        }
        for signal, wanted in cases.items():
            assert (unpacked((signal, 0), gates, leaves) == wanted).all()


@pytest.mark.parametrize(("low", "high", "wanted"), [(0, 0, 1), (0, 1, 2), (-1, 0, 1), (-8, 8, 5)])
def test_width(low: int, high: int, wanted: int) -> None:
    assert width_of(low, high) == wanted


def test_a_cone_does_not_mention_what_cannot_matter() -> None:
    module = on_entries(
        4, lambda b, x: [b.op("and", x[0], 0), b.op("select", 1, x[1], x[2]), b.op("ge", x[3], 0)]
    )
    circuit, nodes, _ = written_out(module, {})
    assert [circuit.inputs([node]) for node in nodes] == [[], [1], []]


@pytest.mark.parametrize("scalar", [Bit(), Int(-3, 2), OneHot(3), Int.of(-4, 1, 9)])
def test_gather_at_computed_places(scalar: Scalar) -> None:
    for border in ("wrap", "clamp", "else"):
        module = on_entries(
            3,
            lambda b, x, border=border: b.op(  # type: ignore[misc]
                "gather", "x", x[0], border=border, else_=7 if border == "else" else None
            ),
            scalar,
        )
        circuit, nodes, types = written_out(module, {})
        values = levels(scalar) or ()
        space = Space(range(3), [len(values)] * 3, 1 << 20)
        gates, leaves = Gates(), Leaves(space)
        digits = digit_signals(gates, space.sizes)
        (planes,) = Lowering(circuit, gates, digits.__getitem__).planes(nodes)
        wanted = interpreted(module, {})[:, 0]
        assert len(types) == 3
        assert (unpacked(planes, gates, leaves) == wanted).all()


def test_two_to_the_24_inputs_of_24_outputs_in_seconds() -> None:
    """All 24 outputs of Rule 30 on one space of 24 cells, with a difference at the very end."""
    circuit, nodes, types = written_out(rule30(), {"N": 24})
    assert all(t == BIT for t in types)
    space = Space(range(24), [2] * 24, 1 << 20)
    gates, leaves = Gates(), Leaves(space)
    digits = digit_signals(gates, space.sizes)
    planes = Lowering(circuit, gates, digits.__getitem__).planes(nodes)
    x = [signals[0] for signals in digits]
    last = gates.all(x)
    wrong = [
        gates.differ(planes[k][0], gates.differ(x[k - 1], gates.either(x[k], x[(k + 1) % 24])))
        for k in range(24)
    ]
    assert set(wrong) == {0}
    other = [gates.both(last, planes[k][0] ^ 1) for k in range(24)]
    start = time.perf_counter()
    assert first_assignment(Program(gates, [gates.any(other)]), leaves) == (1 << 24) - 1
    assert time.perf_counter() - start < 5
