"""The units of a network, found again by what they compute."""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ddc.ir.exact.sources import Ints

from .discover import Reference, Structure
from .forms import Decision, Form, canonical, constant
from .integers import Units
from .model import Entries, hashes


class KnownUnits:
    """The units of a network by a hash of what they compute; equal ones have one number."""

    def __init__(self, structure: Structure) -> None:
        references = structure.references
        self.total = max([r.start + r.units.count for r in references], default=0)
        self.number = np.arange(self.total)  # of the first unit that is the same
        self.factor = np.ones(self.total, dtype=np.int64)  # -1: the negative of that unit
        self.fixed = np.zeros(self.total, dtype=bool)  # units that read nothing
        self.value = np.zeros(self.total, dtype=np.int64)  # of those
        self.seen = np.zeros(self.total, dtype=bool)
        self.known: list[tuple[Form, Ints]] = []  # forms and the numbers of their lanes
        self.hashes = np.zeros(0, dtype=np.int64)
        self.at: Ints = np.zeros((0, 2), dtype=np.int64)  # entry of `known`, lane
        self.outcomes: Ints = np.zeros((0, 3), dtype=np.int64)
        for reference in references:
            if reference.units.outcomes is not None:
                self._add(reference)

    def reduced(self, units: Units) -> Form:
        """Return the sums of units over the first of equal units, constant ones in the bias."""
        form = Form(units.starts, units.columns, units.weights, units.bias, units.scale)
        return self.renamed(form)

    def renamed(self, form: Form) -> Form:
        """Return forms of the network's numbers over the first of equal units."""
        kept = ~self.fixed[form.columns]
        bias = form.bias.copy()
        known = form.columns[~kept]
        np.add.at(bias, form.owners[~kept], form.weights[~kept] * self.value[known])
        columns, weights = form.columns[kept], form.weights[kept]
        counts = np.bincount(form.owners[kept], minlength=form.lanes)
        starts = np.concatenate([[0], np.cumsum(counts)])
        weights = weights * self.factor[columns]
        return Form(starts, self.number[columns], weights, bias, form.scale)

    def _add(self, reference: Reference) -> None:
        units = reference.units
        assert units.outcomes is not None
        form, outcomes = canonical(self.reduced(units), units.outcomes)
        mine = reference.start + np.arange(units.count)
        number, factor = self._find(form, outcomes)
        empty = np.diff(form.starts) == 0
        self.fixed[mine[empty]] = True
        self.value[mine[empty]] = _constants(form, outcomes)[empty]
        fresh = np.flatnonzero((number < 0) & ~empty)
        wanted = _hashes(form)[fresh]
        # Within the stage: the first unit of each hash is looked up by the others.
        _, first = np.unique(np.column_stack([wanted, outcomes[fresh]]), axis=0, return_index=True)
        first = fresh[np.sort(first)]
        self.known.append((form.take(first), mine[first]))
        entry = len(self.known) - 1
        at = np.column_stack([np.full(len(first), entry), np.arange(len(first))])
        every = np.concatenate([self.hashes, _hashes(form)[first]])
        order = np.argsort(every, kind="stable")
        self.hashes, self.at = every[order], np.concatenate([self.at, at])[order]
        self.outcomes = np.concatenate([self.outcomes, outcomes[first]])[order]
        again, turned = self._find(form, outcomes)
        rest = number < 0
        number[rest], factor[rest] = again[rest], turned[rest]
        found = number >= 0
        self.number[mine[found]], self.factor[mine[found]] = number[found], factor[found]

    def match(self, decision: Decision, unknown: int) -> tuple[Form, int]:
        """Return a decision as units: the same ones, or negatives of odd ones.

        Sums without entries are constants; lanes that are no unit get the numbers from `unknown`
        on, and their count is returned.
        """
        given = np.tile(np.array(decision.outcomes, dtype=np.int64), (decision.form.lanes, 1))
        form, outcomes = canonical(decision.form, given)
        number, factor = self._find(form, outcomes)
        empty = np.diff(form.starts) == 0
        fixed = _constants(form, outcomes)
        number[empty] = -1
        missing = (number < 0) & ~empty
        count = int(missing.sum())
        self.seen[number[number >= 0]] = True
        number[missing] = unknown + np.arange(count)
        has = number >= 0
        starts = np.concatenate([[0], np.cumsum(has)])
        return Form(starts, number[has], factor[has], np.where(has, 0, fixed), Fraction(1)), count

    def _find(self, form: Form, outcomes: Ints) -> tuple[Ints, Ints]:
        """Return the number of the unit that each lane is, -1 for none, and its sign."""
        number = self._lookup(form, outcomes)
        factor = np.ones(form.lanes, dtype=np.int64)
        below, tie, above = outcomes.T
        odd = (below == -above) & ((tie == 0) | (tie == below))
        lanes = np.flatnonzero((number < 0) & odd)
        if len(lanes):
            # Over integers the negative of `z > 0 ? a : -a` is `1 - z > 0 ? a : -a`.
            two = (tie == below)[lanes].astype(np.int64)
            turned = form.take(lanes).times(Fraction(-1)).plus(constant(two), 1)
            number[lanes] = self._lookup(turned, outcomes[lanes])
            factor[lanes] = np.where(number[lanes] >= 0, -1, 1)
        return number, factor

    def _lookup(self, form: Form, outcomes: Ints) -> Ints:
        """Return the number of the unit that is each lane, -1 for none; compared entry by entry."""
        wanted = _hashes(form)
        found = np.full(form.lanes, -1, dtype=np.int64)
        if not len(self.hashes):
            return found
        at = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        for _ in range(4):  # units with the same sum may differ in their outcomes
            same = (self.hashes[at] == wanted) & (found < 0)
            same &= (self.outcomes[at] == outcomes).all(axis=1)
            for entry, (known, numbers) in enumerate(self.known):
                lanes = np.flatnonzero(same & (self.at[at, 0] == entry))
                if len(lanes):
                    place = self.at[at[lanes], 1]
                    equal = form.take(lanes).same(known.take(place))
                    found[lanes[equal]] = numbers[place[equal]]
            at = np.minimum(at + 1, len(self.hashes) - 1)
        return found


def _constants(form: Form, outcomes: Ints) -> Ints:
    """Return the values of decisions on constant sums."""
    below, tie, above = outcomes.T
    values: Ints = np.where(form.bias < 0, below, np.where(form.bias > 0, above, tie))
    return values


def _hashes(form: Form) -> Ints:
    return hashes(Entries(form.owners, form.columns, form.weights, form.bias))
