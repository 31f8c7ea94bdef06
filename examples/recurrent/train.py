"""Train the networks of this folder: python examples/recurrent/train.py [TASK ...].

Most are trained as the tasks say. Those of `PROVABLE` are trained so that a proof for every length is
likely: on longer sequences with runs of one letter in them, with noise on the states and a penalty on what
is left of it one step later. Of several attempts the first that is proved is kept. Those that were wrong on
rare words are then drilled on such words (`drill` in `benchmarks/recurrent_tasks.py`), and where that does
not do, states that the rule cannot tell apart are held together from the start (`alike`).
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.recurrent_proofs import Summary, summary
from benchmarks.recurrent_tasks import BY_NAME, TASKS, Ints, Task
from ddc.frontend.learn.drill import drilled
from ddc.frontend.learn.recurrent import Recipe, Recurrent, train

FOLDER = Path(__file__).parent
TRIES = 2

FIRM: dict[str, Any] = {
    "noise": 0.1,
    "flat": 0.1,
    "longest": 14,
    "checked_at": 50,
    "checked": 1 << 13,
    "least": 0.7,
    "steps": 3000,
    "seeds": 6,
    "batch": 64,
}
# Accumulators keep every error for ever: their weights have to be exact.
SETTLED: dict[str, Any] = {
    "settle": True,
    "noise": 0.0,
    "flat": 0.0,
    "longest": 0,
    "checked_at": 0,
    "checked": 1 << 16,
    "least": 0.0,
    "steps": 6000,
    "seeds": 8,
    "batch": 256,
}
PROVABLE: dict[str, dict[str, Any]] = {
    "Binary_Addition": {"steps": 2000},
    "Base_3_Addition": {"steps": 2000},
    "Base_6_Addition": {"f": (24,), "steps": 2000},
    "Base_7_Addition": {"f": (24,), "steps": 2000},
    "Parity_Last4": {"hidden": 3, "f": (48,)},
    "Parity_All": {"hidden": 2, "f": (16,), "steps": 2000},
    "Parity_Bits_Mod2": {"hidden": 2, "f": (16,), "loss": "log", "steps": 2000},
    "Bit_Dot_Prod_Mod2": {"hidden": 2, "f": (16,), "steps": 2000},
    "Div_3": {"hidden": 2},
    "Div_5": {"hidden": 3},
    "Add_Mod_3": {"hidden": 2, "f": (32,), "rate": 8e-3},
    "Add_Mod_4": {"hidden": 2, "f": (48,), "scale": "unit", "rate": 8e-3, "steps": 4000},
    **dict.fromkeys(("Sum_All", "Newton_Freebody", "Newton_Gravity"), SETTLED),
    **dict.fromkeys(("Newton_Spring", "Newton_Magnetic"), SETTLED),
}


def learn(task: Task) -> None:
    """Train a network for a task, with other seeds where the first do not reach it; write it."""
    firm = task.name in PROVABLE

    def source(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
        x = task.draw(rng, count, length)
        if firm:
            x[: count // 4] = _runs(rng, x[: count // 4])
        return x, task.rule(x)

    start, path = time.perf_counter(), FOLDER / f"{task.name}.pt"
    best: tuple[tuple[float, ...], Recurrent] | None = None
    for attempt in range(TRIES):
        found = train(source, task.length, _recipe(task, attempt), rule=task.rule)
        write(task, found)
        proved = summary(path) if firm else Summary(task.length)
        goodness = (proved.always, found.right / found.checked, proved.length)
        if best is None or goodness >= best[0]:
            best = goodness, found
        took = time.perf_counter() - start
        print(f"{task.name}: {found.summary()}, {took:.1f} s; {proved}", flush=True)
        if found.right == found.checked and (proved.always or not firm):
            break
    assert best is not None
    write(task, best[1])
    if task.net.drill:
        drill(task, best[1])


def drill(task: Task, found: Recurrent) -> None:
    """Train a network on with the words that it gets wrong; write it."""

    def source(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
        x = task.draw(rng, count, length)
        return x, task.rule(x)

    start = time.perf_counter()
    recipe = replace(_recipe(task, 0), drill=task.net.drill, drill_rate=task.net.drill_rate)
    better = drilled(found, source, recipe, task.rule)
    write(task, better)
    print(f"{task.name}: {better.summary()}, {time.perf_counter() - start:.1f} s", flush=True)


def _recipe(task: Task, attempt: int) -> Recipe:
    net = task.net
    own: dict[str, Any] = {
        "hidden": net.hidden,
        "f": net.f,
        "g": net.g,
        "loss": net.loss,
        "scale": net.scale,
        "rate": net.rate,
        "seeds": net.seeds,
        "batch": net.batch,
        "steps": net.steps,
        "longest": net.longest,
        "alike": net.alike,
    }
    if task.name in PROVABLE:
        own |= FIRM | PROVABLE[task.name]
    return Recipe(**own, seed=attempt)


def _runs(rng: np.random.Generator, x: Ints) -> Ints:
    """Return sequences in which each letter stays for four steps on average."""
    rows, length, _ = x.shape
    changes = rng.random((rows, length, 1)) < 0.25
    changes[:, 0] = True
    since = np.maximum.accumulate(np.where(changes, np.arange(length)[:, None], 0), axis=1)
    held: Ints = np.take_along_axis(x, since, axis=1)
    return held


def write(task: Task, found: Recurrent) -> None:
    """Write a network with its signature."""
    weights = {name: torch.from_numpy(array) for name, array in found.tensors().items()}
    content = {"format": "ddc.recurrent/1", "length": task.length, "input": task.signature}
    torch.save({**content, "output": "round", **weights}, FOLDER / f"{task.name}.pt")


def main() -> None:
    """Train the tasks that are named, or all whose file is missing."""
    missing = [task.name for task in TASKS if not (FOLDER / f"{task.name}.pt").exists()]
    for name in sys.argv[1:] or missing:
        learn(BY_NAME[name])


if __name__ == "__main__":
    main()
