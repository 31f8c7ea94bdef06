"""Reductions as numpy: over an array at once, or of whole arrays in a Python loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from ddc.ir import (
    Affine,
    Block,
    Loop,
    Op,
    Real,
    element,
    operands_of,
    walk,
)

from .counts import Counts
from .ranges import LARGEST_SIZE, Range, fits
from .text import ATOM, BITOR, PRODUCT, Expr, as_float, literal
from .values import LONG, NeedsStatements
from .vector_ops import NotVector, as_number, as_object, as_real, is_array
from .writer import Writer

SMALL_BOX = 1 << 16  # entries of a box that may be laid out for a reduction


class Reductions(Counts):
    """Emits reductions."""

    def reduce(self, op: Op, writer: Writer | None) -> Expr:
        if self.axes:
            for behind in (True, False):
                try:
                    with self.attempt(None):
                        return self._reduce_axes(op, behind)
                except (NotVector, NeedsStatements):
                    pass
            self.settle(op, writer)
            return self._reduce_arrays(op, writer)
        if writer is not None:
            try:
                with self.attempt(writer):
                    found = self.in_counts(op, writer)
                    if found is None:
                        raise NotVector
                    return found
            except (NotVector, NeedsStatements):
                pass
        try:
            with self.attempt(writer):
                return self._reduce_box(op, writer)
        except (NotVector, NeedsStatements):
            pass
        self.settle(op, writer)
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
        product = self._scalar_product(op, e, writer)
        if product is not None:
            self.axes.clear()
            self.leave(op)
            return product
        if writer is not None and len(e.text) > LONG and isinstance(operand, str):
            self.bind(operand, e, writer)
            e = self.values[operand]
        self.axes.clear()
        self.leave(op)
        return self._reduced(op, e, span)

    def _scalar_product(self, op: Op, e: Expr, writer: Writer | None) -> Expr | None:
        """Return a real sum of the products of two arrays of one axis, if it is one."""
        assert op.body is not None
        last = op.body.ops[-1] if op.body.ops else None
        real = isinstance(element(self.types[op.result]), Real)
        if last is None or last.code != "mul" or op.body.yields != last.results or not real:
            return None
        factors = [self.operand(o) for o in last.operands]
        kinds = {f.kind for f in factors}
        whole = len(factors) == 2 and all(f.end == 1 and not f.own for f in factors)
        if op.attr("kind") != "add" or not whole or "float" not in kinds or "object" in kinds:
            return None
        if e.is_simple or len(self.axes) != 1:
            return None
        self._bounded(op)
        if writer is not None and sum(len(f.text) for f in factors) > LONG:
            longest = max(last.operands, key=lambda o: len(self.operand(o).text))
            if isinstance(longest, str):
                self.bind(longest, self.values[longest], writer)
                factors = [self.operand(o) for o in last.operands]
        text = f"float({factors[0].at(PRODUCT)} @ {factors[1].at(PRODUCT + 1)})"
        return Expr(text, ATOM, "float", depth=e.depth + 2)

    def _bounded(self, op: Op) -> None:
        """Note the interval of a real sum, by that of its terms."""
        term = self.interval(cast(Any, op.body).yields[0])
        if term is not None:
            size = max(LARGEST_SIZE * abs(b) for b in term)
            self.intervals[op.result] = (-size, size)

    def _reduce_axes(self, op: Op, behind: bool) -> Expr:
        """Return a reduction in a map as one along axes, behind or before those of the map.

        That lays out an array of all terms, so only where one is read that is as large.
        """
        assert op.body is not None
        outer, count = list(self.axes), len(op.loops)
        inner = {loop.symbol for loop in op.loops} | {loop.symbol for loop in outer}
        if self.sliced or any((v.low.symbols() | v.high.symbols()) & inner for v in op.loops):
            raise NotVector
        everything = any(
            o.code == "load" and inner <= set().union(*(i.at.symbols() for i in o.index))
            for o in op.body.ops
        )
        if not everything:
            raise NotVector
        saved = {} if behind else self._shifted(op, count)
        self.sliced = True
        try:
            self.enter(op)
            if behind:
                self.vectorise(op)
            else:
                self.axes[:0] = op.loops
                for loop in op.loops:
                    self.values[loop.var] = self.vector_affine(Affine.symbol(loop.symbol))
            self.block(op.body, None)
            e = self.operand(op.body.yields[0])
        finally:
            self.sliced = False
            self.axes[:] = outer
            self.values |= saved
        if e.own or not is_array(e):
            raise NotVector
        first, depth = (len(outer), len(outer) + count) if behind else (0, count)
        if not e.axes >= set(range(first, depth)) or (behind and e.end != depth):
            raise NotVector
        places = range(-count, 0) if behind and 0 not in e.axes else range(first, depth)
        span = self._reduced_range(op)
        self.leave(op)
        axes = frozenset(a if behind else a - count for a in e.axes if not first <= a < depth)
        end = len(outer) if behind else e.end - count
        if not axes or not end:
            raise NotVector
        found = self._along(op, e, tuple(places), span)
        return replace(found, axes=axes, end=end, own=0)

    def _shifted(self, op: Op, count: int) -> dict[str, Expr]:
        """Move the arrays that a body reads behind new axes; return them as they were."""
        saved: dict[str, Expr] = {}
        assert op.body is not None
        for inner in walk(Block((op,), ())):
            places = [s[1:] for i in inner.index for s in i.at.symbols() if s.startswith("%")]
            for name in (*operands_of(inner), *places):
                e = self.values.get(name) if isinstance(name, str) else None
                if e is not None and e.end and name not in saved:
                    saved[str(name)] = e
                    axes = frozenset(a + count for a in e.axes)
                    self.values[str(name)] = replace(e, axes=axes, end=e.end + count)
        return saved

    def _along(self, op: Op, e: Expr, places: tuple[int, ...], span: Range) -> Expr:
        """Return a reduction of an array along some of its axes."""
        kind = str(op.attr("kind"))
        real = isinstance(element(self.types[op.result]), Real)
        sure = all(v.extent.at_least(1, self.smallest) for v in op.loops)
        if kind in ("min", "max", "argmax") and not sure:
            raise NotVector
        axis = str(places[0]) if len(places) == 1 else f"({', '.join(map(str, places))})"
        depth = e.depth + 1
        if kind in ("or", "and"):
            method = "any" if kind == "or" else "all"
            return Expr(f"{e.at(ATOM)}.{method}({axis})", ATOM, "truth", depth=depth)
        if kind == "argmax":
            found = Expr(f"{e.at(ATOM)}.argmax({axis})", ATOM, "int", depth=depth)
            low = self.affine(op.loops[0].low)
            if low.text == "0":
                return found
            return replace(found, text=f"({low.text} + {found.text})")
        if kind in ("min", "max"):
            e = as_real(e) if real else as_number(e)
            self.intervals[op.result] = self.interval(cast(Any, op.body).yields[0])
            return Expr(f"{e.at(ATOM)}.{kind}({axis})", ATOM, e.kind, depth=depth)
        if real:
            return Expr(f"{as_real(e).at(ATOM)}.sum({axis})", ATOM, "float", depth=depth)
        if not fits(span) and kind != "xor":
            e = as_object(as_number(e))
        result = "object" if e.kind == "object" else "int"
        found = Expr(f"{e.at(ATOM)}.sum({axis})", ATOM, result, depth=depth)
        if kind == "xor":
            return replace(found, text=f"{found.text} % 2", prec=PRODUCT)
        return found

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
            self._bounded(op)
            return Expr(f"float({as_real(e).at(ATOM)}.sum())", ATOM, "float", depth=depth)
        if not fits(span):
            base = as_object(as_number(e)).at(ATOM)
        if e.kind == "truth":
            found = Expr(f"int(np.count_nonzero({e.text}))", ATOM, "int", depth=depth)
        else:
            found = Expr(f"int({base}.sum())", ATOM, "int", depth=depth)
        if kind == "xor":
            return replace(found, text=f"{found.text} % 2", prec=PRODUCT)
        return found

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
