"""Numbers into stored entries and back: native code agrees with numpy on every dtype and bound."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.backends.llvm.elements import NUMBERS, moves
from ddc.backends.llvm.machine import Cpu
from ddc.ir.inputs import array_of
from ddc.runtime import values
from ddc.runtime.jit import code_of, library_of
from ddc.runtime.moves import limits, mover, number_of, taken
from ddc.runtime.values import OverflowReported, entries

STORED = {"bit": "u1", "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8", "f64": "f8"}
TYPES = (
    ("bit", "bit"), ("int<0..9>", "i8"), ("int<-3..300>", "i16"), ("int", "i64"),
    ("int<0..>", "i64"), ("real", "f64"), ("real<0.5..2.5>", "f64"), ("int<-40000..5>", "i32"),
    ("int{-1, 1}", "i8"),
)  # fmt: skip


def param_of(type_: str) -> ir.Param:
    text = f"func @f(%x: {type_}[4]) -> (%y: bit) {{\n  %y = const 0\n  return %y\n}}"
    return ir.parse(text).entry.params[0]


def checked(param: ir.Param, array: Any, type_: str) -> Any:
    """Return the entries, or what the interpreter's check says of them."""
    try:
        return entries(param, array, type_)
    except OverflowReported:
        return "overflow"
    except ir.DdcError as error:
        return str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_native_checks_are_those_of_numpy(data: st.DataObject) -> None:
    name, type_ = data.draw(st.sampled_from(TYPES))
    key = data.draw(st.sampled_from(sorted(NUMBERS)))
    dtype = np.dtype(f"{key[0]}{key[1]}") if key != "b1" else np.dtype(bool)
    count = data.draw(st.sampled_from([0, 1, 63, 64, 65, 200, 257]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    array = rng.integers(0, 2, count).astype(dtype)
    special = [0, 1, 2, -1, 9, 10, 127, 255, 300, 301, 0.5, 2.5, 2.51, -0.0, 1e300, -40001,
               float("nan"), float("inf"), 2.0**53, 2.0**63, -(2.0**63), 1 << 62]  # fmt: skip
    for _ in range(data.draw(st.integers(0, 2)) if count else 0):
        with np.errstate(all="ignore"):
            value = data.draw(st.sampled_from(special))
            if dtype.kind == "f" or (value == value and abs(value) < 1 << 63):
                array[rng.integers(count)] = np.asarray(value).astype(dtype)
    param = param_of(name)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(values, "LARGE", 1 << 60)
        expected = checked(param, array, type_)
        patch.setattr(values, "LARGE", 0)
        got = checked(param, array, type_)
    if isinstance(expected, str):
        assert got == expected
    else:
        assert got.dtype == expected.dtype and np.array_equal(got, expected)


@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v3", "host"])
def test_there_and_back_on_every_processor(cpu: str) -> None:
    from ddc.backends.llvm.machine import host

    chosen = host() if cpu == "host" else Cpu(cpu)
    for given_, stored in (("i8", "u1"), ("f4", "f8"), ("u2", "i4"), ("f8", "u1"), ("b1", "u1")):
        code = code_of(moves(given_, stored), chosen, 2, False)
        library = library_of(code, ("take", "give"))
        take = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)(
            library["take"]
        )
        give = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64)(library["give"])
        kind = np.dtype(bool if given_ == "b1" else given_)
        bounds = limits(param_of("bit"), kind, np.dtype(np.uint8))
        assert bounds is not None
        for count in (0, 1, 7, 64, 129, 1000):
            for shift in (0, 1, 5):
                numbers = np.random.default_rng(count).integers(0, 2, count + shift).astype(kind)
                made = numbers[shift:].astype(stored)  # as where bytes are the same
                assert not take(numbers[shift:].ctypes.data, made.ctypes.data, count, *bounds)
                assert np.array_equal(made, numbers[shift:])
                back = np.full(count + shift + 1, 7).astype(kind)
                give(made.ctypes.data, back[shift:].ctypes.data, count)
                assert np.array_equal(back[shift:-1], numbers[shift:]) and back[-1] == kind.type(7)


def test_what_native_code_does_not_move() -> None:
    for name in (">i4", "f2", "U1", "O", "c16", "m8[s]"):
        assert number_of(np.dtype(name)) is None
    assert mover("i8", "u1") is not None
    assert taken(param_of("int{-1, 1}"), np.ones(9, np.int8), np.dtype(np.int8)) is None
    assert taken(param_of("bit"), np.full(9, 2), np.dtype(np.uint8)) is None
    assert limits(param_of("int<300..400>"), np.dtype(np.uint8), np.dtype(np.int16)) is None


def test_the_interpreter_agrees_on_bounds_of_reals() -> None:
    param = param_of("real<0.5..2.5>")
    for value in (0.5, 2.5, np.nextafter(2.5, 3), np.nextafter(0.5, 0)):
        array = np.full(100, value)
        good = taken(param, array, np.dtype(np.float64)) is not None
        try:
            array_of(param, array[None])
        except ir.DdcError:
            assert not good
        else:
            assert good
