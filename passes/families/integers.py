"""Units as integers: coprime weights, one normal form of each comparison, noise taken out by proof.

A unit compares `weights @ x + bias` with 0. Scaling by a positive number changes nothing, so
binary fractions become coprime integers; over integers a sum that cannot be 0 has two outcomes.
Weights that carry noise are replaced by the smallest integers near them only where no decision
on the declared ranges can change: the noise then moves the sum by less than its distance to the
nearest value that it can take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir.exact.activation import Activation
from ddc.ir.exact.sources import Floats, Ints, Rows, per_row
from ddc.passes.base import Declined

from .noise import NoisyError, Ranges, simplest, simplest_choice

Bools = NDArray[np.bool_]

NOISY = 1 << 12  # coprime weights beyond this look like noise on smaller ones
TRIED = 16  # units after which a layer is given up where none is simpler


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
    def noisy(self) -> int:
        """The number of units whose weights share no small scale, powers of two aside."""
        odd = np.abs(self.weights) // np.maximum(self.weights & -self.weights, 1)
        return int((per_row(np.maximum, odd, self.starts, 0) > NOISY).sum())

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


def comparing(rows: Rows, activation: Activation, ranges: Ranges) -> Units:
    """Return comparison units in normal form; `ranges` are those of all values."""
    bias, exact = _minus(rows.bias, activation.cut)
    weights, offset, fits = _binary(rows, bias, per_unit=True)
    fits &= exact
    weights, offset, outcomes = _normal(rows, weights, offset, activation.outcomes)
    largest = per_row(np.maximum, np.abs(weights), rows.starts, 0)
    noisy = ~fits | (largest > NOISY)
    found = Units(rows.starts, rows.columns, weights, offset, outcomes)
    if noisy.any():
        bounds = [Fraction(b) - activation.cut for b in rows.bias.tolist()]
        found, done = _simplified(found, rows, bounds, activation.outcomes, noisy, ranges)
        if bool((~fits & ~done).any()):
            raise NoisyError("a unit's weights have no short common scale")
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
    bias, exact = _minus(rows.bias, activation.cut)
    weights, offset, fits = _binary(rows, bias, per_unit=False)
    if not (fits & exact).all():
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


def linear(rows: Rows, groups: Ints | None = None, ranges: Ranges | None = None) -> Units:
    """Return linear units: integers with one scale for all of them.

    With groups [groups, units] only the first greatest unit of each group matters: noise on the
    weights is taken out where that changes no such choice.
    """
    weights, offset, fits = _binary(rows, rows.bias, per_unit=False)
    if groups is not None and ranges is not None:
        numbers = np.concatenate([weights, offset])
        common = int(np.gcd.reduce(np.abs(numbers), initial=0)) or 1
        noisy = not fits.all() or np.abs(numbers).max(initial=0) // common > NOISY
        found = simplest_choice(rows, groups, ranges) if noisy else None
        if found is not None:
            units = Units(rows.starts, rows.columns, *found, None)
            return _without_zeros(units, np.ones(rows.count, dtype=bool))
    if not fits.all():
        raise NoisyError("the weights of the outputs have no short common scale")
    scale = _unit_of(rows.weights, rows.bias)
    divisor = int(np.gcd.reduce(np.abs(np.concatenate([weights, offset])))) or 1
    return Units(
        rows.starts, rows.columns, weights // divisor, offset // divisor, None, scale * divisor
    )


def _minus(bias: Floats, cut: Fraction) -> tuple[Floats, Bools]:
    """Return the biases less a cut as floats, and which of them are exact."""
    if not cut:
        return bias, np.ones(len(bias), dtype=bool)
    exact = [Fraction(b) - cut for b in bias.tolist()]
    nearest = np.array([float(b) for b in exact])
    same = [Fraction(n) == b for n, b in zip(nearest.tolist(), exact)]
    return nearest, np.array(same, dtype=bool)


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
    bias: Sequence[Fraction],
    outcomes: tuple[int, int, int],
    noisy: Bools,
    ranges: Ranges,
) -> tuple[Units, Bools]:
    """Return the units with simpler weights wherever that provably changes no decision, and which."""
    assert units.outcomes is not None
    weights, offset, shown = units.weights.copy(), units.bias.copy(), units.outcomes.copy()
    done = np.zeros(units.count, dtype=bool)
    hints: dict[int, float] = {}
    for tried, unit in enumerate(np.flatnonzero(noisy).tolist()):
        if tried >= TRIED and not done.any():
            break
        part = slice(int(rows.starts[unit]), int(rows.starts[unit + 1]))
        fan_in = part.stop - part.start
        found = simplest(
            rows.weights[part], bias[unit], ranges.take(rows.columns[part]), hints.get(fan_in, 0.0)
        )
        if found is None:
            continue
        weights[part], offset[unit], hints[fan_in] = found
        shown[unit, 1] = outcomes[0]  # the sum is never 0
        done[unit] = True
    return _without_zeros(replace(units, weights=weights, bias=offset, outcomes=shown), done), done


def _without_zeros(units: Units, done: Bools) -> Units:
    """Return the units without weights of 0, and how many were simplified."""
    kept = units.weights != 0
    counts = np.bincount(units.owners[kept], minlength=units.count)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return replace(
        units,
        starts=starts,
        columns=units.columns[kept],
        weights=units.weights[kept],
        simplified=int(done.sum()),
    )
