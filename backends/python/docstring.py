"""The docstring of the public function: what it takes, what it returns, and how it is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ddc.backends.evidence import sentence
from ddc.ir import Function, Param

from .claims import value_text
from .tables import states


def docstring(function: Function, params: Sequence[str], meta: dict[str, Any] | None) -> str:
    """Return the docstring's lines between its quotes, with nothing that could close it."""
    lines = [_summary(function, params), ""]
    if function.params:
        lines.append("Args:")
        lines += [f"    {n}: {value_text(p)}" for n, p in zip(params, function.params)]
        lines.append("")
    lines.append("Returns:")
    lines += [f"    {result_name(r)}: {value_text(r)}" for r in function.results]
    machines = states(function)
    if machines:
        lines += ["", *machines]
    claims = [sentence(claim) for claim in function.evidence]
    sizes = [f"{s.name} >= {s.minimum}" for s in function.sizes]
    if sizes:
        claims.append(f"sizes: any {', '.join(sizes)}")
    if claims:
        lines += ["", *claims]
    if meta is not None:
        lines += ["", f"ddc: {json.dumps(meta, ensure_ascii=True, sort_keys=True)}"]
    return "\n".join(escape(line) for line in lines)


def escape(text: str) -> str:
    """Return text for a docstring: printable ASCII, backslashes doubled, no quotes to close it."""
    plain = text.encode("unicode_escape").decode("ascii")
    return plain.replace('"""', '\\"\\"\\"')


def _summary(function: Function, params: Sequence[str]) -> str:
    results = " and ".join(result_name(r) for r in function.results)
    given = " and ".join(params)
    return f"Return {results or 'nothing'}{' from ' if given else ''}{given}."


def result_name(result: Param) -> str:
    """Return a result's name in words."""
    return result.name
