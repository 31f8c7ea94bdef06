"""Samples of a network's inputs: `.npz` arrays or a `.csv` with a header, and their signature."""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ddc.ir import BIT, REAL, Affine, DdcError, Int, Scalar, with_dims

from .files import DAMAGE, read_bytes
from .names import identifier
from .records import about, quote
from .signature import Signature

MAX_BYTES = 1 << 30
MAX_COLUMNS = 4096
FEW = 256  # integers in a range up to this wide are an int type, others are real numbers
NUMBERED = re.compile(r"(.*?)[_.]?([0-9]{1,4})", re.DOTALL)

_HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Samples:
    """Inputs by name in order, one row per sample, and the wanted outputs where they are known."""

    arrays: Mapping[str, np.ndarray]
    y: np.ndarray | None = None


def read_samples(path: str | Path) -> Samples:
    """Return the samples of an `.npz` or `.csv` file; raise `DdcError` for anything else."""
    path = Path(path)
    with about(str(path)):
        suffix = path.suffix.lower()
        if suffix not in (".npz", ".csv"):
            raise DdcError("data are read from .npz files and .csv files with a header")
        data = read_bytes(path, MAX_BYTES)
        found = _npz(data) if suffix == ".npz" else _table(data)
        counts = {len(array) for array in found.arrays.values()}
        if not found.arrays or len(counts) != 1 or 0 in counts:
            raise DdcError("data need at least one sample, and as many of each input")
        if found.y is not None and len(found.y) not in counts:
            raise DdcError(f"y has {len(found.y)} labels for {counts.pop()} samples")
        return found


def _npz(data: bytes) -> Samples:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > MAX_BYTES:
                raise DdcError(f"unpacks to {size} bytes, more than the limit of {MAX_BYTES}")
            arrays = {e.filename.removesuffix(".npy"): _array(archive.read(e)) for e in entries}
    except DAMAGE:
        raise DdcError("no .npz file, a damaged one, or one with pickled objects") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.ndim < 1:
            raise DdcError(f"array {quote(name)} does not hold numbers, one row per sample")
    y = arrays.pop("y", None)
    return Samples(_renamed(arrays), y)


def _array(data: bytes) -> np.ndarray:
    """Return an array in numpy's format; its header must not claim more than there is."""
    stream = io.BytesIO(data)
    header = _HEADERS[np.lib.format.read_magic(stream)]
    shape, column_major, dtype = header(stream)
    if dtype.hasobject or dtype.itemsize * math.prod(shape) != len(data) - stream.tell():
        raise ValueError
    flat = np.frombuffer(data, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if column_major else "C")


def _renamed(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    renamed: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        wish = identifier(name)
        if wish in renamed:
            raise DdcError(f"two inputs would be called {wish}")
        renamed[wish] = array
    return renamed


def _table(data: bytes) -> Samples:
    """Return columns by name; those called `x0, x1, …` in a row are one array `x`."""
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise DdcError("not a .csv file") from None
    rows = [line for line in lines if line]
    if len(rows) < 2:
        raise DdcError("a table needs a header and at least one row")
    header = rows[0]
    if len(header) > MAX_COLUMNS or any(len(row) != len(header) for row in rows):
        raise DdcError(f"a table needs as many cells in each row as in its header, {len(header)}")
    values = np.empty((len(rows) - 1, len(header)))
    for number, row in enumerate(rows[1:]):
        for column, cell in enumerate(row):
            values[number, column] = _number(cell, number + 1, header[column])
    columns = _named(header, values)
    y = columns.pop("y", None)
    return Samples(_renamed(_grouped(columns)), y)


def table_arrays(header: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a table by the names that inputs have, and those that count up as one.

    Raises `DdcError` where two columns have one name.
    """
    columns = _named(header, values)
    return _renamed(columns) | _renamed(_grouped(columns))


def _named(header: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
    columns = {name.strip(): values[:, index] for index, name in enumerate(header)}
    if len(columns) < len(header):
        raise DdcError("two columns have one name")
    return columns


def _number(cell: str, row: int, column: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DdcError(f"row {row}, column {quote(column)}: {quote(cell)} is no finite number")
    return value


def _grouped(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gather columns whose names count up, `x0, x1, …`, where they stand side by side."""
    groups: list[tuple[str, list[int], list[np.ndarray]]] = []
    for name, values in columns.items():
        match = NUMBERED.fullmatch(name)
        stem, number = (match[1], int(match[2])) if match and match[1] else (name, -1)
        if groups and number > 0 and groups[-1][0] == stem and groups[-1][1][-1] == number - 1:
            groups[-1][1].append(number)
            groups[-1][2].append(values)
        else:
            groups.append((stem, [number], [values]))
    gathered: dict[str, np.ndarray] = {}
    for stem, numbers, arrays in groups:
        name = stem if len(arrays) > 1 or numbers == [-1] else f"{stem}{numbers[0]}"
        if name in gathered:
            raise DdcError(f"two inputs would be called {quote(name)}")
        gathered[name] = np.stack(arrays, 1) if len(arrays) > 1 else arrays[0]
    return gathered


def infer(samples: Samples) -> Signature:
    """Return the narrowest signature of the samples: bits, small ints, else real numbers.

    Raises `DdcError` for missing and infinite values.
    """
    for name, array in samples.arrays.items():
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            raise DdcError(
                f"--data: {name} is {array[tuple(bad[0])]} at index {bad[0].tolist()} "
                f"({len(bad)} such values): values must be finite"
            )
    return Signature(
        tuple(
            (name, with_dims(_scalar(array), _dims(array.shape[1:])))
            for name, array in samples.arrays.items()
        )
    )


def _dims(shape: Sequence[int]) -> tuple[Affine, ...]:
    return tuple(Affine.of(size) for size in shape)


def _scalar(array: np.ndarray) -> Scalar:
    if array.dtype.kind == "b":
        return BIT
    if array.size == 0 or not np.isfinite(array).all() or (array != np.rint(array)).any():
        return REAL
    low, high = int(array.min()), int(array.max())
    if low >= 0 and high <= 1:
        return BIT
    if high - low >= FEW:
        return REAL
    distinct = [int(value) for value in np.unique(array)]
    return Int.of(*distinct) if distinct == [-1, 1] else Int(low, high)
