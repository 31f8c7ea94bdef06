"""Tasks that nobody saw: python -m benchmarks.recurrent_blind [oracle SEED COUNT | further [NAME ...] |
train FOLDER [NUMBER ...] | longer FOLDER [NUMBER ...] | FOLDER [NUMBER ...]]

`oracle SEED COUNT` searches programs for COUNT tasks of each kind behind networks that are never wrong: how
the search was developed (seeds below 100). `further` does so for tasks by name, with several inputs and
outputs, other alphabets and lengths. `train FOLDER` draws 24 tasks with the seed kept for the report,
six of each kind, and trains a network for each; `longer` does so with wider networks and more steps. With
only a FOLDER every one of them is compiled and reported, whatever came out. The results: blind/README.md.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ddc
from ddc.ir import DdcError, Module
from ddc.ir.interpreter import run_batch

from .blind.draw import KINDS, Drawn, draw
from .spine import code_size

Ints = NDArray[np.int64]

FINAL_SEED = 20_261_120  # drawn from once, after the search was frozen
EACH = 6
LENGTH = 10
FAR = 10_000
SECONDS = 15.0  # of training
TRIES = 2


def tasks() -> list[Drawn]:
    """Return the tasks of the report."""
    return [
        draw(rng, kind, LENGTH)
        for number, kind in enumerate(KINDS)
        for rng in [np.random.default_rng([FINAL_SEED, number])]
        for _ in range(EACH)
    ]


def signature(task: Drawn) -> str:
    """Return the input as `--input` takes it."""
    kind = "bit" if (task.low, task.high) == (0, 1) else f"int<{task.low}..{task.high}>"
    return f"x: {kind}[T]"


# ---------------------------------------------------------------- training


def train(folder: Path, chosen: list[int], longer: bool = False) -> None:
    """Train networks for tasks; write them, and how much of fresh sequences they get right."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    for number, task in enumerate(tasks()):
        path = folder / f"{number:02}_{task.kind}.pt"
        if path.exists() or (chosen and number not in chosen):
            continue
        start = time.process_time()
        found = _trained(task, longer)
        weights = {name: torch.from_numpy(array) for name, array in found.tensors().items()}
        content = {"format": "ddc.recurrent/1", "length": LENGTH, "input": signature(task)}
        torch.save({**content, "output": "round", **weights}, path)
        row = {"right": found.right, "checked": found.checked, "task": task.text}
        path.with_suffix(".json").write_text(json.dumps(row) + "\n")
        print(f"{path.stem}: {found.summary()}, {time.process_time() - start:.0f} s", flush=True)


