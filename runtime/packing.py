"""Batches of bits, packed: rows of logic and sequences of automata, hundreds in every vector.

`PackedRows` is a batch that stays packed between calls; a kernel here runs on its vectors, or packs
and unpacks block by block inside the caches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm.automata import batch_kernel
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.llvm.packed import BLOCK
from ddc.backends.lowering.machine import Machine, widths
from ddc.ir import Module

from .cache import ObjectCache
from .grid import aligned, widest
from .jit import code_of, linked
from .lanes import Lanes, lanes_of
from .rows import LogicKernel

Bytes = NDArray[np.uint8]

NEAR = 1 << 21  # bytes of a block that is packed, used and unpacked at once
FAR = 1 << 24  # bytes of a block that stays packed


@dataclass(frozen=True)
class Part:
    """Rows that were packed together: they lie in `depth` vectors a column from `start` on."""

    first: int
    rows: int
    start: int
    depth: int


def parts_of(lanes: Lanes, rows: int, narrow: int, wide: int, size: int) -> list[Part] | None:
    """Return a partition of rows of `narrow` to `wide` bytes into parts of about `size` bytes.

    None for batches that are too small to be packed. The last parts may overlap.
    """
    least = lanes.lanes * -(-BLOCK // narrow)
    if rows < least:
        return None
    block = max(least, size // max(1, wide) // lanes.lanes * lanes.lanes)
    parts: list[Part] = []
    first = start = 0
    while first < rows:
        count = min(block, rows - first)
        if count < least:  # the rest, with rows that were there before
            first, count = rows - least, least
        depth = lanes.depth(count)
        parts.append(Part(first, count, start, depth))
        start += depth
        first += count
    return parts


class PackedRows:
    """A batch in lanes, `groups` of columns for each array; arrays come out by `unpack`."""

    def __init__(self, lanes: Lanes, parts: Sequence[Part], groups: Sequence[int]) -> None:
        self.lanes = lanes
        self.parts = parts
        self.groups = list(groups)
        self.vectors = parts[-1].start + parts[-1].depth
        self.rows = parts[-1].first + parts[-1].rows
        self.shapes: list[tuple[int, ...]] = [(n,) for n in groups]
        self.sizes: dict[str, int] = {}
        self.buffer = aligned(self.vectors * sum(groups) * lanes.lanes // 8)

    def __len__(self) -> int:
        return self.rows

    def place(self, group: int, part: Part) -> int:
        """Return the address of a part of one array."""
        before = self.vectors * sum(self.groups[:group]) + part.start * self.groups[group]
        address: int = self.buffer.ctypes.data
        return address + before * self.lanes.lanes // 8

    def unpack(self, group: int = 0, dtype: Any = np.uint8) -> NDArray[Any]:
        """Return an array of the batch: rows first."""
        width = self.groups[group]
        out: NDArray[Any] = np.empty((self.rows, width), dtype=dtype)
        for part in self.parts:
            block: NDArray[Any] = out[part.first : part.first + part.rows]
            made: NDArray[np.uint8] = (
                block if block.dtype == np.uint8 else np.empty(block.shape, np.uint8)
            )
            self.lanes.unpack(self.place(group, part), made)
            if made is not block:
                block[...] = made
        return out.reshape(self.rows, *self.shapes[group])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if len(self.groups) != 1:
            raise ValueError("several arrays are packed here: unpack(k) gives one of them")
        return self.unpack(0, np.int64 if dtype is None else dtype)


class LogicRows:
    """A program of fixed shape from bits to bits, over packed rows."""

    def __init__(self, module: Module, cpu: Cpu | None = None, cache: bool = True) -> None:
        """Raise `NotLogic` for other programs."""
        chosen = cpu or host()
        self.kernel = LogicKernel(module, chosen, cache, grouped=True)
        self.lanes = lanes_of(self.kernel.lanes, chosen, cache)
        self.taken = self.kernel.taken
        self.made = self.kernel.made

    def execute(self, inputs: int, outputs: int, vectors: int, first: int, end: int) -> None:
        """Run on vectors `first..end`."""
        self.kernel.call(inputs, outputs, vectors, first, end)


class BatchKernel:
    """An automaton on bits over many sequences at once, in time-major bit planes."""

    def __init__(self, machine: Machine, cpu: Cpu | None = None, cache: bool = True) -> None:
        self.machine = machine
        self.cpu = chosen = cpu or host()
        self.lanes = widest(chosen)
        self.yields = [k for kind, k in machine.results if kind == "yield"]
        self.planes = widths(machine.states)
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)
        text = batch_kernel(machine, self.yields, self.lanes)
        store = ObjectCache.standard() if cache else None
        address, library = linked(code_of(text, chosen, 2, False, store), "run")
        self.call: Any = signature(address)
        self.library = library

    def run(self, inputs: int, outputs: int, states: int, steps: int, vectors: int) -> None:
        """Run on planes at aligned addresses; see `batch_kernel` for their order."""
        self.call(inputs, outputs, states, steps, vectors)


class AutomatonRows:
    """An automaton on bits over packed sequences of one length."""

    def __init__(self, kernel: BatchKernel, lanes: Lanes, steps: int) -> None:
        self.kernel = kernel
        self.lanes = lanes
        self.steps = steps
        self.taken = [steps] * len(kernel.machine.inputs)
        self.made = [steps] * len(kernel.yields)

    def execute(self, inputs: int, outputs: int, vectors: int, first: int, end: int) -> Bytes:
        """Run on all vectors; return the last states' planes [vectors, planes, bytes]."""
        width = self.lanes.lanes // 8
        states = aligned(vectors * self.kernel.planes * width)
        self.kernel.run(inputs, outputs, states.ctypes.data, self.steps, vectors)
        return states.reshape(vectors, self.kernel.planes, width)

    def finals(self, planes: Bytes, parts: Sequence[Part], rows: int) -> list[NDArray[np.int64]]:
        """Return the program's last states of every row, one array for each of its states."""
        numbers = np.empty(rows, dtype=np.uint8)
        bits = np.unpackbits(planes, axis=2, bitorder="little")
        codes = np.zeros((len(planes), self.lanes.lanes), dtype=np.uint8)
        for k in range(self.kernel.planes):
            codes |= bits[:, k] << np.uint8(k)
        for part in parts:
            starts = self.lanes.starts(part.rows, 1)
            for r in range(part.depth):
                numbers[part.first + starts + r] = codes[part.start + r]
        states = np.array(self.kernel.machine.states, dtype=np.int64).reshape(
            len(self.kernel.machine.states), -1
        )
        return [states[numbers, k] for k in range(states.shape[1])]


