"""Numbers that go with a word: counts, walks, runs, extremes, what was read last - one grammar of them.

A feature is an update of one integer by an expression of itself, of up to two conditions on the letters, and
of the letter; conditions are sets of letters, or compare a letter with the one before it.
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
from ddc.passes.logic.expr import with_operands

from .network import StepNetwork

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Expr = logic.Expr

MAX_CLASSES = 5  # whose sets are all tried
MAX_PAIRED = 16  # conditions that are tried two at a time
SWAPS = 200

# The number itself, the conditions p and q, the letter's only column, and its least value.
C, P, Q, X, LEAST = (logic.Var(place) for place in range(5))
ZERO = logic.Const(0)
UP = build.linear([(1, C), (1, P)])


@dataclass(frozen=True)
class Template:
    """An update over (number, p, q, letter), its name, and where it starts."""

    name: str
    update: Expr
    start: int | str = 0  # or "greatest" letter, "below" the least one, or "low": that or 0
    bounded: bool = False  # whether its least and greatest so far are of interest

    @property
    def conditions(self) -> int:
        """How many conditions it reads."""
        return len(self.update.variables & {1, 2})


FIRST = Template("first", build.select(build.compare("lt", C, LEAST), X, C), "below")
TEMPLATES = (
    Template("count", UP),
    Template("level", build.linear([(1, C), (2, P)], -1), bounded=True),
    Template("run", build.select(P, build.linear([(1, C)], 1), ZERO), bounded=True),
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
    Template("level", build.maximum([build.linear([(1, C), (2, P)], -1), ZERO]), bounded=True),
    Template("highest", build.maximum([C, X]), "low"),
    Template("lowest", build.minimum([C, X]), "greatest"),
    FIRST,
    Template("total", build.linear([(1, C), (1, X)]), bounded=True),
    Template("total", build.select(P, build.linear([(1, C), (1, X)]), C)),
    Template("total", build.select(P, *(build.linear([(1, C), (s, X)]) for s in (1, -1)))),
    *(Template("highest", build.maximum([build.linear([(1, C)], -by), X])) for by in (1, 2, 3)),
    Template("last", build.select(P, X, C)),
    Template("level", build.linear([(1, C), (1, P), (-1, Q)]), bounded=True),
    Template("level", build.maximum([build.linear([(1, C), (1, P), (-1, Q)]), ZERO])),
    Template("count", build.select(Q, ZERO, UP)),
)


CLOCKS = tuple(Template("clock", build.modulo(build.linear([(1, C)], 1), by)) for by in (2, 3))
BESIDE: tuple[tuple[Template, tuple[logic.CompareOp, ...]], ...] = (
    (Template("highest", build.maximum([C, X]), "below"), ("gt", "ge", "eq")),
    (Template("lowest", build.minimum([C, X]), "greatest"), ("lt", "le", "eq")),
    (FIRST, ("eq", "gt", "lt")),
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

    @property
    def lags(self) -> int:
        """How many letters it reads."""
        return self.holds.ndim

    @property
    def base(self) -> Feature | None:
        """The number that it reads."""
        return None

    def expression(self, net: StepNetwork, first: int, place: int) -> Expr:
        """Return it over the columns of the letter, from variable `first` on, and of the last."""
        levels = net.axes * self.holds.ndim
        shape = [len(axis) for axis in levels]
        table = logic.Table(levels, self.holds.astype(np.int64).reshape(shape))
        found = logic.minimise(table, effort=0)
        return logic.substitute(
            found, {logic.Var(v): logic.Var(first + v) for v in sorted(found.variables)}
        )


@dataclass(frozen=True, eq=False)
class Beside:
    """A comparison of the letter, or of a constant, with what a number was before this step."""

    op: logic.CompareOp
    base: Feature
    against: int | None = None  # the letter where there is none

    @property
    def lags(self) -> int:
        """How many letters it reads."""
        return 1

    def along(self, net: StepNetwork, words: Ints) -> Ints:
        """Return where it holds, [rows, steps]."""
        none = np.zeros((1, *words.shape), dtype=np.int64)
        letter = values_of(net, self.base.weights)
        number = numbers(words, self.base.template, letter, none, none)[0]
        before = np.pad(number, ((0, 0), (1, 0)), constant_values=self.base.start(net))[:, :-1]
        x = letter[words] if self.against is None else np.full(words.shape, self.against)
        held = logic.evaluate(build.compare(self.op, X, C), [before, before, before, x])
        return np.asarray(held).astype(np.int64)

    def expression(self, net: StepNetwork, first: int, place: int) -> Expr:
        """Return it over the columns of the letter, from variable `first` on, and register `place`."""
        constant = None if self.against is None else logic.Const(self.against)
        return build.compare(self.op, constant or logic.Var(first), logic.Var(place))


Conditions = tuple[Condition | Beside, ...]


@dataclass(frozen=True)
class Feature:
    """A template with its conditions; with `bound` the least or greatest it has been since 0.

    The letter of the template is the sum of the columns with `weights`.
    """

    template: Template
    conditions: Conditions
    weights: tuple[int, ...] = ()  # none where the template does not read the letter
    bound: str = ""  # "", "min" or "max"

    @property
    def lags(self) -> int:
        """How many letters it reads at each step."""
        return max((c.lags for c in self.conditions), default=1)

    @property
    def cost(self) -> int:
        """What a reader pays for it, the sets of letters in its conditions aside."""
        bases = (c.base for c in self.conditions if c.base is not None)
        own = logic.cost(self.template.update) + (2 if self.bound else 0)
        return own + sum(2 + base.cost for base in bases)

    def start(self, net: StepNetwork) -> int:
        """Return the number before the first step."""
        return started(self.template, values_of(net, self.weights))

    def update(self, net: StepNetwork, bases: Sequence[Feature], registers: int) -> Expr:
        """Return the update where the first of so many registers are the bases, this one of them."""
        place = bases.index(self)
        parts = [
            c.expression(net, registers, place if c.base is None else bases.index(c.base))
            for c in self.conditions
        ]
        parts += [ZERO] * (2 - len(parts))
        least = logic.Const(int(values_of(net, self.weights).min()))
        letter = build.linear(
            [(w, logic.Var(registers + column)) for column, w in enumerate(self.weights)]
        )
        new = {C: logic.Var(place), P: parts[0], Q: parts[1], X: letter, LEAST: least}
        return build_again(logic.substitute(self.template.update, new))


def started(template: Template, letter: Ints) -> int:
    """Return the number of a template before the first step."""
    match template.start:
        case "greatest":
            return int(letter.max())
        case "below":
            return int(letter.min()) - 1
        case "low":
            return min(0, int(letter.min()) - 1) if letter.min() else 0
        case _:
            return int(template.start)


def values_of(net: StepNetwork, weights: tuple[int, ...]) -> Ints:
    """Return the number that each letter stands for."""
    if not weights:
        return np.zeros(net.size, dtype=np.int64)
    values: Ints = net.letters @ np.array(weights)
    return values


def numbers(words: Ints, template: Template, letter: Ints, first: Ints, second: Ints) -> Ints:
    """Return the numbers of a template after each step, [features, rows, steps].

    `letter` is what each letter stands for, `first` and `second` [features, rows, steps] its conditions.
    """
    some, rows, steps = first.shape
    least = np.full(rows, letter.min())
    number = np.full((some, rows), started(template, letter), dtype=np.int64)
    x = letter[words]
    found = np.empty((some, rows, steps), dtype=np.int64)
    for t in range(steps):
        columns = [number, first[..., t], second[..., t], x[:, t], least]
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


Family = tuple[Template, tuple[int, ...], list[Conditions]]


def families(net: StepNetwork, rng: np.random.Generator) -> Iterator[Family]:
    """Yield templates, weights of columns, and the conditions to try, fewer conditions first."""
    known = conditions(net, rng)
    beside = _beside(net)
    few = known[:MAX_PAIRED] + known[-6:] if len(known) > MAX_PAIRED + 6 else known
    for template in sorted(TEMPLATES, key=lambda template: template.conditions):
        some: list[Conditions] = [()]
        if template.conditions == 2:
            some = list(itertools.permutations(few, 2))
        elif template.conditions:
            every: list[Condition | Beside] = [*known, *beside]
            some = [(condition,) for condition in every]
        for weights in _weights(net) if 3 in template.update.variables else [()]:
            if some:
                yield template, weights, some


def _beside(net: StepNetwork) -> list[Beside]:
    """Return conditions that read a number: how the letter compares with extremes, and clocks."""
    found = [Beside("eq", Feature(clock, ()), 0) for clock in CLOCKS]
    if net.letters.shape[1] > 1:
        return found
    for base, ops in BESIDE:
        found += [Beside(op, Feature(base, (), (1,))) for op in ops]
    return found


def _weights(net: StepNetwork) -> list[tuple[int, ...]]:
    """Return the sums of columns that are tried as numbers: each alone, differences, all of them."""
    width = net.letters.shape[1]
    alone = [tuple(int(k == column) for k in range(width)) for column in range(width)]
    both = [(1, -1), (-1, 1)] if width == 2 else []
    return [*alone, *both, *([(1,) * width] if width > 1 else [])]
