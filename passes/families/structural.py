"""Proof by structure: expand a program's loops again and find every unit of the network in them.

The program is run on sums instead of numbers: every value is an affine form of the network's
inputs and units, lane by lane. A comparison whose form is, in normal form, that of a unit of the
network *is* that unit, and later forms are written in it. What the program returns has to be the
network's last layer. Nothing of how the program was found is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ddc.ir import Affine, Block, DdcError, Function, Module, Op, Operand, shape_of
from ddc.ir.exact.activation import COMPARISONS, SIGN, STEP
from ddc.ir.exact.sources import Ints

from .discover import Structure
from .forms import Decision, Form, Frame, Value, canonical, constant, joined, literal
from .known import KnownUnits

MOST_ENTRIES = 50_000_000


class NotStructuralError(Exception):
    """The program does not spell the units of the network; the message says where."""


@dataclass(frozen=True, eq=False)
class _Array:
    """An array value: one lane for each entry, row-major."""

    shape: tuple[int, ...]
    form: Form


def units_found(program: Module, structure: Structure) -> int:
    """Return the number of units of the network that the program spells, all of them read.

    The program has concrete sizes. Raises `NotStructuralError` where it differs from the network
    in some unit, or uses ops that say nothing about units.
    """
    try:
        return _Machine(program.entry, structure).run()
    except DdcError as error:
        raise NotStructuralError(str(error)) from None


class _Machine:
    def __init__(self, function: Function, structure: Structure) -> None:
        self.function, self.structure = function, structure
        self.top = Frame(1)
        self.frame = self.top
        self.values: dict[str, tuple[Frame, Value]] = {}
        self.arrays: dict[str, _Array] = {}
        self.decision = ""
        self.index = KnownUnits(structure)
        self.unknown = self.index.total
        self.entries = 0

    def run(self) -> int:
        """Run the function and compare what it returns."""
        start = 0
        for param in self.function.params:
            shape = shape_of(param.type)
            count = math.prod(shape)
            form = Form.of_numbers(start + np.arange(count))
            if shape:
                self.arrays[param.name] = _Array(shape, form)
            else:
                self.values[param.name] = (self.top, form)
            start += count
        self.block(self.function.body)
        (returned,) = self.function.body.yields
        if not self._chosen(returned):
            self._compare(self._whole(returned))
        return int(self.index.seen.sum())

    def _whole(self, operand: Operand) -> Form:
        if isinstance(operand, str) and operand in self.arrays:
            return self.arrays[operand].form
        return self.form(operand)

    def _chosen(self, returned: Operand) -> bool:
        """Compare a comparison with the network's choice between its two outputs."""
        structure = self.structure
        last = structure.references[-1]
        if structure.decision != "argmax" or structure.shape != (2,) or not self._single(returned):
            return False
        value = self.value(returned)
        if not isinstance(value, Decision):
            return False
        units = last.units
        sums = self.index.reduced(units).take(structure.targets - last.start)
        second, first = sums.take(np.array([1])), sums.take(np.array([0]))
        given = np.array([value.outcomes], dtype=np.int64)
        mine, shown = canonical(value.form, given)
        theirs, wanted = canonical(second.plus(first, -1), np.array([[0, 0, 1]], dtype=np.int64))
        if not (np.array_equal(shown, wanted) and mine.same(theirs).all()):
            raise NotStructuralError("the choice is another one")
        self.index.seen[structure.targets] = True
        return True

    def _single(self, operand: Operand) -> bool:
        return isinstance(operand, str) and operand in self.values and operand not in self.arrays

    def _compare(self, form: Form) -> None:
        """Compare the last layer with the network's."""
        structure = self.structure
        if self.decision != structure.decision:
            raise NotStructuralError("the decision is another one")
        last = structure.references[-1]
        if form.lanes != len(structure.targets):
            raise NotStructuralError("the results are of another shape")
        if last.units.outcomes is not None:
            expected = self.index.renamed(Form.of_numbers(structure.targets))
            if not form.equals(expected):
                raise NotStructuralError("a result is not the unit of the network")
            return
        units, order = last.units, structure.targets - last.start
        expected = self.index.reduced(units).take(order)
        self.index.seen[structure.targets] = True
        if structure.decision == "argmax":
            form, expected = form.unscaled(), expected.unscaled()
        if not form.equals(expected):
            raise NotStructuralError("a sum of the last layer differs from the network")

    # ------------------------------------------------------------ values

    def form(self, operand: Operand) -> Form:
        """Return an operand in the current frame, decisions as the units that they are."""
        value = self.value(operand)
        if isinstance(value, Form):
            return value
        settled = self.settle(value)
        if isinstance(operand, str):
            frame, _ = self.values[operand]
            if frame is self.frame:
                self.values[operand] = (frame, settled)
        return settled

    def value(self, operand: Operand) -> Value:
        """Return an operand in the current frame."""
        if isinstance(operand, (int, Fraction)):
            return literal(operand, self.frame.lanes)
        if not isinstance(operand, str) or operand not in self.values:
            raise NotStructuralError(f"{operand} is not a number")
        frame, value = self.values[operand]
        if frame is self.frame:
            return value
        return value.take(self.frame.map_to(frame))

    def settle(self, decision: Decision) -> Form:
        """Return a decision as units of the network; others get numbers of their own."""
        form, unknown = self.index.match(decision, self.unknown)
        self.unknown += unknown
        return form

    def at(self, expression: Affine) -> Ints:
        """Return the value of an index expression over the lanes."""
        known: dict[str, Ints] = {}
        for symbol in expression.symbols():
            value = self.value(symbol[1:])
            assert isinstance(value, Form)
            known[symbol] = value.bias
        value = expression.evaluate(known)
        return np.array(np.broadcast_to(value, (self.frame.lanes,)), dtype=np.int64)

    # ------------------------------------------------------------ ops

    def block(self, block: Block) -> None:
        """Run the ops of a block."""
        for op in block.ops:
            run = _OPS.get(op.code)
            if run is None:
                raise NotStructuralError(f"'{op.code}' is no unit")
            if self.decision:
                raise NotStructuralError("something follows the decision")
            value = run(self, op)
            if isinstance(value, _Array):
                self.arrays[op.result] = value
            elif value is not None:
                self.entries += value.size
                if self.entries > MOST_ENTRIES:
                    raise NotStructuralError("too many weights to expand again")
                self.values[op.result] = (self.frame, value)

    def load(self, op: Op) -> Value:
        name = op.operands[0]
        if not isinstance(name, str) or name not in self.arrays:
            raise NotStructuralError(f"{name} is no array of units")
        array = self.arrays[name]
        flat = np.zeros(self.frame.lanes, dtype=np.int64)
        inside = np.ones(self.frame.lanes, dtype=bool)
        for index, extent in zip(op.index, array.shape):
            place = self.at(index.at)
            if index.border == "wrap":
                place = place % extent
            elif index.border == "clamp":
                place = np.clip(place, 0, extent - 1)
            elif index.border == "else" and index.other != 0:
                raise NotStructuralError("a border is not 0")
            inside &= (place >= 0) & (place < extent)
            flat = flat * extent + np.clip(place, 0, extent - 1)
        return array.form.take(flat, inside)

    def enter(self, op: Op) -> None:
        """Make the frame of an op's loops the current one."""
        for loop in op.loops:
            low, high = self.at(loop.low), self.at(loop.high)
            trips = np.maximum(high - low, 0)
            lanes = np.repeat(np.arange(self.frame.lanes), trips)
            first = np.repeat(np.cumsum(trips) - trips, trips)
            self.frame = Frame(len(lanes), self.frame, lanes)
            if self.frame.lanes > MOST_ENTRIES:
                raise NotStructuralError("too many iterations to expand again")
            place = low[lanes] + np.arange(len(lanes)) - first
            self.values[loop.var] = (self.frame, constant(place))

    def map(self, op: Op) -> _Array | None:
        assert op.body is not None
        outer = self.frame
        if outer is not self.top or len(op.results) != 1:
            raise NotStructuralError("a map inside another")
        self.enter(op)
        self.block(op.body)
        form = self.form(op.body.yields[0])
        shape = tuple(int(loop.extent.const) for loop in op.loops)
        self.frame = outer
        return _Array(shape, form)

    def reduce(self, op: Op) -> Value:
        assert op.body is not None
        outer, kind = self.frame, str(op.attr("kind"))
        self.enter(op)
        self.block(op.body)
        form, lanes = self.form(op.body.yields[0]), self.frame.map_to(outer)
        self.frame = outer
        total = form.summed(lanes, outer.lanes)
        if kind in ("add", "count"):
            return total
        trips = np.bincount(lanes, minlength=outer.lanes)
        if kind == "or":
            return Decision(total.plus(constant(np.zeros(outer.lanes, np.int64)), 1), STEP)
        if kind == "and":
            return Decision(total.plus(constant(trips), -1), (0, 1, 1))
        raise NotStructuralError(f"'reduce {kind}' is no unit")

    def add(self, op: Op) -> Value:
        total = self.form(op.operands[0])
        for operand in op.operands[1:]:
            total = total.plus(self.form(operand), 1)
        return total

    def sub(self, op: Op) -> Value:
        left, right = (self.value(operand) for operand in op.operands)
        if isinstance(left, Decision) and isinstance(right, Decision):
            apart = left.less(right)
            if apart is not None:
                return apart
        return self.form(op.operands[0]).plus(self.form(op.operands[1]), -1)

    def neg(self, op: Op) -> Value:
        return self.form(op.operands[0]).times(Fraction(-1))

    def mul(self, op: Op) -> Value:
        product = self.form(op.operands[0])
        for operand in op.operands[1:]:
            product = product.product(self.form(operand))
        return product

    def pow(self, op: Op) -> Value:
        base, exponent = op.operands[0], self.form(op.operands[1])
        if base != 2 or exponent.size or exponent.scale != 1 or (exponent.bias > 61).any():
            raise NotStructuralError("'pow' of values is no unit")
        return constant(np.int64(1) << exponent.bias)

    def index_op(self, op: Op) -> Value:
        return constant(self.at(op.index[0].at))

    def sign(self, op: Op) -> Value:
        return Decision(self.form(op.operands[0]), SIGN)

    def compare(self, op: Op) -> Value:
        left, right = op.operands
        if right == 0:
            return Decision(self.form(left), COMPARISONS[op.code])
        return Decision(self.form(left).plus(self.form(right), -1), COMPARISONS[op.code])

    def step(self, op: Op) -> Value:
        return Decision(self.form(op.operands[0]), STEP)

    def threshold(self, op: Op) -> Value:
        weights, least = op.attr("weights"), op.attr("least")
        assert isinstance(least, int)
        factors = weights if isinstance(weights, tuple) else (1,) * len(op.operands)
        total = literal(-least, self.frame.lanes)
        for factor, operand in zip(factors, op.operands):
            assert isinstance(factor, int)
            total = total.plus(self.form(operand), factor)
        return Decision(total, (0, 1, 1))

    def logic(self, op: Op) -> Value:
        total = self.add(op)
        assert isinstance(total, Form)
        least = 1 if op.code == "or" else len(op.operands)
        return Decision(total.plus(literal(least, self.frame.lanes), -1), (0, 1, 1))

    def negation(self, op: Op) -> Value:
        value = self.value(op.operands[0])
        if isinstance(value, Decision):
            below, tie, above = value.outcomes
            return Decision(value.form, (1 - below, 1 - tie, 1 - above))
        return literal(1, self.frame.lanes).plus(value, -1)

    def select(self, op: Op) -> Value:
        condition = self.value(op.operands[0])
        if isinstance(condition, Form):
            then, other = (self.form(o) for o in op.operands[1:])
            if then.size or other.size:
                raise NotStructuralError("a choice between values is no unit")
            return condition.product(then.plus(other, -1)).plus(other, 1)
        shown = [self._outcomes(operand, condition) for operand in op.operands[1:]]
        below, tie, above = (a if picked else b for a, b, picked in zip(*shown, condition.outcomes))
        return Decision(condition.form, (below, tie, above))

    def _outcomes(self, operand: Operand, condition: Decision) -> tuple[int, int, int]:
        """Return the value of an operand for each sign of the condition's sum."""
        if isinstance(operand, int):
            return operand, operand, operand
        value = self.value(operand)
        if isinstance(value, Decision) and value.form is condition.form:
            return value.outcomes
        raise NotStructuralError("a choice between values is no unit")

    def pack(self, op: Op) -> _Array:
        forms = [self.form(operand) for operand in op.operands]
        return _Array(tuple(d.const for d in op.shape), joined(forms))

    def concat(self, op: Op) -> _Array:
        parts = [self.arrays[str(operand)] for operand in op.operands]
        rest = parts[0].shape[1:]
        rows = sum(part.shape[0] for part in parts)
        return _Array((rows, *rest), joined([part.form for part in parts]))

    def reshape(self, op: Op) -> _Array | Value:
        form = self._whole(op.operands[0])
        shape = tuple(d.const for d in op.shape)
        return _Array(shape, form) if shape else form

    def decide(self, op: Op) -> _Array:
        operand = op.operands[0]
        if not isinstance(operand, str) or operand not in self.arrays:
            raise NotStructuralError("a decision of no array")
        array = self.arrays[operand]
        axis = op.attr("axis")
        if axis is not None and axis != len(array.shape) - 1:
            raise NotStructuralError("a decision along another axis")
        self.arrays[op.result] = array
        result = array
        self.decision = op.code
        return result


_OPS: dict[str, Callable[[_Machine, Op], Value | _Array | None]] = {
    "load": _Machine.load,
    "map": _Machine.map,
    "reduce": _Machine.reduce,
    "add": _Machine.add,
    "sub": _Machine.sub,
    "neg": _Machine.neg,
    "mul": _Machine.mul,
    "pow": _Machine.pow,
    "index": _Machine.index_op,
    "sign": _Machine.sign,
    "step": _Machine.step,
    "threshold": _Machine.threshold,
    "and": _Machine.logic,
    "or": _Machine.logic,
    "not": _Machine.negation,
    "select": _Machine.select,
    "pack": _Machine.pack,
    "concat": _Machine.concat,
    "reshape": _Machine.reshape,
    "argmax": _Machine.decide,
    "softmax": _Machine.decide,
    **dict.fromkeys(COMPARISONS, _Machine.compare),
}

__all__ = ["NotStructuralError", "units_found"]
