"""Check the generated networks against the rules that they are meant to follow."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.networks import Layer, essence_automaton, write_csv, write_layers

Array = NDArray[np.float64]

ROWS = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(np.float64)


def hidden(layers: Sequence[Layer], rows: Array) -> list[Array]:
    """Evaluate the hidden layers, sign units with the third value 0."""
    values = [rows]
    for weights, bias in layers[:-1]:
        values.append(np.sign(values[-1] @ weights + bias))
    return values[1:]


def evaluate(layers: Sequence[Layer], rows: Array) -> NDArray[np.bool_]:
    """Evaluate the network; all numbers are small integers, so float64 is exact."""
    weights, bias = layers[-1]
    return np.asarray([rows, *hidden(layers, rows)][-1] @ weights + bias > 0)


def successor(rule: int, rows: Array) -> list[list[bool]]:
    """Step rows cell by cell, as the rule's number is defined."""
    return [
        [
            bool(rule >> int(4 * row[i - 1] + 2 * row[i] + row[(i + 1) % len(row)]) & 1)
            for i in cells
        ]
        for row in rows
        for cells in [range(len(row))]
    ]


@pytest.mark.parametrize("rule", range(256))
def test_every_automaton_is_exact_on_every_row(rule: int) -> None:
    layers = essence_automaton(rule)
    assert all(np.array_equal(values % 1, 0 * values) for layer in layers for values in layer)
    assert np.array_equal(evaluate(layers, ROWS), successor(rule, ROWS))


def test_ties_occur_in_both_hidden_layers() -> None:
    ties = np.zeros(2, dtype=int)
    for rule in range(1, 255):
        ties += [int((values == 0).sum()) for values in hidden(essence_automaton(rule), ROWS)]
    assert (ties > 0).all()


def test_units_are_those_of_the_method() -> None:
    layers = essence_automaton(0b10000000)  # neighbourhood 111 against the seven others
    assert [weights.shape for weights, _ in layers] == [(8, 56), (56, 64), (64, 8)]
    (differentia, bias), (subconcept, threshold), (concept, vote) = layers
    # Plane half way between 000 and 111 around cell 0: 3 - 2 (left + own + right).
    assert differentia[:, 0].tolist() == [-2, -2, 0, 0, 0, 0, 0, -2]
    assert bias[0] == 3
    # The unit of 111 hears its seven planes, all on its side at 111. At 110, one step away, it hears
    # 1 for 000, 001, 011 and 101 (two or three steps away), 0 for 010 and 100 (one step), -1 for 110
    # itself: 3 in all, the best of the other class. Half way from 3 to 7 is 5.
    assert subconcept[:7, 7].tolist() == [-1] * 7
    assert threshold[7] == -5
    assert concept[:8, 0].tolist() == [-1] * 7 + [1]
    assert vote[0] == 1 - 7


def test_constant_rules_are_one_constant_layer() -> None:
    assert [[values.tolist() for values in layer] for layer in essence_automaton(255, cells=3)] == [
        [[[0.0] * 3] * 3, [1.0] * 3]
    ]


def test_refuses_what_is_no_automaton() -> None:
    for rule, cells in [(256, 8), (-1, 8), (30, 2)]:
        with pytest.raises(ValueError, match="rule in 0..255 and at least three cells"):
            essence_automaton(rule, cells)


def test_shuffled_units_compute_the_same() -> None:
    plain, shuffled = essence_automaton(110), essence_automaton(110, seed=1)
    assert not np.array_equal(plain[0][0], shuffled[0][0])
    assert np.array_equal(evaluate(shuffled, ROWS), evaluate(plain, ROWS))
    assert all(map(np.array_equal, shuffled[1], essence_automaton(110, seed=1)[1]))


def test_csv_holds_every_layer_with_the_bias_last(tmp_path: Path) -> None:
    layers: list[Layer] = [
        (np.array([[0.1, -2.0], [1 / 3, 0.0], [5.0, 6.0]]), np.array([7.0, -1e-30])),
        (np.array([[1.0], [-1.0]]), np.array([0.5])),
    ]
    write_csv(tmp_path / "new", "net", layers)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["net_1.csv", "net_2.csv"]
    first, second = [np.loadtxt(tmp_path / "new" / f"net_{n}.csv", delimiter=",") for n in (1, 2)]
    assert first.tolist() == [[0.1, -2.0], [1 / 3, 0.0], [5.0, 6.0], [7.0, -1e-30]]
    assert second.tolist() == [1.0, -1.0, 0.5]
    assert (tmp_path / "new" / "net_2.csv").read_bytes() == b"1\n-1\n0.5\n"


def test_torch_reads_the_checkpoint(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    layers = essence_automaton(30, cells=5)
    path = tmp_path / "net.pt"
    write_layers(path, layers, ["sign", "sign", "linear"], "cells: bit[5]", "step")
    read = torch.load(path, weights_only=True)
    assert [read.pop(key) for key in ("format", "input", "output", "activations")] == [
        "ddc.layers/1",
        "cells: bit[5]",
        "step",
        ["sign", "sign", "linear"],
    ]
    assert list(read) == [f"{n}.{name}" for n in range(3) for name in ("weight", "bias")]
    for number, (weights, bias) in enumerate(layers):
        assert read[f"{number}.weight"].dtype == torch.float64
        assert np.array_equal(read[f"{number}.weight"].numpy().T, weights)
        assert np.array_equal(read[f"{number}.bias"].numpy(), bias)


def test_the_same_network_is_the_same_file(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_layers(tmp_path / folder / "net.pt", essence_automaton(30), ["sign"] * 3, "", "step")
    assert (tmp_path / "one" / "net.pt").read_bytes() == (tmp_path / "two" / "net.pt").read_bytes()
