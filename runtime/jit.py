"""Native functions in this process: emitted, optimised, linked, and kept on disk."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from ddc.backends.llvm.machine import Cpu, binding, host, object_code, pipeline
from ddc.backends.llvm.unit import Unit
from ddc.backends.lowering import lower
from ddc.ir import Module

from .binding import Binding
from .cache import ObjectCache
from .drivers import ADVANCE, ROWS, with_drivers
from .layouts import widest

_COUNTER = itertools.count()
_STATE: dict[str, Any] = {}


def linked(code: bytes, symbol: str) -> tuple[int, Any]:
    """Return the address of a function in an object file, and what keeps it alive."""
    library = library_of(code, [symbol])
    return library[symbol], library


def library_of(code: bytes, symbols: Sequence[str]) -> Any:
    """Return an object file, linked: the addresses of functions by name."""
    llvm = binding()
    if "jit" not in _STATE:
        _STATE["jit"] = llvm.create_lljit_compiler()
    builder = llvm.JITLibraryBuilder()
    builder.add_current_process()
    builder.add_object_img(code)
    for symbol in symbols:
        builder.export_symbol(symbol)
    return builder.link(_STATE["jit"], f"ddc{next(_COUNTER)}")


def code_of(
    text: str, cpu: Cpu, level: int = 3, vectorise: bool = True, cache: ObjectCache | None = None
) -> bytes:
    """Return machine code for assembly, from the cache where it is there."""
    if cache is None:
        return object_code(text, cpu, level, vectorise)
    key = cache.key(text, cpu.key, pipeline(level, vectorise))
    return cache.get(key, lambda: object_code(text, cpu, level, vectorise))


# lines of assembly up to which a level of optimisation is worth its seconds
LEVELS = ((2_000, 3), (6_000, 1))


def level_for(text: str) -> int:
    """Return the level of optimisation for assembly; long code is compiled at once, at level 0."""
    lines = text.count("\n")
    return next((level for most, level in LEVELS if lines <= most), 0)


def compile_module(
    module: Module, cpu: Cpu | None = None, cache: bool = True, single: bool = False
) -> Binding:
    """Return the entry of a module that verifies as a native function.

    `single` computes and stores reals in single precision. Raises `DdcError` for a program
    without native form.
    """
    kernel = lower(module)
    chosen = cpu or host()
    unit = Unit(kernel, single, wide=widest(chosen) == 512)
    kept = ObjectCache.standard() if cache else None
    text, names = with_drivers(unit)
    level = level_for(text)
    code = code_of(text, chosen, level, level > 1, kept)
    library = library_of(code, names)
    binding = Binding(module.entry, kernel, library[unit.symbol], library, single)
    binding.drive(library[ROWS], library[ADVANCE] if ADVANCE in names else None)
    return binding
