"""Influence, projection and majority against loops over all rows."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest

from ddc.ir import DdcError
from ddc.ir.exact import Table
from ddc.ir.exact.dependence import dependence, majority, project


def bit_table(inputs: int, columns: list[Any]) -> Table:
    """Return a table of bits with these outputs."""
    packed = [np.packbits(np.asarray(c, bool), bitorder="little") for c in columns]
    size = max(8, (1 << inputs) // 8)
    words = np.stack([np.pad(p, (0, size - len(p))) for p in packed]).view("<u8")
    return Table(tuple(range(inputs)), ((0, 1),) * inputs, 1 << inputs, words, None)


def digit_table(levels: tuple[tuple[int, ...], ...], columns: list[Any]) -> Table:
    """Return a table of ints with these outputs."""
    digits = np.array(columns, dtype=np.int8)
    return Table(tuple(range(len(levels))), levels, digits.shape[1], None, digits)


def influence_by_loops(levels: Any, values: list[int]) -> list[float]:
    rows = list(itertools.product(*(range(len(few)) for few in levels)))
    value = dict(zip(rows, values))
    result = []
    for i, few in enumerate(levels):
        pairs = [
            (row, (*row[:i], other, *row[i + 1 :]))
            for row in rows
            for other in range(row[i] + 1, len(few))
        ]
        changed = sum(value[a] != value[b] for a, b in pairs)
        result.append(changed / len(pairs) if pairs else 0.0)
    return result


@pytest.mark.parametrize("inputs", [1, 2, 5, 6, 7, 9, 11])
def test_influence_of_bits_by_loops(inputs: int) -> None:
    rng = np.random.default_rng(inputs)
    rows = np.array(list(itertools.product((0, 1), repeat=inputs)))
    columns = [
        rng.integers(0, 2, 1 << inputs),
        rows[:, 0],
        rows[:, -1] ^ rows[:, inputs // 2],
        np.zeros(1 << inputs, int),
        rng.random(1 << inputs) < 0.01,
    ]
    found = dependence(bit_table(inputs, columns))
    for output, column in enumerate(columns):
        expected = influence_by_loops(((0, 1),) * inputs, [int(v) for v in column])
        assert found.influence[output].tolist() == expected
        support = tuple(i for i, part in enumerate(expected) if part)
        assert found.support(output) == support


def test_influence_of_inputs_of_many_levels() -> None:
    rng = np.random.default_rng(1)
    levels = (tuple(range(11)), (0, 1), tuple(range(30)))
    columns = [rng.integers(-2, 3, 660), np.repeat(np.arange(11), 60), np.zeros(660, int)]
    found = dependence(digit_table(levels, columns))
    for output, column in enumerate(columns):
        assert found.influence[output].tolist() == influence_by_loops(levels, column.tolist())


def test_influence_of_a_million_levels_takes_no_pairs() -> None:
    levels = (tuple(range(1 << 20)),)
    begin = time.perf_counter()
    found = dependence(digit_table(levels, [np.arange(1 << 20) % 2]))
    assert found.influence[0, 0] == pytest.approx(0.5, rel=1e-5)
    assert time.perf_counter() - begin < 5


def test_influence_of_digits_by_loops() -> None:
    rng = np.random.default_rng(0)
    levels = ((0, 1, 2), (-1, 1), (7,), (0, 1, 2, 3))
    columns = [rng.integers(-1, 2, 24), np.repeat([0, 1, 1], 8), np.tile([0, 0, 3, 0], 6)]
    found = dependence(digit_table(levels, columns))
    for output, column in enumerate(columns):
        assert found.influence[output].tolist() == influence_by_loops(levels, column.tolist())
    assert found.support(1) == (0,)
    assert found.support(2) == (3,)


def test_influence_beyond_one_block_of_words() -> None:
    inputs = 23
    rows = np.arange(1 << inputs, dtype=np.uint32)
    bit = {i: (rows >> np.uint32(inputs - 1 - i) & 1).astype(bool) for i in (0, 1, 3, 22)}
    columns = [bit[0] ^ bit[1], bit[1] & bit[3] | bit[22], rows == 5]
    begin = time.perf_counter()
    found = dependence(bit_table(inputs, columns)).influence
    assert time.perf_counter() - begin < 3
    np.testing.assert_array_equal(found[0], [1.0, 1.0] + [0.0] * 21)
    # x3 matters where x1 = 1 and x22 = 0, x22 where not both of x1, x3 are 1
    assert [found[1][i] for i in (0, 1, 2, 3, 21, 22)] == [0.0, 0.25, 0.0, 0.25, 0.0, 0.75]
    np.testing.assert_array_equal(found[2], [2.0**-22] * 23)


def test_projection_in_any_order() -> None:
    rows = np.arange(1 << 9)
    bit = [rows >> (8 - i) & 1 for i in range(9)]
    table = bit_table(9, [bit[2] & (1 - bit[8])])
    assert project(table, 0, [2, 8]).tolist() == [0, 0, 1, 0]
    assert project(table, 0, [8, 2]).tolist() == [0, 1, 0, 0]
    assert project(table, 0, [5, 2, 8]).tolist() == [0, 0, 1, 0] * 2
    levels = ((0, 1, 2), (5, 6), (0, 1, 2))
    values = [a - b for a in range(3) for _ in (5, 6) for b in range(3)]
    digits = digit_table(levels, [values])
    assert project(digits, 0, [2, 0]).tolist() == [0, 1, 2, -1, 0, 1, -2, -1, 0]


@pytest.mark.parametrize("inputs", [4, 8, 22])
def test_majority_finds_the_rare_rows(inputs: int) -> None:
    rows = np.arange(1 << inputs)
    clean = (rows >> (inputs - 1) ^ rows >> (inputs - 3)) & 1
    wrong = clean.copy()
    for row in (3, (1 << inputs) - 2):
        wrong[row] ^= 1
    table = bit_table(inputs, [wrong, clean])
    found = majority(table, 0, [0, 2])
    assert found.table.tolist() == [0, 1, 1, 0]
    assert (found.disagree, found.first) == (2, 3)
    found = majority(table, 1, [2, 0])
    assert found.table.tolist() == [0, 1, 1, 0]
    assert (found.disagree, found.first) == (0, None)


def test_majority_of_digits_takes_the_least_of_equals() -> None:
    table = digit_table(((0, 1), (0, 1, 2, 3)), [[2, -1, 2, -1, 3, 3, 3, -1]])
    found = majority(table, 0, [0])
    assert found.table.tolist() == [-1, 3]
    assert (found.disagree, found.first) == (3, 0)
    found = majority(table, 0, [])
    assert found.table.tolist() == [-1]


def test_too_many_cases_are_refused() -> None:
    table = Table(tuple(range(30)), ((0, 1),) * 30, 1 << 30, np.zeros((1, 1), "<u8"), None)
    with pytest.raises(DdcError, match="too many"):
        project(table, 0, range(30))
