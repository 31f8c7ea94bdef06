"""The C backend: C11 that a person can read, as a source file and its header.

No heap, no global state; the header works from C++ too. Sizes come first, then inputs, then
outputs; an array is row-major, and arrays may not overlap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ddc.backends.lowering import lower
from ddc.ir import DdcError, Module

from .layout import formatted
from .unit import Unit


@dataclass(frozen=True)
class Source:
    """The two files of an emitted program, and the same in one text that stands alone."""

    source: str
    header: str
    alone: str


def emit(
    module: Module, meta: dict[str, Any] | None = None, header: str | None = None, **_: Any
) -> Source:
    """Return the entry function of a module that verifies as C11.

    `header` is the name under which the source includes its header. Raises `DdcError` for a
    program without native form.
    """
    unit = Unit(module, lower(module, roomy=True), meta)
    name = header or f"{unit.name}.h"
    if not re.fullmatch(r"[\w .+-]+", name):
        raise DdcError(f"a C file cannot include a header of the name {name!r}")
    source, own = formatted(unit.source(name)), '#include "' + name + '"'
    alone = source.replace(own, "#include <stddef.h>\n#include <stdint.h>")
    return Source(source, formatted(unit.header()), alone)


def text(module: Module, meta: dict[str, Any] | None = None, **options: Any) -> str:
    """Return the program as one C text that stands alone, for a terminal."""
    return emit(module, meta, **options).alone


__all__ = ["Source", "emit", "text"]
