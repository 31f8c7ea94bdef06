"""Batches: one program over many rows or sequences, block by block, on the kernel that fits.

A block is checked, converted, computed and written while it is in the caches; blocks are shared out
among threads. `native.Runner` chooses the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Param, Real, dims, element, shape_of

from .binding import Binding
from .lanes import Lanes, element_of
from .packing import AutomatonRows, LogicRows, numbers, partition
from .rows import SingleKernel
from .scratch import Scratch
from .sequence import SequenceKernel
from .streams import Stream
from .threads import shared
from .values import entries

Progress = Callable[[int, int], None]
Arrays = Sequence[NDArray[Any]]
Block = tuple[int, int]  # first row, number of rows

FEW = 64  # rows at least in a block
NEAR = 1 << 21  # bytes of a block that is converted and computed at once
FAR = 1 << 25  # bytes that one native call runs through, block by block
PIECE = 1 << 20  # entries of a sequence that are run through at once
WORTH = 1 << 16  # bytes of inputs from which checks in native code are worth their compilation


class Engine(Protocol):
    """One way to run a batch; `blocks` may overlap, `block` returns the results of one.

    Results may lie in the scratch memory's arrays; `scratch.target` gives where they are wanted.
    """

    def blocks(self, rows: int) -> list[Block]:
        """Return blocks that cover all rows."""
        ...

    def block(self, inputs: Arrays, first: int, rows: int, scratch: Scratch) -> Arrays:
        """Return the results of rows; they may lie in `scratch`. Raises `DdcError`."""
        ...


def run(
    engine: Engine,
    inputs: Arrays,
    outputs: Arrays,
    rows: int,
    threads: int = 1,
    progress: Progress | None = None,
) -> None:
    """Run all blocks; the results are written to `outputs`, rows first.

    Inputs have the rows as first axis too. Raises the first `DdcError` of a block.
    """
    blocks = engine.blocks(rows)

    threads = 1 if len(blocks) == 1 else threads

    def work(number: int, stop: Event) -> None:
        scratch = Scratch()
        for first, count in blocks[number::threads]:
            if stop.is_set():
                return
            scratch.targets = [out[first : first + count] for out in outputs]
            made = engine.block([a[first : first + count] for a in inputs], first, count, scratch)
            for target, part in zip(scratch.targets, made):
                if not np.may_share_memory(target, part):
                    target[...] = part.reshape(target.shape)
            if progress is not None and number == 0:
                progress(min(rows, first + count), rows)

    shared(threads, work)


def even_blocks(rows: int, row_bytes: int, least: int = FEW, size: int = NEAR) -> list[Block]:
    """Return blocks of about some bytes."""
    size = max(least, size // max(1, row_bytes))
    return [(first, min(size, rows - first)) for first in range(0, rows, size)]


class PackedEngine:
    """Logic over rows of bits, or an automaton over sequences of bits, in packed vectors."""

    def __init__(self, kernel: LogicRows | AutomatonRows, params: Sequence[Param]) -> None:
        self.kernel = kernel
        self.params = params
        self.results: Sequence[tuple[str, int]] = [("yield", k) for k in range(len(kernel.made))]
        self.yields: Sequence[int] = range(len(kernel.made))
        if isinstance(kernel, AutomatonRows):
            self.results, self.yields = kernel.kernel.machine.results, kernel.kernel.yields

    def takes(self, rows: int) -> bool:
        """Tell whether a batch is large enough."""
        return partition(self.kernel, rows) is not None

    def blocks(self, rows: int) -> list[Block]:
        """Return runs of whole blocks, the last of which has the rest too."""
        blocks = partition(self.kernel, rows)
        assert blocks is not None
        size = max(1, FAR // max(1, blocks.size * sum(self.kernel.taken))) * blocks.size
        cuts = [k * size for k in range(max(1, rows // size))]
        return [(a, b - a) for a, b in zip(cuts, [*cuts[1:], rows])]

    def block(self, inputs: Arrays, first: int, rows: int, scratch: Scratch) -> Arrays:
        """Return the results of rows that are packed, run and unpacked, block by block."""
        kernel, lanes, blocks = self.kernel, self.kernel.lanes, partition(self.kernel, rows)
        assert blocks is not None
        vector = blocks.depth * lanes.bytes
        given = [
            numbers(param, array, width, first)
            for param, array, width in zip(self.params, inputs, kernel.taken)
        ]
        made = [self._target(k, rows, width, scratch) for k, width in enumerate(kernel.made)]
        packed = scratch.get("inputs", (vector * sum(kernel.taken),))
        unpacked = scratch.get("outputs", (vector * max(1, sum(kernel.made)),))
        room = lanes.room(blocks.depth * max(*kernel.taken, *kernel.made, 1))
        work, states, step = scratch.get("work", (room,)), packed, 0
        if isinstance(kernel, AutomatonRows):
            states = kernel.states(blocks.count * blocks.depth)
            step = vector * kernel.kernel.planes
        fields = [
            (array.ctypes.data, array.shape[1], array.dtype.itemsize, _conversion(lanes, array, k))
            for k, arrays in enumerate((given, made))
            for array in arrays
        ]
        table = np.array(fields, dtype=np.int64)
        bad = lanes.batch(
            table.ctypes.data, kernel.address, packed.ctypes.data, unpacked.ctypes.data,
            work.ctypes.data, states.ctypes.data, len(given), len(made), rows, blocks.depth,
            lanes.bytes, step, 0, blocks.count,
        )  # fmt: skip
        if bad:
            for param, array in zip(self.params, inputs):
                entries(param, array, "bit", first=first)  # it says which entry is none
            raise DdcError("an input has changed while it was read")
        last = kernel.numbers(states, blocks) if isinstance(kernel, AutomatonRows) else packed
        return self.ordered(made, last, scratch.targets)

    def _target(self, k: int, rows: int, width: int, scratch: Scratch) -> NDArray[Any]:
        """Return where the k-th array of bits goes: where it is wanted, if it can be written there."""
        number = self.results.index(("yield", self.yields[k]))
        if number < len(scratch.targets):
            wanted = scratch.targets[number]
            if element_of(wanted.dtype) is not None and wanted.flags.c_contiguous:
                return wanted.reshape(rows, width)
        return scratch.get(("made", k), (rows, width))

    def ordered(
        self, yields: Arrays, last: NDArray[np.uint8], wanted: Arrays = ()
    ) -> list[NDArray[Any]]:
        """Return a program's results in order: arrays of bits, and states by their numbers."""
        places = {k: n for n, k in enumerate(self.yields)}
        found: list[NDArray[Any]] = []
        for n, (kind, k) in enumerate(self.results):
            if kind == "yield":
                found.append(yields[places[k]])
                continue
            assert isinstance(self.kernel, AutomatonRows)
            found.append(self.kernel.final(k, last, wanted[n] if n < len(wanted) else None))
        return found


