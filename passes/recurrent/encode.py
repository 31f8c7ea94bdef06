"""From a minimal machine to arithmetic: numbers for its states under which one short sum explains it.

For each candidate `state' = (a * state + b * inputs + c) % m` (or // m, or min, max …) the label of the
start state decides all others along the machine's own transitions, so that no permutation of labels is
ever tried: an expression either reproduces the machine or contradicts it. Outputs are then read off the
same sum, off the new state, or off a table, whichever costs least.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Module, Operand
from ddc.passes import logic

from .emit import Register, Words, Writer, range_of
from .machine import Mealy

Ints = NDArray[np.int64]

FACTORS = (1, -1, 2, -2, 3, -3)
MAX_QUOTIENT = 40
MANY_STATES = 16
KEPT = 4  # labelings whose tables are minimised
MAX_TABLE = 2048
DEAR = 1000


@dataclass(frozen=True)
class Sum:
    """`factor * state + combined inputs + const`; how the inputs combine, and its cost."""

    factor: int
    code: str  # "sum", "mul", "min", "max" or "xor" of the inputs
    weights: tuple[int, ...]
    const: int

    @property
    def cost(self) -> int:
        """A count of terms; factors and constants cost one more."""
        used = [w for w in self.weights if w]
        odd = sum(abs(w) != 1 for w in used) + (abs(self.factor) > 1) + 2 * bool(self.const)
        back = sum(w < 0 for w in used) + (self.factor < 0)
        return bool(self.factor) + len(used) + odd + back + (self.code != "sum")

    def inputs(self, letters: Ints) -> Ints:
        """Return what each letter adds, the constant included."""
        if self.code == "sum":
            total: Ints = letters @ np.array(self.weights) + self.const
            return total
        folds: dict[str, Any] = {
            "mul": np.multiply,
            "min": np.minimum,
            "max": np.maximum,
            "xor": np.bitwise_xor,
        }
        found: Ints = folds[self.code].reduce(letters, axis=1) + self.const
        return found


@dataclass(frozen=True)
class Form:
    """What is done with a sum: `mod m`, `floordiv m`, `ge m`, `eq m`, `min`, `max`, or nothing."""

    code: str
    by: int = 0
    new: bool = False  # of the new state in place of the sum

    def of(self, state: Ints, sums: Ints, inputs: Ints) -> Ints:
        """Return the values for states [n, 1] and letters [k]."""
        match self.code:
            case "mod":
                rest: Ints = sums % self.by
                return rest
            case "floordiv":
                whole: Ints = sums // self.by
                return whole
            case "ge":
                reached: Ints = (sums >= self.by).astype(np.int64)
                return reached
            case "eq":
                equal: Ints = (sums == self.by).astype(np.int64)
                return equal
            case "min":
                least: Ints = np.minimum(state, inputs)
                return least
            case "max":
                most: Ints = np.maximum(state, inputs)
                return most
            case _:
                return sums


@dataclass(frozen=True)
class Coding:
    """A machine with a number for each state, and the arithmetic of its next states and outputs."""

    machine: Mealy
    labels: Ints
    sum: Sum | None = None
    next: Form | None = None
    outputs: tuple[Form | str, ...] = ()  # a form of the sum, "state" (the new one) or "table"
    cost: int = DEAR

    def run(self, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        return self.machine.run(words)

    def emit(self, net: Words) -> Module:
        """Return the program: a scan with one small state."""
        if self.machine.states == 1:
            return self._stateless(net)
        writer = Writer(net)
        register = Register(self.name, range_of(self.labels), int(self.labels[0]))

        def body(names: Sequence[str]) -> tuple[list[Operand], list[Operand]]:
            step = Step(writer, self, net, names[0])
            after = step.next()
            return [after], [step.output(m, after) for m in range(net.outputs)]

        kinds = [range_of(self.machine.out[..., m]) for m in range(net.outputs)]
        return writer.scanned([register], body, kinds)

    def _stateless(self, net: Words) -> Module:
        writer = Writer(net)
        out = self.machine.out
        kinds = [range_of(out[..., m]) for m in range(net.outputs)]
        return writer.mapped(
            lambda: [writer.table(out[0, :, m], writer.letter()) for m in range(net.outputs)], kinds
        )

    @property
    def name(self) -> str:
        """A name for the state."""
        if "state" in self.outputs:
            return "last"
        codes = {"mod": "rest", "floordiv": "carry"}
        return codes.get(self.next.code, "state") if self.next is not None else "state"


class Step:
    """Writes one step of a coding; the sum is written once."""

    def __init__(self, writer: Writer, coding: Coding, net: Words, state: str) -> None:
        self.writer, self.coding, self.net, self.state = writer, coding, net, state
        self.loads = writer.letter()
        self.total: Operand | None = None

    def next(self) -> Operand:
        coding = self.coding
        if coding.next is None:
            values = np.zeros((coding.machine.states, self.net.size), dtype=np.int64)
            values[:] = coding.labels[coding.machine.next]
            return self.by_table(values, "next")
        return self.form(coding.next)

    def output(self, m: int, after: Operand) -> Operand:
        how = self.coding.outputs[m] if self.coding.outputs else "table"
        if how == "state":
            return after
        if isinstance(how, Form):
            return self.form(how, after) if how.new else self.form(how)
        return self.by_table(self.coding.machine.out[..., m], "answer")

    def by_table(self, values: Ints, name: str) -> Operand:
        """Write a table over the state and the inputs, rows in increasing order of labels."""
        order = np.argsort(self.coding.labels)
        labels = self.coding.labels[order]
        span = np.arange(labels[0], labels[-1] + 1)
        nearest = np.clip(np.searchsorted(labels, span), 0, len(labels) - 1)
        return self.writer.table(values[order[nearest]], [self.state, *self.loads], name)

    def form(self, form: Form, source: Operand | None = None) -> Operand:
        """Write what is done with the sum, or with another value."""
        if source is not None:
            return self.writer.op(form.code, source, form.by, name="y")
        assert self.coding.sum is not None
        if form.code in ("min", "max"):
            return self.writer.op(form.code, self.state, self.inputs(), name="state")
        if self.total is None:
            self.total = self.writer.total(self.terms(), self.coding.sum.const)
        if not form.code:
            return self.total
        names = {"mod": "rest", "floordiv": "whole"}
        return self.writer.op(form.code, self.total, form.by, name=names.get(form.code, "y"))

    def terms(self) -> list[tuple[int, Operand]]:
        found: list[tuple[int, Operand]] = []
        assert self.coding.sum is not None
        if self.coding.sum.factor:
            found.append((self.coding.sum.factor, self.state))
        return found + self.input_terms()

    def input_terms(self) -> list[tuple[int, Operand]]:
        sum_ = self.coding.sum
        assert sum_ is not None
        if sum_.code == "sum":
            return [(w, x) for w, x in zip(sum_.weights, self.loads, strict=True) if w]
        return [(1, self.writer.op(sum_.code, *self.loads, name="both"))]

    def inputs(self) -> Operand:
        assert self.coding.sum is not None
        return self.writer.total(self.input_terms(), self.coding.sum.const)


def encode(machine: Mealy, net: Words) -> Coding:
    """Return the machine with the cheapest arithmetic found, tables where there is none."""
    plain = Coding(machine, np.arange(machine.states))
    if machine.states == 1:
        return plain
    found: dict[bytes, Coding] = {}
    for coding in _codings(machine, net):
        key = coding.labels.tobytes()
        if key not in found or coding.cost < found[key].cost:
            found[key] = coding
        if all(how != "table" for how in coding.outputs):
            # Sums come in order of their cost: what explains everything ends the search.
            return coding
    best = sorted(found.values(), key=lambda coding: coding.cost)[:KEPT]
    return min((_with_tables(coding, net) for coding in best), key=lambda c: c.cost, default=plain)


def _with_tables(coding: Coding, net: Words) -> Coding:
    """Return the coding with the true cost of the outputs that are tables."""
    cost = coding.cost
    for m, how in enumerate(coding.outputs):
        if how != "table":
            continue
        values = coding.machine.out[np.argsort(coding.labels), :, m]
        levels = (tuple(np.sort(coding.labels).tolist()), *net.axes)
        if values.size > MAX_TABLE:
            cost += DEAR
            continue
        table = logic.Table(levels, values.reshape([len(axis) for axis in levels]))
        cost += logic.cost(logic.minimise(table, effort=0)) - DEAR
    return Coding(coding.machine, coding.labels, coding.sum, coding.next, coding.outputs, cost)


def _codings(machine: Mealy, net: Words) -> Iterator[Coding]:
    walk = _Walk(machine)
    for sum_ in sorted(_sums(net.letters.shape[1]), key=lambda s: s.cost):
        inputs = sum_.inputs(net.letters)
        for form in _forms(machine.states, sum_, inputs):
            for start in _starts(machine.states, form, inputs):
                labels = walk.labels(sum_.factor, inputs, form, start)
                if labels is None:
                    continue
                outputs = tuple(
                    _output(machine, m, labels, sum_, inputs) for m in range(machine.out.shape[2])
                )
                tables = sum(how == "table" for how in outputs)
                cost = sum_.cost + 2 + 2 * len(outputs) + DEAR * tables
                yield Coding(machine, labels, sum_, form, outputs, cost)


def _sums(width: int) -> Iterator[Sum]:
    weights = set(itertools.product((0, 1, -1), repeat=width)) if width <= 4 else set()
    weights |= {(w,) * width for w in (1, -1, 2, -2, 3, -3, 4, 5, 6, 7)}
    for factor in (0, *FACTORS):
        for const in (0, 1, -1, 2, -2):
            for some in weights:
                yield Sum(factor, "sum", some, const)
            for code in ("mul", "min", "max", "xor") if width > 1 else ():
                yield Sum(factor, code, (1,) * width, const)


def _forms(states: int, sum_: Sum, inputs: Ints) -> Iterator[Form]:
    if sum_.factor == 0:
        yield Form("")
        return
    if sum_.factor == 1 and sum_.const == 0:
        yield Form("min")
        yield Form("max")
    yield Form("mod", states)
    top = abs(sum_.factor) * (states - 1) + int(inputs.max())
    for by in range(2, min(top, MAX_QUOTIENT) + 1):
        if sum_.factor > 0 and inputs.min() >= 0 and top // by == states - 1:
            yield Form("floordiv", by)
    if states == 2:
        for by in range(1, min(top, MAX_QUOTIENT) + 1):
            yield Form("ge", by)
            yield Form("eq", by)


def _starts(states: int, form: Form, inputs: Ints) -> list[int]:
    if form.code in ("", "min", "max"):
        least, most = int(inputs.min()), int(inputs.max())
        return [*dict.fromkeys((0, least, most, least - 1, most + 1))]
    return list(range(states)) if states <= MANY_STATES else [0, states - 1]


class _Walk:
    """The machine's states in the order in which they are reached, each from which, by what."""

    def __init__(self, machine: Mealy) -> None:
        self.machine = machine
        self.steps: list[tuple[int, int, int]] = []
        order, seen = [0], {0}
        for state in order:
            for letter, target in enumerate(machine.next[state].tolist()):
                if target not in seen:
                    seen.add(target)
                    order.append(target)
                    self.steps.append((target, state, letter))

    def labels(self, factor: int, inputs: Ints, form: Form, start: int) -> Ints | None:
        """Return the labels that a start and an expression force, None where they contradict."""
        states = self.machine.states
        labels = np.full(states, start, dtype=np.int64)
        taken = {start}
        for target, state, letter in self.steps:
            own = labels[state : state + 1]
            part = inputs[letter : letter + 1]
            label = int(form.of(own, factor * own + part, part)[0])
            if label in taken:
                return None
            taken.add(label)
            labels[target] = label
        if max(taken) - min(taken) > 4 * states:
            return None
        column = labels[:, None]
        after = form.of(column, factor * column + inputs, np.broadcast_to(inputs, (1, len(inputs))))
        after = np.broadcast_to(after, self.machine.next.shape)
        return labels if (after == labels[self.machine.next]).all() else None


def _output(machine: Mealy, m: int, labels: Ints, sum_: Sum, inputs: Ints) -> Form | str:
    out = machine.out[..., m]
    if (out == labels[machine.next]).all():
        return "state"
    sums = sum_.factor * labels[:, None] + inputs
    for form in _readings(out, sums):
        if (form.of(labels[:, None], sums, inputs) == out).all():
            return form
    after = labels[machine.next]
    for form in _comparisons(out, after):
        if (form.of(labels[:, None], after, inputs) == out).all():
            return replace(form, new=True)
    return "table"


def _readings(out: Ints, sums: Ints) -> Iterator[Form]:
    yield Form("")
    for by in range(2, min(int(sums.max()), MAX_QUOTIENT) + 1):
        yield Form("mod", by)
        yield Form("floordiv", by)
    yield from _comparisons(out, sums)


def _comparisons(out: Ints, values: Ints) -> Iterator[Form]:
    if out.min() < 0 or out.max() > 1:
        return
    low, top = int(values.min()), int(values.max())
    for by in range(max(low, -MAX_QUOTIENT), min(top, MAX_QUOTIENT) + 1):
        yield Form("eq", by)
        yield Form("ge", by)


__all__ = ["Coding", "Form", "Step", "Sum", "encode"]
