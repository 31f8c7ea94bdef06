"""Random networks of every signature and decision: program = network on the whole domain.

The reference is arithmetic on fractions, written here; the compiler's own exact evaluation takes no
part in it. Both emitted styles are executed.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ddc
from benchmarks.networks import write_layers
from ddc.ir import DdcError

LEVELS = {
    "bit": (0, 1),
    "int{-1, 1}": (-1, 1),
    "int<0..2>": (0, 1, 2),
    "int<-1..1>": (-1, 0, 1),
    "onehot<3>": (0, 1, 2),
}
SHAPES = ((), (2,), (3,), (5,), (2, 2))
LARGEST = 1000


def half_even(value: Fraction) -> int:
    return round(value)


DECIDE: dict[str, Callable[[list[Fraction]], list[int]]] = {
    "step": lambda z: [int(v > 0) for v in z],
    "half": lambda z: [int(v > Fraction(1, 2)) for v in z],
    "sign": lambda z: [(v > 0) - (v < 0) for v in z],
    "round": lambda z: [half_even(v) for v in z],
    "argmax": lambda z: [z.index(max(z))],
}
ACTIVATE: dict[str, Callable[[Fraction], Fraction]] = {
    "relu": lambda v: max(v, Fraction(0)),
    "sign": lambda v: Fraction((v > 0) - (v < 0)),
    "step": lambda v: Fraction(int(v > 0)),
    "linear": lambda v: v,
}


class Case:
    """One random network with its signature."""

    def __init__(self, seed: int) -> None:
        source = random.Random(seed)
        rng = np.random.default_rng(seed)
        self.params: list[tuple[str, str, tuple[int, ...]]] = []
        cases, width = 1, 0
        for name in "ab"[: source.choice([1, 2])]:
            kind, shape = source.choice(list(LEVELS)), source.choice(SHAPES)
            cells = int(np.prod(shape, dtype=int))
            if cases * len(LEVELS[kind]) ** cells <= LARGEST:
                cases *= len(LEVELS[kind]) ** cells
                self.params.append((name, kind, shape))
                width += cells * (3 if kind.startswith("onehot") else 1)
        if not self.params:
            self.params, width = [("a", "bit", (3,))], 3
        self.decision = source.choice(list(DECIDE))
        outputs = source.choice([2, 3]) if self.decision == "argmax" else source.choice([1, 2, 4])
        sizes = [width, source.choice([2, 4]), outputs]
        scale = source.choice([1.0, 2.0, 3.0])
        self.layers = [
            (rng.integers(-4, 5, (a, b)) / scale, rng.integers(-4, 5, b) / scale)
            for a, b in zip(sizes, sizes[1:])
        ]
        self.activations = [source.choice(["relu", "relu", "sign", "step"]), "linear"]

    @property
    def signature(self) -> str:
        return ", ".join(
            f"{name}: {kind}" + (f"[{', '.join(map(str, shape))}]" if shape else "")
            for name, kind, shape in self.params
        )

    def inputs(self) -> Any:
        axes = [
            list(itertools.product(LEVELS[kind], repeat=int(np.prod(shape, dtype=int))))
            for _, kind, shape in self.params
        ]
        return itertools.product(*axes)

    def answer(self, values: Sequence[Sequence[int]]) -> list[int]:
        z: list[Fraction] = []
        for (_, kind, _), entries in zip(self.params, values):
            for entry in entries:
                hot = kind.startswith("onehot")
                z += [Fraction(int(entry == k)) for k in range(3)] if hot else [Fraction(entry)]
        for (weight, bias), activation in zip(self.layers, self.activations):
            sums = [
                sum((Fraction(float(w)) * v for w, v in zip(column, z)), Fraction(float(b)))
                for column, b in zip(weight.T, bias)
            ]
            z = [ACTIVATE[activation](v) for v in sums]
        return DECIDE[self.decision](z)

    def arguments(self, values: Sequence[Sequence[int]]) -> list[Any]:
        return [
            np.array(entries).reshape(shape).tolist() if shape else entries[0]
            for (_, _, shape), entries in zip(self.params, values)
        ]


@pytest.mark.parametrize("seed", range(30))
def test_program_equals_network(seed: int, tmp_path: Path) -> None:
    case = Case(seed)
    path = tmp_path / "net.pt"
    write_layers(path, case.layers, case.activations, case.signature, case.decision)
    try:
        program = ddc.compile(str(path), name="f")
    except DdcError as refusal:
        assert "wrong on rare inputs" in str(refusal)
        program = ddc.compile(str(path), name="f", allow_inexact=True)
        assert program.evidence[0].kind == "inexact"
        return
    assert program.evidence[0].kind == "proved"
    for style in ("plain", "numpy"):
        space: dict[str, Any] = {}
        exec(program.python(style), space)
        for values in itertools.islice(case.inputs(), 0, None, 3):
            got = np.asarray(space["f"](*case.arguments(values))).ravel().tolist()
            assert got == case.answer(values), (style, case.signature, values)
