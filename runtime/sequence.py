"""Run finite automata over one long sequence; `packing` runs them over many at once."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm.automata import SHIFT_STATES, adder_kernel, sequence_kernel
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.lowering.machine import Machine

from .cache import ObjectCache
from .jit import code_of, linked
from .packing import BatchKernel

LARGEST_OUTPUT = 64  # values of a yield, which are fields of six bits


def _native(text: str, signature: Any, cpu: Cpu, cache: bool, vectorise: bool = False) -> Any:
    store = ObjectCache.standard() if cache else None
    address, library = linked(code_of(text, cpu, 2, vectorise, store), "run")
    function = signature(address)
    function.library = library
    return function


class SequenceKernel:
    """An automaton of few states over one sequence of bytes."""

    def __init__(self, machine: Machine, cpu: Cpu | None = None, cache: bool = True) -> None:
        if not fits_shifts(machine):
            raise ValueError("the automaton has too many states or outputs for this kernel")
        self.machine = machine
        self.yields = [k for kind, k in machine.results if kind == "yield"]
        self.values = [
            np.array(sorted({v for row in machine.outputs[k] for v in row})) for k in self.yields
        ]
        pointers = len(machine.inputs) + len(self.yields)
        signature = ctypes.CFUNCTYPE(
            ctypes.c_int64, *[ctypes.c_void_p] * pointers, *[ctypes.c_int64] * 3
        )
        self.call = _native(sequence_kernel(machine, self.yields), signature, cpu or host(), cache)

    def run(self, digits: Sequence[NDArray[np.uint8]], outputs: Sequence[NDArray[np.uint8]]) -> int:
        """Return the last state; inputs are contiguous digits, outputs places among the values."""
        count = len(digits[0])
        addresses = [a.ctypes.data for a in (*digits, *outputs)]
        shifted: int = self.call(*addresses, 0, count, 0)
        return shifted // 6

    def results(self, inputs: Sequence[NDArray[np.int64]]) -> tuple[Any, ...]:
        """Return the program's results for sequences of values of the alphabet."""
        digits = [
            np.searchsorted(np.array(values), given).astype(np.uint8)
            for (_, values), given in zip(self.machine.inputs, inputs)
        ]
        return self.of_digits(digits)

    def of_digits(self, digits: Sequence[NDArray[np.uint8]]) -> tuple[Any, ...]:
        """Return the program's results for places in the alphabets, contiguous arrays."""
        made = [np.empty(len(digits[0]), dtype=np.uint8) for _ in self.yields]
        last = self.run(digits, made)
        written = {k: values[out] for k, values, out in zip(self.yields, self.values, made)}
        return tuple(
            written[k] if kind == "yield" else self.machine.states[last][k]
            for kind, k in self.machine.results
        )


def fits_shifts(machine: Machine) -> bool:
    """Tell whether states and outputs fit into the fields of a word."""
    distinct = [len({v for row in table for v in row}) for table in machine.outputs]
    return len(machine.states) <= SHIFT_STATES and all(n <= LARGEST_OUTPUT for n in distinct)


@lru_cache(maxsize=2)
def adder(cache: bool = True) -> Any:
    """Return `add(a, b, sum, words)` on the addresses of long numbers in 64-bit words."""
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)
    return _native(adder_kernel(), signature, host(), cache)


__all__ = ["BatchKernel", "SequenceKernel", "adder", "fits_shifts"]
