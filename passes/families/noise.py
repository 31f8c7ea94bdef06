"""Take noise out of weights by proof: the smallest integers near them that keep every decision.

A unit decides by the sign of `weights @ x + bias`. With integers v near the weights over a scale,
`n = v @ x` takes values of one residue class only, and the sum is `n + bias / scale` up to an
error that the declared ranges bound. Where the error never reaches the sign, v decides the same
on all inputs. What is tried is a set of scales, small integers first; what is taken is proved.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ddc.ir.exact.sources import Floats, Ints, Rows
from ddc.passes.base import Declined

LARGEST = 1 << 12  # the largest integer that a weight becomes
MULTIPLIERS = 12  # scales are tried with the least clear weight at 1, 2, …
GAPS = 8  # so many of the largest gaps between weights may part them from noise
GAP = 1.25  # weights this many times larger are no noise of each other
EPSILON = 2.0**-50
MOST_CHOICES = 64  # outputs of one argmax that are compared in pairs
MOST_WORK = 1 << 24  # weights of all pairs of outputs of one argmax
SHARES = 12  # biases of the outputs of an argmax are multiples of 1, 1/2, … of this


class NoisyError(Declined):
    """Decisions hang on weights that look like noise; the message says on which."""


@dataclass(frozen=True, eq=False)
class Ranges:
    """What values can be: `low`, `low + step`, … up to `high`; a step of 0 for constants."""

    low: Ints
    high: Ints
    step: Ints

    def take(self, columns: Ints) -> Ranges:
        """Return the ranges of some values."""
        return Ranges(self.low[columns], self.high[columns], self.step[columns])


def simplest(
    weights: Floats, bias: Fraction, ranges: Ranges, hint: float = 0.0
) -> tuple[Ints, int, float] | None:
    """Return the smallest integer weights and bias with the same decision, and their scale.

    `v @ x + b > 0` then holds for the same inputs as `weights @ x + bias > 0`, and neither sum of
    reals is 0. A hint is a scale, relative to the largest weight, that is tried first.
    """
    size = np.abs(weights)
    largest = float(size.max(initial=0.0))
    if not largest > 0:
        return None
    for scale in itertools.chain([hint * largest] if hint else [], scales(size)):
        rounded = _rounded(weights, scale)
        refined = None if rounded is None else _rounded(weights, rounded[1])
        if refined is None:
            continue
        found = _cut(weights, bias, *refined, ranges)
        if found is None:
            continue
        whole, below, above = refined[0].astype(np.int64), *found
        divisor = int(np.gcd.reduce(np.abs(whole))) or 1
        # Any integer from just above `below` to `above` is a threshold of n; 1 is the simplest.
        least, most = below // divisor + 1, -(-above // divisor)
        return whole // divisor, 1 - min(max(least, 1), most), scale / largest
    return None


def scales(size: Floats) -> Iterator[float]:
    """Yield scales for weights of these sizes, large ones first.

    Weights that no decision notices may be noise around 0: the least clear weight, or a part of
    it, is the unit, and which weights are clear is told by the gaps between their sizes.
    """
    ordered = np.unique(size[size > 0])[::-1]
    ratios = ordered[:-1] / ordered[1:]
    gaps = np.flatnonzero(ratios > GAP)
    if len(gaps) > GAPS:
        gaps = gaps[np.argsort(ratios[gaps])[-GAPS:]]
    ends = ordered[np.append(gaps, len(ordered) - 1)]
    found = {float(end) / k for end in ends for k in range(1, MULTIPLIERS + 1)}
    yield from sorted(found, reverse=True)


def _rounded(weights: Floats, scale: float) -> tuple[Floats, float] | None:
    """Return the weights over the scale as whole numbers, and the scale that fits those best."""
    whole = np.rint(weights / scale)
    norm = float(whole @ whole)
    if not norm or np.abs(whole).max() > LARGEST:
        return None
    return whole, float(weights @ whole) / norm


def _cut(
    weights: Floats, bias: Fraction, whole: Floats, scale: float, ranges: Ranges
) -> tuple[int, int] | None:
    """Return neighbours `below < above` that n can be and between which the decision changes.

    None where the noise might reach a decision. Floats bound the error from above.
    """
    low, high = ranges.low.astype(np.float64), ranges.high.astype(np.float64)
    exact = weights / scale
    apart = exact - whole
    middle, half = (low + high) / 2, (high - low) / 2
    slack = float(np.abs(exact) @ (np.abs(middle) + half)) * EPSILON * (len(exact) + 4)
    error = Fraction(float(np.abs(apart) @ half) * (1 + EPSILON) + slack)
    ratio = bias / Fraction(scale) + Fraction(float(apart @ middle))
    v = whole.astype(np.int64)
    ends = np.stack([v * ranges.low, v * ranges.high])
    least, most = int(ends.min(0).sum()), int(ends.max(0).sum())
    base, step = int(v @ ranges.low), int(np.gcd.reduce(np.abs(v * ranges.step), initial=0)) or 1
    below = base + math.floor((-ratio - base) / step) * step
    above = below + step
    if below >= least and not below + ratio + error < 0:
        return None
    if above <= most and not above + ratio - error > 0:
        return None
    # Beyond what n can be anything goes.
    if below < least:
        below = min(below, -abs(least) - abs(most) - 1)
    if above > most:
        above = max(above, abs(least) + abs(most) + 1)
    return below, above


# ---------------------------------------------------------------- the first of the greatest


def simplest_choice(rows: Rows, groups: Ints, ranges: Ranges) -> tuple[Ints, Ints] | None:
    """Return small integer weights and biases with the same first greatest unit in every group.

    `groups` [groups, units] are numbers of rows; weights are in the order of the rows' entries.
    None where no integers are proved to keep every comparison of two units of a group.
    """
    work = len(rows.weights) * groups.shape[1]
    if groups.shape[1] > MOST_CHOICES or work > MOST_WORK or not len(rows.weights):
        return None
    for scale in scales(np.abs(rows.weights)):
        rounded = _rounded(rows.weights, scale)
        refined = None if rounded is None else _rounded(rows.weights, rounded[1])
        if refined is None:
            continue
        whole, scale = refined
        bounds = _intervals(rows, groups, whole, scale, ranges)
        biases = None if bounds is None else _biases(rows, groups, scale, bounds)
        if biases is not None:
            share, bias = biases
            return whole.astype(np.int64) * share, bias
    return None


@dataclass(frozen=True, eq=False)
class _Bounds:
    """For every pair of units: `low <= bias[first] - bias[second] < high`."""

    first: Ints
    second: Ints
    low: Ints
    high: Ints


def _intervals(
    rows: Rows, groups: Ints, whole: Floats, scale: float, ranges: Ranges
) -> _Bounds | None:
    """Return how the biases of the units may differ, None where noise might decide."""
    found: list[tuple[int, int, int, int]] = []
    for group in groups.tolist():
        columns, dense, integer = _dense(rows, group, whole)
        mine = ranges.take(columns)
        for a, b in itertools.combinations(range(len(group)), 2):
            bias = Fraction(float(rows.bias[group[a]])) - Fraction(float(rows.bias[group[b]]))
            cut: tuple[int, int] | None
            if not (dense[a] != dense[b]).any():
                cut = (-1, 0) if bias >= 0 else (0, 1)
            else:
                cut = _cut(dense[a] - dense[b], bias, integer[a] - integer[b], scale, mine)
            if cut is None:
                return None
            found.append((group[a], group[b], -cut[1], -cut[0]))
    table = np.array(found, dtype=np.int64).reshape(-1, 4)
    return _Bounds(*table.T)


def _dense(rows: Rows, group: list[int], whole: Floats) -> tuple[Ints, Floats, Floats]:
    """Return the columns that a group reads, and its weights and whole weights over them."""
    parts = [slice(int(rows.starts[u]), int(rows.starts[u + 1])) for u in group]
    columns = np.unique(np.concatenate([rows.columns[p] for p in parts]))
    dense = np.zeros((len(group), len(columns)))
    integer = np.zeros_like(dense)
    for number, part in enumerate(parts):
        at = np.searchsorted(columns, rows.columns[part])
        dense[number, at], integer[number, at] = rows.weights[part], whole[part]
    return columns, dense, integer


def _biases(rows: Rows, groups: Ints, scale: float, bounds: _Bounds) -> tuple[int, Ints] | None:
    """Return the least multiple of the scale, and biases in whole parts of it, within the bounds."""
    exact = rows.bias / scale
    shifts = np.zeros(rows.count)
    shifts[groups] = exact[groups[:, :1]]
    for share in range(1, SHARES + 1):
        for wanted in (np.zeros(rows.count), exact, exact - shifts):
            bias = np.rint(wanted * share).astype(np.int64)
            apart = bias[bounds.first] - bias[bounds.second]
            if ((bounds.low * share <= apart) & (apart < bounds.high * share)).all():
                return share, bias
    return None


__all__ = ["NoisyError", "Ranges", "scales", "simplest", "simplest_choice"]
