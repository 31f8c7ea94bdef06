"""Write pickles and checkpoints by hand, byte by byte: what no honest library would write."""

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Name:
    """GLOBAL."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """REDUCE."""

    function: object
    args: tuple[object, ...] = ()


@dataclass(frozen=True)
class New:
    """NEWOBJ, then BUILD unless the state is None."""

    cls: Name
    state: object = None


@dataclass(frozen=True)
class Persistent:
    """BINPERSID."""

    identity: object


@dataclass(frozen=True)
class Raw:
    """Instructions as they are."""

    code: bytes


def emit(value: object) -> bytes:
    """Return the instructions that push a value."""
    match value:
        case Raw(code):
            return code
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            size = value.bit_length() // 8 + 1
            return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return b"X" + struct.pack("<I", len(text)) + text
        case tuple():
            return b"(" + b"".join(map(emit, value)) + b"t"
        case list():
            return b"](" + b"".join(map(emit, value)) + b"e"
        case dict():
            items = b"".join(emit(k) + emit(v) for k, v in value.items())
            return b"}(" + items + b"u"
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, args):
            return emit(function) + emit(args) + b"R"
        case New(cls, state):
            return emit(cls) + b")\x81" + (b"" if state is None else emit(state) + b"b")
        case Persistent(identity):
            return emit(identity) + b"Q"
        case _:
            raise TypeError(type(value))


def program(value: object) -> bytes:
    return b"\x80\x02" + emit(value) + b"."


def storage(key: str, count: int, kind: str = "FloatStorage") -> Persistent:
    return Persistent(("storage", Name("torch", kind), key, "cpu", count))


def tensor(place: object, offset: object, size: object, stride: object, *more: object) -> Call:
    """Describe a tensor; `more` replaces (requires_grad, hooks)."""
    tail = more or (False, Call(Name("collections", "OrderedDict")))
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), (place, offset, size, stride, *tail))


def parameter(value: object) -> Call:
    hooks = Call(Name("collections", "OrderedDict"))
    return Call(Name("torch._utils", "_rebuild_parameter"), (value, True, hooks))


def module(cls: str, where: str = "linear", **state: object) -> New:
    """Describe a `torch.nn` module with the attributes that every one has."""
    base: dict[str, object] = {"training": True, "_parameters": {}, "_buffers": {}, "_modules": {}}
    return New(Name(f"torch.nn.modules.{where}", cls), base | state)


def sequential(*children: object, **state: object) -> New:
    state.setdefault("_modules", {str(index): child for index, child in enumerate(children)})
    return module("Sequential", "container", **state)


def linear(shape: tuple[int, int], key: str = "0", **state: object) -> New:
    rows, columns = shape
    value = tensor(storage(key, rows * columns), 0, (rows, columns), (columns, 1))
    state.setdefault("_parameters", {"weight": parameter(value), "bias": None})
    return module("Linear", "linear", **state)


def write(
    path: Path,
    root: object,
    storages: Mapping[str, np.ndarray] | None = None,
    extra: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a checkpoint whose pickle is `root` (a value, or bytes as they are)."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", root if isinstance(root, bytes) else program(root))
        for key, array in (storages or {}).items():
            archive.writestr(f"net/data/{key}", array.tobytes())
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path
