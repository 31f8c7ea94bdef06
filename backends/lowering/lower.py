"""From a module that verifies to the loop IR that C and LLVM print."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from ddc.ir import (
    OPS,
    Affine,
    Block,
    DdcError,
    Function,
    Global,
    Loop,
    Module,
    Number,
    Op,
    Operand,
    Param,
    Quotient,
    constant_type,
    dims,
    element,
    print_type,
    value_types,
    walk,
)
from ddc.ir import Scalar as IrScalar
from ddc.ir.infer import literal_type

from . import borders, ranges
from .borders import Facts, Pair
from .nest import (
    INDEX,
    Array,
    Assign,
    Bin,
    Call,
    Cmp,
    Const,
    Elem,
    Expr,
    For,
    Kernel,
    Let,
    Mut,
    Parameter,
    Select,
    Stmt,
    Store,
    Var,
    entry_dtype,
    limits,
)
from .ranges import I64, Interval, fits, smallest
from .scalars import Scalars
from .values import (
    Buffer,
    Scalar,
    Value,
    add,
    both,
    cast,
    index,
    literal,
    multiply,
    subtract,
)
from .windows import prepare

MOST_TRIPS = 1 << 50  # a loop of more iterations does not end
LARGEST_LOCAL = 1 << 12  # entries of an array on the stack
LARGEST_STACK = 1 << 16  # bytes of all arrays on the stack


def lower(module: Module, roomy: bool = False) -> Kernel:
    """Return the entry function of a module that verifies in the loop IR.

    `roomy` is for C: ints get room for inputs beyond their declared ranges. Raises `DdcError`
    for a program that has no native form, such as one with a literal beyond 64 bits.
    """
    return _Lowering(module, prepare(module), roomy).kernel()


@dataclass
class _Level:
    """The statements of one loop body, and the hoisted indices that are defined there."""

    symbols: frozenset[str]
    body: list[Stmt] = field(default_factory=lambda: [])
    hoisted: dict[object, Expr | None] = field(default_factory=lambda: {})
    loads: dict[object, Scalar] = field(default_factory=lambda: {})


class _Lowering:
    def __init__(self, module: Module, function: Function, roomy: bool) -> None:
        self.module = module
        self.function = function
        self.types = value_types(function, Module((function,), module.constants))
        self.values: dict[str, Value] = {}
        self.bounds: dict[str, tuple[Affine, Affine]] = {}
        self.loop_ranges: dict[str, Interval] = {}
        self.smallest = {s.name: s.minimum for s in function.sizes}
        self.levels = [_Level(frozenset())]
        self.known: set[Pair] = set()
        self.taken = {p.name for p in (*function.params, *function.results)} | {
            name
            for op in walk(function.body)
            for name in (*op.results, *(v.var for v in op.loops), *(s.name for s in op.states))
        }
        self.taken |= {s.name for s in function.sizes}
        self.constants: list[Array] = []
        self.used_constants: dict[str, Array] = {}
        self.locals: list[Array] = []
        self.stack = 0
        self.workspace: list[tuple[Array, Expr]] = []
        self.scalars = Scalars(roomy, self.fresh, self.keep, self.constants)
        self.targets: dict[str, Array] = {}

    # ------------------------------------------------------------ names, statements, facts

    def fresh(self, wish: str) -> str:
        name, count = wish, 1
        while name in self.taken:
            count += 1
            name = f"{wish}_{count}"
        self.taken.add(name)
        return name

    def emit(self, statement: Stmt) -> None:
        self.levels[-1].body.append(statement)

    def keep(self, expr: Expr, wish: str = "part") -> Expr:
        """Return a name for a value."""
        if isinstance(expr, (Const, Var)):
            return expr
        name = self.fresh(wish)
        self.emit(Let(name, expr))
        return Var(name, expr.type)

    @property
    def facts(self) -> Facts:
        return Facts(self.bounds, self.smallest)

    @contextmanager
    def level(self, symbols: Sequence[str] = ()) -> Iterator[list[Stmt]]:
        new = _Level(self.levels[-1].symbols | frozenset(symbols))
        self.levels.append(new)
        try:
            yield new.body
        finally:
            self.levels.pop()

    def affine(self, at: Affine) -> Expr:
        """Return the value of an index expression."""
        result: Expr = index(at.const) if at.const > 0 or not at.terms else index(0)
        positive: Expr | None = None
        for symbol, coefficient in at.terms:
            if coefficient > 0:
                term = multiply(self.symbol(symbol), index(coefficient))
                positive = term if positive is None else add(positive, term)
        if positive is not None:
            result = add(positive, result)
        for symbol, coefficient in at.terms:
            if coefficient < 0:
                result = subtract(result, multiply(self.symbol(symbol), index(-coefficient)))
        return add(result, index(at.const)) if at.const < 0 and at.terms else result

    def symbol(self, symbol: str | Quotient) -> Expr:
        if isinstance(symbol, Quotient):
            inner, by = self.affine(symbol.of), index(symbol.by)
            name = "floormod" if symbol.kind == "mod" else "floordiv"
            return Call(name, (inner, by), INDEX)
        return Var(symbol.removeprefix("%"), INDEX)

    def extent(self, shape: Sequence[Affine]) -> Expr:
        total: Expr = index(1)
        for dim in shape:
            total = multiply(total, self.affine(dim))
        return total

    def linear(self, places: Sequence[Expr], shape: Sequence[Affine]) -> Expr:
        """Return the row-major index of an entry."""
        total: Expr = index(0)
        for place, dim in zip(places, shape):
            total = add(multiply(total, self.affine(dim)), place)
        return total

    # ------------------------------------------------------------ the whole

    def kernel(self) -> Kernel:
        function = self.function
        inputs = tuple(self.input(p) for p in function.params)
        outputs = tuple(self.output(r) for r in function.results)
        self.aim(outputs)
        self.block(function.body)
        returned: Expr | None = None
        lone = len(function.results) == 1 and not dims(function.results[0].type)
        for operand, param in zip(function.body.yields, outputs):
            value = self.read(operand)
            if isinstance(value, Scalar):
                expr = self.stored(value, param.type)
                if lone:
                    returned = expr
                else:
                    assert param.array is not None
                    self.emit(Store(param.array, index(0), expr))
            elif value.array is not param.array:
                assert param.array is not None
                self.copy(value, param.array, index(0))
        return Kernel(
            function.name,
            tuple(s.name for s in function.sizes),
            inputs,
            outputs,
            tuple(self.levels[0].body),
            returned,
            (*self.used_constants.values(), *self.constants),
            tuple(self.locals),
            # The widest entries first, so that all are aligned.
            tuple(sorted(self.workspace, key=lambda part: -entry_dtype(part[0].type).itemsize)),
            self.scalars.checked,
        )

    def stored(self, value: Scalar, type_: str) -> Expr:
        """Return a value in the type of its place."""
        return cast(value.expr, type_)

    def input(self, param: Param) -> Parameter:
        scalar, shape = element(param.type), dims(param.type)
        type_ = ranges.storage(scalar)
        range_ = ranges.declared(scalar) if type_ != "f64" else None
        reach = None if range_ is None else limits(type_)
        text = print_type(param.type)
        if not shape:
            self.values[param.name] = Scalar(Var(param.name, type_), range_, reach)
            return Parameter(param.name, text, type_, None)
        array = Array(param.name, type_, "input")
        self.values[param.name] = Buffer(array, shape, range_, reach)
        return Parameter(param.name, text, type_, array, tuple(map(str, shape)))

    def output(self, result: Param) -> Parameter:
        scalar, shape = element(result.type), dims(result.type)
        type_ = ranges.storage(scalar)
        # A value of the same name may live beside the result: the array has a name of its own.
        array = Array(f"{result.name} out", type_, "output")
        return Parameter(result.name, print_type(result.type), type_, array, tuple(map(str, shape)))

    def aim(self, outputs: Sequence[Parameter]) -> None:
        """Let ops of the outermost block write their results where they are wanted."""
        made = {name: op for op in self.function.body.ops for name in op.results}
        for operand, param in zip(self.function.body.yields, outputs):
            if not isinstance(operand, str) or operand not in made or operand in self.targets:
                continue
            op, wanted = made[operand], param.array
            if op.code not in ("map", "scan", "concat", "pack") or wanted is None:
                continue
            if op.code == "scan" and op.results.index(operand) >= len(op.results) - len(op.states):
                continue
            own = element(self.types[operand])
            if dims(self.types[operand]) and (ranges.storage(own) == "f64") == (
                param.type == "f64"
            ):
                self.targets[operand] = wanted

    def buffer(self, name: str, interval: Interval | None = None) -> Buffer:
        """Return storage for an array value."""
        type_ = self.types[name]
        shape, scalar = dims(type_), element(type_)
        range_ = None if ranges.storage(scalar) == "f64" else interval or ranges.declared(scalar)
        array = self.targets.get(name)
        if array is None:
            kind = ranges.storage(scalar)
            if range_ is not None and kind == "i64":
                kind = smallest(range_)
            array = self.allocate(name, kind, shape)
        reach = None if range_ is None else limits(array.type)
        return Buffer(array, shape, range_, reach)

    def allocate(self, name: str, kind: str, shape: Sequence[Affine]) -> Array:
        fixed = [d.const for d in shape] if all(d.is_const for d in shape) else None
        count = math.prod(fixed) if fixed is not None else None
        if count is not None and count <= LARGEST_LOCAL:
            size = count * entry_dtype(kind).itemsize
            if self.stack + size <= LARGEST_STACK:
                self.stack += size
                array = Array(name, kind, "local", count=max(1, count))
                self.locals.append(array)
                return array
        array = Array(name, kind, "workspace")
        self.workspace.append((array, self.extent(shape)))
        return array

    def copy(self, source: Buffer, target: Array, start: Expr) -> None:
        """Add a loop that copies all entries of an array."""
        name = self.fresh("k")
        var = Var(name, INDEX)
        entry = Scalar(Elem(source.array, var, source.array.type), source.range, source.reach)
        store = Store(target, add(start, var), self.stored(entry, target.type))
        self.emit(For(name, index(0), self.extent(source.dims), (store,), parallel=True))

    # ------------------------------------------------------------ operands

    def read(self, operand: Operand) -> Value:
        if isinstance(operand, Global):
            return self.constant(operand.name)
        return self.values[operand] if isinstance(operand, str) else literal(operand)

    def scalar(self, operand: Operand) -> Scalar:
        value = self.read(operand)
        assert isinstance(value, Scalar)
        return value

    def constant(self, name: str) -> Value:
        found = self.module.constant(name)
        assert found is not None
        type_ = constant_type(found)
        range_ = ranges.declared(element(type_))
        kind = "f64" if range_ is None else ranges.storage(element(type_))
        if not dims(type_):
            value = found.array.item()
            return Scalar(Const(value, kind), range_, range_)
        if name not in self.used_constants:
            values = np.ascontiguousarray(found.array).astype(entry_dtype(kind)).ravel()
            self.used_constants[name] = Array(self.fresh(name), kind, "constant", values)
        return Buffer(self.used_constants[name], dims(type_), range_, range_)

    def scalar_type(self, operand: Operand) -> IrScalar:
        if isinstance(operand, Global):
            found = self.module.constant(operand.name)
            assert found is not None
            return element(constant_type(found))
        if isinstance(operand, str):
            return element(self.types[operand])
        return element(literal_type(operand))

    # ------------------------------------------------------------ ops

    def block(self, block: Block) -> None:
        for op in block.ops:
            rule = _RULES.get(op.code)
            if rule is not None:
                rule(self, op)
            elif op.code in OPS and OPS[op.code].elementwise:
                self.define(op.result, self.compute(op))
            else:
                raise DdcError(f"there is no native form of the op {op.code!r}")

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
            if other.expr != others[-1].expr:
                other_expr = Select(guard, other_expr, cast(other.expr, type_), type_)
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

    # ------------------------------------------------------------ loops

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


_RULES: dict[str, Callable[[_Lowering, Op], None]] = {
    "const": _Lowering.const,
    "index": _Lowering.index,
    "reshape": _Lowering.reshape,
    "pack": _Lowering.pack,
    "concat": _Lowering.concat,
    "load": _Lowering.load,
    "gather": _Lowering.gather,
    "map": _Lowering.map,
    "reduce": _Lowering.reduce,
    "scan": _Lowering.scan,
}
