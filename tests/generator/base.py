"""What every part of the generator draws with: numbers, operands, parameters, ops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ddc import ir
from ddc.ir import Affine, Index, Param, Size, Type
from ddc.ir.infer import literal_type

from .values import (
    Interval,
    Value,
    affine_interval,
    interval_of_type,
    is_exact,
    is_number,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]
SPREAD = 3  # sizes are drawn in minimum..minimum + SPREAD
MOST_ITERATIONS = 300
NAMES = ("x", "y", "left", "any_of", "h.0", "sum", "mid", "_t")


class Context:
    """What the functions of one random module share."""

    def __init__(self, draw: Draw, network: bool, wide: bool) -> None:
        self.draw = draw
        self.network = network
        self.wide = wide
        self.constants: dict[str, ir.Constant] = {}


class Drawing:
    """Draws one function; `like` is the function whose domain is wanted."""

    def __init__(self, module: Context, name: str, like: ir.Function | None = None) -> None:
        self.module = module
        self.name = name
        self.like = like
        self.sizes: tuple[Size, ...] = like.sizes if like else self._sizes()
        self.params = like.params if like else self._params()
        self.builder = ir.Builder([p.name for p in self.params])
        self.smallest = {s.name: s.minimum for s in self.sizes}
        self.ranges: dict[str, tuple[int, int]] = {
            s.name: (s.minimum, s.minimum + SPREAD) for s in self.sizes
        }
        self.bounds: dict[str, tuple[Affine, Affine]] = {}
        self.scope = [self._param_value(p) for p in self.params]
        self.work = 1

    def step(self, depth: int) -> None:
        """Add an op, of a kind that is possible here; at worst a literal."""
        raise NotImplementedError

    def number(self, low: int, high: int) -> int:
        return int(self.module.draw(st.integers(low, high)))

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[self.number(0, len(choices) - 1)]

    def chance(self, one_in: int) -> bool:
        return self.number(0, one_in - 1) == one_in - 1

    def wish(self) -> str:
        return str(self.pick(NAMES))

    def _sizes(self) -> tuple[Size, ...]:
        count = self.pick([0, 1, 1, 2])
        return tuple(Size(name, self.pick([1, 1, 2, 3])) for name in ("N", "M")[:count])

    def _params(self) -> tuple[Param, ...]:
        params: list[Param] = []
        for k, size in enumerate(self.sizes):
            other = [(), (Affine.of(2),), (Affine.symbol(size.name),)]
            shape = (Affine.symbol(size.name), *self.pick(other))
            params.append(Param("ab"[k], ir.with_dims(self._scalar_type(), shape)))
        for name in ("p", "q", "r")[: self.number(0 if params else 1, 3)]:
            shape = self.pick([(), (), *self._shapes()])
            params.append(Param(name, ir.with_dims(self._scalar_type(), shape)))
        return tuple(params)

    def _shapes(self) -> list[tuple[Affine, ...]]:
        """Return shapes for a parameter that need not determine a size."""
        fixed = [(2,), (4,), (2, 3), (1, 3, 3)]
        found = [tuple(Affine.of(d) for d in shape) for shape in fixed]
        for size in self.sizes:
            symbol = Affine.symbol(size.name)
            found += [(symbol + 1,), (symbol * 2,), (Affine.of(3), symbol)]
        return found

    def _scalar_type(self) -> ir.Scalar:
        fixed: list[ir.Scalar] = [
            ir.BIT,
            ir.BIT,
            ir.Int(0, 3),
            ir.Int(-5, 9),
            ir.Int.of(-1, 1),
            ir.Int.of(2, 3, 7),
            ir.REAL,
            ir.Real(Fraction(1, 2), Fraction(8)),
            ir.Real(Fraction(-1), Fraction(1)),
            ir.INT,
            ir.Int(0, None),
            ir.OneHot(3),
            ir.Category(("red", 'a "b"\n', "")),
            ir.Missing(ir.REAL),
            ir.Missing(ir.Int(0, 9)),
            ir.Missing(ir.Category(("x", "y"))),
        ]
        scalar: ir.Scalar = self.pick(fixed)
        return scalar

    def _param_value(self, param: Param) -> Value:
        interval = interval_of_type(ir.element(param.type), self.module.wide)
        return Value(param.name, param.type, *interval)

    def literal(self, value: int | Fraction) -> Value:
        return Value(value, literal_type(value), value, value, 0 if isinstance(value, int) else 2)

    def choose(self, fits: Callable[[Value], bool]) -> Value | None:
        found = [v for v in self.scope if fits(v)]
        return self.pick(found) if found else None

    def shape(self) -> tuple[Affine, ...]:
        """Draw the shape of an elementwise op."""
        shapes = [v.dims for v in self.scope if v.dims]
        return self.pick([(), (), (), *shapes[-3:]]) if shapes else ()

    def operand_where(
        self, shape: tuple[Affine, ...], fits: Callable[[Value], bool], otherwise: Value
    ) -> Value:
        if self.chance(6):
            return otherwise
        found = self.choose(lambda v: v.dims in ((), shape) and fits(v))
        return found if found is not None else otherwise

    def bit_operand(self, shape: tuple[Affine, ...]) -> Value:
        other = self.literal(self.number(0, 1))
        return self.operand_where(shape, lambda v: ir.is_bit(ir.element(v.type)), other)

    def int_operand(self, shape: tuple[Affine, ...]) -> Value:
        other = self.literal(self.number(-3, 4))
        return self.operand_where(
            shape, lambda v: ir.int_bounds(ir.element(v.type)) is not None, other
        )

    def number_operand(self, shape: tuple[Affine, ...], exact: bool = False) -> Value:
        other = self.literal(self.pick([1, 0, -2, Fraction(1, 2), Fraction(-5, 4), Fraction(3)]))
        return self.operand_where(
            shape, lambda v: is_number(v) and (is_exact(v) or not exact), other
        )

    def as_bit(self) -> Value:
        bits = [v for v in self.scope if ir.is_bit(ir.element(v.type)) and not v.dims]
        return bits[-1] if bits else self.literal(self.number(0, 1))

    def constant(self, shape: tuple[int, ...] | None = None, real: bool | None = None) -> Value:
        """Add a constant array of small dyadic numbers to the module."""
        shape = self.pick([(3,), (1,), (2, 2), (5, 14)]) if shape is None else shape
        real = self.chance(2) if real is None else real
        dtype = self.pick([np.float32, np.float64]) if real else np.int64
        pool = [self.number(-6, 6) for _ in range(4)] + [0]
        count = math.prod(shape)
        flat = [pool[(3 * k * k + k) % 5] for k in range(count)]
        array = np.array(flat, dtype).reshape(shape)
        if real:
            array = (array / 4).astype(dtype)
        name = f"{'wk'[not real]}{len(self.module.constants)}"
        constant = self.module.constants[name] = ir.Constant(array)
        bound = 2 if real else 6
        interval = (-bound, bound, 2 if real else 0)
        return Value(ir.Global(name), ir.constant_type(constant), *interval).narrowed()

    def longest(self, extent: Affine) -> int:
        return affine_interval(extent, self.ranges)[1]

    def inside(self, at: Affine, dim: Affine) -> bool:
        low, high = at.extreme(self.bounds, upper=False), at.extreme(self.bounds, upper=True)
        above = low.at_least(0, self.smallest)
        return above and (dim - 1 - high).at_least(0, self.smallest)

    def emit(
        self,
        code: str,
        args: Sequence[Value],
        interval: Interval,
        index: Sequence[Index] = (),
        shape: Sequence[Affine] = (),
        type_: Type | None = None,
        **attrs: Any,
    ) -> Value:
        origin = None
        if self.chance(10):
            origin = ir.Origin(self.pick(["0", 'c"1', "rnn.0"]), self.pick([(), (3,), (0, 12)]))
        operands = [a.operand for a in args]
        name = self.builder.op(
            code,
            *operands,
            name=self.wish() if self.chance(3) else None,
            index=index,
            shape=shape,
            origin=origin,
            **attrs,
        )
        if type_ is None:
            named = ir.attributes(**{k.rstrip("_"): v for k, v in attrs.items()})
            op = ir.Op(code, (name,), tuple(operands), named, tuple(index), tuple(shape))
            type_ = ir.OPS[code].rule(op, [a.type for a in args])
        value = Value(name, type_, *interval).narrowed()
        self.scope.append(value)
        return value
