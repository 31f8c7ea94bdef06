"""How far floating point may be from exact arithmetic: static bounds for every unit.

The bound of an affine unit is the standard one for inner products (Higham, Accuracy and Stability
of Numerical Algorithms, 2nd ed., section 3.1), gamma_n (|W||x| + |b|) + |W| e, which holds for any
order of summation, with and without fused multiplication, plus the conversion of the weights. It is
0 where every weight and value is a multiple of one power of two and no partial sum can leave the
significand: there floating point *is* exact arithmetic. The library functions for tanh are trusted
to `LIBRARY` units in the last place of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activation import Activation
from .graph import Layer
from .sources import Floats, Ints, Rows, per_row

LIBRARY = 16
CONSTANT = 1 << 20  # the grain of 0, which is a multiple of everything
SMOOTH = -CONSTANT  # the grain of values that are multiples of no power of two
UP = 1 + 2.0**-30  # outweighs the rounding of the bounds themselves


@dataclass(frozen=True)
class Format:
    """A binary floating point format."""

    dtype: type[np.floating[Any]]
    digits: int
    least: int  # exponent of the smallest normal number
    most: float

    @property
    def unit(self) -> float:
        """The greatest relative error of one rounding."""
        return 2.0**-self.digits

    @property
    def tiny(self) -> float:
        """The greatest absolute error of an underflow, also where subnormals are flushed to 0."""
        return 2.0 ** (self.least + 1)


SINGLE = Format(np.float32, 24, -126, 1e37)
DOUBLE = Format(np.float64, 53, -1021, 1e300)


@dataclass(frozen=True, eq=False)
class Values:
    """What is known of values on the whole domain.

    Exact values lie in `low..high` and are multiples of 2^`grain`; computed ones are at most
    `error` away from them.
    """

    low: Floats
    high: Floats
    grain: Ints
    error: Floats

    @property
    def size(self) -> Floats:
        """The greatest absolute value."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def part(self, start: int, stop: int) -> Values:
        """Return the values of a run of units."""
        run = slice(start, stop)
        return Values(self.low[run], self.high[run], self.grain[run], self.error[run])


def join_values(parts: Sequence[Values]) -> Values:
    """Return runs of values one after the other."""
    return Values(
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate([part.grain for part in parts]),
        np.concatenate([part.error for part in parts]),
    )


def grains(values: Floats) -> Ints:
    """Return for each number the exponent of its lowest set bit, `CONSTANT` for 0."""
    mantissa, exponent = np.frexp(values)
    whole = (mantissa * 2.0**53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1].astype(np.int64) - 1
    return np.where(whole == 0, CONSTANT, lowest + exponent - 53)


def fraction_grain(value: Fraction) -> int:
    """Return the exponent of the lowest set bit, `SMOOTH` where the number is not dyadic."""
    if value == 0:
        return CONSTANT
    below = value.denominator.bit_length() - 1
    if value.denominator != 1 << below:
        return SMOOTH
    return (value.numerator & -value.numerator).bit_length() - 1 - below


def domain(levels: Sequence[Sequence[int]], form: Format) -> Values:
    """Return what is known of the inputs."""
    low = np.array([few[0] for few in levels], dtype=np.float64)
    high = np.array([few[-1] for few in levels], dtype=np.float64)
    size = np.maximum(np.abs(low), np.abs(high))
    error = np.where(size <= 2.0**form.digits, 0.0, size * form.unit * UP)
    return Values(low, high, np.zeros(len(low), np.int64), error)


def affine(rows: Rows, x: Values, form: Format, summed_in_double: Floats | None = None) -> Values:
    """Return what is known of affine units over x.

    `summed_in_double` says that the sums were made in binary64 with at most these errors, in three
    parts, and only their parts and their sum were rounded to the format.
    """
    at, weights = rows.columns, rows.weights
    heavy = np.abs(weights)
    with np.errstate(over="ignore", invalid="ignore"):
        total = (rows.sums(heavy * x.size[at]) + np.abs(rows.bias)) * UP
        inherited = rows.sums(heavy * x.error[at]) * UP
        one, other = weights * x.low[at], weights * x.high[at]
        slack = total * (rows.fan_in + 8) * 2.0**-52
        low = rows.sums(np.minimum(one, other)) + rows.bias - slack
        high = rows.sums(np.maximum(one, other)) + rows.bias + slack
        grain = per_row(np.minimum, grains(weights) + x.grain[at], rows.starts, CONSTANT)
        grain = np.clip(np.minimum(grain, grains(rows.bias)), SMOOTH, CONSTANT)
        fits = total <= np.ldexp(1.0, np.clip(form.digits + grain, form.least, 1000))
        exact = fits & (inherited == 0) & (grain >= form.least)
        if summed_in_double is None:
            exact &= _held(rows, form)
            steps = (rows.fan_in + 6) * form.unit
            gamma = np.where(steps < 0.5, steps / (1 - np.minimum(steps, 0.5)), np.inf)
            error = inherited + gamma * (total + inherited) + (rows.fan_in + 4) * form.tiny
        else:
            exact &= summed_in_double == 0
            error = summed_in_double + 4 * form.unit * total + 4 * form.tiny
        error = np.where(exact, 0.0, error * UP)
        error = np.where(total + inherited < form.most, error, np.inf)
    return Values(low, high, grain, error)


