"""Run emitted modules next to the interpreter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ddc import ir
from ddc.backends.python import emit
from ddc.ir.interpreter import run
from tests.strategies import agree


def function_of(text: str) -> Callable[..., Any]:
    """Return the one public function of an emitted module."""
    space: dict[str, Any] = {}
    exec(compile(text, "<emitted>", "exec"), space)  # our own output
    (name,) = [n for n in space if not n.startswith("_") and n not in ("math", "np")]
    found: Callable[..., Any] = space[name]
    return found


def compiled(module: ir.Module, style: str, black: bool = False) -> Callable[..., Any]:
    """Return the entry of a module as an emitted function."""
    return function_of(emit(module, style=style, black=black))


def as_user(type_: ir.Type, value: Any) -> Any:
    """Return an input of the interpreter as a person gives it: names for categories."""
    scalar = ir.element(type_)
    base = scalar.base if isinstance(scalar, ir.Missing) else scalar
    if not isinstance(base, ir.Category):
        return value

    def named(v: Any) -> Any:
        return None if isinstance(v, float) and math.isnan(v) else base.names[int(v)]

    if not ir.dims(type_):
        return named(value)
    array = np.asarray(value)
    out = np.empty(array.shape, dtype=object)
    for place in np.ndindex(array.shape):
        out[place] = named(array[place].item())
    return out


def as_positions(type_: ir.Type, value: Any) -> Any:
    """Return a result with the positions of names instead of the names."""
    scalar = ir.element(type_)
    if not isinstance(scalar, ir.Category):
        return value
    array = np.asarray(value, dtype=object)
    flat = [scalar.names.index(v) for v in array.ravel().tolist()]
    return np.array(flat, dtype=np.int64).reshape(array.shape)


def close(a: Any, b: Any) -> bool:
    """Tell whether two results agree: ints exactly, reals to 1e-12."""
    if np.size(a) == np.size(b) == 0:
        return True  # nested lists do not keep the shape of an empty array
    return agree(a, b, 1e-12)


def check(module: ir.Module, inputs: Mapping[str, Any], style: str) -> None:
    """Assert that the emitted function agrees with the interpreter."""
    entry = module.entry
    expected = run(module, inputs)
    emitted = emit(module, style=style, black=False)
    text = ir.print_module(module) + emitted  # for the person who reads a failure
    given = [as_user(p.type, inputs[p.name]) for p in entry.params]
    result = function_of(emitted)(*given)
    results = (result,) if len(entry.results) == 1 else result
    assert len(results) == len(expected), text
    for param, got, wanted in zip(entry.results, results, expected):
        assert_kind(param.type, got, style, text)
        assert close(as_positions(param.type, got), wanted), f"{got!r} != {wanted!r}\n{text}"


def assert_kind(type_: ir.Type, got: Any, style: str, text: str) -> None:
    """Assert that bits and ints are ints and reals floats, in lists or arrays."""
    scalar = ir.element(type_)
    if isinstance(scalar, ir.Category):
        return
    real = isinstance(scalar, (ir.Real, ir.Missing))
    if not ir.dims(type_):
        assert type(got) is (float if real else int), f"{got!r} is {type(got)}\n{text}"
    elif style == "numpy":
        assert isinstance(got, np.ndarray), text
        assert got.dtype == np.float64 if real else got.dtype in (np.int64, object), text
    else:
        stack = [got]
        while stack:
            item = stack.pop()
            if isinstance(item, list):
                stack.extend(item)
            else:
                assert type(item) is (float if real else int), f"{item!r} in {got!r}\n{text}"
