"""What a stable machine answers at other sizes: a second opinion on every generic program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Module, Param, dims
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate, solve_sizes

from .identify import Machine
from .words import Layout

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
        trained = self.layout.length
        lengths = (trained - 1, trained, trained + 1, trained + 2, 2 * trained + 1)
        return all(self._agrees(module, replace(self.layout, length=n)) for n in lengths)

    def _agrees(self, module: Module, layout: Layout) -> bool:
        arrays, wanted = self._case(layout)
        shapes = {name: list(array.shape[1:]) for name, array in arrays.items()}
        try:
            fixed = instantiate(module, solve_sizes(module.entry, shapes))
        except DdcError:
            return True
        (found,) = run_batch(fixed, arrays)
        return np.array_equal(found.reshape(ROWS, -1), wanted)

    def _case(self, layout: Layout) -> tuple[dict[str, Ints], Ints]:
        """Return seeded words as the arrays of the parameters, and the machine's answers."""
        rng = np.random.default_rng(layout.length)
        letters, starts = layout.letters, layout.starts
        words = rng.integers(0, len(letters), (ROWS, layout.length))
        case = rng.integers(0, len(starts), ROWS)
        arrays = {p.name: np.zeros((ROWS, *shape), np.int64) for p, shape in self._shapes(layout)}
        for column, own in enumerate(layout.scalars):
            arrays[own.array][:] = starts[case, column]
        state = self.machine.starts[case]
        count = len(layout.placed.steps) * layout.length + len(layout.placed.finals)
        wanted = np.full((ROWS, count), self.machine.base or 0, np.int64)
        for step in range(layout.length):
            letter = words[:, step]
            for column, read in enumerate(layout.reads(step)):
                where: tuple[Any, ...] = (slice(None), *read.at)
                arrays[read.array][where] = letters[letter, column]
            if self.machine.base is not None:
                wanted[:, 0] += self.machine.out[state, letter, 0]
            for column, flat in enumerate(layout.answers(step)):
                wanted[:, flat] = self.machine.out[state, letter, column]
            state = self.machine.next[state, letter]
        for number, flat in enumerate(layout.ends if self.machine.base is None else ()):
            wanted[:, flat] = self.machine.final[state, number]
        return arrays, wanted

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


__all__ = ["Oracle"]
