"""Scalar ops as plain Python expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol, cast

from ddc.ir import Attr, Op, Real, Scalar, int_bounds

from .intervals import Interval
from .tables import MOST_AXES, MOST_NESTED, axes, flat, rows
from .text import (
    AND,
    ATOM,
    BITAND,
    BITOR,
    BITXOR,
    COMPARE,
    LONGEST,
    NOT,
    OR,
    POWER,
    PRODUCT,
    SUM,
    TERNARY,
    UNARY,
    Expr,
    as_float,
    as_int,
    bitwise,
    call,
    call_many,
    deepest,
    float_text,
    infix,
    is_literal,
    literal,
    total,
    truth,
)

EXACT_FLOAT = 1 << 53
SHORT_TABLE = 16  # entries in a row
SHORT_ROWS = 24  # characters of rows


class Host(Protocol):
    """What scalar ops ask of the emitter: helpers, constants and imports of the module."""

    def helper(self, name: str) -> str:
        """Return a helper's name, adding it to the module."""
        ...

    def constant(self, wish: str, text: str) -> str:
        """Return the name of a new module constant."""
        ...

    def math(self, name: str) -> str:
        """Return `math.name`, importing it."""
        ...


@dataclass(frozen=True)
class Use:
    """An op with its operands as expressions."""

    op: Op
    args: Sequence[Expr]
    types: Sequence[Scalar]
    out: Scalar
    intervals: Sequence[Interval]
    host: Host

    @property
    def is_real(self) -> bool:
        """Tell whether any operand or the result is a real, so that all are computed as reals."""
        return isinstance(self.out, Real) or any(isinstance(t, Real) for t in self.types)

    def widened(self) -> list[Expr]:
        """Return the operands, ints that a real op would round made floats first."""
        if not self.is_real:
            return list(self.args)
        return [widen(a, t) for a, t in zip(self.args, self.types)]


def widen(e: Expr, scalar: Scalar) -> Expr:
    """Return an int as a float where Python's exact arithmetic with it would show."""
    bounds = int_bounds(scalar)
    if bounds is None:
        return e
    if any(b is None or abs(b) > EXACT_FLOAT for b in bounds):
        return as_float(e)
    return e


def scalar_op(use: Use) -> Expr:
    """Return a scalar op as an expression."""
    return _OPS[use.op.code](use)


def _real_kind(args: Sequence[Expr], real: bool) -> str:
    if not real:
        return "int"
    return "float" if any(a.kind == "float" for a in args) else "number"


# ---------------------------------------------------------------- logic


def _not(use: Use) -> Expr:
    (a,) = use.args
    if a.kind != "truth":
        inner = truth(a)
        negated = Expr(f"not {inner.at(NOT)}", NOT, "truth")
        return Expr(f"1 - {a.at(PRODUCT)}", SUM, "int", (negated.text, NOT), 1 + a.depth)
    return Expr(f"not {a.at(NOT)}", NOT, "truth", depth=1 + a.depth)


def _chain(word: str, prec: int, args: Sequence[Expr]) -> Expr:
    parts = [truth(a) for a in args]
    # `and` inside `or` keeps its parentheses: correct without, but easier to read aloud with.
    texts = [p.at(prec) if p.prec in (prec, ATOM) or p.prec > AND else f"({p.text})" for p in parts]
    return Expr(f" {word} ".join(texts), prec, "truth", depth=1 + deepest(args))


def _logic(word: str, prec: int, sign: str, bits: int, many: str) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        args = use.args
        if len(args) == 1:
            return args[0]
        if len(args) > LONGEST:
            return call_many(many, [truth(a) for a in args], "truth")
        condition = _chain(word, prec, args)
        if any(a.kind == "truth" for a in args):
            return condition
        whole = bitwise(sign, bits, args, "int")
        return replace(whole, condition=(condition.text, condition.prec))

    return rule


def _xor(use: Use) -> Expr:
    args = use.args
    if len(args) == 1:
        return args[0]
    if len(args) > LONGEST:
        return Expr(f"{call_many('sum', args, 'int').text} % 2", PRODUCT, "int")
    whole = all(a.kind != "truth" for a in args)
    return bitwise("^", BITXOR, args, "int" if whole else "truth")


