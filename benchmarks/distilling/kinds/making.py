"""Layers of named units, and what is done to them before they are written: shuffles and noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Layer

Rows = Any  # numpy arrays, first axis the batch


@dataclass(frozen=True)
class Kind:
    """A network with its signature, its function, and the lines that a person would need."""

    layers: Sequence[Layer]
    inputs: str
    output: str
    shapes: tuple[tuple[int, ...], ...]
    levels: tuple[int, ...]
    expected: Callable[..., Rows]
    hidden: str = "sign"


class Net:
    """Layers of named units; a unit is a dict from the units below (or cells) to weights."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.layers: list[Layer] = []

    def add(self, units: Sequence[tuple[dict[int, float], float]]) -> Net:
        """Add a layer of units, each with weights and a bias."""
        weights = np.zeros((self.width, len(units)))
        for number, (entries, _) in enumerate(units):
            for place, weight in entries.items():
                weights[place, number] += weight
        self.layers.append((weights, np.array([bias for _, bias in units], dtype=np.float64)))
        self.width = len(units)
        return self


def shuffled(layers: Sequence[Layer], rng: np.random.Generator) -> list[Layer]:
    """Return the same network with the hidden units of every layer in a random order."""
    layers = list(layers)
    for at in range(len(layers) - 1):
        (weights, bias), (following, last) = layers[at : at + 2]
        order = rng.permutation(bias.size)
        layers[at : at + 2] = (weights[:, order], bias[order]), (following[order], last)
    return layers


def noisy(
    layers: Sequence[Layer], rng: np.random.Generator, size: float = 0.01, everywhere: float = 0.0
) -> list[Layer]:
    """Return the network with scaled units and noise on every weight and bias, on zeros too."""
    found: list[Layer] = []
    for number, (weights, bias) in enumerate(layers):
        last = number == len(layers) - 1
        scale = rng.uniform(0.3, 3, 1 if last else bias.size)
        weights = weights * (1 + size * rng.uniform(-1, 1, weights.shape))
        weights = weights + everywhere * rng.uniform(-1, 1, weights.shape)
        bias = bias * (1 + size * rng.uniform(-1, 1, bias.size))
        found.append((weights * scale, bias * scale))
    return found


def kind(
    layers: Sequence[Layer],
    rng: np.random.Generator,
    shapes: str,
    output: str,
    expected: Callable[..., Rows],
    most: int = 1,
    noise: float = 0.0,
    everywhere: float = 0.0,
    hidden: str = "sign",
) -> Kind:
    """Return a kind, its units shuffled, with inputs `name[4, 5], other[6]` from 0 to `most`."""
    layers = shuffled(layers, rng)
    if noise or everywhere:
        layers = noisy(layers, rng, noise, everywhere)
    scalar = "bit" if most == 1 else f"int<0..{most}>"
    parts = [part.strip() for part in shapes.split(";")]
    extents = tuple(
        tuple(int(n) for n in part[part.index("[") + 1 : -1].split(",")) for part in parts
    )
    inputs = ", ".join(part.replace("[", f": {scalar}[") for part in parts)
    levels = tuple(range(most + 1))
    return Kind(layers, inputs, output, extents, levels, expected, hidden)


def at_least(count: float) -> float:
    """Return the bias of a unit that is on from `count` on."""
    return 0.5 - count


def cells(shape: Sequence[int]) -> NDArray[np.int64]:
    """Return the flat numbers of the cells of an array."""
    return np.arange(int(np.prod(shape))).reshape(shape)


def weighted(places: Any, weight: float = 1.0) -> dict[int, float]:
    """Return the same weight on places."""
    return {int(p): weight for p in np.asarray(places).ravel()}


def both(*parts: dict[int, float]) -> dict[int, float]:
    """Return the sum of weights."""
    total: dict[int, float] = {}
    for part in parts:
        for place, weight in part.items():
            total[place] = total.get(place, 0.0) + weight
    return total
