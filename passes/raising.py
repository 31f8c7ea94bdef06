"""Raise a network: try the raisers in order; each takes its kind of network or says why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ddc.ir import OPS, Module, walk

from .base import Context, Declined, Pass

RAISERS = ("automaton", "tabulate", "families", "thresholds")

# Ops that stand for layers and decisions: a function with any of them is a network.
_NETWORK_FAMILIES = ("network", "decision")

# Layers with weights: a function with any of them is a network, whatever else is in it.
_WEIGHTED = ("dense", "conv", "scale", "embedding")

# Programs have loops that read entries, and may end in a decision; networks have neither.
_OF_PROGRAMS = ("map", "reduce", "load")


def is_network(module: Module) -> bool:
    """Tell whether the entry is a network that no raiser has taken yet."""
    codes = {op.code for op in walk(module.entry.body)}
    if codes.isdisjoint(_WEIGHTED) and not codes.isdisjoint(_OF_PROGRAMS):
        return False
    return any(code in OPS and OPS[code].family in _NETWORK_FAMILIES for code in codes)


@dataclass(frozen=True)
class Raise(Pass):
    """Turn a network into rules: the first raiser that takes it (a program is left as it is)."""

    name: ClassVar[str] = "raise"

    def run(self, module: Module, context: Context) -> Module:
        """Return the raised module; `Declined` with every raiser's reason if none takes it."""
        from .pipeline import create

        if not is_network(module):
            return module
        reasons: list[str] = []
        for name in RAISERS:
            try:
                return create(name, {}).run(module, context)
            except Declined as declined:
                reasons.append(f"{name}: {declined}")
        raise Declined("no raiser takes this network: " + "; ".join(reasons))
