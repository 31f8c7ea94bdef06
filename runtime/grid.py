"""Step bit grids many times in packed layouts, converted once before and once after.

The kernels are in `ddc.backends.llvm.packed`. What they need of a shape is checked here; a grid
that is too small for them is stepped byte by byte.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm import packed
from ddc.backends.llvm.ghosts import driver, ends, fill, sides
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.llvm.packed import Packed
from ddc.backends.lowering.stencil import Stencil

from .cache import ObjectCache
from .ends import Ends, Rule
from .jit import code_of, linked
from .layouts import STEP_TILE, Layout, flattened, layout_of, longest_first, permuted, widest
from .scratch import aligned, roomy, spacious

Progress = Callable[[int, int], None]

CALL = 0.05  # seconds that one native call should take, so that Ctrl-C is heard
ROWS_AT_ONCE = {512: 8, 256: 2, 128: 1, 64: 1}


class Kernels:
    """The compiled kernels of one rule and layout."""

    def __init__(self, stencil: Stencil, layout: Layout, cpu: Cpu, cache: bool) -> None:
        self.stencil = stencil
        self.layout = layout
        self.cpu = cpu
        self.store = ObjectCache.standard() if cache else None
        one = len(stencil.borders) == 1
        self.ghosts = fill(layout.lanes, stencil.borders, None if one else stencil.radius[0])
        parts = [packed.conversions(Packed(layout.lanes, 1)), self.ghosts]
        self.helpers = self._compile(parts, ("pack", "unpack", "ghosts"))
        self.rule = flattened(stencil, layout.pitch) if layout.pitch else stencil
        self.several, self.run_several = self._steps(layout.steps)
        self.single, self.run_single = self.several, self.run_several
        if layout.steps > 1:
            self.single, self.run_single = self._steps(1)
        border, *others = stencil.borders
        ring = bool(others) or border == "wrap" or not stencil.radius[0]
        # Passes of one step use the borders' ghosts; those of several go around a ring.
        self.ends = None if ring or layout.steps == 1 else Rule.of(stencil)

    def _steps(self, steps: int) -> tuple[Any, Any]:
        """Return what makes some steps of a part of a grid, and what makes them of all, often."""
        lanes = self.layout.lanes
        chosen = Packed(lanes, steps, ROWS_AT_ONCE[lanes])
        if len(self.stencil.borders) == 1:
            parts = [packed.pipeline(chosen, self.rule, "advance")]
        else:
            width = self.layout.tile if steps > 1 else STEP_TILE
            parts = [
                packed.rows_at_once(chosen, self.rule, "step"),
                packed.tiles(chosen, self.rule, "advance", "step", width),
            ]
        if steps > 1 and len(self.stencil.borders) > 1:
            parts.append(ends(lanes, self.stencil.borders[0], self.stencil.radius[0]))
            parts.append(sides(lanes, self.stencil.borders[1]))
        parts += [self.ghosts, driver(len(self.stencil.borders))]
        made = self._compile(parts, ("advance", "run"))
        return made["advance"], made["run"]

    def _compile(self, parts: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
        text = packed.module(parts, self.layout.lanes)
        code = code_of(text, self.cpu, level=2, vectorise=False, cache=self.store)
        found: dict[str, Any] = {}
        for name in names:
            address, library = linked(code, name)
            function = _signature(name, len(self.stencil.borders))(address)
            function.library = library
            found[name] = function
        return found


def _signature(name: str, axes: int) -> Any:
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    counts = {
        "pack": (3, 4),
        "unpack": (3, 4),
        "ghosts": (2, 6),
        "advance": (2, 2) if axes == 1 else (4, 5),
        "run": (4, 9),
    }
    pointers, numbers = counts[name]
    result = ctypes.c_int if name == "pack" else None
    return ctypes.CFUNCTYPE(result, *[pointer] * pointers, *[number] * numbers)


class PackedGrid:
    """A grid in lanes: packed once, stepped in place, unpacked once."""

    def __init__(self, kernels: Kernels, shape: Sequence[int]) -> None:
        self.kernels = kernels
        self.layout = layout = kernels.layout
        self.shape = tuple(shape)
        starts = np.arange(layout.lanes + 1, dtype=np.int64) * shape[0] // layout.lanes
        unit = layout.spread or math.prod(shape[1:])
        self.offsets = np.ascontiguousarray(starts[:-1] * unit)
        long = np.diff(starts) == layout.rows
        self.long = aligned(layout.lanes // 8)
        self.long[:] = np.packbits(long, bitorder="little")
        self.current = roomy(layout.bytes)
        self.spare: NDArray[np.uint8] | None = None
        self.scratch: list[NDArray[np.uint8]] = []

    def _first(self, buffer: NDArray[np.uint8]) -> int:
        """Return the address of the first cell."""
        address: int = buffer.ctypes.data
        return address + self.layout.first * self.layout.lanes // 8

    def _geometry(self) -> tuple[int, int, int, int]:
        """Return rows, columns, and the distances of rows in bytes and in vectors."""
        layout = self.layout
        if len(self.shape) == 1:
            return 1, layout.rows, 0, 0
        columns = layout.spread or layout.columns
        return layout.rows, columns, columns, layout.stride

    def pack(self, cells: NDArray[np.uint8]) -> bool:
        """Read the cells, a contiguous array of bytes; return whether all were 0 or 1."""
        pack = self.kernels.helpers["pack"]
        place = self._first(self.current)
        given = cells
        if self.layout.spread:
            given = spacious((self.shape[0], self.layout.spread), np.dtype(np.uint8))
            given[...] = 0
            self._apart(given)[...] = cells
        bad = pack(given.ctypes.data, self.offsets.ctypes.data, place, *self._geometry())
        return not bad

    def unpack(self, cells: NDArray[np.uint8]) -> None:
        """Write the cells to a contiguous array."""
        unpack = self.kernels.helpers["unpack"]
        place = self._first(self.current)
        made = cells
        if self.layout.spread:
            made = spacious((self.shape[0], self.layout.spread), np.dtype(np.uint8))
        unpack(made.ctypes.data, self.offsets.ctypes.data, place, *self._geometry())
        if made is not cells:
            cells[...] = self._apart(made)

    def _apart(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the cells among rows of bytes that lie as in a row of vectors."""
        layout = self.layout
        if len(self.shape) == 2:
            return rows[:, : self.shape[1]]
        planes = rows.reshape(self.shape[0], layout.planes, layout.pitch)
        return planes[:, :, : layout.last]

    def advance(
        self,
        count: int,
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        """Make `count` steps."""
        alone = threads == 1 and self.kernels.ends is None
        done, many = 0, 1
        while done < count:
            whole = count - done >= self.layout.steps
            steps = self.layout.steps if whole else 1
            if not alone:
                function = self.kernels.several if whole else self.kernels.single
                self._pass(function, steps, pool, threads)
                done += steps
            else:
                start, passes = time.perf_counter(), min(many, (count - done) // steps)
                self._passes(steps, passes)
                done += steps * passes
                spent = max(time.perf_counter() - start, 1e-9)
                many = max(1, min(2 * passes, int(passes * CALL / spent)))
            if progress is not None:
                progress(done, count)

    def _passes(self, steps: int, passes: int) -> None:
        """Make passes over the whole grid in one native call."""
        layout = self.layout
        several = steps == layout.steps
        run = self.kernels.run_several if several else self.kernels.run_single
        width = layout.tile if steps > 1 else STEP_TILE
        tiles = math.ceil(layout.columns / width) if len(self.shape) > 1 else 0
        ghost = steps * max(1, *self.kernels.stencil.radius)
        self._prepare(1)
        spare: NDArray[np.uint8] = self.current if self.spare is None else self.spare
        scratch = self.scratch[0].ctypes.data if self.scratch else 0
        run(
            self._first(self.current), self._first(spare), scratch, self.long.ctypes.data,
            layout.rows, layout.last, layout.stride, ghost, layout.planes, layout.pitch,
            layout.columns, tiles, passes,
        )  # fmt: skip
        if passes % 2 and len(self.shape) > 1:
            self.spare, self.current = self.current, spare

    def _prepare(self, threads: int) -> None:
        """Make the second buffer, and the scratch memory of each thread."""
        layout = self.layout
        if len(self.shape) == 1 and threads == 1:
            return
        if self.spare is None:
            self.spare = roomy(layout.bytes)
        while len(self.scratch) < threads and len(self.shape) > 1:
            inner = (layout.tile + 2 * layout.ghost) | 1
            vectors = 2 * (layout.rows + 2 * layout.ghost) * inner
            self.scratch.append(aligned(vectors * layout.lanes // 8 if layout.steps > 1 else 64))

    def _pass(
        self, function: Any, steps: int, pool: ThreadPoolExecutor | None, threads: int
    ) -> None:
        layout = self.layout
        ghost = steps * max(1, *self.kernels.stencil.radius)
        self.kernels.helpers["ghosts"](
            self._first(self.current),
            self.long.ctypes.data,
            layout.rows,
            layout.last,
            layout.stride,
            ghost,
            layout.planes,
            layout.pitch,
        )
        rule = self.kernels.ends if steps > 1 else None
        if rule is None:
            self._move(function, steps, pool, threads)
            return
        border, radius = self.kernels.stencil.borders[0], self.kernels.stencil.radius[0]
        ends = Ends(rule, border, layout.ghost, layout.rows)
        later = ends.after(self._words(), steps, radius)
        self._move(function, steps, pool, threads)
        ends.put(self._words(), later)

    def _words(self) -> NDArray[np.uint64]:
        """Return the current vectors [vectors, words]."""
        width = self.layout.lanes // 64
        whole = self.current.size // (8 * width) * (8 * width)
        return self.current[:whole].view(np.uint64).reshape(-1, width)

    def _move(
        self, function: Any, steps: int, pool: ThreadPoolExecutor | None, threads: int
    ) -> None:
        layout = self.layout
        if len(self.shape) == 1 and threads == 1:
            place = self._first(self.current)
            function(place, place, 0, layout.rows)
            return
        self._prepare(threads)
        if len(self.shape) == 1:
            self._rows(function, pool, threads)
        else:
            self._tiles(function, steps, pool, threads)
        assert self.spare is not None
        self.current, self.spare = self.spare, self.current

    def _rows(self, function: Any, pool: ThreadPoolExecutor | None, threads: int) -> None:
        assert self.spare is not None
        source, target = self._first(self.current), self._first(self.spare)
        cuts = [self.layout.rows * k // threads for k in range(threads + 1)]
        jobs = [(source, target, a, b) for a, b in zip(cuts, cuts[1:])]
        _run(function, jobs, pool)

    def _tiles(
        self, function: Any, steps: int, pool: ThreadPoolExecutor | None, threads: int
    ) -> None:
        assert self.spare is not None
        layout = self.layout
        width = layout.tile if steps > 1 else STEP_TILE
        count = math.ceil(layout.columns / width)
        cuts = [count * k // threads for k in range(threads + 1)]
        source, target = self._first(self.current), self._first(self.spare)
        jobs = [
            (
                source, target, scratch.ctypes.data, self.long.ctypes.data,
                layout.rows, layout.columns, layout.stride, a, b,
            )
            for scratch, a, b in zip(self.scratch, cuts, cuts[1:])
        ]  # fmt: skip
        _run(function, jobs, pool)


def _run(function: Any, jobs: Sequence[tuple[int, ...]], pool: ThreadPoolExecutor | None) -> None:
    """Call a kernel for every job; the calls release the interpreter's lock."""
    if pool is None or len(jobs) == 1:
        for job in jobs:
            function(*job)
        return
    for future in [pool.submit(function, *job) for job in jobs]:
        future.result()


def packed_steps(
    stencil: Stencil,
    cells: NDArray[np.uint8],
    count: int,
    threads: int = 1,
    progress: Progress | None = None,
    cpu: Cpu | None = None,
    cache: bool = True,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8] | None:
    """Return the cells after `count` steps, None where the shape has no packed layout.

    Raises `NotBits` for bytes other than 0 and 1.
    """
    chosen = cpu or host()
    order = longest_first(stencil, cells.shape)
    rule, shape = permuted(stencil, order), tuple(cells.shape[k] for k in order)
    layout = layout_of(rule, shape, widest(chosen))
    if layout is None:
        return None
    grid = PackedGrid(kernels_of(rule, layout, chosen, cache), shape)
    given = cells.transpose(order)
    if not given.flags.c_contiguous:
        given = spacious(given.shape, given.dtype)
        given[...] = cells.transpose(order)
    if not grid.pack(given):
        raise NotBits
    del given
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            grid.advance(count, pool, threads, progress)
    else:
        grid.advance(count, progress=progress)
    result = spacious(cells.shape, np.dtype(np.uint8)) if out is None else out
    if order == tuple(range(len(order))):
        grid.unpack(result)
    else:
        turned = spacious(shape, np.dtype(np.uint8))
        grid.unpack(turned)
        result.transpose(order)[...] = turned
    return result


class NotBits(Exception):
    """A grid of bits holds something else."""


_KERNELS: dict[tuple[Any, ...], Kernels] = {}


def kernels_of(stencil: Stencil, layout: Layout, cpu: Cpu, cache: bool = True) -> Kernels:
    """Return compiled kernels; those of the last few rules and layouts are kept."""
    key = (stencil, cpu, layout)
    if key not in _KERNELS:
        if len(_KERNELS) >= 32:
            _KERNELS.pop(next(iter(_KERNELS)))
        _KERNELS[key] = Kernels(stencil, layout, cpu, cache)
    return _KERNELS[key]


__all__ = [
    "Kernels",
    "NotBits",
    "PackedGrid",
    "aligned",
    "kernels_of",
    "layout_of",
    "packed_steps",
    "widest",
]
