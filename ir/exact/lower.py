"""From the ops of a network-level function to stages of units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ddc.ir.errors import DdcError
from ddc.ir.infer import value_types
from ddc.ir.meaning import conv_geometry
from ddc.ir.module import Function, Global, Module, Op, Operand
from ddc.ir.types import Missing, Type, dims, element, int_bounds, levels

from .activation import COMPARISONS, HALF, IDENTITY, SIGN, STEP, Activation, fused
from .graph import Graph, Input, Stage
from .sources import ConvSource, DenseSource, Floats, Ints, ListSource, Source

LARGEST_INT = 1 << 53
LARGEST_CONSTANT = 10**300
MOST_VALUES = 100_000_000


@dataclass(frozen=True, eq=False)
class Frame:
    """An array value: the numbers of its entries, and whether anybody else reads them."""

    ids: Ints
    shared: bool


@dataclass(frozen=True, eq=False)
class Choice:
    """The result of an argmax: entry i chooses among `rows[ids[i]]`."""

    ids: Ints
    rows: Ints


def lower(module: Module, verbatim: bool = False) -> Graph:
    """Return the stages of the entry function.

    Increasing output activations are removed in front of the decision where that is exact, ties
    included; `verbatim` keeps them. Raises `DdcError` that names the op which has no place in a
    network, or the input that is not discrete.
    """
    return _Lowering(module, verbatim).run()


class _Lowering:
    def __init__(self, module: Module, verbatim: bool) -> None:
        self.module = module
        self.function: Function = module.entry
        self.constants = dict(module.constants)
        self.types = value_types(self.function, module)
        self.verbatim = verbatim
        self.frames: dict[str, Frame | Choice] = {}
        self.stages: list[Stage] = []
        self.size = 0
        body = self.function.body
        self.uses = Counter(o for op in body.ops for o in op.operands)
        self.uses.update(body.yields)

    def run(self) -> Graph:
        inputs, levels_ = self._inputs()
        for op in self.function.body.ops:
            build = _BUILDERS.get(op.code)
            if build is None or op.body is not None:
                raise self.fail(op, "is no part of a network that can be evaluated exactly")
            self.frames[op.result] = build(self, op)
            if self.size > MOST_VALUES:
                raise self.fail(op, f"makes more than {MOST_VALUES} values")
        found = [self._result(operand) for operand in self.function.body.yields]
        chosen = [frame for frame in found if isinstance(frame, Choice)]
        if len(chosen) not in (0, len(found)) or any(c.rows is not chosen[0].rows for c in chosen):
            raise DdcError(f"@{self.function.name}: argmax beside other results is not supported")
        bounds: list[tuple[int, int] | None] = []
        for frame, result in zip(found, self.function.results):
            bounds += [_bounds(result.type)] * frame.ids.size
        results = np.concatenate([frame.ids.ravel() for frame in found])
        choices = chosen[0].rows if chosen else None
        if not chosen:
            self.check_evaluated(results)
        return Graph(inputs, levels_, tuple(self.stages), results, tuple(bounds), choices)

    def fail(self, op: Op, reason: str) -> DdcError:
        return DdcError(f"@{self.function.name}: {op.code} (%{', %'.join(op.results)}) {reason}")

    # ------------------------------------------------------------ inputs, operands

    def _inputs(self) -> tuple[tuple[Input, ...], tuple[Sequence[int], ...]]:
        inputs: list[Input] = []
        every: list[Sequence[int]] = []
        for param in self.function.params:
            shape = self.shape(param.name, param.type)
            entry = Input(param.name, shape, self.size)
            if self.size + entry.count > MOST_VALUES:
                raise DdcError(f"input {param.name} has more than {MOST_VALUES} values")
            every += [_levels(param.name, param.type)] * entry.count
            ids = np.arange(self.size, self.size + entry.count).reshape(shape)
            self.frames[param.name] = Frame(ids, True)
            self.size += entry.count
            inputs.append(entry)
        return tuple(inputs), tuple(every)

    def shape(self, name: str, type_: Type) -> tuple[int, ...]:
        for dim in dims(type_):
            if not dim.is_const:
                raise DdcError(f"%{name}: a network has fixed sizes, not {type_}")
        return tuple(dim.const for dim in dims(type_))

    def _result(self, operand: Operand) -> Frame | Choice:
        if not isinstance(operand, str):
            raise DdcError(f"@{self.function.name}: a network returns values, not constants")
        return self.frames[operand]

    def frame(self, op: Op, position: int = 0) -> Frame:
        operand = op.operands[position]
        found = self.frames.get(operand) if isinstance(operand, str) else None
        if isinstance(found, Choice):
            raise self.fail(op, "of an argmax is not supported")
        if found is None:
            raise self.fail(op, "of a constant is not supported")
        return replace(found, shared=found.shared or self.uses[operand] > 1)

    def array(self, op: Op, position: int) -> Floats:
        operand = op.operands[position]
        if not isinstance(operand, Global):
            raise self.fail(op, "needs constant weights")
        return self._exact(op, self.constants[operand.name].array)

    def bias(self, op: Op, position: int, count: int) -> Floats:
        return self.array(op, position) if len(op.operands) > position else np.zeros(count)

    def _exact(self, op: Op, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Floats:
        whole = array.dtype.kind != "f" and array.size > 0
        if whole and max(int(np.max(array)), -int(np.min(array))) > LARGEST_INT:
            raise self.fail(op, "has an integer weight beyond 2^53")
        values = array.astype(np.float64, copy=False)
        if not np.isfinite(values).all():
            raise self.fail(op, "has a weight that is not a finite number")
        return values

    def number(self, op: Op, value: int | Fraction) -> float:
        try:
            nearest = float(value)
        except OverflowError:
            nearest = float("inf")
        if not np.isfinite(nearest) or Fraction(nearest) != value:
            raise self.fail(op, "has a constant that is no binary64 number")
        return nearest

    # ------------------------------------------------------------ stages

    def stage(self, source: Source, shape: tuple[int, ...], activation: Activation) -> Frame:
        ids = np.arange(self.size, self.size + source.count).reshape(shape)
        self.stages.append(Stage(self.size, source, activation))
        self.size += source.count
        return Frame(ids, False)

    def last(self, frame: Frame) -> Stage | None:
        """Return the last stage where the frame is all of it, in order, and nobody else's."""
        if frame.shared or not self.stages:
            return None
        stage = self.stages[-1]
        own = frame.ids.size == stage.source.count
        if own and np.array_equal(frame.ids.ravel(), np.arange(stage.start, stage.stop)):
            return stage
        return None

    def activated(self, frame: Frame, activation: Activation) -> Frame:
        """Apply a function to every entry, within the stage that computes them where possible."""
        stage = self.last(frame)
        if stage is not None and (stage.activation == IDENTITY or not self.verbatim):
            joined = fused(stage.activation, activation)
            if joined is not None:
                stage.activation = joined
                return frame
        shape = frame.ids.shape
        flat = frame.ids.reshape(-1, 1)
        self.check_evaluated(flat.ravel())
        source = ListSource(flat, np.ones(flat.shape), np.zeros(len(flat)))
        return self.stage(source, shape, activation)

    def check_evaluated(self, ids: Ints) -> None:
        for stage in self.stages:
            if stage.activation.kind != "softmax" or self.verbatim:
                continue
            if ((ids >= stage.start) & (ids < stage.stop)).any():
                raise DdcError(
                    f"@{self.function.name}: softmax is decided exactly only in front of an "
                    "argmax of the same numbers, or of a comparison of two classes with 0.5"
                )


