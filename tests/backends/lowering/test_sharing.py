"""Rules at several rows that share values: plans are carried out cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from benchmarks.programs import LIFE
from ddc import ir
from ddc.backends.lowering.decompose import Step
from ddc.backends.lowering.luts import Recipe
from ddc.backends.lowering.sharing import Look, Plan, Value, normal, plan, reads_of
from ddc.backends.lowering.stencil import Stencil, stencil_of
from ddc.ir.interpreter import run_batch
from tests.backends.stencils import stencils

NEIGHBOURS = """\
func @f<N, M>(%x: bit[N, M]) -> (%y: bit[N, M]) {
  %y = map %i in 0..N, %j in 0..M {
    %a = load %x[%i - 1 wrap, %j - 1 wrap]
    %b = load %x[%i - 1 wrap, %j]
    %c = load %x[%i - 1 wrap, %j + 1 wrap]
    %d = load %x[%i, %j - 1 wrap]
    %e = load %x[%i, %j + 1 wrap]
    %f = load %x[%i + 1 wrap, %j - 1 wrap]
    %g = load %x[%i + 1 wrap, %j]
    %h = load %x[%i + 1 wrap, %j + 1 wrap]
    %n = add %a, %b, %c, %d, %e, %f, %g, %h
    %z = eq %n, 3
    yield %z
  }
  return %y
}
"""


def rule(text: str) -> Stencil:
    found = stencil_of(ir.parse(text))
    assert found is not None
    return found


def carried_out(shared: Plan, cells: list[list[int]], rows: int, columns: int) -> list[list[int]]:
    """Return the cells at (0, 0) and on, of a grid whose first cell is (-4, -4)."""

    def value(of: Value, x: int, known: dict[Value, int]) -> int:
        structure = shared.structures[of[0]]
        if not isinstance(structure, Look):
            return cells[structure + 4][x + of[1] + 4]
        index = 0
        for read in reads_of(structure, of[1]):
            index = 2 * index + known[read]
        return structure.table[index]

    known: dict[Value, int] = {}
    for each in shared.first:
        known[each] = value(each, 0, known)
    made: list[list[int]] = [[] for _ in range(rows)]
    for x in range(columns):
        known = {each: known[each] for each in shared.kept}
        for each in shared.body:
            known[each] = value(each, x, known)
        for row, each in zip(made, shared.outputs):
            row.append(known[each])
        for k, shift in shared.kept:
            known[k, shift] = known[k, shift + 1]
    return made


@pytest.mark.parametrize("rows", [1, 2, 3])
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(text=stencils(axes=2, bits=True))
def test_random_rules(rows: int, text: str) -> None:
    module = ir.parse(text)
    found = stencil_of(module)
    if found is None:
        return
    grid = np.random.default_rng(0).integers(0, 2, (8 + rows, 20), dtype=np.uint8)
    (expected,) = run_batch(module, {"x": grid[None]})
    got = carried_out(plan(found, rows), grid.tolist(), rows, 12)
    assert np.array_equal(got, expected[0, 4:-4, 4:-4])


@pytest.mark.parametrize("text", [LIFE.replace("BORDER", "wrap"), NEIGHBOURS])
@pytest.mark.parametrize("rows", [1, 2])
def test_counts_add_up_columns_once(text: str, rows: int) -> None:
    shared = plan(rule(text), rows)
    assert shared.carried
    assert shared.work <= 10 * rows
    grid = np.random.default_rng(1).integers(0, 2, (8 + rows, 30), dtype=np.uint8)
    (expected,) = run_batch(ir.parse(text), {ir.parse(text).entry.params[0].name: grid[None]})
    assert np.array_equal(carried_out(shared, grid.tolist(), rows, 22), expected[0, 4:-4, 4:-4])


def test_equal_values_look_alike() -> None:
    steps = (
        Step("never", ("a",), (0, 0)),
        Step("neither", ("a", "b"), (1, 0, 0, 0)),
        Step("copy", ("neither", "never"), (1, 1, 0, 0)),
        Step("unused", ("a", "c"), (0, 1, 1, 1)),
        Step("out", ("copy", "c", "never"), (0, 1, 0, 1, 0, 1, 1, 0)),
    )
    made = normal(Recipe(steps, "out"))
    either, out = made.steps  # the copy is `a or b`; out is `copy and c` where `never` is 0
    assert either == Step("neither", ("a", "b"), (0, 1, 1, 1))
    assert out == Step("out", ("neither", "c"), (0, 0, 0, 1))
