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

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
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
                found.append((TYPES[p.type] + " " + EXTENSION.get(p.type, ""), f"in.{p.name}"))
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
        return EXTENSION.get(type_, "") + TYPES[type_]

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
            raw = np.ascontiguousarray(array.values, dtype=entry_dtype(array.type)).tobytes()
            self.addresses[array.name] = self.table(array.name, raw)
        for array in kernel.locals:
            self.addresses[array.name] = w.alloca(
                f"[{array.count} x {TYPES[array.type]}]", array.name
            )
        self.carve()
        self.block(kernel.body)
        if not kernel.checked and kernel.returned is None:
            w.line("ret void")
        elif not kernel.checked:
            assert kernel.returned is not None
            w.line(f"ret {TYPES[kernel.returned.type]} {self.value(kernel.returned)}")
        else:
            if kernel.returned is not None:
                output = kernel.outputs[0]
                place = f"%{quoted(f'out.{output.name}')}"
                w.line(f"store {TYPES[output.type]} {self.value(kernel.returned)}, ptr {place}")
            w.line(f"ret i32 {w.let(f'load i32, ptr {self.flag}')}")
        result = "i32" if kernel.checked else self.result()
        return f"{self.head(self.symbol, result, by_pointer)}\n{w.text()}\n}}"

    def carve(self) -> None:
        """Give each array its part of the workspace."""
        place = "%workspace"
        for k, (array, count) in enumerate(self.kernel.workspace):
            self.addresses[array.name] = place
            if k < len(self.kernel.workspace) - 1:
                width = entry_dtype(array.type).itemsize
                size = self.writer.let(f"mul i64 {self.value(count)}, {width}", "bytes")
                place = self.writer.let(f"getelementptr i8, ptr {place}, i64 {size}", "part")

    def aborting(self) -> str:
        """Return the function of the contract, which stops the process at an overflow."""
        lines = [self.head(self.name, self.result(), by_pointer=False)]
        args = [f"{t} {n}" for t, n in self.parameters(by_pointer=False)]
        args = [a.replace(" noalias", "").replace(" readonly", "") for a in args]
        lone = self.kernel.returned is not None
        type_ = TYPES[self.kernel.outputs[0].type] if lone else ""
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
        unit = Unit(self.kernel)
        unit.values = {s: f"%{quoted(f'size.{s}')}" for s in self.kernel.sizes}
        w, total = unit.writer, "0"
        for array, count in self.kernel.workspace:
            width = entry_dtype(array.type).itemsize
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

    # ------------------------------------------------------------ statements

    def block(self, body: Sequence[Stmt]) -> None:
        for statement in body:
            if isinstance(statement, For):
                self.loop(statement)
            elif isinstance(statement, Let):
                self.values[statement.name] = self.value(statement.value, statement.name)
            elif isinstance(statement, Mut):
                address = self.writer.alloca(TYPES[statement.type], statement.name)
                self.muts[statement.name] = (address, statement.type)
                self.assign(statement.name, self.value(statement.value))
            elif isinstance(statement, Assign):
                self.assign(statement.name, self.value(statement.value))
            else:
                type_ = TYPES[statement.array.type]
                value = self.value(statement.value)
                place = self.place(statement.array, statement.at)
                width = entry_dtype(statement.array.type).itemsize
                self.writer.line(f"store {type_} {value}, ptr {place}, align {width}")

    def assign(self, name: str, value: str) -> None:
        address, type_ = self.muts[name]
        self.writer.line(f"store {TYPES[type_]} {value}, ptr {address}")

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
            f"getelementptr inbounds {TYPES[array.type]}, ptr {address}, i64 {index}", "at"
        )

    # ------------------------------------------------------------ expressions

    def value(self, expr: Expr, wish: str = "t") -> str:
        """Return the register or literal of an expression."""
        if isinstance(expr, Const):
            return constant(expr)
        if isinstance(expr, Var):
            if expr.name in self.muts:
                address, type_ = self.muts[expr.name]
                return self.writer.let(f"load {TYPES[type_]}, ptr {address}", expr.name)
            return self.values[expr.name]
        found: str = _EXPRESSIONS[type(expr)](self, expr, wish)
        return found

    def binary(self, expr: Bin, wish: str) -> str:
        a, b = self.value(expr.a), self.value(expr.b)
        type_ = TYPES[expr.type]
        if expr.op in ("min", "max"):
            return self.extreme(expr, a, b, wish)
        if expr.type == "f64":
            return self.writer.let(f"{_REAL[expr.op]} double {a}, {b}", wish)
        return self.writer.let(f"{_INT[expr.op]} {type_} {a}, {b}", wish)

    def extreme(self, expr: Bin, a: str, b: str, wish: str) -> str:
        w, type_ = self.writer, TYPES[expr.type]
        if expr.type == "f64":
            op = "olt" if expr.op == "min" else "ogt"
            first = w.let(f"fcmp {op} double {a}, {b}")
            nan = w.let(f"fcmp uno double {a}, {a}")
            first = w.let(f"or i1 {first}, {nan}")
        else:
            order = _UNSIGNED if expr.type == "bit" else _SIGNED
            op = order["lt" if expr.op == "min" else "gt"]
            first = w.let(f"icmp {op} {type_} {a}, {b}")
        return w.let(f"select i1 {first}, {type_} {a}, {type_} {b}", wish)

    def comparison(self, expr: Cmp, wish: str) -> str:
        a, b = self.value(expr.a), self.value(expr.b)
        if expr.a.type == "f64":
            return self.writer.let(f"fcmp {_ORDERED[expr.op]} double {a}, {b}", wish)
        order = _UNSIGNED if expr.a.type in ("bit", "bool") else _SIGNED
        return self.writer.let(f"icmp {order[expr.op]} {TYPES[expr.a.type]} {a}, {b}", wish)

    def select(self, expr: Select, wish: str) -> str:
        condition, a, b = self.value(expr.condition), self.value(expr.a), self.value(expr.b)
        type_ = TYPES[expr.type]
        return self.writer.let(f"select i1 {condition}, {type_} {a}, {type_} {b}", wish)

    def cast(self, expr: Cast, wish: str) -> str:
        value, source, target = self.value(expr.a), expr.a.type, expr.type
        a, b = TYPES[source], TYPES[target]
        unsigned = source in ("bool", "bit")
        if target == "f64":
            return self.writer.let(
                f"{'uitofp' if unsigned else 'sitofp'} {a} {value} to double", wish
            )
        if WIDTH[source] == WIDTH[target]:
            return value
        if WIDTH[source] > WIDTH[target]:
            return self.writer.let(f"trunc {a} {value} to {b}", wish)
        return self.writer.let(f"{'zext' if unsigned else 'sext'} {a} {value} to {b}", wish)

    def entry(self, expr: Elem, wish: str) -> str:
        w, type_ = self.writer, TYPES[expr.array.type]
        width = entry_dtype(expr.array.type).itemsize
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
        args = [f"{TYPES[a.type]} {self.value(a)}" for a in expr.args]
        if expr.type == "f64":
            name = _INTRINSICS.get(expr.function, expr.function)
            types = ", ".join(["double"] * len(args))
            self.declared[name] = f"declare double @{name}({types}) nounwind memory(none)"
            return self.writer.let(f"call double @{name}({', '.join(args)})", wish)
        self.helpers.add(expr.function)
        if expr.function.endswith("_checked"):
            args.append(f"ptr {self.flag}")
        return self.writer.let(f"call i64 @ddc.{expr.function}({', '.join(args)})", wish)

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
        if len(expr.cuts) > LONGEST_CHAIN:
            name = "at_most" if real_cuts else "int_at_most"
            self.helpers.add(name)
            table = self.table(
                expr.name, np.array(expr.cuts, "<f8" if real_cuts else "<i8").tobytes()
            )
            type_ = "double" if real_cuts else "i64"
            return w.let(
                f"call i64 @ddc.{name}(ptr {table}, i64 {len(expr.cuts)}, {type_} {x})", wish
            )
        total = "0"
        for cut in expr.cuts:
            literal = constant(Const(cut, expr.x.type))
            test = f"fcmp oge double {x}" if real_cuts else f"icmp sge i64 {x}"
            reached = w.let(f"{test}, {literal}")
            total = w.let(f"add i64 {total}, {w.let(f'zext i1 {reached} to i64')}", wish)
        return total

    def pieces(self, expr: Pieces, wish: str) -> str:
        w = self.writer
        raw, x = self.value(expr.raw), self.value(expr.x)
        columns = (expr.heights, expr.slopes, expr.feet)
        if len(expr.places) > LONGEST_CHAIN:
            self.helpers.add("at_most")
            places = self.table(f"{expr.name}.places", np.array(expr.places, "<f8").tobytes())
            piece = w.let(
                f"call i64 @ddc.at_most(ptr {places}, i64 {len(expr.places)}, double {raw})"
            )
            chosen: list[str] = []
            for label, column in zip(("heights", "slopes", "feet"), columns):
                base = self.table(f"{expr.name}.{label}", np.array(column, "<f8").tobytes())
                place = w.let(f"getelementptr inbounds double, ptr {base}, i64 {piece}")
                chosen.append(w.let(f"load double, ptr {place}, align 8"))
        else:
            chosen = [real(column[0]) for column in columns]
            for k, knot in enumerate(expr.places, 1):
                reached = w.let(f"fcmp oge double {raw}, {real(knot)}")
                for c, values in enumerate(columns):
                    if values[k] != values[k - 1]:
                        text = f"select i1 {reached}, double {real(values[k])}, double {chosen[c]}"
                        chosen[c] = w.let(text)
        height, slope, foot = chosen
        away = w.let(f"fsub double {x}, {foot}")
        rise = w.let(f"fmul double {slope}, {away}")
        sloped = w.let(f"fadd double {height}, {rise}")
        flat = w.let(f"fcmp oeq double {slope}, {real(0.0)}")
        return w.let(f"select i1 {flat}, double {height}, double {sloped}", wish)


def constant(expr: Const) -> str:
    """Return a literal."""
    if expr.type == "f64":
        number = float(expr.value)
        return real(math.nan) if math.isnan(number) else real(number)
    if expr.type == "bool":
        return "true" if expr.value else "false"
    return str(int(expr.value))


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