def _levels(name: str, type_: Type) -> Sequence[int]:
    scalar = element(type_)
    if isinstance(scalar, Missing):
        raise DdcError(f"input {name} may be missing: only discrete inputs are decided exactly")
    few = levels(scalar)
    if few is not None:
        return few
    bounds = int_bounds(scalar)
    low, high = bounds if bounds is not None else (None, None)
    if low is None or high is None:
        raise DdcError(
            f"input {name} is {type_}: only inputs of bounded discrete types are decided exactly"
        )
    if low < -LARGEST_INT or high > LARGEST_INT:
        raise DdcError(f"input {name} is {type_}: its range goes beyond 2^53")
    return range(low, high + 1)


def _bounds(type_: Type) -> tuple[int, int] | None:
    found = int_bounds(element(type_))
    if found is None:
        return None
    low, high = found
    far = 1 << 62
    return (-far if low is None else low), (far if high is None else high)


# ---------------------------------------------------------------- one builder per op


def _dense(lowering: _Lowering, op: Op) -> Frame:
    x, weight = lowering.frame(op), lowering.array(op, 1)
    lowering.check_evaluated(x.ids.ravel())
    source = DenseSource(
        x.ids.reshape(-1, weight.shape[1]), weight, lowering.bias(op, 2, len(weight))
    )
    return lowering.stage(source, (*x.ids.shape[:-1], len(weight)), IDENTITY)


