"""Curves in loops: the vector forms give what comparisons give, at and around every knot."""

from __future__ import annotations

import numpy as np
import pytest

from ddc import ir
from ddc.backends.llvm import machine
from ddc.backends.llvm.unit import Unit
from ddc.backends.lowering import lower
from ddc.backends.lowering.rows import rows_of
from ddc.ir.interpreter import run_batch
from ddc.runtime.jit import compile_module
from tests.runtime.test_rows import CPUS


def program(knots: str, options: str) -> ir.Module:
    inside = options if options.startswith("in") else ""
    after = "" if inside else options
    body = f"  %y = curve %x {inside} knots [{knots}] {after}"
    return ir.parse(f"func @f(%x: real) -> (%y: real) {{\n{body}\n  return %y\n}}")


def pairs(count: int, low: float, high: float) -> tuple[str, np.ndarray]:
    rng = np.random.default_rng(count)
    places, heights = np.sort(rng.uniform(low, high, count)), rng.normal(size=count)
    heights[count // 2 :: 3] = heights[count // 2 - 1]  # flat pieces too
    places[count // 3 + 1] = places[count // 3]  # a jump
    shown = ", ".join(f"({float(a)!r}, {float(b)!r})" for a, b in zip(places, heights))
    return shown, places


def rows(module: ir.Module, x: np.ndarray, cpu: str, single: bool = False) -> np.ndarray:
    mapped = rows_of(module)
    assert mapped is not None
    return compile_module(mapped, CPUS[cpu], single=single)([x])[0]


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("options", ["", "beyond linear", "in log"])
@pytest.mark.parametrize("count", [2, 3, 8, 9, 16, 17, 33, 64, 65])
def test_curves_of_any_length(cpu: str, options: str, count: int) -> None:
    low = 0.1 if options == "in log" else -4.0
    shown, places = pairs(count, low, 5.0)
    module = program(shown, options)
    near = [np.nextafter(places, -9), places, np.nextafter(places, 9)]
    x = np.concatenate([*near, np.linspace(low, 7, 301), [low / 2, 1e9, np.inf]])
    (expected,) = run_batch(module, {"x": x})
    got = rows(module, x, cpu)
    assert np.allclose(got, expected, rtol=1e-12, atol=1e-13)
    if not options:
        narrow = np.linspace(low, 7, 1001).astype(np.float32)
        narrow = narrow[np.abs(narrow[:, None] - places).min(1) > 1e-5]  # off the jump
        (expected,) = run_batch(module, {"x": narrow.astype(np.float64)})
        single = rows(module, narrow, cpu, single=True)
        steepness = np.abs(np.diff(expected) / np.diff(narrow)).max()
        assert np.allclose(single, expected, rtol=1e-5, atol=1e-6 * (1 + steepness))


def test_a_loop_over_curves_has_no_call_of_the_scalar_form() -> None:
    """The vectoriser has to find the vector form, else a curve would cost more than comparisons."""
    shown, _ = pairs(16, -4, 4)
    text = f"""\
func @f(%x: real, %k: int<0..99>) -> (%y: real, %high: bit) {{
  %a = curve %x knots [{shown}]
  %b = curve %k in log1p knots [(0, 1.5), (3, 0.25), (20, -1), (70, 4)] beyond linear
  %y = add %a, %b
  %high = gt %y, 0.5
  return %y, %high
}}"""
    module = ir.parse(text)
    rng = np.random.default_rng(0)
    x, k = rng.uniform(-6, 6, 1003), rng.integers(0, 100, 1003)
    y, high = run_batch(module, {"x": x, "k": k})
    mapped = rows_of(module)
    assert mapped is not None
    for cpu in CPUS.values():
        got = compile_module(mapped, cpu)([x, k])
        assert np.allclose(got[0], y, rtol=1e-12, atol=1e-13) and np.array_equal(got[1], high)
    wide = machine.Cpu("x86-64-v4")
    unit = Unit(lower(mapped), wide=True)
    shown = str(machine.optimised(unit.module(), wide)[0])
    for number in range(len(unit.variants)):
        assert f"curve{number}.wide" in shown
        assert shown.count("@llvm.x86.avx512.vpermi2var.pd.512(") > 8
