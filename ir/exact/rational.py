"""Exact decisions of networks without smooth functions, in big integers, many rows at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError

from . import planes as big
from .activation import Activation
from .bounds import CONSTANT, grains
from .graph import Chain
from .planes import BigMatrix, Planes
from .sources import Ints

LARGEST_RESULT = 1 << 62


@dataclass(frozen=True, eq=False)
class Exact:
    """Exact numbers [units, batch]: big integers times one rational scale."""

    planes: Planes
    scale: Fraction

    def refined(self, scale: Fraction) -> Exact:
        """Return the same numbers with a scale that divides this one."""
        factor = self.scale / scale
        assert factor.denominator == 1
        return Exact(big.times(self.planes, factor.numerator), scale)


def common(scales: Sequence[Fraction]) -> Fraction:
    """Return the greatest number of which all are whole multiples."""
    bottom = math.lcm(*(scale.denominator for scale in scales))
    return Fraction(math.gcd(*(int(scale * bottom) for scale in scales)), bottom)


class RationalPlan:
    """A chain without smooth activations, ready for exact evaluation."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.heads = chain.heads
        self._matrices: dict[tuple[int, int], BigMatrix] = {}

    def run(self, x: Ints) -> NDArray[Any]:
        """Return the decisions for inputs x [inputs, batch], [outputs, batch]."""
        values = Exact(big.carried([x.astype(np.int64)]), Fraction(1))
        for number in range(len(self.chain.layers)):
            values = self.layer(number, values)
        if self.chain.argmax:
            return choose(values, self.heads)
        return whole(Exact(big.take(values.planes, self.heads[:, 0]), values.scale))

    def layer(self, number: int, x: Exact) -> Exact:
        """Return the values after a layer."""
        layer = self.chain.layers[number]
        z = self.affine(number, x)
        parts = [
            activated(activation, Exact(big.take(z.planes, slice(start, stop)), z.scale))
            for start, stop, activation in layer.runs
        ]
        if len(parts) == 1:
            return parts[0]
        scale = common([part.scale for part in parts])
        return Exact(big.stack([part.refined(scale).planes for part in parts]), scale)

    def affine(self, number: int, x: Exact) -> Exact:
        """Return the affine units of a layer."""
        rows = self.chain.layers[number].rows
        # Weights are whole multiples of 2^grain, and so are the biases divided by the scale of x.
        grain = min(
            int(grains(rows.weights).min(initial=CONSTANT)),
            int(grains(rows.bias).min(initial=CONSTANT)) - _power(x.scale),
        )
        grain = 0 if grain > CONSTANT >> 1 else grain  # nothing but zeros
        key = (number, grain)
        if key not in self._matrices:
            self._matrices[key] = BigMatrix(rows, grain)
        scale = x.scale * Fraction(2) ** grain
        bias = [int(Fraction(b) / scale) for b in rows.bias.tolist()]
        sums = self._matrices[key](x.planes)
        return Exact(big.plus(sums, big.from_ints(bias, (len(bias), 1))), scale)


def _power(scale: Fraction) -> int:
    """Return the power of two in the scale."""
    above, below = scale.numerator, scale.denominator
    return (above & -above).bit_length() - (below & -below).bit_length()


def activated(activation: Activation, z: Exact) -> Exact:
    """Return the values of units with one activation."""
    return _ACTIVATED[activation.kind](activation, z)


def _same(_: Activation, z: Exact) -> Exact:
    return z


def _side(z: Exact, cut: Fraction) -> Ints:
    """Return the sign of z - cut."""
    ratio = cut / z.scale
    shifted = big.times(z.planes, ratio.denominator)
    return big.sign(big.plus(shifted, big.from_ints([ratio.numerator], (1, 1)), -1))


def _compare(activation: Activation, z: Exact) -> Exact:
    outcomes = np.array(activation.outcomes, dtype=np.int64)
    return Exact([outcomes[_side(z, activation.cut) + 1]], Fraction(1))


def _ramp(activation: Activation, z: Exact) -> Exact:
    slope = activation.slope
    negative = big.times(z.planes, slope.numerator)
    positive = big.times(z.planes, slope.denominator)
    chosen = big.where(big.sign(z.planes) >= 0, positive, negative)
    return Exact(big.carried(chosen), z.scale / slope.denominator)


def _clip(activation: Activation, z: Exact) -> Exact:
    scale = common([z.scale, *(v for v in (activation.low, activation.high) if v)])
    planes = z.refined(scale).planes
    for end, keep in ((activation.low, 1), (activation.high, -1)):
        bound = big.from_ints([int(end / scale)], (1, 1))
        beyond = big.sign(big.plus(planes, bound, -1)) == -keep
        planes = big.where(beyond, bound, planes)
    return Exact(big.carried(planes), scale)


def _round(_: Activation, z: Exact) -> Exact:
    ints = big.to_ints(z.planes)
    nearest = [round(int(v) * z.scale) for v in ints.ravel()]  # half goes to even
    return Exact(big.from_ints(nearest, ints.shape), Fraction(1))


_ACTIVATED = {
    "identity": _same,
    "ramp": _ramp,
    "clip": _clip,
    "compare": _compare,
    "round": _round,
}


def choose(z: Exact, heads: Ints) -> Ints:
    """Return for each row of `heads` the first position of the greatest number, [heads, batch]."""
    best = big.take(z.planes, heads[:, 0])
    chosen = np.zeros(best[0].shape, np.int64)
    for position in range(1, heads.shape[1]):
        rival = big.take(z.planes, heads[:, position])
        greater = big.sign(big.plus(rival, best, -1)) > 0
        chosen = np.where(greater, position, chosen)
        best = big.where(greater, rival, best)
    return chosen


def whole(z: Exact) -> Ints:
    """Return whole numbers as int64; raises `DdcError` beyond 62 bits."""
    total = np.zeros(z.planes[0].shape, np.int64)
    if z.scale == 1 and len(z.planes) <= 3:
        for plane in reversed(z.planes):
            total = total * big.BASE + plane
        return total
    values = [int(int(v) * z.scale) for v in big.to_ints(z.planes).ravel()]
    if any(abs(v) >= LARGEST_RESULT for v in values):
        raise DdcError("a rounded output goes beyond 62 bits")
    return np.array(values, dtype=np.int64).reshape(total.shape)
