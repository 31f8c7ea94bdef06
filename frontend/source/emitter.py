"""Ops appended to straight-line IR: equal ops are built once, with what is known of their values.

An operand is an int or a float literal, or the name of an IR value. Each value has the IR's own
type, and a span, which reals have too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ddc.ir import (
    OPS,
    REAL,
    Affine,
    Array,
    Attr,
    Builder,
    DdcError,
    Index,
    Op,
    Param,
    Real,
    Scalar,
    Type,
    attributes,
    element,
    int_bounds,
    is_bit,
    levels,
)
from ddc.ir.infer import literal_type
from ddc.ir.ranges import TypeProblem

from .spans import WIDE, Span, nan_of, span_of

Operand = int | float | str

_REORDERED = frozenset(["and", "or", "xor", "add", "mul", "eq", "min", "max"])


class Emitter:
    """Ops over the entries of the parameters, with the type and span of each value."""

    def __init__(self, params: Sequence[Param]) -> None:
        self.params = {p.name: p for p in params}
        self.builder = Builder(self.params)
        self.ops: dict[str, Op] = {}
        self.types: dict[str, Scalar] = {}
        self.spans: dict[str, Span] = {}
        self.nans: set[str] = set()
        self.wholes: dict[str, Operand] = {}  # reals that are NaN or this int
        self._order: dict[str, int] = {}
        self._known: dict[tuple[object, ...], Operand] = {}
        for param in params:
            if not isinstance(param.type, Array):
                self._declare(param.name, param.type, declared_span(param.type))

    def order(self, name: str) -> int:
        """Return when a value was built."""
        return self._order[name]

    def _declare(self, name: str, type_: Scalar, span: Span) -> None:
        self._order[name] = len(self._order)
        self.types[name] = type_
        self.spans[name] = span

    # ------------------------------------------------------------ what is known of operands

    def type_of(self, a: Operand) -> Scalar:
        """Return the IR type of an operand."""
        if isinstance(a, str):
            return self.types[a]
        if isinstance(a, float) and not math.isfinite(a):
            return REAL
        return element(literal_type(a if isinstance(a, int) else Fraction(a)))

    def span(self, a: Operand) -> Span:
        """Return the lowest and the highest value."""
        if isinstance(a, str):
            return self.spans[a]
        return WIDE if a != a else (a, a)

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

    def emit(self, code: str, *operands: Operand, **attrs: Attr | None) -> Operand:
        """Return the value of an op on scalars; the same op is built once."""
        if code in _REORDERED and all(self.is_int(o) for o in operands):
            operands = tuple(sorted(operands, key=str))
        key = (code, tuple((type(o), o) for o in operands), tuple(attrs.items()))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._append(code, operands, attributes(**attrs))
        return found

    def _append(
        self, code: str, operands: Sequence[Operand], attrs: tuple[tuple[str, Attr], ...]
    ) -> Operand:
        spans = [self.span(o) for o in operands]
        nans = [self.may_be_nan(o) for o in operands]
        given = [self.literal(o) for o in operands]
        name = self.builder.fresh(f"{code}_{len(self.ops)}")
        op = Op(code, (name,), tuple(given), attrs)
        types = [self.types[o] if isinstance(o, str) else literal_type(o) for o in given]
        try:
            type_ = element(OPS[code].rule(op, types))
        except TypeProblem as problem:
            raise DdcError(f"'{code}' {problem}") from None
        bounds = int_bounds(type_)
        if bounds is None:
            span = span_of(code, operands, spans)
            if nan_of(code, spans, nans):
                self.nans.add(name)
        else:
            span = _unbounded(bounds)
            if span[0] == span[1]:
                return int(span[0])
        self.builder.append(op)
        self.ops[name] = op
        self._declare(name, type_, span)
        return name

    def literal(self, a: Operand) -> int | Fraction | str:
        """Return an operand for the IR; it has no literals for infinities and NaN."""
        if not isinstance(a, float):
            return a
        if math.isfinite(a):
            return Fraction(a)
        if a != a:
            return str(self.emit("sqrt", -1.0))
        return str(self.emit("div", math.copysign(1.0, a), 0.0))

    def entry(self, param: str, place: Sequence[int]) -> str:
        """Return an entry of an array parameter."""
        key = ("load", param, tuple(place))
        found = self._known.get(key)
        if found is None:
            at = "_".join(map(str, place))
            name = self.builder.fresh(f"{param}_{at}")
            op = Op("load", (name,), (param,), index=tuple(Index(Affine.of(k)) for k in place))
            self.builder.append(op)
            self.ops[name] = op
            scalar = element(self.params[param].type)
            self._declare(name, scalar, declared_span(scalar))
            found = self._known[key] = name
        return str(found)

    def array(self, code: str, entries: Sequence[Operand], *rest: Operand) -> Operand:
        """Return `code` of the entries packed into an array: a gather or an argmax."""
        packed = self._pack(entries, (len(entries),))
        key = (code, packed, tuple((type(o), o) for o in rest))
        found = self._known.get(key)
        if found is None:
            operands = (packed, *(self.literal(o) for o in rest))
            name = self.builder.fresh(f"{code}_{len(self.ops)}")
            op = Op(code, (name,), operands)
            scalars = [self.type_of(o) for o in rest]
            shape = (Affine.of(len(entries)),)
            type_ = element(OPS[code].rule(op, [Array(self.types[packed], shape), *scalars]))
            self.builder.append(op)
            self.ops[name] = op
            bounds = int_bounds(type_)
            self._declare(name, type_, WIDE if bounds is None else _unbounded(bounds))
            if bounds is None:
                lows, highs = zip(*(self.span(o) for o in entries))
                self.spans[name] = (min(lows), max(highs))
                if any(self.may_be_nan(o) for o in entries):
                    self.nans.add(name)
            found = self._known[key] = name
        return found

    def _pack(self, entries: Sequence[Operand], shape: Sequence[int]) -> str:
        key = ("pack", tuple(shape), tuple((type(o), o) for o in entries))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.pack(entries, shape)
        return str(found)

    def pack(self, entries: Sequence[Operand], shape: Sequence[int]) -> str:
        """Return the entries as one array value."""
        name = self.builder.fresh(f"pack_{len(self.ops)}")
        operands = tuple(self.literal(o) for o in entries)
        op = Op("pack", (name,), operands, shape=tuple(Affine.of(d) for d in shape))
        types: list[Type] = [
            self.types[o] if isinstance(o, str) else literal_type(o) for o in operands
        ]
        self._declare(name, element(OPS["pack"].rule(op, types)), WIDE)
        self.builder.append(op)
        self.ops[name] = op
        return name


def _unbounded(bounds: tuple[int | None, int | None]) -> Span:
    low, high = bounds
    return (-math.inf if low is None else low, math.inf if high is None else high)


def declared_span(scalar: Scalar) -> Span:
    """Return the lowest and the highest value of a declared type."""
    bounds = int_bounds(scalar)
    if bounds is not None:
        return _unbounded(bounds)
    if not isinstance(scalar, Real):
        return WIDE
    low: Any = -math.inf if scalar.low is None else scalar.low
    return low, math.inf if scalar.high is None else scalar.high
