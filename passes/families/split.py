"""Say a table of large numbers shortly: small integers times a number, products, choices.

What is left as small integers is written as a `table`, which the minimiser turns into an
expression; the numbers around it are the weights that the network multiplies with.
"""

# What numpy's functions give has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ddc.ir.exact.sources import Ints

from .atoms import Table, relevant
from .model import Term

SMALL = 8  # the largest integer of a table that is left to the minimiser
MOST_ENTRIES = 1 << 12
MOST_ATOMS = 6
DEPTH = 4


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: int


@dataclass(frozen=True)
class Small:
    """`factor * table[atoms]` with small integers as entries."""

    factor: int
    atoms: tuple[Term, ...]
    entries: tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """A small table times another body."""

    left: Small
    right: Body


@dataclass(frozen=True)
class Choice:
    """One of two bodies by a bit."""

    condition: Small
    then: Body
    other: Body


@dataclass(frozen=True)
class Difference:
    """A bit less another bit, of atoms of their own, times a factor."""

    factor: int
    left: Small
    right: Small


Body = Number | Small | Difference | Product | Choice


def split(table: Table, counts: Collection[Term] = ()) -> Body | None:
    """Return a short body that equals the table in every case, None where there is none.

    `counts` are the atoms that count bits: where only "any" or "all" of a count matters, the body
    reads that instead.
    """
    shortened, levels = _shortened(relevant(table), counts)
    body = _Search().best(shortened, DEPTH)
    return None if body is None else _lengthened(body, levels)


