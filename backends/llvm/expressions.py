"""Expressions of the loop IR as LLVM assembly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ddc.backends.lowering.nest import (
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
    entry_dtype,
)

from .curves import FEWEST, MOST, VectorCurve
from .text import Writer, data, quoted, real

TYPES = {"bool": "i1", "bit": "i8", "f64": "double", **{t: t for t in ("i8", "i16", "i32", "i64")}}
FIRST_VARIANT = 10  # number of the attributes of calls that have a vector form
LONGEST_CHAIN = 32  # knots or cuts that become a chain of comparisons

_INT = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}
_REAL = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_SIGNED = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge", "eq": "eq", "ne": "ne"}
_UNSIGNED = {"lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge", "eq": "eq", "ne": "ne"}
_ORDERED = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_INTRINSICS = {"sqrt": "llvm.sqrt.f64", "fabs": "llvm.fabs.f64", "rint": "llvm.rint.f64"}


class Expressions:
    """Prints expressions into one function; collects the tables and helpers that they use."""

    def __init__(self, name: str, single: bool = False, wide: bool = False) -> None:
        """`single` computes and stores reals in single precision, where that was asked for.

        `wide` is for processors that have AVX-512.
        """
        self.name = name
        self.single = single
        self.wide = wide
        self.types = {**TYPES, "f64": "float"} if single else TYPES
        self.real = self.types["f64"]
        self.writer = Writer()
        self.values: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.muts: dict[str, tuple[str, str]] = {}
        self.helpers: set[str] = set()
        self.declared: dict[str, str] = {}
        self.globals: list[str] = []
        self.functions: list[str] = []
        self.variants: list[tuple[str, str, int]] = []  # functions, their vector forms, lanes
        self.tables: dict[tuple[str, bytes], str] = {}
        self.flag = ""

    def table(self, wish: str, raw: bytes) -> str:
        """Return the address of constant bytes; equal ones are shared."""
        key = ("", raw)
        if key not in self.tables:
            name = f"@{quoted(f'{self.name}.{wish}')}"
            if any(t == name for t in self.tables.values()):
                name = f"@{quoted(f'{self.name}.{wish}.{len(self.tables)}')}"
            self.tables[key] = name
            kept = raw or b"\0"
            self.globals.append(
                f"{name} = private unnamed_addr constant [{len(kept)} x i8] {data(kept)}, align 64"
            )
        return self.tables[key]

    def dtype(self, type_: str) -> np.dtype[Any]:
        """Return the numpy dtype of stored entries."""
        return np.dtype(np.float32) if self.single and type_ == "f64" else entry_dtype(type_)

    def width(self, type_: str) -> int:
        """Return the bytes of a stored entry."""
        return self.dtype(type_).itemsize

    def literal(self, value: float) -> str:
        """Return a real literal; LLVM writes singles as the doubles that they are."""
        return real(float(np.float32(value))) if self.single else real(value)

    def constant(self, expr: Const) -> str:
        """Return a literal."""
        if expr.type == "f64":
            number = float(expr.value)
            return self.literal(math.nan if math.isnan(number) else number)
        if expr.type == "bool":
            return "true" if expr.value else "false"
        return str(int(expr.value))

    def place(self, array: Array, at: Expr) -> str:
        address, index = self.addresses[array.name], self.value(at)
        return self.writer.let(
            f"getelementptr inbounds {self.types[array.type]}, ptr {address}, i64 {index}", "at"
        )

    # ------------------------------------------------------------ expressions

    def value(self, expr: Expr, wish: str = "t") -> str:
        """Return the register or literal of an expression."""
        if isinstance(expr, Const):
            return self.constant(expr)
        if isinstance(expr, Var):
            if expr.name in self.muts:
                address, type_ = self.muts[expr.name]
                return self.writer.let(f"load {self.types[type_]}, ptr {address}", expr.name)
            return self.values[expr.name]
        found: str = _EXPRESSIONS[type(expr)](self, expr, wish)
        return found

    def binary(self, expr: Bin, wish: str) -> str:
        a, b = self.value(expr.a), self.value(expr.b)
        type_ = self.types[expr.type]
        if expr.op in ("min", "max"):
            return self.extreme(expr, a, b, wish)
        if expr.type == "f64":
            return self.writer.let(f"{_REAL[expr.op]} {self.real} {a}, {b}", wish)
        return self.writer.let(f"{_INT[expr.op]} {type_} {a}, {b}", wish)

    def extreme(self, expr: Bin, a: str, b: str, wish: str) -> str:
        w, type_ = self.writer, self.types[expr.type]
        if expr.type == "f64":
            op = "olt" if expr.op == "min" else "ogt"
            first = w.let(f"fcmp {op} {self.real} {a}, {b}")
            nan = w.let(f"fcmp uno {self.real} {a}, {a}")
            first = w.let(f"or i1 {first}, {nan}")
        else:
            order = _UNSIGNED if expr.type == "bit" else _SIGNED
            op = order["lt" if expr.op == "min" else "gt"]
            first = w.let(f"icmp {op} {type_} {a}, {b}")
        return w.let(f"select i1 {first}, {type_} {a}, {type_} {b}", wish)

    def comparison(self, expr: Cmp, wish: str) -> str:
        if self.single and expr.a.type == "f64":
            expr = _single_comparison(expr)
        a, b = self.value(expr.a), self.value(expr.b)
        if expr.a.type == "f64":
            return self.writer.let(f"fcmp {_ORDERED[expr.op]} {self.real} {a}, {b}", wish)
        order = _UNSIGNED if expr.a.type in ("bit", "bool") else _SIGNED
        return self.writer.let(f"icmp {order[expr.op]} {self.types[expr.a.type]} {a}, {b}", wish)

    def select(self, expr: Select, wish: str) -> str:
        condition, a, b = self.value(expr.condition), self.value(expr.a), self.value(expr.b)
        type_ = self.types[expr.type]
        return self.writer.let(f"select i1 {condition}, {type_} {a}, {type_} {b}", wish)

    def cast(self, expr: Cast, wish: str) -> str:
        value, source, target = self.value(expr.a), expr.a.type, expr.type
        a, b = self.types[source], self.types[target]
        unsigned = source in ("bool", "bit")
        if target == "f64":
            return self.writer.let(
                f"{'uitofp' if unsigned else 'sitofp'} {a} {value} to {self.real}", wish
            )
        if WIDTH[source] == WIDTH[target]:
            return value
        if WIDTH[source] > WIDTH[target]:
            return self.writer.let(f"trunc {a} {value} to {b}", wish)
        return self.writer.let(f"{'zext' if unsigned else 'sext'} {a} {value} to {b}", wish)

    def entry(self, expr: Elem, wish: str) -> str:
        w, type_ = self.writer, self.types[expr.array.type]
        width = self.width(expr.array.type)
        if expr.guard is None or expr.other is None:
            place = self.place(expr.array, expr.at)
            return w.let(f"load {type_}, ptr {place}, align {width}", wish)
        guard, other = self.value(expr.guard), self.value(expr.other)
        index = self.value(expr.at)
        base = self.addresses[expr.array.name]
        if not expr.empty:
            safe = w.let(f"select i1 {guard}, i64 {index}, i64 0", "inside")
            place = w.let(f"getelementptr inbounds {type_}, ptr {base}, i64 {safe}", "at")
            read = w.let(f"load {type_}, ptr {place}, align {width}")
            return w.let(f"select i1 {guard}, {type_} {read}, {type_} {other}", wish)
        inside, after, before = w.name("inside"), w.name("after"), w.block
        w.branch(guard, inside, after)
        w.start(inside)
        place = w.let(f"getelementptr inbounds {type_}, ptr {base}, i64 {index}", "at")
        read = w.let(f"load {type_}, ptr {place}, align {width}")
        w.goto(after)
        w.start(after)
        return w.let(f"phi {type_} [ {read}, %{inside} ], [ {other}, %{before} ]", wish)

    def call(self, expr: Call, wish: str) -> str:
        if expr.type == "f64":
            return self.real_function(expr.function, [self.value(e) for e in expr.args], wish)
        args = [f"{self.types[a.type]} {self.value(a)}" for a in expr.args]
        self.helpers.add(expr.function)
        if expr.function.endswith("_checked"):
            args.append(f"ptr {self.flag}")
        return self.writer.let(f"call i64 @ddc.{expr.function}({', '.join(args)})", wish)

    def real_function(self, function: str, args: Sequence[str], wish: str) -> str:
        w = self.writer
        name = _INTRINSICS.get(function, function)
        if self.single:
            args = [w.let(f"fpext float {a} to double") for a in args]
        types = ", ".join(["double"] * len(args))
        self.declared[name] = f"declare double @{name}({types}) nounwind memory(none)"
        shown = ", ".join(f"double {a}" for a in args)
        value = w.let(f"call double @{name}({shown})", wish)
        return w.let(f"fptrunc double {value} to float", wish) if self.single else value

    def bit_table(self, expr: BitTable, wish: str) -> str:
        w = self.writer
        width = "i32" if expr.word < 1 << 32 else "i64"
        at = self.value(expr.at)
        if width == "i32":
            at = w.let(f"trunc i64 {at} to i32")
        shifted = w.let(f"lshr {width} {expr.word}, {at}")
        small = w.let(f"trunc {width} {shifted} to i8")
        return w.let(f"and i8 {small}, 1", wish)

    def count(self, expr: Count, wish: str) -> str:
        w, x = self.writer, self.value(expr.x)
        real_cuts = expr.x.type == "f64"
        if len(expr.cuts) > LONGEST_CHAIN and not self.single:
            name = "at_most" if real_cuts else "int_at_most"
            self.helpers.add(name)
            table = self.table(
                expr.name, np.array(expr.cuts, "<f8" if real_cuts else "<i8").tobytes()
            )
            type_ = self.real if real_cuts else "i64"
            return w.let(
                f"call i64 @ddc.{name}(ptr {table}, i64 {len(expr.cuts)}, {type_} {x})", wish
            )
        total = "0"
        for cut in expr.cuts:
            literal = self.constant(Const(cut, expr.x.type))
            test = f"fcmp oge {self.real} {x}" if real_cuts else f"icmp sge i64 {x}"
            reached = w.let(f"{test}, {literal}")
            total = w.let(f"add i64 {total}, {w.let(f'zext i1 {reached} to i64')}", wish)
        return total

    def pieces(self, expr: Pieces, wish: str) -> str:
        raw, x = self.value(expr.raw), self.value(expr.x)
        if not self.wide or not FEWEST <= len(expr.places) <= MOST:
            return self.line(expr, raw, x, wish)
        name = f"{self.name}.curve{len(self.variants)}"
        wide = f"{name}.wide"
        whole, inner = self.writer, Writer()
        for taken in ("raw", "x"):
            inner.name(taken)
        self.writer = inner
        inner.line(f"ret {self.real} {self.line(expr, '%raw', '%x', 'y')}")
        self.writer = whole
        head = f"define internal {self.real} @{name}({self.real} %raw, {self.real} %x) #9 {{"
        curve = VectorCurve(self.single, self.literal)
        self.functions += [
            f"{head}\n{inner.text()}\n}}",
            curve.text(wide, expr.places, expr.heights, expr.slopes, expr.feet),
        ]
        self.declared[curve.permute] = curve.declaration
        self.variants.append((name, wide, curve.lanes))
        mark = f"#{FIRST_VARIANT + len(self.variants) - 1}"
        return whole.let(
            f"call {self.real} @{name}({self.real} {raw}, {self.real} {x}) {mark}", wish
        )

    def line(self, expr: Pieces, raw: str, x: str, wish: str) -> str:
        """Return the height of a curve, by comparisons or by tables in memory."""
        w = self.writer
        columns = (expr.heights, expr.slopes, expr.feet)
        if len(expr.places) > LONGEST_CHAIN and not self.single:
            self.helpers.add("at_most")
            places = self.table(f"{expr.name}.places", np.array(expr.places, "<f8").tobytes())
            piece = w.let(
                f"call i64 @ddc.at_most(ptr {places}, i64 {len(expr.places)}, {self.real} {raw})"
            )
            chosen: list[str] = []
            for label, column in zip(("heights", "slopes", "feet"), columns):
                base = self.table(f"{expr.name}.{label}", np.array(column, "<f8").tobytes())
                place = w.let(f"getelementptr inbounds {self.real}, ptr {base}, i64 {piece}")
                chosen.append(w.let(f"load {self.real}, ptr {place}, align 8"))
        else:
            chosen = [self.literal(column[0]) for column in columns]
            for k, knot in enumerate(expr.places, 1):
                reached = w.let(f"fcmp oge {self.real} {raw}, {self.literal(knot)}")
                for c, values in enumerate(columns):
                    if values[k] != values[k - 1]:
                        text = f"select i1 {reached}, {self.real} {self.literal(values[k])}, {self.real} {chosen[c]}"
                        chosen[c] = w.let(text)
        height, slope, foot = chosen
        away = w.let(f"fsub {self.real} {x}, {foot}")
        rise = w.let(f"fmul {self.real} {slope}, {away}")
        sloped = w.let(f"fadd {self.real} {height}, {rise}")
        flat = w.let(f"fcmp oeq {self.real} {slope}, {self.literal(0.0)}")
        return w.let(f"select i1 {flat}, {self.real} {height}, {self.real} {sloped}", wish)


def least_single(value: float, strict: bool) -> float:
    """Return the least single-precision number at or (strictly) above a number."""
    near = np.float32(value)
    if float(near) < value or (strict and float(near) == value):
        near = np.nextafter(near, np.float32(np.inf))
    return float(near)


def _single_comparison(expr: Cmp) -> Cmp:
    """Return a comparison of a single with a literal that decides as the literal itself would."""
    mirrored = {"ge": "le", "le": "ge", "gt": "lt", "lt": "gt"}
    if isinstance(expr.a, Const) and not isinstance(expr.b, Const):
        expr = Cmp(mirrored.get(expr.op, expr.op), expr.b, expr.a)
    if not isinstance(expr.b, Const) or not math.isfinite(expr.b.value):
        return expr
    cut = float(expr.b.value)
    if expr.op in mirrored:
        op = "ge" if expr.op in ("ge", "gt") else "lt"
        return Cmp(op, expr.a, Const(least_single(cut, expr.op in ("gt", "le")), "f64"))
    exact = float(np.float32(cut)) == cut
    return expr if exact else Cmp(expr.op, expr.a, Const(math.nan, "f64"))


_EXPRESSIONS: Mapping[type, Any] = {
    Bin: Expressions.binary,
    Cmp: Expressions.comparison,
    Select: Expressions.select,
    Cast: Expressions.cast,
    Elem: Expressions.entry,
    Call: Expressions.call,
    BitTable: Expressions.bit_table,
    Count: Expressions.count,
    Pieces: Expressions.pieces,
}
