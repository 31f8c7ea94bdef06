"""Step a program in time: packed where it is a rule on bits, else on its stored entries.

Entries are stepped natively, many steps to a call. Where each cell depends only on cells nearby,
the first axis is cut into bands: several steps are made of one band while the caches hold it, and
threads share the bands out. A band has rows of its neighbours around it, one radius for each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddc.backends.lowering.windows import prepare
from ddc.ir import OPS, Affine, DdcError, Module, dims, element, is_bit
from ddc.ir.inputs import array_of
from ddc.ir.ranges import accepts

from .batch import bits_of
from .binding import Binding, rectangular
from .grid import NotBits, packed_steps
from .results import check_out, holds
from .scratch import Scratch, spacious
from .streams import Reach
from .values import InputError, OverflowReported, entries

if TYPE_CHECKING:
    from .native import Runner

Progress = Callable[[int, int], None]

CALL = 0.05  # seconds that one native call should take, so that Ctrl-C is heard
BAND = 1 << 19  # bytes of a band that the second cache holds
SMALL = 1 << 20  # bytes of a grid that the caches hold as a whole
WORTH = 1 << 31  # cells times steps of one shape from which compiling for lanes has paid
WIDE = 1 << 16  # cells from which its vectors are full
LONG_ROW = 1 << 18  # cells of a row that is no ring, so that its ends do not count
DEPTHS = (16, 8, 4, 2)  # steps of a band at once


class Stepper:
    """Steps one program; `runner` compiles it."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.module = runner.module
        self.work: dict[tuple[int, ...], int] = {}  # cells times steps so far, by shape

    def __call__(
        self,
        grid: Any,
        count: int,
        threads: int = 1,
        out: NDArray[Any] | None = None,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """Apply the program `count` times to its own output; keeps the dtype of `grid`.

        Raises `InputError` where the output does not have the input's shape, for values that are
        not of the declared type, and for an `out` of another shape or that cannot be written.
        """
        whole = isinstance(count, (int, np.integer)) and isinstance(threads, (int, np.integer))
        if not whole or count < 0 or threads < 1:
            raise InputError("steps needs a count of at least 0 and at least 1 thread")
        entry = self.module.entry
        if len(entry.params) != 1 or len(entry.results) != 1:
            raise InputError("a program of several inputs or outputs cannot be stepped")
        if dims(entry.params[0].type) != dims(entry.results[0].type):
            raise InputError("the output does not have the input's shape: it cannot be stepped")
        try:
            given = rectangular(entry.params[0].name, grid)
        except DdcError as error:
            raise InputError(str(error)) from None
        try:
            if out is not None:
                check_out(out, given.shape)
            return self._steps(given, count, threads, out, progress)
        except OverflowReported:
            return _kept(self._exactly(given, count, progress), given, out)
        except InputError:
            raise
        except DdcError as error:
            raise InputError(str(error)) from None

    def _steps(
        self,
        given: NDArray[Any],
        count: int,
        threads: int,
        out: NDArray[Any] | None,
        progress: Progress | None,
    ) -> NDArray[Any]:
        param = self.module.entry.params[0]
        binding = self.runner.binding
        if binding is None:
            return _kept(self._exactly(given, count, progress), given, out)
        sizes, _ = binding.shapes((given.shape,))
        type_ = binding.kernel.inputs[0].type
        if count and is_bit(element(param.type)) and self._pays(given, count):
            packed = self._packed(given, count, threads, out, progress)
            if packed is not None:
                return packed
        if count == 1 and given.nbytes >= SMALL:
            grids, kind = self.runner.grids, (given if out is None else out).dtype
            if (
                grids is not None
                and grids.takes(given)
                and holds(kind, self.module.entry.results[0])
            ):
                made = grids(given, kind, out, threads)
                if progress is not None:
                    progress(1, 1)
                return made if made is out else _kept(made, given, out)
        current = entries(param, given, type_)
        if count == 0:
            return _kept(given, given, out)
        closed = accepts(param.type, self.module.entry.results[0].type)
        if not closed or not binding.steps_natively or not dims(param.type):
            return _kept(self._one_by_one(binding, current, count, sizes, progress), given, out)
        made = self._natively(binding, current, count, threads, sizes, out, progress)
        return made if made is out else _kept(made, given, out)

    def _pays(self, given: NDArray[Any], count: int) -> bool:
        """Tell whether a bit grid is worth packing, and its kernels their compilation."""
        if given.size < WIDE:
            return False
        work = self.work.get(given.shape, 0) + given.size * count
        self.work[given.shape] = work
        rule = self.runner.stencil if work >= WORTH else None
        if rule is None:
            return False
        return given.ndim > 1 or rule.borders[0] == "wrap" or given.size >= LONG_ROW

    def _packed(
        self,
        given: NDArray[Any],
        count: int,
        threads: int,
        out: NDArray[Any] | None,
        progress: Progress | None,
    ) -> NDArray[Any] | None:
        """Step a bit grid in lanes; None for shapes that have no such layout."""
        param, rule = self.module.entry.params[0], self.runner.stencil
        assert rule is not None
        into = out if out is not None and _takes(out, np.dtype(np.uint8)) else None
        into = None if into is None else into.view(np.uint8)
        cells = bits_of(param, given, 0)
        try:
            packed = packed_steps(rule, cells, count, threads, progress, out=into)
        except NotBits:
            entries(param, given, "bit")  # it says which cell is none
            raise
        if packed is None or into is None:
            return None if packed is None else _kept(packed, given, out)
        return out

    # ------------------------------------------------------------ one step at a time

    def by_python(self, given: NDArray[Any], count: int, progress: Progress | None) -> NDArray[Any]:
        """Return the state after some steps of the Python backend, in the dtype of what is given."""
        return _kept(self._exactly(given, count, progress), given, None)

    def _exactly(self, given: NDArray[Any], count: int, progress: Progress | None) -> NDArray[Any]:
        current = given
        for step in range(count):
            try:
                current = np.asarray(self.runner.python(current))
            except ValueError as error:
                raise InputError(str(error)) from None
            if progress is not None:
                progress(step + 1, count)
        return current

    def _one_by_one(
        self,
        binding: Binding,
        current: NDArray[Any],
        count: int,
        sizes: Mapping[str, int],
        progress: Progress | None,
    ) -> NDArray[Any]:
        """Step a program that may leave what it takes, or that stores what it gives otherwise."""
        entry = self.module.entry
        type_, made_type = binding.inputs[0], binding.outputs[0]
        closed = accepts(entry.params[0].type, entry.results[0].type)
        for step in range(count):
            if step:
                if not closed:
                    array_of(entry.params[0], current[None])
                current = np.asarray(current, dtype=type_, order="C")
            (current,) = binding.run(sizes, [current], [np.empty(current.shape, made_type)])
            if progress is not None:
                progress(step + 1, count)
        return current

    # ------------------------------------------------------------ many steps in native code

    def _natively(
        self,
        binding: Binding,
        current: NDArray[Any],
        count: int,
        threads: int,
        sizes: Mapping[str, int],
        out: NDArray[Any] | None,
        progress: Progress | None,
    ) -> NDArray[Any]:
        into = out if out is not None and _takes(out, current.dtype) else None
        if into is not None and np.shares_memory(into, current):
            current = current.copy()
        depth, rows = self._bands(current, threads)
        if rows < len(current):
            moves = -(-count // depth)
            bands = Bands(binding, self.reach, rows, threads)
        else:
            moves, bands = count, None
        # The last move ends in `first`: `out` where it was given.
        first = spacious(current.shape, current.dtype) if into is None else into
        second = spacious(current.shape, current.dtype) if moves > 1 else first
        if bands is not None:
            with bands:
                done = 0
                for move in range(moves, 0, -1):
                    steps = min(depth, count - done)
                    target = first if move % 2 else second
                    bands.move(current, target, steps)
                    current, done = target, done + steps
                    if progress is not None:
                        progress(done, count)
            return current
        targets = (first, second) if count % 2 else (second, first)
        binding.advance(sizes, current, targets[0], 1)
        done, some = 1, 1
        if progress is not None:
            progress(done, count)
        while done < count:
            some = min(some, count - done)
            start = time.perf_counter()
            binding.advance(sizes, *targets, some)
            spent = time.perf_counter() - start
            done += some
            if some % 2:
                targets = targets[1], targets[0]
            some = max(1, min(2 * some, int(some * CALL / max(spent, 1e-9))))
            if progress is not None:
                progress(done, count)
        return targets[0]

    def _bands(self, current: NDArray[Any], threads: int) -> tuple[int, int]:
        """Return how many steps are made of a band at once, and its rows."""
        rows = len(current)
        if self.reach is None or (threads == 1 and current.nbytes <= SMALL):
            return 1, rows
        line = max(1, current.nbytes // max(1, rows))
        reach = max(1, self.reach.radius)
        for depth in DEPTHS:
            band = min(BAND // line, -(-rows // threads))
            if band >= 6 * depth * reach and rows >= 2 * (band + 2 * depth * reach):
                return depth, band
        band = -(-rows // threads)
        few = threads == 1 or band < 4 * reach or rows < 2 * (band + 2 * reach)
        return (1, rows) if few and threads == 1 or band < 4 * reach else (1, band)

    @cached_property
    def reach(self) -> Reach | None:
        """How far the rule reads along the first axis, None where that is not known."""
        return reach_of(self.module)


def reach_of(module: Module) -> Reach | None:
    """Return the reach of a program that gives each cell a function of the cells around it."""
    function = prepare(module)
    op = function.body.ops[-1] if function.body.ops else None
    if op is None or op.code != "map" or op.body is None or len(function.body.ops) != 1:
        return None
    shape = dims(function.params[0].type)
    whole = len(op.loops) == len(shape) and all(
        v.low == Affine.of(0) and v.high == d for v, d in zip(op.loops, shape)
    )
    if not whole or function.body.yields != op.results[:1] or len(op.results) != 1:
        return None
    if len({str(d) for d in shape}) < len(shape) or shape[0].is_const:
        return None  # a band is no square
    symbol, name = op.loops[0].symbol, function.params[0].name
    size = next(iter(shape[0].symbols()), "")
    if any(s.name == size and s.minimum > 1 for s in function.sizes):
        return None
    radius, borders = 0, set[str]()
    for inner in op.body.ops:
        if inner.code == "load" and inner.operands[0] == name:
            shift = inner.index[0].at - Affine.symbol(symbol)
            if not shift.is_const or any(_reads(i.at, symbol, size) for i in inner.index[1:]):
                return None
            radius = max(radius, abs(shift.const))
            if shift.const:
                borders.add("wrap" if inner.index[0].border == "wrap" else "edge")
        elif inner.code != "const" and not (inner.code in OPS and OPS[inner.code].elementwise):
            return None
        elif op.loops[0].var in inner.operands:
            return None
    return None if len(borders) > 1 else Reach(radius, "wrap" in borders)


def _reads(index: Affine, symbol: str, size: str) -> bool:
    return bool(index.symbols() & {symbol, size})


class Bands:
    """Moves a grid on by some steps, band by band; a context that keeps its threads."""

    def __init__(self, binding: Binding, reach: Reach | None, rows: int, threads: int) -> None:
        assert reach is not None
        self.binding = binding
        self.reach = reach
        self.rows = rows
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.stop = Event()  # so that Ctrl-C need not wait for all bands
        self.scratch = [Scratch() for _ in range(threads)]

    def __enter__(self) -> Bands:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def move(self, source: NDArray[Any], target: NDArray[Any], steps: int) -> None:
        """Write the state after some steps to `target`."""
        starts = range(0, len(source), self.rows)

        def work(number: int) -> None:
            for start in starts[number :: self.threads]:
                if self.stop.is_set():
                    return
                self._band(source, target, start, steps, self.scratch[number])

        if self.pool is None:
            work(0)
            return
        for job in [self.pool.submit(work, number) for number in range(self.threads)]:
            job.result()

    def _band(
        self, source: NDArray[Any], target: NDArray[Any], start: int, steps: int, scratch: Scratch
    ) -> None:
        total, halo = len(source), steps * self.reach.radius
        stop = min(total, start + self.rows)
        low, high = start - halo, stop + halo
        if self.reach.wraps and (low < 0 or high > total):
            given = scratch.get("given", (high - low, *source.shape[1:]), source.dtype)
            np.take(source, np.arange(low, high), axis=0, mode="wrap", out=given)
        else:
            low, high = max(0, low), min(total, high)
            given = source[low:high]
        first = scratch.get("first", given.shape, source.dtype)
        second = scratch.get("second", given.shape, source.dtype)
        sizes, _ = self.binding.shapes((given.shape,))
        self.binding.advance(sizes, given, first, 1)
        self.binding.advance(sizes, first, second, steps - 1)
        last = first if steps % 2 else second
        target[start:stop] = last[start - low : stop - low]


def _takes(out: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Tell whether stored entries can be written to an array directly."""
    same = out.dtype == dtype or (out.dtype == np.bool_ and dtype == np.uint8)
    return same and out.flags.c_contiguous and out.dtype.isnative and type(out) is not np.matrix


def _kept(final: NDArray[Any], given: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    """Return a final state in the dtype of what was given, or in `out`.

    Raises `InputError` where that dtype does not hold the state.
    """
    kind = (given if out is None else out).dtype
    narrow = kind.kind in "biu" and final.dtype != kind and final.size > 0
    if narrow and not (final.dtype == object and kind.itemsize == 8 and out is None):
        low, high = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        if final.min() < low or final.max() > high:
            raise InputError(f"the state after these steps does not fit into {kind}")
    if out is not None:
        out[...] = final
        return out
    if final.dtype == object and given.dtype.kind in "iu" and kind.itemsize == 8:
        return final  # ints that 64 bits do not hold
    return final.astype(given.dtype, copy=final is given)
