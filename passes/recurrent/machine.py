"""Minimal Mealy machines of recurrent networks: states told apart by what follows them.

Two words lead to the same state where the network answers alike to the same suffixes (Myhill and
Nerode), whatever the hidden numbers are. Short suffixes are tried first: they forgive rare errors.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .network import State, StepNetwork, taken

Ints = NDArray[np.int64]

MAX_STATES = 160
MAX_STEPS = 2_000_000
MAX_SUFFIXES = 64
FURTHER = (
    4  # steps beyond the trained length that may tell states apart; what comes out is judged within
)
LONGEST_SUFFIX = 5
LONGEST_VOTE = 3
VOTERS = 1500  # words whose states vote, fewer where they cost too many steps
FEWEST_VOTERS = 200
MAX_VOTES = 600_000


@dataclass(frozen=True)
class Mealy:
    """A machine that starts in state 0: next states [states, letters], outputs [states, letters, m]."""

    next: Ints
    out: Ints

    @property
    def states(self) -> int:
        """The number of states."""
        return len(self.next)

    def run(self, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        state = np.zeros(len(words), dtype=np.int64)
        answers = np.empty((*words.shape, self.out.shape[2]), dtype=np.int64)
        for t in range(words.shape[1]):
            answers[:, t] = self.out[state, words[:, t]]
            state = self.next[state, words[:, t]]
        return answers

    def minimal(self) -> Mealy:
        """Return the minimal machine, states in the order in which they are reached."""
        block = _ids(self.out.reshape(self.states, -1))
        while True:
            refined = _ids(np.concatenate([block[:, None], block[self.next]], axis=1))
            if refined.max() == block.max():
                break
            block = refined
        order: dict[int, int] = {int(block[0]): 0}
        members = [0]
        for state in members:
            for target in self.next[state]:
                name = int(block[target])
                if name not in order:
                    order[name] = len(order)
                    members.append(int(target))
        nexts = np.array([[order[int(block[t])] for t in self.next[s]] for s in members])
        return Mealy(nexts.astype(np.int64), self.out[members])


def _ids(rows: Ints) -> Ints:
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


@dataclass
class Closing:
    """How far the search for a machine got."""

    states: int = 0
    why: str = ""


def machines(
    net: StepNetwork, rng: np.random.Generator, far: Closing, tolerance: float = 0.0
) -> Iterator[Mealy]:
    """Yield minimal machines for growing lengths of suffixes, as far as they close.

    With a tolerance those in which the most frequent states vote: rare errors of the network make
    no states of their own.
    """
    if tolerance:
        yield from _voted(net, rng, tolerance)
        return
    seen: set[int] = set()
    for depth in range(1, min(LONGEST_SUFFIX, net.length - 1) + 1):
        found = _close(net, _suffixes(net.size, depth, rng), far)
        if found is None:
            return  # longer suffixes tell even more states apart
        minimal = found.minimal()
        if minimal.states not in seen:
            seen.add(minimal.states)
            yield minimal


def _voted(net: StepNetwork, rng: np.random.Generator, tolerance: float) -> Iterator[Mealy]:
    """Yield machines whose states are the signatures that many words share."""
    for depth in range(1, min(LONGEST_VOTE, net.length // 2) + 1):
        suffixes = _suffixes(net.size, depth, rng)
        affordable = MAX_VOTES // (suffixes.size * net.length)
        voters = max(FEWEST_VOTERS, min(VOTERS, affordable))
        words = rng.integers(0, net.size, size=(voters, net.length - depth))
        state = net.start(voters)
        layers = [_signatures(net, net.start(1), suffixes) * voters]
        outs: list[Ints] = []
        for column in words.T:
            state, given, _ = net.step(state, column)
            outs.append(given)
            layers.append(_signatures(net, state, suffixes))
        found = _majority(net, words, layers, outs, tolerance)
        if found is not None:
            yield found.minimal()


def _majority(
    net: StepNetwork, words: Ints, layers: list[list[bytes]], outs: list[Ints], tolerance: float
) -> Mealy | None:
    """Return the machine of the frequent signatures: where most words go, what most answer."""
    counts = Counter(signature for layer in layers for signature in layer)
    least = max(2, int(tolerance / 4 * counts.total() / 10))
    names = {layers[0][0]: 0}
    for signature, count in counts.most_common(MAX_STATES):
        if count >= least:
            names.setdefault(signature, len(names))
    numbers = np.array([[names.get(s, -1) for s in layer] for layer in layers])
    source, target, letters = numbers[:-1].reshape(-1), numbers[1:].reshape(-1), words.T.reshape(-1)
    given = np.concatenate(outs)
    states = len(names)
    nexts = np.zeros((states, net.size), dtype=np.int64)
    answers = np.zeros((states, net.size, net.outputs), dtype=np.int64)
    for state in range(states):
        for letter in range(net.size):
            rows = (source == state) & (letters == letter)
            known = target[rows & (target >= 0)]
            if not len(known):
                return None
            nexts[state, letter] = np.bincount(known).argmax()
            said, often = np.unique(given[rows], axis=0, return_counts=True)
            answers[state, letter] = said[often.argmax()]
    return Mealy(nexts, answers)


def _suffixes(size: int, depth: int, rng: np.random.Generator) -> Ints:
    if size**depth <= MAX_SUFFIXES:
        return np.array(list(itertools.product(range(size), repeat=depth)), dtype=np.int64)
    if depth == 1:
        return rng.permutation(size)[:MAX_SUFFIXES, None]
    return rng.integers(0, size, size=(MAX_SUFFIXES, depth))


def _close(net: StepNetwork, suffixes: Ints, far: Closing) -> Mealy | None:
    """Return the machine whose states are told apart by these suffixes, None if it does not close."""
    spent = 0
    frontier = net.start(1)
    known: dict[bytes, int] = {_signatures(net, frontier, suffixes)[0]: 0}
    nexts: list[Ints] = []
    outs: list[Ints] = []
    for _ in range(net.length + FURTHER - suffixes.shape[1]):
        rows = len(frontier[0].mid)
        spent += rows * net.size * (suffixes.size + 1)
        if spent > MAX_STEPS:
            far.why = f"more than {MAX_STEPS} steps of the network"
            return None
        letters = np.tile(np.arange(net.size), rows)
        after, answers, _ = net.step(taken(frontier, np.repeat(np.arange(rows), net.size)), letters)
        new: list[int] = []
        targets = np.empty(rows * net.size, dtype=np.int64)
        for place, signature in enumerate(_signatures(net, after, suffixes)):
            if signature not in known:
                known[signature] = len(known)
                new.append(place)
            targets[place] = known[signature]
        nexts.append(targets.reshape(rows, net.size))
        outs.append(answers.reshape(rows, net.size, -1))
        far.states = max(far.states, len(known))
        if len(known) > MAX_STATES:
            far.why = f"more than {MAX_STATES} states"
            return None
        if not new:
            return Mealy(np.concatenate(nexts), np.concatenate(outs))
        frontier = taken(after, np.array(new))
    far.why = f"new states up to length {net.length}"
    return None


def _signatures(net: StepNetwork, state: State, suffixes: Ints) -> list[bytes]:
    """Return what follows each row: the outputs along every suffix."""
    rows, count = len(state[0].mid), len(suffixes)
    found: list[bytes] = []
    block = max(1, (1 << 16) // count)
    for start in range(0, rows, block):
        part = np.arange(start, min(start + block, rows))
        current = taken(state, np.repeat(part, count))
        answers: list[Ints] = []
        for column in suffixes.T:
            current, given, _ = net.step(current, np.tile(column, len(part)))
            answers.append(given)
        packed = np.stack(answers, axis=1).reshape(len(part), -1)
        found += [row.tobytes() for row in packed]
    return found
