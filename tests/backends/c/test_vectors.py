"""The fast form of loops over bytes: every compiler, every width, and only where it may be."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.programs import LIFE, RULE30
from ddc import ir
from ddc.backends.c import emit
from ddc.ir.interpreter import run
from tests.backends import native, stencils

WIDTHS = ["-march=x86-64", "-march=x86-64-v3", "-march=native"]
SANITIZED = [*native.UNDEFINED, "-O1"]
RELAXED = settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("compiler", native.COMPILERS)
@RELAXED
@given(data=st.data())
def test_random_stencils(compiler: str, data: st.DataObject) -> None:
    module = ir.parse(data.draw(stencils.stencils()))
    axes = len(module.entry.sizes)
    flags = [data.draw(st.sampled_from(WIDTHS)), *SANITIZED]
    limits = ir.int_bounds(ir.element(module.entry.params[0].type)) or (0, 1)
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    with tempfile.TemporaryDirectory() as folder:
        (binding,) = native.library([module], Path(folder), compiler, flags)
        for last in (1, 2, 5, 18, 66, 131, 200):
            shape = (*rng.integers(1, 5, axes - 1), last)
            cells = rng.integers(limits[0] or 0, (limits[1] or 1) + 1, shape)
            (expected,) = run(module, {"x": cells})
            (got,) = binding([cells])
            assert np.array_equal(got, expected), (shape, emit(module).source)


def test_stencils_on_bytes_have_vectors_and_a_plain_form() -> None:
    for text in (RULE30, LIFE.replace("BORDER", "wrap")):
        source = emit(ir.parse(text)).source
        assert source.count("#ifdef LANES") == 1 and "#if defined(__GNUC__)" in source
        plain = re.sub(r"#ifdef LANES\n.*?#endif\n", "", source, flags=re.DOTALL)
        assert "Bytes" not in plain.split("#endif\n\n")[-1]


@pytest.mark.parametrize(
    ("entry", "body"),
    [
        ("real", "%c = add %a, %b"),  # no bytes
        ("int<0..200>", "%c = lt %a, %b"),  # two bytes each
        ("int<-100..100>", "%s = add %a, %b\n    %c = lt %s, 50"),  # not known modulo 256
        ("bit", "%c = table [3, 1, 2, 0] of %a, %b"),
    ],
)
def test_other_loops_stay_as_they_are(entry: str, body: str) -> None:
    result = "real" if entry == "real" else "int<0..3>"
    text = f"""\
func @f<N>(%x: {entry}[N]) -> (%y: {result}[N]) {{
  %y = map %i in 0..N {{
    %a = load %x[%i - 1 wrap]
    %b = load %x[%i]
    {body}
    yield %c
  }}
  return %y
}}"""
    assert "LANES" not in emit(ir.parse(text)).source
