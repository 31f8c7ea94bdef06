"""Words on which a program and a network differ: searched from both ends, as short as can be found.

Binary64 proposes, intervals confirm. The search goes breadth-first over pairs of a program's answers
and hidden states; states that are near each other are taken once, and of too many a sample, so that the
word found is short but not always the shortest there is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ddc.ir.exact.recurrent import Cell, along

from .machine import Machine
from .outcome import Budget, traced
from .paving import distinct

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Answers = Callable[[Ints], Ints]  # words [rows, steps] -> results [rows, steps, outputs]

BEAM = 4000  # states of a layer
GRAINS = (1 << 6, 1 << 10, 1 << 16)  # parts of the spread of the hidden states that are told apart


def differs(cell: Cell, answers: Answers, word: Ints) -> bool:
    """Tell whether it is certain that the last result differs."""
    low, high = along(cell, word[None])
    wanted = answers(word[None])[0, -1]
    return bool(((wanted < low[0, -1]) | (wanted > high[0, -1])).any())


def shortest(
    cell: Cell, machine: Machine, longest: int, budget: Budget, rng: np.random.Generator
) -> Ints | None:
    """Return a word of at most `longest` letters at whose end the two differ, None if none is found."""
    best: Ints | None = None
    for grain in GRAINS:
        part = budget.part(0.5)
        found = _layers(cell, machine, longest, grain, part, rng)
        if found is not None:
            best, longest = found, len(found) - 1
    return best


def _layers(
    cell: Cell, machine: Machine, longest: int, parts: int, budget: Budget, rng: np.random.Generator
) -> Ints | None:
    hidden = cell.start[None]
    states = np.zeros(1, dtype=np.int64)
    trail: list[tuple[Ints, Ints]] = []  # of each layer: the row before and the letter
    seen: set[bytes] = set()
    grain = np.full(cell.hidden, 1e-9)
    for _ in range(longest):
        if budget.left < 0 or not len(states):
            return None
        machine.expand(states)
        rows = np.repeat(np.arange(len(states)), machine.size)
        letters = np.tile(np.arange(machine.size), len(states))
        after, low, high = cell.step(cell.points(hidden[rows]), letters)
        at = states[rows]
        off = np.flatnonzero(((low + high) // 2 != machine.out[at, letters]).any(axis=1))
        for row in off[:8]:
            word = traced(trail, int(rows[row]), int(letters[row]))
            if differs(cell, machine.answers, word):
                return word
        nexts = machine.next[at, letters]
        grain = np.maximum(grain, np.ptp(after.mid, axis=0) / parts)
        kept = _new(nexts, after.mid, grain, seen)
        if len(kept) > BEAM:
            kept = np.sort(rng.choice(kept, BEAM, replace=False))
        trail.append((rows[kept], letters[kept]))
        hidden, states = after.mid[kept], nexts[kept]
    return None


def _new(states: Ints, hidden: Floats, grain: Floats, seen: set[bytes]) -> Ints:
    fine: NDArray[np.bool_] = np.asarray(np.isfinite(hidden).all(axis=1))
    places = np.rint(np.clip(np.nan_to_num(hidden) / grain, -1e15, 1e15)).astype(np.int64)
    keys = np.concatenate([states[:, None], places], axis=1)
    kept: list[int] = []
    for place in distinct(keys).tolist():
        key = keys[place].tobytes()
        if fine[place] and key not in seen:
            seen.add(key)
            kept.append(place)
    return np.array(kept, dtype=np.int64)
