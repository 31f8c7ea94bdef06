"""Cellular automata: neighbourhoods with the cell that follows."""

from __future__ import annotations

import numpy as np

from ddc.frontend import Samples

CONSTANT = (0, 255)  # the rules that have nothing to tell apart
COUNT = 256


def _bits(count: int, width: int) -> np.ndarray:
    """Return the numbers below `count` in binary, the highest bit first."""
    return np.arange(count)[:, None] >> np.arange(width - 1, -1, -1) & 1


def one(rule: int) -> Samples:
    """Return the eight neighbourhoods (left, own, right) of an elementary automaton."""
    return Samples({"cells": _bits(8, 3)}, rule >> np.arange(8) & 1)


def every() -> Samples:
    """Return all rules at once: 2,048 samples of 8 rule bits, the lowest first, and 3 cells."""
    rules = np.arange(COUNT)[:, None] >> np.arange(8) & 1
    return Samples(
        {"rule": np.repeat(rules, 8, axis=0), "cells": np.tile(_bits(8, 3), (COUNT, 1))},
        rules.reshape(-1),
    )


def life() -> Samples:
    """Return the 512 neighbourhoods 3 x 3 of Conway's Game of Life; 140 of them live on."""
    cells = _bits(512, 9)
    around = cells.sum(1) - cells[:, 4]
    alive = (around == 3) | ((around == 2) & (cells[:, 4] == 1))
    return Samples({"cells": cells.reshape(-1, 3, 3)}, alive.astype(np.int64))
