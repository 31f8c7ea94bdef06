"""The 62 sequence tasks of Michaud et al. 2024 (arXiv 2402.05110) as definitions with seeded inputs.

Tokens are uniform and independent; sums, carries, counters and states start at 0; missing past values are
0. A task maps `[n, T, inputs]` ints to `[n, T, outputs]` ints, for any T.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Rule = Callable[[Ints], Ints]


@dataclass(frozen=True)
class Net:
    """A network and how it is trained: sizes of `h`, widths inside f and g, and the recipe."""

    hidden: int
    f: tuple[int, ...] = ()
    g: tuple[int, ...] = ()
    loss: str = "mse"
    scale: str = "std"
    rate: float = 5e-3
    seeds: int = 8
    batch: int = 256
    steps: int = 6000
    longest: int = 0  # train on lengths up to this (0: the task's own length)
    alike: float = 0.0  # weight of how far states that are alike lie apart
    drill: int = 0  # more steps, with the sequences that are still wrong
    drill_rate: float = 0.0  # of these steps (0: a fifth of the rate)


@dataclass(frozen=True)
class Task:
    """A task: its inputs' alphabet, its length, its definition, and a network for it."""

    name: str
    low: int
    high: int
    rule: Rule
    net: Net
    inputs: int = 1
    length: int = 10
    sample: Callable[[np.random.Generator, int, int], Ints] | None = field(default=None)

    @property
    def signature(self) -> str:
        """The inputs as `--input` takes them."""
        kind = "bit" if (self.low, self.high) == (0, 1) else f"int<{self.low}..{self.high}>"
        names = ("x",) if self.inputs == 1 else ("a", "b")
        return ", ".join(f"{name}: {kind}[T]" for name in names)

    def draw(self, rng: np.random.Generator, count: int, length: int | None = None) -> Ints:
        """Return `count` input sequences [count, length, inputs]."""
        steps = length or self.length
        if self.sample is not None:
            return self.sample(rng, count, steps)
        return rng.integers(self.low, self.high + 1, size=(count, steps, self.inputs))


def _scan(
    step: Callable[[Ints, tuple[Ints, ...]], tuple[Ints, tuple[Ints, ...]]], states: int
) -> Rule:
    """Return a rule that goes through time with int states that start at 0."""

    def rule(x: Ints) -> Ints:
        state = tuple(np.zeros(len(x), dtype=np.int64) for _ in range(states))
        found: list[Ints] = []
        for t in range(x.shape[1]):
            y, state = step(x[:, t], state)
            found.append(y)
        return np.stack(found, axis=1)[:, :, None]

    return rule


def _adder(base: int) -> Rule:
    def step(x: Ints, state: tuple[Ints, ...]) -> tuple[Ints, tuple[Ints, ...]]:
        total = x[:, 0] + x[:, 1] + state[0]
        return total % base, (total // base,)

    return _scan(step, 1)


def _divider(by: int) -> Rule:
    def step(x: Ints, state: tuple[Ints, ...]) -> tuple[Ints, tuple[Ints, ...]]:
        total = 2 * state[0] + x[:, 0]
        return total // by, (total % by,)

    return _scan(step, 1)


def _past(x: Ints, steps: int) -> Ints:
    shifted = np.zeros_like(x)
    if steps < x.shape[1]:
        shifted[:, steps:] = x[:, : x.shape[1] - steps]
    return shifted


def _sum_last(count: int) -> Rule:
    return lambda x: sum((_past(x, k) for k in range(count)), np.zeros_like(x))


def _parity_last(count: int) -> Rule:
    return lambda x: _sum_last(count)(x) % 2


def _majority(tokens: int) -> Rule:
    def rule(x: Ints) -> Ints:
        counts = np.cumsum(x == np.arange(tokens), axis=1)
        most: Ints = counts.argmax(axis=2)[:, :, None]
        return most

    return rule


def _palindrome(x: Ints) -> Ints:
    return np.stack(
        [(x[:, : t + 1] == x[:, t::-1]).all(axis=1) for t in range(x.shape[1])], axis=1
    ).astype(np.int64)


def _palindromes(rng: np.random.Generator, count: int, length: int) -> Ints:
    """Return random bits, each row with a palindrome of random length in front."""
    x = rng.integers(0, 2, size=(count, length, 1))
    sizes = rng.integers(2, length + 1, size=count)
    for size in range(2, length + 1):
        rows = np.flatnonzero(sizes == size)
        x[rows, size - size // 2 : size] = x[rows, : size // 2][:, ::-1]
    return x


def _total_modulo(by: int) -> Rule:
    return lambda x: np.cumsum(x, axis=1) % by


def _balanced(x: Ints) -> Ints:
    depth = np.cumsum(1 - 2 * x, axis=1)
    closed: Ints = ((depth == 0) & (np.minimum.accumulate(depth, axis=1) >= 0)).astype(np.int64)
    return closed


def _alternating(count: int) -> Rule:
    def rule(x: Ints) -> Ints:
        pairs = [_past(x, k) != _past(x, k + 1) for k in range(count - 1)]
        found: Ints = np.logical_and.reduce(pairs).astype(np.int64)
        return found

    return rule


def _dithering(x: Ints) -> Ints:
    whole: Ints = np.cumsum(x, axis=1) // 15
    return whole - _past(whole, 1)


def _newton(force: Callable[[Ints, Ints], Ints]) -> Rule:
    def step(x: Ints, state: tuple[Ints, ...]) -> tuple[Ints, tuple[Ints, ...]]:
        v, p = state
        v = v + force(x[:, 0], p)
        return p + v, (v, p + v)

    return _scan(step, 2)


def _magnetic(x: Ints) -> Ints:
    v, p = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0])
    found: list[Ints] = []
    for t in range(x.shape[1]):
        v = v + x[:, t] + np.stack([-v[:, 1], v[:, 0]], axis=1)
        p = p + v
        found.append(p)
    return np.stack(found, axis=1)


