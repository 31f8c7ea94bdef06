"""Straight-line IR under construction: what ranges and complements decide is folded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from ddc.ir import DdcError, Scalar, int_bounds

from .emitter import Emitter, Operand, declared_span

EXACT_FLOAT = 1 << 53
MOST_BITS = 1 << 10  # of an int that is taken apart bit by bit


class Graph(Emitter):
    """Logic, comparisons, arithmetic and tables over what is built so far."""

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
        low, high = declared_span(base)
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
