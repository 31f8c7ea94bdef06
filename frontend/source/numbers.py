"""Python's numbers: what its operators mean for ints, bools and floats that depend on the input."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Protocol

from ddc.ir import DdcError

from .emitter import Operand
from .graph import EXACT_FLOAT, Graph
from .values import Sym, Value, is_number, kind_of

LARGEST_INT = 1 << 15  # bits of an int that the program itself computes

_FLOATS = frozenset(["float", "number"])


class Raises(Protocol):
    """What is told of an error that the program may raise."""

    def __call__(self, condition: Operand, what: str) -> None: ...


CONCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


def unfit(what: str) -> DdcError:
    """Return the error for what is not understood."""
    return DdcError(f"{what} is not understood")


class Numbers:
    """Operators on numbers; `never(condition, what)` is told when an operator may raise."""

    def __init__(self, graph: Graph, never: Raises) -> None:
        self.graph = graph
        self.never = never

    # ------------------------------------------------------------ values and operands

    def operand(self, value: Value) -> Operand:
        """Return a number as an operand."""
        if isinstance(value, Sym):
            return value.name
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, (int, float)):
            return value
        raise unfit("arithmetic with what is no number")

    def value(self, a: Operand, kind: str) -> Value:
        """Return an operand as a number of a kind."""
        if isinstance(a, str):
            return Sym(a, kind)
        if kind == "bool":
            return bool(a)
        return float(a) if kind in _FLOATS else int(a)

    def truth(self, value: Value) -> Operand:
        """Return the truth of a number as a bit."""
        return self.graph.nonzero(self.operand(value))

    # ------------------------------------------------------------ binary operators

    def binary(self, sign: str, a: Value, b: Value) -> Value:
        """Return `a sign b` for two numbers."""
        if not isinstance(a, Sym) and not isinstance(b, Sym):
            return self.concrete(sign, a, b)
        kinds = {kind_of(a), kind_of(b)}
        x, y = self.operand(a), self.operand(b)
        if sign == "/":
            self.never(self.graph.eq(y, 0), "ZeroDivisionError: division by zero")
            return self.value(self.divide(x, y), "float")
        if kinds & _FLOATS:
            if sign in _BITWISE or sign in ("<<", ">>"):
                raise DdcError(f"'{sign}' takes no floats")
            return self.value(self._floats(sign, x, y), "float")
        if sign in _BITWISE:
            kind = "bool" if kinds == {"bool"} else "int"
            return self.value(self.graph.bitwise(_BITWISE[sign], x, y), kind)
        found = self._ints(sign, x, y)
        return self.value(found, "float" if isinstance(found, float) else "int")

    def concrete(self, sign: str, a: Any, b: Any) -> Value:
        """Return the value of an operator on two concrete numbers."""
        check_growth(sign, a, b)
        try:
            found = CONCRETE[sign](a, b)
        except ZeroDivisionError:
            self.never(1, "ZeroDivisionError: division by zero")
            raise AssertionError from None
        except OverflowError:
            self.never(1, "OverflowError: the number is too large")
            raise AssertionError from None
        except (TypeError, ValueError) as error:
            self.never(1, f"{type(error).__name__}: in {sign!r}")
            raise AssertionError from None
        if isinstance(found, complex):
            raise unfit("a complex number")
        return found

    def _ints(self, sign: str, x: Operand, y: Operand) -> Operand:
        graph = self.graph
        if sign == "+":
            return graph.add([x, y])
        if sign == "-":
            return graph.sub(x, y)
        if sign == "*":
            return self._bounded(graph.mul(x, y), x, y)
        if sign in ("//", "%"):
            self.never(graph.eq(y, 0), "ZeroDivisionError: division by zero")
            return self.divided("floordiv" if sign == "//" else "mod", x, y)
        if sign == "**":
            return self._bounded(self.power(x, y), x, y)
        low, _ = graph.span(y)
        if low < 0:
            self.never(graph.lt(y, 0), "ValueError: negative shift count")
        scale = self.two_to(y)
        return graph.mul(x, scale) if sign == "<<" else self.divided("floordiv", x, scale)

    def _bounded(self, found: Operand, *given: Operand) -> Operand:
        """Return a result; an error where its range is too large to be kept."""
        spans = [end for a in given for end in self.graph.span(a)]
        if math.inf in self.graph.span(found) and not {math.inf, -math.inf} & {*spans}:
            raise DdcError("an int of thousands of bits is not understood")
        return found

    def two_to(self, y: Operand) -> Operand:
        """Return 2 ** y for a small int that is not negative."""
        low, high = self.graph.span(y)
        if high > 1 << 10:
            raise unfit("a shift by an int without a small bound")
        return self.each_level(y, lambda v: 1 << max(0, v))

    def each_level(self, y: Operand, function: Callable[[int], int | float]) -> Operand:
        """Return a function of a small int as a table."""
        values = self.graph.levels(y)
        if values is None:
            raise unfit("this function of an int without small bounds")
        return self.graph.table([function(v) for v in values], y)

    def divided(self, code: str, x: Operand, y: Operand) -> Operand:
        """Return `floordiv` or `mod` of ints by a divisor that is known not to be 0."""
        graph = self.graph
        low, high = graph.span(y)
        if code == "floordiv" and y == 1:
            return x
        if isinstance(y, int) and y > 0:
            least, most = graph.span(x)
            if 0 <= least and most < y:
                return x if code == "mod" else 0
        if low > 0 or high < 0:
            return graph.emit(code, x, y)
        above = graph.emit(code, x, graph.emit("max", y, 1)) if high > 0 else 0
        below = graph.emit(code, x, graph.emit("min", y, -1)) if low < 0 else 0
        if low >= 0:
            return above
        return below if high <= 0 else graph.select(graph.lt(0, y), above, below)

    def power(self, x: Operand, y: Operand) -> Operand:
        graph = self.graph
        low, high = graph.span(y)
        if low < 0:
            raise unfit("an int to a power that may be negative")
        if not isinstance(x, str):
            if high > LARGEST_INT:
                raise unfit("a power without a small bound")
            for value in graph.levels(y) or ():
                check_growth("**", x, value)
            return self.each_level(y, lambda v: int(x) ** v)
        if y == 0:
            return 1
        if y == 1 or (graph.is_bit(x) and low > 0):
            return x
        if isinstance(y, int) and y <= 64:
            product = x
            for _ in range(y - 1):
                product = str(graph.emit("mul", product, x)) if y < 4 else product
            return product if y < 4 else graph.emit("pow", x, y)
        return graph.emit("pow", x, y)

    # ------------------------------------------------------------ floats

    def divide(self, x: Operand, y: Operand) -> Operand:
        """Return the quotient as a float, as IEEE 754 has it where the divisor is 0."""
        if not isinstance(x, str) and not isinstance(y, str) and y:
            return float(x / y)
        low, high = self.graph.span(y)
        # The IR takes an int for a divisor only where its type excludes 0.
        return self.graph.emit("div", x, self.graph.real(y) if low <= 0 <= high else y)

    def _floats(self, sign: str, x: Operand, y: Operand) -> Operand:
        graph = self.graph
        a, b = self.whole(x), self.whole(y)
        exact = graph.is_int(a) and graph.is_int(b)
        if sign in ("//", "%"):
            if sign == "%" and b == 1 and isinstance(a, str) and not graph.is_int(a):
                return self._fraction(a)
            if not exact:
                raise unfit(f"'{sign}' of floats that may not be whole")
            self.never(graph.eq(b, 0), "ZeroDivisionError: division by zero")
            return self.divided("floordiv" if sign == "//" else "mod", a, b)
        if sign == "**":
            return self.float_power(x, y)
        if exact:
            found = self._ints(sign, a, b)
            if graph.fits_float(found):
                return found
        if sign == "+" and 0 in (a, b):
            return graph.real(y if a == 0 else x)
        a, b = graph.real(x), graph.real(y)
        if sign == "+":
            return graph.add([a, b])
        return graph.sub(a, b) if sign == "-" else graph.mul(a, b)

    def _fraction(self, x: str) -> Operand:
        """Return x % 1: what is beyond the greatest whole number that is not greater."""
        if x in self.graph.wholes:
            return self.graph.emit("sub", x, x)
        floor = self.floor(Sym(x, "float"))
        return self.graph.emit("sub", x, self.operand(floor))

    def whole(self, x: Operand) -> Operand:
        """Return a float that is a whole number as an int, where that loses nothing."""
        if isinstance(x, float) and x.is_integer() and abs(x) <= EXACT_FLOAT:
            return int(x)
        return x if not self.graph.is_int(x) or self.graph.fits_float(x) else self.graph.real(x)

    def float_power(self, x: Operand, y: Operand) -> Operand:
        graph = self.graph
        if isinstance(y, (int, float)) and y == 2:
            a = graph.real(x)
            return graph.mul(a, a)
        if isinstance(y, (int, float)) and y == 0.5:
            self.never(graph.lt(x, 0), "a complex result")
            return graph.emit("sqrt", graph.real(x))
        if not (isinstance(y, (int, float)) and float(y).is_integer()):
            self.never(graph.lt(x, 0), "a complex result")
        if graph.span(y)[0] < 0:
            wrong = graph.and_([graph.eq(x, 0), graph.lt(y, 0)])
            self.never(wrong, "ZeroDivisionError: 0 to a negative power")
        return graph.emit("pow", graph.real(x), graph.real(y))

    # ------------------------------------------------------------ comparisons

    def compare(self, sign: str, a: Value, b: Value) -> Value:
        """Return `a sign b` for two numbers as a bool."""
        graph = self.graph
        x, y = self.operand(a), self.operand(b)
        mixed = graph.is_int(x) != graph.is_int(y)
        for p, q in ((x, y), (y, x)):
            if mixed and graph.is_int(p) and isinstance(p, str):
                if not graph.fits_float(p) and isinstance(q, str):
                    raise unfit("comparing a float with an int beyond 2**53")
        if mixed:
            x, y = self.whole(x), self.whole(y)
        return self.value(_COMPARE[sign](graph, x, y), "bool")

    # ------------------------------------------------------------ unary operators and functions

    def negate(self, a: Value) -> Value:
        """Return -a."""
        if not isinstance(a, Sym):
            return -a
        return self.value(self.graph.emit("neg", a.name), _arithmetic(a.kind))

    def invert(self, a: Value) -> Value:
        """Return ~a."""
        if kind_of(a) in _FLOATS:
            raise DdcError("'~' takes no floats")
        if not isinstance(a, Sym):
            return -1 - int(a)
        return self.value(self.graph.sub(-1, a.name), "int")

    def negation(self, a: Value) -> Value:
        """Return `not a`."""
        return self.value(self.graph.not_(self.truth(a)), "bool")

    def plus(self, a: Value) -> Value:
        """Return +a."""
        if not isinstance(a, Sym):
            return +a
        return Sym(a.name, _arithmetic(a.kind))

    def absolute(self, a: Value) -> Value:
        """Return abs(a)."""
        if not isinstance(a, Sym):
            return abs(a)
        if self.graph.span(a.name)[0] >= 0:
            return self.plus(a)
        return self.value(self.graph.emit("abs", a.name), _arithmetic(a.kind))

    def select(self, bit: Operand, then: Value, other: Value) -> Value:
        """Return one of two numbers."""
        kinds = [kind_of(then), kind_of(other)]
        kind = kinds[0] if kinds[0] == kinds[1] else _joined(set(kinds))
        x, y = self.operand(then), self.operand(other)
        if kind in _FLOATS:
            x, y = self.whole(x), self.whole(y)
            if not (self.graph.is_int(x) and self.graph.is_int(y)):
                x, y = self.graph.real(x), self.graph.real(y)
        return self.value(self.graph.select(bit, x, y), kind)

    def extreme(self, code: str, values: list[Value]) -> Value:
        """Return min or max as Python picks it: the first of equals."""
        if not any(isinstance(v, Sym) for v in values):
            return min(values) if code == "min" else max(values)
        if not all(is_number(v) for v in values):
            raise unfit(f"{code} of what are no numbers")
        graph = self.graph
        operands = [self.operand(v) for v in values]
        kinds = {kind_of(v) for v in values}
        if any(graph.may_be_nan(o) for o in operands):
            best = values[0]
            for v in values[1:]:
                better = self.compare("<" if code == "min" else ">", v, best)
                best = self.select(self.truth(better), v, best)
            return best
        distinct = list(dict.fromkeys(operands))
        kind = kinds.pop() if len(kinds) == 1 else _joined(kinds)
        if kind in _FLOATS:
            distinct = [self.whole(o) for o in distinct]
        if len(distinct) == 1:
            return self.value(distinct[0], kind)
        if all(graph.is_bit(o) for o in distinct):
            join = graph.and_ if code == "min" else graph.or_
            return self.value(join(distinct), kind)
        return self.value(graph.emit(code, *distinct), kind)

    def sum(self, values: list[Value], start: Value) -> Value:
        """Return the sum of numbers, from left to right."""
        everything = [start, *values]
        kinds = {kind_of(v) for v in everything}
        if not any(isinstance(v, Sym) for v in everything):
            return sum(values, start)
        if kinds & _FLOATS:
            total = start
            for v in values:
                total = self.binary("+", total, v)
            return total
        return self.value(self.graph.add([self.operand(v) for v in everything]), "int")

    # ------------------------------------------------------------ conversions

    def to_int(self, a: Value) -> Value:
        """Return int(a)."""
        if not isinstance(a, Sym):
            if a != a or a in (math.inf, -math.inf):
                self.never(1, "ValueError: no int is nearest to it")
            return int(a)
        if self.graph.is_int(a.name):
            return Sym(a.name, "int")
        if a.name in self.graph.wholes:
            self._check_number(a.name)
            return self.value(self.graph.wholes[a.name], "int")
        below = self.graph.lt(a.name, 0)
        floor, ceiling = self.floor(a), self.ceil(a)
        return self.select(below, ceiling, floor)

    def to_float(self, a: Value) -> Value:
        """Return float(a)."""
        return self.value(self.operand(a), "float")

    def to_bool(self, a: Value) -> Value:
        """Return bool(a)."""
        return self.value(self.truth(a), "bool")

    def round(self, a: Value) -> Value:
        """Return round(a): the nearest int, half to even."""
        x = self.operand(a)
        if self.graph.is_int(x):
            return self.value(x, "int")
        if not isinstance(x, str):
            return round(x) if math.isfinite(x) else self.to_int(float(x))
        self._check_number(x)
        return self.value(self._nearest(x), "int")

    def _nearest(self, x: str) -> Operand:
        """Return the nearest int, in the range that the real's span gives."""
        nearest = self.graph.emit("round", self._number_or_zero(x))
        low, high = self.graph.span(x)
        low, high = min(low, 0), max(high, 0)
        if math.isinf(low) or math.isinf(high):
            return nearest
        return self.graph.clamp(nearest, round(low), round(high))

    def _number_or_zero(self, x: str) -> Operand:
        """Return x, and 0 for a NaN, so that a path not taken computes nothing impossible."""
        if not self.graph.may_be_nan(x):
            return x
        span = self.graph.span(x)
        number = self.graph.select(self.graph.eq(x, x), x, 0.0)
        self.graph.nans.discard(str(number))
        self.graph.spans[str(number)] = (min(span[0], 0), max(span[1], 0))
        return number

    def _check_number(self, x: str) -> None:
        """Tell that an int of a NaN raises; one of an infinity stops the interpreter too."""
        if self.graph.may_be_nan(x):
            self.never(self.graph.not_(self.graph.emit("eq", x, x)), "ValueError: an int of NaN")

    def floor(self, a: Value) -> Value:
        """Return math.floor(a)."""
        nearest = self.round(a)
        if not isinstance(nearest, Sym):
            return math.floor(a)
        x, graph = self.operand(a), self.graph
        return self.value(graph.sub(nearest.name, graph.lt(x, nearest.name)), "int")

    def ceil(self, a: Value) -> Value:
        """Return math.ceil(a)."""
        nearest = self.round(a)
        if not isinstance(nearest, Sym):
            return math.ceil(a)
        x, graph = self.operand(a), self.graph
        return self.value(graph.add([nearest.name, graph.lt(nearest.name, x)]), "int")


