"""Ops without loops: scalars, loads at borders, pieces of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ddc.ir import (
    Affine,
    Number,
    Op,
    Quotient,
    dims,
    element,
)

from . import borders, ranges
from .borders import Pair
from .nest import (
    INDEX,
    Bin,
    Call,
    Cmp,
    Const,
    Elem,
    Expr,
    Let,
    Select,
    Store,
    Var,
    limits,
)
from .ranges import fits
from .scope import Scope
from .values import (
    Buffer,
    Scalar,
    add,
    both,
    cast,
    index,
    literal,
    subtract,
)


class Data(Scope):
    """Lowers ops that have no body."""

    def compute(self, op: Op) -> Scalar:
        types = [self.scalar_type(o) for o in op.operands]
        return self.scalars.op(op, types, [self.scalar(o) for o in op.operands])

    def define(self, name: str, value: Scalar) -> None:
        """Name a scalar, with the better of what its type and its expression tell."""
        bounds = ranges.declared(element(self.types[name]))
        range_ = value.range
        if range_ is not None and bounds is not None:
            range_ = max(range_[0], bounds[0]), min(range_[1], bounds[1])
            if range_[0] > range_[1]:
                range_ = value.range
        if not isinstance(value.expr, Const):
            self.emit(Let(name, value.expr))
            value = replace(value, expr=Var(name, value.expr.type))
        self.values[name] = replace(value, range=range_)

    def const(self, op: Op) -> None:
        value = self.read(op.operands[0])
        if isinstance(value, Scalar):
            self.define(op.result, value)
        else:
            self.values[op.result] = value

    def index(self, op: Op) -> None:
        at = op.index[0].at
        range_ = ranges.affine(at, self.loop_ranges)
        self.define(op.result, Scalar(self.affine(at), range_, range_))

    def reshape(self, op: Op) -> None:
        value = self.read(op.operands[0])
        shape = dims(self.types[op.result])
        if isinstance(value, Scalar):
            if not shape:
                self.define(op.result, value)
                return
            buffer = self.buffer(op.result, value.range)
            self.emit(Store(buffer.array, index(0), self.stored(value, buffer.array.type)))
            self.values[op.result] = buffer
        elif shape:
            self.values[op.result] = replace(value, dims=shape)
        else:
            entry = Elem(value.array, index(0), value.array.type)
            self.define(op.result, Scalar(entry, value.range, value.reach))

    def pack(self, op: Op) -> None:
        values = [self.scalar(o) for o in op.operands]
        if not dims(self.types[op.result]):
            self.define(op.result, values[0])
            return
        buffer = self.buffer(op.result)
        for k, value in enumerate(values):
            self.emit(Store(buffer.array, index(k), self.stored(value, buffer.array.type)))
        self.values[op.result] = buffer

    def concat(self, op: Op) -> None:
        buffer = self.buffer(op.result)
        start: Expr = index(0)
        for operand in op.operands:
            value = self.read(operand)
            assert isinstance(value, Buffer)
            self.copy(value, buffer.array, start)
            start = add(start, self.extent(value.dims))
        self.values[op.result] = buffer

    # ------------------------------------------------------------ loads

    def load(self, op: Op) -> None:
        value = self.read(op.operands[0])
        if isinstance(value, Scalar):
            self.define(op.result, value)
            return
        places: list[Expr] = []
        guards: list[tuple[Expr, Number]] = []
        for axis, dim in zip(op.index, value.dims):
            pair = (axis.at, dim)
            if axis.border == "inside" or pair in self.known or self.facts.inside(pair):
                places.append(self.affine(axis.at))
            elif axis.border == "else":
                assert axis.other is not None
                condition = self.hoisted("inside", pair)
                if condition is not None:
                    guards.append((condition, axis.other))
                places.append(self.affine(axis.at))
            else:
                place = self.hoisted(axis.border, pair)
                assert place is not None
                places.append(place)
        key = (value.array.name, tuple(places), tuple(guards))
        same = next((v.loads[key] for v in self.levels if key in v.loads), None)
        if same is not None:
            self.values[op.result] = same
            return
        self.define(op.result, self.entry(value, places, guards))
        if value.array.place in ("input", "constant"):
            found = self.values[op.result]
            assert isinstance(found, Scalar)
            self.levels[-1].loads[key] = found

    def hoisted(self, kind: str, pair: Pair) -> Expr | None:
        """Return an index brought inside (or the condition that it is), where its loops begin."""
        symbols = {s for s in pair[0].symbols() if s.startswith("%")}
        level = next(v for v in self.levels if symbols <= v.symbols)
        key = (kind, pair)
        for known in self.levels:
            if key in known.hoisted:
                return known.hoisted[key]
        rule = {"wrap": borders.wrapped, "clamp": borders.clamped, "inside": borders.inside}[kind]
        expr = rule(self.affine(pair[0]), pair, self.affine(pair[1]), self.facts)
        if expr is not None and not isinstance(expr, (Const, Var)):
            name = self.fresh(_index_name(pair[0], kind))
            level.body.append(Let(name, expr))
            expr = Var(name, expr.type)
        level.hoisted[key] = expr
        return expr

    def entry(
        self, value: Buffer, places: Sequence[Expr], guards: Sequence[tuple[Expr, Number]]
    ) -> Scalar:
        """Return an entry, or the number of the first axis on which the place is outside."""
        array = value.array
        at = self.linear(places, value.dims)
        if not guards:
            return Scalar(Elem(array, at, array.type), value.range, value.reach)
        others = [literal(other) for _, other in guards]
        real = value.range is None or any(o.is_real for o in others)
        range_, reach = value.range, value.reach
        type_ = "f64"
        if not real:
            assert range_ is not None and reach is not None
            for other in others:
                assert other.range is not None
                range_, reach = ranges.hull(range_, other.range), ranges.hull(reach, other.range)
            type_, reach, _ = self.scalars.settle(range_, reach)
            if fits(ranges.hull(range_, limits(array.type)), array.type):
                type_ = array.type
        empty = not all(d.at_least(1, self.smallest) for d in value.dims)
        condition: Expr | None = None
        for guard, _ in guards:
            condition = both(condition, guard)
        other_expr = cast(others[-1].expr, type_)
        for (guard, _), other in list(zip(guards, others))[-2::-1]:
            first = cast(other.expr, type_)
            if first != other_expr:  # the first axis on which the place is outside decides
                other_expr = Select(guard, other_expr, first, type_)
        in_array = cast(other_expr, array.type) if type_ == array.type else None
        if in_array is not None:
            expr: Expr = Elem(array, at, array.type, condition, in_array, empty)
        else:
            assert condition is not None
            zero = Const(0.0, "f64") if array.type == "f64" else Const(0, array.type)
            found = cast(Elem(array, at, array.type, condition, zero, empty), type_)
            expr = Select(condition, found, other_expr, type_)
        return Scalar(expr, None if real else range_, None if real else reach)

    def gather(self, op: Op) -> None:
        value = self.read(op.operands[0])
        border, other = str(op.attr("border") or "inside"), op.attr("else")
        if isinstance(value, Scalar):
            self.define(op.result, value)
            return
        places: list[Expr] = []
        guards: list[tuple[Expr, Number]] = []
        for operand, dim in zip(op.operands[1:], value.dims):
            given = self.scalar(operand)
            assert given.reach is not None
            extent = self.affine(dim)
            place = self.keep(cast(given.expr, INDEX), "place")
            if border == "wrap":
                place = self.keep(Call("floormod", (place, extent), INDEX), "place")
            elif border == "clamp":
                top = subtract(extent, index(1))
                place = Bin("max", Bin("min", place, top, INDEX), index(0), INDEX)
                place = self.keep(place, "place")
            elif not (dim.is_const and given.reach[0] >= 0 and given.reach[1] < dim.const):
                inside = Bin("and", Cmp("ge", place, index(0)), Cmp("lt", place, extent), "bool")
                if border == "else":
                    assert isinstance(other, Number)
                    guards.append((self.keep(inside, "inside"), other))
                else:
                    place = self.keep(Select(inside, place, index(0), INDEX), "place")
            places.append(place)
        self.define(op.result, self.entry(value, places, guards))


def _index_name(at: Affine, kind: str) -> str:
    """Return a readable name for an index brought inside."""
    words: list[str] = []
    for symbol, coefficient in at.terms:
        if isinstance(symbol, Quotient):
            return f"{kind}_place"
        name = symbol.removeprefix("%")
        words.append(name if coefficient == 1 else f"{abs(coefficient)}{name}")
    text = "_".join(words) or "at"
    if at.const:
        text += f"_{'minus' if at.const < 0 else 'plus'}_{abs(at.const)}"
    return f"{text}_inside" if kind == "inside" else f"{text}_{kind}"
