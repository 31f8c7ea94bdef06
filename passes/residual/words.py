"""Inputs read as words: which scalars make one letter, in which order, and where outputs stand.

Nothing says how a network spells its numbers: two words may be two inputs, the halves of one, or
its even and odd places, lowest or highest first. Each reading is a `Layout`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Param, shape_of
from ddc.passes.units import Family, Read, Unit, level_table

Ints = NDArray[np.int64]

MIN_LENGTH = 3
MAX_WORDS = 4
MAX_LETTERS = 128
MAX_FLUSHED = 3  # outputs after the last letter, such as the carry of a sum
MAX_FINAL = 4
MAX_CASES = 1 << 22
MIN_CASES = 16  # of one answer for the whole word: fewer make a formula, and no machine


# `blocks * length + shift`: a place that follows the length of the words.
Place = tuple[int, int]


@dataclass(frozen=True)
class Column:
    """One entry of a letter: `array[stride * p + place, …]` at position p."""

    array: str
    axes: tuple[tuple[int, Place], ...]
    levels: tuple[int, ...]

    def at(self, position: int, length: int) -> Read:
        """Return the scalar that is read at a position of a word."""
        where = (stride * position + at(place, length) for stride, place in self.axes)
        return Read(self.array, tuple(where))


@dataclass(frozen=True)
class Placed:
    """Where outputs stand: the flat places of those of each step, and of those after the last."""

    steps: tuple[Place, ...]
    finals: tuple[Place, ...]


def at(place: Place, length: int) -> int:
    """Return a place in words of a length."""
    return place[0] * length + place[1]


@dataclass(frozen=True)
class Layout:
    """A reading of the inputs as a word of `length` letters, read upwards or downwards."""

    length: int
    columns: tuple[Column, ...]
    scalars: tuple[Column, ...]
    backward: bool
    placed: Placed

    def position(self, step: int) -> int:
        """Return the place in the arrays of the letter of a step."""
        return self.length - 1 - step if self.backward else step

    def reads(self, step: int) -> list[Read]:
        """Return the scalars of the letter of a step."""
        return [column.at(self.position(step), self.length) for column in self.columns]

    def answers(self, step: int) -> list[int]:
        """Return the flat places of the outputs of a step."""
        return [at(place, self.length) + self.position(step) for place in self.placed.steps]

    @property
    def ends(self) -> list[int]:
        """The flat places of the outputs after the last step."""
        return [at(place, self.length) for place in self.placed.finals]

    @property
    def letters(self) -> Ints:
        """The values of each letter [letters, columns]."""
        return _product([column.levels for column in self.columns])

    @property
    def starts(self) -> Ints:
        """The values of the scalars [cases, scalars]."""
        return _product([column.levels for column in self.scalars])


def _product(levels: Sequence[tuple[int, ...]]) -> Ints:
    rows = list(itertools.product(*levels))
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(levels))


def layouts(family: Family) -> Iterator[Layout]:
    """Yield the readings of a family's inputs and outputs as words, plain ones first."""
    known = level_table(family.params)
    arrays = [param for param in family.params if shape_of(param.type)]
    scalars = tuple(
        Column(param.name, (), known[param.name])
        for param in family.params
        if not shape_of(param.type)
    )
    if not arrays or math.prod(len(column.levels) for column in scalars) > MAX_LETTERS:
        return
    for length, columns in _spelled(arrays, known):
        size = math.prod(len(column.levels) for column in columns)
        if size > MAX_LETTERS or size**length > MAX_CASES:
            continue
        for placed in _placed(family, length):
            if not placed.steps and size**length < MIN_CASES:
                continue
            for backward in (False, True):
                yield Layout(length, columns, scalars, backward, placed)


def _spelled(
    arrays: Sequence[Param], known: dict[str, tuple[int, ...]]
) -> Iterator[tuple[int, tuple[Column, ...]]]:
    """Yield lengths of words, and the columns of their letters."""
    choices = [list(_words_of(param, known[param.name])) for param in arrays]
    for chosen in itertools.product(*choices):
        lengths = {length for length, _ in chosen}
        columns = tuple(column for _, part in chosen for column in part)
        if len(lengths) == 1 and len(columns) <= MAX_WORDS:
            yield lengths.pop(), columns


