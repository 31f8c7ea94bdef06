"""Compile the GRU and LSTM networks in examples/ and run them against definitions written down here."""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ddc
from ddc.ir.interpreter import run_batch

pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples" / "recurrent_gated"
LENGTH = 10
SAMPLES = 1000
SECONDS = 0.2  # for proofs of every length: gated networks have none

Word = Sequence[int]
Ints = NDArray[np.int64]


def parity(word: Word) -> list[int]:
    return [sum(word[: end + 1]) % 2 for end in range(len(word))]


def parity_of_three(word: Word) -> list[int]:
    return [sum(word[max(0, end - 2) : end + 1]) % 2 for end in range(len(word))]


def alternates(word: Word) -> list[int]:
    text = "000" + "".join(map(str, word))
    return [int(text[i : i + 4] in ("0101", "1010")) for i in range(len(word))]


def third(word: Word) -> list[int]:
    """Return the digits of a third of a number, greatest first, in Python's own arithmetic."""
    number = int("".join(map(str, word)), 2) // 3
    return [int(digit) for digit in format(number, f"0{len(word)}b")]


def total(base: int) -> Callable[[Word, Word], list[int]]:
    """Return the digits of a sum, least first, in Python's own arithmetic."""

    def digits(a: Word, b: Word) -> list[int]:
        sums = sum((x + y) * base**place for place, (x, y) in enumerate(zip(a, b)))
        return [sums // base**place % base for place in range(len(a))]

    return digits


TASKS: dict[str, tuple[int, int, Callable[..., list[int]]]] = {
    "gru_parity": (2, 1, parity),
    "gru_addition": (2, 2, total(2)),
    "gru_base_3_addition": (3, 2, total(3)),
    "lstm_div_3": (2, 1, third),
    "lstm_parity_last3": (2, 1, parity_of_three),
    "lstm_alternating_last4": (2, 1, alternates),
}


def words(letters: int, inputs: int, length: int) -> list[Ints]:
    """Return every word of one binary input at the trained length, else random ones."""
    if inputs == 1 and length == LENGTH:
        return [np.array(list(product(range(letters), repeat=length)), dtype=np.int64)]
    rng = np.random.default_rng(5)
    return [rng.integers(0, letters, size=(SAMPLES, length)) for _ in range(inputs)]


def test_every_file_is_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.pt")} == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_programs_are_right_at_any_length(name: str) -> None:
    letters, inputs, definition = TASKS[name]
    program = ddc.compile(str(EXAMPLES / f"{name}.pt"), proof_seconds=SECONDS)
    assert program.evidence[0].kind in ("proved", "tested")
    names = [param.name for param in program.ir.entry.params]
    for length in (LENGTH, 10 * LENGTH):
        given = words(letters, inputs, length)
        (found,) = run_batch(program.ir, dict(zip(names, given, strict=True)))
        wanted = [definition(*rows) for rows in zip(*(x.tolist() for x in given))]
        assert np.array_equal(found, wanted)
