"""Emitted C: the contract of signatures, borders, bad inputs, names, warnings."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.programs import LIFE, RULE30
from ddc import ir
from ddc.backends.c import emit
from tests.backends import native

SIGNATURE = """\
func @f<T, K>(%x: bit[T], %s: int<0..9>, %w: int<-200..5>[K, T], %r: real, %n: int)
    -> (%total: int<-100000..100000>, %mean: real[K]) {
  %total = add %s, 1
  %mean = map %k in 0..K {
    %a = load %w[%k, 0]
    %y = mul %a, %r
    yield %y
  }
  return %total, %mean
}
"""


def life_reference(grid: Any, border: str) -> Any:
    whole = grid.astype(int)
    padded = np.pad(whole, 1)
    if border != "else":
        padded = (
            np.pad(whole, 1, mode="wrap") if border == "wrap" else np.pad(whole, 1, mode="edge")
        )
    rows, columns = grid.shape
    count = (
        sum(
            padded[1 + a : 1 + a + rows, 1 + b : 1 + b + columns]
            for a in (-1, 0, 1)
            for b in (-1, 0, 1)
        )
        - grid
    )
    return ((count == 3) | ((grid == 1) & (count == 2))).astype(np.uint8)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 17, 1000])
def test_rule_30_on_rows_of_any_length(size: int, tmp_path: Path) -> None:
    (binding,) = native.library([ir.parse(RULE30)], tmp_path)
    row = np.random.default_rng(size).integers(0, 2, size, dtype=np.uint8)
    (got,) = binding([row])
    expected = np.roll(row, 1) ^ (row | np.roll(row, -1))
    assert got.dtype == np.uint8 and np.array_equal(got, expected)


@pytest.mark.parametrize("border", ["wrap", "clamp", "else 0"])
def test_life_with_every_border(border: str, tmp_path: Path) -> None:
    module = ir.parse(LIFE.replace("BORDER", border))
    (binding,) = native.library([module], tmp_path, flags=["-O2"])
    rng = np.random.default_rng(7)
    for shape in [(1, 1), (1, 5), (2, 2), (3, 1), (6, 9), (31, 40)]:
        grid = rng.integers(0, 2, shape, dtype=np.uint8)
        (got,) = binding([grid])
        assert np.array_equal(got, life_reference(grid, border.split()[0])), (shape, border)


def test_no_modulo_in_loops_over_cells() -> None:
    for text in (RULE30, LIFE.replace("BORDER", "wrap")):
        source = emit(ir.parse(text)).source
        assert "%" not in source and "floor_mod" not in source


def test_the_signature_is_the_contract() -> None:
    header = emit(ir.parse(SIGNATURE)).header
    assert (
        "void f(size_t T, size_t K, const uint8_t *x, int8_t s, const int16_t *w, double r, int64_t n,"
        in header
    )
    assert "int32_t *total, double *mean);" in header
    lone = emit(
        ir.parse("func @g(%x: bit, %y: bit) -> (%z: bit) {\n  %z = xor %x, %y\n  return %z\n}")
    )
    assert "uint8_t g(uint8_t x, uint8_t y);" in lone.header


def test_the_header_compiles_as_cpp(tmp_path: Path) -> None:
    (tmp_path / "f.h").write_text(emit(ir.parse(SIGNATURE)).header)
    (tmp_path / "a.cpp").write_text('#include "f.h"\n#include "f.h"\nint main() { return 0; }\n')
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    command = [compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "a.cpp"]
    subprocess.run(command, cwd=tmp_path, check=True)


def test_evidence_stands_in_the_comment_and_cannot_end_it() -> None:
    source = emit(ir.parse(RULE30), meta={"input": "x */ int main(void) { return 1; } /*"})
    for text in (source.source, source.header):
        assert "on all 1048576 inputs" in text
        assert "*/ int main" not in text


@pytest.mark.parametrize("border", ["wrap", "clamp", "else 7"])
def test_places_that_are_surely_outside_give_no_warning(border: str, tmp_path: Path) -> None:
    for number, place in enumerate(("N", "N + 1", "0 - N", "N - 1", "0 - 1")):
        text = f"""\
func @f{number}<N>(%x: int<0..9>[N]) -> (%y: int<0..9>) {{
  %y = load %x[{place} {border}]
  return %y
}}"""
        module = ir.parse(text)
        for compiler in native.COMPILERS:
            (binding,) = native.library([module], tmp_path / compiler, compiler)
            for size in (1, 2, 5):
                native.check(binding, module, {"x": np.arange(size)}, {"N": size})


def test_clang_has_no_warnings(tmp_path: Path) -> None:
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    modules = [ir.parse(RULE30), ir.parse(LIFE.replace("BORDER", "wrap")), ir.parse(SIGNATURE)]
    native.library(modules, tmp_path, "clang", ["-O1"])


GARBAGE = """\
func @f<N>(%x: bit[N], %k: int<0..5>[N], %s: int{-1, 1}) -> (%y: int[N], %z: int<0..6>) {
  %z = table [0, 6] of %s
  %y = map %i in 0..N {
    %a = load %x[%i - 1 wrap]
    %b = load %k[%i]
    %t = table [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8] of %a, %b
    %g = gather @w, %b
    %p = add %t, %g
    yield %p
  }
  return %y, %z
}

