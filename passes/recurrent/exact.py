"""One word through a recurrent network without rounding: fractions, or 60 digits for tanh and sigmoid."""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ddc.ir import Global, Op, Operand

if TYPE_CHECKING:
    from .network import StepNetwork

DIGITS = 60


class ExactRun:
    """The states of one word; `step` takes a letter and returns the decisions."""

    def __init__(self, net: StepNetwork) -> None:
        self.net = net
        self.number: Any = _digits() if net.smooth else Fraction
        self.lift: Any = np.vectorize(self._exact, otypes=[object])
        self.constants = {name: self.lift(array) for name, array in net.constants.items()}
        self.state = [
            (
                self.constants[state.init.name]
                if isinstance(state.init, Global)
                else np.array(self._exact(float(str(state.init))), dtype=object)
            )
            for state in net.scan.states
        ]

    def _exact(self, value: float) -> Any:
        return self.number(float(value))

    def step(self, letter: int) -> list[int]:
        """Return the decisions at this letter, and go on."""
        row = self.net.letters[letter]
        values: dict[str, Any] = {
            own.name: value for own, value in zip(self.net.scan.states, self.state)
        }

        def read(operand: Operand) -> Any:
            if isinstance(operand, Global):
                return self.constants[operand.name]
            if isinstance(operand, str):
                return values[operand]
            return self._exact(float(operand))

        for op in self.net.body.ops:
            if op.code == "load" and op.operands[0] in self.net.input_names:
                place = tuple(index.at.const for index in op.index[1:])
                column = self.net.columns.index((str(op.operands[0]), place))
                values[op.result] = self._exact(float(row[column]))
            else:
                values[op.result] = _RULES[op.code](self, op, *map(read, op.operands))
        found = [int(read(operand)) for operand in self.net.body.yields]
        self.state = [read(operand) for operand in self.net.body.nexts]
        return found


def _digits() -> Any:
    import mpmath

    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context.mpf


def _dense(run: ExactRun, op: Op, x: Any, weight: Any, bias: Any = 0) -> Any:
    return weight.dot(x) + bias


def _pack(run: ExactRun, op: Op, *parts: Any) -> Any:
    shape = tuple(dim.const for dim in op.shape)
    return np.array([*parts], dtype=object).reshape(shape)


def _load(run: ExactRun, op: Op, x: Any) -> Any:
    return x[tuple(index.at.const for index in op.index)]


def _onehot(run: ExactRun, op: Op, x: Any) -> Any:
    return run.lift(np.arange(int(str(op.attr("size")))) == int(x))


def _relu(run: ExactRun, op: Op, x: Any) -> Any:
    zero: Any = run.number(0)
    return np.maximum(x, zero)


def _leaky(run: ExactRun, op: Op, x: Any) -> Any:
    slope = run.number(1) * _attr(op, "slope")
    return np.where(x >= 0, x, x * slope)


def _hardtanh(run: ExactRun, op: Op, x: Any) -> Any:
    low: Any = run.number(1) * _attr(op, "low")
    high: Any = run.number(1) * _attr(op, "high")
    return np.minimum(np.maximum(x, low), high)


def _attr(op: Op, key: str) -> int | Fraction:
    value = op.attr(key)
    assert isinstance(value, (int, Fraction))
    return value


def _smooth(name: str) -> Callable[..., Any]:
    def rule(run: ExactRun, op: Op, x: Any) -> Any:
        context = run.number.context
        one = run.number(1)
        plain: dict[str, Callable[[Any], Any]] = {
            "tanh": context.tanh,
            "sigmoid": lambda v: one / (one + context.exp(-v)),
        }
        return np.vectorize(plain[name], otypes=[object])(x)

    return rule


def _round(run: ExactRun, op: Op, x: Any) -> Any:
    return np.vectorize(_half_even, otypes=[object])(x)


def _half_even(value: Any) -> int:
    if isinstance(value, Fraction):
        return round(value)
    return int(value.context.nint(value))


def _argmax(run: ExactRun, op: Op, x: Any) -> Any:
    return max(range(len(x)), key=lambda place: (x[place], -place))


_RULES: dict[str, Callable[..., Any]] = {
    "load": _load,
    "pack": _pack,
    "concat": lambda run, op, *parts: np.concatenate(parts),
    "reshape": lambda run, op, x: x.reshape(tuple(dim.const for dim in op.shape)),
    "onehot": _onehot,
    "embedding": lambda run, op, x, table: table[int(x)],
    "dense": _dense,
    "relu": _relu,
    "leaky_relu": _leaky,
    "hardtanh": _hardtanh,
    "tanh": _smooth("tanh"),
    "sigmoid": _smooth("sigmoid"),
    "softmax": lambda run, op, x: x,
    "add": lambda run, op, *parts: sum(parts[1:], parts[0]),
    "sub": lambda run, op, a, b: a - b,
    "mul": lambda run, op, a, b: a * b,
    "round": _round,
    "step": lambda run, op, x: np.where(x > 0, 1, 0),
    "sign": lambda run, op, x: np.where(x > 0, 1, np.where(x < 0, -1, 0)),
    "gt": lambda run, op, x, other: np.where(x > other, 1, 0),
    "argmax": _argmax,
}
