"""Decisions of a network along words, rounding errors carried along the derivatives of the steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cell import Cell
from .forms import Form

Ints = NDArray[np.int64]


def along(cell: Cell, words: Ints) -> tuple[Ints, Ints]:
    """Return the smallest and largest decisions for words of letters: [rows, steps, outputs] twice."""
    rows, steps = words.shape
    low = np.empty((rows, steps, cell.outputs), dtype=np.int64)
    high = np.empty_like(low)
    hidden = Form.exact(np.broadcast_to(cell.start, (rows, cell.hidden)), cell.hidden)
    for t in range(steps):
        hidden, low[:, t], high[:, t] = cell.step(boxed(hidden), words[:, t])
    return low, high


def boxed(sets: Form) -> Form:
    """Return sets as boxes, one unknown for each hidden number."""
    size = sets.mid.shape[1]
    return Form(sets.mid, np.eye(size) * sets.spread()[:, :, None], np.zeros_like(sets.rad))