def _bits(function: Callable[[Ints, Ints], Ints]) -> Rule:
    return lambda x: function(x[:, :, :1], x[:, :, 1:])


def _log(hidden: int, *f: int, **more: object) -> Net:
    return Net(hidden, f, loss="log", **more)  # type: ignore[arg-type]


TASKS: tuple[Task, ...] = (
    Task("Binary_Addition", 0, 1, _adder(2), _log(2, 16), 2),
    *(Task(f"Base_{n}_Addition", 0, n - 1, _adder(n), _log(2, 16), 2) for n in (3, 4, 5, 6, 7)),
    Task("Bitwise_Xor", 0, 1, _bits(np.bitwise_xor), _log(1, 8), 2),
    Task("Bitwise_Or", 0, 1, _bits(np.bitwise_or), Net(1), 2),
    Task("Bitwise_And", 0, 1, _bits(np.bitwise_and), Net(1), 2),
    Task("Bitwise_Not", 0, 1, lambda x: 1 - x, Net(1)),
    Task("Parity_Last2", 0, 1, _parity_last(2), _log(2, 16)),
    Task("Parity_Last3", 0, 1, _parity_last(3), _log(2, 16)),
    Task("Parity_Last4", 0, 1, _parity_last(4), _log(4, 48, steps=4000)),
    Task("Parity_All", 0, 1, lambda x: np.cumsum(x, axis=1) % 2, _log(1, 8)),
    Task("Parity_Zeros", 0, 1, lambda x: np.cumsum(1 - x, axis=1) % 2, _log(1, 8)),
    Task(
        "Evens_Counter",
        0,
        9,
        lambda x: np.cumsum(x % 2 == 0, axis=1),
        Net(2, (32,), scale="unit", rate=8e-3, seeds=4, batch=128, steps=9000),
    ),
    Task("Sum_All", 0, 99, lambda x: np.cumsum(x, axis=1), Net(1)),
    *(
        Task(f"Sum_Last{n}", 0, 99, _sum_last(n), Net(n), length=10 if n < 5 else 20)
        for n in range(2, 8)
    ),
    Task("Current_Number", 0, 99, lambda x: x, Net(1)),
    *(
        Task(f"Prev{n}", 0, 99, partial(_past, steps=n), Net(n + 1), length=10 if n < 5 else 20)
        for n in range(1, 6)
    ),
    Task(
        "Previous_Equals_Current", 0, 7, lambda x: (x == _past(x, 1)).astype(np.int64), _log(2, 16)
    ),
    Task("Diff_Last2", -100, 99, lambda x: x - _past(x, 1), Net(2)),
    Task("Abs_Diff", -100, 99, lambda x: np.abs(x - _past(x, 1)), Net(2, (), (6,))),
    Task("Abs_Current", -100, 99, np.abs, Net(1, (6,))),
    Task("Diff_Abs_Values", -100, 99, lambda x: np.abs(x) - np.abs(_past(x, 1)), Net(2, (8,))),
    Task("Min_Seen", 0, 9, lambda x: np.minimum.accumulate(x, axis=1), Net(1, (6,))),
    Task("Max_Seen", 0, 99, lambda x: np.maximum.accumulate(x, axis=1), Net(1, (6,))),
    Task("Majority_0_1", 0, 1, _majority(2), _log(2, 32)),
    Task(
        "Majority_0_2",
        0,
        2,
        _majority(3),
        Net(3, (48,), (32,), "log", "unit", 8e-3, 2, 192, 10000),
    ),
    Task(
        "Majority_0_3",
        0,
        3,
        _majority(4),
        Net(6, (128,), (96,), "mse", "unit", 7e-3, 2, 320, 4000, drill=10000),
    ),
    Task("Evens_Detector", 0, 9, lambda x: (x % 2 == 0).astype(np.int64), _log(4, 48)),
    Task(
        "Perfect_Square_Detector",
        0,
        19,
        lambda x: np.isin(x, (0, 1, 4, 9, 16)).astype(np.int64),
        Net(2, (48,), scale="unit", rate=8e-3, seeds=4, batch=128),
    ),
    Task(
        "Bit_Palindrome",
        0,
        1,
        _palindrome,
        Net(12, (96,), (64,), "log", rate=4e-3, seeds=1, steps=6000),
        sample=_palindromes,
    ),
    Task("Balanced_Parenthesis", 0, 1, _balanced, _log(2, 32)),
    Task("Parity_Bits_Mod2", 0, 1, lambda x: np.cumsum(np.ones_like(x), axis=1) % 2 ^ 1, Net(1)),
    Task("Alternating_Last3", 0, 1, _alternating(3), _log(2, 16)),
    Task("Alternating_Last4", 0, 1, _alternating(4), _log(3, 24)),
    Task("Bit_Shift_Right", 0, 1, lambda x: _past(x, 1), Net(2)),
    Task(
        "Bit_Dot_Prod_Mod2",
        0,
        1,
        lambda x: np.cumsum(x.prod(axis=2, keepdims=True), axis=1) % 2,
        _log(1, 8),
        2,
    ),
    Task("Div_3", 0, 1, _divider(3), _log(3, 32, rate=8e-3, seeds=6, batch=128)),
    Task("Div_5", 0, 1, _divider(5), _log(4, 48)),
    Task("Div_7", 0, 1, _divider(7), Net(5, (96,), seeds=3)),
    Task("Add_Mod_3", 0, 2, lambda x: np.cumsum(x, axis=1) % 3, _log(1, 24)),
    Task("Add_Mod_4", 0, 3, lambda x: np.cumsum(x, axis=1) % 4, _log(2, 32)),
    *(
        Task(
            f"Add_Mod_{n}",
            0,
            n - 1,
            _total_modulo(n),
            _log(
                h, w, scale="unit", rate=8e-3, seeds=s, batch=128, steps=12000, longest=top, drill=d
            ),
        )
        for n, h, w, s, top, d in (
            (5, 2, 32, 4, 0, 3000),
            (6, 2, 32, 4, 0, 4000),
            (7, 3, 48, 4, 0, 0),
            (8, 3, 64, 3, 6, 4000),
        )
    ),
    Task(
        "Dithering",
        0,
        15,
        _dithering,
        Net(
            *(3, (96,), (), "mse", "unit", 8e-3, 3, 96, 16000),
            alike=0.01,
            drill=3000,
            drill_rate=1e-3,
        ),
    ),
    Task("Newton_Freebody", -10, 10, _newton(lambda x, p: x), Net(2)),
    Task("Newton_Gravity", -10, 10, _newton(lambda x, p: x - 1), Net(2)),
    Task("Newton_Spring", -10, 10, _newton(lambda x, p: x - p), Net(2)),
    Task("Newton_Magnetic", -10, 10, _magnetic, Net(4), 2),
)

BY_NAME = {task.name: task for task in TASKS}