const @w = int[6] int64 [1, 2, 3, 4, 5, 6]
"""

MAIN = """\
#include "f.h"
#include <stdlib.h>
#include <string.h>
int main(void)
{
    for (int value = 0; value < 256; value++) {
        uint8_t *x = malloc(9);
        int8_t *k = malloc(9);
        int64_t *y = malloc(9 * sizeof *y);
        int8_t *z = malloc(1);
        memset(x, value, 9);
        memset(k, value, 9);
        f(9, x, k, (int8_t)value, y, z);
        free(x); free(k); free(y); free(z);
    }
    return 0;
}
"""


def test_values_outside_their_type_stay_inside_the_arrays(tmp_path: Path) -> None:
    source = emit(ir.parse(GARBAGE))
    (tmp_path / "f.c").write_text(source.source)
    (tmp_path / "f.h").write_text(source.header)
    (tmp_path / "main.c").write_text(MAIN)
    flags = ["-std=c11", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, "main.c", "f.c", "-o", "main"], cwd=tmp_path, check=True)
    subprocess.run([str(tmp_path / "main")], check=True)


def test_an_overflow_is_reported_and_never_wraps(tmp_path: Path) -> None:
    text = "func @f(%a: int, %b: int) -> (%c: int) {\n  %c = mul %a, %b\n  return %c\n}"
    (binding,) = native.library([ir.parse(text)], tmp_path)
    assert binding([1 << 31, 1 << 31])[0] == 1 << 62
    assert binding([-(1 << 32), 1 << 31])[0] == -(1 << 63)
    with pytest.raises(ir.DdcError, match="does not fit into 64 bits"):
        binding([1 << 32, 1 << 31])
    # The function of the contract cannot report: it aborts.
    assert "abort();" in emit(ir.parse(text)).source


def test_names_of_strangers_become_identifiers(tmp_path: Path) -> None:
    text = """\
func @main(%int: bit, %exp: real, %I: bit, %abort: bit, %INT8_MAX: bit) -> (%double: real) {
  %sum = xor %int, %I, %abort, %INT8_MAX
  %e = exp %exp
  %double = mul %sum, %e
  return %double
}"""
    module = ir.parse(text)
    (binding,) = native.library([module], tmp_path)
    assert binding([1, 0.0, 0, 0, 0])[0] == 1.0


@pytest.mark.parametrize(
    "name",
    [
        "class",
        "floor_div",
        "LANES",
        "Bytes",
        "WINT_MAX",
        "SIZE_MAX",
        "EOF",
        "stdout",
        "_Bool",
        "8x",
    ],
)
def test_any_name_can_be_a_function_a_size_and_a_value(name: str, tmp_path: Path) -> None:
    text = """\
func @NAME<NAME>(%NAME: bit[NAME], %q: int<-9..9>) -> (%y: bit[NAME]) {
  %y = map %i in 0..NAME {
    %a = load %NAME[%i - 1 wrap]
    %b = load %NAME[%i]
    %c = mod %q, 3
    %d = eq %c, 1
    %e = xor %a, %b, %d
    yield %e
  }
  return %y
}"""
    plain = "f" if name[0].isdigit() else name  # the IR's own names begin with a letter or _
    module = native.named(ir.parse(text.replace("NAME", plain)), plain)
    (binding,) = native.library([module], tmp_path)
    assert binding([[0, 1, 1], 4])[0].tolist() == [0, 0, 1]


def test_scratch_memory_is_asked_for(tmp_path: Path) -> None:
    text = """\
func @f<N>(%x: int<0..9>[N]) -> (%y: int[N]) {
  %twice = map %i in 0..N {
    %a = load %x[%i]
    %b = mul %a, 2
    yield %b
  }
  %y = map %j in 0..N {
    %s = load %twice[%j + 1 wrap]
    %t = load %twice[%j]
    %u = add %s, %t
    yield %u
  }
  return %y
}"""
    module = ir.parse(text)
    header = emit(module).header
    assert "size_t f_workspace(size_t N);" in header
    assert "void f(size_t N, const int8_t *x, void *workspace, int64_t *y);" in header
    (binding,) = native.library([module], tmp_path)
    (got,) = binding([np.arange(10)])
    assert got.tolist() == [2 * (k + (k + 1) % 10) for k in range(10)]


def test_the_library_has_the_names_of_the_contract(tmp_path: Path) -> None:
    native.library([ir.parse(RULE30)], tmp_path)
    loaded = ctypes.CDLL(str(tmp_path / "rule30.so"))
    row, out = (ctypes.c_uint8 * 4)(0, 1, 0, 0), (ctypes.c_uint8 * 4)()
    loaded.rule30(ctypes.c_size_t(4), row, out)
    assert list(out) == [1, 1, 1, 0]
