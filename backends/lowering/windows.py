"""Prepare a function for lowering: layers as loops, small windows written out, loads shared."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from ddc.backends.expand import expand
from ddc.ir import (
    Affine,
    Block,
    Builder,
    Function,
    Index,
    Loop,
    Module,
    Op,
    Operand,
    State,
    value_types,
    walk,
)

from .rename import apart

LARGEST_WINDOW = 32  # iterations of a reduction that is written out
JOINS: Mapping[str, str] = {
    "add": "add",
    "count": "add",
    "and": "and",
    "or": "or",
    "xor": "xor",
    "min": "min",
    "max": "max",
}


def prepare(module: Module) -> Function:
    """Return the entry function of a module that verifies, ready for lowering."""
    entry = apart(module.entry)
    function = expand(entry, module, value_types(entry, module))
    taken = {p.name for p in (*function.params, *function.results)} | {
        name
        for op in walk(function.body)
        for name in (*op.results, *(v.var for v in op.loops), *(s.name for s in op.states))
    }
    writer = _Writer(Builder(taken))
    return replace(function, body=writer.block(function.body, {}, {}))


class _Writer:
    """Rewrites blocks; `names` renames values, `places` gives loop variables that are written out."""

    def __init__(self, build: Builder) -> None:
        self.build = build

    def block(
        self,
        block: Block,
        names: Mapping[str, Operand],
        places: Mapping[str, Affine],
        inside: bool = False,
    ) -> Block:
        known = dict(names)
        with self.build.body() as ops:
            self.ops(block, known, places, {}, inside)
        yields = tuple(_renamed(y, known) for y in block.yields)
        nexts = tuple(_renamed(n, known) for n in block.nexts)
        return Block(tuple(ops), yields, nexts)

    def ops(
        self,
        block: Block,
        names: dict[str, Operand],
        places: Mapping[str, Affine],
        loads: dict[tuple[Operand, tuple[Index, ...]], str],
        inside: bool,
        fresh: bool = False,
    ) -> None:
        for op in block.ops:
            if op.code == "reduce" and inside and _is_window(op):
                self.window(op, names, places, loads)
                continue
            new = self.op(op, names, places)
            if fresh:
                results = tuple(self.build.fresh(name) for name in op.results)
                names.update(zip(op.results, results))
                new = replace(new, results=results)
            if op.code == "load":
                key = (new.operands[0], new.index)
                if key in loads:
                    names[op.results[0]] = loads[key]
                    continue
                loads[key] = new.results[0]
            self.build.append(new)

    def op(self, op: Op, names: Mapping[str, Operand], places: Mapping[str, Affine]) -> Op:
        body = op.body
        if body is not None:
            body = self.block(body, names, places, inside=True)
        return replace(
            op,
            operands=tuple(_renamed(o, names) for o in op.operands),
            index=tuple(Index(i.at.substitute(places), i.border, i.other) for i in op.index),
            loops=tuple(
                Loop(v.var, v.low.substitute(places), v.high.substitute(places)) for v in op.loops
            ),
            states=tuple(State(s.name, s.type, _renamed(s.init, names)) for s in op.states),
            body=body,
        )

    def window(
        self,
        op: Op,
        names: dict[str, Operand],
        places: Mapping[str, Affine],
        loads: dict[tuple[Operand, tuple[Index, ...]], str],
    ) -> None:
        assert op.body is not None
        ranges = [range(v.low.const, v.high.const) for v in op.loops]
        terms: list[Operand] = []
        for place in itertools.product(*ranges):
            here = {**places, **{v.symbol: Affine.of(k) for v, k in zip(op.loops, place)}}
            inner: dict[str, Operand] = {**names, **{v.var: k for v, k in zip(op.loops, place)}}
            self.ops(op.body, inner, here, loads, inside=True, fresh=True)
            terms.append(_renamed(op.body.yields[0], inner))
        name = self.build.fresh(op.result)
        names[op.result] = name
        self.build.append(Op(JOINS[str(op.attr("kind"))], (name,), tuple(terms)))


def _renamed(operand: Operand, names: Mapping[str, Operand]) -> Operand:
    return names.get(operand, operand) if isinstance(operand, str) else operand


def _is_window(op: Op) -> bool:
    """Tell whether a reduction is a small box that reads beyond borders."""
    if op.attr("kind") not in JOINS or op.body is None:
        return False
    if not all(v.low.is_const and v.high.is_const for v in op.loops):
        return False
    trips = 1
    for loop in op.loops:
        trips *= max(0, loop.extent.const)
    symbols = {v.symbol for v in op.loops}
    bordered = any(
        i.border != "inside" and i.at.symbols() & symbols
        for inner in op.body.ops
        for i in inner.index
    )
    flat = all(inner.body is None for inner in op.body.ops)
    # A table lists the values of its operands: it must not see them narrowed to single ones.
    tables = any(inner.code == "table" for inner in op.body.ops)
    return 0 < trips <= LARGEST_WINDOW and bordered and flat and not tables
