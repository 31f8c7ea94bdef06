"""What a network computes, as stages of affine units with activations over numbered values.

The values of all inputs and of all units are numbered in one sequence; a stage owns a range of
numbers and reads smaller ones. Nothing is evaluated here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ddc.ir.errors import DdcError

from .activation import IDENTITY, Activation
from .sources import Ints, Rows, Source, copies, join_rows, rows_of

MANY_PAIRS = 1 << 22  # of outputs and what their units read; beyond, units that read alike are one


@dataclass
class Stage:
    """Units with consecutive numbers, one source and one activation.

    Of a softmax, each row of `groups` holds the numbers that belong together.
    """

    start: int
    source: Source
    activation: Activation = IDENTITY
    groups: Ints | None = None

    @property
    def stop(self) -> int:
        """One past the number of the last unit."""
        return self.start + self.source.count


@dataclass(frozen=True)
class Input:
    """One parameter of the function: its name, its shape, and the number of its first value."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layer:
    """A step of a chain: affine rows over the previous values, then activations by runs of units."""

    rows: Rows
    runs: tuple[tuple[int, int, Activation], ...]

    @property
    def smooth(self) -> bool:
        """Tell whether some activation is transcendental."""
        return any(activation.smooth for _, _, activation in self.runs)


@dataclass(frozen=True, eq=False)
class Graph:
    """All stages of a function, and the numbers of its results.

    With an argmax, row i of `choices` holds the numbers among which output i chooses, and
    `results` are rows of it.
    """

    inputs: tuple[Input, ...]
    levels: tuple[Sequence[int], ...]  # of each flat input, increasing
    stages: tuple[Stage, ...]
    results: Ints
    bounds: tuple[tuple[int, int] | None, ...]  # the declared range of each result
    choices: Ints | None = None

    @property
    def outputs(self) -> int:
        """The number of flat outputs."""
        return len(self.results)

    def targets(self, outputs: Ints) -> Ints:
        """Return the numbers that these outputs are made of, [outputs, 1 or choices]."""
        wanted = self.results[outputs]
        return wanted[:, None] if self.choices is None else self.choices[wanted]

    def input_text(self, positions: Ints, values: Ints) -> str:
        """Return a given input in words, for a message: `cells = [0, 1, ...]`."""
        known = dict(zip(positions.tolist(), values.tolist()))
        parts: list[str] = []
        for entry in self.inputs:
            flat = [known.get(entry.start + i, "any") for i in range(min(entry.count, 65))]
            shown = ", ".join(map(str, flat[:64])) + (", ..." if len(flat) > 64 else "")
            parts.append(
                f"{entry.name} = {shown}" if not entry.shape else f"{entry.name} = [{shown}]"
            )
        return "; ".join(parts)


@dataclass(frozen=True, eq=False)
class Chain:
    """The units that some outputs depend on, as layers that each read only the one before.

    `inputs` are the flat inputs in order; `heads` [outputs, 1 or choices] are positions among the
    last values, of which an output is the only one, or with `argmax` the first greatest.
    """

    inputs: Ints
    layers: tuple[Layer, ...]
    heads: Ints
    argmax: bool


def chain(graph: Graph, outputs: Ints, inputs: Ints | None) -> Chain:
    """Return the chain for these outputs, over these inputs in this order.

    None for the inputs means those that the outputs depend on. Raises `DdcError` where an input
    that the outputs depend on is not among them.
    """
    targets = graph.targets(outputs)
    wanted = np.unique(targets)
    live = [wanted]  # the numbers that must be known after each layer, last layer first
    taken: list[tuple[Stage, Ints, Rows]] = []
    for stage in reversed(graph.stages):
        mine = wanted[(wanted >= stage.start) & (wanted < stage.stop)]
        if not len(mine):
            continue
        rows = rows_of(stage.source, mine - stage.start)
        taken.append((stage, mine, rows))
        wanted = np.union1d(wanted[wanted < stage.start], rows.columns)
        live.append(wanted)
    inputs = live[-1] if inputs is None else inputs
    missing = np.setdiff1d(live[-1], inputs)
    if len(missing):
        raise DdcError(f"the outputs depend on input {missing[0]} too")
    order = np.argsort(inputs)
    known = inputs[order]
    layers: list[Layer] = []
    for (stage, mine, rows), after in zip(reversed(taken), reversed(live[:-1])):
        kept = after[: len(after) - len(mine)]
        joined = join_rows([copies(0, kept), rows]) if len(kept) else rows
        own = (len(kept), len(after), stage.activation)
        runs = ((0, len(kept), IDENTITY), own) if len(kept) else (own,)
        joined = joined.renumbered(known)
        if not layers:
            joined = replace(joined, columns=order[joined.columns])
        layers.append(Layer(joined, runs))
        known = after
    heads = np.searchsorted(known, targets)
    heads = heads if layers else order[heads]
    return Chain(inputs, tuple(layers), heads, graph.choices is not None)


def cones(graph: Graph, outputs: Ints) -> list[Ints]:
    """Return, for each of these outputs, the flat inputs that reach it through weights not 0."""
    targets = graph.targets(outputs)
    span = len(graph.levels) + sum(stage.source.count for stage in graph.stages)
    owner = np.repeat(np.arange(len(outputs)), targets.shape[1])
    pairs = np.unique(owner * span + targets.ravel())  # (output, number it depends on)
    for stage in reversed(graph.stages):
        number = pairs % span
        mine = (number >= stage.start) & (number < stage.stop)
        if not mine.any():
            continue
        units, which = np.unique(number[mine], return_inverse=True)
        rows = rows_of(stage.source, units - stage.start)
        owners = pairs[mine] // span
        if rows.fan_in[which].sum() > max(MANY_PAIRS, 8 * rows.columns.size):
            owners, which = _merged(rows, which, owners)
        reached = _expanded(rows, which, owners * span)
        pairs = np.union1d(pairs[~mine], reached)
    owner, number = np.divmod(pairs, span)
    return np.split(number, np.searchsorted(owner, np.arange(1, len(outputs))))


def _merged(rows: Rows, which: Ints, owners: Ints) -> tuple[Ints, Ints]:
    """Return pairs (owner, row) that reach the same columns, one row for all that read alike.

    In a dense layer every unit reads the same columns: what it adds is counted once for an owner,
    not once for each unit.
    """
    first: dict[bytes, int] = {}
    alike = np.empty(rows.count, dtype=np.int64)
    for row in range(rows.count):
        columns = rows.columns[rows.starts[row] : rows.starts[row + 1]]
        alike[row] = first.setdefault(columns.tobytes(), row)
    both = np.unique(owners * rows.count + alike[which])
    reader, read = np.divmod(both, rows.count)
    return reader, read


def _expanded(rows: Rows, which: Ints, base: Ints) -> Ints:
    """Return base + column for every entry of the rows `which`."""
    counts = rows.fan_in[which]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    offset = np.arange(total) - np.repeat(ends - counts, counts)
    columns = rows.columns[np.repeat(rows.starts[:-1][which], counts) + offset]
    return np.unique(np.repeat(base, counts) + columns)
