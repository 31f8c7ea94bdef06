"""A kernel as LLVM assembly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddc.backends.c.names import identifier
from ddc.backends.lowering.nest import Assign, For, Kernel, Let, Mut, Stmt, Store

from .expressions import FIRST_VARIANT, Expressions
from .helpers import texts
from .text import quoted, vector_width

# How the C calling convention wants narrow ints extended.
EXTENSION = {"bit": "zeroext ", "i8": "signext ", "i16": "signext "}


class Unit(Expressions):
    """Prints a kernel; `module` is the assembly of everything, for any target."""

    def __init__(self, kernel: Kernel, single: bool = False, wide: bool = False) -> None:
        """`single` computes and stores reals in single precision, where that was asked for.

        `wide` is for processors that have AVX-512.
        """
        super().__init__(identifier(kernel.name, "program"), single, wide)
        self.kernel = kernel

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
        parts += self.functions
        parts += texts(self.helpers)
        parts += ["\n".join(self.declared.values())] if self.declared else []
        parts.append(vector_width(512))
        parts += self._variants()
        return "\n\n".join(parts) + "\n"

    def _variants(self) -> list[str]:
        """Return what tells the vectoriser of functions that have a vector form."""
        if not self.variants:
            return []
        kept = ", ".join(f"ptr @{wide}" for _, wide, _ in self.variants)
        used = f'[{len(self.variants)} x ptr] [{kept}], section "llvm.metadata"'
        pure = "nounwind willreturn memory(none)"
        lines = [
            f"@llvm.compiler.used = appending global {used}",
            f"attributes #8 = {{ alwaysinline {pure} }}",
            "attributes #9 = { noinline nounwind willreturn memory(read) }",
        ]
        for k, (name, wide, lanes) in enumerate(self.variants, FIRST_VARIANT):
            mangled = f"_ZGV_LLVM_N{lanes}vv_{name}({wide})"
            lines.append(
                f'attributes #{k} = {{ {pure} "vector-function-abi-variant"="{mangled}" }}'
            )
        return lines

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
        result = self.leave()
        return f"{self.head(self.symbol, result, by_pointer)}\n{w.text()}\n}}"

    def leave(self) -> str:
        """Add the end of the function; return the type of its result."""
        kernel, w = self.kernel, self.writer
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
        return "i32" if kernel.checked else self.result()

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
                self.store(statement)

    def store(self, statement: Store) -> None:
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
