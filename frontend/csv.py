"""Read a folder of layer matrices `NAME_1.csv, NAME_2.csv …`, as essence networks are published.

Each matrix has a row per input and, last, the bias; a column per unit. Ternary sign units stand
between the layers, the last layer is linear.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from ddc.ir import DdcError

from .files import read_bytes
from .records import Layer, Network, about, quote

FILE_NAME = re.compile(r"(?P<stem>.+)_(?P<index>[1-9][0-9]{0,3})\.csv", re.DOTALL)
MAX_FILES = 10_000


def read(path: Path, model: str | None, trust: bool) -> Network:
    """Return the network of a folder of layer matrices."""
    with about(str(path)):
        if model is not None:
            raise DdcError("a folder of layer matrices needs no --model: leave it out")
        layers: list[Layer] = []
        hashed = hashlib.sha256()
        files = _layer_files(path)
        for index, file in enumerate(files, 1):
            with about(file.name):
                data = read_bytes(file)
                matrix = _matrix(data)
            hashed.update(data)
            if index > 1:
                layers.append(Layer("sign", f"{index - 1}.sign"))
            tensors = {"weight": matrix[:-1].T, "bias": matrix[-1]}
            layers.append(Layer("linear", str(index), {}, tensors))
        return Network(layers, None, None, hashed.hexdigest(), str(path))


def _layer_files(folder: Path) -> list[Path]:
    """Return the files of layers 1, 2, … in order; there must be one network in the folder."""
    found: dict[str, dict[int, Path]] = {}
    for count, entry in enumerate(folder.iterdir()):
        if count >= MAX_FILES:
            raise DdcError(f"a folder of more than {MAX_FILES} files")
        if match := FILE_NAME.fullmatch(entry.name):
            found.setdefault(match["stem"], {})[int(match["index"])] = entry
    if not found:
        raise DdcError("a folder without layer matrices: no NAME_1.csv, NAME_2.csv …")
    if len(found) > 1:
        names = ", ".join(quote(stem) for stem in sorted(found)[:4])
        raise DdcError(f"a folder with the layers of several networks: {names}")
    ((stem, numbered),) = found.items()
    missing = sorted(set(range(1, len(numbered) + 1)) - set(numbered))
    if missing:
        raise DdcError(f"layer {missing[0]} is missing: no {quote(f'{stem}_{missing[0]}.csv')}")
    return [numbered[index] for index in sorted(numbered)]


def _matrix(data: bytes) -> np.ndarray:
    """Return a matrix of at least two rows, one of weights and the bias."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DdcError("not a text file") from None
    rows: list[np.ndarray] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        row = _row(line, number)
        if rows and row.size != rows[0].size:
            raise DdcError(f"line {number} has {row.size} numbers, line 1 has {rows[0].size}")
        rows.append(row)
    if len(rows) < 2:
        raise DdcError("a layer needs at least one row of weights and the row of biases")
    return np.stack(rows)


def _row(line: str, number: int) -> np.ndarray:
    cells = line.split(",")
    try:
        return np.array([float(cell) for cell in cells], np.float64)
    except ValueError:
        bad = next(cell for cell in cells if not _is_number(cell))
        raise DdcError(f"line {number}: {quote(bad.strip())} is not a number") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