def _conversion(lanes: Lanes, array: NDArray[Any], direction: int) -> int:
    element = element_of(array.dtype)
    assert element is not None
    return lanes.places(element)[direction]


class SingleEngine:
    """Rules on thresholds, or one curve, over rows of singles."""

    def __init__(self, kernel: SingleKernel) -> None:
        self.kernel = kernel
        self.width = 4 * math.prod(kernel.shape)
        scalar = element(kernel.param.type)
        self.bounded = isinstance(scalar, Real) and (scalar.low, scalar.high) != (None, None)

    def blocks(self, rows: int) -> list[Block]:
        """Return blocks that the caches hold."""
        return even_blocks(rows, self.width)

    def block(self, inputs: Arrays, first: int, rows: int, scratch: Scratch) -> Arrays:
        """Return the results of rows."""
        param, given = self.kernel.param, inputs[0]
        ready = given.dtype == np.float32 and given.flags.c_contiguous
        if not ready or self.bounded:
            given = entries(param, given, "f64", single=True, first=first)
        out = scratch.target(0, (rows,), self.kernel.result)
        if not self.kernel.into(given, out):
            entries(param, given, "f64", single=True, first=first)  # it says where
        return [out]


class ColumnsEngine:
    """A program of fixed shape as a function of columns, which the compiler has vectorised."""

    def __init__(self, binding: Binding, params: Sequence[Param]) -> None:
        """`params` are the program's own, of one row."""
        self.binding = binding
        self.params = params
        self.width = sum(8 * math.prod(shape_of(p.type)) for p in params)
        self.stream = Stream(binding, self.params) if Stream.fits(binding) else None

    def blocks(self, rows: int) -> list[Block]:
        """Return blocks that the caches hold, or that the native loop cuts into such."""
        return even_blocks(rows, self.width, size=NEAR if self.stream is None else FAR)

    def block(self, inputs: Arrays, first: int, rows: int, scratch: Scratch) -> Arrays:
        """Return the results of rows."""
        kinds = self.binding.outputs
        sizes = dict.fromkeys(self.binding.kernel.sizes, rows)
        stream = self.stream if rows * self.width >= WORTH else None
        if stream is None:
            given = checked(self.binding, self.params, inputs, first)
            made = [scratch.target(k, (rows,), dtype) for k, dtype in enumerate(kinds)]
            self.binding.run(sizes, given, made)
            return made
        wanted = scratch.targets
        made = [
            (
                wanted[k]
                if k < len(wanted) and stream.gives(wanted[k])
                else scratch.get(("target", k), (rows,), dtype)
            )
            for k, dtype in enumerate(kinds)
        ]
        if self.binding.run_looking(sizes, inputs, made):
            return made
        ready = stream.ready(inputs, first)
        if not stream.run(ready, made, sizes, 0, rows, scratch):
            ready = [stream.looked_at(k, array, first) for k, array in enumerate(ready)]
            stream.run(ready, made, sizes, 0, rows, scratch)
        return made


