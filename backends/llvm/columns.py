"""Logic over rows of bits, with 512 rows to a vector, as LLVM assembly."""

from __future__ import annotations

from collections.abc import Sequence

from ddc.ir.equivalence.gates import Gates

from .bits import TERNARY, cone, emit_gates, emit_recipe, vector_type
from .luts import Recipe, recipe
from .text import Writer


def columns_kernel(gates: Gates, outputs: Sequence[int], lanes: int) -> str:
    """Return `run(inputs, outputs, stride, first, end)`: vectors `first..end` of every column.

    Column k of the inputs begins `k * stride` vectors after `inputs`; outputs likewise.
    """
    w, type_ = Writer(), vector_type(lanes)
    for name in ("inputs", "outputs", "stride", "first", "end"):
        w.name(name)
    nodes = cone(gates, outputs)
    variables = [n for n in nodes if gates.kind[n] == "variable"]
    bases: dict[int, str] = {}
    for node in variables:
        place = w.let(f"mul nsw i64 %stride, {gates.left[node]}")
        bases[gates.left[node]] = w.let(
            f"getelementptr {type_}, ptr %inputs, i64 {place}", "column"
        )
    targets: list[str] = []
    for k in range(len(outputs)):
        place = w.let(f"mul nsw i64 %stride, {k}")
        targets.append(w.let(f"getelementptr {type_}, ptr %outputs, i64 {place}", "column"))
    with w.loop("%first", "%end", "v") as v:
        registers = {}
        for number, base in bases.items():
            place = w.let(f"getelementptr inbounds {type_}, ptr {base}, i64 {v.var}")
            registers[number] = w.let(f"load {type_}, ptr {place}, align {lanes // 8}", "x")
        if lanes == 512:
            known: dict[object, str] = {}
            made = [emit_recipe(w, _recipe(gates, s), registers, known) for s in outputs]
        else:
            made = emit_gates(w, gates, outputs, registers, lanes)
        for value, base in zip(made, targets):
            place = w.let(f"getelementptr inbounds {type_}, ptr {base}, i64 {v.var}")
            w.line(f"store {type_} {value}, ptr {place}, align {lanes // 8}")
    w.line("ret void")
    names = "ptr noalias %inputs, ptr noalias %outputs, i64 %stride, i64 %first, i64 %end"
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


def _recipe(gates: Gates, signal: int) -> Recipe:
    return recipe(gates, signal, cone(gates, [signal]))
