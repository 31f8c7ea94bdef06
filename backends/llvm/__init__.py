"""The LLVM backend: assembly text, machine code and shared libraries with the C signature."""

from __future__ import annotations

from typing import Any

from ddc.backends.evidence import sentence
from ddc.backends.lowering import lower
from ddc.ir import DdcError, Module, print_module

from .text import data
from .unit import Unit

KINDS = (".ll", ".s", ".o", ".so")


def assembly(module: Module, meta: dict[str, Any] | None = None) -> str:
    """Return the entry function of a module that verifies as LLVM assembly for any processor.

    Raises `DdcError` for a program without native form.
    """
    return Unit(lower(module)).module(_comment(module, meta))


def _comment(module: Module, meta: dict[str, Any] | None) -> list[str]:
    import json

    lines = [f"{module.entry.name}, written by ddc."]
    lines += [sentence(claim) for claim in module.entry.evidence]
    if meta is not None:
        lines.append(f"ddc: {json.dumps(meta, ensure_ascii=True, sort_keys=True)}")
    return [line.encode("unicode_escape").decode("ascii") for line in lines]


# What machine code says about itself, so that it can be run: the symbol `NAME_ddc` holds this mark,
# the function's name and signature as LLVM writes them, and the program as IR text.
MARK = "ddc-program-1"
LONGEST_DESCRIPTION = 1 << 20


def signature(unit: Unit) -> str:
    """Return the head of the function that computes, as LLVM assembly."""
    kernel = unit.kernel
    result = "i32" if kernel.checked else unit.result()
    return unit.head(unit.symbol, result, kernel.checked or kernel.returned is None)


def _description(unit: Unit, module: Module) -> str:
    lines = (MARK, unit.symbol, signature(unit), print_module(module))
    raw = "\n".join(lines).encode("utf-8", "backslashreplace") + b"\0"
    if len(raw) > LONGEST_DESCRIPTION:
        return ""
    return f"@{unit.name}_ddc = constant [{len(raw)} x i8] {data(raw)}\n"


def text(module: Module, meta: dict[str, Any] | None = None, **_: Any) -> str:
    """Return the program as readable LLVM assembly, its evidence in comments."""
    from .machine import tidied

    comment = "".join(f"; {line}\n" for line in _comment(module, meta))
    return comment + tidied(assembly(module))


def emit(
    module: Module,
    kind: str = ".ll",
    cpu: str | None = None,
    meta: dict[str, Any] | None = None,
) -> bytes:
    """Return the program as a file of one of `KINDS`, for a processor (default: this one).

    Raises `DdcError` for a processor that LLVM does not know, and for a `.so` without C compiler.
    """
    from . import machine

    if kind == ".ll":
        return text(module, meta).encode("ascii", "backslashreplace")
    if kind not in KINDS:
        raise DdcError(f"the LLVM backend writes {' '.join(KINDS)}, not {kind!r}")
    unit, chosen = Unit(lower(module)), machine.cpu_of(cpu)
    source = unit.module(_comment(module, meta))
    if kind == ".s":
        return machine.assembly(source, chosen).encode("utf-8")
    code = machine.object_code(f"{source}\n{_description(unit, module)}", chosen)
    return code if kind == ".o" else machine.shared_library(code)


__all__ = ["KINDS", "MARK", "assembly", "emit", "signature", "text"]
