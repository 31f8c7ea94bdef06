"""Give values the names that a reader expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ddc.ir import Block, Builder, Module, Op, Operand, walk

from .base import Context, Pass
from .rewrite import rename

# What the result of an op says, for those that have no name of their own.
_BY_CODE: dict[str, str] = {
    "and": "both",
    "or": "either",
    "xor": "parity",
    "not": "negated",
    "threshold": "reached",
    "eq": "equal",
    "ne": "differs",
    "lt": "below",
    "le": "at_most",
    "gt": "above",
    "ge": "at_least",
    "select": "chosen",
    "mod": "remainder",
    "floordiv": "quotient",
    "add": "total",
    "table": "entry",
}

_BY_KIND: dict[str, str] = {
    "add": "count",
    "count": "count",
    "xor": "parity",
    "and": "every",
    "or": "some",
    "min": "least",
    "max": "greatest",
    "argmax": "place",
}

# Where a read lies, axis by axis from the last: the sign of the offset to a word.
_SIDES: tuple[dict[int, str], ...] = (
    {-1: "left", 1: "right"},
    {-1: "above", 1: "below"},
    {-1: "front", 1: "back"},
)


@dataclass(frozen=True)
class Name(Pass):
    """Name loads by where they lie and other values by what they say."""

    name: ClassVar[str] = "name"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with its entry's inner values renamed."""
        entry = module.entry
        keep = {p.name for p in entry.params} | {r.name for r in entry.results}
        returned = {y: r.name for y, r in zip(entry.body.yields, entry.results)}
        names = Builder(keep)
        chosen: dict[str, str] = {}
        loads = Counter(op.operands[0] for op in walk(entry.body) if op.code == "load")
        arrays = len(loads)
        alone = {array for array, count in loads.items() if count == 1}
        counts = {op.results[0] for op in walk(entry.body) if op.code == "reduce"}
        for op, loops, around in _ops(entry.body, (), ""):
            for loop in op.loops:
                chosen[loop.var] = names.fresh(loop.var.split("_")[0])
            for state in op.states:
                chosen[state.name] = names.fresh(state.name)
            wish = _wish(op, loops, arrays, counts, alone) if around != "reduce" else _inner(op)
            for result in op.results:
                if result in returned and len(set(returned)) == len(returned):
                    chosen[result] = returned[result]
                else:
                    chosen[result] = names.fresh(wish or _plain(result))
        return module.with_entry(rename(entry, chosen))


def _plain(name: str) -> str:
    """Return a name without the numeric suffix that made it unique."""
    stem, _, tail = name.rpartition("_")
    return stem if stem and tail.isdigit() else name


def _ops(
    block: Block, loops: tuple[str, ...], around: str
) -> list[tuple[Op, tuple[str, ...], str]]:
    """Return every op with the loop variables and the structured op around it, in text order."""
    found: list[tuple[Op, tuple[str, ...], str]] = []
    for op in block.ops:
        found.append((op, loops, around))
        if op.body is not None:
            inner = (*loops, *(loop.symbol for loop in op.loops))
            found += _ops(op.body, inner, op.code)
    return found


def _wish(
    op: Op, loops: Sequence[str], arrays: int, counts: set[str], alone: set[Operand]
) -> str | None:
    if op.code == "load":
        return _place(op, arrays, op.operands[0] in alone)
    if op.code == "reduce":
        return _number_read(op) or _BY_KIND.get(str(op.attr("kind")))
    if op.code == "sub" and op.operands[0] in counts:
        return "neighbours" if len(loops) > 1 else "others"
    return _BY_CODE.get(op.code)


def _number_read(op: Op) -> str | None:
    """Name a sum of digits by powers: the number that an array spells."""
    inner = op.body.ops if op.body is not None else ()
    arrays = {str(o.operands[0]) for o in inner if o.code == "load"}
    if op.attr("kind") != "add" or len(arrays) != 1 or all(o.code != "pow" for o in inner):
        return None
    return f"{arrays.pop()}_value"


def _inner(op: Op) -> str | None:
    """Name a value inside a reduction: what is read there is one entry like any other."""
    return "x" if op.code == "load" else _BY_CODE.get(op.code)


def _place(op: Op, arrays: int, alone: bool) -> str:
    """Name a load by the side it lies on, or by its indices where it does not move."""
    array = str(op.operands[0])
    if any(index.at.is_const for index in op.index):
        return "_".join([array, *(str(index.at.const) for index in op.index if index.at.is_const)])
    if alone and len(op.index) == 1 and not op.index[0].at.const:
        return f"{array}_i"
    prefix = [] if arrays == 1 else [array]
    sides: list[str] = []
    for words, index in zip(_SIDES, reversed(op.index)):
        offset = index.at.const
        if offset:
            far = "" if abs(offset) == 1 else str(abs(offset))
            sides.insert(0, words[1 if offset > 0 else -1] + far)
    if not sides:
        sides = ["centre"] if arrays == 1 else ["here"] if len(op.index) > 1 else ["i"]
    return "_".join(prefix + sides)