def _weighted(factor: int, e: Expr) -> Expr:
    if factor == 1:
        return e
    if factor == -1:
        return Expr(f"-{e.at(UNARY)}", UNARY, "int", depth=1 + e.depth)
    return Expr(f"{factor} * {e.at(UNARY)}", PRODUCT, "int", depth=1 + e.depth)


def _threshold(use: Use) -> Expr:
    weights = use.op.attr("weights")
    factors = cast("tuple[int, ...]", weights) if weights is not None else (1,) * len(use.args)
    terms = [_weighted(f, a) for f, a in zip(factors, use.args) if f]
    terms.sort(key=lambda t: t.text.startswith("-"))
    count = total(terms, "int", exact=True) if terms else literal(0)
    least = literal(cast(int, use.op.attr("least")))
    return infix(">=", COMPARE, [Expr(count.at(BITOR), ATOM, depth=count.depth), least], "truth")


def _table(use: Use) -> Expr:
    entries = cast("tuple[int | Fraction, ...]", use.op.attr("entries"))
    real = isinstance(use.out, Real)
    texts = [float_text(v) if real else literal(v).text for v in entries]
    several = axes(use.types)
    digits = [_digit(use.args[k], cases) for k, cases in several]
    sizes = [len(cases) for _, cases in several]
    if 1 < len(sizes) <= MOST_AXES and len(texts) <= MOST_NESTED:
        text = rows(texts, sizes)
        if len(text) > SHORT_ROWS:
            text = use.host.constant(use.op.result, text)
        places = "][".join(d.text for d in digits)
    else:
        text = flat(texts)
        if len(entries) > SHORT_TABLE:
            text = use.host.constant(use.op.result, text)
        terms = [_weighted(math.prod(sizes[k + 1 :]), d) for k, d in enumerate(digits)]
        places = (total(terms, "int", exact=True) if terms else literal(0)).text
    return Expr(f"{text}[{places}]", ATOM, "float" if real else "int", depth=2 + deepest(digits))


def _digit(e: Expr, cases: Sequence[int]) -> Expr:
    """Return the position of a value among the values of its type."""
    low, step = cases[0], cases[1] - cases[0]
    if cases != tuple(range(low, cases[-1] + 1, step)):
        found = Expr(f"({', '.join(map(str, cases))})", ATOM)
        return Expr(f"{found.text}.index({e.text})", ATOM, "int", depth=1 + e.depth)
    if low:
        e = Expr(f"{e.at(SUM)} {'-' if low > 0 else '+'} {abs(low)}", SUM, "int", depth=e.depth + 1)
    if step > 1:
        e = Expr(f"{e.at(PRODUCT)} // {step}", PRODUCT, "int", depth=e.depth + 1)
    return e


# ---------------------------------------------------------------- arithmetic


def _add(use: Use) -> Expr:
    args = use.widened()
    if len(args) == 1:
        return args[0]
    return total(args, _real_kind(args, use.is_real), exact=not use.is_real)


def _mul(use: Use) -> Expr:
    args = use.widened()
    if len(args) == 1:
        return args[0]
    kind = _real_kind(args, use.is_real)
    if len(args) > LONGEST:
        return call_many(use.host.helper("_product"), args, kind)
    return infix("*", PRODUCT, args, kind, exact=False)


def _sub(use: Use) -> Expr:
    a, b = use.widened()
    kind = _real_kind([a, b], use.is_real)
    if is_literal(b.text) and b.text.startswith("-"):
        return infix("+", SUM, [a, replace(b, text=b.text[1:], prec=ATOM)], kind)
    return infix("-", SUM, [a, b], kind)


def _neg(use: Use) -> Expr:
    (a,) = use.args
    inner = a.at(UNARY)
    kind = "int" if a.kind == "truth" else a.kind
    text = f"-({inner})" if inner.startswith("-") else f"-{inner}"
    return Expr(text, UNARY, kind, depth=1 + a.depth)


def is_safe_division(use: Use) -> bool:
    """Tell whether an op is a division by what cannot be 0."""
    if use.op.code != "div":
        return False
    divisor = use.intervals[1]
    if int_bounds(use.types[1]) is not None:
        return True
    return divisor is not None and (divisor[0] > 0 or divisor[1] < 0)


def _div(use: Use) -> Expr:
    a, b = use.widened()
    if is_safe_division(use):
        return infix("/", PRODUCT, [a, b], "float")
    return call(use.host.helper("_divide"), as_float(a), b, kind="float")


