"""The fast form of loops over neighbouring bytes: vectors of gcc and clang, many cells at a time.

Compilers turn `a[i - 1], a[i]` into a recurrence before they look for vectors, and then find none.
A loop is written with vectors where every entry it reads and writes is a byte, at neighbouring places
in neighbouring iterations, and where what it compares is known modulo 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ddc.backends.lowering.nest import (
    Array,
    Bin,
    Cast,
    Cmp,
    Const,
    Elem,
    Expr,
    For,
    Let,
    Select,
    Stmt,
    Store,
    Var,
    children,
    limits,
)
from ddc.backends.lowering.ranges import Interval, hull, minus, plus, times

from .expressions import ATOM, OPERATORS, UNARY, Expressions

BYTES = ("bit", "i8")
PREAMBLE = """\
#if defined(__GNUC__)
/* Vectors of bytes, for gcc and clang: as wide as the processor's, wherever they lie in memory. */
#if defined(__AVX512BW__)
#define LANES 64
#elif defined(__AVX2__)
#define LANES 32
#else
#define LANES 16
#endif
typedef uint8_t Bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
"""
SIGNED = """\
typedef int8_t SignedBytes __attribute__((vector_size(LANES), aligned(1), may_alias));
"""

_RULES = {"add": plus, "sub": minus, "mul": times}


def preamble(code: str) -> Sequence[str]:
    """Return the definitions that a vector form needs."""
    text = PREAMBLE + (SIGNED if "SignedBytes" in code else "") + "#endif\n"
    return text.split("\n")


class NoVectors(Exception):
    """The loop has no vector form."""


@dataclass(frozen=True)
class _Value:
    """An expression of vectors: its text, how tightly it binds, and where its entries lie.

    A mask has all bits of an entry set where a condition holds; it has no range.
    """

    text: str
    level: int
    range: Interval | None

    def at(self, least: int) -> str:
        """Return the text for a place where weaker operators need parentheses."""
        return f"({self.text})" if self.level < least else self.text


class Vectors:
    """Prints the vector form of one loop."""

    def __init__(self, expressions: Expressions, loop: For) -> None:
        self.expressions = expressions
        self.loop = loop
        self.known: dict[str, _Value] = {}

    def body(self) -> list[str] | None:
        """Return the statements of an iteration over `LANES` entries, None where there are none."""
        if self.loop.note != "inside" or self.loop.skip is not None or not self.loop.parallel:
            return None
        if not _has_neighbours(self.loop):
            return None
        try:
            return [self.statement(s) for s in self.loop.body]
        except NoVectors:
            return None

    def statement(self, statement: Stmt) -> str:
        if isinstance(statement, Let):
            if statement.value.type not in (*BYTES, "bool", "i16", "i32"):
                raise NoVectors
            value, name = self.value(statement.value), self.expressions.names.of(statement.name)
            self.known[statement.name] = _Value(name, ATOM, value.range)
            return f"const Bytes {name} = {value.text};"
        if not isinstance(statement, Store):
            raise NoVectors
        place = self.place(statement.array, statement.at)
        return f"*(Bytes *){place} = {self.value(statement.value).text};"

    def place(self, array: Array, at: Expr) -> str:
        """Return the address of the first of neighbouring entries."""
        if array.type not in BYTES or _stride(at, self.loop.var) != 1:
            raise NoVectors
        names = self.expressions.names
        return f"&{names.of(array.name)}[{self.expressions.text(at)}]"

    # ------------------------------------------------------------ expressions

    def value(self, expr: Expr) -> _Value:
        """Return an expression whose entries are numbers modulo 256."""
        if isinstance(expr, Const):
            whole = int(expr.value)
            if expr.type == "f64" or not -128 <= whole <= 255:
                raise NoVectors
            return _Value(f"(Bytes){{0}} + {whole % 256}", 11, (whole, whole))
        if isinstance(expr, Var):
            return self.variable(expr)
        if isinstance(expr, Elem):
            if expr.guard is not None:
                raise NoVectors
            return _Value(
                f"*(const Bytes *){self.place(expr.array, expr.at)}", UNARY, _range(expr.type)
            )
        if isinstance(expr, Cast):
            inner = self.value(expr.a)
            if expr.a.type != "bool":
                return inner
            return _Value(f"{inner.at(UNARY)} & 1", OPERATORS["and"][1], (0, 1))
        if isinstance(expr, Bin):
            return self.binary(expr)
        if isinstance(expr, Cmp):
            return self.comparison(expr)
        if isinstance(expr, Select):
            a, b = self.value(expr.a), self.value(expr.b)
            return self.choice(self.value(expr.condition), a, b)
        raise NoVectors

    def variable(self, expr: Var) -> _Value:
        if expr.name in self.known:
            return self.known[expr.name]
        if expr.name == self.loop.var or expr.type not in BYTES:
            raise NoVectors
        name = self.expressions.names.of(expr.name)
        return _Value(f"(Bytes){{0}} + (uint8_t){name}", 11, _range(expr.type))

    def binary(self, expr: Bin) -> _Value:
        a, b = self.operands(expr.a, expr.b)
        if expr.op in ("min", "max"):
            first = self.compared("lt" if expr.op == "min" else "gt", a, b)
            return self.choice(first, a, b)
        if expr.op in ("and", "or", "xor"):
            symbol, level = OPERATORS[expr.op]
            text = f"{a.at(UNARY)} {symbol} {b.at(UNARY)}"
            return _Value(text, level, None if expr.type == "bool" else (0, 1))
        rule = _RULES.get(expr.op)
        if rule is None or a.range is None or b.range is None:
            raise NoVectors
        symbol, level = OPERATORS[expr.op]
        text = f"{a.at(level)} {symbol} {b.at(level + 1)}"
        return _Value(text, level, rule(a.range, b.range))

    def operands(self, a: Expr, b: Expr) -> tuple[_Value, _Value]:
        """Return two operands, of which one literal need not be spread over a vector."""
        x, y = self.value(a), self.value(b)
        if isinstance(b, Const):
            y = _Value(str(int(b.value) % 256), ATOM, y.range)
        elif isinstance(a, Const):
            x = _Value(str(int(a.value) % 256), ATOM, x.range)
        return x, y

    def comparison(self, expr: Cmp) -> _Value:
        a, b = self.operands(expr.a, expr.b)
        return self.compared(expr.op, a, b)

    def compared(self, op: str, a: _Value, b: _Value) -> _Value:
        if a.range is None or b.range is None:
            raise NoVectors
        low, high = hull(a.range, b.range)
        if high - low > 255 or (op not in ("eq", "ne") and not (low >= 0 or high <= 127)):
            raise NoVectors
        left, right = a.at(10), b.at(10)
        if op not in ("eq", "ne") and low < 0:
            if low < -128:
                raise NoVectors
            left, right = _signed(a), _signed(b)
        return _Value(f"(Bytes)({left} {OPERATORS[op][0]} {right})", UNARY, None)

    def choice(self, condition: _Value, a: _Value, b: _Value) -> _Value:
        range_ = None if a.range is None or b.range is None else hull(a.range, b.range)
        mask = condition.at(UNARY)
        return _Value(f"({mask} & {a.at(UNARY)}) | (~{mask} & {b.at(UNARY)})", 5, range_)


def _signed(value: _Value) -> str:
    if value.text.isdigit():
        return str(int(value.text) - 256 if int(value.text) >= 128 else int(value.text))
    return f"(SignedBytes){value.at(UNARY)}"


def _range(type_: str) -> Interval:
    """Return where entries lie: bits are 0 or 1, and what comes of others does not matter."""
    return (0, 1) if type_ == "bit" else limits(type_)


def _stride(at: Expr, var: str) -> int | None:
    """Return by how much an index grows from iteration to iteration, None where that varies."""
    if isinstance(at, Const):
        return 0
    if isinstance(at, Var):
        return int(at.name == var)
    if not isinstance(at, Bin):
        return None if any(_stride(e, var) != 0 for e in children(at)) else 0
    a, b = _stride(at.a, var), _stride(at.b, var)
    if a is None or b is None:
        return None
    if at.op in ("add", "sub"):
        return a + b if at.op == "add" else a - b
    return 0 if a == b == 0 else None


def _has_neighbours(loop: For) -> bool:
    """Tell whether a loop reads an array at several places."""
    found: dict[str, set[Expr]] = {}
    for statement in loop.body:
        if isinstance(statement, Let) and isinstance(statement.value, Elem):
            found.setdefault(statement.value.array.name, set()).add(statement.value.at)
    return any(len(places) > 1 for places in found.values())
