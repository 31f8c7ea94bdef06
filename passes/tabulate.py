"""Raise any network on discrete inputs with discrete decisions to exact tables.

For each output: the cone of inputs that reach it through non-zero weights, its exact decision on
every case of the cone, the inputs on which it truly depends, and its table over those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Module, Param, dims
from ddc.ir.exact import Table, dependence, majority, project

from .base import Context, Declined, Pass
from .rare import RareErrors
from .tables import Group, NetworkTables, entry_name, network_of, tables_of
from .units import Family, Read, Unit, write

# Entries of one table, and of all tables together, that may be written into the IR.
MAX_ENTRIES = 1 << 20
MAX_TOTAL = 1 << 22
# The same where so many tables differ that no program of them would be read.
MAX_DIFFERENT = 256
MAX_TOTAL_DIFFERENT = 1 << 20


@dataclass(frozen=True)
class Tabulate(Pass):
    """Raise a network on discrete inputs: each output's exact table over the inputs that matter."""

    name: ClassVar[str] = "tabulate"
    max_inputs: int = 24
    max_vars: int = 20

    def run(self, module: Module, context: Context) -> Module:
        """Return the module as tables; `Declined` where the domain is too large or not discrete."""
        entry = module.entry
        if len(entry.results) != 1:
            raise Declined("a network with several results is not tabulated")
        tables = tables_of(module, context, 1 << self.max_inputs)
        units = _Units(module, tables, context, self.max_vars).all()
        family = Family(entry.params, entry.results[0], units)
        return module.with_entry(write(entry, family))


class _Units:
    def __init__(
        self, module: Module, tables: NetworkTables, context: Context, max_vars: int
    ) -> None:
        self.entry = module.entry
        self.tables = tables
        self.context = context
        self.max_vars = max_vars
        self.places = flat_reads(self.entry.params)
        self.rare = RareErrors(self.entry, network_of(module, context))
        self.total = 0
        self.entries = 0
        self.different: dict[tuple[bytes, tuple[int, ...]], NDArray[np.int64]] = {}
        self.influences: dict[int, NDArray[np.float64]] = {}
        self.shared: dict[tuple[object, ...], NDArray[np.int64]] = {}

    def all(self) -> tuple[Unit, ...]:
        """Return every output's unit in row-major order."""
        (result,) = self.entry.results
        shape = tuple(dim.const for dim in dims(result.type))
        found: dict[int, Unit] = {}
        for group in self.tables.groups:
            influence = self._influence(group.table)
            for row, output in enumerate(group.outputs):
                at = np.unravel_index(output, shape) if shape else ()
                where = tuple(int(i) for i in at)
                found[output] = self._unit(group, row, influence[row], where)
        self.rare.report(self.context)
        return tuple(found[output] for output in sorted(found))

    def _influence(self, table: Table) -> NDArray[np.float64]:
        key = _held(table)
        if key not in self.influences:
            self.influences[key] = dependence(table).influence
        return self.influences[key]

    def _unit(
        self, group: Group, row: int, influence: NDArray[np.float64], at: tuple[int, ...]
    ) -> Unit:
        table = group.table
        keep: list[int] = np.flatnonzero(influence > 0).tolist()
        ruled = False
        if self.rare.suspicious(influence):
            rule = self.rare.judge(table, row, group.outputs[row], influence)
            ruled = rule is not None
            keep = keep if rule is None else rule
        sizes = [len(table.levels[i]) for i in keep]
        if len(keep) > self.max_vars or math.prod(sizes) > MAX_ENTRIES:
            name = entry_name(self.entry.results[0], group.outputs[row])
            raise Declined(
                f"{name} depends on {len(keep)} inputs, more than the {self.max_vars} whose table "
                "is looked at"
            )
        # The cells of a convolution share one table, whatever their number.
        key = (_held(table), row, tuple(keep), ruled)
        if key not in self.shared:
            self.total += math.prod(sizes)
            if self.total > MAX_TOTAL:
                raise Declined("the tables of all outputs together are too large")
            small = self._small_table(table, row, keep, ruled).astype(np.int64)
            whole = (small.tobytes(), tuple(sizes))
            if whole not in self.different:
                self.different[whole] = small.reshape(sizes)
                self.entries += small.size
            self.shared[key] = self.different[whole]
            if len(self.different) > MAX_DIFFERENT and self.entries > MAX_TOTAL_DIFFERENT:
                raise Declined(
                    f"the outputs are more than {MAX_DIFFERENT} different functions, with tables "
                    f"of more than {MAX_TOTAL_DIFFERENT} entries together: too many to be read"
                )
        reads = tuple(self.places[table.positions[i]] for i in keep)
        return Unit(at, reads, self.shared[key])

    def _small_table(
        self, table: Table, row: int, keep: Sequence[int], ruled: bool
    ) -> NDArray[Any]:
        """Return the output over the kept inputs: its own function, or the rule behind it."""
        if ruled:
            return majority(table, row, keep).table
        return project(table, row, keep)


def _held(table: Table) -> int:
    """Return what tells apart the numbers of tables that are alive: equal outputs share them."""
    return id(table.digits if table.words is None else table.words)


def flat_reads(params: tuple[Param, ...]) -> list[Read]:
    """Return every flat input as a read, row-major in order of parameters."""
    found: list[Read] = []
    for param in params:
        shape = tuple(dim.const for dim in dims(param.type))
        found += [Read(param.name, tuple(int(i) for i in at)) for at in np.ndindex(*shape)]
    return found