def is_binary(machine: Machine) -> bool:
    """Tell whether all inputs and yields of an automaton are bits."""
    symbols = all(values == (0, 1) for _, values in machine.inputs)
    yields = {k for kind, k in machine.results if kind == "yield"}
    return symbols and all(v in (0, 1) for k in yields for row in machine.outputs[k] for v in row)


def pack(
    kernel: LogicRows | AutomatonRows, arrays: Sequence[Bytes], parts: Sequence[Part]
) -> PackedRows:
    """Pack arrays of rows [rows, width], which hold zeros and ones."""
    packed = PackedRows(kernel.lanes, parts, kernel.taken)
    for group, array in enumerate(arrays):
        for part in parts:
            block = array[part.first : part.first + part.rows]
            kernel.lanes.pack(block, packed.place(group, part))
    return packed


def run_packed(
    kernel: LogicRows | AutomatonRows, given: PackedRows, threads: int = 1
) -> tuple[PackedRows, Bytes | None]:
    """Return the packed results, and the last states of automata."""
    made = PackedRows(kernel.lanes, given.parts, kernel.made)
    places = (given.buffer.ctypes.data, made.buffer.ctypes.data, given.vectors)
    if threads == 1 or isinstance(kernel, AutomatonRows):
        return made, kernel.execute(*places, 0, given.vectors)
    cuts = [given.vectors * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(kernel.execute, *places, a, b) for a, b in zip(cuts, cuts[1:])]
        for job in jobs:
            job.result()
    return made, None


__all__ = [
    "AutomatonRows",
    "BatchKernel",
    "LogicRows",
    "PackedRows",
    "Part",
    "is_binary",
    "pack",
    "parts_of",
    "run_packed",
]
