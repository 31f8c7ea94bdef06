"""Layout by clang-format: only where it is installed, and nothing but spaces and line ends."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks.programs import RULE30
from ddc import ir
from ddc.backends.c import emit, layout

UGLY = "int   f( int x ){return x;}\n"


@pytest.mark.skipif(find_spec("clang_format") is None, reason="the extra `format` is not installed")
def test_texts_are_laid_out() -> None:
    assert layout.formatted(UGLY) == "int f(int x)\n{\n    return x;\n}\n"


def test_without_clang_format_texts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before = emit(ir.parse(RULE30))
    monkeypatch.setattr(layout, "find_spec", lambda _: None)
    assert layout.formatted(UGLY) == UGLY
    after = emit(ir.parse(RULE30))
    assert "".join(before.source.split()) == "".join(after.source.split())
