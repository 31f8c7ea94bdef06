"""Blocks of the IR as plain Python: comprehensions where they read well, else statements.

A body whose values are all used once becomes one expression. Where a value needs a name, the body
becomes a small function inside the function (`def cell(i): ...`), or the body of a `for` loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import cast

from ddc.ir import (
    Affine,
    Block,
    Category,
    Constant,
    Function,
    Global,
    Index,
    Int,
    Loop,
    Missing,
    Op,
    Operand,
    Real,
    Scalar,
    Type,
    dims,
    element,
)

from . import intervals
from .intervals import Interval
from .literals import constant_literal
from .names import Names
from .scalar import Use, scalar_op
from .text import (
    ATOM,
    BITOR,
    COMPARE,
    PRODUCT,
    TERNARY,
    Expr,
    affine,
    as_float,
    as_int,
    call,
    deepest,
    literal,
    truth,
)
from .usage import Usage, loads_at, usage
from .writer import Writer

DEEP = 24  # nesting of one expression; CPython's parser refuses 200 brackets
LONG = 76  # characters of an expression that is still put inside another
LONGER = 240  # and inside a comprehension, where naming it would take a function
LISTED = 4  # loops over at most this many numbers name them: (-1, 0, 1)


class NeedsStatements(Exception):
    """A value needs a name where only an expression may stand."""


class Module:
    """What an emitted module gathers besides its function: helpers, constants, imports."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.helpers: set[str] = set()
        self.imports: set[str] = set()
        self.constants: dict[str, str] = {}

    def helper(self, name: str) -> str:
        """Return a helper's name, adding it to the module."""
        self.helpers.add(name)
        return name

    def constant(self, wish: str, text: str) -> str:
        """Return the name of a module constant with that text."""
        for name, known in self.constants.items():
            if known == text:
                return name
        name = self.names.private(wish)
        self.constants[name] = text
        return name

    def math(self, name: str) -> str:
        """Return `math.name`, importing it."""
        self.imports.add("math")
        return f"math.{name}"


