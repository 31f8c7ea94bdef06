"""Bits of which every output counts all: the first ones, as in sorting, as one map over a count."""

from __future__ import annotations

import numpy as np

from ddc.ir import Affine, Builder, Function, Index, Loop, element, levels, shape_of

from .units import Family, Unit

FEWEST = 3


def ranked(function: Function, family: Family) -> Function | None:
    """Return outputs that ask whether more ones than their place stand in one array of bits.

    The place counts from the first output or from the last. None for other families.
    """
    arrays = {read.array for unit in family.units for read in unit.reads}
    params = [param for param in family.params if param.name in arrays]
    count = len(family.units)
    if len(params) != 1 or shape_of(params[0].type) != (count,) or family.shape != (count,):
        return None
    if levels(element(params[0].type)) != (0, 1):
        return None
    bounds = [_bound(unit, count) for unit in family.units]
    if count < FEWEST or None in bounds:
        return None
    builder = Builder([param.name for param in family.params])
    over = Loop(builder.fresh("k"), Affine.of(0), Affine.of(count))
    place = Loop(builder.fresh("i"), Affine.of(0), Affine.of(count))
    at = {
        tuple(range(count)): Affine.symbol(place.symbol),
        tuple(reversed(range(count))): -Affine.symbol(place.symbol) + (count - 1),
    }.get(tuple(bound for bound in bounds if bound is not None))
    if at is None:
        return None
    with builder.body() as ops:
        value = builder.load(params[0].name, Affine.symbol(over.symbol))
    total = builder.reduce("add", [over], ops, value, "count")
    with builder.body() as ops:
        number = builder.op("index", index=[Index(at)], name="place")
        more = builder.op("gt", total, number, name="more")
    (result,) = builder.map([place], ops, [more], [family.result.name])
    return builder.function(
        function.name,
        [(param.name, param.type) for param in family.params],
        [(family.result.name, family.result.type)],
        [result],
        function.sizes,
        function.where,
    )


def _bound(unit: Unit, count: int) -> int | None:
    """Return the number that the ones have to exceed for a unit to be one."""
    if len(unit.reads) != count or unit.values.shape != (2,) * count:
        return None
    ones = np.indices((2,) * count, sparse=True, dtype=np.int64)
    least = next((k for k in range(count + 1) if _at(unit, k, count)), count + 1)
    return least - 1 if np.array_equal(unit.values, sum(ones) >= least) else None


def _at(unit: Unit, ones: int, count: int) -> int:
    return int(unit.values[(1,) * ones + (0,) * (count - ones)])
