"""The reference interpreter: what a program means, on batches of inputs with numpy.

A value inside loops has one row, a *lane*, for each (input of the batch, iteration). Entering a
loop multiplies the lanes by the trip counts, so that triangles need nothing special; a value of
an outer scope is read through an index map from inner to outer lanes. Where memory would run
short the lanes of a loop (or the batch) are worked off in chunks.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .affine import Affine
from .errors import DdcError
from .infer import constant_type, literal_type
from .inputs import CHECKED_BITS, array_of, dtype_of
from .lanes import (
    Frame,
    Values,
    cast,
    is_nan,
    literal,
    per_weights,
    rank,
    reduceat,
    same_dtype,
    spread,
)
from .module import Block, Function, Global, Index, Module, Number, Op, Operand
from .ops import OPS, REDUCTIONS
from .scalars import elementwise, working_dtype
from .sizes import solve_sizes, specialise
from .types import Type, element, int_bounds, quote, shape_of

LARGEST_ARRAY = 1 << 30  # entries
CHUNK = 1 << 21  # how many numbers the values of one block may hold at a time
NETWORK_OPERANDS = ("dense", "conv", "scale", "embedding")  # the first has lanes, weights have none


def run(
    module: Module,
    inputs: Mapping[str, ArrayLike],
    function: str | None = None,
    sizes: Mapping[str, int] | None = None,
) -> tuple[Values, ...]:
    """Return the results of a function (default: the entry) as arrays of their declared shapes.

    Sizes follow from the shapes of `inputs`; `sizes` gives those that no parameter shows.
    Raises `DdcError` for inputs that are not values of the declared types.
    """
    batch = {name: _one(value) for name, value in inputs.items()}
    results = run_batch(module, batch, function, sizes)
    return tuple(r.reshape(r.shape[1:]) for r in results)


def _one(value: ArrayLike) -> Values:
    try:
        return np.asarray(value)[None]
    except ValueError:
        raise DdcError("an input is not a rectangular array") from None


def run_batch(
    module: Module,
    inputs: Mapping[str, ArrayLike],
    function: str | None = None,
    sizes: Mapping[str, int] | None = None,
) -> tuple[Values, ...]:
    """Return the results of a function for a batch: every input and result has a leading axis.

    Raises `DdcError` as `run` does, and where the inputs differ in their number of rows.
    """
    chosen = _function(module, function)
    arrays = _arrays(chosen, inputs)
    shapes = {name: array.shape[1:] for name, array in arrays.items()}
    known = solve_sizes(chosen, shapes, sizes)
    plan = _plan(module, chosen, known)
    checked = {p.name: array_of(p, arrays[p.name]) for p in plan.function.params}
    rows = {array.shape[0] for array in checked.values()}
    if len(rows) > 1:
        raise DdcError("the inputs differ in their number of rows")
    return plan.run(checked, rows.pop() if rows else 1)


def _function(module: Module, name: str | None) -> Function:
    found = module.entry if name is None else module.function(name)
    if found is None:
        raise DdcError(f"there is no function {quote(str(name))}")
    return found


def _arrays(function: Function, inputs: Mapping[str, ArrayLike]) -> dict[str, Values]:
    wanted = [param.name for param in function.params]
    for name in inputs:
        if name not in wanted:
            raise DdcError(f"@{function.name} has no input {quote(str(name))}")
    arrays: dict[str, Values] = {}
    for name in wanted:
        if name not in inputs:
            raise DdcError(f"@{function.name} needs the input {quote(name)}")
        try:
            arrays[name] = np.asarray(inputs[name])
        except ValueError:
            raise DdcError(f"%{name} is not a rectangular array") from None
        if arrays[name].ndim == 0:
            raise DdcError(f"%{name} has no batch axis")
    return arrays


# ---------------------------------------------------------------- plans


@dataclass
class _Plan:
    """A function at concrete sizes, with the type of every value."""

    module: Module
    function: Function
    types: dict[str, Type]
    constants: dict[str, Values]
    constant_types: dict[str, Type]
    cache: dict[str, Any] = field(default_factory=lambda: {})

    def run(self, inputs: Mapping[str, Values], rows: int) -> tuple[Values, ...]:
        width = self.width(self.function.body) + sum(
            math.prod(shape_of(p.type)) for p in self.function.params
        )
        step = max(1, CHUNK // width)
        parts = [
            self._rows({name: a[k : k + step] for name, a in inputs.items()}, min(step, rows - k))
            for k in range(0, max(rows, 1), step)
        ]
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(column) for column in zip(*parts))

    def _rows(self, inputs: Mapping[str, Values], rows: int) -> tuple[Values, ...]:
        machine = _Machine(self, Frame(rows))
        for name, array in inputs.items():
            machine.values[name] = (machine.frame, array)
        with np.errstate(all="ignore"):
            machine.block(self.function.body)
            returned = [machine.read(operand) for operand in self.function.body.yields]
        results: list[Values] = []
        for param, value in zip(self.function.results, returned):
            wanted = value.dtype if int_bounds(element(param.type)) else dtype_of(param.type)
            array = cast(value, np.dtype(wanted))
            results.append(np.broadcast_to(array, (rows, *array.shape[1:])).copy())
        return tuple(results)

    def width(self, block: Block) -> int:
        """Return how many numbers the values of a block hold for one lane."""
        key = f"width {id(block)}"
        if key not in self.cache:
            names = [name for op in block.ops for name in op.results]
            self.cache[key] = 4 + sum(math.prod(shape_of(self.types[n])) for n in names)
        width: int = self.cache[key]
        return width


_PLANS: OrderedDict[tuple[int, str, tuple[tuple[str, int], ...]], _Plan] = OrderedDict()
_KEPT_PLANS = 16


def _plan(module: Module, function: Function, sizes: Mapping[str, int]) -> _Plan:
    """Return the plan of a function at its sizes; the last few are kept."""
    key = (id(module), function.name, tuple(sorted(sizes.items())))
    plan = _PLANS.get(key)
    if plan is not None and plan.module is module:
        _PLANS.move_to_end(key)
        return plan
    fixed, types = specialise(module, function, sizes)
    constants = {name: _constant(c.array) for name, c in module.constants}
    kinds = {name: constant_type(c) for name, c in module.constants}
    plan = _Plan(module, fixed, types, constants, kinds)
    _PLANS[key] = plan
    while len(_PLANS) > _KEPT_PLANS:
        _PLANS.popitem(last=False)
    return plan


def _constant(array: Values) -> Values:
    """Return a constant with a lane axis: reals as binary64, ints as int64 or Python ints."""
    if array.dtype.kind == "f":
        return np.asarray(array, dtype=np.float64)[None]
    wide = array.size > 0 and (int(array.max()) > CHECKED_BITS or int(array.min()) < -CHECKED_BITS)
    return np.asarray(array, dtype=object if wide else np.int64)[None]


def empty(shape: tuple[int, ...], type_: Type) -> Values:
    """Return an array to be filled; raises `DdcError` beyond `LARGEST_ARRAY`."""
    if math.prod(shape) > LARGEST_ARRAY:
        raise DdcError(f"an array of {math.prod(shape)} entries is too large")
    return np.empty(shape, dtype=dtype_of(type_))


# ---------------------------------------------------------------- the machine


class _Machine:
    """Runs the ops of nested blocks; `values` holds each value with the frame it belongs to."""

    def __init__(self, plan: _Plan, frame: Frame) -> None:
        self.plan = plan
        self.frame = frame
        self.values: dict[str, tuple[Frame, Values]] = {}

    def block(self, block: Block) -> None:
        for op in block.ops:
            if op.body is not None:
                _STRUCTURED[op.code](self, op, op.body)
                continue
            self.define(op.result, _DATA.get(op.code, _Machine.compute)(self, op))

    def define(self, name: str, value: Values) -> None:
        value = cast(value, np.dtype(dtype_of(self.plan.types[name])))
        self.values[name] = (self.frame, value)

    def read(self, operand: Operand) -> Values:
        """Return an operand with one row for each lane of the frame (or one for all)."""
        if isinstance(operand, Global):
            return self.plan.constants[operand.name]
        if not isinstance(operand, str):
            return literal(operand)
        frame, value = self.values[operand]
        if frame is self.frame or value.shape[0] == 1:
            return value
        return value[self.frame.map_to(frame)]

    def full(self, operand: Operand, dtype: np.dtype[Any]) -> Values:
        """Return an operand with a row for every lane, of a given dtype."""
        value = cast(self.read(operand), dtype)
        return np.broadcast_to(value, (self.frame.lanes, *value.shape[1:]))

    def at(self, expression: Affine) -> Any:
        """Return the value of an index expression: an int, or an array over the lanes."""
        symbols = {name: self.read(name[1:]) for name in expression.symbols()}
        return expression.evaluate(symbols)

    # ------------------------------------------------------------ ops without a body

    def compute(self, op: Op) -> Values:
        spec, result = OPS[op.code], self.plan.types[op.result]
        values = [self.read(operand) for operand in op.operands]
        types = [self.type_of(operand) for operand in op.operands]
        if spec.elementwise:
            return elementwise(op, types, result, values)
        assert spec.evaluate is not None
        if op.code in NETWORK_OPERANDS:
            return per_weights(op, spec.evaluate, values)
        if op.code in ("concat", "pack"):
            lanes = max((v.shape[0] for v in values), key=lambda n: n != 1)
            values = [np.broadcast_to(v, (lanes, *v.shape[1:])) for v in values]
            values = same_dtype(values, working_dtype(op, types, result))
        return np.asarray(spec.evaluate(op, *values))

    def type_of(self, operand: Operand) -> Type:
        if isinstance(operand, str):
            return self.plan.types[operand]
        if isinstance(operand, Global):
            return self.plan.constant_types[operand.name]
        return literal_type(operand)

    def index(self, op: Op) -> Values:
        return np.atleast_1d(np.asarray(self.at(op.index[0].at)))

    def reshape(self, op: Op) -> Values:
        value = self.read(op.operands[0])
        return value.reshape((value.shape[0], *shape_of(self.plan.types[op.result])))

    def load(self, op: Op) -> Values:
        places = [self.at(i.at) for i in op.index]
        return self._entries(op.operands[0], places, op.index)

    def gather(self, op: Op) -> Values:
        border, other = str(op.attr("border") or "inside"), op.attr("else")
        number = other if isinstance(other, (int, Fraction)) else None
        places = [self.read(operand) for operand in op.operands[1:]]
        return self._entries(
            op.operands[0], places, [Index(Affine(), border, number) for _ in places]
        )

    def _entries(self, base: Operand, places: list[Any], axes: Sequence[Index]) -> Values:
        """Return one entry for each lane; outside, the first axis that is outside decides."""
        lane: Any = 0
        if isinstance(base, Global):
            array = self.plan.constants[base.name]
        elif isinstance(base, str):
            frame, array = self.values[base]
            if array.shape[0] != 1:
                own = frame is self.frame
                lane = np.arange(self.frame.lanes) if own else self.frame.map_to(frame)
        else:
            array = literal(base)
        outside: list[tuple[Any, Number]] = []
        for axis, (index, extent) in enumerate(zip(axes, array.shape[1:])):
            place = places[axis]
            if index.border == "wrap":
                place = place % extent
            elif index.border == "clamp":
                place = np.minimum(np.maximum(place, 0), extent - 1)
            elif index.border == "else" and index.other is not None:
                off = np.logical_or(np.less(place, 0), np.greater_equal(place, extent))
                outside.append((off, index.other))
                place = np.where(off, 0, place)
            places[axis] = np.asarray(place).astype(np.intp)
        if outside and array.size == 0:
            return self._others(np.zeros((), dtype=np.int64), outside)
        return self._others(np.atleast_1d(array[(lane, *places)]), outside)

    def _others(self, entries: Values, outside: Sequence[tuple[Any, Number]]) -> Values:
        for off, other in reversed(outside):
            value = literal(other)
            dtype = max(entries.dtype, value.dtype, key=rank)
            entries = np.where(off, cast(value, dtype), cast(entries, dtype))
        return np.atleast_1d(entries)

    # ------------------------------------------------------------ loops

    def enter(self, op: Op, block: Block) -> Iterator[None]:
        """Run the rest of the generator's consumer in the innermost frame, chunk by chunk."""
        limit = max(1, CHUNK // self.plan.width(block))
        return self._loops(op, 0, limit)

    def _loops(self, op: Op, depth: int, limit: int) -> Iterator[None]:
        if depth == len(op.loops):
            yield
            return
        loop, outer = op.loops[depth], self.frame
        low = np.broadcast_to(np.asarray(self.at(loop.low)), (outer.lanes,))
        high = np.broadcast_to(np.asarray(self.at(loop.high)), (outer.lanes,))
        for lanes, iteration in spread(np.maximum(high - low, 0), limit):
            self.frame = Frame(len(lanes), outer, lanes)
            self.define(loop.var, low[lanes] + iteration)
            yield from self._loops(op, depth + 1, limit)
        self.frame = outer

    def map(self, op: Op, body: Block) -> None:
        outer = self.frame
        types = [self.plan.types[name] for name in op.results]
        trips = [v.extent.evaluate({}) for v in op.loops]
        total = outer.lanes * math.prod(trips)
        shapes = [shape_of(t)[len(trips) :] for t in types]
        parts = [empty((total, *shape), t) for shape, t in zip(shapes, types)]
        done = 0
        for _ in self.enter(op, body):
            self.block(body)
            stop = done + self.frame.lanes
            for part, operand in zip(parts, body.yields):
                part[done:stop] = cast(self.read(operand), part.dtype)
            done = stop
        for name, part in zip(op.results, parts):
            self.define(name, part.reshape((outer.lanes, *trips, *part.shape[1:])))

    def reduce(self, op: Op, body: Block) -> None:
        outer, kind = self.frame, str(op.attr("kind"))
        dtype = np.dtype(dtype_of(self.plan.types[op.result]))
        if kind == "argmax":
            self._argmax(op, body)
            return
        combine, neutral = REDUCTIONS[kind]
        if kind == "xor":
            combine = np.add  # the parity of the count, taken at the end
        total = cast(np.full(outer.lanes, neutral or 0, dtype=np.int64), dtype)
        seen = np.full(outer.lanes, neutral is not None)
        for _ in self.enter(op, body):
            self.block(body)
            values = self.full(body.yields[0], dtype)
            lanes = self.frame.map_to(outer)
            starts = np.flatnonzero(np.diff(lanes, prepend=-1))
            at, part = lanes[starts], reduceat(combine, values, starts)
            total[at] = np.where(seen[at], combine(total[at], part) if combine else part, part)
            seen[at] = True
        self.define(op.result, total % 2 if kind == "xor" else total)

    def _argmax(self, op: Op, body: Block) -> None:
        outer, (loop,) = self.frame, op.loops
        best: Values | None = None
        seen = np.zeros(outer.lanes, dtype=bool)
        where = np.zeros(outer.lanes, dtype=np.int64)
        for _ in self.enter(op, body):
            self.block(body)
            values = self.full(body.yields[0], self.read(body.yields[0]).dtype)
            if best is None:
                best = np.zeros(outer.lanes, dtype=values.dtype)
            lanes, variable = self.frame.map_to(outer), self.read(loop.var)
            starts = np.flatnonzero(np.diff(lanes, prepend=-1))
            at, top = lanes[starts], reduceat(np.maximum, values, starts)
            on = np.repeat(top, np.diff(np.append(starts, len(lanes))))
            first = np.where(
                (values == on) | (is_nan(values) & is_nan(on)), np.arange(len(lanes)), len(lanes)
            )
            place = np.minimum.reduceat(first, starts)
            better = ~seen[at] | np.greater(top, best[at]).astype(bool)
            better |= is_nan(top) & ~is_nan(best[at])  # the greatest, as in numpy
            best[at] = np.where(better, top, best[at])
            where[at] = np.where(better, variable[place], where[at])
            seen[at] = True
        self.define(op.result, where)

    def scan(self, op: Op, body: Block) -> None:
        (loop,), frame = op.loops, self.frame
        low, trips = self.at(loop.low), int(loop.extent.evaluate({}))
        states = [np.dtype(dtype_of(state.type)) for state in op.states]
        for state, dtype in zip(op.states, states):
            self.values[state.name] = (frame, cast(self.read(state.init), dtype))
        types = [self.plan.types[name] for name in op.results]
        sequences = [
            empty((trips, frame.lanes, *shape_of(t)[1:]), t) for t, _ in zip(types, body.yields)
        ]
        for step in range(trips):
            self.define(loop.var, np.atleast_1d(np.asarray(low + step)))
            self.block(body)
            for sequence, operand in zip(sequences, body.yields):
                sequence[step] = cast(self.read(operand), sequence.dtype)
            nexts = [cast(self.read(o), d) for o, d in zip(body.nexts, states)]
            for state, value in zip(op.states, nexts):
                self.values[state.name] = (frame, value)
        finals = [self.values[state.name][1] for state in op.states]
        for name, value in zip(op.results, [np.moveaxis(s, 0, 1) for s in sequences] + finals):
            self.define(name, value)


_DATA: dict[str, Callable[[_Machine, Op], Values]] = {
    "index": _Machine.index,
    "reshape": _Machine.reshape,
    "load": _Machine.load,
    "gather": _Machine.gather,
}

_STRUCTURED: dict[str, Callable[[_Machine, Op, Block], None]] = {
    "map": _Machine.map,
    "reduce": _Machine.reduce,
    "scan": _Machine.scan,
}
