"""The state of a lowering: names, statements by loop level, storage, operands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ddc.ir import (
    Affine,
    Function,
    Global,
    Module,
    Operand,
    Quotient,
    constant_type,
    dims,
    element,
    fresh_name,
    operand_type,
    value_types,
    walk,
)
from ddc.ir import Scalar as IrScalar

from . import ranges
from .borders import Facts, Pair
from .nest import (
    INDEX,
    Array,
    Call,
    Const,
    Elem,
    Expr,
    For,
    Let,
    Stmt,
    Store,
    Var,
    entry_dtype,
    limits,
)
from .ranges import Interval, smallest
from .scalars import Scalars
from .values import (
    Buffer,
    Scalar,
    Value,
    add,
    cast,
    index,
    literal,
    multiply,
    subtract,
)

LARGEST_LOCAL = 1 << 12  # entries of an array on the stack
LARGEST_STACK = 1 << 16  # bytes of all arrays on the stack


@dataclass
class Level:
    """The statements of one loop body, and the hoisted indices that are defined there."""

    symbols: frozenset[str]
    body: list[Stmt] = field(default_factory=lambda: [])
    hoisted: dict[object, Expr | None] = field(default_factory=lambda: {})
    loads: dict[object, Scalar] = field(default_factory=lambda: {})


class Scope:
    """What is known while a function is lowered."""

    def __init__(self, module: Module, function: Function, roomy: bool) -> None:
        self.module = module
        self.function = function
        self.types = value_types(function, Module((function,), module.constants))
        self.values: dict[str, Value] = {}
        self.bounds: dict[str, tuple[Affine, Affine]] = {}
        self.loop_ranges: dict[str, Interval] = {}
        self.smallest = {s.name: s.minimum for s in function.sizes}
        self.levels = [Level(frozenset())]
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
        name = fresh_name(wish, self.taken)
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
        new = Level(self.levels[-1].symbols | frozenset(symbols))
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

    def stored(self, value: Scalar, type_: str) -> Expr:
        """Return a value in the type of its place."""
        return cast(value.expr, type_)

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
        return element(operand_type(operand, self.types, self.module))