class Plain:
    """Emits the body of one function."""

    def __init__(
        self,
        function: Function,
        types: Mapping[str, Type],
        constants: Mapping[str, Constant],
        names: Names,
        module: Module,
    ) -> None:
        self.types = types
        self.constants = constants
        self.names = names
        self.module = module
        self.usage: Usage = usage(function)
        self.smallest = {size.name: size.minimum for size in function.sizes}
        self.bounds: dict[str, tuple[Affine, Affine]] = {}
        self.values: dict[str, Expr] = {}
        self.intervals: dict[str, Interval] = {}
        self.symbols: dict[str, str] = {}  # sizes and loop variables -> Python names
        self._constant_names: dict[str, str] = {}

    # ------------------------------------------------------------ operands

    def symbol(self, symbol: str) -> str:
        """Return the Python name of a size or a loop variable."""
        return self.symbols[symbol]

    def affine(self, at: Affine) -> Expr:
        """Return an index expression."""
        return affine(at, self.symbol, list(self.bounds))

    def operand(self, operand: Operand) -> Expr:
        """Return an operand as an expression."""
        if isinstance(operand, Global):
            if operand.name not in self._constant_names:
                text = constant_literal(self.constants[operand.name])
                self._constant_names[operand.name] = self.module.constant(operand.name, text)
            return Expr(self._constant_names[operand.name], ATOM, "tuple")
        if not isinstance(operand, str):
            return literal(operand)
        return self.values[operand]

    def scalar(self, operand: Operand) -> Scalar:
        """Return the type of an operand's entries."""
        if isinstance(operand, str):
            return element(self.types[operand])
        if isinstance(operand, Global):
            return element(self.types[f"@{operand.name}"])
        return Int(operand, operand) if isinstance(operand, int) else Real(operand, operand)

    def interval(self, operand: Operand) -> Interval:
        """Return what is known of a real operand."""
        if isinstance(operand, str):
            declared = element(self.types[operand])
            if not isinstance(declared, (Real, Missing)):
                return intervals.of_type(declared)
            return self.intervals.get(operand)
        if isinstance(operand, Global):
            array = self.constants[operand.name].array
            known = array.size and abs(array).max() < float("inf")
            return (float(array.min()), float(array.max())) if known else None
        return intervals.of_number(operand)

    def shape(self, operand: Operand) -> tuple[Affine, ...]:
        """Return the dims of an operand."""
        if isinstance(operand, str):
            return dims(self.types[operand])
        return dims(self.types[f"@{operand.name}"]) if isinstance(operand, Global) else ()

    # ------------------------------------------------------------ blocks

    def block(self, block: Block, writer: Writer | None) -> None:
        """Define every value of a block: inlined, or by statements of the writer."""
        for op in block.ops:
            if not self.usage.is_live(op):
                continue
            if op.code == "scan":
                self.scan(op, need(writer))
            elif op.code == "map":
                for name, value in zip(op.results, self.map(op, writer)):
                    self.define(name, value, writer)
            else:
                value = self.reduce(op, writer) if op.code == "reduce" else self.simple(op)
                self.define(op.result, value, writer)

    def define(self, name: str, value: Expr, writer: Writer | None) -> None:
        """Bind a value to its expression, or to a local variable that holds it."""
        count = self.usage.count[name]
        if count == 0:
            return
        if value.is_simple or (count == 1 and name not in self.usage.deep and self.fits(value, writer)):
            self.values[name] = value
            return
        local = self.names.fresh(name)
        shared = value.prec == ATOM and value.text.endswith("]") and value.kind not in ("array", "tuple")
        need(writer).assign(local, value.text, shared)
        self.values[name] = replace(value, text=local, prec=ATOM, condition=None, depth=0)

    def fits(self, value: Expr, writer: Writer | None) -> bool:
        """Tell whether an expression may stand inside another one."""
        longest = LONGER if writer is None else LONG
        return value.depth < DEEP and len(value.text) <= longest

    def simple(self, op: Op) -> Expr:
        """Return an op without a body as an expression."""
        if op.code in _DATA:
            value = _DATA[op.code](self, op)
        else:
            args = [self.operand(o) for o in op.operands]
            types = [self.scalar(o) for o in op.operands]
            known = [self.interval(o) for o in op.operands]
            self.intervals[op.result] = intervals.of_op(op, known)
            value = scalar_op(Use(op, args, types, element(self.types[op.result]), known, self.module))
        return value

    # ------------------------------------------------------------ data

    def const(self, op: Op) -> Expr:
        (operand,) = op.operands
        self.intervals[op.result] = self.interval(operand)
        return self.operand(operand)

    def index(self, op: Op) -> Expr:
        return self.affine(op.index[0].at)

    def load(self, op: Op) -> Expr:
        (array,) = op.operands
        base = self.operand(array)
        self.intervals[op.result] = self.interval(array)
        conditions: list[str] = []
        places: list[str] = []
        others: list[int | Fraction] = []
        for index, extent in zip(op.index, self.shape(array)):
            place, condition = self._place(index, extent)
            places.append(place)
            if condition:
                conditions.append(condition)
                others.append(cast("int | Fraction", index.other))
        entry = self._entry(base, places, element(self.types[op.result]), self.scalar(array))
        return self._otherwise(op, entry, conditions, others)

    def _place(self, index: Index, extent: Affine) -> tuple[str, str]:
        """Return the text of an index and the condition under which it is inside."""
        low = index.at.extreme(self.bounds, upper=False)
        high = index.at.extreme(self.bounds, upper=True)
        from_zero = low.at_least(0, self.smallest)
        to_end = (extent - 1 - high).at_least(0, self.smallest)
        at = self.affine(index.at)
        if index.border == "inside" or (from_zero and to_end):
            return at.text, ""
        if index.border == "wrap":
            if to_end and (low + extent).at_least(0, self.smallest):
                return at.text, ""  # a negative index counts from the end, as the wrap does
            return f"{at.at(PRODUCT)} % {self.affine(extent).at(ATOM)}", ""
        if index.border == "clamp":
            text = at.text if from_zero else f"max({at.text}, 0)"
            return (text if to_end else f"min({text}, {self.affine(extent - 1).text})"), ""
        size = self.affine(extent).text
        if from_zero:
            return at.text, f"{at.text} < {size}"
        return at.text, f"{at.text} >= 0" if to_end else f"0 <= {at.text} < {size}"

    def _entry(self, base: Expr, places: Sequence[str], out: Scalar, given: Scalar) -> Expr:
        text = base.at(ATOM) + "".join(f"[{p}]" for p in places)
        kind = "float" if isinstance(given, (Real, Missing)) else "int"
        value = Expr(text, ATOM, kind if places else base.kind, depth=1 + base.depth)
        return as_float(value) if isinstance(out, Real) and kind == "int" else value

    def _otherwise(
        self, op: Op, entry: Expr, conditions: Sequence[str], others: Sequence[int | Fraction]
    ) -> Expr:
        """Return the entry where it is inside; the first axis that is outside decides else."""
        if not conditions:
            return entry
        out = element(self.types[op.result])
        for other in others:
            self.intervals[op.result] = intervals.join(
                self.intervals.get(op.result), self.interval(other)
            )
        values = [literal(Fraction(o) if isinstance(out, (Real, Missing)) else o) for o in others]
        if len({v.text for v in values}) == 1:
            conditions, values = [" and ".join(conditions)], values[:1]
        text = entry.text
        for condition, other in reversed(list(zip(conditions, values))):
            text = f"{text} if {condition} else {other.text}"
            if len(conditions) > 1:
                text = f"({text})"
        return Expr(text, ATOM if len(conditions) > 1 else TERNARY, entry.kind, depth=entry.depth + 1)

    def gather(self, op: Op) -> Expr:
        array, *operands = op.operands
        base = self.operand(array)
        self.intervals[op.result] = self.interval(array)
        border, other = op.attr("border") or "inside", op.attr("else")
        places: list[str] = []
        conditions: list[str] = []
        for operand, extent in zip(operands, self.shape(array)):
            at, size = as_int(self.operand(operand)), self.affine(extent)
            text = at.text
            if border == "wrap":
                text = f"{at.at(PRODUCT)} % {size.at(ATOM)}"
            elif border == "clamp":
                text = f"min(max({at.text}, 0), {self.affine(extent - 1).text})"
            elif border == "else":
                conditions.append(f"0 <= {at.at(BITOR)} < {size.text}")
            places.append(text)
        entry = self._entry(base, places, element(self.types[op.result]), self.scalar(array))
        others = [cast("int | Fraction", other)] * len(conditions)
        return self._otherwise(op, entry, conditions, others)

    def concat(self, op: Op) -> Expr:
        parts: list[str] = []
        real = isinstance(element(self.types[op.result]), Real)
        for operand in op.operands:
            value = self.operand(operand)
            if real and not isinstance(self.scalar(operand), Real):
                value = self.converted(value, len(self.shape(operand)), "float")
            if len(self.shape(operand)) > 1:
                value = self.lists(value)
            parts.append(f"*{value.at(COMPARE + 1)}")
        self.intervals[op.result] = self._joined(op.operands)
        return Expr(f"[{', '.join(parts)}]", ATOM, "array", depth=2)

    def _joined(self, operands: Sequence[Operand]) -> Interval:
        result = self.interval(operands[0])
        for operand in operands[1:]:
            result = intervals.join(result, self.interval(operand))
        return result

    def pack(self, op: Op) -> Expr:
        real = isinstance(element(self.types[op.result]), (Real, Missing))
        values = [self.operand(o) for o in op.operands]
        texts = [(as_float(v) if real else as_int(v)).text for v in values]
        self.intervals[op.result] = self._joined(op.operands)
        return Expr(_nested(texts, [d.const for d in op.shape]), ATOM, "array", depth=3 + deepest(values))

    def reshape(self, op: Op) -> Expr:
        (array,) = op.operands
        value, before, after = self.operand(array), self.shape(array), op.shape
        self.intervals[op.result] = self.interval(array)
        if before == after:
            return value
        value = self.lists(value)
        names = [self.names.fresh("row" if k < len(before) - 1 else "x") for k in range(len(before))]
        if len(before) == 0:
            return Expr(_nested([as_int(value).text], [1] * len(after)), ATOM, "array")
        if not after:
            real = isinstance(self.scalar(array), (Real, Missing))
            text = value.at(ATOM) + "[0]" * len(before)
            return Expr(text, ATOM, "float" if real else "int", depth=value.depth + 1)
        shape = [d.const for d in after]
        if 0 in shape:
            return Expr(_nested([], shape), ATOM, "array")
        flat = value
        if len(before) > 1:
            sources = [value.text, *names]
            loops = " ".join(f"for {n} in {s}" for n, s in zip(names, sources))
            flat = Expr(f"[{names[-1]} {loops}]", ATOM, "array", depth=value.depth + 1)
        if len(after) == 1:
            return flat
        helper = self.module.helper("_rows")
        return Expr(
            f"{helper}({flat.text}, {', '.join(map(str, shape))})", ATOM, "array", depth=flat.depth + 1
        )

    def converted(self, value: Expr, rank: int, function: str) -> Expr:
        """Return nested lists with every entry converted."""
        if rank == 0:
            return call(function, value)
        name = self.names.fresh("row" if rank > 1 else "x")
        inner = self.converted(Expr(name), rank - 1, function)
        return Expr(f"[{inner.text} for {name} in {value.text}]", ATOM, "array", depth=value.depth + 1)

    # ------------------------------------------------------------ loops

    def enter(self, op: Op) -> None:
        """Make the loop variables known."""
        for loop in op.loops:
            self.bounds[loop.symbol] = (loop.low, loop.high - 1)
            name = self.names.fresh(loop.var)
            self.symbols[loop.symbol] = name
            self.values[loop.var] = Expr(name)

    def leave(self, op: Op) -> None:
        """Forget the ranges of the loop variables."""
        for loop in op.loops:
            del self.bounds[loop.symbol]

    def range(self, loop: Loop) -> str:
        """Return what a loop runs over."""
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
        walked = self._walked(op)
        if not walked:
            variables = [self.symbols[v.symbol] for v in op.loops]
            heads = [f"for {n} in {self.range(v)}" for n, v in zip(variables, op.loops)]
            return heads, variables, set()
        found: list[str] = []
        sources = list(dict.fromkeys(self.operand(load.operands[0]).at(ATOM) for load in walked))
        for depth in range(len(op.loops)):
            if depth == len(op.loops) - 1:
                targets = self._entries(walked)
            else:
                targets = [self.names.fresh("row", "line", "row") for _ in sources]
            over = sources[0] if len(sources) == 1 else f"zip({', '.join(sources)})"
            found.append(f"for {', '.join(targets)} in {over}")
            sources = targets
        return found, targets, {load.result for load in walked}

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
                named[text] = self.names.fresh(load.result)
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

    def map(self, op: Op, writer: Writer | None) -> list[Expr]:
        assert op.body is not None
        self.enter(op)
        heads, targets, walked = self.heads(op)
        mark = self.names.mark()
        try:
            values = self.body(op.body, walked, None)
            entries = [self.yielded(op, k, v) for k, v in enumerate(values)]
            found = [self._comprehension(heads, e) for e in entries]
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
        local = self.names.fresh("cells")
        writer.assign(local, cells.text)
        return [self._column(local, k, len(heads)) for k in range(len(op.results))]

    def _column(self, array: str, position: int, rank: int) -> Expr:
        name = self.names.fresh("row" if rank > 1 else "each")
        inner = f"{name}[{position}]" if rank == 1 else self._column(name, position, rank - 1).text
        return Expr(f"[{inner} for {name} in {array}]", ATOM, "array", depth=rank + 1)

    def _function(
        self, wish: str, targets: Sequence[str], op: Op, walked: set[str], writer: Writer
    ) -> tuple[str, str]:
        """Write a body as a function of its loop variables; return its name and what it returns."""
        assert op.body is not None
        name = self.names.fresh(wish)
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
        self.enter(op)
        if op.attr("kind") == "argmax":
            result = self._argmax(op, writer)
        else:
            heads, targets, walked = self.heads(op)
            value = self._term("term", op, targets, walked, writer)
            result = self._reduction(op, str(op.attr("kind")), heads, value)
        self.leave(op)
        return result

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
        count = len(op.body.yields)
        states = [self.names.fresh(s.name) for s in op.states]
        outputs = {
            k: self.names.fresh(op.results[k])
            for k in range(count)
            if self.usage.count[op.results[k]]
        }
        inits = [self.initial(op, k) for k in range(len(states))]
        if states or outputs:
            targets = [*states, *outputs.values()]
            texts = [*(v.at(TERNARY) for v in inits), *("[]" for _ in outputs)]
            writer.line(f"{', '.join(targets)} = {', '.join(texts)}")
        for state, name in zip(op.states, states):
            self.values[state.name] = self.state_value(state.name, state.type, name)
        heads, _, walked = self.heads(op)
        with writer.indented(f"{heads[0]}:"):
            yields = self.body(op.body, walked, writer)
            for k, name in outputs.items():
                entry = self.yielded(op, k, yields[k])
                writer.line(f"{name}.append({entry.text})")
            self._update(op, states, writer)
        for k, result in enumerate(op.results):
            if k < count:
                if k in outputs:
                    self.values[result] = Expr(outputs[k], ATOM, "array")
                    self.intervals[result] = None
            else:
                self.values[result] = self.values[op.states[k - count].name]
        self.leave(op)

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
        state = op.states[position]
        value = self.operand(op.body.nexts[position])
        if dims(state.type):
            return self.lists(value)
        real = isinstance(element(state.type), (Real, Missing))
        return as_float(value) if real else as_int(value)

    def _update(self, op: Op, states: Sequence[str], writer: Writer) -> None:
        nexts = [self.following(op, k) for k in range(len(states))]
        moving = [(name, e) for name, e in zip(states, nexts) if e.text != name]
        if moving:
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
            names = "(" + ", ".join(_quoted(n) for n in wanted.names) + ",)"
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
        name = self.names.fresh("row" if rank > 1 else "x")
        inner = self._by_entry(Expr(name), rank - 1, entry)
        return Expr(f"[{inner.text} for {name} in {value.text}]", ATOM, "array")


def need(writer: Writer | None) -> Writer:
    """Return the writer; NeedsStatements where only an expression may stand."""
    if writer is None:
        raise NeedsStatements
    return writer


def _quoted(text: str) -> str:
    return ascii(text)


def _nested(texts: Sequence[str], shape: Sequence[int]) -> str:
    """Return a row-major list as the text of nested lists."""
    if not shape:
        return texts[0]
    rows = list(texts)
    for size in reversed(shape[1:]):
        count = len(rows) // size if size else 0
        rows = [f"[{', '.join(rows[k * size : (k + 1) * size])}]" for k in range(count)]
    if 0 in shape:
        inner = "[]"
        first = list(shape).index(0)
        for size in reversed(shape[:first]):
            inner = f"[{', '.join([inner] * size)}]"
        return inner
    return f"[{', '.join(rows)}]"


_DATA = {
    "const": Plain.const,
    "index": Plain.index,
    "load": Plain.load,
    "gather": Plain.gather,
    "concat": Plain.concat,
    "pack": Plain.pack,
    "reshape": Plain.reshape,
}

_REDUCTIONS = {"add": "sum", "count": "sum", "xor": "sum", "and": "all", "or": "any", "min": "min", "max": "max"}

