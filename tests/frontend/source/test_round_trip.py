"""What the Python backend writes is read back: the same answers, in both styles."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.backends.python import emit
from ddc.frontend.source import read_program
from ddc.ir.interpreter import run
from ddc.ir.sizes import instantiate
from tests.strategies import agree, inputs, modules, sizes_of


def _has_missing(module: ir.Module) -> bool:
    return any(isinstance(ir.element(p.type), ir.Missing) for p in module.entry.params)


@pytest.mark.parametrize("style", ["plain", "numpy"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(data=st.data())
def test_round_trip(style: str, data: Any) -> None:
    module = data.draw(modules())
    if style == "numpy" and _has_missing(module):
        return  # masks that depend on the input are not understood
    sizes = data.draw(sizes_of(module))
    x = data.draw(inputs(module, sizes))
    fixed = instantiate(module, sizes)
    text = emit(module, style=style, black=False)
    program = read_program(text, "rules.py")
    module_back = program.trace(fixed.entry.params, tuple(fixed.entry.results))
    assert ir.verify(module_back) == []
    for mine, theirs in zip(run(module_back, x), run(fixed, x)):
        assert agree(mine, theirs), text


@pytest.mark.parametrize("style", ["plain", "numpy"])
@pytest.mark.parametrize(
    ("knots", "heights"),
    [
        ("(0, 2), (1.75, 0), (2, 2), (2.25, -1)", {-1.75: 4, 0.875: 1, 2.125: 0.5, 2.5: -4}),
        ("(-2, 2), (-2, 0.5), (0, 3.5), (1, 2)", {-3: 2, -2: 0.5, -1: 2, 3: -1}),
        ("(0, 1), (1, 3), (1, 3.5)", {-1: -1, 0.5: 2, 1: 3.5, 9: 3.5}),
    ],
)
def test_curves_beyond_knots_that_coincide(
    style: str, knots: str, heights: dict[float, float]
) -> None:
    text = "func @f(%x: real) -> (%y: real) {{\n  %y = curve %x knots [{}] beyond linear"
    text += "\n  return %y\n}}"
    entry = ir.parse(text.format(knots)).entry
    source = emit(ir.Module((entry,)), style=style, black=False)
    back = read_program(source, "rules.py").trace(entry.params, tuple(entry.results))
    for place, height in heights.items():
        assert run(back, {"x": place})[0] == height
