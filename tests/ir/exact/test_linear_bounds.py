"""Linear bounds hold at every sampled point, and local proofs agree with enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from ddc.ir import DdcError, Module
from ddc.ir.exact import Network, decide, likely_inputs, prove_local
from ddc.ir.exact.activation import Activation
from ddc.ir.exact.linear_bounds import LinearBounds
from ddc.ir.exact.relax import lines

Floats = NDArray[np.float64]
Layers = list[tuple[Floats, Floats]]  # weights [units, inputs], bias


def module(layers: Layers, activation: str, inputs: str, decision: str = "gt") -> Module:
    """Write a dense network with a decision as IR text."""
    from ddc.frontend import lower
    from ddc.frontend.records import Layer
    from ddc.frontend.records import Network as Records

    records: list[Layer] = []
    for number, (weight, bias) in enumerate(layers):
        records.append(Layer("linear", str(number), {}, {"weight": weight, "bias": bias}))
        if number < len(layers) - 1:
            records.append(Layer(activation, f"{number}.act"))
    return lower(Records(records, inputs, decision, "0" * 64, "test")).module


def forward(layers: Layers, activation: str, rows: Floats) -> Floats:
    """Evaluate the last layer's sums."""
    values = rows
    for weight, bias in layers[:-1]:
        sums = values @ weight.T + bias
        values = np.maximum(sums, 0) if activation == "relu" else np.tanh(sums)
    result: Floats = values @ layers[-1][0].T + layers[-1][1]
    return result


def random_layers(widths: list[int], generator: np.random.Generator, scale: float = 1.0) -> Layers:
    return [
        (scale * generator.normal(size=(after, before)), generator.normal(size=after))
        for before, after in zip(widths, widths[1:])
    ]


@pytest.mark.parametrize("kind", ["ramp", "tanh"])
def test_lines_hold_on_intervals_of_every_size(kind: str) -> None:
    generator = np.random.default_rng(1)
    centre = generator.normal(size=4000) * 3
    width = 10.0 ** generator.uniform(-12, 1.5, 4000) * (generator.random(4000) < 0.95)
    low, high = centre - width, centre + width
    found = lines(Activation(kind), low, high)
    for share in np.linspace(0, 1, 101):
        z = low + share * (high - low)
        value = np.maximum(z, 0) if kind == "ramp" else np.tanh(z)
        assert (found.low_slope * z + found.low <= value).all()
        assert (found.high_slope * z + found.high >= value).all()
    assert ((0 <= found.low_slope) & (found.high_slope <= 1)).all()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("hidden", [[20], [12, 12], [8, 8, 8]])
def test_bounds_hold_and_are_tight_at_points(activation: str, hidden: list[int]) -> None:
    generator = np.random.default_rng(len(hidden))
    layers = random_layers([6, *hidden, 3], generator)
    network = Network.of(module(layers, activation, "x: bit[6]", "step"))
    bounds = LinearBounds(network.chain, np.ones(6))
    count = 150
    low = generator.random((count, 6))
    high = low + generator.random((count, 6)) * (1 - low) * generator.choice([0, 1], (count, 1))
    heads, turn = generator.integers(0, 3, count), generator.choice([-1.0, 1.0], count)
    found = bounds.margins(heads, turn, low, high)
    shares = np.concatenate(
        [generator.random((400, count, 6)), generator.integers(0, 2, (400, count, 6))]
    )
    values = forward(layers, activation, low + (high - low) * shares)
    seen = np.take_along_axis(values, heads[None, :, None], 2)[:, :, 0] * turn
    assert (found.low <= seen.min(0)).all()
    points = (low == high).all(1)
    assert points.any() and (seen.min(0) - found.low)[points].max() < 1e-8
    # Better than nothing: plain intervals would be wider than the whole range of values.
    assert np.mean(seen.min(0) - found.low) < 4 * np.mean(seen.max(0) - seen.min(0))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("seed", range(4))
