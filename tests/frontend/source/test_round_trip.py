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
