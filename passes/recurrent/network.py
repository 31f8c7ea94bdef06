"""A recurrent network as a black box on words over its alphabet: exact decisions, step by step.

Steps are computed in binary64 with a rigorous bound on the rounding error; a decision that the bound
cannot tell is redone in rational arithmetic, or in 60 digits where tanh or sigmoid take part.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Global, Module, Op, Operand, Real, dims, element, levels, walk
from ddc.passes.base import Declined

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

UNIT = 2.0**-53
LARGEST = 2.0**62
ASTRAY = 0.2  # from a tie: what is that far from any integer was hardly trained to be one
MAX_LETTERS = 1 << 20

SMOOTH = ("tanh", "sigmoid", "softmax")


def is_recurrent(module: Module) -> bool:
    """Tell whether the entry is a network with a scan over time: layers inside its body."""
    codes = {"dense", "embedding", *SMOOTH}
    return any(
        op.code == "scan" and op.body is not None and any(o.code in codes for o in walk(op.body))
        for op in module.entry.body.ops
    )


@dataclass
class Ball:
    """Values with a bound on how far each is from the exact one; rows first."""

    mid: Any
    rad: Any


State = tuple[Ball, ...]


class StepNetwork:
    """The scan of a network-level function, run one letter at a time on many words at once.

    A letter is the number of a row of `letters` [k, inputs]: the values that all inputs take at one
    step, in order of parameters.
    """

    def __init__(self, module: Module) -> None:
        """Take the entry of a module; `Declined` where it is no such network."""
        self.module = module
        self.entry = module.entry
        scans = [op for op in self.entry.body.ops if op.code == "scan"]
        if len(scans) != 1 or len(self.entry.body.ops) != 1 or scans[0].body is None:
            raise Declined("the network is not one scan over time")
        self.scan = scans[0]
        assert self.scan.body is not None
        self.body = self.scan.body
        self.outputs = len(self.body.yields)
        self.input_names = {param.name for param in self.entry.params}
        if self.entry.body.yields != self.scan.results[: self.outputs]:
            raise Declined("the results are not what the scan yields")
        self.length = dims(self.entry.params[0].type)[0].const
        self.constants: dict[str, Floats] = {
            name: np.asarray(c.array, dtype=np.float64) for name, c in module.constants
        }
        self.smooth = any(op.code in SMOOTH for op in self.body.ops)
        self._check_softmax()
        self.letters = self._alphabet()
        self.rounded = 0  # numbers rounded so far, and how many of them lay far from an integer
        self.astray = 0
        for param in self.entry.results:
            if isinstance(element(param.type), Real) or len(dims(param.type)) != 1:
                raise Declined(
                    "the outputs are real numbers, not decisions: say --output round, step, sign "
                    "or argmax"
                )

    def _alphabet(self) -> Ints:
        axes: list[Sequence[int]] = []
        self.columns: list[tuple[str, tuple[int, ...]]] = []
        for param in self.entry.params:
            values = levels(element(param.type))
            if values is None:
                raise Declined(
                    f"{param.name} is {param.type}: say which values it takes, such as "
                    f"{param.name}: int<0..9>[T]"
                )
            for place in np.ndindex(*(dim.const for dim in dims(param.type)[1:])):
                axes.append(values)
                self.columns.append((param.name, place))
        count = math.prod(len(axis) for axis in axes)
        if count > MAX_LETTERS:
            raise Declined(f"{count} different inputs at each step: declare narrower ranges")
        self.axes = tuple(tuple(axis) for axis in axes)
        return np.array(list(itertools.product(*axes)), dtype=np.int64).reshape(count, len(axes))

    def _check_softmax(self) -> None:
        """Check that a softmax only feeds an argmax, which it does not change."""
        made = {op.result for op in self.body.ops if op.code == "softmax"}
        readers = [op.code for op in self.body.ops for o in op.operands if o in made]
        if any(code != "argmax" for code in readers) or made & {*self.body.yields}:
            raise Declined("a softmax that is not followed by an argmax is not raised")

    @property
    def size(self) -> int:
        """The number of letters."""
        return len(self.letters)

    def start(self, rows: int) -> State:
        """Return the states before the first step."""
        found: list[Ball] = []
        for state in self.scan.states:
            init = state.init
            shape = tuple(dim.const for dim in dims(state.type))
            value = self.constants[init.name] if isinstance(init, Global) else float(str(init))
            mid = np.broadcast_to(value, (rows, *shape)).astype(np.float64)
            found.append(Ball(mid, np.zeros_like(mid)))
        return tuple(found)

    def step(self, state: State, letters: Ints) -> tuple[State, Ints, Bools]:
        """Return the next states, the decisions [rows, outputs], and which rows are sure."""
        machine = _Machine(self, state, letters)
        with np.errstate(over="ignore", invalid="ignore"):
            for op in self.body.ops:
                machine.run(op)
        found = [machine.read(o).mid for o in self.body.yields]
        nexts = tuple(machine.read(o) for o in self.body.nexts)
        rows = len(letters)
        wide = [np.broadcast_to(np.asarray(v), (rows,)) for v in found]
        return nexts, np.stack(wide, axis=1).astype(np.int64), machine.sure

    def run(self, words: Ints) -> tuple[Ints, Bools]:
        """Return the decisions for words of letters [rows, steps]: [rows, steps, outputs]."""
        rows, steps = words.shape
        state, sure = self.start(rows), np.ones(rows, dtype=bool)
        answers = np.empty((rows, steps, self.outputs), dtype=np.int64)
        for t in range(steps):
            state, answers[:, t], certain = self.step(state, words[:, t])
            sure &= certain
        return answers, sure

    def decide(self, words: Ints) -> Ints:
        """Return the exact decisions for words [rows, steps]: [rows, steps, outputs]."""
        answers, sure = self.run(words)
        for row in np.flatnonzero(~sure):
            answers[row] = self.exact(words[row])
        return answers

    def exact(self, word: Ints) -> Ints:
        """Return the decisions for one word in rational or in many-digit arithmetic."""
        from .exact import ExactRun

        machine = ExactRun(self)
        return np.array([machine.step(int(letter)) for letter in word], dtype=np.int64)

    @property
    def work(self) -> int:
        """The products of one word without rounding, a measure of what `exact` costs."""
        return self.length * sum(array.size for array in self.constants.values())

    def inputs(self, words: Ints) -> dict[str, Ints]:
        """Return words of letters as inputs of the function, by parameter, rows first."""
        values = self.letters[words]
        found: dict[str, Ints] = {}
        for param in self.entry.params:
            shape = tuple(dim.const for dim in dims(param.type)[1:])
            own = [i for i, (name, _) in enumerate(self.columns) if name == param.name]
            found[param.name] = values[:, :, own].reshape(*words.shape, *shape)
        return found


def taken(state: State, rows: Ints) -> State:
    """Return the states of some rows."""
    return tuple(Ball(ball.mid[rows], ball.rad[rows]) for ball in state)


# ---------------------------------------------------------------- binary64 with bounds


class _Machine:
    """One step on many rows; every value is a ball."""

    def __init__(self, net: StepNetwork, state: State, letters: Ints) -> None:
        self.net = net
        self.rows = net.letters[letters]
        self.values: dict[str, Ball] = {}
        self.sure = np.ones(len(letters), dtype=bool)
        for own, ball in zip(net.scan.states, state):
            self.values[own.name] = ball

    def read(self, operand: Operand) -> Ball:
        if isinstance(operand, Global):
            constant = self.net.constants[operand.name]
            return Ball(constant[None], np.zeros_like(constant)[None])
        if isinstance(operand, str):
            return self.values[operand]
        return Ball(np.float64(operand), np.float64(0))

    def run(self, op: Op) -> None:
        rule = _BALLS.get(op.code)
        if rule is None:
            raise Declined(f"'{op.code}' inside a scan is not raised")
        given = [self.read(o) for o in op.operands if o not in self.net.input_names]
        self.values[op.result] = rule(self, op, *given)

    def unsure(self, doubtful: Any) -> None:
        """Mark the rows in which some decision is within its error bound of a tie."""
        doubt = np.asarray(doubtful)
        self.sure &= ~doubt.reshape(len(self.sure), -1).any(axis=1)


def _load(machine: _Machine, op: Op, *source: Ball) -> Ball:
    base = str(op.operands[0])
    net = machine.net
    if base in net.input_names:
        place = tuple(index.at.const for index in op.index[1:])
        column = net.columns.index((base, place))
        value = machine.rows[:, column].astype(np.float64)
        return Ball(value, np.zeros_like(value))
    at = (slice(None), *(index.at.const for index in op.index))
    return Ball(source[0].mid[at], source[0].rad[at])


def _rows(machine: _Machine, ball: Ball, depth: int) -> Ball:
    """Return a ball with a row for each word; scalars of `depth` 0."""
    rows = len(machine.sure)
    shape = (rows, *np.shape(ball.mid)[1:]) if np.ndim(ball.mid) > depth else (rows,)
    return Ball(np.broadcast_to(ball.mid, shape), np.broadcast_to(ball.rad, shape))


def _pack(machine: _Machine, op: Op, *parts: Ball) -> Ball:
    shape = tuple(dim.const for dim in op.shape)
    wide = [_rows(machine, part, 0) for part in parts]
    rows = len(machine.sure)
    return Ball(
        np.stack([p.mid for p in wide], axis=1).reshape(rows, *shape),
        np.stack([p.rad for p in wide], axis=1).reshape(rows, *shape),
    )


def _concat(machine: _Machine, op: Op, *parts: Ball) -> Ball:
    return Ball(
        np.concatenate([p.mid for p in parts], axis=1),
        np.concatenate([p.rad for p in parts], axis=1),
    )


def _reshape(machine: _Machine, op: Op, x: Ball) -> Ball:
    shape = (len(machine.sure), *(dim.const for dim in op.shape))
    return Ball(x.mid.reshape(shape), x.rad.reshape(shape))


def _onehot(machine: _Machine, op: Op, x: Ball) -> Ball:
    value = (x.mid[..., None] == np.arange(int(str(op.attr("size"))))).astype(np.float64)
    return Ball(value, np.zeros_like(value))


def _embedding(machine: _Machine, op: Op, x: Ball, table: Ball) -> Ball:
    value = table.mid[0][x.mid.astype(np.int64)]
    return Ball(value, np.zeros_like(value))


def _dense(machine: _Machine, op: Op, x: Ball, weight: Ball, bias: Ball | None = None) -> Ball:
    w = weight.mid[0]
    shift = 0.0 if bias is None else bias.mid
    size = np.abs(x.mid) @ np.abs(w.T) + np.abs(shift)
    slack = (w.shape[1] + 3) * UNIT * 1.01
    return Ball(x.mid @ w.T + shift, x.rad @ np.abs(w.T) * (1 + slack) + slack * size)


def _rounded(mid: Any, rad: Any, ulps: float = 1) -> Ball:
    return Ball(mid, (rad + ulps * UNIT * np.abs(mid)) * (1 + 4 * UNIT))


def _relu(machine: _Machine, op: Op, x: Ball) -> Ball:
    return Ball(np.maximum(x.mid, 0.0), x.rad)


def _leaky(machine: _Machine, op: Op, x: Ball) -> Ball:
    slope = float(_number(op, "slope"))
    mid = np.where(x.mid >= 0, x.mid, slope * x.mid)
    return _rounded(mid, x.rad * max(1.0, abs(slope)))


def _hardtanh(machine: _Machine, op: Op, x: Ball) -> Ball:
    return Ball(np.clip(x.mid, float(_number(op, "low")), float(_number(op, "high"))), x.rad)


def _number(op: Op, name: str) -> Fraction:
    value = op.attr(name)
    assert isinstance(value, (int, Fraction))
    return Fraction(value)


def _tanh(machine: _Machine, op: Op, x: Ball) -> Ball:
    return _rounded(np.tanh(x.mid), x.rad, 8)


def _sigmoid(machine: _Machine, op: Op, x: Ball) -> Ball:
    z = np.exp(-np.abs(x.mid))
    value = np.where(x.mid >= 0, 1 / (1 + z), z / (1 + z))
    return _rounded(value, x.rad / 4, 16)


def _same(machine: _Machine, op: Op, x: Ball) -> Ball:
    return x


def _add(machine: _Machine, op: Op, *parts: Ball) -> Ball:
    total, rad = parts[0].mid, parts[0].rad
    for part in parts[1:]:
        total = total + part.mid
        rad = rad + part.rad + UNIT * np.abs(total)
    return _rounded(total, rad)


def _sub(machine: _Machine, op: Op, a: Ball, b: Ball) -> Ball:
    return _rounded(a.mid - b.mid, a.rad + b.rad)


def _mul(machine: _Machine, op: Op, a: Ball, b: Ball) -> Ball:
    rad = np.abs(a.mid) * b.rad + np.abs(b.mid) * a.rad + a.rad * b.rad
    return _rounded(a.mid * b.mid, rad)


def _round(machine: _Machine, op: Op, x: Ball) -> Ball:
    near = np.abs(x.mid - np.floor(x.mid) - 0.5)
    machine.net.rounded += near.size
    machine.net.astray += int((near < ASTRAY).sum())
    machine.unsure(~(near > x.rad + UNIT * np.abs(x.mid)))
    value = np.clip(np.nan_to_num(np.rint(x.mid)), -LARGEST, LARGEST)
    return Ball(value, np.zeros_like(value))


def _compare(at: Callable[[Op], float], signed: bool) -> Callable[..., Ball]:
    def rule(machine: _Machine, op: Op, x: Ball, *_: Ball) -> Ball:
        off = x.mid - at(op)
        machine.unsure(~(np.abs(off) > x.rad + UNIT * np.abs(off)))
        value = np.sign(off) if signed else (off > 0).astype(np.float64)
        return Ball(value, np.zeros_like(value))

    return rule


def _argmax(machine: _Machine, op: Op, x: Ball) -> Ball:
    best = x.mid.argmax(axis=-1)
    low = np.take_along_axis(x.mid - x.rad, best[..., None], axis=-1)
    others = x.mid + x.rad
    np.put_along_axis(others := np.array(others), best[..., None], -np.inf, axis=-1)
    machine.unsure(~(low[..., 0] > others.max(axis=-1)))
    return Ball(best.astype(np.float64), np.zeros(best.shape))


def _threshold_of(op: Op) -> float:
    literal = op.operands[1]
    if not isinstance(literal, (int, Fraction)):
        raise Declined("a comparison of two computed numbers is not raised")
    return float(literal)


_BALLS: dict[str, Callable[..., Ball]] = {
    "load": _load,
    "pack": _pack,
    "concat": _concat,
    "reshape": _reshape,
    "onehot": _onehot,
    "embedding": _embedding,
    "dense": _dense,
    "relu": _relu,
    "leaky_relu": _leaky,
    "hardtanh": _hardtanh,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softmax": _same,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "round": _round,
    "step": _compare(lambda op: 0.0, False),
    "sign": _compare(lambda op: 0.0, True),
    "gt": _compare(_threshold_of, False),
    "argmax": _argmax,
}
