"""Blocks of the IR as numpy: maps become array expressions, scans loop over time only.

Inside a map every value is an array with one entry for each iteration, whose axes are the loops
around it; an axis along which it does not vary may be missing in front or be 1 long. Reductions
inside a map loop over the reduced range in Python and add whole arrays; others reduce an array.
What has no array form falls back to the plain loops over entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

from ddc.ir import (
    Affine,
    Category,
    Function,
    Global,
    Loop,
    Missing,
    Op,
    Operand,
    Real,
    Type,
    dims,
    element,
    int_bounds,
)

from . import intervals, ranges
from .literals import array_literal
from .plain import Module, NeedsStatements, Plain
from .ranges import LARGEST_SIZE, Range, fits
from .scalar import Use as ScalarUse
from .scalar import is_safe_division, scalar_op
from .text import ATOM, BITOR, PRODUCT, Expr, as_float, as_int, call, literal
from .vector_ops import CHUNK, NotVector, Use, as_number, as_object, as_real, is_array, vector_op
from .writer import Writer

SMALL_BOX = 1 << 16  # entries of a box that may be laid out for a reduction
DTYPES = {"int": "int", "truth": "bool", "object": "object", "float": "float"}


class Vector(Plain):
    """Emits the body of one function in the numpy style."""

    def __init__(
        self,
        function: Function,
        types: Mapping[str, Type],
        constants: Mapping[str, Any],
        names: Any,
        module: Module,
    ) -> None:
        super().__init__(function, types, constants, names, module)
        self.axes: list[Loop] = []  # the loops that are axes of arrays, outermost first
        self.ranges: dict[str, Range] = {}
        self.quiet = False
        self.row: Loop | None = None  # the axis of columns, where parameters are columns

    def warns(self) -> None:
        """Say that numpy may warn about infinities and NaNs."""
        self.quiet = True

    def helper(self, name: str) -> str:
        """Return a helper's name, adding it to the module."""
        return self.module.helper(name)

    def constant(self, wish: str, text: str) -> str:
        """Return the name of a new module constant."""
        return self.module.constant(wish, text)

    # ------------------------------------------------------------ operands

    def array_kind(self, operand: Operand) -> str:
        """Return the kind of an array of ints by what it may hold."""
        scalar = self.scalar(operand)
        if isinstance(scalar, (Real, Missing)):
            return "float"
        return "int" if fits(self.range_of(operand)) else "object"

    def range_of(self, operand: Operand) -> Range:
        """Return the range of an int operand in practice."""
        if isinstance(operand, int):
            return operand, operand
        if isinstance(operand, str) and operand in self.ranges:
            return self.ranges[operand]
        return int_bounds(self.scalar(operand)) or (0, 0)

    def operand(self, operand: Operand) -> Expr:
        """Return an operand as an expression; constants are arrays."""
        if isinstance(operand, Global):
            if operand.name not in self._constant_names:
                text = array_literal(self.constants[operand.name])
                self._constant_names[operand.name] = self.module.constant(operand.name, text)
            own = len(self.shape(operand))
            return Expr(self._constant_names[operand.name], ATOM, self.array_kind(operand), own=own)
        return super().operand(operand)

    def enter(self, op: Op) -> None:
        """Make the loop variables known, with their ranges in practice."""
        super().enter(op)
        for loop in op.loops:
            low = ranges.of_affine(loop.low, self.ranges, self.smallest)[0]
            high = ranges.of_affine(loop.high - 1, self.ranges, self.smallest)[1]
            bottom = 0 if low is None else low
            self.ranges[loop.var] = (bottom, max(bottom, LARGEST_SIZE if high is None else high))

    def aligned(self, e: Expr) -> Expr:
        """Return an array with axes of length 1 for the loops behind its last axis."""
        missing = len(self.axes) - e.end
        if not e.end or not missing:
            return e
        if e.own:
            raise NotVector
        text = f"{e.at(ATOM)}[{', '.join(['...'] + ['None'] * missing)}]"
        return replace(e, text=text, prec=ATOM, end=len(self.axes), condition=None)

    def joined(self, value: Expr, args: Sequence[Expr]) -> Expr:
        """Return an expression with the axes of its operands together."""
        axes = frozenset[int]().union(*(a.axes for a in args))
        end = max((a.end for a in args), default=0)
        return replace(value, axes=axes, end=end)

    # ------------------------------------------------------------ ops

    def simple(self, op: Op) -> Expr:
        """Return an op without a body as an expression."""
        if op.code in _DATA:
            return _DATA[op.code](self, op)
        args = [self.operand(o) for o in op.operands]
        types = [self.scalar(o) for o in op.operands]
        known = [self.interval(o) for o in op.operands]
        spans = [self.range_of(o) for o in op.operands]
        out = element(self.types[op.result])
        self.intervals[op.result] = intervals.of_op(op, known)
        if int_bounds(out) is not None:
            self.ranges[op.result] = ranges.of_op(op, list(zip(types, spans)))
        if any(isinstance(t, Real) for t in (*types, out)):
            self.warns()
        if not any(is_array(a) for a in args):
            use = ScalarUse(op, args, types, out, known, self.module)
            if op.code not in _BY_NUMPY or not use.is_real or is_safe_division(use):
                return scalar_op(use)
            spans = [(None, None) for _ in args]
            found = vector_op(Use(op, args, types, spans, out, (None, None), known, self))
            return call("float", found, kind="float")
        if self.axes and self.axes[0] is self.row and any(a.kind == "object" for a in args):
            raise NotVector
        if len(args) > CHUNK or any(a.own for a in args):
            raise NotVector
        args = [self.aligned(a) for a in args]
        span = self.range_of(op.result)
        found = vector_op(Use(op, args, types, spans, out, span, known, self))
        return self.joined(found, args)

    def const(self, op: Op) -> Expr:
        (operand,) = op.operands
        self.intervals[op.result] = self.interval(operand)
        self.ranges[op.result] = self.range_of(operand)
        return self.operand(operand)

    def vector_affine(self, at: Affine) -> Expr:
        """Return an index expression, an array where loops that are axes occur."""
        for loop in reversed(self.axes):
            if loop.low.symbols() & self.axis_symbols():
                # an axis that starts where an outer one says counts from there
                at = at.substitute({loop.symbol: Affine.symbol(loop.symbol) + loop.low})
        used = [k for k, loop in enumerate(self.axes) if loop.symbol in at.symbols()]
        if not used:
            return super().affine(at)
        saved = dict(self.symbols)
        for k in used:
            text = self._arange(self.axes[k])
            if k < max(used):
                text += f"[{', '.join([':'] + ['None'] * (max(used) - k))}]"
            self.symbols[self.axes[k].symbol] = text
        e = super().affine(at)
        self.symbols = saved
        return replace(e, axes=frozenset(used), end=max(used) + 1, depth=e.depth + 2)

    def axis_symbols(self) -> set[str]:
        """Return the loop variables that are axes."""
        return {loop.symbol for loop in self.axes}

    def _arange(self, loop: Loop) -> str:
        """Return the numbers of a loop as an array."""
        if loop.low.symbols() & self.axis_symbols():
            return f"np.arange({self.affine(loop.extent).text})"
        text = self.range(loop)
        return f"np.{text.replace('range', 'arange', 1)}" if text[0] == "r" else f"np.array({text})"

    def index(self, op: Op) -> Expr:
        self.ranges[op.result] = ranges.of_affine(op.index[0].at, self.ranges, self.smallest)
        return self.vector_affine(op.index[0].at)

    # ------------------------------------------------------------ loads

    def load(self, op: Op) -> Expr:
        (array,) = op.operands
        base = self.operand(array)
        self._bordered(op, array, [i.other for i in op.index if i.border == "else"])
        names = {loop.symbol for loop in self.axes}
        if base.end:
            raise NotVector
        if not op.index:
            return base
        if not any(i.at.symbols() & names for i in op.index):
            return self._scalar_load(op, base)
        moved = self._moved(op, base)
        return moved if moved is not None else self._indexed(op, base)

    def _bordered(self, op: Op, array: Operand, others: Sequence[Any]) -> None:
        span, known = self.range_of(array), self.interval(array)
        for other in others:
            known = intervals.join(known, self.interval(other))
            if isinstance(other, int) and span[0] is not None and span[1] is not None:
                span = (min(span[0], other), max(span[1], other))
        self.ranges[op.result], self.intervals[op.result] = span, known

    def _scalar_load(self, op: Op, base: Expr) -> Expr:
        conditions: list[str] = []
        places: list[str] = []
        others: list[int | Fraction] = []
        for index, extent in zip(op.index, self.shape(op.operands[0])):
            place, condition = self._place(index, extent)
            places.append(place)
            if condition:
                conditions.append(condition)
                others.append(cast("int | Fraction", index.other))
        return self._otherwise(op, self._item(op, base, places), conditions, others)

    def _item(self, op: Op, base: Expr, places: Sequence[str]) -> Expr:
        """Return one entry of an array as a Python number."""
        out = element(self.types[op.result])
        real = isinstance(out, (Real, Missing))
        entry = Expr(f"{base.at(ATOM)}[{', '.join(places)}]")
        return call("float" if real else "int", entry, kind="float" if real else "int")

    def _moved(self, op: Op, base: Expr) -> Expr | None:
        """Return a load with an offset on each axis as rolled, padded or sliced arrays."""
        array = op.operands[0]
        shape = self.shape(array)
        symbols = {loop.symbol: k for k, loop in enumerate(self.axes)}
        used: list[int] = []
        slices: list[str] = []
        rolls: list[tuple[int, str]] = []
        fills: list[tuple[int, str, int | Fraction]] = []
        edges: list[tuple[int, str]] = []
        position = 0  # of the axis in the array before slices remove any
        for axis, (index, extent) in enumerate(zip(op.index, shape)):
            mine = [s for s in index.at.symbols() if s in symbols]
            if not mine:
                if index.border not in ("inside", "wrap", "clamp"):
                    return None
                slices.append(self._place(index, extent)[0])
                continue
            if len(mine) > 1 or index.at.coefficient(mine[0]) != 1:
                return None
            loop = self.axes[symbols[mine[0]]]
            if loop.low.symbols() & symbols.keys():
                return None
            offset = index.at - Affine.symbol(mine[0])
            if mine[0] in offset.symbols():
                return None
            used.append(symbols[mine[0]])
            whole = loop.low == Affine.of(0) and loop.high == extent
            low = index.at.extreme(self.bounds, upper=False)
            high = index.at.extreme(self.bounds, upper=True)
            inside = index.border == "inside" or (
                low.at_least(0, self.smallest) and (extent - 1 - high).at_least(0, self.smallest)
            )
            if whole and offset == Affine.of(0):
                slices.append(":")
            elif inside:
                start, stop = self.affine(loop.low + offset), self.affine(loop.high + offset)
                ends = (loop.low + offset).at_least(0, self.smallest)
                if not ends and not start.text.isidentifier() and "-" in start.text:
                    # a start that is proved not negative only together with outer loops
                    ends = low.at_least(0, self.smallest)
                    if not ends:
                        return None
                first = "" if loop.low + offset == Affine.of(0) else start.text
                last = "" if loop.high + offset == extent else stop.text
                slices.append(f"{first}:{last}")
            elif not whole:
                return None
            else:
                slices.append(":")
                steps = self.affine(offset).text
                if index.border == "wrap":
                    rolls.append((axis, self.affine(-offset).text))
                elif index.border == "clamp":
                    edges.append((axis, steps))
                else:
                    fills.append((axis, steps, cast("int | Fraction", index.other)))
            position += 1
        if sorted(set(used)) != used:
            return None
        return self._assembled(op, base, used, slices, rolls, edges, fills)

    def _assembled(
        self,
        op: Op,
        base: Expr,
        used: Sequence[int],
        slices: Sequence[str],
        rolls: Sequence[tuple[int, str]],
        edges: Sequence[tuple[int, str]],
        fills: Sequence[tuple[int, str, int | Fraction]],
    ) -> Expr:
        rank = len(slices)
        kind = base.kind
        e = replace(base, own=0)
        if fills and any(isinstance(f[2], Fraction) for f in fills) and kind != "float":
            e, kind = replace(e, text=f"{e.at(ATOM)}.astype(float)", prec=ATOM), "float"
        if fills and kind == "truth":
            e, kind = replace(as_number(replace(e, own=1)), own=0), "int"
        wide = not fits(self.range_of(op.result)) and kind == "int"
        if wide:
            e, kind = replace(e, text=f"{e.at(ATOM)}.astype(object)", prec=ATOM), "object"
        if rolls:
            shift, axis = self._steps([(a, t) for a, t in rolls], rank)
            e = Expr(f"np.roll({e.text}, {shift}{axis})", depth=e.depth + 1)
        for group in self._by_fill(fills):
            value = literal(group[0][2])
            fill = as_float(value).text if kind == "float" else value.text
            steps = ["0"] * rank
            for axis_, step, _ in group:
                steps[axis_] = step
            tuple_text = f"({', '.join(steps)}{',' if rank == 1 else ''})"
            e = Expr(f"{self.helper('_shift')}({e.text}, {tuple_text}, {fill})", depth=e.depth + 1)
        if edges:
            steps = ["0"] * rank
            for axis_, step in edges:
                steps[axis_] = step
            tuple_text = f"({', '.join(steps)}{',' if rank == 1 else ''})"
            e = Expr(f"{self.helper('_slide')}({e.text}, {tuple_text})", depth=e.depth + 1)
        if any(s != ":" for s in slices):
            e = Expr(f"{e.at(ATOM)}[{', '.join(slices)}]", depth=e.depth + 1)
        gaps: list[str] = []
        for k in range(used[0], used[-1] + 1):
            gaps.append(":" if k in used else "None")
        if "None" in gaps:
            e = Expr(f"{e.at(ATOM)}[{', '.join(gaps)}]", depth=e.depth + 1)
        return replace(e, kind=kind, axes=frozenset(used), end=used[-1] + 1, own=0)

    def _steps(self, moves: Sequence[tuple[int, str]], rank: int) -> tuple[str, str]:
        if len(moves) == 1:
            axis = f", axis={moves[0][0]}" if rank > 1 else ""
            return moves[0][1], axis
        steps = ", ".join(t for _, t in moves)
        return f"({steps})", f", axis=({', '.join(str(a) for a, _ in moves)})"

    def _by_fill(
        self, fills: Sequence[tuple[int, str, int | Fraction]]
    ) -> list[list[tuple[int, str, int | Fraction]]]:
        """Group axes that fill in the same; where they differ the first axis decides, so is last."""
        if len({literal(f[2]).text for f in fills}) <= 1:
            return [list(fills)] if fills else []
        return [[f] for f in reversed(fills)]

    def _indexed(self, op: Op, base: Expr) -> Expr:
        """Return a load at index arrays."""
        places = [self.vector_affine(index.at) for index in op.index]
        borders = [(index.border, index.other) for index in op.index]
        return self._at_arrays(op, base, places, borders, [i.at for i in op.index])

    def _at_arrays(
        self,
        op: Op,
        base: Expr,
        places: Sequence[Expr],
        borders: Sequence[tuple[str, Any]],
        ats: Sequence[Affine | None],
    ) -> Expr:
        places = [self.aligned(as_number(p)) for p in places]
        texts: list[str] = []
        outside: list[tuple[str, Any]] = []
        for place, (border, other), extent, at in zip(places, borders, self.shape(op.operands[0]), ats):
            if place.kind == "object":
                place = replace(place, text=f"{place.at(ATOM)}.astype(int)", prec=ATOM)
            size = self.affine(extent)
            text = place.text
            inside = border == "inside"
            if at is not None:
                low = at.extreme(self.bounds, upper=False).at_least(0, self.smallest)
                high = extent - 1 - at.extreme(self.bounds, upper=True)
                inside = inside or (low and high.at_least(0, self.smallest))
            if not inside and border == "wrap":
                text = f"{place.at(PRODUCT)} % {size.at(ATOM)}"
            elif not inside:
                if not extent.at_least(1, self.smallest):
                    raise NotVector
                last = self.affine(extent - 1).text
                text = f"np.clip({place.text}, 0, {last})"
                if border == "else":
                    off = f"({place.at(BITOR)} < 0) | ({place.at(BITOR)} > {last})"
                    outside.append((off, other))
            texts.append(text)
        entry = Expr(f"{base.at(ATOM)}[{', '.join(texts)}]", ATOM, base.kind, depth=base.depth + 1)
        entry = replace(self.joined(entry, places), own=0)
        real = isinstance(element(self.types[op.result]), (Real, Missing))
        wide = not fits(self.range_of(op.result))
        for off, other in reversed(outside):
            fill = as_float(literal(other)) if real else literal(other)
            entry = as_real(entry) if real else as_number(entry)
            if wide and not real:
                entry = as_object(entry)
            text = f"np.where({off}, {fill.text}, {entry.text})"
            kind = "float" if real else "object" if wide else "int"
            entry = replace(entry, text=text, prec=ATOM, kind=kind, depth=entry.depth + 1)
        return entry

    def gather(self, op: Op) -> Expr:
        array, *operands = op.operands
        base = self.operand(array)
        border, other = str(op.attr("border") or "inside"), op.attr("else")
        self._bordered(op, array, [other] if other is not None else [])
        places = [self.operand(o) for o in operands]
        if base.end:
            raise NotVector
        if any(is_array(p) for p in places):
            return self._at_arrays(op, base, places, [(border, other)] * len(places), [None] * len(places))
        texts: list[str] = []
        conditions: list[str] = []
        for place, extent in zip(places, self.shape(array)):
            at, size = as_int(place), self.affine(extent)
            text = at.text
            if border == "wrap":
                text = f"{at.at(PRODUCT)} % {size.at(ATOM)}"
            elif border == "clamp":
                text = f"min(max({at.text}, 0), {self.affine(extent - 1).text})"
            elif border == "else":
                conditions.append(f"0 <= {at.at(BITOR)} < {size.text}")
            texts.append(text)
        others = [cast("int | Fraction", other)] * len(conditions)
        if not texts:
            return base
        return self._otherwise(op, self._item(op, base, texts), conditions, others)

    # ------------------------------------------------------------ whole arrays

    def dtype(self, op: Op, position: int = 0) -> str:
        """Return the dtype of a result, as numpy is told."""
        return DTYPES[self.array_kind(op.results[position])]

    def outer_only(self, args: Sequence[Expr]) -> None:
        """Refuse whole-array ops inside a map."""
        if any(a.end for a in args):
            raise NotVector

    def concat(self, op: Op) -> Expr:
        args = [self.operand(o) for o in op.operands]
        self.outer_only(args)
        self.intervals[op.result] = self._joined(op.operands)
        spans = [self.range_of(o) for o in op.operands]
        self.ranges[op.result] = _hull(spans)
        kind = self.array_kind(op.result)
        args = [self.cast(a, kind) for a in args]
        inner = ", ".join(a.text for a in args)
        return Expr(f"np.concatenate([{inner}])", ATOM, kind, own=len(dims(self.types[op.result])))

    def cast(self, e: Expr, kind: str) -> Expr:
        """Return an array of another kind."""
        if kind == e.kind:
            return e
        text = f"{e.at(ATOM)}.astype({DTYPES[kind]})"
        return replace(e, text=text, prec=ATOM, kind=kind, condition=None)

    def pack(self, op: Op) -> Expr:
        args = [self.operand(o) for o in op.operands]
        self.outer_only(args)
        self.intervals[op.result] = self._joined(op.operands)
        self.ranges[op.result] = _hull([self.range_of(o) for o in op.operands])
        if not op.shape:
            return args[0]
        text = f"np.array([{', '.join(a.text for a in args)}], dtype={self.dtype(op)})"
        if len(op.shape) > 1:
            text += f".reshape({', '.join(str(d.const) for d in op.shape)})"
        return Expr(text, ATOM, self.array_kind(op.result), own=len(op.shape), depth=2)

    def reshape(self, op: Op) -> Expr:
        (array,) = op.operands
        e, before = self.operand(array), self.shape(array)
        self.outer_only([e])
        self.intervals[op.result] = self.interval(array)
        self.ranges[op.result] = self.range_of(array)
        if before == op.shape:
            return e
        kind = self.array_kind(op.result)
        shape = ", ".join(str(d.const) for d in op.shape)
        if not before:
            text = f"np.full(({shape},), {as_number(e).text}, dtype={DTYPES[kind]})"
            return Expr(text, ATOM, kind, own=len(op.shape))
        if not op.shape:
            real = kind == "float"
            inner = Expr(f"{e.at(ATOM)}.item()")
            return call("float" if real else "int", inner, kind="float" if real else "int")
        return Expr(f"{e.at(ATOM)}.reshape({shape})", ATOM, e.kind, own=len(op.shape), depth=1)

    # ------------------------------------------------------------ maps

    @contextmanager
    def attempt(self, writer: Writer | None) -> Any:
        """Take back statements and names where the body of the `with` gives up."""
        mark, lines = self.names.mark(), len(writer.lines) if writer else 0
        depth, bounds = len(self.axes), list(self.bounds)
        try:
            yield
        except (NotVector, NeedsStatements):
            self.names.release(mark)
            if writer is not None:
                writer.rewind(lines)
            del self.axes[depth:]
            for symbol in list(self.bounds):
                if symbol not in bounds:
                    del self.bounds[symbol]
            raise

    def map(self, op: Op, writer: Writer | None) -> list[Expr]:
        try:
            with self.attempt(writer):
                return self._vector_map(op, writer)
        except NotVector:
            if self.axes:
                raise
        found = super().map(op, writer)
        return [self._from_lists(op, k, e) for k, e in enumerate(found)]

    def vectorise(self, op: Op) -> None:
        """Make the loops of an op axes."""
        self.axes += op.loops
        for loop in op.loops:
            self.values[loop.var] = self.vector_affine(Affine.symbol(loop.symbol))

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
            varies = e.axes >= set(range(outer, depth)) and (not inner or e.end == depth or not e.end)
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

    def _walked(self, op: Op) -> list[Op]:
        """Return the loads that a Python loop over the entries of arrays makes superfluous."""
        if self.axes:
            return []
        return [] if len(op.loops) > 1 else super()._walked(op)

    def _entries(self, walked: Sequence[Op]) -> list[str]:
        for load in walked:
            self.ranges[load.result] = self.range_of(load.operands[0])
        return super()._entries(walked)

    # ------------------------------------------------------------ reductions

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
            if inner.code == "load" and set(symbols) <= set().union(*(i.at.symbols() for i in inner.index), set()):
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
            return Expr(f"int({base}.{'any' if kind == 'or' else 'all'}())", ATOM, "int", depth=depth)
        if kind in ("min", "max"):
            self.intervals[op.result] = self.interval(operand)
            return Expr(f"{'float' if real else 'int'}({base}.{kind}())", ATOM, "float" if real else "int", depth=depth)
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
        span = self._term_range(op)
        with_mask = self._masked(masks)
        try:
            with self.attempt(None):
                self.block(op.body, None)
                e = self.operand(op.body.yields[0])
        except NeedsStatements:
            if writer is None:
                raise
            name = self.names.fresh("term")
            writer.blank()
            with writer.indented(f"def {name}({', '.join(targets)}):"):
                self.block(op.body, writer)
                e = self.operand(op.body.yields[0])
                writer.line(f"return {e.text}")
            writer.blank()
            e = replace(e, text=f"{name}({', '.join(targets)})", prec=ATOM, depth=1)
        if e.own:
            raise NotVector
        del span
        heads = " ".join(f"for {t} in {self.range(v)}" for t, v in zip(targets, bounded))
        e = self.aligned(e)
        result = self._folded(op, kind, e, with_mask, heads, bounded)
        self.leave(op)
        return result

    def _reads_inside(self, op: Op) -> bool:
        """Tell whether an op relies on the range of a loop: a load proved inside."""
        if op.code == "load" and any(i.border == "inside" for i in op.index):
            return True
        if op.code in ("gather", "mod", "floordiv", "table", "onehot", "div"):
            return True
        return op.body is not None

    def _term_range(self, op: Op) -> None:
        return None

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
        if not is_array(e) and mask is None and kind != "argmax":
            if kind not in ("add", "count", "xor") or real:
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
        if kind in ("add", "count", "xor"):
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

    # ------------------------------------------------------------ scans

    def scan(self, op: Op, writer: Writer) -> None:
        assert op.body is not None
        if self.axes:
            raise NotVector
        count = len(op.body.yields)
        for state in op.states:
            self.ranges[state.name] = int_bounds(element(state.type)) or (0, 0)
        super().scan(op, writer)
        for k, name in enumerate(op.results):
            if k >= count:
                self.ranges[name] = self.ranges[op.states[k - count].name]
                continue
            if not self.usage.count[name]:
                continue
            e = self._from_lists(op, k, self.values[name])
            writer.line(f"{self.values[name].text} = {e.text}")
            self.values[name] = replace(e, text=self.values[name].text, prec=ATOM, depth=0)

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

    def following(self, op: Op, position: int) -> Expr:
        """Return what a state becomes."""
        assert op.body is not None
        state = op.states[position]
        value = super().following(op, position)
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


def _hull(spans: Sequence[Range]) -> Range:
    lows = [s[0] for s in spans]
    highs = [s[1] for s in spans]
    return (
        None if None in lows else min(cast("list[int]", lows)),
        None if None in highs else max(cast("list[int]", highs)),
    )


_BY_NUMPY = frozenset(
    {"div", "pow", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "curve", "leaky_relu"}
)

_DATA = {
    "const": Vector.const,
    "index": Vector.index,
    "load": Vector.load,
    "gather": Vector.gather,
    "concat": Vector.concat,
    "pack": Vector.pack,
    "reshape": Vector.reshape,
}

