"""A program over time as a transition system: registers and delayed inputs, explored on demand.

The program's loops over time are put into one function of a single step: registers of scans and a
window of the last inputs go in, the results and the next registers come out. Its meaning is that of
the reference interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ddc.ir.affine import Affine
from ddc.ir.errors import DdcError
from ddc.ir.infer import value_types
from ddc.ir.interpreter import run_batch
from ddc.ir.module import Block, Function, Global, Index, Module, Op, Operand, Param, walk
from ddc.ir.types import Array, Scalar, Type, dims, element, int_type, levels

Ints = NDArray[np.int64]

LONGEST_WINDOW = 64
LARGEST = 1 << 62


class NoSteps(DdcError):
    """A program that is not a step on registers and a bounded window of inputs."""


class StepProgram:
    """One step of a program: `step(registers, letters)` with registers as rows of ints."""

    def __init__(self, module: Module, letters: Ints) -> None:
        """Take a program with one-dimensional inputs over time; raises `NoSteps`.

        `letters` [k, columns] are the values of all inputs at one step, in order of parameters.
        """
        self.letters = letters
        entry = module.entry
        if letters.shape[1] != len(entry.params) or any(
            len(dims(p.type)) != 1 for p in entry.params
        ):
            raise NoSteps("the inputs are not one number a step each")
        self.names = [param.name for param in entry.params]
        self.types = {param.name: element(param.type) for param in entry.params}
        flow = _Flow(module)
        self.depth = flow.depth
        self.states = flow.states
        self.module = flow.step(self.types)
        self.outputs = len(entry.results)
        self.delayed = [name for name in self.names if self.depth.get(name)]

    @property
    def start(self) -> Ints:
        """The registers before the first step."""
        found = [init for _, _, init in self.states]
        for name in self.delayed:
            depth, border = self.depth[name]
            found += [border] * depth
        return np.array(found, dtype=np.int64)

    def step(self, registers: Ints, letters: Ints) -> tuple[Ints, Ints]:
        """Return the next registers [rows, r] and the results [rows, outputs]."""
        values = self.letters[letters]
        given: dict[str, Ints] = {}
        for place, (name, _, _) in enumerate(self.states):
            given[name] = registers[:, place]
        at = len(self.states)
        windows: list[Ints] = []
        for column, name in enumerate(self.names):
            depth = self.depth.get(name, (0, 0))[0]
            window = np.concatenate(
                [registers[:, at : at + depth], values[:, column : column + 1]], axis=1
            )
            given[name] = window
            windows.append(window[:, 1:])
            at += depth
        found = [np.asarray(v) for v in run_batch(self.module, given)]
        if any(v.dtype.kind not in "biuO" for v in found):
            raise NoSteps("a result or a register that is not a whole number")
        if any(
            v.dtype == object and v.size and max(abs(int(w)) for w in v.ravel()) > LARGEST
            for v in found
        ):
            raise NoSteps("a register that outgrows 62 bits")
        columns = [np.broadcast_to(v, (len(letters),)).astype(np.int64) for v in found]
        nexts = columns[self.outputs :]
        after = np.concatenate([*(c[:, None] for c in nexts), *windows], axis=1)
        return after.reshape(len(letters), -1), np.stack(columns[: self.outputs], axis=1)


class _Flow:
    """The loops over time of a program, taken apart."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.entry = module.entry
        self.renamed: dict[str, Operand] = {}
        self.arrays: dict[str, Operand] = {}  # what a value over time is at the step
        self.states: list[tuple[str, Type, int]] = []
        self.depth: dict[str, tuple[int, int]] = {}
        self.inputs = {param.name for param in self.entry.params}
        (self.time,) = {dims(param.type)[0] for param in self.entry.params}
        for op in self.entry.body.ops:
            self._look(op)
        for result in self.entry.body.yields:
            if not isinstance(result, str) or result not in self.arrays:
                raise NoSteps("a result that is not computed step by step")

    def _look(self, op: Op) -> None:
        if op.code not in ("map", "scan") or len(op.loops) != 1 or op.body is None:
            raise NoSteps(f"'{op.code}' over the whole time")
        loop = op.loops[0]
        if loop.low != Affine.of(0) or loop.high != self.time:
            raise NoSteps("a loop over another range than time")
        for state in op.states:
            if isinstance(state.init, (str, Global)) or dims(state.type):
                raise NoSteps("a register that is no number at the start")
            if not isinstance(state.init, int):
                raise NoSteps("a register that is not a whole number")
            self.states.append((state.name, state.type, state.init))
        for name, value in zip(op.results, op.body.yields):
            self.arrays[name] = value
        for inner in walk(op.body):
            if inner.code == "load" and inner.operands[0] in self.inputs:
                self._window(inner, loop.symbol, op.body)

    def _window(self, op: Op, time: str, body: Block) -> None:
        """Note how far back a load reads, and what stands before the first input."""
        ranges = {
            loop.symbol: (loop.low, loop.high) for inner in walk(body) for loop in inner.loops
        }
        (index,) = op.index
        back = index.at - Affine.symbol(time)
        low = high = back.const
        for symbol, factor in back.terms:
            if not isinstance(symbol, str) or symbol not in ranges:
                raise NoSteps("an input that is read at a computed place")
            first, stop = ranges[symbol]
            if not (first.is_const and stop.is_const):
                raise NoSteps("an input that is read arbitrarily far back")
            ends = (factor * first.const, factor * (stop.const - 1))
            low, high = low + min(ends), high + max(ends)
        if high > 0 or low < -LONGEST_WINDOW:
            raise NoSteps("an input that is read ahead of its time, or very far back")
        if low == 0:
            return
        if index.border != "else" or not isinstance(index.other, int):
            raise NoSteps("what stands before the first input depends on later ones")
        name = str(op.operands[0])
        depth, border = self.depth.get(name, (0, index.other))
        if border != index.other:
            raise NoSteps("two readings of what stands before the first input")
        self.depth[name] = (max(depth, -low), border)

    def step(self, types: Mapping[str, Scalar]) -> Module:
        """Return the function of one step: windows and registers in, results and registers out."""
        params = [
            Param(
                name,
                Array(self._kind(name, scalar), (Affine.of(self.depth.get(name, (0, 0))[0] + 1),)),
            )
            for name, scalar in types.items()
        ]
        params += [Param(name, type_) for name, type_, _ in self.states]
        ops: list[Op] = []
        nexts: list[Operand] = []
        for op in self.entry.body.ops:
            assert op.body is not None
            ops += self._block(op.body.ops, op.loops[0].symbol)
            nexts += [self._operand(o) for o in op.body.nexts]
        found = [self._operand(self.arrays[str(name)]) for name in self.entry.body.yields]
        body = Block(tuple(ops), (*found, *nexts))
        draft = Function(self.entry.name, tuple(params), (), Block(tuple(ops), ()))
        kinds = value_types(draft, replace(self.module, functions=(draft,)))
        kinds |= {param.name: param.type for param in params}
        results = tuple(
            Param(f"result.{place}", self._type(value, kinds))
            for place, value in enumerate(body.yields)
        )
        function = Function(self.entry.name, tuple(params), results, body)
        return replace(self.module, functions=(function,)).with_entry(function)

    def _kind(self, name: str, scalar: Scalar) -> Scalar:
        """Return the type of an input and of what stands before it."""
        found = levels(scalar)
        if name not in self.depth or found is None or self.depth[name][1] in found:
            return scalar
        border = self.depth[name][1]
        return int_type(min(border, *found), max(border, *found))

    def _type(self, value: Operand, kinds: Mapping[str, Type]) -> Type:
        if isinstance(value, int):
            return int_type(value, value)
        if not isinstance(value, str):
            raise NoSteps("a result that is not a whole number")
        return kinds[value]

    def _block(self, ops: tuple[Op, ...], time: str) -> Iterator[Op]:
        for op in ops:
            changed = self._op(op, time)
            if changed is not None:
                yield changed

    def _op(self, op: Op, time: str) -> Op | None:
        if any(
            time in a.symbols()
            for a in (*op.shape, *(end for loop in op.loops for end in (loop.low, loop.high)))
        ):
            raise NoSteps("a loop as long as the time that has passed")
        if op.code == "load" and op.operands[0] in self.arrays:
            (index,) = op.index
            if index.at != Affine.symbol(time):
                raise NoSteps("a computed value that is read at another time")
            self.renamed[op.result] = self._operand(self.arrays[str(op.operands[0])])
            return None
        operands = tuple(self._operand(o) for o in op.operands)
        if op.code == "load" and op.operands[0] in self.inputs:
            (index,) = op.index
            depth = self.depth.get(str(op.operands[0]), (0, 0))[0]
            place = index.at - Affine.symbol(time) + depth
            return replace(op, operands=operands, index=(Index(place),))
        if any(time in index.at.symbols() for index in op.index):
            raise NoSteps("the number of the step is computed with")
        if op.body is None:
            return replace(op, operands=operands)
        inner = tuple(self._block(op.body.ops, time))
        body = Block(
            inner,
            tuple(self._operand(o) for o in op.body.yields),
            tuple(self._operand(o) for o in op.body.nexts),
        )
        return replace(op, operands=operands, body=body)

    def _operand(self, operand: Operand) -> Operand:
        return self.renamed.get(operand, operand) if isinstance(operand, str) else operand


