"""The one table of ops: it drives parser, printer, verifier, interpreter, folding and cost.

An op is written `%r = code [HEAD of] operands [clause value]...`. Attributes are either the head
(`threshold 2 of %a, %b`) or clauses introduced by their name (`curve %x in log knots [...]`).
Elementwise ops take scalars, or arrays of one shape together with scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import meaning
from .network_rules import NETWORK_RULES
from .rules import RULES, Rule

MANY = 1 << 30
_RULES = {**RULES, **NETWORK_RULES}


@dataclass(frozen=True)
class AttrSpec:
    """An attribute: its name is the keyword that introduces it, unless it is the head."""

    name: str
    kind: str  # int | number | ints | numbers | pairs | word
    required: bool = False
    head: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpSpec:
    """What the rest of the compiler knows about an op.

    `evaluate(op, *values)` computes on numpy values whose first axis is the batch. `elementwise`
    ops are applied entry by entry; `exact` tells whether bit and int results are identical
    everywhere (False: a real function, right to the last place or so).
    """

    code: str
    family: str
    operands: tuple[int, int]
    rule: Rule
    evaluate: Callable[..., Any] | None = None
    attrs: tuple[AttrSpec, ...] = ()
    elementwise: bool = False
    commutes: bool = False
    cost: int = 1
    summary: str = ""

    def attr(self, name: str) -> AttrSpec | None:
        """Return the declaration of an attribute, None where the op has none of that name."""
        return next((a for a in self.attrs if a.name == name), None)

    @property
    def head(self) -> AttrSpec | None:
        """The attribute that stands before the operands, if any."""
        return next((a for a in self.attrs if a.head), None)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(_: object, *values: Any) -> Any:
        return function(*values)

    return evaluate


def _elementwise(
    code: str,
    family: str,
    arity: tuple[int, int],
    rule: str,
    function: Callable[..., Any],
    summary: str,
    commutes: bool = False,
    cost: int = 1,
) -> OpSpec:
    return OpSpec(
        code,
        family,
        arity,
        _RULES[rule],
        _plain(function),
        elementwise=True,
        commutes=commutes,
        cost=cost,
        summary=summary,
    )


def _with_attrs(
    code: str,
    family: str,
    arity: tuple[int, int],
    rule: str,
    attrs: tuple[AttrSpec, ...],
    evaluate: Callable[..., Any] | None,
    summary: str,
    elementwise: bool = False,
    cost: int = 1,
) -> OpSpec:
    return OpSpec(
        code,
        family,
        arity,
        _RULES[rule],
        evaluate,
        attrs,
        elementwise=elementwise,
        cost=cost,
        summary=summary,
    )


_CONV_ATTRS = (
    AttrSpec("stride", "ints"),
    AttrSpec("padding", "ints"),  # low, high of each axis in turn
    AttrSpec("dilation", "ints"),
    AttrSpec("groups", "int"),
    AttrSpec("mode", "word", words=("zero", "circular")),
)

_SPECS = (
    # ------------------------------------------------------------ logic
    _elementwise("not", "logic", (1, 1), "logic", meaning.bit_not, "1 where the bit is 0"),
    _elementwise("and", "logic", (1, MANY), "logic", meaning.bit_and, "all bits", True),
    _elementwise("or", "logic", (1, MANY), "logic", meaning.bit_or, "any bit", True),
    _elementwise("xor", "logic", (1, MANY), "logic", meaning.bit_xor, "parity of the bits", True),
    _with_attrs(
        "threshold",
        "logic",
        (1, MANY),
        "threshold",
        (AttrSpec("least", "int", required=True, head=True), AttrSpec("weights", "ints")),
        meaning.threshold,
        "1 where the (weighted) sum is at least the head",
        elementwise=True,
        cost=2,
    ),
    _with_attrs(
        "table",
        "logic",
        (1, MANY),
        "table",
        (AttrSpec("entries", "numbers", required=True, head=True),),
        None,  # needs the operand types: the interpreter maps values to digits first
        "look-up over all values of small ints, last operand fastest",
        elementwise=True,
        cost=4,
    ),
    # ------------------------------------------------------------ arithmetic
    _elementwise("add", "arithmetic", (1, MANY), "sum", meaning.add, "sum", True),
    _elementwise("mul", "arithmetic", (1, MANY), "product", meaning.multiply, "product", True),
    _elementwise("sub", "arithmetic", (2, 2), "difference", np.subtract, "difference"),
    _elementwise("neg", "arithmetic", (1, 1), "negation", np.negative, "negated value"),
    _elementwise("div", "arithmetic", (2, 2), "quotient", meaning.divide, "real quotient"),
    _elementwise(
        "floordiv", "arithmetic", (2, 2), "floordiv", np.floor_divide, "quotient rounded down"
    ),
    _elementwise("mod", "arithmetic", (2, 2), "modulo", np.mod, "remainder of floordiv"),
    _elementwise("pow", "arithmetic", (2, 2), "power", meaning.power, "power"),
    _elementwise("abs", "arithmetic", (1, 1), "magnitude", np.absolute, "absolute value"),
    _elementwise("min", "arithmetic", (1, MANY), "minimum", meaning.minimum, "least value", True),
    _elementwise(
        "max", "arithmetic", (1, MANY), "maximum", meaning.maximum, "greatest value", True
    ),
    _elementwise("exp", "arithmetic", (1, 1), "real", np.exp, "exponential", cost=2),
    _elementwise("log", "arithmetic", (1, 1), "real", meaning.log, "natural logarithm", cost=2),
    _elementwise("sqrt", "arithmetic", (1, 1), "real", meaning.sqrt, "square root", cost=2),
    _elementwise("sin", "arithmetic", (1, 1), "real", np.sin, "sine of radians", cost=2),
    _elementwise("cos", "arithmetic", (1, 1), "real", np.cos, "cosine of radians", cost=2),
    # ------------------------------------------------------------ choice and decisions
    _elementwise("eq", "choice", (2, 2), "comparison", np.equal, "equal", True),
    _elementwise("ne", "choice", (2, 2), "comparison", np.not_equal, "not equal", True),
    _elementwise("lt", "choice", (2, 2), "comparison", np.less, "less than"),
    _elementwise("le", "choice", (2, 2), "comparison", np.less_equal, "at most"),
    _elementwise("gt", "choice", (2, 2), "comparison", np.greater, "greater than"),
    _elementwise("ge", "choice", (2, 2), "comparison", np.greater_equal, "at least"),
    _elementwise(
        "select",
        "choice",
        (3, 3),
        "choice",
        meaning.select,
        "second where the bit is 1, else third",
    ),
    _elementwise("sign", "decision", (1, 1), "sign", meaning.sign, "-1, 0 or 1"),
    _elementwise("step", "decision", (1, 1), "comparison", meaning.step, "1 where > 0"),
    _elementwise(
        "round", "decision", (1, 1), "round", meaning.round_even, "nearest int, half to even"
    ),
    _with_attrs(
        "argmax",
        "decision",
        (1, 1),
        "argmax",
        (AttrSpec("axis", "int"),),
        meaning.argmax,
        "first greatest along an axis, the last one by default",
    ),
    # ------------------------------------------------------------ data
    _with_attrs(
        "const", "data", (1, 1), "same", (), meaning.identity, "a literal or @array", cost=0
    ),
    _with_attrs("index", "data", (0, 0), "index", (), None, "value of an index expression", cost=0),
    _with_attrs("load", "data", (1, 1), "load", (), None, "entry at affine indices", cost=0),
    _with_attrs(
        "gather",
        "data",
        (1, MANY),
        "gather",
        (
            AttrSpec("border", "word", words=("inside", "wrap", "clamp", "else")),
            AttrSpec("else", "number"),
        ),
        None,
        "entry at computed indices",
    ),
    _with_attrs("concat", "data", (1, MANY), "concat", (), meaning.concat, "join along axis 0"),
    _with_attrs(
        "pack",
        "data",
        (1, MANY),
        "pack",
        (),
        meaning.pack,
        "an array of scalars, row-major",
        cost=0,
    ),
    _with_attrs("reshape", "data", (1, 1), "reshape", (), None, "same entries, row-major", cost=0),
    _with_attrs(
        "onehot",
        "data",
        (1, 1),
        "onehot",
        (AttrSpec("size", "int", required=True),),
        meaning.onehot,
        "an int as a new last axis with a single 1",
    ),
    # ------------------------------------------------------------ fitted
    _with_attrs(
        "curve",
        "fitted",
        (1, 1),
        "curve",
        (
            AttrSpec("in", "word", words=("id", "log", "log1p", "symlog1p")),
            AttrSpec("knots", "pairs", required=True),
            AttrSpec("beyond", "word", words=("flat", "linear")),
            AttrSpec("missing", "number"),
        ),
        meaning.curve,
        "piecewise linear in the transformed operand; two knots at one place are a jump",
        elementwise=True,
        cost=4,
    ),
    _with_attrs(
        "bin",
        "fitted",
        (1, 1),
        "bin",
        (AttrSpec("at", "numbers", required=True),),
        meaning.bin_index,
        "how many cut points are <= the operand",
        elementwise=True,
        cost=2,
    ),
    # ------------------------------------------------------------ network layers
    _with_attrs(
        "dense", "network", (2, 3), "dense", (), meaning.dense, "weights [outputs, inputs]"
    ),
    _with_attrs("conv", "network", (2, 3), "conv", _CONV_ATTRS, meaning.conv, "cross-correlation"),
    _with_attrs(
        "scale",
        "network",
        (3, 3),
        "scale",
        (AttrSpec("axis", "int"),),
        meaning.scale,
        "factor and shift for each entry of an axis (folded batch norm)",
    ),
    _with_attrs(
        "embedding", "network", (2, 2), "embedding", (), meaning.embedding, "rows of a table"
    ),
    _elementwise("relu", "network", (1, 1), "activation", meaning.relu, "max(x, 0)"),
    _with_attrs(
        "leaky_relu",
        "network",
        (1, 1),
        "activation",
        (AttrSpec("slope", "number", required=True),),
        meaning.leaky_relu,
        "x, or slope * x below 0",
        elementwise=True,
    ),
    _with_attrs(
        "hardtanh",
        "network",
        (1, 1),
        "activation",
        (AttrSpec("low", "number", required=True), AttrSpec("high", "number", required=True)),
        meaning.hardtanh,
        "clamped to low..high",
        elementwise=True,
    ),
    _elementwise("tanh", "network", (1, 1), "activation", np.tanh, "hyperbolic tangent", cost=2),
    _elementwise(
        "sigmoid", "network", (1, 1), "activation", meaning.sigmoid, "1/(1+exp(-x))", cost=2
    ),
    _with_attrs(
        "softmax",
        "network",
        (1, 1),
        "softmax",
        (AttrSpec("axis", "int"),),
        meaning.softmax,
        "exponentials over their sum, shifted by the maximum",
        cost=4,
    ),
)

OPS: Mapping[str, OpSpec] = {spec.code: spec for spec in _SPECS}

# Structured ops have loops and bodies instead of attributes; their rules are in `ir.infer`.
STRUCTURED = ("map", "reduce", "scan")

# reduce kind -> (numpy accumulation, value of an empty range; None: the range must not be empty)
REDUCTIONS: Mapping[str, tuple[Callable[[Any, Any], Any] | None, int | None]] = {
    "add": (np.add, 0),
    "count": (np.add, 0),
    "and": (np.minimum, 1),
    "or": (np.maximum, 0),
    "xor": (meaning.bit_xor, 0),
    "min": (np.minimum, None),
    "max": (np.maximum, None),
    "argmax": (None, None),
}
