"""Proofs for every length of networks that are right, and none for those that are wrong, however late."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc.ir import Module
from ddc.ir.equivalence.recurrent import Budget, NoSteps, Outcome, decide
from ddc.ir.interpreter import run_batch

from .cells import PARITY, affine_cell, mapped, parity_cell, relu_cell, scan

BITS = np.array([[0], [1]])
DIGITS = np.arange(10)[:, None]


def outcome(program: Module, network: Module, letters: np.ndarray = BITS) -> Outcome:
    return decide(program, network, letters, 6, Budget(4.0, 50_000))


def test_plateaus_are_proved_for_every_length() -> None:
    assert outcome(PARITY, parity_cell(3.0)).always
    assert outcome(PARITY, parity_cell(3.0, late=0.1)).always


def test_exact_weights_without_contraction_are_proved() -> None:
    # With slope 1 nothing shrinks, but 0 and 1 are exact: the cells of single points close.
    found = outcome(PARITY, parity_cell(1.0))
    assert found.always and found.cells < 10


@pytest.mark.parametrize("late", [0.03, 0.004])
def test_wrong_at_a_late_step_only(late: float) -> None:
    # Zeros add `late` each, up to a half: the first wrong word has 1/2 / late letters or a few more.
    found = outcome(PARITY, parity_cell(1.0, late))
    assert not found.always
    assert found.word is not None
    assert 0.5 / late - 1 <= len(found.word) <= 0.5 / late + 8
    assert found.length < len(found.word)
    assert answer(PARITY, found.word) != float_answer(late, found.word)


def answer(program: Module, word: np.ndarray) -> int:
    return int(run_batch(program, {"x": word[None]})[0][0, -1])


def float_answer(late: float, word: np.ndarray) -> int:
    h = 0.0
    for x in word:
        z = h + float(x)
        h = max(z, 0) - 2 * max(z - 1, 0) + max(z - 2, 0) + late
    return round(h)


def mutations() -> list[tuple[str, Module, Module]]:
    """Return a proved pair with one thing changed in the network or in the program."""
    right = parity_cell(3.0)
    other = scan("%s: bit = 0", "    %n = or %s, %v\n    next %n\n    yield %n", result="bit")
    late = scan("%s: bit = 0", "    %n = xor %s, %v\n    next %n\n    yield %s", result="bit")
    starts = scan("%s: bit = 1", "    %n = xor %s, %v\n    next %n\n    yield %n", result="bit")
    rare = scan(
        "%s: bit = 0, %c: int<0..30> = 0",
        "    %m = add %c, %v\n    %k = mul %m, %v\n    %d = min %k, 30\n    %w = eq %d, 25\n"
        "    %n = xor %s, %v\n    %z = xor %n, %w\n    next %n, %d\n    yield %z",
        result="bit",
    )
    flat = relu_cell(
        [[1, 1]] * 4, [-1 / 3, -2 / 3, -4 / 3, -5 / 3], [[3, -3, -3, 3]], [0.6], [[1]], [0]
    )
    return [
        ("another function", other, right),
        ("a step late", late, right),
        ("another start", starts, right),
        ("after 25 ones in a row only", rare, right),
        ("a bias over the edge", PARITY, flat),
    ]


@pytest.mark.parametrize(("what", "program", "network"), mutations())
def test_mutations_are_refuted(what: str, program: Module, network: Module) -> None:
    found = outcome(program, network)
    assert not found.always, what
    assert found.word is not None and found.length < len(found.word)


def test_the_rare_mutation_needs_its_long_word() -> None:
    _, program, network = mutations()[3]
    found = outcome(program, network)
    assert found.word is not None and len(found.word) == 25 == int(found.word.sum())
    assert found.length == 24


def test_a_window_program_over_a_leaking_network() -> None:
    # y = x[t-1]; a hundredth of the state before leaks: errors of at most 9 * (0.01 + 0.0001 + ...).
    network = affine_cell([[0.01, 0, 1], [1, 0, 0]], [0, 0], [[0, 1]], [0])
    delayed = mapped("    %a = load %x[%i - 1 else 0]\n    yield %a", "int<0..9>")
    assert outcome(delayed, network, DIGITS).always
    steep = affine_cell([[0.06, 0, 1], [1, 0, 0]], [0, 0], [[0, 1]], [0])
    found = outcome(delayed, steep, DIGITS)
    assert not found.always and found.word is not None
    # 9 * 0.06 = 0.54 at once: a nine, anything, then the wrong answer.
    assert len(found.word) == 3 and found.length == 2


def test_programs_that_look_at_all_of_their_past_have_no_step() -> None:
    everything = mapped(
        "    %a = reduce add %k in 0..%i + 1 {\n      %b = load %x[%k]\n      yield %b\n    }\n    yield %a"
    )
    with pytest.raises(NoSteps):
        outcome(everything, parity_cell())


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_proofs_hold_on_random_networks(data: st.DataObject) -> None:
    """Whatever is proved of a random network and a random machine holds on sampled words."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    width = int(rng.integers(2, 5))

    def quarter(*shape: int) -> Any:
        return (rng.integers(-4, 5, size=shape) / 4).tolist()

    network = relu_cell(
        quarter(width, 3),
        quarter(width),
        quarter(2, width),
        quarter(2),
        quarter(1, 2),
        quarter(1),
    )
    constant = mapped(
        f"    %a = load %x[%i]\n    %b = mul %a, 0\n    %c = add %b, {int(rng.integers(-1, 2))}\n    yield %c"
    )
    found = decide(constant, network, BITS, 6, Budget(1.0, 5_000))
    words = rng.integers(0, 2, size=(64, 6))
    differ = run_batch(constant, {"x": words})[0] != run_batch(network, {"x": words})[0]
    first = np.where(differ.any(axis=1), differ.argmax(axis=1), 99).min()
    if found.always:
        assert first == 99
    assert found.length <= first
    if found.word is not None and len(found.word) <= 6:
        word = np.concatenate([found.word, np.zeros(6 - len(found.word), dtype=int)])[None]
        at = len(found.word) - 1
        mine = run_batch(constant, {"x": word})[0][0, at]
        assert mine != run_batch(network, {"x": word})[0][0, at]
