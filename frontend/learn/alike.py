"""Hold states together that stand for the same: a penalty on how they spread (a relative of Wen et al. 2016).

Two sequences are taken for alike where their last outputs are the same, and those after any one next letter.
The rule behind the labels says so. Without this the states of a cell that adds up spread from step to step,
and rare words spread them as far as the next ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recurrent import Recipe, Rule, Source

Ints = NDArray[np.int64]

POOL = 1 << 12  # sequences drawn at once
ROUND = 500  # batches that a pool serves
LETTERS = 4096  # sequences whose letters stand for all
LEAST = 1e-4  # a share below this is worth little


def kinds(rule: Rule, x: Ints, y: Ints, letters: Ints) -> Ints:
    """Return a number [rows, steps] for each beginning of a sequence, the same where they are alike."""
    rows, steps, inputs = x.shape
    found: list[Ints] = []
    for t in range(steps):
        before = np.repeat(x[:, : t + 1], len(letters), axis=0)
        last = np.tile(letters, (rows, 1)).reshape(-1, 1, inputs)
        after = rule(np.concatenate([before, last], axis=1))[:, -1]
        found.append(np.concatenate([y[:, t], after.reshape(rows, -1)], axis=1))
    numbers = np.unique(np.concatenate(found), axis=0, return_inverse=True)[1]
    return np.ascontiguousarray(numbers.reshape(steps, rows).T)


class Alike:
    """Sequences with what is alike in them, for training."""

    def __init__(self, torch: Any, source: Source, rule: Rule, recipe: Recipe, length: int) -> None:
        self.torch, self.source, self.rule, self.weight = torch, source, rule, recipe.alike
        x, _ = source(np.random.default_rng(recipe.seed), LETTERS, length)
        self.letters = np.unique(x.reshape(-1, x.shape[2]), axis=0)
        self.length, self.drawn, self.count = length, 0, 0
        self.x = self.y = self.kinds = np.zeros((0, length, 1), dtype=np.int64)

    def batch(self, rng: np.random.Generator, rows: int, length: int) -> tuple[Ints, Ints, Any]:
        """Return inputs, wanted outputs, and what is alike [steps * rows]."""
        if self.drawn % ROUND == 0:
            self.fill(*self.source(rng, POOL, self.length))
        self.drawn += 1
        return self.rows(rng.integers(0, POOL, rows), length)

    def fill(self, x: Ints, y: Ints) -> None:
        """Take these sequences from now on."""
        self.x, self.y, self.kinds = x, y, kinds(self.rule, x, y, self.letters)
        self.count = int(self.kinds.max()) + 1

    def rows(self, chosen: Ints, length: int) -> tuple[Ints, Ints, Any]:
        """Return inputs, wanted outputs, and what is alike [steps * rows], of some sequences."""
        alike = self.torch.from_numpy(self.kinds[chosen, :length].T.copy()).flatten()
        return self.x[chosen, :length], self.y[chosen, :length], alike

    def penalty(self, states: Any, alike: Any) -> Any:
        """Return the penalty for each seed on states [seeds, n, k] and what is alike of them [n].

        It is the logarithm of the share of their variance that lies between states that are alike.
        """
        torch = self.torch
        seeds, _, size = states.shape
        counts = torch.bincount(alike, minlength=self.count).clamp(min=1)[None, :, None]
        mean = torch.zeros(seeds, self.count, size).index_add(1, alike, states) / counts
        within = (states - mean[:, alike]).square().mean(dim=1).sum(dim=1)
        total = (states - states.mean(dim=1, keepdim=True)).square().mean(dim=1).sum(dim=1)
        return self.weight * torch.log(within / (total + 1e-6) + LEAST)
