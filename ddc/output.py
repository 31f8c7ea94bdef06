"""Writing results: a file is written whole or not at all, and text goes where it was asked."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from ddc.ir import DdcError


@contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the place of `path` only when all went well.

    The file is made in the same folder, so that the final rename cannot fail half way. A path
    that is not a regular file (a pipe, a terminal) is written to directly; a symbolic link stays,
    and what it points to is replaced.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            if target.is_dir():
                raise DdcError(f"cannot write {path!r}: it is a folder")
            with target.open("wb") as special:
                yield special
            return
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except (OSError, ValueError) as error:
        raise DdcError(f"cannot write {path!r}: {_reason(error)}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except OSError as error:
        raise DdcError(f"cannot write {path!r}: {_reason(error)}") from None
    finally:
        if os.path.exists(name):
            os.unlink(name)


def check_writable(path: str) -> None:
    """Raise `DdcError` at once where a file could not be written, before long work is done."""
    target = Path(path)
    try:
        if target.is_dir():
            raise DdcError(f"cannot write {path!r}: it is a folder")
        if not target.parent.is_dir():
            raise DdcError(f"cannot write {path!r}: there is no folder {str(target.parent)!r}")
        probe = target if target.exists() and not target.is_file() else target.parent
        if not os.access(probe, os.W_OK):
            raise DdcError(f"cannot write {path!r}: no permission")
    except (OSError, ValueError) as error:
        raise DdcError(f"cannot write {path!r}: {_reason(error)}") from None


def write_text(path: str | None, text: str) -> None:
    """Write text to a file, or to standard output for None or `-`."""
    if path is None or path == "-":
        sys.stdout.write(text)
        return
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))


def write_files(contents: Mapping[str, bytes]) -> None:
    """Write several files that belong together: all of them, or none where one cannot be."""
    with ExitStack() as stack:
        for path, content in contents.items():
            file = stack.enter_context(whole_file(path))
            file.write(content)
            file.flush()


def say(text: str, quiet: bool = False) -> None:
    """Tell the person something on standard error."""
    if not quiet:
        print(text, file=sys.stderr)


def _mode(target: Path) -> int:
    """Return the permissions of the file that is replaced, or those of a new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
