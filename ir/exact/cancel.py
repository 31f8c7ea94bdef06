"""Exact ties of networks with one layer of smooth units, many rows at a time.

Behind one layer of tanh units a value is 0 exactly when the weights of every group of units with
arguments of equal size add up to 0 (`ir.exact.smooth` says why): a question about integers.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from . import planes as big
from .activation import HALF, Activation
from .bounds import CONSTANT, grains
from .graph import Chain
from .planes import Planes
from .rational import Exact
from .sources import Floats, Ints

Bools = NDArray[np.bool_]


class Cancelling:
    """The last two layers of a chain: smooth units, then comparisons of their sums."""

    def __init__(self, chain: Chain) -> None:
        smooth, last = chain.layers[-2:]
        ((_, _, first),) = smooth.runs
        ((_, _, compare),) = last.runs
        rows = last.rows
        self.steep = 1.0 if first.kind == "tanh" else 0.5
        self.outcomes = np.array(compare.outcomes, dtype=np.int64)
        self.heads = chain.heads[:, 0]
        weights: Floats = np.zeros((rows.count, rows.width))
        weights[rows.owners, rows.columns] = rows.weights
        self.weights = weights
        grain = int(grains(rows.weights).min(initial=CONSTANT))
        self.planes = big.from_floats(weights, 0 if grain == CONSTANT else grain)
        self.consts = _constants(weights, rows.bias, first, compare)

    @staticmethod
    def fits(chain: Chain) -> bool:
        """Tell whether the chain ends in such layers, and no unit reads another one twice."""
        if len(chain.layers) < 2 or chain.argmax:
            return False
        before, smooth, last = chain.layers[:-2], *chain.layers[-2:]
        if any(layer.smooth for layer in (*before, last)) or not smooth.smooth:
            return False
        rows = last.rows
        pairs = np.unique(rows.owners * rows.width + rows.columns)
        single = len(smooth.runs) == 1 and len(last.runs) == 1 and len(pairs) == len(rows.columns)
        return single and last.runs[0][2].kind == "compare" and rows.count * rows.width < 1 << 22

    def run(self, z: Exact) -> tuple[Ints, Bools]:
        """Return decisions [outputs, batch] from the smooth units' arguments, and the open rows."""
        rough, bound = self._approximate(z)
        sides = np.where(np.abs(rough) > bound, np.sign(rough), 2.0)
        groups: _Groups | None = None
        for unit in np.unique(self.heads).tolist():
            close = np.flatnonzero(sides[unit] == 2)
            if self.consts[unit] or not len(close):
                continue
            groups = _Groups(z.planes) if groups is None else groups
            weights = big.take(self.planes, unit)
            sides[unit, close[groups.cancel(weights, close)]] = 0
        shown = sides[self.heads]
        unknown: Bools = (shown == 2).any(axis=0)
        return self.outcomes[np.where(shown == 2, 0, shown).astype(np.int64) + 1], unknown

    def _approximate(self, z: Exact) -> tuple[Floats, Floats]:
        """Return the sums in binary64 and bounds of their errors."""
        with np.errstate(over="ignore", invalid="ignore"):
            argument = np.zeros(z.planes[0].shape)
            for plane in reversed(z.planes):
                argument = argument * big.BASE + plane
            try:
                argument *= float(z.scale) * self.steep
            except OverflowError:
                argument *= np.nan
            values = np.tanh(argument) * self.steep
            consts = np.array([[float(const)] for const in self.consts])
            total = self.weights @ values + consts
            size = np.abs(self.weights).sum(axis=1, keepdims=True) + np.abs(consts)
            bound = size * (self.weights.shape[1] + 2) * 2.0**-36 + 2.0**-1000
        return total, np.broadcast_to(bound, total.shape)


def _constants(
    weights: Floats, bias: Floats, first: Activation, compare: Activation
) -> list[Fraction]:
    """Return what every sum has beside its tanh terms, the cut taken away."""
    consts = [Fraction(b) - compare.cut for b in bias.tolist()]
    if first.kind == "sigmoid":
        halves = [sum(map(Fraction, row), Fraction(0)) * HALF for row in weights.tolist()]
        consts = [const + half for const, half in zip(consts, halves)]
    return consts


class _Groups:
    """Units of each row in order of the size of their argument."""

    def __init__(self, planes: Planes) -> None:
        signs = big.sign(planes)
        sizes = big.carried([plane * signs for plane in planes])
        key: Ints = np.zeros(signs.shape, np.int64)
        for plane in sizes:
            pair = key * big.BASE + (plane + big.HALF)
            key = np.unique(pair, return_inverse=True)[1].reshape(signs.shape)
        self.order = np.argsort(key, axis=0)
        ordered = np.take_along_axis(key, self.order, axis=0)
        self.signs = np.take_along_axis(signs, self.order, axis=0)
        self.ends = np.ones(signs.shape, dtype=bool)
        self.ends[:-1] = ordered[1:] != ordered[:-1]

    def cancel(self, weights: Planes, rows: Ints) -> Bools:
        """Return the rows in which the weights of every group add up to 0."""
        order, signs = self.order[:, rows], self.signs[:, rows]
        sums = [np.cumsum(plane[order] * signs, axis=0) for plane in weights]
        ends = self.ends[:, rows]
        left = np.zeros(len(rows), dtype=bool)
        for plane in big.carried(sums):
            left |= ((plane != 0) & ends).any(axis=0)
        return ~left
