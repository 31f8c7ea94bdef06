"""Write a machine over words as a scan: the arithmetic of its states, outputs, and what comes last."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Affine, Function, Index, Loop, Operand, State, dims
from ddc.passes import logic
from ddc.passes.recurrent.emit import Writer, range_of
from ddc.passes.recurrent.encode import Coding, Step, encode
from ddc.passes.recurrent.machine import Mealy

from .identify import Machine
from .unordered import absorbing, every, rest, rest_of_sum
from .words import Layout, at

Ints = NDArray[np.int64]

PERMUTED = 3  # machines of so many states are tried under every numbering of their states


@dataclass(eq=False)
class Word:
    """The words of a layout, as the writers of machines see them."""

    entry: Function
    layout: Layout
    length: int
    letters: Ints
    axes: tuple[tuple[int, ...], ...]
    columns: list[tuple[str, tuple[int, ...]]]
    outputs: int

    @property
    def size(self) -> int:
        """The number of letters to choose from."""
        return len(self.letters)

    @property
    def bits(self) -> bool:
        """Whether all columns are bits."""
        return all(set(axis) <= {0, 1} for axis in self.axes)


def written(function: Function, layout: Layout, machine: Machine) -> Function:
    """Return the function as a scan over the words of a layout, with the cheapest arithmetic."""
    word = Word(
        function,
        layout,
        layout.length,
        layout.letters,
        tuple(column.levels for column in layout.columns),
        [(column.array, ()) for column in layout.columns],
        len(layout.placed.steps) + len(layout.placed.finals),
    )
    # The outputs at the end are those of a machine that gives them at every step.
    mealy = Mealy(machine.next, np.concatenate([machine.out, machine.final[machine.next]], axis=2))
    if machine.states == 1:
        return _Scan(word, machine, Coding(mealy, np.zeros(1, dtype=np.int64))).function()
    coding = encode(mealy, word)
    if coding.next is None or word.bits and mealy.states == 2:
        tables = [(_table_cost(found, word), found) for found in _numbered(mealy)]
        cost, best = min(tables, key=lambda pair: pair[0])
        known = coding.cost - 2 * coding.outputs.count("state")
        coding = best if coding.next is None or cost <= known else coding
    return _Scan(word, machine, coding).function()


def _numbered(mealy: Mealy) -> Iterator[Coding]:
    """Yield the machine under the numberings of its states that are tried, the first state 0."""
    plain = np.arange(mealy.states, dtype=np.int64)
    if mealy.states > PERMUTED:
        yield Coding(mealy, plain)
        return
    if mealy.states == 2:
        yield Coding(mealy, plain[::-1].copy())
    for labels in itertools.permutations(plain[1:].tolist()):
        yield Coding(mealy, np.array([0, *labels], dtype=np.int64))
    if mealy.states == 3:  # what comes first lies between the two others
        yield Coding(mealy, np.array([0, 1, -1], dtype=np.int64))
        yield Coding(mealy, np.array([0, -1, 1], dtype=np.int64))


def _table_cost(coding: Coding, word: Word) -> int:
    order = np.argsort(coding.labels)
    levels = (tuple(coding.labels[order].tolist()), *word.axes)
    shape = [len(axis) for axis in levels]
    nexts = coding.labels[coding.machine.next]
    columns = {
        c[order].tobytes(): c[order] for c in (nexts, *np.moveaxis(coding.machine.out, 2, 0))
    }
    return sum(
        logic.cost(logic.minimise(logic.Table(levels, values.reshape(shape)), effort=-1))
        for values in columns.values()
    )


class _Loads(Writer):
    """A writer whose letters stand where a layout says."""

    def __init__(self, word: Word) -> None:
        super().__init__(word)
        self.word = word

    def load(self, column: int, lag: int = 0, pad: int = 0) -> str:
        """Return the value of a column at this step."""
        layout = self.word.layout
        own = layout.columns[column]
        step = -self.at + (layout.length - 1) if layout.backward else self.at
        index = [Index(step * stride + at(place, layout.length)) for stride, place in own.axes]
        return self.builder.load(own.array, *index, name=f"{own.array}_t")


class _Scan:
    def __init__(self, word: Word, machine: Machine, coding: Coding) -> None:
        self.word, self.machine, self.coding = word, machine, coding
        self.placed = word.layout.placed
        self.writer = _Loads(word)
        self.builder = self.writer.builder
        (self.result,) = word.entry.results

    def function(self) -> Function:
        """Return the whole function."""
        if self.machine.base is not None:
            return self._function(self._total())
        last, sequences = self._last()
        finals = [self._final(number, last) for number in range(len(self.placed.finals))]
        return self._function(self._joined(finals, sequences))

    def _function(self, value: Operand) -> Function:
        entry = self.word.entry
        return self.builder.function(
            entry.name,
            [(param.name, param.type) for param in entry.params],
            [(self.result.name, self.result.type)],
            [value],
            entry.sizes,
            entry.where,
        )

    def _total(self) -> Operand:
        """Return the sum of what the steps give, and the number that it starts from."""
        base = self.machine.base or 0
        if self.machine.states == 1:
            with self.builder.body() as ops:
                value = self.writer.table(self.machine.out[0, :, 0], self.writer.letter())
            loop = self.writer.time
        else:
            _, (sequence,) = self._scan()
            loop = Loop(self.builder.fresh("i"), Affine.of(0), Affine.of(self.word.length))
            with self.builder.body() as ops:
                value = self.builder.load(sequence, Affine.symbol(loop.symbol))
        total = self.builder.reduce("add", [loop], ops, value, "total")
        return self.builder.op("add", total, base, name="total") if base else total

    def _last(self) -> tuple[Operand, list[str]]:
        """Return the state at the end, and what the steps give."""
        if self.placed.steps:
            return self._scan()
        keeps = absorbing(self.machine)
        if keeps is not None:
            self.coding = Coding(self.coding.machine, np.array([1, 0], dtype=np.int64))
            return every(self.writer, keeps), []
        if rest_of_sum(self.coding):
            return rest(self.writer, self.coding, self._start()), []
        return self._scan()

    def _scan(self) -> tuple[Operand, list[str]]:
        name = self.builder.fresh(self._name())
        state = State(name, range_of(self.coding.labels), self._start())
        columns: int = self.machine.out.shape[2]
        with self.builder.body() as ops:
            step = Step(self.writer, self.coding, self.word, name)
            after = step.next()
            yields = [step.output(column, after) for column in range(columns)]
        wishes = [f"{self.result.name}_part"] * columns
        found = self.builder.scan(
            self.writer.time, [state], ops, [after], yields, [*wishes, f"{name}_last"]
        )
        sequences = [self._upwards(sequence) for sequence in found[:columns]]
        return found[columns], sequences

    def _name(self) -> str:
        codes = {"mod": "rest", "floordiv": "carry"}
        steps = self.machine.out.shape[2]
        if self.coding.next is not None and self.coding.next.code in codes:
            return codes[self.coding.next.code]
        after = self.coding.labels[self.machine.next]
        if not steps or any(np.array_equal(after, self.machine.out[..., k]) for k in range(steps)):
            return "so_far"
        return "carry" if self.machine.states == 2 else "state"

    def _start(self) -> Operand:
        labels = self.coding.labels[self.machine.starts]
        scalars = self.word.layout.scalars
        return self.writer.table(labels, [column.array for column in scalars], "start")

    def _upwards(self, sequence: str) -> str:
        """Return what a scan gave, in the order of the places and not of the steps."""
        if not self.word.layout.backward or self.machine.base is not None:
            return sequence
        length = self.word.layout.length
        loop = Loop(self.builder.fresh("i"), Affine.of(0), Affine.of(length))
        with self.builder.body() as ops:
            value = self.builder.load(sequence, -Affine.symbol(loop.symbol) + (length - 1))
        (found,) = self.builder.map([loop], ops, [value], [f"{self.result.name}_part"])
        return found

    def _final(self, number: int, last: Operand) -> Operand:
        how = self.coding.outputs[len(self.placed.steps) + number] if self.coding.outputs else None
        if how == "state":
            return last
        labels, final = self.coding.labels, self.machine.final[:, number]
        if np.array_equal(labels, final):
            return last
        span: Ints = np.arange(int(labels.min()), int(labels.max()) + 1)
        order = np.argsort(labels)
        nearest: Ints = np.clip(np.searchsorted(labels[order], span), 0, len(labels) - 1)
        return self.writer.table(final[order][nearest], [last], self.result.name)

    def _joined(self, finals: Sequence[Operand], sequences: Sequence[str]) -> Operand:
        if not dims(self.result.type):
            return finals[0]
        parts: list[Operand] = list(sequences)
        if finals:
            shape = [Affine.of(len(finals))]
            packed = self.builder.op("pack", *finals, name="last", shape=shape)
            ahead = self.placed.steps and self.placed.steps[0] > (0, 0)
            parts = [packed, *parts] if ahead else [*parts, packed]
        if len(parts) == 1:
            return parts[0]
        return self.builder.op("concat", *parts, name=self.result.name)


__all__ = ["Word", "written"]
