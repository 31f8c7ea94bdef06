"""Recognise programs over sequences that are finite automata, and write their tables down."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ddc.ir import OPS, Affine, Block, Function, Module, Op, Param, dims, element, levels
from ddc.ir.infer import value_types
from ddc.ir.interpreter import run_batch
from ddc.ir.types import INT, int_bounds

from .windows import prepare

MOST_STATES = 64
MOST_SYMBOLS = 256


@dataclass(frozen=True)
class Machine:
    """A Mealy machine. A symbol is the digits of the inputs, the last input fastest.

    `inputs` gives name and values of each sequence; `following[s][x]` is the next state,
    `outputs[k][s][x]` the k-th yielded number. State 0 is the start; `states` are the values of
    the program's states. `yields` and `finals` tell which results of the program these are.
    """

    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    states: tuple[tuple[int, ...], ...]
    following: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[tuple[int, ...], ...], ...]
    results: tuple[tuple[str, int], ...]  # ("yield", k) or ("final", k) for each result

    @property
    def symbols(self) -> int:
        """How many symbols there are."""
        return len(self.following[0])

    @property
    def is_adder(self) -> bool:
        """Tell whether it adds two numbers, least significant bits first."""
        if len(self.states) != 2 or [v for _, v in self.inputs] != [(0, 1), (0, 1)]:
            return False
        if self.results != (("yield", 0),):
            return False
        pairs = list(itertools.product((0, 1), repeat=2))
        carries = all(
            self.following[s][x] == int(a + b + s >= 2)
            for s in (0, 1)
            for x, (a, b) in enumerate(pairs)
        )
        sums = all(
            self.outputs[0][s][x] == (a + b + s) % 2
            for s in (0, 1)
            for x, (a, b) in enumerate(pairs)
        )
        return carries and sums


def machine_of(module: Module) -> Machine | None:
    """Return the automaton that a program over sequences is, None for other programs."""
    function = prepare(module)
    if len(function.body.ops) != 1 or function.body.ops[0].code != "scan":
        return None
    op = function.body.ops[0]
    results = _results(function, op)
    if results is None or op.body is None or any(dims(s.type) for s in op.states):
        return None
    if any(len(dims(p.type)) != 1 or dims(p.type)[0] != op.loops[0].high for p in function.params):
        return None
    if op.loops[0].low != Affine.of(0) or not all(isinstance(s.init, int) for s in op.states):
        return None
    step = _step(function, op)
    return None if step is None else _explored(module, step, op, results)


def _results(function: Function, op: Op) -> tuple[tuple[str, int], ...] | None:
    assert op.body is not None
    count = len(op.body.yields)
    found: list[tuple[str, int]] = []
    for operand in function.body.yields:
        if not isinstance(operand, str) or operand not in op.results:
            return None
        place = op.results.index(operand)
        found.append(("yield", place) if place < count else ("final", place - count))
    return tuple(found)


def _step(function: Function, op: Op) -> Function | None:
    """Return one step as a function of the states and the entries read at this time."""
    assert op.body is not None
    here = (Affine.symbol(op.loops[0].symbol),)
    ops: list[Op] = []
    reads: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for inner in op.body.ops:
        operands = tuple(renamed.get(o, o) if isinstance(o, str) else o for o in inner.operands)
        if inner.code == "load" and isinstance(operands[0], str):
            if tuple(i.at for i in inner.index) != here:
                return None
            array = operands[0]
            renamed[inner.result] = reads.setdefault(array, inner.result)
        elif inner.code in OPS and OPS[inner.code].elementwise or inner.code == "const":
            if op.loops[0].var in operands:
                return None
            ops.append(Op(inner.code, inner.results, operands, inner.attrs))
        else:
            return None
    if set(reads) != {p.name for p in function.params}:
        return None
    scalars = [Param(reads[p.name], element(p.type)) for p in function.params]
    params = [*(Param(s.name, s.type) for s in op.states), *scalars]
    given = [
        renamed.get(o, o) if isinstance(o, str) else o for o in (*op.body.nexts, *op.body.yields)
    ]
    bare = Function("step", tuple(params), (), Block(tuple(ops), ()))
    types = value_types(bare, Module((bare,)))
    kinds = [element(types[o]) if isinstance(o, str) else INT for o in given]
    if any(int_bounds(kind) is None for kind in kinds):
        return None
    results = tuple(Param(f"r{k}", INT) for k in range(len(given)))
    return Function("step", tuple(params), results, Block(tuple(ops), tuple(given)))


def _explored(
    module: Module, step: Function, op: Op, results: tuple[tuple[str, int], ...]
) -> Machine | None:
    """Run the step on every reachable state and symbol."""
    count = len(op.states)
    values = [levels(element(p.type)) for p in step.params[count:]]
    if any(v is None for v in values):
        return None
    alphabet = [v for v in values if v is not None]
    symbols = list(itertools.product(*alphabet))
    if not 1 <= len(symbols) <= MOST_SYMBOLS:
        return None
    start = tuple(int(str(s.init)) for s in op.states)
    numbers: dict[tuple[int, ...], int] = {start: 0}
    frontier, following, outputs = [start], list[tuple[int, ...]](), list[list[tuple[int, ...]]]()
    alone = Module((step,), module.constants)
    while frontier:
        rows = [(*state, *symbol) for state in frontier for symbol in symbols]
        batch = {p.name: np.array(column) for p, column in zip(step.params, zip(*rows))}
        columns = [column.tolist() for column in run_batch(alone, batch)]
        pending: list[tuple[int, ...]] = []
        for k in range(len(frontier)):
            span = range(k * len(symbols), (k + 1) * len(symbols))
            line: list[int] = []
            for at in span:
                state = tuple(int(columns[c][at]) for c in range(count))
                if state not in numbers:
                    numbers[state] = len(numbers)
                    pending.append(state)
                line.append(numbers[state])
            following.append(tuple(line))
            outputs.append([tuple(int(c[at]) for at in span) for c in columns[count:]])
        if len(numbers) > MOST_STATES:
            return None
        frontier = pending
    yields = len(outputs[0])
    return Machine(
        tuple((p.name, v) for p, v in zip(module.entry.params, alphabet)),
        tuple(numbers),
        tuple(following),
        tuple(tuple(outputs[s][k] for s in range(len(numbers))) for k in range(yields)),
        results,
    )


def widths(values: Sequence[object]) -> int:
    """Return how many bits tell some values apart."""
    return max(1, (len(values) - 1).bit_length())
