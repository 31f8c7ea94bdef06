"""Rolling, generalising and naming: from tables of single outputs to generic loops."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ddc.ir import BIT, Int, Module, OneHot, verify, walk
from ddc.ir.interpreter import run
from ddc.passes import Context
from ddc.passes import run as run_passes
from tests.passes.made_units import Place, Rule, module_of, ring

PIPELINE = "roll,minimise,fold,hoist,reduce-terms,fold,dce,generalise,name"


def compiled(module: Module, passes: str = PIPELINE) -> Module:
    return run_passes(module, passes)


def sizes(module: Module) -> list[str]:
    return [size.name for size in module.entry.sizes]


def codes(module: Module) -> list[str]:
    return [op.code for op in walk(module.entry.body)]


def answer(module: Module, **inputs: Any) -> Any:
    (value,) = run(module, inputs)
    return np.asarray(value).tolist()


def elementary(number: int, size: int) -> Rule:
    def rule(at: Place, given: Any) -> int:
        cells = dict(given)
        index = 0
        for d in (-1, 0, 1):
            index = 2 * index + cells.get(("x", ((at[0] + d) % size,)), 0)
        return number >> index & 1

    return rule


def step(number: int, cells: Sequence[int]) -> list[int]:
    n = len(cells)
    return [number >> (4 * cells[i - 1] + 2 * cells[i] + cells[(i + 1) % n]) & 1 for i in range(n)]


@pytest.mark.parametrize("number", [0, 30, 51, 90, 110, 150, 170, 184, 232, 240, 255])
def test_ring_becomes_one_generic_map(number: int) -> None:
    offsets = (-1, 0, 1) if number not in (0, 255) else ()
    module = compiled(
        module_of({"x": (BIT, (9,))}, (9,), ring("x", 9, offsets), elementary(number, 9))
    )
    assert sizes(module) == ["N"]
    assert codes(module).count("map") == 1
    for length in (1, 2, 3, 8, 40):
        cells = [random.Random(length).randint(0, 1) for _ in range(length)]
        assert answer(module, x=cells) == step(number, cells)


def test_two_cells_do_not_tell_left_from_right() -> None:
    context = Context()
    module = module_of(
        {"x": (BIT, (2,))}, (2,), ring("x", 2, (0, 1)), lambda at, g: min(g.values())
    )
    kept = run_passes(module, PIPELINE, context)
    assert sizes(kept) == []
    assert any("keeps its size 2" in note for note in context.notes)


@pytest.mark.parametrize(("size", "offsets", "kept"), [(3, 1, True), (4, 1, False), (5, 2, True)])
def test_a_window_of_the_whole_ring_tells_no_offsets(size: int, offsets: int, kept: bool) -> None:
    window = range(-offsets, offsets + 1)
    weights = {offset % size: 1 << offset + offsets for offset in window}

    def rule(at: Place, given: Any) -> int:
        cells = dict(given).items()
        return int(sum(weights[(k - at[0]) % size] * v for (_, (k,)), v in cells) in (1, 6, 12, 25))

    module = compiled(module_of({"x": (BIT, (size,))}, (size,), ring("x", size, window), rule))
    assert (sizes(module) == []) == kept


@pytest.mark.parametrize(("size", "kept"), [(4, True), (5, False)])
def test_three_entries_that_read_the_whole_window_make_a_rule(size: int, kept: bool) -> None:
    module = module_of(
        {"x": (BIT, (size,))},
        (size,),
        lambda at: [("x", (at[0] + d,)) for d in (0, 1, 2) if at[0] + d < size],
        lambda at, given: min(given.values()),
    )
    context = Context()
    found = run_passes(module, PIPELINE, context)
    assert (sizes(found) == []) == kept
    assert any("show the whole rule" in note for note in context.notes) == kept


def test_zero_border_is_found_where_reads_leave_the_array() -> None:
    def reads(at: Place) -> list[tuple[str, Place]]:
        return [("x", (at[0] + d,)) for d in (-2, 1) if 0 <= at[0] + d < 11]

    def rule(at: Place, given: Any) -> int:
        cells = dict(given)
        return int(cells.get(("x", (at[0] - 2,)), 0) & (1 - cells.get(("x", (at[0] + 1,)), 0)))

    module = compiled(module_of({"x": (BIT, (11,))}, (11,), reads, rule))
    assert sizes(module) == ["N"]
    cells = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0]
    padded = [0, 0, *cells, 0]
    expected = [padded[i] & (1 - padded[i + 3]) for i in range(len(cells))]
    assert answer(module, x=cells) == expected


def test_border_of_ones_and_clamped_border() -> None:
    for border in ("ones", "clamp"):

        def reads(at: Place) -> list[tuple[str, Place]]:
            return [
                ("x", (max(at[0] + d, 0),)) for d in (-1, 0) if border == "clamp" or at[0] + d >= 0
            ]

        def rule(at: Place, given: Any) -> int:
            cells = dict(given)
            left = cells.get(
                ("x", (max(at[0] - 1, 0),)) if border == "clamp" else ("x", (at[0] - 1,)), 1
            )
            return int(left ^ cells["x", at])

        module = compiled(module_of({"x": (BIT, (7,))}, (7,), reads, rule))
        assert sizes(module) == ["N"]
        first = 1 if border == "ones" else 0
        expected = [first ^ 0 if border == "clamp" else 1 ^ 0, 1, 1, 0, 1]
        assert answer(module, x=[0, 1, 0, 0, 1]) == expected


@pytest.mark.parametrize("shape", [(5, 7), (6, 6), (4, 6, 5)])
def test_grids_wrap_on_every_axis(shape: Place) -> None:
    rank = len(shape)
    window = list(itertools.product((-1, 0, 1), repeat=rank))

    def reads(at: Place) -> list[tuple[str, Place]]:
        nearest = [o for o in window if sum(map(abs, o)) <= 1]
        return [("g", tuple((a + d) % s for a, d, s in zip(at, o, shape))) for o in nearest]

    def rule(at: Place, given: Any) -> int:
        return int(sum(dict(given).values()) >= rank + 1)

    module = compiled(module_of({"g": (BIT, shape)}, shape, reads, rule))
    assert len(sizes(module)) == rank
    grid = np.random.default_rng(1).integers(0, 2, [s + 2 for s in shape])
    total = grid.copy()
    for axis in range(rank):
        total = total + np.roll(grid, 1, axis) + np.roll(grid, -1, axis)
    assert answer(module, g=grid) == (total >= rank + 1).astype(int).tolist()


def test_stride_reversal_and_valid_window_follow_the_size() -> None:
    pairs = module_of(
        {"x": (BIT, (8,))},
        (4,),
        lambda at: [("x", (2 * at[0],)), ("x", (2 * at[0] + 1,))],
        lambda at, given: max(given.values()),
    )
    assert answer(compiled(pairs), x=[0, 0, 0, 1, 1, 1]) == [0, 1, 1]
    mirror = module_of(
        {"x": (BIT, (6,))}, (6,), lambda at: [("x", (5 - at[0],))], lambda at, g: sum(g.values())
    )
    assert answer(compiled(mirror), x=[1, 0, 0]) == [0, 0, 1]
    window = module_of(
        {"x": (BIT, (7,))},
        (5,),
        lambda at: [("x", (at[0] + d,)) for d in range(3)],
        lambda at, given: int(sum(given.values()) == 1),
    )
    assert answer(compiled(window), x=[1, 0, 0, 0]) == [1, 0]


def test_inputs_of_several_kinds_share_their_size() -> None:
    def rule(at: Place, given: Any) -> int:
        values = dict(given)
        return int(values["t", at] == 2 and values["s", at] == -1 or values["mode", ()] == 1)

    module = compiled(
        module_of(
            {"t": (OneHot(3), (5,)), "s": (Int.of(-1, 1), (5,)), "mode": (BIT, ())},
            (5,),
            lambda at: [("t", at), ("s", at), ("mode", ())],
            rule,
        )
    )
    assert sizes(module) == ["N"]
    assert answer(module, t=[2, 2, 1], s=[-1, 1, -1], mode=0) == [1, 0, 0]
    assert answer(module, t=[2, 2], s=[-1, 1], mode=1) == [1, 1]


def test_first_entry_of_its_own_is_cut_off() -> None:
    def reads(at: Place) -> list[tuple[str, Place]]:
        return [("x", (0,))] if at[0] == 0 else [("x", (at[0] - 1,)), ("x", at)]

    def rule(at: Place, given: Any) -> int:
        values = list(dict(given).values())
        return int(1 - values[0] if at[0] == 0 else values[0] ^ values[1])

    module = compiled(module_of({"x": (BIT, (8,))}, (8,), reads, rule))
    assert "concat" in codes(module) or "map" in codes(module)
    for cells in itertools.islice(itertools.product((0, 1), repeat=8), 0, 256, 7):
        expected = [1 - cells[0]] + [cells[i - 1] ^ cells[i] for i in range(1, 8)]
        assert answer(module, x=list(cells)) == expected


def test_outputs_without_a_common_rule_stay_unrolled() -> None:
    table = random.Random(3)
    truth = {at: [table.randint(0, 1) for _ in range(4)] for at in range(6)}
    module = module_of(
        {"x": (BIT, (6,))},
        (6,),
        lambda at: [("x", at), ("x", ((at[0] * 5 + 2) % 6,))],
        lambda at, g: truth[at[0]][sum(v << i for i, v in enumerate(g.values()))],
    )
    final = compiled(module)
    for cells in itertools.product((0, 1), repeat=6):
        assert answer(final, x=list(cells)) == answer(module, x=list(cells))


@pytest.mark.parametrize("kind", ["sum", "parity", "all", "any", "most"])
def test_symmetric_functions_become_reductions(kind: str) -> None:
    rules: dict[str, Callable[[list[int]], int]] = {
        "sum": sum,
        "parity": lambda v: sum(v) % 2,
        "all": min,
        "any": max,
        "most": lambda v: int(sum(v) > 3),
    }
    module = compiled(
        module_of(
            {"x": (BIT, (6,))},
            (),
            lambda at: [("x", (i,)) for i in range(6)],
            lambda at, given: int(rules[kind](list(given.values()))),
            Int(0, 6) if kind == "sum" else BIT,
        )
    )
    assert "reduce" in codes(module)
    # A majority of six may mean "more than three" or "more than half": its size is kept.
    assert bool(sizes(module)) == (kind != "most")
    for length in (6,) if kind == "most" else (1, 6, 9):
        for seed in range(20):
            bits = [random.Random(100 * length + seed).randint(0, 1) for _ in range(length)]
            assert answer(module, x=bits) == int(rules[kind](bits))


def test_random_families_keep_their_meaning() -> None:
    source = random.Random(7)
    for _ in range(30):
        size = source.randint(2, 6)
        offsets = source.sample(range(-2, 3), source.randint(1, 3))
        wrap = source.random() < 0.5
        number = source.getrandbits(8)

        def reads(at: Place) -> list[tuple[str, Place]]:
            places = [at[0] + d for d in offsets]
            kept = [p % size for p in places] if wrap else [p for p in places if 0 <= p < size]
            return [("x", (p,)) for p in kept]

        def rule(at: Place, given: Any) -> int:
            index = 0
            for d in offsets:
                place = (at[0] + d) % size if wrap else at[0] + d
                index = 2 * index + dict(given).get(("x", (place,)), 0)
            return number >> index & 1

        module = module_of({"x": (BIT, (size,))}, (size,), reads, rule)
        final = compiled(module)
        assert not verify(final)
        for cells in itertools.product((0, 1), repeat=size):
            assert answer(final, x=list(cells)) == answer(module, x=list(cells))


def test_ties_of_spins_keep_the_trained_size() -> None:
    context = Context()
    spins = module_of(
        {"s": (Int.of(-1, 1), (5,))},
        (),
        lambda at: [("s", (i,)) for i in range(5)],
        lambda at, given: int(sum(given.values()) > 0),
    )
    kept = run_passes(spins, PIPELINE, context)
    assert sizes(kept) == []
    assert any("ties at other sizes" in note for note in context.notes)


def test_prefixes_keep_the_trained_size() -> None:
    def reads(at: Place) -> list[tuple[str, Place]]:
        return [(name, (i,)) for i in range(at[0] + 1) for name in "ab"]

    def rule(at: Place, given: Any) -> int:
        total = sum((given["a", (i,)] + given["b", (i,)]) << i for i in range(at[0] + 1))
        return int(total >> at[0] & 1)

    for width in (3, 4):
        adder = module_of({"a": (BIT, (width,)), "b": (BIT, (width,))}, (width,), reads, rule)
        assert sizes(compiled(adder)) == []


@pytest.mark.parametrize("downwards", [False, True])
def test_sorted_bits_ask_for_more_ones_than_their_place(downwards: bool) -> None:
    size = 5

    def rule(at: Place, given: Any) -> int:
        return int(sorted(dict(given).values(), reverse=downwards)[at[0]])

    module = compiled(module_of({"x": (BIT, (size,))}, (size,), ring("x", size, range(size)), rule))
    assert sizes(module) == ["N"] and codes(module).count("map") == 1
    for length in (1, 4, 9):
        bits = [random.Random(length + k).randint(0, 1) for k in range(length)]
        assert answer(module, x=bits) == sorted(bits, reverse=downwards)


def test_sorted_spins_are_no_counts_of_ones() -> None:
    spin = Int.of(-1, 1)

    def rule(at: Place, given: Any) -> int:
        return int(sorted(dict(given).values())[at[0]])

    module = compiled(
        module_of({"s": (spin, (4,))}, (4,), ring("s", 4, range(4)), rule, result=Int(-1, 1))
    )
    assert answer(module, s=[1, -1, 1, -1]) == [-1, -1, 1, 1]


def test_cells_of_a_grid_in_one_line_are_one_map() -> None:
    height, width = 4, 6

    def reads(at: Place) -> list[tuple[str, Place]]:
        row, column = divmod(at[0], width - 1)
        return [("g", (row, column)), ("g", (row, column + 1))]

    module = compiled(
        module_of(
            {"g": (BIT, (height, width))},
            (height * (width - 1),),
            reads,
            lambda at, given: sum(given.values()) % 2,
        )
    )
    assert codes(module).count("map") == 1 and "concat" not in codes(module)
    grid = np.random.default_rng(5).integers(0, 2, (height, width))
    assert answer(module, g=grid) == (grid[:, 1:] ^ grid[:, :-1]).ravel().tolist()
