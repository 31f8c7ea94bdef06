"""Hoist common subexpressions: the same value computed once, under one name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from ddc.ir import (
    OPS,
    Affine,
    Block,
    Function,
    Global,
    Module,
    Op,
    Operand,
    Real,
    Type,
    element,
    value_types,
)

Names = Mapping[str, Operand]


def hoist(module: Module) -> Module:
    """Replace a value by an equal one computed before it, in the same block or around it."""
    functions = tuple(_function(function, module) for function in module.functions)
    return replace(module, functions=functions)


def _function(function: Function, module: Module) -> Function:
    merger = _Merger(value_types(function, module))
    return replace(function, body=merger.block(function.body, {}))


class _Merger:
    def __init__(self, types: Mapping[str, Type]) -> None:
        self.types = types
        self.known: dict[str, Operand] = {}

    def operand(self, operand: Operand) -> Operand:
        return self.known.get(operand, operand) if isinstance(operand, str) else operand

    def block(self, block: Block, around: Mapping[Hashable, tuple[str, ...]]) -> Block:
        """Return a block whose ops are looked up among its own and those of the blocks around."""
        seen = dict(around)
        ops: list[Op] = []
        for op in block.ops:
            op = replace(
                op,
                operands=tuple(map(self.operand, op.operands)),
                states=tuple(replace(s, init=self.operand(s.init)) for s in op.states),
            )
            if op.body is not None:
                op = replace(op, body=self.block(op.body, seen))
            key = self.key(op, {})
            earlier = seen.get(key)
            if earlier is None:
                seen[key] = op.results
                ops.append(op)
            else:
                self.known.update(zip(op.results, earlier))
        yields = tuple(map(self.operand, block.yields))
        return Block(tuple(ops), yields, tuple(map(self.operand, block.nexts)))

    def key(self, op: Op, inner: dict[str, str]) -> Hashable:
        """Return what an op computes; names made inside it are numbered in order."""
        operands = [_named(o, inner) for o in op.operands]
        if op.code in OPS and OPS[op.code].commutes and self.order_is_free(op):
            operands.sort(key=str)
        states = tuple((str(s.type), _named(s.init, inner)) for s in op.states)
        loops: list[Hashable] = []
        for loop in op.loops:
            low, high = _symbols(loop.low, inner), _symbols(loop.high, inner)
            inner[loop.var] = f"#{len(inner)}"
            loops.append((low, high))
        for state in op.states:
            inner[state.name] = f"#{len(inner)}"
        body = None if op.body is None else self.body_key(op.body, inner)
        index = tuple((_symbols(i.at, inner), i.border, i.other) for i in op.index)
        attrs = tuple((name, _exact(value)) for name, value in op.attrs)
        return (op.code, tuple(operands), attrs, index, op.shape, tuple(loops), states, body)

    def body_key(self, body: Block, inner: dict[str, str]) -> Hashable:
        ops: list[Hashable] = []
        for op in body.ops:
            ops.append(self.key(op, inner))
            for name in op.results:
                inner[name] = f"#{len(inner)}"
        values = [_named(o, inner) for o in (*body.yields, *body.nexts)]
        return (tuple(ops), tuple(values), len(body.yields))

    def order_is_free(self, op: Op) -> bool:
        """Tell whether swapping operands keeps the result exactly: not in sums of three reals."""
        return len(op.operands) <= 2 or not isinstance(element(self.types[op.result]), Real)


def _named(operand: Operand, inner: Mapping[str, str]) -> Hashable:
    """Return an operand for comparison; an int and a real literal of one value are different."""
    if isinstance(operand, str):
        return ("%", inner.get(operand, operand))
    return ("@", operand.name) if isinstance(operand, Global) else _exact(operand)


def _exact(value: object) -> Hashable:
    """Return a number with its kind, since 1 == Fraction(1); other values as text."""
    return (type(value).__name__, repr(value))


def _symbols(place: Affine, inner: Mapping[str, str]) -> Affine:
    def name(symbol: str) -> str:
        return f"%{inner.get(symbol[1:], symbol[1:])}" if symbol.startswith("%") else symbol

    return place.rename(name)
