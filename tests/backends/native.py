"""Compile emitted C and compare native functions with the interpreter."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis.strategies import DataObject

from ddc import ir
from ddc.backends.c import emit
from ddc.backends.c.names import identifier
from ddc.backends.lowering import lower
from ddc.ir.interpreter import run
from ddc.runtime.binding import Binding, OverflowReported
from tests import strategies

COMPILERS = [c for c in ("gcc", "clang") if c == "gcc" or shutil.which(c)]

# Undefined behaviour stops the process: no wrong answer can hide it.
UNDEFINED = [
    "-fsanitize=undefined",
    "-fno-sanitize-recover=all",
    "-fsanitize-undefined-trap-on-error",
]
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", "-shared"]


def named(module: ir.Module, name: str) -> ir.Module:
    """Return the module with its entry renamed."""
    entry = replace(module.entry, name=name)
    return ir.Module((entry, *module.functions[1:]), module.constants)


def library(
    modules: Sequence[ir.Module],
    folder: Path,
    compiler: str = "gcc",
    flags: Sequence[str] = ("-O1",),
) -> list[Binding]:
    """Return the entries of the modules, compiled from emitted C without a warning."""
    folder.mkdir(exist_ok=True)
    files: list[str] = []
    for module in modules:
        source = emit(module)
        stem = identifier(module.entry.name, "program")
        (folder / f"{stem}.h").write_text(source.header)
        (folder / f"{stem}.c").write_text(source.source)
        files.append(f"{stem}.c")
    out = folder / f"{Path(files[0]).stem}.so"
    command = [compiler, *FLAGS, *flags, *files, "-o", str(out), "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{(folder / files[0]).read_text()}\n{done.stderr}"
    loaded = ctypes.CDLL(str(out))
    return [bound(m, loaded, roomy=True) for m in modules]


def bound(module: ir.Module, loaded: ctypes.CDLL, roomy: bool) -> Binding:
    """Return the entry of a module in a loaded library."""
    kernel = lower(module, roomy=roomy)
    name = identifier(module.entry.name, "program") + ("_checked" if kernel.checked else "")
    address = ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value
    assert address is not None
    return Binding(module.entry, kernel, address, loaded)


def drawn(data: DataObject, network: bool, wide: bool) -> tuple[ir.Module, dict[str, int]] | None:
    """Draw a module and its sizes, None where an int without bounds cannot be lowered."""
    module = data.draw(strategies.modules(network=network, wide=wide))
    sizes = data.draw(strategies.sizes_of(module))
    try:
        lower(module)
    except ir.DdcError as error:
        assert "beyond 64 bits" in str(error)
        return None
    return module, sizes


def close(a: Any, b: Any) -> bool:
    """Tell whether two results agree: ints exactly, reals to 1e-12."""
    return strategies.agree(a, b, 1e-12)


def check(
    binding: Binding, module: ir.Module, inputs: Mapping[str, Any], sizes: Mapping[str, int]
) -> None:
    """Assert that a native function agrees with the interpreter, or that it says it cannot."""
    try:
        expected = run(module, inputs, sizes=sizes)
    except ir.DdcError:
        return  # a NaN that is rounded, an int without end
    try:
        results = binding([inputs[p.name] for p in module.entry.params], sizes)
    except OverflowReported:
        assert goes_beyond(module, inputs, sizes), ir.print_module(module)
        return
    for got, wanted in zip(results, expected, strict=True):
        assert close(got, wanted), f"{got!r} != {wanted!r}\n{inputs!r}\n{ir.print_module(module)}"


def goes_beyond(module: ir.Module, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Tell whether some int value of a run really leaves 64 bits."""
    from ddc.ir import interpreter

    seen = [
        max((abs(int(v)) for v in np.ravel(np.asarray(a, dtype=object)) if v == v), default=0)
        for a in inputs.values()
    ]
    define = interpreter._Machine.define

    def spy(self: Any, name: str, value: Any) -> None:
        if value.dtype == object and value.size:
            seen.append(max(abs(int(v)) for v in value.ravel().tolist()))
        define(self, name, value)

    interpreter._Machine.define = spy  # type: ignore[method-assign]
    try:
        run(module, inputs, sizes=sizes)
    finally:
        interpreter._Machine.define = define  # type: ignore[method-assign]
    return max(seen, default=0) >= 1 << 62