def _arithmetic(kind: str) -> str:
    return "float" if kind in _FLOATS else "int"


def _joined(kinds: set[str]) -> str:
    if kinds <= {"bool", "truth", "int"}:
        return "truth"
    return "float" if kinds == {"float"} else "number"


def check_growth(sign: str, a: Any, b: Any) -> None:
    """Refuse powers, shifts and products of ints that no program needs."""
    if not isinstance(a, int) or not isinstance(b, int):
        return
    bits = 0
    if sign == "**":
        bits = abs(a).bit_length() * b if b > 0 and abs(a) > 1 else 0
    elif sign == "<<":
        bits = a.bit_length() + b if a else 0
    elif sign == "*":
        bits = a.bit_length() + b.bit_length()
    if bits > LARGEST_INT:
        raise DdcError(f"an int of more than {LARGEST_INT} bits is not understood")


_BITWISE = {"&": "and", "|": "or", "^": "xor"}

_COMPARE: dict[str, Callable[[Graph, Operand, Operand], Operand]] = {
    "==": lambda g, a, b: g.eq(a, b),
    "!=": lambda g, a, b: g.not_(g.eq(a, b)),
    "<": lambda g, a, b: g.lt(a, b),
    "<=": lambda g, a, b: g.le(a, b),
    ">": lambda g, a, b: g.lt(b, a),
    ">=": lambda g, a, b: g.le(b, a),
}
