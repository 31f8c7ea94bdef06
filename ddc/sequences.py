"""Compare a program with its recurrent network: proved for every length, or else as far as can be shown.

First an invariant for all lengths is looked for (`ddc.ir.equivalence.recurrent`). Where there is none, all
sequences of the trained length are compared, or a sample of them; and beyond that length it is said how
far the two surely agree, and on which sequence they part.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Evidence, MismatchError, Module, claim, dims, element, levels
from ddc.ir.equivalence.recurrent import (
    Budget,
    NoSteps,
    Outcome,
    Unbounded,
    decide,
    last_results,
    same_steps,
    search_words,
)
from ddc.ir.exact.blas import own_threads
from ddc.ir.exact.recurrent import Cell, along
from ddc.ir.interpreter import run_batch
from ddc.passes import Context
from ddc.passes.recurrent.network import State, StepNetwork, taken

Ints = NDArray[np.int64]

EXHAUSTIVE = 1 << 20  # sequences
SAMPLES = 1 << 16
BLOCK = 1 << 14
BEYOND = 10  # times the trained length
DRIFT_SAMPLES = 1000
CONFIRMED = 4  # departures beyond the trained length that are looked at exactly
MAX_PRODUCTS = 1 << 33  # for all sequences of a wide network
MAX_CLOSE = 1 << 32  # products of enclosures, for words that balls leave open
MAX_EXACT = 300_000  # products without rounding, for words that rounding leaves open
NUMBERS = 1 << 21  # that enclosures of many words may hold at a time
MOST_LETTERS = 4096  # of two programs that are compared step by step
LONG_WORD = 24  # letters; longer sequences are shown by their runs
SEED = 1


def prove_steps(
    program: Module, network: Module, context: Context, allow_inexact: bool
) -> tuple[Evidence, ...]:
    """Return the evidence that a program answers as its network, for every length where that is so.

    Raises `MismatchError` with the shortest sequence found on which they differ up to the trained
    length, unless inexact programs are allowed. What happens beyond it is told, and is no error; a
    program of one length has no beyond.
    """
    with own_threads():
        net = StepNetwork(network)
        if not program.entry.sizes:
            return _prove(program, net, context, allow_inexact, None)
        outcome = beyond(program, net, context.proof_seconds)
        if outcome.always:
            return (claim("proved", "induction", lengths="all", **_argument(outcome)),)
        return _prove(program, net, context, allow_inexact, outcome)


def beyond(program: Module, net: StepNetwork, seconds: float) -> Outcome:
    """Return how far beyond the trained length a program surely agrees, and where it does not."""
    budget = Budget(seconds)
    try:
        return decide(program, net.module, net.letters, net.length, budget)
    except NoSteps:
        try:
            return search_words(program, net.module, net.letters, net.inputs, net.length, budget)
        except DdcError:
            return Outcome()
    except (Unbounded, DdcError):
        return Outcome()


def beyond_length(program: Module, network: Module) -> Evidence:
    """Return how a program for longer sequences and its network agree on such."""
    with own_threads():
        return _drift(program, StepNetwork(network), Outcome())


def same_over_time(program: Module, other: Module, seconds: float) -> Evidence | None:
    """Return the evidence that two programs over time are equal for every length, None for others.

    Raises `MismatchError` with a shortest sequence on which they differ.
    """
    params = program.entry.params
    if [element(p.type) for p in params] != [element(p.type) for p in other.entry.params]:
        return None
    axes = [levels(element(param.type)) for param in params]
    if not axes or any(axis is None or len(dims(p.type)) != 1 for axis, p in zip(axes, params)):
        return None
    few = [axis for axis in axes if axis is not None]
    if math.prod(map(len, few)) > MOST_LETTERS:
        return None
    letters = np.array(list(itertools.product(*few)), dtype=np.int64)
    try:
        outcome = same_steps(program, other, letters, Budget(seconds))
    except DdcError:
        return None
    if outcome.word is None:
        details = _argument(outcome)
        return claim("proved", "induction", lengths="all", **details) if outcome.always else None
    mine, theirs = (last_results(m, letters, outcome.word) for m in (program, other))
    values = letters[outcome.word].T.tolist()
    shown = ", ".join(f"{p.name} = {_values(row)}" for p, row in zip(params, values))
    raise MismatchError(
        f"the programs differ on {shown}: at step {len(outcome.word)} "
        f"{_single(mine)} is not {_single(theirs)}"
    )


def _single(values: list[int]) -> object:
    return values[0] if len(values) == 1 else values


def _argument(outcome: Outcome) -> dict[str, int | str]:
    """Return the details of a proof over time."""
    return {"argument": outcome.how, "cells": outcome.cells}


def _prove(
    program: Module,
    net: StepNetwork,
    context: Context,
    allow_inexact: bool,
    outcome: Outcome | None,
) -> tuple[Evidence, ...]:
    drift = () if outcome is None else (_drift(program, net, outcome),)
    if outcome is not None and outcome.length >= net.length:
        lengths = f"up to {outcome.length}"
        return (claim("proved", "induction", lengths=lengths, **_argument(outcome)), *drift)
    total = net.size**net.length
    judge = _Judge(net)
    wrong, seen = 0, 0
    shortest: Ints | None = None
    if outcome is not None and outcome.word is not None and len(outcome.word) <= net.length:
        shortest = outcome.word
    every = total <= EXHAUSTIVE and total * net.work <= MAX_PRODUCTS
    blocks = _all(net, judge) if every else _samples(net, judge)
    for words, wanted in blocks:
        off = (_answers(program, net, words) != wanted).any(axis=2)
        wrong += int(off.any(axis=1).sum())
        seen += len(words)
        if context.progress is not None:
            context.progress("comparing", seen / (total if every else SAMPLES))
        if off.any():
            first = np.where(off.any(axis=1), off.argmax(axis=1), net.length)
            row = int(first.argmin())
            if shortest is None or first[row] + 1 < len(shortest):
                shortest = words[row, : int(first[row]) + 1]
    if shortest is None:
        return (_claim(every, seen, net.length, judge.undecided), *drift)
    example = _example(program, net, shortest)
    if not allow_inexact:
        raise MismatchError(
            f"the program differs from the network {example} ({wrong} of {seen} sequences of "
            f"length {net.length})"
        )
    return (
        claim("inexact", wrong=wrong, sequences=seen, length=net.length, counterexample=example),
        *drift,
    )


def _claim(every: bool, seen: int, length: int, undecided: int) -> Evidence:
    if undecided:
        how = "binary64, too many near a tie to decide exactly"
        return claim("tested", sequences=seen, length=length, undecided=undecided, arithmetic=how)
    if every:
        return claim("proved", "exhaustive", sequences=seen, length=length)
    return claim(
        "tested", sequences=seen, length=length, generator="uniform, and few letters", seed=SEED
    )


class _Judge:
    """Decides the words that rounding leaves open, as long as its budget lasts."""

    def __init__(self, net: StepNetwork) -> None:
        self.net = net
        self.left, self.close = MAX_EXACT, MAX_CLOSE
        self.undecided = 0
        self.cell = _cell(net)
        hidden = 1 if self.cell is None else self.cell.hidden
        widest = max(array.size for array in net.constants.values())
        self.rows = max(16, NUMBERS // ((hidden + 3) * max(16, widest // hidden)))

    def settle(self, words: Ints, answers: Ints, sure: NDArray[np.bool_]) -> Ints:
        """Return the answers, with those of unsure words made exact or counted as undecided."""
        open_ = np.flatnonzero(~sure)
        for rows in np.array_split(open_, max(1, len(open_) // self.rows)):
            if self.cell is None or not len(rows) or self.close < 0:
                continue
            self.close -= len(rows) * self.net.work * (self.cell.hidden + 3)
            low, high = along(self.cell, words[rows])
            known = (low == high).all(axis=(1, 2))
            answers[rows[known]] = low[known]
            sure[rows[known]] = True
        for row in np.flatnonzero(~sure):
            if self.left < self.net.work:
                self.undecided += 1
                continue
            self.left -= self.net.work
            answers[row] = self.net.exact(words[row])
        return answers


def _cell(net: StepNetwork) -> Cell | None:
    try:
        return Cell(net.module, net.letters)
    except Unbounded:
        return None


def _all(net: StepNetwork, judge: _Judge) -> Iterator[tuple[Ints, Ints]]:
    """Yield all words with the network's exact answers, beginnings computed once."""
    head = 0
    while net.size ** (head + 1) <= BLOCK and head < net.length:
        head += 1
    begin = np.indices([net.size] * head).reshape(head, -1).T.astype(np.int64)
    pending = [(begin, *_along(net, net.start(len(begin)), begin))]
    while pending:
        words, answers, sure, state = pending.pop()
        if words.shape[1] == net.length:
            yield words, judge.settle(words, answers, sure)
            continue
        rows = max(1, BLOCK // net.size)
        for start in range(0, len(words), rows):
            part = np.arange(start, min(start + rows, len(words)))
            at = np.repeat(part, net.size)
            letters = np.tile(np.arange(net.size), len(part))
            after, given, certain = net.step(taken(state, at), letters)
            longer = np.concatenate([words[at], letters[:, None]], axis=1)
            known = np.concatenate([answers[at], given[:, None]], axis=1)
            pending.append((longer, known, sure[at] & certain, after))


def _along(net: StepNetwork, state: State, words: Ints) -> tuple[Ints, NDArray[np.bool_], State]:
    answers: list[Ints] = []
    sure = np.ones(len(words), dtype=bool)
    for column in words.T:
        state, given, certain = net.step(state, column)
        answers.append(given)
        sure &= certain
    return np.stack(answers, axis=1), sure, state


def _samples(net: StepNetwork, judge: _Judge) -> Iterator[tuple[Ints, Ints]]:
    rng = np.random.default_rng(SEED)
    for start in range(0, SAMPLES, BLOCK):
        words = _words(net, rng, min(BLOCK, SAMPLES - start), net.length)
        yield words, judge.settle(words, *net.run(words))


def _words(net: StepNetwork, rng: np.random.Generator, count: int, length: int) -> Ints:
    """Return random words; a quarter keep to two letters, so that repetitions occur."""
    words = rng.integers(0, net.size, size=(count, length))
    few = rng.integers(0, net.size, size=(count // 4, 2))
    choice = rng.integers(0, 2, size=(count // 4, length))
    words[: count // 4] = np.take_along_axis(few, choice, axis=1)
    return words


def _answers(program: Module, net: StepNetwork, words: Ints) -> Ints:
    results = run_batch(program, net.inputs(words))
    if len(results) != net.outputs or any(np.shape(r) != words.shape for r in results):
        raise DdcError("the program's results are not one number a step for each of the network's")
    return np.stack([np.asarray(r) for r in results], axis=2)


def _drift(program: Module, net: StepNetwork, outcome: Outcome) -> Evidence:
    """Return how program and network agree beyond the trained length, where nothing is owed."""
    length = BEYOND * net.length
    words = _words(net, np.random.default_rng(SEED), DRIFT_SAMPLES, length)
    mine = _answers(program, net, words)
    off = (mine != net.run(words)[0]).any(axis=2)
    departed = off.any(axis=1)
    first = np.where(departed, off.argmax(axis=1), length)
    word = outcome.word
    if word is None:
        word = _confirmed(net, words, mine, first)
    agree = int((~departed).sum())
    if word is None:
        # Departures that exact arithmetic does not confirm are rounding of this run.
        return claim("inferred", length=length, sequences=agree, agree=agree)
    return claim(
        "inferred",
        length=length,
        sequences=len(words),
        agree=agree,
        drift_from=len(word),
        drift_on=shown_word(net, word),
    )


def _confirmed(net: StepNetwork, words: Ints, mine: Ints, first: Ints) -> Ints | None:
    """Return an early departure that exact arithmetic confirms, of a few that are looked at."""
    for row in np.argsort(first, kind="stable")[:CONFIRMED]:
        if first[row] == words.shape[1]:
            return None
        word = words[row, : int(first[row]) + 1]
        if (net.exact(word)[-1] != mine[row, len(word) - 1]).any():
            return word
    return None


def shown_word(net: StepNetwork, word: Ints) -> str:
    """Return a sequence as lists of values, long ones as runs: `3 x 20` stands for 20 times 3.

    Of a sequence with too many runs the beginning is shown.
    """
    parts: list[str] = []
    for name, values in net.inputs(word[None]).items():
        parts.append(f"{name} = {_values(values[0].tolist())}")
    return ", ".join(parts)


def _values(row: list[object]) -> str:
    texts = [str(value) for value in row]
    if len(row) > LONG_WORD:
        texts = [f"{value} x {times}" if times > 1 else str(value) for value, times in _runs(row)]
    if len(texts) > LONG_WORD:
        texts = [*texts[:LONG_WORD], f"... to {len(row)} steps"]
    return f"[{', '.join(texts)}]"


def _runs(row: list[object]) -> list[tuple[object, int]]:
    return [(value, len([*same])) for value, same in itertools.groupby(row)]


def _example(program: Module, net: StepNetwork, word: Ints) -> str:
    """Return a sequence in words, with what the program and the network answer at its end."""
    padded = np.zeros((1, max(net.length, len(word))), dtype=np.int64)
    padded[0, : len(word)] = word
    theirs = net.exact(word)[-1].tolist()
    mine = _answers(program, net, padded)[0, len(word) - 1].tolist()
    shown = shown_word(net, word)
    return f"on {shown}: at step {len(word)} it answers {_single(mine)}, not {_single(theirs)}"
