"""Values of the IR as numpy expressions: operands, loads and whole arrays.

Inside a map every value is an array with one entry for each iteration, whose axes are the loops
around it; an axis along which it does not vary may be missing in front or be 1 long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from ddc.backends.expand import KEPT
from ddc.ir import (
    Affine,
    Block,
    Function,
    Global,
    Loop,
    Missing,
    Op,
    Operand,
    Real,
    Type,
    dims,
    element,
    int_bounds,
    operands_of,
    walk,
)

from . import intervals, ranges
from .intervals import Interval
from .literals import array_literal
from .module import Module
from .plain import Plain
from .ranges import LARGEST_SIZE, Range, fits
from .scalar import Use as ScalarUse
from .scalar import is_named, is_safe_division, scalar_op
from .text import ATOM, Expr, call
from .values import LONG, NeedsStatements, need
from .vector_ops import CHUNK, NotVector, Use, as_number, is_array, vector_op
from .writer import Writer

SHALLOW, SHORT = 4, 32  # arrays that are read in place: nesting, characters
DTYPES = {"int": "int", "truth": "bool", "object": "object", "float": "float"}


class Arrays(Plain):
    """Emits values as arrays."""

    def __init__(
        self,
        function: Function,
        types: Mapping[str, Type],
        constants: Mapping[str, Any],
        names: Any,
        module: Module,
    ) -> None:
        super().__init__(function, types, constants, names, module)
        self.function = function
        self.axes: list[Loop] = []  # the loops that are axes of arrays, outermost first
        self.ranges: dict[str, Range] = {}
        self.longest = ranges.longest(function)
        self.inlined: set[str] = set()  # arrays that array expressions read in place
        self.sliced = False  # whether arrays of indices are refused
        self.quiet = False
        self.row: Loop | None = None  # the axis of columns, where parameters are columns

    def warns(self) -> None:
        """Say that numpy may warn about infinities and NaNs."""
        self.quiet = True

    def helper(self, name: str) -> str:
        """Return a helper's name, adding it to the module."""
        return self.module.helper(name)

    def constant(self, wish: str, text: str) -> str:
        """Return the name of a new module constant."""
        return self.module.constant(wish, text)

    # ------------------------------------------------------------ operands

    def array_kind(self, operand: Operand) -> str:
        """Return the kind of an array of ints by what it may hold."""
        scalar = self.scalar(operand)
        if isinstance(scalar, (Real, Missing)):
            return "float"
        return "int" if fits(self.range_of(operand)) else "object"

    def range_of(self, operand: Operand) -> Range:
        """Return the range of an int operand in practice."""
        if isinstance(operand, int):
            return operand, operand
        if isinstance(operand, str) and operand in self.ranges:
            return self.ranges[operand]
        return int_bounds(self.scalar(operand)) or (0, 0)

    def operand(self, operand: Operand) -> Expr:
        """Return an operand as an expression; constants are arrays."""
        if isinstance(operand, Global):
            if operand.name not in self._constant_names:
                text = array_literal(self.constants[operand.name])
                self._constant_names[operand.name] = self.module.constant(operand.name, text)
            own = len(self.shape(operand))
            return Expr(self._constant_names[operand.name], ATOM, self.array_kind(operand), own=own)
        return super().operand(operand)

    def enter(self, op: Op) -> None:
        """Make the loop variables known, with their ranges in practice."""
        super().enter(op)
        for loop in op.loops:
            low = ranges.of_affine(loop.low, self.ranges, self.smallest, self.longest)[0]
            high = ranges.of_affine(loop.high - 1, self.ranges, self.smallest, self.longest)[1]
            bottom = 0 if low is None else low
            self.ranges[loop.var] = (bottom, max(bottom, LARGEST_SIZE if high is None else high))

    def aligned(self, e: Expr) -> Expr:
        """Return an array with axes of length 1 for the loops behind its last axis."""
        missing = len(self.axes) - e.end
        if not e.end or not missing:
            return e
        if e.own:
            raise NotVector
        text = f"{e.at(ATOM)}[{', '.join(['...'] + ['None'] * missing)}]"
        return replace(e, text=text, prec=ATOM, end=len(self.axes), condition=None)

    def joined(self, value: Expr, args: Sequence[Expr]) -> Expr:
        """Return an expression with the axes of its operands together."""
        axes = frozenset[int]().union(*(a.axes for a in args))
        end = max((a.end for a in args), default=0)
        return replace(value, axes=axes, end=end)

    def define(self, name: str, value: Expr, writer: Writer | None, longest: int = LONG) -> None:
        """Bind a value; short arrays that one array expression reads stay expressions."""
        once = self.usage.count[name] == 1 and name in self.usage.deep
        short = value.depth < SHALLOW and len(value.text) <= SHORT
        if writer is not None and once and value.own and not value.end and short:
            self.values[name] = value
            self.inlined.add(name)
            return
        super().define(name, value, writer, longest)

    def settle(self, op: Op, writer: Writer | None) -> None:
        """Give names to the arrays that a loop in Python would compute again and again."""
        for inner in walk(Block((op,), ())):
            for operand in operands_of(inner):
                if isinstance(operand, str) and operand in self.inlined:
                    self.bind(operand, self.values[operand], need(writer))
                    self.inlined.discard(operand)

    # ------------------------------------------------------------ ops

    def simple(self, op: Op) -> Expr:
        """Return an op without a body as an expression."""
        if op.code in KEPT:
            return self.data(op)
        args = [self.operand(o) for o in op.operands]
        types = [self.scalar(o) for o in op.operands]
        known = [self.interval(o) for o in op.operands]
        spans = [self.range_of(o) for o in op.operands]
        out = element(self.types[op.result])
        self.intervals[op.result] = intervals.of_op(op, known)
        if int_bounds(out) is not None:
            self.ranges[op.result] = ranges.of_op(op, list(zip(types, spans)))
        scalar = not any(is_array(a) for a in args)
        sure = op.code in _SURE or self._is_bounded(op, known)
        if any(isinstance(t, Real) for t in (*types, out)) and not (sure and None not in known):
            self.warns()
        if scalar:
            use = ScalarUse(op, args, types, out, known, self.module)
            named = args and args[0].kind == "float" and is_named(args[0])
            by_math = op.code == "tanh" or (op.code == "sigmoid" and named)
            by_math = by_math or (op.code in _BY_MATH and sure)
            if op.code not in _BY_NUMPY or not use.is_real or is_safe_division(use) or by_math:
                return scalar_op(use)
            spans = [(None, None) for _ in args]
            found = vector_op(Use(op, args, types, spans, out, (None, None), known, self))
            return call("float", found, kind="float")
        if self.axes and self.axes[0] is self.row and any(a.kind == "object" for a in args):
            raise NotVector
        if len(args) > CHUNK or any(a.own for a in args):
            raise NotVector
        args = [self.aligned(a) for a in args]
        span = self.range_of(op.result)
        found = vector_op(Use(op, args, types, spans, out, span, known, self))
        return self.joined(found, args)

    def _is_bounded(self, op: Op, known: Sequence[Interval]) -> bool:
        """Tell whether a real op neither overflows nor leaves its domain."""
        found = self.intervals.get(op.result)
        bounded = found is not None and max(map(abs, found)) < LARGEST_REAL
        if op.code in ("log", "sqrt"):
            x = known[0]
            return x is not None and x[0] > 0 and x[1] < LARGEST_REAL
        return bounded and op.code not in ("pow", "curve")

    def data(self, op: Op) -> Expr:
        """Return an op that moves data."""
        return {
            "const": self.const,
            "index": self.index,
            "load": self.load,
            "gather": self.gather,
            "concat": self.concat,
            "pack": self.pack,
            "reshape": self.reshape,
        }[op.code](op)

    def const(self, op: Op) -> Expr:
        (operand,) = op.operands
        self.intervals[op.result] = self.interval(operand)
        self.ranges[op.result] = self.range_of(operand)
        return self.operand(operand)

    def vector_affine(self, at: Affine) -> Expr:
        """Return an index expression, an array where loops that are axes occur."""
        for loop in reversed(self.axes):
            if loop.low.symbols() & self.axis_symbols():
                # an axis that starts where an outer one says counts from there
                at = at.substitute({loop.symbol: Affine.symbol(loop.symbol) + loop.low})
        used = [k for k, loop in enumerate(self.axes) if loop.symbol in at.symbols()]
        if not used:
            return super().affine(at)
        saved = dict(self.symbols)
        for k in used:
            text = self._arange(self.axes[k])
            if k < max(used):
                text += f"[{', '.join([':'] + ['None'] * (max(used) - k))}]"
            self.symbols[self.axes[k].symbol] = text
        e = super().affine(at)
        self.symbols = saved
        return replace(e, axes=frozenset(used), end=max(used) + 1, depth=e.depth + 2)

    def axis_symbols(self) -> set[str]:
        """Return the loop variables that are axes."""
        return {loop.symbol for loop in self.axes}

    def _arange(self, loop: Loop) -> str:
        """Return the numbers of a loop as an array."""
        if loop.low.symbols() & self.axis_symbols():
            return f"np.arange({self.affine(loop.extent).text})"
        text = self.range(loop)
        return f"np.{text.replace('range', 'arange', 1)}" if text[0] == "r" else f"np.array({text})"

    def index(self, op: Op) -> Expr:
        self.ranges[op.result] = ranges.of_affine(
            op.index[0].at, self.ranges, self.smallest, self.longest
        )
        return self.vector_affine(op.index[0].at)

    # ------------------------------------------------------------ whole arrays

    def dtype(self, op: Op, position: int = 0) -> str:
        """Return the dtype of a result, as numpy is told."""
        return DTYPES[self.array_kind(op.results[position])]

    def outer_only(self, args: Sequence[Expr]) -> None:
        """Refuse whole-array ops inside a map."""
        if any(a.end for a in args):
            raise NotVector

    def concat(self, op: Op) -> Expr:
        args = [self.operand(o) for o in op.operands]
        self.outer_only(args)
        self.intervals[op.result] = self._joined(op.operands)
        spans = [self.range_of(o) for o in op.operands]
        self.ranges[op.result] = hull(spans)
        kind = self.array_kind(op.result)
        args = [self.cast(a, kind) for a in args]
        inner = ", ".join(a.text for a in args)
        return Expr(f"np.concatenate([{inner}])", ATOM, kind, own=len(dims(self.types[op.result])))

    def cast(self, e: Expr, kind: str) -> Expr:
        """Return an array of another kind."""
        if kind == e.kind:
            return e
        text = f"{e.at(ATOM)}.astype({DTYPES[kind]})"
        return replace(e, text=text, prec=ATOM, kind=kind, condition=None)

    def pack(self, op: Op) -> Expr:
        args = [self.operand(o) for o in op.operands]
        self.outer_only(args)
        self.intervals[op.result] = self._joined(op.operands)
        self.ranges[op.result] = hull([self.range_of(o) for o in op.operands])
        if not op.shape:
            return args[0]
        text = f"np.array([{', '.join(a.text for a in args)}], dtype={self.dtype(op)})"
        if self.packed.issuperset(op.operands):
            text = f"np.array({self.each_sigmoid([a.text for a in args]).text})"
        if len(op.shape) > 1:
            text += f".reshape({', '.join(str(d.const) for d in op.shape)})"
        return Expr(text, ATOM, self.array_kind(op.result), own=len(op.shape), depth=2)

    def reshape(self, op: Op) -> Expr:
        (array,) = op.operands
        e, before = self.operand(array), self.shape(array)
        self.outer_only([e])
        self.intervals[op.result] = self.interval(array)
        self.ranges[op.result] = self.range_of(array)
        if before == op.shape:
            return e
        kind = self.array_kind(op.result)
        shape = ", ".join(str(d.const) for d in op.shape)
        if not before:
            text = f"np.full(({shape},), {as_number(e).text}, dtype={DTYPES[kind]})"
            return Expr(text, ATOM, kind, own=len(op.shape))
        if not op.shape:
            real = kind == "float"
            inner = Expr(f"{e.at(ATOM)}.item()")
            return call("float" if real else "int", inner, kind="float" if real else "int")
        return Expr(f"{e.at(ATOM)}.reshape({shape})", ATOM, e.kind, own=len(op.shape), depth=1)

    @contextmanager
    def attempt(self, writer: Writer | None) -> Any:
        """Take back statements and names where the body of the `with` gives up."""
        mark, lines = self.names.mark(), len(writer.lines) if writer else 0
        depth, bounds = len(self.axes), list(self.bounds)
        inlined = {name: self.values[name] for name in self.inlined}
        try:
            yield
        except (NotVector, NeedsStatements):
            self.values |= inlined
            self.inlined |= set(inlined)
            self.names.release(mark)
            if writer is not None:
                writer.rewind(lines)
            del self.axes[depth:]
            for symbol in list(self.bounds):
                if symbol not in bounds:
                    del self.bounds[symbol]
            raise

    def vectorise(self, op: Op) -> None:
        """Make the loops of an op axes."""
        self.axes += op.loops
        for loop in op.loops:
            self.values[loop.var] = self.vector_affine(Affine.symbol(loop.symbol))


def hull(spans: Sequence[Range]) -> Range:
    """Return the range around ranges; None stands for an end that is not known."""
    lows = [s[0] for s in spans]
    highs = [s[1] for s in spans]
    return (
        None if None in lows else min(cast("list[int]", lows)),
        None if None in highs else max(cast("list[int]", highs)),
    )


LARGEST_REAL = 2.0**1000
# Real ops that never make numpy warn, where no operand is NaN.
_SURE = frozenset(
    {"neg", "abs", "select", "min", "max", "relu", "leaky_relu", "hardtanh", "tanh", "sigmoid"}
    | {"sign", "step", "eq", "ne", "lt", "le", "gt", "ge", "bin", "table", "const"}
)
_BY_MATH = frozenset({"exp", "log", "sqrt", "sin", "cos"})
_BY_NUMPY = frozenset(
    {"div", "pow", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "curve", "leaky_relu"}
)
