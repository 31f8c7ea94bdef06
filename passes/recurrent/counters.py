"""Unbounded counters: how often each letter came, walks, and the least and greatest a walk has been.

Where the output is a function of a few such numbers, their table over the lengths seen is minimised to an
expression; one with comparisons and arithmetic only holds at any length.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import INT, Int, Module, Operand
from ddc.passes import logic
from ddc.passes.minimise import lower_expression

from .emit import Register, Writer, range_of
from .network import StepNetwork

Ints = NDArray[np.int64]

MAX_LETTERS = 6
MAX_CELLS = 1 << 15
SAMPLES = 4000


@dataclass(frozen=True)
class Feature:
    """A number that goes with a word: a walk with these weights by letter, or its extreme."""

    weights: tuple[int, ...]
    extreme: str = ""  # "", "min" or "max" of the walk so far, from 0 at the start

    def of(self, words: Ints) -> Ints:
        """Return the number after each step, [rows, steps]."""
        walk = np.cumsum(np.array(self.weights)[words], axis=1)
        if not self.extreme:
            return walk
        fold = np.minimum if self.extreme == "min" else np.maximum
        found: Ints = fold(fold.accumulate(walk, axis=1), 0)
        return found


@dataclass(frozen=True)
class Counter:
    """Outputs as expressions of features."""

    features: tuple[Feature, ...]
    outputs: tuple[logic.Expr, ...]

    def run(self, net: StepNetwork, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        values = [feature.of(words).reshape(-1) for feature in self.features]
        found = [np.asarray(logic.evaluate(expr, values)) for expr in self.outputs]
        wide = [np.broadcast_to(v, values[0].shape).reshape(words.shape) for v in found]
        return np.stack(wide, axis=2).astype(np.int64)

    @property
    def cost(self) -> int:
        """The cost of the expressions and of the states."""
        return sum(logic.cost(expr) for expr in self.outputs) + 3 * len(self.features)

    def emit(self, net: StepNetwork) -> Module:
        """Return the program: a scan with one int for each feature."""
        writer = Writer(net)
        registers = [Register(self._name(f, net), _kind(f), 0) for f in self.features]
        kinds = [range_of(np.array([0, 1])) if _is_bit(e) else INT for e in self.outputs]

        def body(names: object) -> tuple[list[Operand], list[Operand]]:
            states = [str(name) for name in names]  # type: ignore[attr-defined]
            loads = writer.letter()
            walks: dict[tuple[int, ...], Operand] = {}
            nexts: list[Operand] = []
            for feature, state in zip(self.features, states, strict=True):
                if feature.extreme:
                    walk = walks[feature.weights]
                    value = writer.op(feature.extreme, state, walk, name="bound")
                else:
                    change = writer.table(np.array(feature.weights), loads, "change")
                    value = str(writer.total([(1, state), (1, change)]))
                    walks[feature.weights] = value
                nexts.append(value)
            types = {str(v): r.type for v, r in zip(nexts, registers, strict=True)}
            yields = [lower_expression(e, nexts, writer.builder, types) for e in self.outputs]
            return nexts, yields

        return writer.scanned(registers, body, kinds)

    def _name(self, feature: Feature, net: StepNetwork) -> str:
        if feature.extreme:
            return "lowest" if feature.extreme == "min" else "highest"
        ones = [letter for letter, w in enumerate(feature.weights) if w]
        if len(ones) == 1 and feature.weights[ones[0]] == 1:
            values = "_".join(str(v).replace("-", "m") for v in net.letters[ones[0]])
            return f"count_{values}"
        return "level"


def _kind(feature: Feature) -> Int:
    if feature.extreme:
        return Int(None, 0) if feature.extreme == "min" else Int(0, None)
    return Int(0, None) if min(feature.weights) >= 0 else INT


def _is_bit(expr: logic.Expr) -> bool:
    plain = (logic.And, logic.Or, logic.Xor, logic.Not, logic.Compare, logic.Threshold)
    return isinstance(expr, plain)


def counters(net: StepNetwork, rng: np.random.Generator) -> Iterator[Counter]:
    """Yield programs over counters that explain samples, the cheapest of each kind."""
    if net.size > MAX_LETTERS:
        return
    words = rng.integers(0, net.size, size=(SAMPLES, net.length))
    answers = net.run(words)[0]
    for family in _families(net.size):
        found = [c for c in (_explained(f, words, answers) for f in family) if c is not None]
        if found:
            yield min(found, key=lambda counter: counter.cost)
    if 2 < net.size and net.outputs == 1:
        yield most_frequent(net.size)


def most_frequent(size: int) -> Counter:
    """Return the program whose output is the letter that came most often, the first of equals."""
    expr: logic.Expr = logic.Const(size - 1)
    for letter in reversed(range(size - 1)):
        ahead = [
            logic.Compare("ge", logic.Var(letter), logic.Var(other))
            for other in range(letter + 1, size)
        ]
        condition = ahead[0] if len(ahead) == 1 else logic.And(tuple(ahead))
        expr = logic.Select(condition, logic.Const(letter), expr)
    return Counter(_counts(size), (expr,))


def _counts(size: int) -> tuple[Feature, ...]:
    return tuple(Feature(tuple(int(i == letter) for i in range(size))) for letter in range(size))


def _families(size: int) -> Iterator[list[tuple[Feature, ...]]]:
    """Yield sets of features, from few numbers to more."""
    steps = (-1, 0, 1) if size > 3 else (-2, -1, 0, 1, 2)
    walks = [
        Feature(w)
        for w in itertools.product(steps, repeat=size)
        if any(w) and next(filter(None, w)) < 0 and np.gcd.reduce(w) == 1
    ]
    walks += [Feature(tuple(-v for v in walk.weights)) for walk in walks]
    yield [(walk,) for walk in walks]
    yield [(w, Feature(w.weights, extreme)) for w in walks for extreme in ("min", "max")]
    yield [_counts(size)]


def _explained(features: tuple[Feature, ...], words: Ints, answers: Ints) -> Counter | None:
    """Return the outputs as expressions of the features, None where they do not decide them."""
    columns = [feature.of(words).reshape(-1) for feature in features]
    lows = [int(c.min()) for c in columns]
    shape = [int(c.max()) - low + 1 for c, low in zip(columns, lows, strict=True)]
    if np.prod(shape, dtype=float) > MAX_CELLS:
        return None
    places = tuple(c - low for c, low in zip(columns, lows, strict=True))
    flat = np.ravel_multi_index(places, shape)
    levels = tuple(tuple(range(low, low + n)) for low, n in zip(lows, shape, strict=True))
    found: list[logic.Expr] = []
    for m in range(answers.shape[2]):
        wanted = answers[..., m].reshape(-1)
        values = np.zeros(int(np.prod(shape)), dtype=np.int64)
        values[flat] = wanted
        if (values[flat] != wanted).any():
            return None
        care = np.zeros(len(values), dtype=bool)
        care[flat] = True
        table = logic.Table(levels, values.reshape(shape), care.reshape(shape))
        expr = _apart(table) or logic.minimise(table)
        # A look-up, or a chain of cases as long as the trained length, says nothing of longer ones.
        if _looks_up(expr) or logic.cost(expr) > 40:
            return None
        found.append(expr)
    return Counter(features, tuple(found))


def _apart(table: logic.Table) -> logic.Expr | None:
    """Return two conditions, one on each of two features, whose conjunction is the table.

    It reads better than one shorter comparison of both.
    """
    values, care = table.values, table.care
    if values.ndim != 2 or care is None or values.min() < 0 or values.max() > 1:
        return None
    true = (values == 1) & care
    sides = [true.any(axis=1 - axis) for axis in (0, 1)]
    if not ((np.logical_and.outer(*sides) == true) | ~care).all():
        return None
    found: list[logic.Expr] = []
    for axis, side in enumerate(sides):
        known = np.asarray(care.any(axis=1 - axis))
        one = logic.Table((table.levels[axis],), side.astype(np.int64), known)
        found.append(logic.substitute(logic.minimise(one), {logic.Var(0): logic.Var(axis)}))
    return logic.And(tuple(found))


def _looks_up(expr: logic.Expr) -> bool:
    return any(isinstance(node, logic.Lookup) for node in logic.topological([expr]))


__all__ = ["Counter", "Feature", "counters"]
