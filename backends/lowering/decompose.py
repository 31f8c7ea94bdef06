"""Functions of a few bits, with don't-cares, as few three-input look-ups.

Disjoint decomposition with compatible classes (Ashenhurst 1957, Roth and Karp 1962): three inputs
that tell only two, three or four classes of behaviour apart become one or two bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

Entry = int | None  # None: does not matter
Table = tuple[Entry, ...]  # the first input is the highest digit


# number of classes -> their codes on one or two wires; complements and swaps are no better
_CODES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((0,),),
    2: ((0, 1),),
    3: ((0, 1, 2), (0, 1, 3), (0, 3, 1)),
    4: ((0, 1, 2, 3), (0, 1, 3, 2), (0, 3, 1, 2)),
}


@dataclass(frozen=True)
class Step:
    """A look-up of one to three earlier values; the result has the given name."""

    name: Hashable
    reads: tuple[Hashable, ...]
    table: tuple[int, ...]


Network = tuple[tuple[Step, ...], Hashable]


def decompose(table: Table, names: Sequence[Hashable], most: int) -> Network | None:
    """Return at most `most` look-ups that compute a table, and the name of the result.

    Inputs on which the result need not depend are left out. None where there is no such network.
    """
    return _search(table, tuple(names), most, 0)


def _search(table: Table, names: tuple[Hashable, ...], most: int, depth: int) -> Network | None:
    table, names = support(table, names)
    if len(names) == 1 and table[0] in (0, None) and table[1] in (1, None):
        return (), names[0]
    if most < 1:
        return None
    result = ("result", depth)
    if len(names) <= 3:
        filled = tuple(entry or 0 for entry in table)
        return (Step(result, names, filled),), result
    best: Network | None = None
    for bound in itertools.combinations(range(len(names)), 3):
        for steps, rest, left in _merged(table, names, bound, depth):
            tail = _search(rest, left, most - len(steps), depth + 1)
            if tail is not None:
                best = ((*steps, *tail[0]), tail[1])
                most = len(best[0]) - 1
    return best


def support(table: Table, names: tuple[Hashable, ...]) -> tuple[Table, tuple[Hashable, ...]]:
    """Return the table without inputs that need not matter."""
    place = 0
    while place < len(names):
        low, high = _cofactors(table, len(names), place)
        if all(a is None or b is None or a == b for a, b in zip(low, high)):
            table = tuple(b if a is None else a for a, b in zip(low, high))
            names = names[:place] + names[place + 1 :]
        else:
            place += 1
    return table, names


def _cofactors(table: Table, count: int, place: int) -> tuple[Table, Table]:
    low, high = (map(table.__getitem__, places) for places in _arranged(count, (place,)))
    return tuple(low), tuple(high)


def _merged(
    table: Table, names: tuple[Hashable, ...], bound: tuple[int, ...], depth: int
) -> list[tuple[tuple[Step, ...], Table, tuple[Hashable, ...]]]:
    """Return the ways to replace three inputs by one or two look-ups of them."""
    count = len(names)
    free = [k for k in range(count) if k not in bound]
    columns = [tuple(map(table.__getitem__, places)) for places in _arranged(count, bound)]
    classes, merged = _classes(columns)
    if len(merged) > 4:
        return []
    wires = 1 if len(merged) <= 2 else 2
    given = tuple(names[k] for k in bound)
    left = tuple(names[k] for k in free)
    made: list[tuple[tuple[Step, ...], Table, tuple[Hashable, ...]]] = []
    for codes in _CODES[len(merged)]:
        bits = [tuple(codes[c] >> w & 1 for c in classes) for w in reversed(range(wires))]
        labels = tuple(("part", depth, w) for w in range(wires))
        steps = tuple(Step(label, given, bit) for label, bit in zip(labels, bits))
        rest: list[Entry] = [None] * (1 << (wires + len(free)))
        for code, column in zip(codes, merged):
            for f, entry in enumerate(column):
                rest[code << len(free) | f] = entry
        made.append((steps, tuple(rest), (*labels, *left)))
    return made


@lru_cache(maxsize=256)
def _arranged(count: int, bound: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return for each value of some inputs the entries' places, in order of the other inputs."""
    free = [k for k in range(count) if k not in bound]
    others = [_index(count, free, f) for f in range(1 << len(free))]
    return tuple(
        tuple(_index(count, bound, b) | other for other in others) for b in range(1 << len(bound))
    )


def _index(count: int, places: Sequence[int], digits: int) -> int:
    """Return the part of an index that some inputs contribute."""
    total = 0
    for k, place in enumerate(places):
        if digits >> (len(places) - 1 - k) & 1:
            total |= 1 << (count - 1 - place)
    return total


def _classes(columns: Sequence[Table]) -> tuple[list[int], list[Table]]:
    """Return a class for each column, so that the columns of a class agree where they matter."""
    merged: list[Table] = []
    classes = [0] * len(columns)
    for k in sorted(range(len(columns)), key=lambda k: columns[k].count(None)):
        for number, known in enumerate(merged):
            if all(a is None or b is None or a == b for a, b in zip(known, columns[k])):
                merged[number] = tuple(b if a is None else a for a, b in zip(known, columns[k]))
                classes[k] = number
                break
        else:
            classes[k] = len(merged)
            merged.append(columns[k])
    return classes, merged