def _int_infix(sign: str) -> Callable[[Use], Expr]:
    return lambda use: infix(sign, PRODUCT, use.args, "int")


def _pow(use: Use) -> Expr:
    a, b = use.args
    if not use.is_real:
        text = f"{a.at(ATOM)} ** {b.at(UNARY)}"
        return Expr(text, POWER, "int", depth=1 + max(a.depth, b.depth))
    if a.is_simple and a.text.isidentifier() and b.text in ("2", "2.0", "3", "3.0"):
        return infix("*", PRODUCT, [as_float(a)] * int(float(b.text)), "float")
    return call(use.host.helper("_power"), as_float(a), as_float(b), kind="float")


def _abs(use: Use) -> Expr:
    return call("abs", use.args[0], kind="int" if use.args[0].kind == "truth" else use.args[0].kind)


def _extreme(function: str) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        args = [as_int(a) for a in use.args]
        if use.is_real:
            args = [widen(a, t) for a, t in zip(args, use.types)]
        if len(args) == 1:
            return args[0]
        kinds = {a.kind for a in args}
        kind = kinds.pop() if len(kinds) == 1 else "number"
        if use.is_real and any(i is None for i in use.intervals):
            return call_many(use.host.helper(f"_{function}"), args, kind)
        return call(function, *args, kind=kind)

    return rule


def _exp(use: Use) -> Expr:
    x = use.intervals[0]
    name = use.host.math("exp") if x is not None and x[1] < 700 else use.host.helper("_exp")
    return call(name, use.args[0], kind="float")


def _guarded(function: str, inside: Callable[[float, float], bool]) -> Callable[[Use], Expr]:
    """Return a function of `math` that needs no helper where its operand lies `inside`."""

    def rule(use: Use) -> Expr:
        x = use.intervals[0]
        sure = x is not None and inside(*x)
        name = use.host.math(function) if sure else use.host.helper(f"_{function}")
        return call(name, use.args[0], kind="float")

    return rule


# ---------------------------------------------------------------- choice and decisions


def _compare(sign: str) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        a, b = (Expr(e.at(BITOR), ATOM, e.kind, depth=e.depth) for e in use.widened())
        return infix(sign, COMPARE, [a, b], "truth")

    return rule


def _select(use: Use) -> Expr:
    condition, then, other = use.args
    if isinstance(use.out, Real):
        then, other = as_float(then), as_float(other)
    else:
        then, other = as_int(then), as_int(other)
    test = truth(condition)
    text = f"{then.at(TERNARY + 1)} if {test.at(TERNARY + 1)} else {other.at(TERNARY)}"
    return Expr(text, TERNARY, then.kind, depth=1 + deepest(use.args))


def _sign(use: Use) -> Expr:
    (a,) = use.args
    if a.text.isidentifier():
        return Expr(f"({a.text} > 0) - ({a.text} < 0)", SUM, "int", depth=1)
    return call(use.host.helper("_sign"), a)


def _step(use: Use) -> Expr:
    (a,) = use.args
    return Expr(f"{a.at(BITOR)} > 0", COMPARE, "truth", depth=1 + a.depth)


def _round(use: Use) -> Expr:
    return use.args[0] if not use.is_real else call("round", use.args[0])


# ---------------------------------------------------------------- fitted


def _number_text(value: int | Fraction) -> str:
    text = float_text(value)
    return text.removesuffix(".0")


TRANSFORMS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "log": ("_log", lambda low, high: low > 0),
    "log1p": ("_log1p", lambda low, high: low > -1),
    "symlog1p": ("_symlog1p", lambda low, high: False),
}


def knots_of(op: Op) -> list[tuple[int | Fraction, int | Fraction]]:
    """Return the knots of a curve."""
    return cast("list[tuple[int | Fraction, int | Fraction]]", list(cast(Any, op.attr("knots"))))


def _curve(use: Use) -> Expr:
    (x,) = use.args
    knots = knots_of(use.op)
    pairs = ", ".join(f"({_number_text(p)}, {float_text(h)})" for p, h in knots)
    name = use.host.constant(f"{use.op.result}_knots", f"({pairs}{',' if len(knots) == 1 else ''})")
    args = [x, Expr(name)]
    transform = str(use.op.attr("in") or "id")
    linear = use.op.attr("beyond") == "linear"
    if transform != "id":
        helper, inside = TRANSFORMS[transform]
        interval = use.intervals[0]
        sure = interval is not None and inside(*interval) and not linear
        args.append(Expr(use.host.math(helper[1:]) if sure else use.host.helper(helper)))
    missing = use.op.attr("missing")
    curve = call(use.host.helper("_curve_beyond" if linear else "_curve"), *args, kind="float")
    if missing is not None:
        other = float_text(cast("int | Fraction", missing))
        if x.text.isidentifier():
            return Expr(f"{curve.text} if {x.text} == {x.text} else {other}", TERNARY, "float")
        return call(use.host.helper("_present"), curve, Expr(other), kind="float")
    return curve


