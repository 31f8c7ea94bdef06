"""What only the order of numbers decides: networks that compare pairs, programs that do no more.

Both answer alike for all inputs of one order with ties, so that the orders of n numbers (13 for
three, 545,835 for eight) stand for every input of any range.
"""

# What numpy's functions give has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Block, DdcError, Function, Module, Op, Operand, dims
from ddc.ir.exact.graph import Stage
from ddc.ir.exact.lower import lower
from ddc.ir.exact.sources import rows_of

Ints = NDArray[np.int64]

MOST = 8  # numbers whose orders are listed


def weak_orders(count: int) -> Ints:
    """Return every order of `count` numbers with ties, as ranks from 0 without gaps."""
    rows = np.zeros((1, 1), dtype=np.int64)
    for _ in range(1, count):
        parts: list[Ints] = []
        kinds = rows.max(axis=1) + 1
        for kind in range(1, int(kinds.max()) + 1):
            known = rows[kinds == kind]
            for rank in range(kind):  # the next number ties with those of a rank
                parts.append(_with(known, rank))
            for rank in range(kind + 1):  # or lies below those of a rank
                parts.append(_with(known + (known >= rank), rank))
        rows = np.concatenate(parts)
    return rows


def _with(rows: Ints, rank: int) -> Ints:
    return np.concatenate([rows, np.full((len(rows), 1), rank, dtype=np.int64)], axis=1)


def compares_only(module: Module) -> bool:
    """Tell whether a network sees its inputs only by which of two is greater, or which of all."""
    try:
        graph = lower(module)
    except DdcError:
        return False
    if len({tuple(few) for few in graph.levels}) != 1:
        return False
    inputs = len(graph.levels)
    copies = set(range(inputs))
    for stage in graph.stages:
        kind = _kind(stage, inputs, copies)
        if kind is None:
            return False
        if kind == "copies":
            copies |= set(range(stage.start, stage.stop))
    if graph.choices is None:
        return copies.isdisjoint(graph.results.tolist())
    chosen = {int(number) for number in graph.choices.ravel()}
    return chosen.isdisjoint(copies) or (
        chosen <= set(range(inputs)) or chosen <= copies - set(range(inputs))
    )


def _kind(stage: Stage, inputs: int, copies: set[int]) -> str | None:
    """Return what a stage does with the inputs: nothing, comparing pairs, copying all alike."""
    rows = rows_of(stage.source, np.arange(stage.source.count))
    read = {int(column) for column in rows.columns}
    if read.isdisjoint(copies):
        return "nothing"
    if not read <= set(range(inputs)):
        return None
    weights, fan_in = rows.weights, rows.fan_in
    if stage.activation.kind == "identity":
        alike = len(set(weights.tolist())) == 1 and len(set(rows.bias.tolist())) == 1
        return "copies" if alike and (fan_in == 1).all() else None
    if stage.activation.kind != "compare" or not set(fan_in.tolist()) <= {0, 2}:
        return None
    for start in rows.starts[:-1][fan_in == 2].tolist():
        one, other = float(weights[start]), float(weights[start + 1])
        bias = Fraction(float(rows.bias[int(np.searchsorted(rows.starts, start, "right")) - 1]))
        if one != -other or abs(bias - stage.activation.cut) >= abs(Fraction(one)):
            return None
    return "pairs"


# What ops make of numbers of which only the order is known: "x" such numbers, "n" negated ones,
# "d" differences of two, "b" what the order decides.
_NUMBERS = ("x", "n")
_OF_ONE = {"sign": {"d": "b"}, "step": {"d": "b"}, "neg": {"d": "d", "x": "n", "n": "x"}}
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def order_only(function: Function) -> bool:
    """Tell whether a program with one array of numbers looks at their order alone."""
    if len(function.params) != 1 or not dims(function.params[0].type):
        return False
    kinds: dict[str, str] = {}
    if not _block(function.body, function.params[0].name, kinds):
        return False
    return all(_of(operand, kinds) == "b" for operand in function.body.yields)


def _of(operand: Operand, kinds: dict[str, str]) -> str:
    return kinds.get(operand, "?") if isinstance(operand, str) else "b"


def _block(block: Block, array: str, kinds: dict[str, str]) -> bool:
    """Tell what every value of a block is; False where one cannot be told."""
    for op in block.ops:
        for loop in op.loops:
            kinds["%" + loop.symbol.removeprefix("%")] = kinds[loop.symbol] = "b"
        for state in op.states:
            kinds[state.name] = "b"
        if op.body is not None:
            if not _block(op.body, array, kinds):
                return False
            if any(_of(o, kinds) != "b" for o in op.body.nexts):
                return False
        kind = _op_kind(op, array, kinds)
        if kind is None:
            return False
        kinds.update(dict.fromkeys(op.results, kind))
    return True


def _op_kind(op: Op, array: str, kinds: dict[str, str]) -> str | None:
    if op.body is not None:
        given = {_of(o, kinds) for o in op.body.yields} or {"b"}
        kind = given.pop() if len(given) == 1 else None
        if op.code == "reduce" and kind in _NUMBERS:
            return {"min": kind, "max": kind, "argmax": "b"}.get(str(op.attr("kind")))
        return None if op.code == "reduce" and kind != "b" else kind
    if op.code == "load" and op.operands[0] == array:
        return (
            "x" if all(index.border in ("inside", "wrap", "clamp") for index in op.index) else None
        )
    given = {_of(o, kinds) for o in op.operands}
    if given <= {"b"}:
        return "b"
    if op.code in _OF_ONE and len(given) == 1:
        return _OF_ONE[op.code].get(given.pop())
    if op.code == "load":
        return given.pop() if len(given) == 1 else None
    alike = len(given) == 1 and given <= set(_NUMBERS)
    if op.code == "sub" and alike:
        return "d"
    if op.code == "argmax" and alike:
        return "b"
    if op.code in ("min", "max") and alike:
        return given.pop()
    if op.code in _COMPARISONS:
        zero = given == {"d", "b"} and 0 in op.operands
        return "b" if alike or zero else None
    if op.code == "select" and _of(op.operands[0], kinds) == "b":
        chosen = {_of(o, kinds) for o in op.operands[1:]}
        return chosen.pop() if len(chosen) == 1 else None
    return None


__all__ = ["MOST", "compares_only", "order_only", "weak_orders"]
