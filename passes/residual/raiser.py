"""The pass: outputs that depend on a growing prefix become a scan where that is the shorter program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ddc.ir import Module, walk
from ddc.passes.base import Context, Pass
from ddc.passes.cost import program_cost
from ddc.passes.generalise import widen_results
from ddc.passes.units import Family, read

from .classes import Levels, additive_classes, hopeless, residual_classes
from .identify import Machine, identify, rivals
from .oracle import Oracle
from .words import Layout, Outputs, causal, layouts, outputs
from .write import written

# What makes a raised program short, run on each candidate before they are compared.
FINISH = "roll,{minimise},fold,hoist,reduce-terms,fold,dce,generalise"

CLEARLY = 2  # times the cost: no deeper search is asked for
SEEN = 3  # positions at which states are told apart: with fewer, a note says so
SPELT = 4  # positions at which they are, where one array holds several words
KEPT = 3  # machines of different readings that are written down


@dataclass(frozen=True)
class Residual(Pass):
    """Make outputs that depend on a growing prefix a scan through its residual classes."""

    name: ClassVar[str] = "residual"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module as a scan where a machine of few states is the shorter program."""
        entry = module.entry
        family = read(entry)
        if family is None or entry.where is not None:
            return module
        found = list(machines(family))
        fewest = min((scan.machine.states for scan in found), default=0)
        scans: list[tuple[_Scan, Module]] = []
        for scan in found:
            if scan.machine.states == fewest and len(scans) < KEPT:
                # A sum of steps may have a wider type than the answers that occur.
                short = widen_results(written(entry, scan.layout, scan.machine), module)
                scans += [] if short is None else [(scan, module.with_entry(short))]
        if not scans:
            return module
        costs = [_finished(program, context, "minimise")[0] for _, program in scans]
        cost, best, program = min(
            ((cost, *pair) for cost, pair in zip(costs, scans)),
            key=lambda triple: triple[1].rank(triple[0]),
        )
        layout, machine = best.layout, best.machine
        if machine.likely:
            context.analyses["words", entry.name] = Oracle(layout, machine, entry.params)
            _compare_rivals(best, [scan for scan, _ in scans], module, context)
        if not _shorter(cost, best, module, context):
            return module
        if not best.stable:
            context.analyses["pinned", entry.name] = (
                f"{machine.states} states after {layout.length} letters may be more after more letters"
            )
        elif len(machine.apart) < SEEN:
            context.note(
                f"what holds at every size rests on {len(machine.apart)} positions of "
                f"{layout.length} letters: a network of another size would tell"
            )
        return program


@dataclass(frozen=True, eq=False)
class _Scan:
    """A machine, and the reading of the inputs as words that it is about."""

    layout: Layout
    machine: Machine
    levels: Levels

    @property
    def stable(self) -> bool:
        """Whether it is for words of every size.

        An array may be read as several words in more than one way: an answer at the end alone has
        to tell for longer that it is so spelt.
        """
        arrays = {column.array for column in self.layout.columns}
        spelt = len(arrays) < len(self.layout.columns) and not self.layout.placed.steps
        return self.machine.stable and (not spelt or len(self.machine.apart) >= SPELT)

    def rank(self, cost: int) -> tuple[bool, int, int]:
        """Return a key that is less for what is better: every size, small letters, short programs."""
        return not self.stable, len(self.layout.letters), cost


def _compare_rivals(scan: _Scan, scans: Sequence[_Scan], module: Module, context: Context) -> None:
    """Keep the size where another machine with no more states is as short; say that there is one."""
    entry, states = module.entry, scan.machine.states
    own = Oracle(scan.layout, scan.machine, entry.params)
    others = [(scan.layout, machine) for machine in rivals(scan.levels, scan.machine)]
    others += [(other.layout, other.machine) for other in scans if other.machine.likely]
    others = [pair for pair in others if own.differs(Oracle(*pair, entry.params))]
    if not others:
        return
    length = _described(scan.layout, scan.machine, module, context)
    text = (
        f"words of {scan.layout.length} letters do not tell it from another machine of {states} "
        "states that differs at other sizes: a second network, of another size, would"
    )
    if any(_described(*pair, module, context) <= length for pair in others):
        context.analyses["pinned", entry.name] = text
    else:
        context.analyses["rival", entry.name] = (f"{states} states", text)


def _described(layout: Layout, machine: Machine, module: Module, context: Context) -> float:
    """Return the length of a machine's program, with the bits of its numbers."""
    from ddc.passes.pipeline import run

    short = widen_results(written(module.entry, layout, machine), module)
    if short is None:
        return math.inf
    aside = replace(context, notes=[], progress=None)
    finish = FINISH.format(minimise="minimise")
    entry = run(module.with_entry(short), finish, aside).entry
    return program_cost(entry) + sum(
        number.bit_length()
        for op in walk(entry.body)
        for number in (*op.operands, *(state.init for state in op.states))
        if isinstance(number, int)
    )


def _shorter(cost: int, scan: _Scan, module: Module, context: Context) -> bool:
    """Tell whether a scan reads shorter than the tables do once they are short.

    Where there is an output for each letter, what holds at every size comes first, and a map, whose
    outputs do not wait for each other, may be longer than a scan.
    """
    steps = bool(scan.layout.placed.steps)
    for minimise in ("minimise{rough=true}", "minimise"):
        other, generic = _finished(module, context, minimise)
        if steps and generic != scan.stable:
            return scan.stable
        if other <= (CLEARLY * cost if steps and generic else cost):
            return False
        if other > CLEARLY * cost:
            return True
    return True


def _finished(module: Module, context: Context, minimise: str) -> tuple[int, bool]:
    """Return the cost of a raised program once it is short, and whether it is for all sizes."""
    from ddc.passes.pipeline import run

    aside = replace(context, notes=[], progress=None)
    found = run(module, FINISH.format(minimise=minimise), aside).entry
    return program_cost(found), bool(found.sizes)


def machines(family: Family) -> Iterator[_Scan]:
    """Yield the small machines of the readings of a family's inputs as words.

    Readings with larger letters are left out where smaller ones have a machine for every size.
    """
    enough: int | None = None
    for layout in sorted(layouts(family), key=lambda found: (len(found.letters), found.backward)):
        letters = len(layout.letters)
        if enough is not None and letters > enough:
            return
        found = outputs(family, layout) if causal(family, layout) else None
        if found is None:
            continue
        for machine, levels in _explaining(found, letters):
            scan = _Scan(layout, machine, levels)
            if scan.stable:
                enough = letters
            yield scan


def _explaining(found: Outputs, letters: int) -> Iterator[tuple[Machine, Levels]]:
    """Yield the small machines behind outputs over words, and the classes that they are of."""
    if not hopeless(found, letters, additive=False):
        levels = residual_classes(found, letters)
        machine = None if levels is None else identify(levels)
        if levels is not None and machine is not None and machine.states > 1:
            yield machine, levels
    one = found.finals.shape[1] == 1 and not found.steps[0].shape[1]
    if not one or found.finals.max() < 2 or hopeless(found, letters, additive=True):
        return
    for greatest in (False, True):
        added = additive_classes(found, letters, greatest)
        machine = None if added is None else identify(added[0])
        if added is not None and machine is not None:
            yield replace(machine, base=added[1]), added[0]


__all__ = ["Residual", "machines"]
