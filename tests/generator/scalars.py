"""Random elementwise ops: logic, arithmetic, choice, fitted."""

from __future__ import annotations

from fractions import Fraction

from ddc import ir
from ddc.ir import Affine

from .base import Drawing
from .values import (
    Value,
    combine,
    hull,
    is_exact,
    is_number,
)


class Scalars(Drawing):
    """Adds elementwise ops and decisions."""

    def logic(self) -> None:
        shape = self.shape()
        code = self.pick(["and", "or", "xor", "not", "threshold", "threshold", "table"])
        if code == "table":
            return self._table(shape)
        count = 1 if code == "not" else self.number(1, 4)
        bit = (0, 1, 0)
        if code != "threshold":
            self.emit(code, [self.bit_operand(shape) for _ in range(count)], bit)
            return None
        if self.chance(2):
            args = [self.bit_operand(shape) for _ in range(count)]
            self.emit(code, args, bit, least=self.number(0, count + 1))
            return None
        args = [self.int_operand(shape) for _ in range(count)]
        weights = tuple(self.number(-3, 3) for _ in args)
        self.emit(code, args, bit, least=self.number(-4, 4), weights=weights)
        return None

    def _table(self, shape: tuple[Affine, ...]) -> None:
        args: list[Value] = []
        cases = 1
        for _ in range(self.number(1, 3)):
            room = 40 // cases

            def fits(v: Value, room: int = room) -> bool:
                return bool(v.cases) and v.cases <= room

            arg = self.operand_where(shape, fits, self.literal(self.number(-1, 2)))
            args.append(arg)
            cases *= arg.cases
        pool = self.pick([(0, 1), (0, 1), (-3, 0, 5), (0, Fraction(1, 2), Fraction(-7, 4))])
        entries = tuple(self.pick(pool) for _ in range(cases))
        self.emit("table", args, hull([(e, e, 2) for e in entries]), entries=entries)

    def arithmetic(self) -> None:
        shape = self.shape()
        code = self.pick(
            ["add", "sub", "mul", "mod", "floordiv", "neg", "abs", "min", "max", "div", "pow"]
            + ["exp", "log", "sqrt", "sin", "cos"]
        )
        if code in ("mod", "floordiv"):
            args = [self.int_operand(shape), self._divisor(shape)]
        elif code == "pow":
            args = self._power(shape)
        elif code in ("add", "mul", "min", "max"):
            args = [self.number_operand(shape) for _ in range(self.number(1, 4))]
        elif code in ("sub", "div"):
            args = [self.number_operand(shape) for _ in range(2)]
        else:
            args = [self.number_operand(shape)]
        interval = combine(code, args, self.module.wide)
        if interval is not None:
            self.emit(code, args, interval)

    def _divisor(self, shape: tuple[Affine, ...]) -> Value:
        other = self.literal(self.pick([2, 3, -2, 1, -7, 10]))
        return self.operand_where(shape, lambda v: v.nonzero_int, other)

    def _power(self, shape: tuple[Affine, ...]) -> list[Value]:
        if self.chance(2):
            base = self.operand_where(
                shape, lambda v: is_number(v) and v.low > 0 and v.high < 100, self.literal(2)
            )
            return [base, self.literal(self.pick([Fraction(1, 2), Fraction(2), Fraction(-1)]))]
        return [self.int_operand(shape), self.literal(self.number(0, 3))]

    def choice(self) -> None:
        shape = self.shape()
        code = self.pick(["select", "select", "eq", "ne", "lt", "le", "gt", "ge"])
        code = self.pick([code, code, code, code, "sign", "step", "round", "argmax"])
        if code == "select":
            args = [self.bit_operand(shape), self.number_operand(shape), self.number_operand(shape)]
            if (interval := combine(code, args, self.module.wide)) is not None:
                self.emit(code, args, interval)
        elif code == "argmax":
            array = self.choose(lambda v: bool(v.dims) and is_number(v) and is_exact(v))
            if array is None:
                return
            axis = self.pick([None, *range(len(array.dims))])
            length = array.dims[-1 if axis is None else axis]
            if length.at_least(1, self.smallest):
                self.emit(code, [array], (0, self.longest(length) - 1, 0), axis=axis)
        else:
            count = 1 if code in ("sign", "step", "round") else 2
            args = [self.number_operand(shape, exact=True) for _ in range(count)]
            if (interval := combine(code, args, self.module.wide)) is not None:
                self.emit(code, args, interval)

    def fitted(self) -> None:
        shape = self.shape()
        if self.chance(2):
            arg = self.number_operand(shape, exact=True)
            places = self._increasing(self.number(1, 4))
            self.emit("bin", [arg], (0, len(places), 0), at=places)
            return
        arg = self.operand_where(
            shape, lambda v: abs(v.low) < 100 and abs(v.high) < 100, self.literal(Fraction(3, 2))
        )
        transforms = [None, "id", "symlog1p"]
        transforms += ["log1p"] if arg.low > -1 else []
        transforms += ["log"] if arg.low > 0 else []
        transform = self.pick(transforms)
        places = self._increasing(self.number(1, 4), Fraction({"log": 1}.get(str(transform), 0)))
        if transform in (None, "id", "symlog1p"):
            places = tuple(p - 2 for p in places)
        knots = [(p, Fraction(self.number(-8, 8), 4)) for p in places]
        if is_exact(arg) and self.chance(3):
            knots.insert(1, (knots[0][0], Fraction(self.number(-8, 8), 4)))
        beyond = self.pick([None, "flat", "linear"])
        missing = None
        if isinstance(ir.element(arg.type), ir.Missing):
            missing = self.pick([0, Fraction(1, 2), Fraction(-1, 3)])
        self.emit(
            "curve",
            [arg],
            (-2000, 2000, None),
            in_=transform,
            knots=tuple(knots),
            beyond=beyond,
            missing=missing,
        )

    def _increasing(self, count: int, above: Fraction = Fraction(0)) -> tuple[Fraction, ...]:
        places, at = [], above
        for _ in range(count):
            at += Fraction(self.number(1, 8), 4)
            places.append(at)
        return tuple(places)
