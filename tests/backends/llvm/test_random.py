"""Random modules: machine code made by LLVM, for every level of vectors, and the interpreter agree."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc.runtime.jit import compile_module
from tests import strategies
from tests.backends import native
from tests.backends.processors import CPUS

RELAXED = settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("network", "wide"), [(False, False), (True, False), (False, True)])
@RELAXED
@given(data=st.data())
def test_random_modules(data: st.DataObject, network: bool, wide: bool) -> None:
    found = native.drawn(data, network, wide)
    if found is None:
        return
    module, sizes = found
    cpu = CPUS[data.draw(st.sampled_from(sorted(CPUS)))]
    binding = compile_module(module, cpu, cache=False)
    native.check(binding, module, data.draw(strategies.inputs(module, sizes, wide)), sizes)
