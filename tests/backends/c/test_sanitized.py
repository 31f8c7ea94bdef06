"""Random modules under the address and undefined-behaviour sanitizers of every compiler."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.ir.interpreter import run
from tests import strategies
from tests.backends import native, stencils
from tests.backends.c.sanitized import Run, results

AT_ONCE = 4  # modules that are compiled into one program
RELAXED = settings(
    deadline=None,
    max_examples=2,
    phases=[Phase.explicit, Phase.generate],  # to compile takes too long for shrinking
    suppress_health_check=list(HealthCheck),
)


def checked(runs: list[Run], compiler: str) -> None:
    """Assert that all runs are clean, and that their results are the interpreter's."""
    with tempfile.TemporaryDirectory() as folder:
        found = results(runs, Path(folder), compiler)
    for each, got in zip(runs, found):
        if got is None:
            assert native.goes_beyond(each.module, each.inputs, each.sizes)
            continue
        try:
            expected = run(each.module, each.inputs, sizes=each.sizes)
        except ir.DdcError:
            continue  # a NaN that is rounded
        for a, b in zip(got, expected, strict=True):
            assert native.close(a, b), f"{a!r} != {b!r}\n{ir.print_module(each.module)}"


@pytest.mark.parametrize("compiler", native.COMPILERS)
@pytest.mark.parametrize(("network", "wide"), [(False, False), (True, False), (False, True)])
@RELAXED
@given(data=st.data())
def test_random_modules(compiler: str, network: bool, wide: bool, data: st.DataObject) -> None:
    runs: list[Run] = []
    for _ in range(AT_ONCE):
        found = native.drawn(data, network, wide)
        if found is None:
            continue
        module, sizes = found
        inputs = data.draw(strategies.inputs(module, sizes, wide))
        flat = [v for a in inputs.values() for v in np.ravel(np.asarray(a, dtype=object))]
        if all(-(1 << 63) <= v < 1 << 63 for v in flat if isinstance(v, int)):
            runs.append(Run(module, inputs, sizes))
    checked(runs, compiler)


@pytest.mark.parametrize("compiler", native.COMPILERS)
@RELAXED
@given(data=st.data())
def test_random_stencils(compiler: str, data: st.DataObject) -> None:
    runs: list[Run] = []
    for _ in range(AT_ONCE):
        module = ir.parse(data.draw(stencils.stencils()))
        names = [s.name for s in module.entry.sizes]
        shape = [data.draw(st.integers(1, 4)) for _ in names[1:]] + [data.draw(st.integers(1, 150))]
        limits = ir.int_bounds(ir.element(module.entry.params[0].type)) or (0, 1)
        rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
        cells = rng.integers(limits[0] or 0, (limits[1] or 1) + 1, shape)
        runs.append(Run(module, {"x": cells}, dict(zip(names, shape))))
    checked(runs, compiler)
