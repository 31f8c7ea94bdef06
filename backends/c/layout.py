"""Lay C out with clang-format, where the extra `format` is installed."""

from __future__ import annotations

import json
import subprocess
from importlib import import_module
from importlib.util import find_spec

LARGEST = 1 << 18  # characters; longer texts are mostly tables, and laid out already
STYLE = {
    "BasedOnStyle": "LLVM",
    "IndentWidth": 4,
    "ColumnLimit": 100,
    "BreakBeforeBraces": "Linux",
    "AllowShortFunctionsOnASingleLine": "None",
    "IndentPPDirectives": "None",
    "SortIncludes": "Never",
    "ReflowComments": "Never",
}


def formatted(text: str) -> str:
    """Return a text laid out anew; nothing but spaces and line ends changes.

    The text itself comes back where clang-format is not there or fails.
    """
    if len(text) > LARGEST or find_spec("clang_format") is None:
        return text
    try:
        tool = import_module("clang_format").get_executable("clang-format")
        command = [str(tool), f"--style={json.dumps(STYLE)}"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return text
    same = "".join(done.stdout.split()) == "".join(text.split())
    return done.stdout if done.returncode == 0 and same else text
