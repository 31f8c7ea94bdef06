"""Train small networks by gradient descent until no input is wrong.

Shared by the examples. Every network here reads discrete inputs and ends in a discrete decision, so
"exact" can be checked: `check` runs all inputs it is given in double precision and measures how
far the network is from changing its mind.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]
Measure = Callable[[Tensor, Tensor], Tensor]

LEAST_MARGIN = 0.02  # far above rounding, in single precision too: no library changes an answer


class Check(NamedTuple):
    """Count the answers seen and the wrong ones; `margin` is the least distance to another answer."""

    answers: int
    wrong: int
    margin: float

    @property
    def exact(self) -> bool:
        return self.wrong == 0 and self.margin >= LEAST_MARGIN

    def __str__(self) -> str:
        return f"{self.wrong} of {self.answers} answers wrong, least margin {self.margin:.3f}"


def prepare(seed: int) -> torch.Generator:
    """Seed torch, keep it to one thread (the same sums everywhere), and return a generator."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def mlp(*widths: int) -> nn.Sequential:
    """Build linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def bits(numbers: Tensor, width: int) -> Tensor:
    """Write numbers (n) as rows of bits (n, width), the most significant first."""
    return (numbers[:, None] >> torch.arange(width - 1, -1, -1) & 1).float()


def elementary(rule: int, rows: Tensor) -> Tensor:
    """Step rows (n, cells) of an elementary cellular automaton on a ring."""
    hood = 4 * rows.roll(1, -1) + 2 * rows + rows.roll(-1, -1)
    return (torch.tensor(rule) >> hood.long() & 1).float()


def all_rows(rule: int, cells: int, block: int = 1 << 13) -> Iterable[Batch]:
    """Go through all 2^cells rows and their successors, block by block."""
    for start in range(0, 1 << cells, block):
        rows = bits(torch.arange(start, min(start + block, 1 << cells)), cells)
        yield rows, elementary(rule, rows)


def random_rows(rule: int, cells: int, generator: torch.Generator, batch: int = 512) -> Batch:
    """Draw fair random rows and their successors."""
    rows = torch.randint(2, (batch, cells), generator=generator).float()
    return rows, elementary(rule, rows)


def step_margin(answers: Tensor, targets: Tensor) -> Tensor:
    """Measure how far each output is on the right side of 0; the answer is output > 0."""
    return answers * (2 * targets - 1)


def argmax_margin(answers: Tensor, targets: Tensor) -> Tensor:
    """Measure how far the right one of the outputs (n, classes) leads the best other one."""
    right = answers.gather(-1, targets[:, None])
    return (right - answers.scatter(-1, targets[:, None], -torch.inf).amax(-1, True)).squeeze(-1)


def check(model: nn.Module, batches: Iterable[Batch], measure: Measure = step_margin) -> Check:
    """Run batches in double precision; end with the first one that holds a wrong answer."""
    answers, wrong, margin = 0, 0, float("inf")
    double = deepcopy(model).double()
    with torch.no_grad():
        for inputs, targets in batches:
            margins = measure(double(inputs.double()), targets)
            answers += margins.numel()
            wrong += int((margins <= 0).sum())
            margin = min(margin, float(margins.min()))
            if wrong:
                break
    return Check(answers, wrong, margin)


def fit(
    model: nn.Sequential,
    sample: Callable[[], Batch],
    examine: Callable[[nn.Module], Check],
    loss: Measure | None = None,
    every: int = 250,
    limit: int = 60_000,
) -> Check:
    """Train with Adam at 3e-3 until `examine` finds no wrong input; end the program at `limit` steps.

    `examine` runs every `every` steps, and its finding is printed.
    """
    loss = loss or nn.functional.binary_cross_entropy_with_logits
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    start = perf_counter()
    for step in range(1, limit + 1):
        inputs, targets = sample()
        optimiser.zero_grad()
        loss(model(inputs), targets).backward()
        optimiser.step()
        if step % every:
            continue
        found = examine(model)
        print(f"step {step:5}  {perf_counter() - start:5.1f} s  {found}", flush=True)
        if found.exact:
            return found
    raise SystemExit(f"not exact after {limit} steps")


def save(model: nn.Sequential, path: Path, signature: str, decision: str) -> None:
    """Save the whole network, with the names, types and decision that the compiler needs."""
    vars(model).update(ddc_input=signature, ddc_output=decision)
    torch.save(model.eval(), path)
    print(f"wrote {path.name}, {path.stat().st_size} bytes: {signature} -> {decision}")
