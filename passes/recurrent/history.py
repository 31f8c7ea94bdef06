"""History that no small memory holds: each output folds a relation between two places of the whole past.

`all(x[k] ~ x[t - k])` compares the past with itself read backwards (palindromes), `any(x[k] ~ x[t])` with what is
read now (seen before, ranks), `all(x[k] ~ x[k + d])` with itself moved. The relation is learnt from samples.
"""

# What numpy's `lstsq` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import BIT, INT, Affine, Index, Loop, Module, Operand
from ddc.passes import logic

from .emit import Words, Writer
from .network import StepNetwork

Ints = NDArray[np.int64]

MAX_LETTERS = 16
SAMPLES = 2000
WEIGHED = 300  # samples that weights are solved from
SHIFTS = (1, 2, 3, 4)
FOLD = 9  # cost of a reduction over the past, beside the relation
FOLDS: dict[str, np.ufunc] = {"and": np.minimum, "or": np.maximum, "add": np.add}
EMPTY = {"and": 1, "or": 0, "add": 0}


@dataclass(frozen=True)
class Place:
    """Which place of the past each k is compared with, and up to which k."""

    name: str  # "mirror": t - k for k <= t; "now": t for k < t; "shift": k + by for k <= t - by
    by: int = 0

    def pairs(self, t: int) -> tuple[Ints, Ints]:
        """Return the places k and those they are compared with, at time t."""
        k = np.arange(max(0, t + 1 - self.by))
        match self.name:
            case "mirror":
                return k, t - k
            case "now":
                return k, np.full_like(k, t)
            case _:
                return k, k + self.by


PLACES = (Place("mirror"), Place("now", 1), *(Place("shift", by) for by in SHIFTS))


@dataclass(frozen=True)
class History:
    """y_t is a fold over k of `relation[x_k, x_place(k)]`: "and", "or" or "add"."""

    fold: str
    place: Place
    relation: Ints  # [letters, letters]
    relation_cost: int

    @property
    def cost(self) -> int:
        """A reduction, and the relation between two places."""
        return FOLD + self.relation_cost

    def run(self, net: Words, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, 1]."""
        found = np.full(words.shape, EMPTY[self.fold], dtype=np.int64)
        for t in range(words.shape[1]):
            one, other = self.place.pairs(t)
            if len(one):
                held = self.relation[words[:, one], words[:, other]]
                found[:, t] = FOLDS[self.fold].reduce(held, axis=1)
        return found[:, :, None]

    def emit(self, net: Words) -> Module:
        """Return the program: for each step a reduction over the past."""
        writer = Writer(net)

        def body() -> list[str]:
            top = writer.at + (1 - self.place.by)
            loop = Loop(writer.builder.fresh("k"), Affine.of(0), top)
            k = Affine.symbol(loop.symbol)
            other = {"mirror": writer.at - k, "now": writer.at}.get(
                self.place.name, k + self.place.by
            )
            with writer.builder.body() as ops:
                ends = [
                    writer.builder.load(name, Index(at), *rest, name=f"{name}_{end}")
                    for end, at in (("front", k), ("back", other))
                    for name, rest in net.columns
                ]
                same = self._related(writer, ends)
            return [writer.builder.reduce(self.fold, [loop], ops, same, "y")]

        return writer.mapped(body, [INT if self.fold == "add" else BIT])

    def _related(self, writer: Writer, ends: list[str]) -> Operand:
        size = len(self.relation)
        if len(ends) == 2 and (self.relation == np.eye(size, dtype=np.int64)).all():
            return writer.op("eq", *ends, name="same")
        return writer.table(self.relation, ends, "same")


def histories(net: StepNetwork, rng: np.random.Generator) -> Iterator[History]:
    """Yield the folds over the past that explain samples."""
    if net.outputs != 1 or net.size > MAX_LETTERS:
        return
    words = rng.integers(0, net.size, size=(SAMPLES, net.length))
    few = rng.integers(0, net.size, size=(SAMPLES // 2, 2))
    choice = rng.integers(0, 2, size=(SAMPLES // 2, net.length))
    words[: SAMPLES // 2] = np.take_along_axis(few, choice, axis=1)
    answers = net.run(words)[0][:, :, 0]
    bits = answers.min() >= 0 and answers.max() <= 1
    for place in PLACES:
        for fold in ("and", "or") if bits else ("add",):
            relation = (_related if bits else _weighed)(net, words, answers, place, fold)
            if relation is not None and (relation != relation.flat[0]).any():
                found = History(fold, place, relation, _cost(net, relation))
                if (found.run(net, words)[..., 0] == answers).all():
                    yield found


def _related(net: StepNetwork, words: Ints, answers: Ints, place: Place, fold: str) -> Ints | None:
    """Return what must hold: all that occurs where a conjunction does, or a disjunction does not."""
    seen = np.zeros((net.size, net.size), dtype=bool)
    for t in range(words.shape[1]):
        rows = words[answers[:, t] == (fold == "and")]
        one, other = place.pairs(t)
        seen[rows[:, one], rows[:, other]] = True
    related: Ints = (seen if fold == "and" else ~seen).astype(np.int64)
    return related


def _weighed(net: StepNetwork, words: Ints, answers: Ints, place: Place, fold: str) -> Ints | None:
    """Return whole weights of the pairs whose sum is the output."""
    size = net.size
    words, answers = words[-WEIGHED:], answers[-WEIGHED:]
    counts: list[Ints] = []
    for t in range(words.shape[1]):
        one, other = place.pairs(t)
        pair = words[:, one] * size + words[:, other]
        pair += np.arange(len(words))[:, None] * size * size
        count = np.bincount(pair.reshape(-1), minlength=len(words) * size * size)
        counts.append(count.reshape(len(words), size * size))
    stacked = np.concatenate(counts).astype(np.float64)
    wanted = answers.T.reshape(-1).astype(np.float64)
    weights, _, _, _ = np.linalg.lstsq(stacked, wanted, rcond=None)
    near = np.rint(weights)
    if np.abs(weights - near).max() > 0.05:
        return None
    whole: Ints = near.astype(np.int64).reshape(size, size)
    return whole


def _cost(net: StepNetwork, relation: Ints) -> int:
    axes = net.axes * 2
    table = logic.Table(axes, relation.reshape([len(axis) for axis in axes]))
    return logic.cost(logic.minimise(table, effort=0))
