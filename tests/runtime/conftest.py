"""Tests keep machine code in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("DDC_CACHE", str(tmp_path_factory.mktemp("cache") / "objects"))
    yield
    patch.undo()