class Machine:
    """The reachable part of a program's transition system, states numbered as they are found."""

    def __init__(self, program: StepProgram, most: int) -> None:
        """Start with the first state; more than `most` states raise `NoSteps`."""
        self.program, self.most = program, most
        self.size = len(program.letters)
        self.registers = program.start[None]
        self.numbers: dict[bytes, int] = {self.registers[0].tobytes(): 0}
        self.expanded = np.zeros(1, dtype=bool)
        self.next = np.zeros((1, self.size), dtype=np.int64)
        self.out = np.zeros((1, self.size, program.outputs), dtype=np.int64)

    def expand(self, states: Ints) -> None:
        """Compute the transitions of some states."""
        wanted = np.unique(states)
        wanted = wanted[~self.expanded[wanted]]
        if not len(wanted):
            return
        letters = np.tile(np.arange(self.size), len(wanted))
        after, given = self.program.step(
            np.repeat(self.registers[wanted], self.size, axis=0), letters
        )
        distinct, which = np.unique(after, axis=0, return_inverse=True)
        new: list[Ints] = []
        names = np.empty(len(distinct), dtype=np.int64)
        for place, row in enumerate(distinct):
            key = row.tobytes()
            number = self.numbers.setdefault(key, len(self.numbers))
            if number == len(self.registers) + len(new):
                new.append(row)
            names[place] = number
        if len(self.numbers) > self.most:
            raise NoSteps(f"more than {self.most} states")
        if new:
            self._extend(np.stack(new))
        self.next[wanted] = names[which.reshape(-1)].reshape(len(wanted), self.size)
        self.out[wanted] = given.reshape(len(wanted), self.size, -1)
        self.expanded[wanted] = True

    def _extend(self, rows: Ints) -> None:
        count = len(rows)
        self.registers = np.concatenate([self.registers, rows])
        self.expanded = np.concatenate([self.expanded, np.zeros(count, dtype=bool)])
        self.next = np.concatenate([self.next, np.zeros((count, self.size), dtype=np.int64)])
        self.out = np.concatenate(
            [self.out, np.zeros((count, self.size, self.program.outputs), dtype=np.int64)]
        )

    def close(self) -> bool:
        """Explore all states; tell whether that is possible within the limit."""
        try:
            while not self.expanded.all():
                self.expand(np.flatnonzero(~self.expanded))
        except NoSteps:
            return False
        return True

    def answers(self, words: Ints) -> Ints:
        """Return the results for words of letters [rows, steps]: [rows, steps, outputs]."""
        states = np.zeros(len(words), dtype=np.int64)
        found: list[Ints] = []
        for column in words.T:
            self.expand(states)
            found.append(self.out[states, column])
            states = self.next[states, column]
        return np.stack(found, axis=1)
