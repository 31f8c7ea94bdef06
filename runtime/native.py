"""Run a program: natively where it has a native form, else through the Python backend.

The native answer is the interpreter's. Where an int leaves 64 bits the native code says so, and
the program is run again with Python's ints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering.machine import Machine, machine_of
from ddc.backends.lowering.nest import entry_dtype
from ddc.backends.lowering.rows import rows_of
from ddc.backends.lowering.stencil import Stencil, stencil_of
from ddc.ir import Category, DdcError, Missing, Module, dims, element, is_bit
from ddc.ir.inputs import array_of
from ddc.ir.ranges import accepts
from ddc.ir.sizes import solve_sizes

from .binding import Binding, OverflowReported, stored
from .engine import function_of
from .grid import packed_steps
from .sequence import SequenceKernel, adder, fits_shifts

Progress = Callable[[int, int], None]

LONG_SEQUENCE = 4096  # steps from which code for the automaton pays
SMALL_INTS = (np.bool_, np.uint8, np.int8)


class Runner:
    """A program that can be called and stepped; everything is compiled when first needed."""

    def __init__(self, module: Module) -> None:
        self.module = module

    @cached_property
    def python(self) -> Callable[..., Any]:
        """The program as a function of the Python backend."""
        return function_of(self.module)

    @cached_property
    def binding(self) -> Binding | None:
        """The program as a native function, None where it has no native form."""
        from .jit import compile_module

        entry = self.module.entry
        kinds = [element(p.type) for p in (*entry.params, *entry.results)]
        if any(isinstance(kind, (Category, Missing)) for kind in kinds):
            return None  # names and missing values come and go as Python objects
        try:
            return compile_module(self.module)
        except DdcError:
            return None

    @cached_property
    def rows(self) -> Binding | None:
        """A program over numbers as a native function of columns, None for other programs."""
        from .jit import compile_module

        entry = self.module.entry
        if self.binding is None or any(dims(p.type) for p in entry.params):
            return None
        mapped = rows_of(self.module)
        return None if mapped is None else compile_module(mapped)

    @cached_property
    def stencil(self) -> Stencil | None:
        """The rule of a program that steps a bit grid, None for other programs."""
        return stencil_of(self.module)

    def __call__(self, *inputs: Any) -> Any:
        """Return the program's answer: numbers, arrays, or a tuple of them."""
        params = self.module.entry.params
        columns = len(inputs) != len(params) or any(
            np.ndim(value) and not dims(p.type) for p, value in zip(params, inputs)
        )
        binding = self.rows if columns and len(inputs) == len(params) else self.binding
        if binding is None or len(inputs) != len(params):
            return self.python(*inputs)
        if not columns and self.machine is not None and len(inputs[0]) >= LONG_SEQUENCE:
            results = self._sequence(self.machine, inputs)
            if results is not None:
                return results[0] if len(results) == 1 else results
        if columns:
            try:
                inputs = np.broadcast_arrays(*inputs)
            except ValueError:
                return self.python(*inputs)
            if inputs[0].ndim != 1:
                return self.python(*inputs)
        try:
            results = binding(inputs)
        except (DdcError, ValueError):
            return self.python(*inputs)  # the Python function says what is wrong, or can do it
        given = tuple(_returned(r) for r in results)
        return given[0] if len(given) == 1 else given

    @cached_property
    def machine(self) -> Machine | None:
        """The automaton that a program over sequences is, where it has few states."""
        found = machine_of(self.module)
        return found if found is not None and fits_shifts(found) else None

    @cached_property
    def sequence(self) -> SequenceKernel:
        """The automaton's native code."""
        assert self.machine is not None
        return SequenceKernel(self.machine)

    def _sequence(self, machine: Machine, inputs: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the answer for long sequences; None for input that has to be looked at closer."""
        arrays = [np.asarray(value) for value in inputs]
        if any(a.ndim != 1 or a.dtype.kind not in "bui" for a in arrays):
            return None
        if len({len(a) for a in arrays}) > 1:
            return None
        for array, (_, values) in zip(arrays, machine.inputs):
            whole = values == tuple(range(len(values)))
            if not whole or int(array.min()) < 0 or int(array.max()) >= len(values):
                return None
        digits = [np.ascontiguousarray(a.astype(np.uint8, copy=False)) for a in arrays]
        if machine.is_adder:
            return (_sum(*digits),)
        return self.sequence.of_digits(digits)

    # ------------------------------------------------------------ time stepping

    def steps(
        self,
        grid: Any,
        count: int,
        threads: int = 1,
        out: NDArray[Any] | None = None,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """Apply the program `count` times to its own output; keeps the dtype of `grid`.

        Raises `DdcError` where the output does not have the input's shape, for values that are
        not of the declared type, and for an `out` of another shape or that cannot be written.
        """
        if count < 0 or threads < 1:
            raise DdcError("steps needs a count of at least 0 and at least 1 thread")
        entry = self.module.entry
        if len(entry.params) != 1 or len(entry.results) != 1:
            raise DdcError("a program of several inputs or outputs cannot be stepped")
        if dims(entry.params[0].type) != dims(entry.results[0].type):
            raise DdcError("the output does not have the input's shape: it cannot be stepped")
        given = np.asarray(grid)
        _check_out(given, out)
        sizes = solve_sizes(entry, {entry.params[0].name: given.shape})
        final = self._steps(given, count, threads, sizes, progress)
        if out is None:
            return final.astype(given.dtype, copy=final is given)
        out[...] = final
        return out

    def _steps(
        self,
        given: NDArray[Any],
        count: int,
        threads: int,
        sizes: Mapping[str, int],
        progress: Progress | None,
    ) -> NDArray[Any]:
        param = self.module.entry.params[0]
        bits = is_bit(element(param.type)) and bool(dims(param.type))
        if count and bits and self.stencil is not None:
            packed = packed_steps(self.stencil, cells_of(param, given), count, threads, progress)
            if packed is not None:
                return packed
        binding = self.binding
        if binding is None:
            return self._python_steps(given, count, progress)
        try:
            return self._native_steps(binding, given, count, sizes, progress)
        except OverflowReported:
            return self._python_steps(given, count, progress)

    def _python_steps(
        self, given: NDArray[Any], count: int, progress: Progress | None
    ) -> NDArray[Any]:
        current = given
        for step in range(count):
            current = np.asarray(self.python(current))
            if progress is not None:
                progress(step + 1, count)
        return current

    def _native_steps(
        self,
        binding: Binding,
        given: NDArray[Any],
        count: int,
        sizes: Mapping[str, int],
        progress: Progress | None,
    ) -> NDArray[Any]:
        entry = self.module.entry
        param, result = entry.params[0], entry.results[0]
        type_ = binding.kernel.inputs[0].type
        current = cells_of(param, given) if is_bit(element(param.type)) else None
        if current is None:
            current = stored(array_of(param, given[None]).reshape(given.shape), type_)
        closed = accepts(param.type, result.type)
        spare = np.empty(given.shape, dtype=entry_dtype(binding.kernel.outputs[0].type))
        for step in range(count):
            (made,) = binding.run(sizes, [current], [spare])
            if not closed:
                array_of(param, made[None])  # the program may leave what it takes
            following = stored(made, type_)
            spare = current if current.dtype == spare.dtype and step else np.empty_like(spare)
            current = following
            if progress is not None:
                progress(step + 1, count)
        return current


def _sum(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the sum of two numbers given by their bits, least significant first."""
    words = -(-len(a) // 64)
    packed = np.zeros((3, words * 8), dtype=np.uint8)
    for row, bits in zip(packed, (a, b)):
        row[: -(-len(a) // 8)] = np.packbits(bits, bitorder="little")
    adder()(*(row.ctypes.data for row in packed), words)
    return np.unpackbits(packed[2], count=len(a), bitorder="little").astype(np.int64)


def cells_of(param: Any, given: NDArray[Any]) -> NDArray[np.uint8]:
    """Return bits as contiguous bytes; raises `DdcError` for other values than 0 and 1."""
    if given.dtype == np.bool_:
        return np.ascontiguousarray(given).view(np.uint8)
    if given.dtype in SMALL_INTS:
        whole = np.ascontiguousarray(given).view(np.uint8)
        if whole.size == 0 or int(whole.max()) <= 1:
            return whole
    return stored(array_of(param, given[None]).reshape(given.shape), "bit")


def _check_out(given: NDArray[Any], out: NDArray[Any] | None) -> None:
    if out is None:
        return
    if out.shape != given.shape:
        raise DdcError(f"out has the shape {list(out.shape)}, not {list(given.shape)}")
    if not out.flags.writeable:
        raise DdcError("out cannot be written: it is read-only")


def _returned(array: NDArray[Any]) -> Any:
    """Return a result as the Python backend does: numbers, and arrays of int64 or float64."""
    if array.ndim == 0:
        return array.item()
    return array if array.dtype.kind == "f" else array.astype(np.int64)


__all__ = ["Runner", "cells_of"]
