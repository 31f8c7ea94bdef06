"""Matrices of big integers as planes of digits, so that BLAS multiplies them exactly.

A number is the sum of digit k times 2^(BITS * k), digits balanced around 0. Products of digit
matrices are sums of at most 2^53 in size, hence exact in binary64; splitting a product into exact
ones is the scheme of Ozaki, Ogita, Oishi and Rump (Numerical Algorithms 59:95-118, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sources import Floats, Ints, Rows, per_row

BITS = 20
BASE = 1 << BITS
HALF = BASE >> 1
WIDEST = 1 << 14  # terms of one exact sum: WIDEST * HALF^2 < 2^53
PAIRS = 256  # products that are added up before carries

Planes = list[Ints]  # least significant first, all of one shape


def carried(planes: Planes) -> Planes:
    """Return the same numbers with every digit in -HALF..HALF-1 and no idle planes on top."""
    result: Planes = []
    carry: Ints | None = None
    for plane in planes:
        value = plane if carry is None else plane + carry
        carry = (value + HALF) >> BITS
        result.append(value - (carry << BITS))
    while carry is not None and carry.any():
        higher = (carry + HALF) >> BITS
        result.append(carry - (higher << BITS))
        carry = higher
    while len(result) > 1 and not result[-1].any():
        result.pop()
    return result


def from_ints(values: Sequence[int], shape: tuple[int, ...]) -> Planes:
    """Return Python ints as planes of that shape."""
    rest: list[int] = list(values)
    planes: Planes = []
    while not planes or any(rest):
        digits: list[int] = [((v + HALF) & (BASE - 1)) - HALF for v in rest]
        planes.append(np.array(digits, dtype=np.int64).reshape(shape))
        rest = [(v - d) >> BITS for v, d in zip(rest, digits)]
    return planes


def from_floats(values: Floats, grain: int) -> Planes:
    """Return values / 2^grain, which are whole numbers, as planes that are not yet carried."""
    mantissa, exponent = np.frexp(values)
    whole = (mantissa * 2.0**53).astype(np.int64)
    shift = exponent.astype(np.int64) - 53 - grain
    behind = np.maximum(-shift, 0)  # whole is a multiple of 2^behind
    whole, shift = whole >> np.minimum(behind, 62), np.maximum(shift, 0)
    shift = np.where(whole == 0, 0, shift)
    lowest, within = np.divmod(shift, BITS)
    top = int(lowest.max(initial=0)) + 4
    planes = [np.zeros(values.shape, np.int64) for _ in range(top)]
    for piece in range(3):
        digit = whole & (BASE - 1) if piece < 2 else whole
        whole = whole >> BITS
        digit = digit << within
        for level in np.unique(lowest).tolist():
            planes[level + piece] += np.where(lowest == level, digit, 0)
    return carried(planes)


def to_ints(planes: Planes) -> NDArray[np.object_]:
    """Return the numbers as Python ints."""
    total = np.zeros(planes[0].shape, dtype=object)
    for plane in reversed(planes):
        total = total * BASE + plane.astype(object)
    return total


def sign(planes: Planes) -> Ints:
    """Return -1, 0 or 1 for carried planes: the sign of the highest digit that is not 0."""
    result = np.sign(planes[-1])
    for plane in reversed(planes[:-1]):
        result = np.where(result == 0, np.sign(plane), result)
    return result


def plus(a: Planes, b: Planes, factor: int = 1) -> Planes:
    """Return a + factor * b, shapes broadcast, for a factor of 1 or -1."""
    shape = np.broadcast_shapes(a[0].shape, b[0].shape)
    total = [np.zeros(shape, np.int64) for _ in range(max(len(a), len(b)))]
    for plane, more in zip(total, a):
        plane += more
    for plane, more in zip(total, b):
        plane += factor * more
    return carried(total)


def times(planes: Planes, factor: int) -> Planes:
    """Return the numbers times a Python int."""
    if factor == 1:
        return planes
    digits = [int(plane[()]) for plane in from_ints([factor], ())]
    shape = planes[0].shape
    total = [np.zeros(shape, np.int64) for _ in range(len(planes) + len(digits))]
    for i, digit in enumerate(digits):
        if digit:
            for j, plane in enumerate(planes):
                total[i + j] += digit * plane
    return carried(total)


def where(condition: NDArray[np.bool_], a: Planes, b: Planes) -> Planes:
    """Return a where the condition holds, else b; shapes broadcast."""
    count = max(len(a), len(b))
    zero = np.zeros((), np.int64)
    first = [*a, *[zero] * (count - len(a))]
    second = [*b, *[zero] * (count - len(b))]
    return [np.where(condition, x, y) for x, y in zip(first, second)]


def take(planes: Planes, index: Ints | slice) -> Planes:
    """Return some rows of every plane."""
    return [plane[index] for plane in planes]


def stack(parts: Sequence[Planes]) -> Planes:
    """Return the rows of several numbers one after the other."""
    count = max(len(part) for part in parts)
    padded = [[*part, *[np.zeros_like(part[0])] * (count - len(part))] for part in parts]
    return [np.concatenate([part[k] for part in padded]) for k in range(count)]


class BigMatrix:
    """Sparse rows as planes of whole multiples of 2^grain, to be applied to planes."""

    def __init__(self, rows: Rows, grain: int) -> None:
        self.rows = rows
        self.sparse = from_floats(rows.weights, grain) if len(rows.weights) else []
        self.dense: list[Floats] | None = None
        size = rows.count * rows.width
        few = size <= 1 << 22 and rows.width <= WIDEST and len(rows.weights) * 50 >= size
        if self.sparse and (few or size <= 1 << 14):
            self.dense = []
            full: Planes = []
            for plane in self.sparse:
                target = np.zeros((rows.count, rows.width), np.int64)
                np.add.at(target, (rows.owners, rows.columns), plane)
                full.append(target)
            self.dense = [plane.astype(np.float64) for plane in carried(full)]

    def __call__(self, x: Planes) -> Planes:
        """Return the sums over x [inputs, batch], [units, batch]."""
        shape = (self.rows.count, x[0].shape[1])
        weights = self.sparse if self.dense is None else self.dense
        if not weights:
            return [np.zeros(shape, np.int64)]
        total = [np.zeros(shape, np.int64) for _ in range(len(weights) + len(x))]
        operands: list[NDArray[Any]] = list(x)
        if self.dense is not None:
            operands = [plane.astype(np.float64) for plane in x]
        pairs = 0
        for i in range(len(weights)):
            if not weights[i].any():
                continue
            for j, plane in enumerate(operands):
                total[i + j] += self._product(i, plane)
                pairs += 1
                if pairs % PAIRS == 0:
                    total = _padded(carried(total), len(weights) + len(x))
        return carried(total)

    def _product(self, i: int, plane: NDArray[Any]) -> Ints:
        if self.dense is not None:
            product: Ints = (self.dense[i] @ plane).astype(np.int64)
            return product
        terms: Ints = plane[self.rows.columns] * self.sparse[i][:, None]
        return per_row(np.add, terms, self.rows.starts, 0)


def _padded(planes: Planes, count: int) -> Planes:
    return [*planes, *[np.zeros_like(planes[0]) for _ in range(count - len(planes))]]
