"""Train small multi-layer networks so that what they compute can be proved beyond enumeration.

After the fit the weights are shrunk by the proximal step of an L1 penalty (soft thresholding, Parikh
and Boyd, Proximal Algorithms, 2014) while training goes on: weights that only carry noise become
exactly zero, and linear bounds then prove on which inputs an output depends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ddc.frontend.samples import Samples
from ddc.ir import DdcError

from .data import table
from .essence import Essence, evaluate
from .separate import Floats
from .subconcepts import Progress
from .torch_thread import one_thread

ACTIVATIONS = ("relu", "tanh")
BATCH = 512
REPORT = 50  # steps between two looks at the clock


@dataclass(frozen=True)
class TrainOptions:
    """How to train: hidden widths, activation, and the strength of L1 after the fit.

    `shrink` is the threshold of a step as a share of its rate; 0 trains plainly. The rate falls to a tenth in the last quarter of the steps.
    """

    hidden: tuple[int, ...] = (256,)
    activation: str = "relu"
    shrink: float = 0.3
    steps: int = 6_000
    fit_share: float = 0.2  # of the steps, before shrinking begins
    rate: float = 3e-3
    seed: int = 0
    input: str | None = None

    def check(self) -> None:
        """Raise `DdcError` for a value outside its range."""
        if self.activation not in ACTIVATIONS:
            raise DdcError(f"activations are {' and '.join(ACTIVATIONS)}, not {self.activation!r}")
        if not self.hidden or min(self.hidden) < 1:
            raise DdcError("--hidden takes widths of 1 and more")
        if self.steps < 1 or not self.shrink >= 0 or not self.rate > 0:
            raise DdcError("--steps, --shrink and --rate are positive")


def train(
    samples: Samples, options: TrainOptions | None = None, progress: Progress | None = None
) -> Essence:
    """Train a network of dense layers whose outputs are bits (decision `step`).

    Raises `DdcError` without torch and for data that are no bits, or that cannot be learned from.
    """
    options = options or TrainOptions()
    options.check()
    data = table(samples, options.input, "step")
    if data.constant:
        raise DdcError(f"all {data.given} samples have one label: there is nothing to tell apart")
    layers = _trained(data.rows, data.targets, options, progress)
    names = [options.activation] * len(options.hidden) + ["linear"]
    decided = evaluate(layers, names, data.rows) > 0
    right = int((decided == data.targets).all(1).sum())
    return Essence(layers, names, data.input, "step", 0, len(data.rows), right)


def _trained(
    rows: Floats, targets: Floats, options: TrainOptions, progress: Progress | None
) -> list[tuple[Floats, Floats]]:
    with one_thread() as torch:
        return _steps(torch, rows, targets, options, progress)


def _steps(
    torch: Any, rows: Floats, targets: Floats, options: TrainOptions, progress: Progress | None
) -> list[tuple[Floats, Floats]]:
    torch.manual_seed(options.seed)
    widths = [rows.shape[1], *options.hidden, targets.shape[1]]
    layers: list[Any] = []
    for before, after in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(before, after), _activation(torch, options.activation)]
    model = torch.nn.Sequential(*layers[:-1])
    weights = [layer.weight for layer in layers[::2]]
    x, y = (torch.tensor(part, dtype=torch.float32) for part in (rows, targets))
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    optimiser = torch.optim.Adam(model.parameters(), lr=options.rate)
    generator = torch.Generator().manual_seed(options.seed)
    begin = int(options.fit_share * options.steps)
    for step in range(options.steps):
        rate = options.rate * (0.1 if step >= 0.75 * options.steps else 1.0)
        optimiser.param_groups[0]["lr"] = rate
        batch = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
        optimiser.zero_grad()
        loss_of(model(x[batch]), y[batch]).backward()
        optimiser.step()
        if options.shrink and step >= begin:
            with torch.no_grad():
                for weight in weights:
                    size = (weight.abs() - rate * options.shrink).clamp_(min=0)
                    weight.copy_(weight.sign() * size)
        if progress is not None and step % REPORT == 0:
            progress("training", step / options.steps)
    return [
        tuple(part.detach().numpy().T.astype(float) + 0.0 for part in (layer.weight, layer.bias))
        for layer in layers[::2]
    ]


def _activation(torch: Any, name: str) -> Any:
    return {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[name]()
