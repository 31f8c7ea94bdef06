"""Kernels in lanes as C: vectors and portable words, against the interpreter lane by lane."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.programs import LIFE, RULE30
from ddc import ir
from ddc.backends.c import packed_kernel
from ddc.backends.llvm.machine import host
from ddc.backends.lowering.stencil import stencil_of
from ddc.ir.interpreter import run_batch
from ddc.runtime.grid import aligned, widest
from tests.backends import native
from tests.backends.c.sanitized import FLAGS
from tests.backends.stencils import stencils

FORMS = {
    "widest": (["-march=native"], widest(host())),
    "avx2": (["-march=x86-64-v3"], 256),
    "sse2": (["-march=x86-64"], 128),
    "portable": (["-DPORTABLE"], 64),
}
STEPS = 3
COUNTER = itertools.count()
RELAXED = settings(
    deadline=None,
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def compiled(text: str, name: str, pointers: int, folder: Path, compiler: str, form: str) -> Any:
    (folder / "kernel.c").write_text(text)
    out = folder / f"{next(COUNTER)}.so"  # a library of the same name would not be loaded anew
    flags = [*native.FLAGS, *native.UNDEFINED, "-O1", *FORMS[form][0]]
    subprocess.run([compiler, *flags, "kernel.c", "-o", str(out)], cwd=folder, check=True)
    function = getattr(ctypes.CDLL(str(out)), name)
    function.restype = None
    function.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * pointers
    return function


def in_lanes(bits: Any) -> Any:
    """Return cells [lanes, ...] as vectors."""
    packed = np.packbits(np.moveaxis(bits, 0, -1), axis=-1, bitorder="little")
    made = aligned(packed.size).reshape(packed.shape)
    made[:] = packed
    return made


def of_lanes(vectors: Any) -> Any:
    return np.moveaxis(np.unpackbits(vectors, axis=-1, bitorder="little"), -1, 0)


def check_rule(module: ir.Module, folder: Path, compiler: str, form: str) -> None:
    """Compare the cells whose surroundings are all there."""
    text = packed_kernel(module, STEPS)
    if text is None:
        return
    lanes, rng = FORMS[form][1], np.random.default_rng(0)
    one = len(module.entry.sizes) == 1
    shape, edge = ((lanes, 40), 6) if one else ((lanes, 14, 19), 2)
    bits = rng.integers(0, 2, shape, dtype=np.uint8)
    vectors = in_lanes(bits)
    out = in_lanes(np.zeros_like(bits))
    expected, width = bits, lanes // 8
    for _ in range(STEPS if one else 1):
        (expected,) = run_batch(module, {"x": expected})
    if one:
        run = compiled(text, "advance", 2, folder, compiler, form)
        run(vectors.ctypes.data, out.ctypes.data, edge, 40 - edge)
        assert np.array_equal(of_lanes(out)[:, edge:-edge], expected[:, edge:-edge])
        run(vectors.ctypes.data, vectors.ctypes.data, edge, 40 - edge)  # in place
        assert np.array_equal(of_lanes(vectors)[:, edge:-edge], expected[:, edge:-edge])
        return
    run = compiled(text, "step", 4, folder, compiler, form)
    start = (edge * 19 + edge) * width
    run(vectors.ctypes.data + start, out.ctypes.data + start, 19, 19, 14 - 2 * edge, 19 - 2 * edge)
    inner = np.s_[:, edge:-edge, edge:-edge]
    assert np.array_equal(of_lanes(out)[inner], expected[inner])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compiler", native.COMPILERS)
@pytest.mark.parametrize("axes", [1, 2])
def test_random_rules(axes: int, compiler: str, form: str, tmp_path: Path) -> None:
    @RELAXED
    @given(text=stencils(axes=axes, bits=True))
    def check(text: str) -> None:
        check_rule(ir.parse(text), tmp_path, compiler, form)

    check()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compiler", native.COMPILERS)
def test_rows_of_bits(compiler: str, form: str, tmp_path: Path) -> None:
    text = """\
