"""Functions of three bits as C formulas, each at all eight inputs."""

from __future__ import annotations

import itertools
import re

import pytest

from ddc.backends.c.formulas import Functions, formula

INPUTS = list(itertools.product((0, 1), repeat=3))


def value(text: str, names: str, bits: tuple[int, ...]) -> int:
    """Return a formula's value; Python and C agree on these operators and their precedence."""
    found = eval(text, {"__builtins__": {}}, dict(zip(names, bits)))
    assert isinstance(found, int)
    return found & 1


@pytest.mark.parametrize("table", range(1, 255))
def test_formula_of_every_table(table: int) -> None:
    text = formula(table)
    for bits in INPUTS:
        index = 4 * bits[0] + 2 * bits[1] + bits[2]
        assert value(text, "abc", bits) == table >> index & 1
    assert len(re.findall("[&|^]", text)) <= 4


@pytest.mark.parametrize("count", [1, 2, 3])
def test_calls_put_operands_where_a_function_wants_them(count: int) -> None:
    for table in range(1, (1 << (1 << count)) - 1):
        entries = [table >> k & 1 for k in range(1 << count)]
        functions = Functions()
        text = functions.call(entries, list("xyz"[:count]))
        called = re.fullmatch(r"(\w+)\((\w), (\w), (\w)\)", text)
        if called:
            (inner,) = functions.tables
            text = formula(inner)
            letters = dict(zip("abc", called.groups()[1:]))
            text = re.sub("[abc]", lambda m, letters=letters: letters[m[0]], text)  # type: ignore[misc]
        for bits in itertools.product((0, 1), repeat=count):
            index = int("".join(map(str, bits)), 2)
            assert value(text, "xyz", bits) == entries[index]


def test_names_and_definitions() -> None:
    functions = Functions()
    assert functions.lines() == []
    assert functions.call((0, 1, 1, 0, 1, 0, 0, 1), ["x", "y", "z"]) == "x ^ y ^ z"
    assert functions.call((0, 0, 0, 1, 0, 1, 1, 1), ["x", "y", "z"]) == "majority(x, y, z)"
    assert functions.call((0,), []) == "(Lanes){0}"
    text = "\n".join(functions.lines())
    assert "static inline Lanes majority(Lanes a, Lanes b, Lanes c)" in text
    assert "LOOKUP(0xE8, (a & b) | (c & (a ^ b)))" in text
