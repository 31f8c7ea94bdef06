"""Which inputs a tabulated output truly depends on, and its table over some of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError

from .sources import Floats, Ints
from .table import Table

Words = NDArray[np.uint64]

BLOCK = 1 << 20  # rows that are looked at at a time
WORDS = 1 << 15  # words that stay in cache
FEW_LEVELS = 8  # of an input whose pairs of levels are compared one by one
MOST_CASES = 1 << 24

# Bits of a word whose row has digit 0 in the input of weight 2^k.
_LOW_HALVES = tuple(
    np.uint64(int("".join("01"[not i >> k & 1] for i in reversed(range(64))), 2)) for k in range(6)
)


@dataclass(frozen=True, eq=False)
class Dependence:
    """How often changing one input alone changes an output.

    `influence[o, i]` is the fraction of pairs of inputs that differ in input i only on which
    output o differs; 0 exactly where the output does not depend on the input.
    """

    influence: Floats

    def support(self, output: int, least: float = 0.0) -> tuple[int, ...]:
        """Return the inputs of an output whose influence is greater than `least`."""
        return tuple(np.flatnonzero(self.influence[output] > least).tolist())


def dependence(table: Table) -> Dependence:
    """Return the influence of every input of a table on every output."""
    influence = np.zeros((table.outputs, len(table.levels)))
    for output in range(table.outputs):
        if table.words is not None:
            influence[output] = _bit_influence(table.words[output], table.rows, len(table.levels))
        else:
            influence[output] = _digit_influence(table.output(output), table.levels)
    return Dependence(influence)


def _bit_influence(words: Words, rows: int, inputs: int) -> list[float]:
    changed = [0] * inputs
    low = min(inputs, 6)
    held = min(len(words), WORDS)
    valid = np.uint64((1 << min(rows, 64)) - 1)
    for start in range(0, len(words), WORDS):
        block = words[start : start + WORDS]
        for k in range(low):
            differs = (block ^ (block >> np.uint64(1 << k))) & (_LOW_HALVES[k] & valid)
            changed[inputs - 1 - k] += _ones(differs)
        for k in range(6, min(inputs, 6 + (len(block) - 1).bit_length())):
            pairs = block.reshape(-1, 2, 1 << (k - 6))
            changed[inputs - 1 - k] += _ones(pairs[:, 0] ^ pairs[:, 1])
    blocks = words.reshape(-1, held)
    for k in range(6 + (held - 1).bit_length(), inputs):
        step = (1 << (k - 6)) // WORDS
        for number in range(len(blocks)):
            if not number & step:
                changed[inputs - 1 - k] += _ones(blocks[number] ^ blocks[number + step])
    return [2 * count / rows for count in changed]


_COUNTS = np.array([i.bit_count() for i in range(1 << 16)], dtype=np.uint8)


def _ones(words: Words) -> int:
    """Return how many bits are 1."""
    count = getattr(np, "bitwise_count", None)  # since numpy 2.0
    if count is not None:
        return int(count(words).sum(dtype=np.int64))
    return int(_COUNTS[np.ascontiguousarray(words).view(np.uint16)].sum(dtype=np.int64))


def _digit_influence(values: NDArray[Any], levels: Sequence[Sequence[int]]) -> list[float]:
    result: list[float] = []
    after = len(values)
    for few in levels:
        count = len(few)
        after //= count
        cube = values.reshape(-1, count, after)
        pairs = len(values) // count * (count * (count - 1) // 2)
        if count > FEW_LEVELS:
            changed = pairs - _equal_pairs(cube)
        else:
            changed = sum(
                int(np.count_nonzero(cube[:, first, None] != cube[:, first + 1 :]))
                for first in range(count - 1)
            )
        result.append(changed / pairs if pairs else 0.0)
    return result


def _equal_pairs(cube: NDArray[Any]) -> int:
    """Count the pairs of equal numbers along the middle axis: every run of a sorted line has some."""
    lines = np.sort(np.moveaxis(cube, 1, 2), axis=2)
    starts = np.ones(lines.shape, np.bool_)
    starts[:, :, 1:] = lines[:, :, 1:] != lines[:, :, :-1]
    runs = np.diff(np.flatnonzero(starts), append=lines.size)
    return int((runs * (runs - 1) // 2).sum())


def project(table: Table, output: int, keep: Sequence[int]) -> NDArray[Any]:
    """Return an output over the inputs `keep` alone, in counting order of these.

    The other inputs are held at their first level; that is the whole function where `keep` holds
    every input that the output depends on. Raises `DdcError` for too many cases.
    """
    strides = _strides(table)
    rows = np.zeros(1, np.int64)
    _cases(table, keep)
    for i in keep:
        steps = np.arange(len(table.levels[i])) * strides[i]
        rows = (rows[:, None] + steps).ravel()
    if table.words is None:
        digits: NDArray[Any] = table.output(output)[rows]
        return digits
    found: Words = table.words[output][rows >> 6] >> (rows & 63).astype(np.uint64)
    return (found & np.uint64(1)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Majority:
    """A small table by majority vote, and where the large one disagrees.

    `table` is over the kept inputs in counting order; of equally frequent values it holds the
    least. `disagree` rows of the large table differ from it, `first` is the smallest of them.
    """

    table: NDArray[Any]
    disagree: int
    first: int | None


def majority(table: Table, output: int, keep: Sequence[int]) -> Majority:
    """Return the best function of the inputs `keep` alone, and how often it is wrong.

    Raises `DdcError` for too many cases.
    """
    cases = _cases(table, keep)
    low, high = _extent(table, output)
    span = high - low + 1
    if cases * span > MOST_CASES:
        raise DdcError(f"a vote over {cases} cases of {span} values is too large")
    votes = np.zeros(cases * span, np.int64)
    for _, case, values in _blocks(table, output, keep):
        votes += np.bincount(case * span + (values.astype(np.int64) - low), minlength=len(votes))
    best = votes.reshape(cases, span).argmax(axis=1) + low
    disagree, first = 0, None
    for start, case, values in _blocks(table, output, keep):
        wrong = best[case] != values
        count = int(np.count_nonzero(wrong))
        if count and first is None:
            first = start + int(np.argmax(wrong))
        disagree += count
    return Majority(best.astype(_values_type(table)), disagree, first)


def _values_type(table: Table) -> np.dtype[Any]:
    return np.dtype(np.uint8) if table.digits is None else table.digits.dtype


def _cases(table: Table, keep: Sequence[int]) -> int:
    cases = math.prod(len(table.levels[i]) for i in keep)
    if cases > MOST_CASES:
        raise DdcError(f"a table over {len(keep)} inputs has {cases} entries, which is too many")
    return cases


def _strides(table: Table) -> list[int]:
    """Return how many rows one step of each input is."""
    strides: list[int] = []
    size = 1
    for few in reversed(table.levels):
        strides.append(size)
        size *= len(few)
    return strides[::-1]


def _extent(table: Table, output: int) -> tuple[int, int]:
    if table.digits is None:
        return 0, 1
    values = table.digits[output]
    return int(values.min()), int(values.max())


def _blocks(
    table: Table, output: int, keep: Sequence[int]
) -> Iterator[tuple[int, Ints, NDArray[Any]]]:
    """Yield runs of rows: the first row, the case over `keep` of each, and the output."""
    split, size = len(table.levels), 1
    while split and size < BLOCK:
        split -= 1
        size *= len(table.levels[split])
    weights = [0] * len(table.levels)
    cases = 1
    for i in reversed(keep):
        weights[i] = cases
        cases *= len(table.levels[i])
    low = np.zeros(1, np.int64)
    for i in range(split, len(table.levels)):
        low = (low[:, None] + np.arange(len(table.levels[i])) * weights[i]).ravel()
    for start in range(0, table.rows, size):
        rest, base = start // size, 0
        for i in range(split - 1, -1, -1):
            rest, digit = divmod(rest, len(table.levels[i]))
            base += digit * weights[i]
        yield start, low + base, table.run(output, start, size)
