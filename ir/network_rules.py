"""Type rules of the network layers: dense, convolution, scale, embedding, activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .affine import Affine
from .ranges import TypeProblem
from .rules import Rule, concrete, need_number
from .types import REAL, Array, Type, dims, element, levels, with_dims

if TYPE_CHECKING:
    from .module import Op


def _affine_dims(shape: Sequence[int]) -> tuple[Affine, ...]:
    return tuple(Affine.of(d) for d in shape)


def _dense(_: Op, types: Sequence[Type]) -> Type:
    x, weight = types[0], types[1]
    need_number([element(x)])
    if len(dims(x)) < 1 or len(dims(weight)) != 2:
        raise TypeProblem("dense takes an array and a matrix [outputs, inputs]")
    outputs, inputs = dims(weight)
    if dims(x)[-1] != inputs:
        raise TypeProblem(f"dense takes {inputs} numbers, not {dims(x)[-1]}")
    if len(types) > 2 and dims(types[2]) != (outputs,):
        raise TypeProblem(f"dense needs {outputs} biases, not {types[2]}")
    return Array(REAL, (*dims(x)[:-1], outputs))


def ints(op: Op, name: str, count: int, default: int) -> tuple[int, ...]:
    """Return a list attribute of ints, `default` everywhere where it is not given."""
    value = op.attr(name)
    if value is None:
        return (default,) * count
    found = tuple(v for v in value if isinstance(v, int)) if isinstance(value, tuple) else ()
    if len(found) != count:
        raise TypeProblem(f"`{name}` needs {count} ints")
    return found


def _conv(op: Op, types: Sequence[Type]) -> Type:
    x = concrete(dims(types[0]), "conv")
    w = concrete(dims(types[1]), "conv")
    axes = len(w) - 2
    if axes < 1 or len(x) != axes + 1:
        raise TypeProblem("conv takes [channels, ...] and a kernel [outputs, channels, ...]")
    groups = op.attr("groups") or 1
    stride, dilation = ints(op, "stride", axes, 1), ints(op, "dilation", axes, 1)
    padding = ints(op, "padding", 2 * axes, 0)
    valid = isinstance(groups, int) and groups > 0 and w[0] % groups == 0
    if not valid or min(stride) < 1 or min(dilation) < 1 or min(padding) < 0:
        raise TypeProblem("conv needs positive strides and dilations and groups that divide")
    if x[0] != w[1] * int(str(groups)):
        raise TypeProblem(f"conv takes {w[1] * int(str(groups))} channels, not {x[0]}")
    if len(types) > 2 and dims(types[2]) != (Affine.of(w[0]),):
        raise TypeProblem(f"conv needs {w[0]} biases, not {types[2]}")
    shape = [w[0]]
    for axis in range(axes):
        padded = x[axis + 1] + padding[2 * axis] + padding[2 * axis + 1]
        room = padded - dilation[axis] * (w[axis + 2] - 1) - 1
        if room < 0:
            raise TypeProblem(f"a kernel of {w[axis + 2]} does not fit into {padded}")
        if op.attr("mode") == "circular" and max(padding[2 * axis : 2 * axis + 2]) > x[axis + 1]:
            raise TypeProblem("circular padding wider than the axis")
        shape.append(room // stride[axis] + 1)
    return Array(REAL, _affine_dims(shape))


def _scale(op: Op, types: Sequence[Type]) -> Type:
    need_number([element(types[0])])
    axis = op.attr("axis") or 0
    shape = dims(types[0])
    if not isinstance(axis, int) or not 0 <= axis < len(shape):
        raise TypeProblem(f"{types[0]} has no axis {axis}")
    if any(dims(t) != (shape[axis],) for t in types[1:]):
        raise TypeProblem(f"scale needs {shape[axis]} factors and shifts")
    return Array(REAL, shape)


def _embedding(_: Op, types: Sequence[Type]) -> Type:
    rows = concrete(dims(types[1]), "embedding")
    values = levels(element(types[0]))
    if len(rows) != 2:
        raise TypeProblem("embedding takes a table [tokens, width]")
    if values is None or values[0] < 0 or values[-1] >= rows[0]:
        raise TypeProblem(f"embedding takes ints in 0..{rows[0] - 1}, not {types[0]}")
    return Array(REAL, (*dims(types[0]), Affine.of(rows[1])))


def _activation(op: Op, types: Sequence[Type]) -> Type:
    need_number([element(types[0])])
    return with_dims(REAL, dims(types[0]))


def _softmax(op: Op, types: Sequence[Type]) -> Type:
    axis = op.attr("axis") or 0
    if not isinstance(axis, int) or not 0 <= axis < len(dims(types[0])):
        raise TypeProblem(f"{types[0]} has no axis {axis}")
    return _activation(op, types)


NETWORK_RULES: dict[str, Rule] = {
    "dense": _dense,
    "conv": _conv,
    "scale": _scale,
    "embedding": _embedding,
    "activation": _activation,
    "softmax": _softmax,
}
