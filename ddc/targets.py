"""What comes out: targets by suffix, and their text."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from ddc.frontend.records import quote
from ddc.ir import DdcError, UsageError, print_module

if TYPE_CHECKING:
    from .driver import Compiled

# suffix -> target; the targets are `ir` and the backends of `ddc.backends`
SUFFIXES: dict[str, str] = {
    ".py": "python",
    ".ddc": "ir",
    ".c": "c",
    ".ll": "llvm",
    ".s": "llvm",
    ".o": "llvm",
    ".so": "llvm",
}


def suffix_of(path: str) -> str:
    """Return the target that a file name asks for."""
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        known = " ".join(SUFFIXES)
        raise UsageError(f"no target for {path!r}: its suffix is none of {known}")
    return SUFFIXES[suffix]


def checked_target(name: str) -> str:
    """Return the name of a target, `ir` or a backend; raise `UsageError` for another."""
    from ddc.backends import backends

    known = ["ir", *backends()]
    if name in known:
        return name
    if name in SUFFIXES.values():
        suffixes = " ".join(s for s, target in SUFFIXES.items() if target in known)
        raise DdcError(f"the {name} backend is not built yet: write one of {suffixes}")
    raise UsageError(f"there is no backend {name!r}; there are {', '.join(known)}")


def checked_name(name: str, target: str = "python") -> str:
    """Return the name that a person chose for the function, if a target takes it as it is.

    Raises `UsageError` where the target's language would need another name.
    """
    language = "C" if target in ("c", "llvm") else "Python"
    names = importlib.import_module(f"ddc.backends.{language.lower()}.names")
    if names.identifier(name) != name:
        raise UsageError(
            f"--name {quote(name)} cannot be: a function's name has at most {names.LONGEST} letters, "
            f"digits and inner _, and means nothing to {language} itself"
        )
    return name


def emit(compiled: Compiled, target: str, style: str = "plain") -> str:
    """Return the program as text for a target."""
    from ddc.backends import backend

    if target == "ir":
        said = "" if compiled.metadata is None else compiled.metadata.line()
        return said + print_module(compiled.module)
    text: str = backend(target)(compiled.module, style=style, meta=compiled.meta)
    return text


def files(
    compiled: Compiled, path: str, target: str, style: str = "plain", cpu: str | None = None
) -> dict[str, bytes]:
    """Return every file that belongs to an output, by path: C has a header too.

    `cpu` is the processor that machine code is for, as LLVM names it; the default is this one.
    """
    suffix = Path(path).suffix
    if target == "llvm" and SUFFIXES.get(suffix) == "llvm":
        from ddc.backends import llvm

        return {path: llvm.emit(compiled.module, suffix, cpu, compiled.meta)}
    if target == "c":
        from ddc.backends import c

        header = Path(path).with_suffix(".h")
        source = c.emit(compiled.module, compiled.meta, header.name)
        return {path: source.source.encode("utf-8"), str(header): source.header.encode("utf-8")}
    return {path: emit(compiled, target, style).encode("utf-8")}
