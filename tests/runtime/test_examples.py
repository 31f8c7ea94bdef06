"""Every example program: the native code and the interpreter agree."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ddc
from ddc import ir
from ddc.runtime.jit import compile_module
from tests.backends import native

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("rule30", "life", "comparator", "tokens")


@lru_cache(maxsize=8)
def program(name: str) -> ir.Module:
    return ddc.compile(EXAMPLES / name / "model.pt").ir


def random_input(param: ir.Param, sizes: dict[str, int], rng: Any) -> Any:
    values = ir.levels(ir.element(param.type))
    assert values is not None
    shape = tuple(int(d.evaluate(sizes)) for d in ir.dims(param.type))
    return rng.choice(values, shape)


@pytest.mark.parametrize("name", NAMES)
def test_examples_agree(name: str) -> None:
    module = program(name)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        bindings = [*native.library([module], Path(folder)), compile_module(module)]
        for size in (1, 2, 3, 7, 40):
            sizes = {s.name: max(size + k, s.minimum) for k, s in enumerate(module.entry.sizes)}
            inputs = {p.name: random_input(p, sizes, rng) for p in module.entry.params}
            for binding in bindings:
                native.check(binding, module, inputs, sizes)
