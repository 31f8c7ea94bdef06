"""The zip archive around a checkpoint: stored entries only, sizes and checksums checked."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from ddc.ir import DdcError

from .files import DAMAGE
from .records import quote
from .tensors import DTYPES, decode

MAX_ENTRIES = 1 << 17
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
ENCRYPTED = 0x1

# What tells other archives from checkpoints, by the name of an entry below the archive's folder.
FOREIGN_ENTRIES = {
    "constants.pkl": "a TorchScript archive, which is not read: save the module or its state_dict() "
    "with torch.save, or export it to ONNX",
    "archive_format": "a torch.export archive (.pt2), which is not read: save the module or its "
    "state_dict() with torch.save, or export it to ONNX",
    "serialized_exported_program.json": "a torch.export archive (.pt2), which is not read: save "
    "the module or its state_dict() with torch.save, or export it to ONNX",
}


class Archive:
    """A checkpoint's archive: `pickle` is its pickle, `storage` gives the tensor storages."""

    def __init__(self, data: bytes) -> None:
        _check_magic(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except DAMAGE:
            raise DdcError(
                "a damaged or truncated checkpoint: its zip directory is broken"
            ) from None
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES:
            raise DdcError(f"an archive of {len(entries)} entries, more than {MAX_ENTRIES}")
        self._entries = {entry.filename: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise DdcError("an archive that holds two entries of one name")
        self._budget = len(data)
        self._root = _root(list(self._entries))
        self._storages: dict[str, tuple[str, np.ndarray]] = {}
        order = f"{self._root}byteorder"
        if order in self._entries and self._read(order) != b"little":
            raise DdcError(
                "a checkpoint saved on a big-endian machine, which is not read: load it with torch "
                "and torch.save it again on a little-endian one"
            )
        self.pickle = self._read(f"{self._root}data.pkl")

    def storage(self, key: str, dtype: str, count: int) -> np.ndarray:
        """Return a tensor storage as a flat array; its size must be what the pickle says."""
        if key in self._storages:
            known, flat = self._storages[key]
            if known != dtype or flat.size != count:
                raise DdcError(f"tensor storage {quote(key)} is described in two ways")
            return flat
        name = f"{self._root}data/{key}"
        entry = self._entries.get(name)
        if entry is None:
            raise DdcError(f"tensor storage {quote(key)} is missing from the archive")
        if entry.file_size != count * DTYPES[dtype].itemsize:
            raise DdcError(
                f"tensor storage {quote(key)} has {entry.file_size} bytes, but its pickle says "
                f"{count} numbers of {dtype}"
            )
        flat = decode(self._read(name), dtype)
        self._storages[key] = (dtype, flat)
        return flat

    def _read(self, name: str) -> bytes:
        entry = self._entries[name]
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & ENCRYPTED:
            raise DdcError(
                f"entry {quote(name)} is compressed or encrypted; torch.save never does so"
            )
        # Stored entries that overlap could still add up to more than the file.
        self._budget -= entry.file_size
        if self._budget < 0:
            raise DdcError("an archive whose entries overlap")
        try:
            data = self._zip.read(entry)
        except DAMAGE:
            raise DdcError(f"entry {quote(name)} is damaged or truncated") from None
        if len(data) != entry.file_size:
            raise DdcError(f"entry {quote(name)} is truncated")
        return data


def _check_magic(data: bytes) -> None:
    if data.startswith(b"PK"):
        return
    if data.startswith(LEGACY_MAGIC) or data[257:262] == b"ustar":
        raise DdcError(
            "a checkpoint in the format from before torch 1.6: load it with torch and torch.save "
            "it again"
        )
    if not data:
        raise DdcError("not a checkpoint: the file is empty")
    if data.startswith(b"\x80"):
        raise DdcError("a bare pickle, not a checkpoint: save it with torch.save")
    raise DdcError("not a checkpoint: no zip archive as torch.save writes it")


def _root(names: list[str]) -> str:
    """Return the folder that every entry lies in, with its slash."""
    for name in names:
        rest = name.partition("/")[2]
        if rest in FOREIGN_ENTRIES or name in FOREIGN_ENTRIES:
            raise DdcError(FOREIGN_ENTRIES.get(rest) or FOREIGN_ENTRIES[name])
    roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    roots = [root for root in roots if root.count("/") == 1]
    if len(roots) != 1:
        raise DdcError("not a checkpoint: a zip archive without one data.pkl")
    return roots[0]
