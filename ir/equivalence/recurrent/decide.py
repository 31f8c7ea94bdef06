"""Does a program equal a recurrent network on words of every length? The methods, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ddc.ir.exact.recurrent import Cell
from ddc.ir.interpreter import run_batch
from ddc.ir.module import Module

from . import linear, refute
from .machine import Machine, NoSteps, StepProgram
from .outcome import Budget, Outcome
from .paving import Lost, Paving, Points
from .shapes import Shape, shapes
from .walks import Walk, walk, words

Ints = NDArray[np.int64]
Inputs = Callable[[Ints], dict[str, Ints]]  # words of letters -> the inputs of the functions

MOST_STATES = 20_000
WALKED = 6  # times the trained length
FARTHER = 40
HALVINGS = 14
SEED = 5


def decide(program: Module, network: Module, letters: Ints, length: int, budget: Budget) -> Outcome:
    """Return how long a program agrees with a network of one scan over time.

    `letters` [k, columns] are the values of all inputs at one step; `length` is the trained length.
    Raises `DdcError` where the network or the program has no step that can be followed.
    """
    cell = Cell(network, letters)
    step = StepProgram(program, letters)
    try:
        return linear.prove(cell, step, budget)
    except linear.NotAffine:
        pass
    return _Search(cell, Machine(step, MOST_STATES), length, budget).run()


class _Search:
    def __init__(self, cell: Cell, machine: Machine, length: int, budget: Budget) -> None:
        self.cell, self.machine, self.length, self.budget = cell, machine, length, budget
        self.rng = np.random.default_rng(SEED)
        self.outcome = Outcome(how="paving")

    def run(self) -> Outcome:
        found = self._walk(WALKED * self.length)
        if found is None:
            return self.outcome
        if found.word is None:
            self._prove(found)
            if self.outcome.always:
                return self.outcome
            farther = self._walk(FARTHER * self.length)
            found = found if farther is None else farther
        self._refute(found)
        return self.outcome

    def _walk(self, length: int) -> Walk | None:
        try:
            return walk(self.cell, self.machine, length, self.rng)
        except NoSteps:
            return None

    def _shapes(self, found: Walk) -> list[Shape]:
        return shapes(found.steps, len(self.machine.numbers))

    def _prove(self, found: Walk) -> None:
        """Try single points, then cells of several shapes, ever smaller ones."""
        try:
            self.outcome = self.outcome.better(Points(self.cell, self.machine).run(self.budget))
        except NoSteps:
            pass
        if self.outcome.always:
            return
        candidates = self._shapes(found)
        for halving in range(1, HALVINGS):
            for shape in candidates:
                if self.budget.left < 0:
                    return
                self._pave(shape.scaled(2.0**-halving), None)
                if self.outcome.always:
                    return

    def _pave(self, shape: Shape, longest: int | None) -> None:
        try:
            found = Paving(self.cell, self.machine, shape).run(self.budget, longest)
        except (Lost, NoSteps):
            return
        self.outcome = self.outcome.better(found)

    def _refute(self, found: Walk) -> None:
        """Look for the shortest word on which the two differ, and how far they surely agree."""
        word = found.word
        if word is not None and not refute.differs(self.cell, self.machine.answers, word):
            word = None
        longest = FARTHER * self.length if word is None else len(word) - 1
        search = Budget(max(self.budget.left, 0.3) * 0.6, self.budget.cells)
        try:
            shorter = refute.shortest(self.cell, self.machine, longest, search, self.rng)
        except NoSteps:
            shorter = None
        word = word if shorter is None else shorter
        if word is None:
            return
        self.outcome = self.outcome.better(Outcome(word=word, how=self.outcome.how))
        for halving in range(2, HALVINGS, 2):
            if self.outcome.length >= len(word) - 1 or self.budget.left < 0:
                return
            for shape in self._shapes(found):
                self._pave(shape.scaled(2.0**-halving), len(word) - 1)


def search_words(
    program: Module, network: Module, letters: Ints, inputs: Inputs, length: int, budget: Budget
) -> Outcome:
    """Return a word on which a program without steps differs from a network, of those that were tried."""
    cell = Cell(network, letters)
    rng = np.random.default_rng(SEED)

    def answers(tried: Ints) -> Ints:
        return np.stack([np.asarray(v) for v in run_batch(program, inputs(tried))], axis=2)

    longest = FARTHER * length
    word: Ints | None = None
    while budget.left > 0 and longest > 0:
        tried = words(len(letters), 256, min(longest, 4 * length), rng)
        hidden = cell.points(np.broadcast_to(cell.start, (len(tried), cell.hidden)))
        wanted = answers(tried)
        for t in range(tried.shape[1]):
            hidden, low, high = cell.step(hidden, tried[:, t])
            off = ((wanted[:, t] < low) | (wanted[:, t] > high)).any(axis=1)
            if off.any() and refute.differs(cell, answers, tried[off][0, : t + 1]):
                word, longest = tried[off][0, : t + 1], t
                break
            hidden = cell.points(hidden.mid)
        else:
            if word is not None:
                break
    return Outcome(word=word, how="search")
