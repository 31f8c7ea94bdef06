"""Essence networks learned from data: exact on it, the published weights, one line for bad data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.tasks import automata, maxsat, numbers, orientation
from ddc import cli
from ddc.frontend import Samples, read
from ddc.frontend.learn import Essence, Options, learn, write_layers
from ddc.ir import DdcError

Floats = NDArray[np.float64]


def forward(found: Essence, rows: Floats) -> Floats:
    """Evaluate a symbolic network from its published description: sign units, linear last layer."""
    values = rows
    for weights, bias in found.layers[:-1]:
        values = np.sign(values @ weights + bias)
    weights, bias = found.layers[-1]
    result: Floats = values @ weights + bias
    return result


@pytest.mark.parametrize("symbolic", [True, False])
@pytest.mark.parametrize("rule", [30, 90, 110, 150, 232])
def test_automata_are_exact_on_their_eight_samples(rule: int, symbolic: bool) -> None:
    data = automata.one(rule)
    assert data.y is not None
    found = learn(data, Options(symbolic=symbolic))
    assert (found.right, found.samples, found.input) == (8, 8, "cells: bit[3]")
    expected = [
        rule >> (4 * left + 2 * own + right) & 1 for left, own, right in product(range(2), repeat=3)
    ]
    rows = np.array(list(product(range(2), repeat=3)))
    assert found.decide(rows)[:, 0].tolist() == expected
    if symbolic:
        assert (forward(found, rows.astype(float))[:, 0] > 0).tolist() == [b == 1 for b in expected]
        assert all((part % 1 == 0).all() for layer in found.layers for part in layer)


def test_majority_is_one_plane() -> None:
    found = learn(automata.one(232), Options(symbolic=True))
    # More than half of three cells: 2 (a + b + c) - 3.
    assert found.subconcepts == 2
    assert np.vstack(found.layers[0]).T.tolist() == [[2, 2, 2, -3]]


def test_orientation_is_the_published_network() -> None:
    size = 28
    found = learn(
        orientation.training(size),
        Options(symbolic=True, subconcepts=0, margin_ratio=float("inf"), output="argmax"),
    )
    (first, zero), (second, bias), _ = found.layers
    assert found.weights == 659_514
    # Published: 86,408. The concepts here hear 28 units each, their own, not all 56.
    assert found.non_zeros == 86_408 - 56
    # Unit 28 i + j is column i minus row j, zero where they cross.
    for i, j in [(0, 0), (3, 17), (27, 5)]:
        image = np.zeros((size, size))
        image[:, i] += 1
        image[j] -= 1
        assert (first[:, size * i + j].reshape(size, size) == image).all()
    assert not zero.any() and (bias == -size * (size - 1)).all()
    # A column's unit counts its own 28 planes once, the 756 of other columns -27 times; rows likewise.
    assert Counter(np.abs(second).ravel().tolist()) == {1.0: 56 * 28, 27.0: 56 * 756}


@pytest.mark.parametrize(("variables", "clauses"), [(5, 8), (4, 5)])
def test_maxsat_families_are_the_published_ones(variables: int, clauses: int) -> None:
    found = learn(
        maxsat.training(variables, clauses),
        Options(symbolic=True, subconcepts=4 * clauses),
    )
    others = 2 * variables - 2
    m = 2.0 * others
    shapes = Counter(
        (*sorted(unit[:-1][unit[:-1] != 0].tolist()), "bias", unit[-1])
        for unit in np.vstack(found.layers[0]).T
    )
    # Published: 1 - 2 others, 2 others - 1, m (x - y) + 2 others - 1 both ways, x@i - y@0 both ways.
    assert shapes == {
        (*[-2.0] * others, "bias", 1.0): clauses,
        (*[2.0] * others, "bias", -1.0): clauses,
        (-m, *[2.0] * others, m, "bias", -1.0): 2 * clauses,
        (-1.0, 1.0, "bias", 0.0): 2 * clauses,
    }
    votes = Counter(
        (*sorted(unit[:-1][unit[:-1] != 0].tolist()), "bias", unit[-1])
        for unit in np.vstack(found.layers[1]).T
    )
    assert votes == {
        (1.0, 2.0, "bias", -2.0): 2 * clauses,
        (1.0, 1.0, "bias", -1.0): 2 * clauses,
    }
    # Half the log-odds of .99, and the limit of 10, over signs: halved.
    strengths = np.unique(np.abs(found.layers[2][0]))
    assert np.allclose(strengths, [np.log(0.99 / 0.01) / 4, 5], rtol=0, atol=1e-12)
    assert not found.layers[2][1].any()


def formulas_of(variables: int, clauses: int) -> Floats:
    """Return formulas with unit clauses, empty clauses and full ones; no clause holds x and not x."""
    generator = np.random.default_rng(3)
    formulas = (generator.random((200, 2 * variables, clauses)) < 0.2).astype(float)
    formulas[:, 1] *= 1 - formulas[:, 0]
    return formulas


def chance(own: Floats, negated: Floats, others: Floats) -> Floats:
    """Return the probability of TRUE: clauses vote 10 alone, half the log-odds of .99 otherwise."""
    strength = np.where(others > 0, np.log(0.99 / 0.01) / 2, 10.0)
    margin = ((own - negated) * strength).sum(1)
    result: Floats = 1 / (1 + np.exp(-2 * margin))
    return result


def test_maxsat_with_near_partners_is_the_closed_form() -> None:
    options = Options(symbolic=True, subconcepts=24, prefer="near")
    found = learn(maxsat.training(4, 6), options)
    formulas = formulas_of(4, 6)
    expected = chance(formulas[:, 0], formulas[:, 1], formulas[:, 2:].max(1))
    assert np.abs(found.decide(formulas.reshape(200, -1))[:, 1] - expected).max() < 1e-12


def test_maxsat_with_first_partners_looks_at_clause_0() -> None:
    found = learn(maxsat.training(4, 6), Options(symbolic=True, subconcepts=24))
    formulas = formulas_of(4, 6)
    own, negated = formulas[:, 0], formulas[:, 1]
    # The published families x@i - y@0 and y@i - x@0: a unit clause is not heard against clause 0.
    others = formulas[:, 2:].max(1)
    heard = own * np.maximum(others, negated[:, :1] == 0), negated * np.maximum(
        others, own[:, :1] == 0
    )
    expected = chance(*heard, others)
    assert np.abs(found.decide(formulas.reshape(200, -1))[:, 1] - expected).max() < 1e-12


def test_soft_targets_of_several_outputs_are_reached() -> None:
    rows = np.eye(4)
    wanted = np.array([[0.9, 0.2], [0.1, 0.5], [0.9, 0.8], [1.0, 0.0]])
    for symbolic in (True, False):
        found = learn(Samples({"x": rows}, wanted), Options(symbolic=symbolic, subconcepts=0))
        assert (found.output, found.activations[-1]) == ("raw", "sigmoid")
        assert np.abs(found.decide(rows) - wanted).max() < 1e-6


def test_several_bits_at_once() -> None:
    rows = np.array(list(product(range(2), repeat=4)))
    wanted = np.stack([rows.sum(1) >= 2, rows[:, 0] ^ rows[:, 1], rows[:, 3]], 1)
    found = learn(Samples({"x": rows}, wanted), Options(symbolic=True))
    assert found.output == "step" and (found.decide(rows) == wanted).all()


def test_all_automata_at_once_with_the_neighbourhood_in_front() -> None:
    found = learn(automata.every(), Options(symbolic=True, subconcepts=16, scale=(("cells", 4.0),)))
    assert found.subconcepts == 16 and found.right == found.samples == 2048


def test_life_counts_its_neighbours() -> None:
    found = learn(automata.life(), Options(symbolic=True))
    assert found.right == found.samples == 512
    # Lonely, crowded, alive: with s neighbours and centre c, alive is s + c >= 3 and s <= 3.
    assert found.subconcepts == 3
    planes = {tuple(column.tolist()) for column in np.vstack(found.layers[0]).T}
    assert planes == {(2.0,) * 9 + (-5.0,), (-2.0,) * 4 + (0.0,) + (-2.0,) * 4 + (7.0,)}


@pytest.mark.parametrize("size", [3, 8])
def test_the_place_of_the_maximum(size: int) -> None:
    rows = numbers.distinct_rows(size, 500, seed=size)
    wanted = rows == rows.max(1, keepdims=True)
    for samples in (numbers.argmax(size), numbers.maximum(size)):
        found = learn(samples, Options(symbolic=True))
        assert (found.decide(rows) == wanted).all()
        # Every unit of the first layer compares two places.
        planes = np.vstack(found.layers[0]).T
        assert (np.sort(planes, axis=1)[:, [0, 1, -2, -1]] == [-1, 0, 0, 1]).all() or size == 3


@pytest.mark.parametrize("bits", [2, 4])
def test_comparison_weighs_bits_by_powers_of_two(bits: int) -> None:
    found = learn(numbers.comparison(bits), Options(symbolic=True))
    assert found.right == found.samples == 4**bits
    powers = [2.0 * 2**k for k in range(bits)]
    assert np.vstack(found.layers[0])[:, 0].tolist() == [*powers, *(-p for p in powers), -1]


def test_addition_is_exact() -> None:
    found = learn(numbers.addition(3), Options(symbolic=True))
    assert found.right == found.samples == 64 and found.subconcepts == 15  # sums 0 .. 14


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("symbolic", [True, False])
def test_arbitrary_labels_are_learned_by_heart(seed: int, symbolic: bool) -> None:
    generator = np.random.default_rng(seed)
    rows = [
        np.unique(generator.integers(0, 2, (24, 6)), axis=0),
        np.unique(generator.integers(-3, 4, (20, 4)), axis=0),
        generator.normal(size=(20, 3)),
    ][seed % 3]
    labels = generator.integers(0, 2 + seed // 3, len(rows))
    found = learn(Samples({"x": rows}, labels), Options(symbolic=symbolic))
    wanted = labels[:, None] if seed < 3 else np.eye(3)[labels]
    assert (found.decide(rows) == wanted).all() and found.right == found.samples == len(rows)


def test_same_seed_same_file(tmp_path: Path) -> None:
    texts: list[bytes] = []
    for name in ("a.pt", "b.pt"):
        found = learn(automata.life(), Options(seed=4))
        write_layers(tmp_path / name, found.layers, found.activations)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]


def test_progress_is_told() -> None:
    told: list[tuple[str, float]] = []
    learn(automata.life(), Options(), lambda what, share: told.append((what, share)))
    assert told and all(0 <= share <= 1 for _, share in told)


X = np.array(list(product(range(2), repeat=3)))
PARITY = X.sum(1) % 2


def _with(at: int, value: float, rows: Sequence[Sequence[int]] | NDArray[np.int64] = X) -> Floats:
    changed = np.array(rows, dtype=float)
    changed[at, 0] = value
    return changed


@pytest.mark.parametrize(
    ("x", "y", "options", "says"),
    [
        (X, None, {}, "no labels: name an array or a column y"),
        (X, PARITY[:7], {}, "y has 7 labels for 8 samples"),
        (X, np.zeros(8), {}, "all 8 samples have one label"),
        (_with(5, np.nan), PARITY, {}, r"the inputs miss values: row 5 \(counted"),
        (X, _with(2, np.inf, PARITY[:, None]), {}, r"y miss values: row 2 \(counted"),
        (X[:, :2], PARITY, {}, r"contradictory.* in rows 0 and 1, 2 and 3, 4 and 5, and 1 more"),
        (X[:1], PARITY[:1], {}, "1 sample is too few"),
        (np.zeros((8, 0)), PARITY, {}, "the samples hold no numbers"),
        (X, PARITY - 3.5, {}, "y holds -3.5: labels are bits"),
        (X, PARITY, {"output": "round"}, "decide by step, sign, argmax, softmax, raw, not by"),
        (X, PARITY, {"output": "sign"}, "y does not fit --output sign, whose labels are -1 and 1"),
        (X, PARITY, {"input": "a: bit[4]"}, "--input says 4 numbers, the samples hold 3"),
        (X, PARITY, {"input": "a: bit[N]"}, "--input: say a number for N"),
        (X, PARITY, {"subconcepts": 1}, "1 subconcepts are too few for 2 classes"),
        (X, PARITY, {"subconcepts": -1}, "--subconcepts is a count"),
        (X, PARITY, {"margin_ratio": float("nan")}, "--margin-ratio is at least 0"),
        (X, PARITY, {"prefer": "last"}, "--prefer is first or near"),
        (X, PARITY, {"strictness": 2.0}, "--strictness is between"),
        (X, PARITY, {"scale": (("z", 2.0),)}, "there is no input 'z'"),
        (X, PARITY, {"scale": (("x", 0.0),)}, "positive factor"),
    ],
)
def test_bad_data_are_one_line(
    x: Floats, y: Floats | None, options: dict[str, object], says: str
) -> None:
    with pytest.raises(DdcError, match=says) as caught:
        learn(Samples({"x": x}, y), Options(**options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_constant_labels_are_learned_when_that_is_said() -> None:
    found = learn(automata.one(255), Options(allow_constant=True))
    assert found.decide(X)[:, 0].tolist() == [1] * 8 and len(found.layers) == 1


def test_the_command_writes_what_the_compiler_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=PARITY)
    out = tmp_path / "model.pt"
    words = ["learn", "essence", str(tmp_path / "data.npz"), "-o", str(out), "--symbolic"]
    assert cli.main(words) == 0
    assert "8 of 8 samples right" in capsys.readouterr().err
    network = read(out)
    assert (network.input, network.output) == ("x: bit[3]", "step")
    assert cli.main([str(out), "--require", "proved", "--quiet"]) == 0
    assert "x[0] ^ x[1] ^ x[2]" in capsys.readouterr().out


def test_nothing_is_written_for_bad_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", x=X[:, :2], y=PARITY)
    out = tmp_path / "model.pt"
    assert cli.main(["learn", "essence", str(tmp_path / "data.npz"), "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ddc: error: ") and error.count("\n") == 1 and "rows 0 and 1" in error
    assert not out.exists()


@pytest.mark.parametrize("words", [["nothing"], ["essence"], []])
def test_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["learn", *words, "data.npz"])
    assert caught.value.code == 2
