"""Say a table of large numbers shortly: small integers times a number, products, choices.

What is left as small integers is written as a `table`, which the minimiser turns into an
expression; the numbers around it are the weights that the network multiplies with.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

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


Body = Number | Small | Product | Choice


def split(table: Table, depth: int = DEPTH) -> Body | None:
    """Return a short body that equals the table in every case, None where there is none."""
    best = min(
        (body for body in _bodies(relevant(table), depth) if body is not None),
        key=length,
        default=None,
    )
    return best


def length(body: Body) -> int:
    """Return how much there is to read."""
    match body:
        case Number():
            return 1
        case Small(_, atoms, entries):
            many = max(len(entries).bit_length() - 4, 0)  # a table of many cases reads long
            return 2 + 2 * len(atoms) + (len(set(entries)) > 3) * 2 + 2 * many
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
            sizes = [table.values.shape[table.atoms.index(a)] for a in atoms]
            own = np.array(entries, dtype=np.int64).reshape(sizes)
            shape = [n if a in atoms else 1 for a, n in zip(table.atoms, table.values.shape)]
            order = np.argsort([table.atoms.index(a) for a in atoms])
            spread = own.transpose(order).reshape(shape) * factor
            return np.broadcast_to(spread, table.values.shape)
        case Product(left, right):
            return evaluate(left, table) * evaluate(right, table)
        case Choice(condition, then, other):
            bit = evaluate(condition, table)
            return np.where(bit != 0, evaluate(then, table), evaluate(other, table))


def _bodies(table: Table, depth: int) -> list[Body | None]:
    values = table.values
    if not table.atoms:
        return [Number(int(values))]
    if len(table.atoms) > MOST_ATOMS:
        return []
    whole = _small(table)
    if whole is not None or depth == 0:
        return [whole]
    found: list[Body | None] = []
    for count in range(1, len(table.atoms)):
        for chosen in itertools.combinations(range(len(table.atoms)), count):
            found.append(_product(table, chosen, depth))
    for axis in range(len(table.atoms)):
        found.append(_choice(table, axis, depth))
    return found


def _small(table: Table) -> Small | None:
    divisor = int(np.gcd.reduce(np.abs(table.values), axis=None)) or 1
    entries = table.values // divisor
    if entries.size > MOST_ENTRIES or np.abs(entries).max() > SMALL:
        return None
    return Small(divisor, table.atoms, tuple(entries.ravel().tolist()))


def _product(table: Table, chosen: tuple[int, ...], depth: int) -> Body | None:
    """Return the table as a small table of the chosen atoms times a table of the others."""
    rest = [k for k in range(len(table.atoms)) if k not in chosen]
    sizes = [table.values.shape[k] for k in chosen]
    matrix = table.values.transpose([*chosen, *rest]).reshape(math.prod(sizes), -1)
    row, column = (int(k) for k in np.argwhere(matrix)[0])
    left = matrix[:, column]
    left = left // int(np.gcd.reduce(np.abs(left)))
    if np.abs(left).max() > SMALL or (matrix[row] % left[row]).any():
        return None
    right = matrix[row] // left[row]
    if not np.array_equal(left[:, None] * right, matrix):
        return None
    own = Small(1, tuple(table.atoms[k] for k in chosen), tuple(left.tolist()))
    shape = [table.values.shape[k] for k in rest]
    other = split(Table(tuple(table.atoms[k] for k in rest), right.reshape(shape)), depth - 1)
    return None if other is None else Product(own, other)


def _choice(table: Table, axis: int, depth: int) -> Body | None:
    """Return the table as a choice by which values of one atom behave alike."""
    lines = np.moveaxis(table.values, axis, 0).reshape(table.values.shape[axis], -1)
    _, which = np.unique(lines, axis=0, return_inverse=True)
    which = which.ravel()
    if int(which.max()) > 3:
        return None
    last = which == which[-1]
    if last.all():
        return None
    condition = Small(1, (table.atoms[axis],), tuple(last.astype(int).tolist()))
    atoms = table.atoms[:axis] + table.atoms[axis + 1 :]
    last_line: Ints = np.asarray(table.values.take(len(which) - 1, axis))
    then = split(Table(atoms, last_line), depth - 1)
    if int(which.max()) == 1:
        first_line: Ints = np.asarray(table.values.take(int(np.argmin(last)), axis))
        other = split(Table(atoms, first_line), depth - 1)
    else:
        values = table.values.copy()
        np.moveaxis(values, axis, 0)[last] = np.asarray(values.take(int(np.argmin(last)), axis))
        other = split(Table(table.atoms, values), depth - 1)
    if then is None or other is None:
        return None
    return Choice(condition, then, other)
