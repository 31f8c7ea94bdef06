"""Finite memory: outputs that depend on the last few inputs only, as a table over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Module, Operand

from .emit import Writer, range_of
from .network import StepNetwork

Ints = NDArray[np.int64]

MAX_ENTRIES = 1 << 16
LONGEST = 5  # steps in a window
TAILS = 400
PREFIXES = 5


@dataclass(frozen=True)
class Window:
    """y_t is a table over the letters at t, t-1 … (newest first), `pad` before the first."""

    values: Ints  # [letters] * steps + [outputs]
    pad: int

    @property
    def steps(self) -> int:
        """How many steps the window sees."""
        return self.values.ndim - 1

    def run(self, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        padded = np.pad(words, ((0, 0), (self.steps - 1, 0)), constant_values=self.pad)
        length = words.shape[1]
        last = self.steps - 1
        places = tuple(padded[:, last - lag : last - lag + length] for lag in range(self.steps))
        return self.values[places]

    def emit(self, net: StepNetwork) -> Module:
        """Return the program: a map over time of one table for each output."""
        writer = Writer(net)
        # The letters of a step are all values of its inputs: one axis of the table for each.
        shape = [len(axis) for _ in range(self.steps) for axis in net.axes]

        def body() -> list[Operand]:
            loads = [x for lag in range(self.steps) for x in writer.letter(lag, self.pad)]
            return [
                writer.table(self.values[..., m].reshape(shape), loads) for m in range(net.outputs)
            ]

        kinds = [range_of(self.values[..., m]) for m in range(net.outputs)]
        return writer.mapped(body, kinds)


def windows(net: StepNetwork, rng: np.random.Generator) -> Iterator[Window]:
    """Yield the shortest window that explains samples, with the letter that fits the start."""
    for steps in range(1, min(LONGEST, net.length) + 1):
        if net.size**steps > MAX_ENTRIES:
            return
        if not _enough(net, steps, rng):
            continue
        words = _all_words(net.size, steps)
        # Behind a random letter, so that the table is what holds after the start.
        behind = np.zeros((len(words), max(1, net.length - steps)), dtype=np.int64)
        behind += rng.integers(0, net.size, size=behind.shape[1])
        answers = net.run(np.concatenate([behind, words[:, ::-1]], axis=1))[0][:, -1]
        values = answers.reshape(*[net.size] * steps, net.outputs)
        probes = rng.integers(0, net.size, size=(TAILS, min(steps, net.length)))
        wanted, _ = net.run(probes)
        for pad in range(net.size if steps > 1 else 1):
            window = Window(values, pad)
            if (window.run(probes) == wanted).all():
                yield window
                break
        return


def _enough(net: StepNetwork, steps: int, rng: np.random.Generator) -> bool:
    """Tell whether the same last steps give the same output behind different beginnings."""
    tails = rng.integers(0, net.size, size=(TAILS, steps))
    answers: list[Ints] = []
    for _ in range(PREFIXES if net.length > steps else 1):
        behind = rng.integers(0, net.size, size=(TAILS, net.length - steps))
        answers.append(net.run(np.concatenate([behind, tails], axis=1))[0][:, -1])
    return all((answer == answers[0]).all() for answer in answers)


def _all_words(size: int, steps: int) -> Ints:
    grid = np.indices([size] * steps).reshape(steps, -1)
    return grid.T.astype(np.int64)
