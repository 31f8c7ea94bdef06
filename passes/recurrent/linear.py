"""Linear recurrences with integer coefficients: sums over windows, accumulators, second differences.

y_t is a sum of past outputs, of inputs, and of a constant. States are the last outputs, or the output and its
differences (for a second-order recurrence a position and a velocity), whichever has the smaller coefficients.
Solved in floating point, rounded, and then compared in integers on every sample.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from numpy.typing import NDArray

from ddc.ir import INT, Module, Operand
from ddc.passes import logic

from .emit import Register, Writer
from .network import StepNetwork

Ints = NDArray[np.int64]

SAMPLES = 300
ORDERS = 4  # past outputs
LARGEST = 1 << 12  # coefficient
MAX_LETTERS = 24  # for weights by letter


@dataclass(frozen=True)
class Linear:
    """`change_t = past @ feedback + inputs @ weights + constant`, then summed `order` times.

    `feedback` [order, outputs, outputs] multiplies the differences of order 0 … of the last outputs;
    `weights` [lags, inputs, outputs] the inputs, newest first. With order 0 the change is the output. With
    `table` [letters, outputs] the letter itself has a weight. Where `direct`, `feedback` multiplies the
    last outputs themselves, newest first, and the change is the output.
    """

    order: int
    feedback: Ints
    weights: Ints
    constant: Ints
    table: Ints | None = None
    table_cost: int = 0
    direct: bool = False

    def run(self, net: StepNetwork, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        x = net.letters[words]
        rows, steps = words.shape
        past = np.zeros((rows, self.order, len(self.constant)), dtype=np.int64)
        found: list[Ints] = []
        for t in range(steps):
            change = np.tile(self.constant, (rows, 1))
            for lag in range(min(len(self.weights), t + 1)):
                change = change + x[:, t - lag] @ self.weights[lag]
            if self.table is not None:
                change = change + self.table[words[:, t]]
            for level in range(self.order):
                change = change + past[:, level] @ self.feedback[level]
            if self.direct:
                past = np.concatenate([change[:, None], past], axis=1)[:, : self.order]
            for level in reversed(range(0 if self.direct else self.order)):
                change = past[:, level] + change
                past[:, level] = change
            found.append(change)
        return np.stack(found, axis=1)

    @property
    def cost(self) -> int:
        """A count of coefficients, larger ones more."""
        sizes = [*self.feedback.flat, *self.weights.flat, *self.constant.flat]
        return self.order + self.table_cost + sum(1 + abs(int(c)) for c in sizes if c)

    def emit(self, net: StepNetwork) -> Module:
        """Return the program: a map over a window, or a scan with integer states."""
        writer = Writer(net)
        count = net.outputs
        kinds = [INT] * count
        if self.order == 0:
            return writer.mapped(lambda: [self._change(writer, m, []) for m in range(count)], kinds)
        wishes = LAST if self.direct else _names(self.order)
        registers = [
            Register(name if count == 1 else f"{name}{m}", INT, 0)
            for name in wishes[: self.order]
            for m in range(count)
        ]

        def body(names: object) -> tuple[list[Operand], list[Operand]]:
            states = [str(name) for name in names]  # type: ignore[attr-defined]
            change = [self._change(writer, m, states) for m in range(count)]
            if self.direct:
                return [*change, *states[:-count]], change
            nexts: list[Operand] = [0] * len(states)
            for level in reversed(range(self.order)):
                for m in range(count):
                    place = level * count + m
                    change[m] = writer.total([(1, states[place]), (1, change[m])])
                    nexts[place] = change[m]
            return nexts, change

        return writer.scanned(registers, body, kinds)

    def _change(self, writer: Writer, m: int, states: list[str]) -> Operand:
        terms: list[tuple[int, Operand]] = []
        count = len(self.constant)
        for place, state in enumerate(states):
            factor = int(self.feedback[place // count, place % count, m])
            if factor:
                terms.append((factor, state))
        for lag in range(len(self.weights)):
            for column, factor in enumerate(self.weights[lag, :, m]):
                if factor:
                    terms.append((int(factor), writer.load(column, lag)))
        if self.table is not None:
            loads = writer.letter()
            terms.append((1, writer.table(self.table[:, m], loads, "w")))
        return writer.total(terms, int(self.constant[m]))


LAST = ("last", "before", "earlier", "first")


def _names(order: int) -> list[str]:
    return ["total"] if order == 1 else ["position", "velocity", "force", "jerk"][:order]


def recurrences(
    net: StepNetwork, rng: np.random.Generator, tolerance: float = 0.0
) -> Iterator[Linear]:
    """Yield the integer recurrence of the lowest order that explains samples.

    A share of `tolerance` of the answers may depart from it.
    """
    words = rng.integers(0, net.size, size=(SAMPLES, net.length))
    y = net.run(words)[0]
    for order, lags, by_letter in _shapes(net):
        found = _fit(net, words, y, order, lags, by_letter, tolerance)
        if found is not None:
            yield found
            return


def _shapes(net: StepNetwork) -> Iterator[tuple[int, int, bool]]:
    for lags in range(1, min(net.length // 2 + 1, 9)):
        yield 0, lags, False
    if net.size <= MAX_LETTERS:
        yield 0, 0, True
    for order in range(1, ORDERS + 1):
        for lags in range(1, order + 2):
            yield order, lags, False
        if net.size <= MAX_LETTERS:
            yield order, 0, True


def _fit(
    net: StepNetwork,
    words: Ints,
    y: Ints,
    order: int,
    lags: int,
    by_letter: bool,
    tolerance: float,
) -> Linear | None:
    x = net.letters[words]
    columns = [_shifted(x, lag) for lag in range(lags)]
    differences, current = [], y
    for _ in range(order):
        differences.append(current)
        current = current - _shifted(current, 1)
    columns = [_shifted(d, 1) for d in differences] + columns
    if by_letter:
        columns.append((words[..., None] == np.arange(net.size)).astype(np.int64))
    else:
        columns.append(np.ones((*words.shape, 1), dtype=np.int64))
    stacked = np.concatenate(columns, axis=2)
    rows = stacked.reshape(-1, stacked.shape[2]).astype(np.float64)
    wanted = current.reshape(-1, current.shape[2]).astype(np.float64)
    solution, _, _, _ = np.linalg.lstsq(rows, wanted, rcond=None)
    near = np.rint(solution)
    if np.abs(solution - near).max() > 0.05 or np.abs(near).max() > LARGEST:
        return None
    if float((rows @ near != wanted).any(axis=1).mean()) > tolerance:
        return None
    exact = near.astype(np.int64)
    outputs, inputs = y.shape[2], x.shape[2]
    fed = order * outputs
    feedback = exact[:fed].reshape(order, outputs, outputs)
    weights = exact[fed : fed + lags * inputs].reshape(lags, inputs, outputs)
    if by_letter:
        table = exact[fed:]
        none = np.zeros(outputs, dtype=np.int64)
        found = Linear(order, feedback, weights, none, table, _cost_of(net, table))
    else:
        found = Linear(order, feedback, weights, exact[-1])
    return min((found, _direct(found)), key=lambda program: program.cost)


def _cost_of(net: StepNetwork, table: Ints) -> int:
    """Return the cost of the expressions of the letter that equal a table of weights."""
    shape = [len(axis) for axis in net.axes]
    tables = [logic.Table(net.axes, column.reshape(shape)) for column in table.T]
    return sum(logic.cost(logic.minimise(own, effort=0)) for own in tables)


def _direct(program: Linear) -> Linear:
    """Return the same recurrence over the last outputs in place of their differences."""
    order = program.order
    feedback = np.zeros_like(program.feedback)
    own = np.eye(len(program.constant), dtype=np.int64)
    for level in range(order):
        # The difference of this order, over the outputs it is made of, and what summing adds back.
        for lag in range(level + 1):
            feedback[lag] += (-1) ** lag * comb(level, lag) * program.feedback[level]
    for lag in range(1, order + 1):
        feedback[lag - 1] += -((-1) ** lag) * comb(order, lag) * own
    return replace(program, feedback=feedback, direct=order > 0)


def _shifted(values: Ints, steps: int) -> Ints:
    moved = np.zeros_like(values)
    moved[:, steps:] = values[:, : max(0, values.shape[1] - steps)]
    return moved
