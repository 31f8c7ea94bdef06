"""Elementwise ops as expressions of the loop IR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Op, levels
from ddc.ir import Scalar as IrScalar
from ddc.ir.meaning import TRANSFORMS

from . import ranges
from .nest import (
    INDEX,
    Array,
    Bin,
    BitTable,
    Call,
    Cast,
    Cmp,
    Const,
    Count,
    Elem,
    Expr,
    Pieces,
    Select,
    entry_dtype,
    limits,
)
from .ranges import BITS, I64, Interval, clipped, fits, smallest
from .values import Scalar, add, as_bool, cast, compare, index, literal, multiply

LONGEST_CHAIN = 16  # operands in one expression
SMALL_TABLE = 64  # entries of a table of bits that is one word in the code


@dataclass
class Scalars:
    """Makes expressions; collects constant tables and whether an int may leave 64 bits.

    `roomy` gives every int at least 32 bits and room for bad inputs, so that no arithmetic is
    undefined in C.
    """

    roomy: bool
    fresh: Callable[[str], str]
    keep: Callable[[Expr], Expr]  # names a value, so that expressions stay shallow
    constants: list[Array]
    checked: bool = False

    # ------------------------------------------------------------ types

    def settle(self, range_: Interval, reach: Interval) -> tuple[str, Interval, bool]:
        """Return the type of a result, where it may lie, and whether its arithmetic is defined."""
        if range_[0] >= 0 and range_[1] <= 1:
            return "bit", reach if fits(reach, "bit") else limits("bit"), True
        wanted = ranges.hull(range_, reach) if self.roomy else range_
        type_ = smallest(clipped(wanted))
        if self.roomy and type_ in ("i8", "i16"):
            type_ = "i32"
        inside = fits(reach, type_)
        return type_, reach if inside else limits(type_), inside

    def number(self, value: Scalar, type_: str) -> Expr:
        return cast(value.expr, type_)

    def real(self, value: Scalar) -> Expr:
        return cast(value.expr, "f64")

    def join(
        self,
        op: str,
        values: Sequence[Scalar],
        combine: Callable[[Interval, Interval], Interval],
    ) -> Scalar:
        """Return `a op b op ...`, with checks where the result may leave 64 bits."""
        if any(v.is_real for v in values):
            expr = self.real(values[0])
            for k, value in enumerate(values[1:], 1):
                expr = Bin(op, self.shallow(expr, k), self.real(value), "f64")
            return Scalar(expr)
        total = values[0]
        for k, value in enumerate(values[1:], 1):
            kept = replace(total, expr=self.shallow(total.expr, k))
            total = self.pair(op, kept, value, combine)
        return total

    def shallow(self, expr: Expr, k: int) -> Expr:
        """Return the expression, named where it would become too deep."""
        return self.keep(expr) if k % LONGEST_CHAIN == 0 else expr

    def pair(
        self,
        op: str,
        a: Scalar,
        b: Scalar,
        combine: Callable[[Interval, Interval], Interval],
    ) -> Scalar:
        assert a.range and b.range and a.reach and b.reach
        wanted = combine(a.range, b.range)
        if not fits(wanted, "i64"):
            self.checked = True
            args = (self.number(a, "i64"), self.number(b, "i64"))
            return Scalar(Call(f"{op}_checked", args, "i64"), clipped(wanted), I64)
        type_, reach, defined = self.settle(wanted, combine(a.reach, b.reach))
        expr = Bin(op, self.number(a, type_), self.number(b, type_), type_, defined)
        return Scalar(expr, wanted, reach)

    # ------------------------------------------------------------ ops

    def op(self, op: Op, types: Sequence[IrScalar], args: Sequence[Scalar]) -> Scalar:
        """Return the value of an elementwise op; `types` are those of the operands in the IR."""
        if op.code == "table":
            return self.table(op, types, args)
        return _OPS[op.code](self, op, args)

    def not_(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        bit = self.as_bit(args[0])
        return Scalar(Bin("xor", bit.expr, Const(1, "bit"), "bit"), BITS, bit.reach)

    def as_bit(self, value: Scalar) -> Scalar:
        if value.expr.type == "bit":
            return value
        return Scalar(cast(value.expr, "bit"), BITS, limits("bit"))

    def logic(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        bits = [self.as_bit(a) for a in args]
        expr, reach = bits[0].expr, bits[0].reach
        for k, bit in enumerate(bits[1:], 1):
            expr = Bin(op.code, self.shallow(expr, k), bit.expr, "bit")
            reach = BITS if reach == bit.reach == BITS else limits("bit")
        return Scalar(expr, BITS, BITS if all(b.reach == BITS for b in bits) else reach)

    def threshold(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        weights, least = op.attr("weights"), op.attr("least")
        assert isinstance(least, int)
        factors = weights if isinstance(weights, tuple) else (1,) * len(args)
        terms: list[Scalar] = []
        for factor, value in zip(factors, args):
            assert isinstance(factor, int)
            if factor == 1:
                terms.append(value)
            elif factor:
                terms.append(self.pair("mul", literal(factor), value, ranges.times))
        total = self.join("add", terms, ranges.plus) if terms else literal(0)
        return self.truth(compare("ge", total.expr, literal(least).expr))

    def truth(self, condition: Expr) -> Scalar:
        return Scalar(Cast(condition, "bit"), BITS, BITS)

    def sum(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        return self.join("add", args, ranges.plus)

    def product(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        return self.join("mul", args, ranges.times)

    def difference(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        return self.join("sub", args, ranges.minus)

    def negation(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        if args[0].is_real:
            return Scalar(Bin("mul", Const(-1.0, "f64"), args[0].expr, "f64"))
        return self.pair("sub", literal(0), args[0], ranges.minus)

    def quotient(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        return Scalar(Bin("div", self.real(args[0]), self.real(args[1]), "f64"))

    def floordiv(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        a, b = args
        assert a.range and b.range and a.reach and b.reach
        modulo = op.code == "mod"
        rule = ranges.remainder if modulo else ranges.quotient
        wanted = rule(a.range, b.range)
        if not fits(wanted, "i64"):
            self.checked = True
            args64 = (self.number(a, "i64"), self.number(b, "i64"))
            return Scalar(Call("floordiv_checked", args64, "i64"), clipped(wanted), I64)
        call = Call(
            "floormod" if modulo else "floordiv",
            (self.number(a, "i64"), self.number(b, "i64")),
            "i64",
        )
        reach = clipped(rule(a.reach, b.reach))
        type_, reach, _defined = self.settle(wanted, reach)
        return Scalar(cast(call, type_), wanted, reach)

    def power(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        a, b = args
        if a.is_real or b.is_real:
            return self.call("pow", args)
        assert a.range and b.range
        wanted = ranges.power(a.range, b.range)
        safe = fits(wanted, "i64")
        self.checked |= not safe
        name = "power" if safe else "power_checked"
        call = Call(name, (self.number(a, "i64"), self.number(b, "i64")), "i64")
        assert a.reach and b.reach
        far = clipped(ranges.power(a.reach, b.reach))
        type_, reach, _defined = self.settle(clipped(wanted), far)
        return Scalar(cast(call, type_), clipped(wanted), reach)

    def magnitude(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        value = args[0]
        if value.is_real:
            return self.call("fabs", args)
        negated = self.negation(_, args)
        assert value.range and value.reach and negated.reach
        wanted = ranges.magnitude(value.range)
        wide = self.settle(ranges.hull(value.range, negated.range or BITS), I64)[0]
        wide = "i64" if "i64" in (value.expr.type, negated.expr.type) else wide
        a, b = cast(value.expr, wide), cast(negated.expr, wide)
        expr = Select(compare("lt", a, Const(0, wide)), b, a, wide)
        return Scalar(expr, clipped(wanted), limits(wide))

    def extreme(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        best = args[0]
        if any(v.is_real for v in args):
            expr = self.real(best)
            for k, value in enumerate(args[1:], 1):
                expr = Bin(op.code, self.shallow(expr, k), self.real(value), "f64")
            return Scalar(expr)
        for k, value in enumerate(args[1:], 1):
            kept = replace(best, expr=self.shallow(best.expr, k))
            best = self.int_extreme(op.code, kept, value)
        return best

    def int_extreme(self, code: str, a: Scalar, b: Scalar) -> Scalar:
        assert a.range and b.range and a.reach and b.reach
        first = compare("le" if code == "min" else "ge", a.expr, b.expr)
        if isinstance(first, Const):
            return a if first.value else b
        pick = min if code == "min" else max
        wanted = (pick(a.range[0], b.range[0]), pick(a.range[1], b.range[1]))
        full = ranges.hull(a.range, b.range)
        type_, reach, _defined = self.settle(full, ranges.hull(a.reach, b.reach))
        return Scalar(Bin(code, self.number(a, type_), self.number(b, type_), type_), wanted, reach)

    def call(self, function: str, args: Sequence[Scalar]) -> Scalar:
        return Scalar(Call(function, tuple(self.real(a) for a in args), "f64"))

    def function(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        return self.call(op.code, args)

    def comparison(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        return self.truth(compare(op.code, args[0].expr, args[1].expr))

    def step(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        return self.truth(compare("gt", args[0].expr, self.zero(args[0])))

    def zero(self, value: Scalar) -> Const:
        return Const(0.0, "f64") if value.is_real else Const(0, value.expr.type)

    def sign(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        zero = self.zero(args[0])
        type_ = "i32" if self.roomy else "i8"
        above = Cast(compare("gt", args[0].expr, zero), type_)
        below = Cast(compare("lt", args[0].expr, zero), type_)
        return Scalar(Bin("sub", above, below, type_), (-1, 1), (-1, 1))

    def select(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        condition = as_bool(args[0].expr)
        a, b = args[1:]
        if a.is_real or b.is_real:
            return Scalar(Select(condition, self.real(a), self.real(b), "f64"))
        assert a.range and b.range and a.reach and b.reach
        wanted = ranges.hull(a.range, b.range)
        type_, reach, _defined = self.settle(wanted, ranges.hull(a.reach, b.reach))
        expr = Select(condition, self.number(a, type_), self.number(b, type_), type_)
        return Scalar(expr, wanted, reach)

    def rounded(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        if not args[0].is_real:
            return args[0]
        self.checked = True
        nearest = Call("rint", (args[0].expr,), "f64")
        return Scalar(Call("to_int_checked", (nearest,), "i64"), I64, I64)

    def relu(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        x = self.real(args[0])
        zero = Const(0.0, "f64")
        return Scalar(Select(Cmp("lt", x, zero), zero, x, "f64"))

    def leaky_relu(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        x = self.real(args[0])
        slope = Const(_float(op.attr("slope")), "f64")
        scaled = Bin("mul", slope, x, "f64")
        return Scalar(Select(Cmp("ge", x, Const(0.0, "f64")), x, scaled, "f64"))

    def hardtanh(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        x = self.real(args[0])
        low, high = Const(_float(op.attr("low")), "f64"), Const(_float(op.attr("high")), "f64")
        capped = Select(Cmp("gt", x, high), high, x, "f64")
        return Scalar(Select(Cmp("lt", capped, low), low, capped, "f64"))

    def sigmoid(self, _: Op, args: Sequence[Scalar]) -> Scalar:
        x = self.real(args[0])
        size = Call("fabs", (x,), "f64")
        z = Call("exp", (Bin("mul", Const(-1.0, "f64"), size, "f64"),), "f64")
        one = Const(1.0, "f64")
        below = Bin("add", one, z, "f64")
        top = Select(Cmp("ge", x, Const(0.0, "f64")), one, z, "f64")
        return Scalar(Bin("div", top, below, "f64"))

    # ------------------------------------------------------------ tables and curves

    def table(self, op: Op, types: Sequence[IrScalar], args: Sequence[Scalar]) -> Scalar:
        entries = op.attr("entries")
        assert isinstance(entries, tuple)
        place: Expr = index(0)
        for operand, value in zip(types, args):
            cases = levels(operand) or ()
            place = add(multiply(place, index(len(cases))), self.position(value, cases))
        numbers = [e for e in entries if isinstance(e, (int, Fraction))]
        if any(isinstance(e, Fraction) for e in numbers):
            values = np.array([_float(e) for e in numbers])
            array = self.constant(op.result, "f64", values)
            return Scalar(Elem(array, place, "f64"))
        ints = [int(e) for e in numbers]
        range_ = (min(ints), max(ints))
        if range_[0] >= 0 and range_[1] <= 1 and len(ints) <= SMALL_TABLE:
            word = sum(bit << k for k, bit in enumerate(ints))
            return Scalar(BitTable(word, place), BITS, BITS)
        if not fits(range_, "i64"):
            raise DdcError("a native program has no table of ints beyond 64 bits")
        stored = "bit" if fits(range_, "bit") else smallest(range_)
        array = self.constant(op.result, stored, np.array(ints, dtype=entry_dtype(stored)))
        type_, reach, _defined = self.settle(range_, range_)
        return Scalar(cast(Elem(array, place, stored), type_), range_, reach)

    def constant(self, wish: str, type_: str, values: NDArray[Any]) -> Array:
        array = Array(self.fresh(f"{wish}_table"), type_, "constant", values)
        self.constants.append(array)
        return array

    def position(self, value: Scalar, cases: Sequence[int]) -> Expr:
        """Return which of the cases an int is: some case for any value at all."""
        if isinstance(value.expr, Const):
            return index(list(cases).index(int(value.expr.value)))
        assert value.reach
        low, high = cases[0], cases[-1]
        if high - low + 1 != len(cases):
            return Count(cast(value.expr, INDEX), tuple(cases[1:]), self.fresh("case"))
        if (low, high) == (0, 1) and value.expr.type == "bit":
            bit = value.expr
            if value.reach != BITS:
                bit = Bin("and", bit, Const(1, "bit"), "bit")
            return cast(bit, INDEX)
        place = add(cast(value.expr, INDEX), index(-low)) if low else cast(value.expr, INDEX)
        if low <= value.reach[0] and value.reach[1] <= high:
            return place
        return _held(place, len(cases))

    def bins(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        cuts = op.attr("at")
        assert isinstance(cuts, tuple)
        numbers = [c for c in cuts if isinstance(c, (int, Fraction))]
        real = args[0].is_real or any(isinstance(c, Fraction) for c in numbers)
        range_ = (0, len(numbers))
        type_, reach, _defined = self.settle(range_, range_)
        if real:
            cuts_real = tuple(_float(c) for c in numbers)
            counted = Count(self.real(args[0]), cuts_real, self.fresh(f"{op.result}_cuts"))
        else:
            exact = tuple(int(c) for c in numbers)
            inside = tuple(c for c in exact if I64[0] <= c <= I64[1])
            below = sum(1 for c in exact if c < I64[0])
            x = cast(args[0].expr, INDEX)
            counted = Count(x, inside, self.fresh(f"{op.result}_cuts"))
            if below:
                return Scalar(cast(add(counted, index(below)), type_), range_, reach)
        return Scalar(cast(counted, type_), range_, reach)

    def curve(self, op: Op, args: Sequence[Scalar]) -> Scalar:
        knots = op.attr("knots")
        assert isinstance(knots, tuple)
        pairs = [k for k in knots if isinstance(k, tuple)]
        places = np.array([float(k[0]) for k in pairs])
        heights = np.array([float(k[1]) for k in pairs])
        name = str(op.attr("in") or "id")
        raw = self.real(args[0])
        with np.errstate(all="ignore"):
            feet = np.asarray(TRANSFORMS[name](places))
        linear = op.attr("beyond") == "linear"
        slopes = [_slope(feet, heights, k) for k in range(len(feet) - 1)]
        first = slopes[0] if linear and slopes else 0.0
        last = slopes[-1] if linear and slopes else 0.0
        curve: Expr = Pieces(
            raw,
            _transformed(name, raw),
            tuple(places.tolist()),
            (float(heights[0]), *heights.tolist()),
            (first, *slopes, last),
            (float(feet[0]), *feet.tolist()),
            self.fresh(f"{op.result}_curve"),
        )
        missing = op.attr("missing")
        other = Const(float("nan") if missing is None else _float(missing), "f64")
        return Scalar(Select(Cmp("eq", raw, raw), curve, other, "f64"))


def _slope(feet: NDArray[Any], heights: NDArray[Any], k: int) -> float:
    run = float(feet[k + 1] - feet[k])
    return float(heights[k + 1] - heights[k]) / run if run > 0 else 0.0


def _transformed(name: str, raw: Expr) -> Expr:
    if name == "log":
        return Call("log", (raw,), "f64")
    if name == "log1p":
        floor = Const(-1.0, "f64")
        return Call("log1p", (Select(Cmp("lt", raw, floor), floor, raw, "f64"),), "f64")
    if name == "symlog1p":
        grown = Call("log1p", (Call("fabs", (raw,), "f64"),), "f64")
        negated = Bin("mul", Const(-1.0, "f64"), grown, "f64")
        return Select(Cmp("lt", raw, Const(0.0, "f64")), negated, grown, "f64")
    return raw


def _held(place: Expr, count: int) -> Expr:
    """Return an index where it is one, else 0."""
    below = Cmp("lt", place, index(count))
    # A bit is stored unsigned: compilers warn of a comparison that cannot fail.
    unsigned = isinstance(place, Cast) and place.a.type in ("bit", "bool")
    inside = below if unsigned else Bin("and", Cmp("ge", place, index(0)), below, "bool")
    return Select(inside, place, index(0), INDEX)


def _float(value: object) -> float:
    assert isinstance(value, (int, Fraction))
    return float(value)


_Rule = Callable[[Scalars, Op, Sequence[Scalar]], Scalar]

_OPS: dict[str, _Rule] = {
    "not": Scalars.not_,
    **dict.fromkeys(("and", "or", "xor"), Scalars.logic),
    "threshold": Scalars.threshold,
    "add": Scalars.sum,
    "mul": Scalars.product,
    "sub": Scalars.difference,
    "neg": Scalars.negation,
    "div": Scalars.quotient,
    "floordiv": Scalars.floordiv,
    "mod": Scalars.floordiv,
    "pow": Scalars.power,
    "abs": Scalars.magnitude,
    "min": Scalars.extreme,
    "max": Scalars.extreme,
    **dict.fromkeys(("exp", "log", "sqrt", "sin", "cos", "tanh"), Scalars.function),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), Scalars.comparison),
    "select": Scalars.select,
    "sign": Scalars.sign,
    "step": Scalars.step,
    "round": Scalars.rounded,
    "curve": Scalars.curve,
    "bin": Scalars.bins,
    "relu": Scalars.relu,
    "leaky_relu": Scalars.leaky_relu,
    "hardtanh": Scalars.hardtanh,
    "sigmoid": Scalars.sigmoid,
}
