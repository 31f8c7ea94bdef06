"""Functions of products, remainders and quotients: written as such, and equal everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ddc.passes import logic

R = range


def told(function: Callable[..., Any], *levels: Sequence[int]) -> str:
    """Minimise a function over its table; return its text, having compared all values."""
    grid = np.meshgrid(*(np.array(axis) for axis in levels), indexing="ij")
    values = np.vectorize(function)(*grid).astype(np.int64)
    found = logic.minimise(logic.Table(tuple(map(tuple, levels)), values))
    assert np.array_equal(logic.evaluate(found, grid), values)
    return logic.text(found)


@pytest.mark.parametrize(
    ("function", "levels", "text"),
    [
        (lambda a, b: a * b, (R(7), R(7)), "x0 * x1"),
        (lambda a, b: a % b, (R(10), R(1, 10)), "x0 % x1"),
        (lambda a, b: b // a, (R(1, 6), R(8)), "x1 // x0"),
        (lambda a, b: a * b % 7, (R(7), R(7)), "(x0 * x1) % 7"),
        (lambda a, b: a * b >= 12, (R(7), R(7)), "x0 * x1 >= 12"),
        (lambda a, b: a % b == 0, (R(1, 10), R(1, 10)), "x0 % x1 == 0"),
        (lambda a, b, c: a * b < c, (R(4), R(4), R(9)), "x2 > x0 * x1"),
        (lambda a: a * a, (R(-3, 5),), "x0 * x0"),
        (lambda a, b: a * a + b * b, (R(5), R(5)), "x0 * x0 + x1 * x1"),
        (lambda a, b: a * b - a, (R(5), R(5)), "x0 * x1 - x0"),
    ],
)
def test_arithmetic_of_two_numbers_is_written_as_such(
    function: Callable[..., Any], levels: tuple[Sequence[int], ...], text: str
) -> None:
    assert told(function, *levels) == text


def test_bits_are_not_multiplied() -> None:
    assert told(lambda a, b: a * b, R(2), R(2)) == "x0 and x1"
    assert "*" not in told(lambda a, b: a * b, R(2), R(5))


def test_divisors_that_may_be_zero_are_left_alone() -> None:
    assert "x0 % x1" not in told(lambda a, b: a % b if b else 9, R(9), R(4))


def test_products_beyond_exact_numbers_are_left_alone() -> None:
    large = (0, 1 << 24, 1 << 25)
    assert "*" not in told(lambda a, b: (a > 0) * (b > 0) * 7, large, large)


def test_triangles_of_a_graph_are_a_sum_of_products() -> None:
    def triangles(a: int, b: int, c: int, d: int, e: int, f: int) -> int:
        return a * b * d + a * c * e + b * c * f + d * e * f

    text = told(triangles, *[R(2)] * 6)
    assert text.count("and") == 8 and text.count("+") == 3 and "if" not in text
