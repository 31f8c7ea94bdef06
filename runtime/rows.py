"""Programs over millions of rows: logic in packed columns of bits, rules and curves on singles."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm.columns import columns_kernel
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.llvm.single_rows import CHUNK, curve_kernel, threshold_kernel
from ddc.backends.lowering.logic import logic_of
from ddc.backends.lowering.rows import rows_of
from ddc.ir import DdcError, Module, element, shape_of

from .binding import Binding
from .cache import ObjectCache
from .grid import aligned, widest
from .jit import code_of, compile_module, linked


class LogicKernel:
    """A program of fixed shape from bits to bits, over rows in columns of packed bits.

    `grouped` keeps the columns of one input (or result) side by side, as `lanes.Lanes` packs them;
    else every column stands alone.
    """

    def __init__(
        self, module: Module, cpu: Cpu | None = None, cache: bool = True, grouped: bool = False
    ) -> None:
        """Raise `NotLogic` for other programs."""
        entry, logic = module.entry, logic_of(module)
        if logic is None:
            raise NotLogic
        gates, signals = logic
        self.taken = [math.prod(shape_of(p.type)) for p in entry.params]
        self.made = [math.prod(shape_of(r.type)) for r in entry.results]
        self.inputs = sum(self.taken)
        self.outputs = len(signals)
        chosen = cpu or host()
        self.lanes = widest(chosen)
        groups = (self.taken, self.made) if grouped else (None, None)
        self.text = columns_kernel(gates, signals, self.lanes, *groups)
        store = ObjectCache.standard() if cache else None
        self.address, library = linked(code_of(self.text, chosen, 1, False, store), "run")
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)
        self.call: Any = signature(self.address)
        self.library = library

    def stride(self, rows: int) -> int:
        """Return the vectors of a column; an odd number, so that columns share no cache set."""
        return -(-rows // self.lanes) | 1

    def columns(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return rows of zeros and ones [rows, inputs] as packed columns, ready for `run`."""
        rows, count = bits.shape
        width = self.stride(rows) * self.lanes // 8
        packed = aligned(count * width).reshape(count, width)
        packed[:] = 0
        packed[:, : (rows + 7) // 8] = np.packbits(bits.T, axis=1, bitorder="little")
        return packed

    def run(self, columns: NDArray[np.uint8], rows: int) -> NDArray[np.uint8]:
        """Return the results' packed columns."""
        width = columns.shape[1]
        out = aligned(self.outputs * width).reshape(self.outputs, width)
        self.into(columns, out, rows)
        return out

    def into(self, columns: NDArray[np.uint8], out: NDArray[np.uint8], rows: int) -> None:
        """Write the results' packed columns."""
        self.call(
            columns.ctypes.data, out.ctypes.data, self.stride(rows), 0, -(-rows // self.lanes)
        )


class NotLogic(Exception):
    """The program is not a function of bits of fixed shape."""


class SingleKernel:
    """A program of one input over rows of single-precision numbers.

    Rules on thresholds are exact: each number is compared as what it is. Other programs compute
    in single precision, so this is only for those who ask for it.
    """

    def __init__(self, module: Module, cpu: Cpu | None = None, cache: bool = True) -> None:
        """Raise `DdcError` for a program that is not over rows of one real input."""
        entry = module.entry
        if len(entry.params) != 1 or len(entry.results) != 1:
            raise DdcError("a program over rows of single precision has one input and one result")
        chosen = cpu or host()
        wide = widest(chosen) == 512
        self.param = entry.params[0]
        self.shape = shape_of(self.param.type)
        self.result: np.dtype[Any] = np.dtype(np.float32)
        rules = threshold_kernel(module) if wide else None
        text = rules or (curve_kernel(module) if wide else None)
        self.block = CHUNK if rules is not None else 1
        self.binding: Binding | None = None
        if text is None:
            mapped = rows_of(module)
            if mapped is None:
                raise DdcError("this program does not run over rows")
            self.binding = compile_module(mapped, chosen, cache, single=True)
            self.result = self.binding.dtype(self.binding.kernel.outputs[0].type)
            return
        if rules is not None:
            self.result = np.dtype(np.uint8)
        store = ObjectCache.standard() if cache else None
        address, library = linked(code_of(text, chosen, 2, False, store), "run")
        signature = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 2, ctypes.c_int64)
        self.call: Any = signature(address)
        self.library = library

    @property
    def exact(self) -> bool:
        """Tell whether it gives what double precision gives: nothing is computed, only compared."""
        return self.block == CHUNK

    def run(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the result of every row.

        Raises `DdcError` for an array of another shape or dtype, and for a NaN.
        """
        if x.dtype != np.float32 or x.shape[1:] != self.shape or x.ndim != len(self.shape) + 1:
            raise DdcError(f"%{self.param.name} takes rows of {self.param.type} as float32")
        given, out = np.ascontiguousarray(x), np.empty(len(x), dtype=self.result)
        if not self.into(given, out):
            raise DdcError(f"%{self.param.name} holds nan, which is no {element(self.param.type)}")
        return out

    def into(self, x: NDArray[np.float32], out: NDArray[Any]) -> bool:
        """Write the results of contiguous rows; return whether no number was NaN."""
        rows = len(x)
        if self.binding is not None:
            self.binding.call(rows, x.ctypes.data, out.ctypes.data)
            return not bool(np.isnan(x).any())
        whole = rows - rows % self.block
        bad = bool(whole and self.call(x.ctypes.data, out.ctypes.data, whole))
        if whole < rows:  # the rest in a block of its own
            last = np.zeros((self.block, *x.shape[1:]), dtype=np.float32)
            last[: rows - whole] = x[whole:]
            made = np.empty(self.block, dtype=self.result)
            bad |= bool(self.call(last.ctypes.data, made.ctypes.data, self.block))
            out[whole:] = made[: rows - whole]
        return not bad


def has_exact_singles(module: Module, cpu: Cpu | None = None) -> bool:
    """Tell whether single-precision rows of a program have a kernel that is exact."""
    return widest(cpu or host()) == 512 and threshold_kernel(module) is not None
