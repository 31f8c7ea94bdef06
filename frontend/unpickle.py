"""Read the pickle of a checkpoint as inert records: nothing of the file is imported or called.

A pickle is a program for a small stack machine. This is that machine with two closed tables: the
instructions that `torch.save` writes, and the names that they may mention. A name stands for a
builder of ours that checks its arguments and returns plain data; any other name, and any other
instruction, is refused before anything happens. `pickle.Unpickler` takes no part.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ddc.ir import DdcError

from .records import quote
from .tensors import DTYPES, MAX_AXES, strided

MAX_PICKLE_BYTES = 1 << 23
MAX_INT_BYTES = 64
MAX_INT_KEY = 1 << 31
MODULE_PREFIX = "torch.nn.modules."
UTILS_PREFIX = "torch.nn.utils."

LoadStorage = Callable[[str, str, int], np.ndarray]


class RefusedError(DdcError):
    """The file asks for something that would run code; only a trusted file may."""


@dataclass
class ModuleRecord:
    """What a file says about one `torch.nn` module: its class by name, and its attributes."""

    cls: str
    state: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ModuleClass:
    """The name of a class below `torch.nn.modules`."""

    name: str


@dataclass(frozen=True)
class Opaque:
    """A value that no reader looks into: a dtype, a device."""

    name: str


@dataclass(frozen=True)
class StorageClass:
    """The name of a typed storage, as the dtype of its numbers."""

    dtype: str


@dataclass(frozen=True)
class Builder:
    """A name that may be called: with which arguments, giving what."""

    build: Callable[[tuple[object, ...]], object]


_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, (dict, list, tuple)) and not value)


def _tensor(args: tuple[object, ...]) -> np.ndarray:
    if not 6 <= len(args) <= 7 or not isinstance(args[0], np.ndarray):
        raise DdcError("a tensor is described by the wrong arguments")
    # The seventh argument would say that the stored numbers are negated or conjugated.
    if not _empty(args[5]) or not all(_empty(extra) for extra in args[6:]):
        raise DdcError("a tensor carries hooks or metadata, which are not supported")
    return strided(args[0], args[1], args[2], args[3])


def _parameter(args: tuple[object, ...]) -> np.ndarray:
    if not 3 <= len(args) <= 4 or not isinstance(args[0], np.ndarray):
        raise DdcError("a parameter is described by the wrong arguments")
    if not _empty(args[2]):
        raise DdcError("a parameter carries hooks, which are not supported")
    return args[0]


def _ordered_dict(args: tuple[object, ...]) -> object:
    if args:
        raise DdcError("an ordered dict is described by the wrong arguments")
    return {}


def _set(args: tuple[object, ...]) -> object:
    # Nobody asks what is in a set, and hashing a stranger's values is no good idea: it stays a list.
    if len(args) != 1 or not isinstance(args[0], (list, tuple)):
        raise DdcError("a set is described by the wrong arguments")
    return args[0]


def _size(args: tuple[object, ...]) -> object:
    if len(args) != 1 or not isinstance(args[0], (tuple, list)) or len(args[0]) > MAX_AXES:
        raise DdcError("a size is described by the wrong arguments")
    return tuple(args[0])


# Every name that a checkpoint may mention, modules apart, and the inert thing that it stands for.
NAMES: dict[tuple[str, str], object] = {
    ("torch._utils", "_rebuild_tensor_v2"): Builder(_tensor),
    ("torch._utils", "_rebuild_parameter"): Builder(_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): Builder(_parameter),
    ("collections", "OrderedDict"): Builder(_ordered_dict),
    ("builtins", "set"): Builder(_set),
    ("__builtin__", "set"): Builder(_set),
    ("torch", "Size"): Builder(_size),
    ("torch", "device"): Builder(lambda args: Opaque("torch.device")),
    **{("torch", name): StorageClass(dtype) for name, dtype in _STORAGES.items()},
    **{("torch", name): Opaque(f"torch.{name}") for name in DTYPES},
}


def find_name(module: str, name: str) -> object:
    """Return the inert thing that a name stands for; raise `RefusedError` for any other name."""
    known = NAMES.get((module, name))
    if known is not None:
        return known
    if module.startswith(MODULE_PREFIX) and name.isidentifier() and name[0].isupper():
        return ModuleClass(name)
    full = quote(f"{module}.{name}")
    if module.startswith(UTILS_PREFIX):
        raise RefusedError(
            f"{full} is code that would run beside a layer: refused, nothing was run; remove it "
            "before saving (remove_weight_norm, remove_parametrizations, prune.remove)"
        )
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root == "__builtin__":
        raise RefusedError(
            f"a checkpoint has no use for {full}: refused, nothing was run (--trust would allow it)"
        )
    raise RefusedError(
        f"{full} is not one of torch's plain layers: refused, nothing was run; instead type "
        "torch.save(model.state_dict(), 'weights.pt') in Python, then "
        "ddc weights.pt --model FILE.py:factory (or save an nn.Sequential of plain modules; "
        "--trust lets the file run its code)"
    )


def unpickle(data: bytes, load_storage: LoadStorage) -> object:
    """Return what a pickle describes, as plain data and `ModuleRecord`s.

    `load_storage(key, dtype, count)` returns a tensor storage as a flat array. Raises `DdcError`
    for a damaged pickle or one that asks for anything outside the tables. Results may share parts
    and may even hold themselves: whoever walks them bounds the walk.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise DdcError(
            f"its pickle has {len(data)} bytes, more than the limit of {MAX_PICKLE_BYTES}"
        )
    machine = _Machine(data, load_storage)
    try:
        return machine.run()
    except (struct.error, UnicodeDecodeError, IndexError):
        raise DdcError(f"its pickle is damaged near byte {machine.at}") from None