def _words_of(param: Param, levels: tuple[int, ...]) -> Iterator[tuple[int, tuple[Column, ...]]]:
    """Yield the ways to read one array as words: whole, its parts, its strides, its rows."""
    shape = shape_of(param.type)

    def column(*axes: tuple[int, Place]) -> Column:
        return Column(param.name, axes, levels)

    if len(shape) == 2:
        for along in (0, 1):
            length, width = shape[along], shape[1 - along]
            if length >= MIN_LENGTH and width <= MAX_WORDS:
                moving, fixed = (1, (0, 0)), [(0, (0, c)) for c in range(width)]
                pairs = [(moving, f) if along == 0 else (f, moving) for f in fixed]
                yield length, tuple(column(*pair) for pair in pairs)
    if len(shape) != 1:
        return
    for words in range(1, MAX_WORDS + 1):
        length, rest = divmod(shape[0], words)
        if rest or length < MIN_LENGTH:
            continue
        yield length, tuple(column((1, (word, 0))) for word in range(words))
        if words > 1:
            yield length, tuple(column((words, (0, word))) for word in range(words))


def _placed(family: Family, length: int) -> Iterator[Placed]:
    shape = family.shape
    if not shape:
        yield Placed((), ((0, 0),))
    if len(shape) != 1:
        return
    words, flushed = divmod(shape[0], length)
    if words == 1 and flushed <= MAX_FLUSHED:
        yield Placed(((0, 0),), tuple((1, number) for number in range(flushed)))
        if flushed:
            yield Placed(((0, flushed),), tuple((0, number) for number in range(flushed)))
    elif not flushed and words <= MAX_WORDS:
        yield Placed(tuple((word, 0) for word in range(words)), ())
    elif shape[0] <= MAX_FINAL:
        yield Placed((), tuple((0, number) for number in range(shape[0])))


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs over words: of step t [starts, letters ** (t + 1), columns], and at the end."""

    steps: tuple[Ints, ...]
    finals: Ints


def outputs(family: Family, layout: Layout) -> Outputs | None:
    """Return what a family answers along words, None where an output looks ahead."""
    order = [
        *(column.at(0, 0) for column in layout.scalars),
        *(read for step in range(layout.length) for read in layout.reads(step)),
    ]
    places = {read: number for number, read in enumerate(order)}
    sizes = [len(column.levels) for column in layout.scalars]
    first, width = len(sizes), len(layout.columns)
    sizes += [len(column.levels) for column in layout.columns] * layout.length
    found: list[Ints] = []
    for step in range(layout.length):
        seen = sizes[: first + (step + 1) * width]
        part = [_expanded(family.units[flat], places, seen) for flat in layout.answers(step)]
        if any(values is None for values in part):
            return None
        found.append(_columns([values for values in part if values is not None], seen))
    last = [_expanded(family.units[flat], places, sizes) for flat in layout.ends]
    return Outputs(tuple(found), _columns([values for values in last if values is not None], sizes))


def _columns(parts: list[Ints], sizes: list[int]) -> Ints:
    if not parts:
        return np.zeros((math.prod(sizes), 0), dtype=np.int64)
    return np.stack(parts, axis=1)


def _expanded(unit: Unit, places: dict[Read, int], sizes: list[int]) -> Ints | None:
    """Return a unit over all cases of the first inputs, None where it reads others."""
    axes = [places[read] for read in unit.reads]
    if any(axis >= len(sizes) for axis in axes):
        return None
    values = unit.values.transpose(np.argsort(axes)) if axes else unit.values
    shape = [size if number in axes else 1 for number, size in enumerate(sizes)]
    return np.broadcast_to(values.reshape(shape), sizes).reshape(-1).astype(np.int64)


def causal(family: Family, layout: Layout) -> bool:
    """Tell whether no output of a step reads letters of later steps: cheaply, before any table."""
    step_of = {read: step for step in range(layout.length) for read in layout.reads(step)}
    return all(
        step_of.get(read, -1) <= step
        for step in range(layout.length)
        for flat in layout.answers(step)
        for read in family.units[flat].reads
    )
