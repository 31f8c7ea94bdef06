"""Where plain float32 arithmetic, as deep learning frameworks use it, answers differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ddc.ir.errors import DdcError
from ddc.ir.module import Module

from .activation import STEP, Activation
from .blas import own_threads
from .bounds import SINGLE
from .floats import Array, Matrix
from .graph import Chain, chain
from .lower import lower
from .sources import Ints
from .table import Table, inputs_of

BLOCK = 1 << 20  # values of a layer that are held at a time
DRAWN = 1 << 17  # rows of a table that is too large to be compared whole
SEED = 0


@dataclass(frozen=True)
class Mismatch:
    """How many rows of a table plain float32 answers differently, and the smallest of them.

    `looked` counts the rows that were compared.
    """

    rows: int
    first: int | None
    looked: int


def framework_mismatch(
    module: Module, table: Table, most: int | None = None, drawn: int = DRAWN
) -> Mismatch:
    """Compare a table of all outputs of a network with a plain float32 forward pass.

    Of a table of more than `most` rows `drawn` are looked at, chosen at random by a fixed seed. A framework may add up in another order, so that rows at the edge of rounding may differ between
    it and this. Raises `DdcError` where the table has not all outputs of the network.
    """
    graph = lower(module, verbatim=True)
    if graph.outputs != table.outputs:
        raise DdcError(f"a table of {table.outputs} outputs for a network of {graph.outputs}")
    forward = _Forward(chain(graph, np.arange(graph.outputs), np.array(table.positions, np.int64)))
    size = max(64, BLOCK // forward.width // 64 * 64)
    chosen = None if most is None or table.rows <= most else _drawn(table.rows, drawn)
    looked = table.rows if chosen is None else len(chosen)
    count, first = 0, None
    with own_threads():
        for start in range(0, looked, size):
            stop = min(start + size, looked)
            rows = np.arange(start, stop) if chosen is None else chosen[start:stop]
            found = forward.run(inputs_of(table.levels, rows))
            differs = np.zeros(len(rows), dtype=bool)
            for output, column in enumerate(found):
                exact = table.run(output, start, size) if chosen is None else table.at(output, rows)
                differs |= column != exact
            if first is None and differs.any():
                first = int(rows[np.argmax(differs)])
            count += int(np.count_nonzero(differs))
    return Mismatch(count, first, looked)


def _drawn(rows: int, count: int) -> Ints:
    """Return different row numbers in increasing order, nearly `count` of them."""
    return np.unique(np.random.default_rng(SEED).integers(0, rows, count))


class _Forward:
    def __init__(self, given: Chain) -> None:
        self.heads, self.argmax = given.heads, given.argmax
        self.layers = [(Matrix(layer.rows, SINGLE), layer.runs) for layer in given.layers]
        self.width = max([len(given.inputs), 1, *(layer.rows.count for layer in given.layers)])
        for layer in given.layers:
            for start, stop, activation in layer.runs:
                if (stop - start) % activation.group:
                    raise DdcError("only a part of a softmax is used")

    def run(self, x: Ints) -> Array:
        """Return the decisions for inputs x [inputs, batch], [outputs, batch]."""
        z: Array = x.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for matrix, runs in self.layers:
                z = matrix(z)
                for start, stop, activation in runs:
                    z[start:stop] = _ACTIVATED[activation.kind](activation, z[start:stop])
        shown = z[self.heads]
        chosen: Array = np.argmax(shown, axis=1) if self.argmax else shown[:, 0]
        return chosen


def _same(_: Activation, z: Array) -> Array:
    return z


def _compare(activation: Activation, z: Array) -> Array:
    below, equal, above = map(np.float32, activation.outcomes)
    cut = np.float32(float(activation.cut))
    if activation.outcomes == STEP:
        return z > cut
    return np.where(z > cut, above, np.where(z < cut, below, equal))


def _ramp(activation: Activation, z: Array) -> Array:
    if activation.slope == 0:
        return np.maximum(z, np.float32(0))
    return np.where(z >= 0, z, z * np.float32(float(activation.slope)))


def _clip(activation: Activation, z: Array) -> Array:
    return np.clip(z, np.float32(float(activation.low)), np.float32(float(activation.high)))


def _tanh(_: Activation, z: Array) -> Array:
    values: Array = np.tanh(z)
    return values


def _sigmoid(_: Activation, z: Array) -> Array:
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small))


def _softmax(activation: Activation, z: Array) -> Array:
    groups = z.reshape(-1, activation.group, z.shape[1])
    powers = np.exp(groups - groups.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares.reshape(z.shape)


def _round(_: Activation, z: Array) -> Array:
    nearest: Array = np.rint(z)
    return nearest


_ACTIVATED: dict[str, Callable[[Activation, Array], Array]] = {
    "identity": _same,
    "compare": _compare,
    "ramp": _ramp,
    "clip": _clip,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "round": _round,
}
