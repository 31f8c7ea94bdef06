"""Samples of a person's own: labels are told apart from fidelity to the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ddc
from ddc import cli
from tests.ddc.networks import layers_file, ring_network

LAST_XOR = Path(__file__).parents[2] / "examples" / "recurrent" / "Parity_Last2.pt"


@pytest.fixture
def ring(tmp_path: Path) -> str:
    return layers_file(tmp_path / "ring.pt", ring_network(110, 8), "cells: bit[8]", "step")


def rows(count: int, wrong: tuple[int, ...] = ()) -> dict[str, Any]:
    """Return cells with what rule 110 makes of them, some labels with one bit turned."""
    cells = np.random.default_rng(5).integers(0, 2, (count, 8))
    code = 4 * np.roll(cells, 1, axis=1) + 2 * cells + np.roll(cells, -1, axis=1)
    labels = 110 >> code & 1
    labels[list(wrong), 2] ^= 1
    return {"cells": cells, "y": labels}


def labels_of(program: ddc.Program) -> dict[str, object]:
    (claim,) = [c for c in program.evidence if c.kind == "labels"]
    return dict(claim.details)


@pytest.mark.parametrize("wrong", [(), (3,), (4, 17)])
def test_labels_are_counted_beside_the_proof(
    ring: str, wrong: tuple[int, ...], tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", **rows(30, wrong))
    program = ddc.compile(ring, data=str(tmp_path / "data.npz"), require="proved")
    found = labels_of(program)
    assert (found["samples"], found["agree"]) == (30, 30 - len(wrong))
    cells = rows(30)["cells"]
    assert ("first" in found) == bool(wrong)
    if wrong:
        assert f"cells = {cells[wrong[0]].tolist()}: the program answers" in str(found["first"])
    assert f"{30 - len(wrong)} of 30 samples as labelled" in program.python()


def test_labels_are_no_evidence_of_fidelity(ring: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **rows(20))
    (tmp_path / "copy.py").write_text(ddc.compile(ring).python())
    words = ["verify", ring, str(tmp_path / "copy.py"), "--data", str(tmp_path / "data.npz")]
    assert cli.main(words) == 0
    text = (tmp_path / "copy.py").read_text()
    (tmp_path / "copy.py").write_text(text.replace("return [", "return [1 ^ ", 1))
    assert cli.main(words) == 3


def test_sequences_show_the_shortest_departure(tmp_path: Path) -> None:
    words = np.random.default_rng(2).integers(0, 2, (25, 30))
    labels = words.copy()
    labels[:, 1:] ^= words[:, :-1]
    labels[9, 3] ^= 1
    labels[12, 20] ^= 1
    np.savez(tmp_path / "data.npz", x=words, y=labels)
    program = ddc.compile(str(LAST_XOR), data=str(tmp_path / "data.npz"))
    found = labels_of(program)
    assert (found["samples"], found["agree"]) == (25, 23)
    assert str(found["first"]).startswith(f"x = {words[9, :4].tolist()}: at step 4 ")


def test_samples_that_do_not_fit_are_told(
    ring: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = rows(10)
    data["cells"] = np.where(np.arange(10)[:, None] < 4, 7, data["cells"])
    np.savez(tmp_path / "some.npz", **data)
    np.savez(tmp_path / "wide.npz", cells=np.zeros((3, 9)), y=np.zeros((3, 9)))
    np.savez(tmp_path / "labels.npz", cells=rows(3)["cells"], y=np.zeros(3))
    said = {
        "some.npz": "4 of 10 samples are outside the declared types",
        "wide.npz": "cells has 9 numbers a sample, not 8: nothing is compared with it",
        "labels.npz": "y has 1 numbers a sample, the program answers 8: they are not compared",
    }
    for name, note in said.items():
        assert cli.main([ring, "--data", str(tmp_path / name), "-o", str(tmp_path / "o.py")]) == 0
        assert f"ddc: note: --data: {note}" in capsys.readouterr().err
    assert labels_of(ddc.compile(ring, data=str(tmp_path / "some.npz")))["samples"] == 6


def test_the_evidence_line_says_what_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = layers_file(tmp_path / "bare.pt", ring_network(30, 6), None, None)
    np.savez(tmp_path / "data.npz", cells=np.eye(6, dtype=int))
    out = str(tmp_path / "o.py")
    assert (
        cli.main([bare, "--data", str(tmp_path / "data.npz"), "--output", "step", "-o", out]) == 0
    )
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith("; cells: bit[6] (inferred from --data), step")
    assert cli.main([bare, "--input", "cells: bit[N]", "--output", "step", "-o", out]) == 0
    assert capsys.readouterr().err.splitlines()[-1].endswith("; cells: bit[6], step")


def test_a_program_in_the_ir_keeps_its_signature_and_decision(tmp_path: Path) -> None:
    bare = layers_file(tmp_path / "bare.pt", ring_network(30, 6), None, None)
    rules, text = str(tmp_path / "rules.ddc"), str(tmp_path / "rules.py")
    assert cli.main([bare, "--input", "cells: bit[6]", "--output", "step", "-o", rules]) == 0
    assert cli.main(["verify", bare, rules]) == 0
    assert cli.main([rules, "-o", text]) == 0
    assert cli.main(["verify", bare, text]) == 0
    lines = Path(rules).read_text().split("\n")
    for first in ("// ddc: {", "// ddc: " + "[" * 50_000, '// ddc: {"input": 5}', "// other"):
        Path(rules).write_text("\n".join([first, *lines[1:]]))
        assert cli.main([rules, "-o", text]) == 0
        assert '"output"' not in Path(text).read_text()


def test_an_unedited_program_keeps_the_proof_of_every_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = str(tmp_path / "rules.py")
    given = [str(LAST_XOR), "--input", "x: bit[T]", "--output", "step", "-o", text]
    assert cli.main(given) == 0
    assert cli.main(["verify", str(LAST_XOR), text]) == 0
    assert "lengths = all" in capsys.readouterr().out
