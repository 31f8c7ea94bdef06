"""Turn every table into the shortest readable expression (`ddc.passes.logic`), each table once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ddc.ir import (
    OPS,
    Attr,
    Builder,
    Global,
    Module,
    Op,
    Operand,
    Type,
    attributes,
    digest,
    element,
    int_bounds,
    is_bit,
    levels,
    value_types,
    walk,
)
from ddc.ir.infer import literal_type

from . import logic
from .base import Context, Pass
from .logic import expr as e
from .rewrite import rewrite

MANY_TABLES = 8  # functions with more distinct tables are searched less deeply
LONG = 100  # the cost of what is no rule: that, and so much of the table's entries
LONG_SHARE = 4


@dataclass(frozen=True)
class Minimise(Pass):
    """Replace each table by the shortest expression found for it."""

    name: ClassVar[str] = "minimise"
    max_vars: int = 20
    rough: bool = False

    def run(self, module: Module, context: Context) -> Module:
        """Return the module without the tables for which a shorter expression was found."""
        types = value_types(module.entry, module)
        distinct = {op.attrs for op in walk(module.entry.body) if op.code == "table"}
        effort = -1 if self.rough else 1 if len(distinct) <= MANY_TABLES else 0
        kind = "rough" if self.rough else "minimise"
        tables = len(distinct) if len(distinct) > MANY_TABLES else 1
        long: set[str] = set()

        def step(op: Op, builder: Builder) -> tuple[Sequence[Op], Sequence[Operand]] | None:
            if op.code != "table" or len(op.operands) > self.max_vars:
                return None
            table = _logic_table(op, types)
            if table is None:
                return None
            key = _key(table)
            found = context.cached(
                kind, key, lambda: logic.minimise(table, effort=effort, tables=tables)
            )
            if logic.cost(found) > max(LONG, table.values.size // LONG_SHARE):
                long.add(digest(key))
                if not self.rough:
                    return None
            return _lower(found, op, builder, types)

        short = module.with_entry(rewrite(module.entry, step))
        if long and not self.rough:
            context.note(
                f"no short rule was found for {len(long)} of {len(distinct)} tables: they stay "
                "tables of what the network answers"
            )
        return short


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
    root: e.Expr, op: Op, builder: Builder, types: dict[str, Type]
) -> tuple[Sequence[Op], Sequence[Operand]]:
    """Write the expression down as ops, shared nodes once; the last takes over the old name."""
    entries = op.attr("entries")
    assert isinstance(entries, tuple)
    kept = [v for v in entries if isinstance(v, int)]
    while True:
        with builder.body() as ops:
            lowering = _Lowering(builder, ops, op.operands, types)
            result = lowering.operand(root)
        # What derives a wider range than the table's would not fit where the table did: it is
        # bounded from above and from below, once each.
        low, high = lowering.bounds(result)
        if high is not None and high > max(kept):
            root = e.Min((root, e.Const(max(kept))))
        elif low is not None and low < min(kept):
            root = e.Max((root, e.Const(min(kept))))
        else:
            break
    if not ops or result != ops[-1].results[0]:
        return ops, [result]
    ops[-1] = replace(ops[-1], results=op.results, origin=op.origin)
    return ops, list(op.results)


def _magnitude(node: e.Expr) -> tuple[list[tuple[int, e.Expr]], int] | None:
    """Return terms `a` and `c` where the node's two operands are `a + c` and `c - a`."""
    sums = [
        ({t: c for c, t in x.terms}, x.const) if isinstance(x, e.Linear) else ({x: 1}, 0)
        for x in node.operands
    ]
    if len(sums) != 2 or any(isinstance(x, e.Const) for x in node.operands):
        return None
    (first, low), (second, high) = sums
    if low != high or {t: -c for t, c in first.items()} != second:
        return None
    # Of `a - b` and `b - a`, the one that begins with the first variable.
    ahead = min(first, key=lambda t: t.index if isinstance(t, e.Var) else -1)
    terms = first if first[ahead] > 0 else second
    return [(c, t) for t, c in terms.items()], low


def _read(node: e.Expr) -> Sequence[e.Expr]:
    """Return the expressions that a node is written with."""
    bend = _magnitude(node) if isinstance(node, (e.Max, e.Min)) else None
    return node.operands if bend is None else [term for _, term in bend[0]]


def lower_expression(
    root: e.Expr, variables: Sequence[Operand], builder: Builder, types: Mapping[str, Type]
) -> Operand:
    """Write an expression over variables of known types into the block that is being built."""
    with builder.body() as ops:
        result = _Lowering(builder, ops, variables, dict(types)).operand(root)
    for op in ops:
        builder.append(op)
    return result


