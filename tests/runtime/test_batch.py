"""Batches through calls: every engine gives the interpreter's answers, and refuses what is bad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.programs import RULE30
from ddc import ir
from ddc.ir.interpreter import run_batch
from ddc.runtime import batch
from ddc.runtime.native import Runner
from ddc.runtime.packing import PackedRows
from tests.runtime.test_rows import LOGIC, RULES
from tests.runtime.test_sequence import ADD, BITS, SPINS

SUMS = """\
func @sums<T>(%x: int<-50..50>[T], %k: int<0..9>) -> (%y: int[T], %last: int) {
  %y, %last = scan %t in 0..T with (%s: int = 0) {
    %a = load %x[%t]
    %b = mul %a, %k
    %c = add %s, %b
    next %c
    yield %c
  }
  return %y, %last
}"""

CURVE = """\
func @risk(%x: real) -> (%y: real) {
  %y = curve %x knots [(-1.0, 0.5), (0.0, 2.0), (2.5, -1.0), (4.0, 3.0)]
  return %y
}"""


def used(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that the names of engines are added to."""
    seen: list[str] = []
    original = batch.run

    def noted(engine: Any, *rest: Any) -> None:
        seen.append(type(engine).__name__)
        original(engine, *rest)

    monkeypatch.setattr(batch, "run", noted)
    return seen


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float64])
@pytest.mark.parametrize("count", [1, 500, 40_000, 100_001])
def test_rows_of_logic(dtype: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ir.parse(LOGIC)
    runner = Runner(module)
    seen = used(runner, monkeypatch)
    rows = np.random.default_rng(count).integers(0, 2, (count, 6), dtype=np.uint8)
    x, k = rows[:, :5].astype(dtype), rows[:, 5].astype(dtype)
    y, z = run_batch(module, {"x": rows[:, :5], "k": rows[:, 5]})
    for threads in (1, 3):
        got = runner(x, k, threads=threads)
        assert np.array_equal(got[0], y) and np.array_equal(got[1], z)
        assert got[0].dtype == np.int64 and got[1].shape == (count, 2)
    assert count < 100_000 or seen[0] == "PackedEngine"
    shared = runner(x, 1)
    assert np.array_equal(shared[0], run_batch(module, {"x": x, "k": np.ones(count)})[0])


@pytest.mark.parametrize("count", [1, 600, 33_000])
def test_sequences_of_bits(count: int) -> None:
    module = ir.parse(BITS)
    x, z = np.random.default_rng(count).integers(0, 2, (2, count, 37), dtype=np.uint8)
    y, last = run_batch(module, {"x": x, "z": z})
    got = Runner(module)(x, z, threads=2, dtype=np.uint8)
    assert np.array_equal(got[0], y) and np.array_equal(got[1], last)
    assert got[0].dtype == np.uint8


def test_few_long_sequences() -> None:
    module = ir.parse(SPINS)
    x = np.random.default_rng(0).choice([-1, 0, 3], (3, 5000))
    wanted = run_batch(module, {"x": x})
    for got, expected in zip(Runner(module)(x), wanted, strict=True):
        assert np.array_equal(got, expected)


def test_many_additions() -> None:
    a, b = np.random.default_rng(0).integers(0, 2, (2, 700, 70), dtype=np.uint8)
    (expected,) = run_batch(ir.parse(ADD), {"a": a, "b": b})
    assert np.array_equal(Runner(ir.parse(ADD))(a, b), expected)


def test_sequences_with_states_of_any_size() -> None:
    module = ir.parse(SUMS)
    rng = np.random.default_rng(1)
    x, k = rng.integers(-50, 51, (300, 40)), rng.integers(0, 10, 300)
    y, last = run_batch(module, {"x": x, "k": k})
    got = Runner(module)(x, k)
    assert np.array_equal(got[0], y) and np.array_equal(got[1], last)


def test_rows_that_leave_64_bits_are_python_ints() -> None:
    text = """\
func @powers<T>(%x: int[T]) -> (%y: int) {
  %y = reduce add %t in 0..T {
    %a = load %x[%t]
    %b = mul %a, %a
    yield %b
  }
  return %y
}"""
    x = np.array([[3, 4], [1 << 40, 5], [0, -(1 << 62)]])
    got = Runner(ir.parse(text))(x)
    assert got.tolist() == [25, (1 << 80) + 25, 1 << 124]


def test_rows_of_singles_and_doubles() -> None:
    module = ir.parse(RULES)
    runner = Runner(module)
    x = np.random.default_rng(5).normal(size=(70_001, 5))
    (expected,) = run_batch(module, {"x": x})
    assert np.array_equal(runner(x, threads=2), expected)
    single = x.astype(np.float32)
    (expected,) = run_batch(module, {"x": single.astype(np.float64)})
    assert np.array_equal(runner(single), expected)
    assert np.array_equal(runner(single.T.copy().T, dtype=np.uint8), expected)


def test_single_precision_only_where_it_was_asked_for() -> None:
    module = ir.parse(CURVE)
    x = np.random.default_rng(6).uniform(-2, 5, 5000)
    (expected,) = run_batch(module, {"x": x})
    exact = Runner(module)(x)
    assert exact.dtype == np.float64 and np.allclose(exact, expected, rtol=1e-12, atol=1e-12)
    single = Runner(module)(x, dtype=np.float32)
    assert single.dtype == np.float32 and np.abs(single - expected).max() < 2e-6
    from_singles = Runner(module)(x.astype(np.float32))
    assert from_singles.dtype == np.float64


def test_results_go_where_they_are_wanted() -> None:
    runner = Runner(ir.parse(RULES))
    x = np.random.default_rng(7).normal(size=(1000, 5))
    out = np.empty(1000, dtype=np.uint8)
    assert runner(x, out=out) is out and np.array_equal(out, runner(x))
    with pytest.raises(ValueError, match="shape"):
        runner(x, out=np.empty(999, dtype=np.uint8))
    out.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        runner(x, out=out)
    with pytest.raises(ValueError, match="cannot hold"):
        Runner(ir.parse(CURVE))(x[:, 0], dtype=np.int64)
    with pytest.raises(ValueError, match="cannot hold"):
        Runner(ir.parse(SUMS))(np.zeros((3, 4), int), 1, dtype=np.uint8)


def test_results_may_lie_where_the_input_lies() -> None:
    runner = Runner(ir.parse(CURVE))
    x = np.random.default_rng(1).uniform(-2, 5, 100_000)
    expected = runner(x)
    assert runner(x, out=x) is x and np.array_equal(x, expected)


def test_one_array_holds_a_column_for_each_feature() -> None:
    text = """\
func @f(%a: int<0..9>, %b: int<0..9>) -> (%y: int) {
  %y = sub %a, %b
  return %y
}"""
    rows = np.random.default_rng(2).integers(0, 10, (500, 2))
    assert np.array_equal(Runner(ir.parse(text))(rows), rows[:, 0] - rows[:, 1])
    for bad in (rows[:, :1], rows[0], np.zeros((4, 3))):
        with pytest.raises(ValueError):
            Runner(ir.parse(text))(bad)


def test_packed_rows_are_used_again() -> None:
    module = ir.parse(LOGIC)
    runner = Runner(module)
    rows = np.random.default_rng(8).integers(0, 2, (90_001, 6), dtype=np.uint8)
    y, z = run_batch(module, {"x": rows[:, :5], "k": rows[:, 5]})
    packed = runner.pack(rows[:, :5], rows[:, 5])
    assert isinstance(packed, PackedRows) and len(packed) == len(rows)
    assert np.array_equal(packed.unpack(0), rows[:, :5])
    for threads in (1, 2):
        made = runner(packed, threads=threads)
        assert np.array_equal(made.unpack(0), y) and np.array_equal(made.unpack(1), z)
    with pytest.raises(ValueError, match="another program"):
        Runner(ir.parse(RULES))(packed)
    with pytest.raises(ValueError, match="too few"):
        runner.pack(rows[:9, :5], rows[:9, 5])


def test_packed_sequences() -> None:
    module = ir.parse(BITS)
    runner = Runner(module)
    x, z = np.random.default_rng(9).integers(0, 2, (2, 1500, 91), dtype=np.uint8)
    y, last = run_batch(module, {"x": x, "z": z})
    got = runner(runner.pack(x, z))
    assert np.array_equal(got[0], y) and np.array_equal(got[1], last)


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        (LOGIC, (np.zeros((4, 6), np.uint8), np.zeros(4))),  # six features where five are taken
        (LOGIC, (np.zeros((4, 5), np.uint8), np.zeros(3))),  # rows that differ in number
        (LOGIC, (np.full((100_000, 5), 2, np.uint8), np.zeros(100_000))),
        (LOGIC, (np.zeros((2, 2, 5)), np.zeros(2))),
        (RULES, (np.full((9, 5), np.nan),)),
        (RULES, (np.full((90_000, 5), np.nan, np.float32),)),
        (BITS, (np.zeros((3, 4), int), np.full((3, 4), -1))),
        (BITS, (np.zeros((3, 4), int), np.full((3, 4), 0.5))),
        (BITS, (np.zeros((3, 4), int), np.zeros((3, 5), int))),
        (RULE30, (np.zeros((5, 40), np.uint8),)),  # a picture is no batch of rows
        (RULE30, (np.zeros(0, np.uint8),)),
        (CURVE, (np.array(["a", "b"]),)),
    ],
)
def test_bad_batches_are_refused(text: str, inputs: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError):
        Runner(ir.parse(text))(*inputs)


