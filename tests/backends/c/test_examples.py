"""Example programs: clean under the sanitizers of every compiler, and the interpreter's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ddc
from ddc import ir
from tests.backends import native
from tests.backends.c.sanitized import Run
from tests.backends.c.test_sanitized import checked

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = ("rule30/model", "life/model", "comparator/model", "tokens/model", "automata/rule_110")
SEQUENCES = ("Parity_All", "Binary_Addition", "Sum_Last2", "Bitwise_Xor")


def random_input(param: ir.Param, sizes: dict[str, int], rng: Any) -> Any:
    kind = ir.element(param.type)
    shape = tuple(int(d.evaluate(sizes)) for d in ir.dims(param.type))
    values = ir.levels(kind)
    if values is None:
        return rng.integers(-9, 10, shape)
    return rng.choice(values, shape)


@pytest.mark.parametrize("name", [*NAMES, *(f"recurrent/{name}" for name in SEQUENCES)])
def test_examples_are_clean(name: str) -> None:
    module, rng = ddc.compile(EXAMPLES / f"{name}.pt").ir, np.random.default_rng(0)
    runs: list[Run] = []
    for size in (1, 2, 7, 150):
        sizes = {s.name: max(size + k, s.minimum) for k, s in enumerate(module.entry.sizes)}
        inputs = {p.name: random_input(p, sizes, rng) for p in module.entry.params}
        runs.append(Run(module, inputs, sizes))
    for compiler in native.COMPILERS:
        checked(runs, compiler)
