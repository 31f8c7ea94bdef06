"""Logic over millions of rows of bits, in packed columns."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm.columns import columns_kernel
from ddc.backends.llvm.machine import Cpu, host
from ddc.ir import Module, dims, element, is_bit
from ddc.ir.equivalence.circuit import Circuit, TooLargeError, UnsupportedError
from ddc.ir.equivalence.gates import Gates, TooManyGatesError
from ddc.ir.equivalence.lower import Lowering, NotLoweredError
from ddc.ir.equivalence.unroll import input_nodes, unroll

from .cache import ObjectCache
from .grid import _aligned, widest
from .jit import code_of, linked


class LogicKernel:
    """A program of fixed shape from bits to bits, over rows in columns of packed bits."""

    def __init__(self, module: Module, cpu: Cpu | None = None, cache: bool = True) -> None:
        """Raise `NotLogic` for other programs."""
        entry = module.entry
        kinds = [element(p.type) for p in (*entry.params, *entry.results)]
        if entry.sizes or not all(is_bit(kind) for kind in kinds):
            raise NotLogic
        gates, circuit = Gates(), Circuit()
        try:
            results = unroll(module, entry, {}, circuit, input_nodes(circuit, entry))
            lowering = Lowering(circuit, gates, lambda k: (gates.variable(k),))
            planes = lowering.planes([n for r in results for n in r.ravel().tolist()])
        except (UnsupportedError, TooLargeError, NotLoweredError, TooManyGatesError):
            raise NotLogic from None
        self.inputs = sum(math.prod(d.const for d in dims(p.type)) for p in entry.params)
        self.outputs = len(planes)
        chosen = cpu or host()
        self.lanes = widest(chosen)
        self.text = columns_kernel(gates, [p[0] for p in planes], self.lanes)
        store = ObjectCache.standard() if cache else None
        address, library = linked(code_of(self.text, chosen, 1, False, store), "run")
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)
        self.call: Any = signature(address)
        self.call.library = library

    def stride(self, rows: int) -> int:
        """Return the vectors of a column; an odd number, so that columns share no cache set."""
        return -(-rows // self.lanes) | 1

    def columns(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return rows of zeros and ones [rows, inputs] as packed columns, ready for `run`."""
        rows, count = bits.shape
        width = self.stride(rows) * self.lanes // 8
        packed = _aligned(count * width).reshape(count, width)
        packed[:] = 0
        packed[:, : (rows + 7) // 8] = np.packbits(bits.T, axis=1, bitorder="little")
        return packed

    def run(self, columns: NDArray[np.uint8], rows: int) -> NDArray[np.uint8]:
        """Return the results' packed columns."""
        width = columns.shape[1]
        out = _aligned(self.outputs * width).reshape(self.outputs, width)
        self.into(columns, out, rows)
        return out

    def into(self, columns: NDArray[np.uint8], out: NDArray[np.uint8], rows: int) -> None:
        """Write the results' packed columns."""
        self.call(
            columns.ctypes.data, out.ctypes.data, self.stride(rows), 0, -(-rows // self.lanes)
        )


class NotLogic(Exception):
    """The program is not a function of bits of fixed shape."""