class _Machine:
    """The stack machine. `marks` holds the stacks put aside by MARK."""

    def __init__(self, data: bytes, load_storage: LoadStorage) -> None:
        self.data = data
        self.at = 0
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.load_storage = load_storage

    def run(self) -> object:
        while True:
            code = self.data[self.at]
            self.at += 1
            if code == _STOP:
                if len(self.stack) != 1 or self.marks:
                    raise self.damaged()
                return self.stack.pop()
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise RefusedError(
                    f"its pickle uses instruction 0x{code:02x} ({_REFUSED.get(code, 'unknown')}), "
                    "which no checkpoint needs: refused, nothing was run"
                )
            instruction(self)

    def damaged(self) -> DdcError:
        return DdcError(f"its pickle is damaged near byte {self.at}")

    def take(self, count: int) -> bytes:
        chunk = self.data[self.at : self.at + count]
        if len(chunk) != count:
            raise self.damaged()
        self.at += count
        return chunk

    def unpack(self, layout: str) -> int:
        value: int = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def line(self) -> str:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise self.damaged()
        chunk = self.take(end - self.at)
        self.at += 1
        return chunk.decode("utf-8")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[object]:
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def pop_tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise self.damaged()
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.push(items)

    def long(self, size: int) -> None:
        if not 0 <= size <= MAX_INT_BYTES:
            raise DdcError("its pickle holds an integer of absurd size")
        self.push(int.from_bytes(self.take(size), "little", signed=True))

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise self.damaged()
        self.push(self.memo[index])

    def append(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise self.damaged()
        target.extend(items)

    def set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise self.damaged()
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Hashing a stranger's nested tuples could exhaust the C stack: plain keys only.
            plain = isinstance(key, str) or (isinstance(key, int) and abs(key) < MAX_INT_KEY)
            if not plain:
                raise DdcError("a dict of the file has keys that are neither text nor small ints")
            target[key] = value

    def set_item(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self.set_items([key, value])

    def stack_global(self) -> None:
        name = self.stack.pop()
        module = self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self.damaged()
        self.push(find_name(module, name))

    def new_object(self) -> None:
        args = self.stack.pop()
        cls = self.stack.pop()
        if not isinstance(cls, ModuleClass) or not isinstance(args, tuple) or args:
            raise RefusedError("its pickle builds an object that is no torch module: refused")
        self.push(ModuleRecord(cls.name))

    def reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack.pop()
        if not isinstance(function, Builder) or not isinstance(args, tuple):
            raise RefusedError("its pickle calls something that is no function: refused")
        self.push(function.build(args))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(state, dict):
            raise RefusedError("its pickle sets an object's state by other means than a dict")
        if isinstance(target, ModuleRecord) and not target.state:
            target.state = state
        elif not isinstance(target, dict) or len(state) > 1 or "_metadata" not in state:
            # A state dict is an ordered dict that carries its version numbers as an attribute.
            raise RefusedError("its pickle sets attributes on something that is no module: refused")

    def persistent(self) -> None:
        match self.stack.pop():
            case ("storage", StorageClass(dtype), str(key), str(), int(count)):
                self.push(self.load_storage(key, dtype, count))
            case _:
                raise DdcError("a tensor storage of the file is described wrongly")

    def frame(self) -> None:
        if self.unpack("<Q") > len(self.data) - self.at:
            raise self.damaged()


_STOP = 0x2E

_INSTRUCTIONS: dict[int, Callable[[_Machine], object]] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: _Machine.frame,
    0x28: _Machine.mark,
    0x30: lambda m: m.stack.pop(),  # POP
    0x31: _Machine.pop_mark,
    0x32: lambda m: m.push(m.stack[-1]),  # DUP
    0x4E: lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    0x4A: lambda m: m.push(m.unpack("<i")),  # BININT
    0x4B: lambda m: m.push(m.unpack("<B")),  # BININT1
    0x4D: lambda m: m.push(m.unpack("<H")),  # BININT2
    0x8A: lambda m: m.long(m.unpack("<B")),  # LONG1
    0x8B: lambda m: m.long(m.unpack("<i")),  # LONG4
    0x47: lambda m: m.push(m.unpack(">d")),  # BINFLOAT
    0x8C: lambda m: m.push(m.take(m.unpack("<B")).decode()),  # SHORT_BINUNICODE
    0x58: lambda m: m.push(m.take(m.unpack("<I")).decode()),  # BINUNICODE
    0x8D: lambda m: m.push(m.take(m.unpack("<Q")).decode()),  # BINUNICODE8
    0x43: lambda m: m.push(m.take(m.unpack("<B"))),  # SHORT_BINBYTES
    0x42: lambda m: m.push(m.take(m.unpack("<I"))),  # BINBYTES
    0x8E: lambda m: m.push(m.take(m.unpack("<Q"))),  # BINBYTES8
    0x29: lambda m: m.push(()),
    0x85: lambda m: m.pop_tuple(1),
    0x86: lambda m: m.pop_tuple(2),
    0x87: lambda m: m.pop_tuple(3),
    0x74: lambda m: m.push(tuple(m.pop_mark())),
    0x5D: lambda m: m.push([]),
    0x61: lambda m: m.append([m.stack.pop()]),
    0x65: lambda m: m.append(m.pop_mark()),
    0x7D: lambda m: m.push({}),
    0x73: _Machine.set_item,
    0x75: lambda m: m.set_items(m.pop_mark()),
    0x8F: lambda m: m.push([]),  # EMPTY_SET
    0x90: lambda m: m.append(m.pop_mark()),  # ADDITEMS
    0x63: lambda m: m.push(find_name(m.line(), m.line())),  # GLOBAL
    0x93: _Machine.stack_global,
    0x81: _Machine.new_object,
    0x52: _Machine.reduce,
    0x62: _Machine.build,
    0x51: _Machine.persistent,
    0x71: lambda m: m.remember(m.unpack("<B")),  # BINPUT
    0x72: lambda m: m.remember(m.unpack("<I")),  # LONG_BINPUT
    0x68: lambda m: m.recall(m.unpack("<B")),  # BINGET
    0x6A: lambda m: m.recall(m.unpack("<I")),  # LONG_BINGET
    0x94: lambda m: m.remember(len(m.memo)),  # MEMOIZE
}

_REFUSED = {
    0x69: "INST",
    0x6F: "OBJ",
    0x50: "PERSID",
    0x82: "EXT1",
    0x83: "EXT2",
    0x84: "EXT4",
    0x92: "NEWOBJ_EX",
    0x91: "FROZENSET",
    0x96: "BYTEARRAY8",
    0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
    **dict.fromkeys(b"IFLSVTUpgdl", "a text or string instruction of old protocols"),
}