class _Lowering:
    """Writes ops into the block that is being built, knowing the derived type of each."""

    def __init__(
        self,
        builder: Builder,
        ops: list[Op],
        variables: Sequence[Operand],
        types: dict[str, Type],
    ) -> None:
        self.builder = builder
        self.ops = ops
        self.variables = variables
        self.types = types
        self.done: dict[e.Expr, Operand] = {}
        self.bends: dict[e.Expr, tuple[int, Operand, int]] = {}

    def operand(self, root: e.Expr) -> Operand:
        """Lower a DAG bottom up, without recursion."""
        stack = [root]
        while stack:
            node = stack[-1]
            waiting = [child for child in _read(node) if child not in self.done]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            if node not in self.done:
                self.done[node] = self._lower(node)
        return self.done[root]

    def _op(
        self,
        code: str,
        *given: Operand,
        name: str | None = None,
        attrs: tuple[tuple[str, Attr], ...] = (),
    ) -> str:
        result = self.builder.fresh(name or code)
        self.builder.append(Op(code, (result,), given, attrs))
        self.types[result] = OPS[code].rule(self.ops[-1], [self._type(o) for o in given])
        return result

    def bounds(self, operand: Operand) -> tuple[int | None, int | None]:
        """Return the derived range of an operand that was written."""
        return int_bounds(element(self._type(operand))) or (None, None)

    def _type(self, operand: Operand) -> Type:
        if isinstance(operand, str):
            return self.types[operand]
        assert not isinstance(operand, Global)
        return literal_type(operand)

    def _lower(self, node: e.Expr) -> Operand:
        given = [self.done[child] for child in _read(node)]
        match node:
            case e.Var(index):
                return self.variables[index]
            case e.Const(value):
                return value
            case e.Threshold(k, _, weights):
                return self._op(
                    "threshold", *given, attrs=attributes(least=k, weights=weights or None)
                )
            case e.Linear():
                return self._sum(node, given)
            case e.Compare(code, _, _) | e.Arithmetic(code, _, _):
                return self._op(code, *given)
            case e.Mod(_, k):
                return self._op("mod", *given, k)
            case e.FloorDiv(_, k):
                return self._op("floordiv", *given, k)
            case e.Lookup(values, _, axes):
                return self._lookup(values, axes, given)
            case e.Max() | e.Min() if (bend := _magnitude(node)) is not None:
                return self._magnitude(node, *bend)
            case e.Select():
                return self._op("select", self._bit(given[0]), *given[1:])
            case e.Not() | e.And() | e.Or() | e.Xor():
                return self._op(_PLAIN[type(node)], *map(self._bit, given))
            case _:
                return self._op(_PLAIN[type(node)], *given)

    def _magnitude(self, node: e.Expr, inner: list[tuple[int, e.Expr]], const: int) -> Operand:
        """Write `max(a + c, c - a)` as `abs(a) + c`, and the least of both as `c - abs(a)`."""
        given = [self.done[operand] for _, operand in inner]
        size = self._op("abs", self._linear([c for c, _ in inner], given, 0), name="size")
        sign = 1 if isinstance(node, e.Max) else -1
        self.bends[node] = (sign, size, const)
        return self._linear([sign], [size], const)

    def _sum(self, node: e.Linear, given: list[Operand]) -> Operand:
        """Write a sum; the constants of magnitudes join its own."""
        factors = [c for c, _ in node.terms]
        const = node.const
        for place, (factor, term) in enumerate(node.terms):
            if term in self.bends:
                sign, size, shift = self.bends[term]
                factors[place], given[place] = factor * sign, size
                const += factor * shift
        return self._linear(factors, given, const)

    def _bit(self, operand: Operand) -> Operand:
        """Return a value known to be 0 or 1 as a bit, where its derived range is wider."""
        return operand if is_bit(element(self._type(operand))) else self._op("ge", operand, 1)

    def _linear(self, factors: list[int], given: list[Operand], const: int) -> Operand:
        plus = [self._scaled(f, g) for f, g in zip(factors, given) if f > 0]
        minus = [self._scaled(-f, g) for f, g in zip(factors, given) if f < 0]
        if const > 0 or not plus:
            plus.append(const)
            const = 0
        name = "count" if not minus and not const and set(factors) == {1} else "total"
        total = plus[0] if len(plus) == 1 else self._op("add", *plus, name=name)
        if const < 0:
            minus.append(-const)
        for operand in minus:
            total = self._op("sub", total, operand, name=name)
        return total

    def _scaled(self, factor: int, operand: Operand) -> Operand:
        return operand if factor == 1 else self._op("mul", factor, operand, name="part")

    def _lookup(
        self, values: tuple[int, ...], axes: Sequence[tuple[int, ...]], given: list[Operand]
    ) -> Operand:
        """Write a look-up; the op's table spans all values that the derived types allow."""
        dense = np.array(values, dtype=np.int64).reshape([len(axis) for axis in axes])
        # Values outside the table's levels do not occur: any entry will do there.
        nearest = [
            np.clip(np.searchsorted(axis, levels(element(self._type(o))) or ()), 0, len(axis) - 1)
            for axis, o in zip(axes, given)
        ]
        entries = dense[np.ix_(*nearest)]
        found = tuple(int(v) for v in entries.ravel())
        return self._op("table", *given, attrs=attributes(entries=found))
