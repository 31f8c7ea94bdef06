"""Modules in the numpy style: one function on arrays, or on rows given as numbers or columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddc.ir import (
    Affine,
    Bit,
    Category,
    Function,
    Loop,
    Missing,
    Module,
    Param,
    Real,
    dims,
    element,
    int_bounds,
    shape_of,
    walk,
)

from .arrays import DTYPES
from .docstring import docstring
from .helpers import with_needs
from .intervals import of_type
from .layout import Gathered, assemble, prepared, public_names
from .numpy_helpers import NUMPY
from .numpy_inputs import NumpyInputs
from .ranges import fits
from .text import ATOM, Expr, call, literal
from .vector import Vector
from .vector_ops import NotVector, is_array
from .writer import LINE_LENGTH, Writer

ROW = Loop("row", Affine.of(0), Affine.of(1))


def emit_numpy(module: Module, meta: dict[str, Any] | None) -> str:
    """Return the module in the numpy style, not yet formatted."""
    function, types = prepared(module, plain=False)
    if function.params and not any(dims(p.type) for p in function.params):
        try:
            return _emit(module, function, types, meta, "columns")
        except NotVector:
            return _emit(module, function, types, meta, "rows")
    ints = _emit(module, function, types, meta, "arrays")
    *others, param = function.params or (None,)
    if others or param is None or not isinstance(element(param.type), Bit):
        return ints
    bools = _emit(module, function, types, meta, "bools")
    return min(bools, ints, key=_effort)


def _effort(text: str) -> tuple[bool, int]:
    """Return how many lines there are to read in a module; lists of bools are no numbers."""
    lines = text.splitlines()
    return ".tolist()" in text, len(lines) + 2 * sum(len(line) > LINE_LENGTH for line in lines)


def _emit(
    module: Module, function: Function, types: Any, meta: dict[str, Any] | None, mode: str
) -> str:
    if mode == "columns" and any(op.body is not None for op in walk(function.body)):
        raise NotVector
    names, public, params = public_names(function, NUMPY)
    inner = names.private("row") if mode == "rows" else public
    gathered = Gathered(names)
    vector = Vector(function, types, dict(module.constants), names, gathered)
    for param, name in zip(function.params, params):
        vector.values[param.name] = _parameter(param, name, mode)
        vector.intervals[param.name] = of_type(element(param.type))
    sizes = {s.name: names.fresh(s.name.lower(), s.name) for s in function.sizes}
    vector.symbols.update(sizes)
    if mode == "columns":
        vector.row = ROW
        vector.axes.append(ROW)
    body = Writer()
    vector.block(function.body, body)
    results = [vector.result(o, r.type) for o, r in zip(function.body.yields, function.results)]
    if mode == "columns":
        results = [_column(r, p, params, gathered) for r, p in zip(results, function.results)]
    body.line(f"return {', '.join(r.text for r in results)}".rstrip())
    head = Writer()
    inputs = NumpyInputs(function, names, public, params, sizes, gathered.helper)
    inputs.rows = mode == "columns"
    inputs.bits = mode == "bools"
    inputs.write(head, body)
    text = docstring(function, params, meta)
    decorator = '@np.errstate(all="ignore")\n' if vector.quiet else ""
    lines = [*head.lines, *body.lines]
    extra = ""
    if mode == "rows":
        extra = f"\n\n{decorator}def {inner}({', '.join(params)}):\n" + "\n".join(lines)
        lines, decorator = _row_loop(function, params, inner, gathered), ""
    helpers = with_needs(gathered.helpers, NUMPY)
    imports = {"numpy as np"} | gathered.imports
    sources = [extra.strip("\n")] if extra else []
    sources += [NUMPY[name].source for name in helpers]
    return assemble(imports, gathered.constants, decorator, public, params, text, lines, sources)


def _parameter(param: Param, name: str, mode: str) -> Expr:
    scalar = element(param.type)
    real = isinstance(scalar, (Real, Missing))
    bounds = int_bounds(scalar)
    kind = "float" if real else "int" if bounds and fits(bounds) else "object"
    if mode == "bools":
        kind = "truth"
    if dims(param.type):
        return Expr(name, ATOM, kind, own=len(dims(param.type)))
    if mode != "columns":
        return Expr(name, ATOM, "float" if real else "int")
    if kind == "object":
        raise NotVector
    return Expr(name, ATOM, kind, axes=frozenset({0}), end=1)


def _column(e: Expr, result: Param, params: Sequence[str], gathered: Gathered) -> Expr:
    """Return a result as a number where every input was one."""
    if not is_array(e):
        scalar = element(result.type)
        fill = f"np.full(np.broadcast({', '.join(params)}).shape, {e.text}"
        if isinstance(scalar, Category) or len(params) > 32:
            raise NotVector
        e = Expr(f"{fill}, dtype={'float' if isinstance(scalar, (Real, Missing)) else 'int'})")
    return call(gathered.helper("_scalar"), e)


def _row_loop(
    function: Function, params: Sequence[str], inner: str, gathered: Gathered
) -> list[str]:
    """Return the body of a function that works through its rows one by one."""
    writer = Writer()
    given = ", ".join(params) + ("," if len(params) == 1 else "")
    columns = f"np.broadcast_arrays(*(np.asarray(x, dtype=object) for x in ({given})))"
    writer.line(f"columns = {columns}")
    writer.line(f"rows = [{inner}(*row) for row in zip(*(c.ravel().tolist() for c in columns))]")
    helper = gathered.helper("_column")
    found: list[str] = []
    for k, result in enumerate(function.results):
        rows = "rows" if len(function.results) == 1 else f"[row[{k}] for row in rows]"
        shape = literal_tuple(shape_of(result.type))
        scalar = element(result.type)
        bounds = int_bounds(scalar)
        kind = "float" if isinstance(scalar, (Real, Missing)) else "int"
        if isinstance(scalar, Category) or (bounds is not None and not fits(bounds)):
            kind = "object"
        found.append(f"{helper}({rows}, columns[0].shape + {shape}, {DTYPES[kind]})")
    writer.line(f"return {', '.join(found)}".rstrip())
    return writer.lines


def literal_tuple(values: Sequence[int]) -> str:
    """Return a tuple of ints as text."""
    inner = ", ".join(literal(v).text for v in values)
    return f"({inner}{',' if len(values) == 1 else ''})"
