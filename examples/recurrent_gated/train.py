"""Train the gated networks of this folder: python examples/recurrent_gated/train.py [NAME ...]."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.recurrent_tasks import BY_NAME, Task

FOLDER = Path(__file__).parent
# File -> task, kind of cell, hidden numbers.
NETWORKS = {
    "gru_parity": ("Parity_All", nn.GRU, 6),
    "gru_addition": ("Binary_Addition", nn.GRU, 6),
    "gru_base_3_addition": ("Base_3_Addition", nn.GRU, 8),
    "lstm_div_3": ("Div_3", nn.LSTM, 10),
    "lstm_parity_last3": ("Parity_Last3", nn.LSTM, 8),
    "lstm_alternating_last4": ("Alternating_Last4", nn.LSTM, 8),
}
STEPS = 6000
LOOK = 100
CHECKED = 1 << 16
SAFE = 0.3  # how far an output may be from its integer


def learn(name: str) -> None:
    """Train until every one of 65,536 fresh sequences is right by a margin; write the network."""
    task_name, cell, hidden = NETWORKS[name]
    task, start = BY_NAME[task_name], time.process_time()
    seed, (model, steps, right) = 0, _trained(task, cell, hidden, 0)
    while not right and seed < 3:
        seed += 1
        model, steps, right = _trained(task, cell, hidden, seed)
    model.ddc_input, model.ddc_output = task.signature, "round"
    torch.save(model, FOLDER / f"{name}.pt")
    took = time.process_time() - start
    print(f"{name}: seed {seed}, {steps} steps, {took:.0f} s, all right: {right}", flush=True)


def _trained(task: Task, cell: type[Any], hidden: int, seed: int) -> tuple[Any, int, bool]:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    model: Any = nn.Sequential(cell(task.inputs, hidden, batch_first=True), nn.Linear(hidden, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS, 1e-4)
    for step in range(1, STEPS + 1):
        length = max(2, round(min(1.0, 4 * step / STEPS) * task.length))
        x, y = _batch(task, rng, 128, length)
        loss = (_answer(model, x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % LOOK == 0 and _is_right(model, task, rng, 4096):
            if _is_right(model, task, rng, CHECKED):
                return model, step, True
    return model, STEPS, False


def _answer(model: Any, x: Any) -> Any:
    return model[1](model[0](x)[0])


def _batch(task: Task, rng: np.random.Generator, rows: int, length: int) -> tuple[Any, Any]:
    x = task.draw(rng, rows, length)
    return torch.from_numpy(x).float(), torch.from_numpy(task.rule(x)).float()


def _is_right(model: Any, task: Task, rng: np.random.Generator, rows: int) -> bool:
    with torch.no_grad():
        x, y = _batch(task, rng, rows, task.length)
        return bool(((_answer(model, x) - y).abs() < SAFE).all())


if __name__ == "__main__":
    for chosen in sys.argv[1:] or NETWORKS:
        learn(chosen)
