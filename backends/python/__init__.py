"""The Python backend: a module of one public function that stands alone.

`plain` is loops and comprehensions over nested sequences, without imports but `math`; `numpy` is
array expressions.
"""

from __future__ import annotations

from typing import Any

from ddc.ir import DdcError, Missing, Module, Real, dims, element

from .docstring import docstring
from .helpers import PLAIN, with_needs
from .inputs import Inputs
from .intervals import of_type
from .layout import Gathered, assemble, prepared, public_names
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


def emit_plain(module: Module, meta: dict[str, Any] | None) -> str:
    """Return the module in the plain style, not yet formatted."""
    function, types = prepared(module, plain=True)
    names, public, params = public_names(function, PLAIN)
    gathered = Gathered(names)
    plain = Plain(function, types, dict(module.constants), names, gathered)
    for param, name in zip(function.params, params):
        scalar = element(param.type)
        kind = "float" if isinstance(scalar, (Real, Missing)) else "int"
        plain.values[param.name] = Expr(name, ATOM, "array" if dims(param.type) else kind)
        plain.intervals[param.name] = of_type(scalar)
    sizes = {s.name: names.fresh(s.name.lower(), s.name) for s in function.sizes}
    plain.symbols.update(sizes)
    body = Writer()
    plain.block(function.body, body)
    results = [plain.result(o, r.type) for o, r in zip(function.body.yields, function.results)]
    body.line(f"return {', '.join(r.text for r in results)}".rstrip())
    head = Writer()
    Inputs(function, names, public, params, sizes, gathered.helper).write(head, body)
    helpers = with_needs(gathered.helpers, PLAIN)
    imports = gathered.imports | {i for h in helpers for i in PLAIN[h].imports}
    text = docstring(function, params, meta)
    sources = [PLAIN[name].source for name in helpers]
    lines = [*head.lines, *body.lines]
    return assemble(imports, gathered.constants, "", public, params, text, lines, sources)
