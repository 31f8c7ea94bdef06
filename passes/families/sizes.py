"""Sizes of programs made of families: axes and loops as symbols, and numbers that follow them.

A loop that reads an axis up to its end ends with the axis, whatever its start; entries before it
may be named by number (`I[0]`, `I[1]`, and a loop from 2). Hidden arrays are as long as the loops
that make them. A number that meets a sum over such loops is read as an expression of the sizes
where exactly one simple expression has its value (`n`, `n - 1`, `n (n - 1)`, …); where none or
several have, the sizes are kept, and a note says which number it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ddc.ir import (
    Affine,
    Block,
    Builder,
    Function,
    Index,
    Module,
    Op,
    Operand,
    Param,
    Size,
    claim,
    dims,
    element,
    verify,
    walk,
    with_dims,
)
from ddc.passes.base import SIZES_KEPT, Context, Pass
from ddc.passes.rewrite import rewrite

from .readings import MEETING, SMALL, Reading, Readings, UnreadError, followers

LETTERS = ("N", "M", "K", "L", "P", "Q", "R")
NAMED = 4  # so many first entries of an axis may be named by number

# An axis is an array and a number; the end of a loop is ("", its symbol).
Node = tuple[str, int | str]


class _KeptError(Exception):
    """The sizes are kept; the message says why."""


@dataclass(frozen=True)
class Sizes(Pass):
    """Make the sizes of a program of families symbols, numbers that follow them included."""

    name: ClassVar[str] = "sizes"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module generic in its sizes, or as it is where they cannot be told."""
        entry = module.entry
        if entry.sizes or entry.where is not None or ("raised", "families") not in context.analyses:
            return module
        try:
            generic = _generic(module, context)
        except _KeptError as reason:
            context.note(f"{SIZES_KEPT}{reason}")
            return module
        return module.with_entry(generic)


class _Classes:
    """Lengths that follow each other: every member is its root plus a number."""

    def __init__(self) -> None:
        self.parent: dict[Node, tuple[Node, int]] = {}

    def root(self, node: Node) -> tuple[Node, int]:
        """Return the root of a member and what is to be added to it."""
        shift = 0
        while node in self.parent:
            node, more = self.parent[node]
            shift += more
        return node, shift

    def tie(self, node: Node, other: Node, shift: int) -> None:
        """Record `node = other + shift`; raises `_KeptError` where that contradicts what is known."""
        (a, x), (b, y) = self.root(node), self.root(other)
        if a == b:
            if x != y + shift:
                raise _KeptError("an axis would have two lengths")
            return
        self.parent[a] = (b, y + shift - x)


