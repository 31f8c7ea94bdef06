"""Program against program: equal for every length, or a shortest word on which they differ."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ddc.ir import Module
from ddc.ir.equivalence.recurrent import Budget, NoSteps, last_results, same_steps
from ddc.ir.interpreter import run_batch

from .cells import PARITY, mapped, scan

BITS = np.array([[0], [1]])
DIGITS = np.arange(10)[:, None]

COUNTED = scan("%n: int = 0", "    %m = add %n, %v\n    %r = mod %m, 2\n    next %r\n    yield %r")
THREE = scan("%n: int = 0", "    %m = add %n, %v\n    %r = mod %m, 3\n    next %r\n    yield %r")
DIGIT = "int<0..9>"
SUM2 = mapped(
    "    %a = load %x[%i]\n    %b = load %x[%i - 1 else 0]\n    %c = add %a, %b\n    yield %c",
    DIGIT,
)
SUM2_SCAN = scan("%p: int = 0", "    %c = add %p, %v\n    next %v\n    yield %c", DIGIT)
# The total of all letters, kept once as a sum and once as a sum and its double.
TOTAL = scan("%s: int = 0", "    %n = add %s, %v\n    next %n\n    yield %n", DIGIT)
TWICE = scan(
    "%s: int = 0, %d: int = 0",
    "    %n = add %s, %v\n    %w = mul 2, %v\n    %e = add %d, %w\n    %o = sub %e, %n\n"
    "    next %n, %e\n    yield %o",
    DIGIT,
)


def test_parity_in_two_ways() -> None:
    found = same_steps(PARITY, COUNTED, BITS, Budget())
    assert found.always and found.how == "product"


def test_window_and_register() -> None:
    assert same_steps(SUM2, SUM2_SCAN, DIGITS, Budget()).always


def test_unbounded_registers_by_realisations() -> None:
    found = same_steps(TOTAL, TWICE, DIGITS, Budget())
    assert found.always and found.how == "equal realisations"


def test_the_word_is_a_shortest() -> None:
    found = same_steps(COUNTED, THREE, BITS, Budget())
    assert found.word is not None
    lengths = (len(w) for w in _words(3) if _last(COUNTED, w) != _last(THREE, w))
    assert len(found.word) == min(lengths) == 2
    assert last_results(COUNTED, BITS, found.word) != last_results(THREE, BITS, found.word)


def _words(longest: int) -> list[tuple[int, ...]]:
    return [w for n in range(1, longest + 1) for w in itertools.product((0, 1), repeat=n)]


def _last(program: Module, word: tuple[int, ...]) -> int:
    return int(run_batch(program, {"x": np.array([word])})[0][0, -1])


def test_real_results_are_not_compared_as_ints() -> None:
    halves = mapped("    %a = load %x[%i]\n    %b = mul %a, 0.5\n    yield %b", result="real")
    zeros = mapped("    %a = load %x[%i]\n    %b = mul %a, 0.25\n    yield %b", result="real")
    with pytest.raises(NoSteps):
        same_steps(halves, zeros, BITS, Budget())


def test_a_difference_far_out() -> None:
    late = scan(
        "%n: int<0..40> = 0",
        "    %m = add %n, %v\n    %k = mul %m, %v\n    %d = min %k, 40\n    %o = ge %d, 33\n"
        "    next %d\n    yield %o",
        result="bit",
    )
    never = mapped("    yield 0", result="bit")
    found = same_steps(late, never, BITS, Budget())
    assert found.word is not None and found.word.tolist() == [1] * 33 and found.length == 32
