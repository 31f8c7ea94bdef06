"""Random modules that verify, and inputs for them.

`modules()` builds functions op by op with `ir.Builder` and keeps, for every value, where it can lie
and whether it is computed without rounding, so that by default the programs are tame: no overflow,
no logarithm of a negative number, no decision (comparison, rounding, jump) about a number that was
rounded on the way, no difference of two rounded numbers. Bits and ints must then agree exactly
between any two implementations, and reals as `agree` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ddc import ir
from ddc.ir import Affine, Index, Loop, Param, Size, State, Type
from ddc.ir.evidence import METHODS
from ddc.ir.infer import index_range, literal_type
from tests.values import (
    GRAIN,
    Interval,
    Value,
    affine_interval,
    combine,
    hull,
    interval_of_type,
    is_exact,
    is_number,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]
SPREAD = 3  # sizes are drawn in minimum..minimum + SPREAD
MOST_ITERATIONS = 300
NAMES = ("x", "y", "left", "any_of", "h.0", "sum", "mid", "_t")


@st.composite
def modules(draw: Draw, network: bool = False, wide: bool = False) -> ir.Module:
    """Draw a module that verifies.

    `network` adds network layers. `wide` adds ints beyond 62 bits.
    """
    return _Module(draw, network, wide).build()


def sizes_of(module: ir.Module) -> st.SearchStrategy[dict[str, int]]:
    """Draw a number for each size of the entry function."""
    return st.fixed_dictionaries(
        {s.name: st.integers(s.minimum, s.minimum + SPREAD) for s in module.entry.sizes}
    )


def inputs(
    module: ir.Module, sizes: Mapping[str, int], wide: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """Draw one input: for each parameter a number or an array, within its type."""
    names = [p.name for p in module.entry.params]
    drawn = st.tuples(*(values_of(p.type, sizes, wide) for p in module.entry.params))
    return drawn.map(lambda values: dict(zip(names, values)))


def batches(
    module: ir.Module, sizes: Mapping[str, int], count: int, wide: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """Draw `count` inputs, stacked along a new first axis."""
    rows = st.lists(inputs(module, sizes, wide), min_size=count, max_size=count)
    return rows.map(
        lambda drawn: {
            p.name: np.stack([np.asarray(row[p.name]) for row in drawn])
            for p in module.entry.params
        }
    )


def values_of(type_: Type, sizes: Mapping[str, int], wide: bool = False) -> st.SearchStrategy[Any]:
    """Draw a value of the type: an int or float, or an int64, float64 or object array."""
    scalar = ir.element(type_)
    entries = _scalars(scalar, wide)
    if not isinstance(type_, ir.Array):
        return entries
    shape = tuple(int(d.evaluate(sizes)) for d in type_.dims)
    count = math.prod(shape)
    whole = isinstance(scalar, ir.Int) and wide and None in (scalar.low, scalar.high)
    real = isinstance(scalar, (ir.Real, ir.Missing))
    dtype = object if whole else np.float64 if real else np.int64
    return st.lists(entries, min_size=count, max_size=count).map(
        lambda flat: np.array(flat, dtype=dtype).reshape(shape)
    )


def _scalars(scalar: ir.Scalar, wide: bool) -> st.SearchStrategy[Any]:
    if isinstance(scalar, ir.Missing):
        return st.one_of(_scalars(scalar.base, wide).map(float), st.just(math.nan))
    if (levels := ir.levels(scalar)) is not None:
        return st.sampled_from(levels)
    low, high, grain = interval_of_type(scalar, wide)
    if grain:
        scale = 1 << GRAIN
        drawn = st.integers(math.ceil(low * scale), math.floor(high * scale))
        return drawn.map(lambda n: n / scale)
    return st.integers(int(low), int(high))


def agree(a: Any, b: Any) -> bool:
    """Tell whether two results are the same: ints exactly, reals to 1e-9, NaN with NaN."""
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape:
        return False
    if x.dtype.kind != "f" and y.dtype.kind != "f":
        return bool(np.all(x == y))
    x, y = x.astype(np.float64), y.astype(np.float64)
    return bool(np.allclose(x, y, rtol=1e-9, atol=1e-9, equal_nan=True))


# ---------------------------------------------------------------- the module


class _Module:
    def __init__(self, draw: Draw, network: bool, wide: bool) -> None:
        self.draw = draw
        self.network = network
        self.wide = wide
        self.constants: dict[str, ir.Constant] = {}

    def build(self) -> ir.Module:
        entry = _Function(self, "f")
        function = entry.build()
        functions = [function]
        if entry.chance(8):
            domain = _Function(self, "domain", function).build()
            functions = [_with_domain(function), domain]
        return ir.Module(tuple(functions), tuple(self.constants.items()))


def _with_domain(function: ir.Function) -> ir.Function:
    return replace(function, where="domain")


class _Function:
    """Draws one function; `like` is the function whose domain is wanted."""

    def __init__(self, module: _Module, name: str, like: ir.Function | None = None) -> None:
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

    # ------------------------------------------------------------ drawing

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

    # ------------------------------------------------------------ the whole

    def build(self) -> ir.Function:
        for _ in range(self.number(1, 6)):
            self.step(depth=0)
        tail = self.scope[-4:]
        returned = [self.pick(tail) for _ in range(self.number(1, min(3, len(tail))))]
        results = [(f"out{k}", self._declared(v.type)) for k, v in enumerate(returned)]
        if self.like:
            returned, results = [self.as_bit()], [("inside", ir.BIT)]
        function = self.builder.function(
            self.name,
            [(p.name, p.type) for p in self.params],
            results,
            [value.operand for value in returned],
            self.sizes,
        )
        return self._with_claims(function)

    def as_bit(self) -> Value:
        bits = [v for v in self.scope if ir.is_bit(ir.element(v.type)) and not v.dims]
        return bits[-1] if bits else self.literal(self.number(0, 1))

    def _declared(self, type_: Type) -> Type:
        """Return the type of a result: the type of the value, or a wider one."""
        scalar = ir.element(type_)
        wider: list[ir.Scalar] = [scalar, scalar, scalar]
        bounds = ir.int_bounds(scalar)
        if bounds is not None and not isinstance(scalar, (ir.OneHot, ir.Category)):
            low, high = bounds
            wider += [ir.INT, ir.REAL]
            if low is not None and high is not None:
                wider.append(ir.Int(low - 1, high + 2))
        return ir.with_dims(self.pick(wider), ir.dims(type_))

    def _with_claims(self, function: ir.Function) -> ir.Function:
        claims: list[ir.Evidence] = []
        for _ in range(self.pick([0, 0, 0, 1, 3])):
            kind = self.pick(list(METHODS))
            method = self.pick(METHODS[kind])
            details: dict[str, Any] = {}
            for key in ("n", "data", "rate")[: self.number(0, 3)]:
                details[key] = self.pick(
                    [7, -3, Fraction(1, 3), Fraction(1, 2), 'a "\\\u20ac\n', ""]
                )
            claims.append(ir.claim(kind, method, **details))
        return replace(function, evidence=tuple(claims))

    # ------------------------------------------------------------ values

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

    # ------------------------------------------------------------ steps

    def step(self, depth: int) -> None:
        """Add an op, of a kind that is possible here; at worst a literal."""
        kinds = [self.logic, self.logic, self.arithmetic, self.arithmetic, self.choice]
        kinds += [self.data, self.data, self.fitted]
        if depth < 3:
            loops = [self.map, self.map, self.reduce, self.reduce, self.scan]
            kinds += [partial(loop, depth) for loop in loops]
        if self.module.network:
            kinds += [self.layer, self.layer]
        before = len(self.scope)
        self.pick(kinds)()
        if len(self.scope) == before:
            literal = self.literal(self.pick([0, 1, -2, Fraction(3, 4), 1 << 20]))
            self.emit("const", [literal], literal.interval)

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
            if array is not None and array.dims[-1].at_least(1, self.smallest):
                self.emit(code, [array], (0, self.longest(array.dims[-1]) - 1, 0))
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

    # ------------------------------------------------------------ data

    def data(self) -> None:
        kinds = [self._load, self._load, self._load, self._index, self._const, self._gather]
        self.pick([*kinds, self._concat, self._reshape, self._pack, self._onehot])()

    def longest(self, extent: Affine) -> int:
        return affine_interval(extent, self.ranges)[1]

    def _index(self) -> None:
        at = self.index_expression()
        type_ = ir.int_type(*index_range(at, self.bounds, self.smallest))
        self.emit("index", [], (*affine_interval(at, self.ranges), 0), [Index(at)], type_=type_)

    def _const(self) -> None:
        value = (
            self.constant() if self.chance(2) else self.literal(self.pick([1, -4, Fraction(1, 8)]))
        )
        self.emit("const", [value], value.interval)

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

    def inside(self, at: Affine, dim: Affine) -> bool:
        low, high = at.extreme(self.bounds, upper=False), at.extreme(self.bounds, upper=True)
        above = low.at_least(0, self.smallest)
        return above and (dim - 1 - high).at_least(0, self.smallest)

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

    # ------------------------------------------------------------ loops

    def _open(self, depth: int, box: bool, nonempty: bool, most: int) -> list[Loop]:
        """Draw loops and bring their variables into scope; `_close` takes them out again."""
        loops: list[Loop] = []
        for _ in range(most):
            ranges = self._ranges(list(self.bounds))
            allowed: list[tuple[Affine, Affine]] = []
            for low, high in ranges:
                extent = high - low
                least = extent.extreme(self.bounds, upper=False)
                if box and (
                    extent.symbols() & self.bounds.keys() or not extent.at_least(0, self.smallest)
                ):
                    continue
                if nonempty and not least.at_least(1, self.smallest):
                    continue
                if self.work * max(1, self._trips(low, high)) <= MOST_ITERATIONS:
                    allowed.append((low, high))
            if not allowed:
                break
            low, high = self.pick(allowed)
            loop = self.builder.loop(self.pick(["i", "j", "t", "k.1"]), low, high)
            self.work *= max(1, self._trips(low, high))
            lowest, highest = affine_interval(low, self.ranges)[0], self.longest(high) - 1
            self.bounds[loop.symbol] = (low, high - 1)
            self.ranges[loop.symbol] = (lowest, max(lowest, highest))
            scalar = ir.int_type(
                *index_range(Affine.symbol(loop.symbol), self.bounds, self.smallest)
            )
            self.scope.append(Value(loop.var, scalar, lowest, max(lowest, highest), 0).narrowed())
            loops.append(loop)
        return loops

    def _trips(self, low: Affine, high: Affine) -> int:
        return self.longest(high) - affine_interval(low, self.ranges)[0]

    def _ranges(self, around: Sequence[str]) -> list[tuple[Affine, Affine]]:
        zero, two = Affine.of(0), Affine.of(2)
        found = [
            (zero, two),
            (zero, Affine.of(3)),
            (Affine.of(1), Affine.of(4)),
            (zero, Affine.of(1)),
        ]
        for size in self.sizes:
            n = Affine.symbol(size.name)
            found += [(zero, n), (zero, n), (zero, n - 1), (Affine.of(1), n + 1), (zero, n + 1)]
            found += [(Affine.of(-1), n), (zero, n.floordiv(2)), (two, n)]
        for symbol in around:
            i = Affine.symbol(symbol)
            found += [(zero, i), (zero, i + 1), (i - 1, i + 2), (i, i + 2)]
            found += [(i, Affine.symbol(s.name)) for s in self.sizes]
        return found

    def _close(self, loops: Sequence[Loop], scope: int, work: int) -> None:
        for loop in loops:
            del self.bounds[loop.symbol]
            del self.ranges[loop.symbol]
        del self.scope[scope:]
        self.work = work

    def _body(self, depth: int) -> None:
        for _ in range(self.number(1, 3)):
            self.step(depth + 1)

    def map(self, depth: int) -> None:
        scope, work = len(self.scope), self.work
        loops = self._open(depth, box=True, nonempty=False, most=self.pick([1, 1, 2, 3]))
        if not loops:
            return
        with self.builder.body() as ops:
            self._body(depth)
        inner = self.scope[scope:]
        yields = [self.pick(inner[-3:]) for _ in range(self.pick([1, 1, 1, 2]))]
        self._close(loops, scope, work)
        names = self.builder.map(
            loops, ops, [y.operand for y in yields], [self.wish() for _ in yields]
        )
        extents = tuple(loop.extent for loop in loops)
        for name, y in zip(names, yields):
            type_ = ir.with_dims(ir.element(y.type), extents + y.dims)
            self.scope.append(Value(name, type_, *y.interval))

    def reduce(self, depth: int) -> None:
        kind = self.pick(list(ir.REDUCTIONS))
        scope, work = len(self.scope), self.work
        loops = self._open(
            depth,
            box=False,
            nonempty=kind in ("min", "max", "argmax"),
            most=1 if kind == "argmax" else self.pick([1, 1, 2]),
        )
        if not loops:
            return
        trips = self.work // work
        with self.builder.body() as ops:
            self._body(depth)
            inner = [v for v in self.scope[scope:] if not v.dims and is_number(v)]
            if kind in ("and", "or", "xor", "count"):
                value = self.as_bit()
            elif kind == "argmax":
                value = self.pick([v for v in inner if is_exact(v)])
            else:
                value = self.pick(inner[-3:])
        interval = self._reduced(kind, value, trips, loops[-1])
        if interval is None:
            kind, value, interval = "count", self.literal(1), (0, trips, 0)
        type_ = self._reduced_type(kind, value, loops)
        self._close(loops, scope, work)
        name = self.builder.reduce(kind, loops, ops, value.operand, self.wish())
        self.scope.append(Value(name, type_, *interval).narrowed())

    def _reduced(self, kind: str, v: Value, trips: int, loop: Loop) -> Interval | None:
        if kind in ("and", "or", "xor"):
            return (0, 1, 0)
        if kind == "count":
            return (0, trips, 0)
        if kind == "argmax":
            return (*self.ranges[loop.symbol], 0)
        if kind in ("min", "max"):
            return v.interval
        times = self.literal(trips)
        if v.grain is None and v.low < 0 < v.high:
            return None
        found = combine("mul", [v, times], self.module.wide)
        return None if found is None else (min(0, found[0]), max(0, found[1]), found[2])

    def _reduced_type(self, kind: str, value: Value, loops: Sequence[Loop]) -> Type:
        if kind in ("and", "or", "xor"):
            return ir.BIT
        if kind in ("min", "max"):
            return value.type
        if kind == "argmax":
            at = Affine.symbol(loops[0].symbol)
            return ir.int_type(*index_range(at, self.bounds, self.smallest))
        scalar = ir.element(value.type)
        if isinstance(scalar, ir.Real):
            return ir.REAL
        low, high = ir.int_bounds(scalar) or (None, None)
        extents = [loop.extent.extreme(self.bounds, upper=True) for loop in loops]
        if not all(e.is_const for e in extents):
            return ir.Int(0 if low is not None and low >= 0 else None, 0 if high == 0 else None)
        most = math.prod(max(0, e.const) for e in extents)
        least = most if all(loop.extent.is_const for loop in loops) else 0
        return ir.int_type(
            None if low is None else min(low * most, low * least),
            None if high is None else max(high * most, high * least),
        )

    def scan(self, depth: int) -> None:
        scope, work = len(self.scope), self.work
        states: list[State] = []
        values: list[Value] = []
        for _ in range(self.pick([1, 1, 2])):
            type_, init, interval = self._state()
            name = self.builder.fresh(self.pick(["s", "carry", "h"]))
            states.append(State(name, type_, init.operand))
            values.append(Value(name, type_, *interval))
        loops = self._open(depth, box=True, nonempty=False, most=1)
        if not loops:
            return
        self.scope += values
        with self.builder.body() as ops:
            self._body(depth)
            nexts = [self._next(v) for v in values]
            yields = [self.pick(self.scope[scope:][-4:]) for _ in range(self.pick([1, 1, 2, 0]))]
        self._close(loops, scope, work)
        names = self.builder.scan(
            loops[0],
            states,
            ops,
            [n.operand for n in nexts],
            [y.operand for y in yields],
            [self.wish() for _ in (*yields, *states)],
        )
        for name, y in zip(names, yields):
            type_ = ir.with_dims(ir.element(y.type), (loops[0].extent, *y.dims))
            self.scope.append(Value(name, type_, *y.interval))
        for name, v in zip(names[len(yields) :], values):
            self.scope.append(Value(name, v.type, *v.interval))

    def _state(self) -> tuple[Type, Value, Interval]:
        kind = self.pick(["bit", "int", "digit", "real", "array", "array"])
        if kind == "bit":
            return ir.BIT, self.literal(self.number(0, 1)), (0, 1, 0)
        if kind == "digit":
            top = self.number(1, 4)
            return ir.Int(0, top), self.literal(self.number(0, top)), (0, top, 0)
        if kind == "int":
            return ir.INT, self.literal(self.number(-2, 2)), (-(10**6), 10**6, 0)
        if kind == "real":
            return ir.REAL, self.literal(Fraction(self.number(-2, 2), 2)), (-64, 64, 3)
        init = self.choose(lambda v: bool(v.dims) and is_number(v) and is_exact(v))
        if init is None:
            init = self.constant()
        return init.type, init, init.interval

    def _next(self, state: Value) -> Value:
        """Return a next value that the state's type accepts."""
        scalar = ir.element(state.type)
        if state.dims:
            same = self.choose(lambda v: v.type == state.type and state.holds(v))
            return same if same is not None else state
        if isinstance(scalar, ir.Bit):
            return self.as_bit()
        if isinstance(scalar, ir.Real):
            found = self.choose(lambda v: not v.dims and is_number(v) and state.holds(v))
            return found if found is not None else state
        grown = self.choose(
            lambda v: not v.dims
            and v.grain == 0
            and is_number(v)
            and ir.int_bounds(ir.element(v.type)) is not None
            and abs(v.low) + abs(v.high) < 1000
        ) or self.literal(1)
        total = self.emit("add", [state, grown], (-(10**6), 10**6, 0))
        if scalar == ir.INT:
            return total
        return self.emit("mod", [total, self.literal(int(state.high) + 1)], state.interval)

    # ------------------------------------------------------------ network layers

    def layer(self) -> None:
        kinds = [self._dense, self._conv, self._scale, self._embedding, self._activation]
        self.pick([*kinds, self._activation])()

    def _dense(self) -> None:
        x = (
            self.choose(
                lambda v: bool(v.dims)
                and v.dims[-1].is_const
                and 0 < v.dims[-1].const < 20
                and is_number(v)
            )
            or self.constant()
        )
        outputs = self.number(1, 3)
        args = [x, self.constant((outputs, x.dims[-1].const), real=True)]
        args += [self.constant((outputs,), real=True)] if self.chance(2) else []
        bound = (max(abs(x.low), abs(x.high)) * x.dims[-1].const + 1) * 2
        self._linear("dense", args, bound)

    def _linear(self, code: str, args: list[Value], bound: Any, **attrs: Any) -> None:
        """Add a layer of sums of products, where its sums are exact."""
        grain = args[0].grain
        if grain is not None and bound < 1 << 20 and grain <= 16:
            self.emit(code, args, (-bound, bound, grain + 4), **attrs)

    def _conv(self) -> None:
        x = self.choose(
            lambda v: len(v.dims) in (2, 3)
            and is_number(v)
            and all(d.is_const and d.const > 0 for d in v.dims)
        ) or self.constant((2, 4), real=False)
        channels, *extents = (d.const for d in x.dims)
        groups = channels if self.chance(3) else 1
        taps = [self.number(1, min(3, n)) for n in extents]
        outputs = groups * self.number(1, 2)
        kernel = (outputs, channels // groups, *taps)
        args = [x, self.constant(kernel, real=True)]
        args += [self.constant((outputs,), real=True)] if self.chance(2) else []
        bound = (max(abs(x.low), abs(x.high)) * math.prod(kernel[1:]) + 1) * 2
        self._linear(
            "conv",
            args,
            bound,
            stride=tuple(self.number(1, 2) for _ in extents) if self.chance(2) else None,
            padding=tuple(self.number(0, 1) for _ in 2 * extents) if self.chance(2) else None,
            groups=groups if groups > 1 else None,
            mode=self.pick([None, "zero", "circular"]),
        )

    def _scale(self) -> None:
        x = (
            self.choose(lambda v: bool(v.dims) and all(d.is_const for d in v.dims) and is_number(v))
            or self.constant()
        )
        axis = self.number(0, len(x.dims) - 1)
        count = x.dims[axis].const
        args = [x, self.constant((count,), real=True), self.constant((count,), real=True)]
        bound = max(abs(x.low), abs(x.high)) * 2 + 2
        self._linear("scale", args, bound, axis=axis if axis or self.chance(2) else None)

    def _embedding(self) -> None:
        x = self.operand_where(
            self.shape(), lambda v: 0 < v.cases <= 8 and v.low >= 0, self.literal(2)
        )
        table = self.constant((int(x.high) + 1, self.number(1, 3)), real=True)
        self.emit("embedding", [x, table], (-2, 2, 4))

    def _activation(self) -> None:
        code = self.pick(["relu", "leaky_relu", "hardtanh", "tanh", "sigmoid", "softmax"])
        x = self.number_operand(self.shape())
        if abs(x.low) > 1000 or abs(x.high) > 1000:
            return
        grain = x.grain
        smooth: Interval = (-1 if code == "tanh" else 0, 1, None)
        if code == "softmax":
            shaped = (
                self.choose(
                    lambda v: bool(v.dims)
                    and is_number(v)
                    and abs(v.low) + abs(v.high) < 1000
                    and all(d.at_least(1, self.smallest) for d in v.dims)
                )
                or self.constant()
            )
            self.emit(code, [shaped], smooth, axis=self.number(0, len(shaped.dims) - 1))
        elif code == "relu":
            self.emit(code, [x], (max(0, x.low), max(0, x.high), grain))
        elif code == "leaky_relu":
            finer = None if grain is None or grain > 16 else grain + 2
            low = min(x.low, Fraction(x.low) / 4)
            self.emit(code, [x], (low, max(0, x.high), finer), slope=Fraction(1, 4))
        elif code == "hardtanh":
            finer = None if grain is None else max(grain, 2)
            self.emit(code, [x], (-1, 1, finer), low=-1, high=Fraction(3, 4))
        else:
            self.emit(code, [x], smooth)
