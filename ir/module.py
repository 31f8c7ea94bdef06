"""What programs are: modules of functions of single-assignment ops, and named constant arrays.

Everything here is immutable and compared by value, so two modules are equal exactly when they
print the same. A value is known by its name, which is unique within its function; types of
intermediate values are derived (`ir.infer`), never stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .affine import Affine
from .errors import Location
from .evidence import Evidence
from .types import Type


@dataclass(frozen=True)
class Global:
    """A reference to a named constant array of the module, written `@name`."""

    name: str


# A value's name, an int literal (also a bit), a real literal, or a constant array.
Operand = str | int | Fraction | Global
Number = int | Fraction
Attr = int | Fraction | str | tuple[Number, ...] | tuple[tuple[Number, Number], ...]


@dataclass(frozen=True)
class Index:
    """One axis of a load: where, and what happens outside the array.

    `border` is `inside` (proved in range), `wrap` (modulo the axis), `clamp` (nearest entry) or
    `else`, with the value that is read outside in `other`.
    """

    at: Affine
    border: str = "inside"
    other: Number | None = None


@dataclass(frozen=True)
class Loop:
    """A loop variable with its half-open affine range."""

    var: str
    low: Affine
    high: Affine

    @property
    def symbol(self) -> str:
        """The variable as a symbol of affine expressions."""
        return f"%{self.var}"

    @property
    def extent(self) -> Affine:
        """The number of iterations, where it is not negative."""
        return self.high - self.low


@dataclass(frozen=True)
class State:
    """A value that a scan carries from step to step."""

    name: str
    type: Type
    init: Operand


@dataclass(frozen=True)
class Origin:
    """Which neurons of which layer a value stands for."""

    layer: str
    neurons: tuple[int, ...] = ()


@dataclass(frozen=True)
class Block:
    """Ops in order, then what the block yields (or returns) and a scan's next states."""

    ops: tuple[Op, ...]
    yields: tuple[Operand, ...]
    nexts: tuple[Operand, ...] = ()


@dataclass(frozen=True)
class Op:
    """One operation: `results = code operands attributes`, structured ops with loops and a body."""

    code: str
    results: tuple[str, ...]
    operands: tuple[Operand, ...] = ()
    attrs: tuple[tuple[str, Attr], ...] = ()
    index: tuple[Index, ...] = ()
    shape: tuple[Affine, ...] = ()
    loops: tuple[Loop, ...] = ()
    states: tuple[State, ...] = ()
    body: Block | None = None
    origin: Origin | None = None
    location: Location | None = field(default=None, compare=False, repr=False)

    @property
    def result(self) -> str:
        """The only result."""
        (name,) = self.results
        return name

    def attr(self, name: str) -> Attr | None:
        """Return an attribute, None where it is not given."""
        for key, value in self.attrs:
            if key == name:
                return value
        return None


@dataclass(frozen=True)
class Size:
    """A size symbol of a function, with the smallest value the function claims to work for."""

    name: str
    minimum: int = 1


@dataclass(frozen=True)
class Param:
    """A named and typed parameter or result."""

    name: str
    type: Type


@dataclass(frozen=True)
class Function:
    """A function: symbolic sizes, parameters, results, evidence, domain and body.

    `where` names a function of the same parameters with one bit as its result: inputs for which
    it is 0 do not matter.
    """

    name: str
    params: tuple[Param, ...]
    results: tuple[Param, ...]
    body: Block
    sizes: tuple[Size, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    where: str | None = None
    location: Location | None = field(default=None, compare=False, repr=False)

    def bare(self) -> Function:
        """Return the function without its evidence."""
        return replace(self, evidence=())


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array; numpy dtype float32, float64 or int64, exact and read-only."""

    array: NDArray[np.generic]

    def __post_init__(self) -> None:
        self.array.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        mine, theirs = self.array, other.array
        if mine is theirs:
            return True
        same = mine.dtype == theirs.dtype and mine.shape == theirs.shape
        return same and mine.tobytes() == theirs.tobytes()

    def __hash__(self) -> int:
        return hash((self.array.dtype.str, self.array.shape, self.digest))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the entries in row-major order; the array is read-only, so it stays."""
        return hashlib.sha256(np.ascontiguousarray(self.array).data).hexdigest()


@dataclass(frozen=True)
class Module:
    """Functions by name, in order, and constant arrays by name; the first function is the entry."""

    functions: tuple[Function, ...]
    constants: tuple[tuple[str, Constant], ...] = ()

    @property
    def entry(self) -> Function:
        """The function that the module is about."""
        return self.functions[0]

    def function(self, name: str) -> Function | None:
        """Return a function by name, None where there is none."""
        return next((f for f in self.functions if f.name == name), None)

    def constant(self, name: str) -> Constant | None:
        """Return a constant array by name, None where there is none."""
        return dict(self.constants).get(name)

    def with_entry(self, entry: Function) -> Module:
        """Return the module with another entry function, without constants that nobody names."""
        functions = (entry, *self.functions[1:])
        used = {name for function in functions for name in global_names(function)}
        kept = tuple((name, c) for name, c in self.constants if name in used)
        return Module(functions, kept)


def walk(block: Block) -> Iterator[Op]:
    """Yield every op of a block and of the bodies inside it, outer ops first."""
    stack = list(reversed(block.ops))
    while stack:
        op = stack.pop()
        yield op
        if op.body is not None:
            stack.extend(reversed(op.body.ops))


def operands_of(op: Op) -> tuple[Operand, ...]:
    """Return the operands of an op: its own, initial states, and what its body yields."""
    inner = (*op.body.yields, *op.body.nexts) if op.body is not None else ()
    return (*op.operands, *(state.init for state in op.states), *inner)


def global_names(function: Function) -> Iterator[str]:
    """Yield the name of every constant array that the function reads."""
    for operand in function.body.yields:
        if isinstance(operand, Global):
            yield operand.name
    for op in walk(function.body):
        for operand in operands_of(op):
            if isinstance(operand, Global):
                yield operand.name


def attributes(**values: Attr | None) -> tuple[tuple[str, Attr], ...]:
    """Return attributes in normal form: sorted by name, absent ones left out."""
    return tuple((name, value) for name, value in sorted(values.items()) if value is not None)


def digest(data: str | bytes) -> str:
    """Return the hash that evidence is bound to."""
    raw = data.encode("utf-8") if isinstance(data, str) else data
    return "sha256:" + hashlib.sha256(raw).hexdigest()
