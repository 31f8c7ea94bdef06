"""Native speed through calls, as a user has it: `python -m benchmarks.calls [N1 N7 ...]`.

The kernels of `benchmarks.native` behind `Program.__call__`, `steps` and `pack`: checks of the
values, conversions and results counted. Ratios of thread CPU time against the same baselines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ddc import ir
from ddc.runtime.native import Runner

from .native_baselines import (
    flat,
    numba_batch,
    numba_each,
    numba_final,
    numba_life,
    numba_read,
    numba_rule30,
    reference_rule30,
    wrap,
)
from .programs import ACCEPTED, BITS, LIFE, RULE30, automaton, binary_rules, float_rules
from .timing import faster, random_bits

Line = tuple[str, float]


def runner(text: str) -> Runner:
    return Runner(ir.parse(text))


def n1() -> Iterator[Line]:
    rule, x = runner(RULE30), random_bits(1 << 27)
    out = np.zeros_like(x)
    assert np.array_equal(rule(x[:1000]), reference_rule30(x[:1000]))

    def theirs() -> None:
        numba_rule30(x, out)

    yield "one call, 2^27 bytes, out= / numba", faster(lambda: rule(x, out=out), theirs)
    yield "the same, a new array of int64 / numba", faster(lambda: rule(x), theirs, rounds=3)
    ratio = faster(lambda: rule(x), lambda: np.ones(len(x), np.int64), rounds=3)
    yield "the same / a new array of ones", ratio


def n3() -> Iterator[Line]:
    x = random_bits(1 << 26)
    out = np.zeros_like(x)
    for border in ("wrap", "else 0"):
        rule = runner(RULE30.replace("wrap", border))
        ratio = faster(partial(rule.steps, x, 4000), lambda: numba_rule30(x, out), 4000, rounds=3)
        yield f"4,000 steps on 2^26 cells, {border} / numba", ratio


def n4() -> Iterator[Line]:
    x = random_bits((8192, 8192))
    padded = np.pad(x, 1, mode="wrap")
    spare = padded.copy()

    def theirs() -> None:
        numba_life(padded, spare)
        wrap(spare)

    for border in ("wrap", "clamp"):
        rule = runner(LIFE.replace("BORDER", border))
        ratio = faster(partial(rule.steps, x, 400), theirs, 400, rounds=3)
        yield f"Life 8192^2, 400 steps, {border} / numba", ratio
    small = np.ascontiguousarray(x[:512, :512])
    inside = np.pad(small, 1, mode="wrap")
    other = inside.copy()

    def many() -> None:
        for _ in range(100):
            numba_life(inside, other)
            wrap(other)

    rule = runner(LIFE.replace("BORDER", "wrap"))
    yield "Life 512^2, 2,000 steps / numba", faster(lambda: rule.steps(small, 2000), many, 20)


def n6() -> Iterator[Line]:
    size = 20_000_000
    x = np.random.default_rng(0).integers(0, 4, size, dtype=np.uint8)
    each, final = runner(automaton(4, 4, True)), runner(automaton(4, 4, False))
    step = ir.parse(automaton(4, 4, True)).entry.body.ops[0].body
    assert step is not None
    table = next(op.attr("entries") for op in step.ops if op.code == "table")
    assert isinstance(table, tuple)
    plain = flat([[int(str(v)) for v in table[4 * s : 4 * s + 4]] for s in range(4)])
    y, z = np.empty(size, np.uint8), np.empty(size, np.uint8)
    shift, accepted = np.uint64(2), np.uint64(ACCEPTED)
    numba_each(plain, x, z, shift, accepted)
    assert np.array_equal(each(x, out=y), z)
    ratio = faster(lambda: each(x, out=y), lambda: numba_each(plain, x, z, shift, accepted))
    yield "automaton, per-step output, out= / numba table", ratio
    ratio = faster(lambda: final(x), lambda: numba_final(plain, x, shift))
    yield "automaton, final state / numba table", ratio


def n7() -> Iterator[Line]:
    rule, rows = runner(BITS), 100_000
    x = random_bits((rows, 1000))
    plain = flat([[1, 0], [2, 1], [3, 0], [1, 2]])
    y = np.empty(rows, np.int64)
    numba_batch(plain, x[:500], y)
    packed = rule.pack(x)
    assert np.array_equal(rule(x)[:500], y[:500]) and np.array_equal(rule(packed), rule(x))

    def theirs() -> None:
        numba_batch(plain, x[:5000], y)

    yield "10^5 sequences of bits, packed once / numba", faster(lambda: rule(packed), theirs, 20)
    yield "10^5 sequences of bits, bytes / numba", faster(lambda: rule(x), theirs, 20)
    words = x.view(np.uint64).ravel()
    yield "10^5 sequences of bits, bytes / reading", faster(
        lambda: rule(x), lambda: numba_read(words)
    )


def n8() -> Iterator[Line]:
    import torch

    torch.set_num_threads(1)
    rule, rows = runner(binary_rules()), 4_000_000
    x = random_bits((rows, 32))
    packed, out = rule.pack(x), np.empty(rows, np.uint8)
    assert np.array_equal(rule(packed).unpack(), rule(x, out=out))
    net = torch.nn.Sequential(
        torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(),
        torch.nn.Linear(64, 1),
    )  # fmt: skip
    given = torch.tensor(x[:4096].astype(np.float32))

    def theirs() -> None:
        with torch.no_grad():
            for _ in range(16):
                net(given)

    scale = rows / 65536
    yield "binary rules, packed once / torch", faster(lambda: rule(packed), theirs, scale)
    yield "binary rules, bytes, out= / torch", faster(lambda: rule(x, out=out), theirs, scale)
    words = x.view(np.uint64).ravel()
    yield "binary rules, bytes, out= / reading", faster(
        lambda: rule(x, out=out), lambda: numba_read(words)
    )


def n9() -> Iterator[Line]:
    rule, rows = runner(float_rules()), 2_000_000
    x = np.random.default_rng(3).normal(size=(rows, 32)).astype(np.float32)
    words, out = x.view(np.uint64).ravel(), np.empty(rows, np.uint8)
    yield "float rules, out= / reading", faster(lambda: rule(x, out=out), lambda: numba_read(words))
    yield "float rules, int64 / reading", faster(lambda: rule(x), lambda: numba_read(words))


def n10() -> Iterator[Line]:
    knots, heights = np.linspace(-4, 4, 16), np.sin(np.linspace(0, 3, 16))
    pairs = ", ".join(f"({float(a)!r}, {float(b)!r})" for a, b in zip(knots, heights))
    body = f"  %y = curve %x knots [{pairs}]\n  return %y"
    rule = runner(f"func @f(%x: real) -> (%y: real) {{\n{body}\n}}")
    x = np.random.default_rng(0).uniform(-5, 5, 4_000_000)
    single = x.astype(np.float32)
    out, narrow = np.empty_like(x), np.empty_like(single)
    wanted = np.interp(x, knots, heights)
    assert np.abs(rule(x) - wanted).max() < 1e-12
    assert np.abs(rule(single, dtype=np.float32) - wanted).max() < 2e-6

    def theirs() -> None:
        np.interp(x[:200_000], knots, heights)

    yield "16-knot curve, float32, out= / np.interp", faster(
        lambda: rule(single, out=narrow), theirs, 20
    )
    yield "16-knot curve, float64, out= / np.interp", faster(lambda: rule(x, out=out), theirs, 20)
    yield "16-knot curve, float64, out= / copying", faster(
        lambda: rule(x, out=out), lambda: np.copyto(out, x)
    )


def calls() -> Iterator[Line]:
    rule, x = runner(RULE30), random_bits(20)
    rule(x)

    def work() -> None:
        for _ in range(1000):
            rule(x)

    def copies() -> None:
        for _ in range(1000):
            np.roll(x, 1) ^ (x | np.roll(x, -1))

    yield "a call on 20 cells / numpy roll", faster(work, copies)


BENCHES: dict[str, Callable[[], Iterator[Line]]] = {
    "N1": n1, "N3": n3, "N4": n4, "N6": n6, "N7": n7, "N8": n8, "N9": n9, "N10": n10,
    "CALLS": calls,
}  # fmt: skip


def main(wanted: Sequence[str]) -> None:
    """Print the ratios."""
    for name, bench in BENCHES.items():
        if wanted and name not in wanted:
            continue
        found: Any
        for found in bench():
            print(f"{name:5} {found[0]:56} {found[1]:9.3g}", flush=True)


if __name__ == "__main__":
    main([word.upper() for word in sys.argv[1:]])
