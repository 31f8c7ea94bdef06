"""Arrays in files: inputs are read (`.npy` in place, mapped), results written whole or not at all."""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.frontend.files import DAMAGE
from ddc.ir import DdcError, UsageError

from .output import whole_file

MAPPED = 1 << 26  # bytes from which a result is computed in the file itself


def is_mapped(path: str, size: int) -> bool:
    """Tell whether a result of some bytes is computed in the memory of its file."""
    target = Path(path)
    plain = target.suffix == ".npy" and (target.is_file() or not target.exists())
    return plain and size >= MAPPED and hasattr(os, "posix_fallocate")


@contextmanager
def mapped_file(path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Give an array that is the content of a new `.npy` file, which takes the place of `path`.

    Its room on the disk is taken first: a full disk is an error before anything is computed.
    """
    with whole_file(path) as file:
        head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, {**head, "shape": shape})
        file.flush()
        start = file.tell()
        os.posix_fallocate(file.fileno(), 0, start + math.prod(shape) * dtype.itemsize)
        made = np.memmap(file, dtype=dtype, mode="r+", offset=start, shape=shape)
        yield made
        made.flush()


def write_result(path: str, result: Any) -> None:
    """Write a result; several need `.npz`."""
    several = isinstance(result, tuple)
    if several and Path(path).suffix == ".npy":
        raise DdcError("several results: write them as .npz")
    parts = [np.asarray(part) for part in (result if several else (result,))]
    if any(part.dtype == object for part in parts):
        # Ints beyond 64 bits, or a missing value, would be written as Python objects.
        raise DdcError("the result has values that no array of numbers holds")
    with whole_file(path) as file:
        if Path(path).suffix == ".npz":
            arrays: dict[str, Any] = {f"y{n}": part for n, part in enumerate(parts)}
            np.savez(file, **arrays)
        else:
            np.save(file, parts[0], allow_pickle=False)


def read_inputs(path: str, names: list[str] | None) -> list[Any]:
    """Return the inputs in the program's order; `.npy` holds one, `.npz` and `.csv` name them."""
    suffix = Path(path).suffix
    try:
        if suffix == ".npy":
            return [np.load(path, mmap_mode="r", allow_pickle=False)]
        if suffix == ".npz":
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                return _ordered({key: archive[key] for key in archive.files}, names, path)
        if suffix == ".csv":
            return _ordered(_table(path), names, path)
    except FileNotFoundError:
        raise DdcError(f"cannot read {path!r}: no such file") from None
    except (OSError, csv.Error, *DAMAGE) as error:
        raise DdcError(f"cannot read {path!r}: {_reason(error)}") from None
    raise UsageError(f"data is read from .npy, .npz and .csv, not from {path!r}")


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, without the advice that numpy gives to programmers."""
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return "it holds no plain numbers" if "pickle" in said else said.partition("; ")[0]


def _table(path: str) -> dict[str, Any]:
    """Return the columns of a table, those called `x0, x1, ...` as one array too."""
    from ddc.frontend.samples import table_arrays

    with open(path, encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tables without rows
        columns = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2, encoding="utf-8-sig")
    if not columns.size:
        raise DdcError(f"{path!r}: a table needs a header and at least one row")
    if columns.shape[1] != len(header):
        raise DdcError(f"{path!r}: {len(header)} names for {columns.shape[1]} columns")
    try:
        return table_arrays(header, columns)
    except DdcError as error:
        raise DdcError(f"{path!r}: {error}") from None


def _ordered(found: dict[str, Any], names: list[str] | None, path: str) -> list[Any]:
    if names is None or (len(found) == 1 and len(names) == 1):
        return list(found.values())
    missing = [name for name in names if name not in found]
    if missing:
        raise DdcError(f"{path!r} has no {missing[0]!r}; it has {', '.join(map(repr, found))}")
    return [found[name] for name in names]
