"""The scan of a network as a step on affine forms: hidden sets in, hidden sets and decisions out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError
from ddc.ir.module import Global, Module, Op, Operand
from ddc.ir.types import dims

from . import forms
from .forms import Floats, Form

Ints = NDArray[np.int64]

LARGEST = 2.0**52  # decisions beyond it are not told apart


class Unbounded(DdcError):
    """An op of the network for which there is no enclosure."""


class Cell:
    """The step of a recurrent network; hidden states of all scans lie side by side in one vector.

    A letter is a row of `letters` [k, columns]: the values of all inputs at one step, in order of
    parameters and of their entries.
    """

    def __init__(self, module: Module, letters: Ints) -> None:
        """Take a network whose entry is one scan over time; raises `Unbounded`."""
        entry = module.entry
        if len(entry.body.ops) != 1 or entry.body.ops[0].code != "scan":
            raise Unbounded("the network is not one scan over time")
        self.scan = entry.body.ops[0]
        assert self.scan.body is not None
        self.body = self.scan.body
        self.letters = letters
        self.outputs = len(self.body.yields)
        self.columns: dict[tuple[str, tuple[int, ...]], int] = {}
        for param in entry.params:
            for place in np.ndindex(*(dim.const for dim in dims(param.type)[1:])):
                self.columns[param.name, place] = len(self.columns)
        self.inputs = {param.name for param in entry.params}
        self.constants: dict[str, Floats] = {}
        for name, constant in module.constants:
            array = np.asarray(constant.array, dtype=np.float64)
            if not (array == constant.array).all():
                raise Unbounded("a weight is not a binary64 number")
            self.constants[name] = array
        self.shapes = [tuple(dim.const for dim in dims(s.type)) for s in self.scan.states]
        self.start = self._start()
        self.hidden = len(self.start)
        unknown = next((o.code for o in self.body.ops if o.code not in _RULES), None)
        if unknown is not None:
            raise Unbounded(f"there is no enclosure for '{unknown}'")
        softened = {op.result for op in self.body.ops if op.code == "softmax"}
        readers = [op.code for op in self.body.ops for o in op.operands if o in softened]
        if softened and {*readers} != {"argmax"} or softened & {*self.body.yields}:
            raise Unbounded("a softmax that is read by other ops than argmax")

    def _start(self) -> Floats:
        parts: list[Floats] = []
        for state, shape in zip(self.scan.states, self.shapes):
            init = state.init
            value = self.constants[init.name] if isinstance(init, Global) else float(str(init))
            parts.append(np.broadcast_to(value, shape).astype(np.float64).ravel())
        return np.concatenate(parts)

    def step(self, hidden: Form, letters: Ints) -> tuple[Form, Ints, Ints]:
        """Return the next hidden set, and the smallest and largest decisions [rows, outputs]."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._step(hidden, letters)

    def _step(self, hidden: Form, letters: Ints) -> tuple[Form, Ints, Ints]:
        run = _Run(self, hidden, letters)
        for op in self.body.ops:
            run.values[op.result] = _RULES[op.code](run, op)
        nexts = [run.read(o) for o in self.body.nexts]
        after = forms.joined([n.shaped((int(np.prod(n.mid.shape[1:], dtype=int)),)) for n in nexts])
        given = [run.read(o).shaped(()) for o in self.body.yields]
        low = np.stack([g.mid - g.rad for g in given], axis=1)
        high = np.stack([g.mid + g.rad for g in given], axis=1)
        lost = ~(np.isfinite(low) & np.isfinite(high))
        low[lost], high[lost] = -LARGEST, LARGEST
        ends = [np.clip(side, -LARGEST, LARGEST).astype(np.int64) for side in (low, high)]
        return after, ends[0], ends[1]

    def points(self, hidden: Floats) -> Form:
        """Return single hidden states [rows, hidden] as forms without unknowns."""
        return Form.exact(hidden, 0)

    def slopes(self, hidden: Floats, letters: Ints) -> tuple[Floats, Floats, Ints]:
        """Return the next states, their derivatives [rows, after, before] and decisions, not rigorous."""
        tiny = 2.0**-30
        gens = np.broadcast_to(np.eye(self.hidden) * tiny, (len(hidden), self.hidden, self.hidden))
        after, low, high = self.step(Form(hidden, gens, np.zeros_like(hidden)), letters)
        return after.mid, after.gens.transpose(0, 2, 1) / tiny, (low + high) // 2


