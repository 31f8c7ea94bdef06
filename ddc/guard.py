"""From exceptions to exit statuses: one clear line for a person, a reproducer for a bug."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path

from ddc.ir import DdcError, EvidenceError, MismatchError, UsageError

from .cli import EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_MISMATCH, EXIT_USAGE

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UsageError, EXIT_USAGE),
    (MismatchError, EXIT_MISMATCH),
    (EvidenceError, EXIT_MISMATCH),
    (DdcError, EXIT_BAD_INPUT),
)


def run(function: str, options: argparse.Namespace) -> int:
    """Call a function of `ddc.commands`; report what goes wrong on standard error."""
    try:
        from . import commands

        status: int = getattr(commands, function)(options)
        sys.stdout.flush()
        return status
    except DdcError as error:
        print(f"ddc: error: {printable(str(error))}", file=sys.stderr)
        return next(status for kind, status in _STATUS if isinstance(error, kind))
    except BrokenPipeError:
        # The reader of our output has left: nothing to report, and nothing to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("ddc: interrupted; nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  a bug is reported, not shown as a traceback
        # A pass that runs out of memory raises an error of its own because of that.
        if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
            print("ddc: error: out of memory", file=sys.stderr)
            return EXIT_BAD_INPUT
        where = write_reproducer(error, getattr(options, "crash_reproducer", None))
        line = printable(f"{type(error).__name__}: {error}".splitlines()[0])
        print(f"ddc: internal error: {line}; a reproducer is in {where}", file=sys.stderr)
        return EXIT_BUG


def printable(text: str) -> str:
    """Return text for a terminal: control characters of strangers are shown, not obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def write_reproducer(error: Exception, wanted: str | None) -> str:
    """Write the module before the failing pass with the rest of the pipeline, and the traceback."""
    lines = ["ddc crash reproducer", "command: " + " ".join(map(ascii, sys.argv[1:]))]
    lines += "".join(traceback.format_exception(error)).splitlines()
    text = "".join(f"// {line}\n" for line in lines)
    before = getattr(error, "before", None)
    if before is not None:
        from ddc.ir import print_module

        text += f"// replay: ddc THIS-FILE -p '{getattr(error, 'rest', '')}'\n" + print_module(
            before
        )
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        try:
            if wanted is not None:
                Path(wanted).write_text(text, encoding="utf-8")
                return wanted
            handle, name = tempfile.mkstemp(".ddc", "ddc-crash-", folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            return name
        except OSError:
            wanted = None
    return "no file (nothing could be written)"
