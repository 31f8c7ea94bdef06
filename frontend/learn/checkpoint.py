"""Write `ddc.layers/1` checkpoints: a dict of plain tensors, made without torch.

The file is what torch.load(weights_only=True) reads: a zip archive with a pickle of plain values
and one file of doubles per tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from struct import pack
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

FloatLayer = tuple[NDArray[np.float64], NDArray[np.float64]]


def write_layers(
    file: str | Path | BinaryIO,
    layers: Sequence[FloatLayer],
    activations: Sequence[str],
    input: str | None = None,
    output: str | None = None,
    stem: str = "model",
) -> None:
    """Write layers (weights n_in x n_out, bias) with one activation each, `linear` for none.

    Weights are stored n_out x n_in, as torch has them; the signature is left out where it is None.
    `stem` names the folder in the archive; the same network is the same bytes.
    """
    entries: dict[str, object] = {"format": "ddc.layers/1"}
    entries |= {k: v for k, v in (("input", input), ("output", output)) if v is not None}
    for number, (weights, bias) in enumerate(layers):
        entries |= {f"{number}.weight": weights.T, f"{number}.bias": bias}
    entries["activations"] = list(activations)
    write_dict(file, entries, stem)


def write_dict(
    file: str | Path | BinaryIO, content: Mapping[str, object], stem: str = "model"
) -> None:
    """Write a dict of plain values and arrays; arrays become tensors of doubles."""
    entries: dict[str, object] = {}
    storages: list[bytes] = []
    for key, value in content.items():
        entries[key] = value
        if isinstance(value, np.ndarray):
            entries[key] = _tensor(str(len(storages)), value.shape)
            storages.append(np.ascontiguousarray(value, "<f8").tobytes())
    files: dict[str, bytes] = {
        "data.pkl": b"\x80\x02" + _pickle(entries) + b".",
        "byteorder": b"little",
    }
    files |= {f"data/{key}": storage for key, storage in enumerate(storages)}
    with ZipFile(file, "w") as archive:
        for name, octets in (files | {"version": b"3\n"}).items():
            archive.writestr(ZipInfo(f"{stem}/{name}"), octets)


def _tensor(key: str, shape: tuple[int, ...]) -> bytes:
    """Pickle a contiguous tensor of doubles that lies in the archive's storage `key`."""
    size = int(np.prod(shape))
    strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    storage = _pickle(("storage", b"ctorch\nDoubleStorage\n", key, "cpu", size)) + b"Q"
    no_gradient, no_hooks = b"\x89", b"ccollections\nOrderedDict\n)R"
    arguments = _pickle((storage, 0, shape, strides, no_gradient, no_hooks))
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def _pickle(value: object) -> bytes:
    """Write pickle opcodes (protocol 2) for plain values; bytes are opcodes already."""
    match value:
        case bytes():
            return value
        case str():
            return b"X" + pack("<I", len(value.encode())) + value.encode()
        case int():
            return b"J" + pack("<i", value)
        case tuple():
            return b"(" + b"".join(map(_pickle, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_pickle, value)) + b"e"
        case dict():
            return (
                b"}(" + b"".join(map(_pickle, (x for item in value.items() for x in item))) + b"u"
            )
    raise TypeError(f"no opcode for {type(value).__name__}")
