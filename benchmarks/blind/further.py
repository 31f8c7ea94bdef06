"""Sequence tasks by name, beyond those drawn at random: several inputs and outputs, other alphabets and lengths.

Each is one line: the alphabets of its inputs, its trained length, and a step from a memory to outputs. They are
behind the interface of a network by `Further`, which is never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.frontend.lower import lower
from ddc.frontend.records import Network
from ddc.frontend.recurrent import recurrent_layers
from ddc.passes.recurrent.network import Ball, State, StepNetwork

Ints = NDArray[np.int64]
Memory = Any
Step = Callable[..., tuple[Memory, Any]]  # (memory, *inputs) to (memory, output or outputs)


@dataclass(frozen=True)
class Task:
    """A task: inputs as types, the memory it starts with, and its step."""

    name: str
    inputs: tuple[str, ...]
    start: Memory
    step: Step
    length: int = 10

    def run(self, sequence: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        """Return the outputs along one sequence of inputs."""
        memory, found = self.start, list[tuple[int, ...]]()
        for letter in sequence:
            memory, out = self.step(memory, *letter)
            found.append(tuple(map(int, out)) if isinstance(out, tuple) else (int(out),))
        return found


class Further(StepNetwork):
    """A task as a black box; its state is the history, as numbers of letters."""

    def __init__(self, task: Task) -> None:
        width, count = len(task.inputs), len(task.run([[1] * len(task.inputs)])[0])
        root: dict[str, object] = {"h0": np.zeros(1)}
        root |= {"f.0.weight": np.ones((1, 1 + width)), "f.0.bias": np.zeros(1)}
        root |= {"g.0.weight": np.ones((count, 1)), "g.0.bias": np.zeros(count)}
        signature = ", ".join(
            f"{n}: {kind}[T]" for n, kind in zip("xabc"[width > 1 :], task.inputs)
        )
        layers = recurrent_layers(root)
        record = Network(layers, signature, "round", "0" * 64, task.name, length=task.length)
        super().__init__(lower(record, name="net").module)
        self.task = task
        self.known: dict[bytes, tuple[int, ...]] = {}
        self.memories: dict[bytes, Memory] = {b"": task.start}

    def start(self, rows: int) -> State:
        """Return empty histories."""
        none = np.zeros((rows, 0))
        return (Ball(none, none),)

    def step(self, state: State, letters: Ints) -> tuple[State, Ints, NDArray[np.bool_]]:
        """Return longer histories and what the definition says at their ends."""
        history = np.concatenate([state[0].mid, letters[:, None]], axis=1)
        rows = np.ascontiguousarray(history.astype(np.int32))
        y = np.array([self._after(row.tobytes()) for row in rows], dtype=np.int64)
        return (Ball(history, history),), y, np.ones(len(letters), dtype=bool)

    def _after(self, word: bytes) -> tuple[int, ...]:
        """Return the outputs at the end of a word, whose beginning is known."""
        if word not in self.known:
            head = word[:-4]
            if head not in self.memories:
                self._after(head)
            letter = self.letters[int(np.frombuffer(word[-4:], dtype=np.int32)[0])].tolist()
            self.memories[word], out = self.task.step(self.memories[head], *letter)
            self.known[word] = tuple(map(int, out)) if isinstance(out, tuple) else (int(out),)
        return self.known[word]

    def run(self, words: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Return what the definition says: [rows, steps, outputs]."""
        letters = self.letters[words].tolist()
        y = np.array([self.task.run(row) for row in letters], dtype=np.int64)
        return y.reshape(*words.shape, self.outputs), np.ones(len(words), dtype=bool)

    def exact(self, word: Ints) -> Ints:
        """Return what the definition says for one word."""
        found: Ints = self.run(word[None])[0][0]
        return found


BIT, SIGN, DIGIT, THREE = "bit", "int{-1, 1}", "int<0..9>", "int<0..2>"

