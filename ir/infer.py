"""Derive the type of every value of a function, reporting what does not fit.

`value_types` is what passes and backends call on a module that verifies; the verifier runs the
same walk with a sink that collects problems instead of raising the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from .affine import Affine
from .errors import Diagnostic, DiagnosticsError, Location
from .module import Block, Constant, Function, Global, Module, Op, Operand
from .ops import OPS, REDUCTIONS
from .ranges import TypeProblem, accepts, int_range
from .types import (
    BIT,
    INT,
    REAL,
    Array,
    Int,
    Real,
    Type,
    dims,
    element,
    int_type,
    is_bit,
    with_dims,
)
from .wellformed import attribute_problems

Report = Callable[[str, Location | None], None]
Bounds = dict[str, tuple[Affine, Affine]]


def literal_type(value: int | Fraction) -> Type:
    """Return the type of a literal: exactly its value."""
    return Int(value, value) if isinstance(value, int) else Real(value, value)


def constant_type(constant: Constant) -> Type:
    """Return the type of a constant array: reals, or ints in the range of the entries."""
    array = constant.array
    shape = tuple(Affine.of(d) for d in array.shape)
    if array.dtype.kind == "f":
        return with_dims(REAL, shape)
    if array.size == 0:
        return with_dims(BIT, shape)
    return with_dims(int_type(int(np.min(array)), int(np.max(array))), shape)


def operand_type(operand: Operand, types: Mapping[str, Type], module: Module) -> Type:
    """Return the type of an operand of a function: a value's, a constant array's or a literal's."""
    if isinstance(operand, str):
        return types[operand]
    if not isinstance(operand, Global):
        return literal_type(operand)
    constant = module.constant(operand.name)
    assert constant is not None
    return constant_type(constant)


def index_range(
    at: Affine, bounds: Bounds, smallest: dict[str, int]
) -> tuple[int | None, int | None]:
    """Return the range of an index expression inside loops, None where it follows a size."""
    low, high = at.extreme(bounds, upper=False), at.extreme(bounds, upper=True)
    floor: int | None = None
    if low.is_const:
        floor = low.const
    elif all(isinstance(s, str) and c > 0 and s in smallest for s, c in low.terms):
        floor = low.const + sum(c * smallest[str(s)] for s, c in low.terms)
    top = high.const if high.is_const else None
    if floor is not None and top is not None and top < floor:
        return floor, floor  # inside a loop that never runs: a type that is not empty
    return floor, top


