"""Dense networks trained to be provable: what shrinking does, and every bad option in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddc import cli
from ddc.frontend import Samples
from ddc.frontend.learn import TrainOptions, train
from ddc.ir import DdcError

pytest.importorskip("torch")

CELLS = 12


def ring(rule: int, count: int = 4000) -> Samples:
    x = np.random.default_rng(2).integers(0, 2, (count, CELLS))
    return Samples({"cells": x}, rule >> (4 * np.roll(x, 1, 1) + 2 * x + np.roll(x, -1, 1)) & 1)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_shrinking_leaves_the_weights_that_matter(activation: str) -> None:
    options = TrainOptions(hidden=(64,), activation=activation, steps=1500)
    found = train(ring(90), options)
    assert found.right / found.samples > 0.99
    # Two inputs for each output: most of the 24 weights per hidden unit go.
    assert found.non_zeros < found.weights / 2
    values = np.random.default_rng(3).integers(0, 2, (500, CELLS))
    expected = np.roll(values, 1, 1) ^ np.roll(values, -1, 1)
    assert (found.decide(values) == expected).mean() > 0.99


def test_without_shrinking_all_weights_stay() -> None:
    found = train(ring(204), TrainOptions(hidden=(8,), shrink=0.0, steps=50))
    assert found.non_zeros == found.weights


def test_same_seed_same_network() -> None:
    nets = [train(ring(30), TrainOptions(hidden=(8,), steps=40, seed=5)) for _ in range(2)]
    assert all((a[0] == b[0]).all() for a, b in zip(nets[0].layers, nets[1].layers))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (TrainOptions(activation="sign"), "activations are relu and tanh, not 'sign'"),
        (TrainOptions(hidden=()), "--hidden takes widths"),
        (TrainOptions(steps=0), "--steps, --shrink and --rate are positive"),
        (TrainOptions(input="x: bit[3]"), "--input says 3 numbers, the samples hold 12"),
    ],
)
def test_bad_options(options: TrainOptions, says: str) -> None:
    with pytest.raises(DdcError, match=says):
        train(ring(30, 50), options)


def test_labels_must_be_bits() -> None:
    samples = Samples({"x": np.eye(3)}, np.array([0.5, 0.2, 0.1]))
    with pytest.raises(DdcError, match="y does not fit --output step"):
        train(samples)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = ring(204, 600)
    assert samples.y is not None
    np.savez(tmp_path / "data.npz", cells=samples.arrays["cells"], y=samples.y)
    out = tmp_path / "model.pt"
    words = ["learn", "mlp", str(tmp_path / "data.npz"), "-o", str(out), "--hidden", "16,16"]
    assert cli.main([*words, "--steps", "20"]) == 0
    assert "network 12-16-16-12" in capsys.readouterr().err and out.exists()
    assert cli.main([*words[:-1], "many"]) == 2
    assert "--hidden takes widths such as 192,192" in capsys.readouterr().err
