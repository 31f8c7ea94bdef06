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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.passes import logic
from ddc.passes.logic import build

from .features import TEMPLATES, Condition, Feature, families, numbers
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
ATTEMPTS = 40  # sets of features for which an expression is searched


@dataclass(frozen=True)
class _Known:
    """A feature with its numbers along the samples, flat."""

    feature: Feature
    values: Ints
    spread: float  # how much of the output it leaves open, in bits


def counters(
    net: StepNetwork, rng: np.random.Generator, tolerance: float, most_features: int = 2
) -> Iterator[Registers]:
    """Yield programs over features that explain samples, the cheapest of each kind."""
    if net.size > MAX_LETTERS or net.outputs != 1:
        return
    yield from most(net, rng, tolerance)
    words, answers = samples(net, rng)
    words, answers = words[-ROWS:], answers[-ROWS:]
    y = answers[..., 0].reshape(-1)
    known = _measured(net, words, y, rng)
    letters = net.letters[words].reshape(len(y), -1)
    for size, limit in ((1, len(known)), (2, BEAM))[:most_features]:
        found: list[Registers] = []
        deciding = (
            some
            for some in itertools.combinations(known[:limit], size)
            if _decides([*(k.values for k in some), *letters.T], y, tolerance)
        )
        for some in itertools.islice(deciding, ATTEMPTS):
            program = _explained(net, some, letters, y, tolerance)
            if program is not None:
                found.append(program)
                if program.cost <= GOOD or len(found) >= ENOUGH:
                    break
        yield from sorted(found, key=lambda program: program.cost)[:OFFERED]
        if found and not tolerance:
            return


def _measured(net: StepNetwork, words: Ints, y: Ints, rng: np.random.Generator) -> list[_Known]:
    """Return features of different numbers, those that tell most about the output first."""
    found: dict[bytes, _Known] = {}
    pad = pad_of(net)
    kind = np.unique(y, return_inverse=True)[1].reshape(-1)
    for template, several in families(net, rng):
        parts = [
            (
                np.stack([c[place].of(words, pad) for c in several])
                if len(several[0]) > place
                else np.zeros((len(several), *words.shape), dtype=np.int64)
            )
            for place in (0, 1)
        ]
        for some, values in zip(several, numbers(net, words, template, *parts), strict=True):
            for bound, fold in BOUNDS if template.bounded else BOUNDS[:1]:
                seen = values if fold is None else fold(fold.accumulate(values, axis=1), 0)
                flat = np.ascontiguousarray(seen).reshape(-1)
                key = flat.tobytes()
                if flat.min() < flat.max() and key not in found:
                    feature = Feature(template, some, bound)
                    found[key] = _Known(feature, flat, _entropy(flat, kind))
    return sorted(found.values(), key=lambda known: known.spread)


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


def _explained(
    net: StepNetwork, some: Sequence[_Known], letters: Ints, y: Ints, tolerance: float
) -> Registers | None:
    """Return the program whose output is an expression of some features, and of the letter read."""
    columns = [known.values for known in some]
    for given in (columns, [*columns, *letters.T]):
        if not _decides(given, y, tolerance):
            continue
        rows = np.stack(given, axis=1)
        table = functional(rows, y[:, None], tolerance)
        # As many rows as samples would decide anything.
        if table is None or len(table[0]) > len(y) // 4:
            continue
        expr = explain(list(table[0].T), table[1][:, 0], DEAREST)
        if expr is not None:
            return program_of(net, [known.feature for known in some], expr)
    return None


def program_of(net: StepNetwork, some: Sequence[Feature], output: Expr) -> Registers:
    """Return the program of features: the output is an expression of them, then of the letter."""
    bases = list(dict.fromkeys((f.template, f.conditions) for f in some))
    bounds = [f for f in some if f.bound]
    count = len(bases) + len(bounds)
    updates = [Feature(*base).update(net, place, count) for place, base in enumerate(bases)]
    names = [template.name for template, _ in bases]
    for feature in bounds:
        walk = updates[bases.index((feature.template, feature.conditions))]
        join = build.minimum if feature.bound == "min" else build.maximum
        names.append("lowest" if feature.bound == "min" else "highest")
        updates.append(join([logic.Var(len(updates)), walk]))
    places = [
        len(bases) + bounds.index(f) if f.bound else bases.index((f.template, f.conditions))
        for f in some
    ]
    letters = range(count, count + net.letters.shape[1])
    read = {logic.Var(at): logic.Var(to) for at, to in enumerate([*places, *letters])}
    return Registers(
        tuple(names),
        (*(Feature(*base).start(net) for base in bases), *(0 for _ in bounds)),
        tuple(updates),
        (logic.substitute(output, read),),
        max(feature.lags for feature in some),
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
    for template in TEMPLATES:
        if template.conditions != 1 or 3 in template.update.variables:
            continue
        own = [Condition(np.arange(net.size) == letter) for letter in range(net.size)]
        several = [Feature(template, (condition,)) for condition in own]
        holds = np.stack([condition.of(words, 0) for condition in own])
        values = numbers(net, words, template, holds, np.zeros_like(holds))
        for sign, order in itertools.product((1, -1), (1, -1)):
            best = (sign * values[::order]).argmax(axis=0)
            letter = net.letters[::order, 0][best]
            if (letter == y).all(axis=1).mean() >= 1 - 10 * tolerance:
                yield program_of(net, several, _chosen(net, sign, order))


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
