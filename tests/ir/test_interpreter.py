"""Loads, loops and inputs of the interpreter by hand, and random programs by scalar arithmetic."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest

from ddc.ir import (
    BIT,
    INT,
    REAL,
    Affine,
    Array,
    Builder,
    Category,
    DdcError,
    Index,
    Int,
    Loop,
    Missing,
    Module,
    Op,
    Real,
    Size,
    State,
    Type,
)
from ddc.ir.interpreter import run, run_batch
from tests.ir.by_hand import apply, bits, make, reals
from tests.ir.random_programs import Options, random_input, random_module
from tests.ir.scalar_reference import entries, evaluate

N = Affine.symbol("N")
SMALL = Int(-9, 9)


# ---------------------------------------------------------------- loads


@pytest.mark.parametrize(
    ("border", "other", "wanted"),
    [("wrap", None, [4, 3, 2]), ("clamp", None, [3, 4, 4]), ("else", -7, [-7, -7, 2])],
)
def test_borders(border: str, other: int | None, wanted: list[int]) -> None:
    i = Affine.symbol("%i")
    at = {"wrap": i * -1 - 1, "clamp": i + 1, "else": i - 2}[border]
    b = Builder(["x"])
    loop = b.loop("i", 0, 3)
    with b.body() as ops:
        value = b.load("x", Index(at, border, other))
    (out,) = b.map([loop], ops, [value], ["y"])
    module = make(b, {"x": Array(Int(0, 9), (Affine.of(3),))}, [out])
    (result,) = run(module, {"x": [2, 3, 4]})
    assert result.tolist() == wanted
    assert result.dtype == np.int64


def test_the_first_axis_outside_decides() -> None:
    b = Builder(["x"])
    index = [Index(Affine.of(5), "else", 3), Index(Affine.of(-1), "else", 4)]
    first = b.load("x", *index)
    second = b.load("x", Index(Affine.of(0), "else", 3), index[1])
    got = run(make(b, {"x": bits(1, 1)}, [first, second]), {"x": [[1]]})
    assert [g.tolist() for g in got] == [3, 4]


def test_load_from_an_empty_array() -> None:
    b = Builder(["x"])
    value = b.load("x", Index(Affine.of(0), "else", 1))
    module = make(b, {"x": bits(N)}, [value], (Size("N", 0),))
    assert run(module, {"x": []})[0].tolist() == 1


@pytest.mark.parametrize(("border", "wanted"), [("wrap", 30), ("clamp", 10), ("else", 7)])
def test_gather(border: str, wanted: int) -> None:
    b = Builder(["x", "k"])
    value = b.op("gather", "x", "k", border=border, else_=7 if border == "else" else None)
    module = make(b, {"x": Array(Int(0, 99), (Affine.of(3),)), "k": INT}, [value])
    assert run(module, {"x": [10, 20, 30], "k": -1 - 3 * 10**30})[0].tolist() == wanted


# ---------------------------------------------------------------- loops


def rule30() -> Module:
    b = Builder(["cells"])
    loop = b.loop("i", 0, N)
    i = Affine.symbol(loop.symbol)
    with b.body() as ops:
        left = b.load("cells", Index(i - 1, "wrap"))
        mid = b.load("cells", i)
        right = b.load("cells", Index(i + 1, "wrap"))
        out = b.op("xor", left, b.op("or", mid, right))
    (result,) = b.map([loop], ops, [out], ["new"])
    return make(b, {"cells": bits(N)}, [result], (Size("N"),))


def test_rule30_on_a_million_cells_in_under_a_second() -> None:
    cells = np.random.default_rng(1).integers(0, 2, 10**6)
    module = rule30()
    start = time.perf_counter()
    (result,) = run(module, {"cells": cells})
    assert time.perf_counter() - start < 1.0
    assert (result == np.roll(cells, 1) ^ (cells | np.roll(cells, -1))).all()


def test_a_batch_is_cut_into_chunks() -> None:
    rows = np.random.default_rng(2).integers(0, 2, (300_000, 9))
    (result,) = run_batch(rule30(), {"cells": rows})
    assert (result == np.roll(rows, 1, 1) ^ (rows | np.roll(rows, -1, 1))).all()


def prefix(kind: str, least: int = 0) -> Module:
    """A reduction over a growing prefix of the array, for each place."""
    b = Builder(["x"])
    outer = b.loop("i", 0, N)
    with b.body() as ops:
        inner = b.loop("j", 0, Affine.symbol(outer.symbol) + least)
        with b.body() as inside:
            value = b.load("x", Index(Affine.symbol(inner.symbol), "clamp"))
        total = b.reduce(kind, [inner], inside, value, "total")
    (out,) = b.map([outer], ops, [total], ["y"])
    element = BIT if kind in ("and", "or", "xor", "count") else SMALL
    return make(b, {"x": Array(element, (N,))}, [out], (Size("N"),))


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        ("add", [3, -1, 5, 2], [0, 3, 2, 7]),
        ("count", [1, 0, 1, 1], [0, 1, 1, 2]),
        ("xor", [1, 1, 1, 0], [0, 1, 0, 1]),
        ("and", [1, 1, 0, 1], [1, 1, 1, 0]),
        ("or", [0, 1, 0, 0], [0, 0, 1, 1]),
    ],
)
def test_prefix_reductions_start_empty(kind: str, given: list[int], wanted: list[int]) -> None:
    assert run(prefix(kind), {"x": given})[0].tolist() == wanted


@pytest.mark.parametrize(
    ("kind", "wanted"), [("min", [3, -1, -1, -1]), ("max", [3, 3, 5, 5]), ("argmax", [0, 0, 2, 2])]
)
def test_prefix_extremes(kind: str, wanted: list[int]) -> None:
    assert run(prefix(kind, 1), {"x": [3, -1, 5, 5]})[0].tolist() == wanted


def test_chunks_meet_inside_one_reduction() -> None:
    """One lane with more iterations than a chunk: partial results are combined."""
    size = 3_000_000
    values = np.random.default_rng(3).integers(-9, 10, size)
    values[size - 5] = values[7] = 9
    values[:7] = 0
    for kind, wanted in [("add", values.sum()), ("min", -9), ("max", 9), ("argmax", 7)]:
        b = Builder(["x"])
        loop = b.loop("i", 0, N)
        with b.body() as ops:
            value = b.load("x", Affine.symbol(loop.symbol))
        out = b.reduce(kind, [loop], ops, value, "total")
        module = make(b, {"x": Array(SMALL, (N,))}, [out], (Size("N"),))
        assert run(module, {"x": values})[0].tolist() == wanted


def adder(type_: Type, code: str, *other: Any) -> Module:
    b = Builder(["x"])
    loop = b.loop("t", 0, N)
    state = State(b.fresh("s"), type_, 1)
    with b.body() as ops:
        following = b.op(code, state.name, *other)
    names = b.scan(loop, [state], ops, [following], [state.name], ["seq", "final"])
    return make(b, {"x": bits(N)}, list(names), (Size("N", 0),))


def test_scan_states_are_exact() -> None:
    seq, final = run(adder(INT, "mul", 10), {"x": [0] * 30})
    assert seq.tolist() == [10**k for k in range(30)]
    assert final.tolist() == 10**30


@pytest.mark.parametrize("code", ["map", "scan"])
def test_arrays_that_no_memory_holds_are_refused(code: str) -> None:
    b = Builder()
    loop = b.loop("i", 0, 10**12)
    if code == "map":
        (out,) = b.map([loop], [], [loop.var], ["y"])
    else:
        out, _ = b.scan(loop, [State("s", BIT, 0)], [], ["s"], ["s"], ["y", "final"])
    with pytest.raises(DdcError, match="too large"):
        run(make(b, {}, [out]), {})


def test_nothing_is_near_a_nan() -> None:
    with pytest.raises(DdcError, match="no nearest int"):
        apply("round", [reals(1)], [[math.inf]])


def test_scan_without_steps_keeps_the_state() -> None:
    seq, final = run(adder(INT, "mul", 10), {"x": []})
    assert (seq.tolist(), final.tolist()) == ([], 1)


def test_states_change_together() -> None:
    b = Builder()
    loop = b.loop("t", 0, 4)
    a, c = State("a", INT, 1), State("c", INT, 0)
    with b.body() as ops:
        total = b.op("add", "a", "c")
    names = b.scan(loop, [a, c], ops, [total, "a"], ["a"], ["seq", "fa", "fc"])
    results = run(make(b, {}, list(names)), {})
    assert [r.tolist() for r in results] == [[1, 1, 2, 3], 5, 3]


def test_ints_that_no_memory_holds_are_refused() -> None:
    b = Builder(["x"])
    loop = b.loop("t", 0, 60)
    with b.body() as ops:
        square = b.op("mul", "s", "s")
    names = b.scan(loop, [State("s", INT, 2)], ops, [square], [], ["final"])
    with pytest.raises(DdcError, match="more than"):
        run(make(b, {}, list(names)), {})


# ---------------------------------------------------------------- inputs

NAMES = Category(("red", "green"))
BAD_INPUTS: list[tuple[Type, Any, str]] = [
    (BIT, 2, "holds 2, which is no bit"),
    (BIT, 0.5, "holds 0.5, which is no bit"),
    (bits(3), [0, 1, 7], r"holds 7 at \[2\], which is no bit"),
    (bits(3), [0, 1], "axis of 2 where 3 is needed"),
    (bits(3), 1, r"has shape \[\]"),
    (bits(2, 2), [[0, 1], [1]], "not a rectangular array"),
    (Int.of(-1, 1), 0, "no int{-1, 1}"),
    (Int(0, None), -(10**30), "no int<0..>"),
    (REAL, math.nan, "no real"),
    (Real(Fraction(0), Fraction(1)), 1.5, "no real<0.0..1.0>"),
    (REAL, "x", "not numbers"),
    (BIT, "x", "not numbers"),
    (BIT, None, "which is no bit"),
    (NAMES, "blue", "holds blue"),
    (NAMES, 2, "holds 2"),
]


@pytest.mark.parametrize(("type_", "value", "message"), BAD_INPUTS)
def test_bad_input_is_one_line(type_: Type, value: Any, message: str) -> None:
    module = make(Builder(["x"]), {"x": type_}, ["x"])
    with pytest.raises(DdcError, match=message) as caught:
        run(module, {"x": value})
    assert "\n" not in str(caught.value)


def test_good_inputs_of_other_kinds() -> None:
    cases: list[tuple[Type, Any, Any]] = [
        (BIT, True, 1),
        (bits(2), np.array([0.0, 1.0]), [0, 1]),
        (NAMES, "green", 1),
        (NAMES, 1, 1),
        (Missing(NAMES), "green", 1.0),
        (REAL, 3, 3.0),
        (INT, 10**40, 10**40),
        (SMALL, np.uint64(7), 7),
    ]
    for type_, given, wanted in cases:
        assert run(make(Builder(["x"]), {"x": type_}, ["x"]), {"x": given})[0].tolist() == wanted


def test_names_and_sizes() -> None:
    module = make(Builder(["x", "y"]), {"x": bits(N), "y": bits(N * 2 + 1)}, ["x"], (Size("N", 2),))
    good: dict[str, Any] = {"x": [1, 0], "y": [0] * 5}
    assert run(module, good)[0].tolist() == [1, 0]
    bad: list[tuple[dict[str, Any], str]] = [
        ({"x": [1, 0]}, 'needs the input "y"'),
        (good | {"z": 1}, 'has no input "z"'),
        ({"x": [1, 0], "y": [0] * 4}, r"2\*N \+ 1 = 5"),
        ({"x": [1], "y": [0] * 3}, "works for N >= 2, not for N = 1"),
    ]
    for inputs, message in bad:
        with pytest.raises(DdcError, match=message):
            run(module, inputs)
    with pytest.raises(DdcError, match="no function"):
        run(module, good, "g")


def test_a_size_that_no_shape_shows_is_given() -> None:
    b = Builder(["x"])
    value = b.op("index", index=[Index(N * 2)])
    module = make(b, {"x": BIT}, [value], (Size("N"),))
    assert run(module, {"x": 1}, sizes={"N": 21})[0].tolist() == 42
    with pytest.raises(DdcError, match="do not tell the size N"):
        run(module, {"x": 1})


def test_loop_results_of_an_empty_box() -> None:
    b = Builder(["x"])
    loops = [b.loop("i", 0, N), b.loop("j", 0, 2)]
    (out,) = b.map(loops, [], [loops[1].var], ["y"])
    module = make(b, {"x": bits(N)}, [out], (Size("N", 0),))
    assert run(module, {"x": []})[0].shape == (0, 2)


def test_weights_may_differ_from_row_to_row() -> None:
    b = Builder(["x", "w"])
    out = b.op("dense", "x", "w")
    module = make(b, {"x": reals(2), "w": reals(1, 2)}, [out])
    rows: dict[str, Any] = {"x": [[1, 2], [3, 4]], "w": [[[1, 0]], [[0, 1]]]}
    assert run_batch(module, rows)[0].tolist() == [[1.0], [4.0]]


def test_loop_bounds_follow_outer_loops_of_the_same_op() -> None:
    b = Builder()
    i = b.loop("i", 0, 5)
    j = Loop("j", Affine.symbol(i.symbol), Affine.of(5))
    with b.body() as ops:
        value = b.op("index", index=[Index(Affine.symbol("%i") * 10 + Affine.symbol("%j"))])
    total = b.reduce("add", [i, j], ops, value, "total")
    wanted = sum(10 * p + q for p in range(5) for q in range(p, 5))
    assert run(make(b, {}, [total]), {})[0].tolist() == wanted


def test_tables_keep_their_meaning_at_a_size() -> None:
    """At N = 2 the operand min(N, 3) has one value only; the table still lists three."""
    b = Builder(["x"])
    size = b.op("index", index=[Index(N)])
    small = b.op("min", size, 3)
    out = b.op("table", small, entries=(10, 20, 30))
    module = make(b, {"x": bits(N)}, [out], (Size("N"),))
    assert [run(module, {"x": [0] * n})[0].tolist() for n in (1, 2, 3, 9)] == [10, 20, 30, 30]


# ---------------------------------------------------------------- random programs


@pytest.mark.parametrize("flavour", ["plain", "reals", "wide"])
def test_equals_the_scalar_reference(flavour: str) -> None:
    options = Options(reals=flavour == "reals", wide=flavour == "wide")
    for seed in range(400):
        rng = Random(seed)
        module = random_module(rng, options)
        sizes = {"N": rng.randint(2, 4)} if module.entry.sizes else {}
        params = module.entry.params
        rows = [{p.name: random_input(rng, p.type, sizes) for p in params} for _ in range(3)]
        wanted = [evaluate(module, dict(row), sizes) for row in rows]
        columns = {p.name: as_array([row[p.name] for row in rows]) for p in params}
        results = run_batch(module, columns, sizes=sizes)
        for k, row in enumerate(wanted):
            for got, want in zip(results, row):
                assert close(entries(got[k : k + 1].tolist()), entries([want])), f"seed {seed}"


def as_array(rows: list[Any]) -> Any:
    flat = entries(rows)
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return out.reshape(np.shape(np.array(rows, dtype=object)))


def close(got: list[Any], want: list[Any]) -> bool:
    if len(got) != len(want):
        return False
    return all(
        a == b if isinstance(a, int) else math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
        for a, b in zip(got, want)
    )


def test_random_programs_hold_every_construct() -> None:
    seen: set[str] = set()
    for seed in range(300):
        stack = list(random_module(Random(seed), Options()).entry.body.ops)
        while stack:
            op: Op = stack.pop()
            seen.add(op.code)
            stack += op.body.ops if op.body is not None else ()
    assert {"map", "reduce", "scan", "load", "table", "threshold", "select", "mod"} <= seen
