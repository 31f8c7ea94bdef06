"""Two-ended history: each output compares the past with the same past read backwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import BIT, Affine, Index, Loop, Module

from .emit import Words, Writer
from .network import StepNetwork

Ints = NDArray[np.int64]

MAX_LETTERS = 16
SAMPLES = 4000


@dataclass(frozen=True)
class Mirror:
    """y_t is the conjunction (or disjunction) over i <= t of `pairs[x_i, x_(t-i)]`."""

    kind: str  # "and" or "or"
    pairs: Ints  # [letters, letters]

    @property
    def cost(self) -> int:
        """A reduction, two ends, and their relation."""
        return 12

    def run(self, net: Words, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, 1]."""
        fold = np.min if self.kind == "and" else np.max
        found = [
            fold(self.pairs[words[:, : t + 1], words[:, t::-1]], axis=1)
            for t in range(words.shape[1])
        ]
        return np.stack(found, axis=1)[:, :, None].astype(np.int64)

    def emit(self, net: Words) -> Module:
        """Return the program: for each step a reduction over the past."""
        writer = Writer(net)

        def body() -> list[str]:
            loop = Loop(writer.builder.fresh("k"), Affine.of(0), writer.at + 1)
            place = Affine.symbol(loop.symbol)
            with writer.builder.body() as ops:
                ends = [
                    writer.builder.load(name, Index(at), *rest, name=f"{name}_{end}")
                    for end, at in (("front", place), ("back", writer.at - place))
                    for name, rest in net.columns
                ]
                same = writer.table(self.pairs, ends, "same")
            return [writer.builder.reduce(self.kind, [loop], ops, same, "y")]

        return writer.mapped(body, [BIT])


def mirrors(net: StepNetwork, rng: np.random.Generator) -> Iterator[Mirror]:
    """Yield the relation between the ends that explains samples."""
    if net.outputs != 1 or net.size > MAX_LETTERS:
        return
    words = rng.integers(0, net.size, size=(SAMPLES, net.length))
    answers = net.run(words)[0][:, :, 0]
    if answers.min() < 0 or answers.max() > 1:
        return
    for kind, wanted in (("and", 1), ("or", 0)):
        # What occurs in some conjunction that holds must itself hold, and likewise for `or`.
        seen = np.zeros((net.size, net.size), dtype=bool)
        for t in range(words.shape[1]):
            rows = words[answers[:, t] == wanted, : t + 1]
            seen[rows, rows[:, ::-1]] = True
        pairs = seen if kind == "and" else ~seen
        if seen.any() and not seen.all():
            yield Mirror(kind, pairs.astype(np.int64))