def _shortened(table: Table, counts: Collection[Term]) -> tuple[Table, dict[Term, Ints]]:
    """Return the table with levels that make no difference put together, and which those are."""
    atoms, values = list(table.atoms), table.values
    levels: dict[Term, Ints] = {}
    for axis, atom in enumerate(table.atoms):
        lines = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        _, first, which = np.unique(lines, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        which = np.argsort(order)[which.ravel()]
        values = values.take(first[order], axis)
        how = _quantifier(which) if atom in counts else None
        if how is not None:
            atoms[axis] = replace(atom, how=how)
        else:
            levels[atom] = which
    return Table(tuple(atoms), values), levels


def _quantifier(which: Ints) -> str | None:
    """Return what of a count matters: "or" for any, "and" for all, None for more."""
    if int(which.max()) != 1:
        return None
    if int(which.sum()) == len(which) - 1:
        return "or"
    return "and" if int(which.sum()) == 1 and which[-1] == 1 else None


def _lengthened(body: Body, levels: dict[Term, Ints]) -> Body:
    """Return a body with its tables over all levels of their atoms again."""
    match body:
        case Number():
            return body
        case Small(factor, atoms, entries):
            sizes = [2 if a.how != "add" else int(levels[a].max()) + 1 for a in atoms]
            own: Ints = np.array(entries, dtype=np.int64).reshape(sizes)
            for axis, atom in enumerate(atoms):
                if atom.how == "add":
                    own = own.take(levels[atom], axis)
            return Small(factor, atoms, tuple(own.ravel().tolist()))
        case Difference(factor, left, right):
            return Difference(factor, _table(left, levels), _table(right, levels))
        case Product(left, right):
            return Product(_table(left, levels), _lengthened(right, levels))
        case Choice(condition, then, other):
            parts = _lengthened(then, levels), _lengthened(other, levels)
            return Choice(_table(condition, levels), *parts)


def _table(small: Small, levels: dict[Term, Ints]) -> Small:
    found = _lengthened(small, levels)
    assert isinstance(found, Small)
    return found


def length(body: Body) -> int:
    """Return how much there is to read."""
    match body:
        case Number():
            return 1
        case Small(_, atoms, entries):
            many = max(len(entries).bit_length() - 4, 0)  # a table of many cases reads long
            return 2 + 2 * len(atoms) + (len(set(entries)) > 3) * 2 + 2 * many
        case Difference(_, left, right):
            return length(left) + length(right) - 1
        case Product(left, right):
            return length(left) + length(right) + 1
        case Choice(condition, then, other):
            return length(condition) + length(then) + length(other) + 1


def evaluate(body: Body, table: Table) -> Ints:
    """Return the values of a body in the cases of a table."""
    match body:
        case Number(value):
            return np.full(table.values.shape, value, dtype=np.int64)
        case Small(factor, atoms, entries):
            axes = [table.atoms.index(replace(a, how="add")) for a in atoms]
            counts = [table.values.shape[axis] for axis in axes]
            sizes = [2 if a.how != "add" else n for a, n in zip(atoms, counts)]
            own = np.array(entries, dtype=np.int64).reshape(sizes)
            for k, (atom, n) in enumerate(zip(atoms, counts)):
                level: Ints = np.arange(n)
                if atom.how != "add":
                    own = own.take(level > 0 if atom.how == "or" else level == n - 1, k)
            shape = [n if k in axes else 1 for k, n in enumerate(table.values.shape)]
            spread: Ints = own.transpose(np.argsort(axes)).reshape(shape) * factor
            return np.broadcast_to(spread, table.values.shape)
        case Difference(factor, left, right):
            return factor * (evaluate(left, table) - evaluate(right, table))
        case Product(left, right):
            return evaluate(left, table) * evaluate(right, table)
        case Choice(condition, then, other):
            bit = evaluate(condition, table)
            return np.where(bit != 0, evaluate(then, table), evaluate(other, table))


class _Search:
    """The search for the shortest body; tables that come up again are known."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], Body | None] = {}

    def best(self, table: Table, depth: int) -> Body | None:
        """Return the shortest body found for a table."""
        table = relevant(table)
        key = (table.atoms, table.values.shape, table.values.tobytes(), depth)
        if key not in self.known:
            bodies = [body for body in self._bodies(table, depth) if body is not None]
            self.known[key] = min(bodies, key=length, default=None)
        return self.known[key]

    def _bodies(self, table: Table, depth: int) -> list[Body | None]:
        values = table.values
        if not table.atoms:
            return [Number(int(values))]
        if len(table.atoms) > MOST_ATOMS:
            return []
        whole = _small(table)
        if whole is not None:
            return [whole, *_differences(whole, table)]
        if depth == 0:
            return []
        found: list[Body | None] = []
        for count in range(1, len(table.atoms)):
            for chosen in itertools.combinations(range(len(table.atoms)), count):
                found.append(self._product(table, chosen, depth))
        for axis in range(len(table.atoms)):
            found.append(self._choice(table, axis, depth))
        return found

    def _product(self, table: Table, chosen: tuple[int, ...], depth: int) -> Body | None:
        """Return the table as a small table of the chosen atoms times a table of the others."""
        rest = [k for k in range(len(table.atoms)) if k not in chosen]
        sizes = [table.values.shape[k] for k in chosen]
        matrix = table.values.transpose([*chosen, *rest]).reshape(math.prod(sizes), -1)
        row, column = divmod(int(np.argmax(matrix != 0)), matrix.shape[1])
        left = matrix[:, column]
        left = left // int(np.gcd.reduce(np.abs(left)))
        if np.abs(left).max() > SMALL or (matrix[row] % left[row]).any():
            return None
        right = matrix[row] // left[row]
        if not np.array_equal(left[:, None] * right, matrix):
            return None
        own = Small(1, tuple(table.atoms[k] for k in chosen), tuple(left.tolist()))
        shape = [table.values.shape[k] for k in rest]
        atoms = tuple(table.atoms[k] for k in rest)
        other = self.best(Table(atoms, right.reshape(shape)), depth - 1)
        return None if other is None else Product(own, other)

    def _choice(self, table: Table, axis: int, depth: int) -> Body | None:
        """Return the table as a choice by which values of one atom behave alike."""
        lines = np.moveaxis(table.values, axis, 0).reshape(table.values.shape[axis], -1)
        kinds = {line.tobytes(): k for k, line in reversed(list(enumerate(lines)))}
        if len(kinds) > 4:
            return None
        last = (lines == lines[-1]).all(axis=1)
        if last.all():
            return None
        condition = Small(1, (table.atoms[axis],), tuple(last.astype(int).tolist()))
        atoms = table.atoms[:axis] + table.atoms[axis + 1 :]
        last_line: Ints = np.asarray(table.values.take(len(lines) - 1, axis))
        then = self.best(Table(atoms, last_line), depth - 1)
        if len(kinds) == 2:
            first_line: Ints = np.asarray(table.values.take(int(np.argmin(last)), axis))
            other = self.best(Table(atoms, first_line), depth - 1)
        else:
            values = table.values.copy()
            np.moveaxis(values, axis, 0)[last] = np.asarray(values.take(int(np.argmin(last)), axis))
            other = self.best(Table(table.atoms, values), depth - 1)
        if then is None or other is None:
            return None
        return Choice(condition, then, other)


def _small(table: Table) -> Small | None:
    divisor = int(np.gcd.reduce(np.abs(table.values), axis=None)) or 1
    entries = table.values // divisor
    if entries.size > MOST_ENTRIES or np.abs(entries).max() > SMALL:
        return None
    return Small(divisor, table.atoms, tuple(entries.ravel().tolist()))


def _differences(whole: Small, table: Table) -> Iterator[Difference]:
    """Yield a table of -1, 0 and 1 as differences of two bits that share no atom."""
    axes = range(len(table.atoms))
    if len(axes) < 3 or {-1, 1} - set(whole.entries) or set(whole.entries) - {-1, 0, 1}:
        return
    values = table.values // whole.factor
    for count in range(1, len(axes)):
        for chosen in itertools.combinations(axes, count):
            rest = tuple(k for k in axes if k not in chosen)
            left, right = values.max(axis=rest, keepdims=True), -values.min(
                axis=chosen, keepdims=True
            )
            if min(left.min(), right.min()) < 0 or not np.array_equal(left - right, values):
                continue
            parts = [
                Small(1, tuple(table.atoms[k] for k in own), tuple(bits.ravel().tolist()))
                for own, bits in ((chosen, left), (rest, right))
            ]
            yield Difference(whole.factor, *parts)
