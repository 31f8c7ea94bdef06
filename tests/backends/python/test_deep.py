"""Long programs: chains of thousands of operations and operands compile and run."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from ddc.backends.python import emit
from ddc.ir import BIT, INT, REAL, Affine, Array, Builder, Constant, Global, Module

from .running import compiled

STYLES = ["plain", "numpy"]
X = Array(BIT, (Affine.of(64),))


def bits(count: int) -> list[int]:
    """Return random bits."""
    return [int(v) for v in np.random.default_rng(count).integers(0, 2, count)]


@pytest.mark.parametrize("style", STYLES)
def test_chains(style: str) -> None:
    for code, fold in (("xor", operator.xor), ("add", operator.add)):
        build = Builder(["x"])
        value = build.load("x", 0)
        given = bits(64)
        wanted = given[0]
        for k in range(10_000):
            value = build.op(code, value, build.load("x", 7 * k % 64))
            wanted = fold(wanted, given[7 * k % 64])
        result = [("y", BIT if code == "xor" else INT)]
        module = Module((build.function("deep", [("x", X)], result, [value]),))
        assert compiled(module, style)(given) == wanted


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("code", ["and", "or", "xor", "add", "threshold", "max"])
def test_many_operands(code: str, style: str) -> None:
    count = 10_000
    given = bits(count)
    wanted = {
        "and": int(all(given)),
        "or": int(any(given)),
        "xor": sum(given) % 2,
        "add": sum(given),
        "threshold": int(sum(given) >= 5000),
        "max": max(given),
    }[code]
    build = Builder(["x"])
    loads = [build.load("x", k) for k in range(count)]
    value = build.op(code, *loads, least=5000 if code == "threshold" else None)
    params = [("x", Array(BIT, (Affine.of(count),)))]
    module = Module((build.function("wide", params, [("y", INT)], [value]),))
    assert compiled(module, style)(given) == wanted


@pytest.mark.parametrize("style", STYLES)
def test_nested_negations_and_choices(style: str) -> None:
    build = Builder(["x"])
    value = "x"
    for _ in range(3001):
        value = build.op("select", build.op("not", value), 1, 0)
    module = Module((build.function("nots", [("x", BIT)], [("y", BIT)], [value]),))
    assert compiled(module, style)(1) == 0


def test_black_takes_deep_expressions() -> None:
    build = Builder(["x"])
    value = build.load("x", 0)
    for k in range(400):
        code = ("and", "or", "xor", "eq")[k % 4]
        value = build.op(code, build.op("not", value), build.load("x", k % 64))
    module = Module((build.function("deep", [("x", X)], [("y", BIT)], [value]),))
    text = emit(module)
    assert max(map(len, text.splitlines())) <= 160
    assert compiled(module, "plain")(bits(64)) == compiled(module, "numpy")(bits(64))


@pytest.mark.parametrize("style", STYLES)
def test_large_constants_are_exact(style: str) -> None:
    weights = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    build = Builder(["x"])
    value = build.op("dense", "x", Global("w"))
    params = [("x", Array(BIT, (Affine.of(30),)))]
    result = [("y", Array(REAL, (Affine.of(20),)))]
    function = build.function("net", params, result, [value])
    net = compiled(Module((function,), (("w", Constant(weights)),)), style)
    for k in range(30):
        unit = [int(k == i) for i in range(30)]
        assert list(net(unit)) == [float(w) for w in weights[:, k]]
