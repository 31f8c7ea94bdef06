"""The exact decisions of a network on the whole product of its inputs' levels."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError

from .blas import own_threads
from .bounds import DOUBLE, SINGLE, Format, Values, affine, domain
from .floats import Array, Bools, Plan, Verdict, unbounded
from .network import Network, Progress, decide_columns
from .sources import Floats, Ints

MOST_ROWS = 1 << 28
MOST_BYTES = 1 << 29
MOST_ENTRIES = 1 << 24  # of the tables of the first layer
CACHE = 1 << 18  # bytes of a layer's values that are worked on at a time
PENDING = 1 << 20  # numbers of undecided inputs that are gathered before they are redone
SPAN = 64  # blocks of one task


@dataclass(frozen=True, eq=False)
class Table:
    """Outputs on all inputs in counting order: input 0 is the most significant digit.

    With two levels for every input and outputs 0 and 1, `words` [outputs, words] holds row r as
    bit r % 64 of word r // 64 (little-endian; unused bits are 0); otherwise `digits`
    [outputs, rows] holds ints. `positions` are the flat inputs of the function that the digits
    stand for. `redone` counts the rows that the first bounds did not decide.
    """

    positions: tuple[int, ...]
    levels: tuple[Sequence[int], ...]
    rows: int
    words: NDArray[np.uint64] | None
    digits: NDArray[Any] | None
    redone: int = 0

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        held = self.words if self.words is not None else self.digits
        assert held is not None
        return len(held)

    def output(self, number: int) -> NDArray[Any]:
        """Return one output on all rows as small ints."""
        return self.run(number, 0, self.rows)

    def run(self, output: int, start: int, size: int) -> NDArray[Any]:
        """Return one output on `size` rows from `start`, a multiple of 64, or on those there are."""
        if self.words is None:
            assert self.digits is not None
            column: NDArray[Any] = self.digits[output, start : start + size]
            return column
        words = self.words[output, start // 64 : -(-(start + size) // 64)]
        bits = np.unpackbits(words.view(np.uint8), bitorder="little")
        return bits[: min(size, self.rows - start)]

    def at(self, output: int, rows: Ints) -> NDArray[Any]:
        """Return one output on these rows."""
        if self.words is None:
            assert self.digits is not None
            found: NDArray[Any] = self.digits[output, rows]
            return found
        words = self.words[output, rows >> 6] >> (rows & 63).astype(np.uint64)
        return np.asarray(words & np.uint64(1), dtype=np.uint8)

    def inputs_of(self, rows: Ints) -> Ints:
        """Return the input values of these rows, [rows, inputs]."""
        return inputs_of(self.levels, rows).T.copy()


def inputs_of(levels: Sequence[Sequence[int]], rows: Ints) -> Ints:
    """Return the input values of these rows in counting order, [inputs, rows]."""
    result = np.empty((len(levels), len(rows)), dtype=np.int64)
    rest = rows
    for i in range(len(levels) - 1, -1, -1):
        rest, digit = np.divmod(rest, len(levels[i]))
        result[i] = np.asarray(levels[i], dtype=np.int64)[digit]
    return result


class _First:
    """The first layer that mixes inputs, as a sum of one table per input.

    Layers in front of it whose units read one input each and are exact in binary64 (one-hot
    codes, embeddings) are part of the tables.
    """

    def __init__(self, network: Network) -> None:
        layers = network.chain.layers
        x = domain(network.levels, DOUBLE)
        owner = np.arange(len(network.levels))
        self.skip = 0
        steps = network.plan(DOUBLE).steps
        most = max((len(few) for few in network.levels), default=1)
        at = [np.minimum(np.arange(most), len(few) - 1) for few in network.levels]
        values: Floats = np.array(
            [np.asarray(few, dtype=np.float64)[i] for few, i in zip(network.levels, at)]
        ).reshape(len(network.levels), most)
        for layer, step in zip(layers[:-1], steps):
            rows = layer.rows
            alone = rows.fan_in > 0
            start = rows.starts[:-1][alone]
            least = np.minimum.reduceat(owner[rows.columns], start) if len(start) else owner[:0]
            most_owner = (
                np.maximum.reduceat(owner[rows.columns], start) if len(start) else owner[:0]
            )
            if not np.array_equal(least, most_owner) or step.values.error.any():
                break
            values = step.matrix(values)
            step.activate(values, Verdict())
            owners = np.zeros(rows.count, np.int64)
            owners[alone] = least
            owner, x = owners, step.values
            self.skip += 1
        self.known = x
        rows = layers[self.skip].rows
        self.bias: Floats = rows.bias
        self.tables: Floats = np.zeros((len(network.levels), most, rows.count))
        terms = rows.weights[:, None] * values[rows.columns]
        np.add.at(self.tables.transpose(0, 2, 1), (owner[rows.columns], rows.owners), terms)
        self.double: Values = affine(rows, x, DOUBLE)
        self.single: Values = affine(rows, x, SINGLE, summed_in_double=self.double.error)

    def outer(self, levels: Sequence[Sequence[int]], inputs: range) -> Floats:
        """Return the sums of the tables of these inputs, [units, product of levels]."""
        total = np.zeros((len(self.bias), 1))
        for i in inputs:
            table = self.tables[i, : len(levels[i])].T
            total = (total[:, :, None] + table[:, None, :]).reshape(len(self.bias), -1)
        return total

    def at(self, levels: Sequence[Sequence[int]], rows: Ints) -> Floats:
        """Return bias and sums of the tables at these rows of the first inputs, [units, rows]."""
        total = np.repeat(self.bias[:, None], len(rows), axis=1)
        for i in range(len(levels) - 1, -1, -1):
            rows, digit = np.divmod(rows, len(levels[i]))
            total += self.tables[i].T[:, digit]
        return total


class _Blocks:
    """Blocks of consecutive rows: all levels of the last inputs for one setting of the others."""

    def __init__(self, network: Network, chunk: int | None) -> None:
        self.network = network
        self.levels = network.levels
        self.first = _First(network)
        width = max(layer.rows.count for layer in network.chain.layers)
        wanted = max(64, chunk or CACHE // 4 // width)
        self.split, self.size = len(self.levels), 1
        while self.split and (self.size == 1 or self._fits(wanted)):
            self.split -= 1
            self.size *= len(self.levels[self.split])
        self.count = math.prod(len(few) for few in self.levels[: self.split])
        self.low = self.first.outer(self.levels, range(self.split, len(self.levels)))
        self.form = SINGLE
        self._plans: dict[Format, tuple[Plan, Array]] = {}

    def _fits(self, wanted: int) -> bool:
        return self.size * len(self.levels[self.split - 1]) <= wanted

    def plan(self, form: Format) -> tuple[Plan, Array]:
        """Return the rest of the chain and the low part of the first layer, in a format."""
        if form not in self._plans:
            known = self.first.single if form is SINGLE else self.first.double
            with unbounded():
                plan = Plan(self.network.chain, known, form, self.first.skip, known)
                self._plans[form] = plan, self.low.astype(form.dtype)
        return self._plans[form]

    def high(self, blocks: range) -> Floats:
        """Return bias and the high part of the first layer, [units, blocks]."""
        return self.first.at(self.levels[: self.split], np.arange(blocks.start, blocks.stop))

    def spans(self) -> list[range]:
        """Return all blocks in groups that are worth a task of their own."""
        step = max(1, min(SPAN, self.count // 16))
        starts = range(0, self.count, step)
        return [range(start, min(start + step, self.count)) for start in starts]


class _Worker:
    """Decides blocks in single precision, or in double where that leaves too many rows open."""

    def __init__(self, blocks: _Blocks) -> None:
        self.blocks = blocks
        self.room: dict[Format, list[Array]] = {}

    def run(self, span: range, writer: _Writer) -> list[Ints]:
        """Decide a group of blocks; return the rows that are left undecided."""
        blocks, open_rows, doubtful = self.blocks, list[Ints](), 0
        high = blocks.high(span)
        for i, block in enumerate(span):
            form = blocks.form
            found, undecided = self.block(high[:, i, None], form)
            unknown = 0 if undecided is None else np.count_nonzero(undecided)
            if form is SINGLE and unknown * 8 > blocks.size:
                found, undecided = self.block(high[:, i, None], DOUBLE)
                doubtful += 1
                if doubtful * 4 > len(span):
                    blocks.form = DOUBLE
            start = block * blocks.size
            writer.write(start, found)
            if undecided is not None and undecided.any():
                open_rows.append(np.flatnonzero(undecided) + start)
        return open_rows

    def block(self, high: Floats, form: Format) -> tuple[Array, Bools | None]:
        """Return the decisions of a block and its undecided rows."""
        plan, low = self.blocks.plan(form)
        if form not in self.room:
            self.room[form] = plan.buffers(self.blocks.size)
        room = self.room[form]
        z = np.add(low, high.astype(form.dtype), out=room[0])
        return plan.resume(z, room)


def tabulate(
    network: Network,
    positions: Sequence[int] | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Table:
    """Return the exact decisions on all inputs in counting order.

    `positions` (flat inputs of the function) gives order and choice of the digits; it must hold
    every input that the outputs depend on. `chunk` is the number of rows worked on at a time,
    `progress` is told rows done and rows in all. Raises `DdcError` where the domain is too large,
    an output is real, or an input cannot be decided.
    """
    if positions is not None:
        network = network.over(positions)
    rows = math.prod(len(few) for few in network.levels)
    low, high = network.bounds
    packed = low >= 0 and high <= 1 and all(len(few) == 2 for few in network.levels)
    dtype = _smallest(low, high)
    size = rows / 8 if packed else rows * dtype.itemsize
    if rows > MOST_ROWS or size * len(network.outputs) > MOST_BYTES:
        raise DdcError(
            f"{len(network.outputs)} outputs on {rows} inputs are too many for a table: "
            "look at fewer outputs, or at fewer inputs"
        )
    writer = _Writer(network, rows, packed, dtype)
    most = max((len(few) for few in network.levels), default=1)
    entries = most * network.width * len(network.levels)
    if network.chain.layers and 0 < entries <= MOST_ENTRIES:
        with unbounded():  # sums beyond what a float holds are undecided, not wrong
            blocks = _Blocks(network, chunk)
        _fill(blocks, writer, progress)
    else:
        for start in range(0, rows, PENDING):
            writer.redo(np.arange(start, min(start + PENDING, rows)))
    writer.flush()
    return writer.table()


def _smallest(low: int, high: int) -> np.dtype[Any]:
    """Return the smallest signed type for a range."""
    kinds = (np.int8, np.int16, np.int32)
    fitting = (k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    return np.dtype(next(fitting, np.int64))


def _fill(blocks: _Blocks, writer: _Writer, progress: Progress | None) -> None:
    spans = blocks.spans()
    local = threading.local()

    def task(span: range) -> list[Ints]:
        if not hasattr(local, "worker"):
            local.worker = _Worker(blocks)
        worker: _Worker = local.worker
        with unbounded():
            return worker.run(span, writer)

    for form in (SINGLE, DOUBLE):
        blocks.plan(form)  # once, before the threads ask for it
    with own_threads() as threads, ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[list[Ints]]] = deque()
        for span in spans:
            ahead.append(pool.submit(task, span))
            if len(ahead) > threads + 1:
                _collect(ahead.popleft(), writer)
            if progress is not None:
                progress(span.start * blocks.size, blocks.count * blocks.size)
        while ahead:
            _collect(ahead.popleft(), writer)


def _collect(done: Future[list[Ints]], writer: _Writer) -> None:
    for rows in done.result():
        writer.pending(rows)


class _Writer:
    def __init__(self, network: Network, rows: int, packed: bool, dtype: np.dtype[Any]) -> None:
        self.network, self.rows = network, rows
        self.waiting: list[Ints] = []
        self.count = self.redone = 0
        outputs = len(network.outputs)
        self.bytes: NDArray[np.uint8] | None = None
        self.digits: NDArray[Any] | None = None
        if packed:
            self.bytes = np.zeros((outputs, max(1, -(-rows // 64)) * 8), np.uint8)
        else:
            self.digits = np.zeros((outputs, rows), dtype)

    def write(self, start: int, found: Array) -> None:
        """Store decisions of consecutive rows; undecided ones are mended later."""
        if self.bytes is None:
            assert self.digits is not None
            with np.errstate(invalid="ignore"):
                self.digits[:, start : start + found.shape[1]] = found
            return
        bits = found if found.dtype == np.bool_ else found > 0
        bits = np.packbits(bits, axis=1, bitorder="little")
        self.bytes[:, start // 8 : start // 8 + bits.shape[1]] = bits

    def pending(self, rows: Ints) -> None:
        """Remember rows to be redone."""
        self.waiting.append(rows)
        self.count += len(rows)
        if self.count * self.network.width > PENDING:
            self.flush()

    def flush(self) -> None:
        """Redo what waits."""
        if self.waiting:
            self.redo(np.concatenate(self.waiting))
            self.waiting, self.count = [], 0

    def redo(self, rows: Ints) -> None:
        """Decide these rows one by one."""
        size = max(1, PENDING // self.network.width)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            found = decide_columns(self.network, inputs_of(self.network.levels, part))
            self._store(part, found)

    def _store(self, rows: Ints, found: Ints) -> None:
        self.redone += len(rows)
        if self.bytes is None:
            assert self.digits is not None
            self.digits[:, rows] = found
            return
        byte, mask = rows >> 3, np.left_shift(1, rows & 7).astype(np.uint8)
        for target, values in zip(self.bytes, found):
            np.bitwise_or.at(target, byte, mask)
            np.bitwise_xor.at(target, byte, np.where(values > 0, 0, mask).astype(np.uint8))

    def table(self) -> Table:
        """Return the finished table."""
        words = None if self.bytes is None else self.bytes.view("<u8")
        return Table(
            self.network.inputs, self.network.levels, self.rows, words, self.digits, self.redone
        )
