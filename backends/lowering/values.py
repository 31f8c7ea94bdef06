"""Values while lowering: scalars with what is known of them, and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ddc.ir import Affine, DdcError

from .nest import INDEX, Array, Bin, Call, Cast, Cmp, Const, Expr, Select, Var, limits
from .ranges import BITS, I64, Interval, fits, smallest


@dataclass(frozen=True)
class Scalar:
    """An expression; `range` is where an int lies, `reach` where it may lie for bad inputs.

    Both are None for a real.
    """

    expr: Expr
    range: Interval | None = None
    reach: Interval | None = None

    @property
    def is_real(self) -> bool:
        return self.range is None


@dataclass(frozen=True)
class Buffer:
    """An array value: row-major entries with dims that are affine in sizes."""

    array: Array
    dims: tuple[Affine, ...]
    range: Interval | None = None
    reach: Interval | None = None


Value = Scalar | Buffer


def literal(value: int | Fraction) -> Scalar:
    """Return a literal; raises `DdcError` for an int beyond 64 bits."""
    if isinstance(value, Fraction):
        try:
            return Scalar(Const(float(value), "f64"))
        except OverflowError:
            return Scalar(Const(float("inf") if value > 0 else float("-inf"), "f64"))
    if not I64[0] <= value <= I64[1]:
        raise DdcError(f"a native program has no ints beyond 64 bits, such as {str(value)[:40]}")
    interval = (value, value)
    return Scalar(
        Const(value, "bit" if fits(interval, "bit") else smallest(interval)), interval, interval
    )


def cast(expr: Expr, type_: str) -> Expr:
    """Return an expression in another type."""
    if expr.type == type_:
        return expr
    if isinstance(expr, Const):
        return Const(float(expr.value) if type_ == "f64" else int(expr.value), type_)
    return Cast(expr, type_)


def as_bool(expr: Expr) -> Expr:
    """Return a bit as a condition."""
    if expr.type == "bool":
        return expr
    if isinstance(expr, Cast) and expr.a.type == "bool":
        return expr.a
    return Cmp("ne", expr, Const(0, expr.type))


def common(a: Expr, b: Expr) -> str:
    """Return a type in which both can be compared."""
    if "f64" in (a.type, b.type):
        return "f64"
    if a.type == b.type:
        return a.type
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Const) and fits((int(one.value), int(one.value)), other.type):
            return other.type
    low = min(limits(a.type)[0], limits(b.type)[0])
    high = max(limits(a.type)[1], limits(b.type)[1])
    return smallest((low, high))


def compare(op: str, a: Expr, b: Expr) -> Expr:
    """Return a comparison in a common type, decided where the types decide it."""
    if (known := _decided(op, a, b)) is not None:
        return Const(int(known), "bool")
    type_ = common(a, b)
    return Cmp(op, cast(a, type_), cast(b, type_))


def _decided(op: str, a: Expr, b: Expr) -> bool | None:
    """Return what a comparison of ints always gives, None where it depends."""
    if "f64" in (a.type, b.type):
        return None
    if a == b:
        return op in ("eq", "le", "ge")
    (low, high), (bottom, top) = _span(a), _span(b)
    if high < bottom:
        return op in ("lt", "le", "ne")
    if low > top:
        return op in ("gt", "ge", "ne")
    if high <= bottom and op in ("le", "gt"):
        return op == "le"
    if low >= top and op in ("ge", "lt"):
        return op == "ge"
    return None


def _span(expr: Expr) -> Interval:
    """Return where an int expression may lie, by its type."""
    if isinstance(expr, Const):
        return int(expr.value), int(expr.value)
    if isinstance(expr, Cast) and expr.a.type != "f64":
        inner = _span(expr.a)
        return inner if fits(inner, expr.type) else limits(expr.type)
    return limits(expr.type)


def both(a: Expr | None, b: Expr | None) -> Expr | None:
    """Return the conjunction of conditions, None where there is none."""
    if a is None or b is None:
        return b if a is None else a
    return Bin("and", a, b, "bool")


def index(value: int) -> Const:
    """Return an index."""
    return Const(value, INDEX)


def add(a: Expr, b: Expr) -> Expr:
    """Return the sum of two indices."""
    if isinstance(a, Const) and isinstance(b, Const):
        return index(int(a.value) + int(b.value))
    if isinstance(a, Const):
        a, b = b, a
    if isinstance(b, Const):
        if b.value == 0:
            return a
        if b.value < 0:
            return Bin("sub", a, index(-int(b.value)), INDEX)
    return Bin("add", a, b, INDEX)


def subtract(a: Expr, b: Expr) -> Expr:
    """Return the difference of two indices."""
    if isinstance(b, Const):
        return add(a, index(-int(b.value)))
    return Bin("sub", a, b, INDEX)


def multiply(a: Expr, b: Expr) -> Expr:
    """Return the product of two indices."""
    if isinstance(a, Const):
        a, b = b, a
    if isinstance(b, Const):
        if isinstance(a, Const):
            return index(int(a.value) * int(b.value))
        if b.value == 1:
            return a
        if b.value == 0:
            return b
    return Bin("mul", a, b, INDEX)


def minimum(a: Expr, b: Expr) -> Expr:
    """Return the smaller of two indices."""
    return a if a == b else Bin("min", a, b, INDEX)


def maximum(a: Expr, b: Expr) -> Expr:
    """Return the greater of two indices."""
    return a if a == b else Bin("max", a, b, INDEX)


__all__ = [
    "BITS",
    "Buffer",
    "Call",
    "Scalar",
    "Select",
    "Value",
    "Var",
    "add",
    "as_bool",
    "both",
    "cast",
    "common",
    "compare",
    "index",
    "literal",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
