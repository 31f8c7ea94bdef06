"""Blocks of the IR as plain Python: comprehensions where they read well, else statements.

A body whose values are all used once becomes one expression. Where a value needs a name, the body
becomes a small function inside the function (`def cell(i): ...`), or the body of a `for` loop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ddc.ir import (
    Category,
    Missing,
    Op,
    Operand,
    Real,
    Type,
    dims,
    element,
)

from .scans import Scans
from .text import (
    ATOM,
    NOT,
    PRODUCT,
    TERNARY,
    Expr,
    as_float,
    as_int,
    call,
    literal,
    truth,
)
from .values import LINE, NeedsStatements, need
from .writer import Writer

FUNCTIONS = ("entry", "body")  # names for a function in the function, if the first is taken


class Plain(Scans):
    """Emits the body of one function in the plain style."""

    def map(self, op: Op, writer: Writer | None) -> list[Expr]:
        assert op.body is not None
        op = self.padded(op, writer)
        assert op.body is not None
        start, repeated = self.names.mark(), self.repeated
        self.enter(op)
        lined = self._by_lines(op)
        if lined is not None:
            for position, name in enumerate(op.results):
                self.intervals[name] = self.interval(op.body.yields[position])
            self.names.release(start)
            self.leave(op)
            heads, values = lined
            entries = [self.yielded(op, k, v) for k, v in enumerate(values)]
            return [self._comprehension(heads, e) for e in entries]
        heads, targets, walked = self.heads(op)
        mark = self.names.mark()
        try:
            values = self.body(op.body, walked, None)
            entries = [self.yielded(op, k, v) for k, v in enumerate(values)]
            found = [self._comprehension(heads, e) for e in entries]
            if self.repeated > repeated and max(len(e.text) for e in found) > LINE:
                need(writer)
                raise NeedsStatements
            self.names.release(start)
        except NeedsStatements:
            if writer is None:
                raise
            self.names.release(mark)
            found = self._map_by_function(op, heads, targets, walked, writer)
        for position, name in enumerate(op.results):
            self.intervals[name] = self.interval(op.body.yields[position])
        self.leave(op)
        return found

    def _comprehension(self, heads: Sequence[str], entry: Expr) -> Expr:
        text = entry.text
        target, _, source = heads[-1].removeprefix("for ").partition(" in ")
        if len(heads) == 1 and text == target:
            return Expr(f"list({source})", ATOM, "array", depth=entry.depth + 1)
        for head in reversed(heads):
            text = f"[{text} {head}]"
        return Expr(text, ATOM, "array", depth=entry.depth + len(heads))

    def _map_by_function(
        self,
        op: Op,
        heads: Sequence[str],
        targets: Sequence[str],
        walked: set[str],
        writer: Writer,
    ) -> list[Expr]:
        function, _ = self._function("cell", targets, op, walked, writer)
        cell = Expr(f"{function}({', '.join(targets)})", ATOM, "array", depth=1)
        cells = self._comprehension(heads, cell)
        if len(op.results) == 1:
            return [cells]
        local = self.own("cells", "entries")
        writer.assign(local, cells.text)
        return [self._column(local, k, len(heads)) for k in range(len(op.results))]

    def _column(self, array: str, position: int, rank: int) -> Expr:
        name = self.own("row" if rank > 1 else "each")
        inner = f"{name}[{position}]" if rank == 1 else self._column(name, position, rank - 1).text
        return Expr(f"[{inner} for {name} in {array}]", ATOM, "array", depth=rank + 1)

    def _function(
        self, wish: str, targets: Sequence[str], op: Op, walked: set[str], writer: Writer
    ) -> tuple[str, str]:
        """Write a body as a function of its loop variables; return its name and what it returns."""
        assert op.body is not None
        name = self.own(wish, *FUNCTIONS)
        writer.blank()
        with writer.indented(f"def {name}({', '.join(targets)}):"):
            results = self.body(op.body, walked, writer)
            if op.code == "map":
                results = [self.yielded(op, k, v) for k, v in enumerate(results)]
            writer.line(f"return {', '.join(r.text for r in results)}")
        writer.blank()
        return name, results[0].kind

    def reduce(self, op: Op, writer: Writer | None) -> Expr:
        assert op.body is not None
        start, lines = self.names.mark(), len(writer.lines) if writer else 0
        self.enter(op)
        if writer is not None and self._in_two_sums(op, writer):
            self.leave(op)
            return self.values[op.result]
        lined = None if op.attr("kind") == "argmax" else self._by_lines(op)
        if op.attr("kind") == "argmax":
            result = self._argmax(op, writer)
        elif lined is not None:
            result = self._reduction(op, str(op.attr("kind")), lined[0], lined[1][0])
        else:
            heads, targets, walked = self.heads(op)
            value = self._term("term", op, targets, walked, writer)
            result = self._reduction(op, str(op.attr("kind")), heads, value)
        self.leave(op)
        if writer is None or len(writer.lines) == lines:
            self.names.release(start)
        return result

    def _in_two_sums(self, op: Op, writer: Writer) -> bool:
        """Define a long sum of either multiple as two sums, of what is added when; tell whether so.

        `sum(2.5 * a if c else 4.0 * b for ...)` is `2.5 * sum(a for ... if c)` and
        `4.0 * sum(b for ... if not c)`.
        """
        assert op.body is not None
        (value,) = op.body.yields
        made = {inner.result: inner for inner in op.body.ops if inner.body is None}
        choice = made.get(str(value))
        if op.attr("kind") != "add" or choice is None or choice.code != "select":
            return False
        condition, *branches = choice.operands
        products = [made.get(str(b)) for b in branches]
        parts = [split_product(p) for p in products if p is not None and p.code == "mul"]
        factors = [p for p in parts if p is not None]
        once = all(isinstance(o, str) and self.usage.count[o] == 1 for o in (value, *branches))
        if len(factors) != 2 or not once:
            return False
        left_out = {choice.result, *map(str, branches)}
        terms = tuple(term for _, term in factors)
        kept = tuple(inner for inner in op.body.ops if left_out.isdisjoint(inner.results))
        body = replace(op.body, ops=kept, yields=(condition, *terms))
        mark = self.names.mark()
        lined = self._by_lines(replace(op, body=body))
        self.names.release(mark)
        if lined is None:
            return False
        heads, (test, *found) = lined
        over = " ".join(heads)
        tests = [truth(test), truth(scalar_not(test))]
        texts = [
            f"{literal(Fraction(k)).text} * sum({e.text} {over} if {t.at(TERNARY + 1)})"
            for (k, _), e, t in zip(factors, found, tests)
        ]
        shown = [_SHORTER.sub("columns", text) for text in texts]
        if sum(map(len, shown)) - len(over) < LINE or max(map(len, shown)) > LINE:
            return False
        name = self.names.fresh(op.result)
        writer.line(f"{name} = {texts[0]}")
        writer.line(f"{name} += {texts[1]}")
        self.values[op.result] = Expr(name, ATOM, "float")
        return True

    def _term(
        self, wish: str, op: Op, targets: Sequence[str], walked: set[str], writer: Writer | None
    ) -> Expr:
        """Return the one value of a body, by a function where it takes statements."""
        assert op.body is not None
        mark = self.names.mark()
        try:
            (value,) = self.body(op.body, walked, None)
        except NeedsStatements:
            if writer is None:
                raise
            self.names.release(mark)
            function, kind = self._function(wish, targets, op, walked, writer)
            return Expr(f"{function}({', '.join(targets)})", ATOM, kind, depth=1)
        return value

    def _reduction(self, op: Op, kind: str, heads: Sequence[str], value: Expr) -> Expr:
        assert op.body is not None
        scalar = element(self.types[op.result])
        real = isinstance(scalar, Real)
        if kind in ("and", "or"):
            value = truth(value)
        elif kind in ("min", "max"):
            value = as_float(value) if real else as_int(value)
            self.intervals[op.result] = self.interval(op.body.yields[0])
        target, _, source = heads[0].removeprefix("for ").partition(" in ")
        inner = f"{value.text} {' '.join(heads)}"
        if len(heads) == 1 and target == value.text:
            inner = source
        function = _REDUCTIONS[kind]
        if real and kind in ("min", "max") and self.interval(op.body.yields[0]) is None:
            function = self.module.helper(f"_{kind}")
        depth = value.depth + 2
        if kind == "xor":
            return Expr(f"sum({inner}) % 2", PRODUCT, "int", depth=depth)
        if kind in ("and", "or"):
            return Expr(f"{function}({inner})", ATOM, "truth", depth=depth)
        if real and kind in ("add", "count"):
            sure = all(v.extent.at_least(1, self.smallest) for v in op.loops)
            if sure and value.kind == "float":
                return Expr(f"sum({inner})", ATOM, "float", depth=depth)
            inner = inner if inner == source else f"({inner})"
            return Expr(f"sum({inner}, 0.0)", ATOM, "float", depth=depth)
        return Expr(f"{function}({inner})", ATOM, "float" if real else "int", depth=depth)

    def _argmax(self, op: Op, writer: Writer | None) -> Expr:
        assert op.body is not None
        (loop,) = op.loops
        variable = self.symbols[loop.symbol]
        unsure = isinstance(self.scalar(op.body.yields[0]), Real)
        walked = self._walked(op)
        value = self._term("score", op, [variable], set(), writer)
        unsure = unsure and self.interval(op.body.yields[0]) is None
        if not unsure and len(walked) == 1 and walked[0].result == op.body.yields[0]:
            array = self.operand(walked[0].operands[0])
            if array.text.isidentifier():
                return Expr(f"{array.text}.index(max({array.text}))", ATOM, "int", depth=2)
        key = value.text
        if unsure:  # a NaN counts as the greatest, as in numpy
            value = value if value.prec == ATOM else Expr(f"({value.text})", depth=value.depth + 1)
            key = f"({value.text} != {value.text}, {value.text})"
        text = f"max({self.range(loop)}, key=lambda {variable}: {key})"
        return Expr(text, ATOM, "int", depth=2 + value.depth)

    def result(self, operand: Operand, declared: Type) -> Expr:
        """Return a value as the caller gets it: lists, ints and floats, names of categories."""
        value, scalar = self.operand(operand), self.scalar(operand)
        rank = len(dims(declared))
        wanted = element(declared)
        if isinstance(wanted, Category):
            names = "(" + ", ".join(ascii(n) for n in wanted.names) + ",)"
            table = self.module.constant("names", names)
            return self._by_entry(value, rank, lambda e: Expr(f"{table}[{e.text}]", ATOM))
        if isinstance(wanted, (Real, Missing)):
            if rank == 0:
                return as_float(value)
            if not isinstance(scalar, (Real, Missing)):
                return self.converted(value, rank, "float")
        elif rank == 0:
            return as_int(value)
        return self.lists(value)

    def lists(self, value: Expr) -> Expr:
        """Return an array that can be given away: constants are tuples."""
        if value.kind != "tuple":
            return value
        return call(self.module.helper("_lists"), value, kind="array")

    def _by_entry(self, value: Expr, rank: int, entry: object) -> Expr:
        if rank == 0:
            return entry(value)  # type: ignore[operator, no-any-return]
        name = self.own("row" if rank > 1 else "x")
        inner = self._by_entry(Expr(name), rank - 1, entry)
        return Expr(f"[{inner.text} for {name} in {value.text}]", ATOM, "array")


def split_product(op: Op) -> tuple[int | Fraction, str] | None:
    """Return the real factor and the other operand of a product of two."""
    factors = [o for o in op.operands if isinstance(o, Fraction)]
    others = [o for o in op.operands if isinstance(o, str)]
    return (factors[0], others[0]) if len(factors) == len(others) == 1 else None


def scalar_not(e: Expr) -> Expr:
    """Return the opposite of a condition."""
    inner = truth(e)
    return Expr(f"not {inner.at(NOT)}", NOT, "truth", depth=inner.depth + 1)


# What may be written shorter where a matrix is read by columns.
_SHORTER = re.compile(r"zip\(\*\w+\)|\b\w+\[\d+\]\[0\]")
_REDUCTIONS = {
    "add": "sum",
    "count": "sum",
    "xor": "sum",
    "and": "all",
    "or": "any",
    "min": "min",
    "max": "max",
}
