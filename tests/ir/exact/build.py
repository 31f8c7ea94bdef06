"""Network-level modules for the tests, built from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddc.ir import (
    BIT,
    Affine,
    Array,
    Attr,
    Builder,
    Constant,
    Global,
    Int,
    Module,
    Operand,
    Scalar,
    Type,
    check,
    value_types,
)


class Net:
    """Builds a one-function module of network ops."""

    def __init__(self, **params: Type) -> None:
        self.params = list(params.items())
        self.builder = Builder(params)
        self.constants: list[tuple[str, Constant]] = []

    def const(self, array: Any) -> Global:
        """Add a constant array."""
        name = f"c{len(self.constants)}"
        self.constants.append((name, Constant(np.array(array))))
        return Global(name)

    def op(self, code: str, *operands: Any, shape: Sequence[int] = (), **attrs: Attr) -> str:
        """Add an op; arrays become constants."""
        given: list[Operand] = [
            self.const(o) if isinstance(o, (np.ndarray, list)) else o for o in operands
        ]
        extent = [Affine.of(d) for d in shape]
        more: dict[str, Any] = {**attrs}
        return self.builder.op(code, *given, shape=extent, **more)

    def dense(self, x: str, weight: Any, bias: Any = None) -> str:
        """Add a dense layer."""
        more = () if bias is None else (np.asarray(bias),)
        return self.op("dense", x, np.asarray(weight), *more)

    def module(self, *results: str) -> Module:
        """Return the verified module that returns these values."""
        guess = self.builder.function("net", self.params, [], [])
        types = value_types(guess, Module((guess,), tuple(self.constants)))
        named = [(f"y{i}", types[name]) for i, name in enumerate(results)]
        function = self.builder.function("net", self.params, named, results)
        module = Module((function,), tuple(self.constants))
        check(module)
        return module


def array(scalar: Scalar, *shape: int) -> Array:
    """Return an array type."""
    return Array(scalar, tuple(Affine.of(d) for d in shape))


def bits(*shape: int) -> Array:
    """Return an array of bits."""
    return array(BIT, *shape)


def spins(*shape: int) -> Array:
    """Return an array of -1 and 1."""
    return array(Int.of(-1, 1), *shape)
