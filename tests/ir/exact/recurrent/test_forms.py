"""Enclosures against exact arithmetic: no value of a set lies outside the enclosure of its image."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc.ir.exact.recurrent import Form, forms

ROWS = 40


def sets(rng: np.random.Generator, size: int, unknowns: int, wide: float) -> Form:
    shape = (ROWS, size)
    gens = rng.normal(size=(ROWS, unknowns, size)) * wide
    return Form(rng.normal(size=shape) * 3, gens, np.abs(rng.normal(size=shape)) * wide)


def member(rng: np.random.Generator, given: Form, e: np.ndarray) -> list[list[Fraction]]:
    """Return exact members: shared unknowns e [rows, unknowns], own ones at corners or inside."""
    own = rng.choice([-1.0, 1.0, 0.0, 0.5], size=given.mid.shape)
    found: list[list[Fraction]] = []
    for r in range(len(given.mid)):
        row: list[Fraction] = []
        for i in range(given.mid.shape[1]):
            value = Fraction(given.mid[r, i]) + Fraction(given.rad[r, i]) * Fraction(own[r, i])
            for k in range(e.shape[1]):
                value += Fraction(given.gens[r, k, i]) * Fraction(e[r, k])
            row.append(value)
        found.append(row)
    return found


def encloses(found: Form, e: np.ndarray, values: list[list[Fraction]]) -> None:
    for r, row in enumerate(values):
        for i, value in enumerate(row):
            centre = Fraction(found.mid[r, i])
            for k in range(e.shape[1]):
                centre += Fraction(found.gens[r, k, i]) * Fraction(e[r, k])
            assert abs(value - centre) <= Fraction(found.rad[r, i]), (r, i)


def corners(rng: np.random.Generator, unknowns: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0, 0.25, 0.0], size=(ROWS, unknowns))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-15, 1e-6, 0.3, 4.0]))
def test_dense_and_relu(seed: int, wide: float) -> None:
    rng = np.random.default_rng(seed)
    x = sets(rng, 3, 2, wide)
    e = corners(rng, 2)
    weight, bias = rng.normal(size=(4, 3)), rng.normal(size=4)
    inner = member(rng, x, e)
    outer = [
        [sum(Fraction(w) * v for w, v in zip(ws, row)) + Fraction(b) for ws, b in zip(weight, bias)]
        for row in inner
    ]
    z = forms.dense(x, weight, bias)
    encloses(z, e, outer)
    encloses(forms.relu(z), e, [[max(v, Fraction(0)) for v in row] for row in outer])
    clipped = [[min(max(v, Fraction(-1)), Fraction(1, 2)) for v in row] for row in outer]
    encloses(forms.kinked(z, lambda v: np.clip(v, -1, 0.5), [-1, 0.5]), e, clipped)
    leaky = [[v if v >= 0 else v / 8 for v in row] for row in outer]
    encloses(forms.kinked(z, lambda v: np.where(v >= 0, v, v / 8), [0.0]), e, leaky)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-15, 1e-3, 0.5]))
def test_sums_and_products(seed: int, wide: float) -> None:
    rng = np.random.default_rng(seed)
    a, b, e = sets(rng, 2, 3, wide), sets(rng, 2, 3, wide), corners(rng, 3)
    mine, theirs = member(rng, a, e), member(rng, b, e)
    cases: list[tuple[Any, Form]] = [
        (operator.add, forms.add(a, b)),
        (operator.sub, forms.add(a, b, -1.0)),
        (operator.mul, forms.mul(a, b)),
    ]
    for rule, found in cases:
        values = [[rule(v, w) for v, w in zip(*rows)] for rows in zip(mine, theirs)]
        encloses(found, e, values)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize("wide", [1e-15, 1e-4, 0.3, 5.0])
def test_smooth_units(name: str, wide: float) -> None:
    rng = np.random.default_rng(7)
    x, e = sets(rng, 2, 2, wide), corners(rng, 2)

    digits: Any = mpmath.mp
    curves: Any = {"tanh": forms.tanh, "sigmoid": forms.sigmoid}

    def exact(v: Any) -> Any:
        return digits.tanh(v) if name == "tanh" else 1 / (1 + digits.exp(-v))

    with mpmath.workdps(60):
        values = [
            [Fraction(str(exact(mpmath.mpf(v.numerator) / v.denominator))) for v in row]
            for row in member(rng, x, e)
        ]
    encloses(curves[name](x), e, values)


def test_short_weights_do_not_round() -> None:
    x = Form.exact(np.array([[0.5, -3.0], [0.1, 1.0]]), 0)
    found = forms.dense(x, np.array([[0.25, 2.0]]), np.array([1.0]))
    assert found.rad[0, 0] == 0 and found.mid[0, 0] == -4.875
    assert found.rad[1, 0] > 0  # 0.1 has 55 places
    assert forms.relu(found).rad[0, 0] == 0


def test_argmax_keeps_all_that_may_be_greatest() -> None:
    mid = np.array([[1.0, 3.0, 2.0], [1.0, 1.0, 0.0], [5.0, 0.0, 4.5]])
    rad = np.array([[0, 0, 0], [0, 0, 0], [0.3, 0, 0.3]])
    found = forms.first_greatest(Form(mid, np.zeros((3, 0, 3)), rad))
    low, high = found.mid - found.rad, found.mid + found.rad
    assert (low[0], high[0]) == (1, 1)
    assert low[1] == 0  # a tie: the first
    assert (low[2], high[2]) == (0, 2)


def test_decisions_at_ties() -> None:
    half = Form(
        np.array([[0.5], [1.5], [0.4]]), np.zeros((3, 0, 1)), np.array([[0.0], [1e-9], [0.05]])
    )
    found = forms.decided(half, np.rint)
    assert (found.mid - found.rad).ravel().tolist() == [0, 1, 0]
    assert (found.mid + found.rad).ravel().tolist() == [0, 2, 0]
