"""Values of the IR as Python expressions, and where they need a name: all but the loops."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import cast

import numpy as np

from ddc.ir import (
    Affine,
    Block,
    Category,
    Constant,
    Function,
    Global,
    Index,
    Int,
    Missing,
    Op,
    Operand,
    Real,
    Scalar,
    Type,
    dims,
    element,
    int_bounds,
    operands_of,
    walk,
)

from . import intervals
from .intervals import Interval
from .literals import constant_literal, nested_lists
from .module import Module
from .names import Names
from .running import Running
from .scalar import Use, scalar_op, sigmoid_of
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
)
from .usage import Usage, usage
from .writer import Writer

DEEP = 24  # nesting of one expression; CPython's parser refuses 200 brackets
LONG = 76  # characters of an expression that is still put inside another
LINE = 89  # characters of an expression that is returned
PART = 24  # characters of an operand that gets a name where the whole is too long
MOST_PARTS = 3  # operands that get one; black splits longer rows of them well
SHARED = 48  # characters of a list that shares a line with another
MOST_TIMES = 3  # uses of an entry that is read each time anew, in a comprehension
SHORT_ENTRY = re.compile(r"\w+\[[\w +%()-]{1,14}\]")
LONGER = 240  # and inside a comprehension, where naming it would take a function


class NeedsStatements(Exception):
    """A value needs a name where only an expression may stand."""


# A variable plus one thing: a name, or something in brackets.
ADDED = re.compile(r"(\w+) \+ (?:(\w+)|\(([^()]*)\))")


class Values:
    """Emits the values of one function."""

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
        self.running: Running | None = None
        self.held: dict[str, Expr | None] = {}  # next values that are assigned together
        self.repeated = 0  # entries of arrays that stand in an expression more than once
        self.returned = {  # results of the function, by value, that nothing converts
            o: r.type
            for o, r in zip(function.body.yields, function.results)
            if int_bounds(element(r.type)) is not None and not isinstance(element(r.type), Category)
        }
        self.packed = _packed(function)  # sigmoids that stand together as one list
        self.replacing: dict[str, str] = {}  # next values -> variables of the states they replace
        self.symbols: dict[str, str] = {}  # sizes and loop variables -> Python names
        self._constant_names: dict[str, str] = {}
        self._known = {name for op in walk(function.body) for name in op.results}

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
            ends = [float(f(array)) for f in (np.min, np.max)] if array.size else [math.inf]
            return (ends[0], ends[-1]) if all(map(math.isfinite, ends)) else None
        return intervals.of_number(operand)

    def shape(self, operand: Operand) -> tuple[Affine, ...]:
        """Return the dims of an operand."""
        if isinstance(operand, str):
            return dims(self.types[operand])
        return dims(self.types[f"@{operand.name}"]) if isinstance(operand, Global) else ()

    def own(self, *wishes: str) -> str:
        """Return a fresh name for what the IR has no name for, leaving the IR's to its values."""
        return self.names.fresh(*[w for w in wishes if w not in self._known] or wishes)

    # ------------------------------------------------------------ blocks

    def block(self, block: Block, writer: Writer | None) -> None:
        """Define every value of a block: inlined, or by statements of the writer."""
        given = {o for o in (*block.yields, *block.nexts) if isinstance(o, str)}
        for whole in block.ops:
            if not self.usage.is_live(whole):
                continue
            op = self.usage.trimmed(whole)
            if op.code == "scan":
                self.scan(op, need(writer))
                continue
            if op.code == "map":
                found = self.map(op, writer)
            elif op.code == "reduce":
                found = [self.reduce(op, writer)]
            elif op.result in self.packed:
                found = [as_float(self.operand(op.operands[0]))]
                self.intervals[op.result] = (0.0, 1.0)
            else:
                found = [self.split(op, self.simple(op), writer)]
            for name, value in zip(op.results, found):
                self.define(name, value, writer, LINE if name in given else LONG)

    def define(self, name: str, value: Expr, writer: Writer | None, longest: int = LONG) -> None:
        """Bind a value to its expression, or to a local variable that holds it.

        An expression stays one where it is used once, in no loop, and is not too long.
        """
        count = self.usage.count[name]
        if count == 0:
            return
        if name in self.held:
            self.held[name] = value
            return
        if self.running is not None and name in self.running.states:
            self.running.found[name] = value
            mark = self.running.mark(name)
            self.values[name] = replace(value, text=mark, prec=ATOM, condition=None, depth=0)
            return
        once = count == 1 and name not in self.usage.deep and value.depth < DEEP
        if value.is_simple or (once and len(value.text) <= (longest if writer else LONGER)):
            self.values[name] = value
            return
        if writer is None and count <= MOST_TIMES and SHORT_ENTRY.fullmatch(value.text):
            self.repeated += 1
            self.values[name] = value
            return
        self.bind(name, value, need(writer))

    def bind(self, name: str, value: Expr, writer: Writer) -> None:
        """Write a value to a local variable: a new one, or that of the state it replaces."""
        local = self.replacing.get(name) or self.names.fresh(name)
        entry = value.prec == ATOM and value.text.endswith("]")
        added = ADDED.fullmatch(value.text) if value.kind == "int" else None
        if name in self.replacing and added is not None and added[1] == local:
            writer.line(f"{local} += {added[2] or added[3]}")
            self.values[name] = replace(value, text=local, prec=ATOM, condition=None, depth=0)
            return
        shared = value.kind == "array" and value.text.startswith("[") and len(value.text) < SHARED
        shared = shared or (entry and value.kind not in ("array", "tuple"))
        writer.assign(local, value.text, shared=shared)
        self.values[name] = replace(value, text=local, prec=ATOM, condition=None, depth=0)

    def split(self, op: Op, value: Expr, writer: Writer | None) -> Expr:
        """Return an op's expression, its long operands named where it would not fit on a line."""
        if writer is None or len(value.text) <= LINE:
            return value
        named = {o for o in op.operands if isinstance(o, str)}
        long = [o for o in named if len(self.values[o].text) >= PART]
        if not 0 < len(long) <= MOST_PARTS:
            return value
        rest = len(value.text)
        for operand in sorted(long, key=lambda o: -len(self.values[o].text)):
            if rest > LINE - PART:
                rest -= len(self.values[operand].text)
                self.bind(operand, self.values[operand], writer)
        return self.simple(op)

    def simple(self, op: Op) -> Expr:
        """Return an op without a body as an expression."""
        if op.code in _DATA:
            value = _DATA[op.code](self, op)
        else:
            args = [self.operand(o) for o in op.operands]
            types = [self.scalar(o) for o in op.operands]
            known = [self.interval(o) for o in op.operands]
            self.intervals[op.result] = intervals.of_op(op, known)
            value = scalar_op(
                Use(op, args, types, element(self.types[op.result]), known, self.module)
            )
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
        if to_end:
            rest = index.at - index.at.const
            return at.text, f"{self.affine(rest).text} >= {-index.at.const}"
        return at.text, f"0 <= {at.text} < {size}"

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
        for condition, value in reversed(list(zip(conditions, values))):
            text = f"{text} if {condition} else {value.text}"
            if len(conditions) > 1:
                text = f"({text})"
        return Expr(
            text, ATOM if len(conditions) > 1 else TERNARY, entry.kind, depth=entry.depth + 1
        )

    def gather(self, op: Op) -> Expr:
        array, *operands = op.operands
        base = self.operand(array)
        self.intervals[op.result] = self.interval(array)
        border, other = op.attr("border") or "inside", op.attr("else")
        places, conditions = self.computed_places(
            [self.operand(o) for o in operands], self.shape(array), str(border)
        )
        entry = self._entry(base, places, element(self.types[op.result]), self.scalar(array))
        others = [cast("int | Fraction", other)] * len(conditions)
        return self._otherwise(op, entry, conditions, others)

    def computed_places(
        self, places: Sequence[Expr], shape: Sequence[Affine], border: str
    ) -> tuple[list[str], list[str]]:
        """Return computed indices brought inside, and the conditions that they lie there."""
        texts: list[str] = []
        conditions: list[str] = []
        for place, extent in zip(places, shape):
            at, size = as_int(place), self.affine(extent)
            text = at.text
            if border == "wrap":
                text = f"{at.at(PRODUCT)} % {size.at(ATOM)}"
            elif border == "clamp":
                text = f"min(max({at.text}, 0), {self.affine(extent - 1).text})"
            elif border == "else":
                conditions.append(f"0 <= {at.at(BITOR)} < {size.text}")
            texts.append(text)
        return texts, conditions

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
        if self.packed.issuperset(op.operands) and values:
            return self.each_sigmoid(texts)
        return Expr(
            nested_lists(texts, [d.const for d in op.shape]),
            ATOM,
            "array",
            depth=3 + deepest(values),
        )

    def each_sigmoid(self, texts: Sequence[str]) -> Expr:
        """Return a list of the sigmoids of several numbers."""
        name = self.names.fresh("x", "v", "each")
        value = sigmoid_of(Expr(name), self.module)
        self.names.free(name)
        return Expr(f"[{value.text} for {name} in ({', '.join(texts)})]", ATOM, "array", depth=6)

    def reshape(self, op: Op) -> Expr:
        (array,) = op.operands
        value, before, after = self.operand(array), self.shape(array), op.shape
        self.intervals[op.result] = self.interval(array)
        if before == after:
            return value
        value = self.lists(value)
        names = [self.own("row" if k < len(before) - 1 else "x") for k in range(len(before))]
        if len(before) == 0:
            return Expr(nested_lists([as_int(value).text], [1] * len(after)), ATOM, "array")
        if not after:
            real = isinstance(self.scalar(array), (Real, Missing))
            text = value.at(ATOM) + "[0]" * len(before)
            return Expr(text, ATOM, "float" if real else "int", depth=value.depth + 1)
        shape = [d.const for d in after]
        if 0 in shape:
            return Expr(nested_lists([], shape), ATOM, "array")
        flat = value
        if len(before) > 1:
            sources = [value.text, *names]
            loops = " ".join(f"for {n} in {s}" for n, s in zip(names, sources))
            flat = Expr(f"[{names[-1]} {loops}]", ATOM, "array", depth=value.depth + 1)
        if len(after) == 1:
            return flat
        helper = self.module.helper("_rows")
        return Expr(
            f"{helper}({flat.text}, {', '.join(map(str, shape))})",
            ATOM,
            "array",
            depth=flat.depth + 1,
        )

    def converted(self, value: Expr, rank: int, function: str) -> Expr:
        """Return nested lists with every entry converted."""
        if rank == 0:
            return call(function, value)
        name = self.own("row" if rank > 1 else "x")
        inner = self.converted(Expr(name), rank - 1, function)
        return Expr(
            f"[{inner.text} for {name} in {value.text}]", ATOM, "array", depth=value.depth + 1
        )

    # ------------------------------------------------------------ what a style adds

    def map(self, op: Op, writer: Writer | None) -> list[Expr]:
        """Return the results of a map."""
        raise NotImplementedError

    def reduce(self, op: Op, writer: Writer | None) -> Expr:
        """Return the result of a reduction."""
        raise NotImplementedError

    def scan(self, op: Op, writer: Writer) -> None:
        """Define the results of a scan."""
        raise NotImplementedError

    def lists(self, value: Expr) -> Expr:
        """Return an array that can be given away: constants are tuples."""
        raise NotImplementedError


def need(writer: Writer | None) -> Writer:
    """Return the writer; NeedsStatements where only an expression may stand."""
    if writer is None:
        raise NeedsStatements
    return writer


def _packed(function: Function) -> set[Operand]:
    """Return the sigmoids that nothing reads but a list of two or more of them."""
    made = {op.result: op for op in function.body.ops if op.code == "sigmoid"}
    readers = Counter(o for op in walk(function.body) for o in operands_of(op))
    readers.update(function.body.yields)
    found: set[Operand] = set()
    for op in function.body.ops:
        alone = all(o in made and readers[o] == 1 for o in op.operands)
        if op.code == "pack" and len(op.shape) == 1 and len(op.operands) > 1 and alone:
            found |= set(op.operands)
    return found


_DATA = {
    "const": Values.const,
    "index": Values.index,
    "load": Values.load,
    "gather": Values.gather,
    "concat": Values.concat,
    "pack": Values.pack,
    "reshape": Values.reshape,
}
