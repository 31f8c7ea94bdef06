"""Tasks on numbers: the place of the maximum, comparison and addition of binary numbers."""

from __future__ import annotations

import numpy as np

from ddc.frontend import Samples


def argmax(size: int) -> Samples:
    """Return one sample for each place of the maximum: it is 1, all else 0. Label: the place."""
    return Samples({"x": np.eye(size, dtype=np.int64)}, np.arange(size))


def maximum(size: int) -> Samples:
    """Return the same samples, labelled cell by cell: 1 where the maximum is."""
    return Samples({"x": np.eye(size, dtype=np.int64)}, np.eye(size, dtype=np.int64))


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
