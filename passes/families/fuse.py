"""See across layers: sum what hidden units say together, place by place, and say it shortly.

A layer that sums families over one box sums, place by place, a function of the few atoms that
decide those units. That function is tabled over all cases of the atoms, case analysis and
cancellation included (a clause that makes no difference is no atom), and said as shortly as it
can be; the units themselves are gone. Every body is compared with its table in every case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ddc.ir import Affine, Param, element, levels

from .atoms import Table, Tables, relevant, summed
from .discover import Structure
from .model import COORDINATES, Family, Inner, Term, grid
from .split import Body, evaluate, length, split

LOOP = 6  # what a family that stays costs, beside its terms
TERM = 3
SEPARATE = 8  # outputs that are looked at one by one


@dataclass(frozen=True)
class Part:
    """`weight * sum over loops of body`."""

    weight: int
    loops: tuple[Inner, ...]
    body: Body


@dataclass(frozen=True)
class Kept:
    """A family that stays, with parts in place of the terms that were fused."""

    counts: tuple[int, ...]
    parts: tuple[Term | Part, ...]
    bias: Affine
    outcomes: tuple[int, int, int] | None
    scale: Fraction = Fraction(1)


@dataclass(frozen=True)
class Plan:
    """What is written: hidden families by the number of their source, and the outputs."""

    hidden: dict[int, Kept]
    outputs: tuple[Kept, ...]
    cases: int = 0  # that bodies were compared with units in
    fused: int = 0  # families that are gone


def unfused(structure: Structure) -> Plan:
    """Return every family as it is."""
    hidden = {named.source: _kept(named.family) for named in structure.hidden}
    return Plan(hidden, tuple(map(_kept, structure.outputs)))


def _kept(family: Family) -> Kept:
    return Kept(family.counts, family.terms, family.bias, family.outcomes, family.scale)


def fuse(structure: Structure) -> Plan | None:
    """Return the network with units put together across layers, None where that gains nothing."""
    fuser = _Fuser(structure)
    plans = [fuser.plan(deep) for deep in (False, True)]
    best = min(plans, key=_score)
    return best if best.fused and _score(best) <= _score(unfused(structure)) else None


def _score(plan: Plan) -> int:
    """Return how much there is to read: loops, terms, and different bodies with their atoms."""
    kept = [*plan.hidden.values(), *plan.outputs]
    bodies = {(p.loops, p.body) for k in kept for p in k.parts if isinstance(p, Part)}
    terms = {replace(p, weight=1) for k in kept for p in k.parts if isinstance(p, Term)}
    return LOOP * len(plan.hidden) + TERM * len(terms) + sum(length(body) for _, body in bodies)


class _Fuser:
    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.hidden = {named.source: named.family for named in structure.hidden}
        known = [_levels(param) for param in structure.module.entry.params]
        for named in structure.hidden:
            source = structure.sources[named.source]
            known.append(tuple(range(source.low, source.high + 1)))
        self.tables = Tables(structure.sources, known, self.hidden)
        self.cases = 0
        self.outputs = [self._reduced(family) for family in self._separate()]
        self.cases_of_outputs = self.cases

    def plan(self, deep: bool) -> Plan:
        """Return the outputs with their sums fused, and the hidden families still needed.

        With `deep` the sums of those are fused too.
        """
        self.cases = self.cases_of_outputs
        outputs = self.outputs
        needed: dict[int, Kept] = {}
        waiting = [s for kept in outputs for s in _sources(kept)]
        while waiting:
            source = waiting.pop()
            if source in self.hidden and source not in needed:
                family = self.hidden[source]
                needed[source] = self._reduced(family) if deep else _kept(family)
                waiting += _sources(needed[source])
        ordered = {s: needed[s] for s in self.hidden if s in needed}
        return Plan(ordered, tuple(outputs), self.cases, len(self.hidden) - len(needed))

    def _separate(self) -> list[Family]:
        """Return the output families, few units one by one."""
        found: list[Family] = []
        total = sum(family.size for family in self.structure.outputs)
        for family in self.structure.outputs:
            if total > SEPARATE or not family.counts:
                found.append(family)
                continue
            for at in grid(family.counts).tolist():
                found.append(_at(family, at))
        return found

    def _reduced(self, family: Family) -> Kept:
        """Return a family with each group of terms over one box as one part, where that is short."""
        self.tables.bounds = {
            name: (0, count - 1) for name, count in zip(COORDINATES, family.counts)
        }
        whole = self._whole(family)
        if whole is not None:
            return whole
        groups: dict[tuple[Inner, ...], list[Term]] = {}
        for term in family.terms:
            groups.setdefault(term.loops, []).append(term)
        parts: list[Term | Part] = []
        outer = dict(self.tables.bounds)
        for loops, terms in groups.items():
            self.tables.bounds = outer | _ranges(loops)
            part = self._part(loops, terms)
            parts += [part] if part is not None else terms
        kept = _kept(family)
        return replace(kept, parts=tuple(parts))

    def _whole(self, family: Family) -> Kept | None:
        """Return a family that reads entry by entry as one table with its comparison in it."""
        lone = all(not term.loops for term in family.terms) and family.bias.is_const
        if family.outcomes is None or not lone:
            return None
        total = self._total(list(family.terms), family.bias.const)
        if total is None:
            return None
        below, tie, above = family.outcomes
        sign = np.sign(total.values)
        values = np.where(sign < 0, below, np.where(sign > 0, above, tie))
        decided = relevant(Table(total.atoms, values))
        body = self._split(decided)
        if body is None:
            return None
        self._check(body, decided)
        return Kept(family.counts, (Part(1, (), body),), Affine(), None)

    def _total(self, terms: list[Term], bias: int) -> Table | None:
        """Return a sum of hidden units over atoms of the inputs."""
        if not any(term.source in self.hidden for term in terms):
            return None
        tables: list[tuple[int, Table]] = []
        for term in terms:
            found = self.tables.of_term(replace(term, loops=()))
            if found is None:
                return None
            tables.append((term.weight, found))
        total = summed(tables, bias)
        if total is None or any(a.source in self.hidden for a in relevant(total).atoms):
            return None
        return relevant(total)

    def _split(self, table: Table) -> Body | None:
        bits = {a for a in table.atoms if a.loops and self.tables.levels[a.source] == (0, 1)}
        return split(table, bits)

    def _check(self, body: Body, table: Table) -> None:
        if not np.array_equal(evaluate(body, table), table.values):
            raise AssertionError("a body differs from the units that it stands for")
        self.cases += int(table.values.size)

    def _part(self, loops: tuple[Inner, ...], terms: list[Term]) -> Part | None:
        total = self._total(terms, 0)
        body = None if total is None else self._split(total)
        if total is None or body is None:
            return None
        self._check(body, total)
        weight = 1
        if int(total.values.ravel()[np.flatnonzero(total.values)[-1:]].sum()) < 0:
            negative = self._split(Table(total.atoms, -total.values))
            if negative is not None:
                weight, body = -1, negative
        return Part(weight, loops, body)


def _ranges(loops: tuple[Inner, ...]) -> dict[str, tuple[int, int]]:
    """Return the ranges of inner loops whose bounds are numbers."""
    return {
        f"%d{n}": (loop.low.const, loop.high.const - 1)
        for n, loop in enumerate(loops)
        if loop.low.is_const and loop.high.is_const
    }


def _levels(param: Param) -> tuple[int, ...]:
    scalar = element(param.type)
    return levels(scalar) or ()


def _sources(kept: Kept) -> list[int]:
    return [part.source for part in kept.parts if isinstance(part, Term)]


def _at(family: Family, place: list[int]) -> Family:
    """Return one unit of a family as a family without coordinates."""
    put = {name: Affine.of(k) for name, k in zip(COORDINATES, place)}
    return replace(family.placed(put), counts=())


__all__ = ["Kept", "Part", "Plan", "fuse", "unfused"]
