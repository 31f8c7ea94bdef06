"""How bit grids lie in lanes: which axis, how many lanes, how many steps in a pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ddc.backends.llvm.machine import Cpu
from ddc.backends.llvm.packed import BLOCK
from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.stencil import Stencil
from ddc.ir.equivalence.gates import Gates

LARGEST_PASS = 12  # steps of one pass over a row
REGISTERS = {512: 32, 256: 16, 128: 16, 64: 12}
NEAR_CACHE = 1 << 20  # bytes that stay close to a core
FAR_CACHE = 24 << 20  # bytes; beyond this a pass over memory is much slower
TILED_STEPS = (8, 4, 2)
FAR_STEPS = 4  # beyond the far cache, however few columns a tile has
WIDE_TILE = 16  # columns of a tile for each that is made twice at one of its edges
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
    """How a shape lies in lanes: rows of a segment, columns, ghosts, the stride of rows.

    Of three axes the inner two are one row of vectors: `planes` of `pitch` vectors each, of which
    `last` are cells; the kernel runs over all `columns` of them. `spread` is the bytes from row to
    row of cells that are copied apart for that, 0 where the cells lie close together already.
    """

    lanes: int
    rows: int
    columns: int
    ghost: int
    stride: int
    steps: int  # of a whole pass
    tile: int = 0
    planes: int = 1
    pitch: int = 0
    last: int = 1
    spread: int = 0

    @property
    def bytes(self) -> int:
        """The size of one buffer."""
        vectors = (self.rows + 2 * self.ghost) * self.stride
        return (vectors + 1) * self.lanes // 8

    @property
    def first(self) -> int:
        """The vector of the first cell."""
        inner = self.ghost * self.pitch if self.pitch else 0
        return self.ghost * self.stride + inner + (self.ghost if self.stride > 1 else 0)


def layout_of(stencil: Stencil, shape: Sequence[int], width: int) -> Layout | None:
    """Return the layout for a shape, None where the shape is too small for one."""
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
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
    uneven = int(shape[0] % lanes != 0)
    steps = tiled_steps(stencil, shape, lanes) if len(shape) == 2 else 1
    ghost = steps * max(1, *stencil.radius)
    if rows < ghost + uneven or shape[0] < lanes or min(shape[1:]) < ghost:
        return None
    if len(shape) == 3:
        planes, last = shape[1:]
        pitch = last + 2 * ghost
        stride = ((planes + 2 * ghost) * pitch) | 1
        columns, spread = (planes - 1) * pitch + last, planes * pitch
        if spread < BLOCK:
            return None
        return Layout(
            lanes, rows, columns, ghost, stride, 1, STEP_TILE, planes, pitch, last, spread
        )
    wide = max(shape[1], BLOCK)
    stride = (wide + 2 * ghost) | 1  # an odd number of cache lines: rows share no set
    tile = max(32, min(256, _fitting(stencil, rows, lanes))) if steps > 1 else STEP_TILE
    found = Layout(lanes, rows, shape[1], ghost, stride, steps, tile, last=shape[1])
    return found if wide == shape[1] else replace(found, spread=wide)


def pass_steps(stencil: Stencil, lanes: int) -> int:
    """Return how many steps of a row are made in one pass: as many as registers hold."""
    reach = stencil.radius[0]
    if reach == 0:
        return 1
    gates = Gates()
    signals = {o: gates.variable(k) for k, o in enumerate(stencil.offsets)}
    size = len(cone(gates, [stencil.output(gates, signals)]))
    if size > SIMPLE_RULE:
        return 2
    return max(1, min(LARGEST_PASS, (REGISTERS[lanes] - 6) // (2 * reach)))


def tiled_steps(stencil: Stencil, shape: Sequence[int], lanes: int) -> int:
    """Return how many steps of a grid are made per pass over memory."""
    rows, buffers = math.ceil(shape[0] / lanes), shape[0] * shape[1] // 4
    if buffers <= NEAR_CACHE:
        return 1
    reach, wide = max(1, *stencil.radius), _fitting(stencil, rows, lanes)
    for steps in TILED_STEPS:
        few = WIDE_TILE * steps * reach <= wide or (steps <= FAR_STEPS and buffers > FAR_CACHE)
        if few and steps * reach < min(rows, shape[1]):
            return steps
    return 1


def _fitting(stencil: Stencil, rows: int, lanes: int) -> int:
    """Return how many columns of a tile of several steps stay close to a core."""
    down, across = stencil.radius
    return NEAR_CACHE * 3 // 4 // (lanes // 4 * (rows + 2 * down)) - 2 * TILED_STEPS[0] * across


def longest_first(stencil: Stencil, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the order of axes that puts the longest one into lanes, where that may be.

    Beyond two axes with different bits outside, the first axis decides, so they stay in order.
    """
    order = tuple(range(len(shape)))
    bits = {border for border in stencil.borders if isinstance(border, int)}
    if len(bits) > 1:
        return order
    longest = max(order, key=lambda k: (shape[k], -k))
    if shape[longest] < 2 * shape[0]:
        return order
    return (longest, *(k for k in order if k != longest))


def permuted(stencil: Stencil, order: Sequence[int]) -> Stencil:
    """Return the rule on a grid with its axes in another order."""
    return replace(
        stencil,
        offsets=tuple(tuple(offset[k] for k in order) for offset in stencil.offsets),
        borders=tuple(stencil.borders[k] for k in order),
    )


def flattened(stencil: Stencil, pitch: int) -> Stencil:
    """Return a rule on three axes as one on rows of planes that lie one after the other."""
    return replace(
        stencil,
        offsets=tuple((a, b * pitch + c) for a, b, c in stencil.offsets),
        borders=("wrap", "wrap"),
    )
