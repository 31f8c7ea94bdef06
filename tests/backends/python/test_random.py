"""Random modules: the interpreter and both Python styles agree on a thousand of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.backends.python import emit
from tests import strategies

from .running import check

RELAXED = settings(
    deadline=None, derandomize=True, max_examples=500, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("network", [False, True])
@RELAXED
@given(data=st.data())
def test_random_modules(data: st.DataObject, network: bool) -> None:
    module = data.draw(strategies.modules(network=network))
    inputs = data.draw(strategies.inputs(module, data.draw(strategies.sizes_of(module))))
    for style in ("plain", "numpy"):
        check(module, inputs, style)


@settings(RELAXED, max_examples=100)
@given(data=st.data())
def test_ints_beyond_62_bits(data: st.DataObject) -> None:
    module = data.draw(strategies.modules(wide=True))
    sizes = data.draw(strategies.sizes_of(module))
    inputs = data.draw(strategies.inputs(module, sizes, wide=True))
    for style in ("plain", "numpy"):
        check(module, inputs, style)


@settings(RELAXED, max_examples=15)
@given(module=strategies.modules(network=True))
def test_black_is_idempotent(module: ir.Module) -> None:
    import black

    for style in ("plain", "numpy"):
        text = emit(module, style=style)
        assert black.format_str(text, mode=black.Mode(line_length=100)) == text
