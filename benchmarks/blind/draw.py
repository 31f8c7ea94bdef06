"""Draw sequence tasks: Mealy machines, linear recurrences, windows and counters.

`draw(rng, kind)` gives a task of one of `KINDS` with its definition, on many sequences at once. Missing past
values are 0, states start at 0. A draw whose output hardly ever changes, does not depend on the
input, or grows past what float32 tells apart, is thrown away and drawn again; nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Rng = np.random.Generator
Rule = Callable[[Ints], Ints]  # sequences [rows, steps] to as many numbers
Binary = Callable[[Any, Any], Any]

KINDS = ("machine", "recurrence", "window", "counter")
LARGEST = 2000  # output at the trained length
LEAST_CHANGE = 0.02  # share of positions whose output is not the commonest


@dataclass(frozen=True)
class Drawn:
    """A task: what it says, its alphabet and its definition."""

    kind: str
    text: str
    low: int
    high: int
    rule: Rule


def draw(rng: Rng, kind: str, length: int = 10) -> Drawn:
    """Return a task of a kind whose outputs vary and stay in range."""
    while True:
        task = _MAKERS[kind](rng)
        x = rng.integers(task.low, task.high + 1, size=(300, length))
        y = task.rule(x)
        commonest = np.unique(y, return_counts=True)[1].max() / y.size
        varies = commonest <= 1 - LEAST_CHANGE and (y != y[0]).any()
        if np.abs(y).max() <= LARGEST and varies:
            return task


def _past(x: Ints, lag: int) -> Ints:
    moved = np.zeros_like(x)
    moved[:, lag:] = x[:, : x.shape[1] - lag]
    return moved


# ---------------------------------------------------------------- machines


def _machine(rng: Rng) -> Drawn:
    states, letters = int(rng.integers(3, 9)), int(rng.integers(2, 5))
    outputs = int(rng.integers(2, 4))
    while True:
        nexts = rng.integers(0, states, size=(states, letters))
        out = rng.integers(0, outputs, size=(states, letters))
        if _is_minimal(nexts, out):
            break

    def rule(x: Ints) -> Ints:
        state, y = np.zeros(len(x), dtype=np.int64), np.empty_like(x)
        for t in range(x.shape[1]):
            y[:, t] = out[state, x[:, t]]
            state = nexts[state, x[:, t]]
        return y

    text = f"machine of {states} states, next {nexts.tolist()}, output {out.tolist()}"
    return Drawn("machine", text, 0, letters - 1, rule)


def _is_minimal(nexts: Ints, out: Ints) -> bool:
    reached, order = {0}, [0]
    for state in order:
        for target in nexts[state].tolist():
            if target not in reached:
                reached.add(target)
                order.append(target)
    block = np.unique(out, axis=0, return_inverse=True)[1].reshape(-1)
    for _ in range(len(out)):
        rows = np.concatenate([block[:, None], block[nexts]], axis=1)
        block = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    return len(reached) == len(out) and bool(block.max() == len(out) - 1)


# ---------------------------------------------------------------- recurrences


def _recurrence(rng: Rng) -> Drawn:
    order, lags = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    past = rng.integers(-2, 3, size=order).tolist()
    weights = rng.integers(-3, 4, size=lags).tolist()
    constant = int(rng.choice([0, 0, 1, -1, 2]))
    modulus = int(rng.choice([0, 0, 0, 2, 3, 5]))
    top = int(rng.choice([1, 2, 5, 9]))
    low = 0 if modulus or rng.integers(2) else -top

    def rule(x: Ints) -> Ints:
        y = np.zeros_like(x)
        for t in range(x.shape[1]):
            y[:, t] = constant
            for k, weight in enumerate(weights[: t + 1]):
                y[:, t] += weight * x[:, t - k]
            for k, weight in enumerate(past[:t]):
                y[:, t] += weight * y[:, t - 1 - k]
            if modulus:
                y[:, t] %= modulus
        return y

    end = f", mod {modulus}" if modulus else ""
    text = f"y = {past} . past outputs + {weights} . inputs + {constant}{end}; x in {low}..{top}"
    return Drawn("recurrence", text, low, top, rule)


# ---------------------------------------------------------------- windows

COMPARES: dict[str, Binary] = {
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
FOLDS: dict[str, Binary] = {"min": np.minimum, "max": np.maximum}


def _bit(value: Any) -> Ints:
    return np.asarray(value).astype(np.int64)


def _window(rng: Rng) -> Drawn:
    top = int(rng.choice([1, 2, 3, 5, 9, 19]))
    low = 0 if rng.integers(3) else -top
    text, rule = _expression(rng, 4 if top < 9 else 3, top, depth=2)
    return Drawn("window", f"y = {text}; x in {low}..{top}", low, top, rule)


def _input(rng: Rng, lags: int) -> tuple[str, Rule]:
    lag = int(rng.integers(lags))
    return f"x[t-{lag}]" if lag else "x[t]", lambda x: _past(x, lag)


def _expression(rng: Rng, lags: int, top: int, depth: int) -> tuple[str, Rule]:
    if depth == 0 or rng.random() < 0.2:
        return _input(rng, lags)
    a_text, a = _expression(rng, lags, top, depth - 1)
    b_text, b = _input(rng, lags)
    c_text, c = _input(rng, lags)
    by, at = int(rng.integers(2, 4)), int(rng.integers(0, top + 1))
    sign, fold = str(rng.choice([*COMPARES])), str(rng.choice([*FOLDS]))
    compare, folded = COMPARES[sign], FOLDS[fold]
    choices: list[tuple[str, Rule]] = [
        (f"({a_text} + {b_text})", lambda x: a(x) + b(x)),
        (f"({a_text} - {b_text})", lambda x: a(x) - b(x)),
        (f"abs({a_text} - {b_text})", lambda x: np.abs(a(x) - b(x))),
        (f"{fold}({a_text}, {b_text})", lambda x: folded(a(x), b(x))),
        (f"{fold}({a_text}, {b_text}, {c_text})", lambda x: folded(folded(a(x), b(x)), c(x))),
        (f"[{a_text} {sign} {b_text}]", lambda x: _bit(compare(a(x), b(x)))),
        (f"[{a_text} {sign} {at}]", lambda x: _bit(compare(a(x), at))),
        (f"({a_text} + {b_text}) % {by}", lambda x: (a(x) + b(x)) % by),
        (
            f"({a_text} if {b_text} {sign} {c_text} else {c_text})",
            lambda x: np.where(compare(b(x), c(x)), a(x), c(x)),
        ),
    ]
    return choices[int(rng.integers(len(choices)))]


# ---------------------------------------------------------------- counters


def _counter(rng: Rng) -> Drawn:
    top = int(rng.choice([1, 2, 3, 4, 7, 9]))
    a_text, a = _number(rng, top)
    b_text, b = _number(rng, top)
    at, by = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    choices: list[tuple[str, Rule, int]] = [
        (a_text, a, 4),
        (f"[{a_text} >= {at}]", lambda x: _bit(a(x) >= at), 3),
        (f"[{a_text} == {at}]", lambda x: _bit(a(x) == at), 2),
        (f"({a_text}) % {by}", lambda x: a(x) % by, 2),
        (f"[{a_text} > {b_text}]", lambda x: _bit(a(x) > b(x)), 1),
        (f"[{a_text} == {b_text}]", lambda x: _bit(a(x) == b(x)), 1),
        (f"max({a_text}, {b_text})", lambda x: np.maximum(a(x), b(x)), 1),
        (f"min({a_text}, {b_text})", lambda x: np.minimum(a(x), b(x)), 1),
    ]
    text, rule, _ = _pick(rng, choices)
    return Drawn("counter", f"y = {text}; x in 0..{top}", 0, top, rule)


def _pick(rng: Rng, choices: list[tuple[str, Any, int]]) -> tuple[str, Any, int]:
    odds = np.array([weight for *_, weight in choices], dtype=float)
    return choices[int(rng.choice(len(choices), p=odds / odds.sum()))]


def _predicate(rng: Rng, top: int) -> tuple[str, Rule]:
    at, by = int(rng.integers(0, top + 1)), int(rng.integers(2, 4))
    some = sorted(rng.choice(top + 1, size=int(rng.integers(1, top + 1)), replace=False).tolist())
    # What compares with the last input is rarer: it needs memory of its own.
    choices: list[tuple[str, Rule, int]] = [
        (f"x == {at}", lambda x: _bit(x == at), 3),
        (f"x in {some}", lambda x: _bit(np.isin(x, some)), 3),
        (f"x >= {max(at, 1)}", lambda x: _bit(x >= max(at, 1)), 3),
        (f"x % {by} == 0", lambda x: _bit(x % by == 0), 2),
        ("x > last x", lambda x: _bit(x > _past(x, 1)), 1),
        ("x == last x", lambda x: _bit(x == _past(x, 1)), 1),
    ]
    text, rule, _ = _pick(rng, choices)
    return text, rule


def _number(rng: Rng, top: int) -> tuple[str, Rule]:
    """Return a number that goes with a sequence: a count, a walk, a run, an extreme."""
    p_text, p = _predicate(rng, top)
    q_text, q = _predicate(rng, top)
    limit, fall = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    # Each step takes the last number, the input, and both conditions.
    steps: list[tuple[str, Callable[[Ints, Ints, Ints, Ints], Ints]]] = [
        (f"count of {p_text}", lambda c, x, p, q: c + p),
        (f"walk +1 if {p_text} else -1", lambda c, x, p, q: c + 2 * p - 1),
        (f"walk +1 if {p_text}, -1 if {q_text}", lambda c, x, p, q: c + p - q),
        (f"run of {p_text}", lambda c, x, p, q: (c + 1) * p),
        (f"count of {p_text}, 0 at {q_text}", lambda c, x, p, q: (c + p) * (1 - q)),
        (f"count of {p_text} up to {limit}", lambda c, x, p, q: np.minimum(c + p, limit)),
        (
            f"walk +1 if {p_text} else -1 within 0..{limit}",
            lambda c, x, p, q: np.clip(c + 2 * p - 1, 0, limit),
        ),
        (f"count of {p_text} mod {limit}", lambda c, x, p, q: (c + p) % limit),
        ("greatest so far", lambda c, x, p, q: np.maximum(c, x)),
        (f"greatest, falling by {fall}", lambda c, x, p, q: np.maximum(c - fall, x)),
        (f"last x with {p_text}", lambda c, x, p, q: np.where(p == 1, x, c)),
    ]
    text, step = steps[int(rng.integers(len(steps)))]

    def rule(x: Ints) -> Ints:
        first, second = p(x), q(x)
        c, found = np.zeros(len(x), dtype=np.int64), np.empty_like(x)
        for t in range(x.shape[1]):
            c = step(c, x[:, t], first[:, t], second[:, t])
            found[:, t] = c
        return found

    return f"({text})", rule


_MAKERS: dict[str, Callable[[Rng], Drawn]] = {
    "machine": _machine,
    "recurrence": _recurrence,
    "window": _window,
    "counter": _counter,
}
