"""Hostile pickles: nothing runs, nothing is built, and each is refused in one short line."""

import builtins
import os
import pickle
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc.frontend import read
from ddc.frontend.unpickle import RefusedError, unpickle
from ddc.ir import DdcError
from tests.frontend.assemble import (
    Call,
    Name,
    New,
    Persistent,
    Raw,
    emit,
    linear,
    module,
    parameter,
    program,
    sequential,
    storage,
    tensor,
    write,
)

FOUR = np.arange(4, dtype="<f4")
SYSTEM = Call(Name("posix", "system"), ("touch ran",))


def load(value: object) -> object:
    """Unpickle a value whose only storage, "0", holds four floats."""

    def four(key: str, dtype: str, count: int) -> np.ndarray:
        assert (key, dtype, count) == ("0", "float32", 4)
        return FOUR

    return unpickle(value if isinstance(value, bytes) else program(value), four)


def refuse(value: object, says: str = "", kind: type[DdcError] = DdcError) -> None:
    with pytest.raises(kind) as caught:
        load(value)
    message = str(caught.value)
    assert "\n" not in message and message.isascii() and len(message) < 600
    assert says in message


def test_plain_data() -> None:
    value = {"a": [1, -(2**40), 1.5, True, None, ("x", ())], "b": {3: "\u00e9"}}
    assert load(value) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_agrees_with_pickle_on_plain_data(protocol: int) -> None:
    value: dict[str, object] = {"a": [1, 300, 70_000, -1, 2**40, 1.5, True, None, ("x", (), [])]}
    value["b"] = value["a"]
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    ("name", "called"),
    [
        (Name("posix", "system"), "system"),
        (Name("os", "system"), "system"),
        (Name("builtins", "eval"), "eval"),
        (Name("__builtin__", "eval"), "eval"),
        (Name("builtins", "exec"), "exec"),
        (Name("builtins", "getattr"), "getattr"),
        (Name("subprocess", "Popen"), "Popen"),
        (Name("torch.nn.modules.module", "os.system"), "os.system"),
        (Name("torch.nn.modules.linear", "math"), "math"),
        (Name("torch.hub", "load"), "load"),
        (Name("torch", "load"), "load"),
        (Name("numpy.core.multiarray", "scalar"), "scalar"),
        (Name("__main__", "Net"), "Net"),
        (Name("copyreg", "_reconstructor"), "_reconstructor"),
        (Name("", ""), ""),
    ],
)
def test_names_outside_the_table(name: Name, called: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*args: object) -> None:
        raise AssertionError("something ran")

    monkeypatch.setattr(os, "system", explode)
    monkeypatch.setattr(builtins, "eval", explode)
    arguments = ("1",)
    refuse(Call(name, arguments), f"{name.module}.{called}", RefusedError)
    refuse(New(name, {}), called, RefusedError)
    refuse({"never used": name}, called, RefusedError)
    stacked = emit(name.module) + emit(name.name) + b"\x93"
    refuse(Raw(stacked), called, RefusedError)


def test_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place, root in enumerate([SYSTEM, [SYSTEM], sequential(linear((2, 2)), ddc_input=SYSTEM)]):
        path = write(tmp_path / f"{place}.pt", root, {"0": FOUR})
        with pytest.raises(DdcError, match="nothing was run"):
            read(path)
    assert not (tmp_path / "ran").exists()


def test_two_lines_to_type_for_a_class_of_the_user() -> None:
    refuse(New(Name("my.nets", "Net"), {}), "torch.save(model.state_dict(), 'weights.pt')")
    refuse(New(Name("my.nets", "Net"), {}), "--model FILE.py:factory")


def test_names_are_shown_escaped_and_short() -> None:
    refuse(Name("x\x1b[31m", "y"), r"\x1b[31m.y")
    refuse(Name("x" * 10_000, "y"))


