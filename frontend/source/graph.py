"""Straight-line IR under construction: equal ops are built once, and what ranges decide is folded.

An operand is an int or a float literal, or the name of an IR value. Each value has the IR's own
type, and a span that may be narrower, for reals too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from ddc.ir import (
    BIT,
    OPS,
    REAL,
    Affine,
    Array,
    Attr,
    Builder,
    DdcError,
    Index,
    Int,
    Missing,
    Op,
    Param,
    Real,
    Scalar,
    Type,
    dims,
    element,
    int_bounds,
    is_bit,
    levels,
)
from ddc.ir.infer import literal_type
from ddc.ir.ranges import TypeProblem

Operand = int | float | str
Span = tuple[Any, Any]  # lowest and highest value, infinite where unbounded

EXACT_FLOAT = 1 << 53
WIDE: Span = (-math.inf, math.inf)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


class Graph:
    """Ops over the entries of the parameters."""

    def __init__(self, params: Sequence[Param]) -> None:
        self.params = tuple(params)
        self.builder = Builder([p.name for p in params])
        self.ops: dict[str, Op] = {}
        self.types: dict[str, Scalar] = {}
        self.spans: dict[str, Span] = {}
        self.nans: set[str] = set()
        self._known: dict[tuple[object, ...], str] = {}
        self._dims: dict[str, Type] = {}
        for param in params:
            if not isinstance(param.type, Array):
                self._declare(param.name, param.type)

    # ------------------------------------------------------------ what is known of operands

    def _declare(self, name: str, type_: Scalar) -> None:
        self.types[name] = type_
        self.spans[name] = _span_of(type_)

    def type_of(self, a: Operand) -> Scalar:
        """Return the IR type of an operand."""
        return self.types[a] if isinstance(a, str) else element(literal_type(_exact(a)))

    def span(self, a: Operand) -> Span:
        """Return the lowest and the highest value."""
        return self.spans[a] if isinstance(a, str) else (a, a)

    def is_int(self, a: Operand) -> bool:
        """Tell whether the IR takes the operand for an int."""
        if isinstance(a, str):
            return int_bounds(self.types[a]) is not None
        return isinstance(a, int)

    def is_bit(self, a: Operand) -> bool:
        """Tell whether the IR takes the operand for a bit."""
        return is_bit(self.types[a]) if isinstance(a, str) else isinstance(a, int) and a in (0, 1)

    def may_be_nan(self, a: Operand) -> bool:
        """Tell whether a real may be a NaN."""
        return a in self.nans if isinstance(a, str) else a != a

    def levels(self, a: Operand) -> tuple[int, ...] | None:
        """Return all values that an int may have, where they are few."""
        if isinstance(a, int):
            return (a,)
        return levels(self.types[a]) if isinstance(a, str) else None

    # ------------------------------------------------------------ building

    def emit(self, code: str, *operands: Operand, **attrs: Attr | None) -> str:
        """Return the value of an op on scalars; the same op is built once."""
        key = (code, tuple((type(o), o) for o in operands), tuple(sorted(attrs.items())))
        name = self._known.get(key)
        if name is None:
            literals = tuple(o if isinstance(o, str) else self._literal(o) for o in operands)
            name = self._append(code, literals, [self.type_of(o) for o in operands], attrs)
            self._known[key] = name
        return name

    def _append(
        self, code: str, operands: Sequence[Any], types: Sequence[Type], attrs: dict[str, Any]
    ) -> str:
        if "n" in (o for o in operands):
            raise AssertionError
        name = self.builder.op(code, *operands, **attrs)
        op = self.builder.last
        try:
            type_ = OPS[code].rule(op, types)
        except TypeProblem as problem:
            raise DdcError(f"'{code}' {problem}") from None
        self.ops[name] = op
        self._declare(name, element(type_))
        return name
