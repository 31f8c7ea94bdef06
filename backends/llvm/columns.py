"""Logic over rows of bits, with 512 rows to a vector, as LLVM assembly."""

from __future__ import annotations

from collections.abc import Sequence

from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.luts import Recipe, recipe
from ddc.ir.equivalence.gates import Gates

from .bits import TERNARY, emit_gates, emit_recipe, vector_type
from .text import Writer, procedure, vector_width


def columns_kernel(
    gates: Gates,
    outputs: Sequence[int],
    lanes: int,
    taken: Sequence[int] | None = None,
    made: Sequence[int] | None = None,
) -> str:
    """Return `run(inputs, outputs, stride, first, end)`: vectors `first..end` of every column.

    Column k of the inputs begins `k * stride` vectors after `inputs`; outputs likewise. `taken` and
    `made` group columns of inputs and outputs: those of a group lie side by side, vector by vector.
    """
    w, type_ = Writer(), vector_type(lanes)
    for name in ("inputs", "outputs", "stride", "first", "end"):
        w.name(name)
    nodes = cone(gates, outputs)
    variables = [n for n in nodes if gates.kind[n] == "variable"]
    inputs, results = _grouped(taken), _grouped(made)

    def column(base: str, k: int, groups: Sequence[tuple[int, int, int]]) -> tuple[str, int]:
        """Return where a column begins, and how far apart its vectors lie."""
        before, place, width = groups[k] if groups else (k, 0, 1)
        start = w.let(f"mul nsw i64 %stride, {before}")
        start = w.let(f"add nsw i64 {start}, {place}") if place else start
        return w.let(f"getelementptr {type_}, ptr {base}, i64 {start}", "column"), width

    def vector(start: str, width: int, at: str) -> str:
        place = w.let(f"mul nsw i64 {at}, {width}") if width > 1 else at
        return w.let(f"getelementptr inbounds {type_}, ptr {start}, i64 {place}")

    bases = {gates.left[n]: column("%inputs", gates.left[n], inputs) for n in variables}
    targets = [column("%outputs", k, results) for k in range(len(outputs))]
    with w.loop("%first", "%end", "v") as v:
        registers = {}
        for number, (base, width) in bases.items():
            place = vector(base, width, v.var)
            registers[number] = w.let(f"load {type_}, ptr {place}, align {lanes // 8}", "x")
        if lanes == 512:
            known: dict[object, str] = {}
            values = [emit_recipe(w, lanes, _recipe(gates, s), registers, known) for s in outputs]
        else:
            values = emit_gates(w, gates, outputs, registers, lanes)
        for value, (base, width) in zip(values, targets):
            place = vector(base, width, v.var)
            w.line(f"store {type_} {value}, ptr {place}, align {lanes // 8}")
    w.line("ret void")
    names = "ptr noalias %inputs, ptr noalias %outputs, i64 %stride, i64 %first, i64 %end"
    return "\n".join([procedure("run", names, w), TERNARY, vector_width(lanes), ""])


def _grouped(groups: Sequence[int] | None) -> list[tuple[int, int, int]]:
    """Return for each column the columns before its group, its place there, and their number."""
    found: list[tuple[int, int, int]] = []
    for width in groups or ():
        before = len(found)
        found += [(before, place, width) for place in range(width)]
    return found


def _recipe(gates: Gates, signal: int) -> Recipe:
    return recipe(gates, signal, cone(gates, [signal]))
