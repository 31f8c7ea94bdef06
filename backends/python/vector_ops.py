"""Scalar ops as numpy expressions on arrays: one entry for each iteration of the loops around.

Kinds of arrays: `int` (int64), `truth` (bool), `object` (Python ints of any size), `float`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol, cast

from ddc.ir import Op, Real, Scalar

from .intervals import Interval
from .ranges import WORD, Range, fits, reach
from .scalar import TRANSFORMS, knots_of
from .tables import MOST_AXES, MOST_NESTED, axes, flat, rows
from .text import (
    ATOM,
    BITAND,
    BITOR,
    BITXOR,
    COMPARE,
    PRODUCT,
    SUM,
    UNARY,
    Expr,
    bitwise,
    call,
    deepest,
    float_text,
    infix,
    literal,
    total,
)

CHUNK = 40  # operands of one expression


class NotVector(Exception):
    """An op that these array expressions do not say; loops over entries take over."""


class Host(Protocol):
    """What array ops ask of the emitter."""

    def helper(self, name: str) -> str:
        """Return a helper's name, adding it to the module."""
        ...

    def constant(self, wish: str, text: str) -> str:
        """Return the name of a new module constant."""
        ...


@dataclass(frozen=True)
class Use:
    """An op with its operands, aligned so that numpy broadcasts them against each other."""

    op: Op
    args: Sequence[Expr]
    types: Sequence[Scalar]
    ranges: Sequence[Range]
    out: Scalar
    range: Range
    intervals: Sequence[Interval]
    host: Host

    @property
    def is_real(self) -> bool:
        """Tell whether the op computes with reals."""
        return isinstance(self.out, Real) or any(isinstance(t, Real) for t in self.types)

    @property
    def reals(self) -> list[Expr]:
        """Return the operands for real arithmetic."""
        return [as_real(a) for a in self.args] if self.is_real else list(self.args)


def vector_op(use: Use) -> Expr:
    """Return an op on arrays as an expression; its axes are left to the caller."""
    rule = _OPS.get(use.op.code)
    if rule is None:
        raise NotVector
    return rule(use)


# ---------------------------------------------------------------- kinds


def is_array(e: Expr) -> bool:
    """Tell whether an expression is an array and no Python number."""
    return e.end > 0 or e.own > 0


def as_number(e: Expr) -> Expr:
    """Return a bool array as ints, so that arithmetic counts."""
    if e.kind != "truth":
        return e
    if not is_array(e):
        return call("int", e)
    return replace(e, text=f"{e.at(ATOM)}.astype(int)", prec=ATOM, kind="int", condition=None)


def as_real(e: Expr) -> Expr:
    """Return ints of any size, and bools, as what mixes with reals."""
    if is_array(e) and e.kind == "object":
        return replace(e, text=f"{e.at(ATOM)}.astype(float)", prec=ATOM, kind="float")
    return as_number(e)


def as_object(e: Expr) -> Expr:
    """Return an array of Python ints."""
    if not is_array(e) or e.kind == "object":
        return e
    return replace(e, text=f"{e.at(ATOM)}.astype(object)", prec=ATOM, kind="object")


def _kind(args: Sequence[Expr]) -> str:
    kinds = {a.kind for a in args if is_array(a)}
    for kind in ("object", "float", "int"):
        if kind in kinds:
            return kind
    return "int"


def exact(use: Use, magnitude: int | None) -> list[Expr]:
    """Return int operands, of Python ints where a result may pass int64."""
    args = list(use.args)
    if not use.is_real and (magnitude is None or magnitude > WORD):
        return [as_object(as_number(a)) for a in args]
    return [as_real(a) for a in args] if use.is_real else args


def magnitude_of_sum(ranges: Sequence[Range], weights: Sequence[int] | None = None) -> int | None:
    """Return a bound of all partial sums, None where there is none."""
    found = 0
    for r, w in zip(ranges, weights or [1] * len(ranges)):
        size = reach(r)
        if size is None:
            return None
        found += abs(w) * size
    return found


# ---------------------------------------------------------------- logic