def _conv(lowering: _Lowering, op: Op) -> Frame:
    x, weight = lowering.frame(op), lowering.array(op, 1)
    lowering.check_evaluated(x.ids.ravel())
    stride, dilation, padding, groups, circular = conv_geometry(op, weight.ndim - 2)
    shape = lowering.shape(op.result, lowering.types[op.result])
    source = ConvSource(
        x.ids,
        weight,
        lowering.bias(op, 2, len(weight)),
        shape,
        tuple(stride),
        tuple(dilation),
        tuple(low for low, _ in padding),
        groups,
        circular,
    )
    return lowering.stage(source, shape, IDENTITY)


def _scale(lowering: _Lowering, op: Op) -> Frame:
    x, factor, shift = lowering.frame(op), lowering.array(op, 1), lowering.array(op, 2)
    lowering.check_evaluated(x.ids.ravel())
    axis = op.attr("axis") or 0
    assert isinstance(axis, int)
    place = np.indices(x.ids.shape)[axis].ravel()
    source = ListSource(x.ids.reshape(-1, 1), factor[place][:, None], shift[place])
    return lowering.stage(source, x.ids.shape, IDENTITY)


def _indicators(lowering: _Lowering, frame: Frame, size: int) -> Frame:
    """One unit for each entry and each of its `size` values: 1 where the entry has that value."""
    columns = np.repeat(frame.ids.ravel(), size)[:, None]
    bias = -np.tile(np.arange(size, dtype=np.float64), frame.ids.size)
    source = ListSource(columns, np.ones(columns.shape), bias)
    equal = Activation("compare", outcomes=COMPARISONS["eq"])
    return lowering.stage(source, (*frame.ids.shape, size), equal)


def _onehot(lowering: _Lowering, op: Op) -> Frame:
    size = op.attr("size")
    assert isinstance(size, int)
    return _indicators(lowering, lowering.frame(op), size)


def _embedding(lowering: _Lowering, op: Op) -> Frame:
    x, table = lowering.frame(op), lowering.array(op, 1)
    hot = _indicators(lowering, x, len(table))
    width = int(table.shape[1])
    bias: Floats = np.zeros(width)
    source = DenseSource(hot.ids.reshape(-1, len(table)), table.T.copy(), bias)
    return lowering.stage(source, (*x.ids.shape, width), IDENTITY)


def _elementwise(
    kind: str, *attrs: str, outcomes: tuple[int, int, int] = STEP
) -> Callable[[_Lowering, Op], Frame]:
    def build(lowering: _Lowering, op: Op) -> Frame:
        numbers: dict[str, Any] = {name: _exactly(lowering, op, op.attr(name)) for name in attrs}
        activation = replace(Activation(kind, outcomes=outcomes), **numbers)
        return lowering.activated(lowering.frame(op), activation)

    return build


def _exactly(lowering: _Lowering, op: Op, value: object) -> Fraction:
    number = Fraction(value) if isinstance(value, (int, Fraction)) else None
    if number is None or abs(number) > LARGEST_CONSTANT:
        raise lowering.fail(op, "has a constant that is too large")
    return number


def _round(lowering: _Lowering, op: Op) -> Frame:
    frame = lowering.frame(op)
    operand = op.operands[0]
    whole = isinstance(operand, str) and _bounds(lowering.types[operand]) is not None
    return frame if whole else lowering.activated(frame, Activation("round"))


