"""`ddc learn recurrent`: sequences in, a network out that compiles to the rule behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddc import cli

pytest.importorskip("torch")


def data(path: Path, x: np.ndarray, y: np.ndarray) -> str:
    np.savez(path, x=x, y=y)
    return str(path)


def test_a_delay_is_learned_and_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).integers(0, 2, size=(500, 6))
    y = np.concatenate([np.zeros((500, 1), int), x[:, :-1]], axis=1)
    model = str(tmp_path / "delay.pt")
    options = ["--hidden", "2", "--width", "8", "--steps", "1500", "--quiet"]
    given = data(tmp_path / "delay.npz", x, y)
    assert cli.main(["learn", "recurrent", given, "-o", model, *options]) == 0
    assert cli.main([model]) == 0
    text = capsys.readouterr().out
    assert "proved induction" in text and "lengths all" in text
    space: dict[str, object] = {}
    exec(text, space)
    assert space["delay"]([1, 1, 0, 1, 0, 0, 1, 1]) == [0, 1, 1, 0, 1, 0, 0, 1]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros(5, int), np.zeros(5, int), "[rows, steps]"),
        (np.zeros((5, 4)) + 0.5, np.zeros((5, 4)), "no integers"),
        (np.zeros((5, 4)), np.zeros((5, 3)), "rows and steps"),
    ],
)
def test_bad_data(
    x: np.ndarray, y: np.ndarray, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = data(tmp_path / "bad.npz", x, y)
    assert cli.main(["learn", "recurrent", given, "-o", str(tmp_path / "m.pt")]) == 1
    assert words in capsys.readouterr().err
