"""Programs run natively: calls, steps, dtypes, bad input, and the way back to Python's ints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.programs import LIFE, RULE30
from ddc import ir
from ddc.ir.interpreter import run
from ddc.runtime.native import Runner
from tests.backends.c.test_c import life_reference

SQUARE = "func @f(%a: int) -> (%c: int) {\n  %c = mul %a, %a\n  return %c\n}"


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float64])
@pytest.mark.parametrize("size", [7, 40_000])
def test_steps_keep_the_dtype(dtype: Any, size: int) -> None:
    row = np.random.default_rng(0).integers(0, 2, size).astype(dtype)
    got = Runner(ir.parse(RULE30)).steps(row, 3)
    expected = row.astype(np.uint8)
    for _ in range(3):
        expected = np.roll(expected, 1) ^ (expected | np.roll(expected, -1))
    assert got.dtype == dtype and np.array_equal(got.astype(np.uint8), expected)


def test_steps_of_a_small_grid_and_into_out() -> None:
    runner = Runner(ir.parse(LIFE.replace("BORDER", "wrap")))
    cells = np.random.default_rng(1).integers(0, 2, (9, 14), dtype=np.uint8)
    out = np.empty_like(cells)
    before = cells.copy()
    assert runner.steps(cells, 2, out=out) is out
    assert np.array_equal(out, life_reference(life_reference(cells, "wrap"), "wrap"))
    assert np.array_equal(cells, before)
    assert np.array_equal(runner.steps(cells, 0), cells)


def test_strided_and_read_only_input() -> None:
    runner = Runner(ir.parse(RULE30))
    whole = np.random.default_rng(2).integers(0, 2, 80_000, dtype=np.uint8)
    whole.setflags(write=False)
    row = whole[::2]
    expected = np.roll(row, 1) ^ (row | np.roll(row, -1))
    assert np.array_equal(runner.steps(row, 1), expected)
    assert np.array_equal(runner(row), expected)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (np.full(40_000, 2, np.uint8), "holds 2"),
        (np.full(50, -1, np.int8), "holds -1"),
        (np.full(50, 0.5), "holds 0.5"),
        (np.zeros((3, 3), np.uint8), "shape"),
        (np.array(["a"]), "not numbers"),
    ],
)
def test_bad_grids_are_refused(grid: Any, message: str) -> None:
    with pytest.raises(ir.DdcError, match=message):
        Runner(ir.parse(RULE30)).steps(grid, 1)


def test_bad_out_is_refused() -> None:
    runner, row = Runner(ir.parse(RULE30)), np.zeros(10, np.uint8)
    with pytest.raises(ir.DdcError, match="shape"):
        runner.steps(row, 1, out=np.zeros(9, np.uint8))
    frozen = np.zeros(10, np.uint8)
    frozen.setflags(write=False)
    with pytest.raises(ir.DdcError, match="read-only"):
        runner.steps(row, 1, out=frozen)
    with pytest.raises(ir.DdcError, match="at least 0"):
        runner.steps(row, -1)


def test_ints_beyond_64_bits_are_computed_by_python() -> None:
    runner = Runner(ir.parse(SQUARE))
    assert runner.binding is not None
    assert runner(3_000_000_000) == 9_000_000_000_000_000_000
    assert runner(1 << 40) == 1 << 80


def test_a_bad_call_says_what_is_wrong() -> None:
    with pytest.raises(ValueError):
        Runner(ir.parse(RULE30))([0, 1, 2])


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    runner = Runner(ir.parse(RULE30))
    runner.steps(np.zeros(40_000, np.uint8), 30, progress=lambda *s: seen.append(s))
    assert seen[-1] == (30, 30) and all(a[0] < b[0] for a, b in zip(seen, seen[1:]))


@pytest.mark.parametrize("size", [5, 10_000, 10_001])
def test_long_sequences(size: int) -> None:
    from tests.runtime.test_sequence import ADD, BITS

    rng = np.random.default_rng(size)
    x, z = rng.integers(0, 2, (2, size), dtype=np.uint8)
    for text, names in ((ADD, ("a", "b")), (BITS, ("x", "z"))):
        module = ir.parse(text)
        got = Runner(module)(x, z)
        expected = run(module, dict(zip(names, (x, z))))
        results = (got,) if len(expected) == 1 else got
        for mine, wanted in zip(results, expected, strict=True):
            assert np.array_equal(mine, wanted)
    with pytest.raises(ValueError):
        Runner(ir.parse(ADD))(x, np.full(size, 2))
