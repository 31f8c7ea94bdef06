"""The raiser of recurrent networks: by what they answer, not by what their hidden numbers look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Module
from ddc.ir.exact.blas import own_threads
from ddc.passes.base import Context, Declined, Pass

from .counters import counters
from .encode import encode
from .linear import recurrences
from .machine import Closing, Mealy, machines
from .mirror import mirrors
from .network import StepNetwork, is_recurrent
from .window import windows

Ints = NDArray[np.int64]

ALL_WORDS = 1 << 13
SAMPLES = 3000
NEARLY = 0.98  # of sequences: the rule behind a network that is wrong on rare inputs


SIMPLE = ("a weighted sum", "a window", "a recurrence")


class Program(Protocol):
    """What a method found: runs on words of letters, and writes itself down."""

    def emit(self, net: StepNetwork) -> Module:
        """Return the program."""
        ...


@dataclass(frozen=True)
class Encoded:
    """A machine whose numbers for the states are searched only when it is written."""

    machine: Mealy

    def emit(self, net: StepNetwork) -> Module:
        """Return the program."""
        return encode(self.machine, net).emit(net)


Answer = Callable[[Ints], Ints]
Candidate = tuple[str, Program, Answer]


@dataclass(frozen=True)
class Automaton(Pass):
    """Raise a recurrent network to a scan with small states, or to a map over windows."""

    name: ClassVar[str] = "automaton"

    def run(self, module: Module, context: Context) -> Module:
        """Return the program; `Declined` with how far each method got."""
        if not is_recurrent(module):
            raise Declined("no network over time: there is no scan with layers inside")
        with own_threads():
            return self._raise(module, context)

    def _raise(self, module: Module, context: Context) -> Module:
        net = StepNetwork(module)
        words = probes(net)
        wanted, _ = net.run(words)
        far = Closing()
        nearest: tuple[float, str, Program] | None = None
        for method, program, answer in _candidates(net, far):
            right = float((answer(words) == wanted).all(axis=(1, 2)).mean())
            if right == 1.0:
                return program.emit(net)
            if right >= NEARLY and nearest is None:
                nearest = (right, method, program)
                if method in SIMPLE:
                    break  # what comes later would only chase the rare errors
        if nearest is None:
            raise Declined(_reason(far))
        right, method, program = nearest
        context.note(
            f"{method} answers {100 * right:.2f} % of the sequences as the network does: the rule "
            "behind it, not the network itself"
        )
        return program.emit(net)


def _reason(far: Closing) -> str:
    reached = (
        f"; the machine did not close: {far.why}, {far.states} states so far" if far.why else ""
    )
    return f"no window, recurrence, counter or machine answers as the network does{reached}"


def probes(net: StepNetwork, count: int = SAMPLES) -> Ints:
    """Return all words of the trained length where they are few, else seeded samples."""
    if net.size**net.length <= ALL_WORDS:
        return np.indices([net.size] * net.length).reshape(net.length, -1).T.astype(np.int64)
    rng = np.random.default_rng(1)
    words = rng.integers(0, net.size, size=(count, net.length))
    # Half of them keep to few letters, so that runs and repetitions occur.
    few = rng.integers(0, net.size, size=(count // 2, 2))
    words[: count // 2] = np.take_along_axis(
        few, rng.integers(0, 2, size=(count // 2, net.length)), axis=1
    )
    return words


def _candidates(net: StepNetwork, far: Closing) -> Iterator[Candidate]:
    rng = np.random.default_rng(0)
    linear = list(recurrences(net, rng))
    for found in linear:
        if found.order == 0:
            yield "a weighted sum", found, partial(found.run, net)
    for window in windows(net, rng):
        yield "a window", window, window.run
    for found in linear:
        if found.order:
            yield "a recurrence", found, partial(found.run, net)
    for machine in machines(net, rng, far):
        yield f"a machine of {machine.states} states", Encoded(machine), machine.run
    for counter in counters(net, rng):
        yield "a counter", counter, partial(counter.run, net)
    for mirror in mirrors(net, rng):
        yield "a mirror", mirror, mirror.run
