"""Loops written out: the same answers without any structured op."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.ir.equivalence.circuit import TooLargeError, UnsupportedError
from ddc.ir.equivalence.straight import straight
from ddc.ir.interpreter import run
from ddc.ir.sizes import instantiate
from tests.strategies import agree, inputs, modules, sizes_of

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_same_answers(data: Any) -> None:
    module = data.draw(modules())
    sizes = data.draw(sizes_of(module))
    x = data.draw(inputs(module, sizes))
    try:
        written = straight(module, sizes)
    except (TooLargeError, UnsupportedError):
        return
    assert all(op.body is None for op in written.entry.body.ops)
    for mine, theirs in zip(run(written, x), run(instantiate(module, sizes), x)):
        assert agree(mine, theirs)


def test_weighted_thresholds_and_logistic_functions() -> None:
    text = """func @f<N>(%x: bit[N]) -> (%y: bit, %p: real) {
  %a = load %x[0]
  %b = load %x[N - 1]
  %y = threshold 2 of %a, %b weights [3, -2]
  %n = reduce add %i in 0..N {
    %v = load %x[%i]
    yield %v
  }
  %p = sigmoid %n
  return %y, %p
}"""
    written = straight(ir.parse(text), {"N": 3})
    assert {op.code for op in written.entry.body.ops}.isdisjoint({"threshold", "sigmoid", "reduce"})
    for x in np.ndindex(2, 2, 2):
        bit, real = run(written, {"x": list(x)})
        assert bit == (3 * x[0] - 2 * x[2] >= 2)
        assert abs(real - 1 / (1 + np.exp(-sum(x)))) < 1e-15