@dataclass
class _Walk:
    function: Function
    constants: dict[str, Type]
    report: Report
    types: dict[str, Type | None] = field(default_factory=lambda: {})
    bounds: Bounds = field(default_factory=lambda: {})
    smallest: dict[str, int] = field(default_factory=lambda: {})

    def run(self) -> None:
        function = self.function
        self.smallest = {size.name: size.minimum for size in function.sizes}
        for param in function.params:
            self._define(param.name, param.type, function.location)
            self._check_dims(dims(param.type), f"%{param.name}", function.location)
        given = self._block(function.body, set(self.types))
        if len(given) != len(function.results):
            wanted = len(function.results)
            self.report(f"returns {len(given)} values for {wanted} results", function.location)
            return
        for result, type_ in zip(function.results, given):
            self._check_dims(dims(result.type), f"%{result.name}", function.location)
            if type_ is not None and not accepts(result.type, type_):
                self.report(
                    f"result %{result.name} is {result.type}, but the value returned is {type_}",
                    function.location,
                )

    def _check_dims(self, shape: Sequence[Affine], what: str, location: Location | None) -> None:
        for dim in shape:
            unknown = sorted(dim.symbols() - self.smallest.keys())
            if unknown:
                self.report(f"{what} uses the size {unknown[0]}, which is not declared", location)
            elif not dim.at_least(0, self.smallest):
                self.report(f"{what} may have a negative size {dim}", location)

    def _define(self, name: str, type_: Type | None, location: Location | None) -> None:
        if name in self.types:
            self.report(f"%{name} is defined twice", location)
        self.types[name] = type_

    def operand(
        self, operand: Operand, visible: set[str], location: Location | None
    ) -> Type | None:
        if isinstance(operand, Global):
            if operand.name not in self.constants:
                self.report(f"there is no constant @{operand.name}", location)
            return self.constants.get(operand.name)
        if not isinstance(operand, str):
            return literal_type(operand)
        if operand not in visible:
            defined = operand in self.types
            why = "is not visible here" if defined else "is not defined"
            self.report(f"%{operand} {why}", location)
            return None
        return self.types[operand]

    def _block(self, block: Block, visible: set[str]) -> list[Type | None]:
        for op in block.ops:
            given = [self.operand(operand, visible, op.location) for operand in op.operands]
            results = self._results(op, given, visible)
            for name, type_ in zip(op.results, results):
                self._define(name, type_, op.location)
                visible.add(name)
        where = block.ops[-1].location if block.ops else None
        return [self.operand(y, visible, where) for y in block.yields]

    def _results(
        self, op: Op, given: Sequence[Type | None], visible: set[str]
    ) -> Sequence[Type | None]:
        unknown: list[Type | None] = [None] * len(op.results)
        try:
            if op.body is not None:
                found = self._structured(op, visible)
            else:
                found = self._simple(op, given)
        except TypeProblem as problem:
            self.report(f"'{op.code}' {str(problem).removeprefix(f'{op.code} ')}", op.location)
            return unknown
        if len(op.results) != len(found):
            self.report(f"'{op.code}' has {len(found)} results", op.location)
            return unknown
        return found

    def _simple(self, op: Op, given: Sequence[Type | None]) -> Sequence[Type | None]:
        if op.code not in OPS:
            raise TypeProblem("is not an op")
        spec = OPS[op.code]
        low, high = spec.operands
        if not low <= len(given) <= high:
            raise TypeProblem(f"takes {_count_text(low, high)}, not {len(given)}")
        for problem in attribute_problems(op):
            raise TypeProblem(problem)
        known = [t for t in given if t is not None]
        if op.code in ("index", "load"):
            self._check_index(op, given)
        if len(known) < len(given):
            return [None]
        if op.code == "index":
            return [int_type(*index_range(op.index[0].at, self.bounds, self.smallest))]
        result = spec.rule(op, known)
        self._check_extents(op, known)
        return [result]

    def _check_extents(self, op: Op, given: Sequence[Type]) -> None:
        """Check what depends on the smallest sizes: ops that have no value on an empty axis."""
        if op.code in ("argmax", "softmax"):
            default = 0 if op.code == "softmax" else -1
            axis = default if op.attr("axis") is None else op.attr("axis")
            length = dims(given[0])[axis] if isinstance(axis, int) else Affine.of(0)
            if not length.at_least(1, self.smallest):
                raise TypeProblem(f"needs an axis that is not empty, not {length}")
        if op.code != "gather":
            return
        border = op.attr("border") or "inside"
        for axis, dim, type_ in zip(range(len(given)), dims(given[0]), given[1:]):
            low, high = int_range(element(type_), "index")
            if border == "inside" and (
                low is None or low < 0 or high is None or not dim.at_least(high + 1, self.smallest)
            ):
                raise TypeProblem(f"index {type_} may lie outside axis {axis} of {dim}")
            if border in ("wrap", "clamp") and not dim.at_least(1, self.smallest):
                raise TypeProblem(f"axis {axis} may be empty, so no entry can be read")

    def _check_index(self, op: Op, given: Sequence[Type | None]) -> None:
        for index in op.index:
            self._check_symbols(index.at)
        if op.code == "index" or given[0] is None:
            return
        for axis, (index, dim) in enumerate(zip(op.index, dims(given[0]))):
            if index.border == "wrap" and not dim.at_least(1, self.smallest):
                raise TypeProblem(f"axis {axis} may be empty, so nothing can wrap")
            if index.border == "clamp" and not dim.at_least(1, self.smallest):
                raise TypeProblem(f"axis {axis} may be empty, so nothing can be clamped")
            if index.border != "inside":
                continue
            low = index.at.extreme(self.bounds, upper=False)
            high = index.at.extreme(self.bounds, upper=True)
            if not low.at_least(0, self.smallest):
                raise TypeProblem(f"index {index.at} of axis {axis} may be negative: say a border")
            if not (dim - 1 - high).at_least(0, self.smallest):
                raise TypeProblem(f"index {index.at} may pass axis {axis} of {dim}: say a border")

    def _check_symbols(self, at: Affine) -> None:
        unknown = sorted(at.symbols() - self.smallest.keys() - self.bounds.keys())
        if unknown:
            raise TypeProblem(f"uses {unknown[0]}, which is no loop variable or size here")

    def _structured(self, op: Op, visible: set[str]) -> Sequence[Type | None]:
        assert op.body is not None
        inner = set(visible)
        for loop in op.loops:
            self._check_symbols(loop.low)
            self._check_symbols(loop.high)
            if loop.symbol in self.bounds or loop.var in self.types:
                raise TypeProblem(f"%{loop.var} is defined twice")
            self.bounds[loop.symbol] = (loop.low, loop.high - 1)
            self.types[loop.var] = int_type(
                *index_range(Affine.symbol(loop.symbol), self.bounds, self.smallest)
            )
            inner.add(loop.var)
        for state in op.states:
            start = self.operand(state.init, visible, op.location)
            if start is not None and not accepts(state.type, start):
                raise TypeProblem(f"state %{state.name} is {state.type}, but starts as {start}")
            self._define(state.name, state.type, op.location)
            inner.add(state.name)
        yields = self._block(op.body, inner)
        self._check_nexts(op, inner)
        try:
            return _STRUCTURED[op.code](self, op, yields)
        finally:
            for loop in op.loops:
                del self.bounds[loop.symbol]

    def _check_nexts(self, op: Op, inner: set[str]) -> None:
        assert op.body is not None
        if len(op.body.nexts) != len(op.states):
            raise TypeProblem(f"has {len(op.states)} states but {len(op.body.nexts)} next values")
        for state, value in zip(op.states, op.body.nexts):
            type_ = self.operand(value, inner, op.location)
            if type_ is not None and not accepts(state.type, type_):
                raise TypeProblem(f"state %{state.name} is {state.type}, but its next is {type_}")

    def map(self, op: Op, yields: Sequence[Type | None]) -> Sequence[Type | None]:
        extents = self._extents(op)
        return [None if t is None else with_dims(element(t), extents + dims(t)) for t in yields]

    def _extents(self, op: Op) -> tuple[Affine, ...]:
        extents = tuple(loop.extent for loop in op.loops)
        for extent in extents:
            if extent.symbols() & self.bounds.keys():
                raise TypeProblem("needs a box: its extents may not follow a loop variable")
            if not extent.at_least(0, self.smallest):
                raise TypeProblem(f"may have a negative extent {extent}")
        return extents

    def scan(self, op: Op, yields: Sequence[Type | None]) -> Sequence[Type | None]:
        if len(op.loops) != 1:
            raise TypeProblem("runs over one loop")
        finals: list[Type | None] = [state.type for state in op.states]
        return [*self.map(op, yields), *finals]

    def reduce(self, op: Op, yields: Sequence[Type | None]) -> Sequence[Type | None]:
        kind = op.attr("kind")
        if not isinstance(kind, str) or kind not in REDUCTIONS:
            raise TypeProblem(f"cannot reduce by {kind}")
        if len(yields) != 1:
            raise TypeProblem("yields one value")
        if yields[0] is None:
            return [None]
        if dims(yields[0]):
            raise TypeProblem("yields a scalar")
        if kind in ("min", "max", "argmax"):
            self._check_not_empty(op, kind)
        if kind == "argmax" and len(op.loops) != 1:
            raise TypeProblem("argmax runs over one loop")
        return [_reduced(kind, yields[0], op, self)]

    def _check_not_empty(self, op: Op, kind: str) -> None:
        for loop in op.loops:
            least = loop.extent.extreme(self.bounds, upper=False)
            if not least.at_least(1, self.smallest):
                raise TypeProblem(f"{kind} needs a range that is not empty, not {loop.extent}")

    def trip_count(self, op: Op) -> int | None:
        total = 1
        for loop in op.loops:
            most = loop.extent.extreme(self.bounds, upper=True)
            if not most.is_const:
                return None
            total *= max(0, most.const)
        return total

    def fixed_trips(self, op: Op) -> bool:
        """Tell whether the number of iterations is one known number."""
        return all(loop.extent.is_const for loop in op.loops)


