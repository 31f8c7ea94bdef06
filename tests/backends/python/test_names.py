"""Names and texts of strangers: identifiers in the module, harmless in its docstring."""

from __future__ import annotations

import ast
import keyword
from dataclasses import replace

import pytest

from ddc import ir
from ddc.backends.python import emit
from ddc.backends.python.names import Names, identifier
from ddc.ir import BIT, Affine, Array, Builder, Module

from .running import function_of

HOSTILE = ["lambda", "len", "sum", "np", "math", "range", "int", "match", "_x", "__import__"]
HOSTILE += ["a.b", "a_b", "_", "__", "print", "float", "ValueError", "zip", "N", "x" * 300]
STYLES = ["plain", "numpy"]


def parity(names: list[str], function: str) -> Module:
    """Return a module that takes bits and sequences of these names."""
    build = Builder(names)
    loop = build.loop("i", 0, Affine.symbol("N"))
    bits = names[1:]
    with build.body() as ops:
        v = build.load(names[0], Affine.symbol(loop.symbol), name="v.0")
        out = build.op("xor", v, *bits, name="class")
    (result,) = build.map([loop], ops, [out], ["def"])
    params: list[tuple[str, ir.Type]] = [
        (names[0], Array(BIT, (Affine.symbol("N"),))),
        *((n, BIT) for n in bits),
    ]
    shape = Array(BIT, (Affine.symbol("N"),))
    made = build.function(function, params, [("return", shape)], [result], [ir.Size("N")])
    return ir.check(Module((made,)))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("first", range(len(HOSTILE)))
def test_hostile_names(first: int, style: str) -> None:
    names = HOSTILE[first:] + HOSTILE[:first]
    text = emit(parity(names, HOSTILE[first]), style=style)
    result = function_of(text)([0, 1, 1], *[1] * (len(names) - 1))
    odd = (len(names) - 1) % 2
    assert list(result) == [odd, 1 - odd, 1 - odd]


def test_identifiers() -> None:
    for name in [*keyword.kwlist, "x y", "1st", "", "é", 'x"); import os']:
        found = identifier(name)
        assert found.isidentifier() and not keyword.iskeyword(found) and found[0] != "_"
    names = Names()
    assert len({names.fresh(wish) for wish in ("a.b", "a_b", "a-b", "a_b_2", "a b")}) == 5


@pytest.mark.parametrize("style", STYLES)
def test_nothing_closes_the_docstring(style: str) -> None:
    evil = '"""\nimport os\n"""\\" \' # \u202e {x}'
    module = ir.parse(
        "func @f(%c: category{" + ir.quote(evil) + ', "b"}) -> (%r: bit) {\n'
        "  %r = table [0, 1] of %c\n  return %r\n}"
    )
    claims = (ir.claim("tested", "", n=3, data=evil), ir.claim("inexact", "", why=evil))
    module = Module((replace(module.entry, evidence=claims),), module.constants)
    text = emit(module, style=style, meta={"model": evil, evil: [evil]})
    tree = ast.parse(text)
    kinds = {type(node) for node in tree.body}
    assert kinds <= {ast.Import, ast.FunctionDef, ast.Assign}
    assert text.isascii() and "import os\n" not in text
    function = function_of(text)
    assert function(evil) == 0 and function("b") == 1


def test_the_machine_readable_line() -> None:
    import json

    meta = {"input": 'a "b" \\ \u20ac', "output": "step", "hash": "sha256:00", "n": 3}
    module = parity(["cells", "x"], "f")
    for style in STYLES:
        doc = function_of(emit(module, style=style, meta=meta)).__doc__ or ""
        (line,) = [d.strip() for d in doc.splitlines() if d.strip().startswith("ddc: ")]
        assert json.loads(line.removeprefix("ddc: ")) == meta
