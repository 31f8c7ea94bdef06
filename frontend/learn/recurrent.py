"""Train small recurrent networks `h' = f([h, x])`, `y = g(h')` on integer sequences.

Several seeds are trained at once as one batched tensor program, on lengths that grow to the full
one. Inputs are centred and scaled, outputs of a wide range are scaled, and both are folded back into the
first and last layers, so that the network takes and gives the raw numbers. Needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .torch_thread import one_thread

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
# (generator, rows, steps) -> inputs [rows, steps, n], wanted outputs [rows, steps, m].
Source = Callable[[np.random.Generator, int, int], tuple[Ints, Ints]]
Rule = Callable[[Ints], Ints]  # inputs [rows, steps, n] -> wanted outputs [rows, steps, m]

WIDE = 16  # an output of a wider range is scaled
LOOKED_AT = 250  # steps between two looks at how much is right
CHUNK = 4096
FARTHER = 4  # times the length: where settled weights are checked
COPING = 0.01  # the loss of a seed whose outputs are about right
FIRMING = 0.2  # of the steps, until the noise has its full size
SAFE = 0.3  # how far an output may be from its integer where training may stop
CLOSE = 0.5 - 1e-3  # and where it counts as right: float32 and exact arithmetic differ a little


@dataclass(frozen=True)
class Recipe:
    """Sizes and training of a network; `longest` is the greatest length trained on (0: the given one).

    For networks whose programs can be proved for every length: `noise` on the states makes states
    that stand for different things lie apart, `flat` weighs how far a disturbance of that size is still
    there one step later (contractive training, Rifai et al. 2011), and sequences of length `checked_at`
    choose among the seeds and end the training, not before the share `least` of the steps. `settle` puts
    an affine cell into coordinates in which the weights of integer recurrences can be rounded. `alike` weighs
    how far states lie apart that a rule cannot tell from each other (`alike.py`). `drill` steps
    follow with the sequences that the best seed still gets wrong or nearly so (`drill.py`), at first
    at `drill_rate` (0: a fifth of `rate`).
    """

    hidden: int = 4
    f: tuple[int, ...] = (32,)
    g: tuple[int, ...] = ()
    loss: str = "log"
    scale: str = "std"
    rate: float = 5e-3
    seeds: int = 8
    batch: int = 256
    steps: int = 6000
    longest: int = 0
    noise: float = 0.0
    flat: float = 0.0
    seed: int = 0
    checked: int = 1 << 16
    checked_at: int = 0
    least: float = 0.0
    settle: bool = False
    alike: float = 0.0
    drill: int = 0
    drill_rate: float = 0.0


def firm(recipe: Recipe) -> Recipe:
    """Return the recipe with what makes a proof for every length likely."""
    return replace(recipe, noise=recipe.noise or 0.1, flat=0.1, least=0.7, settle=True)


@dataclass(frozen=True)
class Recurrent:
    """A trained network, raw numbers in and out, and how much of fresh sequences it gets right."""

    f: tuple[tuple[Floats, Floats], ...]
    g: tuple[tuple[Floats, Floats], ...]
    h0: Floats
    length: int
    right: int
    safe: int
    checked: int
    steps: int

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights by their names in a `ddc.recurrent/1` dict."""
        found: dict[str, NDArray[np.float32]] = {"h0": self.h0.astype(np.float32)}
        for part, layers in (("f", self.f), ("g", self.g)):
            for number, (weight, bias) in enumerate(layers):
                found[f"{part}.{number}.weight"] = weight.astype(np.float32)
                found[f"{part}.{number}.bias"] = bias.astype(np.float32)
        return found

    def summary(self) -> str:
        """Return the result in words."""
        return (
            f"{self.right} of {self.checked} fresh sequences of length {self.length} right, "
            f"{self.steps} steps"
        )


def train(
    source: Source,
    length: int,
    recipe: Recipe,
    progress: Callable[[str, float], None] | None = None,
    rule: Rule | None = None,
) -> Recurrent:
    """Return the best of several seeds; stops at the first that gets every sequence right.

    `rule` labels words that `source` did not draw, where there is one. Deterministic for a recipe on one
    machine. Raises `DdcError` where torch is missing.
    """
    with one_thread() as torch:
        found = _Trainer(torch, source, length, recipe, rule).run(progress)
    # What is wrong on most sequences has not learned the task, which no drill makes up for.
    if recipe.drill and 2 * found.right > found.checked:
        from .drill import drilled

        found = drilled(found, source, recipe, rule, progress)
    if not recipe.settle:
        return found
    from .settle import settled

    rng = np.random.default_rng(recipe.seed)
    return settled(found, lambda: source(rng, CHUNK, FARTHER * length))


