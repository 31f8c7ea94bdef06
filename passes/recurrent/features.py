"""Numbers that go with a word: counts, walks, runs, extremes, what was read last - one grammar of them.

A feature is an update of one integer by an expression of itself, of up to two conditions on the letters, and
of the letter; conditions are sets of letters, or compare a letter with the one before it.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.passes import logic
from ddc.passes.logic import build
from ddc.passes.logic.expr import with_operands

from .network import StepNetwork

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Expr = logic.Expr

MAX_CLASSES = 5  # whose sets are all tried
MAX_PAIRED = 16  # conditions that are tried two at a time
SWAPS = 200

# The number itself, the conditions p and q, and the letter's only column.
C, P, Q, X = (logic.Var(place) for place in range(4))
ZERO = logic.Const(0)
UP = build.linear([(1, C), (1, P)])


@dataclass(frozen=True)
class Template:
    """An update over (number, p, q, letter), its name, and where it starts."""

    name: str
    update: Expr
    start: int | None = 0  # None: the greatest letter
    bounded: bool = False  # whether its least and greatest so far are of interest

    @property
    def conditions(self) -> int:
        """How many conditions it reads."""
        return len(self.update.variables & {1, 2})


TEMPLATES = (
    Template("count", UP),
    Template("level", build.linear([(1, C), (2, P)], -1), bounded=True),
    Template("run", build.select(P, build.linear([(1, C)], 1), ZERO)),
    Template("seen", build.minimum([UP, logic.Const(1)])),
    *(Template("count", build.minimum([UP, logic.Const(top)])) for top in (2, 3, 4, 5)),
    *(Template("count", build.modulo(UP, by)) for by in (2, 3, 4, 5)),
    *(
        Template(
            "level",
            build.minimum([build.maximum([build.linear([(1, C), (2, P)], -1), ZERO]), limit]),
        )
        for limit in map(logic.Const, (2, 3, 4, 5))
    ),
    Template("level", build.maximum([build.linear([(1, C), (2, P)], -1), ZERO])),
    Template("highest", build.maximum([C, X])),
    Template("lowest", build.minimum([C, X]), None),
    *(Template("highest", build.maximum([build.linear([(1, C)], -by), X])) for by in (1, 2, 3)),
    Template("last", build.select(P, X, C)),
    Template("level", build.linear([(1, C), (1, P), (-1, Q)]), bounded=True),
    Template("level", build.maximum([build.linear([(1, C), (1, P), (-1, Q)]), ZERO])),
    Template("count", build.select(Q, ZERO, UP)),
)


@dataclass(frozen=True, eq=False)
class Condition:
    """A set of letters, or of pairs (letter, the one before), as a table over their numbers."""

    holds: Bools  # [letters] or [letters, letters]

    def of(self, words: Ints, pad: int) -> Ints:
        """Return where it holds, [rows, steps]."""
        if self.holds.ndim == 1:
            return self.holds[words].astype(np.int64)
        before = np.pad(words, ((0, 0), (1, 0)), constant_values=pad)[:, :-1]
        return self.holds[words, before].astype(np.int64)

    def expression(self, net: StepNetwork, first: int) -> Expr:
        """Return it over the columns of the letter, from variable `first` on, and of the last."""
        levels = net.axes * self.holds.ndim
        shape = [len(axis) for axis in levels]
        table = logic.Table(levels, self.holds.astype(np.int64).reshape(shape))
        found = logic.minimise(table, effort=0)
        return logic.substitute(
            found, {logic.Var(v): logic.Var(first + v) for v in sorted(found.variables)}
        )


@dataclass(frozen=True)
class Feature:
    """A template with its conditions; with `bound` the least or greatest it has been since 0."""

    template: Template
    conditions: tuple[Condition, ...]
    bound: str = ""  # "", "min" or "max"

    @property
    def lags(self) -> int:
        """How many letters it reads at each step."""
        return max((c.holds.ndim for c in self.conditions), default=1)

    def start(self, net: StepNetwork) -> int:
        """Return the number before the first step."""
        start = self.template.start
        return int(net.letters.max()) if start is None else start

    def update(self, net: StepNetwork, place: int, registers: int) -> Expr:
        """Return the update where the number is register `place` of so many."""
        parts = [c.expression(net, registers) for c in self.conditions]
        parts += [ZERO] * (2 - len(parts))
        new = {C: logic.Var(place), P: parts[0], Q: parts[1], X: logic.Var(registers)}
        return build_again(logic.substitute(self.template.update, new))


def numbers(net: StepNetwork, words: Ints, template: Template, first: Ints, second: Ints) -> Ints:
    """Return the numbers of a template after each step, [features, rows, steps].

    `first` and `second` [features, rows, steps] are its conditions.
    """
    some, rows, steps = first.shape
    start = int(net.letters.max()) if template.start is None else template.start
    number = np.full((some, rows), start, dtype=np.int64)
    x = net.letters[words][..., 0]
    found = np.empty((some, rows, steps), dtype=np.int64)
    for t in range(steps):
        columns = [number, first[..., t], second[..., t], x[:, t]]
        number = np.broadcast_to(logic.evaluate(template.update, columns), (some, rows))
        found[..., t] = number
    return found


def build_again(expr: Expr) -> Expr:
    """Return an expression with sums of sums merged, and `1 - x` for `not x` inside of sums."""
    done: dict[Expr, Expr] = {}
    for node in logic.topological([expr]):
        operands = tuple(done[operand] for operand in node.operands)
        if isinstance(node, logic.Linear):
            factors = [factor for factor, _ in node.terms]
            done[node] = _opened(list(zip(factors, operands, strict=True)), node.const)
        else:
            done[node] = node if operands == node.operands else with_operands(node, operands)
    return done[expr]


def _opened(terms: list[tuple[int, Expr]], const: int) -> Expr:
    opened = [part for factor, term in terms for part in build.opened(factor, term)]
    plain = [(-f, t.arg) if isinstance(t, logic.Not) else (f, t) for f, t in opened]
    return build.linear(plain, const + sum(f for f, t in opened if isinstance(t, logic.Not)))


def conditions(net: StepNetwork, rng: np.random.Generator) -> list[Condition]:
    """Return conditions on letters, those of few classes of letters all, else simple sets."""
    classes = _classes(net, rng)
    count = int(classes.max()) + 1
    found: dict[bytes, Bools] = {}

    def add(holds: Bools) -> None:
        if holds.any() and not holds.all():
            found.setdefault(holds.tobytes(), holds)

    if count <= MAX_CLASSES:
        for size in range(1, count):
            for some in itertools.combinations(reversed(range(count)), size):
                add(np.isin(classes, some))
    for column in net.letters.T:
        for value in np.unique(column):
            for holds in (column == value, column != value, column >= value, column < value):
                add(holds)
        for by in (2, 3):
            add(column % by == 0)
            add(column % by != 0)
    if net.letters.shape[1] == 2:
        a, b = net.letters.T
        for holds in (a == b, a != b, a > b, a < b, a >= b, a <= b):
            add(holds)
    pairs: list[Bools] = []
    if net.letters.shape[1] == 1 and net.size > 1:
        x = net.letters[:, 0]
        now, last = x[:, None], x[None, :]
        pairs = [now > last, now < last, now == last, now != last, now >= last, now <= last]
    return [Condition(holds) for holds in (*found.values(), *pairs)]


def _classes(net: StepNetwork, rng: np.random.Generator) -> Ints:
    """Return a class for each letter: letters that can stand for each other share one."""
    words = rng.integers(0, net.size, size=(SWAPS, net.length))
    places = rng.integers(0, net.length, size=SWAPS)
    rows = np.arange(SWAPS)
    classes = np.zeros(net.size, dtype=np.int64)
    answers: list[Ints] = []
    for letter in range(min(net.size, 64)):
        words[rows, places] = letter
        given = net.run(words)[0]
        same = next((k for k, known in enumerate(answers) if (known == given).all()), len(answers))
        if same == len(answers):
            answers.append(given)
        classes[letter] = same
    return classes if net.size <= 64 else np.arange(net.size)


def families(
    net: StepNetwork, rng: np.random.Generator
) -> Iterator[tuple[Template, list[tuple[Condition, ...]]]]:
    """Yield templates with the conditions to try, those of fewer conditions first."""
    known = conditions(net, rng)
    single = net.letters.shape[1] == 1
    few = known[:MAX_PAIRED] + known[-6:] if len(known) > MAX_PAIRED + 6 else known
    for template in sorted(TEMPLATES, key=lambda template: template.conditions):
        if single or 3 not in template.update.variables:
            yield template, (
                list(itertools.permutations(few, 2))
                if template.conditions == 2
                else [(condition,) for condition in known] if template.conditions else [()]
            )
