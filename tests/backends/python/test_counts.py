"""Sums of what bits decide, as counts in the numpy style: what they say and what they mean."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from ddc import ir
from ddc.backends.python import emit

from .running import check

HEAD = "func @f<N >= 2, M >= 1>(%a: bit[N, M]) -> (%y: {kind}) {{\n  %y = reduce add %p in 0..M {{"
LOADS = """
    %x = load %a[0, %p]
    %z = load %a[1, %p]
    %first = load %a[0, 0]
    %second = load %a[1, 0]
    %nx = not %x
    %nz = not %z
    %nfirst = not %first
"""
SAID = {
    "a difference": ("int", "    %v = sub %x, %z", "(np.count_nonzero(a[0]) - np.count_nonzero("),
    "of one value": ("real", "    %d = sub %x, %z\n    %v = mul 2.5, %d", "float(2.5 * (np.count"),
    "with another": (
        "int",
        "    %b = and %x, %nz\n    %c = and %z, %nx\n    %v = sub %b, %c",
        "int(np.count_nonzero(x > z) - np.count_nonzero(z > x))",
    ),
    "a factor": (
        "int",
        "    %b = and %x, %nfirst\n    %c = and %z, %second\n    %v = sub %b, %c",
        "int(np.count_nonzero(a[0]) * (not a[0, 0]) - np.count_nonzero(a[1]) * int(a[1, 0]))",
    ),
    "a product": (
        "real",
        "    %d = sub %x, %z\n    %c = select %x, 1.5, 4.0\n    %v = mul %d, %c",
        "@ np.where(x, 1.5, 4.0)",
    ),
}


def module(kind: str, lines: str) -> ir.Module:
    """Return a module that adds up %v over the columns of a matrix of bits."""
    text = f"{HEAD.format(kind=kind)}{LOADS}{lines}\n    yield %v\n  }}\n  return %y\n}}\n"
    return ir.check(ir.parse(text))


def compare(found: ir.Module, rng: np.random.Generator) -> None:
    """Compare both styles with the interpreter."""
    for shape in ((2, 1), (2, 2), (3, 7), (5, 40)):
        for share in (0.2, 0.5, 1.0):
            given: dict[str, Any] = {"a": (rng.random(shape) < share).astype(np.int64)}
            for style in ("plain", "numpy"):
                check(found, given, style)


@pytest.mark.parametrize("name", SAID)
def test_said(name: str) -> None:
    kind, lines, wanted = SAID[name]
    found = module(kind, lines)
    assert wanted in emit(found, style="numpy")
    compare(found, np.random.default_rng(3))


@pytest.mark.parametrize("seed", range(30))
def test_random(seed: int) -> None:
    draw = random.Random(seed)
    bits = ["x", "z", "first", "second", "nx", "nz", "nfirst"]
    numbers: list[str] = []
    kind = draw.choice(["int", "real"])
    lines: list[str] = []

    def line(text: str) -> str:
        name = f"v{len(lines)}"
        lines.append(f"    %{name} = {text}")
        return name

    for _ in range(draw.randrange(3)):
        one, two = draw.sample(bits, 2)
        bits.append(line(f"and %{one}, %{two}"))
    for _ in range(2):
        numbers.append(
            line("{} %{}, %{}".format(draw.choice(["sub", "add"]), *draw.sample(bits, 2)))
        )
    factors = ["2", "-3", "1"] if kind == "int" else ["2.5", "-0.75", "20.0"]
    parts = [line(f"mul {draw.choice(factors)}, %{number}") for number in numbers]
    last = line(f"select %{draw.choice(bits)}, %{parts[0]}, %{parts[1]}")
    found = module(kind, "\n".join(lines) + f"\n    %v = {draw.choice(['neg', 'abs'])} %{last}")
    if draw.random() < 0.7:
        found = module(kind, "\n".join(lines).replace(f"%{last} =", "%v ="))
    compare(found, np.random.default_rng(seed))
