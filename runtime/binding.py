"""Call a native function of a program: arrays in, arrays out, everything checked on the way."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering import Kernel
from ddc.backends.lowering.nest import Bin, Call, Const, Expr, Var, entry_dtype
from ddc.ir import DdcError, Function, Real, element
from ddc.ir.inputs import array_of
from ddc.ir.sizes import solve_sizes
from ddc.ir.types import dims

CTYPES: Mapping[str, Any] = {
    "bit": ctypes.c_uint8,
    "i8": ctypes.c_int8,
    "i16": ctypes.c_int16,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "f64": ctypes.c_double,
}


class OverflowReported(DdcError):
    """An int left 64 bits, or a NaN was to be rounded: the native answer means nothing."""


class Binding:
    """A native function at an address, with the C signature of the kernel.

    Calling it releases the interpreter's lock. `keep` is what must live as long as the code.
    """

    def __init__(
        self,
        function: Function,
        kernel: Kernel,
        address: int,
        keep: Any = None,
        single: bool = False,
    ) -> None:
        self.function = function
        self.kernel = kernel
        self.keep = keep
        self.single = single
        self.returned = None if kernel.returned is None else kernel.outputs[0].type
        by_pointer = kernel.checked
        arguments: list[Any] = [ctypes.c_size_t] * len(kernel.sizes)
        for parameter in kernel.inputs:
            scalar = parameter.array is None
            arguments.append(CTYPES[parameter.type] if scalar else ctypes.c_void_p)
        if kernel.workspace:
            arguments.append(ctypes.c_void_p)
        if self.returned is None or by_pointer:
            arguments += [ctypes.c_void_p] * len(kernel.outputs)
        result: Any = None
        if kernel.checked:
            result = ctypes.c_int
        elif self.returned is not None:
            result = CTYPES[self.returned]
        self.call: Callable[..., Any] = ctypes.CFUNCTYPE(result, *arguments)(address)

    def __call__(
        self, inputs: Sequence[Any], sizes: Mapping[str, int] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """Return the results for inputs in order, as arrays of their declared shapes.

        Raises `DdcError` for inputs that are not values of the declared types, and
        `OverflowReported` where an int does not fit into 64 bits.
        """
        function = self.function
        given = [_rectangular(p.name, value) for p, value in zip(function.params, inputs)]
        if len(inputs) != len(function.params):
            raise DdcError(f"@{function.name} takes {len(function.params)} inputs")
        shapes = {p.name: a.shape for p, a in zip(function.params, given)}
        solved = solve_sizes(function, shapes, sizes)
        checked = [
            self.checked(p, a, parameter.type)
            for p, a, parameter in zip(function.params, given, self.kernel.inputs)
        ]
        shape_of = {r.name: _shape(r.type, solved) for r in function.results}
        outputs = [
            np.empty(shape_of[r.name], dtype=self.dtype(p.type))
            for r, p in zip(function.results, self.kernel.outputs)
        ]
        return self.run(solved, checked, outputs)

    def dtype(self, type_: str) -> np.dtype[Any]:
        """Return the dtype of stored entries."""
        return np.dtype(np.float32) if self.single and type_ == "f64" else entry_dtype(type_)

    def checked(self, param: Any, array: NDArray[Any], type_: str) -> NDArray[Any]:
        """Return an input as stored entries, after a look at its values."""
        if self.single and type_ == "f64" and array.dtype == np.float32:
            if isinstance(element(param.type), Real) and not np.isnan(array).any():
                return np.ascontiguousarray(array)
        exact = stored(array_of(param, array[None]).reshape(array.shape), type_)
        return np.asarray(exact, dtype=self.dtype(type_), order="C")

    def run(
        self,
        sizes: Mapping[str, int],
        inputs: Sequence[NDArray[Any]],
        outputs: list[NDArray[Any]],
    ) -> tuple[NDArray[Any], ...]:
        """Call with contiguous arrays of the stored types, already checked."""
        kernel = self.kernel
        arguments: list[Any] = [sizes[name] for name in kernel.sizes]
        for parameter, array in zip(kernel.inputs, inputs):
            arguments.append(array.item() if parameter.array is None else array.ctypes.data)
        scratch = self.scratch(sizes)
        if scratch is not None:
            arguments.append(scratch.ctypes.data)
        pointers = self.returned is None or kernel.checked
        if pointers:
            arguments += [array.ctypes.data for array in outputs]
        answer = self.call(*arguments)
        if kernel.checked and answer:
            raise OverflowReported(
                "an int does not fit into 64 bits (or a NaN was to be rounded): run this program by"
                " the Python backend"
            )
        if not pointers:
            outputs[0][...] = answer
        return tuple(outputs)

    def scratch(self, sizes: Mapping[str, int]) -> NDArray[Any] | None:
        """Return the workspace that the function needs, None where it needs none."""
        if not self.kernel.workspace:
            return None
        total = sum(
            max(0, evaluate(count, sizes)) * entry_dtype(array.type).itemsize
            for array, count in self.kernel.workspace
        )
        return np.empty((total + 7) // 8 + 1, dtype=np.int64)


def stored(array: NDArray[Any], type_: str) -> NDArray[Any]:
    """Return values as contiguous entries of a stored type; ints beyond 64 bits are an error."""
    dtype = entry_dtype(type_)
    if array.dtype == object and type_ != "f64":
        try:
            return np.ascontiguousarray(array.astype(np.int64))
        except OverflowError:
            raise OverflowReported("an input does not fit into 64 bits") from None
    return np.asarray(array, dtype=dtype, order="C")


def evaluate(expr: Expr, sizes: Mapping[str, int]) -> int:
    """Return the value of an expression of sizes."""
    if isinstance(expr, Const):
        return int(expr.value)
    if isinstance(expr, Var):
        return sizes[expr.name]
    if isinstance(expr, Bin):
        a, b = evaluate(expr.a, sizes), evaluate(expr.b, sizes)
        return {"add": a + b, "sub": a - b, "mul": a * b, "min": min(a, b), "max": max(a, b)}[
            expr.op
        ]
    assert isinstance(expr, Call)
    a, b = (evaluate(e, sizes) for e in expr.args)
    return a // b if expr.function == "floordiv" else a % b


def _rectangular(name: str, value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:
        raise DdcError(f"%{name} is not a rectangular array") from None


def _shape(type_: Any, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(int(d.evaluate(sizes)) for d in dims(type_))


__all__ = ["Binding", "OverflowReported", "evaluate", "stored"]
