"""Blocks of the IR as plain Python: comprehensions where they read well, else statements.

A body whose values are all used once becomes one expression. Where a value needs a name, the body
becomes a small function inside the function (`def cell(i): ...`), or the body of a `for` loop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from ddc.ir import (
    Affine,
    Array,
    Block,
    Category,
    Constant,
    Function,
    Index,
    Loop,
    Missing,
    Op,
    Operand,
    Real,
    Type,
    dims,
    element,
    int_bounds,
    int_type,
)

from .lines import Known, Line, lines, window_of
from .names import Names, base
from .running import Running, assigned
from .states import replaced
from .text import (
    ATOM,
    NOT,
    PRODUCT,
    TERNARY,
    Expr,
    as_float,
    as_int,
    call,
    literal,
    truth,
)
from .usage import loads_at
from .values import ADDED, LINE, Module, NeedsStatements, Values, need
from .writer import Writer

LETTERS = ("i", "j", "k")  # loop variables that stand for each other
UNKNOWNS = ("x", "y", "z", "u", "v", "w")  # likewise of entries
FUNCTIONS = ("entry", "body")  # names for a function in the function, if the first is taken
LISTED = 4  # loops over at most this many numbers name them: (-1, 0, 1)


class Plain(Values):
    """Emits the body of one function in the plain style."""

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

    def _padded(self, op: Op, writer: Writer | None) -> Op:
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

    def map(self, op: Op, writer: Writer | None) -> list[Expr]:
        assert op.body is not None
        op = self._padded(op, writer)
        assert op.body is not None
        start, repeated = self.names.mark(), self.repeated
        self.enter(op)
        lined = self._by_lines(op)
        if lined is not None:
            for position, name in enumerate(op.results):
                self.intervals[name] = self.interval(op.body.yields[position])
            self.names.release(start)
            self.leave(op)
            heads, values = lined
            entries = [self.yielded(op, k, v) for k, v in enumerate(values)]
            return [self._comprehension(heads, e) for e in entries]
        heads, targets, walked = self.heads(op)
        mark = self.names.mark()
        try:
            values = self.body(op.body, walked, None)
            entries = [self.yielded(op, k, v) for k, v in enumerate(values)]
            found = [self._comprehension(heads, e) for e in entries]
            if self.repeated > repeated and max(len(e.text) for e in found) > LINE:
                need(writer)
                raise NeedsStatements
            self.names.release(start)
        except NeedsStatements:
            if writer is None:
                raise
            self.names.release(mark)
            found = self._map_by_function(op, heads, targets, walked, writer)
        for position, name in enumerate(op.results):
            self.intervals[name] = self.interval(op.body.yields[position])
        self.leave(op)
        return found

    def _comprehension(self, heads: Sequence[str], entry: Expr) -> Expr:
        text = entry.text
        target, _, source = heads[-1].removeprefix("for ").partition(" in ")
        if len(heads) == 1 and text == target:
            return Expr(f"list({source})", ATOM, "array", depth=entry.depth + 1)
        for head in reversed(heads):
            text = f"[{text} {head}]"
        return Expr(text, ATOM, "array", depth=entry.depth + len(heads))

    def _map_by_function(
        self,
        op: Op,
        heads: Sequence[str],
        targets: Sequence[str],
        walked: set[str],
        writer: Writer,
    ) -> list[Expr]:
        function, _ = self._function("cell", targets, op, walked, writer)
        cell = Expr(f"{function}({', '.join(targets)})", ATOM, "array", depth=1)
        cells = self._comprehension(heads, cell)
        if len(op.results) == 1:
            return [cells]
        local = self.own("cells", "entries")
        writer.assign(local, cells.text)
        return [self._column(local, k, len(heads)) for k in range(len(op.results))]

    def _column(self, array: str, position: int, rank: int) -> Expr:
        name = self.own("row" if rank > 1 else "each")
        inner = f"{name}[{position}]" if rank == 1 else self._column(name, position, rank - 1).text
        return Expr(f"[{inner} for {name} in {array}]", ATOM, "array", depth=rank + 1)

    def _function(
        self, wish: str, targets: Sequence[str], op: Op, walked: set[str], writer: Writer
    ) -> tuple[str, str]:
        """Write a body as a function of its loop variables; return its name and what it returns."""
        assert op.body is not None
        name = self.own(wish, *FUNCTIONS)
        writer.blank()
        with writer.indented(f"def {name}({', '.join(targets)}):"):
            results = self.body(op.body, walked, writer)
            if op.code == "map":
                results = [self.yielded(op, k, v) for k, v in enumerate(results)]
            writer.line(f"return {', '.join(r.text for r in results)}")
        writer.blank()
        return name, results[0].kind

    def reduce(self, op: Op, writer: Writer | None) -> Expr:
        assert op.body is not None
        start, lines = self.names.mark(), len(writer.lines) if writer else 0
        self.enter(op)
        if writer is not None and self._in_two_sums(op, writer):
            self.leave(op)
            return self.values[op.result]
        lined = None if op.attr("kind") == "argmax" else self._by_lines(op)
        if op.attr("kind") == "argmax":
            result = self._argmax(op, writer)
        elif lined is not None:
            result = self._reduction(op, str(op.attr("kind")), lined[0], lined[1][0])
        else:
            heads, targets, walked = self.heads(op)
            value = self._term("term", op, targets, walked, writer)
            result = self._reduction(op, str(op.attr("kind")), heads, value)
        self.leave(op)
        if writer is None or len(writer.lines) == lines:
            self.names.release(start)
        return result

    def _in_two_sums(self, op: Op, writer: Writer) -> bool:
        """Define a long sum of either multiple as two sums, of what is added when; tell whether so.

        `sum(2.5 * a if c else 4.0 * b for ...)` is `2.5 * sum(a for ... if c)` and
        `4.0 * sum(b for ... if not c)`.
        """
        assert op.body is not None
        (value,) = op.body.yields
        made = {inner.result: inner for inner in op.body.ops if inner.body is None}
        choice = made.get(str(value))
        if op.attr("kind") != "add" or choice is None or choice.code != "select":
            return False
        condition, *branches = choice.operands
        products = [made.get(str(b)) for b in branches]
        parts = [split_product(p) for p in products if p is not None and p.code == "mul"]
        factors = [p for p in parts if p is not None]
        once = all(isinstance(o, str) and self.usage.count[o] == 1 for o in (value, *branches))
        if len(factors) != 2 or not once:
            return False
        left_out = {choice.result, *map(str, branches)}
        terms = tuple(term for _, term in factors)
        kept = tuple(inner for inner in op.body.ops if left_out.isdisjoint(inner.results))
        body = replace(op.body, ops=kept, yields=(condition, *terms))
        mark = self.names.mark()
        lined = self._by_lines(replace(op, body=body))
        self.names.release(mark)
        if lined is None:
            return False
        heads, (test, *found) = lined
        over = " ".join(heads)
        tests = [truth(test), truth(scalar_not(test))]
        texts = [
            f"{literal(Fraction(k)).text} * sum({e.text} {over} if {t.at(TERNARY + 1)})"
            for (k, _), e, t in zip(factors, found, tests)
        ]
        shown = [_SHORTER.sub("columns", text) for text in texts]
        if sum(map(len, shown)) - len(over) < LINE or max(map(len, shown)) > LINE:
            return False
        name = self.names.fresh(op.result)
        writer.line(f"{name} = {texts[0]}")
        writer.line(f"{name} += {texts[1]}")
        self.values[op.result] = Expr(name, ATOM, "float")
        return True

    def _term(
        self, wish: str, op: Op, targets: Sequence[str], walked: set[str], writer: Writer | None
    ) -> Expr:
        """Return the one value of a body, by a function where it takes statements."""
        assert op.body is not None
        mark = self.names.mark()
        try:
            (value,) = self.body(op.body, walked, None)
        except NeedsStatements:
            if writer is None:
                raise
            self.names.release(mark)
            function, kind = self._function(wish, targets, op, walked, writer)
            return Expr(f"{function}({', '.join(targets)})", ATOM, kind, depth=1)
        return value

    def _reduction(self, op: Op, kind: str, heads: Sequence[str], value: Expr) -> Expr:
        assert op.body is not None
        scalar = element(self.types[op.result])
        real = isinstance(scalar, Real)
        if kind in ("and", "or"):
            value = truth(value)
        elif kind in ("min", "max"):
            value = as_float(value) if real else as_int(value)
            self.intervals[op.result] = self.interval(op.body.yields[0])
        target, _, source = heads[0].removeprefix("for ").partition(" in ")
        inner = f"{value.text} {' '.join(heads)}"
        if len(heads) == 1 and target == value.text:
            inner = source
        function = _REDUCTIONS[kind]
        if real and kind in ("min", "max") and self.interval(op.body.yields[0]) is None:
            function = self.module.helper(f"_{kind}")
        depth = value.depth + 2
        if kind == "xor":
            return Expr(f"sum({inner}) % 2", PRODUCT, "int", depth=depth)
        if kind in ("and", "or"):
            return Expr(f"{function}({inner})", ATOM, "truth", depth=depth)
        if real and kind in ("add", "count"):
            sure = all(v.extent.at_least(1, self.smallest) for v in op.loops)
            if sure and value.kind == "float":
                return Expr(f"sum({inner})", ATOM, "float", depth=depth)
            inner = inner if inner == source else f"({inner})"
            return Expr(f"sum({inner}, 0.0)", ATOM, "float", depth=depth)
        return Expr(f"{function}({inner})", ATOM, "float" if real else "int", depth=depth)

    def _argmax(self, op: Op, writer: Writer | None) -> Expr:
        assert op.body is not None
        (loop,) = op.loops
        variable = self.symbols[loop.symbol]
        unsure = isinstance(self.scalar(op.body.yields[0]), Real)
        walked = self._walked(op)
        value = self._term("score", op, [variable], set(), writer)
        unsure = unsure and self.interval(op.body.yields[0]) is None
        if not unsure and len(walked) == 1 and walked[0].result == op.body.yields[0]:
            array = self.operand(walked[0].operands[0])
            if array.text.isidentifier():
                return Expr(f"{array.text}.index(max({array.text}))", ATOM, "int", depth=2)
        key = value.text
        if unsure:  # a NaN counts as the greatest, as in numpy
            value = value if value.prec == ATOM else Expr(f"({value.text})", depth=value.depth + 1)
            key = f"({value.text} != {value.text}, {value.text})"
        text = f"max({self.range(loop)}, key=lambda {variable}: {key})"
        return Expr(text, ATOM, "int", depth=2 + value.depth)

    def scan(self, op: Op, writer: Writer) -> None:
        assert op.body is not None
        self.enter(op)
        if not self._running(op, writer):
            self._loop(op, writer)
        self.leave(op)

    def _running(self, op: Op, writer: Writer) -> bool:
        """Define a scan as a comprehension that assigns the states; tell whether there is one."""
        assert op.body is not None
        defined = {name for inner in op.body.ops for name in inner.results}
        following = [str(n) for n in op.body.nexts if n in defined]
        whole = len(set(following)) == len(op.states) > 0 and len(op.body.yields) == 1
        if not whole or any(dims(s.type) for s in op.states) or self.running is not None:
            return False
        start, result = self.names.mark(), op.results[0]
        states = [self.names.fresh(s.name) for s in op.states]
        for state, name in zip(op.states, states):
            self.values[state.name] = self.state_value(state.name, state.type, name)
        self.running = Running(dict(zip(following, states)))
        text = None
        try:
            heads, _, walked = self.heads(op)
            (value,) = self.body(op.body, walked, None)
            entry = self.yielded(op, 0, value)
            for k, name in enumerate(following):
                if name not in self.running.found:  # the loop names it: it cannot be assigned
                    raise NeedsStatements
                self.running.found[name] = self.next_value(op, k, self.running.found[name])
            text = assigned(entry.text, self.running)
        except NeedsStatements:
            pass
        self.running = None
        if text is None or len(text) + len(heads[0]) > LINE - 4:
            self.names.release(start)
            return False
        inits = [self.initial(op, k).at(TERNARY) for k in range(len(states))]
        if len(set(inits)) == 1:
            writer.line(f"{' = '.join(states)} = {inits[0]}")
        else:
            writer.line(f"{', '.join(states)} = {', '.join(inits)}")
        self.intervals[result] = None
        found = Expr(f"[{text} {heads[0]}]", ATOM, "array", depth=2)
        last = not any(self.usage.count[name] for name in op.results[1:])
        if (
            last and self.usage.count[result] == 1 and result in self.returned
        ):  # elsewhere Python may refuse to assign in it
            self.define(result, found, writer, LINE)
        else:
            self.bind(result, found, writer)
        for k, state in enumerate(op.states):
            self.values[op.results[1 + k]] = self.values[state.name]
        return True

    def _loop(self, op: Op, writer: Writer) -> None:
        """Define a scan by a loop of statements."""
        assert op.body is not None
        count = len(op.body.yields)
        states = [self.names.fresh(s.name) for s in op.states]
        outputs = {k: self.names.fresh(op.results[k]) for k in range(count)}
        inits = [self.initial(op, k) for k in range(len(states))]
        if states or outputs:
            targets = [*states, *outputs.values()]
            texts = [*(v.at(TERNARY) for v in inits), *("[]" for _ in outputs)]
            writer.line(f"{', '.join(targets)} = {', '.join(texts)}")
        for state, name in zip(op.states, states):
            self.values[state.name] = self.state_value(state.name, state.type, name)
        self.replacing |= replaced(op, states, self.usage)
        heads, _, walked = self.heads(op)
        with writer.indented(f"{heads[0]}:"):
            yields = self.body(op.body, walked, writer)
            for k, name in outputs.items():
                entry = self.yielded(op, k, yields[k])
                writer.line(f"{name}.append({entry.text})")
            self._update(op, states, writer)
        for k, result in enumerate(op.results):
            if k < count:
                self.values[result] = Expr(outputs[k], ATOM, "array")
                self.intervals[result] = None
            else:
                self.values[result] = self.values[op.states[k - count].name]

    def initial(self, op: Op, position: int) -> Expr:
        """Return how a state starts."""
        state = op.states[position]
        value = self.operand(state.init)
        if dims(state.type):
            return self.lists(value)
        real = isinstance(element(state.type), (Real, Missing))
        return as_float(value) if real else as_int(value)

    def state_value(self, name: str, type_: Type, local: str) -> Expr:
        """Return a state as an operand."""
        real = isinstance(element(type_), (Real, Missing))
        return Expr(local, ATOM, "array" if dims(type_) else "float" if real else "int")

    def following(self, op: Op, position: int) -> Expr:
        """Return what a state becomes."""
        assert op.body is not None
        return self.next_value(op, position, self.operand(op.body.nexts[position]))

    def next_value(self, op: Op, position: int, value: Expr) -> Expr:
        """Return a value as a state holds it: a list, an int or a float."""
        state = op.states[position]
        if dims(state.type):
            return self.lists(value)
        real = isinstance(element(state.type), (Real, Missing))
        return as_float(value) if real else as_int(value)

    def _update(self, op: Op, states: Sequence[str], writer: Writer) -> None:
        nexts = [self.following(op, k) for k in range(len(states))]
        moving = [(name, e) for name, e in zip(states, nexts) if e.text != name]
        added = ADDED.fullmatch(moving[0][1].text) if len(moving) == 1 else None
        if added is not None and added[1] == moving[0][0] and moving[0][1].kind == "int":
            writer.line(f"{moving[0][0]} += {added[2] or added[3]}")
        elif moving:
            targets = ", ".join(name for name, _ in moving)
            writer.line(f"{targets} = {', '.join(e.at(TERNARY) for _, e in moving)}")
        elif writer.lines[-1].rstrip().endswith(":"):
            writer.line("pass")

    # ------------------------------------------------------------ results

    def result(self, operand: Operand, declared: Type) -> Expr:
        """Return a value as the caller gets it: lists, ints and floats, names of categories."""
        value, scalar = self.operand(operand), self.scalar(operand)
        rank = len(dims(declared))
        wanted = element(declared)
        if isinstance(wanted, Category):
            names = "(" + ", ".join(ascii(n) for n in wanted.names) + ",)"
            table = self.module.constant("names", names)
            return self._by_entry(value, rank, lambda e: Expr(f"{table}[{e.text}]", ATOM))
        if isinstance(wanted, (Real, Missing)):
            if rank == 0:
                return as_float(value)
            if not isinstance(scalar, (Real, Missing)):
                return self.converted(value, rank, "float")
        elif rank == 0:
            return as_int(value)
        return self.lists(value)

    def lists(self, value: Expr) -> Expr:
        """Return an array that can be given away: constants are tuples."""
        if value.kind != "tuple":
            return value
        return call(self.module.helper("_lists"), value, kind="array")

    def _by_entry(self, value: Expr, rank: int, entry: object) -> Expr:
        if rank == 0:
            return entry(value)  # type: ignore[operator, no-any-return]
        name = self.own("row" if rank > 1 else "x")
        inner = self._by_entry(Expr(name), rank - 1, entry)
        return Expr(f"[{inner.text} for {name} in {value.text}]", ATOM, "array")


def _hull(
    bounds: tuple[int | None, int | None] | None, value: int
) -> tuple[int | None, int | None]:
    low, high = bounds or (None, None)
    return None if low is None else min(low, value), None if high is None else max(high, value)


def split_product(op: Op) -> tuple[int | Fraction, str] | None:
    """Return the real factor and the other operand of a product of two."""
    factors = [o for o in op.operands if isinstance(o, Fraction)]
    others = [o for o in op.operands if isinstance(o, str)]
    return (factors[0], others[0]) if len(factors) == len(others) == 1 else None


def scalar_not(e: Expr) -> Expr:
    """Return the opposite of a condition."""
    inner = truth(e)
    return Expr(f"not {inner.at(NOT)}", NOT, "truth", depth=inner.depth + 1)


# What may be written shorter where a matrix is read by columns.
_SHORTER = re.compile(r"zip\(\*\w+\)|\b\w+\[\d+\]\[0\]")
_REDUCTIONS = {
    "add": "sum",
    "count": "sum",
    "xor": "sum",
    "and": "all",
    "or": "any",
    "min": "min",
    "max": "max",
}
