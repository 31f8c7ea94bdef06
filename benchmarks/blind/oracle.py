"""A network that is never wrong: a task's own definition behind the interface of a network.

It tells what the search finds apart from what training reaches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddc.frontend.lower import lower
from ddc.frontend.records import Network
from ddc.frontend.recurrent import recurrent_layers
from ddc.passes.recurrent.network import Ball, State, StepNetwork

from .draw import Drawn

Ints = NDArray[np.int64]


class Oracle(StepNetwork):
    """A task as a black box; its state is the history."""

    def __init__(self, task: Drawn, length: int = 10) -> None:
        one = np.ones((1, 1))
        root: dict[str, object] = {"h0": np.zeros(1)}
        root |= {"f.0.weight": np.ones((1, 2)), "f.0.bias": np.zeros(1)}
        root |= {"g.0.weight": one, "g.0.bias": np.zeros(1)}
        kind = "bit" if (task.low, task.high) == (0, 1) else f"int<{task.low}..{task.high}>"
        signature = f"x: {kind}[T]"
        layers = recurrent_layers(root)
        record = Network(layers, signature, "round", "0" * 64, "oracle", length=length)
        super().__init__(lower(record, name="net").module)
        self.task = task

    def start(self, rows: int) -> State:
        """Return empty histories."""
        none = np.zeros((rows, 0))
        return (Ball(none, none),)

    def step(self, state: State, letters: Ints) -> tuple[State, Ints, NDArray[np.bool_]]:
        """Return longer histories and what the definition says at their ends."""
        history = np.concatenate([state[0].mid, self.letters[letters]], axis=1)
        y = self.task.rule(history.astype(np.int64))[:, -1:]
        return (Ball(history, history),), y, np.ones(len(letters), dtype=bool)

    def run(self, words: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Return what the definition says: [rows, steps, 1]."""
        y = self.task.rule(self.letters[words][..., 0])
        return y[..., None], np.ones(len(words), dtype=bool)

    def exact(self, word: Ints) -> Ints:
        """Return what the definition says for one word."""
        found: Ints = self.run(word[None])[0][0]
        return found
