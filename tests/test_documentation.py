"""What the pages say can be typed: their Python runs, and the options they name exist."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ddc.cli import main

ROOT = Path(__file__).parent.parent
PAGES = ["ddc/README.md", "frontend/README.md", "ir/exact/README.md"]
COMMANDS = [[], ["run"], ["verify"], ["bisect"], ["passes"], *(["learn", k] for k in ("essence",))]


def blocks(page: str) -> list[str]:
    """Return the Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples" / "rule30", tmp_path / "examples" / "rule30")
    shutil.copy(ROOT / "examples" / "rule30" / "model.pt", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert blocks(page)
    names: dict[str, object] = {}
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)


def test_options_that_pages_name_exist(capsys: pytest.CaptureFixture[str]) -> None:
    known = ""
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        known += capsys.readouterr().out
    for page in ("README.md", "ddc/README.md"):
        for line in (ROOT / page).read_text().splitlines():
            if "ddc" not in line and not line.startswith("| `--"):
                continue
            for option in re.findall(r"(?<!\w)--[a-z][a-z-]+", line):
                assert f"{option} " in known or f"{option}\n" in known, f"{page}: {option}"
