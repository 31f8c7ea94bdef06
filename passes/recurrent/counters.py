"""Memory that outputs do not show: one or two numbers of `features` that decide them together.

How often letters came, walks, runs, extremes: where the outputs are a function of one or two of them (and of
the letter read), the shortest expression of them is taken. Then the greatest of one number for each
letter: which letter came most, least, latest.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ddc.passes import logic
from ddc.passes.logic import build

from .features import TEMPLATES, Beside, Condition, Feature, families, numbers, values_of
from .feedback import samples
from .network import StepNetwork
from .registers import Registers, functional
from .synthesis import explain

Ints = NDArray[np.int64]
Expr = logic.Expr

MAX_LETTERS = 16
MAX_CELLS = 1 << 14
ROWS = 400
BEAM = 64  # features that are tried in pairs
BOUNDS: tuple[tuple[str, np.ufunc | None], ...] = (
    ("", None),
    ("min", np.minimum),
    ("max", np.maximum),
)
DEAREST = 24  # expression of features
GOOD = 10
ENOUGH = 10  # programs of so many numbers that are found, and offered
OFFERED = 4
ATTEMPTS = 16  # sets of features for which an expression is searched


@dataclass(frozen=True)
class _Known:
    """A feature with its numbers along the samples, flat."""

    feature: Feature
    values: Ints


def counters(
    net: StepNetwork, rng: np.random.Generator, tolerance: float, most_features: int = 2
) -> Iterator[Registers]:
    """Yield programs over features that explain samples, the cheapest of each kind."""
    if net.size > MAX_LETTERS:
        return
    if net.outputs == 1:
        yield from most(net, rng, tolerance)
    words, answers = samples(net, rng)
    words, answers = words[-ROWS:], answers[-ROWS:]
    letters = net.letters[words].reshape(answers[..., 0].size, -1)
    known = _Numbers(net, words, rng)
    shared: list[Feature] = []
    parts: list[_Part] = []
    for m in range(net.outputs):
        search = _Search(net, known, answers[..., m].reshape(-1), letters, tolerance)
        if m < net.outputs - 1 or parts:
            # Outputs are explained one by one, by the numbers that explain those before if they do.
            best = search.best(shared, most_features)
            if best is None:
                return
            parts.append(best)
            shared += [feature for feature in best.features if feature not in shared]
            continue
        for size in range(1, most_features + 1):
            found = search.sets(size)
            for part in sorted(found, key=lambda part: part.program(net).cost)[:OFFERED]:
                yield part.program(net)
            if found and not tolerance:
                return
    if parts:
        yield joined(net, parts)


@dataclass(frozen=True)
class _Part:
    """An output: an expression of some features, then of the columns of the letter."""

    features: tuple[Feature, ...]
    output: Expr

    def program(self, net: StepNetwork) -> Registers:
        """Return the program of this output alone."""
        return joined(net, [self])


@dataclass(frozen=True)
class _Search:
    """The search for numbers that decide one output."""

    net: StepNetwork
    numbers: _Numbers
    y: Ints
    letters: Ints
    tolerance: float

    def best(self, shared: Sequence[Feature], most_features: int) -> _Part | None:
        """Return the cheapest part, over numbers that are there already if that can be."""
        own = [known for known in self.numbers.known if known.feature in shared]
        if len(shared) < 3:
            part = self._explained(own)
            if part is not None:
                return part
        for size in range(1, most_features + 1):
            found = self.sets(size)
            if found:
                return min(found, key=lambda part: part.program(self.net).cost)
        return None

    def sets(self, size: int) -> list[_Part]:
        """Return parts over so many numbers."""
        ranked = self.numbers.ranked(self.y)[: BEAM if size > 1 else None]
        deciding = [
            some
            for some in itertools.combinations(ranked, size)
            if _decides([*(k.values for k in some), *self.letters.T], self.y, self.tolerance)
        ]
        # Numbers that are simple to tell first: many that are not decide as much.
        deciding.sort(key=lambda some: sum(known.feature.cost for known in some))
        found: list[_Part] = []
        for some in deciding[:ATTEMPTS]:
            part = self._explained(some)
            if part is not None:
                found.append(part)
                if part.program(self.net).cost <= GOOD or len(found) >= ENOUGH:
                    break
        return found

    def _explained(self, some: Sequence[_Known]) -> _Part | None:
        """Return the part whose output is an expression of some features, and of the letter read."""
        columns = [known.values for known in some]
        for given in (columns, [*columns, *self.letters.T]) if columns else ([*self.letters.T],):
            if not _decides(given, self.y, self.tolerance):
                continue
            table = functional(np.stack(given, axis=1), self.y[:, None], self.tolerance)
            # As many rows as samples would decide anything.
            if table is None or len(table[0]) > len(self.y) // 4:
                continue
            expr = explain(list(table[0].T), table[1][:, 0], DEAREST)
            if expr is not None:
                return _Part(tuple(known.feature for known in some), expr)
        return None


def _along(net: StepNetwork, condition: Condition | Beside, words: Ints, pad: int) -> Ints:
    if isinstance(condition, Beside):
        return condition.along(net, words)
    return condition.of(words, pad)


class _Numbers:
    """Features of different numbers along samples."""

    def __init__(self, net: StepNetwork, words: Ints, rng: np.random.Generator) -> None:
        pad = pad_of(net)
        found: dict[bytes, _Known] = {}
        for template, weights, several in families(net, rng):
            parts = [
                (
                    np.stack([_along(net, c[place], words, pad) for c in several])
                    if len(several[0]) > place
                    else np.zeros((len(several), *words.shape), dtype=np.int64)
                )
                for place in (0, 1)
            ]
            letter = values_of(net, weights)
            for some, values in zip(several, numbers(words, template, letter, *parts), strict=True):
                for bound, fold in BOUNDS if template.bounded else BOUNDS[:1]:
                    seen = values if fold is None else fold(fold.accumulate(values, axis=1), 0)
                    flat = np.ascontiguousarray(seen).reshape(-1)
                    key = flat.tobytes()
                    if flat.min() < flat.max() and key not in found:
                        found[key] = _Known(Feature(template, some, weights, bound), flat)
        self.known = list(found.values())

    def ranked(self, y: Ints) -> list[_Known]:
        """Return the features, those that tell most about an output first."""
        kind = np.unique(y, return_inverse=True)[1].reshape(-1)
        return sorted(self.known, key=lambda known: _entropy(known.values, kind))


def pad_of(net: StepNetwork) -> int:
    """Return the letter that stands before the first: the one of zeros, if there is one."""
    zero = np.flatnonzero((net.letters == 0).all(axis=1))
    return int(zero[0]) if len(zero) else 0


def _entropy(values: Ints, kind: Ints) -> float:
    """Return how many bits of the output the values leave open."""
    answers = int(kind.max()) + 1
    low = int(values.min())
    width = int(values.max()) - low + 1
    if width > len(values):
        return 0.0
    joint = np.bincount((values - low) * answers + kind, minlength=width * answers)
    counts = joint.reshape(width, answers)
    total = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(total, 1)
    bits = -(counts * np.log2(np.where(share > 0, share, 1))).sum()
    return float(bits / len(values))


def _decides(numbers: Sequence[Ints], y: Ints, tolerance: float) -> bool:
    """Tell whether numbers decide the output, but for a share of it."""
    key, cells = np.zeros_like(y), 1
    for values in numbers:
        low = int(values.min())
        width = int(values.max()) - low + 1
        key, cells = key * width + (values - low), cells * width
        if cells > MAX_CELLS:
            return False
    table = np.zeros(cells, dtype=np.int64)
    table[key] = y
    # Assigning the last of each cell is not its majority, so twice the share may differ.
    return bool((table[key] != y).mean() <= 4 * tolerance)


def joined(net: StepNetwork, parts: Sequence[_Part]) -> Registers:
    """Return the program of some outputs, their features once."""
    some = list(dict.fromkeys(feature for part in parts for feature in part.features))
    plain = [replace(feature, bound="") for feature in some]
    read = [c.base for feature in plain for c in feature.conditions if c.base is not None]
    bases = list(dict.fromkeys((*read, *plain)))
    bounds = [feature for feature in some if feature.bound]
    count = len(bases) + len(bounds)
    updates = [base.update(net, bases, count) for base in bases]
    names = [base.template.name for base in bases]
    for feature in bounds:
        walk = updates[bases.index(replace(feature, bound=""))]
        join = build.minimum if feature.bound == "min" else build.maximum
        names.append("lowest" if feature.bound == "min" else "highest")
        updates.append(join([logic.Var(len(updates)), walk]))
    places = {
        feature: (len(bases) + bounds.index(feature) if feature.bound else bases.index(feature))
        for feature in some
    }
    letters = range(count, count + net.letters.shape[1])
    outputs: list[Expr] = []
    for part in parts:
        own = [*(places[feature] for feature in part.features), *letters]
        moved = {logic.Var(at): logic.Var(to) for at, to in enumerate(own)}
        outputs.append(logic.substitute(part.output, moved))
    return Registers(
        tuple(names),
        (*(base.start(net) for base in bases), *(0 for _ in bounds)),
        tuple(updates),
        tuple(outputs),
        max((feature.lags for feature in some), default=1),
        pad_of(net),
    )


# ---------------------------------------------------------------- the letter of the greatest number


def most(net: StepNetwork, rng: np.random.Generator, tolerance: float) -> Iterator[Registers]:
    """Yield programs whose output is the letter with the greatest or least of one number each.

    Any template of one condition gives the numbers: how often the letter came (the most frequent
    one), how long it is in a run.  Ties go to the first or to the last letter.
    """
    if not 2 < net.size <= 6 or net.letters.shape[1] != 1:
        return
    words, answers = samples(net, rng)
    y = answers[..., 0]
    if set(np.unique(y).tolist()) - set(net.letters[:, 0].tolist()):
        return
    none = values_of(net, ())
    for template in TEMPLATES:
        if template.conditions != 1 or 3 in template.update.variables:
            continue
        own = [Condition(np.arange(net.size) == letter) for letter in range(net.size)]
        several = [Feature(template, (condition,)) for condition in own]
        holds = np.stack([condition.of(words, 0) for condition in own])
        values = numbers(words, template, none, holds, np.zeros_like(holds))
        for sign, order in itertools.product((1, -1), (1, -1)):
            best = (sign * values[::order]).argmax(axis=0)
            letter = net.letters[::order, 0][best]
            if (letter == y).all(axis=1).mean() >= 1 - 10 * tolerance:
                yield joined(net, [_Part(tuple(several), _chosen(net, sign, order))])


def _chosen(net: StepNetwork, sign: int, order: int) -> Expr:
    """Return the letter whose number is the greatest (or least), the first of equals in an order."""
    places = list(range(net.size))[::order]
    best = (build.maximum if sign > 0 else build.minimum)([logic.Var(at) for at in places])
    expr: Expr = logic.Const(int(net.letters[places[-1], 0]))
    for at in reversed(places[:-1]):
        letter = logic.Const(int(net.letters[at, 0]))
        expr = build.select(build.compare("eq", logic.Var(at), best), letter, expr)
    return expr


__all__ = ["counters", "most"]
