"""Step bit grids many times in packed layouts, converted once before and once after.

The kernels are in `ddc.backends.llvm.packed`. What they need of a shape is checked here; a grid
that is too small for them is stepped byte by byte.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.llvm import packed
from ddc.backends.llvm.bits import cone
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.llvm.packed import BLOCK, Packed
from ddc.backends.lowering.stencil import Stencil
from ddc.ir.equivalence.gates import Gates

from .cache import ObjectCache
from .jit import code_of, linked

Progress = Callable[[int, int], None]

LARGEST_PASS = 12  # steps of one pass over a row
REGISTERS = {512: 32, 256: 16, 128: 16, 64: 12}
ROWS_AT_ONCE = {512: 8, 256: 2, 128: 1, 64: 1}
NEAR_CACHE = 1 << 20  # bytes that stay close to a core
FAR_CACHE = 24 << 20  # bytes; beyond this several steps are made per pass over memory
TILED_STEPS = 4
FEWEST_ROWS = 4  # of a segment: with fewer, its ghosts are most of the work
STEP_TILE = 256  # columns at a time, so that the rows around stay in the first cache
SIMPLE_RULE = 24  # gates; a pass of many steps with more would not keep them in registers


def widest(cpu: Cpu) -> int:
    """Return how many bits the vectors of a processor have."""
    features = cpu.features.split(",")
    if "+avx512f" in features or cpu.name in ("x86-64-v4", "skylake-avx512"):
        return 512
    return 256 if "+avx2" in features or cpu.name in ("x86-64-v3", "haswell") else 128


@dataclass(frozen=True)
class Layout:
    """How a shape lies in lanes: rows of a segment, columns, ghosts, the stride of rows."""

    lanes: int
    rows: int
    columns: int
    ghost: int
    stride: int
    steps: int  # of a whole pass
    tile: int = 0

    @property
    def bytes(self) -> int:
        """The size of one buffer."""
        vectors = (self.rows + 2 * self.ghost) * self.stride
        return (vectors + 1) * self.lanes // 8


def layout_of(stencil: Stencil, shape: Sequence[int], width: int) -> Layout | None:
    """Return the layout for a shape, None where the shape is too small for one."""
    if len(shape) not in (1, 2):
        return None
    lanes = width
    while lanes >= 64:
        found = _layout(stencil, shape, lanes)
        if found is not None:
            return found
        lanes //= 2
    return None


def _layout(stencil: Stencil, shape: Sequence[int], lanes: int) -> Layout | None:
    rows = math.ceil(shape[0] / lanes)
    if len(shape) == 1:
        steps = pass_steps(stencil, lanes)
        ghost = steps * max(1, stencil.radius[0])
        if rows < max(BLOCK, 2 * ghost + 1):
            return None
        return Layout(lanes, rows, 1, ghost, 1, steps)
    steps = tiled_steps(stencil, shape, rows)
    ghost = steps * max(1, *stencil.radius)
    if shape[1] < max(BLOCK, ghost) or rows < max(FEWEST_ROWS, ghost + 1):
        return None
    stride = (shape[1] + 2 * ghost) | 1  # an odd number of cache lines: rows share no set
    vector = lanes // 8
    fitting = NEAR_CACHE * 3 // 4 // (2 * vector * (rows + 2 * ghost)) - 2 * ghost
    tile = max(32, min(256, fitting)) if steps > 1 else STEP_TILE
    return Layout(lanes, rows, shape[1], ghost, stride, steps, tile)


def pass_steps(stencil: Stencil, lanes: int) -> int:
    """Return how many steps of a row are made in one pass: as many as registers hold."""
    reach = stencil.radius[0]
    if reach == 0 or stencil.borders[0] != "wrap":
        return 1  # cells beyond a fixed border would have to be set again after every step
    gates = Gates()
    signals = {o: gates.variable(k) for k, o in enumerate(stencil.offsets)}
    size = len(cone(gates, [stencil.output(gates, signals)]))
    if size > SIMPLE_RULE:
        return 2
    return max(1, min(LARGEST_PASS, (REGISTERS[lanes] - 6) // (2 * reach)))


def tiled_steps(stencil: Stencil, shape: Sequence[int], rows: int) -> int:
    """Return how many steps of a grid are made per pass over memory."""
    small = shape[0] * shape[1] // 4 <= FAR_CACHE
    wraps = all(border == "wrap" for border in stencil.borders)
    if small or not wraps or rows < 4 * TILED_STEPS * max(stencil.radius):
        return 1
    return TILED_STEPS


class Kernels:
    """The compiled kernels of one rule and layout."""

    def __init__(self, stencil: Stencil, layout: Layout, cpu: Cpu, cache: bool) -> None:
        self.stencil = stencil
        self.layout = layout
        self.cpu = cpu
        self.store = ObjectCache.standard() if cache else None
        common = Packed(layout.lanes, 1)
        parts = [packed.conversions(common), packed.ghosts(common, stencil)]
        self.helpers = self._compile(parts, ("pack", "unpack", "ghosts"))
        self.several = self._steps(layout.steps)
        self.single = self.several if layout.steps == 1 else self._steps(1)

    def _steps(self, steps: int) -> Any:
        lanes = self.layout.lanes
        chosen = Packed(lanes, steps, ROWS_AT_ONCE[lanes])
        if len(self.stencil.borders) == 1:
            parts = [packed.pipeline(chosen, self.stencil, "advance")]
        else:
            width = self.layout.tile if steps > 1 else STEP_TILE
            parts = [
                packed.rows_at_once(chosen, self.stencil, "step"),
                packed.tiles(chosen, self.stencil, "advance", "step", width),
            ]
        return self._compile(parts, ("advance",))["advance"]

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
        "ghosts": (2, 4),
        "advance": (2, 2) if axes == 1 else (3, 5),
    }
    pointers, numbers = counts[name]
    return ctypes.CFUNCTYPE(None, *[pointer] * pointers, *[number] * numbers)


class PackedGrid:
    """A grid in lanes: packed once, stepped in place, unpacked once."""

    def __init__(self, kernels: Kernels, shape: Sequence[int]) -> None:
        self.kernels = kernels
        self.layout = layout = kernels.layout
        self.shape = tuple(shape)
        starts = np.arange(layout.lanes + 1, dtype=np.int64) * shape[0] // layout.lanes
        unit = 1 if len(shape) == 1 else shape[1]
        self.offsets = np.ascontiguousarray(starts[:-1] * unit)
        long = np.diff(starts) == layout.rows
        self.long = aligned(layout.lanes // 8)
        self.long[:] = np.packbits(long, bitorder="little")
        self.current = aligned(layout.bytes)
        self.spare: NDArray[np.uint8] | None = None
        self.scratch: list[NDArray[np.uint8]] = []

    def _first(self, buffer: NDArray[np.uint8]) -> int:
        """Return the address of the first cell."""
        layout = self.layout
        ahead = layout.ghost * layout.stride + (layout.ghost if len(self.shape) > 1 else 0)
        address: int = buffer.ctypes.data + ahead * layout.lanes // 8
        return address

    def _geometry(self) -> tuple[int, int, int, int]:
        layout = self.layout
        if len(self.shape) == 1:
            return 1, layout.rows, 0, 0
        return layout.rows, layout.columns, layout.columns, layout.stride

    def pack(self, cells: NDArray[np.uint8]) -> None:
        """Read the cells, a contiguous array of zeros and ones."""
        pack = self.kernels.helpers["pack"]
        place = self._first(self.current)
        pack(cells.ctypes.data, self.offsets.ctypes.data, place, *self._geometry())

    def unpack(self, cells: NDArray[np.uint8]) -> None:
        """Write the cells to a contiguous array."""
        unpack = self.kernels.helpers["unpack"]
        place = self._first(self.current)
        unpack(cells.ctypes.data, self.offsets.ctypes.data, place, *self._geometry())

    def advance(
        self,
        count: int,
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        """Make `count` steps."""
        done = 0
        while done < count:
            whole = count - done >= self.layout.steps
            steps = self.layout.steps if whole else 1
            self._pass(self.kernels.several if whole else self.kernels.single, steps, pool, threads)
            done += steps
            if progress is not None:
                progress(done, count)

    def _pass(
        self, function: Any, steps: int, pool: ThreadPoolExecutor | None, threads: int
    ) -> None:
        layout = self.layout
        ghost = steps * max(1, *self.kernels.stencil.radius)
        self.kernels.helpers["ghosts"](
            self._first(self.current),
            self.long.ctypes.data,
            layout.rows,
            layout.columns,
            layout.stride,
            ghost,
        )
        if len(self.shape) == 1 and threads == 1:
            place = self._first(self.current)
            function(place, place, 0, layout.rows)
            return
        if self.spare is None:
            self.spare = aligned(layout.bytes)
        if len(self.shape) == 1:
            self._rows(function, pool, threads)
        else:
            self._tiles(function, steps, pool, threads)
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
        while len(self.scratch) < threads:
            reach = max(1, *self.kernels.stencil.radius)
            ghost = layout.steps * reach
            vectors = 2 * (layout.rows + 2 * ghost) * (layout.tile + 2 * ghost)
            self.scratch.append(aligned(vectors * layout.lanes // 8 if layout.steps > 1 else 64))
        cuts = [count * k // threads for k in range(threads + 1)]
        source, target = self._first(self.current), self._first(self.spare)
        jobs = [
            (source, target, scratch.ctypes.data, layout.rows, layout.columns, layout.stride, a, b)
            for scratch, a, b in zip(self.scratch, cuts, cuts[1:])
        ]
        _run(function, jobs, pool)


def _run(function: Any, jobs: Sequence[tuple[int, ...]], pool: ThreadPoolExecutor | None) -> None:
    """Call a kernel for every job; the calls release the interpreter's lock."""
    if pool is None or len(jobs) == 1:
        for job in jobs:
            function(*job)
        return
    for future in [pool.submit(function, *job) for job in jobs]:
        future.result()