def _along(ids: Ints, axis: int) -> Ints:
    """Return the entries along an axis as rows."""
    return np.moveaxis(ids, axis, -1).reshape(-1, ids.shape[axis])


def _softmax(lowering: _Lowering, op: Op) -> Frame:
    frame, axis = lowering.frame(op), op.attr("axis") or 0
    assert isinstance(axis, int)
    if not lowering.verbatim:
        marked = lowering.activated(frame, Activation("softmax"))
        lowering.stages[-1].groups = _along(marked.ids, axis)
        return marked
    rows = _along(frame.ids, axis)
    source = ListSource(rows.reshape(-1, 1), np.ones((rows.size, 1)), np.zeros(rows.size))
    moved = np.moveaxis(frame.ids, axis, -1).shape
    shares = lowering.stage(source, moved, Activation("softmax", group=rows.shape[1]))
    return Frame(np.moveaxis(shares.ids, -1, axis), False)


def _argmax(lowering: _Lowering, op: Op) -> Choice:
    frame, axis = lowering.frame(op), op.attr("axis")
    at = axis if isinstance(axis, int) else frame.ids.ndim - 1
    rows = _along(frame.ids, at)
    stage = lowering.last(frame)
    # The greatest stays the greatest, and equals stay equal, under a strictly increasing function.
    if stage is not None and not lowering.verbatim:
        same = stage.groups is not None and np.array_equal(rows, stage.groups)
        if stage.activation.kind in ("tanh", "sigmoid") or same:
            stage.activation, stage.groups = IDENTITY, None
    lowering.check_evaluated(frame.ids.ravel())
    shape = frame.ids.shape
    return Choice(np.arange(len(rows)).reshape(shape[:at] + shape[at + 1 :]), rows)


def _sum(lowering: _Lowering, op: Op, signs: Sequence[int]) -> Frame:
    """Lower a sum of values and constants, each with its sign."""
    frames = [
        (sign, lowering.frame(op, i))
        for i, (sign, operand) in enumerate(zip(signs, op.operands))
        if isinstance(operand, str)
    ]
    shape = max((frame.ids.shape for _, frame in frames), key=len, default=())
    count = int(np.prod(shape))
    bias = [Fraction(0)] * count
    for i, (sign, operand) in enumerate(zip(signs, op.operands)):
        if isinstance(operand, Global):
            flat = np.broadcast_to(lowering.array(op, i), shape).ravel().tolist()
            bias = [b + sign * Fraction(v) for b, v in zip(bias, flat)]
        elif not isinstance(operand, str):
            bias = [b + sign * Fraction(operand) for b in bias]
    for _, frame in frames:
        lowering.check_evaluated(frame.ids.ravel())
    columns = [np.broadcast_to(frame.ids, shape).ravel() for _, frame in frames]
    weights = [np.full(count, float(sign)) for sign, _ in frames]
    source = ListSource(
        np.stack(columns, axis=1),
        np.stack(weights, axis=1),
        np.array([lowering.number(op, b) for b in bias]),
    )
    return lowering.stage(source, shape, IDENTITY)


def _add(lowering: _Lowering, op: Op) -> Frame:
    return _sum(lowering, op, [1] * len(op.operands))


def _sub(lowering: _Lowering, op: Op) -> Frame:
    return _sum(lowering, op, [1, -1])


def _neg(lowering: _Lowering, op: Op) -> Frame:
    return _sum(lowering, op, [-1])


def _mul(lowering: _Lowering, op: Op) -> Frame:
    """Lower a product of one value and constants."""
    variable = [i for i, operand in enumerate(op.operands) if isinstance(operand, str)]
    if len(variable) != 1:
        raise lowering.fail(op, "of several values is not supported")
    frame = lowering.frame(op, variable[0])
    lowering.check_evaluated(frame.ids.ravel())
    shape = frame.ids.shape
    factors = [Fraction(1)] * frame.ids.size
    for i, operand in enumerate(op.operands):
        if isinstance(operand, Global):
            flat = np.broadcast_to(lowering.array(op, i), shape).ravel().tolist()
            factors = [f * Fraction(v) for f, v in zip(factors, flat)]
        elif not isinstance(operand, str):
            factors = [f * Fraction(operand) for f in factors]
    weights = np.array([lowering.number(op, f) for f in factors])
    source = ListSource(frame.ids.reshape(-1, 1), weights[:, None], np.zeros(len(weights)))
    return lowering.stage(source, shape, IDENTITY)


