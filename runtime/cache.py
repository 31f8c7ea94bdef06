"""Machine code kept on disk, in a folder that only its owner can write to.

Cached objects are code: an entry is used only if the folder is ours alone and the entry is whole.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MAGIC = b"ddc-object-1\n"
LARGEST = 1 << 26  # bytes of an entry
MOST_ENTRIES = 4096


class ObjectCache:
    """Entries by key in one folder; without a folder that can be trusted, nothing is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.usable = _trusted(folder)

    @staticmethod
    def standard() -> ObjectCache:
        """Return the cache of this user: `DDC_CACHE`, else `ddc` in the user's cache folder."""
        chosen = os.environ.get("DDC_CACHE")
        if chosen:
            return ObjectCache(Path(chosen))
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return ObjectCache(Path(base) / "ddc")

    @staticmethod
    def key(*parts: str) -> str:
        """Return the key of everything that machine code depends on: LLVM's version too."""
        import llvmlite
        import llvmlite.binding as llvm

        versions = f"{llvmlite.__version__} {llvm.llvm_version_info} {sys.platform}"
        digest = hashlib.sha256()
        for part in (versions, *parts):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little") + raw)
        return digest.hexdigest()

    def get(self, key: str, build: Callable[[], bytes]) -> bytes:
        """Return an entry; one that is missing, damaged or not ours is built and written."""
        if not self.usable:
            return build()
        found = self._read(key)
        if found is not None:
            return found
        code = build()
        self._write(key, code)
        return code

    def _read(self, key: str) -> bytes | None:
        try:
            handle = os.open(self.folder / f"{key}.o", os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _ours(status) or status.st_size > LARGEST:
                return None
            raw = file.read(LARGEST)
        head, sum_, code = (
            raw[: len(MAGIC)],
            raw[len(MAGIC) : len(MAGIC) + 32],
            raw[len(MAGIC) + 32 :],
        )
        whole = head == MAGIC and sum_ == hashlib.sha256(key.encode() + code).digest()
        return code if whole else None

    def _write(self, key: str, code: bytes) -> None:
        """Write an entry whole or not at all; a full disk only means that nothing is kept."""
        name = ""
        try:
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            with os.fdopen(handle, "wb") as file:
                file.write(MAGIC + hashlib.sha256(key.encode() + code).digest() + code)
            os.replace(name, self.folder / f"{key}.o")
            name = ""
            self._tidy()
        except OSError:
            if name and os.path.exists(name):
                os.unlink(name)

    def _tidy(self) -> None:
        """Remove the oldest entries where there are too many."""
        entries = sorted(self.folder.glob("*.o"), key=lambda p: p.stat().st_mtime)
        for old in entries[: max(0, len(entries) - MOST_ENTRIES)]:
            old.unlink(missing_ok=True)


def _ours(status: os.stat_result) -> bool:
    """Tell whether only this user can write to a file or folder."""
    if not hasattr(os, "getuid"):
        return True
    others = stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid == os.getuid() and not status.st_mode & others


def _trusted(folder: Path) -> bool:
    """Make the folder where it is missing; tell whether it is a folder that only we can write."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _ours(status) and os.access(folder, os.W_OK)
