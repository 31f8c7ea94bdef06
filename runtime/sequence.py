"""Run finite automata over one long sequence; `packing` runs them over many at once."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm.automata import adder_kernel
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.llvm.sequence import LARGEST_OUTPUT, sequence_kernel
from ddc.backends.lowering.machine import MOST_STATES, Machine

from .cache import ObjectCache
from .jit import code_of, linked
from .packing import BatchKernel


def _native(text: str, signature: Any, cpu: Cpu, cache: bool, vectorise: bool = False) -> Any:
    store = ObjectCache.standard() if cache else None
    address, library = linked(code_of(text, cpu, 2, vectorise, store), "run")
    function = signature(address)
    function.library = library
    return function


class SequenceKernel:
    """An automaton of few states over one sequence of bytes."""

    def __init__(self, machine: Machine, cpu: Cpu | None = None, cache: bool = True) -> None:
        if not fits(machine):
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
        self.plain = [np.array_equal(v, np.arange(len(v))) for v in self.values]
        chosen = cpu or host()
        text = sequence_kernel(machine, self.yields, chosen)
        self.call = _native(text, signature, chosen, cache)

    def run(
        self,
        digits: Sequence[NDArray[np.uint8]],
        outputs: Sequence[NDArray[np.uint8]],
        state: int = 0,
    ) -> int:
        """Return the last state; inputs are contiguous digits, outputs places among the values."""
        count = len(digits[0])
        addresses = [a.ctypes.data for a in (*digits, *outputs)]
        last: int = self.call(*addresses, 0, count, state)
        return last

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
        written = {
            k: out if same else values[out]
            for k, values, out, same in zip(self.yields, self.values, made, self.plain)
        }
        return tuple(
            written[k] if kind == "yield" else self.machine.states[last][k]
            for kind, k in self.machine.results
        )


def fits(machine: Machine) -> bool:
    """Tell whether states and outputs are few enough for bytes."""
    distinct = [len({v for row in table for v in row}) for table in machine.outputs]
    return len(machine.states) <= MOST_STATES and all(n <= LARGEST_OUTPUT for n in distinct)


@lru_cache(maxsize=2)
def adder(cache: bool = True) -> Any:
    """Return `add(a, b, sum, words)` on the addresses of long numbers in 64-bit words."""
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)
    return _native(adder_kernel(), signature, host(), cache)


__all__ = ["BatchKernel", "SequenceKernel", "adder", "fits"]
