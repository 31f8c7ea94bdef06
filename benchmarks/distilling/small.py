"""Automata one by one and all in one, Life, argmax and max, sums and comparisons of words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tasks import automata, numbers, words
from ddc.frontend.learn import Options, TrainOptions, train, write_layers

from .common import compiled, learned, reach, report, table

LONG = (10, 100, 1_000, 10_000, 100_000)
BITS = (10, 100, 1_000, 10_000)
WIDE = "x: int<0..999999>[{}]"


def run(folder: Path) -> bool:
    """Print the table and its goals."""
    results = [_one_by_one(folder), _all_in_one(folder), _life(folder)]
    results += [_maximum(folder), _places(folder), _binary(folder), _words(folder)]
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


def _places(folder: Path) -> bool:
    """Multi-layer networks on digits, exact on every input, and what is asked of any numbers."""
    generator = np.random.default_rng(14)
    rows: list[Sequence[object]] = []
    good = True
    for size, top, seed in ((3, 9, 0), (4, 5, 0), (5, 3, 0)):
        spec = f"x: int<0..{top}>[{size}]"
        every = np.indices([top + 1] * size).reshape(size, -1).T
        path, trained, right = _digits(folder, every, spec, seed)
        result = compiled(path)

        def place(count: int) -> tuple[tuple[np.ndarray], object]:
            x = generator.integers(0, top + 1, count)  # noqa: B023  used within the turn
            return (x,), int(x.argmax())

        reached = reach(result.program, (size, *LONG), place)
        good &= right == len(every) and result.proved and reached.endswith("100000")
        rows.append(
            (spec, len(every), f"{trained:.1f} s", right, f"{result.seconds:.1f} s")
            + (result.lines, result.tokens, "yes" if result.proved else "no", reached)
        )
    head = ("inputs", "samples", "trained in", "right", "compiled in", "lines", "tokens", "proved")
    table("argmax of digits with ties, ReLU networks", (*head, "program"), rows)
    return report("argmax of digits, generalised to 10^5", good, "see the table")


def _digits(folder: Path, every: np.ndarray, spec: str, seed: int) -> tuple[Path, float, int]:
    """Train a ReLU network on all rows to say the first place of the greatest digit."""
    import torch

    start = time.perf_counter()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x = torch.tensor(every, dtype=torch.float32)
    y = torch.tensor(every.argmax(axis=1))
    size = every.shape[1]
    model: Any = torch.nn.Sequential(
        torch.nn.Linear(size, 64), torch.nn.ReLU(), torch.nn.Linear(64, size)
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(20_000):
        optimiser.param_groups[0]["lr"] = 1e-2 if step < 2_000 else 1e-3
        batch = torch.randint(len(x), (512,))
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimiser.step()
        if step % 250 == 249 and bool((model(x).argmax(1) == y).all()):
            break
    layers = [
        (layer.weight.detach().numpy().T.astype(float), layer.bias.detach().numpy().astype(float))
        for layer in (model[0], model[2])
    ]
    path = folder / f"digits_{size}.pt"
    write_layers(path, layers, ["relu", "linear"], spec, "argmax")
    right = int((model(x).argmax(1) == y).sum())
    return path, time.perf_counter() - start, right


def _words(folder: Path) -> bool:
    """Multi-layer networks trained on all words of few bits, and the words of 10^4 bits."""
    generator = np.random.default_rng(13)
    rows: list[Sequence[object]] = []
    good = True
    for number, task in enumerate(words.TASKS):
        bits = 4 if task.count > 1 else task.bits
        samples = task.samples(bits)
        start = time.perf_counter()
        for steps in (1_500, 6_000):
            options = TrainOptions(hidden=(64,), shrink=0, steps=steps, seed=number)
            net = train(samples, options)
            if net.right == net.samples:
                break
        trained = time.perf_counter() - start
        path = folder / f"word_{number}.pt"
        write_layers(path, net.layers, net.activations, net.input, net.output)
        result = compiled(path)

        def case(size: int) -> tuple[tuple[np.ndarray, ...], object]:
            drawn = [_number(generator, size) for _ in range(task.count)]  # noqa: B023
            low = (1 << size // 2) - 1  # equal highest bits: comparisons go deep
            values = [drawn[0], *(drawn[0] & ~low | value & low for value in drawn[1:])]
            inputs = task.spell(values, size)  # noqa: B023
            return tuple(inputs.values()), task.wanted(values, size)  # noqa: B023

        reached = reach(result.program, (bits, *BITS), case)
        good &= net.right == net.samples and result.proved and reached.endswith("10000")
        rows.append(
            (task.name, bits, net.samples, f"{trained:.1f} s", net.right, f"{result.seconds:.1f} s")
            + (result.lines, result.tokens, "yes" if result.proved else "no", reached)
        )
    head = ("task", "bits", "samples", "trained in", "right", "compiled in", "lines", "tokens")
    table("words, ReLU networks trained on all of them", (*head, "proved", "program"), rows)
    return report("tasks on words, generalised to 10^4 bits", good, "see the table")


def _number(generator: np.random.Generator, bits: int) -> int:
    return int.from_bytes(generator.bytes(bits // 8 + 1)) >> 8 - bits % 8


def _value(bits: np.ndarray) -> int:
    return int("".join(map(str, bits[::-1].tolist())), 2)
