"""The shape of modules: what must hold before types are derived, whatever the ops mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np

from .affine import Affine
from .evidence import METHODS
from .module import Attr, Block, Constant, Function, Global, Op, operands_of, walk
from .ops import OPS, STRUCTURED, AttrSpec
from .types import (
    LARGEST_BOUND,
    Array,
    Category,
    Int,
    Missing,
    OneHot,
    Real,
    Scalar,
    Type,
    dims,
    element,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*\Z")
BORDERS = ("inside", "wrap", "clamp", "else")
DTYPES = ("float32", "float64", "int64")
LARGEST_DEPTH = 50  # bodies inside bodies
LARGEST_INDEX = 1 << 62  # of a number in an index, a dim or a loop


def is_name(text: str) -> bool:
    """Tell whether the text can be the name of a function, a value, a size or a constant."""
    return NAME.match(text) is not None


def shown(text: str) -> str:
    """Return a name of a stranger, short and with everything but printable ASCII escaped."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")


# ---------------------------------------------------------------- numbers and types


def number_problem(value: object) -> str | None:
    """Return what is wrong with a literal, None where nothing is."""
    if isinstance(value, int):
        return (
            None if value.bit_length() <= LARGEST_BOUND else f"an int of over {LARGEST_BOUND} bits"
        )
    if not isinstance(value, Fraction):
        return "a value that is no number"
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > LARGEST_BOUND:
        return f"a real of over {LARGEST_BOUND} bits"
    try:
        float(value)
    except OverflowError:
        return "a real beyond the range of binary64"
    return None


def affine_problem(at: Affine) -> str | None:
    """Return what is wrong with an index expression, None where nothing is."""
    numbers = [at.const, *(coefficient for _, coefficient in at.terms)]
    numbers += [symbol.by for symbol, _ in at.terms if not isinstance(symbol, str)]
    if any(abs(number) > LARGEST_INDEX for number in numbers):
        return "an index number beyond 62 bits"
    for symbol, _ in at.terms:
        if not isinstance(symbol, str) and (problem := affine_problem(symbol.of)):
            return problem
    return None


def type_problem(type_: Type) -> str | None:
    """Return what is wrong with a type, None where nothing is."""
    if isinstance(type_, Array) and not type_.dims:
        return "is an array without dims"
    for dim in dims(type_):
        if problem := affine_problem(dim):
            return f"has {problem}"
    return _scalar_problem(element(type_))


def _scalar_problem(scalar: Scalar) -> str | None:
    if isinstance(scalar, Missing):
        return _scalar_problem(scalar.base)
    if isinstance(scalar, (Int, Real)):
        bounds = [bound for bound in (scalar.low, scalar.high) if bound is not None]
        if any(number_problem(bound) for bound in bounds):
            return "has a bound that is too large"
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            return "has an empty range"
    if isinstance(scalar, Int) and scalar.values and scalar != Int.of(*scalar.values):
        return "has values that do not increase"
    if isinstance(scalar, OneHot) and scalar.size < 1:
        return "has no values"
    names = scalar.names if isinstance(scalar, Category) else ("",)
    return None if names and len(set(names)) == len(names) else "has no names or a name twice"


# ---------------------------------------------------------------- ops


def attribute_problems(op: Op) -> Iterator[str]:
    """Yield what is wrong with the attributes of an op of the op table."""
    spec = OPS[op.code]
    for name, value in op.attrs:
        declared = spec.attr(name)
        if declared is None:
            yield f"has no clause `{name}`"
        elif not _fits(declared, value):
            what = "value before `of`" if declared.head else f"value of `{name}`"
            yield f"takes {_kind_text(declared)} as the {what}"
        elif problem := next((p for n in _telling(value) if (p := number_problem(n))), None):
            yield f"has {problem}"
    for declared in spec.attrs:
        if declared.required and op.attr(declared.name) is None:
            where = "before `of`" if declared.head else f"`{declared.name}`"
            yield f"needs {_kind_text(declared)} {where}" if declared.head else f"needs {where}"


_KINDS = {
    "int": "an int",
    "number": "a number",
    "ints": "a list of ints",
    "numbers": "a list of numbers",
    "pairs": "a list of pairs",
}


def _kind_text(declared: AttrSpec) -> str:
    return _KINDS.get(declared.kind) or "one of " + ", ".join(declared.words)


def _fits(declared: AttrSpec, value: Attr) -> bool:
    if declared.kind == "word":
        return value in declared.words
    if declared.kind == "int":
        return isinstance(value, int)
    if declared.kind == "number":
        return not isinstance(value, (str, tuple))
    if not isinstance(value, tuple):
        return False
    if declared.kind == "pairs":
        return all(isinstance(v, tuple) and len(v) == 2 for v in value)
    if declared.kind == "ints":
        return _plain(value) or all(isinstance(v, int) for v in value)
    return _plain(value) or not any(isinstance(v, (str, tuple)) for v in value)


def _plain(value: Attr) -> bool:
    """Tell at little cost whether a value is a list of ints, as the entries of large tables are."""
    return isinstance(value, tuple) and set(map(type, value)) == {int}


