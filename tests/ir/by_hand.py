"""Modules written by hand for the tests: types in one word, a checked module, one op run."""

from __future__ import annotations

from typing import Any

import numpy as np

from ddc.ir import (
    BIT,
    REAL,
    Affine,
    Array,
    Builder,
    Constant,
    Global,
    Index,
    Module,
    Operand,
    Size,
    Type,
    check,
    value_types,
)
from ddc.ir.interpreter import run


def bits(*shape: int | Affine) -> Array:
    return Array(BIT, tuple(Affine.of(d) for d in shape))


def reals(*shape: int) -> Array:
    return Array(REAL, tuple(Affine.of(d) for d in shape))


def make(
    b: Builder,
    params: dict[str, Type],
    returns: list[Any],
    sizes: tuple[Size, ...] = (),
    constants: dict[str, Any] | None = None,
) -> Module:
    """Return a checked module whose results have the types of the values returned."""
    kept = tuple((name, Constant(np.asarray(v))) for name, v in (constants or {}).items())
    probe = Module((b.function("f", list(params.items()), [], [], sizes),), kept)
    types = value_types(probe.entry, probe)
    results = [(f"r{k}", types[name]) for k, name in enumerate(returns)]
    return check(Module((b.function("f", list(params.items()), results, returns, sizes),), kept))


def apply(
    code: str,
    types: list[Type],
    values: list[Any],
    constants: dict[str, Any] | None = None,
    index: list[Index] | None = None,
    shape: list[int] | None = None,
    **attrs: Any,
) -> Any:
    """Run one op on parameters of the given types (and constants behind them)."""
    b = Builder()
    names = [b.fresh(f"p{k}") for k in range(len(types))]
    operands: list[Operand] = [*names, *(Global(name) for name in constants or {})]
    dims = [Affine.of(d) for d in shape or []]
    out = b.op(code, *operands, name="y", index=index or [], shape=dims, **attrs)
    module = make(b, dict(zip(names, types)), [out], constants=constants)
    (result,) = run(module, dict(zip(names, values)))
    return result.tolist()
