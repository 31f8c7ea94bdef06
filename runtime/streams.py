"""A native function over arrays of many rows, band by band: what it reads is checked and converted
while it comes into the caches, and what it gives goes to memory in the dtype that is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Param

from .binding import Binding, report
from .moves import limits, mover, number_of, whole_range
from .results import check_out
from .scratch import Scratch
from .threads import shared
from .values import entries

Arrays = Sequence[NDArray[Any]]

BAND = 1 << 15  # bytes of a band that the first cache holds
EVEN = 256  # rows of a band are a multiple, so that loops have nothing left over
AT_ONCE = 1 << 31  # bytes of a grid that one native call runs through; more would not hear Ctrl-C
FAR = 1 << 25  # bytes that one native call runs through
STRETCH = 16  # rows of a band at least, for each row around it


@dataclass(frozen=True)
class Reach:
    """How far a rule reads along the first axis, and whether it goes on at the other end."""

    radius: int
    wraps: bool


class Stream:
    """Calls a native function whose rows depend on `halo` rows around them only."""

    def __init__(self, binding: Binding, params: Sequence[Param], halo: int = 0) -> None:
        self.binding = binding
        self.params = params
        self.halo = halo

    @staticmethod
    def fits(binding: Binding | None) -> bool:
        """Tell whether a function can be called so."""
        return binding is not None and binding.bands is not None and mover("u1", "u1") is not None

    @staticmethod
    def gives(out: NDArray[Any]) -> bool:
        """Tell whether results can be written to an array."""
        laid_out = out.flags.c_contiguous and out.flags.aligned and out.flags.writeable
        return laid_out and number_of(out.dtype) is not None

    def ready(self, inputs: Arrays, place: int = 0) -> list[NDArray[Any]]:
        """Return inputs as `run` wants them: contiguous, of a dtype that native code checks.

        They are at `place` in a longer array. Raises `DdcError` for bad values that are seen already.
        """
        given = [np.ascontiguousarray(a) for a in inputs]
        return [
            a if self._bounds(k, a) is not None else self.looked_at(k, a, place)
            for k, a in enumerate(given)
        ]

    def run(
        self,
        inputs: Arrays,
        outputs: Arrays,
        sizes: Mapping[str, int],
        first: int,
        end: int,
        scratch: Scratch,
    ) -> bool:
        """Write rows `first..end` of the outputs; return whether what was read is good.

        Inputs and outputs have all rows; outputs are as `gives` wants them, apart from the inputs. Raises
        `OverflowReported` for ints beyond 64 bits.
        """
        answer = self._call(inputs, outputs, sizes, first, end, scratch)
        report(answer & 2)
        return not answer & 1

    def looked_at(self, k: int, array: NDArray[Any], place: int = 0) -> NDArray[Any]:
        """Return the k-th input as stored entries; raises `DdcError` for the first bad one."""
        type_ = self.binding.kernel.inputs[k].type
        return entries(self.params[k], array, type_, self.binding.single, place)

    def _bounds(self, k: int, array: NDArray[Any]) -> tuple[int, int] | None:
        """Return between what an input's entries must lie, None where they need a closer look."""
        if number_of(array.dtype) is None:
            return None
        return limits(self.params[k], array.dtype, self.binding.inputs[k])

    def _call(
        self,
        inputs: Arrays,
        outputs: Arrays,
        sizes: Mapping[str, int],
        first: int,
        end: int,
        scratch: Scratch,
    ) -> int:
        binding = self.binding
        assert binding.bands is not None
        rows = len(inputs[0])
        lines = [a.size // max(1, rows) for a in (*inputs, *outputs)]
        stored = [*binding.inputs, *binding.outputs]
        row = sum(line * kind.itemsize for line, kind in zip(lines, stored))
        band = max(BAND // max(1, row), STRETCH * self.halo, 1)
        band = band // EVEN * EVEN or band
        table = [
            self._told(k, array, line, kind, (band + 2 * self.halo) * line, scratch)
            for k, (array, line, kind) in enumerate(zip((*inputs, *outputs), lines, stored))
        ]
        told = np.array(table, dtype=np.int64)
        arguments = [told.ctypes.data, first, end, band, self.halo, rows]
        arguments += [sizes[name] for name in binding.kernel.sizes]
        workspace = binding.scratch({**sizes, binding.first: min(rows, band + 2 * self.halo)})
        if workspace is not None:
            arguments.append(workspace.ctypes.data)
        return binding.bands(*arguments)

    def _told(
        self,
        k: int,
        array: NDArray[Any],
        line: int,
        kind: np.dtype[Any],
        room: int,
        scratch: Scratch,
    ) -> tuple[int, ...]:
        """Return what the native loop is told of an array (see `drivers.FIELDS`)."""
        name, held = number_of(array.dtype), number_of(kind)
        found = None if name is None or held is None else mover(name, held)
        assert found is not None
        given = k < len(self.params)
        place = 0
        if not given or not found.as_it_is:
            place = scratch.get(("band", k), (room,), kind).ctypes.data
        bounds = (self._bounds(k, array) or whole_range(kind)) if given else (0, 0)
        convert = found.take if given else found.give
        return array.ctypes.data, line, array.itemsize, convert, place, kind.itemsize, *bounds


class Grids:
    """A program that gives each row of one grid from the rows around it, over large grids."""

    def __init__(self, binding: Binding, reach: Reach) -> None:
        self.reach = reach
        self.binding = binding
        self.stream = Stream(binding, binding.function.params, reach.radius)

    def takes(self, grid: NDArray[Any]) -> bool:
        """Tell whether a grid has rows enough for bands."""
        return len(grid) >= 2 * STRETCH * max(1, self.reach.radius)

    def __call__(
        self, grid: NDArray[Any], kind: np.dtype[Any] | None, out: Any, threads: int = 1
    ) -> NDArray[Any]:
        """Return the answer as an array of some dtype (default: as all calls do), or in `out`.

        Raises `DdcError` for bad values, `OverflowReported` for ints beyond 64 bits.
        """
        sizes, (shape,) = self.binding.shapes((grid.shape,))
        if isinstance(out, np.ndarray):
            check_out(out, shape)
        real = self.binding.outputs[0].kind == "f"
        dtype = kind or np.dtype(np.float64 if real else np.int64)
        direct = isinstance(out, np.ndarray) and self.stream.gives(out)
        made: NDArray[Any] = out if direct else np.empty(shape, dtype)
        if number_of(made.dtype) is None:
            made = np.empty(shape, self.binding.outputs[0])
        if np.may_share_memory(grid, made):
            grid = grid.copy()
        if threads == 1 and grid.nbytes <= AT_ONCE:
            if self.binding.run_looking(sizes, [grid], [made]):
                return made
        (given,) = self.stream.ready([grid])
        if not self._run(given, made, sizes, threads):
            given = self.stream.looked_at(0, given)
            self._run(given, made, sizes, threads)
        if self.reach.wraps:
            self._ends(given, made)
        return made

    def _run(
        self, given: NDArray[Any], made: NDArray[Any], sizes: Mapping[str, int], threads: int
    ) -> bool:
        """Run on all rows; those next to both ends of a ring are not right yet."""
        rows = len(given)
        step = max(STRETCH * max(1, self.reach.radius), FAR * rows // max(1, given.nbytes))
        starts = list(range(0, rows, -(-min(rows, step * threads) // threads)))

        length = starts[1] if len(starts) > 1 else rows

        def work(number: int, stop: Event) -> bool:
            scratch = Scratch()
            return all(
                self.stream.run([given], [made], sizes, start, min(rows, start + length), scratch)
                for start in starts[number::threads]
                if not stop.is_set()
            )

        return all(shared(threads, work))

    def _ends(self, given: NDArray[Any], made: NDArray[Any]) -> None:
        """Write the rows at both ends of a ring."""
        near, rows = self.reach.radius, len(given)
        if not near:
            return
        around = np.take(given, np.arange(-2 * near, 2 * near), axis=0, mode="wrap")
        (found,) = self.binding([around])
        made[rows - near :] = found[near : 2 * near]
        made[:near] = found[2 * near : 3 * near]
