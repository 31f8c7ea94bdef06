"""Units as integers: coprime weights, one normal form of each comparison, noise taken out by proof.

A unit compares `weights @ x + bias` with 0. Scaling by a positive number changes nothing, so
binary fractions become coprime integers; over integers a sum that cannot be 0 has two outcomes.
Weights that carry noise are replaced by the smallest integers near them only where no decision
on the declared ranges can change: the noise then moves the sum by less than its distance to the
nearest value that it can take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir.exact.activation import Activation
from ddc.ir.exact.sources import Floats, Ints, Rows, per_row
from ddc.passes.base import Declined

Bools = NDArray[np.bool_]

NOISY = 1 << 12  # coprime weights beyond this look like noise on smaller ones
TRIED = 16  # units after which a layer is given up where none is simpler
MULTIPLIERS = 12  # the simplest weights are tried with the least one at 1, 2, …


@dataclass(frozen=True, eq=False)
class Units:
    """Units with integer weights: entries `starts[u]:starts[u + 1]`, columns increasing.

    `outcomes` [units, 3] are the values for a negative sum, 0 and a positive one. Of linear units
    the value is `scale` times the sum, and outcomes is None. `simplified` counts the units whose
    weights were replaced by simpler ones.
    """

    starts: Ints
    columns: Ints
    weights: Ints
    bias: Ints
    outcomes: Ints | None
    scale: Fraction = Fraction(1)
    simplified: int = 0

    @property
    def count(self) -> int:
        """The number of units."""
        return len(self.bias)

    @property
    def owners(self) -> Ints:
        """The unit of each entry."""
        return np.repeat(np.arange(self.count), np.diff(self.starts))


def merged(rows: Rows) -> Rows:
    """Return the rows with increasing columns, each once."""
    owners, columns = rows.owners, rows.columns
    later = (owners[1:] == owners[:-1]) & (columns[1:] <= columns[:-1])
    if not later.any():
        return rows
    order = np.lexsort((columns, owners))
    owners, columns, weights = owners[order], columns[order], rows.weights[order]
    fresh = np.ones(len(columns), dtype=bool)
    fresh[1:] = (owners[1:] != owners[:-1]) | (columns[1:] != columns[:-1])
    if not fresh.all():
        place = np.flatnonzero(fresh)
        summed = np.add.reduceat(weights, place)
        exact = np.add.reduceat(np.abs(weights), place) <= 2.0**53
        if not (exact & (summed == np.rint(summed))).all():
            raise Declined("a unit reads one value twice with weights that are not whole numbers")
        owners, columns, weights = owners[place], columns[place], summed
    kept = weights != 0
    counts = np.bincount(owners[kept], minlength=rows.count)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Rows(rows.width, starts, columns[kept], weights[kept], rows.bias)


def comparing(rows: Rows, activation: Activation, low: Ints, high: Ints) -> Units:
    """Return comparison units in normal form; `low`, `high` are the ranges of all values."""
    bias = _minus(rows.bias, activation.cut)
    weights, offset, fits = _binary(rows, bias, per_unit=True)
    weights, offset, outcomes = _normal(rows, weights, offset, activation.outcomes)
    largest = per_row(np.maximum, np.abs(weights), rows.starts, 0)
    noisy = ~fits | (largest > NOISY)
    found = Units(rows.starts, rows.columns, weights, offset, outcomes)
    if noisy.any():
        found, done = _simplified(found, rows, bias, activation.outcomes, noisy, low, high)
        if bool((~fits & ~done).any()):
            raise Declined("a unit's weights have no short common scale")
    return _upright(found)


def alike(units: Units, rows: Rows, activation: Activation) -> Units | None:
    """Return units that differ in normal form only in what their ties do, with all ties kept.

    Biases that are odd and even in turn make such units; written alike they are one family. None
    where the normal form is uniform already, or noise was taken out.
    """
    below, tie, above = activation.outcomes
    if units.outcomes is None or units.simplified or tie in (below, above) or above < below:
        return None
    if (units.outcomes == units.outcomes[:1]).all():
        return None
    weights, offset, fits = _binary(rows, _minus(rows.bias, activation.cut), per_unit=False)
    if not fits.all():
        return None
    divisor = max(int(np.gcd.reduce(np.abs(np.concatenate([weights, offset])))), 1)
    outcomes = np.tile(np.array(activation.outcomes, dtype=np.int64), (rows.count, 1))
    return Units(rows.starts, rows.columns, weights // divisor, offset // divisor, outcomes)


def _normal(
    rows: Rows, weights: Ints, offset: Ints, outcomes: tuple[int, int, int]
) -> tuple[Ints, Ints, Ints]:
    """Return coprime weights, biases and outcomes [units, 3] in normal form."""
    divisor = np.maximum(per_row(np.gcd, np.abs(weights), rows.starts, 1), 1)
    weights = weights // np.repeat(divisor, rows.fan_in)
    below, tie, above = outcomes
    shown = np.tile(np.array(outcomes, dtype=np.int64), (rows.count, 1))
    # Over integers `g*n + b > 0` is `n + ceil(b/g) > 0`, and `>= 0` is `n + floor(b/g) + 1 > 0`.
    strict, weak = -(-offset // divisor), offset // divisor + 1
    two = (offset % divisor != 0) | (tie in (below, above))
    offset = np.where(two, weak if tie == above != below else strict, offset // divisor)
    shown[two, 1] = below
    return weights, offset, shown


def linear(rows: Rows) -> Units:
    """Return linear units: integers with one scale for all of them."""
    weights, offset, fits = _binary(rows, rows.bias, per_unit=False)
    if not fits.all():
        raise Declined("the weights of the outputs have no short common scale")
    scale = _unit_of(rows.weights, rows.bias)
    divisor = int(np.gcd.reduce(np.abs(np.concatenate([weights, offset])))) or 1
    return Units(
        rows.starts, rows.columns, weights // divisor, offset // divisor, None, scale * divisor
    )


def _minus(bias: Floats, cut: Fraction) -> Floats:
    if not cut:
        return bias
    exact = [Fraction(b) - cut for b in bias.tolist()]
    nearest = np.array([float(b) for b in exact])
    if any(Fraction(n) != b for n, b in zip(nearest.tolist(), exact)):
        raise Declined("a unit is compared with a number that is no binary64 number")
    return nearest


def _lowest(values: Floats) -> tuple[Ints, Ints, Ints]:
    """Return odd integers m and exponents e with value = m * 2**e, and the top exponents."""
    mantissa, top = np.frexp(values)
    whole = (mantissa * 2.0**53).astype(np.int64)
    last = whole & -whole
    zeros = np.zeros(len(whole), dtype=np.int64)
    some = whole != 0
    zeros[some] = np.log2(last[some].astype(np.float64)).astype(np.int64)
    top = top.astype(np.int64)
    return (
        whole >> zeros,
        np.where(some, top - 53 + zeros, 1 << 20),
        np.where(some, top, -(1 << 20)),
    )


def _unit_of(weights: Floats, bias: Floats) -> Fraction:
    _, lowest, _ = _lowest(np.concatenate([weights, bias]))
    least = int(lowest.min(initial=0)) if len(lowest) else 0
    return Fraction(2) ** min(least, 0)


def _binary(rows: Rows, bias: Floats, per_unit: bool) -> tuple[Ints, Ints, Bools]:
    """Return weights and biases as integers, scaled by powers of two, and which units fit."""
    if _whole(rows.weights) and _whole(bias):
        return rows.weights.astype(np.int64), bias.astype(np.int64), np.ones(rows.count, bool)
    m, low, top = _lowest(rows.weights)
    bm, blow, btop = _lowest(bias)
    least = np.minimum(per_row(np.minimum, low, rows.starts, 1 << 20), blow)
    most = np.maximum(per_row(np.maximum, top, rows.starts, -(1 << 20)), btop)
    least = np.minimum(least, 0) if not per_unit else np.where(least > 1 << 19, 0, least)
    if not per_unit and len(least):
        least, most = np.full_like(least, least.min()), np.full_like(most, most.max())
    span = most - least + 2
    if per_unit:  # room for the sums of a comparison
        span += np.ceil(np.log2(rows.fan_in + 2)).astype(np.int64)
    fits = span < 62
    shift = np.where(fits, -least, 0)
    each = np.repeat(shift, rows.fan_in) + low
    each = np.where(np.repeat(fits, rows.fan_in), each, 0)
    own = np.where(fits & (bm != 0), shift + blow, 0)
    return m << np.maximum(each, 0), bm << np.maximum(own, 0), fits


def _whole(values: Floats) -> bool:
    return bool((values == np.rint(values)).all()) and bool((np.abs(values) <= 2.0**31).all())


def _upright(units: Units) -> Units:
    """Negate units whose value falls with the sum."""
    assert units.outcomes is not None
    below, _, above = units.outcomes.T
    falling = above < below
    if not falling.any():
        return units
    sign = np.where(falling, -1, 1)
    outcomes = np.where(falling[:, None], units.outcomes[:, ::-1], units.outcomes)
    # `-z >= 0` over integers is `-z + 1 > 0`.
    weak = falling & (outcomes[:, 1] == outcomes[:, 2])
    bias = units.bias * sign + weak
    outcomes = outcomes.copy()
    outcomes[weak, 1] = outcomes[weak, 0]
    weights = units.weights * np.repeat(sign, np.diff(units.starts))
    return Units(units.starts, units.columns, weights, bias, outcomes, simplified=units.simplified)


# ---------------------------------------------------------------- noise


def _simplified(
    units: Units,
    rows: Rows,
    bias: Floats,
    outcomes: tuple[int, int, int],
    noisy: Bools,
    low: Ints,
    high: Ints,
) -> tuple[Units, Bools]:
    """Return the units with simpler weights wherever that provably changes no decision, and which."""
    assert units.outcomes is not None
    weights, offset, shown = units.weights.copy(), units.bias.copy(), units.outcomes.copy()
    done = np.zeros(units.count, dtype=bool)
    for tried, unit in enumerate(np.flatnonzero(noisy).tolist()):
        if tried >= TRIED and not done.any():
            break
        part = slice(int(rows.starts[unit]), int(rows.starts[unit + 1]))
        columns = rows.columns[part]
        found = _simplest(rows.weights[part], float(bias[unit]), low[columns], high[columns])
        if found is None:
            continue
        weights[part], offset[unit] = found
        shown[unit, 1] = outcomes[0]  # the sum is never 0
        done[unit] = True
    kept = weights != 0
    starts = np.concatenate(
        [[0], np.cumsum(np.bincount(units.owners[kept], minlength=units.count))]
    )
    count = int(done.sum())
    found_units = Units(starts, units.columns[kept], weights[kept], offset, shown, simplified=count)
    return found_units, done


def _simplest(weights: Floats, bias: float, low: Ints, high: Ints) -> tuple[Ints, int] | None:
    """Return the smallest integer weights and bias with the same decision on the whole box."""
    size = np.abs(weights)
    extent = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    if not len(size) or not size.max() > 0:
        return None
    # Weights that the box cannot notice may be noise around 0: the least clear one is the unit.
    clear = size[size > size.max() * 1e-3]
    for multiplier in range(1, MULTIPLIERS + 1):
        scale = float(clear.min()) / multiplier
        rounded = _rounded(weights, scale)
        refined = None if rounded is None else _rounded(weights, rounded[1])
        if refined is None:
            continue
        found = _margin(weights, bias, *refined, extent, low, high)
        if found is not None:
            return found
    return None


def _rounded(weights: Floats, scale: float) -> tuple[Floats, float] | None:
    """Return the weights over the scale as whole numbers, and the scale that fits those best."""
    whole = np.rint(weights / scale)
    norm = float(whole @ whole)
    if not norm or np.abs(whole).max() > NOISY:
        return None
    return whole, float(weights @ whole) / norm


def _margin(
    weights: Floats,
    bias: float,
    whole: Floats,
    scale: float,
    extent: Floats,
    low: Ints,
    high: Ints,
) -> tuple[Ints, int] | None:
    """Return coprime weights and a bias if the noise can never reach the next integer.

    `weights @ x + bias` has the sign of `n + bias / scale + e` with the integer n = `whole @ x`
    and |e| at most the error below; exact rational arithmetic throughout.
    """
    step = Fraction(scale)
    error = Fraction(0)
    for w, v, most in zip(weights.tolist(), whole.tolist(), extent.tolist()):
        error += abs(Fraction(w) / step - int(v)) * int(most)
    ratio = Fraction(bias) / step
    divisor = math.gcd(*(int(v) for v in whole.tolist())) or 1
    ends = [
        (int(v) * lo, int(v) * hi) for v, lo, hi in zip(whole.tolist(), low.tolist(), high.tolist())
    ]
    least, most_ = sum(min(e) for e in ends), sum(max(e) for e in ends)
    # n takes values of one residue class modulo the divisor (0: whole weights times integers).
    below = math.floor(-ratio / divisor) * divisor  # the greatest n with n + ratio <= 0
    above = below + divisor
    if below >= least and not below + ratio + error < 0:
        return None
    if above <= most_ and not above + ratio - error > 0:
        return None
    return whole.astype(np.int64) // divisor, 1 - above // divisor
