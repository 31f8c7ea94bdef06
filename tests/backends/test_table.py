"""The table of backends: lazy, open to other distributions, clear about what is missing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from ddc import backends
from ddc.ir import DdcError


def test_built_in() -> None:
    from ddc.backends.python import emit

    assert backends.backend("python") is emit
    assert {"python"} <= backends.backends().keys()


def test_unknown_name() -> None:
    with pytest.raises(DdcError, match="no backend 'fortran'; there are: .*python"):
        backends.backend("fortran")


def entries(*points: EntryPoint) -> Any:
    """Return a stand-in for `importlib.metadata.entry_points`."""
    return lambda group: points if group == backends.GROUP else ()


def test_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = EntryPoint("dumps", "json:dumps", backends.GROUP)
    broken = EntryPoint("broken", "no_such_module:emit", backends.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", entries(mine, broken))
    import json

    assert backends.backend("dumps") is json.dumps
    with pytest.raises(DdcError, match="'broken' at no_such_module:emit cannot be imported"):
        backends.backend("broken")
    twice = EntryPoint("python", "json:dumps", backends.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", entries(twice))
    with pytest.raises(DdcError, match="two backends are called 'python'"):
        backends.backends()


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, ddc.backends; print([m for m in ('black', 'ddc.backends.python') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
