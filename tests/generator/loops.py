"""Random structured ops: maps, reductions, scans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from ddc import ir
from ddc.ir import Affine, Loop, State, Type
from ddc.ir.infer import index_range

from .base import MOST_ITERATIONS, Drawing
from .values import (
    Interval,
    Value,
    affine_interval,
    combine,
    is_exact,
    is_number,
)


class Loops(Drawing):
    """Adds structured ops with bodies."""

    def _open(self, depth: int, box: bool, nonempty: bool, most: int) -> list[Loop]:
        """Draw loops and bring their variables into scope; `_close` takes them out again."""
        loops: list[Loop] = []
        for _ in range(most):
            ranges = self._ranges(list(self.bounds))
            allowed: list[tuple[Affine, Affine]] = []
            for low, high in ranges:
                extent = high - low
                least = extent.extreme(self.bounds, upper=False)
                if box and (
                    extent.symbols() & self.bounds.keys() or not extent.at_least(0, self.smallest)
                ):
                    continue
                if nonempty and not least.at_least(1, self.smallest):
                    continue
                if self.work * max(1, self._trips(low, high)) <= MOST_ITERATIONS:
                    allowed.append((low, high))
            if not allowed:
                break
            low, high = self.pick(allowed)
            loop = self.builder.loop(self.pick(["i", "j", "t", "k.1"]), low, high)
            self.work *= max(1, self._trips(low, high))
            lowest, highest = affine_interval(low, self.ranges)[0], self.longest(high) - 1
            self.bounds[loop.symbol] = (low, high - 1)
            self.ranges[loop.symbol] = (lowest, max(lowest, highest))
            scalar = ir.int_type(
                *index_range(Affine.symbol(loop.symbol), self.bounds, self.smallest)
            )
            self.scope.append(Value(loop.var, scalar, lowest, max(lowest, highest), 0).narrowed())
            loops.append(loop)
        return loops

    def _trips(self, low: Affine, high: Affine) -> int:
        return self.longest(high) - affine_interval(low, self.ranges)[0]

    def _ranges(self, around: Sequence[str]) -> list[tuple[Affine, Affine]]:
        zero, two = Affine.of(0), Affine.of(2)
        found = [
            (zero, two),
            (zero, Affine.of(3)),
            (Affine.of(1), Affine.of(4)),
            (zero, Affine.of(1)),
        ]
        for size in self.sizes:
            n = Affine.symbol(size.name)
            found += [(zero, n), (zero, n), (zero, n - 1), (Affine.of(1), n + 1), (zero, n + 1)]
            found += [(Affine.of(-1), n), (zero, n.floordiv(2)), (two, n)]
        for symbol in around:
            i = Affine.symbol(symbol)
            found += [(zero, i), (zero, i + 1), (i - 1, i + 2), (i, i + 2)]
            found += [(i, Affine.symbol(s.name)) for s in self.sizes]
        return found

    def _close(self, loops: Sequence[Loop], scope: int, work: int) -> None:
        for loop in loops:
            del self.bounds[loop.symbol]
            del self.ranges[loop.symbol]
        del self.scope[scope:]
        self.work = work

    def _body(self, depth: int) -> None:
        for _ in range(self.number(1, 3)):
            self.step(depth + 1)

    def map(self, depth: int) -> None:
        scope, work = len(self.scope), self.work
        loops = self._open(depth, box=True, nonempty=False, most=self.pick([1, 1, 2, 3]))
        if not loops:
            return
        with self.builder.body() as ops:
            self._body(depth)
        inner = self.scope[scope:]
        yields = [self.pick(inner[-3:]) for _ in range(self.pick([1, 1, 1, 2]))]
        self._close(loops, scope, work)
        names = self.builder.map(
            loops, ops, [y.operand for y in yields], [self.wish() for _ in yields]
        )
        extents = tuple(loop.extent for loop in loops)
        for name, y in zip(names, yields):
            type_ = ir.with_dims(ir.element(y.type), extents + y.dims)
            self.scope.append(Value(name, type_, *y.interval))

    def reduce(self, depth: int) -> None:
        kind = self.pick(list(ir.REDUCTIONS))
        scope, work = len(self.scope), self.work
        loops = self._open(
            depth,
            box=False,
            nonempty=kind in ("min", "max", "argmax"),
            most=1 if kind == "argmax" else self.pick([1, 1, 2]),
        )
        if not loops:
            return
        trips = self.work // work
        with self.builder.body() as ops:
            self._body(depth)
            inner = [v for v in self.scope[scope:] if not v.dims and is_number(v)]
            if kind in ("and", "or", "xor", "count"):
                value = self.as_bit()
            elif kind == "argmax":
                value = self.pick([v for v in inner if is_exact(v)])
            else:
                value = self.pick(inner[-3:])
        interval = self._reduced(kind, value, trips, loops[-1])
        if interval is None:
            kind, value, interval = "count", self.literal(1), (0, trips, 0)
        type_ = self._reduced_type(kind, value, loops)
        self._close(loops, scope, work)
        name = self.builder.reduce(kind, loops, ops, value.operand, self.wish())
        self.scope.append(Value(name, type_, *interval).narrowed())

    def _reduced(self, kind: str, v: Value, trips: int, loop: Loop) -> Interval | None:
        if kind in ("and", "or", "xor"):
            return (0, 1, 0)
        if kind == "count":
            return (0, trips, 0)
        if kind == "argmax":
            return (*self.ranges[loop.symbol], 0)
        if kind in ("min", "max"):
            return v.interval
        times = self.literal(trips)
        if v.grain is None and v.low < 0 < v.high:
            return None
        found = combine("mul", [v, times], self.module.wide)
        return None if found is None else (min(0, found[0]), max(0, found[1]), found[2])

    def _reduced_type(self, kind: str, value: Value, loops: Sequence[Loop]) -> Type:
        if kind in ("and", "or", "xor"):
            return ir.BIT
        if kind in ("min", "max"):
            return value.type
        if kind == "argmax":
            at = Affine.symbol(loops[0].symbol)
            return ir.int_type(*index_range(at, self.bounds, self.smallest))
        scalar = ir.element(value.type)
        if isinstance(scalar, ir.Real):
            return ir.REAL
        low, high = ir.int_bounds(scalar) or (None, None)
        extents = [loop.extent.extreme(self.bounds, upper=True) for loop in loops]
        if not all(e.is_const for e in extents):
            return ir.Int(0 if low is not None and low >= 0 else None, 0 if high == 0 else None)
        most = math.prod(max(0, e.const) for e in extents)
        least = most if all(loop.extent.is_const for loop in loops) else 0
        return ir.int_type(
            None if low is None else min(low * most, low * least),
            None if high is None else max(high * most, high * least),
        )

    def scan(self, depth: int) -> None:
        scope, work = len(self.scope), self.work
        states: list[State] = []
        values: list[Value] = []
        for _ in range(self.pick([1, 1, 2])):
            type_, init, interval = self._state()
            name = self.builder.fresh(self.pick(["s", "carry", "h"]))
            states.append(State(name, type_, init.operand))
            values.append(Value(name, type_, *interval))
        loops = self._open(depth, box=True, nonempty=False, most=1)
        if not loops:
            return
        self.scope += values
        with self.builder.body() as ops:
            self._body(depth)
            nexts = [self._next(v) for v in values]
            yields = [self.pick(self.scope[scope:][-4:]) for _ in range(self.pick([1, 1, 2, 0]))]
        self._close(loops, scope, work)
        names = self.builder.scan(
            loops[0],
            states,
            ops,
            [n.operand for n in nexts],
            [y.operand for y in yields],
            [self.wish() for _ in (*yields, *states)],
        )
        for name, y in zip(names, yields):
            type_ = ir.with_dims(ir.element(y.type), (loops[0].extent, *y.dims))
            self.scope.append(Value(name, type_, *y.interval))
        for name, v in zip(names[len(yields) :], values):
            self.scope.append(Value(name, v.type, *v.interval))

    def _state(self) -> tuple[Type, Value, Interval]:
        kind = self.pick(["bit", "int", "digit", "real", "array", "array"])
        if kind == "bit":
            return ir.BIT, self.literal(self.number(0, 1)), (0, 1, 0)
        if kind == "digit":
            top = self.number(1, 4)
            return ir.Int(0, top), self.literal(self.number(0, top)), (0, top, 0)
        if kind == "int":
            return ir.INT, self.literal(self.number(-2, 2)), (-(10**6), 10**6, 0)
        if kind == "real":
            return ir.REAL, self.literal(Fraction(self.number(-2, 2), 2)), (-64, 64, 3)
        init = self.choose(lambda v: bool(v.dims) and is_number(v) and is_exact(v))
        if init is None:
            init = self.constant()
        return init.type, init, init.interval

    def _next(self, state: Value) -> Value:
        """Return a next value that the state's type accepts."""
        scalar = ir.element(state.type)
        if state.dims:
            same = self.choose(lambda v: v.type == state.type and state.holds(v))
            return same if same is not None else state
        if isinstance(scalar, ir.Bit):
            return self.as_bit()
        if isinstance(scalar, ir.Real):
            found = self.choose(lambda v: not v.dims and is_number(v) and state.holds(v))
            return found if found is not None else state
        grown = self.choose(
            lambda v: not v.dims
            and v.grain == 0
            and is_number(v)
            and ir.int_bounds(ir.element(v.type)) is not None
            and abs(v.low) + abs(v.high) < 1000
        ) or self.literal(1)
        total = self.emit("add", [state, grown], (-(10**6), 10**6, 0))
        if scalar == ir.INT:
            return total
        return self.emit("mod", [total, self.literal(int(state.high) + 1)], state.interval)
