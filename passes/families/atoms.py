"""Units as tables over atoms: what is read of the inputs, and how much of it, decides them.

An atom is an entry of an array, or a count over inner loops, that a unit compares; a chain of
units that read each other entry by entry is a function of the atoms at its end. Atoms are taken
to be independent: a table then says more cases than can happen, never fewer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ddc.ir import Affine
from ddc.ir.exact.sources import Ints

from .model import COORDINATES, Family, Inner, Source, Term

MOST_CASES = 1 << 14  # entries of one table
MOST_UNROLLED = 16  # iterations over hidden units that are looked at one by one
LARGEST = 1 << 60


@dataclass(frozen=True, eq=False)
class Table:
    """Values over the levels of atoms, one axis for each."""

    atoms: tuple[Term, ...]
    values: Ints


class Tables:
    """Tables of hidden units at places that are affine in some loops."""

    def __init__(
        self,
        sources: Sequence[Source],
        levels: Sequence[tuple[int, ...]],
        hidden: dict[int, Family],
    ) -> None:
        """Take all sources, the values that an entry of each can have, and the hidden ones."""
        self.sources, self.levels, self.hidden = sources, levels, hidden
        self.bounds: dict[str, tuple[int, int]] = {}  # of the loops around what is read

    def levels_of(self, atom: Term) -> tuple[int, ...] | None:
        """Return the values that an atom can have, None where they are too many."""
        known = self.levels[atom.source]
        if any(atom.clipped):
            known = tuple(sorted({0, *known}))
        if not atom.loops:
            return known
        extents = [loop.high - loop.low for loop in atom.loops]
        if not all(extent.is_const for extent in extents):
            return None
        count = math.prod(max(extent.const, 0) for extent in extents)
        low, high = count * known[0], count * known[-1]
        return tuple(range(low, high + 1)) if high - low < MOST_CASES else None

    def of_term(self, term: Term) -> Table | None:
        """Return the table of what a term reads, without its weight; None where there is none."""
        if term.factor is not None:
            return None
        if term.source not in self.hidden:
            return self._atom(term)
        places = unrolled(term)
        if places is None:
            return self._atom(term)
        found = [self.of_entry(place) for place in places]
        known = [(1, table) for table in found if table is not None]
        return summed(known, 0) if len(known) == len(found) else None

    def _atom(self, term: Term) -> Table | None:
        atom = self._inside(replace(term, weight=1))
        levels = self.levels_of(atom)
        return Table((atom,), np.array(levels, dtype=np.int64)) if levels else None

    def _inside(self, atom: Term) -> Term:
        """Return an atom without wraps that never happen, and with the least offsets."""
        bounds = {s: (Affine.of(a), Affine.of(b)) for s, (a, b) in self.bounds.items()}
        for n, loop in enumerate(atom.loops):
            bounds[f"%a{n}"] = (loop.low, loop.high - 1)
        ring, index = list(atom.ring), list(atom.index)
        for axis, extent in enumerate(self.sources[atom.source].shape):
            if not ring[axis]:
                continue
            offset = (index[axis].const + extent // 2) % extent - extent // 2
            index[axis] = index[axis] - index[axis].const + offset
            low = index[axis].extreme(bounds, upper=False)
            high = index[axis].extreme(bounds, upper=True)
            ring[axis] = not (
                low.is_const and high.is_const and low.const >= 0 and high.const < extent
            )
        return replace(atom, ring=tuple(ring), index=tuple(index))

    def of_entry(self, term: Term) -> Table | None:
        """Return the table of one hidden unit over what it is decided by."""
        family = self.hidden[term.source]
        bias = family.bias.substitute(dict(zip(COORDINATES, term.index)))
        if any(term.clipped) or family.outcomes is None or not bias.is_const:
            return self._atom(term)
        inner = [self._put(inner, term, family) for inner in family.terms]
        parts = [None if t is None else self.of_term(t) for t in inner]
        total = summed(
            [(t.weight, p) for t, p in zip(family.terms, parts) if p is not None],
            bias.const,
        )
        if total is None or any(part is None for part in parts):
            return self._atom(term)
        below, tie, above = family.outcomes
        sign = np.sign(total.values)
        values = np.where(sign < 0, below, np.where(sign > 0, above, tie))
        return relevant(Table(total.atoms, values))

    def _put(self, inner: Term, at: Term, family: Family) -> Term | None:
        """Return a term of a family with the coordinates replaced by the place of its reader."""
        put = dict(zip(COORDINATES, at.index))
        shape = self.sources[inner.source].shape
        ring = list(inner.ring)
        for axis, at_ in enumerate(inner.index):
            for k, around in enumerate(at.ring):
                if not around or not at_.coefficient(COORDINATES[k]):
                    continue
                # Around a ring of the same length: an offset may be added before the wrap.
                alone = at_ == Affine.symbol(COORDINATES[k])
                slope = abs(at_.coefficient(COORDINATES[k]))
                same = shape[axis] == family.counts[k] and slope == 1
                if not same or not (alone or inner.ring[axis]):
                    return None
                ring[axis] = True
        if any(
            around and COORDINATES[k] in (loop.low + loop.high).symbols()
            for loop in inner.loops
            for k, around in enumerate(at.ring)
        ):
            return None
        loops = tuple(Inner(o.low.substitute(put), o.high.substitute(put)) for o in inner.loops)
        if any(s.startswith("%d") for loop in loops for s in (loop.low + loop.high).symbols()):
            return None
        # The reader's own loops are %d…; those of the term are renamed out of their way.
        names = {f"%d{n}": Affine.symbol(f"%a{n}") for n in range(len(inner.loops))}
        index = tuple(i.substitute(names).substitute(put) for i in inner.index)
        return replace(inner, loops=loops, index=index, ring=tuple(ring))


def unrolled(term: Term) -> list[Term] | None:
    """Return the entries of a term over few iterations, None where they are many or vary."""
    ranges: list[range] = []
    for loop in term.loops:
        if not (loop.low.is_const and loop.high.is_const):
            return None
        ranges.append(range(loop.low.const, loop.high.const))
    if math.prod(map(len, ranges)) > MOST_UNROLLED:
        return None
    found: list[Term] = []
    for at in itertools.product(*ranges):
        put = {f"%a{n}": Affine.of(v) for n, v in enumerate(at)}
        index = tuple(i.substitute(put) for i in term.index)
        found.append(replace(term, loops=(), index=index))
    return found


def summed(parts: Sequence[tuple[int, Table]], bias: int) -> Table | None:
    """Return the weighted sum of tables over all their atoms, None where it is too large."""
    atoms: dict[Term, int] = {}
    for _, part in parts:
        for atom, size in zip(part.atoms, part.values.shape):
            atoms[atom] = size
    if math.prod(atoms.values()) > MOST_CASES:
        return None
    order = list(atoms)
    total = np.full(tuple(atoms.values()), bias, dtype=np.int64)
    size = abs(bias)
    for weight, part in parts:
        size += abs(weight) * int(np.abs(part.values).max(initial=0))
        if size > LARGEST:
            return None
        place = [order.index(atom) for atom in part.atoms]
        axes = np.argsort(place)
        shape = [1] * len(order)
        for k in place:
            shape[k] = atoms[order[k]]
        total = total + weight * part.values.transpose(axes).reshape(shape)
    return Table(tuple(order), total)


def relevant(table: Table) -> Table:
    """Return the table without the atoms that make no difference, the others in their order."""
    order = sorted(range(len(table.atoms)), key=lambda k: _place(table.atoms[k]))
    atoms, values = [table.atoms[k] for k in order], table.values.transpose(order)
    for axis in reversed(range(len(atoms))):
        if (values == values.take([0], axis)).all():
            values = values.take([0], axis).squeeze(axis)
            del atoms[axis]
    return Table(tuple(atoms), values)


def _place(atom: Term) -> tuple[int, int, str]:
    """Order atoms by array and place, entries before counts."""
    return len(atom.loops), atom.source, str(atom.index)
