"""What the rules of `grammar.lark` build: ops, functions, constants, modules.

The parser calls the method of a rule's name with what its parts have built, innermost first, so
that no tree is kept and nothing recurses. Problems are collected as diagnostics, and something
harmless stands in for what was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .affine import Affine
from .constant_text import constant_array
from .errors import DdcError, Location
from .evidence import Detail, Evidence
from .module import (
    Attr,
    Block,
    Constant,
    Function,
    Global,
    Index,
    Loop,
    Module,
    Number,
    Op,
    Operand,
    Origin,
    Size,
    State,
)
from .ops import OPS
from .type_actions import Parts, TypeActions, place

if TYPE_CHECKING:
    from lark import Token
else:
    Token = Any


@dataclass(frozen=True)
class _Clause:
    name: str
    value: Attr
    location: Location


@dataclass(frozen=True)
class _Shape:
    shape: tuple[Affine, ...]
    location: Location


class Actions(TypeActions):
    """The meaning of the grammar's rules; `diagnostics` are the problems of the present text."""

    # ------------------------------------------------------------ operands and attributes

    def local(self, parts: Parts) -> Operand:
        """Return the name of a value."""
        return str(parts[0])[1:]

    def global_(self, parts: Parts) -> Operand:
        """Return the name of a constant."""
        return Global(str(parts[0])[1:])

    def literal(self, parts: Parts) -> Operand:
        """Return a number as an operand."""
        value: Number = parts[0]
        return value

    def operands(self, parts: Parts) -> tuple[Operand, ...]:
        """Return operands."""
        return tuple(parts)

    def argument(self, parts: Parts) -> tuple[Operand, tuple[Index, ...] | None]:
        """Return an operand with its index."""
        operand, box = parts
        return operand, box

    def arguments(self, parts: Parts) -> Parts:
        """Return operands with their indices."""
        return parts

    names = arguments

    def box(self, parts: Parts) -> tuple[Index, ...]:
        """Return an index for each axis."""
        return tuple(parts)

    def inside(self, parts: Parts) -> Index:
        """Return an index proved inside."""
        return Index(parts[0])

    def wrap(self, parts: Parts) -> Index:
        """Return an index modulo the axis."""
        return Index(parts[0], "wrap")

    def clamp(self, parts: Parts) -> Index:
        """Return an index moved to the nearest entry."""
        return Index(parts[0], "clamp")

    def otherwise(self, parts: Parts) -> Index:
        """Return an index with a value outside."""
        at, other = parts
        return Index(at, "else", other)

    def head(self, parts: Parts) -> Attr:
        """Return the attribute before `of`."""
        value: Attr = parts[0]
        return value

    def sequence(self, parts: Parts) -> tuple[Any, ...]:
        """Return a list attribute."""
        return tuple(part for part in parts if part is not None)

    def item(self, parts: Parts) -> Number | tuple[Number, Number]:
        """Return a number or a pair of numbers."""
        if len(parts) == 1:
            number: Number = parts[0]
            return number
        first, second = parts
        return first, second

    def word(self, parts: Parts) -> str:
        """Return a word attribute."""
        return str(parts[0])

    def clause(self, parts: Parts) -> _Clause:
        """Return an attribute after the operands."""
        name, value = parts
        return _Clause(str(name), value, place(name))

    def to_clause(self, parts: Parts) -> _Shape:
        """Return the shape after `to`."""
        word, shape = parts
        return _Shape(shape, place(word))

    def origin(self, parts: Parts) -> Origin:
        """Return which neurons a value stands for."""
        layer, *neurons = parts
        return Origin(layer, tuple(self.to_int(n) for n in neurons if n is not None))

    # ------------------------------------------------------------ ops

    def simple_op(self, parts: Parts) -> Op:
        """Return an op of the op table."""
        names, code, head, given, *clauses, origin = parts
        where = place(code)
        index: tuple[Index, ...] = ()
        for k, (_, box) in enumerate(given):
            if box is None:
                continue
            if str(code) != "load" or k:
                self.problem(f"'{code}' takes no index", where)
            else:
                index = box
        shapes = [c for c in clauses if isinstance(c, _Shape)]
        for extra in shapes[1:]:
            self.problem(f"'{code}' says `to` twice", extra.location)
        return Op(
            str(code),
            self._results(names),
            tuple(operand for operand, _ in given),
            self._attributes(str(code), where, head, clauses),
            index,
            shapes[0].shape if shapes else (),
            origin=origin,
            location=where,
        )

    def _results(self, names: Iterable[Token]) -> tuple[str, ...]:
        return tuple(str(name)[1:] for name in names)

    def _attributes(
        self, code: str, where: Location, head: Attr | None, clauses: Iterable[_Clause | _Shape]
    ) -> tuple[tuple[str, Attr], ...]:
        spec = OPS.get(code)
        attrs: dict[str, Attr] = {}
        if head is not None:
            if spec is not None and spec.head is None:
                self.problem(f"'{code}' takes nothing before `of`", where)
            elif spec is not None and spec.head is not None:
                attrs[spec.head.name] = head
        for clause in clauses:
            if isinstance(clause, _Shape):
                continue
            declared = None if spec is None else spec.attr(clause.name)
            if spec is not None and (declared is None or declared.head):
                self.problem(f"'{code}' has no clause `{clause.name}`", clause.location)
            elif clause.name in attrs:
                self.problem(f"'{code}' says `{clause.name}` twice", clause.location)
            else:
                attrs[clause.name] = clause.value
        return tuple(sorted(attrs.items(), key=lambda item: item[0]))

    def index_op(self, parts: Parts) -> Op:
        """Return an op whose value is an index expression."""
        names, word, at, origin = parts
        index = (Index(at),)
        return Op("index", self._results(names), index=index, origin=origin, location=place(word))

    def map_op(self, parts: Parts) -> Op:
        """Return a map."""
        names, word, loops, origin, body = parts
        return self._structured(word, names, loops, origin, body)

    def reduce_op(self, parts: Parts) -> Op:
        """Return a reduction."""
        names, word, kind, loops, origin, body = parts
        attrs = (("kind", str(kind)),)
        return self._structured(word, names, loops, origin, body, attrs)

    def scan_op(self, parts: Parts) -> Op:
        """Return a scan."""
        names, word, loops, states, origin, body = parts
        return self._structured(word, names, loops, origin, body, (), states or ())

    def _structured(
        self,
        word: Token,
        names: Iterable[Token],
        loops: tuple[Loop, ...],
        origin: Origin | None,
        body: Block,
        attrs: tuple[tuple[str, Attr], ...] = (),
        states: tuple[State, ...] = (),
    ) -> Op:
        return Op(
            str(word),
            self._results(names),
            attrs=attrs,
            loops=loops,
            states=states,
            body=body,
            origin=origin,
            location=place(word),
        )

    def loops(self, parts: Parts) -> tuple[Loop, ...]:
        """Return loops, outermost first."""
        return tuple(parts)

    def loop(self, parts: Parts) -> Loop:
        """Return a loop."""
        var, low, high = parts
        return Loop(str(var)[1:], low, high)

    def states(self, parts: Parts) -> tuple[State, ...]:
        """Return the states of a scan."""
        return tuple(parts)

    def state(self, parts: Parts) -> State:
        """Return a state with its first value."""
        name, type_, init = parts
        return State(str(name)[1:], type_, init)

    def body(self, parts: Parts) -> Block:
        """Return the body of a structured op."""
        *ops, nexts, yields = parts
        return Block(tuple(ops), yields or (), nexts or ())

    # ------------------------------------------------------------ functions

    def size(self, parts: Parts) -> Size:
        """Return a size with its minimum."""
        name, minimum = parts
        return Size(str(name)) if minimum is None else Size(str(name), self.to_int(minimum))

    def sizes(self, parts: Parts) -> tuple[Size, ...]:
        """Return the sizes of a function."""
        return tuple(parts)

    def domain(self, parts: Parts) -> str:
        """Return the name of the domain."""
        return str(parts[0])[1:]

    def detail(self, parts: Parts) -> tuple[str, Detail]:
        """Return a detail of a claim."""
        key, value = parts
        return str(key), value

    def evidence(self, parts: Parts) -> Evidence:
        """Return a claim."""
        kind, method, *details = parts
        return Evidence(str(kind), str(method or ""), tuple(d for d in details if d is not None))

    def function_body(self, parts: Parts) -> Block:
        """Return the body of a function."""
        *ops, returned = parts
        return Block(tuple(ops), returned or ())

    def function(self, parts: Parts) -> Function:
        """Return a function."""
        name, sizes, params, results, domain, *claims, body = parts
        return Function(
            str(name)[1:],
            params or (),
            results or (),
            body,
            sizes or (),
            tuple(claims),
            domain,
            place(name),
        )

    # ------------------------------------------------------------ constants

    def lengths(self, parts: Parts) -> tuple[int, ...]:
        """Return the shape of a constant."""
        return tuple(self.to_int(n) for n in parts)

    def entries(self, parts: Parts) -> Any:
        """Return a number of a constant."""
        return parts[0]

    def row(self, parts: Parts) -> Any:
        """Return a nested list of numbers."""
        return [part for part in parts if part is not None]

    def listed(self, parts: Parts) -> tuple[str, Parts]:
        """Return the entries of a constant given one by one."""
        return "listed", parts

    def dense(self, parts: Parts) -> tuple[str, Parts]:
        """Return the entries of a constant given as bytes."""
        return "dense", [str(part)[1:-1] for part in parts]

    def sparse(self, parts: Parts) -> tuple[str, Parts]:
        """Return the entries of a constant given as places and bytes."""
        return "sparse", [str(part)[1:-1] for part in parts]

    def constant(self, parts: Parts) -> tuple[str, Constant] | None:
        """Return a constant array and its name."""
        name, base, shape, dtype, (form, data) = parts
        try:
            array = constant_array(str(base), shape or (), str(dtype), form, data)
        except DdcError as error:
            self.problem(f"constant {name} {error}", place(name))
            return None
        return str(name)[1:], Constant(array)

    def module(self, parts: Parts) -> Module:
        """Return the module."""
        functions = tuple(part for part in parts if isinstance(part, Function))
        others = (part for part in parts if not isinstance(part, Function))
        return Module(functions, tuple(part for part in others if part is not None))
