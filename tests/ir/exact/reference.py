"""What networks mean, written a second time with fractions, one value at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ddc.ir import Constant, Module, Op, Scalar, levels
from ddc.ir.module import Global
from ddc.ir.types import dims, element


def forward(module: Module, row: Sequence[int]) -> list[Any]:
    """Return the flat outputs of the entry function for one flat row of inputs."""
    function = module.entry
    values: dict[str, np.ndarray[Any, Any]] = {}
    place = 0
    for param in function.params:
        shape = tuple(d.const for d in dims(param.type))
        count = math.prod(shape)
        flat = [Fraction(v) for v in row[place : place + count]]
        values[param.name] = np.array(flat, dtype=object).reshape(shape)
        place += count
    for op in function.body.ops:
        operands = [_value(o, values, module) for o in op.operands]
        values[op.result] = np.array(_OPS[op.code](op, *operands), dtype=object)
    results: list[Any] = []
    for name in function.body.yields:
        assert isinstance(name, str)
        results += values[name].ravel().tolist()
    return results


def domain(module: Module) -> list[tuple[int, ...]]:
    """Return all rows in counting order."""
    every: list[Sequence[int]] = []
    for param in module.entry.params:
        few = levels(_scalar(param.type))
        assert few is not None
        every += [few] * math.prod(d.const for d in dims(param.type))
    return list(itertools.product(*every))


def _scalar(type_: Any) -> Scalar:
    return element(type_)


def _value(operand: Any, values: dict[str, Any], module: Module) -> Any:
    if isinstance(operand, Global):
        constant = module.constant(operand.name)
        assert isinstance(constant, Constant)
        flat = [Fraction(v) for v in constant.array.ravel().tolist()]
        return np.array(flat, dtype=object).reshape(constant.array.shape)
    return values[operand] if isinstance(operand, str) else Fraction(operand)


def _each(function: Any) -> Any:
    def apply(op: Op, *operands: Any) -> Any:
        arrays = np.broadcast_arrays(*(np.array(o, dtype=object) for o in operands))
        flat = [function(op, *v) for v in zip(*(a.ravel().tolist() for a in arrays))]
        return np.array(flat, dtype=object).reshape(arrays[0].shape)

    return apply


def _dense(op: Op, x: Any, weight: Any, bias: Any = None) -> Any:
    z = x @ weight.T
    return z if bias is None else z + bias


def _attr(op: Op, name: str, default: Any) -> Any:
    value = op.attr(name)
    return default if value is None else value


def _conv(op: Op, x: Any, weight: Any, bias: Any = None) -> Any:
    axes = weight.ndim - 2
    stride = _attr(op, "stride", (1,) * axes)
    dilation = _attr(op, "dilation", (1,) * axes)
    padding = _attr(op, "padding", (0,) * 2 * axes)
    groups = _attr(op, "groups", 1)
    circular = op.attr("mode") == "circular"
    extent = []
    for a in range(axes):
        room = x.shape[a + 1] + padding[2 * a] + padding[2 * a + 1]
        extent.append((room - dilation[a] * (weight.shape[a + 2] - 1) - 1) // stride[a] + 1)
    result = np.zeros((len(weight), *extent), dtype=object)
    for output in range(len(weight)):
        group = output // (len(weight) // groups)
        for place in itertools.product(*map(range, extent)):
            total = Fraction(0) if bias is None else bias[output]
            for channel in range(weight.shape[1]):
                for tap in itertools.product(*map(range, weight.shape[2:])):
                    cell = []
                    for a in range(axes):
                        at = place[a] * stride[a] + tap[a] * dilation[a] - padding[2 * a]
                        size = x.shape[a + 1]
                        if circular:
                            at = at + size if at < 0 else at - size if at >= size else at
                        cell.append(at)
                    if all(0 <= at < size for at, size in zip(cell, x.shape[1:])):
                        source = x[(group * weight.shape[1] + channel, *cell)]
                        total += weight[(output, channel, *tap)] * source
            result[(output, *place)] = total
    return result


def _scale(op: Op, x: Any, factor: Any, shift: Any) -> Any:
    result = np.empty(x.shape, dtype=object)
    for place in itertools.product(*map(range, x.shape)):
        k = place[_attr(op, "axis", 0)]
        result[place] = x[place] * factor[k] + shift[k]
    return result


def _rows(op: Op, x: Any, table: Any) -> Any:
    found = [table[int(v)] for v in x.ravel().tolist()]
    return np.array(found, dtype=object).reshape(*x.shape, table.shape[1])


def _onehot(op: Op, x: Any) -> Any:
    size = op.attr("size")
    assert isinstance(size, int)
    hot = [[Fraction(int(v == k)) for k in range(size)] for v in x.ravel().tolist()]
    return np.array(hot, dtype=object).reshape(*x.shape, size)


def _argmax(op: Op, x: Any) -> Any:
    axis = _attr(op, "axis", x.ndim - 1)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    result = np.empty(shape, dtype=object)
    for place in itertools.product(*map(range, shape)):
        row = [x[(*place[:axis], k, *place[axis:])] for k in range(x.shape[axis])]
        result[place] = row.index(max(row))
    return result


def _sign(v: Fraction) -> int:
    return (v > 0) - (v < 0)


_OPS: dict[str, Any] = {
    "dense": _dense,
    "conv": _conv,
    "scale": _scale,
    "embedding": _rows,
    "onehot": _onehot,
    "argmax": _argmax,
    "reshape": lambda op, x: x.reshape(tuple(d.const for d in op.shape)),
    "concat": lambda op, *x: np.concatenate(x),
    "relu": _each(lambda op, v: max(v, Fraction(0))),
    "leaky_relu": _each(lambda op, v: v if v >= 0 else v * op.attr("slope")),
    "hardtanh": _each(lambda op, v: min(max(v, op.attr("low")), op.attr("high"))),
    "sign": _each(lambda op, v: Fraction(_sign(v))),
    "step": _each(lambda op, v: Fraction(int(v > 0))),
    "round": _each(lambda op, v: Fraction(round(v))),
    "add": _each(lambda op, *v: sum(v, Fraction(0))),
    "sub": _each(lambda op, a, b: a - b),
    "neg": _each(lambda op, a: -a),
    "mul": _each(lambda op, *v: math.prod(v, start=Fraction(1))),
    "gt": _each(lambda op, a, b: Fraction(int(a > b))),
    "ge": _each(lambda op, a, b: Fraction(int(a >= b))),
    "lt": _each(lambda op, a, b: Fraction(int(a < b))),
    "le": _each(lambda op, a, b: Fraction(int(a <= b))),
    "eq": _each(lambda op, a, b: Fraction(int(a == b))),
    "ne": _each(lambda op, a, b: Fraction(int(a != b))),
}
