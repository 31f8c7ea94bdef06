"""Ratios of CPU time: both sides run in turns, and a ratio is the median of the rounds' own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ddc.backends.llvm.machine import Cpu

ROUNDS = 5
AVX2 = Cpu("x86-64-v3")


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    what: str
    ratio: float | None
    goal: float | None
    note: str = ""
    least: bool = True  # the ratio is to be at least the goal (False: at most)

    @property
    def verdict(self) -> str:
        if self.ratio is None:
            return "not built"
        if self.goal is None:
            return "reported"
        met = self.ratio >= self.goal if self.least else self.ratio <= self.goal
        return "met" if met else "MISSED"


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this thread for some work."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def faster(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    scale: float = 1.0,
    rounds: int = ROUNDS,
) -> float:
    """Return how many times faster ours is, in turns; `scale` is our work over theirs."""
    ours(), theirs()
    ratios: list[float] = []
    for _ in range(rounds):
        mine = seconds(ours)
        ratios.append(scale * seconds(theirs) / mine)
    return statistics.median(ratios)


def random_bits(shape: int | tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)
