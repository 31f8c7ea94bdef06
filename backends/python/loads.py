"""Loads as numpy: rolled, padded or sliced arrays, else arrays of indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, cast

from ddc.ir import (
    Affine,
    Index,
    Loop,
    Missing,
    Op,
    Operand,
    Real,
    element,
)

from . import intervals
from .arrays import Arrays
from .ranges import fits
from .text import ATOM, BITOR, PRODUCT, Expr, as_float, call, literal
from .vector_ops import NotVector, as_number, as_object, as_real, is_array


@dataclass
class _Moves:
    """How the axes of an array move, each with its number: slices, rolls, edges, filled shifts."""

    slices: list[str] = field(default_factory=list[str])
    rolls: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    edges: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    fills: list[tuple[int, str, int | Fraction]] = field(
        default_factory=list[tuple[int, str, int | Fraction]]
    )


def _tuple_of(steps: Sequence[tuple[int, str]], rank: int) -> str:
    """Return the steps of all axes as a tuple: 0 for those that do not move."""
    given = dict(steps)
    texts = [given.get(axis, "0") for axis in range(rank)]
    return f"({', '.join(texts)}{',' if rank == 1 else ''})"


class Loads(Arrays):
    """Emits loads from arrays."""

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
        shape = self.shape(op.operands[0])
        symbols = {loop.symbol: k for k, loop in enumerate(self.axes)}
        used: list[int] = []
        moves = _Moves()
        for axis, (index, extent) in enumerate(zip(op.index, shape)):
            mine = [s for s in index.at.symbols() if s in symbols]
            if not mine:
                if index.border not in ("inside", "wrap", "clamp"):
                    return None
                moves.slices.append(self._place(index, extent)[0])
                continue
            if len(mine) > 1 or index.at.coefficient(mine[0]) != 1:
                return None
            loop = self.axes[symbols[mine[0]]]
            offset = index.at - Affine.symbol(mine[0])
            if loop.low.symbols() & symbols.keys() or mine[0] in offset.symbols():
                return None
            used.append(symbols[mine[0]])
            if not self._move(moves, axis, index, extent, loop, offset):
                return None
        if sorted(set(used)) != used:
            return None
        return self._assembled(op, base, used, moves)

    def _move(
        self, moves: _Moves, axis: int, index: Index, extent: Affine, loop: Loop, offset: Affine
    ) -> bool:
        """Note how one axis moves; tell whether an array can say it."""
        whole = loop.low == Affine.of(0) and loop.high == extent
        if whole and offset == Affine.of(0):
            moves.slices.append(":")
            return True
        low = index.at.extreme(self.bounds, upper=False)
        high = index.at.extreme(self.bounds, upper=True)
        inside = low.at_least(0, self.smallest) and (extent - 1 - high).at_least(0, self.smallest)
        if index.border == "inside" or inside:
            first, last = loop.low + offset, loop.high + offset
            start = self.affine(first).text
            # A start that is not negative only together with outer loops is proved by them.
            surely = first.at_least(0, self.smallest) or low.at_least(0, self.smallest)
            if not surely and not start.isidentifier() and "-" in start:
                return False
            stop = "" if last == extent else self.affine(last).text
            moves.slices.append(f"{'' if first == Affine.of(0) else start}:{stop}")
            return True
        if not whole:
            return False
        moves.slices.append(":")
        if index.border == "wrap":
            moves.rolls.append((axis, self.affine(-offset).text))
        elif index.border == "clamp":
            moves.edges.append((axis, self.affine(offset).text))
        else:
            other = cast("int | Fraction", index.other)
            moves.fills.append((axis, self.affine(offset).text, other))
        return True

    def _assembled(
        self,
        op: Op,
        base: Expr,
        used: Sequence[int],
        moves: _Moves,
    ) -> Expr:
        slices, fills, rank = list(moves.slices), moves.fills, len(moves.slices)
        kind = base.kind
        e = replace(base, own=0)
        if fills and any(isinstance(f[2], Fraction) for f in fills) and kind != "float":
            e, kind = replace(e, text=f"{e.at(ATOM)}.astype(float)", prec=ATOM), "float"
        if kind == "truth" and any(f[2] not in (0, 1) for f in fills):
            e, kind = replace(as_number(replace(e, own=1)), own=0), "int"
        wide = not fits(self.range_of(op.result)) and kind == "int"
        if wide:
            e, kind = replace(e, text=f"{e.at(ATOM)}.astype(object)", prec=ATOM), "object"
        if moves.rolls:
            shift, axis = self._steps(moves.rolls, rank)
            e = Expr(f"np.roll({e.text}, {shift}{axis})", depth=e.depth + 1)
        for group in self._by_fill(fills):
            value = literal(group[0][2])
            fill = as_float(value).text if kind == "float" else value.text
            steps = _tuple_of([(axis, step) for axis, step, _ in group], rank)
            e = Expr(f"{self.helper('_shift')}({e.text}, {steps}, {fill})", depth=e.depth + 1)
        if moves.edges:
            steps = _tuple_of(moves.edges, rank)
            e = Expr(f"{self.helper('_slide')}({e.text}, {steps})", depth=e.depth + 1)
        while slices and slices[-1] == ":":
            slices.pop()
        if slices:
            e = Expr(f"{e.at(ATOM)}[{', '.join(slices)}]", depth=e.depth + 1)
        gaps = [":" if k in used else "None" for k in range(used[0], used[-1] + 1)]
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
        if self.sliced:
            raise NotVector
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
        for place, (border, other), extent, at in zip(
            places, borders, self.shape(op.operands[0]), ats
        ):
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
            return self._at_arrays(
                op, base, places, [(border, other)] * len(places), [None] * len(places)
            )
        texts, conditions = self.computed_places(places, self.shape(array), border)
        others = [cast("int | Fraction", other)] * len(conditions)
        if not texts:
            return base
        return self._otherwise(op, self._item(op, base, texts), conditions, others)
