"""Learn essence networks: three layers, every unit a convex fit of its own.

input -> differentia units -> subconcept units -> concepts. No back-propagation but gradient descent
of the last layer. Method: Blazek and Lin, Nat Comput Sci 1:607-618 (2021), and its use for deep
distilling, Nat Comput Sci 4:110-118 (2024). Symbolic networks have whole weights and sign units with
the third value 0; others have steep tanh units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.frontend.samples import Samples
from ddc.ir import DdcError

from . import concept
from .data import Table, table
from .separate import Floats, Plane, Separator
from .subconcepts import Progress, Subconcept, subconcepts
from .units import Differentiae, Unit, sign, subconcept_units

Layer = tuple[Floats, Floats]

STEEP = 12.0  # what a soft subconcept unit sums to at its nearest sample
MAX_WEIGHTS = 1 << 28


@dataclass(frozen=True)
class Options:
    """How to learn an essence network.

    `subconcepts`: how many in all, 0 for one per sample, None for as few as linear separators tell
    apart. `margin_ratio`: the share of its first margin that a subconcept unit keeps when it is
    pruned, infinity for no pruning. `prefer`: of equally light differentiae it keeps those with the
    `first` partner, as published, or the partner `near` in the data's order. `strictness`: where between two subconcepts the plane stands,
    -1 .. 1. `scale`: factors of inputs by name, for the linkage alone.
    """

    symbolic: bool = False
    subconcepts: int | None = None
    margin_ratio: float = 0.0
    prefer: str = "first"
    strictness: float = 0.0
    seed: int = 0
    input: str | None = None
    output: str | None = None
    scale: tuple[tuple[str, float], ...] = ()
    allow_constant: bool = False

    def check(self) -> None:
        """Raise `DdcError` for a value outside its range."""
        if self.subconcepts is not None and self.subconcepts < 0:
            raise DdcError("--subconcepts is a count, or 0 for one per sample")
        if not self.margin_ratio >= 0:
            raise DdcError("--margin-ratio is at least 0")
        if self.prefer not in ("first", "near"):
            raise DdcError("--prefer is first or near")
        if not -1 <= self.strictness <= 1:
            raise DdcError("--strictness is between -1 and 1")
        if any(not 0 < factor < np.inf for _, factor in self.scale):
            raise DdcError("--scale takes a positive factor")


@dataclass(frozen=True, eq=False)
class Essence:
    """A learned network: layers (weights n_in x n_out, bias), activations, signature.

    `subconcepts` is 0 for networks that have none.
    """

    layers: Sequence[Layer]
    activations: Sequence[str]
    input: str
    output: str
    subconcepts: int
    samples: int
    right: int  # samples that the network decides as their label says

    def decide(self, rows: NDArray[np.generic]) -> Floats:
        """Return decisions [samples, outputs] on rows [samples, inputs]; argmax as one-hot."""
        return _decided(
            evaluate(self.layers, self.activations, rows.astype(np.float64)), self.output
        )

    @property
    def weights(self) -> int:
        """The number of weights and biases."""
        return sum(weights.size + bias.size for weights, bias in self.layers)

    @property
    def non_zeros(self) -> int:
        """The number of weights and biases that are not zero."""
        return sum(int(np.count_nonzero(part)) for layer in self.layers for part in layer)

    def summary(self) -> str:
        """Return what was learned, in one line."""
        sizes = "-".join(str(len(layer[0])) for layer in self.layers)
        groups = f"{self.subconcepts} subconcepts, " if self.subconcepts else ""
        return (
            f"{self.input} -> {self.output}: network {sizes}-{self.layers[-1][1].size}, "
            f"{self.non_zeros} of {self.weights} weights not zero, {groups}"
            f"{self.right} of {self.samples} samples right"
        )


def learn(
    samples: Samples, options: Options | None = None, progress: Progress | None = None
) -> Essence:
    """Learn an essence network from samples with labels.

    The same data, options and seed give the same network. Raises `DdcError` for data that cannot be
    learned from, one line each.
    """
    options = options or Options()
    options.check()
    data = table(samples, options.input, options.output)
    if data.constant:
        return _constant(data, options)
    separator = Separator(options.strictness)
    factors = _factors(samples, options.scale)
    parts = subconcepts(
        data.rows * factors, data.labels, options.subconcepts, Separator(), options.seed, progress
    )
    differentiae = Differentiae(data.rows, parts, separator, options.symbolic)
    units = subconcept_units(
        differentiae, data.labels, options.margin_ratio, options.prefer, progress
    )
    pruned = bool(np.isfinite(options.margin_ratio))
    layers = list(_hidden(differentiae, units, pruned))
    name = "sign" if options.symbolic else "tanh"
    if not options.symbolic:
        layers[1] = _steep(layers, data, parts)
    said = evaluate([*layers, _identity(len(units))], [name, name, "linear"], data.rows)
    layers.append(_concepts(said, data, parts, options, progress))
    layers = _heard(layers)
    last = "sigmoid" if data.output == "raw" else "linear"
    return _measured(data, layers, [name, name, last], len(parts))


def _constant(data: Table, options: Options) -> Essence:
    if not options.allow_constant:
        raise DdcError(
            f"all {data.given} samples have one label: there is nothing to tell apart (say "
            "--allow-constant for a constant network)"
        )
    sums = _logits(data)[0] if data.soft else np.where(data.targets[0] > 0, 1.0, -1.0)
    last = "sigmoid" if data.output == "raw" else "linear"
    weights = np.zeros((data.rows.shape[1], len(sums)))
    return _measured(data, [(weights, sums)], [last], 1)


def _factors(samples: Samples, scale: Sequence[tuple[str, float]]) -> Floats:
    """Return the factor of every column."""
    factors = dict(scale)
    unknown = [name for name in factors if name not in samples.arrays]
    if unknown:
        raise DdcError(f"--scale: there is no input {unknown[0]!r}")
    parts = [
        np.full(int(np.prod(array.shape[1:])), factors.get(name, 1.0))
        for name, array in samples.arrays.items()
    ]
    return np.concatenate(parts)


def _hidden(differentiae: Differentiae, units: Sequence[Unit], pruned: bool) -> tuple[Layer, Layer]:
    """Return the two hidden layers; differentia units that nobody hears are left out.

    In a pruned network every differentia unit is turned to be positive for those that hear it, and
    equal ones are one unit.
    """
    planes: list[Plane] = []
    numbers: dict[tuple[bytes, bytes, float], int] = {}
    heard: list[list[tuple[int, float]]] = []
    for unit in units:
        own: list[tuple[int, float]] = []
        for pair, weight in zip(unit.pairs, unit.weights.tolist(), strict=True):
            plane = differentiae.plane(*pair)
            if pruned and weight < 0:
                plane, weight = plane.negated(), -weight
            key = plane.columns.tobytes(), plane.weights.tobytes(), plane.bias
            if key not in numbers:
                numbers[key] = len(planes)
                planes.append(plane)
            own.append((numbers[key], weight))
        heard.append(own)
    inputs = differentiae.rows.shape[1]
    if (inputs + len(units)) * len(planes) > MAX_WEIGHTS:
        raise DdcError(
            f"a network of {len(planes)} differentia units is too large: say --subconcepts K with "
            "a smaller K"
        )
    first = np.zeros((inputs, len(planes)))
    for number, plane in enumerate(planes):
        first[plane.columns, number] = plane.weights
    second = np.zeros((len(planes), len(units)))
    for number, own in enumerate(heard):
        for at, weight in own:
            second[at, number] += weight
    biases = np.array([plane.bias for plane in planes]), np.array([unit.bias for unit in units])
    return (first, biases[0]), (second, biases[1])


def _identity(size: int) -> Layer:
    return np.eye(size), np.zeros(size)


def _steep(layers: Sequence[Layer], data: Table, parts: Sequence[Subconcept]) -> Layer:
    """Scale each soft subconcept unit by its own multiplier."""
    said = np.tanh(data.rows @ layers[0][0] + layers[0][1])
    weights, bias = layers[1]
    sums = np.abs(said @ weights + bias)
    factors = np.ones(len(parts))
    for number, part in enumerate(parts):
        matters = data.labels != part.label
        matters[part.rows] = True
        nearest = float(sums[matters, number].min())
        factors[number] = STEEP / nearest if nearest > 0 else 1.0
    return weights * factors, bias * factors


def _concepts(
    said: Floats,
    data: Table,
    parts: Sequence[Subconcept],
    options: Options,
    progress: Progress | None,
) -> Layer:
    if data.soft:
        return concept.soft_targets(said, _logits(data))
    hot = data.targets > 0
    if options.symbolic:
        own = hot[[int(part.rows[0]) for part in parts]]
        simple = concept.any_of_own(said, hot, own, data.output == "argmax")
        if simple is not None:
            return simple
    layer = concept.one_against_all(said, hot, options.symbolic)
    if options.symbolic:
        return layer
    targets = np.argmax(data.targets, 1) if data.output == "argmax" else hot
    better = concept.polished(said, layer, targets, progress)
    wrong = [_wrong(said @ w + b, data) for w, b in (layer, better)]
    return better if wrong[1] <= wrong[0] else layer


def _heard(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers without the units that no later layer hears."""
    kept = list(layers)
    for at in range(len(kept) - 2, -1, -1):
        (weights, bias), (following, last) = kept[at : at + 2]
        heard = (following != 0).any(1)
        if not heard.all() and heard.any():
            kept[at : at + 2] = (weights[:, heard], bias[heard]), (following[heard], last)
    return kept


