"""One machine for all levels: which classes of different levels are the same state.

Classes of one level are told apart by what follows; those of different levels only by the outputs
on the way. A state is a class at every level that it reaches, and its transitions hold at all of
them. States are given to transitions one by one, the state itself first (so that the first letter,
all zeros, changes nothing where it need not), and taken back where a level contradicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .classes import Levels

Ints = NDArray[np.int64]

MAX_STATES = 10
MAX_TRIALS = 4000
MAX_RIVALS = 3


@dataclass(frozen=True, eq=False)
class Machine:
    """States 0 …, the same at every position.

    `next` [states, letters], `out` [states, letters, columns], `final` [states, finals], `starts`
    the state of each start, `apart` the levels at which all states that transitions lead to are told
    apart. With a `base`, the one answer at the end is this number and the outputs of all steps
    together.
    """

    next: Ints
    out: Ints
    final: Ints
    starts: Ints
    apart: tuple[int, ...]
    base: int | None = None

    @property
    def states(self) -> int:
        """The number of states."""
        return len(self.next)

    @property
    def likely(self) -> bool:
        """Whether the states are told apart for longer than it took them to appear.

        What counts up to a number that follows the size has a new state at every level. Three states
        and more have to be seen at three levels: every transition twice, its target told apart.
        """
        return len(self.apart) >= max(min(self.states, 3), min(self.apart, default=0) + 1)

    @property
    def stable(self) -> bool:
        """Whether words of one length are evidence enough for words of every length.

        A state of which these words do not tell takes levels to be reached and to be told apart: of
        seeded machines of two to five states, fewer than three levels were wrong most often. One
        bit about a whole word of bits says least, and has to tell for longer.
        """
        bits = self.next.shape[1] * self.final.shape[1] == 2 and not self.out.shape[2]
        # A single state that all letters lead to is told apart at any level, the last included.
        least = 4 if bits or len(np.unique(self.next)) == 1 else 3
        needed = max(least, self.states, 2 * self.states - 1 if bits else 0)
        return self.likely and len(self.apart) >= needed


@dataclass
class _Partial:
    """States as level -> class, and the transitions given so far."""

    classes: list[dict[int, int]]
    given: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def copy(self) -> _Partial:
        return _Partial([dict(known) for known in self.classes], dict(self.given))


def identify(levels: Levels) -> Machine | None:
    """Return the smallest machine that is right at every level, None where none is small."""
    search = _Search(levels)
    for states in range(max(len(rows) for rows in levels.next), MAX_STATES + 1):
        found = next(search.run(states), None)
        if found is not None:
            return found
    return None


def rivals(levels: Levels, machine: Machine) -> list[Machine]:
    """Return machines of no more states that are right at every level too, and differ elsewhere.

    The parity of ones and that of zeros are one table at one length, and two functions of words.
    """
    others: list[Machine] = []
    for found in _Search(levels).run(machine.states):
        other = replace(found, base=machine.base)
        if not any(alike(other, known) for known in (machine, *others)):
            others.append(other)
        if len(others) == MAX_RIVALS:
            break
    return others


def alike(one: Machine, other: Machine) -> bool:
    """Tell whether two machines give the same outputs for all words of one letter and more."""
    pairs = list(zip(one.starts.tolist(), other.starts.tolist()))
    seen = set(pairs)
    for a, b in pairs:
        if not np.array_equal(one.out[a], other.out[b]):
            return False
        for after in zip(one.next[a].tolist(), other.next[b].tolist()):
            if not np.array_equal(one.final[after[0]], other.final[after[1]]):
                return False
            if after not in seen:
                seen.add(after)
                pairs.append(after)
    return True


class _Search:
    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self.letters = levels.next[0].shape[1]
        self.trials = 0

    def run(self, states: int) -> Iterator[Machine]:
        """Yield the machines of so many states, those whose letters change least first."""
        first = sorted(set(self.levels.starts.tolist()))
        stack = [_Partial([{0: number} for number in first])]
        while stack and self.trials < MAX_TRIALS:
            partial = stack.pop()
            open_ = self._open(partial)
            if open_ is None:
                found = self._machine(partial, first)
                if found is not None:
                    yield found
                continue
            branches = [
                branch
                for target in self._targets(partial, open_[0], states)
                if (branch := self._with(partial, *open_, target)) is not None
            ]
            stack.extend(reversed(branches))

    def _open(self, partial: _Partial) -> tuple[int, int] | None:
        """Return the earliest transition that is not given yet."""
        found = min(
            (
                (min(known), state, letter)
                for state, known in enumerate(partial.classes)
                if min(known) < self.levels.length
                for letter in range(self.letters)
                if (state, letter) not in partial.given
            ),
            default=None,
        )
        return None if found is None else found[1:]

    def _targets(self, partial: _Partial, state: int, states: int) -> list[int]:
        count = len(partial.classes)
        others = [other for other in range(count) if other != state]
        return [state, *others, *([count] if count < states else [])]

    def _with(self, old: _Partial, state: int, letter: int, target: int) -> _Partial | None:
        """Return the partial machine with one more transition, None where a level contradicts."""
        self.trials += 1
        partial = old.copy()
        if target == len(partial.classes):
            partial.classes.append({})
        partial.given[state, letter] = target
        waiting = [(state, letter)]
        while waiting:
            source, by = waiting.pop()
            after = partial.classes[partial.given[source, by]]
            for level, own in list(partial.classes[source].items()):
                if level == self.levels.length:
                    continue
                reached = int(self.levels.next[level][own, by])
                known = after.setdefault(level + 1, reached)
                if known != reached:
                    return None
            goal = partial.given[source, by]
            if not self._answers_alike(after):
                return None
            fresh = [(goal, b) for b in range(self.letters) if (goal, b) in partial.given]
            waiting += [move for move in fresh if not self._holds(partial, *move)]
        return partial

    def _answers_alike(self, known: dict[int, int]) -> bool:
        """Tell whether a state gives the same outputs at all its levels."""
        rows = [self.levels.out[t][own] for t, own in known.items() if t < self.levels.length]
        return all(np.array_equal(row, rows[0]) for row in rows[1:])

    def _holds(self, partial: _Partial, state: int, letter: int) -> bool:
        """Tell whether a transition has been followed at all levels of its state."""
        after = partial.classes[partial.given[state, letter]]
        return all(
            after.get(level + 1) == int(self.levels.next[level][own, letter])
            for level, own in partial.classes[state].items()
            if level < self.levels.length
        )

    def _machine(self, partial: _Partial, first: list[int]) -> Machine | None:
        levels, count = self.levels, len(partial.classes)
        moves = [(s, a) for s in range(count) for a in range(self.letters)]
        if any(move not in partial.given for move in moves):
            return None  # a state only at the end: nothing says where it leads
        entered = set(partial.given.values())
        ends = [known.get(levels.length) for known in partial.classes]
        if any(end is None and state in entered for state, end in enumerate(ends)):
            return None  # a state that no whole word leads to has no answer at the end
        nexts = np.array([partial.given[move] for move in moves], dtype=np.int64)
        rows = [min(known.items()) for known in partial.classes]
        final = [levels.final[end or 0] for end in ends]
        lasting = [partial.classes[state] for state in sorted(entered)]
        apart = [
            level
            for level in range(levels.length + 1)
            if len({known.get(level, -1) for known in lasting} - {-1}) == len(lasting)
        ]
        return Machine(
            nexts.reshape(count, self.letters),
            np.stack([levels.out[t][own] for t, own in rows]),
            np.stack(final),
            np.array([first.index(int(own)) for own in levels.starts], dtype=np.int64),
            tuple(apart),
        )
