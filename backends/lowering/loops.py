"""Maps, reductions and scans as loops, borders apart from the inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ddc.ir import (
    Affine,
    Block,
    Loop,
    Op,
    Operand,
    dims,
    element,
)

from . import borders, ranges
from .data import Data
from .nest import (
    INDEX,
    Assign,
    Bin,
    Call,
    Cmp,
    Const,
    Expr,
    For,
    Let,
    Mut,
    Select,
    Store,
    Var,
    limits,
)
from .ranges import I64, Interval, fits, smallest
from .values import (
    Buffer,
    Scalar,
    Value,
    cast,
    index,
    multiply,
    subtract,
)

MOST_TRIPS = 1 << 50  # a loop of more iterations does not end


class Loops(Data):
    """Lowers ops that have a body."""

    def block(self, block: Block) -> None:
        """Lower the ops of a block."""
        raise NotImplementedError

    def shape_of(self, op: Op) -> Sequence[Affine]:
        """Return the dims of the array that a load reads."""
        operand = op.operands[0]
        if isinstance(operand, str):
            return dims(self.types[operand])
        value = self.read(operand)
        return value.dims if isinstance(value, Buffer) else ()

    def nest(
        self,
        op: Op,
        body: Callable[[], None],
        parallel: bool,
        ordered: bool = False,
        depth: int = 0,
    ) -> None:
        """Add the loops of an op around what `body` adds, border iterations apart from the rest."""
        if depth == len(op.loops):
            body()
            return
        loop = op.loops[depth]
        chosen = None
        if depth == len(op.loops) - 1 and not ordered:
            chosen = self.splitting(op, loop)
        if chosen is None:
            self.loop(op, body, parallel, ordered, depth)
            return
        first, last = borders.bounds_of_inside(chosen, loop, self.facts, self.affine)
        first = self.keep(first, f"{loop.var}_first")
        last = self.keep(last, f"{loop.var}_end")
        new = chosen.pairs - self.known
        self.known |= new
        self.loop(op, body, parallel, ordered, depth, (first, last), note="inside")
        self.known -= new
        self.loop(op, body, parallel, ordered, depth, skip=(first, last), note="border")

    def loop(
        self,
        op: Op,
        body: Callable[[], None],
        parallel: bool,
        ordered: bool,
        depth: int,
        span: tuple[Expr, Expr] | None = None,
        skip: tuple[Expr, Expr] | None = None,
        note: str = "",
    ) -> None:
        loop = op.loops[depth]
        low, high = span or (self.affine(loop.low), self.affine(loop.high))
        self.enter(loop)
        with self.level([loop.symbol]) as statements:
            self.nest(op, body, parallel, ordered, depth + 1)
        self.leave(loop)
        self.emit(For(loop.var, low, high, tuple(statements), skip, parallel, note))

    def enter(self, loop: Loop) -> None:
        low = ranges.affine(loop.low, self.loop_ranges)
        high = ranges.affine(loop.high, self.loop_ranges)
        range_ = (low[0], max(low[0], high[1] - 1))
        self.bounds[loop.symbol] = (loop.low, loop.high - 1)
        self.loop_ranges[loop.symbol] = range_
        self.values[loop.var] = Scalar(Var(loop.var, INDEX), range_, range_)

    def leave(self, loop: Loop) -> None:
        del self.bounds[loop.symbol]
        del self.loop_ranges[loop.symbol]

    def splitting(self, op: Op, loop: Loop) -> borders.Split | None:
        assert op.body is not None
        if any(inner.body is not None for inner in op.body.ops):
            return None
        pairs = [pair for pair, _ in borders.bordered_pairs(op.body, self.shape_of)]
        if loop.extent.is_const and loop.extent.const <= 2:
            return None
        self.enter(loop)
        found = borders.split(loop, pairs, self.facts, frozenset())
        self.leave(loop)
        return found

    def map(self, op: Op) -> None:
        assert op.body is not None
        buffers = [self.buffer(name) for name in op.results]
        extents = [v.extent for v in op.loops]
        block = op.body

        def body() -> None:
            self.block(block)
            starts = [subtract(Var(v.var, INDEX), self.affine(v.low)) for v in op.loops]
            at = self.linear(starts, extents)
            for buffer, operand in zip(buffers, block.yields):
                self.place(buffer, at, operand)

        self.nest(op, body, parallel=True)
        self.values.update(zip(op.results, buffers))

    def place(self, buffer: Buffer, at: Expr, operand: Operand) -> None:
        """Store what an iteration yields."""
        value = self.read(operand)
        if isinstance(value, Scalar):
            self.emit(Store(buffer.array, at, self.stored(value, buffer.array.type)))
        else:
            self.copy(
                value, buffer.array, self.keep(multiply(at, self.extent(value.dims)), "start")
            )

    def reduce(self, op: Op) -> None:
        kind = str(op.attr("kind"))
        assert op.body is not None
        block = op.body
        total = self.accumulator(op, kind)
        place = self.fresh(f"{op.result}_place") if kind == "argmax" else None
        terms: list[Scalar] = []
        trips = self.trips(op)

        def body() -> None:
            self.block(block)
            value = self.scalar(block.yields[0])
            terms.append(value)
            if place is None:
                self.accumulate(kind, total, value, trips)
            else:
                self.better(op, total, place, value)

        if place is not None:
            self.emit(Mut(place, INDEX, self.affine(op.loops[0].low)))
        self.nest(op, body, parallel=False)
        self.finish(op, kind, total, place, terms[0])

    def trips(self, op: Op) -> int:
        """Return how many iterations a reduction has at most."""
        total = 1
        for loop in op.loops:
            total *= max(0, ranges.affine(loop.extent, self.loop_ranges)[1])
            self.enter(loop)
        for loop in op.loops:
            self.leave(loop)
        return min(total, MOST_TRIPS)

    def sample(self, op: Op, block: Block) -> Scalar:
        """Return what a body yields, without keeping its statements: only to know its type."""
        taken, values = set(self.taken), dict(self.values)
        self.dry(op, block)
        value = self.scalar(block.yields[0])
        self.taken.intersection_update(taken)
        self.values = values
        return value

    def dry(self, op: Op, block: Block) -> None:
        """Lower a body without keeping its statements."""
        constants, locals_ = list(self.constants), list(self.locals)
        workspace, stack = list(self.workspace), self.stack
        for loop in op.loops:
            self.enter(loop)
        with self.level([v.symbol for v in op.loops]):
            hoists = [(dict(v.hoisted), dict(v.loads)) for v in self.levels]
            marks = [len(v.body) for v in self.levels]
            self.block(block)
            for level, mark, known in zip(self.levels, marks, hoists):
                del level.body[mark:]
                level.hoisted, level.loads = known
        for loop in op.loops:
            self.leave(loop)
        self.constants[:], self.locals[:] = constants, locals_
        self.workspace[:], self.stack = workspace, stack

    def accumulator(self, op: Op, kind: str) -> Var:
        """Add the variable of a reduction."""
        if kind in ("min", "max", "argmax"):
            assert op.body is not None
            return self.extreme_start(op, kind, self.sample(op, op.body))
        scalar = element(self.types[op.result])
        if kind in ("and", "or", "xor"):
            self.emit(Mut(op.result, "bit", Const(1 if kind == "and" else 0, "bit")))
            return Var(op.result, "bit")
        if ranges.storage(scalar) == "f64":
            self.emit(Mut(op.result, "f64", Const(0.0, "f64")))
            return Var(op.result, "f64")
        type_ = self.sum_type(op)
        self.emit(Mut(op.result, type_, Const(0, type_)))
        return Var(op.result, type_)

    def sum_type(self, op: Op) -> str:
        """Return the type of a sum of ints, by where it lies and how many terms there are."""
        bounds = ranges.declared(element(self.types[op.result]))
        assert bounds is not None
        if bounds[0] > I64[0] and bounds[1] < I64[1]:
            narrow = smallest(ranges.hull(bounds, (0, 0)))
            return narrow if not self.scalars.roomy else max(narrow, "i32", key=_width)
        return "i64"

    def accumulate(self, kind: str, total: Var, value: Scalar, trips: int) -> None:
        code = {"count": "add"}.get(kind, kind)
        if kind in ("and", "or", "xor"):
            value = self.scalars.as_bit(value)
        term = cast(value.expr, total.type)
        defined = True
        if code == "add" and total.type != "f64":
            assert value.range is not None and value.reach is not None
            if not fits(ranges.times(value.range, (0, trips)), "i64"):
                self.scalars.checked = True
                self.emit(Assign(total.name, Call("add_checked", (total, term), "i64")))
                return
            defined = fits(ranges.times(value.reach, (0, trips)), total.type)
        self.emit(Assign(total.name, Bin(code, total, term, total.type, defined)))

    def extreme_start(self, op: Op, kind: str, value: Scalar) -> Var:
        type_ = value.expr.type
        if value.is_real:
            worst: Expr = Const(math.inf if kind == "min" else -math.inf, "f64")
        else:
            low, high = limits(type_)
            worst = Const(high if kind == "min" else low, type_)
        name = op.result if kind != "argmax" else self.fresh(f"{op.result}_best")
        self.emit(Mut(name, type_, worst))
        return Var(name, type_)

    def better(self, op: Op, best: Var, place: str, value: Scalar) -> None:
        """Keep the first greatest value and where it is; a NaN is the greatest."""
        given = cast(value.expr, best.type)
        condition: Expr = Cmp("gt", given, best)
        if best.type == "f64":
            nan = Bin("and", Cmp("ne", given, given), Cmp("eq", best, best), "bool")
            condition = Bin("or", condition, nan, "bool")
        greater = self.keep(condition, "greater")
        here = Var(op.loops[0].var, INDEX)
        self.emit(Assign(place, Select(greater, here, Var(place, INDEX), INDEX)))
        self.emit(Assign(best.name, Select(greater, given, best, best.type)))

    def finish(self, op: Op, kind: str, total: Var, place: str | None, term: Scalar) -> None:
        bounds = ranges.declared(element(self.types[op.result]))
        if place is not None:
            range_ = ranges.affine(Affine.symbol(op.loops[0].symbol), self.argmax_range(op))
            self.values[op.result] = Scalar(Var(place, INDEX), range_, range_)
            return
        if total.type == "f64" or bounds is None:
            self.values[op.result] = Scalar(Var(total.name, "f64"))
            return
        if kind in ("add", "count") and term.range is not None:
            reach = ranges.times(term.range, (0, self.trips(op)))
            bounds = max(bounds[0], reach[0]), min(bounds[1], reach[1])
        self.values[op.result] = Scalar(Var(total.name, total.type), bounds, limits(total.type))

    def argmax_range(self, op: Op) -> Mapping[str, Interval]:
        loop = op.loops[0]
        self.enter(loop)
        found = dict(self.loop_ranges)
        self.leave(loop)
        return found

    # ------------------------------------------------------------ scans

    def scan(self, op: Op) -> None:
        assert op.body is not None
        block, (loop,) = op.body, op.loops
        count = len(block.yields)
        buffers = [self.buffer(name) for name in op.results[:count]]
        for state in op.states:
            self.start_state(state.name, self.read(state.init))

        def body() -> None:
            self.block(block)
            at = subtract(Var(loop.var, INDEX), self.affine(loop.low))
            for buffer, operand in zip(buffers, block.yields):
                self.place(buffer, at, operand)
            self.next_states(op, block)

        self.nest(op, body, parallel=False, ordered=True)
        self.values.update(zip(op.results, buffers))
        for name, state in zip(op.results[count:], op.states):
            self.values[name] = self.values[state.name]

    def start_state(self, name: str, init: Value) -> None:
        scalar, shape = element(self.types[name]), dims(self.types[name])
        kind = ranges.storage(scalar)
        range_ = None if kind == "f64" else ranges.declared(scalar)
        if shape:
            assert isinstance(init, Buffer)
            array = self.allocate(name, kind, shape)
            reach = None if range_ is None else limits(kind)
            self.values[name] = Buffer(array, shape, range_, reach)
            self.copy(init, array, index(0))
            return
        assert isinstance(init, Scalar)
        if kind in ("i8", "i16") and self.scalars.roomy:
            kind = "i32"
        self.emit(Mut(name, kind, cast(init.expr, kind)))
        reach = None if range_ is None else limits(kind)
        self.values[name] = Scalar(Var(name, kind), range_, reach)

    def next_states(self, op: Op, block: Block) -> None:
        """Assign all next states at once: none may see another's new value."""
        moving = {s.name for s, n in zip(op.states, block.nexts) if n != s.name}
        pending: list[tuple[Value, Value]] = []
        for state, operand in zip(op.states, block.nexts):
            if operand == state.name:
                continue
            value = self.read(operand)
            if isinstance(operand, str) and operand in moving:
                value = self.snapshot(operand, value)
            pending.append((self.values[state.name], value))
        for target, value in pending:
            if isinstance(target, Buffer):
                assert isinstance(value, Buffer)
                self.copy(value, target.array, index(0))
            else:
                assert isinstance(value, Scalar) and isinstance(target.expr, Var)
                self.emit(Assign(target.expr.name, cast(value.expr, target.expr.type)))

    def snapshot(self, name: str, value: Value) -> Value:
        if isinstance(value, Scalar):
            kept = self.fresh(f"{name}_before")
            self.emit(Let(kept, value.expr))
            return replace(value, expr=Var(kept, value.expr.type))
        array = self.allocate(self.fresh(f"{name}_before"), value.array.type, value.dims)
        self.copy(value, array, index(0))
        return replace(value, array=array)


def _width(type_: str) -> int:
    return {"i8": 8, "i16": 16, "i32": 32}.get(type_, 64)
