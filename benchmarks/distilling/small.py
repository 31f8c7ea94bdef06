"""Line 4: automata one by one and all in one, Life, argmax and max, addition and comparison."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.tasks import automata, numbers
from ddc.frontend.learn import Options

from .common import compiled, learned, reach, report, table

LONG = (10, 100, 1_000, 10_000, 100_000)
BITS = (10, 100, 1_000, 10_000)
WIDE = "x: int<0..999999>[{}]"


def run(folder: Path) -> bool:
    """Print the table and its goals."""
    results = [_one_by_one(folder), _all_in_one(folder), _life(folder)]
    results += [_maximum(folder), _binary(folder)]
    return all(results)


def _one_by_one(folder: Path) -> bool:
    start = time.perf_counter()
    failures: list[str] = []
    lines = tokens = 0
    for rule in range(automata.COUNT):
        options = Options(symbolic=True, allow_constant=rule in automata.CONSTANT)
        found = learned(folder, f"rule_{rule}", automata.one(rule), options)
        result = compiled(found.path, name="rule")
        program = result.program
        cells = automata.one(rule).arrays["cells"]
        exact = program is not None and [int(program(x)) for x in cells] == [
            rule >> p & 1 for p in range(8)
        ]
        lines, tokens = lines + result.lines, tokens + result.tokens
        if not (exact and result.proved):
            failures.append(f"{rule} ({result.reason or 'not exact or not proved'})")
    seconds = time.perf_counter() - start
    return report(
        "256 automata, each learned from its 8 neighbourhoods",
        not failures,
        f"{256 - len(failures)} of 256 exact and proved in {seconds:.0f} s, {lines} lines and "
        f"{tokens} tokens in all" + "".join(f"; {failure}" for failure in failures[:3]),
    )


def _all_in_one(folder: Path) -> bool:
    options = Options(symbolic=True, subconcepts=16, scale=(("cells", 4.0),))
    found = learned(folder, "automata", automata.every(), options)
    result = compiled(found.path)
    net = found.network
    exact = result.program is not None and net.right == net.samples
    return report(
        "all 256 automata in one network, 2,048 samples x 11",
        exact and result.proved,
        f"{net.summary()}; learned in {found.seconds:.1f} s, {result.text}",
    )


def _life(folder: Path) -> bool:
    found = learned(folder, "life", automata.life(), Options(symbolic=True))
    result = compiled(found.path)
    exact = found.network.right == 512
    return report(
        "Life, 512 samples x 9",
        exact and result.proved,
        f"{found.network.summary()}; learned in {found.seconds:.1f} s, {result.text}",
    )


def _maximum(folder: Path) -> bool:
    generator = np.random.default_rng(11)

    def place(size: int) -> tuple[tuple[np.ndarray], object]:
        x = generator.permutation(size)
        return (x,), int(x.argmax())

    def marks(size: int) -> tuple[tuple[np.ndarray], object]:
        x = generator.permutation(size)
        return (x,), (x == size - 1).astype(int)

    rows: list[Sequence[object]] = []
    good = True
    for name, make, case in (
        ("argmax", numbers.argmax, place),
        ("max", numbers.maximum, marks),
    ):
        for size in range(3, 9):
            samples = make(size)
            options = Options(symbolic=True, input=WIDE.format(size))
            found = learned(folder, f"{name}_{size}", samples, options)
            result = compiled(found.path)
            test = numbers.distinct_rows(size, 2_000, seed=size)
            wanted = test == test.max(1, keepdims=True)
            right = int((found.network.decide(test) == wanted).all(1).sum())
            reached = reach(result.program, (size, *LONG), case)
            good &= right == 2_000 and result.proved and reached.endswith("100000")
            rows.append(
                (name, size, len(samples.arrays["x"]), right, result.lines, result.tokens)
                + ("yes" if result.proved else f"no {result.reason}", reached)
            )
    head = ("task", "n", "samples", "right of 2000", "lines", "tokens", "proved", "program")
    table("argmax and max (a mark at the maximum)", head, rows)
    return report("argmax and max for n = 3..8, generalised to 10^5", good, "see the table")


def _binary(folder: Path) -> bool:
    generator = np.random.default_rng(12)

    def pair(size: int) -> tuple[np.ndarray, np.ndarray, int, int]:
        a, b = generator.integers(0, 2, (2, size))
        b[size // 2 :] = a[size // 2 :]  # long equal prefixes and carries are the hard cases
        return a, b, _value(a), _value(b)

    def greater(size: int) -> tuple[tuple[np.ndarray, np.ndarray], object]:
        a, b, left, right = pair(size)
        return (a, b), int(left > right)

    def total(size: int) -> tuple[tuple[np.ndarray, np.ndarray], object]:
        a, b, left, right = pair(size)
        wanted = left + right
        return (a, b), [wanted >> k & 1 for k in range(size + 1)]

    rows: list[Sequence[object]] = []
    good = True
    for name, make, case in (
        ("comparison", numbers.comparison, greater),
        ("addition", numbers.addition, total),
    ):
        for bits in (3, 4):
            found = learned(folder, f"{name}_{bits}", make(bits), Options(symbolic=True))
            result = compiled(found.path)
            net = found.network
            reached = reach(result.program, (bits, *BITS), case)
            good &= net.right == net.samples and result.proved and reached.endswith("10000")
            rows.append(
                (name, bits, net.samples, f"{found.seconds:.1f} s", net.right)
                + (result.lines, result.tokens, "yes" if result.proved else "no", reached)
            )
    head = (
        "task",
        "bits",
        "samples",
        "learned in",
        "right",
        "lines",
        "tokens",
        "proved",
        "program",
    )
    table("binary numbers, learned from all pairs", head, rows)
    return report("comparison and addition, generalised to 10^4 bits", good, "see the table")


def _value(bits: np.ndarray) -> int:
    return int("".join(map(str, bits[::-1].tolist())), 2)
