"""Options of the test suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update`, which writes what filetests print instead of checking it."""
    parser.addoption("--update", action="store_true", help="rewrite the goldens of filetests")