def _compare(lowering: _Lowering, op: Op) -> Frame:
    """Lower a comparison of a value with a literal, of two values, or with a constant array."""
    outcomes = COMPARISONS[op.code]
    literals = [i for i, operand in enumerate(op.operands) if isinstance(operand, (int, Fraction))]
    if len(literals) != 1:
        difference = _sum(lowering, op, [1, -1])
        return lowering.activated(difference, Activation("compare", outcomes=outcomes))
    (position,) = literals
    cut = _exactly(lowering, op, op.operands[position])
    if position == 0:
        outcomes = (outcomes[2], outcomes[1], outcomes[0])
    frame = lowering.frame(op, 1 - position)
    activation = Activation("compare", cut, outcomes)
    stage = lowering.last(frame)
    if stage is not None and stage.activation.kind == "softmax" and not lowering.verbatim:
        return _compare_softmax(lowering, op, frame, stage, activation)
    return lowering.activated(frame, activation)


def _compare_softmax(
    lowering: _Lowering, op: Op, frame: Frame, stage: Stage, activation: Activation
) -> Frame:
    """Compare the probabilities of two classes with one half: which number is greater?"""
    groups = stage.groups
    if groups is None or groups.shape[1] != 2 or activation.cut != HALF:
        raise lowering.fail(op, "of a softmax is supported for two classes and 0.5 only")
    stage.activation, stage.groups = IDENTITY, None
    other = np.empty(frame.ids.size, np.int64)
    other[groups - stage.start] = groups[:, ::-1]
    columns = np.stack([frame.ids.ravel(), other], axis=1)
    weights = np.broadcast_to(np.array([1.0, -1.0]), columns.shape)
    difference = ListSource(columns, weights, np.zeros(len(columns)))
    return lowering.stage(difference, frame.ids.shape, replace(activation, cut=Fraction(0)))


def _reshape(lowering: _Lowering, op: Op) -> Frame | Choice:
    operand = op.operands[0]
    found = lowering.frames.get(operand) if isinstance(operand, str) else None
    if isinstance(found, Choice):
        return replace(
            found, ids=found.ids.reshape(lowering.shape(op.result, lowering.types[op.result]))
        )
    frame = lowering.frame(op)
    shape = lowering.shape(op.result, lowering.types[op.result])
    return replace(frame, ids=frame.ids.reshape(shape))


def _concat(lowering: _Lowering, op: Op) -> Frame:
    frames = [lowering.frame(op, i) for i in range(len(op.operands))]
    return Frame(np.concatenate([f.ids for f in frames]), any(f.shared for f in frames))


def _pack(lowering: _Lowering, op: Op) -> Frame:
    frames = [lowering.frame(op, i) for i in range(len(op.operands))]
    ids = np.array([int(f.ids) for f in frames]).reshape([d.const for d in op.shape])
    return Frame(ids, any(f.shared for f in frames))


_BUILDERS: dict[str, Callable[[_Lowering, Op], Frame | Choice]] = {
    "dense": _dense,
    "conv": _conv,
    "scale": _scale,
    "embedding": _embedding,
    "onehot": _onehot,
    "reshape": _reshape,
    "concat": _concat,
    "pack": _pack,
    "softmax": _softmax,
    "argmax": _argmax,
    "round": _round,
    "add": _add,
    "sub": _sub,
    "neg": _neg,
    "mul": _mul,
    "relu": _elementwise("ramp"),
    "leaky_relu": _elementwise("ramp", "slope"),
    "hardtanh": _elementwise("clip", "low", "high"),
    "tanh": _elementwise("tanh"),
    "sigmoid": _elementwise("sigmoid"),
    "step": _elementwise("compare", outcomes=STEP),
    "sign": _elementwise("compare", outcomes=SIGN),
    **dict.fromkeys(COMPARISONS, _compare),
}
