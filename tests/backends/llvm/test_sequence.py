"""Kernels for one sequence: every form of a state, against a plain loop over the tables."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ddc.backends.llvm.machine import Cpu
from ddc.backends.llvm.sequence import GROUPS, Plan, gathering, plan, sequence_kernel
from ddc.backends.lowering.machine import Machine
from ddc.runtime.jit import code_of, linked
from tests.backends.processors import CPUS

LENGTHS = (0, 1, 7, 8, 9, 63, 64, 65, 200, 517)


def machine(states: int, sizes: Sequence[int], yields: int, rng: Any, permutes: bool) -> Machine:
    """Return a random automaton; one whose symbols permute the states never forgets its start."""
    symbols = int(np.prod(sizes))
    columns = [
        rng.permutation(states) if permutes else rng.integers(0, states, states)
        for _ in range(symbols)
    ]
    following = np.stack(columns, axis=1)
    outputs = rng.integers(-3, 4, (yields, states, symbols))
    return Machine(
        tuple((f"x{k}", tuple(range(size))) for k, size in enumerate(sizes)),
        tuple((k,) for k in range(states)),
        tuple(tuple(row) for row in following.tolist()),
        tuple(tuple(tuple(row) for row in table) for table in outputs.tolist()),
        (*(("yield", k) for k in range(yields)), ("final", 0)),
    )


def followed(m: Machine, xs: Sequence[Any], state: int) -> tuple[int, list[Any]]:
    """Return the last state and the places of the outputs, step by step."""
    sizes = [len(values) for _, values in m.inputs]
    symbols = [0] * len(xs[0])
    for x, size in zip(xs, sizes):
        symbols = [s * size + int(v) for s, v in zip(symbols, x)]
    values = [sorted({v for row in table for v in row}) for table in m.outputs]
    made: list[list[int]] = [[] for _ in m.outputs]
    for symbol in symbols:
        for k, table in enumerate(m.outputs):
            made[k].append(values[k].index(table[state][symbol]))
        state = m.following[state][symbol]
    return state, [np.array(places, dtype=np.uint8) for places in made]


def compiled(m: Machine, cpu: Cpu) -> Any:
    outputs = range(len(m.outputs))
    address, library = linked(code_of(sequence_kernel(m, outputs, cpu), cpu, 2, False), "run")
    pointers = len(m.inputs) + len(m.outputs)
    signature = ctypes.CFUNCTYPE(
        ctypes.c_int64, *[ctypes.c_void_p] * pointers, *[ctypes.c_int64] * 3
    )
    function = signature(address)
    function.library = library  # type: ignore[attr-defined]
    return function


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("states", [1, 8, 9, 10, 11, 16, 17, 64])
def test_every_form_follows_the_tables(cpu: str, states: int) -> None:
    rng = np.random.default_rng(states)
    for sizes, yields in [((2,), 1), ((4,), 0), ((3, 2), 2), ((200,), 1), ((200,), 0), ((2,), 0)]:
        m = machine(states, sizes, yields, rng, permutes=yields != 1)
        run = compiled(m, CPUS[cpu])
        for length in LENGTHS:
            xs = [rng.integers(0, size, length).astype(np.uint8) for size in sizes]
            ys = [np.full(length, 255, np.uint8) for _ in range(yields)]
            start = int(rng.integers(0, states))
            addresses = [a.ctypes.data for a in (*xs, *ys)]
            last, expected = followed(m, xs, start)
            assert run(*addresses, 0, length, start) == last, (sizes, yields, length)
            for got, wanted in zip(ys, expected):
                assert np.array_equal(got, wanted), (sizes, yields, length)
            middle = length // 3  # a sequence may be run in parts
            half = run(*addresses, 0, middle, start)
            assert run(*addresses, middle, length, half) == last


def test_values_outside_the_alphabet_stay_inside_the_tables() -> None:
    m = machine(5, (3, 7), 1, np.random.default_rng(0), permutes=False)
    for cpu in CPUS.values():
        x, y = np.arange(256, dtype=np.uint8), np.empty(256, np.uint8)
        state = compiled(m, cpu)(x.ctypes.data, x.ctypes.data, y.ctypes.data, 0, 256, 4)
        assert 0 <= state < 5 and y.max() < 7


def test_symbols_are_read_together_where_their_tables_are_small() -> None:
    rng, plain, wide = np.random.default_rng(0), Cpu("x86-64"), Cpu("x86-64-v3")
    bits = machine(4, (2,), 1, rng, permutes=False)
    assert plan(bits, [], plain) == plan(bits, [0], plain) == Plan("shift", 8, 8)
    letters = machine(16, (200,), 1, rng, permutes=False)
    assert plan(letters, [0], wide) == Plan("shuffle", 1, 1)
    assert plan(letters, [0], plain) == Plan("table", 1, 1)
    vectors = Cpu("x86-64-v4", "+avx512vbmi")
    assert plan(machine(17, (200,), 0, rng, False), [], vectors).form == "permute"


@pytest.mark.parametrize(("bits", "group"), [(b, g) for g in GROUPS[:-1] for b in range(1, 9)])
def test_digits_are_gathered_in_order(bits: int, group: int) -> None:
    if bits * group > 8:
        return
    limit = 1 << 8 * group
    for digits in itertools.islice(itertools.product(range(1 << bits), repeat=group), 4096):
        word = sum(digit << 8 * k for k, digit in enumerate(digits))
        wanted = sum(digit << bits * k for k, digit in enumerate(digits))
        assert word * gathering(bits, group) % limit >> 8 * (group - 1) == wanted
