"""Kernels for one long sequence through a finite automaton, as LLVM assembly.

Several symbols are read at once where their tables stay small. A state of up to ten is a shift:
the next states of a symbol are fields of one word ("shift-based DFA"; Langdale 2018). Up to 16
states, or 64 where bytes permute across a whole vector, are lanes of a vector, and a symbol permutes
it. Such vectors compose, whatever the automaton, so that parts of a sequence run side by side
(Mytkowicz, Musuvathi and Schulte, "Data-parallel finite-state machines", ASPLOS 2014). Everywhere
else the state is a place in a table of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering.machine import Machine, widths

from .machine import Cpu
from .text import Writer, data

SHIFT_STATES = 10
SHUFFLE_STATES = 16
GROUPS = (8, 4, 2, 1)  # symbols that are read at once
TABLE_BYTES = 24 << 10  # of all tables of a group, so that they stay in the first cache
UNROLL = 8  # symbols of an iteration, at least
CHUNKS = 8  # parts of a sequence that run side by side
LARGEST_OUTPUT = 256  # values of a yield

_VECTORS = {"shuffle": 16, "permute": 64}
_PERMUTES = {
    "shuffle": "@llvm.x86.ssse3.pshuf.b.128",
    "permute": "@llvm.x86.avx512.permvar.qi.512",
}


@dataclass(frozen=True)
class Plan:
    """How states are kept (`shift`, `shuffle`, `permute`, `table`), and how symbols are read.

    `group` symbols are read at once; `field` is the distance of a state's outputs in their table.
    """

    form: str
    group: int
    field: int


def plan(machine: Machine, outputs: Sequence[int], cpu: Cpu) -> Plan:
    """Return the form that is fastest for an automaton on a processor."""
    states = len(machine.states)
    if states <= SHIFT_STATES:
        return _grouped("shift", machine, len(outputs))
    if states <= SHUFFLE_STATES and cpu.has("ssse3"):
        return _grouped("shuffle", machine, len(outputs))
    table = _grouped("table", machine, len(outputs))
    if not cpu.has("avx512vbmi") or (outputs and table.group > 1):
        return table  # to follow every part of the sequence twice would take longer
    return _grouped("permute", machine, len(outputs))


def _grouped(form: str, machine: Machine, outputs: int) -> Plan:
    """Return the plan of a form with as many symbols at once as have small tables."""
    states = len(machine.states)
    entry = {"shift": 8, **_VECTORS}.get(form, _power(states))
    digits = [widths(range(len(values))) for _, values in machine.inputs]
    for group in GROUPS[:-1]:
        field = _field(form, states, group)
        bytes_ = (entry + outputs * _power(states * field)) << group * sum(digits)
        fields = form != "shift" or states * field <= 64
        if fields and max(digits) * group <= 8 and bytes_ <= TABLE_BYTES:
            return Plan(form, group, field)
    return Plan(form, 1, _field(form, states, 1))


def _field(form: str, states: int, group: int) -> int:
    if form != "shift":
        return group
    return 8 if group == 8 or states <= 8 else 6


def _power(count: int) -> int:
    """Return the least power of two that is not below a number."""
    return 1 << (count - 1).bit_length()


def sequence_kernel(machine: Machine, outputs: Sequence[int], cpu: Cpu) -> str:
    """Return `run(inputs..., outputs..., from, count, start) -> state` over bytes that are digits.

    States are numbers. `outputs` are the yields that are written, as bytes that hold their place
    among the sorted values of that yield. Values outside the alphabet read inside the tables all
    the same.
    """
    return _Kernel(machine, outputs, plan(machine, outputs, cpu)).text()


class _Kernel:
    """Prints the kernel of one automaton."""

    def __init__(self, machine: Machine, outputs: Sequence[int], chosen: Plan) -> None:
        self.machine = machine
        self.outputs = outputs
        self.plan = chosen
        self.digits = [widths(range(len(values))) for _, values in machine.inputs]
        self.states = _power(len(machine.states))
        self.vector = f"<{_VECTORS.get(chosen.form, 0)} x i8>"
        self.w = Writer()
        for name in ("from", "count", "start"):
            self.w.name(name)
        self.globals: list[str] = []
        self.tables(chosen.form, chosen.group, chosen.field, "group")
        self.tables("table", 1, 1, "one")

    # ------------------------------------------------------------ tables

    def tables(self, form: str, group: int, field: int, name: str) -> None:
        """Add the tables of next states and of outputs for some symbols at once."""
        states, made = _followed(self.machine, self.outputs, self.digits, group)
        rows, count = states.shape
        if form == "shift":
            shifts = np.arange(count, dtype=np.uint64) * np.uint64(field)
            fields = states.astype(np.uint64) * np.uint64(field)
            self.table(f"next.{name}", np.bitwise_or.reduce(fields << shifts, axis=1))
        else:
            wide = np.zeros((rows, _VECTORS.get(form, self.states)), dtype=np.uint8)
            wide[:, :count] = states
            self.table(f"next.{name}", wide)
        for k, bytes_ in enumerate(made):
            width = _power(count * field)
            placed = np.zeros((rows, width), dtype=np.uint8)
            for place in range(group):
                placed[:, place : count * field : field] = bytes_[:, :, place]
            self.table(f"put{k}.{name}", placed)

    def table(self, name: str, values: NDArray[np.generic]) -> None:
        raw = np.ascontiguousarray(values).tobytes()
        self.globals.append(
            f"@{name} = private unnamed_addr constant [{len(raw)} x i8] {data(raw)}, align 64"
        )

    # ------------------------------------------------------------ steps

    def symbol(self, at: str, group: int) -> str:
        """Return the number of the next symbols: the digits of each input, the first one lowest."""
        w, symbol = self.w, ""
        type_ = f"i{8 * group}"
        for k, bits in enumerate(self.digits):
            place = w.let(f"getelementptr inbounds i8, ptr %in{k}, i64 {at}")
            word = w.let(f"load {type_}, ptr {place}, align 1", "x")
            mask = sum((1 << bits) - 1 << 8 * j for j in range(group))
            word = w.let(f"and {type_} {word}, {mask}")
            if group > 1:
                word = w.let(f"mul {type_} {word}, {gathering(bits, group)}")
                word = w.let(f"lshr {type_} {word}, {8 * (group - 1)}")
            wide = word if type_ == "i64" else w.let(f"zext {type_} {word} to i64")
            if symbol:
                symbol = w.let(f"shl i64 {symbol}, {bits * group}")
                wide = w.let(f"or i64 {symbol}, {wide}")
            symbol = wide
        return symbol

    def entry(self, table: str, symbol: str, width: int, at: str = "0") -> str:
        """Return the address of a byte in a symbol's row."""
        w = self.w
        row = w.let(f"mul nuw nsw i64 {symbol}, {width}")
        row = w.let(f"add nuw nsw i64 {row}, {at}") if at != "0" else row
        return w.let(f"getelementptr inbounds i8, ptr @{table}, i64 {row}")

    def put(self, symbol: str, offset: str, at: str, group: int, field: int, name: str) -> None:
        """Write the outputs of some symbols; `offset` is where the state's begin."""
        w, type_ = self.w, f"i{8 * group}"
        for k in range(len(self.outputs)):
            width = _power(len(self.machine.states) * field)
            place = self.entry(f"put{k}.{name}", symbol, width, offset)
            word = w.let(f"load {type_}, ptr {place}, align 1")
            place = w.let(f"getelementptr inbounds i8, ptr %out{k}, i64 {at}")
            w.line(f"store {type_} {word}, ptr {place}, align 1")

    def one(self, state: str, at: str) -> str:
        """Make one step of a state that is a number."""
        w, symbol = self.w, self.symbol(at, 1)
        self.put(symbol, state, at, 1, 1, "one")
        place = self.entry("next.one", symbol, self.states, state)
        return w.let(f"zext i8 {w.let(f'load i8, ptr {place}, align 1')} to i64", "state")

    def several(self, state: str, at: str) -> str:
        """Make the steps of a group of symbols, in the form of the plan."""
        w, form, group, field = self.w, self.plan.form, self.plan.group, self.plan.field
        symbol = self.symbol(at, group)
        if form == "shift":
            shift = w.let(f"and i64 {state}, 63")
            self.put(symbol, shift, at, group, field, "group")
            place = self.entry("next.group", symbol, 8)
            row = w.let(f"load i64, ptr {place}, align 8")
            return w.let(f"lshr i64 {row}, {shift}", "state")
        if self.outputs:
            number = state if form == "table" else self.number(state)
            offset = w.let(f"mul nuw nsw i64 {number}, {field}") if field > 1 else number
            self.put(symbol, offset, at, group, field, "group")
        if form == "table":
            place = self.entry("next.group", symbol, self.states, state)
            return w.let(f"zext i8 {w.let(f'load i8, ptr {place}, align 1')} to i64", "state")
        return self.permuted(symbol, state)

    def permuted(self, symbol: str, states: str) -> str:
        """Return where all states of a vector go."""
        w, t, width = self.w, self.vector, _VECTORS[self.plan.form]
        place = self.entry("next.group", symbol, width)
        row = w.let(f"load {t}, ptr {place}, align {width}")
        return w.let(f"call {t} {_PERMUTES[self.plan.form]}({t} {row}, {t} {states})", "states")

    # ------------------------------------------------------------ forms of a state

    def formed(self, number: str) -> str:
        """Return a state's number in the form of the plan."""
        w = self.w
        if self.plan.form == "shift":
            return w.let(f"mul nuw nsw i64 {number}, {self.plan.field}", "state")
        if self.plan.form == "table":
            return number
        byte = w.let(f"trunc i64 {number} to i8")
        return w.let(f"insertelement {self.vector} zeroinitializer, i8 {byte}, i64 0", "states")

    def number(self, state: str) -> str:
        """Return the number of a state."""
        w = self.w
        if self.plan.form == "shift":
            return w.let(f"udiv i64 {w.let(f'and i64 {state}, 63')}, {self.plan.field}", "number")
        if self.plan.form == "table":
            return state
        byte = w.let(f"extractelement {self.vector} {state}, i64 0")
        return w.let(f"zext i8 {byte} to i64", "number")

    @property
    def type(self) -> str:
        """The type of a state in the form of the plan."""
        return self.vector if self.plan.form in _VECTORS else "i64"

    # ------------------------------------------------------------ the function

    def text(self) -> str:
        w, group = self.w, self.plan.group
        start, state = "%from", "%start"
        if self.plan.form in _VECTORS and (self.plan.form == "permute" or not self.outputs):
            start, state = self.side_by_side()
        else:
            step = max(UNROLL, group)
            span = w.let(f"sub nsw i64 %count, {start}")
            whole = w.let(f"add nsw i64 {start}, {w.let(f'and i64 {span}, {-step}')}")
            carried = [(self.type, self.formed(state), "state")]
            with w.loop(start, whole, "t", str(step), carried) as fast:
                inner = fast.values[0]
                for k in range(0, step, group):
                    at = fast.var if k == 0 else w.let(f"add nsw i64 {fast.var}, {k}")
                    inner = self.several(inner, at)
                fast.nexts = [inner]
            start, state = whole, self.number(fast.finals[0])
        with w.loop(start, "%count", "t", carried=[("i64", state, "state")]) as rest:
            rest.nexts = [self.one(rest.values[0], rest.var)]
        w.line(f"ret i64 {rest.finals[0]}")
        names = [f"ptr noalias readonly %in{k}" for k in range(len(self.digits))]
        names += [f"ptr noalias %out{k}" for k in range(len(self.outputs))]
        shown = ", ".join([*names, "i64 %from", "i64 %count", "i64 %start"])
        head = f"define i64 @run({shown}) #0 {{"
        lines = [*self.globals, head, w.text(), "}", "attributes #0 = { nounwind }", ""]
        if self.plan.form in _VECTORS:
            t = self.vector
            lines.insert(0, f"declare {t} {_PERMUTES[self.plan.form]}({t}, {t})")
        return "\n".join(lines)

    def side_by_side(self) -> tuple[str, str]:
        """Run equal parts of the sequence at once; return where they end, and the state there.

        Each part is first followed from every state. Where there are outputs, each is then run
        again from the state in which it really begins.
        """
        w, group, width = self.w, self.plan.group, _VECTORS[self.plan.form]
        span = w.let("sub nsw i64 %count, %from")
        groups = w.let(f"sdiv i64 {span}, {CHUNKS * group}")
        part = w.let(f"mul nsw i64 {groups}, {group}", "part")
        starts = ["%from"]
        for _ in range(CHUNKS):
            starts.append(w.let(f"add nsw i64 {starts[-1]}, {part}", "begin"))
        identity = "<" + ", ".join(f"i8 {k}" for k in range(width)) + ">"
        carried = [(self.vector, identity, "states")] * CHUNKS
        with w.loop("0", part, "t", str(group), carried) as maps:
            maps.nexts = [
                self.permuted(self.symbol(w.let(f"add nsw i64 {begin}, {maps.var}"), group), states)
                for begin, states in zip(starts, maps.values)
            ]
        kept = w.alloca(f"[{CHUNKS * width} x i8]", "maps")
        state, begun = "%start", list[str]()
        for k, states in enumerate(maps.finals):
            begun.append(state)
            place = w.let(f"getelementptr inbounds i8, ptr {kept}, i64 {k * width}")
            w.line(f"store {self.vector} {states}, ptr {place}, align 1")
            place = w.let(f"getelementptr inbounds i8, ptr {place}, i64 {state}")
            state = w.let(f"zext i8 {w.let(f'load i8, ptr {place}, align 1')} to i64", "state")
        if self.outputs:
            again = [("i64", number, "state") for number in begun]
            with w.loop("0", part, "t", carried=again) as runs:
                runs.nexts = [
                    self.one(number, w.let(f"add nsw i64 {begin}, {runs.var}"))
                    for begin, number in zip(starts, runs.values)
                ]
        return starts[-1], state


