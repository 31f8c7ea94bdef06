"""Run a program: natively where it has a native form, else through the Python backend.

The native answer is the interpreter's. Where an int leaves 64 bits the native code says so, and
the program is run again with Python's ints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering.machine import Machine, machine_of
from ddc.backends.lowering.rows import rows_of
from ddc.backends.lowering.stencil import Stencil, stencil_of
from ddc.ir import Category, DdcError, Missing, Module, Param, Real, dims, element

from . import batch, results
from .batch import Progress
from .batches import LONG_SEQUENCE, Batches
from .binding import Binding, rectangular
from .engine import function_of
from .packing import LogicRows, PackedRows, is_binary
from .rows import NotLogic, SingleKernel, has_exact_singles
from .sequence import BatchKernel, SequenceKernel, adder, fits
from .stepping import Stepper
from .streams import Grids, Stream
from .values import InputError, OverflowReported, entries

LARGE = 1 << 20  # entries from which bad input is not looked at again by the Python function


class Runner:
    """A program that can be called and stepped; everything is compiled when first needed."""

    def __init__(self, module: Module) -> None:
        self.module = module
        entry = module.entry
        self.params = entry.params
        self.ranks = [len(dims(p.type)) for p in entry.params]
        kinds = [element(p.type) for p in (*entry.params, *entry.results)]
        # Names and missing values come and go as Python objects.
        self.plain = not any(isinstance(kind, (Category, Missing)) for kind in kinds)
        self.steppable = (
            len(entry.params) == len(entry.results) == 1
            and bool(entry.sizes)
            and dims(entry.params[0].type) == dims(entry.results[0].type)
        )
        self.scans = any(op.code == "scan" for op in entry.body.ops)

    # ------------------------------------------------------------ what the program is

    @cached_property
    def python(self) -> Callable[..., Any]:
        """The program as a function of the Python backend."""
        return function_of(self.module)

    @cached_property
    def binding(self) -> Binding | None:
        """The program as a native function, None where it has no native form."""
        return self._compiled(self.module) if self.plain else None

    @cached_property
    def columns(self) -> Binding | None:
        """A program of fixed shape as a native function of columns, None for other programs."""
        mapped = rows_of(self.module) if self.plain else None
        return None if mapped is None else self._compiled(mapped)

    @cached_property
    def single(self) -> Binding | None:
        """The function of columns in single precision."""
        mapped = rows_of(self.module) if self.plain else None
        return None if mapped is None else self._compiled(mapped, single=True)

    @cached_property
    def singles(self) -> SingleKernel | None:
        """The kernel for rows of single-precision numbers, None where there is none."""
        entry = self.module.entry
        lone = len(entry.params) == len(entry.results) == 1 and not entry.sizes
        if not lone or not self.plain or not isinstance(element(entry.params[0].type), Real):
            return None
        try:
            return SingleKernel(self.module)
        except (DdcError, ImportError):
            return None

    @cached_property
    def exact_singles(self) -> bool:
        """Tell whether rows of singles are computed exactly by `singles`."""
        return self.plain and has_exact_singles(self.module)

    @cached_property
    def logic(self) -> LogicRows | None:
        """A program of fixed shape on bits in packed columns, None for other programs."""
        if not self.plain or not self.params:
            return None
        try:
            return LogicRows(self.module)
        except (NotLogic, ImportError):
            return None

    @cached_property
    def stencil(self) -> Stencil | None:
        """The rule of a program that steps a bit grid, None for other programs."""
        return stencil_of(self.module)

    @cached_property
    def machine(self) -> Machine | None:
        """The automaton that a program over sequences is, None for other programs."""
        return machine_of(self.module)

    @cached_property
    def sequence(self) -> SequenceKernel | None:
        """The automaton's native code for one sequence, where it has few states."""
        try:
            few = self.machine is not None and fits(self.machine)
            return SequenceKernel(self.machine) if few and self.machine is not None else None
        except ImportError:
            return None

    @cached_property
    def automata(self) -> BatchKernel | None:
        """The automaton's native code for many sequences of bits."""
        if self.machine is None or not is_binary(self.machine):
            return None
        try:
            return BatchKernel(self.machine)
        except ImportError:
            return None

    @cached_property
    def batches(self) -> Batches:
        """What runs batches."""
        return Batches(self)

    def pack(self, *inputs: Any) -> PackedRows:
        """Return a batch packed; see `Batches.pack`."""
        return self.batches.pack(*inputs)

    @cached_property
    def stepper(self) -> Stepper:
        """What steps the program."""
        return Stepper(self)

    @staticmethod
    def _compiled(module: Module, single: bool = False) -> Binding | None:
        try:
            from .jit import compile_module

            return compile_module(module, single=single)
        except (DdcError, ImportError):  # no native form, or no llvmlite
            return None

    # ------------------------------------------------------------ calls

    def __call__(
        self,
        *inputs: Any,
        threads: int = 1,
        dtype: Any = None,
        out: Any = None,
        progress: Progress | None = None,
    ) -> Any:
        """Return the program's answer: numbers, arrays, or a tuple of them.

        Inputs with one axis more than declared are batches: the answer has that axis first.
        Raises `ValueError` (an `InputError`) for what the program does not take.
        """
        if threads < 1:
            raise InputError("a program runs on at least 1 thread")
        if len(inputs) == 1 and isinstance(inputs[0], PackedRows):
            return self.batches.packed(inputs[0], threads, dtype)
        inputs = self.features(inputs)
        if len(inputs) != len(self.params):
            taken = f"{len(self.params)} input{'s' * (len(self.params) != 1)}"
            raise InputError(f"@{self.module.entry.name} takes {taken}, not {len(inputs)}")
        wanted = results.dtypes(self.module.entry.results, dtype, out)
        arrays = self.arrays(inputs)
        count = None if arrays is None else self.rows(arrays)
        if arrays is None or count is None or (self.binding is None and count < 0):
            return self._by_python(inputs, wanted, out)
        try:
            if count >= 0:
                made = self.batches(arrays, count, threads, wanted, out, progress)
            else:
                made = self._single(arrays, wanted, out, threads)
        except OverflowReported:
            return self._exactly(inputs, arrays, count, wanted, out)
        except DdcError as error:
            if count >= 0 or sum(a.size for a in arrays) >= LARGE:
                raise InputError(str(error)) from None
            return self._by_python(inputs, wanted, out)  # it says what is wrong
        if made is None:
            return self._exactly(inputs, arrays, count, wanted, out)
        if count >= 0:
            return made[0] if len(made) == 1 else tuple(made)
        return results.returned(made, wanted, out)

    def features(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return one column for each feature where one array [rows, features] was given."""
        if len(inputs) != 1 or len(self.params) < 2 or any(self.ranks):
            return inputs
        table = np.asarray(inputs[0])
        return tuple(table.T) if table.ndim == 2 and table.shape[1] == len(self.params) else inputs

    def arrays(self, inputs: Sequence[Any]) -> list[NDArray[Any]] | None:
        """Return the inputs as arrays, None where the Python function has to look at them."""
        if len(inputs) != len(self.params) or not self.plain:
            return None
        try:
            return [rectangular(p.name, value) for p, value in zip(self.params, inputs)]
        except DdcError:
            return None

    def rows(self, arrays: Sequence[NDArray[Any]]) -> int | None:
        """Return the rows of a batch, -1 for one call, None for shapes that are neither.

        A sized program that can be stepped takes one grid: a picture given to a program on rows of
        cells is a mistake, not a batch of rows. Programs over sequences take batches.
        """
        extra = [a.ndim - rank for a, rank in zip(arrays, self.ranks)]
        if not any(extra):
            return -1
        if set(extra) - {0, 1} or (self.steppable and not self.scans):
            return None
        counts = {len(a) for a, more in zip(arrays, extra) if more}
        return counts.pop() if len(counts) == 1 else None

    def _single(
        self,
        arrays: Sequence[NDArray[Any]],
        wanted: Sequence[np.dtype[Any] | None],
        out: Any,
        threads: int,
    ) -> Sequence[Any] | None:
        binding = self.binding
        assert binding is not None
        long = bool(self.ranks) and min(self.ranks) == 1 and len(arrays[0]) >= LONG_SEQUENCE
        if self.scans and long:
            made = self._sequence(arrays, wanted, out)
            if made is not None:
                return made
        grids = self.grids if arrays and arrays[0].nbytes >= batch.WORTH else None
        if grids is not None and grids.takes(arrays[0]):
            return [grids(arrays[0], wanted[0], out, threads)]
        return binding(arrays, out=out if isinstance(out, np.ndarray) else None)

    @cached_property
    def grids(self) -> Grids | None:
        """What runs a program on one large grid, band by band; None for other programs."""
        reach = self.stepper.reach
        if reach is None or self.binding is None or not Stream.fits(self.binding):
            return None
        return Grids(self.binding, reach)

    def _sequence(
        self, arrays: Sequence[NDArray[Any]], wanted: Sequence[np.dtype[Any] | None], out: Any
    ) -> Sequence[Any] | None:
        """Return the answer for long sequences; None where the automaton is not for them."""
        machine = self.machine
        if machine is None or len({len(a) for a in arrays}) > 1:
            return None
        if not machine.is_adder and self.sequence is None:
            return None
        shapes, _ = results.shapes(self.module.entry, [a.shape for a in arrays])
        made = results.outputs(shapes, wanted, out, [False] * len(shapes))
        arrays = [a.copy() if any(np.may_share_memory(a, m) for m in made) else a for a in arrays]
        if machine.is_adder:
            long_sum(self.params, arrays, made[0])
            return made
        assert self.sequence is not None
        engine = batch.SequenceEngine(self.sequence, self.params)
        batch.run(engine, [a[None] for a in arrays], [m[None] for m in made], 1)
        return made

    # ------------------------------------------------------------ Python

    def _by_python(self, inputs: Sequence[Any], wanted: Any, out: Any) -> Any:
        try:
            made = self.python(*inputs)
        except (ValueError, OverflowError) as error:
            raise InputError(str(error)) from None
        if out is None and all(d is None for d in wanted):
            return made
        return results.returned(made if isinstance(made, tuple) else (made,), wanted, out)

    def _exactly(
        self,
        inputs: Sequence[Any],
        arrays: Sequence[NDArray[Any]],
        count: int,
        wanted: Any,
        out: Any,
    ) -> Any:
        """Return the answer with Python's ints, row by row for a batch."""
        if count < 0 or not any(self.ranks):  # the Python function takes columns of numbers
            return self._by_python(inputs, wanted, out)
        rows = [
            self._by_python(
                [a[k] if a.ndim > r else a for a, r in zip(arrays, self.ranks)], wanted, None
            )
            for k in range(count)
        ]
        several = len(self.module.entry.results) > 1
        parts = zip(*rows) if several else [rows]
        made = [results.stacked(list(part)) for part in parts]
        return results.returned(made, wanted, out)

    def form(self, *inputs: Any) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
        """Return shape and dtype of the answer, None where it is not one array, or not native."""
        inputs = self.features(inputs)
        arrays = self.arrays(inputs)
        count = None if arrays is None else self.rows(arrays)
        entry = self.module.entry
        if arrays is None or count is None or self.binding is None or len(entry.results) != 1:
            return None
        shapes = [a.shape[a.ndim - rank :] for a, rank in zip(arrays, self.ranks)]
        try:
            (shape,), _ = results.shapes(entry, shapes)
        except DdcError:
            return None  # the call says what is wrong
        real = isinstance(element(entry.results[0].type), Real)
        whole = shape if count < 0 else (count, *shape)
        return whole, np.dtype(np.float64 if real else np.int64)

    def steps(
        self,
        grid: Any,
        count: int,
        threads: int = 1,
        out: NDArray[Any] | None = None,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """Apply the program `count` times to its own output; see `Stepper`."""
        return self.stepper(grid, count, threads, out, progress)


def long_sum(params: Sequence[Param], terms: Sequence[NDArray[Any]], out: NDArray[Any]) -> None:
    """Write the sum of two numbers given by their bits, least significant first."""
    size = len(out)
    words = -(-size // 64)
    packed = np.zeros((3, words * 8), dtype=np.uint8)
    pieces = [slice(k, min(size, k + batch.PIECE)) for k in range(0, size, batch.PIECE)]
    for row, param, bits in zip(packed, params, terms):
        for piece in pieces:
            try:
                given = entries(param, bits[piece], "bit")
            except DdcError:
                entries(param, bits, "bit")  # it says where in the sequence
                raise
            row[piece.start // 8 : -(-piece.stop // 8)] = np.packbits(given, bitorder="little")
    adder()(*(row.ctypes.data for row in packed), words)
    for piece in pieces:
        part = packed[2, piece.start // 8 : -(-piece.stop // 8)]
        out[piece] = np.unpackbits(part, count=piece.stop - piece.start, bitorder="little")


__all__ = ["Runner"]
