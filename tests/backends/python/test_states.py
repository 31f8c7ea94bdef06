"""States of scans are updated in place where nothing later needs the old one, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from ddc.backends import backend
from ddc.ir import parse

HEAD = "func @f(%x: int[N]) -> (%y: int[N]) {\n  %y, %last = scan %i in 0..N with (%s: int = 0) {\n"
HEAD = HEAD.replace("@f(", "@f<N>(")
TAIL = "  }\n  return %y\n}\n"


def written(body: str) -> tuple[str, Any]:
    text = backend("python")(parse(HEAD + body + TAIL))
    space: dict[str, Any] = {}
    exec(text, space)
    return text, space["f"]


@pytest.mark.parametrize(
    ("body", "says", "wanted"),
    [
        (
            "%a = load %x[%i]\n %n = add %s, %a\n next %n\n yield %n\n",
            "[s := s + a for a in x]",
            [3, 5, 10],
        ),
        (
            "%a = load %x[%i]\n %d = sub %a, %s\n %n = mul 2, %d\n next %n\n yield %n\n",
            "[s := 2 * (a - s) for a in x]",
            [6, -8, 26],
        ),
        (
            "%a = load %x[%i]\n %n = add %s, %a\n %m = mul %a, %a\n next %n\n yield %m\n",
            "s += a",
            [9, 4, 25],
        ),
        # The old state is yielded, or read twice: it must outlive the new one.
        (
            "%a = load %x[%i]\n %n = add %s, %a\n %o = sub %n, %s\n next %n\n yield %o\n",
            "",
            [3, 2, 5],
        ),
        (
            "%a = load %x[%i]\n %n = add %s, %a\n %m = mul %n, %n\n next %m\n yield %s\n",
            "",
            [0, 9, 121],
        ),
    ],
)
def test_updates(body: str, says: str, wanted: list[int]) -> None:
    text, function = written(body)
    assert says in text
    assert function([3, 2, 5]) == wanted
