"""Recognise programs that give each cell of a bit grid a function of the cells around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ddc.ir import (
    BIT,
    OPS,
    Affine,
    Block,
    Function,
    Module,
    Number,
    Op,
    Param,
    dims,
    element,
    is_bit,
)
from ddc.ir.equivalence.circuit import Circuit, TooLargeError, UnsupportedError
from ddc.ir.equivalence.gates import Gates, TooManyGatesError
from ddc.ir.equivalence.lower import Lowering, NotLoweredError
from ddc.ir.equivalence.unroll import input_nodes, unroll
from ddc.ir.types import Array

from .windows import prepare

LARGEST_RADIUS = 4
LARGEST_CIRCUIT = 4096  # gates of one cell

Offset = tuple[int, ...]


@dataclass(frozen=True)
class Stencil:
    """A rule on cells at offsets; `borders` gives per axis `wrap`, `clamp`, or the bit outside.

    `cell` is the rule as a function of one bit for each offset, in order.
    """

    offsets: tuple[Offset, ...]
    borders: tuple[str | int, ...]
    cell: Function
    module: Module

    @property
    def radius(self) -> tuple[int, ...]:
        """How far the rule reads along each axis."""
        return tuple(max(abs(o[k]) for o in self.offsets) for k in range(len(self.borders)))

    def output(self, gates: Gates, signals: Mapping[Offset, int]) -> int:
        """Add the rule to a network of gates and return its output, given the cells' signals."""
        circuit = Circuit()
        nodes = input_nodes(circuit, self.cell)
        (result,) = unroll(self.module, self.cell, {}, circuit, nodes)
        lowering = Lowering(circuit, gates, lambda k: (signals[self.offsets[k]],))
        (planes,) = lowering.planes([result.item()])
        return planes[0]


def stencil_of(module: Module) -> Stencil | None:
    """Return the rule of a program that steps a bit grid, None for any other program."""
    entry = module.entry
    if len(entry.params) != 1 or len(entry.results) != 1:
        return None
    given, made = entry.params[0].type, entry.results[0].type
    if not isinstance(given, Array) or not is_bit(element(given)) or dims(made) != given.dims:
        return None
    if not is_bit(element(made)):
        return None
    function = prepare(module)
    op = function.body.ops[-1] if function.body.ops else None
    if op is None or op.code != "map" or function.body.yields != op.results[:1]:
        return None
    if len(function.body.ops) != 1 or len(op.results) != 1 or not _is_whole(op, given.dims):
        return None
    return _of_body(module, function, op)


def _is_whole(op: Op, shape: Sequence[Affine]) -> bool:
    """Tell whether a map runs over exactly the cells of a grid."""
    return len(op.loops) == len(shape) and all(
        v.low == Affine.of(0) and v.high == d for v, d in zip(op.loops, shape)
    )


def _of_body(module: Module, function: Function, op: Op) -> Stencil | None:
    assert op.body is not None
    symbols = [v.symbol for v in op.loops]
    borders: list[set[str | int]] = [set() for _ in symbols]
    names: dict[Offset, str] = {}
    renamed: dict[str, str] = {}
    ops: list[Op] = []
    for inner in op.body.ops:
        if inner.code == "load" and inner.operands[0] == function.params[0].name:
            offset = _offset(inner, symbols, borders)
            if offset is None:
                return None
            renamed[inner.result] = names.setdefault(offset, inner.result)
        elif inner.code == "const" or (inner.code in OPS and OPS[inner.code].elementwise):
            operands = tuple(renamed.get(o, o) if isinstance(o, str) else o for o in inner.operands)
            if any(isinstance(o, str) and f"%{o}" in symbols for o in operands):
                return None
            ops.append(Op(inner.code, inner.results, operands, inner.attrs, shape=inner.shape))
        else:
            return None
    chosen = [_border(kinds) for kinds in borders]
    if not names or any(border is None for border in chosen):
        return None
    # Cells in row-major order: sums then share what neighbouring rows have in common.
    offsets = tuple(sorted(names))
    if max(abs(k) for offset in offsets for k in offset) > LARGEST_RADIUS:
        return None
    last = op.body.yields[0]
    returned = renamed.get(last, last) if isinstance(last, str) else last
    cell = Function(
        "cell",
        tuple(Param(names[o], BIT) for o in offsets),
        (Param("out", BIT),),
        Block(tuple(ops), (returned,)),
    )
    alone = Module((cell,), module.constants)
    found = Stencil(offsets, tuple(b for b in chosen if b is not None), cell, alone)
    return found if _has_gates(found) else None


def _offset(load: Op, symbols: Sequence[str], borders: list[set[str | int]]) -> Offset | None:
    offset: list[int] = []
    for axis, (index, symbol) in enumerate(zip(load.index, symbols)):
        shift = index.at - Affine.symbol(symbol)
        if not shift.is_const:
            return None
        offset.append(shift.const)
        if shift.const:
            other: Number | None = index.other
            if index.border == "wrap":
                borders[axis].add("wrap")
            elif index.border == "clamp":
                borders[axis].add("clamp")
            elif index.border == "else" and other in (0, 1):
                borders[axis].add(int(other))
            else:
                return None
    return tuple(offset)


def _border(kinds: set[str | int]) -> str | int | None:
    if len(kinds) > 1:
        return None
    return kinds.pop() if kinds else "wrap"


def _has_gates(stencil: Stencil) -> bool:
    gates = Gates()
    signals = {o: gates.variable(k) for k, o in enumerate(stencil.offsets)}
    try:
        stencil.output(gates, signals)
    except (NotLoweredError, UnsupportedError, TooLargeError, TooManyGatesError):
        return False
    return len(gates.kind) <= LARGEST_CIRCUIT
