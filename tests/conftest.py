"""Options of the test suite."""

import os

import pytest
from hypothesis import settings

# The same examples in every run of continuous integration; new ones on every other machine.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update`, which writes what filetests print instead of checking it."""
    parser.addoption("--update", action="store_true", help="rewrite the goldens of filetests")