@pytest.mark.parametrize(
    "value",
    [
        Call(Name("collections", "OrderedDict"), ([["a", 1]],)),
        Call(Name("collections", "OrderedDict"), (Call(Name("collections", "OrderedDict")), 1)),
        Call(Name("builtins", "set"), (5,)),
        Call(Name("builtins", "set"), ()),
        Call(Name("torch", "Size"), ((1,) * 50,)),
        Call(Name("torch._utils", "_rebuild_tensor_v2"), ()),
        Call(Name("torch._utils", "_rebuild_tensor_v2"), (1, 2, 3, 4, 5, 6)),
        Call(Name("torch._utils", "_rebuild_parameter"), (1, True, None)),
        Call(Name("torch", "float32"), ()),
        Call(Name("torch", "FloatStorage"), (4,)),
        Call(Name("torch.nn.modules.linear", "Linear"), (1, 2)),
        Call("a string", ()),
        Call(Name("collections", "OrderedDict"), "no tuple"),  # type: ignore[arg-type]
        Raw(emit(Name("torch.nn.modules.linear", "Linear")) + emit((1, 2)) + b"\x81"),
        Raw(emit(Name("collections", "OrderedDict")) + b")\x81"),
        Raw(b"}" + emit({"__class__": 1}) + b"b"),
        Raw(b"]" + emit({"_metadata": 1}) + b"b"),
        New(Name("torch.nn.modules.linear", "Linear"), (None, {"slots": 1})),
        New(Name("torch.nn.modules.linear", "Linear"), [1]),
        Raw(emit(Name("torch", "float32")) + emit({"a": 1}) + b"b"),
        Raw(emit(module("Linear")) + emit({"forward": 1}) + b"b"),  # a second BUILD
        {((),): 1},
        {1.5: 1},
        {2**61 - 1: 1},
    ],
)
def test_wrong_arguments(value: object) -> None:
    refuse(value)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (b"(iposix\nsystem\n", "INST"),
        (b"(" + emit(Name("torch", "float32")) + b"o", "OBJ"),
        (b"\x82\x01", "EXT1"),
        (b"\x83\x01\x00", "EXT2"),
        (b"\x84\x01\x00\x00\x00", "EXT4"),
        (b"P0\n", "PERSID"),
        (emit(Name("torch.nn.modules.linear", "Linear")) + b")}\x92", "NEWOBJ_EX"),
        (b"\x96" + b"\xff" * 8, "BYTEARRAY8"),
        (b"\x97", "NEXT_BUFFER"),
        (b"I" + b"9" * 100_000 + b"\n", "text"),
        (b"L" + b"9" * 100_000 + b"L\n", "text"),
        (b"\xff", "unknown"),
    ],
)
def test_instructions_outside_the_table(code: bytes, name: str) -> None:
    refuse(Raw(code), name, RefusedError)


@pytest.mark.parametrize(
    "code",
    [
        b"",
        b"\x80\x02",
        b".",
        b"\x80\x02NN.",
        b"\x80\x02(N.",
        b"\x80\x02(.",
        b"0.",
        b"1.",
        b"2.",
        b"h\x00.",
        b"q\x00.",
        b"\x94.",
        b"a.",
        b"Na.",
        b"NNa.",
        b"(e.",
        b"N(Ne.",
        b"}(Nu.",
        b"s.",
        b"NNNs.",
        b"R.",
        b"\x81.",
        b"b.",
        b"Q.",
        b"\x85.",
        b"N\x86.",
        b"\x93.",
        b"ctorch\n",
        b"X\xff\xff\xff\xffabc.",
        b"\x8d" + b"\xff" * 8 + b"abc.",
        b"\x8c\x02\xff\xfe.",
        b"\x95" + b"\xff" * 8 + b"N.",
        b"\x8b\xff\xff\xff\xff.",
        b"\x8b\xff\xff\xff\x7f.",
        b"G\x00.",
        emit(Persistent("storage")) + b".",
        emit(Persistent(("storage", Name("torch", "FloatStorage"), "0", "cpu"))) + b".",
        emit(Persistent(("storage", "FloatStorage", "0", "cpu", 4))) + b".",
        emit(Persistent(("storage", Name("torch", "FloatStorage"), 0, "cpu", 4))) + b".",
    ],
)
def test_damaged(code: bytes) -> None:
    refuse(code)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes(code: bytes) -> None:
    try:
        load(b"\x80\x02" + code + b".")
    except DdcError as error:
        assert "\n" not in str(error)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_damage_to_an_honest_pickle(data: st.DataObject) -> None:
    code = bytearray(program(sequential(linear((2, 2)), module("ReLU", "activation"))))
    for _ in range(data.draw(st.integers(1, 3))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    try:
        load(bytes(code))
    except (DdcError, AssertionError):  # the storage function asserts that nothing else is asked
        pass


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (4, (1,), (1,)),
        (-1, (2,), (1,)),
        (3, (2,), (-1,)),
        (0, (2, 2), (-2, 1)),
        (0, (2, 2), (3, 1)),
        (0, (2,), (2**62,)),
        (2**63, (1,), (1,)),
        (0, (2**31, 2**31, 2**31), (1, 1, 1)),
        (0, (2**62,), (0,)),
        (0, (5,), (0,)),
        (0, (0, 2**62), (1, 1)),
        (0, (2, 2), (2,)),
        (0, (1,) * 17, (1,) * 17),
        (0, (1.0,), (1,)),
        (True, (1,), (1,)),
        (0, "ab", (1, 1)),
        (0, 4, 1),
        (None, (1,), (1,)),
    ],
)
def test_tensors_never_reach_outside(offset: object, size: object, stride: object) -> None:
    refuse(tensor(storage("0", 4), offset, size, stride), "tensor")


