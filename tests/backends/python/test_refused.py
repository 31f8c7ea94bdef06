"""Whatever is no value of a declared type is refused with ValueError, by every form of check."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ddc import ir

from .running import compiled

STYLES = ["plain", "numpy"]
DTYPES = [bool, np.uint8, np.int8, np.int64, np.float32, np.float64, object]
LISTED = (list, np.ndarray, dict)
NAN, INF = float("nan"), float("inf")

# Each signature with a body that adds everything up, and inputs that are right.
SIGNATURES: dict[str, tuple[str, str, list[Any]]] = {
    "bits": ("%a: bit[N]", "N", [[0, 1, 1]]),
    "digits": ("%a: int<0..9>[N]", "N", [[0, 1, 1]]),
    "spins": ("%a: int{-1, 1}[N]", "N", [[-1, 1, 1]]),
    "matrix": ("%a: bit[N, M]", "N, M", [[[0, 1, 1], [1, 0, 1]]]),
    "wide matrix": ("%a: bit[N, M]", "N >= 2, M >= 2", [[[0, 1, 1], [1, 0, 1]]]),
    "square": ("%a: bit[N, N]", "N", [[[0, 1], [1, 1]]]),
    "rows of two": ("%a: bit[N, 2]", "N", [[[0, 1], [1, 1], [0, 1]]]),
    "fixed": ("%a: bit[2, 2]", "", [[[0, 1], [1, 1]]]),
    "pair": ("%a: bit[N], %b: bit[N]", "N", [[0, 1], [1, 1]]),
    "two lengths": ("%a: bit[N], %b: bit[M]", "N, M", [[0, 1], [1, 1, 0]]),
    "large pair": ("%a: int<-10..10>[N], %b: int<-10..10>[N]", "N", [[0, 1], [1, 1]]),
    "one longer": ("%a: bit[N], %b: bit[N + 1]", "N", [[0, 1], [1, 1, 0]]),
    "bit and bits": ("%p: bit, %a: bit[N]", "N", [1, [0, 1, 1]]),
    "scalars": ("%p: bit, %q: int<0..3>", "", [1, 1]),
    "cube": ("%a: bit[N, M, K]", "N, M, K", [[[[0, 1]], [[1, 1]]]]),
    "reals": ("%a: real<0.0..5.0>[N]", "N", [[0, 1, 1]]),
    "integers": ("%a: int[N]", "N", [[0, 1, 1]]),
}


def module(name: str) -> ir.Module:
    """Return a module that adds up all inputs of a signature."""
    params, sizes, _ = SIGNATURES[name]
    lines: list[str] = []
    totals: list[str] = []
    for k, param in enumerate(params.split(", %")):
        value, _, type_ = param.removeprefix("%").partition(": ")
        shape = type_.rpartition("[")[2].removesuffix("]").split(", ") if "[" in type_ else []
        if not shape:
            totals.append(f"%{value}")
            continue
        loops = ", ".join(f"%i{k}{axis} in 0..{extent}" for axis, extent in enumerate(shape))
        index = ", ".join(f"%i{k}{axis}" for axis in range(len(shape)))
        lines.append(f"  %t{k} = reduce add {loops} {{\n    %v{k} = load %{value}[{index}]")
        lines.append(f"    yield %v{k}\n  }}")
        totals.append(f"%t{k}")
    kind = "real" if "real" in params else "int"
    head = f"func @f{f'<{sizes}>' if sizes else ''}({params}) -> (%y: {kind}) {{"
    body = [*lines, f"  %s = add {', '.join([*totals, '0'])}", "  return %s\n}"]
    return ir.check(ir.parse("\n".join([head, *body])))


def total(value: Any) -> Any:
    """Return the sum of nested lists."""
    return sum(map(total, value)) if isinstance(value, list) else value


def wrong(name: str) -> Iterator[list[Any]]:
    """Yield inputs with one thing wrong with them."""
    right = SIGNATURES[name][2]
    for k, given in enumerate(right):
        for other in _wrong(given, name):
            yield [*right[:k], other, *right[k + 1 :]]


def _wrong(given: Any, name: str) -> Iterator[Any]:
    yield from (None, "", "01", "x", {}, NAN, 0.5, 10**30 + 0.5, [given], [[[[given]]]])
    yield np.asarray(given)[..., None]
    yield np.asarray(given)[None]
    yield [[v] for v in given] if isinstance(given, list) else [given]
    if not isinstance(given, list):
        yield from (4, -1, 1.5, 10**30, INF, "1", np.array([given]))
        return
    yield from (1, np.array(1), [], [[]], np.zeros((0,)), [None] * 3, ["0", "1"], given[0])
    for value in (7.5, NAN, "1", None, [0], "", 1j):
        yield _with_last(given, value)
    if name != "integers":
        yield _with_last(given, 10**30)
        yield _with_last(given, 77)
        yield _with_last(given, -77)
        if name != "spins":
            yield np.array(_with_last(given, 77), dtype=np.uint8)
    if isinstance(given[0], list):
        yield [given[0][:-1], *given[1:]]  # ragged
        yield [*given, [*given[0], 0]]
        yield [*given[:-1], 1]
    if name in ("pair", "large pair", "one longer"):
        yield given[:-1]
    if name in ("square", "fixed", "one longer", "pair", "large pair"):
        yield [*given, given[0]]
    if name == "wide matrix":
        yield given[:1]
        yield [row[:1] for row in given]


def _with_last(given: Any, value: Any) -> Any:
    """Return nested lists with another last entry."""
    if not isinstance(given, list):
        return value
    return [*given[:-1], _with_last(given[-1], value)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", SIGNATURES)
def test_refused(name: str, style: str) -> None:
    function = compiled(module(name), style)
    for given in wrong(name):
        if name == "scalars" and style == "numpy" and any(isinstance(v, LISTED) for v in given):
            continue  # columns
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ValueError):
                print(given, function(*given))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", SIGNATURES)
def test_accepted(name: str, style: str) -> None:
    function = compiled(module(name), style)
    right = SIGNATURES[name][2]
    wanted = sum(map(total, right))
    assert function(*right) == wanted
    assert function(*(tuple(v) if isinstance(v, list) else v for v in right)) == wanted
    for dtype in DTYPES:
        if name == "spins" and dtype in (bool, np.uint8):
            continue
        arrays = [np.array(v).astype(dtype) if isinstance(v, list) else v for v in right]
        found = function(*arrays)
        assert found == wanted and type(found) in (int, float)
        assert function(*(list(a) if isinstance(a, np.ndarray) else a for a in arrays)) == wanted


@pytest.mark.parametrize("style", STYLES)
def test_sums_do_not_wrap(style: str) -> None:
    function = compiled(module("matrix"), style)
    for dtype in DTYPES:
        assert function(np.ones((20, 30), dtype)) == 600


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", SIGNATURES)
def test_the_message_names_function_and_argument(name: str, style: str) -> None:
    function = compiled(module(name), style)
    right = SIGNATURES[name][2]
    with pytest.raises(ValueError, match=r"^f: .*\b[apb]\b.* must be "):
        function(*(_with_last(v, 7.5) for v in right))
