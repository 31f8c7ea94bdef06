"""Straight-line IR under construction: equal ops are built once, and what ranges decide is folded.

An operand is an int or a float literal, or the name of an IR value. Each value has the IR's own
type, and a span, which reals have too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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

EXACT_FLOAT = 1 << 53
MOST_BITS = 1 << 10  # of an int that is taken apart bit by bit
_REORDERED = frozenset(["and", "or", "xor", "add", "mul", "eq", "min", "max"])


class Graph:
    """Ops over the entries of the parameters."""

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
                self._declare(param.name, param.type, _declared_span(param.type))

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
            self._declare(name, scalar, _declared_span(scalar))
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

    # ------------------------------------------------------------ logic

    def not_(self, a: Operand) -> Operand:
        """Return 1 - a."""
        if not isinstance(a, str):
            return 1 - int(a)
        op = self.ops.get(a)
        if op is not None and op.code == "not":
            (inner,) = op.operands
            assert isinstance(inner, str)
            return inner
        return self.emit("not", a)

    def and_(self, bits: Iterable[Operand]) -> Operand:
        """Return whether all bits are 1."""
        return self._monotone("and", bits, 1)

    def or_(self, bits: Iterable[Operand]) -> Operand:
        """Return whether some bit is 1."""
        return self._monotone("or", bits, 0)

    def _monotone(self, code: str, bits: Iterable[Operand], neutral: int) -> Operand:
        kept: dict[Operand, None] = {}
        for bit in bits:
            if isinstance(bit, str):
                kept[bit] = None
            elif bit != neutral:
                return 1 - neutral
        if not kept:
            return neutral
        if any(self.known_not(bit) in kept for bit in kept):
            return 1 - neutral
        return next(iter(kept)) if len(kept) == 1 else self.emit(code, *kept)

    def known_not(self, bit: Operand) -> Operand | None:
        """Return the complement of a bit if it was built already."""
        op = self.ops.get(bit) if isinstance(bit, str) else None
        if op is not None and op.code == "not":
            (inner,) = op.operands
            return inner if isinstance(inner, str) else None
        return self._known.get(("not", ((str, bit),), ()))

    def xor(self, bits: Iterable[Operand]) -> Operand:
        """Return the parity of bits."""
        odd: dict[str, None] = {}
        flip = 0
        for bit in bits:
            if not isinstance(bit, str):
                flip ^= int(bit)
                continue
            op = self.ops.get(bit)
            if op is not None and op.code == "not":
                flip ^= 1
                bit = str(op.operands[0])
            if bit in odd:
                del odd[bit]
            else:
                odd[bit] = None
        if not odd:
            return flip
        value = next(iter(odd)) if len(odd) == 1 else self.emit("xor", *odd)
        return self.not_(value) if flip else value

    def select(self, bit: Operand, then: Operand, other: Operand) -> Operand:
        """Return `then` where the bit is 1, else `other`."""
        if not isinstance(bit, str):
            return then if bit else other
        if type(then) is type(other) and then == other:
            return then
        op = self.ops.get(bit)
        if op is not None and op.code == "not":
            bit, then, other = str(op.operands[0]), other, then
        if self.is_bit(then) and self.is_bit(other):
            return self._bit_select(bit, then, other)
        return self.emit("select", bit, then, other)

    def _bit_select(self, bit: str, then: Operand, other: Operand) -> Operand:
        if other == 0:
            return self.and_([bit, then])
        if then == 1:
            return self.or_([bit, other])
        if then == 0:
            return self.and_([self.not_(bit), other])
        if other == 1:
            return self.or_([self.not_(bit), then])
        if self.known_not(then) == other:
            return self.xor([bit, other])
        return self.emit("select", bit, then, other)

    # ------------------------------------------------------------ comparisons

    def eq(self, a: Operand, b: Operand) -> Operand:
        """Return whether two numbers are equal."""
        if not isinstance(a, str):
            a, b = b, a
        if not isinstance(a, str):
            return int(a == b)
        (low, high), (least, most) = self.span(a), self.span(b)
        if high < least or most < low:
            return 0
        if a == b:
            return self.emit("eq", a, a) if self.may_be_nan(a) else 1
        op = self.ops.get(a)
        if op is not None and op.code == "sub" and b == 0 and op.operands[0] in self.wholes:
            if op.operands[0] == op.operands[1]:
                return self.eq(str(op.operands[0]), str(op.operands[0]))
        if isinstance(b, (int, float)) and self.is_int(a):
            if b != b or (isinstance(b, float) and not b.is_integer()):
                return 0
            known = self.levels(a)
            if known is not None and int(b) not in known:
                return 0
            b = int(b)
        if self.is_bit(a) and self.is_bit(b):
            return self.not_(self.xor([a, b]))
        return self.emit("eq", a, b)

    def lt(self, a: Operand, b: Operand) -> Operand:
        """Return whether a < b."""
        if not isinstance(a, str) and not isinstance(b, str):
            return int(a < b)
        (low, high), (least, most) = self.span(a), self.span(b)
        nan = self.may_be_nan(a) or self.may_be_nan(b)
        if low >= most or a == b:
            return 0
        if high < least:
            return self.and_([self.eq(a, a), self.eq(b, b)]) if nan else 1
        if self.is_bit(a) and self.is_bit(b):
            return self.and_([self.not_(a), b])
        return self.emit("lt", a, b)

    def le(self, a: Operand, b: Operand) -> Operand:
        """Return whether a <= b."""
        if self.may_be_nan(a) or self.may_be_nan(b):
            if not isinstance(a, str) and not isinstance(b, str):
                return int(a <= b)
            (low, high), (least, most) = self.span(a), self.span(b)
            if high <= least:
                return self.and_([self.eq(a, a), self.eq(b, b)])
            return 0 if low > most else self.emit("le", a, b)
        return self.not_(self.lt(b, a))

    def nonzero(self, a: Operand) -> Operand:
        """Return whether a number is not 0: Python's truth of numbers."""
        return a if self.is_bit(a) else self.not_(self.eq(a, 0))

    # ------------------------------------------------------------ arithmetic

    def add(self, terms: Sequence[Operand]) -> Operand:
        """Return a sum, of ints in any order."""
        if not all(self.is_int(t) for t in terms):
            return self.emit("add", *terms) if len(terms) > 1 else terms[0]
        constant = sum(int(t) for t in terms if not isinstance(t, str))
        rest: list[Operand] = [t for t in terms if isinstance(t, str)]
        if constant:
            if len(rest) == 1 and self.is_bit(rest[0]) and constant == 0:
                return rest[0]
            rest.append(constant)
        if not rest:
            return 0
        return rest[0] if len(rest) == 1 else self.emit("add", *rest)

    def sub(self, a: Operand, b: Operand) -> Operand:
        """Return a difference."""
        if self.is_int(a) and self.is_int(b):
            (base, more), (other, less) = self._offset(a), self._offset(b)
            if base == other:
                return more - less
            if not isinstance(b, str):
                return self.add([a, -int(b)])
            if not isinstance(a, str) and a == 1 and self.is_bit(b):
                return self.not_(b)
        return self.emit("sub", a, b)

    def _offset(self, a: Operand) -> tuple[Operand, int]:
        """Return an int as another one and a constant that is added to it."""
        op = self.ops.get(a) if isinstance(a, str) else None
        if op is None or op.code != "add" or len(op.operands) != 2:
            return a, 0
        names = [o for o in op.operands if isinstance(o, str)]
        numbers = [o for o in op.operands if isinstance(o, int)]
        return (names[0], numbers[0]) if names and numbers else (a, 0)

    def mul(self, a: Operand, b: Operand) -> Operand:
        """Return a product."""
        if self.is_int(a) and self.is_int(b):
            for x, y in ((a, b), (b, a)):
                if not isinstance(x, str) and x in (0, 1):
                    return y if x else 0
            if self.is_bit(a) and self.is_bit(b):
                return self.and_([a, b])
            for x, y in ((a, b), (b, a)):
                count = self.ops.get(y) if isinstance(y, str) else None
                if self.is_bit(x) and count is not None and count.code == "add":
                    terms = [o for o in count.operands if isinstance(o, str) and self.is_bit(o)]
                    if len(terms) == len(count.operands):  # proofs by parts see one part for each
                        return self.add([self.and_([x, term]) for term in terms])
        return self.emit("mul", a, b)

    def real(self, a: Operand) -> Operand:
        """Return an int as a real, rounded to binary64."""
        if isinstance(a, int):
            return float(a)
        return self.emit("mul", a, 1.0) if self.is_int(a) else a

    def fits_float(self, a: Operand) -> bool:
        """Tell whether an int is the same number as a float, whatever its value."""
        low, high = self.span(a)
        return bool(-EXACT_FLOAT <= low and high <= EXACT_FLOAT)

    def mod(self, a: Operand, b: int) -> Operand:
        """Return the remainder of an int by a positive constant."""
        low, high = self.span(a)
        return a if 0 <= low and high < b else self.emit("mod", a, b)

    def clamp(self, a: Operand, low: int, high: int) -> Operand:
        """Return an int that is known to lie in a range, so that its type says so."""
        least, most = self.span(a)
        if low <= least and most <= high:
            return a
        if (low, high) == (0, 1):
            return self.lt(0, a)
        return self.emit("min", self.emit("max", a, low), high)

    def table(self, entries: Sequence[int | float], *places: Operand) -> Operand:
        """Return the entry for the values of small ints, last operand fastest."""
        if all(type(e) is type(entries[0]) and e == entries[0] for e in entries):
            return entries[0]
        if len(places) == 1 and self.levels(places[0]) == tuple(entries):
            return places[0]
        if any(isinstance(e, float) for e in entries):
            if not all(math.isfinite(e) for e in entries):
                return self._chain(entries, places)
            return self.emit("table", *places, entries=tuple(Fraction(e) for e in entries))
        if len(places) == 1 and self.is_bit(places[0]) and tuple(entries) == (1, 0):
            return self.not_(places[0])
        return self.emit("table", *places, entries=tuple(int(e) for e in entries))

    def _chain(self, entries: Sequence[int | float], places: Sequence[Operand]) -> Operand:
        result: Operand = entries[-1]
        cases: list[list[Operand]] = [[]]
        for place in places:
            cases = [[*c, self.eq(place, v)] for c in cases for v in self.levels(place) or ()]
        for case, entry in reversed(list(zip(cases, entries))):
            result = self.select(self.and_(case), entry, result)
        return result

    def optional(self, name: str, base: Scalar) -> tuple[Operand, Operand]:
        """Return whether a parameter is missing, and its number: a NaN where it is missing.

        Only curves take such parameters; this one is the identity, exact everywhere.
        """
        one, zero = Fraction(1), Fraction(0)
        missing = self.lt(0.5, self.emit("curve", name, knots=((zero, zero),), missing=1))
        line = ((zero, zero), (one, one))
        number = self.emit("curve", name, knots=line, beyond="linear", missing=0)
        assert isinstance(number, str)
        self.nans.discard(number)
        low, high = _declared_span(base)
        self.spans[number] = (min(low, 0), max(high, 0))
        bounds = int_bounds(base)
        if bounds is not None:
            number = str(self.emit("round", number))
            if bounds[0] is not None and bounds[1] is not None:
                number = str(self.clamp(number, min(0, bounds[0]), max(0, bounds[1])))
        both = self.select(missing, math.nan, number)
        if bounds is not None:
            self.wholes[str(both)] = number
        self.spans[str(both)] = (low, high)
        return missing, both

    # ------------------------------------------------------------ bits of ints

    def bits(self, a: Operand, width: int) -> list[Operand]:
        """Return the lowest bits of an int in two's complement, lowest first."""
        if not isinstance(a, str):
            return [int(a) >> k & 1 for k in range(width)]
        if self.is_bit(a):
            return [a, *[0] * (width - 1)]
        low, high = self.span(a)
        top = width if low < 0 else max(1, int(high).bit_length()) if high != math.inf else width
        found: list[Operand] = []
        for k in range(min(width, top)):
            shifted = a if k == 0 else self.emit("floordiv", a, 1 << k)
            found.append(self.mod(shifted, 2))
        return found + [0] * (width - len(found))

    def bitwise(self, code: str, a: Operand, b: Operand) -> Operand:
        """Return `and`, `or` or `xor` of two ints as Python computes it."""
        join = {"and": self.and_, "or": self.or_, "xor": self.xor}[code]
        if self.is_bit(a) and self.is_bit(b):
            return join([a, b])
        if code == "and":
            for x, mask in ((a, b), (b, a)):
                if isinstance(mask, int) and mask >= 0 and mask & (mask + 1) == 0:
                    return self.mod(x, mask + 1)
        ends = [end for x in (a, b) for end in self.span(x)]
        if code == "and" and any(isinstance(x, int) and x >= 0 for x in (a, b)):
            ends = [x for x in (a, b) if isinstance(x, int)]
        if math.inf in ends or -math.inf in ends:
            raise DdcError("bitwise arithmetic on ints without bounds is not understood")
        width = max(int(end).bit_length() for end in ends) + 1
        if width > MOST_BITS:
            raise DdcError(f"bitwise arithmetic on ints of {width} bits is not understood")
        rows = zip(self.bits(a, width), self.bits(b, width))
        return self.number([join(pair) for pair in rows])

    def number(self, bits: Sequence[Operand]) -> Operand:
        """Return the int with these bits in two's complement, the last one its sign."""
        scales = [1 << k for k in range(len(bits))]
        scales[-1] = -scales[-1]
        return self.add([self.mul(bit, scale) for bit, scale in zip(bits, scales)])


def _unbounded(bounds: tuple[int | None, int | None]) -> Span:
    low, high = bounds
    return (-math.inf if low is None else low, math.inf if high is None else high)


def _declared_span(scalar: Scalar) -> Span:
    bounds = int_bounds(scalar)
    if bounds is not None:
        return _unbounded(bounds)
    if not isinstance(scalar, Real):
        return WIDE
    low: Any = -math.inf if scalar.low is None else scalar.low
    return low, math.inf if scalar.high is None else scalar.high
