"""Read files that strangers wrote: regular, of bounded size, every failure one line."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path

from ddc.ir import DdcError

MAX_FILE_BYTES = 1 << 32

# What the standard zip reader raises on archives that are damaged, or made to be.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def read_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the bytes of a regular file; raise `DdcError` if that cannot be."""
    try:
        # A pipe or a device would hang or never end, so look before opening.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DdcError("not a regular file")
        if status.st_size > limit:
            raise DdcError(f"{status.st_size} bytes, more than the limit of {limit}")
        with path.open("rb") as stream:
            data = stream.read(status.st_size + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DdcError(f"cannot be read: {reason}") from None
    except ValueError:
        raise DdcError("cannot be read: not a usable path") from None
    if len(data) != status.st_size:
        raise DdcError("cannot be read: it changes while being read")
    return data
