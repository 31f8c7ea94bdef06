"""Loops of the plain style: over numbers, or over the entries, rows and columns of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ddc.ir import (
    Affine,
    Array,
    Block,
    Constant,
    Function,
    Index,
    Loop,
    Missing,
    Op,
    Operand,
    Real,
    Type,
    element,
    int_bounds,
    int_type,
)

from .lines import Known, Line, lines, window_of
from .module import Module
from .names import Names, base
from .text import (
    ATOM,
    TERNARY,
    Expr,
    as_float,
    as_int,
)
from .usage import loads_at
from .values import NeedsStatements, Values
from .writer import Writer

LETTERS = ("i", "j", "k")  # loop variables that stand for each other
UNKNOWNS = ("x", "y", "z", "u", "v", "w")  # likewise of entries
LISTED = 4  # loops over at most this many numbers name them: (-1, 0, 1)


class Walks(Values):
    """Emits the heads of loops."""

    pads = True  # sequences may be copied with a border

    def __init__(
        self,
        function: Function,
        types: Mapping[str, Type],
        constants: Mapping[str, Constant],
        names: Names,
        module: Module,
    ) -> None:
        super().__init__(function, types, constants, names, module)
        self.spans: dict[str, str] = {}  # loop variables -> what they run over
        # Loop variables -> rests of lines that they walk along, with the loads of their entries.
        self.rests: dict[str, list[tuple[str, list[Op]]]] = {}

    def enter(self, op: Op) -> None:
        """Make the loop variables known."""
        for loop in op.loops:
            self.bounds[loop.symbol] = (loop.low, loop.high - 1)
            wish = base(loop.var)
            name = self.names.fresh(wish, *(LETTERS if wish in LETTERS else ()), loop.var)
            self.symbols[loop.symbol] = name
            self.values[loop.var] = Expr(name)

    def leave(self, op: Op) -> None:
        """Forget the ranges of the loop variables."""
        for loop in op.loops:
            del self.bounds[loop.symbol]

    def range(self, loop: Loop) -> str:
        """Return what a loop runs over."""
        if loop.symbol in self.spans:
            return self.spans[loop.symbol]
        extent = loop.extent
        if extent.is_const and 0 < extent.const <= LISTED and loop.low.is_const and loop.low.const:
            numbers = [loop.low.const + k for k in range(extent.const)]
            return f"({', '.join(map(str, numbers))}{',' if len(numbers) == 1 else ''})"
        high = self.affine(loop.high).text
        if loop.low == Affine.of(0):
            return f"range({high})"
        return f"range({self.affine(loop.low).text}, {high})"

    def heads(self, op: Op) -> tuple[list[str], list[str], set[str]]:
        """Return `for ... in ...` of each loop, the innermost targets, and the loads they stand for.

        Where the loop variables only walk over arrays entry by entry, the entries are the targets.
        """
        rests = self.rests.get(op.loops[0].symbol)
        if rests:
            named = [self._named(loads) for _, loads in rests]
            over = rests[0][0] if len(rests) == 1 else f"zip({', '.join(r for r, _ in rests)})"
            stood = {load.result for _, loads in rests for load in loads}
            return [f"for {', '.join(named)} in {over}"], named, stood
        walked = self._walked(op)
        if not walked:
            variables = [self.symbols[v.symbol] for v in op.loops]
            heads = [f"for {n} in {self.range(v)}" for n, v in zip(variables, op.loops)]
            return heads, variables, set()
        found: list[str] = []
        targets: list[str] = []
        sources = list(dict.fromkeys(self.operand(load.operands[0]).at(ATOM) for load in walked))
        for depth in range(len(op.loops)):
            if depth == len(op.loops) - 1:
                targets = self._entries(walked)
            else:
                targets = [self.own("row", "line") for _ in sources]
            over = sources[0] if len(sources) == 1 else f"zip({', '.join(sources)})"
            found.append(f"for {', '.join(targets)} in {over}")
            sources = targets
        return found, targets, {load.result for load in walked}

    def _by_lines(self, op: Op) -> tuple[list[str], list[Expr]] | None:
        """Return loops over rows and columns, and what the body yields, if it is one expression."""
        assert op.body is not None
        plan = self.plan(op)
        if plan is None or all(line.rank == 1 for all_ in plan for line in all_):
            if plan is None or len(op.loops) == 1:
                return None
        mark, before = self.names.mark(), dict(self.rests)
        heads = [self._along_lines(all_) for all_ in plan]
        walked = {
            load.result
            for all_ in plan
            for line in all_
            for loads in line.places.values()
            for load in loads
        }
        try:
            return heads, self.body(op.body, walked, None)
        except NeedsStatements:
            self.names.release(mark)
            return None
        finally:
            self.rests = before

    def plan(self, op: Op) -> list[list[Line]] | None:
        """Return the rows and columns that an op walks along."""
        return lines(op, Known(self.shape, self.scalar, self.smallest))

    def _along_lines(self, all_: Sequence[Line]) -> str:
        """Return `for ... in ...` over the lines of some arrays; their entries get names."""
        targets: list[str] = []
        sources: list[str] = []
        for line in all_:
            source = self.operand(line.array)
            sources.append(f"zip(*{source.at(ATOM)})" if line.axis else source.at(ATOM))
            named = [
                self._named(line.places[k]) if k in line.places else "_" for k in range(line.named)
            ]
            if line.rank == 1:
                targets.append(named[0])
                continue
            rest = ""
            if line.rests:
                wishes = ("rest", "others") if named else ("column" if line.axis else "row",)
                rest = self.own(*wishes)
                by_loop: dict[str, list[Op]] = {}
                for reduction, load in line.rests:
                    by_loop.setdefault(reduction.loops[0].symbol, []).append(load)
                for symbol, loads in by_loop.items():
                    self.rests[symbol] = [*self.rests.get(symbol, []), (rest, loads)]
            star = [f"*{rest}" if rest else "*_"] if not self._is_whole(line) else []
            text = ", ".join([*named, *star]) if named else rest
            targets.append(f"({text})" if named and len(all_) > 1 else text)
        over = sources[0] if len(sources) == 1 else f"zip({', '.join(sources)})"
        return f"for {', '.join(targets)} in {over}"

    def _is_whole(self, line: Line) -> bool:
        """Tell whether the entries that have names are all."""
        return self.shape(line.array)[1 - line.axis] == Affine.of(line.named)

    def _named(self, loads: Sequence[Op]) -> str:
        """Name an entry that several loads read."""
        wish = base(loads[0].result)
        name = self.names.fresh(wish, *(UNKNOWNS if wish in UNKNOWNS else ()), loads[0].result)
        for load in loads:
            self._bound(load, name)
        return name

    def _bound(self, load: Op, name: str) -> None:
        real = isinstance(self.scalar(load.operands[0]), (Real, Missing))
        self.values[load.result] = Expr(name, ATOM, "float" if real else "int")
        self.intervals[load.result] = self.interval(load.operands[0])

    def _walked(self, op: Op) -> list[Op]:
        """Return the loads of a body that a loop over entries makes superfluous."""
        assert op.body is not None
        if any(v.low != Affine.of(0) for v in op.loops):
            return []
        at = tuple(Affine.symbol(v.symbol) for v in op.loops)
        loads = loads_at(op.body, at, frozenset(v.symbol for v in op.loops)) or []
        loads = [load for load in loads if self.usage.is_live(load)]
        extents, own = tuple(v.high for v in op.loops), self.inner_names(op.body)
        for load in loads:
            (array,) = load.operands
            if self.shape(array) != extents or array in own:
                return []
            if isinstance(element(self.types[load.result]), Real) != isinstance(
                self.scalar(array), Real
            ):
                return []
        return loads

    def inner_names(self, block: Block) -> set[Operand]:
        """Return the names that a body itself defines."""
        return {name for op in block.ops for name in op.results}

    def _entries(self, walked: Sequence[Op]) -> list[str]:
        """Name the entries that a loop walks over; loads of one array share a name."""
        named: dict[str, str] = {}
        for load in walked:
            (array,) = load.operands
            text = self.operand(array).at(ATOM)
            if text not in named:
                named[text] = self.names.fresh(base(load.result), load.result)
            real = isinstance(self.scalar(array), (Real, Missing))
            self.values[load.result] = Expr(named[text], ATOM, "float" if real else "int")
            self.intervals[load.result] = self.interval(array)
        return list(named.values())

    def body(self, block: Block, walked: set[str], writer: Writer | None) -> list[Expr]:
        """Return what a body yields, apart from the loads that its loop stands for."""
        kept = tuple(op for op in block.ops if not walked.intersection(op.results))
        self.block(replace(block, ops=kept), writer)
        return [self.operand(o) for o in block.yields]

    def yielded(self, op: Op, position: int, value: Expr) -> Expr:
        """Return an entry as it is stored in a list: an int, never a bool, or a float."""
        assert op.body is not None
        if self.shape(op.body.yields[position]):
            return self.lists(value)
        real = isinstance(element(self.types[op.results[position]]), (Real, Missing))
        return as_float(value) if real else as_int(value)

    def padded(self, op: Op, writer: Writer | None) -> Op:
        """Return a map over a window of a sequence as one over the sequence with its border.

        Several entries before the first one read as `x[i - 2] if i >= 2 else 0` otherwise.
        """
        assert op.body is not None
        windows = window_of(op, self.shape) if writer is not None and self.pads else None
        if windows is None or writer is None:
            return op
        array, first, fill = windows
        if isinstance(element(self.types[str(array)]), (Missing, Real)) or not self.values:
            return op
        (loop,) = op.loops
        source = self.lists(self.operand(array))
        loads = {inner.result for inner in op.body.ops if inner.operands[:1] == (array,)}
        last = self.usage.count[str(array)] == len(loads) and source.text.isidentifier()
        name = source.text if last and writer.is_outermost else self.own("padded")
        border = ", ".join([str(fill)] * first)
        writer.line(f"{name} = [{border}, *{source.at(TERNARY + 1)}]")
        value = f"{name} "  # no name of the IR holds a space
        scalar = int_type(*_hull(int_bounds(self.scalar(array)), fill))
        self.types = {**self.types, value: Array(scalar, (loop.high + first,))}
        self.values[value] = Expr(name, ATOM, "array")
        self.spans[loop.symbol] = f"range({first}, len({name}))"
        ops = tuple(
            (
                replace(inner, operands=(value,), index=(Index(inner.index[0].at),))
                if inner.result in loads
                else inner
            )
            for inner in op.body.ops
        )
        moved = replace(loop, low=Affine.of(first), high=loop.high + first)
        return replace(op, loops=(moved,), body=replace(op.body, ops=ops))


def _hull(
    bounds: tuple[int | None, int | None] | None, value: int
) -> tuple[int | None, int | None]:
    low, high = bounds or (None, None)
    return None if low is None else min(low, value), None if high is None else max(high, value)
