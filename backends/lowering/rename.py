"""Give values other names than sizes: native code has one space of names for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ddc.ir import (
    Affine,
    Block,
    Function,
    Index,
    Loop,
    Op,
    Operand,
    fresh_name,
    walk,
)


def apart(function: Function) -> Function:
    """Return the function with no value, loop variable or state that is called like a size."""
    sizes = {s.name for s in function.sizes}
    names = {p.name for p in function.params}
    for op in walk(function.body):
        names.update((*op.results, *(v.var for v in op.loops), *(s.name for s in op.states)))
    if not sizes & names:
        return function
    taken = sizes | names | {r.name for r in function.results}
    chosen: dict[str, str] = {}
    for name in sorted(sizes & names):
        chosen[name] = fresh_name(name, taken)
        taken.add(chosen[name])
    renaming = _Renaming(chosen)
    params = tuple(replace(p, name=renaming.name(p.name)) for p in function.params)
    return replace(function, params=params, body=renaming.block(function.body))


class _Renaming:
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.places = {f"%{a}": Affine.symbol(f"%{b}") for a, b in names.items()}

    def name(self, name: str) -> str:
        return self.names.get(name, name)

    def operand(self, operand: Operand) -> Operand:
        return self.name(operand) if isinstance(operand, str) else operand

    def block(self, block: Block) -> Block:
        return replace(
            block,
            ops=tuple(self.op(op) for op in block.ops),
            yields=tuple(self.operand(y) for y in block.yields),
            nexts=tuple(self.operand(n) for n in block.nexts),
        )

    def op(self, op: Op) -> Op:
        return replace(
            op,
            results=tuple(self.name(r) for r in op.results),
            operands=tuple(self.operand(o) for o in op.operands),
            index=tuple(Index(i.at.substitute(self.places), i.border, i.other) for i in op.index),
            loops=tuple(
                Loop(
                    self.name(v.var),
                    v.low.substitute(self.places),
                    v.high.substitute(self.places),
                )
                for v in op.loops
            ),
            states=tuple(
                replace(s, name=self.name(s.name), init=self.operand(s.init)) for s in op.states
            ),
            body=None if op.body is None else self.block(op.body),
        )
