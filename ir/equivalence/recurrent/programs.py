"""Two programs over time against each other: pairs of states, or equal realisations over the rationals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddc.ir.module import Module

from .linear import NotAffine, program_system, same_outputs
from .machine import Machine, NoSteps, StepProgram
from .outcome import Budget, Outcome, traced
from .paving import distinct

Ints = NDArray[np.int64]

MOST_STATES = 50_000


def same_steps(a: Module, b: Module, letters: Ints, budget: Budget) -> Outcome:
    """Return whether two programs give equal results on all words, or a shortest word that differs.

    `letters` [k, columns] are the values of all inputs at one step. Raises `NoSteps` where a program has
    no step that can be followed.
    """
    first, second = StepProgram(a, letters), StepProgram(b, letters)
    if first.outputs != second.outputs:
        raise NoSteps("one has more results than the other")
    try:
        if same_outputs(program_system(first), program_system(second)):
            return Outcome(True, how="equal realisations")
    except NotAffine:
        pass
    return _Product(Machine(first, MOST_STATES), Machine(second, MOST_STATES)).run(budget)


def last_results(module: Module, letters: Ints, word: Ints) -> list[int]:
    """Return the results of a program at the end of a word; raises `NoSteps`."""
    program = StepProgram(module, letters)
    registers, given = program.start[None], np.zeros((1, program.outputs), dtype=np.int64)
    for letter in word:
        registers, given = program.step(registers, np.array([letter]))
    return [int(value) for value in given[0]]


class _Product:
    """Breadth-first over the pairs of states that one word reaches."""

    def __init__(self, left: Machine, right: Machine) -> None:
        self.left, self.right = left, right
        self.trail: list[tuple[Ints, Ints]] = []

    def run(self, budget: Budget) -> Outcome:
        size = self.left.size
        pairs: Ints = np.zeros((1, 2), dtype=np.int64)
        seen = {pairs[0].tobytes()}
        depth = 0
        while len(pairs):
            if budget.left < 0 or len(seen) > budget.cells:
                return Outcome(False, depth, None, "product", len(seen))
            try:
                self.left.expand(pairs[:, 0])
                self.right.expand(pairs[:, 1])
            except NoSteps:
                return Outcome(False, depth, None, "product", len(seen))
            rows = np.repeat(np.arange(len(pairs)), size)
            letters = np.tile(np.arange(size), len(pairs))
            mine, theirs = pairs[rows, 0], pairs[rows, 1]
            off = (self.left.out[mine, letters] != self.right.out[theirs, letters]).any(axis=1)
            if off.any():
                row = int(off.argmax())
                word = traced(self.trail, int(rows[row]), int(letters[row]))
                return Outcome(False, depth, word, "product", len(seen))
            after = np.stack([self.left.next[mine, letters], self.right.next[theirs, letters]], 1)
            kept: list[int] = []
            for place in distinct(after).tolist():
                key = after[place].tobytes()
                if key not in seen:
                    seen.add(key)
                    kept.append(place)
            chosen = np.array(kept, dtype=np.int64)
            self.trail.append((rows[chosen], letters[chosen]))
            pairs = after[chosen]
            depth += 1
        return Outcome(True, how="product", cells=len(seen))