def test_the_bad_row_is_named() -> None:
    x = np.zeros((200_000, 5), np.uint8)
    x[150_001, 3] = 7
    with pytest.raises(ir.DdcError, match=r"%x holds 7 at \[150001, 3\], which is no bit"):
        Runner(ir.parse(LOGIC))(x, 0)


def test_empty_batches() -> None:
    assert Runner(ir.parse(RULES))(np.zeros((0, 5))).shape == (0,)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 90_000), st.booleans())
def test_random_logic(seed: int, width: int, count: int, several: bool) -> None:
    rng = np.random.default_rng(seed)
    lines = [f"  %v{k} = load %x[{k}]" for k in range(width)]
    for k in range(width, width + 6):
        a, b = rng.integers(0, k, 2)
        lines.append(f"  %v{k} = {('and', 'or', 'xor')[rng.integers(3)]} %v{a}, %v{b}")
    last = width + 5
    if several:
        lines.append(f"  %y = pack %v{last}, %v{last - 1}, %v{last - 2} to [3]")
    name, type_ = ("%y", "bit[3]") if several else (f"%v{last}", "bit")
    body = "\n".join(lines)
    text = f"func @f(%x: bit[{width}]) -> (%out: {type_}) {{\n{body}\n  return {name}\n}}"
    module = ir.parse(text)
    x = rng.integers(0, 2, (count, width), dtype=np.uint8)
    (expected,) = run_batch(module, {"x": x})
    assert np.array_equal(Runner(module)(x), expected)
