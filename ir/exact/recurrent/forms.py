"""Affine forms: sets of values that depend on shared unknowns in -1..1, with a remainder each.

A form is `mid + sum_k gens[k] * e_k + rad * e'`, the unknowns `e_k` shared by all values of a row (they
say where in a cell of the hidden space the row is) and `e'` a new one for each value. Operations are
those of affine arithmetic (de Figueiredo and Stolfi 2004), with the smallest remainder for convex kinks
as in DeepZ (Singh et al. 2018); every rounding error is added to the remainder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

UNIT = 2.0**-53
TINY = 2.0**-1000  # what underflow may lose, many times over
UP = 1 + 2.0**-48  # more than the rounding of a dozen operations
GRAIN = (
    2.0**16
)  # weights and states in whole multiples of one over it may be added without rounding
LARGEST_WHOLE = 2.0**51
LIBM = 8  # units in the last place that tanh and exp may be off


@dataclass
class Form:
    """Values of rows: mid and rad [rows, ...], gens [rows, unknowns, ...]."""

    mid: Floats
    gens: Floats
    rad: Floats

    @staticmethod
    def exact(mid: Floats, unknowns: int) -> Form:
        """Return known values as a form."""
        return Form(
            mid, np.zeros((len(mid), unknowns, *mid.shape[1:])), np.zeros(mid.shape, dtype=float)
        )

    def spread(self) -> Floats:
        """Return how far each value may be from its mid."""
        total: Floats = np.abs(self.gens).sum(axis=1) + self.rad
        return np.where(total > 0, total * (1 + (self.gens.shape[1] + 4) * UNIT) + TINY, 0.0)

    def size(self) -> Floats:
        """Return a bound on the absolute value."""
        bound: Floats = (np.abs(self.mid) + self.spread()) * UP
        return bound

    def bounds(self) -> tuple[Floats, Floats]:
        """Return bounds below and above."""
        spread = self.spread()
        slack = np.where(spread > 0, (np.abs(self.mid) + spread) * (2 * UNIT) + TINY, 0.0)
        return self.mid - spread - slack, self.mid + spread + slack

    def at(self, rows: NDArray[np.int64]) -> Form:
        """Return the forms of some rows."""
        return Form(self.mid[rows], self.gens[rows], self.rad[rows])

    def pick(self, place: tuple[int | slice, ...]) -> Form:
        """Return some of the values of every row."""
        everything = slice(None)
        return Form(
            self.mid[(everything, *place)],
            self.gens[(everything, everything, *place)],
            self.rad[(everything, *place)],
        )

    def shaped(self, shape: tuple[int, ...]) -> Form:
        """Return the values of each row in another shape."""
        rows, unknowns = self.gens.shape[:2]
        return Form(
            self.mid.reshape(rows, *shape),
            self.gens.reshape(rows, unknowns, *shape),
            self.rad.reshape(rows, *shape),
        )


def joined(parts: Sequence[Form]) -> Form:
    """Return vectors side by side."""
    return Form(
        np.concatenate([p.mid for p in parts], axis=1),
        np.concatenate([p.gens for p in parts], axis=2),
        np.concatenate([p.rad for p in parts], axis=1),
    )


def dense(x: Form, weight: Floats, bias: Floats) -> Form:
    """Return `weight @ x + bias` for vectors x and weight [out, in]."""
    turned, absolute = weight.T, np.abs(weight.T)
    slack = (weight.shape[1] + x.gens.shape[1] + 6) * UNIT
    carried = x.rad @ absolute
    size = x.size() @ absolute + np.abs(bias)
    rad = (carried + slack * size) * UP + TINY
    rad[_without_rounding(x, weight, bias, size)] = 0.0
    return Form(x.mid @ turned + bias, x.gens @ turned, rad)


def _without_rounding(x: Form, weight: Floats, bias: Floats, size: Floats) -> Bools:
    """Tell for which rows all sums are whole multiples of a small unit and so small that none rounds."""
    none = np.zeros(len(x.mid), dtype=bool)
    if not (_whole(weight * GRAIN).all() and _whole(bias * GRAIN**2).all()):
        return none
    known = ~x.rad.any(axis=1) & ~x.gens.any(axis=(1, 2))
    short = _whole(x.mid * GRAIN).all(axis=1) & (size < 2.0**52 / GRAIN**2).all(axis=1)
    return np.asarray(known & short)


def _whole(values: Floats) -> Bools:
    return np.asarray(np.floor(values) == values)


def matrix(x: Form, low: Floats, wide: float) -> Form:
    """Return `M x` for the matrices [rows, out, in] that differ from `low` by at most `wide` an entry."""
    absolute = np.abs(low) + wide
    slack = (low.shape[2] + x.gens.shape[1] + 6) * UNIT
    size = x.size()
    carried = np.einsum("roi,ri->ro", absolute, x.rad)
    lost = slack * np.einsum("roi,ri->ro", absolute, size) + wide * size.sum(axis=1)[:, None]
    return Form(
        np.einsum("roi,ri->ro", low, x.mid),
        np.einsum("roi,rki->rko", low, x.gens),
        (carried + lost) * UP + TINY,
    )


def _aligned(a: Form, b: Form) -> tuple[Form, Form]:
    """Return both with as many axes as the larger has; a scalar goes with every entry."""
    if a.mid.ndim < b.mid.ndim:
        return a.shaped((*a.mid.shape[1:], *(1,) * (b.mid.ndim - a.mid.ndim))), b
    if a.mid.ndim > b.mid.ndim:
        return a, b.shaped((*b.mid.shape[1:], *(1,) * (a.mid.ndim - b.mid.ndim)))
    return a, b


def add(a: Form, b: Form, sign: float = 1.0) -> Form:
    """Return `a + sign * b`, sign being 1 or -1."""
    a, b = _aligned(a, b)
    mid = a.mid + sign * b.mid
    gens = a.gens + sign * b.gens
    lost = UNIT * (np.abs(mid) + np.abs(gens).sum(axis=1) * 2)
    return Form(mid, gens, (a.rad + b.rad + lost) * UP + TINY)


def mul(a: Form, b: Form) -> Form:
    """Return the product."""
    a, b = _aligned(a, b)
    wide_a, wide_b = a.spread(), b.spread()
    mid = a.mid * b.mid
    gens = a.mid[:, None] * b.gens + b.mid[:, None] * a.gens
    rad = np.abs(a.mid) * b.rad + np.abs(b.mid) * a.rad + wide_a * wide_b
    lost = 8 * UNIT * (np.abs(a.mid) + wide_a) * (np.abs(b.mid) + wide_b)
    return Form(mid, gens, (rad + lost * (1 + a.gens.shape[1])) * UP + TINY)


def _scaled(x: Form, slope: Floats, low: Floats, high: Floats) -> Form:
    """Return the form of all y with `low <= y - slope * x <= high`."""
    centre, half = (low + high) / 2, (high - low) / 2
    mid = slope * x.mid + centre
    size = np.abs(slope) * x.size() + np.abs(low) + np.abs(high)
    rad = np.abs(slope) * x.rad + half + 8 * UNIT * size * (1 + x.gens.shape[1])
    return Form(mid, slope[:, None] * x.gens, rad * UP + TINY)


def kinked(x: Form, rule: Callable[[Floats], Floats], kinks: Sequence[float]) -> Form:
    """Return a continuous function that is linear between its kinks, one operation for each value."""
    low, high = x.bounds()
    at_low, at_high = rule(low), rule(high)
    width = high - low
    slope: Floats = np.where(width > 0, (at_high - at_low) / np.where(width > 0, width, 1), 0.0)
    # Over the interval the function minus the chord is extreme at an end or at a kink.
    differences = [at_low - slope * low, at_high - slope * high]
    errors = UNIT * 4 * (np.abs(at_low) + np.abs(at_high) + np.abs(slope) * x.size())
    for kink in kinks:
        place = np.clip(kink, low, high)
        differences.append(rule(place) - slope * place)
    below = np.minimum.reduce(differences) - errors
    above = np.maximum.reduce(differences) + errors
    return _scaled(x, slope, below, above)


def relu(x: Form) -> Form:
    """Return the larger of the value and 0."""
    low, high = x.bounds()
    on, off = low >= 0, high <= 0
    open_ = ~(on | off)
    slope: Floats = np.where(on, 1.0, 0.0)
    if open_.any():
        slope[open_] = high[open_] / (high[open_] - low[open_])
    # On an open interval the function minus the chord lies between 0 and this.
    above = np.where(open_, np.maximum(-slope * low, (1 - slope) * high), 0.0) * UP
    half = above / 2
    rad = slope * x.rad + half
    if open_.any():
        lost = 8 * UNIT * ((1 + x.gens.shape[1]) * x.size() + above)
        rad = np.where(open_, rad + lost, rad)
    return Form(slope * x.mid + half, slope[:, None] * x.gens, rad * UP)


def rising(x: Form, rule: Callable[[Floats], Floats], flattest: Callable[[Floats], Floats]) -> Form:
    """Return a rising function computed by `rule` to within a few units in the last place.

    `flattest` bounds its slope from below, at an argument and everywhere nearer to 0.
    """
    low, high = x.bounds()
    ends = np.maximum(np.abs(low), np.abs(high))
    slope = flattest(ends)
    at_low, at_high = rule(low), rule(high)
    # The function minus the line rises too.
    lost = 2 * LIBM * UNIT * (1 + np.abs(slope) * x.size())
    return _scaled(x, slope, at_low - slope * low - lost, at_high - slope * high + lost)


def tanh(x: Form) -> Form:
    """Return the hyperbolic tangent."""
    return rising(x, np.tanh, lambda z: np.maximum(1 - np.tanh(z) ** 2 - 1e-14, 0) * (1 - 1e-9))


def sigmoid(x: Form) -> Form:
    """Return 1 / (1 + exp(-x))."""

    def rule(z: Floats) -> Floats:
        power = np.exp(-np.abs(z))
        value: Floats = np.where(z >= 0, 1 / (1 + power), power / (1 + power))
        return value

    def flattest(z: Floats) -> Floats:
        high = rule(z)
        return np.maximum(high * (1 - high) - 1e-14, 0) * (1 - 1e-9)

    return rising(x, rule, flattest)


def between(low: Floats, high: Floats, unknowns: int) -> Form:
    """Return all values between whole numbers; any value where one is too large to be exact."""
    found = Form.exact((low + high) / 2, unknowns)
    small = np.maximum(np.abs(low), np.abs(high)) < LARGEST_WHOLE
    found.rad = np.where(small, (high - low) / 2, np.inf)
    return found


def decided(x: Form, rule: Callable[[Floats], Floats]) -> Form:
    """Return a rising function with whole numbers as its values."""
    low, high = x.bounds()
    return between(rule(low), rule(high), x.gens.shape[1])


def first_greatest(x: Form) -> Form:
    """Return the places that may be the first greatest value of a row's vector."""
    rows = np.arange(len(x.mid))
    best = x.mid.argmax(axis=1)
    top = Form(x.mid[rows, best], x.gens[rows, :, best], x.rad[rows, best])
    off = add(
        x,
        Form(
            top.mid[:, None], top.gens[:, :, None], np.broadcast_to(top.rad[:, None], x.rad.shape)
        ),
        -1.0,
    )
    possible = ~(off.bounds()[1] < 0)
    possible[rows, best] = True
    places: Floats = np.arange(x.mid.shape[1], dtype=np.float64)
    low: Floats = np.where(possible, places, len(places)).min(axis=1)
    high: Floats = np.where(possible, places, -1.0).max(axis=1)
    return between(low, high, x.gens.shape[1])
