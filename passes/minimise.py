"""Turn every table into the shortest readable expression (`ddc.passes.logic`), each table once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ddc.ir import Builder, Module, Op, Operand, element, levels, value_types
from ddc.ir.types import Type

from . import logic
from .base import Context, Pass
from .logic import expr as e
from .rewrite import rewrite


@dataclass(frozen=True)
class Minimise(Pass):
    """Replace each table by the shortest expression found for it."""

    name: ClassVar[str] = "minimise"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module without the tables for which a shorter expression was found."""
        types = value_types(module.entry, module)

        def step(op: Op, builder: Builder) -> tuple[Sequence[Op], Sequence[Operand]] | None:
            if op.code != "table":
                return None
            table = _logic_table(op, types)
            if table is None:
                return None
            found = context.cached("minimise", _key(table), lambda: logic.minimise(table))
            return _lower(found, op, builder, table.levels)

        return module.with_entry(rewrite(module.entry, step))


def _key(table: logic.Table) -> str:
    return f"{table.levels}:{table.values.tobytes().hex()}"


def operand_levels(operand: Operand, types: dict[str, Type]) -> tuple[int, ...] | None:
    """Return the values that an operand can take, None where they are too many or not ints."""
    if isinstance(operand, int):
        return (operand,)
    return levels(element(types[operand])) if isinstance(operand, str) else None


def _logic_table(op: Op, types: dict[str, Type]) -> logic.Table | None:
    entries = op.attr("entries")
    found = [operand_levels(operand, types) for operand in op.operands]
    known = tuple(f for f in found if f is not None)
    if len(known) < len(found) or not isinstance(entries, tuple):
        return None
    if not all(isinstance(v, int) for v in entries):
        return None
    values = np.array(entries, dtype=np.int64).reshape([len(k) for k in known])
    return logic.Table(known, values, None)


# expression class -> op code, for those whose operands are simply the lowered arguments
_PLAIN: dict[type[e.Expr], str] = {
    e.Not: "not",
    e.And: "and",
    e.Or: "or",
    e.Xor: "xor",
    e.Select: "select",
    e.Min: "min",
    e.Max: "max",
}


def _lower(
    root: e.Expr, op: Op, builder: Builder, known: tuple[tuple[int, ...], ...]
) -> tuple[Sequence[Op], Sequence[Operand]]:
    """Write the expression down as ops, shared nodes once; the last takes over the old name."""
    lowering = _Lowering(builder, op.operands, known)
    with builder.body() as ops:
        result = lowering.operand(root)
    if not ops or result != ops[-1].results[0]:
        return ops, [result]
    ops[-1] = replace(ops[-1], results=op.results, origin=op.origin)
    return ops, list(op.results)


class _Lowering:
    def __init__(
        self, builder: Builder, variables: Sequence[Operand], known: tuple[tuple[int, ...], ...]
    ) -> None:
        self.builder = builder
        self.variables = variables
        self.known = known
        self.done: dict[e.Expr, Operand] = {}
        self.ranges: dict[e.Expr, tuple[int, int]] = {}

    def operand(self, root: e.Expr) -> Operand:
        """Lower a DAG bottom up, without recursion."""
        stack = [root]
        while stack:
            node = stack[-1]
            waiting = [child for child in node.operands if child not in self.done]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            if node not in self.done:
                self.ranges[node] = self._range(node)
                self.done[node] = self._lower(node)
        return self.done[root]

    def _lower(self, node: e.Expr) -> Operand:
        given = [
            self._bit(child) if self._wants_bit(node, place) else self.done[child]
            for place, child in enumerate(node.operands)
        ]
        match node:
            case e.Var(index):
                return self.variables[index]
            case e.Const(value):
                return value
            case e.Threshold(k, _, weights):
                return self.builder.op("threshold", *given, least=k, weights=weights or None)
            case e.Linear(terms, const):
                return self._linear([c for c, _ in terms], given, const)
            case e.Compare(code, _, _):
                return self.builder.op(code, *given)
            case e.Mod(_, k):
                return self.builder.op("mod", *given, k)
            case e.FloorDiv(_, k):
                return self.builder.op("floordiv", *given, k)
            case e.Lookup(values, args, axes):
                return self._lookup(values, args, axes, given)
            case _:
                return self.builder.op(_PLAIN[type(node)], *given)

    def _wants_bit(self, node: e.Expr, place: int) -> bool:
        return isinstance(node, e.Not | e.And | e.Or | e.Xor) or (
            isinstance(node, e.Select) and place == 0
        )

    def _bit(self, child: e.Expr) -> Operand:
        """Return a value known to be 0 or 1 as a bit, where its derived range is wider."""
        low, high = self.ranges[child]
        if low >= 0 and high <= 1:
            return self.done[child]
        return self.builder.op("ge", self.done[child], 1)

    def _linear(self, factors: list[int], given: list[Operand], const: int) -> Operand:
        plus = [self._scaled(f, g) for f, g in zip(factors, given) if f > 0]
        minus = [self._scaled(-f, g) for f, g in zip(factors, given) if f < 0]
        if const > 0 or not plus:
            plus.append(const)
            const = 0
        name = "count" if not minus and not const and set(factors) == {1} else "total"
        total = plus[0] if len(plus) == 1 else self.builder.op("add", *plus, name=name)
        if const < 0:
            minus.append(-const)
        for operand in minus:
            total = self.builder.op("sub", total, operand, name=name)
        return total

    def _scaled(self, factor: int, operand: Operand) -> Operand:
        return operand if factor == 1 else self.builder.op("mul", factor, operand, name="part")

    def _lookup(
        self,
        values: tuple[int, ...],
        args: Sequence[e.Expr],
        axes: Sequence[tuple[int, ...]],
        given: list[Operand],
    ) -> Operand:
        """Write a look-up; the op's table spans the whole ranges that the verifier derives."""
        spans = [
            self.known[arg.index] if isinstance(arg, e.Var) else tuple(range(low, high + 1))
            for arg, (low, high) in ((arg, self.ranges[arg]) for arg in args)
        ]
        dense = np.array(values, dtype=np.int64).reshape([len(a) for a in axes])
        # Values outside the table's levels do not occur: any entry will do there.
        nearest = [
            np.clip(np.searchsorted(axis, span), 0, len(axis) - 1)
            for axis, span in zip(axes, spans)
        ]
        entries = dense[np.ix_(*nearest)]
        return self.builder.op("table", *given, entries=tuple(int(v) for v in entries.ravel()))

    def _range(self, node: e.Expr) -> tuple[int, int]:
        """Return the range that type inference gives the lowered node."""
        inner = [self.ranges[child] for child in node.operands]
        match node:
            case e.Var(index):
                return self.known[index][0], self.known[index][-1]
            case e.Const(value):
                return value, value
            case e.Linear(terms, const):
                corners = [sorted((c * low, c * high)) for (c, _), (low, high) in zip(terms, inner)]
                return const + sum(c[0] for c in corners), const + sum(c[1] for c in corners)
            case e.Select():
                return min(r[0] for r in inner[1:]), max(r[1] for r in inner[1:])
            case e.Min():
                return min(r[0] for r in inner), min(r[1] for r in inner)
            case e.Max():
                return max(r[0] for r in inner), max(r[1] for r in inner)
            case e.Mod(_, k):
                return 0, min(k - 1, inner[0][1]) if inner[0][0] >= 0 else k - 1
            case e.FloorDiv(_, k):
                return inner[0][0] // k, inner[0][1] // k
            case e.Lookup(values, _, _):
                return min(values), max(values)
            case _:
                return 0, 1


__all__ = ["Minimise", "operand_levels"]