def _trained(task: Drawn, longer: bool) -> Any:
    """Return the best network of some recipes, the first that is always right."""
    from ddc.frontend.learn.recurrent import Recipe
    from ddc.frontend.learn.recurrent import train as learn

    def source(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
        x = rng.integers(task.low, task.high + 1, size=(count, length))
        return x[..., None], task.rule(x)[..., None]

    if longer:
        recipe = Recipe(6, (96,), (32,), "mse", "unit", seeds=4, batch=128, steps=5000)
        return learn(source, LENGTH, recipe)
    start, best = time.process_time(), None
    wide = task.high - task.low > 10
    for attempt in range(TRIES):
        recipe = Recipe(
            (4, 5)[attempt],
            ((32,), (64,))[attempt],
            ((), (24,))[attempt],
            ("log", "mse")[attempt],
            "std" if wide else "unit",
            seeds=4,
            batch=128,
            steps=1500,
            seed=attempt,
            checked=1 << 14,
        )
        if task.kind == "recurrence" and "mod" not in task.text and attempt == 0:
            recipe = Recipe(6, (), (), "mse", "std", seeds=4, batch=128, steps=1500)
        found = learn(source, LENGTH, recipe)
        if best is None or found.right / found.checked > best.right / best.checked:
            best = found
        if best.right == best.checked or time.process_time() - start > SECONDS:
            break
    return best


# ---------------------------------------------------------------- the report


def report(folder: Path, chosen: list[int]) -> None:
    """Compile every network, or some, and compare its program with the definition."""
    print(
        "| task | network right | program | T | 10 T | 10,000 | agrees | lines | s | definition |"
    )
    print("|--|--|--|--|--|--|--|--|--|--|")
    exact = written = 0
    for number, task in enumerate(tasks()):
        if chosen and number not in chosen:
            continue
        path = folder / f"{number:02}_{task.kind}.pt"
        row = json.loads(path.with_suffix(".json").read_text())
        right = f"{100 * row['right'] / row['checked']:.3f} %"
        start = time.process_time()
        try:
            program = ddc.compile(str(path), allow_inexact=True)
        except DdcError as error:
            took = time.process_time() - start
            print(f"| {path.stem} | {right} | none | | | | | | {took:.1f} | {error!s:.60} |")
            continue
        took = time.process_time() - start
        first = program.evidence[0]
        wrong = int(str(first.detail("wrong") or 0)) / int(str(first.detail("sequences") or 1))
        shares = [
            _agreement(program.ir, task, count, length)
            for count, length in ((4000, LENGTH), (400, 10 * LENGTH), (1, FAR))
        ]
        lines, _ = code_size(program.python())
        marks = ["yes" if share == 1 else f"{100 * share:.2f} %" for share in shares]
        written += 1
        exact += min(shares) == 1
        cells = [path.stem, right, first.kind, *marks, f"{100 * (1 - wrong):.3f} %", str(lines)]
        print("| " + " | ".join([*cells, f"{took:.1f}", task.text[:90]]) + " |", flush=True)
    print(
        f"\n{exact} of {len(chosen) or len(KINDS) * EACH} exact at every length, {written} programs written"
    )


def _agreement(program: Module, task: Drawn, count: int, length: int) -> float:
    """Return the share of sequences on which a program answers as the definition does."""
    rng = np.random.default_rng([FINAL_SEED, length])
    x = rng.integers(task.low, task.high + 1, size=(count, length)).astype(object)
    if "mod" in task.text or task.kind != "recurrence":
        x = x.astype(np.int64)
    wanted = task.rule(x)
    (found,) = run_batch(program, {"x": x.astype(np.int64)})
    return float((np.asarray(found) == wanted).all(axis=1).mean())


def oracles(seed: int, count: int) -> None:
    """Search programs behind networks that are never wrong."""
    from ddc.ir import Param
    from ddc.passes import DEFAULT, Context
    from ddc.passes import run as run_passes
    from ddc.passes.recurrent.automaton import found_program

    from .blind.oracle import Oracle

    for number, kind in enumerate(KINDS):
        rng = np.random.default_rng([seed, number])
        right = 0
        for place in range(count):
            task = draw(rng, kind, LENGTH)
            net = Oracle(task, LENGTH)
            start = time.process_time()
            try:
                module = found_program(net, Context())
            except DdcError as error:
                print(f"{kind} {place}: {error!s:.60}; {task.text[:120]}", flush=True)
                continue
            params = tuple(Param(param.name, param.type) for param in net.entry.params)
            program = run_passes(module, DEFAULT.split(",", 1)[1], Context(signature=params))
            shares = [_agreement(program, task, n, t) for n, t in ((4000, LENGTH), (300, 40))]
            took = time.process_time() - start
            right += min(shares) == 1
            print(f"{kind} {place}: {shares} {took:.1f} s; {task.text[:120]}", flush=True)
        print(f"{kind}: {right} of {count}", flush=True)


def further(chosen: list[str]) -> None:
    """Search programs for tasks by name, behind networks that are never wrong."""
    from ddc.backends import backend
    from ddc.ir import Param
    from ddc.passes import DEFAULT, Context
    from ddc.passes import run as run_passes
    from ddc.passes.recurrent.automaton import found_program

    from .blind.further import TASKS, Further

    right = 0
    some = [task for task in TASKS if not chosen or task.name in chosen]
    for task in some:
        net = Further(task)
        start = time.process_time()
        try:
            module = found_program(net, Context())
        except DdcError as error:
            print(f"{task.name}: {error!s:.60}", flush=True)
            continue
        took = time.process_time() - start
        params = tuple(Param(param.name, param.type) for param in net.entry.params)
        program = run_passes(module, DEFAULT.split(",", 1)[1], Context(signature=params))
        shares: list[float] = []
        for count, length in ((600, task.length), (200, 4 * task.length)):
            words = probes(net, length, count)
            found = np.stack([np.asarray(y) for y in run_batch(program, net.inputs(words))], axis=2)
            shares.append(float((found == net.run(words)[0]).all(axis=(1, 2)).mean()))
        right += min(shares) == 1
        lines, _ = code_size(backend("python")(program))
        print(f"{task.name}: {shares} {took:.1f} s, {lines} lines", flush=True)
    print(f"{right} of {len(some)}")


def probes(net: Any, length: int, count: int) -> Ints:
    """Return random words of a length, half of them of two letters only."""
    rng = np.random.default_rng([FINAL_SEED, length])
    words: Ints = rng.integers(0, net.size, size=(count, length))
    few = rng.integers(0, net.size, size=(count // 2, 2))
    choice = rng.integers(0, 2, size=(count // 2, length))
    words[: count // 2] = np.take_along_axis(few, choice, axis=1)
    return words


def main() -> None:
    """Do as the command line says."""
    match sys.argv[1:]:
        case ["oracle", seed, count]:
            oracles(int(seed), int(count))
        case ["further", *names]:
            further(names)
        case ["train", folder, *numbers]:
            train(Path(folder), [int(number) for number in numbers])
        case ["longer", folder, *numbers]:
            train(Path(folder), [int(number) for number in numbers], longer=True)
        case [folder, *numbers]:
            report(Path(folder), [int(number) for number in numbers])
        case _:
            print(__doc__)


if __name__ == "__main__":
    main()
