"""Expressions of the loop IR as C, with parentheses where a reader or the language needs them."""

from __future__ import annotations

import math

from ddc.backends.lowering.nest import (
    REAL_FUNCTIONS,
    WIDTH,
    Array,
    Bin,
    BitTable,
    Call,
    Cast,
    Cmp,
    Const,
    Count,
    Elem,
    Expr,
    Pieces,
    Select,
    Var,
)

from .helpers import CALLS
from .names import Names

TYPES = {
    "bool": "int",
    "bit": "uint8_t",
    "i8": "int8_t",
    "i16": "int16_t",
    "i32": "int",
    "i64": "int64_t",
    "f64": "double",
}
STORED = {**TYPES, "i32": "int32_t"}

# operator -> (symbol, precedence); a higher one binds tighter
OPERATORS = {
    "mul": ("*", 12),
    "div": ("/", 12),
    "add": ("+", 11),
    "sub": ("-", 11),
    "lt": ("<", 9),
    "le": ("<=", 9),
    "gt": (">", 9),
    "ge": (">=", 9),
    "eq": ("==", 8),
    "ne": ("!=", 8),
    "and": ("&", 7),
    "xor": ("^", 6),
    "or": ("|", 5),
}
ATOM, UNARY, AND, OR, TERNARY = 15, 13, 4, 3, 2
_BITWISE = ("and", "or", "xor")


