"""Outputs that are one function at different places: the cells of a convolution, told without a chain.

A number of a graph (an input, a unit) has a class and a base, the place of its first input. Two of
one class are the same function of inputs that lie alike from their bases: they have the same
weights, bias and activation, over numbers of the same classes whose bases lie alike. So by
induction along the stages; what is not told so (two spellings of one function) has two classes.
"""

# What numpy's functions give has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import numpy as np

from .graph import Graph, Stage
from .sources import Ints, Rows, rows_of

MOST_WEIGHTS = 1 << 24  # of all stages together: beyond, nothing is told
NOWHERE = np.iinfo(np.int64).max  # the base of what reads no input


def shift_keys(graph: Graph, outputs: Ints) -> list[bytes] | None:
    """Return a key of each of these outputs: equal ones are one function of shifted inputs.

    None where looking at all units would be too much work.
    """
    work = sum(stage.source.count * max(1, stage.source.most) for stage in graph.stages)
    if work > MOST_WEIGHTS or any(stage.groups is not None for stage in graph.stages):
        return None
    count = len(graph.levels)
    total = count + sum(stage.source.count for stage in graph.stages)
    classes, bases = np.zeros(total, dtype=np.int64), np.full(total, NOWHERE, dtype=np.int64)
    known: dict[object, int] = {}
    for place, few in enumerate(graph.levels):
        classes[place] = known.setdefault(few if isinstance(few, range) else tuple(few), len(known))
    bases[:count] = np.arange(count)
    for number, stage in enumerate(graph.stages):
        rows = rows_of(stage.source, np.arange(stage.source.count))
        _tell(number, stage, rows, classes, bases, known)
    targets = graph.targets(outputs)
    keys = np.concatenate([classes[targets], _relative(bases[targets])], axis=1)
    return [row.tobytes() for row in keys]


def _relative(bases: Ints) -> Ints:
    """Return the bases of each row from the first of them; what reads no input stands nowhere."""
    first = bases.min(axis=1, initial=NOWHERE, keepdims=True)
    return np.where(bases == NOWHERE, -1, bases - first)


def _tell(
    number: int,
    stage: Stage,
    rows: Rows,
    classes: Ints,
    bases: Ints,
    known: dict[object, int],
) -> None:
    """Give each unit of a stage its class and its base."""
    fan_in = rows.fan_in
    bits = rows.weights.view(np.int64)
    for width in np.unique(fan_in).tolist():
        mine = np.flatnonzero(fan_in == width)
        at = rows.starts[mine][:, None] + np.arange(width)
        columns = rows.columns[at]
        bias = rows.bias[mine].view(np.int64)[:, None]
        below = bases[columns]
        key = np.concatenate([classes[columns], _relative(below), bits[at], bias], axis=1)
        bases[stage.start + mine] = below.min(axis=1, initial=NOWHERE)
        classes[stage.start + mine] = [
            known.setdefault((number, width, row.tobytes()), len(known)) for row in key
        ]


__all__ = ["shift_keys"]
