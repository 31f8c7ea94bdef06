"""The raiser: arrays of numbers of which a network asks the greatest, its place, or their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Builder, DdcError, Evidence, Function, Module, claim, dims, element, levels
from ddc.ir.exact import decide
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate, solve_sizes
from ddc.ir.verifier import verify
from ddc.passes.base import Context, Declined, Pass
from ddc.passes.tables import Group, key_of, network_of, tables_of

from .invariant import MOST, compares_only, order_only, weak_orders
from .readings import Reading, Writer, marks, scalars

Ints = NDArray[np.int64]

FEWEST = 3  # numbers
MAX_ROWS = 1 << 22  # of a table that readings are compared with
ROWS = 64


@dataclass(frozen=True)
class Orders(Pass):
    """Raise a network that asks for the greatest of its numbers, its place, or their order."""

    name: ClassVar[str] = "orders"

    def run(self, module: Module, context: Context) -> Module:
        """Return the question as a program for any number of numbers; `Declined` for others."""
        entry = module.entry
        size = _size(entry)
        rows, wanted = _ordered(module, context) or _tabled(module, context)
        questions = marks if dims(entry.results[0].type) else scalars
        for reading in questions(rows, wanted):
            if np.array_equal(reading.answer(rows), wanted):
                break
        else:
            raise Declined("no question about the order of the inputs has the network's answers")
        found = module.with_entry(_written(entry, size, reading))
        if verify(found):
            raise Declined("the answer is of another type than the network's")
        context.analyses["words", entry.name] = _AtSizes(entry, reading)
        return found


def _size(entry: Function) -> int:
    """Return how many numbers there are; `Declined` where the inputs are no array of numbers."""
    shapes = [dims(param.type) for param in entry.params]
    results = [dims(result.type) for result in entry.results]
    if len(shapes) != 1 or len(shapes[0]) != 1 or len(results) != 1 or entry.where is not None:
        raise Declined("the inputs are not one array of numbers")
    size = shapes[0][0].const
    known = levels(element(entry.params[0].type))
    if known is not None and len(known) < 3:
        raise Declined("the inputs have two values, and no order worth asking for")
    if size < FEWEST or results[0] not in ((), shapes[0]):
        raise Declined("there is neither one answer nor one for every number")
    return size


def _ordered(module: Module, context: Context) -> tuple[Ints, Ints] | None:
    """Return every order of the numbers and the network's answers, where it compares only."""
    size = dims(module.entry.params[0].type)[0].const
    if size > MOST or not compares_only(module):
        return None
    network = network_of(module, context)
    values = network.levels[0]
    if len(values) < size:
        return None
    rows = np.array([values[rank] for rank in range(size)], dtype=np.int64)[weak_orders(size)]

    def compute() -> Ints:
        return decide(network, rows)

    answers: Ints = context.cached("orders", key_of(module), compute)
    return rows, answers


def _tabled(module: Module, context: Context) -> tuple[Ints, Ints]:
    """Return every input and the network's answers; `Declined` where they are too many."""
    inputs = dims(module.entry.params[0].type)[0].const
    known = levels(element(module.entry.params[0].type))
    if known is None or len(known) ** inputs > MAX_ROWS:
        raise Declined(
            "the network does more than compare its numbers, and they are too many to list"
        )
    groups = tables_of(module, context).groups
    first: Group = groups[0]
    whole = all(tuple(group.table.positions) == tuple(range(inputs)) for group in groups)
    if not whole:
        raise Declined("some outputs see a part of the numbers only")
    rows = first.table.inputs_of(np.arange(first.table.rows))
    wanted = np.zeros((len(rows), sum(len(group.outputs) for group in groups)), dtype=np.int64)
    for group in groups:
        for row, output in enumerate(group.outputs):
            wanted[:, output] = group.table.output(row)
    return rows, wanted


def _written(entry: Function, size: int, reading: Reading) -> Function:
    builder = Builder([param.name for param in entry.params])
    value = reading.write(Writer(builder, entry.params[0].name, size))
    params = [(param.name, param.type) for param in entry.params]
    results = [(result.name, result.type) for result in entry.results]
    return builder.function(entry.name, params, results, [value], entry.sizes, entry.where)


@dataclass(frozen=True, eq=False)
class _AtSizes:
    """What a reading answers at other sizes."""

    entry: Function
    reading: Reading

    def agrees(self, module: Module) -> bool:
        """Tell whether a generic program answers as the reading does at other sizes."""
        return all(self._agrees(module, rows) for rows in self._cases())

    def _cases(self) -> Iterator[Ints]:
        (param,) = self.entry.params
        trained = dims(param.type)[0].const
        known = levels(element(param.type))
        values = np.arange(4) if known is None else np.array(known[:: max(1, len(known) // 8)])
        for size in (trained - 1, trained, trained + 1, 2 * trained + 1):
            rng = np.random.default_rng(size)
            yield values[rng.integers(0, len(values), (ROWS, size))]

    def _agrees(self, module: Module, rows: Ints) -> bool:
        name = self.entry.params[0].name
        try:
            sizes = solve_sizes(module.entry, {name: [rows.shape[1]]})
            (found,) = run_batch(instantiate(module, sizes), {name: rows})
        except DdcError:
            return True
        return np.array_equal(found.reshape(ROWS, -1), self.reading.answer(rows))


def proved_by_orders(
    program: Module, network: Module, sizes: dict[str, int], context: Context
) -> Evidence | None:
    """Return the proof that a program answers as a network for every order of its numbers.

    None where either looks at more than the order, or where they differ.
    """
    fixed = instantiate(program, sizes)
    if not order_only(fixed.entry) or len(network.entry.params) != 1:
        return None
    if len(dims(network.entry.params[0].type)) != 1:
        return None
    known = _ordered(network, context)
    if known is None:
        return None
    rows, wanted = known
    (found,) = run_batch(fixed, {fixed.entry.params[0].name: rows})
    if not np.array_equal(found.reshape(len(rows), -1), wanted):
        return None
    return claim("proved", "exhaustive", orders=len(rows))


__all__ = ["Orders", "proved_by_orders"]
