"""What is known about a program, in words: every backend writes it into what it prints."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ddc.ir import Evidence
from ddc.ir.evidence import BINDING

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
    if claim.kind == "labels":
        agree, samples = details.pop("agree", None), details.pop("samples", None)
        first = details.pop("first", None)
        other = "" if first is None else f"; not {first}"
        return f"labels: the program answers {agree} of {samples} samples as labelled{other}"
    if claim.kind == "tested":
        count = details.pop("inputs", details.pop("n", None))
        words = "tested: equal to the network" + (
            f" on {count} inputs" if count is not None else ""
        )
        return words + _rest(details)
    if claim.kind == "inferred":
        rival = details.pop("rival", None)
        words = "inferred: beyond what the network was given" + _rest(details)
        if rival is not None:
            words += (
                f"; another machine of {rival} agrees at the trained sizes, and differs at others"
            )
        return words
    if claim.kind == "inexact":
        return "INEXACT: differs from the network" + _rest(details)
    return f"{claim.kind}{_rest(details)}" if details else claim.kind


def _rest(details: dict[str, Any]) -> str:
    if not details:
        return ""
    shown = [f"{key} {float(v) if isinstance(v, Fraction) else v}" for key, v in details.items()]
    return " (" + ", ".join(shown) + ")"
