"""Batches of one program: which engine is the fastest for them, and batches that stay packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Param, Real, dims, element, is_bit

from . import batch, results
from .batch import Engine, Progress
from .lanes import lanes_of
from .packing import AutomatonRows, PackedRows, pack, partition, run_packed
from .values import InputError

if TYPE_CHECKING:
    from .native import Runner

LONG_SEQUENCE = 4096  # entries from which code for the automaton pays
LARGE = 1 << 18  # entries of a batch from which packing pays


class Batches:
    """Runs batches of one program; `runner` compiles what they need."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def __call__(
        self,
        arrays: list[NDArray[Any]],
        count: int,
        threads: int,
        wanted: Sequence[np.dtype[Any] | None],
        out: Any,
        progress: Progress | None,
    ) -> Sequence[NDArray[Any]] | None:
        shapes, sizes = self._row_shapes(arrays)
        engine = self._engine(arrays, count, wanted, shapes, sizes)
        if engine is None:
            return None
        given = [
            a if a.ndim > rank else np.broadcast_to(a, (count, *a.shape))
            for a, rank in zip(arrays, self.runner.ranks)
        ]
        reals = [_is_real(r) for r in self.runner.module.entry.results]
        made = results.outputs([(count, *shape) for shape in shapes], wanted, out, reals)
        given = [  # an input that lies where a result is written is read from a copy
            a.copy() if any(np.may_share_memory(a, result) for result in made) else a for a in given
        ]
        batch.run(engine, given, made, count, threads, progress)
        return made

    def _row_shapes(
        self, arrays: Sequence[NDArray[Any]]
    ) -> tuple[list[tuple[int, ...]], dict[str, int]]:
        """Return the results' shapes for one row, and the sizes."""
        given = tuple(a.shape[a.ndim - rank :] for a, rank in zip(arrays, self.runner.ranks))
        return results.shapes(self.runner.module.entry, given)

    def _engine(
        self,
        arrays: Sequence[NDArray[Any]],
        count: int,
        wanted: Sequence[np.dtype[Any] | None],
        shapes: Sequence[tuple[int, ...]],
        sizes: dict[str, int],
    ) -> Engine | None:
        """Return the fastest engine for a batch, None where only Python can run it."""
        entry = self.runner.module.entry
        total = sum(a.size for a in arrays)
        if entry.sizes:
            if self.runner.scans and total >= LONG_SEQUENCE:
                found = self._automaton(count, sizes)
                if found is not None:
                    return found
        else:
            bits = all(is_bit(element(p.type)) for p in (*entry.params, *entry.results))
            if bits and total >= LARGE and self.runner.logic is not None:
                engine = batch.PackedEngine(self.runner.logic, self.runner.params)
                if engine.takes(count):
                    return engine
            reals = any(isinstance(element(r.type), Real) for r in entry.results)
            halves = reals and all(
                d == np.float32 for d, r in zip(wanted, entry.results) if _is_real(r)
            )
            narrow = len(arrays) == 1 and arrays[0].dtype == np.float32 and not halves
            if (
                halves or (narrow and self.runner.exact_singles)
            ) and self.runner.singles is not None:
                return batch.SingleEngine(self.runner.singles)
            columns = self.runner.single if halves else self.runner.columns
            if columns is not None:
                return batch.ColumnsEngine(columns, self.runner.params)
        return (
            None
            if self.runner.binding is None
            else batch.RowsEngine(self.runner.binding, sizes, shapes)
        )

    def _automaton(self, count: int, sizes: dict[str, int]) -> Engine | None:
        """Return an engine for sequences of an automaton."""
        kernel = self._automaton_rows(sizes)
        if kernel is not None:
            engine = batch.PackedEngine(kernel, self.runner.params)
            if engine.takes(count):
                return engine
        length = next(iter(sizes.values()), 0)
        if self.runner.sequence is not None and length >= LONG_SEQUENCE:
            return batch.SequenceEngine(self.runner.sequence, self.runner.params)
        return None

    def _automaton_rows(self, sizes: dict[str, int]) -> AutomatonRows | None:
        if self.runner.automata is None or len(sizes) != 1:
            return None
        lanes = lanes_of(self.runner.automata.lanes, self.runner.automata.cpu)
        return AutomatonRows(self.runner.automata, lanes, next(iter(sizes.values())))

    def pack(self, *inputs: Any) -> PackedRows:
        """Return a batch of bits packed, for calls that skip the conversion of every row.

        Raises `InputError` for programs that do not run on packed rows, and for small batches.
        """
        arrays = self.runner.arrays(inputs)
        count = None if arrays is None else self.runner.rows(arrays)
        if arrays is None or count is None or count < 0:
            raise InputError(f"@{self.runner.module.entry.name} packs batches: rows first")
        try:
            _, sizes = self._row_shapes(arrays)
            kernel = (
                self._automaton_rows(sizes) if self.runner.module.entry.sizes else self.runner.logic
            )
            if kernel is None:
                raise InputError("only logic on bits, and automata over bits, run on packed rows")
            blocks = partition(kernel, count)
            if blocks is None:
                raise InputError(f"{count} rows are too few to be packed")
            rows = [
                a if a.ndim > r else np.broadcast_to(a, (count, *a.shape))
                for a, r in zip(arrays, self.runner.ranks)
            ]
            packed = pack(kernel, self.runner.params, rows, blocks)
        except DdcError as error:
            raise InputError(str(error)) from None
        packed.sizes = sizes
        return packed

    def packed(self, given: PackedRows, threads: int, dtype: Any) -> Any:
        kernel = (
            self._automaton_rows(given.sizes)
            if self.runner.module.entry.sizes
            else self.runner.logic
        )
        if kernel is None or list(kernel.taken) != given.groups:
            raise InputError("these rows were packed for another program")
        made, states = run_packed(kernel, given, threads)
        entry = self.runner.module.entry
        shapes = [tuple(int(d.evaluate(given.sizes)) for d in dims(r.type)) for r in entry.results]
        if not isinstance(kernel, AutomatonRows):
            made.shapes = shapes
            return made
        assert states is not None
        last = kernel.numbers(states, given.blocks)
        engine = batch.PackedEngine(kernel, self.runner.params)
        if not kernel.made:
            found = engine.ordered([], last)
            return found[0] if len(found) == 1 else tuple(found)
        kind = np.int64 if dtype is None else dtype
        if all(kind_ == "yield" for kind_, _ in kernel.kernel.machine.results):
            return made
        yields = [made.unpack(k, kind) for k in range(len(kernel.made))]
        return tuple(engine.ordered(yields, last))


def _is_real(result: Param) -> bool:
    return isinstance(element(result.type), Real)
