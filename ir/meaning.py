"""What each op computes, on numpy values whose first axis is the batch.

Bits and ints are int64 arrays (object arrays of Python ints where a range passes 62 bits), reals
are float64 arrays. Nothing here is clever: every backend is tested against these definitions.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .module import Op

Values = Any  # an ndarray of int64, object (big ints) or float64
where: Any = np.where


def identity(_: Op, value: Values) -> Values:
    """Return the value."""
    return value


def bit_not(value: Values) -> Values:
    """Return 1 - value."""
    return 1 - value


def bit_and(*values: Values) -> Values:
    """Return 1 where all bits are 1."""
    return reduce(np.minimum, values)


def bit_or(*values: Values) -> Values:
    """Return 1 where some bit is 1."""
    return reduce(np.maximum, values)


def bit_xor(*values: Values) -> Values:
    """Return the parity."""
    return reduce(np.add, values) % 2


def threshold(op: Op, *values: Values) -> Values:
    """Return 1 where the weighted sum reaches the head."""
    weights = op.attr("weights")
    factors = weights if isinstance(weights, tuple) else (1,) * len(values)
    return reduce(np.add, [w * v for w, v in zip(factors, values)]) >= op.attr("least")


def add(*values: Values) -> Values:
    """Return the sum, from left to right."""
    return reduce(np.add, values)


def multiply(*values: Values) -> Values:
    """Return the product, from left to right."""
    return reduce(np.multiply, values)


def minimum(*values: Values) -> Values:
    """Return the least value."""
    return reduce(np.minimum, values)


def maximum(*values: Values) -> Values:
    """Return the greatest value."""
    return reduce(np.maximum, values)


def divide(a: Values, b: Values) -> Values:
    """Return the binary64 quotient; x/0 is an infinity or NaN as in IEEE 754."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(a, dtype=np.float64) / np.asarray(b, dtype=np.float64)


def power(a: Values, b: Values) -> Values:
    """Return a ** b; NaN for a negative base with a fractional exponent."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.power(a, b)


def log(a: Values) -> Values:
    """Return the natural logarithm; -inf at 0, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(a)