def test_local_proofs_agree_with_enumeration(activation: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    layers = random_layers([8, 10, 4], generator)
    # Weak inputs: some outputs depend on them now and then, others never.
    layers[0][0][:, 3:] *= [0.02, 0.05, 0.1, 0.2, 0.3]
    network = Network.of(module(layers, activation, "x: bit[8]", "step"))
    found = prove_local(network, [(0, 1, 2)] * 4)
    rows = np.array(list(product((0, 1), repeat=8)))
    decided = forward(layers, activation, rows.astype(float)) > 0
    for local in found:
        table = local.table[rows[:, :3] @ [4, 2, 1]]
        true = bool((decided[:, local.output] == table).all())
        assert local.status == ("proved" if true else "refuted")
        if local.example is not None:
            at = int(local.example[:3] @ [4, 2, 1])
            answer = decide(network, local.example[None])[0, local.output]
            assert answer != local.table[at]


def test_both_kinds_of_answer_occur() -> None:
    statuses: set[str] = set()
    for seed in range(4):
        generator = np.random.default_rng(seed)
        layers = random_layers([8, 10, 4], generator)
        layers[0][0][:, 3:] *= [0.02, 0.05, 0.1, 0.2, 0.3]
        network = Network.of(module(layers, "relu", "x: bit[8]", "step"))
        statuses |= {local.status for local in prove_local(network, [(0, 1, 2)] * 4)}
    assert statuses == {"proved", "refuted"}


def ring(cells: int, noise: float) -> Layers:
    """Build rule 90 (left xor right) on a ring from ReLU units, with noise on all weights."""
    generator = np.random.default_rng(9)
    first = np.zeros((2 * cells, cells))
    second = np.zeros((cells, 2 * cells))
    for i in range(cells):
        for j in ((i - 1) % cells, (i + 1) % cells):
            first[2 * i, j] = first[2 * i + 1, j] = 1
        second[i, 2 * i], second[i, 2 * i + 1] = 1, -2
    bias = np.tile([0.0, -1.0], cells)
    first += noise * generator.uniform(-1, 1, first.shape)
    second += noise * generator.uniform(-1, 1, second.shape)
    return [(first, bias), (second, np.full(cells, -0.5))]


def test_a_ring_of_100_noisy_cells_is_proved() -> None:
    cells = 100
    network = Network.of(module(ring(cells, 0.0005), "relu", f"x: bit[{cells}]", "step"))
    near = [tuple(sorted({(i - 1) % cells, (i + 1) % cells})) for i in range(cells)]
    assert likely_inputs(network) == near
    found = prove_local(network)
    assert [local.status for local in found] == ["proved"] * cells
    assert all(local.table.tolist() == [0, 1, 1, 0] for local in found)


def test_a_ring_with_too_much_noise_is_refuted_with_rows() -> None:
    cells = 64
    network = Network.of(module(ring(cells, 0.03), "relu", f"x: bit[{cells}]", "step"))
    near = [tuple(sorted({(i - 1) % cells, (i + 1) % cells})) for i in range(cells)]
    found = prove_local(network, near, rounds=4)
    refuted = [local for local in found if local.status == "refuted"]
    assert len(refuted) > cells // 2
    for local in refuted:
        assert local.example is not None
        first, second = local.inputs
        case = 2 * int(local.example[first]) + int(local.example[second])
        assert decide(network, local.example[None])[0, local.output] != local.table[case]


def test_an_output_on_its_cut_stays_open() -> None:
    # x0 - 1 is 0 at x0 = 1: decided exactly, but no bound with a margin says so.
    layers = [(np.array([[1.0, 0.0]]), np.zeros(1)), (np.array([[1.0]]), np.array([-1.0]))]
    network = Network.of(module(layers, "relu", "x: bit[2]", "step"))
    assert [local.status for local in prove_local(network, [(0,)])] == ["open"]


def test_wider_inputs_are_split_by_their_values() -> None:
    # 3 a + b > 4 for a in 0..2, b in 0..3: depends on b only at a = 1.
    layers = [(np.array([[3.0, 1.0]]), np.zeros(1)), (np.array([[1.0]]), np.array([-4.5]))]
    network = Network.of(module(layers, "relu", "a: int<0..2>, b: int<0..3>", "step"))
    assert [local.status for local in prove_local(network, [(0, 1)])] == ["proved"]
    (local,) = prove_local(network, [(0,)])
    assert local.status == "refuted" and local.example is not None and local.example[0] == 1


def test_what_bounds_do_not_take_is_one_line() -> None:
    layers = random_layers([3, 4, 2], np.random.default_rng(0))
    for activation, decision, says in [
        ("relu", "argmax", "decisions of their own"),
        ("sign", "step", "no linear bounds for compare"),
    ]:
        network = Network.of(module(layers, activation, "x: bit[3]", decision))
        with pytest.raises(DdcError, match=says):
            prove_local(network, [(0,)] * len(network.outputs))
    wide = Network.of(
        module(random_layers([14, 2, 1], np.random.default_rng(0)), "relu", "x: bit[14]", "step")
    )
    with pytest.raises(DdcError, match="output 0 depends on 14 inputs: 16384 cases"):
        prove_local(wide, [tuple(range(14))])
