"""Finite automata: recognised, run over one sequence or many, and additions of long numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddc import ir
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.lowering.machine import machine_of
from ddc.ir.interpreter import run, run_batch
from ddc.runtime.grid import aligned
from ddc.runtime.sequence import BatchKernel, SequenceKernel, adder
from tests.backends.python.programs import PROGRAMS

CPUS = {"sse2": Cpu("x86-64"), "avx2": Cpu("x86-64-v3"), "host": host()}

ADD = PROGRAMS["adder"]

SPINS = """\
func @m<T>(%x: int{-1, 0, 3}[T]) -> (%y: int<-3..10>[T], %last: int<0..3>, %even: bit) {
  %y, %last, %even = scan %t in 0..T with (%s: int<0..3> = 2, %e: bit = 1) {
    %a = load %x[%t]
    %n = table [1, 0, 2, 3, 1, 0, 0, 3, 2, 1, 2, 3] of %s, %a
    %p = mul %n, 3
    %o = sub %p, %a
    %c = eq %n, %s
    %f = xor %e, %c
    next %n, %f
    yield %o
  }
  return %y, %last, %even
}"""

BITS = """\
func @m<T>(%x: bit[T], %z: bit[T]) -> (%y: bit[T], %last: int<0..3>) {
  %y, %last = scan %t in 0..T with (%s: int<0..3> = 1) {
    %a = load %x[%t]
    %b = load %z[%t]
    %n = table [1, 0, 2, 1, 3, 0, 1, 2, 0, 3, 2, 2, 1, 1, 0, 3] of %s, %a, %b
    %o = ge %n, 2
    next %n
    yield %o
  }
  return %y, %last
}"""


def machine(text: str) -> Any:
    found = machine_of(ir.parse(text))
    assert found is not None
    return found


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1003])
def test_one_sequence(size: int) -> None:
    x = np.random.default_rng(size).choice([-1, 0, 3], size)
    got = SequenceKernel(machine(SPINS)).results([x])
    if size:
        y, last, even = run(ir.parse(SPINS), {"x": x})
        assert np.array_equal(got[0], y) and got[1] == last and got[2] == even
    else:
        assert len(got[0]) == 0 and got[1:] == (2, 1)


@pytest.mark.parametrize("cpu", CPUS)
def test_many_sequences_of_bits(cpu: str) -> None:
    kernel = BatchKernel(machine(BITS), CPUS[cpu])
    steps, vectors, lanes = 40, 3, kernel.lanes
    bits = np.random.default_rng(0).integers(0, 2, (2, vectors * lanes, steps), dtype=np.uint8)
    # input, column of vectors, time, then the lanes as bits
    planes = bits.reshape(2, vectors, lanes, steps).transpose(0, 1, 3, 2)
    inputs = aligned(vectors * steps * 2 * lanes // 8)
    inputs[:] = np.packbits(planes, axis=3, bitorder="little").ravel()
    outputs = aligned(vectors * steps * lanes // 8)
    states = aligned(vectors * kernel.planes * lanes // 8)
    kernel.run(inputs.ctypes.data, outputs.ctypes.data, states.ctypes.data, steps, vectors)
    got = np.unpackbits(outputs.reshape(vectors, steps, -1), axis=2, bitorder="little")
    y, last = run_batch(ir.parse(BITS), {"x": bits[0], "z": bits[1]})
    assert np.array_equal(got.transpose(0, 2, 1).reshape(-1, steps), y)
    digits = np.unpackbits(states.reshape(vectors, kernel.planes, -1), axis=2, bitorder="little")
    numbers = sum(digits[:, k].astype(int) << k for k in range(kernel.planes))
    values = np.array([state[0] for state in kernel.machine.states])
    assert np.array_equal(values[np.ravel(numbers)], last)


def test_an_adder_is_recognised() -> None:
    assert machine(ADD).is_adder
    assert not machine(BITS).is_adder
    assert not machine(ADD.replace("threshold 2", "threshold 3")).is_adder
    assert not machine(ADD.replace("%carry: bit = 0", "%carry: bit = 1")).is_adder


@pytest.mark.parametrize("words", [1, 7, 8, 9, 100])
def test_additions_of_long_numbers(words: int) -> None:
    rng = np.random.default_rng(words)
    add = adder()
    for ones in (False, True):
        a, b = (rng.integers(0, 1 << 64, words, dtype=np.uint64) for _ in range(2))
        if ones:  # a carry through all words
            a[:], b[:] = ~np.uint64(0), 0
            b[0] = 1
        out = np.empty_like(a)
        add(a.ctypes.data, b.ctypes.data, out.ctypes.data, words)
        x, y, z = (int.from_bytes(n.tobytes(), "little") for n in (a, b, out))
        assert z == (x + y) % (1 << (64 * words))


@pytest.mark.parametrize(
    "text",
    [
        ADD.replace("%a[%t]", "%a[%t - 1 wrap]"),
        "func @c<T>(%x: bit[T]) -> (%n: int) {\n  %n = scan %t in 0..T with (%s: int = 0) {\n"
        "    %a = load %x[%t]\n    %m = add %s, %a\n    next %m\n  }\n  return %n\n}",
        "func @f(%a: bit) -> (%b: bit) {\n  %b = not %a\n  return %b\n}",
    ],
)
def test_other_programs_are_no_automata(text: str) -> None:
    assert machine_of(ir.parse(text)) is None
