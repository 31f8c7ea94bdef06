"""Planes of digits against Python ints, and enclosures of tanh against mpmath."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddc.ir.exact import planes as big
from ddc.ir.exact.intervals import tanh_enclosure
from ddc.ir.exact.sources import Rows

INTS = st.lists(st.integers(-(2**200), 2**200), min_size=1, max_size=5)


@given(INTS, INTS, st.integers(-(2**70), 2**70))
def test_arithmetic_of_planes(a: list[int], b: list[int], factor: int) -> None:
    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    x, y = big.from_ints(a, (count,)), big.from_ints(b, (count,))
    assert big.to_ints(x).tolist() == a
    assert big.to_ints(big.plus(x, y)).tolist() == [v + w for v, w in zip(a, b)]
    assert big.to_ints(big.plus(x, y, -1)).tolist() == [v - w for v, w in zip(a, b)]
    assert big.to_ints(big.times(x, factor)).tolist() == [v * factor for v in a]
    difference = big.sign(big.plus(x, y, -1)).tolist()
    assert difference == [(v > w) - (v < w) for v, w in zip(a, b)]
    assert big.to_ints(big.stack([x, y])).tolist() == a + b


@given(st.lists(st.floats(-(2.0**60), 2.0**60, allow_subnormal=True), min_size=1, max_size=6))
def test_floats_as_planes(values: list[float]) -> None:
    planes = big.from_floats(np.array(values), -1074)
    assert big.to_ints(planes).tolist() == [int(Fraction(v) * 2**1074) for v in values]


@pytest.mark.parametrize("width", [3, 300])
def test_products_with_sparse_and_dense_matrices(width: int) -> None:
    rng = np.random.default_rng(width)
    units = 1000 if width == 300 else 4
    columns = np.sort(rng.choice(width, size=(units, 2)), axis=1)  # a column may occur twice
    weights = np.ldexp(
        rng.integers(-(2**52), 2**52, size=units * 2), -rng.integers(0, 90, units * 2)
    )
    rows = Rows(width, np.arange(0, 2 * units + 1, 2), columns.ravel(), weights, np.zeros(units))
    x = [int(v) << int(s) for v, s in zip(rng.integers(-9, 9, width), rng.integers(0, 99, width))]
    matrix = big.BigMatrix(rows, -200)
    assert (matrix.dense is None) == (width == 300)
    found = big.to_ints(matrix(big.from_ints(x, (width, 1))))[:, 0].tolist()
    whole = [int(Fraction(w) * 2**200) for w in weights.tolist()]
    pairs = columns.tolist()
    assert found == [
        whole[2 * u] * x[pairs[u][0]] + whole[2 * u + 1] * x[pairs[u][1]] for u in range(units)
    ]


@pytest.mark.parametrize("precision", [96, 192, 1000])
def test_enclosures_of_tanh(precision: int) -> None:
    rng = np.random.default_rng(precision)
    for size in (-80, -20, -3, 0, 2, 5, 9, 40):
        for _ in range(10):
            x = int(rng.integers(-(1 << 40), 1 << 40)) << max(0, precision + size - 40)
            low, high = tanh_enclosure(x, x, precision)
            with mpmath.workprec(3 * precision + 200):
                exact = mpmath.tanh(mpmath.ldexp(x, -precision)) * mpmath.mpf(2) ** precision
                assert low <= exact <= high
            assert high - low <= 2
    low, high = tanh_enclosure(-(1 << precision), 1 << precision, precision)
    assert low == -high
