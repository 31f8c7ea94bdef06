"""Packed grids: every layout, vector width, border and thread count gives the bytes' answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.programs import LIFE, RULE30
from ddc import ir
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.llvm.packed import rule_recipe
from ddc.backends.lowering.decompose import decompose
from ddc.backends.lowering.stencil import Stencil, stencil_of
from ddc.ir.interpreter import run
from ddc.runtime import layouts
from ddc.runtime.grid import layout_of, packed_steps, widest
from tests.backends.stencils import stencils

CPUS = {"sse2": Cpu("x86-64"), "avx2": Cpu("x86-64-v3"), "host": host()}


def stencil(text: str) -> Stencil:
    found = stencil_of(ir.parse(text))
    assert found is not None
    return found


def rule_30(row: Any) -> Any:
    return np.roll(row, 1) ^ (row | np.roll(row, -1))


def extended(cells: Any, axis: int, border: str) -> Any:
    """Return the cells with one more at either end of an axis."""
    widths = [(int(k == axis), int(k == axis)) for k in range(cells.ndim)]
    if border in ("wrap", "clamp"):
        return np.pad(cells, widths, mode="wrap" if border == "wrap" else "edge")
    return np.pad(cells, widths, constant_values=int(border[-1]))


def life(border: str, second: str | None = None) -> Callable[[Any], Any]:
    def step(cells: Any) -> Any:
        whole = cells.astype(int)
        padded = extended(extended(whole, 1, second or border), 0, border)
        rows, columns = cells.shape
        count = (
            sum(padded[a : a + rows, b : b + columns] for a in range(3) for b in range(3)) - whole
        )
        return ((count == 3) | ((whole == 1) & (count == 2))).astype(np.uint8)

    return step


def repeated(step: Callable[[Any], Any], cells: Any, count: int) -> Any:
    for _ in range(count):
        cells = step(cells)
    return cells


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("size", [32768, 33001, 100_003, 8192, 12_305])
def test_rows_of_any_length(cpu: str, size: int) -> None:
    rule = stencil(RULE30)
    row = np.random.default_rng(size).integers(0, 2, size, dtype=np.uint8)
    for count in (1, 12, 29):
        got = packed_steps(rule, row, count, cpu=CPUS[cpu])
        assert got is not None and np.array_equal(got, repeated(rule_30, row, count)), count
    threaded = packed_steps(rule, row, 25, threads=3, cpu=CPUS[cpu])
    assert threaded is not None
    assert np.array_equal(threaded, repeated(rule_30, row, 25))


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("border", ["wrap", "else 0", "else 1"])
def test_life_of_any_shape(cpu: str, border: str) -> None:
    rule = stencil(LIFE.replace("BORDER", border))
    rng = np.random.default_rng(1)
    for shape in [(2048, 64), (2051, 131), (600, 70), (257, 100)]:
        cells = rng.integers(0, 2, shape, dtype=np.uint8)
        for count, threads in ((1, 1), (5, 2)):
            got = packed_steps(rule, cells, count, threads, cpu=CPUS[cpu])
            expected = repeated(life(border), cells, count)
            assert got is not None and np.array_equal(got, expected), (shape, count)


@pytest.mark.parametrize("border", ["wrap", "clamp", "else 0", "else 1"])
@pytest.mark.parametrize("across", ["wrap", "clamp", "else 1"])
@pytest.mark.parametrize("more", [0, 5])
def test_tiles_of_several_steps(
    border: str, across: str, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "NEAR_CACHE", 1 << 16)
    monkeypatch.setattr(layouts, "WIDE_TILE", 0)
    text = LIFE.replace("BORDER", border, 1).replace("BORDER", across)
    rule, shape = stencil(text), (widest(host()) * 9 + more, 110)
    layout = layout_of(rule, shape, widest(host()))
    assert layout is not None and layout.steps > 1 and layout.tile < shape[1]
    cells = np.random.default_rng(2).integers(0, 2, shape, dtype=np.uint8)
    count = layout.steps * 2 + 1
    expected = repeated(life(border, across), cells, count)
    for threads in (1, 2):
        got = packed_steps(rule, cells, count, threads=threads)
        assert got is not None and np.array_equal(got, expected)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_tiles_of_random_rules(data: st.DataObject) -> None:
    """Both axes have borders of their own, also beyond the corners."""
    text = data.draw(stencils(axes=2, bits=True))
    for kind in ("wrap", "else 0", "else 1"):
        if data.draw(st.booleans()):
            text = text.replace(kind, "clamp")
    module = ir.parse(text)
    rule = stencil_of(module)
    if rule is None:
        return
    cpu = CPUS[data.draw(st.sampled_from(sorted(CPUS)))]
    segment = 8 * max(1, *rule.radius) + data.draw(st.integers(1, 9))
    shape = 64 * segment + data.draw(st.integers(0, 63)), data.draw(st.integers(40, 150))
    steps = data.draw(st.integers(2, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    cells = rng.integers(0, 2, shape, dtype=np.uint8)
    expected = cells
    for _ in range(steps):
        (expected,) = run(module, {"x": expected})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "NEAR_CACHE", 1 << 12)
        patch.setattr(layouts, "FAR_CACHE", 0)
        layout = layout_of(rule, shape, 64)
        assert layout is None or layout.steps > 1
        threads = data.draw(st.integers(1, 2))
        got = packed_steps(rule, cells, steps, threads, cpu=cpu, cache=False)
    assert got is None or np.array_equal(got, expected), (shape, steps, rule.borders)


def test_small_or_narrow_grids_have_no_tiles() -> None:
    rule, lanes = stencil(LIFE.replace("BORDER", "wrap")), widest(host())
    for shape in ((lanes * 9, 300), (lanes * 500, 100), (lanes * 5, 70), (lanes * 9, 4)):
        layout = layout_of(rule, shape, lanes)
        assert layout is not None and layout.lanes == lanes and layout.steps == 1, shape


TWO_AWAY = """\
func @f<N>(%x: bit[N]) -> (%y: bit[N]) {
  %y = map %i in 0..N {
    %a = load %x[%i - 2 wrap]
    %b = load %x[%i - 1 wrap]
    %c = load %x[%i]
    %d = load %x[%i + 1 wrap]
    %e = load %x[%i + 2 wrap]
    %m = threshold 3 of %a, %b, %c, %d, %e
    yield %m
  }
  return %y
}"""


def test_a_wider_threshold_rule() -> None:
    rule = stencil(TWO_AWAY)
    row = np.random.default_rng(4).integers(0, 2, 70_001, dtype=np.uint8)

    def step(x: Any) -> Any:
        return np.greater_equal(sum(np.roll(x, k) for k in range(-2, 3)), 3).astype(np.uint8)

    got = packed_steps(rule, row, 20)
    assert got is not None and np.array_equal(got, repeated(step, row, 20))


def test_small_shapes_have_no_packed_layout() -> None:
    assert packed_steps(stencil(RULE30), np.zeros(500, np.uint8), 1) is None
    life_rule = stencil(LIFE.replace("BORDER", "wrap"))
    assert packed_steps(life_rule, np.zeros((20, 60), np.uint8), 1) is None


@pytest.mark.parametrize(
    "text",
    [
        RULE30.replace("%i - 1 wrap", "2*%i wrap"),  # not a window
        RULE30.replace("%i - 1 wrap", "%i - 1 clamp"),
        RULE30.replace("%i - 1 wrap", "%i - 1 else 0"),  # two kinds of border on one axis
        "func @f(%a: bit[4], %b: bit[4]) -> (%c: bit[4]) {\n  %c = xor %a, %b\n  return %c\n}",
    ],
)
def test_other_programs_are_not_taken(text: str) -> None:
    assert stencil_of(ir.parse(text)) is None


def test_life_takes_few_instructions() -> None:
    # Three row sums of two each, two additions of two each, and the decision: 14 look-ups. A
    # full adder for every addition and two comparisons would take 21 and more.
    assert len(rule_recipe(stencil(LIFE.replace("BORDER", "wrap"))).steps) <= 14


def test_decompositions_compute_their_tables() -> None:
    rng = np.random.default_rng(9)
    for _ in range(30):
        table = tuple([None, 0, 1][k] for k in rng.integers(0, 3, 32))
        found = decompose(table, "abcde", 9)
        if found is None:
            continue
        steps, result = found
        for k, wanted in enumerate(table):
            values: dict[Any, int] = {n: k >> (4 - p) & 1 for p, n in enumerate("abcde")}
            for step in steps:
                at = 0
                for name in step.reads:
                    at = at * 2 + values[name]
                values[step.name] = step.table[at]
            assert wanted is None or values[result] == wanted


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_rules_on_random_shapes(data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 3))
    text = data.draw(stencils(axes=axes, bits=True))
    for kind in ("wrap", "else 0", "else 1"):
        if data.draw(st.booleans()):
            text = text.replace(kind, "clamp")
    module = ir.parse(text)
    rule = stencil_of(module)
    if rule is None:
        return
    if axes == 1:
        shape: tuple[int, ...] = (data.draw(st.integers(4096, 40_000)),)
    else:
        longest = data.draw(st.integers(64, 700))
        rest = [data.draw(st.integers(1, 40)) for _ in range(axes - 1)]
        rest.insert(data.draw(st.integers(0, axes - 1)), longest)
        shape = tuple(rest)
    steps, threads = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    cells = rng.integers(0, 2, shape, dtype=np.uint8)
    cpu = CPUS[data.draw(st.sampled_from(sorted(CPUS)))]
    got = packed_steps(rule, cells, steps, threads, cpu=cpu, cache=False)
    expected = cells
    for _ in range(steps):
        (expected,) = run(module, {"x": expected})
    assert got is None or np.array_equal(got, expected), (shape, steps)
