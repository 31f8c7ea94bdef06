"""The functions of `math`, for numbers that may depend on the input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .values import Arr, Sym, Value, is_number
from .wording import python_type

if TYPE_CHECKING:
    from .expressions import Expressions as Trace


def _float_of(trace: Trace, value: Value) -> Any:
    if isinstance(value, Arr) and not value.shape:
        value = value.data.item()
    if not is_number(value):
        raise trace.error(f"arithmetic with {python_type(value)} is not understood")
    return trace.numbers.operand(value)


def _concrete(trace: Trace, function: Callable[..., Any], *values: Any) -> Any:
    try:
        return function(*values)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        trace.never(1, f"{type(error).__name__}: {error}")
        raise AssertionError from None


def _real(
    code: str, function: Callable[..., float], domain: Callable[[Trace, Any], Any] | None = None
) -> Callable[..., Value]:
    def call(trace: Trace, value: Value) -> Value:
        x = _float_of(trace, value)
        if not isinstance(x, str):
            return _concrete(trace, function, x)
        if domain is not None:
            trace.never(domain(trace, x), f"ValueError: math.{code} outside its domain")
        return trace.numbers.value(trace.graph.emit(code, trace.graph.real(x)), "float")

    return call


def _log(trace: Trace, value: Value, base: Value = None) -> Value:
    found = _natural(trace, value)
    return found if base is None else trace.binary("/", found, _natural(trace, base))


_natural = _real("log", math.log, lambda t, x: t.graph.le(x, 0))


def _of_log(factor: float) -> Callable[..., Value]:
    return lambda trace, value: trace.binary("/", _natural(trace, value), factor)


def _log1p(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return _concrete(trace, math.log1p, x)
    trace.never(trace.graph.le(x, -1), "ValueError: math.log1p outside its domain")
    # The knots of a curve are the only place where the IR has log1p itself.
    shifted = trace.graph.add([trace.graph.real(x), 1.0])
    return trace.numbers.value(trace.graph.emit("log", shifted), "float")


def _math_pow(trace: Trace, a: Value, b: Value) -> Value:
    x, y = _float_of(trace, a), _float_of(trace, b)
    if not isinstance(x, str) and not isinstance(y, str):
        return _concrete(trace, math.pow, x, y)
    graph = trace.graph
    if not (isinstance(y, (int, float)) and float(y).is_integer()):
        trace.never(graph.lt(x, 0), "ValueError: math.pow outside its domain")
    wrong = graph.and_([graph.eq(x, 0), graph.lt(y, 0)])
    trace.never(wrong, "ValueError: math.pow outside its domain")
    return trace.numbers.value(graph.emit("pow", graph.real(x), graph.real(y)), "float")


def _copysign(trace: Trace, a: Value, b: Value) -> Value:
    if not isinstance(a, Sym) and not isinstance(b, Sym):
        return math.copysign(a, b)
    size = trace.numbers.to_float(trace.numbers.absolute(a))
    negative = trace.truth(trace.compare("<", b, 0))
    return trace.numbers.select(negative, trace.numbers.negate(size), size)


def _fabs(trace: Trace, value: Value) -> Value:
    return trace.numbers.absolute(trace.numbers.to_float(value))


def _prod(trace: Trace, values: Value, *, start: Value = 1) -> Value:
    total = start
    for item in trace.plain_list(values):
        total = trace.binary("*", total, item)
    return total


def _isnan(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return x != x
    if not trace.graph.may_be_nan(x):
        return False
    return trace.numbers.value(trace.graph.not_(trace.graph.emit("eq", x, x)), "bool")


def _isinf(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return math.isinf(x)
    size = trace.numbers.absolute(value)
    return trace.numbers.compare("==", size, math.inf)


def _isfinite(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return math.isfinite(x)
    size = trace.numbers.absolute(value)
    return trace.numbers.compare("<", size, math.inf)


def _hypot(trace: Trace, *values: Value) -> Value:
    squares = [trace.binary("*", v, v) for v in values]
    total = trace.numbers.sum(squares, 0)
    return MATH["sqrt"](trace, total)


def _fsum(trace: Trace, values: Value) -> Value:
    return trace.numbers.to_float(trace.numbers.sum(trace.plain_list(values), 0))


def _gcd(trace: Trace, *values: Value) -> Value:
    return math.gcd(*(trace.whole(v, "math.gcd") for v in values))


def _comb(trace: Trace, n: Value, k: Value) -> Value:
    size, few = trace.whole(n, "math.comb"), trace.whole(k, "math.comb")
    if size > 1000:
        raise trace.error("math.comb beyond 1000 is not understood")
    return _concrete(trace, math.comb, size, few)


def _rounding(method: str, function: Callable[[Any], Any]) -> Callable[..., Value]:
    def call(trace: Trace, value: Value) -> Value:
        if isinstance(value, (int, float)):
            return _concrete(trace, function, value)
        rules: dict[str, Callable[[Value], Value]] = {
            "floor": trace.numbers.floor,
            "ceil": trace.numbers.ceil,
            "trunc": trace.numbers.to_int,
        }
        return rules[method](value)

    return call


def _tan(trace: Trace, value: Value) -> Value:
    x = _float_of(trace, value)
    if not isinstance(x, str):
        return _concrete(trace, math.tan, x)
    sine, cosine = (trace.graph.emit(c, trace.graph.real(x)) for c in ("sin", "cos"))
    return trace.numbers.value(trace.graph.emit("div", sine, cosine), "float")


MATH: dict[str, Callable[..., Value]] = {
    "exp": _real("exp", math.exp),
    "log": _log,
    "log2": _of_log(math.log(2)),
    "log10": _of_log(math.log(10)),
    "log1p": _log1p,
    "sqrt": _real("sqrt", math.sqrt, lambda t, x: t.graph.lt(x, 0)),
    "sin": _real("sin", math.sin),
    "cos": _real("cos", math.cos),
    "tan": _tan,
    "tanh": _real("tanh", math.tanh),
    "pow": _math_pow,
    "copysign": _copysign,
    "fabs": _fabs,
    "floor": _rounding("floor", math.floor),
    "ceil": _rounding("ceil", math.ceil),
    "trunc": _rounding("trunc", math.trunc),
    "prod": _prod,
    "fsum": _fsum,
    "hypot": _hypot,
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "gcd": _gcd,
    "comb": _comb,
}
