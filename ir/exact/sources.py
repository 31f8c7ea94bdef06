"""Affine layers as sparse rows, generated for the units that are asked for.

A layer of a large convolution is never written out as a whole: a source answers with the rows of
some of its units, so that the sub-network of one output costs what its receptive field costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BLOCK = 1 << 20  # entries that are generated at a time
MOST_ENTRIES = 40_000_000  # weights that are held in memory at a time


def per_row(ufunc: Any, values: NDArray[Any], starts: Ints, empty: Any) -> NDArray[Any]:
    """Return `ufunc` reduced over each run `values[starts[i]:starts[i + 1]]`, axis 0.

    `empty` is the result for empty runs.
    """
    shape = (len(starts) - 1, *values.shape[1:])
    result = np.full(shape, empty, dtype=values.dtype)
    filled = starts[1:] > starts[:-1]
    if filled.any():
        result[filled] = ufunc.reduceat(values, starts[:-1][filled], axis=0)
    return result


@dataclass(frozen=True, eq=False)
class Rows:
    """Affine maps: unit i is `bias[i]` + the sum of `weights * inputs[columns]` over its entries.

    The entries of unit i are `starts[i]:starts[i + 1]`; weights are not 0; a column may occur twice.
    """

    width: int
    starts: Ints
    columns: Ints
    weights: Floats
    bias: Floats

    @property
    def count(self) -> int:
        """The number of units."""
        return len(self.bias)

    @property
    def fan_in(self) -> Ints:
        """The number of entries of each unit."""
        return np.diff(self.starts)

    @property
    def owners(self) -> Ints:
        """The unit of each entry."""
        return np.repeat(np.arange(self.count), self.fan_in)

    def sums(self, entries: Floats) -> Floats:
        """Return the sums over each unit's entries."""
        return per_row(np.add, entries, self.starts, 0.0)

    def renumbered(self, known: Ints) -> Rows:
        """Return the rows with columns as positions in the sorted array `known`."""
        return replace(self, width=len(known), columns=np.searchsorted(known, self.columns))


def empty_rows(width: int) -> Rows:
    """Return no rows at all."""
    none = np.zeros(0, np.int64)
    return Rows(width, np.zeros(1, np.int64), none, np.zeros(0), np.zeros(0))


def join_rows(parts: Sequence[Rows]) -> Rows:
    """Return the units of several maps over the same inputs one after the other."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([part.fan_in for part in parts])
    return Rows(
        parts[0].width,
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.bias for part in parts]),
    )


def copies(width: int, columns: Ints) -> Rows:
    """Return units that are copies of the inputs `columns`."""
    count = len(columns)
    return Rows(width, np.arange(count + 1), columns, np.ones(count), np.zeros(count))


def _gathered(columns: Ints, weights: Floats, bias: Floats) -> Rows:
    """Return rows from matrices [units, entries], entries with weight 0 left out."""
    kept = weights != 0
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return Rows(0, starts, columns[kept], weights[kept], bias)


class Source(Protocol):
    """What a layer computes, unit by unit; columns are numbers of values of the whole network."""

    @property
    def count(self) -> int:
        """The number of units."""
        ...

    @property
    def most(self) -> int:
        """The greatest number of entries of a unit."""
        ...

    def block(self, units: Ints) -> Rows:
        """Return the rows of these units."""
        ...


def rows_of(source: Source, units: Ints) -> Rows:
    """Return the rows of these units, generated in blocks.

    Raises `DdcError` where they would not fit into memory.
    """
    size = max(1, BLOCK // max(1, source.most))
    parts = [empty_rows(0)]
    total = 0
    for start in range(0, len(units), size):
        part = source.block(units[start : start + size])
        total += len(part.weights)
        if total > MOST_ENTRIES:
            raise DdcError(
                f"a layer with more than {MOST_ENTRIES} weights is too large to be evaluated "
                "exactly as a whole: look at fewer outputs"
            )
        parts.append(part)
    return join_rows(parts)


@dataclass(frozen=True, eq=False)
class DenseSource:
    """`weight @ x + bias` for each of several vectors; `ids` [vectors, inputs]."""

    ids: Ints
    weight: Floats
    bias: Floats

    @property
    def count(self) -> int:
        """The number of units."""
        return len(self.ids) * len(self.weight)

    @property
    def most(self) -> int:
        """The greatest number of entries of a unit."""
        return int(self.weight.shape[1])

    def block(self, units: Ints) -> Rows:
        """Return the rows of these units."""
        vector, output = np.divmod(units, len(self.weight))
        return _gathered(self.ids[vector], self.weight[output], self.bias[output])


@dataclass(frozen=True, eq=False)
class ListSource:
    """Units with the same small number of entries: `columns` and `weights` [units, entries]."""

    columns: Ints
    weights: Floats
    bias: Floats

    @property
    def count(self) -> int:
        """The number of units."""
        return len(self.bias)

    @property
    def most(self) -> int:
        """The greatest number of entries of a unit."""
        return int(self.columns.shape[1])

    def block(self, units: Ints) -> Rows:
        """Return the rows of these units."""
        return _gathered(self.columns[units], self.weights[units], self.bias[units])


@dataclass(frozen=True, eq=False)
class ConvSource:
    """A cross-correlation of `ids` [channels, ...] with `weight` [outputs, channels/groups, ...]."""

    ids: Ints
    weight: Floats
    bias: Floats
    shape: tuple[int, ...]  # of the result, [outputs, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]  # padding in front of each axis
    groups: int
    circular: bool

    @property
    def count(self) -> int:
        """The number of units."""
        return int(np.prod(self.shape))

    @property
    def most(self) -> int:
        """The greatest number of entries of a unit."""
        return int(np.prod(self.weight.shape[1:]))

    def block(self, units: Ints) -> Rows:
        """Return the rows of these units."""
        output, *place = np.unravel_index(units, self.shape)
        channel, *tap = (axis.ravel() for axis in np.indices(self.weight.shape[1:], dtype=np.int64))
        per_group = len(self.weight) // self.groups
        first = output // per_group * self.weight.shape[1]
        index = [first[:, None] + channel]
        inside = np.ones((len(units), len(channel)), dtype=bool)
        for axis, (at, offset) in enumerate(zip(place, tap)):
            extent = self.ids.shape[axis + 1]
            cell = at[:, None] * self.stride[axis] + offset * self.dilation[axis]
            cell = cell - self.before[axis]
            if not self.circular:
                inside &= (cell >= 0) & (cell < extent)
            index.append(cell % extent)
        columns = self.ids[tuple(index)]
        weights = self.weight.reshape(len(self.weight), -1)[output] * inside
        return _gathered(columns, weights, self.bias[output])
