"""Rows of bits in lanes: every dtype, width and vector goes there and comes back, bad values are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.ir.interpreter import run_batch
from ddc.runtime.grid import aligned
from ddc.runtime.lanes import Lanes, blocks_of, element_of, lanes_of
from ddc.runtime.native import Runner
from tests.runtime.test_rows import CPUS, LOGIC
from tests.runtime.test_sequence import BITS

KINDS = (np.uint8, np.int8, bool, np.uint16, np.int32, np.uint64, np.int64, np.float32, np.float64)
WIDTH_OF = {"sse2": (64, 128), "avx2": (64, 256), "host": (64, 128, 256, 512)}


def bits_in_lanes(rows: Any, lanes: int) -> Any:
    """Return the vectors of a block of rows, as the layout says: one bit after the other."""
    runs = rows.reshape(lanes, -1)  # a run of numbers for each lane
    return np.packbits(runs.T.astype(np.uint8), axis=1, bitorder="little")


def packed(lanes: Lanes, rows: Any) -> tuple[bool, Any]:
    cells = rows.size // lanes.lanes
    target, work = aligned(cells * lanes.bytes), aligned(lanes.room(cells))
    good = lanes.pack(rows, target.ctypes.data, work.ctypes.data)
    return good, target.reshape(cells, lanes.bytes)


def unpacked(lanes: Lanes, vectors: Any, shape: tuple[int, int], dtype: Any) -> Any:
    out, work = np.full(shape, 7).astype(dtype), aligned(lanes.room(len(vectors)))
    source = aligned(vectors.size)
    source[:] = vectors.ravel()
    lanes.unpack(source.ctypes.data, out, work.ctypes.data)
    return out


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("dtype", KINDS)
def test_there_and_back(cpu: str, dtype: Any) -> None:
    for width in WIDTH_OF[cpu]:
        if width == 512 and "avx512f" not in CPUS["host"].features:
            continue
        lanes = lanes_of(width, CPUS[cpu])
        for depth, columns in ((1, 64), (1, 101), (64, 1), (7, 13), (3, 64), (1, 4203)):
            rng = np.random.default_rng(columns)
            rows = rng.integers(0, 2, (width * depth, columns)).astype(dtype)
            good, vectors = packed(lanes, rows)
            assert good and np.array_equal(vectors, bits_in_lanes(rows, width))
            assert np.array_equal(unpacked(lanes, vectors, rows.shape, dtype), rows)
            if dtype is not bool:
                rows[rng.integers(len(rows)), rng.integers(columns)] = 2
                assert not packed(lanes, rows)[0]


@pytest.mark.parametrize("bad", [0.5, -1.0, np.nan, np.inf, 1e-300, 256.0, 2.0**32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_that_are_no_bits(bad: float, dtype: Any) -> None:
    lanes = lanes_of(64, CPUS["host"])
    for value, expected in ((-0.0, True), (1.0, True), (bad, dtype(bad) == 0)):
        rows = np.zeros((64, 65), dtype)
        rows[63, 64] = value
        assert packed(lanes, rows)[0] == expected


def test_blocks_cover_all_rows() -> None:
    for rows, widths in ((33_000, [32, 1]), (32_768, [32, 1]), (513, [1000]), (10**6, [2, 2])):
        blocks = blocks_of(512, rows, widths, sum(widths))
        assert blocks is not None and blocks.depth * min(widths) >= 64
        firsts = [blocks.first(k) for k in range(blocks.count)]
        assert firsts[0] == 0 and firsts[-1] + blocks.size == rows
        assert all(b - a <= blocks.size for a, b in zip(firsts, firsts[1:]))
    assert blocks_of(512, 511, [1000], 1000) is None
    assert blocks_of(512, 32_767, [32, 1], 32) is None


def test_dtypes_that_are_not_converted() -> None:
    for dtype in (">i4", ">f8", np.float16, object, "U1", complex):
        assert element_of(np.dtype(dtype)) is None


SHAPES = ("plain", "columns first", "every other", "read-only", "big-endian", "half")


def in_shape(rows: Any, shape: str) -> Any:
    if shape == "columns first":
        return np.asfortranarray(rows)
    if shape == "every other":
        return np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3]
    if shape == "big-endian":
        return rows.astype(rows.dtype.newbyteorder(">"))
    if shape == "half":
        return rows.astype(np.float16)
    made = rows.copy()
    made.setflags(write=shape != "read-only")
    return made


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(33_000, 70_000),
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.sampled_from(SHAPES),
    st.integers(1, 3),
)
def test_rows_of_any_dtype(count: int, dtype: Any, made: Any, shape: str, threads: int) -> None:
    module = ir.parse(LOGIC)
    rows = np.random.default_rng(count).integers(0, 2, (count, 6), dtype=np.uint8)
    y, z = run_batch(module, {"x": rows[:, :5], "k": rows[:, 5]})
    given = in_shape(rows[:, :5].astype(dtype), shape)
    out = np.zeros(count, made), np.zeros((count, 4), made)[:, ::2]
    got = Runner(module)(given, rows[:, 5].astype(dtype), out=out, threads=threads)
    assert np.array_equal(got[0], y) and np.array_equal(got[1], z)
    assert out[0].dtype == made
    if dtype is not bool:
        given = given.copy()
        given[count - 3, 2] = 3
        with pytest.raises(ValueError, match=rf"%x holds 3(\.0)? at \[{count - 3}, 2\]"):
            Runner(module)(given, rows[:, 5])
        with pytest.raises(ValueError, match=rf"%x holds 3(\.0)? at \[{count - 3}, 2\]"):
            Runner(module).pack(given, rows[:, 5])


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(512, 1700), st.integers(64, 150), st.sampled_from(KINDS), st.booleans())
def test_sequences_of_any_dtype(count: int, steps: int, dtype: Any, narrow: bool) -> None:
    module = ir.parse(BITS)
    x, z = np.random.default_rng(count).integers(0, 2, (2, count, steps), dtype=np.uint8)
    y, last = run_batch(module, {"x": x, "z": z})
    got = Runner(module)(x.astype(dtype), z, dtype=np.int16 if narrow else None)
    assert np.array_equal(got[0], y) and np.array_equal(got[1], last)
    kept = Runner(module)(Runner(module).pack(x.astype(dtype), z))
    assert np.array_equal(kept[0], y) and np.array_equal(kept[1], last)
