"""Bounds of a network's outputs on boxes of inputs, by linear relaxation with outward rounding.

Each output is bounded by a linear function of the inputs, found by going back through the layers
(CROWN, Zhang and others, NeurIPS 2018). The computed bound is moved outward by the standard error
bound of inner products (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1) over
all sums on the way, so that it holds for the exact network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError

from .activation import Activation
from .graph import Chain, Layer
from .relax import Lines, lines
from .sources import Floats, Ints

MOST_WEIGHTS = 1 << 24
NUMBERS = 1 << 22  # coefficients that are held at a time
UNIT = 2.0**-53
UP = 1 + 2.0**-30  # outweighs the rounding of the error bound itself

Runs = tuple[tuple[int, int, Activation], ...]


@dataclass(frozen=True, eq=False)
class Dense:
    """A layer as a matrix [units, inputs] with its bias, and activations by runs of units."""

    weight: Floats
    bias: Floats
    runs: Runs


@dataclass(frozen=True, eq=False)
class Margins:
    """For each box, a value that the output's margin does not go below, and how that comes about.

    `slopes` [boxes, inputs] are the coefficients of the linear bound.
    """

    low: Floats
    slopes: Floats


class LinearBounds:
    """Bounds of the decisions of a network, each a comparison of one affine unit with a constant."""

    def __init__(self, chain: Chain, size: Floats) -> None:
        """Take the chain of a network; `size` [inputs] is the greatest size of each input.

        Raises `DdcError` where an activation has no linear bounds, or outputs are no comparisons.
        """
        if chain.argmax or not chain.layers:
            raise DdcError("linear bounds are for outputs that are decisions of their own")
        self.layers: list[Dense] = [_dense(layer.rows.width, layer) for layer in chain.layers]
        self.heads: Ints = chain.heads[:, 0]
        self.decisions: list[Activation] = [
            _decision(self.layers[-1].runs, int(head)) for head in self.heads
        ]
        self.cuts = np.array([float(decision.cut) for decision in self.decisions])
        for layer in self.layers[:-1]:
            for _, _, activation in layer.runs:
                lines(activation, np.zeros(1), np.zeros(1))
        self.errors: list[Floats] = self._errors(size)

    def _errors(self, size: Floats) -> list[Floats]:
        """Return how far computed bounds of each layer's sums may be off.

        Along a path back to an input all slopes are at most 1 and all intercepts at most 1 more
        than the sum's size; every sum on the way rounds at most as often as it has terms.
        """
        reach = size
        steps = 8
        errors: list[Floats] = []
        for layer in self.layers:
            steps += layer.weight.shape[1] + 8
            gamma = steps * UNIT / (1 - steps * UNIT)
            total = np.abs(layer.weight) @ reach + np.abs(layer.bias)
            errors.append(2 * gamma * (total + 1) * UP)
            reach = 2 * total + 2
        return errors

    def margins(self, heads: Ints, turn: Floats, low: Floats, high: Floats) -> Margins:
        """Bound `turn * (unit - cut)` from below on every box.

        `heads` [boxes] numbers the outputs, `turn` [boxes] is 1 or -1, `low` and `high`
        [boxes, inputs] are the boxes.
        """
        parts = [
            self._margins(heads[some], turn[some], low[some], high[some])
            for some in _chunks(len(heads), self._held)
        ]
        return Margins(
            np.concatenate([part.low for part in parts]),
            np.concatenate([part.slopes for part in parts]),
        )

    @property
    def _held(self) -> int:
        """The number of coefficients per box."""
        widths = [layer.weight.shape for layer in self.layers]
        inner = max([units * max(inputs, units) for units, inputs in widths[1:-1]], default=0)
        return int(max(inner, *(max(shape) for shape in widths)))

    def _margins(self, heads: Ints, turn: Floats, low: Floats, high: Floats) -> Margins:
        known: list[Lines] = []
        box = low, high
        for number, layer in enumerate(self.layers[:-1]):
            sums = self._sums(number, known, low, high, box)
            known.append(_all_lines(layer.runs, *sums))
            box = _images(layer.runs, *sums)
        units = self.heads[heads]
        last = self.layers[-1]
        rows = (turn[:, None] * last.weight[units])[:, None, :]
        start = turn * (last.bias[units] - self.cuts[heads])
        slopes, constant = self._back(len(self.layers) - 1, rows, start[:, None], known)
        value = constant + _least(slopes, low, high)
        slack = self.errors[-1][units] + 4 * UNIT * np.abs(self.cuts[heads])
        return Margins(value[:, 0] - slack, slopes[:, 0])

    def _sums(
        self,
        number: int,
        known: Sequence[Lines],
        low: Floats,
        high: Floats,
        box: tuple[Floats, Floats],
    ) -> tuple[Floats, Floats]:
        """Return bounds [boxes, units] of the sums of a layer, whose inputs lie in `box`.

        They are never wider than plain intervals, which the bound of the errors relies on.
        """
        layer = self.layers[number]
        up, down = np.maximum(layer.weight, 0).T, np.minimum(layer.weight, 0).T
        least = box[0] @ up + box[1] @ down + layer.bias
        most = box[1] @ up + box[0] @ down + layer.bias
        if number:
            rows = np.broadcast_to(layer.weight, (len(low), *layer.weight.shape))
            bias = np.broadcast_to(layer.bias, (len(low), len(layer.bias)))
            least = np.maximum(least, _bounded(self._back(number, rows, bias, known), low, high))
            back = _bounded(self._back(number, -rows, -bias, known), low, high)
            most = np.minimum(most, -back)
        return least - self.errors[number], most + self.errors[number]

    def _back(
        self, number: int, rows: Floats, constant: Floats, known: Sequence[Lines]
    ) -> tuple[Floats, Floats]:
        """Turn a function of the values before a layer into one of the inputs that is not above it.

        `rows` [boxes, functions, values], `constant` [boxes, functions].
        """
        for before in range(number - 1, -1, -1):
            line = known[before]
            up, down = np.maximum(rows, 0), np.minimum(rows, 0)
            constant = (
                constant
                + np.matmul(up, line.low[:, :, None])[:, :, 0]
                + np.matmul(down, line.high[:, :, None])[:, :, 0]
            )
            rows = up * line.low_slope[:, None] + down * line.high_slope[:, None]
            constant = constant + rows @ self.layers[before].bias
            rows = rows @ self.layers[before].weight
        return rows, constant


def _bounded(function: tuple[Floats, Floats], low: Floats, high: Floats) -> Floats:
    result: Floats = function[1] + _least(function[0], low, high)
    return result


def _least(slopes: Floats, low: Floats, high: Floats) -> Floats:
    """Return the least values [boxes, functions] of linear functions on boxes."""
    up, down = np.maximum(slopes, 0), np.minimum(slopes, 0)
    least: Floats = (up @ low[:, :, None] + down @ high[:, :, None])[:, :, 0]
    return least


def _images(runs: Runs, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return intervals of values for intervals of sums; no activation here grows faster than z."""
    parts = [
        (_VALUES[a.kind](low[:, start:stop]), _VALUES[a.kind](high[:, start:stop]))
        for start, stop, a in runs
    ]
    return np.concatenate([part[0] for part in parts], 1), np.concatenate([p[1] for p in parts], 1)