class _Trainer:
    def __init__(
        self, torch: Any, source: Source, length: int, recipe: Recipe, rule: Rule | None
    ) -> None:
        self.torch, self.source, self.length, self.recipe = torch, source, length, recipe
        self.rng = np.random.default_rng(recipe.seed)
        torch.manual_seed(recipe.seed)
        x, y = source(self.rng, CHUNK, length)
        self.mean = x.mean(axis=(0, 1))
        spread = x.std(axis=(0, 1))
        self.spread = (
            np.ones_like(spread) if recipe.scale == "unit" else np.where(spread, spread, 1)
        )
        wide = y.max() - y.min() > WIDE
        self.unit = float(y.std()) if wide else 1.0
        inputs, outputs = x.shape[2], y.shape[2]
        self.f = self._layers((recipe.hidden + inputs, *recipe.f, recipe.hidden))
        self.g = self._layers((recipe.hidden, *recipe.g, outputs))
        if not recipe.f:
            self._orthogonal()
        self.alike: Any = None
        if recipe.alike and rule is not None:
            from .alike import Alike

            self.alike = Alike(torch, source, rule, recipe, recipe.longest or length)

    def _layers(self, widths: tuple[int, ...]) -> list[tuple[Any, Any]]:
        torch, seeds = self.torch, self.recipe.seeds
        layers: list[tuple[Any, Any]] = []
        for into, out in zip(widths, widths[1:]):
            reach = 1 / math.sqrt(into)
            weight = (torch.rand(seeds, into, out) * 2 - 1) * reach
            bias = (torch.rand(seeds, 1, out) * 2 - 1) * reach
            layers.append((weight.requires_grad_(), bias.requires_grad_()))
        return layers

    def _orthogonal(self) -> None:
        """Start a linear cell near a rotation; with one state half of the seeds start negative."""
        torch, size = self.torch, self.recipe.hidden
        weight = self.f[0][0]
        with torch.no_grad():
            for seed in range(self.recipe.seeds):
                turn = torch.linalg.qr(torch.randn(size, size))[0]
                sign = torch.sign(turn) if size == 1 else turn
                flip = -1 if size == 1 and seed % 2 else 1
                weight[seed, :size] = 0.9 * flip * (torch.abs(sign) if size == 1 else turn)

    def forward(self, x: Any, noise: Any = None) -> tuple[Any, Any, Any]:
        """Return the outputs [seeds, steps, rows, m] in scaled units for scaled inputs.

        And what is left of a disturbance of the states after one step, in its own units, squared;
        `noise` [seeds] is the size of the disturbances. And the states [seeds, steps * rows, k].
        """
        torch, recipe = self.torch, self.recipe
        h = torch.zeros(recipe.seeds, x.shape[0], recipe.hidden)
        found: list[Any] = []
        left: Any = 0.0
        for t in range(x.shape[1]):
            step = x[:, t].expand(recipe.seeds, -1, -1)
            after = self._stack(self.f, torch.cat([h, step], dim=2))
            if noise is not None:
                size = noise[:, None, None]
                other = h + size * torch.randn_like(h)
                disturbed = self._stack(self.f, torch.cat([other, step], dim=2))
                left = left + ((disturbed - after) / (size + 1e-3)).square().mean(dim=(1, 2))
                after = disturbed
            h = after
            found.append(h)
        states = torch.cat(found, dim=1)
        outputs = self._stack(self.g, states).unflatten(1, (len(found), -1))
        return outputs, left / len(found), states

    def _stack(self, layers: list[tuple[Any, Any]], value: Any) -> Any:
        for number, (weight, bias) in enumerate(layers):
            value = self.torch.relu(value) if number else value
            value = self.torch.baddbmm(bias, value, weight)
        return value

    def batch(self, rows: int, length: int) -> tuple[Any, Any]:
        """Return scaled inputs, and wanted outputs [1, steps, rows, m]."""
        return self._tensors(*self.source(self.rng, rows, length))

    def _tensors(self, x: Ints, y: Ints) -> tuple[Any, Any]:
        scaled = self.torch.from_numpy(((x - self.mean) / self.spread).astype(np.float32))
        wanted = self.torch.from_numpy((y / self.unit).astype(np.float32))
        return scaled, wanted.transpose(0, 1)[None]

    def run(self, progress: Callable[[str, float], None] | None) -> Recurrent:
        torch, recipe = self.torch, self.recipe
        weights = [tensor for pair in (*self.f, *self.g) for tensor in pair]
        optimiser = torch.optim.AdamW(weights, lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0)
        longest = recipe.longest or self.length
        firm = torch.zeros(recipe.seeds)
        best = self._trained(0)
        for step in range(1, recipe.steps + 1):
            grown = 2 + (longest - 2) * 4 * step / recipe.steps
            x, wanted, alike = self._drawn(max(1, min(longest, round(grown))))
            outputs, left, states = self.forward(x, recipe.noise * firm if recipe.noise else None)
            squares = (outputs - wanted).square()
            loss = (torch.log1p(squares) if recipe.loss == "log" else squares) / 2
            error = loss.mean(dim=(1, 2, 3))
            optimiser.zero_grad(set_to_none=True)
            apart = self.alike.penalty(states, alike) if self.alike else 0.0
            (error + recipe.flat * firm * left + apart).sum().backward()
            # Noise grows while a seed copes with it, and only once it has found out what to store.
            pace = torch.where(error.detach() < COPING, 1.0, -0.5) / (FIRMING * recipe.steps)
            firm = torch.clamp(firm + pace, 0, 1)
            self._clip(weights)
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * _schedule(step, recipe.steps)
            optimiser.step()
            if step % LOOKED_AT == 0 or step == recipe.steps:
                # Of equally good ones the last: it was trained for longest.
                best = max(self._trained(step), best, key=_goodness)
                if progress is not None:
                    progress("training", step / recipe.steps)
                done = step >= recipe.least * recipe.steps
                if done and best.safe == best.checked >= recipe.checked:
                    break
        return best

    def _drawn(self, length: int) -> tuple[Any, Any, Any]:
        """Return a batch to train on, and which of its states are alike."""
        if self.alike is None:
            return *self.batch(self.recipe.batch, length), None
        x, y, alike = self.alike.batch(self.rng, self.recipe.batch, length)
        return *self._tensors(x, y), alike

    def _clip(self, weights: list[Any]) -> None:
        """Clip the gradient of each seed by itself."""
        torch = self.torch
        squares: Any = sum(w.grad.square().sum(dim=(1, 2)) for w in weights)
        factor = torch.clamp(1 / (squares.sqrt() + 1e-12), max=1)[:, None, None]
        for weight in weights:
            weight.grad.mul_(factor)

    def _trained(self, step: int) -> Recurrent:
        """Return the best seed, judged by as many fresh sequences as it takes to tell."""
        right, safe = self._counts(CHUNK)
        best = int((right + safe / (CHUNK + 1)).argmax())
        found, sure, checked = int(right[best]), int(safe[best]), CHUNK
        while found == checked and checked < self.recipe.checked:
            more, surer = self._counts(CHUNK)
            found, sure = found + int(more[best]), sure + int(surer[best])
            checked += CHUNK
        return Recurrent(
            self._folded(self.f, best, True),
            self._folded(self.g, best, False),
            np.zeros(self.recipe.hidden),
            self.length,
            found,
            sure,
            checked,
            step,
        )

    def _counts(self, rows: int) -> tuple[Ints, Ints]:
        """Return how many fresh sequences each seed gets right, and right by a margin."""
        torch = self.torch
        with torch.no_grad():
            x, wanted = self.batch(rows, self.recipe.checked_at or self.length)
            off = ((self.forward(x)[0] - wanted) * self.unit).abs().amax(dim=(1, 3))
        counts = [(off < limit).sum(dim=1).numpy() for limit in (CLOSE, SAFE)]
        return counts[0], counts[1]

    def _folded(
        self, layers: list[tuple[Any, Any]], seed: int, first: bool
    ) -> tuple[tuple[Floats, Floats], ...]:
        """Return the layers of a seed (out x in) with the scaling folded in."""
        found = [
            (
                w[seed].detach().numpy().T.astype(np.float64),
                b[seed, 0].detach().numpy().astype(float),
            )
            for w, b in layers
        ]
        if first:
            weight, bias = found[0]
            inputs = slice(self.recipe.hidden, None)
            scaled = weight[:, inputs] / self.spread
            weight = np.concatenate([weight[:, : self.recipe.hidden], scaled], axis=1)
            found[0] = weight, bias - scaled @ self.mean
        else:
            weight, bias = found[-1]
            found[-1] = weight * self.unit, bias * self.unit
        return tuple(found)


def _goodness(found: Recurrent) -> tuple[float, float]:
    return found.right / found.checked, found.safe / found.checked


def _schedule(step: int, steps: int) -> float:
    """Return a factor for the rate: a short warm-up, then a cosine from 40 % on."""
    if step < 50:
        return step / 50
    late = max(0.0, (step / steps - 0.4) / 0.6)
    return 0.5 * (1 + math.cos(math.pi * late))