def aligned(size: int) -> NDArray[np.uint8]:
    """Return uninitialised memory that begins at a cache line."""
    raw = np.empty(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


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
    """Return the cells after `count` steps, None where the shape has no packed layout."""
    chosen = cpu or host()
    layout = layout_of(stencil, cells.shape, widest(chosen))
    if layout is None:
        return None
    kernels = kernels_of(stencil, layout, chosen, cache)
    grid = PackedGrid(kernels, cells.shape)
    grid.pack(np.ascontiguousarray(cells))
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            grid.advance(count, pool, threads, progress)
    else:
        grid.advance(count, progress=progress)
    result = np.empty(cells.shape, dtype=np.uint8) if out is None else out
    grid.unpack(result)
    return result


_KERNELS: dict[tuple[Any, ...], Kernels] = {}


def kernels_of(stencil: Stencil, layout: Layout, cpu: Cpu, cache: bool = True) -> Kernels:
    """Return compiled kernels; those of the last few rules and layouts are kept."""
    tile = (layout.lanes, layout.steps, layout.tile, layout.rows, layout.stride)
    key = (stencil, cpu, *tile)
    if key not in _KERNELS:
        if len(_KERNELS) >= 32:
            _KERNELS.pop(next(iter(_KERNELS)))
        _KERNELS[key] = Kernels(stencil, layout, cpu, cache)
    return _KERNELS[key]
