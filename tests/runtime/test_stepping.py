"""Steps of any program: native loops, bands, threads, dtypes, and the way to Python's ints."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.programs import RULE30
from ddc import ir
from ddc.ir.interpreter import run
from ddc.runtime import stepping
from ddc.runtime.native import Runner
from ddc.runtime.stepping import reach_of
from ddc.runtime.streams import Reach
from tests.backends.stencils import stencils
from tests.runtime.test_rows import RULES

MAJORITY = """\
func @vote<N, M>(%x: int<0..3>[N, M]) -> (%y: int<0..3>[N, M]) {
  %y = map %i in 0..N, %j in 0..M {
    %a = load %x[%i - 2 clamp, %j]
    %b = load %x[%i + 1 clamp, %j + 1 wrap]
    %c = load %x[%i, %j - 1 else 2]
    %s = add %a, %b, %c
    %v = mod %s, 4
    yield %v
  }
  return %y
}"""

HEAT = """\
func @heat<N>(%x: real[N]) -> (%y: real[N]) {
  %y = map %i in 0..N {
    %a = load %x[%i - 1 clamp]
    %b = load %x[%i]
    %c = load %x[%i + 1 clamp]
    %s = add %a, %c
    %h = mul %s, 0.25
    %m = mul %b, 0.5
    %v = add %h, %m
    yield %v
  }
  return %y
}"""

GROWS = """\
func @grow<N>(%x: int[N]) -> (%y: int[N]) {
  %y = map %i in 0..N {
    %a = load %x[%i]
    %b = load %x[%i + 1 wrap]
    %c = add %a, %b
    yield %c
  }
  return %y
}"""


def interpreted(module: ir.Module, cells: Any, count: int) -> Any:
    for _ in range(count):
        (cells,) = run(module, {module.entry.params[0].name: cells})
    return cells


def small_bands(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(stepping, "SMALL", 0)
    monkeypatch.setattr(stepping, "BAND", size)
    monkeypatch.setattr(stepping, "WORTH", 1 << 60)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 17, 40])
def test_bands_of_several_states(monkeypatch: pytest.MonkeyPatch, threads: int, count: int) -> None:
    small_bands(monkeypatch, 700)
    module = ir.parse(MAJORITY)
    cells = np.random.default_rng(count).integers(0, 4, (203, 7)).astype(np.int16)
    got = Runner(module).steps(cells, count, threads=threads)
    assert got.dtype == np.int16 and np.array_equal(got, interpreted(module, cells, count))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_rules_in_bands(data: st.DataObject) -> None:
    module = ir.parse(data.draw(stencils()))
    entry = module.entry
    kinds = (ir.element(entry.params[0].type), ir.element(entry.results[0].type))
    axes = len(ir.dims(entry.params[0].type))
    shape = tuple(data.draw(st.integers(1, 300 if k == 0 else 6)) for k in range(axes))
    steps = data.draw(st.integers(1, 9)) if kinds[0] == kinds[1] else 1
    values = ir.levels(kinds[0])
    assert values is not None
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    cells = rng.choice(values, shape)
    expected = interpreted(module, cells, steps)
    with pytest.MonkeyPatch.context() as patch:
        small_bands(patch, data.draw(st.integers(20, 3000)))
        threads = data.draw(st.integers(1, 3))
        got = Runner(module).steps(cells, steps, threads=threads)
    assert np.array_equal(got, expected), (shape, steps)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float64])
@pytest.mark.parametrize("border", ["wrap", "else 1"])
def test_packed_grids(monkeypatch: pytest.MonkeyPatch, dtype: Any, border: str) -> None:
    for name in ("WORTH", "WIDE", "LONG_ROW"):
        monkeypatch.setattr(stepping, name, 0)
    runner = Runner(ir.parse(RULE30.replace("wrap", border)))
    row = np.random.default_rng(3).integers(0, 2, 40_001)
    expected = interpreted(runner.module, row, 30)
    given = row.astype(dtype)
    got = runner.steps(given, 30, threads=2)
    assert got.dtype == dtype and np.array_equal(got, expected)
    assert runner.steps(given, 30, out=given) is given and np.array_equal(given, expected)
    if dtype is not bool:
        given[39_000] = 3
        with pytest.raises(ValueError, match=r"holds 3(\.0)? at \[39000\], which is no bit"):
            runner.steps(given, 30)


def test_real_grids() -> None:
    module = ir.parse(HEAT)
    x = np.random.default_rng(0).normal(size=300_000)
    got = Runner(module).steps(x, 20, threads=2)
    for _ in range(20):
        wide = np.pad(x, 1, mode="edge")
        x = 0.25 * (wide[:-2] + wide[2:]) + 0.5 * x
    assert np.allclose(got, x, rtol=1e-12, atol=1e-15)


def test_out_may_be_the_grid_itself() -> None:
    for size in (50, 300_000):
        row = np.random.default_rng(1).integers(0, 2, size, dtype=np.uint8)
        expected = Runner(ir.parse(RULE30)).steps(row, 7)
        assert Runner(ir.parse(RULE30)).steps(row, 7, out=row) is row
        assert np.array_equal(row, expected)


def test_ints_that_outgrow_64_bits_go_on_as_python_ints() -> None:
    module = ir.parse(GROWS)
    row = np.array([3, -1, 5, 7])
    for count in (10, 61, 70, 200):
        got = Runner(module).steps(row, count)
        expected = [int(v) for v in row]
        for _ in range(count):
            expected = [a + b for a, b in zip(expected, expected[1:] + expected[:1])]
        assert got.tolist() == expected
    with pytest.raises(ValueError, match="does not fit"):
        Runner(module).steps(row.astype(np.int32), 60)


SERIES = """\
func @newton<T>(%x: real[T], %k: int[T]) -> (%y: real[T], %p: int[T]) {
  %y, %p, %e, %f = scan %t in 0..T with (%v: real = 0.0, %q: int = 1) {
    %a = load %x[%t]
    %b = load %k[%t]
    %w = add %v, %a
    %r = mul %q, %b
    next %w, %r
    yield %w, %r
  }
  return %y, %p
}"""


def test_scans_of_a_thousand_steps_are_exact() -> None:
    x, k = np.linspace(0, 1, 1000), np.full(1000, 3)
    y, p = Runner(ir.parse(SERIES))(x, k)
    assert np.allclose(y, np.cumsum(x)) and p[-1] == 3**1000 and p[39] == 3**40
    both = Runner(ir.parse(SERIES))(np.stack([x, x]), np.stack([k, k * 0]))
    assert both[1][0][-1] == 3**1000 and both[1][1][-1] == 0


def test_the_reach_of_rules() -> None:
    assert reach_of(ir.parse(RULE30)) == Reach(1, True)
    assert reach_of(ir.parse(MAJORITY)) == Reach(2, False)
    assert reach_of(ir.parse(RULES)) is None
    where = RULE30.replace("%out = xor %left, %any", "%odd = mod %i, 2\n    %out = xor %left, %odd")
    assert reach_of(ir.parse(where)) is None  # a cell that knows where it is
    mirror = RULE30.replace("%i - 1 wrap", "-1*%i + N - 1")
    assert reach_of(ir.parse(mirror)) is None


def test_without_llvm_programs_run_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    monkeypatch.setattr("ddc.runtime.jit._STATE", {})
    runner = Runner(ir.parse(RULE30))
    assert runner([0, 1, 0, 0]).tolist() == [1, 1, 1, 0]
    row = np.random.default_rng(2).integers(0, 2, 30, dtype=np.uint8)
    assert np.array_equal(runner.steps(row, 5), interpreted(runner.module, row, 5))
    x = np.random.default_rng(5).normal(size=(20, 5))
    rules = Runner(ir.parse(RULES))
    assert rules(x).tolist() == [rules.python(row) for row in x]


def test_progress_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    small_bands(monkeypatch, 700)
    for text, cells in ((RULE30, np.zeros(5000, np.uint8)), (HEAT, np.zeros(900))):
        seen: list[tuple[int, int]] = []
        Runner(ir.parse(text)).steps(cells, 33, progress=lambda *s, seen=seen: seen.append(s))
        assert seen[-1] == (33, 33) and all(a[0] < b[0] for a, b in zip(seen, seen[1:]))
