"""Build functions op by op, with fresh readable names."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterable, Sequence
from contextlib import contextmanager

from .affine import Affine
from .module import (
    Attr,
    Block,
    Function,
    Index,
    Loop,
    Op,
    Operand,
    Origin,
    Param,
    Size,
    State,
    attributes,
)
from .types import Type


def fresh_name(wish: str, taken: Container[str]) -> str:
    """Return `wish`, or `wish_2`, `wish_3` … where it is taken."""
    name, count = wish, 1
    while name in taken:
        count += 1
        name = f"{wish}_{count}"
    return name


class Builder:
    """Collects ops in order; bodies are built inside `with builder.body():`.

    Names asked for are made unique within the function by a numeric suffix.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._counts: dict[str, int] = {}  # wish -> the last suffix given
        self._stack: list[list[Op]] = [[]]

    def fresh(self, wish: str) -> str:
        """Return `wish`, or `wish_2`, `wish_3` … where it is taken."""
        name, count = wish, self._counts.get(wish, 1)
        while name in self._taken:
            count += 1
            name = f"{wish}_{count}"
        self._counts[wish] = count
        self._taken.add(name)
        return name

    def append(self, op: Op) -> None:
        """Add a finished op to the block that is being built."""
        self._taken.update(op.results)
        self._stack[-1].append(op)

    def op(
        self,
        code: str,
        *operands: Operand,
        name: str | None = None,
        index: Sequence[Index] = (),
        shape: Sequence[Affine] = (),
        origin: Origin | None = None,
        **attrs: Attr | None,
    ) -> str:
        """Add an op with one result and return the result's name.

        An attribute whose name is a Python keyword is given with a trailing underscore (`in_`).
        """
        result = self.fresh(name or code)
        named = attributes(**{key.rstrip("_"): value for key, value in attrs.items()})
        new = Op(code, (result,), operands, named, tuple(index), shape=tuple(shape), origin=origin)
        self._stack[-1].append(new)
        return result

    def load(self, array: Operand, *at: Index | Affine | int, name: str = "x") -> str:
        """Add a load; a bare expression is an index proved inside."""
        index = [i if isinstance(i, Index) else Index(Affine.of(i)) for i in at]
        return self.op("load", array, name=name, index=index)

    @contextmanager
    def body(self) -> Generator[list[Op], None, None]:
        """Collect the ops of a body; pass the list to `map`, `reduce` or `scan` afterwards."""
        ops: list[Op] = []
        self._stack.append(ops)
        try:
            yield ops
        finally:
            self._stack.pop()

    def loop(self, wish: str, low: int | Affine, high: int | Affine) -> Loop:
        """Return a loop with a fresh variable."""
        return Loop(self.fresh(wish), Affine.of(low), Affine.of(high))

    def map(
        self,
        loops: Sequence[Loop],
        ops: Sequence[Op],
        yields: Sequence[Operand],
        names: Sequence[str],
    ) -> tuple[str, ...]:
        """Add a map over the box of the loops; return the names of its results."""
        results = tuple(self.fresh(name) for name in names)
        block = Block(tuple(ops), tuple(yields))
        self._stack[-1].append(Op("map", results, loops=tuple(loops), body=block))
        return results

    def reduce(
        self, kind: str, loops: Sequence[Loop], ops: Sequence[Op], value: Operand, name: str
    ) -> str:
        """Add a reduction by `kind` over the loops; return the name of its result."""
        result = self.fresh(name)
        block = Block(tuple(ops), (value,))
        new = Op("reduce", (result,), attrs=attributes(kind=kind), loops=tuple(loops), body=block)
        self._stack[-1].append(new)
        return result

    def scan(
        self,
        loop: Loop,
        states: Sequence[State],
        ops: Sequence[Op],
        nexts: Sequence[Operand],
        yields: Sequence[Operand],
        names: Sequence[str],
    ) -> tuple[str, ...]:
        """Add a scan; its results are the yielded sequences, then the final states."""
        results = tuple(self.fresh(name) for name in names)
        block = Block(tuple(ops), tuple(yields), tuple(nexts))
        self._stack[-1].append(Op("scan", results, loops=(loop,), states=tuple(states), body=block))
        return results

    def function(
        self,
        name: str,
        params: Sequence[tuple[str, Type]],
        results: Sequence[tuple[str, Type]],
        returns: Sequence[Operand],
        sizes: Sequence[Size] = (),
        where: str | None = None,
    ) -> Function:
        """Return the function made of everything added so far."""
        (ops,) = self._stack
        return Function(
            name,
            tuple(Param(n, t) for n, t in params),
            tuple(Param(n, t) for n, t in results),
            Block(tuple(ops), tuple(returns)),
            tuple(sizes),
            where=where,
        )
