"""Batches of bits, packed: rows of logic and sequences of automata, hundreds in every vector.

`PackedRows` is a batch that stays packed between calls; a kernel here runs on its vectors, or packs
and unpacks block by block inside the caches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm.automata import batch_kernel
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.lowering.machine import Machine, widths
from ddc.ir import Module, Param

from .cache import ObjectCache
from .grid import aligned, widest
from .jit import code_of, linked
from .lanes import Blocks, Lanes, blocks_of, element_of, lanes_of
from .rows import LogicKernel
from .values import entries

Bytes = NDArray[np.uint8]


class PackedRows:
    """A batch in lanes, `groups` of columns for each array; arrays come out by `unpack`."""

    def __init__(self, lanes: Lanes, blocks: Blocks, groups: Sequence[int]) -> None:
        self.lanes = lanes
        self.blocks = blocks
        self.groups = list(groups)
        self.vectors = blocks.count * blocks.depth
        self.rows = blocks.rows
        self.shapes: list[tuple[int, ...]] = [(n,) for n in groups]
        self.sizes: dict[str, int] = {}
        self.buffer = aligned(self.vectors * sum(groups) * lanes.bytes)

    def __len__(self) -> int:
        return self.rows

    def place(self, group: int, block: int) -> int:
        """Return the address of a block of one array."""
        before = self.vectors * sum(self.groups[:group])
        before += block * self.blocks.depth * self.groups[group]
        address: int = self.buffer.ctypes.data
        return address + before * self.lanes.bytes

    def unpack(self, group: int = 0, dtype: Any = np.uint8) -> NDArray[Any]:
        """Return an array of the batch: rows first."""
        width, blocks = self.groups[group], self.blocks
        kind = np.dtype(dtype)
        out = np.empty((self.rows, width), kind if element_of(kind) else np.dtype(np.uint8))
        work = aligned(self.lanes.room(blocks.depth * width))
        for number in range(blocks.count):
            first = blocks.first(number)
            part = out[first : first + blocks.size]
            self.lanes.unpack(self.place(group, number), part, work.ctypes.data)
        return out.reshape(self.rows, *self.shapes[group]).astype(kind, copy=False)

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
        self.address = self.kernel.address

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
        self.address, library = linked(code_of(text, chosen, 2, False, store), "run")
        self.call: Any = signature(self.address)
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
        self.address = kernel.address

    def execute(self, inputs: int, outputs: int, vectors: int, first: int, end: int) -> Bytes:
        """Run on all vectors; return the last states' planes."""
        states = self.states(vectors)
        self.kernel.run(inputs, outputs, states.ctypes.data, self.steps, vectors)
        return states

    def states(self, vectors: int) -> Bytes:
        """Return memory for the planes of the last states."""
        return aligned(vectors * self.kernel.planes * self.lanes.bytes)

    def numbers(self, planes: Bytes, blocks: Blocks) -> Bytes:
        """Return the number of the last state of every row."""
        shaped = planes.reshape(-1, self.kernel.planes, self.lanes.bytes)
        codes = self.lanes.ordered(np.ascontiguousarray(shaped[:, 0]), blocks.depth)
        for k in range(1, self.kernel.planes):
            more = self.lanes.ordered(np.ascontiguousarray(shaped[:, k]), blocks.depth)
            codes |= more << np.uint8(k)
        whole = blocks.rows // blocks.size
        if whole == blocks.count:
            return codes.reshape(-1)
        numbers = np.empty(blocks.rows, dtype=np.uint8)
        numbers[: whole * blocks.size] = codes[:whole].reshape(-1)
        numbers[blocks.first(whole) :] = codes[whole]
        return numbers

    def final(self, k: int, numbers: Bytes, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the k-th state of states by number; where `out` is given, it is written there."""
        kind = np.dtype(np.int64) if out is None else out.dtype
        values = np.array([state[k] for state in self.kernel.machine.states], dtype=kind)
        return np.take(values, numbers, out=out, mode="clip")


def is_binary(machine: Machine) -> bool:
    """Tell whether all inputs and yields of an automaton are bits."""
    symbols = all(values == (0, 1) for _, values in machine.inputs)
    yields = {k for kind, k in machine.results if kind == "yield"}
    return symbols and all(v in (0, 1) for k in yields for row in machine.outputs[k] for v in row)


def partition(kernel: LogicRows | AutomatonRows, rows: int) -> Blocks | None:
    """Return blocks for rows of a kernel, None for batches that are too small to be packed."""
    return blocks_of(kernel.lanes.lanes, rows, [*kernel.taken, *kernel.made], sum(kernel.taken))


def numbers(param: Param, array: NDArray[Any], width: int, first: int = 0) -> NDArray[Any]:
    """Return contiguous rows [rows, width] of numbers that the kernels convert and check.

    Raises `DdcError` for bad values of other dtypes.
    """
    known = array if element_of(array.dtype) else entries(param, array, "bit", first=first)
    return np.ascontiguousarray(known).reshape(len(array), width)


def pack(
    kernel: LogicRows | AutomatonRows,
    params: Sequence[Param],
    arrays: Sequence[NDArray[Any]],
    blocks: Blocks,
) -> PackedRows:
    """Pack arrays of rows; raises `DdcError` for values other than 0 and 1."""
    packed = PackedRows(kernel.lanes, blocks, kernel.taken)
    work = aligned(kernel.lanes.room(blocks.depth * max(kernel.taken)))
    for group, (param, array, width) in enumerate(zip(params, arrays, kernel.taken)):
        for number in range(blocks.count):
            first = blocks.first(number)
            part = array[first : first + blocks.size]
            given = numbers(param, part, width, first)
            if not kernel.lanes.pack(given, packed.place(group, number), work.ctypes.data):
                entries(param, part, "bit", first=first)  # it says which entry is none
    return packed


def run_packed(
    kernel: LogicRows | AutomatonRows, given: PackedRows, threads: int = 1
) -> tuple[PackedRows, Bytes | None]:
    """Return the packed results, and the last states of automata."""
    made = PackedRows(kernel.lanes, given.blocks, kernel.made)
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
    "is_binary",
    "numbers",
    "pack",
    "partition",
    "run_packed",
]
