"""Results of calls: their shapes, their dtypes, and where they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Function, Missing, Param, Real, dims, element
from ddc.ir.sizes import solve_sizes
from ddc.ir.types import int_bounds

from .values import InputError

Shape = tuple[int, ...]


def shapes(function: Function, given: Sequence[Shape]) -> tuple[list[Shape], dict[str, int]]:
    """Return the results' shapes for inputs of some shapes, and the sizes; raises `DdcError`."""
    sizes = solve_sizes(function, {p.name: s for p, s in zip(function.params, given)})
    made = [tuple(int(d.evaluate(sizes)) for d in dims(r.type)) for r in function.results]
    return made, sizes


def dtypes(results: Sequence[Param], dtype: Any, out: Any) -> list[np.dtype[Any] | None]:
    """Return the dtypes that were asked for, None where nothing was said.

    Raises `InputError` for a dtype that cannot hold every value of a result.
    """
    if out is not None:
        given = out if isinstance(out, (tuple, list)) else (out,)
        if len(given) != len(results) or not all(isinstance(a, np.ndarray) for a in given):
            raise InputError(f"out is to be {len(results)} arrays")
        wanted = [a.dtype for a in given]
    elif dtype is None:
        return [None] * len(results)
    else:
        try:
            wanted = [np.dtype(dtype)] * len(results)
        except TypeError:
            raise InputError("dtype is to be one of numpy") from None
    for result, kind in zip(results, wanted):
        if not holds(kind, result):
            raise InputError(f"{kind} cannot hold %{result.name}, which is {element(result.type)}")
    return list(wanted)


def holds(kind: np.dtype[Any], result: Param) -> bool:
    """Tell whether a dtype holds every value of a result."""
    scalar = element(result.type)
    if isinstance(scalar, (Real, Missing)):
        return kind.kind == "f"
    low, high = int_bounds(scalar) or (None, None)
    if kind.kind == "f":
        exact = 1 << (np.finfo(kind).nmant + 1)
        return low is not None and high is not None and -exact <= low and high <= exact
    if kind.kind == "b":
        return (low, high) == (0, 1)
    if kind.kind not in "iu":
        return kind.kind == "O"
    reach = np.iinfo(kind)
    whole = kind == np.int64  # what does not fit is reported when it happens
    low, high = (reach.min if low is None and whole else low), (
        reach.max if high is None and whole else high
    )
    return low is not None and high is not None and reach.min <= low and high <= reach.max


def outputs(
    wanted_shapes: Sequence[Shape], wanted: Sequence[np.dtype[Any] | None], out: Any, reals: Any
) -> list[NDArray[Any]]:
    """Return arrays for results: those that were given, else new ones."""
    if out is None:
        return [
            np.empty(shape, kind or (np.float64 if real else np.int64))
            for shape, kind, real in zip(wanted_shapes, wanted, reals)
        ]
    given = list(out) if isinstance(out, (tuple, list)) else [out]
    for array, shape in zip(given, wanted_shapes):
        check_out(array, shape)
    return given


def check_out(out: Any, shape: Shape) -> None:
    """Raise `InputError` for an array that cannot take a result."""
    if not isinstance(out, np.ndarray):
        raise InputError("out is to be an array")
    if out.shape != shape:
        raise InputError(f"out has the shape {list(out.shape)}, not {list(shape)}")
    if not out.flags.writeable:
        raise InputError("out cannot be written: it is read-only")


def returned(made: Sequence[Any], wanted: Sequence[np.dtype[Any] | None], out: Any) -> Any:
    """Return results as the Python backend does: numbers, and arrays of int64 or float64."""
    if out is not None:
        given = list(out) if isinstance(out, (tuple, list)) else [out]
        for array, part in zip(given, made):
            check_out(array, np.shape(part))
            if array is not part:
                array[...] = part
        return out
    found = tuple(_returned(part, kind) for part, kind in zip(made, wanted))
    return found[0] if len(found) == 1 else found


def _returned(part: Any, kind: np.dtype[Any] | None) -> Any:
    if not isinstance(part, np.ndarray):
        return part if kind is None or not np.ndim(part) else np.asarray(part, dtype=kind)
    if part.ndim == 0:
        return part.item()
    if kind is not None:
        return part.astype(kind, copy=False)
    return part if part.dtype.kind in "fO" else part.astype(np.int64, copy=False)


def stacked(rows: Sequence[Any]) -> NDArray[Any]:
    """Return the results of rows as one array, of Python ints where 64 bits do not hold them."""
    parts = [np.asarray(row) for row in rows]
    if any(part.dtype == object or part.dtype.kind == "u" for part in parts):
        parts = [part.astype(object) for part in parts]
    return np.stack(parts) if parts else np.empty(0, dtype=np.int64)
