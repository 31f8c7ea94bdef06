"""Functions of words from their tables at one length: the same functions at every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddc.backends.python import emit
from ddc.ir import shape_of, walk
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate, solve_sizes
from ddc.passes.residual.classes import residual_classes
from ddc.passes.residual.identify import Machine, identify, rivals
from ddc.passes.residual.raiser import machines
from ddc.passes.residual.words import causal, layouts, outputs
from ddc.passes.units import read

from .words import Task, compiled, split, tabled


def number(word: list[int]) -> int:
    return sum(bit << place for place, bit in enumerate(word))


def spelt(value: int, count: int) -> list[int]:
    return [value >> place & 1 for place in range(count)]


TWO = "a: bit[{n}], b: bit[{n}]"
ONE = "x: bit[{n}]"

# What each asks, the lowest bit first unless its name says otherwise.
TASKS: dict[str, Task] = {
    "sum": Task(TWO, lambda a, b: spelt(number(a) + number(b), len(a) + 1)),
    "sum without the last carry": Task(TWO, lambda a, b: spelt(number(a) + number(b), len(a))),
    "sum, highest first": Task(
        TWO, lambda a, b: spelt(number(a[::-1]) + number(b[::-1]), len(a) + 1)[::-1]
    ),
    "sum of two halves": Task(
        "x: bit[{m}]",
        lambda x: spelt(number(x[: len(x) // 2]) + number(x[len(x) // 2 :]), len(x) // 2 + 1),
    ),
    "sum of even and odd places": Task(
        "x: bit[{m}]", lambda x: spelt(number(x[::2]) + number(x[1::2]), len(x) // 2 + 1)
    ),
    "sum with a carry given": Task(
        "c: bit, " + TWO, lambda c, a, b: spelt(c + number(a) + number(b), len(a) + 1)
    ),
    "difference": Task(TWO, lambda a, b: spelt(number(a) - number(b), len(a))),
    "next": Task(ONE, lambda x: spelt(number(x) + 1, len(x))),
    "opposite": Task(ONE, lambda x: spelt(-number(x), len(x))),
    "opposite, highest first": Task(ONE, lambda x: spelt(-number(x[::-1]), len(x))[::-1]),
    "from Gray code": Task(ONE, lambda x: [sum(x[k:]) % 2 for k in range(len(x))]),
    "running parity": Task(ONE, lambda x: [sum(x[: k + 1]) % 2 for k in range(len(x))]),
    "any before": Task(ONE, lambda x: [max(x[: k + 1]) for k in range(len(x))]),
    "the first one": Task(
        ONE, lambda x: [int(x[k] > max(x[:k], default=0)) for k in range(len(x))]
    ),
    "greater": Task(TWO, lambda a, b: int(number(a) > number(b))),
    "greater, highest first": Task(TWO, lambda a, b: int(a > b)),
    "equal": Task(TWO, lambda a, b: int(a == b)),
    "less, equal, greater": Task(
        TWO, lambda a, b: [int(number(a) < number(b)), int(a == b), int(number(a) > number(b))]
    ),
    "the greater word, highest first": Task(TWO, lambda a, b: max(a, b)),
}
LONGER: dict[str, Task] = {
    "count modulo 3": Task(ONE, lambda x: int(sum(x) % 3 == 0)),
    "at least two": Task(ONE, lambda x: int(sum(x) >= 2)),
    "zeros that lead": Task(ONE, lambda x: (x + [1]).index(1)),
    "changes": Task(ONE, lambda x: sum(p != q for p, q in zip(x, x[1:]))),
    "three times": Task(ONE, lambda x: spelt(3 * number(x), len(x) + 2)),
}
# One bit about a word of bits: three states have to be told apart at five positions.
LONGEST: dict[str, Task] = {
    "multiple of 3, highest first": Task(ONE, lambda x: int(number(x[::-1]) % 3 == 0)),
    "no two neighbours": Task(ONE, lambda x: int(not any(p & q for p, q in zip(x, x[1:])))),
}
TRAINED = {
    name: (some[name], n) for some, n in ((TASKS, 4), (LONGER, 6), (LONGEST, 7)) for name in some
}


def holds(task: Task, length: int, trained: int) -> bool:
    """Compare the program learned at one length with the task at another, on seeded words."""
    module, notes = compiled(task, trained)
    assert module.entry.sizes, notes
    params = task.declared(length)
    rng = np.random.default_rng(length)
    arrays = {p.name: rng.integers(0, 2, (40, *shape_of(p.type))) for p in params}
    shapes = {name: list(array.shape[1:]) for name, array in arrays.items()}
    for name in list(arrays)[1:]:  # long equal ends: the hard cases of sums and comparisons
        if arrays[name].shape == arrays[params[0].name].shape:
            arrays[name][:20, length // 2 :] = arrays[params[0].name][:20, length // 2 :]
    (found,) = run_batch(instantiate(module, solve_sizes(module.entry, shapes)), arrays)
    flat = np.concatenate([array.reshape(40, -1) for array in arrays.values()], axis=1)
    wanted: list[Any] = [task.answer(*split(params, row.tolist())) for row in flat]
    return np.array_equal(found.reshape(40, -1), np.array(wanted).reshape(40, -1))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("length", [1, 4, 5, 33])
def test_four_bits_tell_every_length(name: str, length: int) -> None:
    assert holds(TASKS[name], length, trained=4)


@pytest.mark.parametrize("name", LONGER)
@pytest.mark.parametrize("length", [1, 7, 33])
def test_six_bits_tell_every_length(name: str, length: int) -> None:
    assert holds(LONGER[name], length, trained=6)


@pytest.mark.parametrize("name", LONGEST)
@pytest.mark.parametrize("length", [1, 8, 33])
def test_seven_bits_tell_every_length(name: str, length: int) -> None:
    assert holds(LONGEST[name], length, trained=7)


@pytest.mark.parametrize("name", LONGEST)
def test_six_bits_are_too_few_for_one_bit_about_three_states(name: str) -> None:
    module, _ = compiled(LONGEST[name], 6)
    assert not module.entry.sizes


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("style", ["plain", "numpy"])
def test_python_says_the_same(name: str, style: str) -> None:
    task, trained = TRAINED[name]
    module, _ = compiled(task, trained)
    space: dict[str, Any] = {}
    exec(emit(module, style), space)
    params = task.declared(9)
    rng = np.random.default_rng(9)
    for _ in range(20):
        values = [rng.integers(0, 2, shape_of(param.type)).tolist() for param in params]
        found = space["f"](*values)
        assert np.array_equal(found, task.answer(*values)), values


def test_three_bits_are_enough_for_sums_and_comparisons() -> None:
    for name in ("sum", "greater", "greater, highest first"):
        assert holds(TASKS[name], 21, trained=3)


def test_the_carry_of_a_sum_is_one_state_of_two_classes() -> None:
    module, _ = compiled(TASKS["sum"], 4)
    (scan,) = (op for op in module.entry.body.ops if op.code == "scan")
    assert [str(state.type) for state in scan.states] == ["bit"]
    assert scan.body is not None and len(scan.body.ops) <= 5


@pytest.mark.parametrize(
    ("name", "trained", "states"),
    [("sum", 3, 2), ("greater", 4, 2), ("less, equal, greater", 4, 3), ("equal", 3, 2)],
)
def test_fewest_states(name: str, trained: int, states: int) -> None:
    family = read(tabled(TASKS[name], trained).entry)
    assert family is not None
    found: list[int] = []
    for layout in layouts(family):
        words = outputs(family, layout) if causal(family, layout) else None
        levels = residual_classes(words, len(layout.letters)) if words is not None else None
        machine = identify(levels) if levels is not None else None
        found += [machine.states] if machine is not None else []
    assert min(found) == states


@pytest.mark.parametrize(
    ("answer", "length"),
    [
        (lambda x: int(x == x[::-1]), 6),  # palindromes need a state for every half
        (lambda x: int(2 * sum(x) > len(x)), 7),  # so do majorities
        (lambda x: int("01101001100101101001011001101001"[number(x)]) ^ int(number(x) == 9), 5),
    ],
)
def test_what_no_small_machine_tells_keeps_its_size(answer: Any, length: int) -> None:
    module, notes = compiled(Task(ONE, answer), length)
    assert not module.entry.sizes and notes
    rows = np.indices([2] * length).reshape(length, -1).T
    (found,) = run_batch(module, {"x": rows})
    assert found.tolist() == [answer(row.tolist()) for row in rows]


def test_another_machine_as_small_is_said() -> None:
    for odd in (0, 1):  # of six bits, the ones are odd in number where the zeros are
        module, notes = compiled(Task(ONE, lambda x, odd=odd: int(sum(x) % 2 == odd)), 6)
        (inferred,) = (claim for claim in module.entry.evidence if claim.kind == "inferred")
        assert inferred.detail("rival") == "2 states"
        assert any("another machine of 2 states" in note for note in notes)
    module, notes = compiled(Task(ONE, lambda x: int(sum(x) >= 2)), 6)
    assert module.entry.sizes and not any("another machine" in note for note in notes)


def test_another_machine_as_short_keeps_the_size() -> None:
    # Lowest first, the rest by 3 alternates: 1 at eight bits may be 1 or 2 at nine.
    module, notes = compiled(Task(ONE, lambda x: int(number(x) % 3 == 1)), 8)
    assert not module.entry.sizes and any("a second network" in note for note in notes)


def test_rivals_agree_at_one_length_and_differ_at_the_next() -> None:
    family = read(tabled(Task(ONE, lambda x: sum(x) % 2), 4).entry)
    assert family is not None
    for scan in machines(family):
        (other,) = rivals(scan.levels, scan.machine)
        words = [[int(bit) for bit in np.binary_repr(n, 4)] for n in range(16)]
        assert all(end_of(scan.machine, word) == end_of(other, word) for word in words)
        assert end_of(scan.machine, [0] * 5) != end_of(other, [0] * 5)


def end_of(found: Machine, word: list[int]) -> int:
    state = int(found.starts[0])
    for letter in word:
        state = int(found.next[state, letter])
    return int(found.final[state, 0])


def test_windows_are_no_scans() -> None:
    neighbours = Task(ONE, lambda x: [x[k] ^ x[k - 1] if k else x[0] for k in range(len(x))])
    module, _ = compiled(neighbours, 6)
    assert module.entry.sizes and all(op.code != "scan" for op in walk(module.entry.body))


def machine(rng: np.random.Generator, states: int) -> Task:
    """Return what a random machine gives at every step of a word of bits."""
    after, out = rng.integers(0, states, (2, states)), rng.integers(0, 2, (2, states))

    def answer(x: list[int]) -> list[int]:
        state, found = 0, list[int]()
        for letter in x:
            found.append(int(out[letter, state]))
            state = int(after[letter, state])
        return found

    return Task(ONE, answer)


@pytest.mark.parametrize(("length", "least"), [(3, 0), (4, 10), (5, 10)])
def test_few_machines_are_taken_for_others(length: int, least: int) -> None:
    rng = np.random.default_rng(length)
    right = wrong = 0
    for number in range(150):
        task = machine(rng, 2 + number % 4)
        family = read(tabled(task, length).entry)
        found = [] if family is None else [scan for scan in machines(family) if scan.stable]
        for scan in found[:1]:
            words = rng.integers(0, 2, (100, 13)).tolist()
            held = all(run_of(scan.machine, word) == task.answer(word) for word in words)
            right, wrong = right + held, wrong + (not held)
    assert right >= least and wrong <= right / 50


def run_of(found: Machine, word: list[int]) -> list[int]:
    state, answers = int(found.starts[0]), list[int]()
    for letter in word:
        answers.append(int(found.out[state, letter, 0]))
        state = int(found.next[state, letter])
    return answers
