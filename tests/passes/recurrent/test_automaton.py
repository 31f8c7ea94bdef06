"""Raising by behaviour: programs that hold far beyond the trained length, in the words a reader expects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ddc.backends import backend
from ddc.ir import Module, Param, parse_params
from ddc.ir.interpreter import run
from ddc.passes import DEFAULT, Context, Declined
from ddc.passes import run as run_passes
from ddc.passes.recurrent.automaton import Automaton

from . import networks

Ints = NDArray[np.int64]


def compiled(network: Module, signature: str) -> tuple[Module, str]:
    params = tuple(Param(p.name, p.type) for p in parse_params(signature)[0])
    program = run_passes(network, DEFAULT, Context(signature=params))
    return program, backend("python")(program)


def added(a: Ints, b: Ints) -> Ints:
    """Python's own big integers."""
    total = sum(int(v) << i for i, v in enumerate(a)) + sum(int(v) << i for i, v in enumerate(b))
    return np.array([total >> i & 1 for i in range(len(a))])


CASES: list[tuple[str, str, tuple[int, int], Callable[..., Ints], str]] = [
    ("parity", "x: bit[T]", (0, 1), lambda x: np.cumsum(x) % 2, "last ^ x"),
    ("adder", "a: bit[T], b: bit[T]", (0, 1), added, "total // 2"),
    ("accumulator", "x: int<-3..3>[T]", (-3, 3), lambda x: np.cumsum(np.cumsum(x)), "velocity"),
    ("greatest", "x: int<0..5>[T]", (0, 5), np.maximum.accumulate, "max("),
    ("balance", "x: bit[T]", (0, 1), lambda x: (np.cumsum(2 * x - 1) > 0).astype(int), "> 0"),
    (
        "difference",
        "x: int<-9..9>[T]",
        (-9, 9),
        lambda x: np.abs(np.diff(x, prepend=0)),
        "abs(x[i] - ",
    ),
]


@pytest.mark.parametrize(("name", "signature", "letters", "rule", "says"), CASES)
def test_programs(
    name: str, signature: str, letters: tuple[int, int], rule: Callable[..., Ints], says: str
) -> None:
    program, text = compiled(getattr(networks, name)(), signature)
    assert says in text
    rng = np.random.default_rng(4)
    for length in (1, 2, 10, 97):
        inputs = {
            p.name: rng.integers(letters[0], letters[1] + 1, size=length)
            for p in program.entry.params
        }
        (y,) = run(program, inputs)
        np.testing.assert_array_equal(y, rule(*inputs.values()))


def test_other_kinds_are_declined() -> None:
    program, _ = compiled(networks.parity(), "x: bit[T]")
    with pytest.raises(Declined, match="no network over time"):
        Automaton().run(program, Context())


def test_real_outputs_are_declined() -> None:
    raw = networks.network(networks.XOR, networks.SAME, "x: bit[T]", [0], output="raw")
    with pytest.raises(Declined, match="say --output round"):
        Automaton().run(raw, Context())


def test_what_is_no_machine_says_how_far_it_got() -> None:
    # A chaotic map: no two words lead to the same state.
    f = (([[0.9, 0.37]], [0.1]),)
    g = (([[50.0]], [0]), ([[1.0]], [0.25]))
    with pytest.raises(Declined, match="states so far"):
        Automaton().run(networks.network(f, g, "x: int<0..3>[T]", [0.3]), Context())
