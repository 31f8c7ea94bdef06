"""The docstring of the public function: what it takes, what it returns, and how it is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ddc.ir import Evidence, Function, Param
from ddc.ir.evidence import BINDING

from .inputs import value_text


def docstring(function: Function, params: Sequence[str], meta: dict[str, Any] | None) -> str:
    """Return the docstring's lines between its quotes, with nothing that could close it."""
    lines = [_summary(function, params), ""]
    if function.params:
        lines.append("Args:")
        lines += [f"    {n}: {value_text(p)}" for n, p in zip(params, function.params)]
        lines.append("")
    lines.append("Returns:")
    lines += [f"    {result_name(r)}: {value_text(r)}" for r in function.results]
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


_PROVED = {
    "structural": "the loops, written out again, give back the network's own weights",
    "exhaustive": "equal to the network on every input",
    "composed": "equal to the network part by part",
    "diagrams": "equal to the network by decision diagrams",
    "bounds": "equal to the network within rigorous bounds",
    "induction": "equal to the network at every step",
}


def sentence(claim: Evidence) -> str:
    """Return a claim in words."""
    details = {key: value for key, value in claim.details if key not in BINDING}
    if claim.kind == "proved":
        inputs = details.pop("inputs", None)
        words = _PROVED.get(claim.method, "equal to the network")
        if claim.method == "exhaustive" and inputs is not None and "outputs" in details:
            outputs = details.pop("outputs")
            words = f"equal to the network in each of {outputs} outputs, on all {inputs} cases of "
            words += "the inputs it sees"
        elif claim.method == "exhaustive" and inputs is not None:
            words = f"equal to the network on all {inputs} inputs"
        elif inputs is not None:
            words += f", {inputs} inputs"
        return f"proved {claim.method}: {words}{_rest(details)}"
    if claim.kind == "tested":
        count = details.pop("inputs", details.pop("n", None))
        words = "tested: equal to the network" + (
            f" on {count} inputs" if count is not None else ""
        )
        return words + _rest(details)
    if claim.kind == "inferred":
        return "inferred: beyond what the network was given" + _rest(details)
    if claim.kind == "inexact":
        return "INEXACT: differs from the network" + _rest(details)
    return f"{claim.kind}{_rest(details)}" if details else claim.kind


def _rest(details: dict[str, Any]) -> str:
    if not details:
        return ""
    from fractions import Fraction

    shown = [f"{key} {float(v) if isinstance(v, Fraction) else v}" for key, v in details.items()]
    return " (" + ", ".join(shown) + ")"
