"""ONNX operators into layers: one closed table, attributes checked, nothing guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .chain import linear, vector
from .onnx_nodes import MAX_AXES, Node
from .records import Layer
from .tensors import widen

FAR = 1 << 31  # the end of a slice that means "to the end"


def _plain(kind: str) -> Callable[[Node], list[Layer]]:
    return lambda node: [Layer(kind, node.path)]


def _gemm(node: Node) -> list[Layer]:
    attrs = node.attrs
    if attrs.get("alpha", 1.0) != 1.0 or attrs.get("beta", 1.0) != 1.0 or attrs.get("transA", 0):
        raise node.fail("scales or transposes its input, which is not supported")
    weight = node.weight(1, 2)
    return [linear(node.path, weight if attrs.get("transB", 0) else weight.T, node.optional(2))]


def _matmul(node: Node) -> list[Layer]:
    if node.node.input[0] in node.walk.constants:
        raise node.fail("has its weights on the left, which is not supported")
    return [linear(node.path, node.weight(1, 2).T, None)]


def _add(node: Node) -> list[Layer]:
    """Take an addition as the bias of the matrix product just before it."""
    before = node.walk.layers[-1] if node.walk.layers else None
    place = 0 if node.node.input[0] in node.walk.constants else 1
    if before is None or before.kind != "linear" or "bias" in before.tensors:
        raise node.fail("is supported only as the bias right after MatMul")
    bias = vector(node.path, node.weight(place), before.tensors["weight"].shape[0])
    node.walk.layers[-1] = replace(before, tensors=before.tensors | {"bias": bias})
    return []


def _conv(node: Node) -> list[Layer]:
    weight = node.weight(1)
    axes = weight.ndim - 2
    groups = node.attrs.get("group", 1)
    if axes not in (1, 2):
        raise node.fail("is supported over one or two axes only")
    if node.per_axis("kernel_shape", axes, 0, 0) not in ([0] * axes, list(weight.shape[2:])):
        raise node.fail("has a kernel_shape that differs from its weights")
    if groups < 1 or weight.shape[0] % groups:
        raise node.fail(f"has {groups} groups for {weight.shape[0]} channels")
    stride, dilation = node.per_axis("strides", axes, 1, 1), node.per_axis("dilations", axes, 1, 1)
    spans = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    attrs: dict[str, object] = {
        "stride": tuple(stride),
        "dilation": tuple(dilation),
        "padding": _conv_padding(node, spans, stride),
        "padding_mode": "zeros",
        "groups": int(groups),
    }
    bias = node.optional(2)
    tensors = {"weight": weight}
    if bias is not None:
        tensors["bias"] = vector(node.path, bias, weight.shape[0])
    return [Layer(f"conv{axes}d", node.path, attrs, tensors)]


def _conv_padding(node: Node, spans: list[int], stride: list[int]) -> tuple[tuple[int, int], ...]:
    pads = node.per_axis("pads", 2 * len(spans), 0, 0)
    mode = node.attrs.get("auto_pad", b"NOTSET")
    if mode in (b"NOTSET", b"VALID"):
        return tuple(zip(pads[: len(spans)], pads[len(spans) :], strict=True))
    if mode not in (b"SAME_UPPER", b"SAME_LOWER") or max(stride) > 1:
        raise node.fail("has auto_pad with a stride: export it with explicit pads")
    halves = [(span // 2, span - span // 2) for span in spans]
    return tuple((a, b) if mode == b"SAME_UPPER" else (b, a) for a, b in halves)


def _pad(node: Node) -> list[Layer]:
    modes = {b"constant": "zeros", b"wrap": "circular"}
    mode = modes.get(node.attrs.get("mode", b"constant"))
    value = node.optional(2)
    if mode is None or node.attrs.get("value", 0) or (value is not None and value.any()):
        raise node.fail("is supported with zeros or mode wrap only")
    pads = node.integers(1, "pads")
    rank = len(pads) // 2
    listed = node.optional(3)
    if listed is None:
        pairs = dict(enumerate(zip(pads[:rank], pads[rank:], strict=False)))
    else:
        # Axes may count from the end; the convolution after it has the batch, channels, then these.
        total = len(node.walk.input_shape) + 1
        axes = [int(axis) % total for axis in listed.reshape(-1)]
        pairs = dict(zip(axes, zip(pads[:rank], pads[rank:], strict=False), strict=False))
        rank = total
    if any(pairs.get(axis, (0, 0)) != (0, 0) for axis in (0, 1)) or min(pads, default=0) < 0:
        raise node.fail("pads the batch or the channels, or cuts, which is not supported")
    padding = tuple(pairs.get(axis, (0, 0)) for axis in range(2, rank))
    return [Layer("pad", node.path, {"padding": padding, "padding_mode": mode})]


def _clip(node: Node) -> list[Layer]:
    low, high = node.number(1, "min"), node.number(2, "max")
    if not low < high:
        raise node.fail("has an empty range")
    return [Layer("hardtanh", node.path, {"low": low, "high": high})]


def _leaky_relu(node: Node) -> list[Layer]:
    return [Layer("leaky_relu", node.path, {"slope": float(node.attrs.get("alpha", 0.01))})]


def _softmax(node: Node) -> list[Layer]:
    axis = node.attrs.get("axis", -1 if node.walk.opset >= 13 else 1)
    if node.walk.opset < 13 and axis != -1:
        # Old opsets take the softmax over all axes from this one on.
        before = node.walk.layers[-1].kind if node.walk.layers else ""
        if axis != 1 or before not in ("linear", "flatten"):
            raise node.fail("has the meaning of an opset before 13: export it again")
    return [Layer("softmax", node.path, {"dim": int(axis)})]


def _batch_norm(node: Node) -> list[Layer]:
    if node.attrs.get("training_mode", 0):
        raise node.fail("is in training mode: export the network after model.eval()")
    names = ("weight", "bias", "mean", "variance")
    tensors = {name: node.weight(index, 1) for index, name in enumerate(names, 1)}
    eps = float(node.attrs.get("epsilon", 1e-5))
    if len({array.shape for array in tensors.values()}) > 1:
        raise node.fail("has statistics of different sizes")
    if eps < 0 or bool((widen(tensors["variance"]) + eps <= 0).any()):
        raise node.fail("has a variance that is not positive")
    return [Layer("batch_norm", node.path, {"eps": eps, "axes": 0}, tensors)]


def _dropout(node: Node) -> list[Layer]:
    training = node.optional(2)
    if training is not None and training.any():
        raise node.fail("is in training mode: export the network after model.eval()")
    return [Layer("dropout", node.path)]


def _cast(node: Node) -> list[Layer]:
    import onnx

    types = onnx.TensorProto
    floats = (types.FLOAT, types.DOUBLE)
    integers = (types.INT64, types.INT32)
    target = node.attrs.get("to")
    if target in floats or (target in integers and not node.walk.layers):
        return []
    raise node.fail("is supported only to float or double (or to an integer, of the input)")


def _flatten(node: Node) -> list[Layer]:
    if node.attrs.get("axis", 1) != 1:
        raise node.fail("is supported with axis 1 only")
    return [Layer("flatten", node.path, {"start": 1, "end": -1})]


def _reshape(node: Node) -> list[Layer]:
    first, *rest = node.integers(1, "shape") or [1]
    batch = {0, -1} | ({node.walk.batch} if node.walk.batch is not None else set())
    free = [first, *rest].count(-1)
    if first not in batch or free > 1 or any(n == 0 or n < -1 for n in rest):
        raise node.fail("reshapes across the batch axis or copies sizes, which is not supported")
    return [Layer("reshape", node.path, {"shape": tuple(rest)})]


def _axes(kind: str) -> Callable[[Node], list[Layer]]:
    def build(node: Node) -> list[Layer]:
        axes = sorted(node.integers(1, "axes"), reverse=kind == "squeeze")
        if len(axes) > 1 and min(axes) < 0 or 0 in axes:
            raise node.fail(
                "moves the batch axis or several axes from the end, which is not supported"
            )
        return [Layer(kind, node.path, {"dim": axis}) for axis in axes]

    return build


def _greater(node: Node) -> list[Layer]:
    bound = node.constant(1)
    if bound.any():
        raise node.fail("is supported only as x > 0")
    return [Layer("step", node.path)]


def _gather(node: Node) -> list[Layer]:
    if node.attrs.get("axis", 0) != 0 or node.walk.layers:
        raise node.fail("is supported only as an embedding of the input")
    return [Layer("embedding", node.path, {}, {"weight": node.weight(0, 2)})]


@dataclass(frozen=True)
class Slice:
    """A run of cells of a value along one axis, as it is written: ends may count from the end."""

    source: str
    axis: int
    start: int
    end: int


def slice_of(node: Node) -> Slice:
    """Return what a Slice node takes: one axis, one run, in steps of 1."""
    runs = [node.integers(i, name) for i, name in ((1, "starts"), (2, "ends"), (3, "axes"))]
    steps = node.optional(4)
    stepped = steps is not None and not bool((steps == 1).all())
    if (
        node.node.input[0] != node.walk.current
        or [len(run) for run in runs] != [1, 1, 1]
        or stepped
    ):
        raise node.fail("is supported only as part of circular padding")
    return Slice(node.node.input[0], runs[2][0], runs[0][0], runs[1][0])


def wrapped(node: Node) -> Layer:
    """Read `concat(last cells, all cells, first cells)`, which is how circular padding is exported."""
    names, current, axis = list(node.node.input), node.walk.current, node.attrs.get("axis", 0)
    place = names.index(current) if names.count(current) == 1 else 2
    parts = [node.walk.slices.get(name) for name in names if name != current]
    if place > 1 or len(names) - place > 2 or axis < 2 or axis >= MAX_AXES:
        raise node.fail("is supported only as part of circular padding")
    before = after = 0
    for part, is_first in zip(parts, [True] * place + [False], strict=False):
        if part is None or (part.source, part.axis) != (current, axis):
            raise node.fail("is supported only as part of circular padding")
        if is_first and part.start < 0 and part.end >= FAR:
            before = -part.start
        elif not is_first and part.start == 0 and part.end > 0:
            after = part.end
        else:
            raise node.fail("is supported only as part of circular padding")
    padding = tuple((0, 0) for _ in range(axis - 2)) + ((before, after),)
    return Layer("pad", node.path, {"padding": padding, "padding_mode": "circular"})


OPERATORS: dict[str, Callable[[Node], list[Layer]]] = {
    "Add": _add,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Conv": _conv,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "Greater": _greater,
    "Identity": _plain("identity"),
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "Pad": _pad,
    "Relu": _plain("relu"),
    "Reshape": _reshape,
    "Sigmoid": _plain("sigmoid"),
    "Sign": _plain("sign"),
    "Softmax": _softmax,
    "Squeeze": _axes("squeeze"),
    "Tanh": _plain("tanh"),
    "Unsqueeze": _axes("unsqueeze"),
}