def _not(use: Use) -> Expr:
    (a,) = use.args
    if a.kind == "truth":
        return Expr(f"~{a.at(UNARY)}", UNARY, "truth", depth=1 + a.depth)
    return Expr(f"1 - {a.at(PRODUCT)}", SUM, a.kind, depth=1 + a.depth)


def _bitwise(sign: str, prec: int) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        kinds = {a.kind for a in use.args}
        kind = "truth" if kinds == {"truth"} else _kind(use.args)
        return bitwise(sign, prec, use.args, kind)

    return rule


def _sum(args: Sequence[Expr], kind: str) -> Expr:
    """Return a sum that starts with a number, since bool + bool is no sum to numpy."""
    ordered = sorted(args, key=lambda a: a.kind == "truth")
    ordered[0] = as_number(ordered[0])
    return total(ordered, kind, exact=True)


def _threshold(use: Use) -> Expr:
    weights = cast("tuple[int, ...] | None", use.op.attr("weights"))
    factors = weights or (1,) * len(use.args)
    args = exact(use, magnitude_of_sum(use.ranges, factors))
    terms = [_times(f, a) for f, a in zip(factors, args) if f]
    terms.sort(key=lambda t: t.text.startswith("-"))
    least = literal(cast(int, use.op.attr("least")))
    if not any(is_array(a) for f, a in zip(factors, args) if f):
        raise NotVector
    count = _sum(terms, _kind(args))
    return Expr(f"{count.at(BITOR)} >= {least.text}", COMPARE, "truth", depth=count.depth + 1)


def _times(factor: int, e: Expr) -> Expr:
    if factor == 1:
        return e
    e = as_number(e)
    if factor == -1:
        return replace(e, text=f"-{e.at(UNARY)}", prec=UNARY, depth=e.depth + 1)
    return replace(e, text=f"{factor} * {e.at(UNARY)}", prec=PRODUCT, depth=e.depth + 1)


def _table(use: Use) -> Expr:
    entries = cast("tuple[int | Fraction, ...]", use.op.attr("entries"))
    real = isinstance(use.out, Real)
    texts = [float_text(v) if real else literal(v).text for v in entries]
    wide = not real and not fits((min(map(int, entries)), max(map(int, entries))))
    several = axes(use.types)
    digits = [_digit(use.args[k], cases, use) for k, cases in several]
    if not any(is_array(d) for d in digits):
        raise NotVector
    sizes = [len(cases) for _, cases in several]
    if len(sizes) > MOST_AXES or len(texts) > MOST_NESTED:
        terms = [_times(math.prod(sizes[k + 1 :]), d) for k, d in enumerate(digits)]
        digits, sizes = [_sum(terms, "int")], [len(texts)]
    listed = rows(texts, sizes, "[", "]") if len(sizes) > 1 else flat(texts, "[", "]")
    text = f"np.array({listed}{', dtype=object' if wide else ''})"
    table = use.host.constant(use.op.result, text)
    kind = "float" if real else "object" if wide else "int"
    places = ", ".join(d.text for d in digits)
    return Expr(f"{table}[{places}]", ATOM, kind, depth=2 + max(d.depth for d in digits))


def _digit(e: Expr, cases: Sequence[int], use: Use) -> Expr:
    low, step = cases[0], cases[1] - cases[0]
    e = as_number(e)
    if e.kind == "object":
        e = replace(e, text=f"{e.at(ATOM)}.astype(int)", prec=ATOM, kind="int")
    if cases != tuple(range(low, cases[-1] + 1, step)):
        known = f"[{', '.join(map(str, cases))}]"
        return replace(e, text=f"np.searchsorted({known}, {e.text})", prec=ATOM, depth=e.depth + 1)
    if low:
        text = f"{e.at(SUM)} {'-' if low > 0 else '+'} {abs(low)}"
        e = replace(e, text=text, prec=SUM, condition=None)
    if step > 1:
        e = replace(e, text=f"{e.at(PRODUCT)} // {step}", prec=PRODUCT, condition=None)
    return e


# ---------------------------------------------------------------- arithmetic


def _add(use: Use) -> Expr:
    args = exact(use, magnitude_of_sum(use.ranges))
    if len(args) == 1:
        return args[0]
    if use.is_real:
        return total([as_number(args[0]), *args[1:]], "float", exact=False)
    return _sum(args, _kind(args))


