"""Snapping is asked for, compared with the network as it is, and never silent."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import ddc
from benchmarks.networks import write_layers
from ddc.ir import UsageError


def vote(folder: Path, cells: int, noise: float) -> Path:
    """Write a vote of all cells, as signs: with an even number of them only noise breaks ties."""
    generator = np.random.default_rng(0)
    last = 0.7 * (1 + noise * generator.standard_normal((cells, 1)))
    layers = [(np.eye(cells), np.full(cells, -0.5)), (last, np.zeros(1))]
    path = folder / "vote.pt"
    write_layers(path, layers, ["sign", "linear"], f"x: bit[{cells}]", "sign")
    return path


def test_ties_that_noise_breaks_are_inexact_with_their_rate(tmp_path: Path) -> None:
    path = vote(tmp_path, 8, 0.003)
    kept = ddc.compile(str(path))
    assert kept.evidence[0].kind == "proved"
    program = ddc.compile(str(path), snap=0.05)
    claim = program.evidence[0]
    # All 70 ties of four against four are answered 0 by the vote, by noise in the network.
    assert (claim.kind, dict(claim.details)["wrong"]) == ("inexact", 70)
    assert "sum(" in program.python() and "sum(" not in kept.python()
    for x in np.random.default_rng(1).integers(0, 2, size=(20, 8)):
        assert int(program(x)) == np.sign(2 * x.sum() - 8)


def test_wide_networks_give_a_rate_too(tmp_path: Path) -> None:
    claim = ddc.compile(str(vote(tmp_path, 30, 0.003)), snap=0.05).evidence[0]
    rate = dict(claim.details)["rate"]
    assert claim.kind == "inexact" and isinstance(rate, Fraction) and 0 < rate < 1


def test_what_does_not_change_is_proved(tmp_path: Path) -> None:
    """With an odd number of votes no decision hangs on the noise."""
    claim = ddc.compile(str(vote(tmp_path, 9, 0.003)), snap=0.05).evidence[0]
    assert claim.kind == "proved"


def test_a_share_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="between 0 and 0.5"):
        ddc.compile(str(vote(tmp_path, 5, 0.0)), snap=2.0)
