"""Rows: logic in packed columns, thresholds and curves on singles, and programs over columns."""

from __future__ import annotations

import numpy as np
import pytest

from ddc import ir
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.lowering.rows import rows_of
from ddc.ir.interpreter import run_batch
from ddc.runtime.native import Runner
from ddc.runtime.rows import LogicKernel, NotLogic, SingleKernel

CPUS = {"sse2": Cpu("x86-64"), "avx2": Cpu("x86-64-v3"), "host": host()}

LOGIC = """\
func @f(%x: bit[5], %k: bit) -> (%y: bit, %z: bit[2]) {
  %a = load %x[0]
  %b = load %x[1]
  %c = load %x[2]
  %d = load %x[3]
  %e = load %x[4]
  %many = threshold 3 of %a, %b, %c, %d, %e
  %n = add %a, %b, %c
  %two = eq %n, 2
  %y = xor %many, %two, %k
  %p = and %a, %k
  %z = pack %two, %p to [2]
  return %y, %z
}"""

RULES = """\
func @rules(%x: real[5]) -> (%y: bit) {
  %a = load %x[0]
  %b = load %x[1]
  %c = load %x[4]
  %p = ge %a, 0.1
  %q = gt %b, 0.5
  %r = lt %c, -0.25
  %s = le %a, 0.75
  %t = ge 0.5, %b
  %n = not %q
  %one = and %p, %r, %n
  %two = threshold 2 of %p, %q, %s
  %three = xor %t, %r
  %y = or %one, %two, %three
  return %y
}"""


@pytest.mark.parametrize("cpu", CPUS)
def test_logic_in_packed_columns(cpu: str) -> None:
    module = ir.parse(LOGIC)
    kernel = LogicKernel(module, CPUS[cpu])
    rows = np.random.default_rng(0).integers(0, 2, (1003, 6), dtype=np.uint8)
    packed = kernel.run(kernel.columns(rows), len(rows))
    got = np.unpackbits(packed, axis=1, bitorder="little")[:, : len(rows)]
    y, z = run_batch(module, {"x": rows[:, :5], "k": rows[:, 5]})
    assert np.array_equal(got[0], y) and np.array_equal(got[1:].T, z)


def test_other_programs_are_not_logic() -> None:
    with pytest.raises(NotLogic):
        LogicKernel(ir.parse(RULES))


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000])
def test_thresholds_on_singles_are_exact(cpu: str, count: int) -> None:
    module = ir.parse(RULES)
    rng = np.random.default_rng(count)
    # Numbers at, just below and just above the cuts, as singles see them.
    near = np.array([0.1, 0.5, -0.25, 0.75], dtype=np.float32)
    pool = np.concatenate(
        [near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))]
    )
    x = rng.choice(pool, (count, 5)).astype(np.float32)
    (expected,) = run_batch(module, {"x": x.astype(np.float64)})
    assert np.array_equal(SingleKernel(module, CPUS[cpu]).run(x), expected)


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("beyond", ["", "beyond linear"])
def test_curves_on_singles(cpu: str, beyond: str) -> None:
    rng = np.random.default_rng(1)
    for count in (2, 7, 16):
        places, heights = np.sort(rng.uniform(-4, 4, count)), rng.normal(size=count)
        pairs = ", ".join(f"({float(a)!r}, {float(b)!r})" for a, b in zip(places, heights))
        body = f"  %y = curve %x knots [{pairs}] {beyond}\n  return %y"
        module = ir.parse(f"func @f(%x: real) -> (%y: real) {{\n{body}\n}}")
        x = rng.uniform(-6, 6, 333).astype(np.float32)
        (expected,) = run_batch(module, {"x": x.astype(np.float64)})
        got = SingleKernel(module, CPUS[cpu]).run(x)
        assert np.allclose(got, expected, rtol=3e-6, atol=3e-6)


def test_bad_rows_are_refused() -> None:
    kernel = SingleKernel(ir.parse(RULES))
    for bad in (np.zeros((4, 5)), np.zeros((4, 6), np.float32), np.zeros(5, np.float32)):
        with pytest.raises(ir.DdcError, match="takes rows of"):
            kernel.run(bad)  # type: ignore[arg-type]
    with pytest.raises(ir.DdcError, match="nan"):
        kernel.run(np.full((4, 5), np.nan, np.float32))


def test_programs_over_columns_run_natively() -> None:
    text = """\
func @f(%age: real, %priors: int<0..9>) -> (%score: real, %high: bit) {
  %a = curve %age in log knots [(18, 3.13), (21, 0.5914), (46, -0.7206)]
  %p = table [0, 1, 1, 2, 3, 5, 8, 13, 21, 34] of %priors
  %score = add %a, %p
  %high = gt %score, 4.5
  return %score, %high
}"""
    module = ir.parse(text)
    runner = Runner(module)
    rng = np.random.default_rng(2)
    age, priors = rng.uniform(15, 80, 500), rng.integers(0, 10, 500)
    score, high = run_batch(module, {"age": age, "priors": priors})
    got = runner(age, priors)
    assert runner.columns is not None
    assert np.allclose(got[0], score, rtol=1e-12) and np.array_equal(got[1], high)
    same = runner(age, 3)
    assert np.allclose(same[0], runner(age, np.full(500, 3))[0])
    one = runner(float(age[0]), int(priors[0]))
    assert isinstance(one[0], float) and np.isclose(one[0], score[0], rtol=1e-12)


def test_arrays_per_row_get_a_first_axis() -> None:
    mapped = rows_of(ir.parse(RULES))
    assert mapped is not None and not ir.verify(mapped)
    x = np.random.default_rng(3).normal(size=(50, 5))
    (expected,) = run_batch(ir.parse(RULES), {"x": x})
    assert np.array_equal(run_batch(mapped, {"x": x[None]})[0][0], expected)
