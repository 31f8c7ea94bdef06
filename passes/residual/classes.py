"""Residual classes of a finite horizon (Myhill and Nerode): prefixes that nothing later tells apart.

Two prefixes of one length are in one class where every continuation up to the trained length gives
the same outputs from there on. Classes are found from the last letter backwards, level by level.
"""

# What numpy's functions give has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .words import Outputs

Ints = NDArray[np.int64]

MAX_CLASSES = 10  # of one level: beyond, no machine of few states explains the words
SAMPLED = 48  # prefixes of a length that are looked at first


@dataclass(frozen=True, eq=False)
class Levels:
    """Classes after 0, 1 … n letters.

    `next[t][class, letter]` is the class after one more letter, `out[t][class, letter]` the outputs
    of that step, `final[class]` the outputs at the end, `starts[case]` the class of each start.
    """

    next: tuple[Ints, ...]
    out: tuple[Ints, ...]
    final: Ints
    starts: Ints

    @property
    def length(self) -> int:
        """The number of letters of a word."""
        return len(self.next)


def residual_classes(found: Outputs, letters: int) -> Levels | None:
    """Return the classes of all levels, None where a level has too many."""
    first, ids = _distinct(found.finals)
    final = found.finals[first]
    nexts: list[Ints] = []
    outs: list[Ints] = []
    for step in reversed(found.steps):
        if max(len(first), 1) > MAX_CLASSES:
            return None
        rows = len(ids) // letters
        after = ids.reshape(rows, letters)
        answers = step.reshape(rows, letters, step.shape[1])
        first, ids = _distinct(np.concatenate([after, answers.reshape(rows, -1)], axis=1))
        nexts.insert(0, after[first])
        outs.insert(0, answers[first])
    return Levels(tuple(nexts), tuple(outs), final, ids)


def additive_classes(found: Outputs, letters: int, greatest: bool) -> tuple[Levels, int] | None:
    """Return classes of prefixes up to a number that each adds to the one answer at the end.

    The answer is the number returned and the outputs of all steps together (a count, the zeros that
    lead). What a prefix adds is what is least, or greatest, among its continuations: as far along
    the word as it can be told (pushing of weights, Mohri 1997). None where there are too many
    classes, or starts that differ.
    """
    base = found.finals[:, 0]
    ids = np.zeros(len(base), dtype=np.int64)
    nexts: list[Ints] = []
    outs: list[Ints] = []
    for _ in found.steps:
        rows = len(base) // letters
        after, ahead = ids.reshape(rows, letters), base.reshape(rows, letters)
        base = ahead.max(axis=1) if greatest else ahead.min(axis=1)
        added = ahead - base[:, None]
        first, ids = _distinct(np.concatenate([after, added], axis=1))
        if len(first) > MAX_CLASSES:
            return None
        nexts.insert(0, after[first])
        outs.insert(0, added[first][:, :, None])
    if len(set(base.tolist())) > 1 or not nexts:
        return None
    levels = Levels(tuple(nexts), tuple(outs), np.zeros((1, 0), dtype=np.int64), ids)
    return levels, int(base[0])


def hopeless(found: Outputs, letters: int, additive: bool) -> bool:
    """Tell, from a few prefixes of every length, whether there are too many classes."""
    length = len(found.steps)
    rng = np.random.default_rng(0)
    for level in range(1, length):
        count = letters**level
        stairs = [letters**ones - 1 for ones in range(level + 1)]  # what counts is told apart so
        sample: Ints = np.array([*stairs, *rng.integers(0, count, min(count, SAMPLED))])
        later = [
            part.reshape(count, -1)[sample]
            for part in (*found.steps[level:], found.finals)
            if part.size and len(part) % count == 0
        ]
        if not later:
            continue
        rows = np.concatenate(later, axis=1)
        if additive:
            rows = rows - rows.min(axis=1, keepdims=True)
        if len({row.tobytes() for row in rows}) > MAX_CLASSES:
            return True
    return False


def _distinct(rows: Ints) -> tuple[Ints, Ints]:
    """Return the first of each kind of row, and each row's kind in order of first appearance."""
    key = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        _, low = np.unique(column, return_inverse=True)
        joint = key * (int(low.max(initial=0)) + 1) + low.reshape(-1)
        key = np.unique(joint, return_inverse=True)[1].reshape(-1)
    _, first, kinds = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[kinds.reshape(-1)]
