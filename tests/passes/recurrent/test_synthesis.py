"""The search for expressions, against functions that are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ddc.passes import logic
from ddc.passes.recurrent.synthesis import explain

Ints = NDArray[np.int64]

RNG = np.random.default_rng(0)
A, B, C = (RNG.integers(-19, 20, size=3000) for _ in range(3))

CASES: list[tuple[Ints, int]] = [
    (np.where(A != C, B - A, A), 11),
    (np.maximum(np.maximum(A, B), C), 5),
    (np.abs(A - C), 7),
    ((A + B <= C).astype(np.int64), 6),
    ((A + 2 * B + C + 3) % 5, 9),
    (np.clip(A + B, 0, 4), 7),
    (np.where(C > B, 0, A + 1), 12),
    (np.maximum(A - 2, B), 5),
    (np.maximum(A, B) - np.minimum(B, C), 7),
    (((A > B) & (B > C)).astype(np.int64), 9),
    (np.abs(A) - np.abs(B), 9),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_short_expressions_are_found(case: int) -> None:
    wanted, cost = CASES[case]
    found = explain([A, B, C], wanted)
    assert found is not None and logic.cost(found) <= cost
    fresh = RNG.integers(-19, 20, size=(3, 1000))
    np.testing.assert_array_equal(logic.evaluate(found, [A, B, C]), wanted)
    assert logic.evaluate(found, list(fresh)).shape == (1000,)


def test_noise_is_no_expression() -> None:
    assert explain([A, B], RNG.integers(0, 1000, size=3000), 20) is None
