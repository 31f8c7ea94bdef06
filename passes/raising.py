"""Raise a network: try the raisers in order; each takes its kind of network or says why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ddc.ir import OPS, Module, walk

from .base import Context, Declined, Pass

RAISERS = ("automaton", "orders", "tabulate", "families", "thresholds")

# A table for every output may hide a loop that families show, and the other way round: where
# tables do not roll into little, both are simplified so far, and the shorter one is taken.
SIMPLIFY = "roll,minimise,fold,hoist,reduce-terms,fold,dce"
FEW_OPS = 8  # rolled tables of so few ops need no comparison
MOST_ATOMS = 5  # of one of their tables

# Ops that stand for layers and decisions: a function with any of them is a network.
_NETWORK_FAMILIES = ("network", "decision")

# Layers with weights: a function with any of them is a network, whatever else is in it.
_WEIGHTED = ("dense", "conv", "scale", "embedding")

# Analyses of single tables: what was found about them aside holds in the pipeline too.
_OF_TABLES = ("minimise", "rough")

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
                found = create(name, {}).run(module, context)
            except Declined as declined:
                reasons.append(f"{name}: {declined}")
                continue
            return _shorter(module, found, context) if name == "tabulate" else found
        raise Declined("no raiser takes this network: " + "; ".join(reasons))


def _shorter(network: Module, tables: Module, context: Context) -> Module:
    """Return the network as families where that makes a shorter program than its tables."""
    from .pipeline import create, run

    rolled = create("roll", {}).run(tables, context)
    ops = list(walk(rolled.entry.body))
    if len(ops) <= FEW_OPS and all(len(o.operands) <= MOST_ATOMS for o in ops if o.code == "table"):
        return tables
    if _is_scan(tables, context):
        return tables
    notes = list(context.notes)
    try:
        families = create("families", {}).run(network, context)
    except Declined:
        return tables
    found = {"families": families, "tables": tables}
    apart = {name: Context(signature=context.signature) for name in found}
    cost = {name: _length(run(m, SIMPLIFY, apart[name])) for name, m in found.items()}
    for aside in apart.values():
        context.analyses.update({k: v for k, v in aside.analyses.items() if k[0] in _OF_TABLES})
    best = min(found, key=lambda name: cost[name])
    if best != "families":
        context.analyses.pop(("raised", "families"))
        context.notes[:] = notes
    return found[best]


def _is_scan(tables: Module, context: Context) -> bool:
    """Tell whether tables are a scan that holds at every size: no loops would be shorter."""
    from .pipeline import create

    aside = Context(signature=context.signature)
    scan = create("residual", {}).run(tables, aside)
    found = scan is not tables and ("pinned", tables.entry.name) not in aside.analyses
    context.analyses.update({k: v for k, v in aside.analyses.items() if k[0] in _OF_TABLES})
    return found


def _length(module: Module) -> int:
    """Return how much there is to read: ops, their operands, loops and tables."""
    total = 0
    for op in walk(module.entry.body):
        entries = op.attr("entries")
        cases = len(entries) if isinstance(entries, tuple) else 0
        total += 1 + len(op.operands) + len(op.loops) + cases // 8
    return total
