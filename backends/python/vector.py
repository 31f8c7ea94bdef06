"""Blocks of the IR as numpy: maps become array expressions, scans loop over time only.

Reductions inside a map loop over the reduced range in Python and add whole arrays; others reduce
an array. What has no array form falls back to the plain loops over entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ddc.ir import (
    Category,
    Global,
    Missing,
    Op,
    Operand,
    Real,
    Type,
    dims,
    element,
    int_bounds,
)

from .arrays import DTYPES
from .lines import Line
from .reductions import Reductions
from .text import ATOM, Expr
from .values import LINE
from .vector_ops import NotVector, as_number, is_array
from .writer import Writer


class Vector(Reductions):
    """Emits the body of one function in the numpy style."""

    pads = False

    def map(self, op: Op, writer: Writer | None) -> list[Expr]:
        try:
            with self.attempt(writer):
                return self._vector_map(op, writer)
        except NotVector:
            if self.axes:
                raise
        self.settle(op, writer)
        found = super().map(op, writer)
        return [self._from_lists(op, k, e) for k, e in enumerate(found)]

    def _vector_map(self, op: Op, writer: Writer | None) -> list[Expr]:
        assert op.body is not None
        self.enter(op)
        outer = len(self.axes)
        self.vectorise(op)
        self.block(op.body, writer)
        found: list[Expr] = []
        for k, operand in enumerate(op.body.yields):
            name = op.results[k]
            self.ranges[name] = self.range_of(operand)
            self.intervals[name] = self.interval(operand)
            found.append(self._whole(op, self.operand(operand), operand, outer))
        del self.axes[outer:]
        self.leave(op)
        for loop in op.loops:
            self.names.free(self.symbols[loop.symbol])
        return found

    def _whole(self, op: Op, e: Expr, operand: Operand, outer: int) -> Expr:
        """Return what a map yields with every axis at its full length."""
        inner = self.shape(operand)
        box = [loop.extent for loop in self.axes] + list(inner)
        depth = len(self.axes)
        rank = len(op.loops) + len(inner)
        shape = f"({', '.join(self.affine(d).text for d in box)}{',' if len(box) == 1 else ''})"
        if not is_array(e):
            kind = self.array_kind(operand) if e.kind != "truth" else "truth"
            text = f"np.full({shape}, {e.text}, dtype={DTYPES[kind]})"
            full = Expr(text, ATOM, kind, depth=e.depth + 1)
        else:
            if not inner:
                e = self.aligned(e)
            varies = e.axes >= set(range(outer, depth)) and (
                not inner or e.end == depth or not e.end
            )
            if varies and e.end == depth and (outer == 0 or e.axes >= set(range(depth))):
                full = e
            else:
                if inner and e.end not in (0, depth):
                    raise NotVector
                full = Expr(f"np.broadcast_to({e.text}, {shape})", ATOM, e.kind, depth=e.depth + 1)
        return replace(full, own=rank, end=outer, axes=frozenset(range(outer)), condition=None)

    def _from_lists(self, op: Op, position: int, e: Expr) -> Expr:
        """Return nested lists made by plain loops as an array."""
        name = op.results[position]
        body = op.body
        assert body is not None
        if int_bounds(self.scalar(name)) is not None:
            self.ranges[name] = self.range_of(body.yields[position])
        kind = self.array_kind(name)
        shape = dims(self.types[name])
        text = f"np.array({e.text}, dtype={DTYPES[kind]})"
        if len(shape) > 1 and not all(d.at_least(1, self.smallest) for d in shape[:-1]):
            text += f".reshape({', '.join(self.affine(d).text for d in shape)})"
        return Expr(text, ATOM, kind, own=len(shape), depth=e.depth + 1)

    def yielded(self, op: Op, position: int, value: Expr) -> Expr:
        """Return an entry of a list that becomes an array."""
        if value.own:
            return value
        return super().yielded(op, position, value)

    def lists(self, value: Expr) -> Expr:
        """Return an array as it is: nothing changes it in place."""
        return value

    def heads(self, op: Op) -> tuple[list[str], list[str], set[str]]:
        """Return loops in Python: over the numbers of an array where only its entries are used."""
        found, targets, walked = super().heads(op)
        if walked:
            assert op.body is not None
            loads = [o for o in self._walked(op) if self.operand(o.operands[0]).own]
            for text in {self.operand(o.operands[0]).at(ATOM) for o in loads}:
                source = found[0].partition(" in ")
                inside = source[2]
                if inside.startswith("zip("):
                    parts = [f"{p}.tolist()" if p == text else p for p in inside[4:-1].split(", ")]
                    inside = f"zip({', '.join(parts)})"
                elif inside == text:
                    inside = f"{text}.tolist()"
                found[0] = f"{source[0]} in {inside}"
        return found, targets, walked

    def plan(self, op: Op) -> list[list[Line]] | None:
        """Return no rows and columns: entries of arrays are no Python numbers."""
        return None

    def _walked(self, op: Op) -> list[Op]:
        """Return the loads that a Python loop over the entries of arrays makes superfluous."""
        if self.axes:
            return []
        return [] if len(op.loops) > 1 else super()._walked(op)

    def _entries(self, walked: Sequence[Op]) -> list[str]:
        for load in walked:
            self.ranges[load.result] = self.range_of(load.operands[0])
        return super()._entries(walked)

    # ------------------------------------------------------------ scans

    def scan(self, op: Op, writer: Writer) -> None:
        assert op.body is not None
        if self.axes:
            raise NotVector
        self.settle(op, writer)
        count = len(op.body.yields)
        for state in op.states:
            self.ranges[state.name] = int_bounds(element(state.type)) or (0, 0)
        super().scan(op, writer)
        for k, name in enumerate(op.results):
            if k >= count:
                self.ranges[name] = self.ranges[op.states[k - count].name]
                continue
            lists = self.values[name]
            e = self._from_lists(op, k, lists)
            if not lists.text.isidentifier():
                if len(e.text) > LINE:
                    self.bind(name, lists, writer)
                    e = self._from_lists(op, k, self.values[name])
                self.define(name, e, writer)
                continue
            writer.line(f"{lists.text} = {e.text}")
            self.values[name] = replace(e, text=lists.text, prec=ATOM, depth=0)

    def initial(self, op: Op, position: int) -> Expr:
        """Return how a state starts; arrays in the dtype of the state."""
        state = op.states[position]
        value = super().initial(op, position)
        return self.cast(value, self.array_kind(state.name)) if dims(state.type) else value

    def state_value(self, name: str, type_: Type, local: str) -> Expr:
        """Return a state as an operand."""
        if not dims(type_):
            return super().state_value(name, type_, local)
        return Expr(local, ATOM, self.array_kind(name), own=len(dims(type_)))

    def next_value(self, op: Op, position: int, value: Expr) -> Expr:
        """Return a value as a state holds it; arrays in the dtype of the state."""
        state = op.states[position]
        value = super().next_value(op, position, value)
        return self.cast(value, self.array_kind(state.name)) if dims(state.type) else value

    # ------------------------------------------------------------ results

    def result(self, operand: Operand, declared: Type) -> Expr:
        """Return a value as the caller gets it: int64, float64 or object arrays, or numbers."""
        e, wanted = self.operand(operand), element(declared)
        if not dims(declared) and not e.end:
            return super().result(operand, declared)
        if isinstance(wanted, Category):
            names = ", ".join(ascii(n) for n in wanted.names)
            table = self.module.constant("names", f"np.array([{names}], dtype=object)")
            return Expr(f"{table}[{as_number(e).text}]", ATOM)
        if isinstance(wanted, (Real, Missing)):
            converted = self.cast(e, "float")
        else:
            converted = self.cast(e, "int") if e.kind == "truth" else e
        if converted is e and (isinstance(operand, Global) or e.text in self.module.constants):
            return replace(e, text=f"{e.text}.copy()")
        if e.text.startswith("np.broadcast_to(") and converted is e:
            return replace(e, text=f"{e.text}.copy()")
        return converted
