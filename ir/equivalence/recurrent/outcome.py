"""What a proof over time found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """Equal for every length (`always`), or up to a length, or different on a word of letters.

    `length` is the greatest length up to which equality is proved; `word` the shortest word found
    on which the two differ; `how` names the argument, `cells` counts what it looked at.
    """

    always: bool = False
    length: int = 0
    word: Ints | None = None
    how: str = ""
    cells: int = 0

    def better(self, other: Outcome) -> Outcome:
        """Return what the two show together."""
        if self.always or other.always:
            return self if self.always else other
        word = min((w for w in (self.word, other.word) if w is not None), key=len, default=None)
        longer = self if self.length >= other.length else other
        return Outcome(False, longer.length, word, longer.how, longer.cells)


def traced(trail: list[tuple[Ints, Ints]], row: int, letter: int) -> Ints:
    """Return the word that ends with a letter at a row of the last layer.

    `trail` has for each layer the rows of the layer before that its own rows come from, and the letters.
    """
    found = [letter]
    for rows, letters in reversed(trail):
        found.append(int(letters[row]))
        row = int(rows[row])
    return np.array(found[::-1], dtype=np.int64)


@dataclass
class Budget:
    """Seconds of computing and cells that a proof may take."""

    seconds: float = 3.0
    cells: int = 200_000
    started: float = field(default_factory=time.process_time)

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.seconds - (time.process_time() - self.started)

    def part(self, share: float) -> Budget:
        """Return a share of what is left."""
        return Budget(max(self.left, 0.0) * share, self.cells)
