"""Affine forms of numbered values, one for each lane of a frame of loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError
from ddc.ir.exact.sources import Ints, per_row

LARGEST = 1 << 61


@dataclass(frozen=True, eq=False)
class Frame:
    """The lanes of some loops; `lanes_of` gives for each the lane of the frame around them."""

    lanes: int
    parent: Frame | None = None
    lanes_of: Ints | None = None

    def map_to(self, outer: Frame) -> Ints:
        """Return for each lane the lane of a frame further out."""
        frame: Frame = self
        lanes = np.arange(self.lanes)
        while frame is not outer:
            assert frame.parent is not None and frame.lanes_of is not None
            lanes = frame.lanes_of[lanes]
            frame = frame.parent
        return lanes


@dataclass(frozen=True, eq=False)
class Form:
    """Sums `scale * (bias + weights * values)`; entries of lane i are `starts[i]:starts[i + 1]`."""

    starts: Ints
    columns: Ints
    weights: Ints
    bias: Ints
    scale: Fraction

    @staticmethod
    def of_numbers(numbers: Ints) -> Form:
        """Return the values themselves."""
        count = len(numbers)
        ones, none = np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        return Form(np.arange(count + 1), numbers, ones, none, Fraction(1))

    @property
    def lanes(self) -> int:
        """The number of sums."""
        return len(self.bias)

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.columns)

    @property
    def owners(self) -> Ints:
        """The lane of each entry."""
        return np.repeat(np.arange(self.lanes), np.diff(self.starts))

    def take(self, lanes: Ints, inside: NDArray[np.bool_] | None = None) -> Form:
        """Return these lanes; those not inside are 0."""
        counts = np.diff(self.starts)[lanes]
        bias = self.bias[lanes]
        if inside is not None and not inside.all():
            counts, bias = np.where(inside, counts, 0), np.where(inside, bias, 0)
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        offset = np.arange(total) - np.repeat(ends - counts, counts)
        at = np.repeat(self.starts[:-1][lanes], counts) + offset
        starts = np.concatenate([[0], ends])
        return Form(starts, self.columns[at], self.weights[at], bias, self.scale)

    def summed(self, lanes: Ints, count: int) -> Form:
        """Return sums of lanes: lane i goes to `lanes[i]`, which does not fall."""
        fan_in = np.zeros(count, dtype=np.int64)
        np.add.at(fan_in, lanes, np.diff(self.starts))
        bias = np.zeros(count, dtype=np.int64)
        np.add.at(bias, lanes, self.bias)
        starts = np.concatenate([[0], np.cumsum(fan_in)])
        return Form(starts, self.columns, self.weights, bias, self.scale)

    def scaled(self, scale: Fraction) -> Form:
        """Return the same sums with a scale that divides this one."""
        factor = self.scale / scale
        if factor == 1:
            return self
        assert factor.denominator == 1
        weights = _times(self.weights, factor.numerator)
        return Form(self.starts, self.columns, weights, _times(self.bias, factor.numerator), scale)

    def plus(self, other: Form, factor: int) -> Form:
        """Return this + factor * other."""
        other = other.times(Fraction(factor))
        scale = _common(self.scale, other.scale)
        a, b = self.scaled(scale), other.scaled(scale)
        if not b.size:
            return replace(a, bias=a.bias + b.bias)
        owners = np.concatenate([a.owners, b.owners])
        order = np.argsort(owners, kind="stable")
        columns = np.concatenate([a.columns, b.columns])[order]
        weights = np.concatenate([a.weights, b.weights])[order]
        starts = a.starts + b.starts
        return Form(starts, columns, weights, a.bias + b.bias, scale)

    def times(self, factor: Fraction) -> Form:
        """Return a multiple."""
        if factor == 1:
            return self
        numerator = factor.numerator
        scale = self.scale / factor.denominator
        weights = _times(self.weights, numerator)
        return Form(self.starts, self.columns, weights, _times(self.bias, numerator), scale)

    def product(self, other: Form) -> Form:
        """Return the product; one of the two has to be a constant in every lane."""
        one, two = (self, other) if not self.size else (other, self)
        if one.size:
            raise DdcError("a product of values is no unit")
        scale = one.scale * two.scale
        largest = int(np.abs(one.bias).max(initial=0))
        most = int(np.abs(two.weights).max(initial=1)), int(np.abs(two.bias).max(initial=1))
        if largest * max(most) > LARGEST:
            raise DdcError("a weight is too large")
        weights = two.weights * np.repeat(one.bias, np.diff(two.starts))
        return Form(two.starts, two.columns, weights, two.bias * one.bias, scale)

    def merged(self) -> Form:
        """Return the form with columns increasing in each lane, each once, no weight 0."""
        owners = self.owners
        order = np.lexsort((self.columns, owners))
        owners, columns, weights = owners[order], self.columns[order], self.weights[order]
        fresh = np.ones(len(columns), dtype=bool)
        fresh[1:] = (owners[1:] != owners[:-1]) | (columns[1:] != columns[:-1])
        place = np.flatnonzero(fresh)
        if len(place):
            weights = np.add.reduceat(weights, place)
        kept = weights != 0
        owners, columns, weights = owners[place][kept], columns[place][kept], weights[kept]
        starts = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=self.lanes))])
        return Form(starts, columns, weights, self.bias, self.scale)

    def unscaled(self) -> Form:
        """Return the form with integers without a common factor and scale 1, for all lanes."""
        divisor = int(np.gcd.reduce(np.abs(self.weights), initial=0))
        divisor = math.gcd(divisor, int(np.gcd.reduce(np.abs(self.bias), initial=0))) or 1
        if self.scale < 0:
            divisor = -divisor
        return replace(
            self, weights=self.weights // divisor, bias=self.bias // divisor, scale=Fraction(1)
        )

    def same(self, other: Form) -> NDArray[np.bool_]:
        """Tell for each lane whether two merged forms with one scale are equal."""
        counts = np.diff(self.starts)
        result: NDArray[np.bool_] = (counts == np.diff(other.starts)) & (self.bias == other.bias)
        lanes = np.flatnonzero(result)
        a, b = self.take(lanes), other.take(lanes)
        wrong = (a.columns != b.columns) | (a.weights != b.weights)
        bad = np.zeros(len(lanes), dtype=bool)
        bad[a.owners[wrong]] = True
        result[lanes[bad]] = False
        return result

    def equals(self, other: Form) -> bool:
        """Tell whether two forms are the same sums."""
        scale = _common(self.scale, other.scale)
        a, b = self.scaled(scale).merged(), other.scaled(scale).merged()
        return a.lanes == b.lanes and bool(a.same(b).all())


@dataclass(frozen=True, eq=False)
class Decision:
    """A comparison of sums with 0: the values for negative ones, 0 and positive ones."""

    form: Form
    outcomes: tuple[int, int, int]

    @property
    def size(self) -> int:
        """The number of entries."""
        return 0

    def take(self, lanes: Ints) -> Decision:
        """Return these lanes."""
        return Decision(self.form.take(lanes), self.outcomes)

    def less(self, other: Decision) -> Decision | None:
        """Return this less another decision by the same sums or their negatives, else None.

        `(z > 0) - (z < 0)` is the sign of z.
        """
        if self.form.equals(other.form):
            theirs = other.outcomes
        elif self.form.equals(other.form.times(Fraction(-1))):
            theirs = other.outcomes[::-1]
        else:
            return None
        below, tie, above = (a - b for a, b in zip(self.outcomes, theirs))
        return Decision(self.form, (below, tie, above))


Value = Form | Decision


def constant(values: Ints) -> Form:
    """Return constants, one for each lane."""
    none = np.zeros(0, dtype=np.int64)
    starts = np.zeros(len(values) + 1, dtype=np.int64)
    return Form(starts, none, none, values.astype(np.int64), Fraction(1))


def literal(value: int | Fraction, lanes: int) -> Form:
    """Return one number in every lane."""
    number = Fraction(value)
    if abs(number.numerator) > LARGEST:
        raise DdcError("a number is too large")
    form = constant(np.full(lanes, number.numerator, dtype=np.int64))
    return replace(form, scale=Fraction(1, number.denominator))


def joined(forms: Sequence[Form]) -> Form:
    """Return the lanes of several forms one after the other."""
    scale = forms[0].scale
    for form in forms[1:]:
        scale = _common(scale, form.scale)
    parts = [form.scaled(scale) for form in forms]
    counts = np.concatenate([np.diff(p.starts) for p in parts])
    return Form(
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([p.columns for p in parts]),
        np.concatenate([p.weights for p in parts]),
        np.concatenate([p.bias for p in parts]),
        scale,
    )


def canonical(form: Form, outcomes: Ints) -> tuple[Form, Ints]:
    """Return merged coprime forms of comparisons whose value rises, and their outcomes.

    `outcomes` [lanes, 3]. The normal form of `ddc.passes.families.integers`: a sum that cannot be
    0, or whose tie goes with one side, is compared as `sum > 0`.
    """
    form = form.merged()
    if form.scale.numerator != 1:
        form = form.scaled(Fraction(1, form.scale.denominator))
    falling = outcomes[:, 2] < outcomes[:, 0]
    sign = np.where(falling, -1, 1)
    outcomes = np.where(falling[:, None], outcomes[:, ::-1], outcomes)
    below, tie, above = outcomes.T
    counts = np.diff(form.starts)
    divisor = per_row(np.gcd, np.abs(form.weights), form.starts, 1)
    weights = form.weights // np.repeat(divisor * sign, counts)
    offset = form.bias * sign
    two = (offset % divisor != 0) | (below == tie) | (above == tie)
    weak = (tie == above) & (above != below)
    strict, weaker = -(-offset // divisor), offset // divisor + 1
    bias = np.where(two, np.where(weak, weaker, strict), offset // divisor)
    outcomes = outcomes.copy()
    outcomes[two, 1] = below[two]
    return Form(form.starts, form.columns, weights, bias, Fraction(1)), outcomes


def _common(a: Fraction, b: Fraction) -> Fraction:
    if a == b:
        return a
    bottom = math.lcm(a.denominator, b.denominator)
    return Fraction(math.gcd(int(a * bottom), int(b * bottom)), bottom)


def _times(values: Ints, factor: int) -> Ints:
    if abs(factor) > LARGEST or int(np.abs(values).max(initial=0)) * abs(factor) > LARGEST:
        raise DdcError("a weight is too large")
    return values * factor
