"""The Python API: keywords as strict as the command line, programs in the style they were asked in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ddc
from ddc.ir import UsageError
from tests.ddc.networks import layers_file, ring_network


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Return the path of a network of rule 110 on six cells."""
    return layers_file(tmp_path / "net.pt", ring_network(110, 6), "cells: bit[6]", "step")


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"nonsense": 1}, "no option 'nonsense'.*model"),
        ({"style": "fancy"}, "style is one of plain, numpy, not 'fancy'"),
        ({"size": "large"}, "size is one of auto, fixed"),
        ({"require": "hoped"}, "require is one of proved, tested"),
        ({"input": 5}, "input is a string, not int"),
        ({"name": 5}, "name is a string, not int"),
        ({"passes": ["raise"]}, "passes is a string, not list"),
        ({"data": 5}, "data is the path of a file, not int"),
        ({"allow_inexact": "no"}, "allow_inexact is True or False, not 'no'"),
        ({"print_ir_after": "nonsense"}, "no pass 'nonsense'"),
        ({"print_ir_after": 5}, "the name of a pass or several, not 5"),
        ({"proof_seconds": "long"}, "proof_seconds is a number, not str"),
        ({"proof_seconds": float("nan")}, "takes seconds, not nan"),
        ({"progress": 1}, "progress is True, False or None, not 1"),
        ({"backend": "rust"}, "no backend 'rust'"),
        ({"emit": "c"}, "emit is one of ir, not 'c'"),
    ],
)
def test_keywords_that_the_command_line_would_refuse(
    keywords: dict[str, Any], says: str, model: str
) -> None:
    with pytest.raises(UsageError, match=says):
        ddc.compile(model, **keywords)


def test_what_is_no_model() -> None:
    with pytest.raises(UsageError, match="at least one MODEL"):
        ddc.compile()
    for wrong in (5, None, b"net.pt", ["net.pt"]):
        with pytest.raises(UsageError, match="a path or a torch.nn.Module, not"):
            ddc.compile(wrong)


def test_the_style_asked_for_is_the_style_printed(model: str, tmp_path: Path) -> None:
    program = ddc.compile(Path(model), style="numpy")
    assert "import numpy" in program.python() and "import numpy" not in program.python("plain")
    program.save(tmp_path / "rule.py")
    assert "import numpy" in (tmp_path / "rule.py").read_text()
    assert "import numpy" not in ddc.compile(model).python()


def test_options_of_the_command_line_are_keywords(model: str, tmp_path: Path) -> None:
    program = ddc.compile(model, backend="c")
    program.save(tmp_path / "rule.txt")
    assert "void net(" in (tmp_path / "rule.txt").read_text()
    network = ddc.compile(model, emit="ir")
    assert {op.code for op in network.ir.entry.body.ops} >= {"dense", "step"}
    with pytest.raises(UsageError, match="give one MODEL"):
        ddc.compile(model, model, emit="ir")


def test_a_bug_leaves_a_reproducer(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("ddc.driver.compile_models", broken)
    with pytest.raises(ZeroDivisionError):
        ddc.compile(model, crash_reproducer=str(tmp_path / "crash.ddc"))
    assert "ZeroDivisionError: a bug" in (tmp_path / "crash.ddc").read_text()


def test_notes_do_not_deny_the_sizes_that_were_inferred(tmp_path: Path) -> None:
    majority = layers_file(tmp_path / "net.pt", [(np.ones((1, 6)), np.array([-3.0]))], None, "step")
    generic = ddc.compile(majority, input="a: bit[T], b: bit[T]")
    assert generic.ir.entry.sizes and not any("kept" in note for note in generic.notes)
    fixed = ddc.compile(majority, input="x: bit[6]")
    assert not fixed.ir.entry.sizes and any("sizes are kept" in note for note in fixed.notes)