def gathering(bits: int, group: int) -> int:
    """Return the factor that moves the low bits of some bytes into the highest one, in order.

    No two products share a bit, so nothing is carried.
    """
    return sum(1 << 8 * (group - 1) - (8 - bits) * k for k in range(group))


def _followed(
    machine: Machine, outputs: Sequence[int], digits: Sequence[int], group: int
) -> tuple[NDArray[np.int64], list[NDArray[np.uint8]]]:
    """Return for each group of symbols the states reached [rows, states], and what is yielded.

    The yields are [rows, states, group]. A digit beyond the alphabet stands for the greatest one.
    """
    following = np.array(machine.following)
    yielded = [_ranked(machine.outputs[k]) for k in outputs]
    rows, count = 1 << group * sum(digits), len(machine.states)
    place = np.arange(rows)
    states = np.broadcast_to(np.arange(count), (rows, count))
    made = [np.zeros((rows, count, group), dtype=np.uint8) for _ in outputs]
    for k in range(group):
        symbol, after = np.zeros(rows, dtype=np.int64), group * sum(digits)
        for bits, (_, values) in zip(digits, machine.inputs):
            after -= group * bits
            digit = place >> (after + bits * k) & ((1 << bits) - 1)
            symbol = symbol * len(values) + np.minimum(digit, len(values) - 1)
        for table, ranks in zip(made, yielded):
            table[:, :, k] = ranks[states, symbol[:, None]]
        states = following[states, symbol[:, None]]
    return states, made


def _ranked(outputs: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """Return outputs as places among their sorted values."""
    values = np.array(sorted({v for row in outputs for v in row}), dtype=object)
    order = {v: k for k, v in enumerate(values)}
    return np.array([[order[v] for v in row] for row in outputs], dtype=np.uint8)
