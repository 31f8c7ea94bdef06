"""A kernel as LLVM assembly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ddc.backends.c.names import identifier
from ddc.backends.lowering.nest import (
    WIDTH,
    Array,
    Assign,
    Bin,
    BitTable,
    Call,
    Cast,
    Cmp,
    Const,
    Count,
    Elem,
    Expr,
    For,
    Kernel,
    Let,
    Mut,
    Pieces,
    Select,
    Stmt,
    Var,
    entry_dtype,
)

from .helpers import texts
from .text import Writer, data, quoted, real

TYPES = {"bool": "i1", "bit": "i8", "f64": "double", **{t: t for t in ("i8", "i16", "i32", "i64")}}
# How the C calling convention wants narrow ints extended.
EXTENSION = {"bit": "zeroext ", "i8": "signext ", "i16": "signext "}
LONGEST_CHAIN = 32  # knots or cuts that become a chain of comparisons

_INT = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}
_REAL = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_SIGNED = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge", "eq": "eq", "ne": "ne"}
_UNSIGNED = {"lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge", "eq": "eq", "ne": "ne"}
_ORDERED = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_INTRINSICS = {"sqrt": "llvm.sqrt.f64", "fabs": "llvm.fabs.f64", "rint": "llvm.rint.f64"}


class Unit:
    """Prints a kernel; `module` is the assembly of everything, for any target."""

    def __init__(self, kernel: Kernel, single: bool = False) -> None:
        """`single` computes and stores reals in single precision, where that was asked for."""
        self.kernel = kernel
        self.single = single
        self.types = {**TYPES, "f64": "float"} if single else TYPES
        self.real = self.types["f64"]
        self.name = identifier(kernel.name, "program")
        self.writer = Writer()
        self.values: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.muts: dict[str, tuple[str, str]] = {}
        self.helpers: set[str] = set()
        self.declared: dict[str, str] = {}
        self.globals: list[str] = []
        self.tables: dict[tuple[str, bytes], str] = {}
        self.flag = ""

    # ------------------------------------------------------------ the module

    def module(self, comment: Sequence[str] = ()) -> str:
        """Return the module as assembly."""
        functions = [self.function()]
        if self.kernel.checked:
            functions.append(self.aborting())
        if self.kernel.workspace:
            functions.append(self.workspace())
        lines = [f"; {line}" for line in comment]
        parts = ["\n".join(lines)] if lines else []
        parts += ["\n".join(self.globals)] if self.globals else []
        parts += functions
        parts += texts(self.helpers)
        parts += ["\n".join(self.declared.values())] if self.declared else []
        parts.append('attributes #0 = { nounwind "prefer-vector-width"="512" }')
        return "\n\n".join(parts) + "\n"

    @property
    def symbol(self) -> str:
        """The function that computes: the one that reports overflows where there is one."""
        return f"{self.name}_checked" if self.kernel.checked else self.name

    def parameters(self, by_pointer: bool) -> list[tuple[str, str]]:
        """Return type (with attributes) and name of each parameter."""
        found = [("i64", f"size.{s}") for s in self.kernel.sizes]
        for p in self.kernel.inputs:
            if p.array is None:
                found.append((self.types[p.type] + " " + EXTENSION.get(p.type, ""), f"in.{p.name}"))
            else:
                found.append(("ptr noalias readonly ", f"in.{p.name}"))
        if self.kernel.workspace:
            found.append(("ptr noalias ", "workspace"))
        if by_pointer or self.kernel.returned is None:
            found += [("ptr noalias ", f"out.{p.name}") for p in self.kernel.outputs]
        return [(type_.strip(), f"%{quoted(name)}") for type_, name in found]

    def head(self, symbol: str, result: str, by_pointer: bool) -> str:
        shown = ", ".join(f"{t} {n}" for t, n in self.parameters(by_pointer))
        return f"define {result} @{symbol}({shown}) #0 {{"

    def result(self) -> str:
        if self.kernel.returned is None:
            return "void"
        type_ = self.kernel.outputs[0].type
        return EXTENSION.get(type_, "") + self.types[type_]

    def function(self) -> str:
        kernel, w = self.kernel, self.writer
        for _, name in self.parameters(by_pointer=True):
            w.name(name.lstrip("%").strip('"'))  # values of the program may not take these
        for size in kernel.sizes:
            self.values[size] = f"%{quoted(f'size.{size}')}"
        for p in kernel.inputs:
            register = f"%{quoted(f'in.{p.name}')}"
            if p.array is None:
                self.values[p.name] = register
            else:
                self.addresses[p.array.name] = register
        by_pointer = kernel.checked or kernel.returned is None
        for p in kernel.outputs:
            if p.array is not None and by_pointer:
                self.addresses[p.array.name] = f"%{quoted(f'out.{p.name}')}"
        if kernel.checked:
            self.flag = w.alloca("i32", "overflow")
            w.line(f"store i32 0, ptr {self.flag}")
        for array in kernel.constants:
            assert array.values is not None
            raw = np.ascontiguousarray(array.values, dtype=self.dtype(array.type)).tobytes()
            self.addresses[array.name] = self.table(array.name, raw)
        for array in kernel.locals:
            self.addresses[array.name] = w.alloca(
                f"[{array.count} x {self.types[array.type]}]", array.name
            )
        self.carve()
        self.block(kernel.body)
        if not kernel.checked and kernel.returned is None:
            w.line("ret void")
        elif not kernel.checked:
            assert kernel.returned is not None
            w.line(f"ret {self.types[kernel.returned.type]} {self.value(kernel.returned)}")
        else:
            if kernel.returned is not None:
                output = kernel.outputs[0]
                place = f"%{quoted(f'out.{output.name}')}"
                w.line(
                    f"store {self.types[output.type]} {self.value(kernel.returned)}, ptr {place}"
                )
            w.line(f"ret i32 {w.let(f'load i32, ptr {self.flag}')}")
        result = "i32" if kernel.checked else self.result()
        return f"{self.head(self.symbol, result, by_pointer)}\n{w.text()}\n}}"

    def carve(self) -> None:
        """Give each array its part of the workspace."""
        place = "%workspace"
        for k, (array, count) in enumerate(self.kernel.workspace):
            self.addresses[array.name] = place
            if k < len(self.kernel.workspace) - 1:
                width = self.width(array.type)
                size = self.writer.let(f"mul i64 {self.value(count)}, {width}", "bytes")
                place = self.writer.let(f"getelementptr i8, ptr {place}, i64 {size}", "part")

    def aborting(self) -> str:
        """Return the function of the contract, which stops the process at an overflow."""
        lines = [self.head(self.name, self.result(), by_pointer=False)]
        args = [f"{t} {n}" for t, n in self.parameters(by_pointer=False)]
        args = [a.replace(" noalias", "").replace(" readonly", "") for a in args]
        lone = self.kernel.returned is not None
        type_ = self.types[self.kernel.outputs[0].type] if lone else ""
        if lone:
            lines.append(f"  %result = alloca {type_}")
            args.append("ptr %result")
        lines += [
            f"  %bad = call i32 @{self.symbol}({', '.join(args)})",
            "  %beyond = icmp ne i32 %bad, 0",
            "  br i1 %beyond, label %abort, label %fine",
            "abort:",
            "  call void @llvm.trap()",
            "  unreachable",
            "fine:",
        ]
        if lone:
            lines += [f"  %value = load {type_}, ptr %result", f"  ret {type_} %value"]
        else:
            lines.append("  ret void")
        self.declared["llvm.trap"] = "declare void @llvm.trap()"
        return "\n".join([*lines, "}"])

    def workspace(self) -> str:
        """Return the function that tells how many bytes of scratch memory are needed."""
        unit = Unit(self.kernel, self.single)
        unit.values = {s: f"%{quoted(f'size.{s}')}" for s in self.kernel.sizes}
        w, total = unit.writer, "0"
        for array, count in self.kernel.workspace:
            width = self.width(array.type)
            size = w.let(f"mul i64 {unit.value(count)}, {width}", "bytes")
            total = w.let(f"add i64 {total}, {size}", "total")
        w.line(f"ret i64 {total}")
        self.helpers |= unit.helpers
        sizes = ", ".join(f"i64 %{quoted(f'size.{s}')}" for s in self.kernel.sizes)
        return f"define i64 @{self.name}_workspace({sizes}) #0 {{\n{w.text()}\n}}"

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

    # ------------------------------------------------------------ statements

    def block(self, body: Sequence[Stmt]) -> None:
        for statement in body:
            if isinstance(statement, For):
                self.loop(statement)
            elif isinstance(statement, Let):
                self.values[statement.name] = self.value(statement.value, statement.name)
            elif isinstance(statement, Mut):
                address = self.writer.alloca(self.types[statement.type], statement.name)
                self.muts[statement.name] = (address, statement.type)
                self.assign(statement.name, self.value(statement.value))
            elif isinstance(statement, Assign):
                self.assign(statement.name, self.value(statement.value))
            else:
                type_ = self.types[statement.array.type]
                value = self.value(statement.value)
                place = self.place(statement.array, statement.at)
                width = self.width(statement.array.type)
                self.writer.line(f"store {type_} {value}, ptr {place}, align {width}")

    def assign(self, name: str, value: str) -> None:
        address, type_ = self.muts[name]
        self.writer.line(f"store {self.types[type_]} {value}, ptr {address}")

    def loop(self, loop: For) -> None:
        w = self.writer
        low, high = self.value(loop.low), self.value(loop.high)
        start: str = low
        step: Any = "1"
        if loop.skip is not None:
            first, end = self.value(loop.skip[0]), self.value(loop.skip[1])
            at_once = w.let(f"icmp eq i64 {low}, {first}", "skip")
            start = w.let(f"select i1 {at_once}, i64 {end}, i64 {low}", "start")

            def leap(var: str) -> str:
                following = w.let(f"add nsw i64 {var}, 1", "next")
                here = w.let(f"icmp eq i64 {following}, {first}", "skip")
                return w.let(f"select i1 {here}, i64 {end}, i64 {following}", "next")

            step = leap
        with w.loop(start, high, loop.var, step) as found:
            self.values[loop.var] = found.var
            self.block(loop.body)

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
        w = self.writer
        raw, x = self.value(expr.raw), self.value(expr.x)
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
    Bin: Unit.binary,
    Cmp: Unit.comparison,
    Select: Unit.select,
    Cast: Unit.cast,
    Elem: Unit.entry,
    Call: Unit.call,
    BitTable: Unit.bit_table,
    Count: Unit.count,
    Pieces: Unit.pieces,
}
