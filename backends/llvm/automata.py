"""Kernels for finite automata, as LLVM assembly.

One sequence: the next states of a symbol are 6-bit fields of one word, and the state is a shift
("shift-based DFA", Langdale 2018 and Mytkowicz, Musuvathi and Schulte, ASPLOS 2014). Many
sequences with bits as symbols: states are bit planes, a step is logic on vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ddc.backends.lowering.machine import Machine, widths
from ddc.ir.equivalence.gates import Gates

from .bits import TERNARY, cone, emit_gates, emit_recipe, vector_type
from .luts import recipe
from .text import Writer, data

FIELD = 6  # bits of a state in a word
SHIFT_STATES = 64 // FIELD
UNROLL = 8


def sequence_kernel(machine: Machine, outputs: Sequence[int]) -> str:
    """Return `run(inputs..., outputs..., count) -> state` over bytes that are digits of symbols.

    `outputs` are the yields that are written, as bytes that hold their place among the sorted
    values of that yield. Values outside the alphabet read inside the tables all the same.
    """
    w = Writer()
    sizes = [len(values) for _, values in machine.inputs]
    total = 1 << sum(widths(range(n)) for n in sizes)
    names = [f"ptr noalias %in{k}" for k in range(len(sizes))]
    names += [f"ptr noalias %out{k}" for k in outputs]
    globals_ = [_table("next", _words(machine, machine.following, total))]
    for k in outputs:
        globals_.append(_table(f"put{k}", _words(machine, _ranked(machine.outputs[k]), total, 1)))

    def step(state: str, at: str) -> str:
        symbol = "0"
        for k, size in enumerate(sizes):
            place = w.let(f"getelementptr inbounds i8, ptr %in{k}, i64 {at}")
            byte = w.let(f"load i8, ptr {place}, align 1", "x")
            wide = w.let(f"zext i8 {byte} to i64")
            bits = widths(range(size))
            wide = w.let(f"and i64 {wide}, {(1 << bits) - 1}")
            if symbol != "0":
                symbol = w.let(f"shl i64 {symbol}, {bits}")
            symbol = wide if symbol == "0" else w.let(f"or i64 {symbol}, {wide}")
        for k in outputs:
            place = w.let(f"getelementptr inbounds i64, ptr @put{k}, i64 {symbol}")
            row = w.let(f"load i64, ptr {place}, align 8")
            value = w.let(f"and i64 {w.let(f'lshr i64 {row}, {state}')}, {(1 << FIELD) - 1}")
            byte = w.let(f"trunc i64 {value} to i8")
            place = w.let(f"getelementptr inbounds i8, ptr %out{k}, i64 {at}")
            w.line(f"store i8 {byte}, ptr {place}, align 1")
        place = w.let(f"getelementptr inbounds i64, ptr @next, i64 {symbol}")
        row = w.let(f"load i64, ptr {place}, align 8")
        return w.let(f"and i64 {w.let(f'lshr i64 {row}, {state}')}, {(1 << FIELD) - 1}", "state")

    whole = w.let(f"and i64 %count, {-UNROLL}")
    with w.loop("%from", whole, "t", str(UNROLL), [("i64", "%start", "state")]) as fast:
        state = fast.values[0]
        for k in range(UNROLL):
            state = step(state, fast.var if k == 0 else w.let(f"add nsw i64 {fast.var}, {k}"))
        fast.nexts = [state]
    with w.loop(whole, "%count", "t", carried=[("i64", fast.finals[0], "state")]) as rest:
        rest.nexts = [step(rest.values[0], rest.var)]
    w.line(f"ret i64 {rest.finals[0]}")
    shown = ", ".join([*names, "i64 %from", "i64 %count", "i64 %start"])
    return "\n".join(
        [
            *globals_,
            f"define i64 @run({shown}) #0 {{",
            w.text(),
            "}",
            "attributes #0 = { nounwind }",
            "",
        ]
    )


def _ranked(outputs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return outputs as places among their sorted values."""
    order = {v: k for k, v in enumerate(sorted({v for row in outputs for v in row}))}
    return [[order[v] for v in row] for row in outputs]


def _words(
    machine: Machine, table: Sequence[Sequence[int]], total: int, scale: int = FIELD
) -> list[int]:
    """Return for each symbol the entries of all states, in fields of one word."""
    sizes = [len(values) for _, values in machine.inputs]
    words: list[int] = []
    for padded in range(total):
        digits: list[int] = []
        rest = padded
        for size in reversed(sizes):
            bits = widths(range(size))
            digits.append(min(rest & ((1 << bits) - 1), size - 1))
            rest >>= bits
        symbol = 0
        for size, digit in zip(sizes, reversed(digits)):
            symbol = symbol * size + digit
        words.append(
            sum(row[symbol] * scale << (FIELD * s) for s, row in enumerate(table)) & ((1 << 64) - 1)
        )
    return words


def _table(name: str, words: Sequence[int]) -> str:
    raw = np.array(words, dtype=np.uint64).tobytes()
    return f"@{name} = private unnamed_addr constant [{len(raw)} x i8] {data(raw)}, align 64"


