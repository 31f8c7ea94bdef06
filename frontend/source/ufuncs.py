"""numpy's elementwise functions, entry by entry, in the dtype that numpy computes in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import BOOL, Dtype, kind_for, limits, rounded, wrapped
from .emitter import Operand
from .values import Sym, Value, kind_of

if TYPE_CHECKING:
    from .containers import Containers as Trace

Entry = Callable[..., Value]

FLOATING = ("float", "number")


def _is_float(*values: Value) -> bool:
    return any(kind_of(v) in FLOATING for v in values)


def _arithmetic(sign: str) -> Entry:
    def entry(trace: Trace, a: Value, b: Value) -> Value:
        return trace.numbers.binary(sign, a, b)

    return entry


def _divide(trace: Trace, a: Value, b: Value) -> Value:
    x, y = trace.numbers.operand(a), trace.numbers.operand(b)
    if not isinstance(x, str) and not isinstance(y, str):
        return _float_quotient(float(x), float(y))
    return trace.numbers.value(trace.numbers.divide(x, y), "float")


def _float_quotient(x: float, y: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(x) / np.float64(y))


def _whole_division(code: str) -> Entry:
    """Return `//` or `%`: ints by 0 give 0."""

    def entry(trace: Trace, a: Value, b: Value) -> Value:
        numbers, graph = trace.numbers, trace.graph
        x, y = numbers.operand(a), numbers.operand(b)
        if _is_float(a, b):
            if graph.eq(y, 0) != 0:
                raise trace.error("'//' and '%' of floats by what may be 0 is not understood")
            return numbers.binary("//" if code == "floordiv" else "%", a, b)
        zero = graph.eq(y, 0)
        if not isinstance(zero, str):
            found: Operand = 0 if zero else _quotient(trace, code, x, y)
        else:
            found = graph.select(zero, 0, _quotient(trace, code, x, y))
        return numbers.value(found, "int")

    return entry


def _quotient(trace: Trace, code: str, x: Operand, y: Operand) -> Operand:
    if not isinstance(x, str) and not isinstance(y, str):
        return int(x) // int(y) if code == "floordiv" else int(x) % int(y)
    return trace.numbers.divided(code, x, y)


def _power(trace: Trace, a: Value, b: Value) -> Value:
    numbers, graph = trace.numbers, trace.graph
    x, y = numbers.operand(a), numbers.operand(b)
    if not isinstance(x, str) and not isinstance(y, str) and _is_float(a, b):
        with np.errstate(all="ignore"):
            return float(np.power(np.float64(x), np.float64(y)))
    if _is_float(a, b):
        if isinstance(y, (int, float)) and y == 2:
            return numbers.binary("*", a, a)
        return numbers.value(graph.emit("pow", graph.real(x), graph.real(y)), "float")
    trace.never(graph.lt(y, 0), "ValueError: an int to a negative power")
    if not isinstance(x, str) and not isinstance(y, str):
        return numbers.concrete("**", int(x), int(y))
    return numbers.value(numbers.power(x, y), "int")


def _bitwise(sign: str) -> Entry:
    return lambda trace, a, b: trace.numbers.binary(sign, a, b)


def _shift(sign: str) -> Entry:
    def entry(trace: Trace, a: Value, b: Value) -> Value:
        low, high = trace.graph.span(trace.numbers.operand(b))
        if low < 0 or high >= 64:
            raise trace.error("shifting arrays by less than 0 or more than 63 is not understood")
        return trace.numbers.binary(sign, a, b)

    return entry


def _compare(sign: str) -> Entry:
    return lambda trace, a, b: trace.numbers.compare(sign, a, b)


def _logical(code: str) -> Entry:
    def entry(trace: Trace, *values: Value) -> Value:
        graph = trace.graph
        bits = [trace.truth(v) for v in values]
        join = {"and": graph.and_, "or": graph.or_, "xor": graph.xor}[code]
        return trace.numbers.value(join(bits), "bool")

    return entry


def _extreme(code: str) -> Entry:
    def entry(trace: Trace, a: Value, b: Value) -> Value:
        x, y = trace.numbers.operand(a), trace.numbers.operand(b)
        if not isinstance(x, str) and not isinstance(y, str):
            if x != x or y != y:
                return math.nan
            return min(a, b) if code == "min" else max(a, b)
        graph = trace.graph
        if graph.may_be_nan(x) or graph.may_be_nan(y):
            return trace.numbers.value(graph.emit(code, graph.real(x), graph.real(y)), "float")
        return trace.numbers.extreme(code, [a, b])

    return entry


def _invert(trace: Trace, a: Value) -> Value:
    if kind_of(a) == "bool":
        return trace.numbers.negation(a)
    return trace.numbers.invert(a)


def _sign(trace: Trace, a: Value) -> Value:
    graph = trace.graph
    x = trace.numbers.operand(a)
    if graph.may_be_nan(x):
        raise trace.error("np.sign of what may be NaN is not understood")
    if not isinstance(x, str):
        return type(x)((x > 0) - (x < 0))
    low, high = graph.span(x)
    if low >= 0:
        return trace.numbers.value(graph.lt(0, x), kind_of(a))
    return trace.numbers.value(graph.emit("sign", x), kind_of(a))


def _real(code: str, function: Callable[[Any], Any]) -> Entry:
    def entry(trace: Trace, a: Value) -> Value:
        x = trace.numbers.operand(a)
        if not isinstance(x, str):
            with np.errstate(all="ignore"):
                return float(function(np.float64(x)))
        return trace.numbers.value(trace.graph.emit(code, trace.graph.real(x)), "float")

    return entry


def _log1p(trace: Trace, a: Value) -> Value:
    x = trace.numbers.operand(a)
    if not isinstance(x, str):
        with np.errstate(all="ignore"):
            return float(np.log1p(x))
    shifted = trace.graph.add([trace.graph.real(x), 1.0])
    return trace.numbers.value(trace.graph.emit("log", shifted), "float")


def _rounding(method: str) -> Entry:
    def entry(trace: Trace, a: Value) -> Value:
        numbers = trace.numbers
        if not isinstance(a, Sym):
            functions: dict[str, Any] = {
                "round": np.rint,
                "floor": np.floor,
                "ceil": np.ceil,
                "trunc": np.trunc,
            }
            return float(functions[method](a))
        rules = {
            "round": numbers.round,
            "floor": numbers.floor,
            "ceil": numbers.ceil,
            "trunc": numbers.to_int,
        }
        found = rules[method](a)
        return numbers.value(numbers.operand(found), "float")

    return entry


def _isnan(trace: Trace, a: Value) -> Value:
    x = trace.numbers.operand(a)
    if not isinstance(x, str):
        return x != x
    if not trace.graph.may_be_nan(x):
        return False
    return trace.numbers.value(trace.graph.not_(trace.graph.emit("eq", x, x)), "bool")


def _isfinite(trace: Trace, a: Value) -> Value:
    return trace.numbers.compare("<", trace.numbers.absolute(a), math.inf)


def _isinf(trace: Trace, a: Value) -> Value:
    return trace.numbers.compare("==", trace.numbers.absolute(a), math.inf)


def _square(trace: Trace, a: Value) -> Value:
    return trace.numbers.binary("*", a, a)


def _copysign(trace: Trace, a: Value, b: Value) -> Value:
    size = trace.numbers.to_float(trace.numbers.absolute(a))
    negative = trace.truth(trace.compare("<", b, 0))
    return trace.numbers.select(negative, trace.numbers.negate(size), size)


def _bit_count(trace: Trace, a: Value) -> Value:
    x = trace.numbers.operand(trace.numbers.absolute(a))
    high = trace.graph.span(x)[1]
    if math.isinf(high):
        raise trace.error("counting the bits of an int without bounds is not understood")
    bits = trace.graph.bits(x, max(1, int(high).bit_length()))
    return trace.numbers.value(trace.graph.add(bits), "int")


# numpy's function, and what it does with entries in the dtype that it computes in.
UFUNCS: dict[str, tuple[Any, Entry]] = {
    "add": (np.add, _arithmetic("+")),
    "subtract": (np.subtract, _arithmetic("-")),
    "multiply": (np.multiply, _arithmetic("*")),
    "divide": (np.true_divide, _divide),
    "true_divide": (np.true_divide, _divide),
    "floor_divide": (np.floor_divide, _whole_division("floordiv")),
    "remainder": (np.remainder, _whole_division("mod")),
    "mod": (np.remainder, _whole_division("mod")),
    "power": (np.power, _power),
    "bitwise_and": (np.bitwise_and, _bitwise("&")),
    "bitwise_or": (np.bitwise_or, _bitwise("|")),
    "bitwise_xor": (np.bitwise_xor, _bitwise("^")),
    "left_shift": (np.left_shift, _shift("<<")),
    "right_shift": (np.right_shift, _shift(">>")),
    "invert": (np.invert, _invert),
    "bitwise_not": (np.invert, _invert),
    "equal": (np.equal, _compare("==")),
    "not_equal": (np.not_equal, _compare("!=")),
    "less": (np.less, _compare("<")),
    "less_equal": (np.less_equal, _compare("<=")),
    "greater": (np.greater, _compare(">")),
    "greater_equal": (np.greater_equal, _compare(">=")),
    "logical_and": (np.logical_and, _logical("and")),
    "logical_or": (np.logical_or, _logical("or")),
    "logical_xor": (np.logical_xor, _logical("xor")),
    "logical_not": (np.logical_not, lambda t, a: t.numbers.negation(a)),
    "minimum": (np.minimum, _extreme("min")),
    "maximum": (np.maximum, _extreme("max")),
    "negative": (np.negative, lambda t, a: t.numbers.negate(a)),
    "positive": (np.positive, lambda t, a: t.numbers.plus(a)),
    "absolute": (np.absolute, lambda t, a: t.numbers.absolute(a)),
    "abs": (np.absolute, lambda t, a: t.numbers.absolute(a)),
    "fabs": (np.fabs, lambda t, a: t.numbers.absolute(a)),
    "sign": (np.sign, _sign),
    "square": (np.square, _square),
    "exp": (np.exp, _real("exp", np.exp)),
    "log": (np.log, _real("log", np.log)),
    "log1p": (np.log1p, _log1p),
    "sqrt": (np.sqrt, _real("sqrt", np.sqrt)),
    "sin": (np.sin, _real("sin", np.sin)),
    "cos": (np.cos, _real("cos", np.cos)),
    "tanh": (np.tanh, _real("tanh", np.tanh)),
    "rint": (np.rint, _rounding("round")),
    "round": (np.round, _rounding("round")),
    "floor": (np.floor, _rounding("floor")),
    "ceil": (np.ceil, _rounding("ceil")),
    "trunc": (np.trunc, _rounding("trunc")),
    "isnan": (np.isnan, _isnan),
    "isfinite": (np.isfinite, _isfinite),
    "isinf": (np.isinf, _isinf),
    "copysign": (np.copysign, _copysign),
    "bitwise_count": (getattr(np, "bitwise_count", np.positive), _bit_count),
}

_ANY_INPUT = frozenset(
    "equal not_equal less less_equal greater greater_equal isnan isfinite isinf "
    "logical_and logical_or logical_xor logical_not bitwise_count".split()
)


def compute(trace: Trace, name: str, dtype: Dtype, values: list[Value]) -> Value:
    """Return one entry of a function's result."""
    entry = UFUNCS[name][1]
    if name not in _ANY_INPUT:
        kind = kind_for(dtype)
        if dtype.kind == "O":
            return entry(trace, *values)
        values = [trace.numbers.value(trace.numbers.operand(v), kind) for v in values]
        if dtype == BOOL and name in ("add", "maximum"):
            return _logical("or")(trace, *values)
        if dtype == BOOL and name in ("multiply", "minimum"):
            return _logical("and")(trace, *values)
    return finished(trace, entry(trace, *values), dtype)


def finished(trace: Trace, value: Value, dtype: Dtype) -> Value:
    """Return a result as its dtype holds it."""
    if dtype.kind == "O":
        return value
    if dtype == BOOL:
        return trace.numbers.value(trace.truth(value), "bool")
    if dtype.kind in "iu":
        low, high = limits(dtype)
        a = trace.numbers.operand(value)
        if not isinstance(a, str) and low <= a <= high:
            return int(a)
        return trace.numbers.value(wrapped(trace, a, dtype), "int")
    return rounded(trace, trace.numbers.to_float(value), dtype)
