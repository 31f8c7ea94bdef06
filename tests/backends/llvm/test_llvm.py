"""The LLVM backend: files of every kind, every level of vectors, overflow, no compiler."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.programs import LIFE, RULE30
from ddc import ir
from ddc.backends.llvm import emit
from ddc.backends.llvm.machine import Cpu, host, optimised
from ddc.backends.llvm.unit import Unit
from ddc.backends.lowering import lower
from ddc.runtime.jit import compile_module
from tests.backends.c.test_c import SIGNATURE, life_reference

# AVX-512 only where it is there; the others are part of it.
CPUS = [Cpu("x86-64"), Cpu("x86-64-v3"), host()]


@pytest.mark.parametrize("cpu", CPUS, ids=["sse2", "avx2", "host"])
def test_rule_30_on_every_level_of_vectors(cpu: Cpu) -> None:
    binding = compile_module(ir.parse(RULE30), cpu, cache=False)
    rng = np.random.default_rng(3)
    for size in (1, 2, 3, 15, 16, 17, 63, 64, 65, 1000, 4099):
        row = rng.integers(0, 2, size, dtype=np.uint8)
        (got,) = binding([row])
        assert np.array_equal(got, np.roll(row, 1) ^ (row | np.roll(row, -1))), size


@pytest.mark.parametrize("border", ["wrap", "clamp", "else 0"])
@pytest.mark.parametrize("cpu", CPUS[1:], ids=["avx2", "host"])
def test_only_lone_loops_keep_recurrences_of_loads(cpu: Cpu, border: str) -> None:
    """They save loads on long rows, and leave much of short rows to scalar remainders."""
    for text, kept in ((RULE30.replace("wrap", border), True), (LIFE, False)):
        unit = Unit(lower(ir.parse(text.replace("BORDER", border))))
        module, _ = optimised(unit.module(), cpu)
        assert ("vector.recur" in str(module)) == kept, text


@pytest.mark.parametrize("border", ["wrap", "clamp", "else 0"])
def test_life_with_every_border(border: str) -> None:
    binding = compile_module(ir.parse(LIFE.replace("BORDER", border)), cache=False)
    rng = np.random.default_rng(5)
    for shape in [(1, 1), (1, 7), (2, 2), (5, 1), (6, 9), (65, 130)]:
        grid = rng.integers(0, 2, shape, dtype=np.uint8)
        (got,) = binding([grid])
        assert np.array_equal(got, life_reference(grid, border.split()[0])), shape


def test_assembly_of_other_processors() -> None:
    module = ir.parse(RULE30)
    assert b"zmm" not in emit(module, ".s", "x86-64-v3") and b"ymm" in emit(
        module, ".s", "x86-64-v3"
    )
    assert b"ymm" not in emit(module, ".s", "x86-64") and b"xmm" in emit(module, ".s", "x86-64")
    with pytest.raises(ir.DdcError, match="no target processor"):
        emit(module, ".s", 'x"; import os')


def test_text_carries_names_and_evidence() -> None:
    text = emit(ir.parse(RULE30), ".ll").decode()
    assert "on all 1048576 inputs" in text
    assert "%left = load i8" in text and "define void @rule30(i64 %size.N," in text
    assert "alloca" not in text


def test_the_shared_library_has_the_c_signature(tmp_path: Path) -> None:
    library = tmp_path / "rules.so"
    library.write_bytes(emit(ir.parse(SIGNATURE), ".so"))
    loaded = ctypes.CDLL(str(library))
    w = np.array([[1, 2, 3], [-4, 5, -6]], dtype=np.int16)
    total, mean = ctypes.c_int32(), (ctypes.c_double * 2)()
    sizes = (ctypes.c_size_t(3), ctypes.c_size_t(2))
    x = (ctypes.c_uint8 * 3)()
    loaded.f(
        *sizes, x, ctypes.c_int8(4), ctypes.c_void_p(w.ctypes.data), ctypes.c_double(0.5),
        ctypes.c_int64(0), ctypes.byref(total), mean,
    )  # fmt: skip
    assert total.value == 5 and list(mean) == [0.5, -2.0]


def test_objects_link_into_c_programs(tmp_path: Path) -> None:
    (tmp_path / "rule30.o").write_bytes(emit(ir.parse(RULE30), ".o"))
    (tmp_path / "main.c").write_text(
        "#include <stddef.h>\n#include <stdint.h>\n"
        "void rule30(size_t N, const uint8_t *cells, uint8_t *next);\n"
        "int main(void) { uint8_t a[4] = {0, 1, 0, 0}, b[4]; rule30(4, a, b);\n"
        "return !(b[0] == 1 && b[1] == 1 && b[2] == 1 && b[3] == 0); }\n"
    )
    subprocess.run(["gcc", "main.c", "rule30.o", "-o", "main"], cwd=tmp_path, check=True)
    subprocess.run([str(tmp_path / "main")], check=True)


def test_a_missing_compiler_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ir.DdcError, match="there is none: install gcc or clang"):
        emit(ir.parse(RULE30), ".so")


@pytest.mark.parametrize(
    ("body", "inputs", "answer"),
    [
        ("mul %a, %b", (1 << 31, -(1 << 32)), -(1 << 63)),
        ("mul %a, %b", (1 << 31, 1 << 32), None),
        ("add %a, %b", ((1 << 63) - 2, 1), (1 << 63) - 1),
        ("add %a, %b", ((1 << 63) - 1, 1), None),
        ("sub %a, %b", (-(1 << 63), 1), None),
        ("sub %a, %b", (-2, (1 << 63) - 1), None),
        ("neg %a", (-(1 << 63), 0), None),
    ],
)
def test_ints_never_wrap_silently(body: str, inputs: tuple[int, int], answer: int | None) -> None:
    text = f"func @f(%a: int, %b: int) -> (%c: int) {{\n  %c = {body}\n  return %c\n}}"
    binding = compile_module(ir.parse(text), cache=False)
    if answer is None:
        with pytest.raises(ir.DdcError, match="does not fit into 64 bits"):
            binding(inputs)
    else:
        assert binding(inputs)[0] == answer


def test_bounded_ints_need_no_checks() -> None:
    text = """\
func @f<N>(%x: int<0..100>[N]) -> (%total: int<0..>) {
  %total = reduce add %i in 0..N {
    %a = load %x[%i]
    yield %a
  }
  return %total
}"""
    binding = compile_module(ir.parse(text), cache=False)
    assert not binding.kernel.checked
    assert binding([np.full(1000, 100)])[0] == 100_000


def test_names_that_llvm_or_we_use_are_free_to_the_program() -> None:
    text = """\
func @f<N>(%entry: int<0..9>[N], %in.N: bit) -> (%out.y: int<0..99>[N]) {
  %out.y = map %i in 0..N {
    %i.head = load %entry[%i]
    %t = mul %i.head, %i.head
    %next = add %t, %in.N
    yield %next
  }
  return %out.y
}"""
    binding = compile_module(ir.parse(text), cache=False)
    assert binding([np.arange(10), 1])[0].tolist() == [k * k + 1 for k in range(10)]