def batch_kernel(machine: Machine, outputs: Sequence[int], lanes: int) -> str:
    """Return `run(inputs, outputs, states, steps, vectors)` for many sequences of bits at once.

    Time-major planes: for each input, column by column of `vectors`, one vector for each time;
    outputs likewise. `states` receives the planes of the last states. Inputs and outputs must be
    bits.
    """
    w, type_ = Writer(), vector_type(lanes)
    for name in ("inputs", "outputs", "states", "steps", "vectors"):
        w.name(name)
    bits, given = widths(machine.states), len(machine.inputs)
    gates = Gates()
    state = [gates.variable(k) for k in range(bits)]
    symbol = [gates.variable(bits + k) for k in range(given)]
    address = [*reversed(state), *symbol]

    def looked_up(table: Sequence[Sequence[int]], width: int) -> tuple[int, ...]:
        entries = {s << given | x: v for s, row in enumerate(table) for x, v in enumerate(row)}
        return gates.look_up(address, entries, width)

    nexts = looked_up(machine.following, bits)
    made = [looked_up(machine.outputs[k], 1)[0] for k in outputs]
    zero = "zeroinitializer" if lanes > 64 else "0"
    with w.loop("0", "%vectors", "v") as column:
        carried = [(type_, zero, f"s{k}") for k in range(bits)]
        with w.loop("0", "%steps", "t", carried=carried) as time:
            registers = dict(enumerate(time.values))
            for k in range(given):
                place = _plane(w, type_, "%inputs", time.var, column.var, k)
                read = f"load {type_}, ptr {place}, align {lanes // 8}"
                registers[bits + k] = w.let(read, "x")
            if lanes == 512:
                known: dict[object, str] = {}
                values = [
                    emit_recipe(w, recipe(gates, s, cone(gates, [s])), registers, known)
                    for s in (*nexts, *made)
                ]
            else:
                values = emit_gates(w, gates, [*nexts, *made], registers, lanes)
            time.nexts = values[:bits]
            for k, value in enumerate(values[bits:]):
                place = _plane(w, type_, "%outputs", time.var, column.var, k)
                w.line(f"store {type_} {value}, ptr {place}, align {lanes // 8}")
        for k, value in enumerate(time.finals):
            at = w.let(f"mul nsw i64 {column.var}, {bits}")
            at = w.let(f"add nsw i64 {at}, {k}")
            place = w.let(f"getelementptr inbounds {type_}, ptr %states, i64 {at}")
            w.line(f"store {type_} {value}, ptr {place}, align {lanes // 8}")
    w.line("ret void")
    names = (
        "ptr noalias %inputs, ptr noalias %outputs, ptr noalias %states, i64 %steps, i64 %vectors"
    )
    return "\n".join(
        [
            f"define void @run({names}) #0 {{",
            w.text(),
            "}",
            TERNARY,
            f'attributes #0 = {{ nounwind "prefer-vector-width"="{lanes}" }}',
            "",
        ]
    )


def _plane(w: Writer, type_: str, base: str, time: str, column: str, k: int) -> str:
    """Return the address of a vector: input by input, column by column, time by time."""
    if k:
        before = w.let(f"mul nsw i64 %vectors, {k}")
        column = w.let(f"add nsw i64 {column}, {before}")
    start = w.let(f"mul nsw i64 {column}, %steps")
    at = w.let(f"add nsw i64 {start}, {time}")
    return w.let(f"getelementptr inbounds {type_}, ptr {base}, i64 {at}")


WORDS = 8  # of one wide addition


def adder_kernel() -> str:
    """Return `run(a, b, sum, words)`: add two long numbers, in words, least significant first."""
    w, type_ = Writer(), f"i{64 * WORDS}"
    whole = w.let(f"and i64 %words, {-WORDS}")

    def added(wide: str, at: str, carry: str) -> str:
        operands: list[str] = []
        for name in ("a", "b"):
            place = w.let(f"getelementptr inbounds i64, ptr %{name}, i64 {at}")
            operands.append(w.let(f"load {wide}, ptr {place}, align 8"))
        width = wide[1:]
        first = w.let(
            f"call {{ {wide}, i1 }} @llvm.uadd.with.overflow.i{width}"
            f"({wide} {operands[0]}, {wide} {operands[1]})"
        )
        total = w.let(f"extractvalue {{ {wide}, i1 }} {first}, 0")
        over = w.let(f"extractvalue {{ {wide}, i1 }} {first}, 1")
        more = w.let(f"zext i1 {carry} to {wide}")
        second = w.let(
            f"call {{ {wide}, i1 }} @llvm.uadd.with.overflow.i{width}"
            f"({wide} {total}, {wide} {more})"
        )
        total = w.let(f"extractvalue {{ {wide}, i1 }} {second}, 0")
        again = w.let(f"extractvalue {{ {wide}, i1 }} {second}, 1")
        place = w.let(f"getelementptr inbounds i64, ptr %sum, i64 {at}")
        w.line(f"store {wide} {total}, ptr {place}, align 8")
        return w.let(f"or i1 {over}, {again}", "carry")

    with w.loop("0", whole, "k", str(WORDS), [("i1", "false", "carry")]) as fast:
        fast.nexts = [added(type_, fast.var, fast.values[0])]
    with w.loop(whole, "%words", "k", carried=[("i1", fast.finals[0], "carry")]) as rest:
        rest.nexts = [added("i64", rest.var, rest.values[0])]
    w.line("ret void")
    declared = [
        f"declare {{ {t}, i1 }} @llvm.uadd.with.overflow.{t}({t}, {t})" for t in ("i64", type_)
    ]
    head = "define void @run(ptr %a, ptr %b, ptr noalias %sum, i64 %words) #0 {"
    return "\n".join([*declared, head, w.text(), "}", "attributes #0 = { nounwind }", ""])
