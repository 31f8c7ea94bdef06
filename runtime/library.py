"""Shared libraries that `ddc` wrote: they say themselves what they take (symbol `NAME_ddc`).

Loading one runs code of its file: only for files that the person trusts.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from ddc.backends.llvm import MARK, signature
from ddc.backends.llvm.unit import Unit
from ddc.backends.lowering import lower
from ddc.ir import DdcError, Module, parse

from .binding import Binding
from .native import Runner

LONGEST = 1 << 20  # bytes of a description


class Library(Runner):
    """A shared library as a program: its calls and steps run the library's code only."""

    def __init__(self, path: str) -> None:
        """Raise `DdcError` for a file that is no library of ours, or of another version."""
        symbol, head, module = described(path)
        super().__init__(module)
        unit = Unit(lower(module))
        if unit.symbol != symbol or signature(unit) != head:
            raise DdcError(f"{path!r} was written by another version of ddc: compile it again")
        try:
            library = ctypes.CDLL(str(Path(path).absolute()))
            address = ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value
        except (OSError, AttributeError) as error:
            raise DdcError(f"cannot load {path!r}: {error}") from None
        assert address is not None
        self.__dict__["binding"] = Binding(module.entry, unit.kernel, address, library)
        # Nothing else of the program is compiled anew: no packed layout, no automaton.
        for other in ("columns", "single", "singles", "logic", "stencil", "machine"):
            self.__dict__[other] = None
        self.__dict__["exact_singles"] = False


def described(path: str) -> tuple[str, str, Module]:
    """Return the function's name, its signature and the program that a library holds."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DdcError(f"cannot read {path!r}: {error.strerror}") from None
    start = raw.find(f"{MARK}\n".encode())
    end = raw.find(b"\0", start, start + LONGEST)
    if start < 0 or end < 0:
        raise DdcError(f"{path!r} does not say what it takes: write it with ddc -o NAME.so")
    parts = raw[start:end].decode("utf-8", "replace").split("\n", 3)
    if len(parts) < 4:
        raise DdcError(f"{path!r} does not say what it takes: write it with ddc -o NAME.so")
    return parts[1], parts[2], parse(parts[3], path)
