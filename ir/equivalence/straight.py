"""A function at concrete sizes as straight-line code over the entries of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ddc.ir.affine import Affine
from ddc.ir.infer import value_types
from ddc.ir.module import Block, Function, Index, Module, Op, Operand, Param
from ddc.ir.ranges import accepts
from ddc.ir.sizes import instantiate
from ddc.ir.types import Type, dims, shape_of
from ddc.ir.verifier import check

from .circuit import Circuit, UnsupportedError
from .unroll import Nodes, input_nodes, unroll


def straight(module: Module, sizes: Mapping[str, int]) -> Module:
    """Return a module whose entry has no loops: loads, ops on scalars, and what packs the results.

    It has the same answers; reals may be rounded in another order.

    Raises `DdcError` for network layers and programs with too many scalars.
    """
    fixed = instantiate(module, sizes)
    entry = fixed.entry
    circuit = Circuit()
    found = unroll(fixed, entry, {}, circuit, input_nodes(circuit, entry), True)
    writer = _Writer(circuit, entry)
    for node in circuit.cone([int(k) for nodes in found for k in nodes.ravel()]):
        writer.write(node)
    yields = tuple(writer.packed(nodes, r.name) for nodes, r in zip(found, entry.results))
    bare = replace(entry, results=(), body=Block(tuple(writer.ops), ()), evidence=(), where=None)
    types = value_types(bare, Module((bare,)))
    results = tuple(_widened(r, types.get(str(o))) for r, o in zip(entry.results, yields))
    return check(Module((replace(bare, results=results, body=replace(bare.body, yields=yields)),)))


def _widened(result: Param, given: Type | None) -> Param:
    """Return a result of its declared type, or of what is given where ranges are lost."""
    fits = given is None or accepts(result.type, given)
    return result if fits else Param(result.name, given or result.type)


class _Writer:
    """Writes nodes as ops; knows what stands for each node."""

    def __init__(self, circuit: Circuit, entry: Function) -> None:
        self.circuit = circuit
        self.entry = entry
        self.starts: list[int] = [0]
        for param in entry.params:
            self.starts.append(self.starts[-1] + int(np.prod(shape_of(param.type), dtype=int)))
        self.names: dict[int, Operand] = {}
        self.ops: list[Op] = []
        self.taken = {param.name for param in entry.params}

    def write(self, node: int) -> None:
        """Write a node whose operands are written."""
        code, attrs = self.circuit.codes[node], self.circuit.attrs[node]
        if code == "constant":
            value = self.circuit.value(node)
            assert value is not None
            self.names[node] = value
        elif code == "input":
            self.names[node] = self._input(self.circuit.position(node))
        else:
            given = tuple(self.names[k] for k in self.circuit.operands[node])
            self.names[node] = self._op(Op(code, (), given, attrs))

    def packed(self, nodes: Nodes, name: str) -> Operand:
        """Return the operand of a result."""
        if not nodes.size:
            raise UnsupportedError("a result without entries is not written out")
        if not nodes.shape:
            return self.names[nodes.item()]
        shape = tuple(Affine.of(n) for n in nodes.shape)
        flat = tuple(self.names[k] for k in nodes.ravel())
        return self._op(Op("pack", (), flat, shape=shape), name)

    def _input(self, position: int) -> Operand:
        number = next(k for k, end in enumerate(self.starts[1:]) if position < end)
        param = self.entry.params[number]
        if not dims(param.type):
            return param.name
        place = np.unravel_index(position - self.starts[number], shape_of(param.type))
        index: Sequence[Index] = [Index(Affine.of(int(k))) for k in place]
        return self._op(Op("load", (), (param.name,), index=tuple(index)))

    def _op(self, op: Op, wish: str = "v") -> Operand:
        name = f"{wish}_{len(self.ops)}"
        while name in self.taken:
            name += "_"
        self.ops.append(replace(op, results=(name,)))
        return name
