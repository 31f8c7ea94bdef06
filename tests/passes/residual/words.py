"""Functions of words as modules of exact tables, the way tabulation writes them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ddc.ir import Affine, Array, Module, Param, int_type, parse, parse_params, shape_of
from ddc.passes import Context, run
from ddc.passes.units import Family, Read, Unit, level_table, write

PIPELINE = "residual,roll,minimise,fold,hoist,reduce-terms,fold,dce,generalise,name"


@dataclass(frozen=True)
class Task:
    """A function of words of any length: how its inputs are declared, and what it answers."""

    inputs: str  # with {n} for the length and {m} for twice the length
    answer: Callable[..., Any]

    def declared(self, length: int) -> tuple[Param, ...]:
        """Return the parameters at a length."""
        return parse_params(self.inputs.format(n=length, m=2 * length))[0]


def tabled(task: Task, length: int) -> Module:
    """Return the function at a length, every output a table over the inputs that it depends on."""
    params = task.declared(length)
    known = level_table(params)
    reads = [Read(p.name, tuple(at)) for p in params for at in np.ndindex(*shape_of(p.type))]
    sizes = [len(known[read.array]) for read in reads]
    rows = itertools.product(*(known[read.array] for read in reads))
    answers = [np.atleast_1d(task.answer(*split(params, row))) for row in rows]
    values = np.stack(answers).reshape(*sizes, -1)
    scalar = np.ndim(task.answer(*split(params, [known[r.array][0] for r in reads]))) == 0
    units = [
        _unit((number,) if not scalar else (), reads, values[..., number])
        for number in range(values.shape[-1])
    ]
    kind = int_type(int(values.min()), int(values.max()))
    shape = (Affine.of(values.shape[-1]),)
    result = Param("y", kind if scalar else Array(kind, shape))
    declared = ", ".join(f"%{p.name}: {p.type}" for p in params)
    module = parse(f"func @f({declared}) -> (%y: bit) {{\n  return 0\n}}\n")
    entry = replace(module.entry, results=(result,))
    return module.with_entry(write(entry, Family(params, result, tuple(units))))


def split(params: Sequence[Param], row: Sequence[int]) -> list[Any]:
    """Return a flat row as one list for every array, one number for every scalar."""
    found: list[Any] = []
    start = 0
    for param in params:
        width = math.prod(shape_of(param.type))
        part = [int(v) for v in row[start : start + width]]
        found.append(part if shape_of(param.type) else part[0])
        start += width
    return found


def _unit(at: tuple[int, ...], reads: list[Read], values: Any) -> Unit:
    keep = [k for k in range(values.ndim) if (values != values.take([0], k)).any()]
    for axis in reversed(range(values.ndim)):
        if axis not in keep:
            values = values.take(0, axis)
    table = np.array(values, dtype=np.int64, order="C")
    return Unit(at, tuple(reads[k] for k in keep), table)


@cache
def compiled(task: Task, length: int) -> tuple[Module, list[str]]:
    """Return the short program of a function at a length, and the notes about it."""
    module = tabled(task, length)
    context = Context(signature=module.entry.params)
    return run(module, PIPELINE, context), context.notes
