"""Packed grids of random rules: every level of vectors and every layout, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.backends.lowering.stencil import stencil_of
from ddc.ir.interpreter import run
from ddc.runtime.grid import layout_of, packed_steps, widest
from tests.backends.processors import CPUS
from tests.backends.stencils import stencils

RELAXED = settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("axes", [1, 2])
@RELAXED
@given(data=st.data())
def test_random_rules(cpu: str, axes: int, data: st.DataObject) -> None:
    module = ir.parse(data.draw(stencils(axes=axes, bits=True)))
    rule = stencil_of(module)
    if rule is None:
        return  # borders of two kinds along one axis, or a rule that reads nothing
    lanes = data.draw(st.sampled_from([n for n in (64, 128, 256, 512) if n <= widest(CPUS[cpu])]))
    extra = data.draw(st.integers(0, lanes))
    shape = (lanes * 70 + extra,) if axes == 1 else (lanes * 6 + extra, 64 + extra % 40)
    steps = data.draw(st.integers(1, 15))
    seed = data.draw(st.integers(0, 1 << 32))
    cells = np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)
    assert layout_of(rule, shape, widest(CPUS[cpu])) is not None
    got = packed_steps(rule, cells, steps, cpu=CPUS[cpu], cache=False)
    expected = cells
    for _ in range(steps):
        (expected,) = run(module, {"x": expected})
    assert got is not None and np.array_equal(got, expected), (shape, steps)
