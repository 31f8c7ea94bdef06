"""Golden files: `--update` writes what is emitted instead of checking it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Return a check that a text is what its golden file holds."""
    update = bool(request.config.getoption("--update", default=False))

    def check(path: Path, text: str) -> None:
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path.name} is missing: run with --update and read it"
        assert text == path.read_text(encoding="utf-8")

    return check
