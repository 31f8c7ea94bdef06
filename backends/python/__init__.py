"""The Python backend: a module of one public function that stands alone.

`plain` is loops and comprehensions over nested sequences, without imports but `math`; `numpy` is
array expressions.
"""

from __future__ import annotations

from typing import Any

from ddc.ir import DdcError, Function, Module, constant_type, value_types

from .docstring import docstring
from .expand import expand
from .helpers import PLAIN, closure
from .inputs import Inputs
from .intervals import of_type
from .names import Names, identifier
from .plain import Module as Gathered
from .plain import Plain
from .text import ATOM, Expr
from .writer import Writer

STYLES = ("plain", "numpy")


def emit(
    module: Module, style: str = "plain", meta: dict[str, Any] | None = None, black: bool = True
) -> str:
    """Return the entry function of a module that verifies as the text of a Python module.

    `meta` goes into one line of the docstring, `ddc: {json}`. Raises `DdcError` for a program
    that the style cannot say.
    """
    if style not in STYLES:
        raise DdcError(f"there is no Python style {style!r}: say {' or '.join(STYLES)}")
    if style == "numpy":
        from .numpy_style import emit_numpy

        text = emit_numpy(module, meta)
    else:
        text = emit_plain(module, meta)
    return formatted(text) if black else text


def formatted(text: str) -> str:
    """Return the text as black writes it."""
    import black

    return black.format_str(text, mode=black.Mode(line_length=100))


def prepared(module: Module) -> tuple[Function, dict[str, Any]]:
    """Return the entry with array ops written as loops, and the types of its values."""
    entry = module.entry
    function = expand(entry, module, value_types(entry, module))
    types: dict[str, Any] = dict(value_types(function, module))
    for name, constant in module.constants:
        types[f"@{name}"] = constant_type(constant)
    return function, types


def emit_plain(module: Module, meta: dict[str, Any] | None) -> str:
    """Return the module in the plain style, not yet formatted."""
    function, types = prepared(module)
    names = Names(PLAIN)
    public = names.fresh(identifier(function.name, "program"))
    params = [names.fresh(p.name) for p in function.params]
    gathered = Gathered(names)
    plain = Plain(function, types, dict(module.constants), names, gathered)
    for param, name in zip(function.params, params):
        kind = "array" if getattr(param.type, "dims", ()) else "int"
        scalar = getattr(param.type, "element", param.type)
        if kind == "int" and of_type(scalar) is not None and type(scalar).__name__ == "Real":
            kind = "float"
        if kind == "int" and type(scalar).__name__ == "Missing":
            kind = "float"
        plain.values[param.name] = Expr(name, ATOM, kind)
        plain.intervals[param.name] = of_type(scalar)
    sizes = {s.name: names.fresh(s.name.lower(), s.name) for s in function.sizes}
    plain.symbols.update(sizes)
    body = Writer()
    plain.block(function.body, body)
    results = [plain.result(o, r.type) for o, r in zip(function.body.yields, function.results)]
    body.line(f"return {', '.join(r.text for r in results)}".rstrip())
    head = Writer()
    Inputs(function, names, public, params, sizes, gathered.helper).write(head, plain.used_sizes)
    helpers = closure(gathered.helpers, PLAIN)
    imports = gathered.imports | {i for h in helpers for i in PLAIN[h].imports}
    lines = [f"import {name}" for name in sorted(imports)]
    lines += [""] + [f"{name} = {text}" for name, text in gathered.constants.items()]
    lines += ["", "", f"def {public}({', '.join(params)}):"]
    lines += [f'    """{_indented(docstring(function, params, meta))}', '    """']
    lines += [*head.lines, *body.lines]
    for name in helpers:
        lines += ["", "", PLAIN[name].source]
    return "\n".join(lines).lstrip("\n") + "\n"


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