def sqrt(a: Values) -> Values:
    """Return the square root; NaN below 0."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(a)


def select(condition: Values, then: Values, other: Values) -> Values:
    """Return `then` where the condition is 1, else `other`."""
    return where(np.asarray(condition).astype(bool), then, other)


def sign(a: Values) -> Values:
    """Return -1, 0 or 1; 0 for a NaN, which is neither above nor below 0."""
    return np.subtract(np.greater(a, 0), np.less(a, 0), dtype=np.int64)


def step(a: Values) -> Values:
    """Return 1 where a > 0."""
    return np.greater(a, 0)


def round_even(a: Values) -> Values:
    """Return the nearest integer, half to even."""
    return a if np.asarray(a).dtype != np.float64 else np.rint(a)


def argmax(op: Op, a: Values) -> Values:
    """Return the first position of the greatest value along an axis, the last one by default."""
    axis = op.attr("axis")
    return np.argmax(a, axis=axis + 1 if isinstance(axis, int) else -1)


def concat(_: Op, *values: Values) -> Values:
    """Return the arrays joined along the first axis after the batch."""
    return np.concatenate(values, axis=1)


def pack(op: Op, *values: Values) -> Values:
    """Return the scalars as one array, row-major in the shape that the op gives."""
    stacked = np.stack(np.broadcast_arrays(*values), axis=-1)
    return stacked.reshape(*stacked.shape[:-1], *(d.const for d in op.shape))


def onehot(op: Op, a: Values) -> Values:
    """Return a new last axis with a 1 at the position that the int names."""
    size = op.attr("size")
    assert isinstance(size, int)
    return np.equal(a[..., None], np.arange(size))


def bin_index(op: Op, a: Values) -> Values:
    """Return how many cut points are <= the value."""
    cuts = op.attr("at")
    assert isinstance(cuts, tuple)
    return sum((np.greater_equal(a, as_number(c)) for c in cuts), np.zeros(np.shape(a), np.int64))


def as_number(value: Any) -> Any:
    """Return an int as it is and an exact real as the nearest binary64 number."""
    return value if isinstance(value, int) else float(value)


def _as_real(x: Values) -> Values:
    return np.asarray(x, dtype=np.float64)


def _log1p(x: Values) -> Values:
    return np.log1p(np.maximum(x, -1.0))


def _symlog1p(x: Values) -> Values:
    return np.sign(x) * np.log1p(np.abs(x))


# Transforms of a curve: an increasing function of the operand.
TRANSFORMS: dict[str, Any] = {
    "id": _as_real,
    "log": log,
    "log1p": _log1p,
    "symlog1p": _symlog1p,
}


def curve(op: Op, a: Values) -> Values:
    """Return the curve's value: linear between knots in the transformed operand.

    At a jump (two knots at one place) the second knot's value holds at the place itself. Beyond
    the outer knots the curve is flat, or goes on with the outermost slope for `beyond linear`.
    """
    knots = op.attr("knots")
    assert isinstance(knots, tuple)
    transform = TRANSFORMS[str(op.attr("in") or "id")]
    raw = np.asarray(a, dtype=np.float64)
    places = np.array([float(k[0]) for k in knots if isinstance(k, tuple)])
    heights = np.array([float(k[1]) for k in knots if isinstance(k, tuple)])
    missing = op.attr("missing")
    with np.errstate(invalid="ignore", divide="ignore"):
        x, u = transform(raw), transform(places)
    right = np.searchsorted(places, raw, side="right")  # the knots up to and at the value
    if len(u) == 1:
        result = np.full(np.shape(raw), heights[0])
    else:
        low = np.clip(right - 1, 0, len(u) - 2)
        run = u[low + 1] - u[low]
        slope = np.divide(
            heights[low + 1] - heights[low], run, out=np.zeros(np.shape(run)), where=run > 0
        )
        result = heights[low] + slope * (x - u[low])
        result = where(right == len(u), _last(op, x, u, heights), result)
        result = where(right == 0, _first(op, x, u, heights), result)
    nan = np.isnan(raw)
    if missing is not None:
        return where(nan, as_number(missing), result)
    return where(nan, np.nan, result)


def _last(op: Op, x: Values, u: Values, heights: Values) -> Values:
    run = u[-1] - u[-2]
    if op.attr("beyond") != "linear" or run == 0:
        return heights[-1]
    return heights[-1] + (heights[-1] - heights[-2]) / run * (x - u[-1])


def _first(op: Op, x: Values, u: Values, heights: Values) -> Values:
    run = u[1] - u[0]
    if op.attr("beyond") != "linear" or run == 0:
        return heights[0]
    return heights[0] + (heights[1] - heights[0]) / run * (x - u[0])


# ---------------------------------------------------------------- network layers


def dense(_: Op, x: Values, weight: Values, bias: Values = 0.0) -> Values:
    """Return weight @ x + bias over the last axis."""
    return np.asarray(x, dtype=np.float64) @ np.asarray(weight, dtype=np.float64).T + bias


def conv_geometry(op: Op, axes: int) -> tuple[Any, Any, Any, int, bool]:
    """Return stride, dilation, padding (low, high of each axis), groups, and whether circular."""
    from .network_rules import ints

    groups = op.attr("groups") or 1
    assert isinstance(groups, int)
    stride, dilation = ints(op, "stride", axes, 1), ints(op, "dilation", axes, 1)
    padding = ints(op, "padding", 2 * axes, 0)
    pairs = tuple(zip(padding[::2], padding[1::2]))
    return stride, dilation, pairs, groups, op.attr("mode") == "circular"


def conv(op: Op, x: Values, weight: Values, bias: Values = None) -> Values:
    """Return the cross-correlation of [batch, channels, ...] with [outputs, channels, ...]."""
    kernel = np.asarray(weight, dtype=np.float64)
    axes = kernel.ndim - 2
    stride, dilation, padding, groups, circular = conv_geometry(op, axes)
    padded = np.pad(
        np.asarray(x, dtype=np.float64),
        ((0, 0), (0, 0), *padding),
        mode="wrap" if circular else "constant",
    )
    extent = [dilation[i] * (kernel.shape[i + 2] - 1) + 1 for i in range(axes)]
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, extent, axis=tuple(range(2, axes + 2))
    )
    steps = tuple(slice(None, None, s) for s in stride)
    taps = tuple(slice(None, None, d) for d in dilation)
    windows = windows[(slice(None), slice(None), *steps, *taps)]
    batch, outputs = padded.shape[0], kernel.shape[0]
    grouped = windows.reshape(batch, groups, -1, *windows.shape[2:])
    filters = kernel.reshape(groups, outputs // groups, *kernel.shape[1:])
    space, inner = "xyz"[:axes], "uvw"[:axes]
    result = np.einsum(f"bgc{space}{inner},goc{inner}->bgo{space}", grouped, filters)
    result = result.reshape(batch, outputs, *result.shape[3:])
    return result if bias is None else result + np.reshape(bias, (-1, *[1] * axes))


def scale(op: Op, x: Values, factor: Values, shift: Values) -> Values:
    """Return x * factor + shift, one factor and shift for each entry of the axis."""
    axis = op.attr("axis") or 0
    assert isinstance(axis, int)
    shape = [1] * (np.ndim(x) - 1)
    shape[axis] = -1
    return x * np.reshape(factor, shape) + np.reshape(shift, shape)


def embedding(_: Op, x: Values, table: Values) -> Values:
    """Return the rows of the table that the ints name."""
    return np.asarray(table, dtype=np.float64)[x]


def relu(x: Values) -> Values:
    """Return max(x, 0)."""
    return np.maximum(x, 0.0)


def leaky_relu(op: Op, x: Values) -> Values:
    """Return x, or slope * x where x is negative."""
    return where(np.asarray(x) >= 0, x, as_number(op.attr("slope")) * np.asarray(x))


def hardtanh(op: Op, x: Values) -> Values:
    """Return x clamped to low..high."""
    return np.clip(x, as_number(op.attr("low")), as_number(op.attr("high")))


def sigmoid(x: Values) -> Values:
    """Return 1 / (1 + exp(-x)), without overflow."""
    z = np.exp(-np.abs(np.asarray(x, dtype=np.float64)))
    return where(np.asarray(x) >= 0, 1.0 / (1.0 + z), z / (1.0 + z))


def softmax(op: Op, x: Values) -> Values:
    """Return exponentials over their sum along the axis, shifted by the maximum."""
    axis = op.attr("axis") or 0
    assert isinstance(axis, int)
    shifted = np.exp(x - np.max(x, axis=axis + 1, keepdims=True))
    return shifted / np.sum(shifted, axis=axis + 1, keepdims=True)