def _held(rows: Rows, form: Format) -> NDArray[np.bool_]:
    """Tell for each unit whether the format holds its weights and bias exactly."""
    if form.dtype is np.float64:
        return np.ones(rows.count, dtype=bool)
    with np.errstate(over="ignore"):
        same = rows.weights == rows.weights.astype(form.dtype)
        held = rows.bias == rows.bias.astype(form.dtype)
    every: NDArray[np.bool_] = per_row(np.logical_and, same, rows.starts, True)
    every &= held
    return every


def activated(activation: Activation, z: Values, form: Format) -> Values:
    """Return what is known after an activation; undecided comparisons are not counted as errors."""
    return _ACTIVATED[activation.kind](activation, z, form)


def _same(_: Activation, z: Values, form: Format) -> Values:
    return z


def _ramp(activation: Activation, z: Values, form: Format) -> Values:
    if activation.slope == 0:
        silent = z.high + z.error <= 0
        return Values(
            np.maximum(z.low, 0), np.maximum(z.high, 0), z.grain, np.where(silent, 0.0, z.error)
        )
    slope, steep = float(activation.slope), abs(float(activation.slope)) * UP
    margin = np.abs(z.low) * steep * 2.0**-50
    ends = [np.where(end >= 0, end, slope * end) for end in (z.low, z.high)]
    corner = np.where((z.low < 0) & (z.high > 0), 0.0, ends[0])
    low = np.minimum(np.minimum(*ends), corner)
    high = np.maximum(np.maximum(*ends), corner)
    own = fraction_grain(activation.slope)
    grain = np.maximum(np.minimum(z.grain, z.grain + own), SMOOTH)
    size = np.abs(z.low) * steep
    fits = size <= np.ldexp(1.0, np.clip(form.digits + z.grain + own, form.least, 1000))
    held = Fraction(float(form.dtype(slope))) == activation.slope
    exact = (z.error == 0) & ((z.low >= 0) | (fits & held & (grain >= form.least)))
    error = z.error * max(1.0, steep) + 4 * form.unit * (size + z.error * steep) + 4 * form.tiny
    return Values(low - margin, high + margin, grain, np.where(exact, 0.0, error * UP))


def _clip(activation: Activation, z: Values, form: Format) -> Values:
    ends = [activation.low, activation.high]
    held = all(Fraction(float(form.dtype(float(end)))) == end for end in ends)
    moved = max(abs(float(end)) for end in ends) * 2 * form.unit + form.tiny
    bottom, top = map(float, ends)
    low, high = np.clip(z.low, bottom, top), np.clip(z.high, bottom, top)
    margin = 0.0 if held else moved
    grain = np.minimum(z.grain, min(fraction_grain(end) for end in ends))
    return Values(low - margin, high + margin, grain, z.error + margin)


def _smooth(activation: Activation, z: Values, form: Format) -> Values:
    steep = 1.0 if activation.kind == "tanh" else 0.25
    bottom = -1.0 if activation.kind == "tanh" else 0.0
    ends = [np.tanh(end) for end in (z.low, z.high)]
    if activation.kind == "sigmoid":
        ends = [0.5 + 0.5 * np.tanh(end / 2) for end in (z.low, z.high)]
    low, high = ends[0] - 2.0**-40, ends[1] + 2.0**-40
    error = z.error * steep + LIBRARY * form.unit * 2
    grain = np.full(len(low), SMOOTH, np.int64)
    return Values(np.maximum(low, bottom), np.minimum(high, 1.0), grain, error * UP)


def _compare(activation: Activation, z: Values, form: Format) -> Values:
    low = np.full(len(z.low), float(min(activation.outcomes)))
    high = np.full(len(z.low), float(max(activation.outcomes)))
    whole = np.zeros(len(low), np.int64)
    return Values(low, high, whole, np.zeros(len(low)))


def _round(_: Activation, z: Values, form: Format) -> Values:
    whole = np.zeros(len(z.low), np.int64)
    return Values(np.rint(z.low) - 1, np.rint(z.high) + 1, whole, np.zeros(len(whole)))


_ACTIVATED = {
    "identity": _same,
    "ramp": _ramp,
    "clip": _clip,
    "tanh": _smooth,
    "sigmoid": _smooth,
    "compare": _compare,
    "round": _round,
}


def after(layer: Layer, z: Values, form: Format) -> Values:
    """Return what is known of the values of a layer, from its affine units z."""
    return join_values([activated(a, z.part(start, stop), form) for start, stop, a in layer.runs])
