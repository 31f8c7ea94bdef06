"""Inputs: check that arrays hold values of their declared types, in the interpreter's dtypes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DdcError
from .module import Param
from .types import Category, Int, Missing, Real, Scalar, Type, element, int_bounds, quote

CHECKED_BITS = (1 << 62) - 1  # ints up to this in size are int64, greater ones Python ints

Values = NDArray[Any]


def dtype_of(type_: Type) -> type[Any]:
    """Return the dtype of values: int64, object (ints that may pass 62 bits) or float64."""
    bounds = int_bounds(element(type_))
    if bounds is None:
        return np.float64
    low, high = bounds
    fits = low is not None and high is not None and -CHECKED_BITS <= low and high <= CHECKED_BITS
    return np.int64 if fits else object


def array_of(param: Param, given: Values) -> Values:
    """Return an input in the dtype of its type.

    Raises `DdcError` for the first entry that is not a value of the type.
    """
    scalar = element(param.type)
    missing = isinstance(scalar, Missing)
    base = scalar.base if isinstance(scalar, Missing) else scalar
    if isinstance(base, Category) and given.dtype.kind in "UO":
        given = _positions(param, base, given, missing)
    if missing or isinstance(base, Real):
        return _reals(param, base, given, missing)
    exact = _ints(param, given)
    low, high = int_bounds(base) or (None, None)
    values = base.values if isinstance(base, Int) else ()
    bad = np.zeros(exact.shape, dtype=bool)
    if low is not None:
        bad |= np.less(exact, low).astype(bool)
    if high is not None:
        bad |= np.greater(exact, high).astype(bool)
    if values:
        bad |= ~np.isin(exact, np.array(values, dtype=exact.dtype))
    _refuse(param, given, bad)
    return exact.astype(dtype_of(base))


def _refuse(param: Param, given: Values, bad: Values) -> None:
    if not bad.any():
        return
    place = tuple(int(axis[0]) for axis in np.nonzero(bad))
    where = f" at {list(place[1:])}" if len(place) > 1 else ""
    shown = quote(str(given[place]))[1:-1][:80]
    raise DdcError(f"%{param.name} holds {shown}{where}, which is no {element(param.type)}")


def _ints(param: Param, given: Values) -> Values:
    """Return the entries as exact ints, int64 where they fit."""
    kind = given.dtype.kind
    if kind == "b" or (kind == "i" or (kind == "u" and given.dtype.itemsize < 8)):
        return given.astype(np.int64)
    if kind not in "ufO":
        raise DdcError(f"%{param.name} is {element(param.type)}, but the value is not numbers")
    flat: list[Any] = given.ravel().tolist()
    bad = np.array([not _is_whole(v) for v in flat], dtype=bool)
    _refuse(param, given, bad.reshape(given.shape))
    whole = np.empty(len(flat), dtype=object)
    whole[:] = [int(v) for v in flat]
    small = all(-CHECKED_BITS <= v <= CHECKED_BITS for v in whole.tolist())
    return (whole.astype(np.int64) if small else whole).reshape(given.shape)


def _is_whole(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value) and value.is_integer()
    return isinstance(value, (int, np.integer, np.bool_))


def _reals(param: Param, base: Scalar, given: Values, missing: bool) -> Values:
    try:
        numbers = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        text = f"%{param.name} is {element(param.type)}, but the value is not numbers"
        raise DdcError(text) from None
    nan = np.isnan(numbers)
    bad = np.zeros(nan.shape, dtype=bool) if missing else nan
    low: Fraction | int | None
    high: Fraction | int | None
    if isinstance(base, Real):
        low, high = base.low, base.high
    else:
        low, high = int_bounds(base) or (None, None)
        bad = bad | (~nan & (numbers != np.rint(numbers)))
        if isinstance(base, Int) and base.values:
            bad |= ~nan & ~np.isin(numbers, np.array(base.values, dtype=np.float64))
    if low is not None:
        bad = bad | (numbers < float(low))
    if high is not None:
        bad = bad | (numbers > float(high))
    _refuse(param, given, bad)
    return numbers


def _positions(param: Param, base: Category, given: Values, missing: bool) -> Values:
    """Return the positions of names in a category; numbers stay as they are."""
    places: dict[object, object] = {name: k for k, name in enumerate(base.names)}
    if missing:
        places[None] = math.nan
    flat = given.ravel().tolist()
    bad = np.array([isinstance(v, str) and v not in places for v in flat], dtype=bool)
    _refuse(param, given, bad.reshape(given.shape))
    out = np.empty(len(flat), dtype=object)
    out[:] = [places.get(v, v) for v in flat]
    return out.reshape(given.shape)
