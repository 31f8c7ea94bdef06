"""Evidence over sequences: proved, tested, drift, and the shortest sequence on which a program differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ddc
from ddc.frontend.learn.checkpoint import write_dict
from ddc.ir import MismatchError


def saved(path: Path, bias: float = 0.0, length: int = 8) -> str:
    """Parity as a ReLU cell, the state an XOR of state and bit; `bias` makes it drift."""
    content: dict[str, object] = {"format": "ddc.recurrent/1", "length": length}
    content |= {"input": "x: bit[T]", "output": "round"}
    arrays: dict[str, object] = {
        "h0": [0.0],
        "f.0.weight": [[1, 1], [1, 1]],
        "f.0.bias": [0, -1],
        "f.1.weight": [[1, -2]],
        "f.1.bias": [bias],
        "g.0.weight": [[1]],
        "g.0.bias": [0],
    }
    content |= {name: np.array(value, dtype=float) for name, value in arrays.items()}
    with path.open("wb") as file:
        write_dict(file, content)
    return str(path)


def test_every_length(tmp_path: Path) -> None:
    program = ddc.compile(saved(tmp_path / "net.pt"))
    (only,) = program.evidence
    assert (only.kind, only.method, only.detail("lengths")) == ("proved", "induction", "all")


def test_all_sequences_of_the_trained_length(tmp_path: Path) -> None:
    program = ddc.compile(saved(tmp_path / "net.pt"), proof_seconds=0)
    first, beyond, *_ = program.evidence
    assert (first.kind, first.method) == ("proved", "exhaustive")
    assert first.detail("sequences") == 2**8 and first.detail("length_from") == "the file"
    assert beyond.detail("length") == 80 and beyond.detail("drift_from") is None


def test_drift_is_evidence_and_no_error(tmp_path: Path) -> None:
    # While bits are 0 the state grows by 0.04 a step: 12 of them are below a half, 13 above. A 1 turns
    # the state and what it has gathered around.
    program = ddc.compile(saved(tmp_path / "net.pt", bias=0.04))
    first, beyond, *_ = program.evidence
    assert (first.kind, first.detail("lengths")) == ("proved", "up to 12")
    assert beyond.detail("drift_from") == 13
    assert beyond.detail("drift_on") == f"x = [{', '.join('0' * 13)}]"
    assert int(str(beyond.detail("agree"))) < 1000


def test_the_shortest_difference(tmp_path: Path) -> None:
    model = saved(tmp_path / "net.pt")
    text = (
        "func @net<T>(%x: bit[T]) -> (%y: bit[T]) {\n"
        "  %y = map %i in 0..T {\n    %a = load %x[%i]\n    yield %a\n  }\n  return %y\n}\n"
    )
    (tmp_path / "wrong.ddc").write_text(text)
    from ddc.options import Options
    from ddc.verification import verify_program

    with pytest.raises(MismatchError, match=r"x = \[1, [01]\]: at step 2"):
        verify_program(model, str(tmp_path / "wrong.ddc"), Options())


def test_a_letter_without_a_length_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    saved(path)
    program = ddc.compile(str(path), input="bits: bit[6]", proof_seconds=0)
    assert program.evidence[0].detail("length") == 6
    assert program.evidence[0].detail("length_from") == "the signature"


PARITY = """func @p<T>(%x: bit[T]) -> (%y: int[T]) {
  %y, %last = scan %i in 0..T with (%s: int = 0) {
    %v = load %x[%i]
    %n = add %s, %v
    %m = mod %n, 2
    next %m
    yield %m
  }
  return %y
}
"""


def test_programs_are_compared_for_every_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ddc import cli

    first, second, third = (tmp_path / f"{name}.ddc" for name in "abc")
    first.write_text(PARITY)
    second.write_text(
        PARITY.replace("mod %n, 2", "mod %n, 4")
        .replace("yield %m", "yield %r")
        .replace("    next", "    %r = mod %m, 2\n    next")
    )
    third.write_text(PARITY.replace("mod %n, 2", "mod %n, 5"))
    assert cli.main(["verify", str(first), str(second)]) == 0
    assert "lengths = all, argument = product" in capsys.readouterr().out
    assert cli.main(["verify", str(first), str(third)]) == 3
    assert "x = [1, 1]: at step 2" in capsys.readouterr().err


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_sequences(length: int, tmp_path: Path) -> None:
    program = ddc.compile(saved(tmp_path / "net.pt", length=length))
    assert program.evidence[0].kind == "proved"
    for word in np.ndindex(*(2,) * length):
        wanted = np.cumsum(word) % 2
        assert np.array_equal(program(np.array(word)), wanted)
