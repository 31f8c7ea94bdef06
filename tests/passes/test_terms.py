"""Terms of one op as reductions: the same value, whatever the places."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ddc import passes
from ddc.ir import parse
from ddc.ir.interpreter import run_batch


@pytest.mark.parametrize(
    "places",
    [(0, 1, 3, 4), (5, 6, 8, 9), (2, 3, 7, 8), (0, 2, 5, 7), (1, 2, 3, 4), (0, 3, 6, 9)],
)
def test_sum_of_places(places: tuple[int, ...]) -> None:
    """Two runs a step apart, strides and windows, none of them at the start alone."""
    loads = "\n".join(f"  %x{p} = load %x[{p}]" for p in places)
    names = ", ".join(f"%x{p}" for p in places)
    module = parse(
        f"func @f(%x: bit[10]) -> (%y: int) {{\n{loads}\n  %y = add {names}\n  return %y\n}}"
    )
    rolled = passes.run(module, "reduce-terms,dce")
    rows = np.array(list(itertools.product((0, 1), repeat=10)))
    (found,) = run_batch(rolled, {"x": rows})
    assert np.array_equal(found, rows[:, list(places)].sum(1))
    assert any(op.code == "reduce" for op in rolled.entry.body.ops)