def _bin(use: Use) -> Expr:
    (x,) = use.args
    cuts = cast("tuple[int | Fraction, ...]", use.op.attr("at"))
    if not cuts:
        return literal(0)
    whole = not use.is_real
    texts = [literal(c).text if whole and isinstance(c, int) else float_text(c) for c in cuts]
    if len(cuts) == 1:
        return Expr(f"{x.at(BITOR)} >= {texts[0]}", COMPARE, "truth", depth=1 + x.depth)
    points = f"({', '.join(texts)})"
    if len(cuts) > SHORT_TABLE:
        points = use.host.constant(f"{use.op.result}_cuts", points)
    return Expr(f"sum({x.at(BITOR)} >= cut for cut in {points})", ATOM, "int", depth=2 + x.depth)


# ---------------------------------------------------------------- network


def _relu(use: Use) -> Expr:
    return call("max", as_float(use.args[0]), literal(Fraction(0)), kind="float")


def _leaky_relu(use: Use) -> Expr:
    slope = float_text(cast("int | Fraction", use.op.attr("slope")))
    a = as_float(use.args[0])
    if a.text.isidentifier():
        return Expr(f"{a.text} if {a.text} >= 0 else {slope} * {a.text}", TERNARY, "float")
    return call(use.host.helper("_leaky_relu"), a, Expr(slope), kind="float")


def _number(value: Attr | None) -> Expr:
    return literal(Fraction(cast("int | Fraction", value)))


def _hardtanh(use: Use) -> Expr:
    low, high = _number(use.op.attr("low")), _number(use.op.attr("high"))
    inner = call("max", as_float(use.args[0]), low, kind="float")
    return call("min", inner, high, kind="float")


def _tanh(use: Use) -> Expr:
    return call(use.host.math("tanh"), use.args[0], kind="float")


def _sigmoid(use: Use) -> Expr:
    a = as_float(use.args[0])
    if is_named(a):
        return sigmoid_of(a, use.host)
    return call(use.host.helper("_sigmoid"), a, kind="float")


def is_named(e: Expr) -> bool:
    """Tell whether an expression is a name, or minus one."""
    return e.text.removeprefix("-").isidentifier()


def sigmoid_of(x: Expr, host: Host) -> Expr:
    """Return 1 / (1 + e ** -x) of a name, without overflow and with all its digits at both ends."""
    exp = host.math("exp")
    return Expr(f"{exp}(min({x.text}, 0)) / (1 + {exp}(-abs({x.text})))", PRODUCT, "float", depth=4)


_OPS: dict[str, Callable[[Use], Expr]] = {
    "not": _not,
    "and": _logic("and", AND, "&", BITAND, "all"),
    "or": _logic("or", OR, "|", BITOR, "any"),
    "xor": _xor,
    "threshold": _threshold,
    "table": _table,
    "add": _add,
    "mul": _mul,
    "sub": _sub,
    "neg": _neg,
    "div": _div,
    "floordiv": _int_infix("//"),
    "mod": _int_infix("%"),
    "pow": _pow,
    "abs": _abs,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "exp": _exp,
    "log": _guarded("log", lambda low, high: low > 0),
    "sqrt": _guarded("sqrt", lambda low, high: low >= 0),
    "sin": _guarded("sin", lambda low, high: math.isfinite(low) and math.isfinite(high)),
    "cos": _guarded("cos", lambda low, high: math.isfinite(low) and math.isfinite(high)),
    "eq": _compare("=="),
    "ne": _compare("!="),
    "lt": _compare("<"),
    "le": _compare("<="),
    "gt": _compare(">"),
    "ge": _compare(">="),
    "select": _select,
    "sign": _sign,
    "step": _step,
    "round": _round,
    "curve": _curve,
    "bin": _bin,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "hardtanh": _hardtanh,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}
