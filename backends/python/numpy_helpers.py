"""Private helpers of modules in the numpy style."""

from __future__ import annotations

from .helpers import PLAIN, Helper, _helper

NUMPY: dict[str, Helper] = {
    "_chosen": _helper('''
def _chosen(x, values, message, rank=0):
    """Return x, one of the values or an array of them, as an int or an int64 array."""
    x = np.asarray(x)
    if (rank is not None and x.ndim != rank) or not np.isin(x, values).all():
        raise ValueError(message)
    return x.astype(np.int64) if rank != 0 else int(x)
'''),
    "_named": _helper('''
def _named(x, names, message, rank=0):
    """Return the places of names, as an int or an int64 array."""
    x = np.asarray(x, dtype=object)
    places = {name: place for place, name in enumerate(names)}
    if (rank is not None and x.ndim != rank) or any(v not in places for v in x.ravel().tolist()):
        raise ValueError(message)
    found = np.array([places[v] for v in x.ravel().tolist()], dtype=np.int64).reshape(x.shape)
    return found if rank != 0 else int(found)
'''),
    "_integers": _helper('''
def _integers(x, message, rank=0, low=float("-inf"), high=float("inf")):
    """Return whole numbers in low..high as an int, an int64 array, or one of Python ints."""
    x = np.asarray(x)
    if x.dtype.kind == "f":
        whole = np.isfinite(x).all() and (x == np.floor(x)).all()
    else:
        flat = x.ravel().tolist() if x.dtype.kind == "O" else ()
        whole = x.dtype.kind in "buiO" and all(isinstance(v, (int, float)) for v in flat)
        whole = whole and not any(v % 1 for v in flat)
    if (rank is not None and x.ndim != rank) or not whole or not ((x >= low) & (x <= high)).all():
        raise ValueError(message)
    if rank == 0:
        return int(x)
    if -(2**62) < low and high < 2**62:
        return x.astype(np.int64)
    return np.array([int(v) for v in x.ravel().tolist()], dtype=object).reshape(x.shape)
'''),
    "_reals": _helper('''
def _reals(x, message, rank=0, low=float("-inf"), high=float("inf")):
    """Return numbers in low..high as a float or a float64 array."""
    x = np.asarray(x)
    if (rank is not None and x.ndim != rank) or x.dtype.kind not in "buifO":
        raise ValueError(message)
    x = x.astype(np.float64)
    if not ((x >= low) & (x <= high)).all():
        raise ValueError(message)
    return x if rank != 0 else float(x)
'''),
    "_optional": _helper('''
def _optional(x, rank, check, message):
    """Return what check makes of the numbers, NaN where one is missing."""
    x = np.asarray(x, dtype=object)
    if rank is not None and x.ndim != rank:
        raise ValueError(message)
    gone = np.array([v is None or v != v for v in x.ravel().tolist()], dtype=bool).reshape(x.shape)
    found = np.full(x.shape, np.nan)
    found[~gone] = check(x[~gone])
    return found if rank != 0 else float(found)
'''),
    "_shift": _helper('''
def _shift(x, steps, fill):
    """Return x moved: entry i is x[i + steps], or `fill` where there is none."""
    padded = np.pad(x, [(max(0, -s), max(0, s)) for s in steps], constant_values=fill)
    return padded[tuple(slice(max(0, s), max(0, s) + n) for s, n in zip(steps, x.shape))]
'''),
    "_slide": _helper('''
def _slide(x, steps):
    """Return x moved: entry i is x[i + steps], or the entry at the edge that is nearest."""
    padded = np.pad(x, [(max(0, -s), max(0, s)) for s in steps], mode="edge")
    return padded[tuple(slice(max(0, s), max(0, s) + n) for s, n in zip(steps, x.shape))]
'''),
    "_fold": _helper('''
def _fold(combine, arrays, start=None):
    """Return the arrays combined one after the other."""
    for x in arrays:
        start = x if start is None else combine(start, x)
    return start
'''),
    "_argmax": _helper('''
def _argmax(arrays):
    """Return the place of the first greatest array, entry by entry."""
    return np.argmax(np.stack(np.broadcast_arrays(*arrays)), axis=0)
'''),
    "_sign": _helper('''
def _sign(x):
    """Return -1, 0 or 1."""
    return (x > 0) * 1 - (x < 0)
'''),
    "_round": _helper('''
def _round(x):
    """Return the nearest ints of any size, half to even."""
    return np.array([round(v) for v in np.ravel(x).tolist()], dtype=object).reshape(np.shape(x))
'''),
    "_leaky_relu": _helper('''
def _leaky_relu(x, slope):
    """Return x, or slope * x below 0."""
    return np.where(x >= 0, x, slope * x)
'''),
    "_sigmoid": _helper('''
def _sigmoid(x):
    """Return 1 / (1 + e ** -x) without overflow."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
'''),
    "_log1p": _helper('''
def _log1p(x):
    """Return log(1 + x), -inf from -1 down."""
    return np.log1p(np.maximum(x, -1.0))
'''),
    "_symlog1p": _helper('''
def _symlog1p(x):
    """Return log(1 + |x|) with the sign of x."""
    return np.sign(x) * np.log1p(np.abs(x))
'''),
    "_curve": _helper('''
def _curve(x, knots, scale=np.float64, beyond=False):
    """Return heights at x of the line through the knots, straight over scale(x).

    Outside it is flat, or goes on with the outermost slopes.
    """
    places, heights = knots.T
    at, u = scale(x), scale(places)
    passed = np.searchsorted(places, x, "right")
    if len(u) == 1:
        return np.where(np.isnan(x), np.nan, heights[0])
    run = np.diff(u)
    slopes = np.divide(np.diff(heights), run, out=np.zeros(len(run)), where=run > 0)
    left = np.clip(passed - 1, 0, len(run) - 1)
    y = heights[left] + slopes[left] * (at - u[left])
    first = heights[0] + slopes[0] * (at - u[0]) if beyond and run[0] > 0 else heights[0]
    last = heights[-1] + slopes[-1] * (at - u[-1]) if beyond and run[-1] > 0 else heights[-1]
    y = np.where(passed == 0, first, np.where(passed == len(u), last, y))
    return np.where(np.isnan(x), np.nan, y)
'''),
    "_scalar": _helper('''
def _scalar(x):
    """Return one number as a Python number, a column as it is."""
    return x.item() if np.ndim(x) == 0 else x
'''),
    "_column": _helper('''
def _column(rows, shape, dtype):
    """Return rows as an array, one number as a Python number."""
    x = np.array(rows, dtype=dtype).reshape(shape)
    return x.item() if x.ndim == 0 else x
'''),
    **{name: PLAIN[name] for name in ("_present", "_min", "_max", "_product")},
}
