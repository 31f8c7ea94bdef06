"""Automata as people write them in plain Python: every way is traced to the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddc import ir
from tests.frontend.source.tracing import array, bits, mismatches

CELLS = 8

RULE_30 = {
    "operators": """
def rule30(cells):
    if len(cells) < 3 or any(c not in (0, 1) for c in cells):
        raise ValueError(f"rule30: cells must be bits, not {cells}")
    n = len(cells)
    return [cells[i - 1] ^ (cells[i] | cells[(i + 1) % n]) for i in range(n)]
""",
    "words": """
def rule30(cells):
    n = len(cells)
    new = []
    for i in range(n):
        left, mid, right = cells[i - 1], cells[i], cells[(i + 1) % n]
        new.append(int((left and not (mid or right)) or (not left and (mid or right))))
    return new
""",
    "branches": """
def rule30(cells):
    out = []
    n = len(cells)
    for i in range(n):
        left, mid, right = cells[i - 1], cells[i], cells[(i + 1) % n]
        if left:
            value = not (mid or right)
        elif mid:
            value = True
        else:
            value = right == 1
        out.append(int(value))
    return out
""",
    "early returns in a helper": """
def _cell(left, mid, right):
    if left == 1 and mid == 0 and right == 0:
        return 1
    if left == 1:
        return 0
    return 1 if mid + right >= 1 else 0

def rule30(cells):
    left = cells[-1:] + cells[:-1]
    right = cells[1:] + cells[:1]
    return [_cell(*three) for three in zip(left, cells, right)]
""",
    "tuple look-up": """
RULE = (0, 1, 1, 1, 1, 0, 0, 0)
def rule30(cells):
    n = len(cells)
    return [RULE[4 * cells[i - 1] + 2 * c + cells[(i + 1) % n]] for i, c in enumerate(cells)]
""",
    "dict look-up": """
RULE = {(1, 0, 0): 1, (0, 1, 1): 1, (0, 1, 0): 1, (0, 0, 1): 1}
def rule30(cells):
    out = [0] * len(cells)
    for i, c in enumerate(cells):
        key = (cells[i - 1], c, cells[i + 1 if i + 1 < len(cells) else 0])
        out[i] = RULE.get(key, 0)
    return out
""",
    "number of the rule": """
def rule30(cells):
    out = [0] * len(cells)
    for i in range(len(cells)):
        k = cells[i - 1] * 4 + cells[i] * 2 + cells[(i + 1) % len(cells)]
        if (30 >> k) % 2 == 1:
            out[i] += 1
    return out
""",
    "set of patterns": """
def rule30(cells):
    on = {(1, 0, 0), (0, 1, 1), (0, 1, 0), (0, 0, 1)}
    n = len(cells)
    return [int((cells[i - 1], cells[i], cells[i + 1 - n]) in on) for i in range(n)]
""",
    "in place": """
def rule30(cells):
    old = list(cells)
    new = old.copy()
    for i in range(len(old)):
        if old[i] == 0 and old[i - 1] == 0:
            new[i] = old[(i + 1) % len(old)]
        elif old[i - 1]:
            new[i] = 1 - max(old[i], old[(i + 1) % len(old)])
        else:
            new[i] = 1
    return new
""",
    "functions": """
from functools import reduce
from operator import xor
import itertools

def rule30(cells):
    step = lambda l, c, r: reduce(xor, [l, c, r, c & r])
    rights = itertools.chain(cells[1:], cells[:1])
    return list(map(step, [cells[-1], *cells], cells, rights))
""",
    "strings": """
def rule30(cells):
    out = []
    for i in range(len(cells)):
        word = "on" if cells[i] or cells[(i + 1) % len(cells)] else "off"
        out.append(int((word == "on") != bool(cells[i - 1])))
    return out
""",
}


def rule_30(cells: Any) -> Any:
    return np.roll(cells, 1) ^ (cells | np.roll(cells, -1))


@pytest.mark.parametrize("text", RULE_30.values(), ids=RULE_30.keys())
def test_rule_30(text: str) -> None:
    rows = {"cells": bits(CELLS)}
    type_ = array(ir.BIT, CELLS)
    assert mismatches(text, {"cells": type_}, type_, rows, rule_30) == []


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (RULE_30["operators"], "|", "&"),
        (RULE_30["words"], "or (not left", "or (left"),
        (RULE_30["branches"], "value = True", "value = False"),
        (RULE_30["tuple look-up"], "(0, 1, 1", "(1, 1, 1"),
        (RULE_30["number of the rule"], "30 >>", "110 >>"),
        (RULE_30["in place"], "(i + 1) % len(old)]\n        elif", "i - 1]\n        elif"),
    ],
)
def test_a_wrong_rule_30_is_traced_as_it_is(text: str, old: str, new: str) -> None:
    assert old in text
    rows = {"cells": bits(CELLS)}
    type_ = array(ir.BIT, CELLS)
    assert mismatches(text.replace(old, new), {"cells": type_}, type_, rows, rule_30) != []


LIFE = {
    "nested functions": """
def life(grid):
    h, w = len(grid), len(grid[0])
    def alive(r, c):
        n = 0
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                if (dr, dc) == (0, 0):
                    continue
                n += grid[(r + dr) % h][(c + dc) % w]
        if grid[r][c] and n in (2, 3):
            return 1
        return int(n == 3)
    return [[alive(r, c) for c in range(w)] for r in range(h)]
""",
    "counted": """
def life(grid):
    h, w = len(grid), len(grid[0])
    new = [row[:] for row in grid]
    for r, row in enumerate(grid):
        for c, cell in enumerate(row):
            near = [grid[(r + i - 1) % h][(c + j - 1) % w] for i in range(3) for j in range(3)]
            others = sum(1 for x in near if x) - cell
            if others < 2 or others > 3:
                new[r][c] = 0
            if others == 3:
                new[r][c] = 1
    return new
""",
    "rows of sums": """
def life(grid):
    def around(line):
        return zip(line[-1:] + line[:-1], line, line[1:] + line[:1])
    sums = [[a + b + c for a, b, c in around(row)] for row in grid]
    columns = [[a + b + c for a, b, c in around(list(column))] for column in zip(*sums)]
    counts = list(zip(*columns))
    return [[1 if t == 3 or (t == 4 and x) else 0 for t, x in zip(ts, xs)] for ts, xs in
            zip(counts, grid)]
""",
}


def life(grid: Any) -> Any:
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    count = sum(np.roll(grid, shift, (0, 1)) for shift in shifts)
    return ((count == 3) | ((grid == 1) & (count == 2))).astype(int)


@pytest.mark.parametrize("text", LIFE.values(), ids=LIFE.keys())
def test_life(text: str) -> None:
    type_ = array(ir.BIT, 3, 4)
    rows = {"grid": bits(3, 4)[::3]}
    assert mismatches(text, {"grid": type_}, type_, rows, life) == []


def test_a_wrong_life_is_found() -> None:
    text = LIFE["nested functions"].replace("(2, 3)", "(3, 4)")
    type_ = array(ir.BIT, 3, 4)
    rows = {"grid": bits(3, 4)[::3]}
    assert mismatches(text, {"grid": type_}, type_, rows, life) != []
