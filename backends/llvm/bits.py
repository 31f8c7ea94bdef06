"""Networks of gates as instructions on vectors of bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ddc.backends.lowering.formulas import Formula, formula_of, whole_table
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
    writer: Writer,
    lanes: int,
    steps: Recipe,
    variables: Mapping[int, str],
    known: dict[object, str],
) -> str:
    """Add the look-ups of a rule; return the result.

    `known` holds what is there already, so that rules side by side share it.
    """
    registers: dict[object, str] = {("variable", k): r for k, r in variables.items()}
    for step in steps.steps:
        reads = [registers[name] for name in step.reads]
        registers[step.name] = emit_look(writer, lanes, step.table, reads, known)
    return registers[steps.result]


def emit_look(
    writer: Writer, lanes: int, table: Sequence[int], reads: Sequence[str], known: dict[object, str]
) -> str:
    """Add a look-up of up to three vectors, the first one being the highest digit of an index.

    Vectors of 512 bits are for AVX-512, where it is one instruction; elsewhere it is and, or and
    xor. `known` holds what is there already.
    """
    if not any(table) or all(table):
        return all_ones(lanes) if table[0] else "zeroinitializer" if lanes > 64 else "0"
    whole, type_ = whole_table(table), vector_type(lanes)
    if lanes != 512:
        return _emit_formula(writer, type_, all_ones(lanes), formula_of(whole), reads, known)
    operands = [*reads, *[reads[0]] * (3 - len(reads))]
    key = (whole, *operands)
    if key not in known:
        shown = ", ".join(f"{type_} {r}" for r in operands)
        text = f"call {type_} @llvm.x86.avx512.pternlog.q.512({shown}, i32 {whole})"
        known[key] = writer.let(text, "lut")
    return known[key]


def _emit_formula(
    writer: Writer,
    type_: str,
    ones: str,
    formula: Formula,
    reads: Sequence[str],
    known: dict[object, str],
) -> str:
    """Add the operations of a formula, of which there are at most four."""
    operation = ("xor", reads[formula.place], ones)
    if formula.left is not None and formula.right is not None:
        a, b = (
            _emit_formula(writer, type_, ones, part, reads, known)
            for part in (formula.left, formula.right)
        )
        operation = (formula.symbol, a, b)
    elif not formula.flips:
        return reads[formula.place]
    if operation not in known:
        symbol, a, b = operation
        known[operation] = writer.let(f"{symbol} {type_} {a}, {b}", symbol)
    return known[operation]


__all__ = ["TERNARY", "all_ones", "emit_gates", "emit_look", "emit_recipe", "vector_type"]
