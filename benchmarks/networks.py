"""Generate networks whose function is known, and write them in the published formats, without torch.

Layers are pairs (weights, bias) of float64 arrays, weights n_in x n_out, as essence networks are
published: a unit computes `inputs @ weights + bias`. Sign units stand between the layers, with the
third value 0 at ties; the last layer is linear.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddc.frontend.learn.checkpoint import write_layers as write_layers

Array = NDArray[np.float64]
Layer = tuple[Array, Array]

NEIGHBOURHOODS = np.array([[p >> 2 & 1, p >> 1 & 1, p & 1] for p in range(8)], dtype=np.float64)


def essence_automaton(rule: int, cells: int = 8, seed: int | None = None) -> list[Layer]:
    """Build the essence network of an elementary cellular automaton on a ring of 0/1 cells.

    One output per cell, to be read with `step` (> 0). With a seed the hidden units are shuffled. The
    two constant rules have nothing to tell apart: their network is one layer of zero weights.
    Construction: Blazek & Lin, Nat Comput Sci 1:607-618 (2021), with each of the eight
    neighbourhoods a subconcept of its own. Raises ValueError for a ring of less than three cells.
    """
    if not 0 <= rule < 256 or cells < 3:
        raise ValueError("needs a rule in 0..255 and at least three cells")
    label = np.array([rule >> p & 1 for p in range(8)])
    if label.min() == label.max():
        return [(np.zeros((cells, cells)), np.full(cells, 2.0 * label[0] - 1))]
    differentia = _differentia(label)
    subconcept = _subconcept(label, np.sign(NEIGHBOURHOODS @ differentia[0] + differentia[1]))
    # At a neighbourhood of class 1 its own unit says 1 and all units of class 0 say -1, and the other
    # way round; units of the same class may say anything, ties included. So the vote is at least
    # 2 - ones + zeros there and at most zeros - ones - 2 in class 0, and the bias is the middle.
    concept = ((2.0 * label - 1)[:, None], np.array([2.0 * label.sum() - 8]))
    layers = [_on_a_ring(differentia, cells), _side_by_side(subconcept, cells)]
    return _shuffle([*layers, _side_by_side(concept, cells)], seed)


def _differentia(label: NDArray[np.int64]) -> Layer:
    """Separate each pair of neighbourhoods of different class: 3 inputs, one unit per pair.

    The plane is half way between two points, so no solver is needed. A third point may lie on it.
    """
    pairs = [(a, b) for a, b in combinations(range(8), 2) if label[a] != label[b]]
    first, second = NEIGHBOURHOODS[np.array(pairs)].transpose(1, 0, 2)
    weights = first - second
    return _integers(weights.T, -(weights * (first + second)).sum(1) / 2)


def _subconcept(label: NDArray[np.int64], signs: Array) -> Layer:
    """Separate each neighbourhood from the other class, given the differentia's signs (8, pairs).

    Pruned: a unit listens only to the planes that touch its neighbourhood, all of which say its
    side there. The threshold is half way to the best that the other class reaches.
    """
    pairs = [(a, b) for a, b in combinations(range(8), 2) if label[a] != label[b]]
    weights = np.zeros((len(pairs), 8))
    for pair, (a, b) in enumerate(pairs):
        weights[pair, [a, b]] = 1, -1
    votes = signs @ weights
    other = np.where(label[:, None] != label, votes, -np.inf).max(0)
    return _integers(weights, -(votes.diagonal() + other) / 2)


def _integers(weights: Array, bias: Array) -> Layer:
    """Double the units whose bias is half an integer."""
    scale = np.where(bias % 1 == 0, 1.0, 2.0)
    return weights * scale, bias * scale + 0.0  # no -0


def _on_a_ring(layer: Layer, cells: int) -> Layer:
    """Repeat units over the three cells around each cell, the left one first."""
    weights = np.zeros((cells, cells, layer[1].size))
    for cell in range(cells):
        weights[np.arange(cell - 1, cell + 2) % cells, cell] = layer[0]
    return weights.reshape(cells, -1), np.tile(layer[1], cells)


def _side_by_side(layer: Layer, cells: int) -> Layer:
    """Repeat a layer for each cell, each copy reading its own cell's units."""
    weights = np.kron(np.eye(cells), layer[0])
    return weights.astype(np.float64), np.tile(layer[1], cells)


def _shuffle(layers: list[Layer], seed: int | None) -> list[Layer]:
    """Put the hidden units into a random order, or leave them in the order of the cells."""
    if seed is None:
        return layers
    generator = np.random.default_rng(seed)
    for at in range(len(layers) - 1):
        (weights, bias), (following, last) = layers[at : at + 2]
        order = generator.permutation(bias.size)
        layers[at : at + 2] = (weights[:, order], bias[order]), (following[order], last)
    return layers


def write_csv(folder: Path, stem: str, layers: Sequence[Layer]) -> None:
    """Write stem_1.csv, stem_2.csv ...: weights n_in x n_out, and the bias as an extra last row."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (weights, bias) in enumerate(layers, 1):
        np.savetxt(folder / f"{stem}_{number}.csv", np.vstack([weights, bias]), "%.17g", ",")