def _mul(use: Use) -> Expr:
    size: int | None = 1
    for r in use.ranges:
        one = reach(r)
        size = None if size is None or one is None else size * max(1, one)
    args = exact(use, size)
    args = [as_number(args[0]), *args[1:]] if len(args) > 1 else args
    if len(args) == 1:
        return args[0]
    return infix("*", PRODUCT, args, "float" if use.is_real else _kind(args))


def _sub(use: Use) -> Expr:
    a, b = exact(use, magnitude_of_sum(use.ranges))
    a = as_number(a)
    b = b if is_array(a) and a.kind != "truth" else as_number(b)
    return infix("-", SUM, [a, b], "float" if use.is_real else _kind([a, b]))


def _neg(use: Use) -> Expr:
    (a,) = exact(use, reach(use.ranges[0]))
    a = as_number(a)
    return Expr(f"-{a.at(UNARY)}", UNARY, a.kind, depth=1 + a.depth)


def _div(use: Use) -> Expr:
    a, b = (as_real(e) for e in use.args)
    if not is_array(a) and not is_array(b):
        return call("np.divide", a, b, kind="float")
    return infix("/", PRODUCT, [a, b], "float")


def _whole(sign: str) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        size = None if any(reach(r) is None for r in use.ranges) else 0
        args = [as_number(a) for a in exact(use, size)]
        return infix(sign, PRODUCT, args, _kind(args))

    return rule


def _pow(use: Use) -> Expr:
    if use.is_real:
        a, b = (as_real(e) for e in use.args)
        if a.kind != "float":
            a = replace(
                a,
                text=f"np.float64({a.text})" if not is_array(a) else f"{a.at(ATOM)}.astype(float)",
                prec=ATOM,
            )
        return call("np.power", a, b, kind="float")
    a, b = (as_number(e) for e in exact(use, _power_reach(use.ranges)))
    return Expr(f"{a.at(ATOM)} ** {b.at(UNARY)}", UNARY, _kind([a, b]), depth=1 + deepest([a, b]))


def _power_reach(ranges: Sequence[Range]) -> int | None:
    base, exponent = reach(ranges[0]), reach(ranges[1])
    return None if base is None or exponent is None or exponent > 64 else max(1, base) ** exponent


def _abs(use: Use) -> Expr:
    return call("np.abs", as_number(use.args[0]), kind=as_number(use.args[0]).kind)


def _extreme(function: str) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        args = [as_number(a) for a in use.reals]
        result = args[0]
        for other in args[1:]:
            result = call(function, result, other)
        return replace(result, kind="float" if use.is_real else _kind(args))

    return rule


def _function(name: str) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        return call(name, as_real(use.args[0]), kind="float")

    return rule


# ---------------------------------------------------------------- choice and decisions


def _compare(sign: str) -> Callable[[Use], Expr]:
    def rule(use: Use) -> Expr:
        a, b = (Expr(e.at(BITOR), ATOM, e.kind, depth=e.depth) for e in use.reals)
        return infix(sign, COMPARE, [a, b], "truth")

    return rule


def _select(use: Use) -> Expr:
    condition, then, other = use.args
    if not is_array(condition):
        if not is_array(then) and not is_array(other):
            raise NotVector
        test = condition.at(2)
        then, other = (_shaped(e, use) for e in (then, other))
        return Expr(f"{then.at(2)} if {test} else {other.at(1)}", 1, _branch_kind(use))
    wide = not use.is_real and not fits(use.range)
    branches = [
        as_object(as_number(e)) if wide else as_real(e) if use.is_real else as_number(e)
        for e in (then, other)
    ]
    return call("np.where", condition, *branches, kind=_branch_kind(use))


def _shaped(e: Expr, use: Use) -> Expr:
    if not is_array(e):
        raise NotVector
    return as_real(e) if use.is_real else as_number(e)


def _branch_kind(use: Use) -> str:
    if use.is_real:
        return "float"
    return "int" if fits(use.range) else "object"


