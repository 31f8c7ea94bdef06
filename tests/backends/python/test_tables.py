"""Tables over several ints are rows of rows, and the states of a machine say how they are reached."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ddc.backends.python import emit
from ddc.frontend.source import read_program
from ddc.ir import parse, verify
from ddc.ir.interpreter import run
from ddc.ir.sizes import instantiate

# How often 1 came since the last 2, at most 2 times; state 3 is where nothing leads.
MACHINE = """
func @f<N>(%x: int<0..2>[N]) -> (%y: int<0..9>[N]) {
  %y, %last = scan %i in 0..N with (%s: int<0..3> = 0) {
    %x_t = load %x[%i]
    %next = table [0, 1, 0, 1, 2, 0, 2, 2, 0, 3, 3, 3] of %s, %x_t
    %answer = table [0, 1, 9, 1, 2, 9, 2, 2, 9, 0, 0, 0] of %s, %x_t
    next %next
    yield %answer
  }
  return %y
}
"""
PAIRS = """
func @f<N>(%x: int<0..2>[N], %z: bit[N]) -> (%y: int<0..9>[N]) {
  %y = map %i in 0..N {
    %a = load %x[%i]
    %b = load %z[%i]
    %t = table [7, 1, 2, 9, 0, 5] of %a, %b
    yield %t
  }
  return %y
}
"""


def _function(text: str, style: str) -> tuple[str, Any]:
    program = emit(parse(text), style=style)
    space: dict[str, Any] = {}
    exec(program, space)
    return program, space["f"]


def _counted(word: tuple[int, ...]) -> list[int]:
    count, answers = 0, list[int]()
    for letter in word:
        count = 0 if letter == 2 else min(2, count + letter)
        answers.append(9 if letter == 2 else count)
    return answers


@pytest.mark.parametrize("style", ["plain", "numpy"])
def test_machine(style: str) -> None:
    text, function = _function(MACHINE, style)
    assert "_next = ((0, 1, 0), (1, 2, 0), (2, 2, 0), (3, 3, 3))\n" in text
    assert "s = _next[s][x_t]\n" in text
    states = "leads there:\n        0: at the start\n        1: after 1\n        2: after 1, 1\n\n"
    assert states in text  # and nothing of state 3
    fixed = instantiate(parse(MACHINE), {"N": 4}).entry
    back = read_program(text, "f.py").trace(fixed.params, tuple(fixed.results))
    assert verify(back) == []
    for word in itertools.product(range(3), repeat=4):
        assert list(function(list(word))) == _counted(word)
        assert run(back, {"x": list(word)})[0].tolist() == _counted(word)


@pytest.mark.parametrize(("style", "says"), [("plain", "][b]"), ("numpy", "_t[x, z")])
def test_two_inputs(style: str, says: str) -> None:
    text, function = _function(PAIRS, style)
    assert says in text
    wanted = {(0, 0): 7, (0, 1): 1, (1, 0): 2, (1, 1): 9, (2, 0): 0, (2, 1): 5}
    x, z = zip(*wanted)
    assert list(function(list(x), list(z))) == list(wanted.values())


@pytest.mark.parametrize("style", ["plain", "numpy"])
def test_many_entries_are_lines_of_digits(style: str) -> None:
    entries = [k * 7 % 10 for k in range(512)]
    loads = "".join(f"    %v{k} = load %x[{k}]\n" for k in range(9))
    names = ", ".join(f"%v{k}" for k in range(9))
    module = parse(
        f"func @f(%x: bit[9]) -> (%y: int<0..9>) {{\n{loads}"
        f"    %y = table {entries} of {names}\n  return %y\n}}\n"
    )
    text = emit(module, style=style)
    assert len(text.splitlines()) < 60
    space: dict[str, Any] = {}
    exec(text, space)
    rows = list(itertools.product((0, 1), repeat=9))
    assert [int(space["f"](list(row))) for row in rows] == entries
    back = read_program(text, "f.py").trace(module.entry.params, module.entry.results)
    assert not verify(back)
    assert [run(back, {"x": list(row)})[0] for row in rows[::7]] == entries[::7]
