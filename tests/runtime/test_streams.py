"""Large calls: checks, conversions and results in native code give the interpreter's answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.programs import LIFE, RULE30
from ddc import ir
from ddc.backends.lowering.rows import rows_of
from ddc.ir.interpreter import run, run_batch
from ddc.runtime import batch, stepping, streams
from ddc.runtime.jit import compile_looking, compile_module
from ddc.runtime.native import Runner
from ddc.runtime.streams import Grids
from tests.backends.stencils import stencils
from tests.runtime.test_lanes import KINDS, in_shape
from tests.runtime.test_rows import CPUS, RULES
from tests.runtime.test_stepping import GROWS, HEAT, MAJORITY, interpreted

SPINS = """\
func @spins<N>(%x: int{-1, 1}[N]) -> (%y: int<-1..1>[N]) {
  %y = map %i in 0..N {
    %a = load %x[%i - 1 wrap]
    %b = load %x[%i + 1 wrap]
    %c = mul %a, %b
    yield %c
  }
  return %y
}"""

SCORE = """\
func @score(%x: real<-4..4>, %k: int<0..9>, %w: int<-3..200>[3]) -> (%y: real, %high: bit) {
  %a = load %w[0]
  %b = load %w[2]
  %c = add %a, %b, %k
  %y = add %x, %c
  %high = gt %y, 20
  return %y, %high
}"""


def small(patch: pytest.MonkeyPatch, band: int = 1 << 9, far: int = 1 << 12) -> None:
    """Take bands and stretches of a few rows."""
    patch.setattr(batch, "WORTH", 0)
    patch.setattr(streams, "BAND", band)
    patch.setattr(streams, "FAR", far)
    patch.setattr(streams, "STRETCH", 2)
    patch.setattr(streams, "EVEN", 8)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_rules_on_one_grid(data: st.DataObject) -> None:
    module = ir.parse(data.draw(stencils()))
    entry = module.entry
    axes = len(ir.dims(entry.params[0].type))
    shape = tuple(data.draw(st.integers(1, 900 if k == 0 else 7)) for k in range(axes))
    values = ir.levels(ir.element(entry.params[0].type))
    assert values is not None
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    cells = rng.choice(values, shape)
    (expected,) = run(module, {entry.params[0].name: cells})
    kinds = [k for k in KINDS if np.array_equal(cells.astype(k), cells)]
    dtype = data.draw(st.sampled_from([np.int64, *kinds]))
    wanted = data.draw(st.sampled_from([None, np.int64, np.int32, np.uint8, np.float64]))
    if wanted is np.uint8 and (expected.min() < 0 or expected.max() > 255):
        wanted = None
    how = data.draw(st.sampled_from(["plain", "every other", "read-only", "big-endian"]))
    grid = cells.astype(dtype)
    if how != "every other" or axes == 2:
        grid = in_shape(grid, how) if axes == 2 else in_shape(grid[:, None], how)[:, 0]
    with pytest.MonkeyPatch.context() as patch:
        small(patch, data.draw(st.integers(1, 4000)), data.draw(st.integers(1, 9000)))
        patch.setattr(streams, "AT_ONCE", data.draw(st.sampled_from([0, 1 << 30])))
        threads = data.draw(st.integers(1, 3))
        try:
            got = Runner(module)(grid, threads=threads, dtype=wanted)
        except ValueError as error:
            assert "cannot hold" in str(error)
            return
    assert np.array_equal(got, expected), (shape, dtype, how)
    real = expected.dtype.kind == "f"
    assert got.dtype == (wanted or (np.float64 if real else np.int64))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("text", [RULE30, LIFE.replace("BORDER", "clamp"), MAJORITY, HEAT, SPINS])
def test_every_border_and_type(text: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ir.parse(text)
    values = ir.levels(ir.element(module.entry.params[0].type)) or (0.25, -1.5, 3.0)
    for rows in (64, 500, 1111):
        small(monkeypatch)
        shape = (rows, 9)[: len(ir.dims(module.entry.params[0].type))]
        cells = np.random.default_rng(rows).choice(values, shape)
        expected = interpreted(module, cells, 1)
        runner = Runner(module)
        assert runner.grids is not None
        for at_once in (0, 1 << 30):
            monkeypatch.setattr(streams, "AT_ONCE", at_once)
            assert np.allclose(runner(cells, threads=threads), expected, rtol=1e-12)
            out = np.empty(shape, np.float64 if text is HEAT else np.int32)
            assert runner(cells, threads=threads, out=out) is out
            assert np.allclose(out, expected, rtol=1e-12)
            same = cells.astype(out.dtype)
            assert runner(same, threads=threads, out=same) is same
            assert np.allclose(same, expected, rtol=1e-12)
            strided = np.zeros((2 * rows, *shape[1:]), out.dtype)[::2]
            assert np.allclose(runner(cells, out=strided), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", KINDS)
def test_one_step_keeps_the_dtype(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    monkeypatch.setattr(stepping, "SMALL", 0)
    for text in (RULE30, GROWS):
        module = ir.parse(text)
        row = np.random.default_rng(3).integers(0, 2, 3000).astype(dtype)
        expected = interpreted(module, row.astype(np.int64), 1)
        if dtype is bool and text is GROWS:
            with pytest.raises(ValueError, match="does not fit into bool"):
                Runner(module).steps(row, 1)
            continue
        for threads in (1, 2):
            seen: list[tuple[int, int]] = []
            got = Runner(module).steps(row, 1, threads, progress=lambda *s: seen.append(s))
            assert seen == [(1, 1)]
            assert got.dtype == dtype and np.array_equal(got, expected)
            wide = np.zeros(6000, np.float64)[::2]
            assert Runner(module).steps(row, 1, out=wide) is wide
            assert np.array_equal(wide, expected)
            same = row.copy()
            assert Runner(module).steps(same, 1, out=same) is same
            assert np.array_equal(same, expected)
        if dtype is np.uint8 and text is GROWS:
            with pytest.raises(ValueError, match="does not fit into uint8"):
                Runner(module).steps(np.full(3000, 200, np.uint8), 1)


@pytest.mark.parametrize("dtype", KINDS)
def test_bad_cells_are_named(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    row = np.zeros(3000, dtype)
    for at_once in (0, 1 << 30):
        monkeypatch.setattr(streams, "AT_ONCE", at_once)
        for place in (0, 1, 1499, 2999):
            bad = row.copy()
            bad[place] = 2
            out = np.zeros(3000, np.uint8)
            if dtype is bool:
                assert Runner(ir.parse(RULE30))(bad, out=out) is out
                continue
            with pytest.raises(ValueError):
                Runner(ir.parse(RULE30))(bad, out=out)
    for value in (np.nan, -1.0, 0.5):
        with pytest.raises(ValueError):
            Runner(ir.parse(RULE30))(np.full(3000, value))
    with pytest.raises(ValueError):
        Runner(ir.parse(HEAT))(np.where(np.arange(3000) == 7, np.nan, 0.0))


def test_the_sign_of_a_byte_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """255 as a byte without sign has the bits of -1."""
    small(monkeypatch)
    runner = Runner(ir.parse(SPINS))
    good = np.ones(2000, np.int8)
    assert runner(good).tolist() == [1] * 2000
    with pytest.raises(ValueError):
        runner(np.full(2000, 255, np.uint8))
    with pytest.raises(ValueError):
        runner(np.zeros(2000, np.int8))


def test_ints_that_leave_64_bits_are_computed_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    row = np.full(400, 1 << 62)
    row[::2] = 5
    expected = [int(a) + int(b) for a, b in zip(row, np.roll(row, -1))]
    assert Runner(ir.parse(GROWS))(row).tolist() == expected
    row[7] = (1 << 62) + 1
    row[8] = 1 << 62
    assert Runner(ir.parse(GROWS))(row).tolist()[7] == (1 << 63) + 1
    assert Runner(ir.parse(GROWS))(row.astype(np.uint64)).tolist()[7] == (1 << 63) + 1
    with pytest.raises(ValueError):
        Runner(ir.parse(GROWS))(row, out=np.empty(400, np.int32))


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("count", [64, 1000, 5003])
def test_rows_of_several_inputs(dtype: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    monkeypatch.setattr(batch, "FAR", 1 << 13)
    module = ir.parse(SCORE)
    rng = np.random.default_rng(count)
    x = rng.uniform(-4, 4, count)
    k, w = rng.integers(0, 10, count), rng.integers(-3, 201, (count, 3))
    y, high = run_batch(module, {"x": x, "k": k, "w": w})
    for threads in (1, 2):
        got = Runner(module)(x, k.astype(dtype), w.astype(dtype), threads=threads)
        assert np.allclose(got[0], y, rtol=1e-12) and np.array_equal(got[1], high)
        out = np.empty(count), np.empty(count, np.float32)
        Runner(module)(x, k.astype(dtype), np.asfortranarray(w).astype(dtype), out=out)
        assert np.allclose(out[0], y, rtol=1e-12) and np.array_equal(out[1], high)
    shared = Runner(module)(x, 3, w)
    assert np.allclose(shared[0], run_batch(module, {"x": x, "k": k * 0 + 3, "w": w})[0])
    for name, value in (("x", 4.5), ("k", 10), ("w", 201)):
        given = {"x": x.copy(), "k": k.copy(), "w": w.copy()}
        given[name][count // 2] = value
        with pytest.raises(ValueError, match=rf"%{name} holds {value}"):
            Runner(module)(*given.values())


@pytest.mark.parametrize("cpu", CPUS)
def test_kernels_that_look_on_every_processor(cpu: str) -> None:
    rng = np.random.default_rng(0)
    module = ir.parse(RULE30)
    looked = compile_looking(module, CPUS[cpu])
    assert looked is not None
    for size in (1, 5, 300, 4099):
        row = rng.integers(0, 2, size, dtype=np.uint8)
        out = np.empty_like(row)
        assert looked.call(size, row.ctypes.data, out.ctypes.data) == 0
        assert np.array_equal(out, interpreted(module, row, 1))
        for value in (2, 255):
            row[rng.integers(size)] = value
            assert looked.call(size, row.ctypes.data, out.ctypes.data) == 1
    mapped = rows_of(ir.parse(RULES))
    assert mapped is not None
    looked = compile_looking(mapped, CPUS[cpu])
    assert looked is not None
    x = rng.normal(size=(777, 5))
    made = np.empty(777, np.uint8)
    assert looked.call(777, x.ctypes.data, made.ctypes.data) == 0
    assert np.array_equal(made, compile_module(mapped, CPUS[cpu])([x])[0])
    x[600, 3] = np.nan  # of a feature that no rule reads
    assert looked.call(777, x.ctypes.data, made.ctypes.data) == 1


def test_what_does_not_go_band_by_band() -> None:
    mirror = RULE30.replace("%i - 1 wrap", "-1*%i + N - 1")
    assert Runner(ir.parse(mirror)).grids is None
    grids = Runner(ir.parse(RULE30)).grids
    assert isinstance(grids, Grids) and not grids.takes(np.zeros(31, np.uint8))