def _logits(data: Table) -> Floats:
    if data.output == "softmax":
        return concept.centred_logits(data.targets)
    return concept.log_odds(data.targets)


_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "sign": sign,
    "relu": lambda sums: np.maximum(sums, 0.0),
    "tanh": lambda sums: np.asarray(np.tanh(sums)),
    "linear": lambda sums: sums,
    "sigmoid": lambda sums: 0.5 + 0.5 * np.tanh(sums / 2),
}


def evaluate(layers: Sequence[Layer], activations: Sequence[str], rows: Floats) -> Floats:
    """Evaluate layers on rows [samples, inputs]."""
    values = rows
    for (weights, bias), name in zip(layers, activations, strict=True):
        values = _ACTIVATIONS[name](values @ weights + bias)
    return values


def _decided(values: Floats, output: str) -> Floats:
    """Return what the decision makes of the last layer's values."""
    if output == "softmax":
        odds = np.exp(values - values.max(1, keepdims=True))
        softmax: Floats = odds / odds.sum(1, keepdims=True)
        return softmax
    if output == "argmax":
        hot: Floats = np.eye(values.shape[1])[np.argmax(values, 1)]
        return hot
    if output == "step":
        return np.asarray(values > 0, dtype=np.float64)
    signs: Floats = np.sign(values) if output == "sign" else values
    return signs


def _wrong(values: Floats, data: Table) -> int:
    """Return how many samples are not decided as their targets say."""
    decided = _decided(values, data.output)
    if data.soft:
        return int((np.abs(decided - data.targets) > 1e-6).any(1).sum())
    return int((decided != data.targets).any(1).sum())


def _measured(
    data: Table, layers: Sequence[Layer], activations: Sequence[str], parts: int
) -> Essence:
    wrong = _wrong(evaluate(layers, activations, data.rows), data)
    count = len(data.rows)
    return Essence(layers, activations, data.input, data.output, parts, count, count - wrong)
