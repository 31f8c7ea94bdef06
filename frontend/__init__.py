"""Readers of trained networks: a file or a module in memory into inert records, and then the IR."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path

from ddc.ir import DdcError

from .lower import DECISIONS, Lowered, lower
from .names import identifier
from .records import Layer, Network, check_finite, quote
from .samples import Samples, read_samples
from .signature import Signature, parse_signature
from .torch_module import read_module

__all__ = [
    "DECISIONS",
    "READERS",
    "Layer",
    "Lowered",
    "Network",
    "Samples",
    "Signature",
    "identifier",
    "lower",
    "parse_signature",
    "read",
    "read_module",
    "read_samples",
    "reader_for",
]

Reader = Callable[[Path, str | None, bool], Network]

ENTRY_POINTS = "ddc.frontends"

# Suffix to reader, imported when used. An entry point of the group is called by its suffix, without
# the dot, and gives a function of the same shape: (path, model, trust) -> Network.
READERS: dict[str, str] = {
    ".pt": "ddc.frontend.pt:read",
    ".pth": "ddc.frontend.pt:read",
    ".safetensors": "ddc.frontend.safetensors:read",
    ".onnx": "ddc.frontend.onnx:read",
    "/": "ddc.frontend.csv:read",
}

# Suffixes that are known and not read, with what to do instead.
REFUSED: dict[str, str] = {
    ".pt2": "torch.export archives are not read: save the module or its state_dict() with "
    "torch.save, or export it to ONNX",
    ".csv": "a table of data or a single layer: give the folder that holds NAME_1.csv, NAME_2.csv",
    ".pkl": "a bare pickle is not read: save the network with torch.save as .pt",
    ".h5": "Keras files are not read: export the network to ONNX",
    ".keras": "Keras files are not read: export the network to ONNX",
}


def read(path: str | Path, *, model: str | None = None, trust: bool = False) -> Network:
    """Return the network of a file or folder as records; weights are finite.

    `model` (`package:factory` or `FILE.py:factory`) gives the architecture of a state dict and is
    run; `trust` lets a checkpoint run its own code. Raises `DdcError`, one line, for bad input.
    """
    if not str(path):
        raise DdcError("cannot read a network from a file without a name")
    path = Path(path)
    return check_finite(reader_for(path)(path, model, trust))


def reader_for(path: Path) -> Reader:
    """Return the reader for a path by its suffix (`/` stands for a folder)."""
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError):
        raise DdcError(f"{quote(str(path))}: cannot be read: not a usable path") from None
    if not exists:
        raise DdcError(f"{quote(str(path))}: cannot be read: no such file or folder")
    suffix = "/" if is_folder else path.suffix.lower()
    if suffix in REFUSED:
        raise DdcError(f"{quote(str(path))}: {REFUSED[suffix]}")
    target = READERS.get(suffix)
    if target is not None:
        module, _, name = target.partition(":")
        reader: Reader = getattr(importlib.import_module(module), name)
        return reader
    plugin = _plugin(suffix.removeprefix("."))
    if plugin is not None:
        return plugin
    known = ", ".join(s for s in READERS if s != "/")
    raise DdcError(
        f"{quote(str(path))}: no reader for files that end in {quote(suffix)}; read are {known} "
        "and folders of layer matrices"
    )


def _plugin(suffix: str) -> Reader | None:
    from importlib.metadata import entry_points

    found = list(entry_points(group=ENTRY_POINTS, name=suffix)) if suffix else []
    if len(found) > 1:
        raise DdcError(f"{len(found)} installed plugins read files that end in {quote(suffix)}")
    for entry in found:
        try:
            reader: Reader = entry.load()
            return reader
        except Exception as error:  # noqa: BLE001  a plugin may raise anything
            owner = entry.dist.name if entry.dist is not None else "unknown"
            warnings.warn(f"frontend plugin of {quote(owner)} failed: {quote(error)}", stacklevel=3)
    return None
