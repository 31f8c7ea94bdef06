"""What a stable machine answers at other sizes: a second opinion on every generic program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Module, Param, dims
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate, solve_sizes

from .identify import Machine
from .words import Column, Layout

Ints = NDArray[np.int64]

ROWS = 256


@dataclass(frozen=True, eq=False)
class Oracle:
    """A machine that is the same at every position of a layout's words, and the inputs' types."""

    layout: Layout
    machine: Machine
    params: tuple[Param, ...]

    def agrees(self, module: Module) -> bool:
        """Tell whether a generic program answers as the machine does at sizes around the trained.

        Sizes that the program refuses do not count against it.
        """
        return all(self._agrees(module, layout) for layout in self._around())

    def differs(self, other: Oracle) -> bool:
        """Tell whether two machines, of one layout or two, part at sizes around the trained."""
        for layout in self._around():
            arrays = self._arrays(layout)
            mine, theirs = self.answers(arrays), other.answers(arrays)
            if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
                return True
        return False

    def _around(self) -> Iterator[Layout]:
        trained = self.layout.length
        for length in (trained - 1, trained, trained + 1, trained + 2, 2 * trained + 1):
            yield replace(self.layout, length=length)

    def _agrees(self, module: Module, layout: Layout) -> bool:
        arrays = self._arrays(layout)
        shapes = {name: list(array.shape[1:]) for name, array in arrays.items()}
        try:
            fixed = instantiate(module, solve_sizes(module.entry, shapes))
        except DdcError:
            return True
        (found,) = run_batch(fixed, arrays)
        wanted = self.answers(arrays)
        return wanted is not None and np.array_equal(found.reshape(ROWS, -1), wanted)

    def _arrays(self, layout: Layout) -> dict[str, Ints]:
        """Return seeded words of a length as the arrays of the parameters."""
        rng = np.random.default_rng(layout.length)
        letters, starts = layout.letters, layout.starts
        words = rng.integers(0, len(letters), (ROWS, layout.length))
        case = rng.integers(0, len(starts), ROWS)
        arrays = {p.name: np.zeros((ROWS, *shape), np.int64) for p, shape in self._shapes(layout)}
        for column, own in enumerate(layout.scalars):
            arrays[own.array][:] = starts[case, column]
        for step in range(layout.length):
            for column, read in enumerate(layout.reads(step)):
                where: tuple[Any, ...] = (slice(None), *read.at)
                arrays[read.array][where] = letters[words[:, step], column]
        return arrays

    def answers(self, arrays: dict[str, Ints]) -> Ints | None:
        """Return the machine's answers [rows, outputs], None for sizes that make no words."""
        layout = self._spelling(arrays)
        if layout is None:
            return None
        state = self.machine.starts[
            _which(layout.scalars, [arrays[c.array] for c in layout.scalars])
        ]
        count = len(layout.placed.steps) * layout.length + len(layout.placed.finals)
        wanted = np.full((ROWS, count), self.machine.base or 0, np.int64)
        for step in range(layout.length):
            at: list[tuple[Any, ...]] = [(slice(None), *r.at) for r in layout.reads(step)]
            read = [arrays[r.array][where] for r, where in zip(layout.reads(step), at)]
            letter = _which(layout.columns, read)
            if self.machine.base is not None:
                wanted[:, 0] += self.machine.out[state, letter, 0]
            for column, flat in enumerate(layout.answers(step)):
                wanted[:, flat] = self.machine.out[state, letter, column]
            state = self.machine.next[state, letter]
        for number, flat in enumerate(layout.ends if self.machine.base is None else ()):
            wanted[:, flat] = self.machine.final[state, number]
        return wanted

    def _spelling(self, arrays: dict[str, Ints]) -> Layout | None:
        """Return the layout with the length of its words in these arrays."""
        longest = max(max(array.shape[1:], default=0) for array in arrays.values())
        wanted = {name: array.shape[1:] for name, array in arrays.items()}
        for length in range(1, longest + 1):
            layout = replace(self.layout, length=length)
            if all(wanted[param.name] == shape for param, shape in self._shapes(layout)):
                return layout
        return None

    def _shapes(self, layout: Layout) -> Iterator[tuple[Param, tuple[int, ...]]]:
        """Yield the shape of every parameter for words of this length."""
        for param in self.params:
            own = [column for column in layout.columns if column.array == param.name]
            shape = [
                # Words of one array lie side by side; the rows of a table have the length alone.
                (
                    (len(own) if len(dims(param.type)) == 1 else 1) * layout.length
                    if any(column.axes[axis][0] for column in own)
                    else dim.const
                )
                for axis, dim in enumerate(dims(param.type))
            ]
            yield param, tuple(shape)


def _which(columns: Sequence[Column], read: Sequence[Ints]) -> Ints:
    """Return which of the letters (or starts) the values of its columns make [rows]."""
    found = np.zeros(ROWS, dtype=np.int64)
    for column, values in zip(columns, read):
        found = found * len(column.levels) + np.searchsorted(np.array(column.levels), values)
    return found


__all__ = ["Oracle"]
