"""The loop IR: typed scalar expressions, loops and stores, ready to be printed as C or LLVM.

Scalars are `bit` (one byte, 0 or 1), `i8` to `i64`, `f64` and `bool` (the value of a comparison).
Ints compute modulo their width, unless an op is one of the checked calls. Every array is a
pointer to row-major entries; an index is an `i64` expression into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

INTS = ("i8", "i16", "i32", "i64")
INDEX = "i64"
WIDTH = {"bool": 1, "bit": 8, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "f64": 64}


@dataclass(frozen=True)
class Array:
    """Storage for entries of one type; `place` tells whose.

    `input` and `output` belong to the caller, `constant` holds `values`, `local` is `count` entries
    on the stack, and `workspace` is a part of the caller's scratch memory.
    """

    name: str
    type: str
    place: str
    values: NDArray[Any] | None = field(default=None, compare=False)
    count: int = 0


@dataclass(frozen=True)
class Const:
    """A literal of a type."""

    value: int | float
    type: str


@dataclass(frozen=True)
class Var:
    """A local value, a loop variable or a size."""

    name: str
    type: str


@dataclass(frozen=True)
class Bin:
    """`add sub mul and or xor div min max`; `defined` is false where garbage in may overflow."""

    op: str
    a: Expr
    b: Expr
    type: str
    defined: bool = True


@dataclass(frozen=True)
class Cmp:
    """`eq ne lt le gt ge` of two numbers of one type; ordered: false where one is a NaN."""

    op: str
    a: Expr
    b: Expr
    type: str = "bool"


@dataclass(frozen=True)
class Select:
    """`a` where the condition holds, else `b`; both are evaluated."""

    condition: Expr
    a: Expr
    b: Expr
    type: str


@dataclass(frozen=True)
class Cast:
    """The same number in another type."""

    a: Expr
    type: str


@dataclass(frozen=True)
class Elem:
    """An entry of an array; with a `guard`, read only where that holds, `other` elsewhere.

    `empty` tells that the array may be without any entry.
    """

    array: Array
    at: Expr
    type: str
    guard: Expr | None = None
    other: Expr | None = None
    empty: bool = False


@dataclass(frozen=True)
class Call:
    """A function of scalars: a real function, or one of `HELPERS`."""

    function: str
    args: tuple[Expr, ...]
    type: str


@dataclass(frozen=True)
class BitTable:
    """Bit `at` (below 64) of a word."""

    word: int
    at: Expr
    type: str = "bit"


@dataclass(frozen=True)
class Pieces:
    """A curve: `height[k] + slope[k] * (x - foot[k])` where k knots are at or below `raw`.

    A slope of 0 gives the height itself, for any x.
    """

    raw: Expr
    x: Expr
    places: tuple[float, ...]
    heights: tuple[float, ...]
    slopes: tuple[float, ...]
    feet: tuple[float, ...]
    name: str
    type: str = "f64"


@dataclass(frozen=True)
class Count:
    """How many of the increasing cut points are at most `x` (of their type)."""

    x: Expr
    cuts: tuple[int | float, ...]
    name: str
    type: str = "i64"


Expr = Const | Var | Bin | Cmp | Select | Cast | Elem | Call | BitTable | Pieces | Count

# name -> (argument types, result type, summary)
REAL_FUNCTIONS = ("exp", "log", "log1p", "sqrt", "sin", "cos", "tanh", "pow", "rint", "fabs")
HELPERS: dict[str, str] = {
    "floordiv": "quotient rounded down; 0 by 0 and wrapping where the program could not be there",
    "floormod": "remainder of the quotient rounded down",
    "power": "int power",
    "add_checked": "sum; reports an overflow",
    "sub_checked": "difference; reports an overflow",
    "mul_checked": "product; reports an overflow",
    "power_checked": "int power; reports an overflow",
    "floordiv_checked": "quotient rounded down; reports an overflow",
    "to_int_checked": "an integral real as an int; reports one beyond 64 bits, and NaN",
}


@dataclass(frozen=True)
class Let:
    """A name for a value."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Mut:
    """A variable that loops assign to."""

    name: str
    type: str
    value: Expr


@dataclass(frozen=True)
class Assign:
    """A new value of a variable."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Store:
    """A new entry of an array."""

    array: Array
    at: Expr
    value: Expr


@dataclass(frozen=True)
class For:
    """`for var in low..high`, leaving out `skip[0]..skip[1]` where that is given.

    `parallel` tells that iterations do not depend on each other.
    """

    var: str
    low: Expr
    high: Expr
    body: tuple[Stmt, ...]
    skip: tuple[Expr, Expr] | None = None
    parallel: bool = False
    note: str = ""


Stmt = Let | Mut | Assign | Store | For


@dataclass(frozen=True)
class Parameter:
    """An input or output: a scalar by value, or an array; an output scalar is an array of one."""

    name: str
    text: str  # the type as the IR writes it
    type: str
    array: Array | None
    dims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kernel:
    """A function in the loop IR.

    `returned` is the lone scalar result, None where outputs go through pointers. `workspace` lists
    the arrays in the caller's scratch memory with their numbers of entries. `checked` tells whether
    an int may leave 64 bits.
    """

    name: str
    sizes: tuple[str, ...]
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    body: tuple[Stmt, ...]
    returned: Expr | None
    constants: tuple[Array, ...]
    locals: tuple[Array, ...]
    workspace: tuple[tuple[Array, Expr], ...]
    checked: bool


def statements(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Yield every statement, outer ones first."""
    stack = list(reversed(body))
    while stack:
        statement = stack.pop()
        yield statement
        if isinstance(statement, For):
            stack.extend(reversed(statement.body))


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the operands of an expression."""
    if isinstance(expr, (Bin, Cmp)):
        return expr.a, expr.b
    if isinstance(expr, Select):
        return expr.condition, expr.a, expr.b
    if isinstance(expr, Cast):
        return (expr.a,)
    if isinstance(expr, Elem):
        return tuple(e for e in (expr.at, expr.guard, expr.other) if e is not None)
    if isinstance(expr, Call):
        return expr.args
    if isinstance(expr, BitTable):
        return (expr.at,)
    if isinstance(expr, Pieces):
        return expr.raw, expr.x
    return (expr.x,) if isinstance(expr, Count) else ()


def expressions(statement: Stmt) -> Iterator[Expr]:
    """Yield every expression of one statement, not of the body of a loop."""
    stack: list[Expr] = []
    if isinstance(statement, For):
        stack += [statement.low, statement.high, *(statement.skip or ())]
    elif isinstance(statement, Store):
        stack += [statement.at, statement.value]
    else:
        stack.append(statement.value)
    while stack:
        expr = stack.pop()
        yield expr
        stack.extend(children(expr))


def limits(type_: str) -> tuple[int, int]:
    """Return the range of an integer type."""
    if type_ in ("bit", "bool"):
        return (0, 255) if type_ == "bit" else (0, 1)
    top = 1 << (WIDTH[type_] - 1)
    return -top, top - 1


def entry_dtype(type_: str) -> np.dtype[Any]:
    """Return the numpy dtype of the entries of an array."""
    names = {"bit": "uint8", "f64": "float64", **{t: f"int{t[1:]}" for t in INTS}}
    return np.dtype(names[type_])