class _Sizer:
    def __init__(self, module: Module, signature: Sequence[Param]) -> None:
        self.module, self.function = module, module.entry
        self.classes = _Classes()
        self.loops = {loop.symbol: loop for op in walk(module.entry.body) for loop in op.loops}
        self.lengths: dict[Node, int] = {}  # of every axis, as trained
        self.tied: set[str] = set()  # loops that end with an axis
        self.partial: list[tuple[Node, str, int, str]] = []  # reads that end before their axis
        self.letters: dict[Node, str] = {}
        for param in module.entry.params:
            for number, dim in enumerate(dims(param.type)):
                self.lengths[param.name, number] = dim.const
        for op in module.entry.body.ops:
            for number, loop in enumerate(op.loops if op.code == "map" else ()):
                self.lengths[op.results[0], number] = loop.high.const
                self.classes.tie((op.results[0], number), ("", loop.symbol), 0)
        self._written(signature)
        for op in walk(module.entry.body):
            if op.code in ("reshape", "concat", "scan", "gather"):
                raise _KeptError(f"'{op.code}' has a shape of its own")
            if op.code == "load":
                self._load(op)
        for symbol in self.tied:
            if not self.loops[symbol].low.is_const:
                raise _KeptError("a loop starts at a place that moves")

    def _written(self, signature: Sequence[Param]) -> None:
        """Tie axes that the person gave one letter."""
        first: dict[str, Node] = {}
        for param in signature:
            for number, dim in enumerate(dims(param.type)):
                node = (param.name, number)
                if node not in self.lengths or dim.const or len(dim.terms) != 1:
                    continue
                symbol, factor = dim.terms[0]
                if factor != 1 or not isinstance(symbol, str):
                    continue
                if symbol in first:
                    self.classes.tie(node, first[symbol], 0)
                first.setdefault(symbol, node)
                self.letters[node] = symbol

    # ------------------------------------------------------------ loads

    def _load(self, op: Op) -> None:
        for number, index in enumerate(op.index):
            node = (str(op.operands[0]), number)
            if node not in self.lengths:
                raise _KeptError(f"{op.operands[0]} is no array of the program")
            self._axis(node, self.lengths[node], index)

    def _axis(self, node: Node, size: int, index: Index) -> None:
        at = index.at
        plain = [(s, c) for s, c in at.terms if isinstance(s, str) and s in self.loops]
        if len(plain) < len(at.terms):
            raise _KeptError(f"the index {at} is no plain sum of loops")
        if not plain:
            if at.const >= NAMED:
                raise _KeptError(f"{node[0]}[{at}] is named by number")
            return
        loops = {s: self.loops[s] for s, _ in plain}
        if not all(loop.high.is_const or s in self.tied for s, loop in loops.items()):
            raise _KeptError("a loop ends at a place that moves")
        symbol, factor = max(plain, key=lambda term: self.loops[term[0]].high.const)
        loop, reach = self.loops[symbol], at.const
        reach += sum(
            max(c * loops[s].low.const, c * (loops[s].high.const - 1))
            for s, c in plain
            if s != symbol
        )
        high = loop.high.const
        if factor == 1 and index.border != "inside":
            if loop.low.const or high != size:
                raise _KeptError(f"{node[0]}[{at}] passes the border at one size only")
            self._tie(symbol, node, 0)
        elif factor == 1 and high + reach == size:
            self._tie(symbol, node, -reach)
        elif factor == -1 and at.const == size - 1 and not loop.low.const and high == size:
            self._tie(symbol, node, 0)
        elif max(factor * (high - 1), 0) + reach >= NAMED:
            self.partial.append((node, symbol, reach, str(at)))

    def _tie(self, symbol: str, node: Node, shift: int) -> None:
        self.classes.tie(("", symbol), node, shift)
        self.tied.add(symbol)

    # ------------------------------------------------------------ symbols

    def symbols(self) -> tuple[dict[Node, Affine], dict[str, int]]:
        """Return every length that follows a size as an expression, and the trained sizes."""
        free = (letter for letter in LETTERS if letter not in self.letters.values())
        names: dict[Node, Affine] = {}
        values: dict[str, int] = {}
        moving = {self.classes.root(("", symbol))[0] for symbol in self.tied}
        for param in self.function.params:
            for number in range(len(dims(param.type))):
                node = (param.name, number)
                root, shift = self.classes.root(node)
                if root in names or root not in moving:
                    continue
                letter = self.letters.get(node) or next(free)
                names[root] = Affine.symbol(letter) - shift
                values[letter] = self.lengths[node]
        if not values:
            raise _KeptError("nothing moves along an axis to its end")
        return names, values

    def length(self, node: Node, names: dict[Node, Affine]) -> Affine | None:
        """Return a length as an expression, None for one that is a number."""
        root, shift = self.classes.root(node)
        return names[root] + shift if root in names else None

    def same(self, a: str, b: str) -> None:
        """Make two sizes one."""
        names, _ = self.symbols()
        roots = {str(next(iter(e.symbols()))): (root, e.const) for root, e in names.items()}
        (x, c), (y, d) = roots[a], roots[b]
        self.classes.tie(y, x, d - c)

    def partly(self, names: dict[Node, Affine]) -> None:
        """Raise where a loop ends inside an axis that has a size."""
        for node, symbol, reach, text in self.partial:
            mine, theirs = self.length(("", symbol), names), self.length(node, names)
            if mine is None and theirs is None:
                continue
            if mine is None or theirs is None or not (theirs - mine - reach).at_least(0, {}):
                raise _KeptError(f"{node[0]}[{text}] is only a part of the axis")


