"""Call a native function of a program: arrays in, arrays out, everything checked on the way."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering import Kernel
from ddc.backends.lowering.nest import Bin, Call, Const, Expr, Var, entry_dtype
from ddc.ir import DdcError, Function, Param
from ddc.ir.sizes import solve_sizes
from ddc.ir.types import dims

from .moves import number_of, range_of, same_bytes
from .values import OverflowReported, entries

CTYPES: Mapping[str, Any] = {
    "bit": ctypes.c_uint8,
    "i8": ctypes.c_int8,
    "i16": ctypes.c_int16,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "f64": ctypes.c_double,
}
MOST_SHAPES = 256  # shapes whose sizes are remembered

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Looked:
    """A function of sizes, inputs and outputs: 1 for a bad input, plus 2 for an int beyond 64 bits."""

    call: Callable[..., int]
    library: Any


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
        self.pointers = self.returned is None or kernel.checked
        self.solved: dict[tuple[Shape, ...], tuple[dict[str, int], list[Shape]]] = {}
        self.inputs = [self.dtype(p.type) for p in kernel.inputs]
        self.outputs = [self.dtype(p.type) for p in kernel.outputs]
        arguments: list[Any] = [ctypes.c_size_t] * len(kernel.sizes)
        for parameter in kernel.inputs:
            scalar = parameter.array is None
            arguments.append(CTYPES[parameter.type] if scalar else ctypes.c_void_p)
        if kernel.workspace:
            arguments.append(ctypes.c_void_p)
        if self.pointers:
            arguments += [ctypes.c_void_p] * len(kernel.outputs)
        result: Any = None
        if kernel.checked:
            result = ctypes.c_int
        elif self.returned is not None:
            result = CTYPES[self.returned]
        self.call: Callable[..., Any] = ctypes.CFUNCTYPE(result, *arguments)(address)
        self._rows: Callable[..., Any] | None = None
        self._advance: Callable[..., Any] | None = None
        self.bands: Callable[..., int] | None = None
        self.look: Callable[[], Looked | None] = lambda: None
        self.first = ""  # the size of the first axis, where there are bands

    def drive(
        self, rows: int, advance: int | None, bands: int | None, first: str | None = None
    ) -> None:
        """Take the addresses of the loops around the function (see `drivers`)."""
        kernel = self.kernel
        number, pointer = ctypes.c_int64, ctypes.c_void_p
        scratch = [pointer] if kernel.workspace else []
        sizes = [number] * len(kernel.sizes)
        arguments = [number, *sizes, *[pointer, number] * len(kernel.inputs), *scratch]
        arguments += [pointer, number] * len(kernel.outputs)
        self._rows = ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(rows)
        if bands is not None and first is not None:
            self.first = first
            taken = [pointer, *[number] * 5, *sizes, *scratch]
            self.bands = ctypes.CFUNCTYPE(ctypes.c_int, *taken)(bands)
        if advance is not None:
            taken = [pointer, pointer, number, *sizes, *scratch]
            self._advance = ctypes.CFUNCTYPE(ctypes.c_int, *taken)(advance)

    def __call__(
        self,
        inputs: Sequence[Any],
        sizes: Mapping[str, int] | None = None,
        out: NDArray[Any] | None = None,
    ) -> tuple[NDArray[Any], ...]:
        """Return the results for inputs in order, as arrays of their declared shapes.

        A lone result is written to `out` where that has its shape and stored type. Raises `DdcError` for inputs that are not values of the declared types, and
        `OverflowReported` where an int does not fit into 64 bits.
        """
        params = self.function.params
        if len(inputs) != len(params):
            raise DdcError(f"@{self.function.name} takes {len(params)} inputs")
        given = [rectangular(p.name, value) for p, value in zip(params, inputs)]
        solved, shapes = self.shapes(tuple(a.shape for a in given), sizes)
        checked = [
            entries(p, a, parameter.type, self.single)
            for p, a, parameter in zip(params, given, self.kernel.inputs)
        ]
        if out is not None and [(out.shape, out.dtype)] == list(zip(shapes, self.outputs)):
            apart = not any(np.may_share_memory(out, a) for a in checked)
            if apart and out.flags.c_contiguous and out.flags.writeable:
                return self.run(solved, checked, [out])
        outputs = [np.empty(shape, dtype) for shape, dtype in zip(shapes, self.outputs)]
        return self.run(solved, checked, outputs)

    def shapes(
        self, given: tuple[Shape, ...], known: Mapping[str, int] | None = None
    ) -> tuple[dict[str, int], list[Shape]]:
        """Return the sizes and the results' shapes for inputs of some shapes.

        Raises `DdcError` for shapes that the program does not take.
        """
        found = None if known else self.solved.get(given)
        if found is not None:
            return found
        function = self.function
        names = {p.name: shape for p, shape in zip(function.params, given)}
        sizes = solve_sizes(function, names, known)
        made = [tuple(int(d.evaluate(sizes)) for d in dims(r.type)) for r in function.results]
        if not known:
            if len(self.solved) >= MOST_SHAPES:
                self.solved.clear()
            self.solved[given] = sizes, made
        return sizes, made

    def dtype(self, type_: str) -> np.dtype[Any]:
        """Return the dtype of stored entries."""
        return np.dtype(np.float32) if self.single and type_ == "f64" else entry_dtype(type_)

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
        if self.pointers:
            arguments += [array.ctypes.data for array in outputs]
        answer = self.call(*arguments)
        if kernel.checked:
            report(answer)
        if not self.pointers:
            outputs[0][...] = answer
        return tuple(outputs)

    def rows(
        self,
        count: int,
        sizes: Mapping[str, int],
        inputs: Sequence[NDArray[Any]],
        outputs: Sequence[NDArray[Any]],
    ) -> None:
        """Call for `count` rows: arrays have the rows as first axis.

        An input without that axis (of the declared rank) is one value that all rows share.
        """
        if self._rows is None:
            for row in range(count):
                given = [
                    a if a.ndim == len(dims(p.type)) else a[row]
                    for p, a in zip(self.function.params, inputs)
                ]
                self.run(sizes, given, [out[row : row + 1] for out in outputs])
            return
        arguments: list[Any] = [count, *(sizes[name] for name in self.kernel.sizes)]
        for param, array in zip(self.function.params, inputs):
            shared = array.ndim == len(dims(param.type))
            arguments += [array.ctypes.data, 0 if shared else array.size // max(1, len(array))]
        scratch = self.scratch(sizes)
        if scratch is not None:
            arguments.append(scratch.ctypes.data)
        for array in outputs:
            arguments += [array.ctypes.data, array.size // max(1, len(array))]
        report(self._rows(*arguments))

    @cached_property
    def looked(self) -> Looked | None:
        """The function that checks its inputs on the way, None where there is none."""
        return self.look()

    def run_looking(
        self,
        sizes: Mapping[str, int],
        inputs: Sequence[NDArray[Any]],
        outputs: Sequence[NDArray[Any]],
    ) -> bool:
        """Call in one pass over unchecked inputs; return whether that was possible, and all are good.

        Raises `OverflowReported` where an int does not fit into 64 bits.
        """
        pairs = [*zip(inputs, self.inputs), *zip(outputs, self.outputs)]
        if not all(_stored_as(array, kind) for array, kind in pairs):
            return False
        if not all(
            _same_sign(p, a, k) for p, a, k in zip(self.function.params, inputs, self.inputs)
        ):
            return False
        if self.looked is None:
            return False
        answer = self.looked.call(
            *(sizes[name] for name in self.kernel.sizes),
            *(array.ctypes.data for array in (*inputs, *outputs)),
        )
        report(0 if answer & 1 else answer)
        return not answer

    @property
    def steps_natively(self) -> bool:
        """Tell whether `advance` can be called."""
        return self._advance is not None

    def advance(
        self, sizes: Mapping[str, int], first: NDArray[Any], second: NDArray[Any], count: int
    ) -> None:
        """Make steps to and fro between two buffers; the last state is in `first` if even."""
        assert self._advance is not None
        arguments: list[Any] = [first.ctypes.data, second.ctypes.data, count]
        arguments += [sizes[name] for name in self.kernel.sizes]
        scratch = self.scratch(sizes)
        if scratch is not None:
            arguments.append(scratch.ctypes.data)
        report(self._advance(*arguments))

    def scratch(self, sizes: Mapping[str, int]) -> NDArray[Any] | None:
        """Return the workspace that the function needs, None where it needs none."""
        if not self.kernel.workspace:
            return None
        total = sum(
            max(0, evaluate(count, sizes)) * entry_dtype(array.type).itemsize
            for array, count in self.kernel.workspace
        )
        return np.empty((total + 7) // 8 + 1, dtype=np.int64)


def _stored_as(array: NDArray[Any], kind: np.dtype[Any]) -> bool:
    """Tell whether numbers of an array lie in memory as stored entries do."""
    given, stored = number_of(array.dtype), number_of(kind)
    laid_out = array.flags.c_contiguous and array.flags.aligned
    return laid_out and given is not None and stored is not None and same_bytes(given, stored)


def _same_sign(param: Param, array: NDArray[Any], kind: np.dtype[Any]) -> bool:
    """Tell whether good entries, and no others, are the same numbers in both dtypes."""
    among = range_of(param, kind)
    signed = array.dtype.kind == "i", kind.kind == "i"
    if signed[0] == signed[1] or kind.kind == "f":
        return True
    return among is not None and 0 <= among[0] and among[1] < 1 << (8 * kind.itemsize - 1)


def report(answer: int) -> None:
    if answer:
        raise OverflowReported(
            "an int does not fit into 64 bits (or a NaN was to be rounded): run this program by"
            " the Python backend"
        )


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


def rectangular(name: str, value: Any) -> NDArray[Any]:
    """Return a value as an array; raises `DdcError` for nested lists of unequal lengths."""
    try:
        return np.asarray(value)
    except (ValueError, OverflowError):
        raise DdcError(f"%{name} is not a rectangular array") from None


__all__ = ["Binding", "OverflowReported", "evaluate", "rectangular"]
