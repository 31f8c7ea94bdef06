"""Which values are used, how often, and whether inside a loop that repeats the use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from ddc.ir import Affine, Block, DdcError, Function, Op, Operand, operands_of

DEEPEST = 12  # loops inside loops; Python itself refuses 20


@dataclass
class Usage:
    """Counts over the live ops of a function."""

    count: Counter[str] = field(default_factory=lambda: Counter[str]())
    deep: set[str] = field(default_factory=lambda: set[str]())  # used in a loop of its own scope
    symbols: set[str] = field(default_factory=lambda: set[str]())  # sizes and loop variables
    _depth: dict[str, int] = field(default_factory=lambda: {})

    def is_live(self, op: Op) -> bool:
        """Tell whether any result of an op is used."""
        return any(self.count[name] for name in op.results)

    def trimmed(self, op: Op) -> Op:
        """Return a map or a scan without the yields that nobody uses."""
        if op.body is None or op.code == "reduce":
            return op
        pairs = zip(op.body.yields, op.results)
        kept = [(y, name) for y, name in pairs if self.count[name]]
        names = (*(name for _, name in kept), *op.results[len(op.body.yields) :])
        return replace(op, results=names, body=replace(op.body, yields=tuple(y for y, _ in kept)))


def usage(function: Function) -> Usage:
    """Count the uses of every value by what is live."""
    found = Usage()
    for param in function.params:
        found._depth[param.name] = 0
    _define(function.body, 0, found)
    _block(function.body, 0, found)
    return found


def _define(block: Block, depth: int, found: Usage) -> None:
    if depth > DEEPEST:
        raise DdcError(f"the Python backend takes at most {DEEPEST} loops inside each other")
    for op in block.ops:
        for name in op.results:
            found._depth[name] = depth
        if op.body is not None:
            for name in (*(v.var for v in op.loops), *(s.name for s in op.states)):
                found._depth[name] = depth + 1
            _define(op.body, depth + 1, found)


def _use(operand: Operand, depth: int, found: Usage) -> None:
    if isinstance(operand, str):
        found.count[operand] += 1
        if depth > found._depth[operand]:
            found.deep.add(operand)


def _index(at: Affine, depth: int, found: Usage) -> None:
    for symbol in at.symbols():
        found.symbols.add(symbol)
        if symbol.startswith("%"):
            _use(symbol[1:], depth, found)


def _block(block: Block, depth: int, found: Usage) -> None:
    for operand in (*block.yields, *block.nexts):
        _use(operand, depth, found)
    for op in reversed(block.ops):
        if not found.is_live(op):
            continue
        for index in op.index:
            _index(index.at, depth, found)
        if op.body is None:
            for operand in op.operands:
                _use(operand, depth, found)
            continue
        for loop in op.loops:
            _index(loop.low, depth, found)
            _index(loop.high, depth, found)
        for state in op.states:
            _use(state.init, depth, found)
        _block(found.trimmed(op).body or op.body, depth + 1, found)


def loads_at(block: Block, at: tuple[Affine, ...], variables: frozenset[str]) -> list[Op] | None:
    """Return the loads of a body at exactly these indices, None where a variable is used otherwise.

    Where the loop variables serve only to walk over arrays entry by entry, the entries
    themselves can be the loop's variables.
    """
    found: list[Op] = []
    stack = [block]
    while stack:
        inner = stack.pop()
        operands: list[Operand] = [*inner.yields, *inner.nexts]
        for op in inner.ops:
            operands += operands_of(op)
            places = [i.at for i in op.index] + [e for v in op.loops for e in (v.low, v.high)]
            if op.code == "load" and tuple(i.at for i in op.index) == at:
                found.append(op)
                if inner is not block:
                    return None
            elif any(place.symbols() & variables for place in places):
                return None
            if op.body is not None:
                stack.append(op.body)
        if any(f"%{o}" in variables for o in operands if isinstance(o, str)):
            return None
    return found
