"""Native functions in this process: emitted, optimised, linked, and kept on disk."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from ddc.backends.llvm.looking import MOST, Look, Looking
from ddc.backends.llvm.machine import Cpu, binding, host, object_code, pipeline
from ddc.backends.llvm.unit import Unit
from ddc.backends.lowering import Kernel, lower
from ddc.backends.lowering.nest import entry_dtype
from ddc.ir import Affine, Function, Module, dims

from .binding import Binding, Looked
from .cache import ObjectCache
from .drivers import ADVANCE, BANDS, ROWS, with_drivers
from .layouts import widest
from .moves import range_of

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
    first = first_size(module)
    text, names = with_drivers(unit, first)
    level = level_for(text)
    code = code_of(text, chosen, level, level > 1, kept)
    library = library_of(code, names)
    binding = Binding(module.entry, kernel, library[unit.symbol], library, single)
    advance, bands = (library[name] if name in names else None for name in (ADVANCE, BANDS))
    binding.drive(library[ROWS], advance, bands, first)
    binding.look = partial(compile_looking, module, cpu, cache, single)
    return binding


def first_size(module: Module) -> str | None:
    """Return the size that the first axis of all arrays is, None where there is none."""
    entry = module.entry
    firsts = {dims(p.type)[0] if dims(p.type) else None for p in (*entry.params, *entry.results)}
    first = firsts.pop() if len(firsts) == 1 else None
    found = [s.name for s in entry.sizes if first == Affine.symbol(s.name)]
    return found[0] if found else None


def compile_looking(
    module: Module, cpu: Cpu | None = None, cache: bool = True, single: bool = False
) -> Looked | None:
    """Return the entry as a function that checks its inputs while it computes.

    None where an input's entries do not go with the cells of the output.
    """
    kernel = lower(module)
    looks = looks_of(module.entry, kernel)
    if looks is None:
        return None
    chosen = cpu or host()
    unit = Looking(kernel, looks, single, wide=widest(chosen) == 512)
    text = unit.module()
    kept = ObjectCache.standard() if cache else None
    level = level_for(text)
    address, library = linked(code_of(text, chosen, level, level > 1, kept), unit.symbol)
    arguments: list[Any] = [ctypes.c_size_t] * len(kernel.sizes)
    arguments += [ctypes.c_void_p] * (len(kernel.inputs) + len(kernel.outputs))
    return Looked(ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(address), library)


def looks_of(function: Function, kernel: Kernel) -> list[Look] | None:
    """Return how the inputs of a kernel can be looked at from cell to cell of its first output."""
    if kernel.workspace or kernel.returned is not None or not function.results:
        return None
    if any(p.array is None for p in (*kernel.inputs, *kernel.outputs)):
        return None
    cells = dims(function.results[0].type)
    found: list[Look] = []
    for param, given in zip(function.params, kernel.inputs):
        shape, array = dims(param.type), given.array
        rest = shape[len(cells) :]
        if shape[: len(cells)] != cells or array is None or not all(d.is_const for d in rest):
            return None
        count = math.prod(d.const for d in rest)
        among = range_of(param, entry_dtype(array.type))
        if among is None or not 1 <= count <= MOST:
            return None
        found.append(Look(array, count, *among))
    return found
