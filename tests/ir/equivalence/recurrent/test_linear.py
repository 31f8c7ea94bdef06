"""Horizons of affine networks, known by summing their errors by hand, in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ddc.ir.equivalence.recurrent import Budget, decide

from .cells import affine_cell, mapped, scan

DIGIT = "int<0..9>"
DIGITS = np.arange(10)[:, None]
TOTAL = scan("%s: int = 0", "    %n = add %s, %v\n    next %n\n    yield %n", DIGIT)
SAME = mapped("    %a = load %x[%i]\n    yield %a", DIGIT)


@pytest.mark.parametrize("power", [6, 9, 12])
def test_a_growing_accumulator_parts_at_the_first_possible_step(power: int) -> None:
    growth = 1 + Fraction(1, 2**power)
    network = affine_cell([[float(growth), 1]], [0], [[1]], [0])
    length, error = 0, Fraction(0)
    while error < Fraction(1, 2):
        error += 9 * (growth**length - 1)
        length += 1
    found = decide(TOTAL, network, DIGITS, 6, Budget(5.0))
    assert not found.always and found.length == length - 1
    # The last letter is read with weight 1 by both: it does not matter.
    assert found.word is not None and found.word.tolist()[:-1] == [9] * (length - 1)


def test_a_shrinking_accumulator_too() -> None:
    network = affine_cell([[1 - 2.0**-8, 1]], [0], [[1]], [0])
    found = decide(TOTAL, network, DIGITS, 6, Budget(5.0))
    keep, error, length = 1 - Fraction(1, 256), Fraction(0), 0
    while error < Fraction(1, 2):
        error += 9 * (1 - keep**length)
        length += 1
    assert found.word is not None and len(found.word) == length == found.length + 1


@pytest.mark.parametrize(("leak", "always"), [(3 / 64, True), (13 / 256, True), (14 / 256, False)])
def test_the_tail_decides(leak: float, always: bool) -> None:
    """The error of y = x with a leak r is at most 9 (r + r^2 + ...) = 9 r / (1 - r), reached by nines."""
    assert (9 * Fraction(leak) / (1 - Fraction(leak)) < Fraction(1, 2)) == always
    found = decide(SAME, affine_cell([[leak, 1]], [0], [[1]], [0]), DIGITS, 6, Budget(5.0))
    assert found.always == always
    if not always:
        error, length = Fraction(0), 1
        while error < Fraction(1, 2):
            error += 9 * Fraction(leak) ** length
            length += 1
        assert found.word is not None and len(found.word) == length
        assert found.word.tolist()[:-1] == [9] * (length - 1)


def test_exact_integer_weights_are_equal_for_ever() -> None:
    # Position and velocity in another basis: h = (p + v, v).
    network = affine_cell([[1, 1, 2], [0, 1, 1]], [0, 0], [[1, -1]], [0])
    newton = scan(
        "%p: int = 0, %w: int = 0",
        "    %n = add %w, %v\n    %q = add %p, %n\n    next %q, %n\n    yield %q",
        DIGIT,
    )
    found = decide(newton, network, DIGITS, 6, Budget(5.0))
    assert found.always and found.how == "equal realisations"
    off = affine_cell([[1, 1, 2], [0, 1, 1]], [0, 2.0**-12], [[1, -1]], [0])
    late = decide(newton, off, DIGITS, 6, Budget(5.0))
    # Each step adds 1 / 4096 to v: p is off by t (t + 1) / 2 of them, less what v is itself.
    assert not late.always and late.word is not None
    error = next(t for t in range(99) if t * (t + 1) / 2 / 4096 >= 0.5)
    assert abs(len(late.word) - error) <= 2


def test_constant_offsets_below_a_half_do_not_matter() -> None:
    assert decide(
        SAME, affine_cell([[0, 1]], [0.25], [[1]], [0.125]), DIGITS, 6, Budget(5.0)
    ).always
    found = decide(SAME, affine_cell([[0, 1]], [0.5], [[1]], [0.125]), DIGITS, 6, Budget(5.0))
    assert found.length == 0 and found.word is not None and len(found.word) == 1
