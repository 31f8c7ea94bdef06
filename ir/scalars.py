"""Elementwise ops on lanes: the dtype in which an op computes, and its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .inputs import CHECKED_BITS, dtype_of
from .lanes import Values, aligned, cast, check_growth, literal, same_dtype
from .module import Op
from .ops import OPS
from .ranges import int_range, multiply_ranges
from .types import Type, element, int_bounds, levels


def working_dtype(op: Op, operands: Sequence[Type], result: Type) -> np.dtype[Any]:
    """Return the widest dtype among operands and result, exact for all that lies between."""
    kinds = {dtype_of(t) for t in (*operands, result)}
    if np.float64 in kinds:
        return np.dtype(np.float64)
    wide = object in kinds or (op.code == "threshold" and _wide_threshold(op, operands))
    return np.dtype(object if wide else np.int64)


def _wide_threshold(op: Op, operands: Sequence[Type]) -> bool:
    """Tell whether the weighted sum, or its bound, may pass the int64 range."""
    weights, least = op.attr("weights"), op.attr("least")
    factors = weights if isinstance(weights, tuple) else (1,) * len(operands)
    reach = abs(least) if isinstance(least, int) else 0
    for factor, operand in zip(factors, operands):
        weight = factor if isinstance(factor, int) else 0
        ends = multiply_ranges((weight, weight), int_range(element(operand)))
        reach += abs(weight) + max(CHECKED_BITS if b is None else abs(b) for b in ends)
    return reach >= CHECKED_BITS


def elementwise(op: Op, operands: Sequence[Type], result: Type, values: Sequence[Values]) -> Values:
    """Return an elementwise op's values, in the dtype of the result.

    Each value has a lane axis (1 long where all lanes agree), scalars go with arrays.
    """
    if op.code == "table":
        return _look_up(op, operands, result, values)
    spec = OPS[op.code]
    assert spec.elementwise and spec.evaluate is not None
    given = aligned(same_dtype(values, working_dtype(op, operands, result)))
    if op.code in ("mul", "pow"):
        check_growth(op.code, given)
    return cast(np.asarray(spec.evaluate(op, *given)), np.dtype(dtype_of(result)))


def _look_up(op: Op, operands: Sequence[Type], result: Type, values: Sequence[Values]) -> Values:
    entries = op.attr("entries")
    assert isinstance(entries, tuple)
    dtype = np.dtype(dtype_of(result))
    column = np.concatenate([cast(literal(e), dtype) for e in entries if not isinstance(e, tuple)])
    places: Any = 0
    for operand, value in zip(operands, aligned(values)):
        cases = levels(element(operand)) or ()
        places = places * len(cases) + np.searchsorted(np.array(cases, value.dtype), value)
    found: Values = column[places]
    return found


def decided(code: str, types: Sequence[Type]) -> int | None:
    """Return the outcome of a comparison that the ranges of its operands decide, else None."""
    if code not in ("lt", "le", "gt", "ge", "eq", "ne"):
        return None
    bounds = [int_bounds(element(t)) for t in types]
    if bounds[0] is None or bounds[1] is None:
        return None
    if code in ("gt", "ge"):
        bounds = [bounds[1], bounds[0]]
        code = "lt" if code == "gt" else "le"
    (low, high), (least, most) = bounds[0] or (None, None), bounds[1] or (None, None)
    below = high is not None and least is not None and high < least  # always a < b
    above = low is not None and most is not None and low > most
    if code in ("eq", "ne"):
        return int(code == "ne") if below or above else None
    not_above = high is not None and least is not None and high <= least
    not_below = low is not None and most is not None and low >= most
    if code == "lt":
        return 1 if below else (0 if not_below else None)
    return 1 if not_above else (0 if above else None)
