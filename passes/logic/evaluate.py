"""Evaluate expressions on columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .expr import (
    And,
    Arithmetic,
    ArithmeticOp,
    Compare,
    CompareOp,
    Const,
    Expr,
    FloorDiv,
    Linear,
    Lookup,
    Max,
    Min,
    Mod,
    Not,
    Or,
    Select,
    Threshold,
    Var,
    Xor,
    topological,
)

Array = NDArray[Any]

_COMPARE: dict[CompareOp, Any] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_ARITHMETIC: dict[ArithmeticOp, Any] = {
    "mul": np.multiply,
    "mod": np.remainder,
    "floordiv": np.floor_divide,
}
_FOLD: dict[type[Expr], Any] = {
    And: np.logical_and,
    Or: np.logical_or,
    Xor: np.logical_xor,
    Min: np.minimum,
    Max: np.maximum,
}


def evaluate(expr: Expr, columns: Sequence[ArrayLike] | Array) -> NDArray[np.int64]:
    """Evaluate `expr` with variable v bound to `columns[v]`.

    Columns may have any shapes that broadcast together; the result has the broadcast shape of
    the columns that the expression reads, so a full table over many variables can be evaluated
    on an open grid, each node only on the variables below it.

    Raises ValueError where a `Lookup` meets a value outside its levels.
    """
    order = topological((expr,))
    pending: dict[Expr, int] = {}
    for node in order:
        for operand in node.operands:
            pending[operand] = pending.get(operand, 0) + 1
    known: dict[Expr, Array] = {}
    for node in order:
        known[node] = _apply(node, [known[operand] for operand in node.operands], columns)
        for operand in node.operands:
            pending[operand] -= 1
            if not pending[operand]:
                known.pop(operand, None)
    return known[expr].astype(np.int64)


def _apply(node: Expr, operands: list[Array], columns: Sequence[ArrayLike] | Array) -> Array:
    match node:
        case Var(index):
            return np.asarray(columns[index])
        case Const(value):
            return np.asarray(value, dtype=np.int64)
        case Not():
            return np.logical_not(operands[0])
        case And() | Or() | Xor() | Min() | Max():
            return np.asarray(reduce(_FOLD[type(node)], operands))
        case Threshold(k, args, weights):
            return _weighted(weights or (1,) * len(args), operands, 0) >= k
        case Linear(terms, const):
            return _weighted(tuple(c for c, _ in terms), operands, const)
        case Compare(op, _, _):
            return np.asarray(_COMPARE[op](operands[0], operands[1]))
        case Arithmetic(op, _, _):
            left, right = (operand.astype(np.int64) for operand in operands)
            return np.asarray(_ARITHMETIC[op](left, right))
        case Select():
            return np.where(operands[0].astype(bool), operands[1], operands[2])
        case Mod(_, k):
            return np.asarray(operands[0].astype(np.int64) % k)
        case FloorDiv(_, k):
            return np.asarray(operands[0].astype(np.int64) // k)
        case Lookup(values, _, levels):
            return _lookup(values, operands, levels)
        case _:
            raise TypeError(f"not an expression node: {node!r}")


def _weighted(weights: tuple[int, ...], operands: list[Array], const: int) -> Array:
    total: Array = np.asarray(const, dtype=np.int64)
    for weight, operand in zip(weights, operands, strict=True):
        total = total + weight * operand.astype(np.int64)
    return total


def _lookup(
    values: tuple[int, ...], operands: list[Array], levels: tuple[tuple[int, ...], ...]
) -> Array:
    position: Array = np.asarray(0, dtype=np.int64)
    for operand, known in zip(operands, levels, strict=True):
        ascending = np.asarray(known, dtype=np.int64)
        at = np.searchsorted(ascending, operand).clip(0, len(known) - 1)
        if not (ascending[at] == operand).all():
            raise ValueError("a lookup was given a value outside its levels")
        position = position * len(known) + at
    return np.asarray(values, dtype=np.int64)[position]