class Expressions:
    """Prints expressions; collects the helpers and tables that they use."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.helpers: set[str] = set()
        self.tables: dict[str, str] = {}

    def text(self, expr: Expr, least: int = 0) -> str:
        """Return an expression for a place where operators below `least` need parentheses."""
        text, level = self.print(expr)
        return f"({text})" if level < least else text

    def print(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, Const):
            return constant(expr)
        if isinstance(expr, Var):
            return self.names.of(expr.name), ATOM
        if isinstance(expr, Bin):
            return self.binary(expr)
        if isinstance(expr, Cmp):
            return self.comparison(expr)
        if isinstance(expr, Select):
            condition = self.text(expr.condition, OR)
            first, second = self.text(expr.a, OR), self.text(expr.b, TERNARY)
            return f"{condition} ? {first} : {second}", TERNARY
        if isinstance(expr, Cast):
            return self.cast(expr)
        if isinstance(expr, Elem):
            return self.entry(expr)
        if isinstance(expr, Call):
            return self.call(expr)
        if isinstance(expr, BitTable):
            width = 32 if expr.word < 1 << 32 else 64
            word = f"UINT{width}_C({expr.word:#x})"
            return f"({word} >> {self.text(expr.at, UNARY)}) & 1", 7
        if isinstance(expr, Pieces):
            return self.pieces(expr)
        return self.count(expr)

    def binary(self, expr: Bin) -> tuple[str, int]:
        if expr.op in ("min", "max"):
            return self.extreme(expr)
        if expr.type == "bool":
            symbol, level = ("&&", AND) if expr.op == "and" else ("||", OR)
            inner = level if expr.op == "and" else AND
            return f"{self.text(expr.a, inner)} {symbol} {self.text(expr.b, inner + 1)}", level
        if expr.op == "xor" and expr.b == Const(1, "bit"):
            return f"{self.text(expr.a, UNARY)} ^ 1", 6
        if not expr.defined and expr.type in ("i32", "i64"):
            return self.wrapping(expr)
        if expr.type == "f64" and expr.op == "mul" and expr.a == Const(-1.0, "f64"):
            return f"-{self.text(expr.b, UNARY + 1)}", UNARY
        symbol, level = OPERATORS[expr.op]
        # Mixed bitwise operators read better with parentheses, and compilers ask for them.
        left = level if expr.op not in _BITWISE else self.bitwise(expr.a, expr.op)
        right = level + 1 if expr.op not in _BITWISE else self.bitwise(expr.b, expr.op)
        return f"{self.text(expr.a, left)} {symbol} {self.text(expr.b, right)}", level

    def bitwise(self, operand: Expr, op: str) -> int:
        same = isinstance(operand, Bin) and operand.op == op
        return OPERATORS[op][1] if same else UNARY

    def wrapping(self, expr: Bin) -> tuple[str, int]:
        """Return arithmetic that wraps where inputs break their declared ranges."""
        plain = "uint64_t" if expr.type == "i64" else "uint32_t"
        symbol, level = OPERATORS[expr.op]
        a, b = self.text(expr.a, UNARY), self.text(expr.b, UNARY)
        del level
        return f"({STORED[expr.type]})(({plain}){a} {symbol} ({plain}){b})", UNARY

    def extreme(self, expr: Bin) -> tuple[str, int]:
        if expr.type == "f64":
            name = f"real_{expr.op}"
            self.helpers.add(name)
            return f"{name}({self.text(expr.a)}, {self.text(expr.b)})", ATOM
        symbol = "<" if expr.op == "min" else ">"
        a, b = self.text(expr.a, 10), self.text(expr.b, 10)
        return f"{a} {symbol} {b} ? {a} : {b}", TERNARY

    def comparison(self, expr: Cmp) -> tuple[str, int]:
        if expr.a == expr.b and expr.a.type == "f64" and expr.op in ("eq", "ne"):
            test = f"isnan({self.text(expr.a)})"
            return (f"!{test}", UNARY) if expr.op == "eq" else (test, ATOM)
        if expr.op == "ne" and expr.b == Const(0, "bit"):
            return self.print(expr.a)
        symbol, level = OPERATORS[expr.op]
        return f"{self.text(expr.a, 10)} {symbol} {self.text(expr.b, 10)}", level

    def cast(self, expr: Cast) -> tuple[str, int]:
        source, target = expr.a.type, expr.type
        widens = source != "f64" and target != "f64" and WIDTH[source] <= WIDTH[target]
        if source in ("bit", "bool") and target in ("bit", "bool", "i8", "i16", "i32"):
            if not (target == "i8" and source == "bit"):
                return self.print(expr.a)
        if widens and target in ("i16", "i32"):
            return self.print(expr.a)
        return f"({STORED[target]}){self.text(expr.a, UNARY)}", UNARY

    def entry(self, expr: Elem) -> tuple[str, int]:
        text = f"{self.names.of(expr.array.name)}[{self.text(expr.at)}]"
        if expr.guard is None or expr.other is None:
            return text, ATOM
        return f"{self.text(expr.guard, OR)} ? {text} : {self.text(expr.other, OR)}", TERNARY

    def call(self, expr: Call) -> tuple[str, int]:
        args = [self.text(a) for a in expr.args]
        if expr.function in REAL_FUNCTIONS:
            return f"{expr.function}({', '.join(args)})", ATOM
        name = CALLS[expr.function]
        self.helpers.add(name)
        if expr.function.endswith("_checked"):
            args.append("&overflow")
        return f"{name}({', '.join(args)})", ATOM

    def table(self, wish: str, type_: str, values: tuple[float | int, ...]) -> str:
        name = self.names.of(wish)
        self.tables[name] = static_table(name, type_, values)
        return name

    def pieces(self, expr: Pieces) -> tuple[str, int]:
        self.helpers.add("piecewise")
        parts = {
            "place": expr.places,
            "height": expr.heights,
            "slope": expr.slopes,
            "foot": expr.feet,
        }
        tables = [self.table(f"{expr.name}_{key}", "f64", v) for key, v in parts.items()]
        raw, x = self.text(expr.raw), self.text(expr.x)
        return f"piecewise({', '.join(tables)}, {len(expr.places)}, {raw}, {x})", ATOM

    def count(self, expr: Count) -> tuple[str, int]:
        if not expr.cuts:
            return "0", ATOM
        real = expr.x.type == "f64"
        if len(expr.cuts) <= 4:
            x = self.text(expr.x, 10)
            terms = [f"({x} >= {constant(Const(c, expr.x.type))[0]})" for c in expr.cuts]
            return " + ".join(terms), ATOM if len(terms) == 1 else 11
        name = "at_most" if real else "int_at_most"
        self.helpers.add(name)
        table = self.table(f"{expr.name}", "f64" if real else "i64", expr.cuts)
        return f"{name}({table}, {len(expr.cuts)}, {self.text(expr.x)})", ATOM


def constant(expr: Const) -> tuple[str, int]:
    """Return a literal that has exactly the value."""
    value = expr.value
    if expr.type == "f64":
        number = float(value)
        if math.isnan(number):
            return "NAN", ATOM
        if math.isinf(number):
            return ("INFINITY", ATOM) if number > 0 else ("-INFINITY", UNARY)
        return repr(number), ATOM if number >= 0 else UNARY
    whole = int(value)
    if whole == -(1 << 63):
        return "INT64_MIN", ATOM
    if whole == -(1 << 31):
        return "INT32_MIN", ATOM
    if abs(whole) >= 1 << 31:
        sign = "-" if whole < 0 else ""
        return f"{sign}INT64_C({abs(whole)})", UNARY if whole < 0 else ATOM
    return str(whole), ATOM if whole >= 0 else UNARY


def static_table(name: str, type_: str, values: tuple[float | int, ...]) -> str:
    """Return the definition of a constant array."""
    entries = [constant(Const(v, type_))[0] for v in values] or ["0"]
    lines: list[str] = [""]
    for k, entry in enumerate(entries):
        piece = entry + ("," if k < len(entries) - 1 else "")
        if len(lines[-1]) + len(piece) > 90:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + piece
    head = f"static const {STORED[type_]} {name}[{len(entries)}] = "
    if len(lines) == 1 and len(head) + len(lines[0]) < 96:
        return head + "{" + lines[0] + "};"
    return head + "{\n" + "\n".join(f"    {line}" for line in lines) + "\n};"


def declared_array(array: Array, names: Names) -> str:
    """Return the definition of an array on the stack."""
    return f"{STORED[array.type]} {names.of(array.name)}[{array.count}];"
