"""Train the networks of this folder: python examples/recurrent/train.py [TASK ...]."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.recurrent_tasks import BY_NAME, TASKS, Ints, Task
from ddc.frontend.learn.recurrent import Recipe, Recurrent, train

FOLDER = Path(__file__).parent
TRIES = 2


def learn(task: Task) -> None:
    """Train a network for a task, with other seeds where the first do not reach it; write it."""

    def source(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
        x = task.draw(rng, count, length)
        return x, task.rule(x)

    net, start, best = task.net, time.perf_counter(), None
    for attempt in range(TRIES):
        recipe = Recipe(
            net.hidden,
            net.f,
            net.g,
            net.loss,
            net.scale,
            net.rate,
            net.seeds,
            net.batch,
            net.steps,
            net.longest,
            seed=attempt,
        )
        found = train(source, task.length, recipe)
        if best is None or found.right / found.checked > best.right / best.checked:
            best = found
            write(task, best)
        if found.right == found.checked:
            break
    assert best is not None
    took = time.perf_counter() - start
    print(f"{task.name}: {best.summary()}, {took:.1f} s", flush=True)


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
