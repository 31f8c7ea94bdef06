"""Sampled words through a network and a program together: steps for shapes, words that tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir.exact.recurrent import Cell

from .machine import Machine
from .shapes import Steps

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROWS = 384
KEPT = 20_000  # steps that are kept


@dataclass(frozen=True)
class Walk:
    """What the walks showed; `word` is one on which binary64 finds network and program to differ."""

    steps: Steps
    word: Ints | None


def words(size: int, rows: int, length: int, rng: np.random.Generator) -> Ints:
    """Return words of many kinds: random, of few letters, periodic, long runs."""
    found = rng.integers(0, size, size=(rows, length))
    quarter = rows // 4
    few = rng.integers(0, size, size=(quarter, 2))
    found[:quarter] = np.take_along_axis(few, rng.integers(0, 2, size=(quarter, length)), axis=1)
    for row in range(quarter, 2 * quarter):
        period = 1 + row % 7
        found[row] = np.resize(rng.integers(0, size, size=period), length)
    for row in range(2 * quarter, 3 * quarter):
        start = 0
        while start < length:
            run = 1 + int(rng.geometric(1 / (3 + row % 20)))
            found[row, start : start + run] = rng.integers(0, size)
            start += run
    return found


def walk(cell: Cell, machine: Machine, length: int, rng: np.random.Generator) -> Walk:
    """Walk through both at once."""
    letters = words(machine.size, ROWS, length, rng)
    hidden = np.broadcast_to(cell.start, (ROWS, cell.hidden)).copy()
    states = np.zeros(ROWS, dtype=np.int64)
    kept: list[tuple[Ints, Ints, Floats, Floats]] = []
    for t in range(length):
        machine.expand(states)
        given = letters[:, t]
        after, slopes, decided = cell.slopes(hidden, given)
        wanted, nexts = machine.out[states, given], machine.next[states, given]
        off = (decided != wanted).any(axis=1) | ~np.isfinite(after).all(axis=1)
        kept.append((states, nexts, after, slopes))
        if off.any():
            return Walk(_joined(kept), letters[off][0, : t + 1])
        hidden, states = after, nexts
    return Walk(_joined(kept), None)


def _joined(kept: list[tuple[Ints, Ints, Floats, Floats]]) -> Steps:
    before, after, hidden, slopes = (np.concatenate(parts) for parts in zip(*kept))
    fine = np.isfinite(hidden).all(axis=1) & np.isfinite(slopes).all(axis=(1, 2))
    every = max(1, len(before) // KEPT)
    return Steps(*(part[fine][::every] for part in (before, after, hidden, slopes)))