_VALUES: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda z: z,
    "ramp": lambda z: np.maximum(z, 0),
    "tanh": lambda z: np.tanh(z),
}


def _all_lines(runs: Runs, low: Floats, high: Floats) -> Lines:
    parts = [lines(a, low[:, start:stop], high[:, start:stop]) for start, stop, a in runs]
    return Lines(
        np.concatenate([part.low_slope for part in parts], 1),
        np.concatenate([part.low for part in parts], 1),
        np.concatenate([part.high_slope for part in parts], 1),
        np.concatenate([part.high for part in parts], 1),
    )


def _dense(width: int, layer: Layer) -> Dense:
    rows = layer.rows
    if rows.count * width > MOST_WEIGHTS:
        raise DdcError(f"a layer of {rows.count} x {width} is too large for linear bounds")
    weight = np.zeros((rows.count, width))
    np.add.at(weight, (rows.owners, rows.columns), rows.weights)
    return Dense(weight, rows.bias, layer.runs)


def _decision(runs: Runs, unit: int) -> Activation:
    for start, stop, activation in runs:
        if start <= unit < stop and activation.kind == "compare":
            return activation
    raise DdcError("linear bounds are for outputs that compare a sum with a constant")


def _chunks(count: int, held: int) -> list[NDArray[np.int64]]:
    size = max(1, NUMBERS // max(1, held))
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
