"""What names of a traced program stand for: concrete Python values, and symbolic ones.

Ints, floats, bools, strings, None, tuples, ranges and frozensets are themselves. What can change
(lists, dicts, scopes, array buffers) has a class here with a serial number, so that branches on
symbolic conditions can undo and merge what they changed. Where a name stands for one of two such
objects, as the input decides, a third one that holds what either holds takes its place; the two
and the third are rivals: once one of them changes, the others are stale and may not be used.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = Any  # a value of the traced program

_serials = itertools.count(1)


def next_serial() -> int:
    """Return a number greater than that of everything made before."""
    return next(_serials)


@dataclass(frozen=True, slots=True)
class Sym:
    """A number that depends on the input: a value of the IR and what Python takes it for.

    `kind` is `bool`, `int` or `float`; `truth` is a bool or an int and `number` an int or a
    float, as the input decides.
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Name:
    """One of several strings, by its position: what a category is to a program.

    None stands for a category that may be missing.
    """

    place: str | int | float
    options: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Poison:
    """A value that cannot be used, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Guarded:
    """An element of a list that is there only where the bit is 1."""

    there: str | int | float
    value: Value


@dataclass(slots=True, eq=False)
class Items:
    """A list."""

    items: list[Value]
    serial: int = field(default_factory=next_serial)
    rivals: list[Mutable] = field(default_factory=lambda: [])
    stale: bool = False

    def save(self) -> list[Value]:
        """Return a copy of what it holds."""
        return list(self.items)

    def restore(self, saved: Any) -> None:
        """Hold what was saved."""
        self.items[:] = saved


@dataclass(slots=True, eq=False)
class Mapping:
    """A dict; its keys are concrete."""

    items: dict[Value, Value]
    serial: int = field(default_factory=next_serial)
    rivals: list[Mutable] = field(default_factory=lambda: [])
    stale: bool = False

    def save(self) -> dict[Value, Value]:
        """Return a copy of what it holds."""
        return dict(self.items)

    def restore(self, saved: Any) -> None:
        """Hold what was saved."""
        self.items.clear()
        self.items.update(saved)


@dataclass(slots=True, eq=False)
class Scope:
    """The variables of a module, a function call or a comprehension."""

    items: dict[str, Value]
    parent: Scope | None = None
    own: frozenset[str] = frozenset()  # names that are local wherever they are assigned
    elsewhere: dict[str, Scope] = field(default_factory=lambda: {})  # global and nonlocal names
    function: bool = False
    captured: bool = False
    serial: int = field(default_factory=next_serial)
    rivals: list[Mutable] = field(default_factory=lambda: [])
    stale: bool = False

    def save(self) -> dict[str, Value]:
        """Return a copy of the variables."""
        return dict(self.items)

    def restore(self, saved: Any) -> None:
        """Take the variables that were saved."""
        self.items.clear()
        self.items.update(saved)


@dataclass(slots=True, eq=False)
class Buffer:
    """The memory that an array and its views share."""

    array: NDArray[Any]
    serial: int = field(default_factory=next_serial)
    rivals: list[Mutable] = field(default_factory=lambda: [])
    stale: bool = False

    def save(self) -> NDArray[Any]:
        """Return a copy of what it holds."""
        return self.array.copy()

    def restore(self, saved: Any) -> None:
        """Hold what was saved."""
        self.array[...] = saved


Mutable = Items | Mapping | Scope | Buffer


@dataclass(slots=True, eq=False)
class Arr:
    """A numpy array or scalar: entries as Python numbers and `Sym`, and the dtype they stand for.

    `scalar` tells a numpy scalar from an array without axes.
    """

    data: NDArray[Any]
    dtype: np.dtype[Any]
    buffer: Buffer
    mixed: bool = False  # a Python number on some paths

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return self.data.shape


def owner(data: NDArray[Any]) -> NDArray[Any]:
    """Return the array that owns the memory of a view."""
    while isinstance(data.base, np.ndarray):
        data = data.base
    return data


def new_array(data: NDArray[Any], dtype: np.dtype[Any], like: Arr | None = None) -> Arr:
    """Return an array; it shares the buffer of `like` where `data` is a view of it."""
    base = owner(data)
    if like is not None and base is like.buffer.array:
        return Arr(data, dtype, like.buffer)
    return Arr(data, dtype, Buffer(base))


@dataclass(slots=True, eq=False)
class Stream:
    """An iterator: a generator expression, `map`, `zip` and the like."""

    source: Iterator[Value]


@dataclass(slots=True, eq=False)
class Function:
    """A function of the program with the scope it was made in and its default values."""

    name: str
    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    defaults: dict[str, Value]


@dataclass(slots=True, eq=False)
class Builtin:
    """A function or type that the tracer knows: called with itself, positions and keywords."""

    name: str
    call: Callable[..., Value] | None


@dataclass(slots=True, eq=False)
class Partial:
    """functools.partial, operator.itemgetter and methods: a callable with its first arguments."""

    call: Callable[..., Value]


@dataclass(slots=True, eq=False)
class Library:
    """An imported module, or a part of one."""

    name: str


@dataclass(slots=True, eq=False)
class DType:
    """A numpy scalar type or dtype."""

    dtype: np.dtype[Any]


@dataclass(slots=True, eq=False)
class ErrorType:
    """A class of exceptions."""

    name: str


@dataclass(slots=True, eq=False)
class Inert:
    """Something that is only for annotations."""

    name: str


class DeadPath(Exception):
    """No input leads here."""


def is_number(value: Value) -> bool:
    """Tell whether a value is one Python number, concrete or symbolic."""
    return isinstance(value, (int, float, Sym))


def kind_of(value: Value) -> str:
    """Return the kind of a Python number."""
    if isinstance(value, Sym):
        return value.kind
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"
