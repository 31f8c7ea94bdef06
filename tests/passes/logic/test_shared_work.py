"""What the tables of one function may cost together, counted in work."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from ddc.ir import parse
from ddc.passes import Context
from ddc.passes.logic import Table, evaluate, minimise
from ddc.passes.minimise import Minimise

place = importlib.import_module("ddc.passes.logic.minimise")


def noise(bits: int, seed: int) -> Table:
    """Return a table that no rule explains."""
    values = np.random.default_rng(seed).integers(0, 2, (2,) * bits)
    return Table(((0, 1),) * bits, values, None)


def work_of(table: Table, tables: int, monkeypatch: pytest.MonkeyPatch) -> int:
    spent: list[int] = []
    plain = place.Search.affords

    def counted(self: object, work: int) -> bool:
        found: bool = plain(self, work)
        spent.append(work if found else 0)
        return found

    monkeypatch.setattr(place.Search, "affords", counted)
    found = minimise(table, effort=0, tables=tables)
    monkeypatch.setattr(place.Search, "affords", plain)
    axes = np.indices(table.values.shape)
    assert np.array_equal(evaluate(found, list(axes)), table.values)
    return sum(spent)


def test_a_table_among_many_gets_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = work_of(noise(8, 0), 1, monkeypatch)
    among = work_of(noise(8, 0), 2000, monkeypatch)
    assert among <= 2_000_000 < alone


def test_a_rule_is_found_in_a_small_share() -> None:
    count = np.indices((2,) * 10).sum(0)
    least = Table(((0, 1),) * 10, (count >= 4).astype(np.int64), None)
    found = minimise(least, effort=0, tables=2000)
    assert found == minimise(least, effort=1)


@pytest.mark.parametrize("ruled", [False, True])
def test_what_has_no_rule_is_said(ruled: bool) -> None:
    values = np.indices((2,) * 9).sum(0) % 2 if ruled else noise(9, 3).values
    loads = "".join(f"  %x{i} = load %x[{i}]\n" for i in range(9))
    names = ", ".join(f"%x{i}" for i in range(9))
    entries = ", ".join(map(str, values.ravel().tolist()))
    text = (
        "func @f(%x: bit[9]) -> (%y: bit) {\n"
        f"{loads}  %t = table [{entries}] of {names}\n  return %t\n}}\n"
    )
    context = Context()
    Minimise().run(parse(text), context)
    assert any("no short rule was found for 1 of 1" in note for note in context.notes) != ruled
