"""`ddc verify` of programs that people have edited: equal ones pass, others end with a reason."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ddc import cli
from tests.ddc.networks import layers_file

PARITY = [
    ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], [0, -1, -2]),
    ([[1, -2, 2]], [-0.5]),
]

EQUAL = {
    "another order": "return x[2] ^ (x[1] ^ x[0])",
    "arithmetic": "return (x[0] + x[1] + x[2]) % 2",
    "a loop": "total = 0\n    for bit in x:\n        total ^= bit  # of what came\n    return total",
    "a table": "return [0, 1, 1, 0, 1, 0, 0, 1][4 * x[0] + 2 * x[1] + x[2]]",
    "types and names": "bits: list[int] = x\n    a, b, c = bits\n    return int(a != (b != c))",
    "a helper": "return _odd(x)\n\n\ndef _odd(v: list[int]) -> int:\n    return sum(v) & 1",
}
WRONG = {
    "another operator": ("return x[0] ^ x[1] ^ (x[1] & x[2])", "differs .* x = \\[0, 0, 1\\]"),
    "another number": ("return x[0] ^ x[1] ^ 1", "differs .* x = \\[0, 0, 0\\]"),
    "an index": ("return x[0] ^ x[1] ^ x[3]", "raises IndexError: .*, for every input"),
    "a division": ("return 1 // x[0]", "raises ZeroDivisionError: .* such as x\\[0\\] = 0"),
    "a list": ("return [x[0] ^ x[1] ^ x[2]]", "returns an array of shape \\[1\\] where bit"),
    "nothing": ("x[0] ^ x[1] ^ x[2]", "returns None where a number is wanted"),
    "an error": ("raise ValueError(x)", "raises ValueError"),
}


@pytest.fixture
def model(tmp_path: Path) -> str:
    layers = [(np.array(w, dtype=float), np.array(b, dtype=float)) for w, b in PARITY]
    return layers_file(tmp_path / "parity.pt", layers, "x: bit[3]", "step")


def edited(model: str, text: str, style: str = "plain") -> str:
    path = Path(model).with_name("edited.py")
    assert cli.main([model, "-o", str(path), "--style", style, "--quiet"]) == 0
    written = path.read_text()
    line = next(x for x in written.split("\n") if x.strip().startswith("return"))
    path.write_text(written.replace(line.strip(), text))
    return str(path)


@pytest.mark.parametrize("style", ["plain", "numpy"])
@pytest.mark.parametrize("edit", EQUAL)
def test_equal_edits(edit: str, style: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = "" if style == "plain" else "x = x.astype(int).tolist()\n    "
    text = given + EQUAL[edit]
    assert cli.main(["verify", model, edited(model, text, style)]) == 0
    assert "proved exhaustive (inputs = 8)" in capsys.readouterr().out


@pytest.mark.parametrize("edit", WRONG)
def test_wrong_edits_exit_with_3(edit: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, says = WRONG[edit]
    assert cli.main(["verify", model, edited(model, text)]) == 3
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert re.search(says, captured.err), captured.err


@pytest.mark.parametrize(
    "text", ["import os\n    return os.getpid()", "return (", "return open('a')"]
)
def test_what_cannot_be_read_exits_with_1(
    text: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", model, edited(model, text)]) == 1
    assert capsys.readouterr().err.startswith("ddc: error: ")
