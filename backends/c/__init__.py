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


def packed_kernel(module: Module, steps: int = 8) -> str | None:
    """Return the inner loop of a program over bits in lanes as C, None for other programs.

    A rule on a row of cells: `advance(source, target, first, end)`, `steps` steps at once. A rule on
    a grid: `step(source, target, from, to, rows, columns)`. Logic of fixed shape over rows:
    `run(inputs, outputs, stride, first, end)`. See `packed` for the layouts.
    """
    from ddc.backends.lowering.logic import logic_of
    from ddc.backends.lowering.stencil import stencil_of

    from . import packed

    stencil = stencil_of(module)
    if stencil is not None and len(stencil.borders) <= 2:
        one = len(stencil.borders) == 1
        return packed.pipeline(stencil, steps) if one else packed.rows(stencil)
    logic = logic_of(module)
    return None if logic is None else packed.columns(*logic)


__all__ = ["Source", "emit", "packed_kernel", "text"]
