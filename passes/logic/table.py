"""Function tables, and the same function seen over other axes while it is being minimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .expr import Expr

Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]

BIT = ((0,), (1,))

_LARGEST = 1 << 62  # outputs; differences of two still fit an int64
_LARGEST_NUMBER = 1 << 31  # of a level that takes part in arithmetic; sums are exact in an int64


@dataclass(frozen=True, eq=False)
class Table:
    """Hold an explicit function of integer variables.

    `levels[v]` are the distinct values that variable v takes; `values` has shape
    `(len(levels[0]), len(levels[1]), ...)` and holds the integer outputs; `care`, of the same
    shape, is False where the output does not matter.

    Raises ValueError where the shapes do not fit, a variable has no or repeated levels, or an
    output is not an integer.
    """

    levels: tuple[tuple[int, ...], ...]
    values: NDArray[Any]
    care: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        shape = tuple(map(len, self.levels))
        if self.values.shape != shape:
            raise ValueError(f"table values have shape {self.values.shape}, levels say {shape}")
        if self.values.dtype.kind not in "biu":
            raise ValueError(f"table values must be integers, not {self.values.dtype}")
        if (
            self.values.size
            and not -_LARGEST <= int(self.values.min()) <= int(self.values.max()) <= _LARGEST
        ):
            raise ValueError("table values are too large")
        if self.care is not None and self.care.shape != shape:
            raise ValueError(f"table care set has shape {self.care.shape}, levels say {shape}")
        if not all(known and len(set(known)) == len(known) for known in self.levels):
            raise ValueError("every table variable needs at least one level, each once")


@dataclass(frozen=True)
class Axis:
    """Name one axis of a problem: the expression, and the sets of its values told apart."""

    expr: Expr
    groups: tuple[tuple[int, ...], ...]

    @property
    def is_bit(self) -> bool:
        return self.groups == BIT

    @property
    def is_numeric(self) -> bool:
        return all(len(g) == 1 and abs(g[0]) <= _LARGEST_NUMBER for g in self.groups)

    @cached_property
    def numbers(self) -> Ints:
        """Give the values along a numeric axis."""
        return np.array([group[0] for group in self.groups], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True, eq=False)
class Problem:
    """Hold a function over axes; values are zero wherever `care` is False."""

    axes: tuple[Axis, ...]
    values: Ints
    care: Bits

    @property
    def size(self) -> int:
        return self.values.size

    @cached_property
    def full(self) -> bool:
        """Say whether there are no don't-cares."""
        return bool(self.care.all())

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """List the distinct outputs in ascending order."""
        found = np.unique(self.values[self.care])
        return tuple(int(v) for v in found)

    @cached_property
    def is_logic(self) -> bool:
        return set(self.outputs) <= {0, 1}

    @property
    def all_bits(self) -> bool:
        return all(axis.is_bit for axis in self.axes)

    @property
    def all_numeric(self) -> bool:
        return all(axis.is_numeric for axis in self.axes)

    @cached_property
    def on(self) -> Bits:
        return np.asarray((self.values == 1) & self.care)

    @cached_property
    def off(self) -> Bits:
        return np.asarray((self.values == 0) & self.care)

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Identify the problem among others: axes, and a digest of the function."""
        digest = blake2b(self.values.tobytes(), digest_size=32)
        digest.update(self.care.tobytes())
        return self.axes, digest.digest()

    @cached_property
    def filled(self) -> Ints:
        """Give the values with don't-cares replaced by a neighbour's value, last axis first."""
        values, care = self.values, self.care
        for at in range(values.ndim - 1, -1, -1):
            if care.all():
                break
            source = np.expand_dims(care.argmax(at), at)
            usable = np.take_along_axis(care, source, at)
            values = np.where(care, values, np.take_along_axis(values, source, at))
            care = care | usable
        return values

    def with_values(self, values: NDArray[Any], care: Bits | None = None) -> Problem:
        """Return another function over the same axes."""
        care = self.care if care is None else care
        return Problem(self.axes, np.where(care, values, 0).astype(np.int64), care)

    def inverted(self) -> Problem:
        return self.with_values(1 - self.values)

    def at(self, axis: int, index: int) -> Problem:
        """Return the cofactor at one position of one axis."""
        axes = self.axes[:axis] + self.axes[axis + 1 :]
        return Problem(axes, slice_at(self.values, axis, index), slice_at(self.care, axis, index))

    def taking(self, axis: int, indices: Sequence[int]) -> Problem:
        """Return the restriction of one axis to several positions, in the order given.

        A solution of it may be undefined at the others: it must not hold a `Lookup`.
        """
        old = self.axes[axis]
        new = Axis(old.expr, tuple(old.groups[i] for i in indices))
        axes = self.axes[:axis] + (new,) + self.axes[axis + 1 :]
        wanted = list(indices)
        return Problem(axes, self.values.take(wanted, axis), self.care.take(wanted, axis))

    def ignoring(self, axis: int, indices: Sequence[int]) -> Problem:
        """Return the problem without care at some positions of one axis."""
        care = self.care.copy()
        care[(slice(None),) * axis + (list(indices),)] = False
        return self.with_values(self.values, care)

    def grid(self) -> list[Ints]:
        """Give an open grid of the values along numeric axes."""
        return open_grid([axis.numbers for axis in self.axes])

    def grid_of(self, axis: int) -> Ints:
        """Give the values along one numeric axis, laid out for broadcasting."""
        rank = len(self.axes)
        return self.axes[axis].numbers.reshape((1,) * axis + (-1,) + (1,) * (rank - 1 - axis))

    def positions(self) -> list[Ints]:
        """Give an open grid of the positions along each axis."""
        return open_grid([np.arange(len(axis)) for axis in self.axes])

    def quotient(self, axes: Sequence[Axis], positions: Sequence[Ints]) -> Problem | None:
        """Write the function over other axes, or return None where they do not determine it.

        `positions[k]` gives the position on the new axis k and broadcasts to the shape of the
        problem. Combinations that never occur become don't-cares.
        """
        shape = tuple(map(len, axes))
        flat = np.zeros((1,) * self.values.ndim, dtype=np.int64)
        for length, position in zip(shape, positions, strict=True):
            flat = flat * length + position
        flat = np.broadcast_to(flat, self.values.shape)
        where, values = flat[self.care], self.values[self.care]
        new_values = np.zeros(prod(shape), dtype=np.int64)
        new_care = np.zeros(prod(shape), dtype=np.bool_)
        new_values[where] = values
        new_care[where] = True
        if not (new_values[where] == values).all():
            return None
        return Problem(tuple(axes), new_values.reshape(shape), new_care.reshape(shape))


def open_grid(columns: Sequence[Ints]) -> list[Ints]:
    """Lay 1-D columns along separate axes, so that they broadcast to their product."""
    rank = len(columns)
    return [c.reshape((1,) * i + (-1,) + (1,) * (rank - 1 - i)) for i, c in enumerate(columns)]


def slice_at(array: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """Return the part of an array at one position of one axis, as a view."""
    return np.asarray(array[(slice(None),) * axis + (index,)])


def any_over(bits: Bits, axes: tuple[int, ...]) -> Bits:
    """Say where any entry along these axes is true."""
    return np.asarray(np.any(bits, axis=axes))


def spread(entries: Ints, limit: int) -> Ints:
    """Pick at most `limit` entries by golden-ratio steps, which no axis of a table lines up with."""
    return entries[spread_positions(len(entries), limit)]


def spread_positions(count: int, limit: int) -> Ints:
    """Pick at most `limit` of the first `count` integers, spread as by `spread`."""
    if count <= limit:
        return np.arange(count)
    return np.unique(np.arange(limit) * (int(count * 0.6180339887) | 1) % count)


def compatible(values: Ints, care: Bits, other: Ints, other_care: Bits) -> bool:
    """Say whether two functions agree wherever both matter."""
    return not ((values != other) & care & other_care).any()


def without_irrelevant(problem: Problem) -> Problem:
    """Drop the axes that the function does not need (greedily, where there are don't-cares)."""
    if problem.full:
        return _drop(problem, range(len(problem.axes)))
    # Dropping one axis uses don't-cares that another drop would need, so two orders are tried.
    forward = _drop(problem, range(len(problem.axes)))
    backward = _drop(problem, range(len(problem.axes) - 1, -1, -1))
    return backward if len(backward.axes) < len(forward.axes) else forward


def _drop(problem: Problem, order: Sequence[int]) -> Problem:
    values, care = problem.values, problem.care
    kept = dict(enumerate(problem.axes))
    for axis in order:
        if problem.full:
            first = values.take([0], axis)
            if not (values == first).all():
                continue
            values, care = first, care.take([0], axis)
        else:
            high = np.where(care, values, np.iinfo(np.int64).min).max(axis, keepdims=True)
            if (care & (values != high)).any():
                continue
            care = np.expand_dims(any_over(care, (axis,)), axis)
            values = np.where(care, high, 0)
        del kept[axis]
    shape = tuple(len(axis) for axis in kept.values())
    return Problem(tuple(kept.values()), values.reshape(shape), care.reshape(shape))


def level_classes(problem: Problem, axis: int) -> list[list[int]]:
    """Group the positions of one axis between which the function does not distinguish.

    With don't-cares the grouping is greedy, neighbours first.
    """
    if problem.full:
        rows = np.moveaxis(problem.values, axis, 0)
        same: dict[bytes, list[int]] = {}
        for index, row in enumerate(rows):
            same.setdefault(row.tobytes(), []).append(index)
        return list(same.values())
    classes: list[list[int]] = []
    merged: list[tuple[Ints, Bits]] = []
    for index in range(len(problem.axes[axis])):
        values, care = slice_at(problem.values, axis, index), slice_at(problem.care, axis, index)
        for at in range(len(classes) - 1, -1, -1):
            if compatible(values, care, *merged[at]):
                known_values, known_care = merged[at]
                classes[at].append(index)
                merged[at] = np.where(care, values, known_values), care | known_care
                break
        else:
            classes.append([index])
            merged.append((values, care))
    return sorted(classes)