def _sign(use: Use) -> Expr:
    a = as_number(use.args[0])
    if a.kind == "int" and not use.is_real:
        return call("np.sign", a, kind="int")
    return call(use.host.helper("_sign"), a, kind="int")


def _step(use: Use) -> Expr:
    (a,) = use.args
    return Expr(f"{a.at(BITOR)} > 0", COMPARE, "truth", depth=1 + a.depth)


def _round(use: Use) -> Expr:
    (a,) = use.args
    if not use.is_real:
        return a
    x = use.intervals[0]
    if x is not None and max(abs(x[0]), abs(x[1])) < 2.0**62:
        return Expr(f"np.rint({a.text}).astype(int)", ATOM, "int", depth=1 + a.depth)
    return call(use.host.helper("_round"), a, kind="object")


# ---------------------------------------------------------------- fitted and network


def _curve(use: Use) -> Expr:
    x = as_real(use.args[0])
    knots = ", ".join(f"({float_text(p)}, {float_text(h)})" for p, h in knots_of(use.op))
    name = use.host.constant(f"{use.op.result}_knots", f"np.array([{knots}])")
    args = [x, Expr(name)]
    transform = str(use.op.attr("in") or "id")
    if transform != "id":
        helper = TRANSFORMS[transform][0]
        known = Expr("np.log") if helper == "_log" else Expr(use.host.helper(helper))
        args.append(known)
    if use.op.attr("beyond") == "linear":
        args.append(Expr("beyond=True"))
    curve = call(use.host.helper("_curve"), *args, kind="float")
    missing = use.op.attr("missing")
    if missing is None:
        return curve
    other = Expr(float_text(cast("int | Fraction", missing)))
    return call("np.where", Expr(f"np.isnan({x.text})"), other, curve, kind="float")


def _bin(use: Use) -> Expr:
    x = as_real(use.args[0])
    cuts = cast("tuple[int | Fraction, ...]", use.op.attr("at"))
    if not cuts or use.args[0].kind == "object":
        raise NotVector
    points = ", ".join(float_text(c) if isinstance(c, Fraction) else str(c) for c in cuts)
    if len(cuts) == 1:
        return Expr(f"{x.at(BITOR)} >= {points}", COMPARE, "truth", depth=1 + x.depth)
    found = call("np.searchsorted", Expr(f"[{points}]"), x, Expr('"right"'))
    if use.intervals[0] is None:
        return call("np.where", Expr(f"{x.at(BITOR)} == {x.at(BITOR)}"), found, literal(0))
    return found


def _relu(use: Use) -> Expr:
    return call("np.maximum", as_real(use.args[0]), Expr("0.0"), kind="float")


def _leaky_relu(use: Use) -> Expr:
    slope = float_text(cast("int | Fraction", use.op.attr("slope")))
    return call(use.host.helper("_leaky_relu"), as_real(use.args[0]), Expr(slope), kind="float")


def _hardtanh(use: Use) -> Expr:
    ends = [float_text(cast("int | Fraction", use.op.attr(k))) for k in ("low", "high")]
    return call("np.clip", as_real(use.args[0]), *map(Expr, ends), kind="float")


def _sigmoid(use: Use) -> Expr:
    return call(use.host.helper("_sigmoid"), as_real(use.args[0]), kind="float")


_OPS: dict[str, Callable[[Use], Expr]] = {
    "not": _not,
    "and": _bitwise("&", BITAND),
    "or": _bitwise("|", BITOR),
    "xor": _bitwise("^", BITXOR),
    "threshold": _threshold,
    "table": _table,
    "add": _add,
    "mul": _mul,
    "sub": _sub,
    "neg": _neg,
    "div": _div,
    "floordiv": _whole("//"),
    "mod": _whole("%"),
    "pow": _pow,
    "abs": _abs,
    "min": _extreme("np.minimum"),
    "max": _extreme("np.maximum"),
    "exp": _function("np.exp"),
    "log": _function("np.log"),
    "sqrt": _function("np.sqrt"),
    "sin": _function("np.sin"),
    "cos": _function("np.cos"),
    "tanh": _function("np.tanh"),
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
    "sigmoid": _sigmoid,
}
