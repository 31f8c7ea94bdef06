"""Tasks on numbers: the place of the maximum, comparison and addition of binary numbers."""

from __future__ import annotations

import numpy as np

from ddc.frontend import Samples


def _first_and_second(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows with 2 at one place, 1 at another and 0 elsewhere, and where the 2 is."""
    first, second = np.nonzero(1 - np.eye(size, dtype=np.int64))
    unit = np.eye(size, dtype=np.int64)
    return 2 * unit[first] + unit[second], first


def argmax(size: int) -> Samples:
    """Return `size (size - 1)` rows, one for each place of the maximum and of the second.

    Values are 2, 1 and 0; the label is the place of the maximum.
    """
    rows, place = _first_and_second(size)
    return Samples({"x": rows}, place)


def maximum(size: int) -> Samples:
    """Return the same rows, labelled cell by cell: 1 where the maximum is."""
    rows, _ = _first_and_second(size)
    return Samples({"x": rows}, (rows == 2).astype(np.int64))


def distinct_rows(size: int, count: int, seed: int, below: int = 100) -> np.ndarray:
    """Return rows of distinct integers from 0 to `below` - 1, to test the two on."""
    generator = np.random.default_rng(seed)
    return np.stack([generator.permutation(below)[:size] for _ in range(count)])


def _pairs(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs of numbers of so many bits."""
    values = np.arange(1 << 2 * bits)
    return values >> bits, values & (1 << bits) - 1


def _binary(values: np.ndarray, bits: int) -> np.ndarray:
    return values[:, None] >> np.arange(bits) & 1


def comparison(bits: int) -> Samples:
    """Return all pairs of binary numbers, the lowest bit first; label: is a > b?"""
    a, b = _pairs(bits)
    inputs = {"a": _binary(a, bits), "b": _binary(b, bits)}
    return Samples(inputs, (a > b).astype(np.int64))


def addition(bits: int) -> Samples:
    """Return all pairs of binary numbers with the bits of their sum, the lowest first."""
    a, b = _pairs(bits)
    inputs = {"a": _binary(a, bits), "b": _binary(b, bits)}
    return Samples(inputs, _binary(a + b, bits + 1))
