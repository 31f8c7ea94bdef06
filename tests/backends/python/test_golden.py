"""Emitted modules as they are read: exact texts, judged by eye before they were kept."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.spine import code_size
from ddc import ir
from ddc.backends.python import emit

from .programs import PROGRAMS

HERE = Path(__file__).parent / "golden"
META = {"input": "as declared", "output": "step", "model": "sha256:0"}


def program(name: str) -> ir.Module:
    """Return one of the programs, verified."""
    return ir.check(ir.parse(PROGRAMS[name]))


@pytest.mark.parametrize("style", ["plain", "numpy"])
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_text(name: str, style: str, golden: Callable[[Path, str], None]) -> None:
    golden(HERE / f"{name}.{style}.txt", emit(program(name), style=style, meta=META))


def test_few_lines() -> None:
    for style in ("plain", "numpy"):
        assert code_size(emit(program("rule30"), style=style, meta=META))[0] <= 8
        assert code_size(emit(program("life"), style=style, meta=META))[0] <= 20
    assert "neighbours == 3 or (cell and neighbours == 2)" in emit(program("life"))
    assert "cells[i - 1] ^ (cells[i] | cells[(i + 1) % n])" in emit(program("rule30"))


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_stands_alone(name: str) -> None:
    for style, allowed in (("plain", {"math"}), ("numpy", {"numpy"})):
        tree = ast.parse(emit(program(name), style=style))
        imports = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
        assert all(isinstance(n, ast.Import) for n in imports)
        found = {a.name for n in imports if isinstance(n, ast.Import) for a in n.names}
        assert found <= allowed
        public = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name[0] != "_"]
        assert len(public) == 1