def _reduced(kind: str, given: Type, op: Op, walk: _Walk) -> Type:
    scalar = element(given)
    if kind in ("and", "or", "xor", "count") and not is_bit(scalar):
        raise TypeProblem(f"{kind} reduces bits, not {scalar}")
    if kind in ("and", "or", "xor"):
        return BIT
    if kind in ("min", "max"):
        return scalar
    if kind == "argmax":
        (loop,) = op.loops
        return int_type(*index_range(Affine.symbol(loop.symbol), walk.bounds, walk.smallest))
    if isinstance(scalar, Real):
        return REAL
    low, high = int_range(scalar)
    trips = walk.trip_count(op)
    if trips is None:
        return Int(0 if low is not None and low >= 0 else None, 0 if high == 0 else None)
    least = trips if walk.fixed_trips(op) else 0
    bottom = None if low is None else min(low * trips, low * least)
    top = None if high is None else max(high * trips, high * least)
    return int_type(bottom, top)


_STRUCTURED: dict[str, Callable[[_Walk, Op, Sequence[Type | None]], Sequence[Type | None]]] = {
    "map": _Walk.map,
    "scan": _Walk.scan,
    "reduce": _Walk.reduce,
}


def _count_text(low: int, high: int) -> str:
    if low == high:
        return f"{low} operand" + ("s" if low != 1 else "")
    return f"at least {low} operands" if high > 1000 else f"{low} to {high} operands"


def infer(function: Function, module: Module, report: Report) -> dict[str, Type | None]:
    """Derive the types of all values, telling `report` what does not fit (None: unknown)."""
    constants = {name: constant_type(constant) for name, constant in module.constants}
    walk = _Walk(function, constants, report)
    walk.run()
    return walk.types


def value_types(function: Function, module: Module) -> dict[str, Type]:
    """Return the type of every value of a function that verifies.

    Raises `DiagnosticsError` with the first problem of one that does not.
    """

    def fail(message: str, location: Location | None) -> None:
        raise DiagnosticsError([Diagnostic(f"@{function.name}: {message}", location)])

    found = infer(function, module, fail)
    return {name: type_ for name, type_ in found.items() if type_ is not None}


__all__ = ["INT", "Array", "constant_type", "index_range", "infer", "literal_type", "value_types"]
