"""Expressions over integer variables: an immutable, hash-consed DAG.

Equal expressions are one object: a constructor returns the node that already exists. Equality
and hashing are therefore identity, and no operation is exponential on shared graphs.

Bits are the integers 0 and 1. The operands of `Not`, `And`, `Or`, `Xor` and the condition of
`Select` must be bits; everything else takes and gives integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from weakref import WeakValueDictionary

CompareOp = Literal["eq", "ne", "lt", "le", "gt", "ge"]
ArithmeticOp = Literal["mul", "mod", "floordiv"]

_interned: WeakValueDictionary[tuple[object, ...], Expr] = WeakValueDictionary()


class Expr:
    """Be a node of an expression; `operands` and `variables` are cached on every node."""

    __slots__ = ("__weakref__", "operands", "variables")
    __match_args__: tuple[str, ...] = ()

    operands: tuple[Expr, ...]
    variables: frozenset[int]

    def __new__(cls, *args: Any, **fields: Any) -> Self:
        if fields:
            args += tuple(fields[name] for name in cls.__match_args__[len(args) :])
        key = (cls, *args)
        known = _interned.get(key)
        if known is None:
            known = _interned[key] = object.__new__(cls)
        assert isinstance(known, cls)
        return known

    def __post_init__(self) -> None:
        if not hasattr(self, "variables"):  # __init__ runs again on a node that already exists
            operands = _operands(self)
            free = frozenset[int]().union(*(operand.variables for operand in operands))
            if isinstance(self, Var):
                free = frozenset((self.index,))
            object.__setattr__(self, "operands", operands)
            object.__setattr__(self, "variables", free)

    def __repr__(self) -> str:
        from .text import text  # not recursive, and linear on shared graphs

        return f"{type(self).__name__}<{text(self)}>"

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Var(Expr):
    """Read variable number `index`."""

    index: int


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Const(Expr):
    """Give one integer."""

    value: int


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Not(Expr):
    """Negate a bit."""

    arg: Expr


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class And(Expr):
    """Conjoin two or more bits."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Or(Expr):
    """Disjoin two or more bits."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Xor(Expr):
    """Give the parity of two or more bits."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Threshold(Expr):
    """Say whether the sum of `weights[i] * args[i]` is at least `k`; no weights: all are one."""

    k: int
    args: tuple[Expr, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Linear(Expr):
    """Give `const` plus the sum of `coefficient * operand`; a count has all coefficients one."""

    terms: tuple[tuple[int, Expr], ...]
    const: int


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Compare(Expr):
    """Compare two integers; the result is a bit."""

    op: CompareOp
    left: Expr
    right: Expr


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Select(Expr):
    """Give `then` where the bit `cond` is one and `other` elsewhere."""

    cond: Expr
    then: Expr
    other: Expr


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Min(Expr):
    """Give the least of two or more integers."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Max(Expr):
    """Give the greatest of two or more integers."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Mod(Expr):
    """Give the remainder in 0..k-1 of division by the positive constant `k`."""

    arg: Expr
    k: int


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class FloorDiv(Expr):
    """Divide by the positive constant `k`, rounding towards minus infinity."""

    arg: Expr
    k: int


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Arithmetic(Expr):
    """Give the product, remainder or quotient of two integers, rounded towards minus infinity."""

    op: ArithmeticOp
    left: Expr
    right: Expr


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Lookup(Expr):
    """Read `values` (row-major) at the positions of `args` within their ascending `levels`."""

    values: tuple[int, ...]
    args: tuple[Expr, ...]
    levels: tuple[tuple[int, ...], ...]


def _operands(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Not(a) | Mod(a, _) | FloorDiv(a, _):
            return (a,)
        case And(args) | Or(args) | Xor(args) | Min(args) | Max(args):
            return args
        case Threshold(_, args, _) | Lookup(_, args, _):
            return args
        case Linear(terms, _):
            return tuple(term for _, term in terms)
        case Compare(_, left, right) | Arithmetic(_, left, right):
            return left, right
        case Select(cond, then, other):
            return cond, then, other
        case _:
            return ()


def with_operands(expr: Expr, operands: tuple[Expr, ...]) -> Expr:
    """Return the same operator on other operands, unsimplified."""
    match expr:
        case Not():
            return Not(operands[0])
        case Mod(_, k) | FloorDiv(_, k):
            return type(expr)(operands[0], k)
        case And() | Or() | Xor() | Min() | Max():
            return type(expr)(operands)
        case Threshold(k, _, weights):
            return Threshold(k, operands, weights)
        case Lookup(values, _, levels):
            return Lookup(values, operands, levels)
        case Linear(terms, const):
            pairs = zip(terms, operands, strict=True)
            return Linear(tuple((c, operand) for (c, _), operand in pairs), const)
        case Compare(op, _, _):
            return Compare(op, operands[0], operands[1])
        case Arithmetic(op, _, _):
            return Arithmetic(op, operands[0], operands[1])
        case Select():
            return Select(operands[0], operands[1], operands[2])
        case _:
            return expr


def topological(roots: Iterable[Expr]) -> list[Expr]:
    """List every distinct node below `roots` once, operands before their users."""
    order: list[Expr] = []
    seen: set[Expr] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((operand, False) for operand in reversed(node.operands))
    return order


def support(expr: Expr) -> frozenset[int]:
    """Return the indices of the variables that the expression reads."""
    return expr.variables


def operations(expr: Expr) -> int:
    """Count two-input and/or/xor and not, each distinct node once; n-ary ones count n-1."""
    total = 0
    for node in topological((expr,)):
        match node:
            case Not():
                total += 1
            case And(args) | Or(args) | Xor(args):
                total += len(args) - 1
            case _:
                pass
    return total


def substitute(expr: Expr, replacements: Mapping[Var, Expr]) -> Expr:
    """Return the expression with variables replaced, all at once, unsimplified."""
    done: dict[Expr, Expr] = dict(replacements.items())
    for node in topological((expr,)):
        if node not in done:
            operands = tuple(done[operand] for operand in node.operands)
            done[node] = node if operands == node.operands else with_operands(node, operands)
    return done[expr]
