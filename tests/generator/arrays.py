"""Random ops on data: loads, constants, shapes."""

from __future__ import annotations

import math
from fractions import Fraction

from ddc import ir
from ddc.ir import Affine, Index
from ddc.ir.infer import index_range

from .base import Drawing
from .values import (
    affine_interval,
    combine,
    hull,
    is_number,
)


class Arrays(Drawing):
    """Adds ops on arrays."""

    def data(self) -> None:
        kinds = [self._load, self._load, self._load, self._index, self._const, self._gather]
        self.pick([*kinds, self._concat, self._reshape, self._pack, self._onehot])()

    def _index(self) -> None:
        at = self.index_expression()
        type_ = ir.int_type(*index_range(at, self.bounds, self.smallest))
        self.emit("index", [], (*affine_interval(at, self.ranges), 0), [Index(at)], type_=type_)

    def _const(self) -> None:
        value = (
            self.constant() if self.chance(2) else self.literal(self.pick([1, -4, Fraction(1, 8)]))
        )
        self.emit("const", [value], value.interval)

    def index_expression(self) -> Affine:
        """Draw an index expression over the loops and sizes at hand."""
        loops = [Affine.symbol(s) for s in self.bounds]
        sizes = [Affine.symbol(s.name) for s in self.sizes]
        k = self.number(-2, 3)
        if not loops:
            plain: Affine = self.pick([Affine.of(abs(k)), *[s - abs(k) for s in sizes]])
            return plain
        i = self.pick(loops)
        forms = [i, i, i, i + k, i * 2 + k, -i + k, i.mod(2), (i + k).floordiv(2)]
        forms += [(i * 3 + k).mod(4) * 2 + i, i - self.pick(loops), Affine.of(abs(k))]
        if sizes:
            size = self.pick(sizes)
            forms += [size - 1 - i, size - i, i + size, (i + size).mod(3)]
        expression: Affine = self.pick(forms)
        return expression

    def _load(self) -> None:
        array = self.choose(lambda v: bool(v.dims))
        if array is None or self.chance(12):
            array = self.constant()
        scalar = ir.element(array.type)
        index: list[Index] = []
        intervals = [array.interval]
        for dim in array.dims:
            at = self.index_expression()
            borders = ["wrap", "clamp"] if dim.at_least(1, self.smallest) else []
            borders += [] if isinstance(scalar, ir.Missing) else ["else"]
            if self.inside(at, dim):
                borders += ["inside"] * 3
            if not borders:
                return
            border = self.pick(borders[::-1])
            other = None
            if border == "else":
                reals = [Fraction(1, 2), Fraction(-3, 4)]
                other = self.pick([0, 1, -2, *(reals if isinstance(scalar, ir.Real) else [])])
                intervals.append((other, other, 2))
            index.append(Index(at, border, other))
        self.emit("load", [array], hull(intervals), index)

    def _gather(self) -> None:
        array = self.choose(
            lambda v: bool(v.dims) and all(d.at_least(1, self.smallest) for d in v.dims)
        )
        if array is None:
            array = self.constant()
        where = [self.int_operand(()) for _ in array.dims]
        scalar = ir.element(array.type)
        borders = ["wrap", "clamp"] + ([] if isinstance(scalar, ir.Missing) else ["else"])
        fits = True
        for dim, value in zip(array.dims, where):
            low, high = ir.int_bounds(ir.element(value.type)) or (None, None)
            inside = low is not None and low >= 0 and high is not None
            fits = fits and inside and dim.at_least((high or 0) + 1, self.smallest)
        border = self.pick(borders + ["inside", None] * (2 if fits else 0))
        other = self.pick([0, -1]) if border == "else" else None
        interval = array.interval if other is None else hull([array.interval, (other, other, 0)])
        self.emit("gather", [array, *where], interval, border=border, else_=other)

    def _concat(self) -> None:
        first = self.choose(lambda v: bool(v.dims) and is_number(v))
        if first is None:
            return
        args = [first]
        for _ in range(self.number(0, 2)):
            more = self.choose(
                lambda v: len(v.dims) > 0 and v.dims[1:] == first.dims[1:] and is_number(v)
            )
            args.append(more if more is not None else first)
        if (interval := combine("concat", args, self.module.wide)) is not None:
            self.emit("concat", args, interval)

    def _reshape(self) -> None:
        array = self.choose(lambda v: bool(v.dims) and all(d.is_const for d in v.dims))
        if array is None:
            array = self.constant()
        count = math.prod(d.const for d in array.dims)
        shapes: list[tuple[int, ...]] = [(count,), (1, count), (count, 1, 1)]
        shapes += [(2, count // 2)] if count % 2 == 0 else []
        shapes += [()] if count == 1 else []
        shape = [Affine.of(d) for d in self.pick(shapes)]
        self.emit("reshape", [array], array.interval, shape=shape)

    def _pack(self) -> None:
        shape = self.pick([(2,), (1,), (3,), (2, 2), (1, 2, 1)])
        args = [self.number_operand(()) for _ in range(math.prod(shape))]
        if (interval := combine("pack", args, self.module.wide)) is not None:
            self.emit("pack", args, interval, shape=[Affine.of(d) for d in shape])

    def _onehot(self) -> None:
        arg = self.operand_where(
            self.shape(), lambda v: 0 < v.cases <= 8 and v.low >= 0, self.literal(1)
        )
        self.emit("onehot", [arg], (0, 1, 0), size=int(arg.high) + self.number(1, 2))