TASKS: tuple[Task, ...] = (
    # machines with several inputs
    Task("set_reset", (BIT, BIT), 0, lambda m, s, r: (n := (0 if r else 1 if s else m), n)),
    Task("toggle", (BIT,), 0, lambda m, x: (m ^ x, m ^ x), 5),
    Task(
        "enabled_counter_mod_5", (BIT, BIT), 0, lambda m, e, d: (n := (m + e * (1 - 2 * d)) % 5, n)
    ),
    Task("write_enable", (DIGIT, BIT), 0, lambda m, x, w: (n := (x if w else m), n)),
    Task("subtract_lsb", (BIT, BIT), 0, lambda m, a, b: (int(a - b - m < 0), (a - b - m) % 2)),
    Task("less_lsb", (BIT, BIT), 0, lambda m, a, b: (n := (m if a == b else int(a < b)), n)),
    Task("less_msb", (BIT, BIT), 0, lambda m, a, b: (n := m or (a > b) - (a < b), int(n < 0))),
    Task("times_3", (BIT,), 0, lambda m, x: ((m + 3 * x) // 2, (m + 3 * x) % 2)),
    Task("times_5", (BIT,), 0, lambda m, x: ((m + 5 * x) // 2, (m + 5 * x) % 2), 12),
    Task("divisible_by_5", (BIT,), 0, lambda m, x: (n := (2 * m + x) % 5, n == 0)),
    Task("divisible_by_6", (BIT,), 0, lambda m, x: (n := (2 * m + x) % 6, n == 0)),
    Task("decimal_mod_7", (DIGIT,), 0, lambda m, x: (n := (10 * m + x) % 7, n)),
    Task(
        "three_adder",
        (BIT, BIT, BIT),
        0,
        lambda m, a, b, c: ((m + a + b + c) // 2, (m + a + b + c) % 2),
    ),
    Task(
        "full_adder_carry",
        (BIT, BIT),
        0,
        lambda m, a, b: (n := (m + a + b) // 2, ((m + a + b) % 2, n)),
    ),
    Task("pattern_101", (BIT,), (0, 0), lambda m, x: ((m[1], x), m == (1, 0) and x == 1)),
    Task("pattern_0110", (BIT,), (1, 1, 1), lambda m, x: ((*m[1:], x), (*m, x) == (0, 1, 1, 0))),
    Task("three_equal", (DIGIT,), (-1, -1), lambda m, x: ((m[1], x), m == (x, x))),
    Task("hysteresis", (DIGIT,), 0, lambda m, x: (n := (1 if x >= 7 else 0 if x <= 2 else m), n)),
    Task(
        "debounce",
        (BIT,),
        (0, 0, 0),
        lambda m, x: ((n := (x if m[0] == m[1] == x else m[2]), (m[1], x, n))[1], n),
    ),
    Task("traffic_light", (BIT,), 0, lambda m, x: (n := (m + x) % 3, n)),
    Task("vending", (THREE,), 0, lambda m, x: ((m + x) % 4, m + x >= 4)),
    Task(
        "turnstile",
        (BIT, BIT),
        0,
        lambda m, coin, push: (n := (1 if coin else 0 if push else m), n & push),
    ),
    Task("elevator", (THREE,), 0, lambda m, x: (n := min(max(m + x - 1, 0), 4), n)),
    Task(
        "stack_of_two",
        (THREE,),
        0,
        lambda m, x: (n := (min(m + 1, 2) if x == 1 else max(m - 1, 0) if x == 2 else m), n == 2),
    ),
    # signs
    Task("sign_product", (SIGN,), 1, lambda m, x: (m * x, m * x)),
    Task("sign_walk", (SIGN,), 0, lambda m, x: (m + x, m + x)),
    Task("sign_of_walk", (SIGN,), 0, lambda m, x: (n := m + x, (n > 0) - (n < 0))),
    Task("sign_changes", (SIGN,), (1, 0), lambda m, x: ((x, n := m[1] + (x != m[0])), n)),
    Task("sign_agree", (SIGN, SIGN), 0, lambda m, a, b: (m + a * b, m + a * b)),
    Task(
        "sign_majority_3",
        (SIGN,),
        (1, 1),
        lambda m, x: ((m[1], x), 1 if m[0] + m[1] + x > 0 else -1),
    ),
    # counts, runs, records
    Task(
        "longest_run",
        (BIT,),
        (0, 0),
        lambda m, x: ((r := (m[0] + 1 if x else 0), n := max(m[1], r)), n),
    ),
    Task("changes", (BIT,), (0, 0), lambda m, x: ((x, n := m[1] + (x != m[0])), n), 12),
    Task("since_last_one", (BIT,), 0, lambda m, x: (n := (0 if x else m + 1), n)),
    Task("records", (DIGIT,), (-1, 0), lambda m, x: ((max(m[0], x), n := m[1] + (x > m[0])), n)),
    Task("range", (DIGIT,), (9, 0), lambda m, x: (n := (min(m[0], x), max(m[1], x)), n[1] - n[0])),
    Task("min_and_max", (DIGIT,), (9, 0), lambda m, x: (n := (min(m[0], x), max(m[1], x)), n)),
    Task("sorted_so_far", (DIGIT,), (0, 1), lambda m, x: ((x, n := int(m[1] and x >= m[0])), n), 6),
    Task(
        "all_equal_so_far",
        (THREE,),
        (-1, 1),
        lambda m, x: ((x, n := int(m[1] and m[0] in (-1, x))), n),
    ),
    Task(
        "seen_both",
        (THREE,),
        (0, 0),
        lambda m, x: (n := (m[0] | (x == 1), m[1] | (x == 2)), n[0] & n[1]),
    ),
    Task("distinct_so_far", ("int<0..3>",), frozenset(), lambda m, x: (n := m | {x}, len(n))),
    Task("equal_counts", (BIT,), 0, lambda m, x: (n := m + 2 * x - 1, n == 0)),
    Task("more_a_than_b", (BIT, BIT), 0, lambda m, a, b: (n := m + a - b, n > 0)),
    Task("count_equal_pairs", (THREE, THREE), 0, lambda m, a, b: (m + (a == b), m + (a == b))),
    Task("depth_of_parentheses", (THREE,), 0, lambda m, x: (n := m + (x == 1) - (x == 2), n)),
    Task(
        "greatest_depth",
        (BIT,),
        (0, 0),
        lambda m, x: ((d := m[0] + 2 * x - 1, n := max(m[1], d)), n),
    ),
    Task("count_and_parity", (BIT,), 0, lambda m, x: (m + x, (m + x, (m + x) % 2))),
    Task("saturating_count", (BIT,), 0, lambda m, x: (n := min(m + x, 4), n), 12),
    Task("first_token", (DIGIT,), None, lambda m, x: (n := (x if m is None else m), n)),
    Task("equals_first", (DIGIT,), None, lambda m, x: (n := (x if m is None else m), x == n)),
    Task(
        "second_greatest",
        (DIGIT,),
        (0, 0),
        lambda m, x: (n := (max(m[0], x), max(m[1], min(m[0], x))), n[1]),
    ),
    Task(
        "place_of_greatest",
        (DIGIT,),
        (-1, 0, 0),
        lambda m, x: (n := ((x, m[2], m[2] + 1) if x > m[0] else (m[0], m[1], m[2] + 1)), n[1]),
        8,
    ),
    # time
    Task("time_mod_3", (BIT,), 0, lambda m, x: ((m + 1) % 3, m)),
    Task(
        "even_places_sum",
        (DIGIT,),
        (0, 0),
        lambda m, x: ((1 - m[0], n := m[1] + (1 - m[0]) * x), n),
    ),
    Task("alternating_sum", (DIGIT,), (1, 0), lambda m, x: ((-m[0], n := m[1] + m[0] * x), n)),
    Task("xor_clock", (BIT,), 0, lambda m, x: (1 - m, x ^ m)),
    Task("index", (THREE,), 0, lambda m, x: (m + 1, m + 1), 7),
    # arithmetic
    Task("weighted_sum", (DIGIT, DIGIT), 0, lambda m, a, b: (m + 2 * a - b, m + 2 * a - b)),
    Task("dot_product", (THREE, THREE), 0, lambda m, a, b: (m + a * b, m + a * b)),
    Task("double_and_add_mod_11", (BIT,), 0, lambda m, x: (n := (2 * m + x) % 11, n)),
    Task("binary_value", (BIT,), 0, lambda m, x: (n := 2 * m + x, n), 8),
    Task("halving", (DIGIT,), 0, lambda m, x: (n := m // 2 + x, n)),
    Task("squares", (DIGIT,), 0, lambda m, x: (m + x * x, m + x * x), 6),
    Task(
        "sum_mod_4_with_reset",
        ("int<0..4>",),
        0,
        lambda m, x: (n := (0 if x == 4 else (m + x) % 4), n),
    ),
    Task("sum_with_reset", (DIGIT, BIT), 0, lambda m, x, r: (n := (0 if r else m + x), n)),
    Task("sum_where_flag", (DIGIT, BIT), 0, lambda m, x, w: (n := m + (x if w else 0), n)),
    Task("mean_floor_2", (DIGIT,), 0, lambda m, x: (x, (m + x) // 2)),
    Task("median_of_3", (DIGIT,), (0, 0), lambda m, x: ((m[1], x), sorted((*m, x))[1]), 8),
    Task("window_max_3", (DIGIT,), (0, 0), lambda m, x: ((m[1], x), max(*m, x)), 8),
    Task("window_sum_over_10", (DIGIT,), (0, 0), lambda m, x: ((m[1], x), sum(m) + x > 10)),
    Task("majority_of_5", (BIT,), (0,) * 4, lambda m, x: ((*m[1:], x), sum(m) + x >= 3)),
    Task("swap", (THREE, THREE), (0, 0), lambda m, a, b: ((a, b), (m[1], m[0]))),
    Task(
        "sum_and_difference",
        (DIGIT, DIGIT),
        (0, 0),
        lambda m, a, b: (n := (m[0] + a, m[1] + b), (n[0] + n[1], n[0] - n[1])),
    ),
    Task("rotation", (SIGN, SIGN), (0, 0), lambda m, a, b: (n := (a - m[1], b + m[0]), n)),
    Task("fibonacci", (BIT,), (0, 0), lambda m, x: (n := (m[1], m[0] + m[1] + x), n[1]), 12),
    Task("max_plus", (DIGIT, THREE), 0, lambda m, x, c: (n := max(m + c, x), n)),
    Task(
        "greatest_sum",
        (SIGN,),
        (0, 0),
        lambda m, x: ((r := max(m[0] + x, 0), n := max(m[1], r)), n),
    ),
    Task("clamped_sum", ("int<-3..3>",), 0, lambda m, x: (n := min(max(m + x, -5), 5), n), 20),
    Task("most_recent_of_two", (THREE,), 0, lambda m, x: (n := (x if x else m), n)),
    Task("even_run", (BIT,), 0, lambda m, x: (n := (m + 1 if x else 0), x == 0 or n % 2 == 0)),
    Task("gray_decode", (BIT, BIT), 0, lambda m, a, b: (m ^ a ^ b, m ^ a ^ b), 7),
    Task(
        "argmax_of_counts",
        (THREE,),
        (0, 0, 0),
        lambda m, x: (n := tuple(c + (k == x) for k, c in enumerate(m)), n.index(max(n))),
    ),
    Task("reversed_equal", (THREE,), (), lambda m, x: (n := (*m, x), n == n[::-1])),
    Task(
        "shifted_equal_2",
        (BIT,),
        (),
        lambda m, x: (n := (*m, x), all(n[i] == n[i - 2] for i in range(2, len(n)))),
    ),
    Task(
        "antipalindrome",
        (BIT,),
        (),
        lambda m, x: (n := (*m, x), all(a != b for a, b in zip(n, n[::-1], strict=True))),
        8,
    ),
    Task("seen_before", (DIGIT,), (), lambda m, x: ((*m, x), x in m), 8),
    Task("rank_in_the_past", ("int<0..5>",), (), lambda m, x: ((*m, x), sum(v < x for v in m)), 7),
    Task("times_seen", (DIGIT,), (), lambda m, x: ((*m, x), m.count(x)), 8),
)
