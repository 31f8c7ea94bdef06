"""Reductions as numpy: over an array at once, or of whole arrays in a Python loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from ddc.ir import (
    Affine,
    Loop,
    Op,
    Real,
    element,
)

from .loads import Loads
from .ranges import LARGEST_SIZE, Range, fits
from .text import ATOM, BITOR, PRODUCT, Expr, as_float, literal
from .values import NeedsStatements
from .vector_ops import NotVector, as_number, as_object, as_real, is_array
from .writer import Writer

SMALL_BOX = 1 << 16  # entries of a box that may be laid out for a reduction


class Reductions(Loads):
    """Emits reductions."""

    def reduce(self, op: Op, writer: Writer | None) -> Expr:
        if self.axes:
            return self._reduce_arrays(op, writer)
        try:
            with self.attempt(writer):
                return self._reduce_box(op, writer)
        except (NotVector, NeedsStatements):
            pass
        found = super().reduce(op, writer)
        self._reduced_range(op)
        return found

    def _reduced_range(self, op: Op) -> Range:
        """Note the range of a reduction's result in practice."""
        assert op.body is not None
        kind = str(op.attr("kind"))
        (operand,) = op.body.yields
        span = self.range_of(operand)
        if kind in ("and", "or", "xor"):
            span = (0, 1)
        elif kind == "argmax":
            span = self.ranges[op.loops[0].var]
        elif kind in ("add", "count"):
            trips = 1
            for loop in op.loops:
                low, high = self.ranges[loop.var]
                trips = min(LARGEST_SIZE, trips * max(0, (high or 0) - (low or 0) + 1))
            low, high = span
            span = (
                None if low is None else min(0, low * trips),
                None if high is None else max(0, high * trips),
            )
        self.ranges[op.result] = span
        return span

    def _reduce_box(self, op: Op, writer: Writer | None) -> Expr:
        """Return a reduction that is in no map: an array of all terms, reduced."""
        assert op.body is not None
        own = {loop.symbol for loop in op.loops}
        if any((loop.low.symbols() | loop.high.symbols()) & own for loop in op.loops):
            raise NotVector
        self.enter(op)
        self.vectorise(op)
        self.block(op.body, writer)
        (operand,) = op.body.yields
        e = self.operand(operand)
        if not e.end or e.own:
            raise NotVector
        e = self.aligned(e)
        shape = [loop.extent for loop in op.loops]
        if len(shape) > 1 and not self._is_stored(op, shape):
            raise NotVector
        if len(e.axes) < len(shape):
            text = f"({', '.join(self.affine(d).text for d in shape)},)"
            e = replace(e, text=f"np.broadcast_to({e.text}, {text})", prec=ATOM)
        span = self._reduced_range(op)
        self.axes.clear()
        self.leave(op)
        return self._reduced(op, e, span)

    def _is_stored(self, op: Op, shape: Sequence[Affine]) -> bool:
        """Tell whether the box of a reduction is small, or as large as an array that it reads."""
        if all(d.is_const for d in shape):
            count = 1
            for d in shape:
                count *= max(1, d.const)
            if count <= SMALL_BOX:
                return True
        assert op.body is not None
        symbols = [loop.symbol for loop in op.loops]
        for inner in op.body.ops:
            if inner.code == "load" and set(symbols) <= set().union(
                *(i.at.symbols() for i in inner.index), set()
            ):
                return len(inner.index) >= len(symbols)
        return False

    def _reduced(self, op: Op, e: Expr, span: Range) -> Expr:
        kind = str(op.attr("kind"))
        base = e.at(ATOM)
        real = isinstance(element(self.types[op.result]), Real)
        (operand,) = cast(Any, op.body).yields
        depth = e.depth + 2
        if kind == "argmax":
            low = self.affine(op.loops[0].low)
            text = f"int({base}.argmax())"
            if low.text != "0":
                return Expr(f"{low.text} + {text}", 9, "int", depth=depth)
            return Expr(text, ATOM, "int", depth=depth)
        if kind in ("or", "and"):
            return Expr(
                f"int({base}.{'any' if kind == 'or' else 'all'}())", ATOM, "int", depth=depth
            )
        if kind in ("min", "max"):
            self.intervals[op.result] = self.interval(operand)
            return Expr(
                f"{'float' if real else 'int'}({base}.{kind}())",
                ATOM,
                "float" if real else "int",
                depth=depth,
            )
        if real:
            return Expr(f"float({as_real(e).at(ATOM)}.sum())", ATOM, "float", depth=depth)
        if not fits(span):
            base = as_object(as_number(e)).at(ATOM)
        if kind == "xor":
            return Expr(f"int({base}.sum()) % 2", PRODUCT, "int", depth=depth)
        return Expr(f"int({base}.sum())", ATOM, "int", depth=depth)

    def _reduce_arrays(self, op: Op, writer: Writer | None) -> Expr:
        """Return a reduction inside a map: a Python loop that combines whole arrays."""
        assert op.body is not None
        kind = str(op.attr("kind"))
        self.enter(op)
        axis_symbols = {loop.symbol for loop in self.axes}
        axis_bounds = {s: b for s, b in self.bounds.items() if s in axis_symbols}
        bounded: list[Loop] = []
        masks: list[tuple[Affine, Affine | None, Affine | None]] = []
        for loop in op.loops:
            low = loop.low.extreme(axis_bounds, upper=False)
            high = (loop.high - 1).extreme(axis_bounds, upper=True) + 1
            bounded.append(Loop(loop.var, low, high))
            if (low, high) != (loop.low, loop.high):
                masks.append(
                    (
                        Affine.symbol(loop.symbol),
                        loop.low if low != loop.low else None,
                        loop.high if high != loop.high else None,
                    )
                )
            self.bounds[loop.symbol] = (loop.low, loop.high - 1)
        symbols = {s for loop in bounded for s in loop.low.symbols() | loop.high.symbols()}
        if symbols & axis_symbols or (masks and kind not in ("add", "count", "or", "xor", "and")):
            raise NotVector
        if masks and any(self._reads_inside(inner) for inner in op.body.ops):
            raise NotVector
        targets = [self.symbols[loop.symbol] for loop in bounded]
        with_mask = self._masked(masks)
        try:
            with self.attempt(None):
                self.block(op.body, None)
                e = self.operand(op.body.yields[0])
        except NeedsStatements:
            if writer is None:
                raise
            name = self.own("term", "part")
            writer.blank()
            with writer.indented(f"def {name}({', '.join(targets)}):"):
                self.block(op.body, writer)
                e = self.operand(op.body.yields[0])
                writer.line(f"return {e.text}")
            writer.blank()
            e = replace(e, text=f"{name}({', '.join(targets)})", prec=ATOM, depth=1)
        if e.own:
            raise NotVector
        heads = " ".join(f"for {t} in {self.range(v)}" for t, v in zip(targets, bounded))
        e = self.aligned(e)
        result = self._folded(op, kind, e, with_mask, heads, bounded)
        self.leave(op)
        return result

    def _reads_inside(self, op: Op) -> bool:
        """Tell whether an op relies on the range of a loop: a load proved inside."""
        if op.code == "load" and any(i.border == "inside" for i in op.index):
            return True
        if op.code in ("gather", "mod", "floordiv", "table", "onehot", "div", "pow"):
            return True
        return op.body is not None

    def _masked(self, masks: Sequence[tuple[Affine, Affine | None, Affine | None]]) -> Expr | None:
        """Return the condition that the iteration of a triangle is inside."""
        tests: list[Expr] = []
        for at, low, high in masks:
            name = self.affine(at).text
            for bound, sign in ((low, "<="), (high, ">")):
                if bound is not None:
                    e = self.aligned(self.vector_affine(bound))
                    text = f"({e.at(BITOR)} {sign} {name})"
                    tests.append(replace(e, text=text, prec=ATOM, kind="truth"))
        if not tests:
            return None
        joined = self.joined(Expr(" & ".join(t.text for t in tests), BITOR, "truth"), tests)
        return joined if len(tests) > 1 else replace(joined, prec=ATOM)

    def _folded(
        self, op: Op, kind: str, e: Expr, mask: Expr | None, heads: str, loops: Sequence[Loop]
    ) -> Expr:
        span = self._reduced_range(op)
        real = isinstance(element(self.types[op.result]), Real)
        counted = kind in ("add", "count", "xor")
        if not is_array(e) and mask is None and (real or not (counted or kind == "argmax")):
            raise NotVector
        if mask is not None:
            neutral = 1 if kind == "and" else 0
            fill = as_float(literal(neutral)) if real else literal(neutral)
            term = as_number(e) if not real else as_real(e)
            joined = self.joined(e, [e, mask])
            text = f"np.where({mask.text}, {term.text}, {fill.text})"
            e = replace(joined, text=text, prec=ATOM, kind="float" if real else "int")
        always = all(v.extent.at_least(1, self.smallest) for v in loops)
        depth = e.depth + 2
        if counted:
            if not fits(span) and not real and kind != "xor":
                e = as_object(as_number(e))
            zero = "0" if not is_array(e) else "np.float64(0)" if real else "np.int64(0)"
            start = "" if always else f", {zero}"
            if not always and e.kind == "object":
                raise NotVector
            inner = f"{e.text} {heads}"
            text = f"sum(({inner}){start})" if start else f"sum({inner})"
            kind_ = "float" if real else e.kind if e.kind == "object" else "int"
            value = replace(e, text=text, prec=ATOM, kind=kind_, depth=depth)
            if not always:
                value = replace(value, axes=frozenset())
            if kind == "xor":
                value = replace(value, text=f"{value.text} % 2", prec=PRODUCT)
            return value
        if kind == "argmax":
            if not is_array(e):
                raise NotVector
            low = self.affine(loops[0].low)
            text = f"{self.helper('_argmax')}([{e.text} {heads}])"
            if low.text != "0":
                text = f"({low.text} + {text})"
            return replace(e, text=text, prec=ATOM, kind="int", depth=depth)
        if not always and kind in ("min", "max"):
            raise NotVector
        combine = {"or": "np.logical_or", "and": "np.logical_and"}.get(kind) or f"np.{kind}imum"
        if kind in ("min", "max"):
            self.intervals[op.result] = self.interval(cast(Any, op.body).yields[0])
        first = {"or": ", np.False_", "and": ", np.True_"}.get(kind, "")
        text = f"{self.helper('_fold')}({combine}, ({e.text} {heads}){first})"
        value = replace(e, text=text, prec=ATOM, depth=depth)
        if kind in ("or", "and"):
            value = replace(value, kind="truth")
            if not always:
                value = replace(value, axes=frozenset())
        return value
