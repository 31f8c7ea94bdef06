"""`ddc learn`: numbers with which nothing could be trained are refused at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddc import cli


@pytest.mark.parametrize(
    ("kind", "words", "says"),
    [
        ("recurrent", ["--hidden", "0"], "--hidden takes a count of at least 1, not 0"),
        ("recurrent", ["--seeds", "0"], "--seeds takes a count of at least 1, not 0"),
        ("recurrent", ["--steps", "-5"], "--steps takes a count of at least 1, not -5"),
        ("recurrent", ["--noise", "nan"], "--noise takes a number of at least 0, not nan"),
        ("recurrent", ["--width", "a"], "--width takes widths such as 192,192, not 'a'"),
        ("recurrent", ["--width", "0"], "--width takes widths such as 192,192, not '0'"),
        ("recurrent", ["--read-out", "3,-1"], "--read-out takes widths such as 192,192"),
        ("recurrent", ["--seed", "-1"], "--seed takes a number from 0"),
        ("mlp", ["--hidden", "8,x"], "--hidden takes widths such as 192,192, not '8,x'"),
        ("mlp", ["--shrink", "-1"], "--shrink takes a number of at least 0, not -1"),
        ("mlp", ["--steps", "0"], "--steps takes a count of at least 1, not 0"),
        ("essence", ["--scale", "x"], "--scale takes NAME=FACTOR, not 'x'"),
    ],
)
def test_options_that_mean_nothing(
    kind: str, words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).integers(0, 2, (16, 4))
    labels = x if kind == "recurrent" else x[:, 0]
    np.savez(tmp_path / "data.npz", x=x, y=labels)
    out = tmp_path / "net.pt"
    assert cli.main(["learn", kind, str(tmp_path / "data.npz"), "-o", str(out), *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not out.exists()


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ("x: bit[4]", "x has 4 steps, the data 6"),
        ("x: bit[T, 2]", "x: bit[T, 2] has another shape at each step than []"),
        ("x: bit", "x has no time axis: write x: bit[T]"),
        ("a: bit[T], b: bit[T]", "--input says 2 sequences, the data hold 1"),
        ("x: int<0..1>[T], x: bit[T]", "x is named twice"),
        ("x: int<0..2>[T]", "values of x that are no int<0..2>"),
        ("x: real[T]", "values of x that are no real"),
    ],
)
def test_signatures_of_other_sequences(
    signature: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).integers(0, 2, (16, 6)) * 3
    np.savez(tmp_path / "data.npz", x=x if "2>" in signature else x // 3, y=x // 3)
    data, out = str(tmp_path / "data.npz"), str(tmp_path / "net.pt")
    assert cli.main(["learn", "recurrent", data, "-o", out, "--input", signature]) == 1
    assert says in capsys.readouterr().err
