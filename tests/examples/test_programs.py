"""The programs in the READMEs of the examples are what comes out today; `--update` rewrites them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import ddc

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOWN = {
    "automata": ("rule_110.pt", "rule110"),
    "comparator": ("model.pt", "comparator"),
    "life": ("model.pt", "life"),
    "recurrent_gated": ("lstm_div_3.pt", "div_3"),
    "rule30": ("model.pt", "rule30"),
    "tokens": ("model.pt", "tokens"),
}
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def without_docstring(text: str) -> str:
    """Return the source of a module's public function, its docstring left out."""
    functions = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    (function,) = (f for f in functions if not f.name.startswith("_"))
    docstring, lines = function.body[0], text.splitlines(keepends=True)
    assert docstring.end_lineno is not None
    head = lines[function.lineno - 1 : docstring.lineno - 1]
    return "".join([*head, *lines[docstring.end_lineno : function.end_lineno]])


@pytest.mark.parametrize("example", SHOWN)
def test_the_program_of_an_example(example: str, request: pytest.FixtureRequest) -> None:
    model, name = SHOWN[example]
    page = EXAMPLES / example / "README.md"
    text = page.read_text()
    program = without_docstring(ddc.compile(str(EXAMPLES / example / model), name=name).python())
    if request.config.getoption("--update"):
        page.write_text(BLOCK.sub(lambda _: f"```python\n{program}```", text))
        return
    assert BLOCK.findall(text) == [program]
