"""All functions of at most three bits have the minimal number of operations."""

from functools import cache
from itertools import combinations

import numpy as np
import pytest

from ddc.passes.logic import (
    And,
    Compare,
    Expr,
    Linear,
    Not,
    Or,
    Table,
    Threshold,
    Xor,
    minimise,
    operations,
    topological,
)

BIT = (0, 1)
COLUMNS = (0b11110000, 0b11001100, 0b10101010)


@cache
def fewest_gates() -> dict[int, int]:
    """Search straight-line programs depth first, one gate more at a time, on sets of functions."""
    fewest = dict.fromkeys((*COLUMNS, 0, 255), 0)
    frontier = {frozenset(COLUMNS)}
    gates = 0
    while len(fewest) < 256:
        gates += 1
        following: set[frozenset[int]] = set()
        for known in frontier:
            made = {255 - f for f in known}
            for f, g in combinations(known, 2):
                made |= {f & g, f | g, f ^ g}
            for new in made - known:
                fewest.setdefault(new, gates)
                if gates < 5:
                    following.add(known | {new})
        frontier = following
    return fewest


def table_of(function: int) -> Table:
    values = np.array([function >> i & 1 for i in range(8)]).reshape(2, 2, 2)
    return Table((BIT, BIT, BIT), values)


def counts_something(expr: Expr) -> bool:
    return any(isinstance(node, Threshold | Linear) for node in topological((expr,)))


def test_every_three_input_function_is_minimal() -> None:
    fewest = fewest_gates()
    assert max(fewest.values()) == 5
    replaced = 0
    for function in range(256):
        expr = minimise(table_of(function))  # checked against the table by minimise itself
        if counts_something(expr):
            replaced += 1
            assert operations(expr) < fewest[function]
        else:
            kinds = {type(node) for node in topological((expr,)) if node.operands}
            assert kinds <= {And, Or, Xor, Not}
            assert operations(expr) == fewest[function], function
    assert 0 < replaced < 64


@pytest.mark.parametrize("function", [0x0F, 0x3C, 0x80, 0x1E, 0x96])
def test_short_functions_stay_logic(function: int) -> None:
    assert not counts_something(minimise(table_of(function)))


def test_majority_is_a_threshold() -> None:
    expr = minimise(table_of(0b11101000))
    assert isinstance(expr, Threshold)
    assert expr.k == 2 and len(expr.args) == 3


def test_exactly_one_is_a_count() -> None:
    expr = minimise(table_of(0b00010110))
    assert isinstance(expr, Compare) and expr.op == "eq"


def test_dont_cares_take_the_cheapest_completion() -> None:
    fewest = fewest_gates()
    rng = np.random.default_rng(7)
    for _ in range(60):
        function, care = (int(v) for v in rng.integers(0, 256, 2))
        cares = np.array([care >> i & 1 for i in range(8)], dtype=bool).reshape(2, 2, 2)
        table = table_of(function)
        expr = minimise(Table(table.levels, table.values, cares))
        best = min(n for f, n in fewest.items() if (f ^ function) & care == 0)
        assert operations(expr) <= best
        if not counts_something(expr):
            assert operations(expr) == best