func @f(%a: bit[5], %b: bit) -> (%y: bit, %z: bit, %w: bit) {
  %p = load %a[0]
  %q = load %a[2]
  %r = load %a[4]
  %y = threshold 2 of %p, %q, %r, %b
  %z = xor %p, %b
  %w = not %y
  return %y, %z, %w
}"""
    module = ir.parse(text)
    kernel = packed_kernel(module)
    assert kernel is not None
    lanes = FORMS[form][1]
    bits = np.random.default_rng(0).integers(0, 2, (lanes, 6, 4), dtype=np.uint8)
    inputs, out = in_lanes(bits), in_lanes(np.zeros((lanes, 3, 4), dtype=np.uint8))
    run = compiled(kernel, "run", 3, tmp_path, compiler, form)
    run(inputs.ctypes.data, out.ctypes.data, 4, 0, 4)
    rows = np.moveaxis(bits, 2, 1).reshape(-1, 6)
    y, z, w = run_batch(module, {"a": rows[:, :5], "b": rows[:, 5]})
    got = np.moveaxis(of_lanes(out), 2, 1).reshape(-1, 3)
    assert np.array_equal(got[:, 0], y) and np.array_equal(got[:, 1:].T, (z, w))


MAIN = """
#include <stdlib.h>

/* Runs the kernel on blocks that hold no vector more than it may touch. */
int main(void)
{
    enum { ROWS = 5, COLUMNS = 7, FROM = COLUMNS + 2 * ACROSS, TALL = ROWS + 2 * DOWN };
    Lanes *source = aligned_alloc(64, (sizeof(Lanes) * FROM * TALL + 63) / 64 * 64);
    Lanes *target = aligned_alloc(64, (sizeof(Lanes) * COLUMNS * ROWS + 63) / 64 * 64);
    for (int k = 0; k < FROM * TALL; k++) {
        source[k] = (Lanes){0} + (uint64_t)k * 0x9E3779B97F4A7C15u;
    }
    CALL;
    free(source);
    free(target);
}
"""
BLOCK = "step(source + DOWN * FROM + ACROSS, target, FROM, COLUMNS, ROWS, COLUMNS)"
RUN = "advance(source + ACROSS, target, 0, COLUMNS)"


@pytest.mark.parametrize("form", ["widest", "portable"])
@pytest.mark.parametrize("compiler", native.COMPILERS)
@pytest.mark.parametrize("axes", [1, 2])
def test_nothing_beyond_the_ghosts_is_touched(
    axes: int, compiler: str, form: str, tmp_path: Path
) -> None:
    @RELAXED
    @given(text=stencils(axes=axes, bits=True))
    def check(text: str) -> None:
        module = ir.parse(text)
        rule, kernel = stencil_of(module), packed_kernel(module, STEPS)
        if rule is None or kernel is None:
            return
        down, across = rule.radius if axes == 2 else (0, STEPS * rule.radius[0])
        call = BLOCK if axes == 2 else RUN
        sizes = f"#define DOWN {down}\n#define ACROSS {across}\n"
        (tmp_path / "main.c").write_text(kernel + sizes + MAIN.replace("CALL", call))
        flags = [*FLAGS, *FORMS[form][0]]
        subprocess.run([compiler, *flags, "main.c", "-o", "main"], cwd=tmp_path, check=True)
        subprocess.run([str(tmp_path / "main")], check=True)

    check()


def test_kernels_are_written_as_a_person_would() -> None:
    rule30 = packed_kernel(ir.parse(RULE30), 12)
    assert rule30 is not None and "cell0 ^ (cell1 | cell2)" in rule30
    life = packed_kernel(ir.parse(LIFE.replace("BORDER", "wrap")))
    assert life is not None and "majority(cell" in life and len(life.splitlines()) < 90
    assert packed_kernel(ir.parse(LIFE.replace("BORDER", "clamp"))) is not None
    assert packed_kernel(ir.parse("func @f(%a: real) -> (%b: real) {\n  return %a\n}")) is None
