"""Networks of gates as instructions on vectors of bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.luts import Recipe
from ddc.ir.equivalence.gates import Gates

from .text import Writer


def vector_type(lanes: int) -> str:
    """Return the type that holds one bit for each lane."""
    return "i64" if lanes == 64 else f"<{lanes // 64} x i64>"


def all_ones(lanes: int) -> str:
    """Return a vector of ones."""
    return "-1" if lanes == 64 else "splat (i64 -1)"


TERNARY = "declare <8 x i64> @llvm.x86.avx512.pternlog.q.512(<8 x i64>, <8 x i64>, <8 x i64>, i32)"


def emit_gates(
    writer: Writer,
    gates: Gates,
    outputs: Sequence[int],
    variables: Mapping[int, str],
    lanes: int,
) -> list[str]:
    """Add the instructions of a network; return the registers of its outputs.

    `variables` gives the register of each variable by its number.
    """
    type_, ones = vector_type(lanes), all_ones(lanes)
    registers: dict[int, str] = {}

    def signal(value: int) -> str:
        if value in (0, 1):
            return ones if value else "zeroinitializer" if lanes > 64 else "0"
        if value not in registers:
            registers[value] = writer.let(f"xor {type_} {registers[value ^ 1]}, {ones}", "not")
        return registers[value]

    for node in cone(gates, outputs):
        kind = gates.kind[node]
        if kind == "variable":
            registers[2 * node] = variables[gates.left[node]]
        elif kind != "constant":
            a, b = signal(gates.left[node]), signal(gates.right[node])
            registers[2 * node] = writer.let(f"{kind} {type_} {a}, {b}", kind)
    return [signal(value) for value in outputs]


def emit_recipe(
    writer: Writer, steps: Recipe, variables: Mapping[int, str], known: dict[object, str]
) -> str:
    """Add the look-ups of a rule on vectors of 512 bits, for AVX-512; return the result.

    `known` holds look-ups that are there already, so that rules side by side share them.
    """
    type_ = vector_type(512)
    registers: dict[object, str] = {("variable", k): r for k, r in variables.items()}
    for step in steps.steps:
        reads = [registers[name] for name in step.reads]
        if not reads:
            registers[step.name] = all_ones(512) if step.table[0] else "zeroinitializer"
            continue
        width = len(reads)
        table = sum(step.table[k >> (3 - width)] << k for k in range(8))
        reads += [reads[0]] * (3 - width)
        key = (table, *reads)
        if key not in known:
            shown = ", ".join(f"{type_} {r}" for r in reads)
            text = f"call {type_} @llvm.x86.avx512.pternlog.q.512({shown}, i32 {table})"
            known[key] = writer.let(text, "lut")
        registers[step.name] = known[key]
    return registers[steps.result]


__all__ = ["TERNARY", "all_ones", "emit_gates", "emit_recipe", "vector_type"]
