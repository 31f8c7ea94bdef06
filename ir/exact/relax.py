"""Straight lines below and above activations on an interval, safe against rounding.

For ReLU and tanh between given bounds of their arguments: Zhang, Weng, Chen, Hsieh and Daniel,
Efficient Neural Network Robustness Certification with General Activation Functions (CROWN),
NeurIPS 2018. The lines hold for the exact functions: intercepts are moved outward by more than all
roundings, and the library's tanh is trusted to a few units in the last place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ddc.ir.errors import DdcError

from .activation import Activation
from .sources import Floats

SAFE = 64 * 2.0**-53  # outweighs the roundings in an intercept, per unit of size
HALVINGS = 30


@dataclass(frozen=True, eq=False)
class Lines:
    """Two lines per value: slope 0 .. 1 and intercept, of the same shape as the bounds."""

    low_slope: Floats
    low: Floats
    high_slope: Floats
    high: Floats


def lines(activation: Activation, low: Floats, high: Floats) -> Lines:
    """Return lines below and above an activation for arguments from `low` to `high`.

    Raises `DdcError` for an activation that has none here.
    """
    make = _LINES.get(activation.kind)
    if make is None or (activation.kind == "ramp" and activation.slope != 0):
        raise DdcError(f"there are no linear bounds for {activation.kind} units")
    return make(low, high)


def _identity(low: Floats, high: Floats) -> Lines:
    one, zero = np.ones_like(low), np.zeros_like(low)
    return Lines(one, zero, one, zero)


def _relu(low: Floats, high: Floats) -> Lines:
    on, off = low >= 0, high <= 0
    width = np.where(on | off, 1.0, high - low)
    slope = np.where(on, 1.0, np.where(off, 0.0, high / width))
    above = np.where(on | off, 0.0, -slope * low + SAFE * (np.abs(low) + np.abs(high)))
    # Of the lines below through the corner, the one with the smaller area between.
    below = np.where(on | (~off & (high > -low)), 1.0, 0.0)
    return Lines(below, np.zeros_like(low), np.minimum(slope, 1.0), above)


def _tanh(low: Floats, high: Floats) -> Lines:
    slope, above = _above_tanh(low, high)
    mirrored_slope, mirrored = _above_tanh(-high, -low)
    return Lines(mirrored_slope, -mirrored, slope, above)


def _above_tanh(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return a line above tanh: a tangent on the right where it is concave, else the chord."""
    bottom, top = np.tanh(low), np.tanh(high)
    width = np.maximum(high - low, 1e-12)
    chord = np.clip((top - bottom) / width, 0.0, 1.0)
    # The tangent at d > 0 stays above on [low, 0] if it does at low; the best d lies where they meet.
    left = np.maximum(low, 0.0)
    near, far = left.copy(), np.maximum(high, 0.0)
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        value = np.tanh(middle)
        fits = value - (1 - value * value) * (middle - low) >= bottom
        near, far = np.where(fits, near, middle), np.where(fits, middle, far)
    point = np.where(low >= 0, (low + high) / 2, far)
    touched = np.tanh(point)
    tangent = np.clip(1 - touched * touched, 0.0, 1.0)
    reaches = touched - tangent * (point - low) >= bottom
    concave = (high > 0) & ((low >= 0) | reaches)
    slope = np.where(concave, tangent, chord)
    # Above at every point where the line may be least above: touching point and both ends.
    through = np.where(concave, touched - slope * point, -np.inf)
    ends = np.maximum(bottom - slope * low, top - slope * high)
    return slope, np.maximum(through, ends) + SAFE * (1 + np.abs(low) + np.abs(high))


_LINES = {"identity": _identity, "ramp": _relu, "tanh": _tanh}
