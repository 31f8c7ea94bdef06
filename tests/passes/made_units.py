"""Families of units made from plain Python functions, for the tests of the passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ddc.ir import BIT, Affine, Block, Function, Module, Param, Scalar, levels, with_dims
from ddc.passes.units import Family, Read, Unit, write

Place = tuple[int, ...]
Reads = Callable[[Place], Sequence[tuple[str, Place]]]
Rule = Callable[[Place, Mapping[tuple[str, Place], int]], int]


def module_of(
    inputs: Mapping[str, tuple[Scalar, Place]],
    shape: Place,
    reads: Reads,
    rule: Rule,
    result: Scalar = BIT,
) -> Module:
    """Return the module of tables in which entry `at` of the result is `rule` of its reads."""
    units: list[Unit] = []
    for at in np.ndindex(*shape):
        places = [Read(name, place) for name, place in dict.fromkeys(reads(at))]
        axes = [levels(inputs[read.array][0]) or () for read in places]
        values = np.zeros([len(axis) for axis in axes], dtype=np.int64)
        for index in np.ndindex(*values.shape):
            given = {(r.array, r.at): axis[i] for r, axis, i in zip(places, axes, index)}
            values[index] = rule(at, given)
        units.append(Unit(at, tuple(places), values))
    params = tuple(Param(name, with_dims(t, dims_of(s))) for name, (t, s) in inputs.items())
    family = Family(params, Param("y", with_dims(result, dims_of(shape))), tuple(units))
    empty = Function("f", family.params, (family.result,), Block((), ()))
    return Module((write(empty, family),))


def dims_of(shape: Place) -> tuple[Affine, ...]:
    """Return a shape as dims."""
    return tuple(Affine.of(size) for size in shape)


def ring(name: str, size: int, offsets: Sequence[int]) -> Reads:
    """Return the reads of a circular window of a vector."""
    return lambda at: [(name, ((at[0] + d) % size,)) for d in offsets]