def test_tensors_inside() -> None:
    views: dict[str, tuple[object, object, object, object]] = {
        "transposed": (0, (2, 2), (1, 2), [[0, 2], [1, 3]]),
        "offset": (1, (3,), (1,), [1, 2, 3]),
        "skipping": (0, (2,), (3,), [0, 3]),
        "expanded": (2, (2, 2), (0, 0), [[2, 2], [2, 2]]),
        "scalar": (3, (), (), 3),
        "empty": (4, (0,), (1,), []),
    }
    for offset, size, stride, expected in views.values():
        found = load(tensor(storage("0", 4), offset, size, stride))
        assert isinstance(found, np.ndarray)
        assert found.tolist() == expected


def test_tensors_with_hooks_or_metadata() -> None:
    fine = (0, (4,), (1,))
    refuse(tensor(storage("0", 4), *fine, False, {1: 2}), "hooks")
    refuse(tensor(storage("0", 4), *fine, False, None, {"neg": True}), "metadata")
    hooked = Call(Name("torch._utils", "_rebuild_parameter"), (FOUR_TENSOR, True, {1: 2}))
    refuse(hooked, "hooks")


FOUR_TENSOR = tensor(storage("0", 4), 0, (4,), (1,))


def test_storages_that_lie(tmp_path: Path) -> None:
    cases: dict[str, tuple[object, str]] = {
        "size": (linear((2, 3)), "says 6 numbers"),
        "key": (linear((2, 2), "../../etc/passwd"), "missing"),
        "kind": (
            sequential(
                linear((2, 2)),
                module(
                    "Linear",
                    _parameters={
                        "weight": parameter(
                            tensor(storage("0", 2, "DoubleStorage"), 0, (1, 2), (2, 1))
                        )
                    },
                ),
            ),
            "two ways",
        ),
        "negative": (tensor(storage("0", -4), 0, (0,), (1,)), "says -4 numbers"),
        "huge": (tensor(storage("0", 2**70), 0, (4,), (1,)), "says"),
        "unknown kind": (tensor(storage("0", 4, "QInt8Storage"), 0, (4,), (1,)), "QInt8Storage"),
    }
    for name, (root, says) in cases.items():
        path = write(tmp_path / f"{name}.pt", root, {"0": FOUR})
        with pytest.raises(DdcError, match=says):
            read(path)


def nested_lists(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def laughs(levels: int) -> bytes:
    """Ten containers deep, each holding the one before many times: exponential when walked."""
    code = emit(sequential())
    for level in range(levels):
        children = b"".join(emit(str(n)) + b"h" + bytes([level]) for n in range(10))
        modules = b"}(" + children + b"u"
        state = b"}(" + emit("_modules") + modules + b"u"
        code += b"q" + bytes([level]) + b"0"
        code += emit(Name("torch.nn.modules.container", "Sequential")) + b")\x81" + state + b"b"
    return b"\x80\x02" + code + b"."


def endless() -> bytes:
    """A Sequential that is its own child."""
    cls = emit(Name("torch.nn.modules.container", "Sequential"))
    modules = b"}" + emit("0") + b"h\x00s"
    return b"\x80\x02" + cls + b")\x81q\x00}" + emit("_modules") + modules + b"sb."


def wide() -> bytes:
    """One big tuple, copied by every later instruction that would copy it."""
    big = b"(" + b"K\x01" * 200_000 + b"tq\x00"
    name = emit(Name("torch", "Size")) + b"q\x010"
    return b"\x80\x02" + big + b"0" + name + b"h\x01h\x00\x85R0" * 100_000 + b"N."


@pytest.mark.parametrize(
    "make",
    [
        lambda: nested_lists(300_000),
        lambda: b"\x80\x02" + b")" + b"\x85" * 300_000 + b".",
        lambda: b"\x80\x02" + b"(" * 300_000 + b".",
        lambda: laughs(40),
        endless,
        wide,
        lambda: b"\x80\x02" + b"]" * (1 << 23) + b".",
    ],
)
def test_bombs(make: Callable[[], bytes], tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.pt", make())
    started = time.process_time()
    tracemalloc.start()
    with pytest.raises(DdcError) as caught:
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 300e6
    assert time.process_time() - started < 10