class RowsEngine:
    """Any native program, called row after row by native code."""

    def __init__(
        self, binding: Binding, sizes: Mapping[str, int], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        self.binding = binding
        self.sizes = sizes
        self.shapes = shapes
        params = binding.function.params
        lengths = [math.prod(int(d.evaluate(dict(sizes))) for d in dims(p.type)) for p in params]
        self.width = sum(8 * n for n in lengths)

    def blocks(self, rows: int) -> list[Block]:
        """Return blocks that the caches hold."""
        return even_blocks(rows, self.width, least=1)

    def block(self, inputs: Arrays, first: int, rows: int, scratch: Scratch) -> Arrays:
        """Return the results of rows."""
        given = checked(self.binding, self.binding.function.params, inputs, first)
        made = [
            scratch.target(k, (rows, *shape), dtype)
            for k, (shape, dtype) in enumerate(zip(self.shapes, self.binding.outputs))
        ]
        self.binding.rows(rows, self.sizes, given, made)
        return made


class SequenceEngine:
    """An automaton of few states over few long sequences, one after the other."""

    def __init__(self, kernel: SequenceKernel, params: Sequence[Param]) -> None:
        self.kernel = kernel
        self.params = params

    def blocks(self, rows: int) -> list[Block]:
        """Return one block for each sequence."""
        return [(row, 1) for row in range(rows)]

    def block(self, inputs: Arrays, first: int, rows: int, scratch: Scratch) -> Arrays:
        """Return the results of one sequence, which is run through piece by piece."""
        kernel, length = self.kernel, inputs[0].shape[1]
        places = [kernel.machine.results.index(("yield", k)) for k in kernel.yields]
        wanted = [
            (
                scratch.targets[n][0]
                if n < len(scratch.targets)
                else np.empty(length, np.uint8 if plain else values.dtype)
            )
            for n, plain, values in zip(places, kernel.plain, kernel.values)
        ]
        state = 0
        for start in range(0, length, PIECE):
            stop = min(length, start + PIECE)
            try:
                digits = self._digits([a[:, start:stop] for a in inputs], first)
            except DdcError:
                self._digits(inputs, first)  # it says where in the sequence
                raise
            made = [
                (
                    out[start:stop]
                    if plain and out.dtype == np.uint8 and out.flags.c_contiguous
                    else scratch.get(("yield", k), (stop - start,))
                )
                for k, (out, plain) in enumerate(zip(wanted, kernel.plain))
            ]
            state = kernel.run(digits, made, state)
            for out, found, plain, values in zip(wanted, made, kernel.plain, kernel.values):
                if not np.may_share_memory(out, found):
                    out[start:stop] = found if plain else values[found]
        last, yields = kernel.machine.states[state], dict(zip(kernel.yields, wanted))
        return [
            np.asarray(yields[k] if kind == "yield" else last[k])[None]
            for kind, k in kernel.machine.results
        ]

    def _digits(self, inputs: Arrays, first: int) -> list[NDArray[np.uint8]]:
        """Return the places of one sequence's entries in the alphabets."""
        digits: list[NDArray[np.uint8]] = []
        for param, array, (_, values) in zip(self.params, inputs, self.kernel.machine.inputs):
            given = entries(param, array, "i64" if min(values) < 0 else "bit", first=first)[0]
            if values != tuple(range(len(values))):
                given = np.searchsorted(np.array(values), given)
            digits.append(np.ascontiguousarray(given, dtype=np.uint8))
        return digits


def bits_of(param: Param, array: NDArray[Any], first: int) -> NDArray[np.uint8]:
    """Return bits as bytes; bytes are not looked at, as packing does that."""
    if array.dtype.itemsize == 1 and array.dtype.kind in "bui":
        return np.ascontiguousarray(array).view(np.uint8)
    return entries(param, array, "bit", first=first)


def checked(binding: Binding, params: Sequence[Param], inputs: Arrays, first: int) -> Arrays:
    """Return inputs as stored entries, after a look at their values."""
    return [
        entries(param, array, parameter.type, binding.single, first)
        for param, array, parameter in zip(params, inputs, binding.kernel.inputs)
    ]
