"""Lanes: rows of values for each (input of the batch, iteration), and the dtypes they come in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DdcError
from .inputs import CHECKED_BITS
from .module import Number, Op

Values = NDArray[Any]  # the first axis is the lane; 1 long where all lanes agree

LARGEST_INT = 1 << 26  # bits; an int beyond this is an error, not a machine without memory

# ---------------------------------------------------------------- dtypes


def cast(values: Values, dtype: np.dtype[Any]) -> Values:
    """Return the values in another of the three dtypes (int64, object, float64); bools too."""
    if values.dtype == dtype:
        return values
    if dtype.kind != "O":
        if dtype == np.float64 and values.dtype == object:
            return _widened(values)
        return values.astype(dtype)
    if values.dtype != np.float64:
        return values.astype(np.int64).astype(object)
    if not np.all(np.isfinite(values)):
        raise DdcError("a NaN or an infinity has no nearest int")
    if values.size == 0 or float(np.max(np.abs(values))) < 2.0**62:
        return values.astype(np.int64).astype(object)
    return object_array(values.shape, [int(v) for v in values.ravel().tolist()])


def object_array(shape: tuple[int, ...], items: Sequence[Any]) -> Values:
    """Return Python objects as an array, sequences among them left whole."""
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out.reshape(shape)


def _widened(values: Values) -> Values:
    """Return Python ints as the nearest binary64 numbers, infinite beyond the largest."""
    try:
        return values.astype(np.float64)
    except OverflowError:
        return np.array([_float(v) for v in values.ravel().tolist()]).reshape(values.shape)


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def literal(value: Number) -> Values:
    """Return a literal as a value that is the same in every lane."""
    if isinstance(value, Fraction):
        try:
            return np.array([float(value)])
        except OverflowError:
            return np.array([math.copysign(math.inf, value)])
    if abs(value) > CHECKED_BITS:
        return object_array((1,), [value])
    return np.array([value], dtype=np.int64)


# ---------------------------------------------------------------- frames


class Frame:
    """The lanes of one scope, and which lane of the scope around it each of them belongs to."""

    def __init__(self, lanes: int, parent: Frame | None = None, up: Values | None = None) -> None:
        self.lanes = lanes
        self.parent = parent
        self.up = up
        self._maps: dict[Frame, Values] = {}

    def map_to(self, outer: Frame) -> Values:
        """Return for each lane the lane of an outer frame that it belongs to."""
        if outer not in self._maps:
            assert self.parent is not None and self.up is not None
            above = self.parent
            self._maps[outer] = self.up if above is outer else above.map_to(outer)[self.up]
        return self._maps[outer]


def spread(trips: Values, limit: int) -> Iterator[tuple[Values, Values]]:
    """Yield, in chunks of at most `limit`, the lane and the iteration for `trips` of each lane."""
    ends = np.cumsum(trips)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, limit):
        stop = min(start + limit, total)
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(ends, stop, side="left"))
        tops = np.minimum(ends[first : last + 1], stop)
        bottoms = np.maximum(ends[first : last + 1] - trips[first : last + 1], start)
        lanes = np.repeat(np.arange(first, last + 1), tops - bottoms)
        yield lanes, np.arange(start, stop) - (ends - trips)[lanes]


# ---------------------------------------------------------------- rows


def rank(dtype: np.dtype[Any]) -> int:
    """Return the place of a dtype in promotion: int64, Python's ints, float64."""
    return {"i": 0, "O": 1, "f": 2}[dtype.kind]


def is_nan(values: Values) -> Values:
    """Tell where values are NaN; ints never are."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.zeros(values.shape, dtype=bool)


def reduceat(combine: Any, values: Values, starts: Values) -> Values:
    """Return a ufunc folded over the runs that begin at `starts`, none of them empty."""
    result: Values = combine.reduceat(values, starts) if len(starts) else values[:0]
    return result


def same_dtype(values: Sequence[Values], dtype: np.dtype[Any]) -> list[Values]:
    """Return the values in one dtype."""
    return [cast(v, dtype) for v in values]


def aligned(values: Sequence[Values]) -> list[Values]:
    """Return the values with axes added behind, so that scalars go with arrays lane by lane."""
    axes = max(v.ndim for v in values)
    return [v.reshape(v.shape + (1,) * (axes - v.ndim)) for v in values]


def per_weights(op: Op, evaluate: Callable[..., Any], values: Sequence[Values]) -> Values:
    """Return a layer's values; weights that differ from lane to lane are taken one by one."""
    x, weights = values[0], values[1:]
    if all(w.shape[0] == 1 for w in weights):
        return np.asarray(evaluate(op, x, *(w[0] for w in weights)))
    lanes = max(v.shape[0] for v in values)
    rows = [np.broadcast_to(v, (lanes, *v.shape[1:])) for v in values]
    return np.concatenate(
        [evaluate(op, rows[0][k : k + 1], *(w[k] for w in rows[1:])) for k in range(lanes)]
    )


def check_growth(code: str, values: Sequence[Values]) -> None:
    """Refuse products and powers of ints that no memory would hold."""
    if values[0].dtype != object or not all(v.size for v in values):
        return
    sizes = [max(abs(int(v.max())), abs(int(v.min()))) for v in values]
    bits = [size.bit_length() for size in sizes]
    if code == "pow":
        reach = bits[0] * sizes[1] if sizes[0] > 1 else 1
    else:
        reach = sum(bits)
    if reach > LARGEST_INT:
        raise DdcError(f"an int result would have more than {LARGEST_INT} bits")
