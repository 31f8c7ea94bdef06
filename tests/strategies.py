"""Random modules that verify, and inputs for them.

`modules()` builds functions op by op with `ir.Builder` and keeps, for every value, where it can lie
and whether it is computed without rounding, so that by default the programs are tame: no overflow,
no logarithm of a negative number, no decision (comparison, rounding, jump) about a number that was
rounded on the way, no difference of two rounded numbers. Bits and ints must then agree exactly
between any two implementations, and reals as `agree` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ddc import ir
from ddc.ir import Type
from ddc.ir.evidence import METHODS
from tests.generator.arrays import Arrays
from tests.generator.base import SPREAD, Context, Draw
from tests.generator.layers import Layers
from tests.generator.loops import Loops
from tests.generator.scalars import Scalars
from tests.generator.values import (
    GRAIN,
    interval_of_type,
)


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


def agree(a: Any, b: Any, tolerance: float = 1e-9) -> bool:
    """Tell whether two results are the same: ints exactly, reals nearly, NaN with NaN."""
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape:
        return False
    if x.dtype.kind != "f" and y.dtype.kind != "f":
        return bool(np.all(x == y))
    x, y = x.astype(np.float64), y.astype(np.float64)
    return bool(np.allclose(x, y, rtol=tolerance, atol=tolerance, equal_nan=True))


# ---------------------------------------------------------------- the module


class _Module(Context):
    """Draws a module."""

    def build(self) -> ir.Module:
        entry = _Function(self, "f")
        function = entry.build()
        functions = [function]
        if entry.chance(8):
            domain = _Function(self, "domain", function).build()
            functions = [replace(function, where="domain"), domain]
        return ir.Module(tuple(functions), tuple(self.constants.items()))


class _Function(Scalars, Arrays, Loops, Layers):
    """Draws one function."""

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
