"""Networks made by hand, in the `ddc.layers/1` format, for the tests of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import write_layers

Layers = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


def layers_file(path: Path, layers: Layers, input: str | None, output: str | None) -> str:
    """Write layers [outputs, inputs] with ReLU between; return the path."""
    names = ["relu"] * (len(layers) - 1) + ["linear"]
    turned = [(weight.T, bias) for weight, bias in layers]
    write_layers(path, turned, names, input, output)
    return str(path)


def ring_network(rule: int, cells: int) -> Layers:
    """Return a ReLU network of an elementary automaton on a ring.

    One hidden unit per cell and neighbourhood that gives 1: it is 1 on that neighbourhood and 0 on
    the seven others.
    """
    rows: list[NDArray[np.float64]] = []
    biases: list[float] = []
    read = np.zeros((cells, 0))
    for cell in range(cells):
        for code in range(8):
            if not rule >> code & 1:
                continue
            wanted = [code >> 2 & 1, code >> 1 & 1, code & 1]
            row = np.zeros(cells)
            for offset, bit in zip((-1, 0, 1), wanted):
                row[(cell + offset) % cells] += 2 * bit - 1
            rows.append(row)
            biases.append(1.0 - sum(wanted))
            column = np.zeros((cells, 1))
            column[cell] = 1
            read = np.hstack([read, column])
    return [(np.array(rows), np.array(biases)), (read, np.full(cells, -0.5))]


def rare_network(path: Path, rule: int, pattern: Sequence[int], output: int) -> str:
    """Write a ring network that answers wrongly for one output on one input."""
    cells = len(pattern)
    (first, bias), (last, offset) = ring_network(rule, cells)
    wrong = np.array([2.0 * bit - 1 for bit in pattern])
    first = np.vstack([first, wrong])
    bias = np.append(bias, 1.0 - sum(pattern))
    left, mid, right = pattern[output - 1], pattern[output], pattern[(output + 1) % cells]
    right_answer = rule >> (4 * left + 2 * mid + right) & 1
    column = np.zeros((cells, 1))
    column[output] = -9.0 if right_answer else 9.0
    return layers_file(
        path, [(first, bias), (np.hstack([last, column]), offset)], f"cells: bit[{cells}]", "step"
    )
