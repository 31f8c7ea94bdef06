"""N13 of `benchmarks.native`: the same kernels as C, compiled by gcc, and as LLVM assembly."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ddc import ir
from ddc.backends import c
from ddc.backends.llvm import packed
from ddc.backends.llvm.columns import columns_kernel
from ddc.backends.llvm.machine import Cpu
from ddc.backends.lowering.logic import logic_of
from ddc.backends.lowering.stencil import stencil_of
from ddc.runtime.grid import ROWS_AT_ONCE, aligned, widest
from ddc.runtime.jit import code_of, compile_module, linked
from ddc.runtime.layouts import pass_steps

from .native_baselines import reference_rule30
from .programs import LIFE, RULE30, binary_rules
from .timing import AVX2, faster, random_bits

POINTER, NUMBER = ctypes.c_void_p, ctypes.c_int64


def by_gcc(files: dict[str, str], name: str, signature: Sequence[Any], cpu: Cpu) -> Any:
    """Return a function of emitted C."""
    wide = ["-march=native", "-mprefer-vector-width=512"]
    flags = ["-std=c11", "-O3", *(["-march=x86-64-v3"] if cpu is AVX2 else wide)]
    with tempfile.TemporaryDirectory() as folder:
        for file, text in files.items():
            (Path(folder) / file).write_text(text)
        sources = [file for file in files if file.endswith(".c")]
        command = ["gcc", *flags, "-shared", "-fPIC", *sources, "-o", "kernel.so"]
        subprocess.run(command, cwd=folder, check=True)
        function = getattr(ctypes.CDLL(f"{folder}/kernel.so"), name)
    function.argtypes, function.restype = list(signature), None
    return function


def by_llvm(text: str, name: str, signature: Sequence[Any], cpu: Cpu) -> Any:
    """Return a function of a kernel with explicit vectors."""
    address, library = linked(code_of(text, cpu, 2, False), name)
    function = ctypes.CFUNCTYPE(None, *signature)(address)
    function.library = library  # type: ignore[attr-defined]
    return function


def repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(times):
            call()

    return work


def bytes_of(size: int) -> Any:
    """Return aligned memory of random bytes."""
    made = aligned(size)
    made[:] = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    return made


def byte_stencil(cpu: Cpu) -> float:
    """Rule 30 on bytes, in L2."""
    module, size = ir.parse(RULE30), 1 << 18
    source, binding = c.emit(module), compile_module(module, cpu)
    files = {"rule30.c": source.source, "rule30.h": source.header}
    compiled = by_gcc(files, "rule30", [NUMBER, POINTER, POINTER], cpu)
    a, b, d = random_bits(size), np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    ours = (size, a.ctypes.data, b.ctypes.data)
    theirs = (size, a.ctypes.data, d.ctypes.data)
    compiled(*ours), binding.call(*theirs)
    assert np.array_equal(b, d) and np.array_equal(b, reference_rule30(a))
    return faster(
        repeated(lambda: compiled(*ours), 400), repeated(lambda: binding.call(*theirs), 400)
    )


def packed_row(cpu: Cpu) -> float:
    """Rule 30 on bits in lanes: as many steps in one pass as registers hold."""
    module, rows = ir.parse(RULE30), 1 << 14
    rule, lanes = stencil_of(module), widest(cpu)
    assert rule is not None
    steps = pass_steps(rule, lanes)
    signature = [POINTER, POINTER, NUMBER, NUMBER]
    text = packed.module([packed.pipeline(packed.Packed(lanes, steps), rule, "advance")], lanes)
    theirs = by_llvm(text, "advance", signature, cpu)
    kernel = c.packed_kernel(module, steps)
    assert kernel is not None
    ours = by_gcc({"kernel.c": kernel}, "advance", signature, cpu)
    given, out = bytes_of((rows + 64) * lanes // 8), aligned((rows + 64) * lanes // 8)
    source, target = given.ctypes.data + 32 * lanes // 8, out.ctypes.data + 32 * lanes // 8

    def mine() -> None:
        ours(source, target, 0, rows)

    def other() -> None:
        theirs(source, target, 0, rows)

    same(mine, other, out)
    return faster(repeated(mine, 40), repeated(other, 40))


def packed_grid(cpu: Cpu) -> float:
    """Life on bits in lanes, one step."""
    module, rows, columns = ir.parse(LIFE.replace("BORDER", "wrap")), 16, 512
    rule, lanes = stencil_of(module), widest(cpu)
    assert rule is not None
    signature = [POINTER, POINTER, *[NUMBER] * 4]
    step = packed.rows_at_once(packed.Packed(lanes, 1, ROWS_AT_ONCE[lanes]), rule, "step")
    text = packed.module([step.replace("define internal", "define")], lanes)
    theirs = by_llvm(text, "step", signature, cpu)
    kernel = c.packed_kernel(module)
    assert kernel is not None
    ours = by_gcc({"kernel.c": kernel}, "step", signature, cpu)
    size = (rows + 2) * (columns + 3) * lanes // 8
    given, out = bytes_of(size), aligned(size)

    start = (columns + 4) * lanes // 8
    arguments = (given.ctypes.data + start, out.ctypes.data + start)
    sizes = (columns + 3, columns + 3, rows, columns)

    def mine() -> None:
        ours(*arguments, *sizes)

    def other() -> None:
        theirs(*arguments, *sizes)

    same(mine, other, out)
    return faster(repeated(mine, 100), repeated(other, 100))


def bit_sliced_rows(cpu: Cpu) -> float:
    """Logic and a count over rows of 32 bits."""
    module, lanes, stride = ir.parse(binary_rules()), widest(cpu), 1025
    logic, kernel = logic_of(module), c.packed_kernel(module)
    assert logic is not None and kernel is not None
    signature = [POINTER, POINTER, *[NUMBER] * 3]
    theirs = by_llvm(columns_kernel(*logic, lanes), "run", signature, cpu)
    ours = by_gcc({"kernel.c": kernel}, "run", signature, cpu)
    given, out = bytes_of(32 * stride * lanes // 8), aligned(stride * lanes // 8)

    def mine() -> None:
        ours(given.ctypes.data, out.ctypes.data, stride, 0, stride)

    def other() -> None:
        theirs(given.ctypes.data, out.ctypes.data, stride, 0, stride)

    same(mine, other, out)
    return faster(repeated(mine, 100), repeated(other, 100))


def same(ours: Callable[[], None], theirs: Callable[[], None], out: Any) -> None:
    """Assert that both sides write the same."""
    out[:] = 0
    ours()
    kept = out.copy()
    out[:] = 0
    theirs()
    assert np.array_equal(kept, out) and out.any()