def _generic(module: Module, context: Context) -> Function:
    """Return the entry with symbols for its sizes."""
    sizer = _Sizer(module, context.signature)
    while True:
        names, values = sizer.symbols()
        sizer.partly(names)
        reader = Readings(values)
        try:
            numbers, meeting = followers(module.entry, sizer.tied)
        except UnreadError as error:
            raise _KeptError(str(error)) from None
        alike = next((pair for n in numbers if (pair := reader.alike(n)) is not None), None)
        if alike is None:
            break
        sizer.same(*alike)
        context.note(
            f"the sizes {alike[0]} and {alike[1]} are one: the numbers that follow them cannot "
            "tell them apart"
        )
    unread = next((n for n in numbers if reader.reading(n) is None), None)
    if unread is not None:
        raise _KeptError(f"the number {unread} could follow the size")
    body = rewrite(module.entry, lambda op, builder: _numbers(op, builder, meeting, reader))
    symbolic = replace(body, body=_block(body.body, sizer, names))
    params = tuple(_param(param, sizer, names) for param in symbolic.params)
    results = tuple(
        _param(replace(result, name=str(value)), sizer, names)
        for result, value in zip(symbolic.results, symbolic.body.yields)
    )
    results = tuple(replace(r, name=old.name) for r, old in zip(results, symbolic.results))
    symbolic = replace(symbolic, params=params, results=results)
    for least in range(1, max(values.values()) + 1):
        sizes = tuple(Size(n, min(least, value)) for n, value in values.items())
        candidate = replace(symbolic, sizes=sizes)
        if not verify(module.with_entry(candidate)):
            shown = ", ".join(f"{s.name} >= {s.minimum}" for s in sizes)
            trained = ", ".join(f"{n} = {v}" for n, v in values.items())
            evidence = claim("inferred", sizes=shown, trained=trained)
            return replace(candidate, evidence=(*module.entry.evidence, evidence))
    raise _KeptError("the program does not verify for other sizes")


def _param(param: Param, sizer: _Sizer, names: dict[Node, Affine]) -> Param:
    shape = tuple(
        sizer.length((param.name, number), names) or dim
        for number, dim in enumerate(dims(param.type))
    )
    return replace(param, type=with_dims(element(param.type), shape))


def _block(block: Block, sizer: _Sizer, names: dict[Node, Affine]) -> Block:
    return replace(block, ops=tuple(_op(op, sizer, names) for op in block.ops))


def _op(op: Op, sizer: _Sizer, names: dict[Node, Affine]) -> Op:
    index = op.index
    if op.code == "load":
        index = tuple(
            _from_the_end(i, sizer.length((str(op.operands[0]), n), names), sizer)
            for n, i in enumerate(op.index)
        )
    loops = tuple(
        replace(loop, high=sizer.length(("", loop.symbol), names) or loop.high) for loop in op.loops
    )
    body = None if op.body is None else _block(op.body, sizer, names)
    return replace(op, index=index, loops=loops, body=body)


def _from_the_end(index: Index, length: Affine | None, sizer: _Sizer) -> Index:
    """Return an index that counts from the end of an axis with the end as an expression."""
    terms = index.at.terms
    if length is None or len(terms) != 1 or terms[0][1] != -1 or terms[0][0] not in sizer.tied:
        return index
    return replace(index, at=length - 1 - Affine.symbol(terms[0][0]))


def _numbers(
    op: Op, builder: Builder, meeting: set[str], reader: Readings
) -> tuple[Sequence[Op], Sequence[Operand]] | None:
    """Replace numbers that follow a size by expressions of it."""
    if op.code not in MEETING or op.results[0] not in meeting:
        return None
    operands: list[Operand] = []
    with builder.body() as ops:
        for operand in op.operands:
            number = isinstance(operand, int) and abs(operand) > SMALL
            reading = reader.reading(operand) if number and isinstance(operand, int) else None
            operands.append(operand if reading is None else _written(builder, reading))
    if tuple(operands) == op.operands:
        return None
    return [*ops, replace(op, operands=tuple(operands))], list(op.results)


def _written(builder: Builder, reading: Reading) -> Operand:
    factors: list[Operand] = [
        builder.op("index", index=[Index(factor)], name="size") for factor in reading
    ]
    return factors[0] if len(factors) == 1 else builder.op("mul", *factors, name="size")
