"""A translation unit: the source and the header of one kernel."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ddc.backends.evidence import sentence
from ddc.backends.lowering.nest import (
    Array,
    Assign,
    Const,
    Elem,
    Expr,
    For,
    Kernel,
    Let,
    Mut,
    Parameter,
    Stmt,
    Store,
    Var,
    children,
    expressions,
    statements,
)
from ddc.ir import Module

from .expressions import STORED, TYPES, Expressions, declared_array, static_table
from .helpers import texts
from .names import Names, identifier
from .vectors import Vectors, preamble

WIDTH = 100


class Unit:
    """Prints a kernel as C."""

    def __init__(self, module: Module, kernel: Kernel, meta: dict[str, Any] | None) -> None:
        self.module = module
        self.kernel = kernel
        self.meta = meta
        self.name = identifier(kernel.name, "program")
        self.names = Names({self.name, f"{self.name}_checked", f"{self.name}_workspace"})
        self.vectors = False
        self.sizes = {s: self.names.fresh(s) for s in kernel.sizes}
        for size in kernel.sizes:  # the signed copy of a size that the code computes with
            self.names.assign(size, size.lower() if size.lower() != size else f"{size}_count")
        self.expressions = Expressions(self.names)
        self.used = _names_used(kernel)
        for parameter in kernel.inputs:
            self.names.of(parameter.name)
        for parameter in kernel.outputs:
            assert parameter.array is not None
            self.names.assign(parameter.array.name, parameter.name)

    # ------------------------------------------------------------ signatures

    @property
    def lone(self) -> Parameter | None:
        """The result that is returned, if there is just one scalar."""
        return self.kernel.outputs[0] if self.kernel.returned is not None else None

    def parameters(self, pointers: bool, restrict: bool) -> list[str]:
        """Return the parameters; `pointers` gives the lone result a pointer as well."""
        limit = "restrict " if restrict else ""
        found = [f"size_t {name}" for name in self.sizes.values()]
        for p in self.kernel.inputs:
            name = self.names.of(p.name)
            found.append(
                f"{STORED[p.type]} {name}"
                if p.array is None
                else f"const {STORED[p.type]} *{limit}{name}"
            )
        if self.kernel.workspace:
            found.append(f"void *{limit}workspace")
        if pointers or self.lone is None:
            found += [f"{STORED[p.type]} *{limit}{self.called(p)}" for p in self.kernel.outputs]
        return found

    def signature(self, checked: bool, restrict: bool = False) -> str:
        parameters = self.parameters(checked, restrict)
        if checked:
            head = f"int {self.name}_checked("
        else:
            head = f"{STORED[self.lone.type] if self.lone else 'void'} {self.name}("
        text = head + (", ".join(parameters) or "void") + ")"
        if len(text) <= WIDTH - 1:
            return text
        pad = " " * len(head)
        lines: list[str] = [""]
        for k, parameter in enumerate(parameters):
            piece = parameter + (", " if k < len(parameters) - 1 else ")")
            if lines[-1] and len(pad) + len(lines[-1]) + len(piece) > WIDTH:
                lines.append("")
            lines[-1] += piece
        return head + f"\n{pad}".join(line.rstrip() for line in lines)

    # ------------------------------------------------------------ the files

    def header(self) -> str:
        """Return the header."""
        guard = f"{self.name.upper()}_H"
        lines = [self.comment(), "", f"#ifndef {guard}", f"#define {guard}", ""]
        lines += ["#include <stddef.h>", "#include <stdint.h>", ""]
        lines += ["#ifdef __cplusplus", 'extern "C" {', "#endif", ""]
        for text, prototype in self.prototypes():
            lines += [*comment_lines(text), f"{prototype};", ""]
        lines += ["#ifdef __cplusplus", "}", "#endif", "", "#endif"]
        return "\n".join(lines) + "\n"

    def prototypes(self) -> Iterator[tuple[str, str]]:
        if self.kernel.workspace:
            sizes = ", ".join(f"size_t {n}" for n in self.sizes.values()) or "void"
            note = f"The bytes of scratch memory (8-byte aligned) that {self.name} needs."
            yield note, f"size_t {self.name}_workspace({sizes})"
        ending = " Aborts where an int leaves 64 bits." if self.kernel.checked else ""
        yield self.summary() + ending, self.signature(checked=False)
        if self.kernel.checked:
            note = (
                f"As {self.name}, but returns 1 where an int leaves 64 bits (the outputs then mean"
                " nothing), else 0."
            )
            yield note, self.signature(checked=True)

    def summary(self) -> str:
        """Return in words what goes in and out."""
        given = [self.described(p) for p in self.kernel.inputs]
        made = [self.described(p) for p in self.kernel.outputs]
        verb = "Returns" if self.lone else "Writes"
        text = f"{verb} {', '.join(made) or 'nothing'}"
        if given:
            text += f" from {', '.join(given)}"
        return text + (". Arrays are row-major and do not overlap." if self.has_arrays() else ".")

    def has_arrays(self) -> bool:
        return any(
            p.array is not None and p.dims for p in (*self.kernel.inputs, *self.kernel.outputs)
        )

    def described(self, parameter: Parameter) -> str:
        return f"{self.called(parameter)}: {parameter.text}"

    def called(self, parameter: Parameter) -> str:
        """Return the C name of an input or output."""
        output = parameter.array is not None and parameter.array.place == "output"
        return self.names.of(parameter.array.name if output and parameter.array else parameter.name)

    def comment(self) -> str:
        """Return the comment at the head of a file: what is known about the program."""
        entry = self.module.entry
        claims = [sentence(claim) for claim in entry.evidence]
        if entry.sizes:
            sizes = ", ".join(f"{s.name} >= {s.minimum}" for s in entry.sizes)
            claims.append(f"sizes: any {sizes}")
        text = f"{self.name}, written by ddc."
        lines = comment_lines("\n".join([text, *claims]))
        if self.meta is not None:
            line = json.dumps(self.meta, ensure_ascii=True, sort_keys=True)
            lines.insert(-1, f" * ddc: {harmless(line)}")
        return "\n".join(lines)

    def source(self, header: str) -> str:
        """Return the source file."""
        body = self.body()
        tables = [
            static_table(self.names.of(a.name), a.type, tuple(_listed(a)))
            for a in self.kernel.constants
        ]
        workspace = self.workspace_function()
        lines = [self.comment(), "", f'#include "{header}"', ""]
        text = "\n".join([*body, *texts(self.expressions.helpers)])
        if _mentions_math(text):
            lines += ["#include <math.h>"]
        if self.kernel.checked:
            lines += ["#include <stdlib.h>"]
        if lines[-1]:
            lines.append("")
        if self.vectors:
            lines += preamble(text)
        for table in (*tables, *self.expressions.tables.values()):
            lines += [table, ""]
        for helper in texts(self.expressions.helpers):
            lines += [*helper.rstrip("\n").split("\n"), ""]
        lines += [*workspace, *body]
        if self.kernel.checked:
            lines += ["", *self.aborting()]
        return "\n".join(lines) + "\n"

    def aborting(self) -> list[str]:
        """Return the function of the contract, which has no way to report an overflow."""
        lines = [self.signature(checked=False), "{"]
        args = [*self.sizes.values(), *(self.names.of(p.name) for p in self.kernel.inputs)]
        if self.kernel.workspace:
            args.append("workspace")
        if self.lone:
            name = self.called(self.lone)
            lines.append(f"    {STORED[self.lone.type]} {name};")
            args.append(f"&{name}")
        else:
            args += [self.called(p) for p in self.kernel.outputs]
        lines += [
            f"    if ({self.name}_checked({', '.join(args)})) {{",
            "        abort();",
            "    }",
        ]
        if self.lone:
            lines.append(f"    return {self.called(self.lone)};")
        return [*lines, "}"]

    def workspace_function(self) -> list[str]:
        if not self.kernel.workspace:
            return []
        sizes = ", ".join(f"size_t {n}" for n in self.sizes.values()) or "void"
        lines = [f"size_t {self.name}_workspace({sizes})", "{"]
        total = [
            f"(size_t)({self.expressions.text(count)}) * sizeof({STORED[a.type]})"
            for a, count in self.kernel.workspace
        ]
        used: set[str] = set()
        for _, count in self.kernel.workspace:
            used |= _variables(count)
        lines += self.size_lines(used)
        return [*lines, f"    return {' + '.join(total)};", "}", ""]

    # ------------------------------------------------------------ the function

    def size_lines(self, used: set[str]) -> list[str]:
        lines: list[str] = []
        for size, name in self.sizes.items():
            if size in used:
                lines.append(f"    const int64_t {self.names.of(size)} = (int64_t){name};")
            else:
                lines.append(f"    (void){name};")
        return lines

    def body(self) -> list[str]:
        kernel = self.kernel
        lines = [self.signature(checked=kernel.checked, restrict=True), "{"]
        used = set(self.used)
        for _, count in kernel.workspace:
            used |= _variables(count)
        lines += self.size_lines(used)
        for parameter in kernel.inputs:
            if parameter.name not in used:
                lines.append(f"    (void){self.names.of(parameter.name)};")
        if kernel.checked:
            lines.append("    int overflow = 0;")
        lines += [f"    {declared_array(a, self.names)}" for a in kernel.locals]
        lines += self.carve()
        self.block(kernel.body, lines, 1)
        if kernel.checked:
            if self.lone and kernel.returned is not None:
                value = self.expressions.text(kernel.returned)
                lines.append(f"    *{self.called(self.lone)} = {value};")
            lines.append("    return overflow;")
        elif kernel.returned is not None:
            lines.append(f"    return {self.expressions.text(kernel.returned)};")
        return [*lines, "}"]

    def carve(self) -> list[str]:
        """Return the lines that give each array its part of the scratch memory."""
        parts = self.kernel.workspace
        if not parts:
            return []
        lines = ["    unsigned char *space = workspace;"]
        for k, (array, count) in enumerate(parts):
            kind, name = STORED[array.type], self.names.of(array.name)
            lines.append(f"    {kind} *{name} = ({kind} *)(void *)space;")
            if k < len(parts) - 1:
                lines.append(
                    f"    space += (size_t)({self.expressions.text(count)}) * sizeof({kind});"
                )
        return lines

    def block(self, body: Sequence[Stmt], lines: list[str], depth: int) -> None:
        pad = "    " * depth
        for statement in body:
            if isinstance(statement, For):
                self.loop(statement, lines, depth)
            else:
                lines += wrapped_code(pad + self.statement(statement))

    def statement(self, statement: Let | Mut | Assign | Store) -> str:
        value = self.expressions.text(statement.value)
        if isinstance(statement, Let):
            kind = TYPES[statement.value.type]
            return f"const {kind} {self.names.of(statement.name)} = {value};"
        if isinstance(statement, Mut):
            return f"{TYPES[statement.type]} {self.names.of(statement.name)} = {value};"
        if isinstance(statement, Assign):
            return f"{self.names.of(statement.name)} = {value};"
        place = f"{self.names.of(statement.array.name)}[{self.expressions.text(statement.at)}]"
        return f"{place} = {value};"

    def loop(self, loop: For, lines: list[str], depth: int) -> None:
        pad, var = "    " * depth, self.names.of(loop.var)
        low, high = self.expressions.text(loop.low), self.expressions.text(loop.high, 10)
        start, step = low, f"{var}++"
        if loop.skip is not None:
            first, end = (self.expressions.text(e, 10) for e in loop.skip)
            if loop.skip[0] != loop.low:
                step = f"{var} = {self.before(loop.skip[0], var)} ? {end} : {var} + 1"
                if not _surely_above(loop):
                    start = f"{self.expressions.text(loop.low, 10)} == {first} ? {end} : {low}"
            else:
                start = end
        start = self.vector_loop(loop, start, high, lines, depth)
        if loop.note == "inside":
            lines.append(f"{pad}/* Where everything that is read lies inside. */")
        if loop.note == "border":
            lines.append(f"{pad}/* The rest, at the border. */")
        head = f"{pad}for (int64_t {var} = {start}; {var} < {high}; {step}) {{"
        lines += wrapped_code(head)
        self.block(loop.body, lines, depth + 1)
        lines.append(f"{pad}}}")

    def vector_loop(self, loop: For, low: str, high: str, lines: list[str], depth: int) -> str:
        """Add the fast form of a loop where it has one; return where the plain form begins."""
        body = Vectors(self.expressions, loop).body()
        if body is None:
            return low
        self.vectors = True
        pad, var = "    " * depth, self.names.of(loop.var)
        rest = self.names.fresh(f"{loop.var}_rest")
        lines += [f"{pad}int64_t {rest} = {low};", "#ifdef LANES"]
        lines += wrapped_code(
            f"{pad}for (int64_t {var} = {low}; {var} + LANES <= {high}; {var} += LANES) {{"
        )
        for line in (*body, f"{rest} = {var} + LANES;"):
            lines += wrapped_code(f"{pad}    {line}")
        lines += [f"{pad}}}", "#endif"]
        return rest

    def before(self, first: Expr, var: str) -> str:
        """Return the test whether an iteration is the last one before a skipped part."""
        if isinstance(first, Const):
            return f"{var} == {int(first.value) - 1}"
        return f"{var} + 1 == {self.expressions.text(first, 10)}"


def _surely_above(loop: For) -> bool:
    """Tell whether the skipped part surely begins after the first iteration."""
    assert loop.skip is not None
    first = loop.skip[0]
    return (
        isinstance(first, Const)
        and isinstance(loop.low, Const)
        and float(first.value) > float(loop.low.value)
    )


def _variables(expr: Expr) -> set[str]:
    found: set[str] = set()
    stack = [expr]
    while stack:
        current = stack.pop()
        if isinstance(current, Var):
            found.add(current.name)
        stack.extend(children(current))
    return found


def _names_used(kernel: Kernel) -> set[str]:
    """Return the names of variables and arrays that occur in the body."""
    found: set[str] = set()
    for statement in statements(kernel.body):
        for expr in expressions(statement):
            if isinstance(expr, Var):
                found.add(expr.name)
            elif isinstance(expr, Elem):
                found.add(expr.array.name)
    stack: list[Expr] = [kernel.returned] if kernel.returned is not None else []
    while stack:
        expr = stack.pop()
        if isinstance(expr, Var):
            found.add(expr.name)
        elif isinstance(expr, Elem):
            found.add(expr.array.name)
        stack.extend(children(expr))
    return found


def _listed(array: Array) -> list[float | int]:
    assert array.values is not None
    listed: list[float | int] = array.values.ravel().tolist()
    return listed


def _mentions_math(text: str) -> bool:
    words = ("NAN", "INFINITY", "isnan(", "exp(", "log(", "log1p(", "sqrt(", "sin(", "cos(")
    return any(word in text for word in (*words, "tanh(", "pow(", "rint(", "fabs("))


def harmless(text: str) -> str:
    """Return text that cannot end a comment or continue a line, in printable ASCII."""
    plain = text.encode("unicode_escape").decode("ascii")
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("??/", "? ?/").rstrip("\\")


def comment_lines(text: str) -> list[str]:
    """Return text as a comment, wrapped."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += textwrap.wrap(harmless(paragraph), WIDTH - 4) or [""]
    if len(lines) == 1:
        return [f"/* {lines[0]} */"]
    return ["/*", *(f" * {line}".rstrip() for line in lines), " */"]


def wrapped_code(line: str) -> list[str]:
    """Return a line of code, broken at spaces where it is too long."""
    if len(line) <= WIDTH:
        return [line]
    pad = " " * (len(line) - len(line.lstrip()) + 8)
    return textwrap.wrap(
        line,
        WIDTH,
        initial_indent="",
        subsequent_indent=pad,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
