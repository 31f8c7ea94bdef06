"""Units: outputs as exact functions of the few inputs that they read.

Tabulation writes a function of units down as loads, tables and one `pack`; rolling reads it back.
"""

# What numpy's functions give has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import (
    Affine,
    Builder,
    Function,
    Op,
    Operand,
    Param,
    dims,
    element,
    levels,
    shape_of,
)


@dataclass(frozen=True)
class Read:
    """One scalar of a parameter: its name and a concrete position (() for a scalar)."""

    array: str
    at: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Unit:
    """One output: where it stands, what it reads, and its table.

    `values` has one axis per read, over the levels of that read in increasing order.
    """

    at: tuple[int, ...]
    reads: tuple[Read, ...]
    values: NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """All units of one result, in row-major order."""

    params: tuple[Param, ...]
    result: Param
    units: tuple[Unit, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The concrete shape of the result."""
        return shape_of(self.result.type)


def level_table(params: Sequence[Param]) -> dict[str, tuple[int, ...]]:
    """Return the levels of every parameter; () for one that is not a small discrete type."""
    return {p.name: levels(element(p.type)) or () for p in params}


def stem(name: str, at: Sequence[object]) -> str:
    """Return the name of an entry of an array: `cells_3`."""
    return "_".join([name, *map(str, at)])


def emit_reads(builder: Builder, reads: Sequence[Read], seen: dict[Read, str]) -> list[str]:
    """Load each read once; return the names of the values."""
    for read in reads:
        if read not in seen:
            named = stem(read.array, read.at)
            seen[read] = builder.load(read.array, *read.at, name=named) if read.at else read.array
    return [seen[read] for read in reads]


def table_operand(
    builder: Builder,
    values: NDArray[np.int64],
    reads: list[str],
    name: str,
    shared: dict[int, tuple[int, ...]] | None = None,
) -> Operand:
    """Add the table of a unit; a unit that reads nothing is a literal.

    `shared` holds the entries of arrays written before, by identity: cells have one tuple.
    """
    if not reads:
        return int(values)
    known = {} if shared is None else shared
    entries = known.get(id(values))
    if entries is None:
        entries = known[id(values)] = tuple(values.ravel().tolist())
    return builder.op("table", *reads, name=name, entries=entries)


def write(function: Function, family: Family) -> Function:
    """Return the function as loads, one table per unit, and a pack."""
    builder = Builder([p.name for p in family.params])
    seen: dict[Read, str] = {}
    shared: dict[int, tuple[int, ...]] = {}
    outputs: list[Operand] = []
    for unit in family.units:
        names = emit_reads(builder, unit.reads, seen)
        name = stem(family.result.name, unit.at)
        outputs.append(table_operand(builder, unit.values, names, name, shared))
    result = outputs[0]
    if dims(family.result.type):
        shape = [Affine.of(d) for d in family.shape]
        result = builder.op("pack", *outputs, name=family.result.name, shape=shape)
    return builder.function(
        function.name,
        [(p.name, p.type) for p in family.params],
        [(family.result.name, family.result.type)],
        [result],
        function.sizes,
        function.where,
    )


def read(function: Function) -> Family | None:
    """Return the units of a function that `write` could have written, None for any other."""
    if len(function.results) != 1 or function.sizes:
        return None
    (result,) = function.results
    (returned,) = function.body.yields
    defined = {name: op for op in function.body.ops for name in op.results}
    shape = shape_of(result.type)
    outputs: Sequence[Operand] = [returned]
    if shape:
        pack = defined.get(returned) if isinstance(returned, str) else None
        if pack is None or pack.code != "pack":
            return None
        outputs = pack.operands
    known = level_table(function.params)
    reader = _Reader(defined, known)
    units = [reader.unit(output, at) for output, at in zip(outputs, np.ndindex(*shape))]
    if any(unit is None for unit in units):
        return None
    return Family(function.params, result, tuple(unit for unit in units if unit is not None))


class _Reader:
    """Reads units back; what many of them share, loads and entries, is looked at once."""

    def __init__(self, defined: dict[str, Op], known: dict[str, tuple[int, ...]]) -> None:
        self.defined = defined
        self.known = known
        self.reads: dict[str, Read | None] = {}
        self.tables: dict[tuple[int, tuple[int, ...]], NDArray[np.int64] | None] = {}

    def unit(self, output: Operand, at: tuple[int, ...]) -> Unit | None:
        """Return the unit that an output is, None for what is no table of loads."""
        if isinstance(output, int):
            return Unit(at, (), np.array(output, dtype=np.int64))
        table = self.defined.get(output) if isinstance(output, str) else None
        if table is None or table.code != "table":
            return None
        reads = [self._read(operand) for operand in table.operands]
        found = tuple(r for r in reads if r is not None)
        if len(found) < len(reads):
            return None
        sizes = tuple(len(self.known[r.array]) for r in found)
        entries = table.attr("entries")
        key = (id(entries), sizes)  # the function holds the entries for as long as they are read
        if key not in self.tables:
            self.tables[key] = _values(entries, sizes)
        values = self.tables[key]
        return None if values is None else Unit(at, found, values)

    def _read(self, operand: Operand) -> Read | None:
        if not isinstance(operand, str):
            return None
        if operand not in self.reads:
            self.reads[operand] = _read(operand, self.defined, self.known)
        return self.reads[operand]


def _values(entries: object, sizes: tuple[int, ...]) -> NDArray[np.int64] | None:
    if not isinstance(entries, tuple) or math.prod(sizes) != len(entries):
        return None
    if any(not issubclass(kind, int) for kind in set(map(type, entries))):
        return None
    return np.array(entries, dtype=np.int64).reshape(sizes)


def _read(operand: str, defined: dict[str, Op], known: dict[str, tuple[int, ...]]) -> Read | None:
    if operand in known:
        return Read(operand, ())
    op = defined.get(operand)
    if op is None or op.code != "load" or op.operands[0] not in known:
        return None
    if any(not index.at.is_const or index.border != "inside" for index in op.index):
        return None
    return Read(str(op.operands[0]), tuple(index.at.const for index in op.index))