def _telling(value: Attr) -> Iterator[object]:
    """Yield numbers of a value among which one is too large where any is."""
    if isinstance(value, tuple) and _plain(value):
        ints = [entry for entry in (min(value), max(value)) if isinstance(entry, int)]
        yield from ints
    else:
        yield from _numbers(value)


def _numbers(value: Attr) -> Iterator[object]:
    if isinstance(value, tuple):
        for entry in value:
            yield from entry if isinstance(entry, tuple) else (entry,)
    elif not isinstance(value, str):
        yield value


def op_problems(op: Op) -> Iterator[str]:
    """Yield what is wrong with the parts of an op, of whatever code."""
    structured = op.code in STRUCTURED
    if not op.results:
        yield "needs a result"
    if structured != (op.body is not None):
        yield "needs a body" if structured else "takes no body"
    if structured != bool(op.loops):
        yield "needs a loop" if structured else "takes no loops"
    if op.code != "scan" and (op.states or (op.body is not None and op.body.nexts)):
        yield "carries no states"
    if structured and (op.operands or [name for name, _ in op.attrs] != _KIND.get(op.code, [])):
        yield "takes loops and a body only"
    names = [name for name, _ in op.attrs]
    if names != sorted(set(names)):
        yield "has attributes out of order"
    if op.index and op.code not in ("load", "index"):
        yield "takes no index"
    if op.code == "index" and (len(op.index) != 1 or op.index[0].border != "inside"):
        yield "takes one index expression"
    if op.shape and op.code not in ("reshape", "pack"):
        yield "takes no shape"
    if op.origin is not None and any(n < 0 for n in op.origin.neurons):
        yield "comes from a neuron below 0"
    yield from _index_problems(op)
    for operand in operands_of(op):
        if not isinstance(operand, (str, Global)) and (problem := number_problem(operand)):
            yield f"has {problem}"
    for state in op.states:
        if problem := type_problem(state.type):
            yield f"state %{state.name} {problem}"


_KIND = {"reduce": ["kind"]}


def _index_problems(op: Op) -> Iterator[str]:
    affine = [*(i.at for i in op.index), *op.shape]
    affine += [bound for loop in op.loops for bound in (loop.low, loop.high)]
    for at in affine:
        if problem := affine_problem(at):
            yield f"has {problem}"
    for index in op.index:
        if index.border not in BORDERS:
            yield f"has no border {shown(index.border)}"
        if (index.border == "else") != (index.other is not None):
            yield "has a value outside for `else` only"
        if index.other is not None and (problem := number_problem(index.other)):
            yield f"has {problem}"


# ---------------------------------------------------------------- functions and constants

Sink = Callable[[str, Op | None], None]


def function_problems(function: Function, report: Sink) -> None:
    """Tell `report` what is wrong with the parts of a function."""
    for name in _names(function):
        if not is_name(name):
            report(f"{shown(name)} is not a name", None)
    for size in function.sizes:
        if not 0 <= size.minimum <= LARGEST_INDEX:
            report(f"the size {size.name} has a minimum below 0 or beyond 62 bits", None)
    for param in (*function.params, *function.results):
        if problem := type_problem(param.type):
            report(f"%{param.name} {problem}", None)
    for operand in function.body.yields:
        if not isinstance(operand, (str, Global)) and (problem := number_problem(operand)):
            report(f"returns {problem}", None)
    if function.body.nexts:
        report("a function has no next states", None)
    for claim in function.evidence:
        if claim.method not in METHODS.get(claim.kind, ()):
            report(f"unknown evidence: {shown(f'{claim.kind} {claim.method}'.rstrip())}", None)
        keys = [key for key, _ in claim.details]
        if not all(is_name(key) for key in keys) or len(set(keys)) < len(keys):
            report("evidence with a detail that has no name or the name of another", None)
        for _, detail in claim.details:
            if not isinstance(detail, str) and (problem := number_problem(detail)):
                report(f"evidence with {problem}", None)
    if _depth(function.body) > LARGEST_DEPTH:
        report(f"bodies are nested deeper than {LARGEST_DEPTH}", None)
        return
    for op in walk(function.body):
        for problem in op_problems(op):
            report(f"'{op.code}' {problem}", op)


def _names(function: Function) -> Iterable[str]:
    yield function.name
    yield from (size.name for size in function.sizes)
    yield from (param.name for param in (*function.params, *function.results))
    for op in walk(function.body):
        yield from op.results
        yield from (loop.var for loop in op.loops)
        yield from (state.name for state in op.states)


def _depth(block: Block) -> int:
    deepest, stack = 0, [(block, 0)]
    while stack:
        inner, depth = stack.pop()
        deepest = max(deepest, depth)
        stack += [(op.body, depth + 1) for op in inner.ops if op.body is not None]
    return deepest


def constant_problem(name: str, constant: Constant) -> str | None:
    """Return what is wrong with a constant, None where nothing is."""
    array = constant.array
    if not is_name(name):
        return f"{shown(name)} is not a name"
    if array.dtype.name not in DTYPES:
        return f"constant @{name} has the dtype {array.dtype.name}"
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        return f"constant @{name} has entries that are not finite"
    return None