class _Run:
    """The values of one step on some rows."""

    def __init__(self, cell: Cell, hidden: Form, letters: Ints) -> None:
        self.cell = cell
        self.letters = cell.letters[letters]
        self.unknowns = hidden.gens.shape[1]
        self.values: dict[str, Form] = {}
        place = 0
        for state, shape in zip(cell.scan.states, cell.shapes):
            size = int(np.prod(shape, dtype=int))
            self.values[state.name] = hidden.pick((slice(place, place + size),)).shaped(shape)
            place += size

    def read(self, operand: Operand) -> Form:
        if isinstance(operand, str):
            return self.values[operand]
        if isinstance(operand, Global):
            constant = self.cell.constants[operand.name]
        else:
            constant = np.asarray(float(operand))
            if Fraction(float(operand)) != Fraction(operand):
                raise Unbounded("a number is not a binary64 number")
        rows = len(self.letters)
        return Form.exact(np.broadcast_to(constant, (rows, *constant.shape)), self.unknowns)

    def whole(self, operand: Operand) -> Floats:
        """Return the constant array that an op takes as its weights."""
        if not isinstance(operand, Global):
            raise Unbounded("weights that are computed")
        return self.cell.constants[operand.name]


def _load(run: _Run, op: Op) -> Form:
    base = op.operands[0]
    if isinstance(base, str) and base in run.cell.inputs:
        place = tuple(index.at.const for index in op.index[1:])
        column = run.letters[:, run.cell.columns[base, place]].astype(np.float64)
        return Form.exact(column, run.unknowns)
    return run.read(base).pick(tuple(index.at.const for index in op.index))


def _pack(run: _Run, op: Op) -> Form:
    parts = [run.read(o) for o in op.operands]
    stacked = Form(
        np.stack([p.mid for p in parts], axis=1),
        np.stack([p.gens for p in parts], axis=2),
        np.stack([p.rad for p in parts], axis=1),
    )
    return stacked.shaped(tuple(dim.const for dim in op.shape))


def _onehot(run: _Run, op: Op) -> Form:
    (x,) = [run.read(o) for o in op.operands]
    _known(x)
    value = x.mid[..., None] == np.arange(int(str(op.attr("size"))))
    return Form.exact(value.astype(np.float64), run.unknowns)


def _embedding(run: _Run, op: Op) -> Form:
    x = run.read(op.operands[0])
    _known(x)
    return Form.exact(run.whole(op.operands[1])[x.mid.astype(np.int64)], run.unknowns)


def _known(x: Form) -> None:
    if x.rad.any() or x.gens.any():
        raise Unbounded("a choice by a value that is not an input")


def _dense(run: _Run, op: Op) -> Form:
    x, weights, *more = op.operands
    weight = run.whole(weights)
    bias = run.whole(more[0]) if more else np.zeros(weight.shape[0])
    return forms.dense(run.read(x), weight, bias)


def _number(op: Op, name: str) -> float:
    value = op.attr(name)
    assert isinstance(value, (int, Fraction))
    if Fraction(float(value)) != Fraction(value):
        raise Unbounded("a number is not a binary64 number")
    return float(value)


def _leaky(run: _Run, op: Op) -> Form:
    slope = _number(op, "slope")
    return forms.kinked(run.read(op.operands[0]), lambda z: np.where(z >= 0, z, slope * z), [0.0])


def _hardtanh(run: _Run, op: Op) -> Form:
    low, high = _number(op, "low"), _number(op, "high")
    return forms.kinked(run.read(op.operands[0]), lambda z: np.clip(z, low, high), [low, high])


def _sum(run: _Run, op: Op) -> Form:
    first, *more = (run.read(o) for o in op.operands)
    for part in more:
        first = forms.add(first, part)
    return first


def _gt(run: _Run, op: Op) -> Form:
    off = forms.add(run.read(op.operands[0]), run.read(op.operands[1]), -1.0)
    return forms.decided(off, _positive)


def _positive(z: Floats) -> Floats:
    return (z > 0).astype(np.float64)


def _single(rule: Callable[[Form], Form]) -> Callable[[_Run, Op], Form]:
    return lambda run, op: rule(run.read(op.operands[0]))


def _pair(rule: Callable[[Form, Form], Form]) -> Callable[[_Run, Op], Form]:
    return lambda run, op: rule(*(run.read(o) for o in op.operands))


def _reshape(run: _Run, op: Op) -> Form:
    return run.read(op.operands[0]).shaped(tuple(dim.const for dim in op.shape))


def _concat(run: _Run, op: Op) -> Form:
    parts: Sequence[Form] = [run.read(o) for o in op.operands]
    return forms.joined(parts)


_RULES: dict[str, Callable[[_Run, Op], Form]] = {
    "load": _load,
    "pack": _pack,
    "concat": _concat,
    "reshape": _reshape,
    "onehot": _onehot,
    "embedding": _embedding,
    "dense": _dense,
    "relu": _single(forms.relu),
    "leaky_relu": _leaky,
    "hardtanh": _hardtanh,
    "tanh": _single(forms.tanh),
    "sigmoid": _single(forms.sigmoid),
    "softmax": _single(lambda x: x),  # only ever read by an argmax
    "add": _sum,
    "sub": _pair(lambda a, b: forms.add(a, b, -1.0)),
    "mul": _pair(forms.mul),
    "round": _single(lambda x: forms.decided(x, np.rint)),
    "step": _single(lambda x: forms.decided(x, _positive)),
    "sign": _single(lambda x: forms.decided(x, np.sign)),
    "gt": _gt,
    "argmax": _single(forms.first_greatest),
}
