"""A Python program as data: its public function, what its docstring says, and its trace."""

from __future__ import annotations

import ast
import json
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ddc.ir import (
    BIT,
    Block,
    Category,
    Constant,
    DdcError,
    Function,
    Global,
    Missing,
    Module,
    Op,
    Param,
    Real,
    Scalar,
    Type,
    check,
    dims,
    element,
    int_bounds,
    int_type,
    shape_of,
    with_dims,
)
from ddc.ir.ranges import accepts

from .dtypes import KIND
from .emitter import Operand
from .graph import Graph
from .prove import value_set
from .statements import Statements
from .values import (
    Arr,
    DeadPath,
    Guarded,
    Items,
    Name,
    Poison,
    Sym,
    Value,
    is_number,
    new_array,
)
from .values import Function as ProgramFunction
from .wording import python_type, shown

LARGEST_TEXT = 4 << 20
LARGEST_META = 1 << 20
LIMIT = 5_000_000
FRAMES = 20_000  # Python frames; nesting is limited, so that this is not reached

_META = re.compile(r"^[ \t]*ddc:[ \t]*(\{.*\})[ \t]*$", re.MULTILINE)
_TEXTS = ("input", "output", "model", "name", "style")


def read_program(text: str, filename: str) -> SourceProgram:
    """Return a Python program, parsed and not run.

    Raises `DdcError` with file, line and column for text that is not Python, or has no single
    public function.
    """
    name = shown(filename)
    if len(text) > LARGEST_TEXT:
        raise DdcError(f"{name}: longer than {LARGEST_TEXT} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        place = f":{error.lineno or 1}:{error.offset or 1}"
        raise DdcError(f"{name}{place}: not Python: {shown(str(error.msg))}") from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        what = shown(str(error)) or "nested too deeply"
        raise DdcError(f"{name}: not Python that can be read: {what}") from None
    function, meta = _public(tree, name)
    return SourceProgram(function.name, meta, filename, tree)


def _public(tree: ast.Module, name: str) -> tuple[ast.FunctionDef, dict[str, Any] | None]:
    """Return the public function, and the metadata of its docstring or of the module's."""
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    marked = [(f, m) for f in public if (m := _metadata(f, name)) is not None]
    if len(marked) == 1:
        return marked[0]
    general = _metadata(tree, name)
    if len(public) == 1:
        return public[0], general
    wanted = general.get("name") if general else None
    chosen = [f for f in public if f.name == wanted]
    if len(chosen) == 1:
        return chosen[0], general
    if not public:
        raise DdcError(f"{name}: no public function: one name without a leading underscore")
    names = ", ".join(shown(f.name) for f in public[:6])
    raise DdcError(
        f"{name}:{public[1].lineno}:1: several public functions ({names}): "
        "start the names of helpers with an underscore"
    )


def _metadata(node: ast.Module | ast.FunctionDef, name: str) -> dict[str, Any] | None:
    """Return the machine-readable line of a docstring, its entries checked for their types."""
    text = ast.get_docstring(node)
    found = _META.search(text) if text else None
    if found is None:
        return None
    line = getattr(node, "lineno", 1)
    try:
        if len(found[1]) > LARGEST_META:
            raise ValueError
        meta: Any = json.loads(found[1])
    except (ValueError, RecursionError):
        raise DdcError(f"{name}:{line}:1: the docstring's 'ddc:' line is not JSON") from None
    for key in _TEXTS:
        value = meta.get(key)
        lists = key == "model" and isinstance(value, list)
        texts = value if lists else [] if value is None else [value]
        if not all(isinstance(t, str) for t in texts):
            raise DdcError(f"{name}:{line}:1: {key!r} in the docstring's 'ddc:' line is no text")
    return {str(k): v for k, v in meta.items()}


@dataclass(frozen=True)
class SourceProgram:
    """A program: the name of its public function, its metadata, and its syntax tree."""

    name: str
    meta: dict[str, Any] | None
    filename: str
    tree: ast.Module

    @property
    def uses_numpy(self) -> bool:
        """Tell whether the program imports numpy."""
        return any(
            (isinstance(n, ast.Import) and any(a.name == "numpy" for a in n.names))
            or (isinstance(n, ast.ImportFrom) and n.module == "numpy")
            for n in ast.walk(self.tree)
        )

    def trace(
        self,
        params: Sequence[Param],
        result: Type | Param | Sequence[Type | Param],
        limit: int = LIMIT,
        given: str | None = None,
    ) -> Module:
        """Return the program as straight-line IR for parameters of concrete sizes.

        The parameters are passed in order, as nested lists, or to programs that import numpy as
        arrays; `given` names the dtype of these arrays (default int64, or float64 for reals), or
        is `lists`. Results have the wanted types where the program's values provably do, and
        else the wider types that they have. Raises `DdcError` for what is not understood, for a
        program that raises for some input, and for results of another shape.
        """
        wanted = _wanted(result)
        for type_ in (*(p.type for p in params), *(w.type for w in wanted)):
            if not all(d.is_const for d in dims(type_)):
                raise DdcError(f"{shown(self.filename)}: sizes must be numbers, not {type_}")
        frames = sys.getrecursionlimit()
        sys.setrecursionlimit(max(frames, FRAMES))
        try:
            return self._trace(tuple(params), wanted, limit, given)
        except (RecursionError, MemoryError):
            raise DdcError(f"{shown(self.filename)}: nested too deeply, or too large") from None
        finally:
            sys.setrecursionlimit(frames)

    def _trace(
        self, params: tuple[Param, ...], wanted: Sequence[Param], limit: int, given: str | None
    ) -> Module:
        trace = Statements(Graph(params), self.filename, limit)
        try:
            return self._traced(trace, params, wanted, given)
        except (DdcError, RecursionError, MemoryError):
            raise
        except DeadPath:
            raise trace.error("the program raises for every input") from None
        except Exception as error:
            # Whatever a strange program does to us, it gets one line, and no answer.
            what = type(error).__name__
            raise trace.error(f"this is not understood ({what})") from error

    def _traced(
        self,
        trace: Statements,
        params: tuple[Param, ...],
        wanted: Sequence[Param],
        given: str | None,
    ) -> Module:
        graph = trace.graph
        trace.scope.own = frozenset()
        trace.block(self.tree.body)
        function = trace.scope.items.get(self.name)
        if not isinstance(function, ProgramFunction):
            raise trace.error(f"{shown(self.name)} is no longer the function that was defined")
        arrays = given != "lists" and (given is not None or self.uses_numpy)
        args = [_argument(trace, p, arrays, given) for p in params]
        trace.node = function.node
        value = trace.call(function, args, {})
        trace.node = function.node
        values = [value]
        if len(wanted) > 1:
            values = trace.plain_list(value) if isinstance(value, (tuple, Items)) else [value]
            if len(values) != len(wanted):
                raise trace.differs(f"returns {len(values)} results where {len(wanted)} are wanted")
        results = [_result(trace, v, w) for v, w in zip(values, wanted)]
        return _module(graph, self.name, params, results)


def _wanted(result: Type | Param | Sequence[Type | Param]) -> list[Param]:
    many = list(result) if isinstance(result, Sequence) else [result]
    found: list[Param] = []
    for k, item in enumerate(many):
        name = "result" if k == 0 else f"result_{k + 1}"
        found.append(item if isinstance(item, Param) else Param(name, item))
    return found


# ---------------------------------------------------------------- arguments


def _argument(trace: Statements, param: Param, arrays: bool, given: str | None) -> Value:
    shape = shape_of(param.type)
    scalar = element(param.type)
    total = 1
    for size in shape:
        total *= size
    trace.charge(total)
    base = scalar.base if isinstance(scalar, Missing) else scalar
    if not arrays or not shape or isinstance(base, Category):
        return _nested(trace, param, scalar, shape, ())
    real = isinstance(scalar, (Real, Missing))
    dtype = np.dtype(given or ("float64" if real else "int64" if _fits(scalar) else "object"))
    data = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        item = _scalar(trace, trace.graph.entry(param.name, place), scalar)
        data[place] = Sym(item.name, item.kind if dtype.kind == "O" else KIND[dtype.kind])
    return new_array(data, dtype)


def _fits(scalar: Scalar) -> bool:
    """Tell whether every value of a type is an int64."""
    bounds = int_bounds(scalar) or (None, None)
    return all(b is not None and abs(b) < 1 << 63 for b in bounds)


def _nested(
    trace: Statements, param: Param, scalar: Scalar, shape: tuple[int, ...], place: tuple[int, ...]
) -> Value:
    if len(place) == len(shape):
        return _scalar(trace, trace.graph.entry(param.name, place) if shape else param.name, scalar)
    size = shape[len(place)]
    return Items([_nested(trace, param, scalar, shape, (*place, k)) for k in range(size)])


def _scalar(trace: Statements, name: str, scalar: Scalar) -> Value:
    """Return a number, or a string of a category; None for a missing one, NaN for other types."""
    if isinstance(scalar, Category):
        return Name(name, scalar.names)
    if isinstance(scalar, Missing):
        graph = trace.graph
        missing, number = graph.optional(name, scalar.base)
        if isinstance(scalar.base, Category):
            place = graph.select(missing, 0, graph.add([graph.wholes[str(number)], 1]))
            return Name(place, (None, *scalar.base.names))
        return Sym(str(number), "float")
    return Sym(name, "float" if isinstance(scalar, Real) else "int")


# ---------------------------------------------------------------- results


def _result(trace: Statements, value: Value, wanted: Param) -> tuple[Param, Operand | Global]:
    """Return a result with its type, as an operand of the right shape."""
    shape = shape_of(wanted.type)
    scalar = element(wanted.type)
    flat = [_number(trace, v, scalar) for v in _flattened(trace, value, shape, wanted)]
    flat = [_fitted(trace, v, scalar) for v in flat]
    if not shape:
        type_ = trace.graph.type_of(flat[0])
        fits = accepts(scalar, type_)
        return Param(wanted.name, scalar if fits else _wide(trace, flat)), flat[0]
    if not flat:  # an array without entries, whose constant has the narrowest type there is
        kept = scalar if isinstance(scalar, Real) or accepts(scalar, BIT) else BIT
        return Param(wanted.name, with_dims(kept, dims(wanted.type))), Global(wanted.name)
    packed = trace.graph.pack(flat, shape)
    fits = accepts(scalar, trace.graph.types[packed])
    kept = scalar if fits else _wide(trace, flat)
    return Param(wanted.name, with_dims(kept, dims(wanted.type))), packed


def _wide(trace: Statements, flat: Sequence[Operand]) -> Scalar:
    """Return a type that holds all of the values."""
    bounds = [int_bounds(trace.graph.type_of(v)) for v in flat]
    if any(b is None for b in bounds):
        return Real()
    lows, highs = zip(*(b for b in bounds if b is not None))
    low = None if None in lows else min(lows)
    return int_type(low, None if None in highs else max(highs))


def _flattened(
    trace: Statements, value: Value, shape: tuple[int, ...], wanted: Param
) -> list[Value]:
    if isinstance(value, Arr):
        trace.current(value.buffer)
        if value.shape != shape and value.data.size != 1 - len(shape):
            raise _mismatch(trace, list(value.shape), wanted)
        return list(value.data.ravel())
    level: list[Value] = [value]
    for axis, size in enumerate(shape):
        deeper: list[Value] = []
        for item in level:
            if isinstance(item, Arr):
                item = Items(
                    [Arr(row, item.dtype, item.buffer) for row in item.data] if item.shape else []
                )
            if not isinstance(item, (Items, tuple, range)):
                raise _mismatch(trace, list(shape[:axis]), wanted)
            items = trace.plain_list(item)
            if len(items) != size:
                raise _mismatch(trace, [*shape[:axis], len(items)], wanted)
            deeper += items
        level = deeper
    for item in level:
        if isinstance(item, (Items, tuple, range)) or (isinstance(item, Arr) and item.shape):
            inner = len(item.data if isinstance(item, Arr) else trace.plain_list(item))
            raise _mismatch(trace, [*shape, inner], wanted)
    return level


def _mismatch(trace: Statements, shape: Sequence[int], wanted: Param) -> DdcError:
    sizes = ", ".join(map(str, shape))
    what = f"an array of shape [{sizes}]" if shape else "a single value"
    return trace.differs(f"returns {what} where {wanted.type} is wanted")


def _number(trace: Statements, value: Value, wanted: Scalar) -> Operand:
    if isinstance(value, Arr):
        value = value.data.item()
    if isinstance(value, Guarded):
        raise trace.error("returns a list whose length depends on the input")
    if isinstance(value, Poison):
        raise trace.error(value.why)
    if isinstance(wanted, Category) and isinstance(value, (str, Name)):
        return _position(trace, value, wanted)
    if not is_number(value):
        raise trace.differs(f"returns {python_type(value)} where a number is wanted")
    return trace.numbers.operand(value)


def _position(trace: Statements, value: str | Name, wanted: Category) -> Operand:
    """Return the position of a name in its category."""
    options = (value,) if isinstance(value, str) else value.options
    unknown = [o for o in options if o not in wanted.names]
    if unknown:
        raise trace.differs(f"returns {shown(str(unknown[0]))}, which is no {wanted}")
    places = [wanted.names.index(str(o)) for o in options]
    return trace.graph.table(places, 0 if isinstance(value, str) else value.place)


def _fitted(trace: Statements, a: Operand, wanted: Scalar) -> Operand:
    """Return a value whose type says what is known of it, where the wanted type needs that."""
    graph = trace.graph
    if isinstance(wanted, Real):
        return graph.real(a) if isinstance(a, (int, float)) else a
    if isinstance(a, float) and a.is_integer():
        a = int(a)
    bounds = int_bounds(wanted)
    if bounds is None or not graph.is_int(a) or accepts(wanted, graph.type_of(a)):
        return a
    values = value_set(graph, a)
    if values is None or None in bounds:
        return a
    low, high = bounds
    assert low is not None and high is not None
    inside = min(values) >= low and max(values) <= high
    return graph.clamp(a, low, high) if inside else a


# ---------------------------------------------------------------- the module


def _module(
    graph: Graph,
    name: str,
    params: Sequence[Param],
    results: Sequence[tuple[Param, Operand | Global]],
) -> Module:
    returned = tuple(o if isinstance(o, Global) else graph.literal(o) for _, o in results)
    empty = tuple(
        (p.name, Constant(np.zeros(shape_of(p.type), _storage(p.type))))
        for p, operand in results
        if isinstance(operand, Global)
    )
    needed: set[str] = {o for o in returned if isinstance(o, str)}
    kept: list[Op] = []
    for op in reversed(list(graph.ops.values())):
        if op.result in needed:
            kept.append(op)
            needed |= {o for o in op.operands if isinstance(o, str)}
    block = Block(tuple(reversed(kept)), returned)
    plain = name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else "program"
    function = Function(plain, tuple(params), tuple(p for p, _ in results), block)
    return check(Module((function,), empty))


def _storage(type_: Type) -> type[Any]:
    return np.float64 if isinstance(element(type_), Real) else np.int64
