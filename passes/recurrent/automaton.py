"""The raiser of recurrent networks: by what they answer, not by what their hidden numbers look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Module
from ddc.ir.exact.blas import own_threads
from ddc.passes import logic
from ddc.passes.base import Context, Declined, Pass

from .counters import counters
from .encode import Coding, encode
from .feedback import LAGS, SHAPES, feedbacks, formulas
from .history import histories
from .linear import recurrences
from .machine import Closing, Mealy, machines
from .network import StepNetwork, is_recurrent
from .window import Window, windows

Ints = NDArray[np.int64]

ALL_WORDS = 1 << 13
SAMPLES = 3000
CONFIRMED = 1 << 14  # more words that a program must get right before others are given up
NEARLY = 0.98  # of sequences: the rule behind a network that is wrong on rare inputs
TOLERANCE = 0.02  # share of answers that such a rule may leave unexplained
UNEXPLAINED = 0.05  # share of the outputs other than the commonest that a rule may get wrong
CLOSE = 12  # difference of costs that agreement beyond the trained length outweighs
BEYOND = 400
BLURRED = 0.05  # of the outputs: no training to integers
PLAIN_LAGS = 3
CHEAP = 14  # cost of a program that is taken at once
READABLE = 50  # beyond it memory is looked for that outputs do not show
DEAR = 1 << 20
TABLE = 20  # cost of a table, beside its entries
LARGE_TABLE = 1 << 12
PRICE = 4  # bits of a description for one unit of cost ...
ERROR = 15  # ... and for each sequence that the rule does not answer


class Program(Protocol):
    """What a method found: runs on words of letters, and writes itself down."""

    @property
    def cost(self) -> int:
        """What a reader pays for it."""
        ...

    def run(self, net: StepNetwork, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        ...

    def emit(self, net: StepNetwork) -> Module:
        """Return the program."""
        ...


@dataclass(frozen=True)
class Encoded:
    """A machine, and the numbers of its states, searched only where they are asked for."""

    machine: Mealy
    net: StepNetwork

    @cached_property
    def coding(self) -> Coding:
        """The machine with numbers for its states."""
        return encode(self.machine, self.net)

    @property
    def cost(self) -> int:
        """The cost of the arithmetic, or of the table."""
        table = TABLE + self.machine.next.size * (1 + self.machine.out.shape[2]) * 3 // 2
        return min(self.coding.cost, int(table))

    def run(self, net: StepNetwork, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        return self.machine.run(words)

    def emit(self, net: StepNetwork) -> Module:
        """Return the program."""
        return self.coding.emit(net)


@dataclass(frozen=True)
class Tabled:
    """A window as it will be written: an expression of its table."""

    window: Window
    net: StepNetwork

    @property
    def cost(self) -> int:
        """The cost of the expressions that equal the tables."""
        return self._cost

    @cached_property
    def _cost(self) -> int:
        if self.window.values.size > LARGE_TABLE:
            return DEAR
        levels = tuple(axis for _ in range(self.window.steps) for axis in self.net.axes)
        shape = [len(axis) for axis in levels]
        tables = [self.window.values[..., m].reshape(shape) for m in range(self.net.outputs)]
        return sum(logic.cost(logic.minimise(logic.Table(levels, t), effort=0)) for t in tables)

    def run(self, net: StepNetwork, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        return self.window.run(words)

    def emit(self, net: StepNetwork) -> Module:
        """Return the program."""
        return self.window.emit(net)


Candidate = tuple[str, Program]


@dataclass(frozen=True)
class Automaton(Pass):
    """Raise a recurrent network to a scan with small states, or to a map over windows."""

    name: ClassVar[str] = "automaton"

    def run(self, module: Module, context: Context) -> Module:
        """Return the program; `Declined` with how far each method got."""
        if not is_recurrent(module):
            raise Declined("no network over time: there is no scan with layers inside")
        with own_threads():
            return found_program(StepNetwork(module), context)


def found_program(net: StepNetwork, context: Context) -> Module:
    """Return the program of a network that reads best; `Declined` with how far each method got.

    Where none is right on all samples, the shortest description of the network is a rule and
    where it departs from it: that rule is returned, with a note. So it is with `allow_inexact` where
    a program that is right on all samples only repeats rare errors at one and a half times the length of
    such a rule; without it, the note says that there is one.
    """
    far = Closing()
    judge = _Judge(net)
    for candidate in candidates(net, far, 0.0, lambda: judge.readable):
        judge.hear(candidate)
        if judge.exact and judge.exact[-1][1].cost <= CHEAP and judge.holds(judge.exact[-1]):
            break
    exact = judge.best()
    if exact is not None and exact.cost <= CHEAP:
        return exact.emit(net)
    for candidate in candidates(net, far, TOLERANCE, lambda: judge.settled, exact is not None):
        judge.hear(candidate)
        if judge.settled:
            break
    rule = judge.nearest(exact)
    if rule is None:
        if exact is None:
            raise Declined(_reason(net, far))
        return exact.emit(net)
    right, method, program = rule
    share = f"{method} answers {100 * right:.2f} % of the sequences as the network does"
    if exact is None or context.allow_inexact:
        context.note(f"{share}: the rule behind it, not the network itself")
        return program.emit(net)
    context.note(
        f"{share}, and is much shorter than the program that answers all: is the network wrong "
        "on the others? --allow-inexact writes the shorter one"
    )
    return exact.emit(net)


class _Judge:
    """Compares programs with the network on samples."""

    def __init__(self, net: StepNetwork) -> None:
        self.net = net
        self.sampled = net.size**net.length > ALL_WORDS
        self.words = probes(net)
        self.wanted = net.run(self.words)[0]
        self.exact: list[Candidate] = []
        self.near: list[tuple[float, str, Program]] = []
        self._more: tuple[Ints, Ints] | None = None
        self._held: dict[int, bool] = {}

    def hear(self, candidate: Candidate) -> None:
        """Keep a program that is right on all samples, or nearly."""
        found = candidate[1].run(self.net, self.words)
        if (found == self.wanted).all():
            self.exact.append(candidate)
        else:
            self._note(candidate, found, self.wanted)

    def _note(self, candidate: Candidate, found: Ints, wanted: Ints) -> None:
        """Keep a program that is right on nearly all words; those of few letters count apart."""
        rows = slice(len(wanted) // 2 if self.sampled else 0, None)
        right = _share(found[rows], wanted[rows])
        if right >= NEARLY and candidate[1].cost < DEAR:
            self.near.append((right, *candidate))

    def holds(self, candidate: Candidate) -> bool:
        """Tell whether a program that is right on all samples is right on many more."""
        if id(candidate[1]) in self._held:
            return self._held[id(candidate[1])]
        if self._more is None:
            more, known = self.words, self.wanted
            if self.sampled:
                more = probes(self.net, CONFIRMED, 2)
                known = self.net.run(more)[0]
            self._more = more, known
        words, wanted = self._more
        found = candidate[1].run(self.net, words)
        right = bool((found == wanted).all())
        if not right:
            self._note(candidate, found, wanted)
        self._held[id(candidate[1])] = right
        return right

    def best(self) -> Program | None:
        """Return the program that reads best; of close ones what agrees beyond the trained length."""
        ranked = sorted(self.exact, key=lambda item: item[1].cost)
        held = next((c for c in ranked if self.holds(c)), None)
        if held is None or held[1].cost <= CHEAP:
            return None if held is None else held[1]
        close = [c for c in ranked if c[1].cost <= held[1].cost + CLOSE and self.holds(c)]
        if len(close) == 1:
            return held[1]
        length = self.net.length * 3 // 2
        words = np.random.default_rng(3).integers(0, self.net.size, size=(BEYOND, length))
        wanted = self.net.run(words)[0]
        shares = [round(10 * _share(c[1].run(self.net, words), wanted)) for c in close]
        return close[int(np.argmax(shares))][1]

    @property
    def readable(self) -> bool:
        """Tell whether some program that is right on all samples is no large table."""
        return any(program.cost <= READABLE for _, program in self.exact)

    @property
    def settled(self) -> bool:
        """Tell whether a plain program is right on all but rare samples."""
        return any(right >= NEARLY and program.cost <= CHEAP for right, _, program in self.near)

    def nearest(self, exact: Program | None = None) -> tuple[float, str, Program] | None:
        """Return the shortest description of the network: a program, and where it departs.

        Beside a program that departs nowhere, None unless that is half as long again and longer
        than rule and departures together.
        """
        found = min(self.near, key=self._bits, default=None)
        if found is None or exact is None:
            return found
        shorter = self._bits(found) < PRICE * exact.cost and 3 * found[2].cost <= 2 * exact.cost
        return found if shorter and self._explains(found[2]) else None

    def _bits(self, item: tuple[float, str, Program]) -> float:
        """Return the length of a description: of the program, and of the samples that it gets wrong."""
        right, _, program = item
        samples = SAMPLES if self.sampled else min(SAMPLES, len(self.words))
        return PRICE * program.cost + ERROR * samples * (1 - right)

    def _explains(self, program: Program) -> bool:
        """Tell whether a program leaves little open of what varies in the outputs.

        A rare event is no error of the constant that is right without it.
        """
        found = program.run(self.net, self.words)
        for answers, wanted in zip(found.T, self.wanted.T, strict=True):
            varies = (wanted != _commonest(wanted)).sum()
            if (answers != wanted).sum() > UNEXPLAINED * varies:
                return False
        return True


def _commonest(values: Ints) -> int:
    known, counts = np.unique(values, return_counts=True)
    return int(known[counts.argmax()])


def _share(found: Ints, wanted: Ints) -> float:
    return float((found == wanted).all(axis=(1, 2)).mean())


def _reason(net: StepNetwork, far: Closing) -> str:
    reached = (
        f"; the machine did not close: {far.why}, {far.states} states so far" if far.why else ""
    )
    share = net.astray / max(1, net.rounded)
    blurred = (
        f"; {100 * share:.0f} % of its outputs are not near an integer: is it trained, and is "
        "--output round meant?"
        if share > BLURRED
        else ""
    )
    return (
        f"no window, recurrence, counter or machine answers as the network does{reached}{blurred}"
    )


def probes(net: StepNetwork, count: int = SAMPLES, seed: int = 1) -> Ints:
    """Return all words of the trained length where they are few, else seeded samples."""
    if net.size**net.length <= ALL_WORDS:
        return np.indices([net.size] * net.length).reshape(net.length, -1).T.astype(np.int64)
    rng = np.random.default_rng(seed)
    words = rng.integers(0, net.size, size=(count, net.length))
    # Half of them keep to few letters, so that runs and repetitions occur.
    few = rng.integers(0, net.size, size=(count // 2, 2))
    words[: count // 2] = np.take_along_axis(
        few, rng.integers(0, 2, size=(count // 2, net.length)), axis=1
    )
    return words


def candidates(
    net: StepNetwork,
    far: Closing,
    tolerance: float,
    done: Callable[[], bool],
    plain: bool = False,
) -> Iterator[Candidate]:
    """Yield programs by each method, the plainest first; counters unless that is `done`.

    With a tolerance they need not explain every sample: the rule behind a network that is wrong on some.
    Where only `plain` ones are of interest, tables and pairs of numbers are left out.
    """
    rng = np.random.default_rng(0)
    for found in recurrences(net, rng, tolerance):
        yield "a weighted sum" if found.order == 0 else "a recurrence", found
    for formula in formulas(net, rng, tolerance, PLAIN_LAGS if plain else LAGS):
        yield "an expression of the last inputs", formula
    for window in () if plain else windows(net, rng):
        yield "a window", Tabled(window, net)
    for fed in feedbacks(net, rng, tolerance, SHAPES[: 1 if plain else None]):
        yield "an expression of the last output", fed
    for machine in () if plain else machines(net, rng, far, tolerance):
        yield f"a machine of {machine.states} states", Encoded(machine, net)
    for history in () if tolerance else histories(net, rng):
        yield "a comparison of the past with itself", history
    if done():
        return  # memory that outputs do not show is looked for only where it has to be
    for counter in counters(net, rng, tolerance, 1 if plain else 2):
        yield "a counter", counter
