"""Kernels for many sequences of bits through a finite automaton, and for long additions.

States are bit planes, and a step is logic on vectors; `sequence` has the kernels for one sequence.
"""

from __future__ import annotations

from collections.abc import Sequence

from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.luts import recipe
from ddc.backends.lowering.machine import Machine, widths
from ddc.ir.equivalence.gates import Gates

from .bits import TERNARY, emit_gates, emit_recipe, vector_type
from .text import Writer, procedure, vector_width


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
                    emit_recipe(w, lanes, recipe(gates, s, cone(gates, [s])), registers, known)
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
    return "\n".join([procedure("run", names, w), TERNARY, vector_width(lanes), ""])


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
