"""Structural equality: the same program up to the names of its values."""

from __future__ import annotations

from dataclasses import replace

from ddc.ir.affine import Affine
from ddc.ir.module import (
    Block,
    Constant,
    Function,
    Global,
    Index,
    Loop,
    Module,
    Op,
    Operand,
    Param,
    State,
)
from ddc.ir.types import Array, Type


def same_structure(a: Module, b: Module) -> bool:
    """Tell whether two modules are equal after their values are named in order.

    Names of parameters, results, values, sizes and constants do not matter; evidence, places in
    the source and the neurons that values stand for neither.
    """
    return canonical(a) == canonical(b)


def canonical(module: Module) -> Module:
    """Return the entry and its domain with values and constants named in the order they appear."""
    renamer = _Constants(module)
    entry = module.entry
    functions = [_Renamer(entry, renamer).function("f0", entry.where and "f1")]
    domain = None if entry.where is None else module.function(entry.where)
    if domain is not None:
        functions.append(_Renamer(domain, renamer).function("f1", None))
    return Module(tuple(functions), tuple(renamer.kept))


class _Constants:
    """Constants by their new names, each array once."""

    def __init__(self, module: Module) -> None:
        self.given = dict(module.constants)
        self.names: dict[Constant, str] = {}
        self.kept: list[tuple[str, Constant]] = []

    def name(self, old: str) -> str:
        constant = self.given[old]
        if constant not in self.names:
            self.names[constant] = f"c{len(self.names)}"
            self.kept.append((self.names[constant], constant))
        return self.names[constant]


class _Renamer:
    def __init__(self, function: Function, constants: _Constants) -> None:
        self.old = function
        self.constants = constants
        self.names: dict[str, str] = {}
        for k, size in enumerate(function.sizes):
            self.names[size.name] = f"N{k}"

    def fresh(self, name: str) -> str:
        self.names[f"%{name}"] = f"%v{len(self.names)}"
        return self.names[f"%{name}"][1:]

    def function(self, name: str, where: str | None) -> Function:
        old = self.old
        params = tuple(Param(self.fresh(p.name), self.type(p.type)) for p in old.params)
        body = self.block(old.body)
        results = tuple(Param(f"r{k}", self.type(r.type)) for k, r in enumerate(old.results))
        sizes = tuple(replace(size, name=self.names[size.name]) for size in old.sizes)
        return Function(name, params, results, body, sizes, where=where)

    def type(self, type_: Type) -> Type:
        if not isinstance(type_, Array):
            return type_
        return Array(type_.element, tuple(self.affine(d) for d in type_.dims))

    def affine(self, expression: Affine) -> Affine:
        return expression.rename(lambda name: self.names[name])

    def operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Global):
            return Global(self.constants.name(operand.name))
        return self.names[f"%{operand}"][1:] if isinstance(operand, str) else operand

    def block(self, block: Block) -> Block:
        ops = tuple(self.op(op) for op in block.ops)
        yields = tuple(self.operand(o) for o in block.yields)
        return Block(ops, yields, tuple(self.operand(o) for o in block.nexts))

    def op(self, op: Op) -> Op:
        operands = tuple(self.operand(o) for o in op.operands)
        index = tuple(Index(self.affine(i.at), i.border, i.other) for i in op.index)
        shape = tuple(self.affine(d) for d in op.shape)
        loops: list[Loop] = []
        for loop in op.loops:
            low, high = self.affine(loop.low), self.affine(loop.high)
            loops.append(Loop(self.fresh(loop.var), low, high))
        inits = [self.operand(state.init) for state in op.states]
        states = tuple(
            State(self.fresh(s.name), self.type(s.type), init) for s, init in zip(op.states, inits)
        )
        body = None if op.body is None else self.block(op.body)
        results = tuple(self.fresh(name) for name in op.results)
        return Op(op.code, results, operands, op.attrs, index, shape, tuple(loops), states, body)
