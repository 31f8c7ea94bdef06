"""Read ONNX graphs: checked, then a static walk along one straight chain of nodes.

Nothing is inferred by running: shapes must be constants, and whatever is not in the table of
operators is refused by its name.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ddc.ir import DdcError

from .chain import fold_padding, linear, vector
from .files import read_bytes
from .records import Layer, Network, about, quote

MAX_MODEL_BYTES = 1 << 30
OLDEST_OPSET = 9
MAX_AXES = 16


def read(path: Path, model: str | None, trust: bool) -> Network:
    """Return the network of an ONNX file, whose graph must be a straight chain."""
    with about(str(path)):
        if model is not None:
            raise DdcError("an ONNX graph needs no --model: leave it out")
        data = read_bytes(path, MAX_MODEL_BYTES)
        hashed = hashlib.sha256(data)
        proto = _parse(data)
        _load_external(proto, path.resolve().parent, hashed)
        _check(proto)
        walk = _Walk(proto)
        for node in proto.graph.node:
            walk.visit(node)
        walk.finish()
        metadata = {prop.key: prop.value for prop in proto.metadata_props}
        signature = [metadata.get(f"ddc_{key}", metadata.get(key)) for key in ("input", "output")]
        return Network(
            fold_padding(walk.layers),
            signature[0],
            signature[1],
            hashed.hexdigest(),
            str(path),
            walk.input_name,
            walk.input_shape,
        )


def _parse(data: bytes) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError:
        raise DdcError("this needs onnx: pip install 'deep-distilling-compiler[onnx]'") from None
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, RecursionError):
        raise DdcError("not an ONNX file, or a truncated one") from None
    if not proto.graph.node and not proto.graph.output:
        raise DdcError("not an ONNX file: no graph in it")
    return proto


def _check(proto: Any) -> None:
    import onnx

    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise DdcError(f"onnx.checker refuses it: {quote(' '.join(str(error).split()))}") from None
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 0))
    if opset < OLDEST_OPSET:
        raise DdcError(f"opset {opset} is older than {OLDEST_OPSET}: export it again")


def _load_external(proto: Any, folder: Path, hashed: Any) -> None:
    """Take weights that lie in files beside the model into it; a path out of its folder is refused."""
    import onnx

    budget = MAX_MODEL_BYTES
    files: dict[str, bytes] = {}
    for tensor in proto.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in files:
            files[location] = read_bytes(_beside(folder, location), MAX_MODEL_BYTES)
            hashed.update(files[location])
        data = files[location]
        try:
            start = int(entries.get("offset", "0"))
            length = int(entries.get("length", str(len(data) - start)))
        except ValueError:
            raise DdcError(f"tensor {quote(tensor.name)} lies at no place in its file") from None
        budget -= length
        if start < 0 or length < 0 or start + length > len(data) or budget < 0:
            raise DdcError(f"tensor {quote(tensor.name)} reaches outside its file of weights")
        tensor.raw_data = data[start : start + length]
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _beside(folder: Path, location: str) -> Path:
    name = PurePosixPath(location)
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder) and stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not location or name.is_absolute() or ".." in name.parts or not inside:
        raise DdcError(
            f"its weights lie in {quote(location)}, which is no regular file in the model's folder"
        )
    return path


class _Walk:
    """Follows the one value that flows from the graph's input, and the constants beside it."""

    def __init__(self, proto: Any) -> None:
        graph = proto.graph
        self.layers: list[Layer] = []
        self.outputs = [value.name for value in graph.output]
        if graph.sparse_initializer:
            raise DdcError("sparse initializers are not supported")
        self.constants = {tensor.name: _array(tensor) for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in self.constants]
        if len(inputs) != 1:
            raise DdcError(f"the graph has {len(inputs)} inputs; supported: one array")
        if len(self.outputs) != 1:
            raise DdcError(f"the graph has {len(self.outputs)} outputs; supported: one array")
        self.input_name = self.current = str(inputs[0].name)
        shape = inputs[0].type.tensor_type.shape.dim
        sizes = tuple(d.dim_value if d.HasField("dim_value") else None for d in shape)
        if len(sizes) < 2:
            raise DdcError(f"the graph's input has {len(sizes)} axes: a batch axis must come first")
        self.batch: int | None = sizes[0]
        self.input_shape: tuple[int | None, ...] = sizes[1:]
        self.opset = max(e.version for e in proto.opset_import if e.domain in ("", "ai.onnx"))

    def visit(self, node: Any) -> None:
        item = _Node(self, node)
        if node.op_type == "Constant" and item.standard:
            self.constants[node.output[0]] = item.constant_value()
            return
        build = _OPERATORS.get(node.op_type) if item.standard else None
        if build is None:
            raise item.fail(f"is not supported; supported: {', '.join(sorted(_OPERATORS))}")
        if node.op_type == "Identity" and node.input[0] in self.constants:
            self.constants[node.output[0]] = self.constants[node.input[0]]
            return
        data = [name for name in node.input if name and name not in self.constants]
        if data != [self.current]:
            raise item.fail(
                "does not take the value just computed: only a straight chain is supported"
            )
        made = build(item)
        self.layers += made
        self.current = node.output[0]

    def finish(self) -> None:
        if self.outputs != [self.current]:
            raise DdcError(f"the output {quote(self.outputs[0])} is not the end of the chain")
        if not self.layers:
            raise DdcError("a graph without layers")


class _Node:
    """One node with checked access to its attributes and constant inputs."""

    def __init__(self, walk: _Walk, node: Any) -> None:
        import onnx

        self.walk = walk
        self.node = node
        self.path = str(node.name or node.output[0])
        self.standard = node.domain in ("", "ai.onnx")
        self.attrs: dict[str, Any] = {}
        for attribute in node.attribute:
            try:
                self.attrs[attribute.name] = onnx.helper.get_attribute_value(attribute)
            except ValueError:
                raise self.fail(f"has a broken attribute {quote(attribute.name)}") from None

    def fail(self, reason: str) -> DdcError:
        shapes = [
            f"{list(self.walk.constants[name].shape)}"
            for name in self.node.input
            if name in self.walk.constants
        ]
        weights = f", weights {', '.join(shapes)}" if shapes else ""
        return DdcError(
            f"node {quote(self.path)} ({quote(self.node.op_type)[1:-1]}{weights}) {reason}"
        )

    def constant(self, index: int) -> np.ndarray:
        """Return the constant at a place; raise if it is missing or computed."""
        found = self.optional(index)
        if found is None:
            raise self.fail(f"has no constant as input {index}")
        return found

    def optional(self, index: int) -> np.ndarray | None:
        inputs = self.node.input
        if index >= len(inputs) or not inputs[index]:
            return None
        if inputs[index] not in self.walk.constants:
            raise self.fail(f"computes its input {index}, which must be a constant")
        return self.walk.constants[inputs[index]]

    def weight(self, index: int, axes: int | None = None) -> np.ndarray:
        array = self.constant(index)
        if array.dtype.kind != "f" or array.size == 0 or (axes is not None and array.ndim != axes):
            raise self.fail(f"has an input {index} that is no array of floats of the right shape")
        return array

    def number(self, index: int, name: str) -> float:
        """Return a scalar that is an attribute in old opsets and an input in new ones."""
        array = self.optional(index)
        value = self.attrs.get(name) if array is None else array.item() if array.size == 1 else None
        if value is None or not np.isfinite(value):
            raise self.fail(f"has no finite number as {name}")
        return float(value)

    def integers(self, index: int, name: str) -> list[int]:
        """Return integers that are an attribute in old opsets and an input in new ones."""
        array = self.optional(index)
        value = self.attrs.get(name) if array is None else array
        if value is None or np.size(value) > MAX_AXES or np.asarray(value).dtype.kind != "i":
            raise self.fail(f"has no integers as {name}")
        return [int(n) for n in np.asarray(value).reshape(-1)]

    def per_axis(self, name: str, count: int, default: int, least: int) -> list[int]:
        value = self.attrs.get(name, [default] * count)
        if len(value) != count or any(n < least for n in value):
            raise self.fail(f"has {name} {list(value)[:MAX_AXES]}, which is not supported")
        return [int(n) for n in value]

    def constant_value(self) -> np.ndarray:
        name, value = next(iter(self.attrs.items()), ("", None))
        if len(self.attrs) != 1 or name not in _CONSTANT_ATTRIBUTES:
            raise self.fail("holds no numbers")
        return _array(value) if name == "value" else np.asarray(value)


_CONSTANT_ATTRIBUTES = ("value", "value_float", "value_floats", "value_int", "value_ints")


def _array(tensor: Any) -> np.ndarray:
    import onnx

    count = 1
    for size in tensor.dims:
        count *= size
    if len(tensor.dims) > MAX_AXES or not 0 <= count <= MAX_MODEL_BYTES:
        raise DdcError(f"tensor {quote(tensor.name)} has an absurd shape")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise DdcError(f"tensor {quote(tensor.name)} lies outside the file, which is not supported")
    try:
        array: np.ndarray = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise DdcError(f"tensor {quote(tensor.name)} is broken: {quote(error)}") from None
    if tensor.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16):
        array = array.astype(np.float32)
    return array


def _plain(kind: str) -> Callable[[_Node], list[Layer]]:
    return lambda node: [Layer(kind, node.path)]


def _gemm(node: _Node) -> list[Layer]:
    attrs = node.attrs
    if attrs.get("alpha", 1.0) != 1.0 or attrs.get("beta", 1.0) != 1.0 or attrs.get("transA", 0):
        raise node.fail("scales or transposes its input, which is not supported")
    weight = node.weight(1, 2)
    return [linear(node.path, weight if attrs.get("transB", 0) else weight.T, node.optional(2))]


def _matmul(node: _Node) -> list[Layer]:
    if node.node.input[0] in node.walk.constants:
        raise node.fail("has its weights on the left, which is not supported")
    return [linear(node.path, node.weight(1, 2).T, None)]


def _add(node: _Node) -> list[Layer]:
    """Take an addition as the bias of the matrix product just before it."""
    before = node.walk.layers[-1] if node.walk.layers else None
    place = 0 if node.node.input[0] in node.walk.constants else 1
    if before is None or before.kind != "linear" or "bias" in before.tensors:
        raise node.fail("is supported only as the bias right after MatMul")
    bias = vector(node.path, node.weight(place), before.tensors["weight"].shape[0])
    node.walk.layers[-1] = replace(before, tensors=before.tensors | {"bias": bias})
    return []


def _conv(node: _Node) -> list[Layer]:
    weight = node.weight(1)
    axes = weight.ndim - 2
    groups = node.attrs.get("group", 1)
    if axes not in (1, 2):
        raise node.fail("is supported over one or two axes only")
    if node.attrs.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise node.fail("has auto_pad, which is not supported: export it with explicit pads")
    if node.per_axis("kernel_shape", axes, 0, 0) not in ([0] * axes, list(weight.shape[2:])):
        raise node.fail("has a kernel_shape that differs from its weights")
    if groups < 1 or weight.shape[0] % groups:
        raise node.fail(f"has {groups} groups for {weight.shape[0]} channels")
    pads = node.per_axis("pads", 2 * axes, 0, 0)
    attrs: dict[str, object] = {
        "stride": tuple(node.per_axis("strides", axes, 1, 1)),
        "dilation": tuple(node.per_axis("dilations", axes, 1, 1)),
        "padding": tuple(zip(pads[:axes], pads[axes:], strict=True)),
        "padding_mode": "zeros",
        "groups": int(groups),
    }
    bias = node.optional(2)
    tensors = {"weight": weight}
    if bias is not None:
        tensors["bias"] = vector(node.path, bias, weight.shape[0])
    return [Layer(f"conv{axes}d", node.path, attrs, tensors)]


def _pad(node: _Node) -> list[Layer]:
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


def _clip(node: _Node) -> list[Layer]:
    low, high = node.number(1, "min"), node.number(2, "max")
    if not low < high:
        raise node.fail("has an empty range")
    return [Layer("hardtanh", node.path, {"low": low, "high": high})]


def _leaky_relu(node: _Node) -> list[Layer]:
    return [Layer("leaky_relu", node.path, {"slope": float(node.attrs.get("alpha", 0.01))})]


def _softmax(node: _Node) -> list[Layer]:
    axis = node.attrs.get("axis", -1 if node.walk.opset >= 13 else 1)
    if node.walk.opset < 13 and axis != -1:
        # Old opsets take the softmax over all axes from this one on.
        before = node.walk.layers[-1].kind if node.walk.layers else ""
        if axis != 1 or before not in ("linear", "flatten"):
            raise node.fail("has the meaning of an opset before 13: export it again")
    return [Layer("softmax", node.path, {"dim": int(axis)})]


def _batch_norm(node: _Node) -> list[Layer]:
    if node.attrs.get("training_mode", 0):
        raise node.fail("is in training mode: export the network after model.eval()")
    names = ("weight", "bias", "mean", "variance")
    tensors = {name: node.weight(index, 1) for index, name in enumerate(names, 1)}
    eps = float(node.attrs.get("epsilon", 1e-5))
    if len({array.shape for array in tensors.values()}) > 1:
        raise node.fail("has statistics of different sizes")
    if eps < 0 or bool((tensors["variance"].astype(np.float64) + eps <= 0).any()):
        raise node.fail("has a variance that is not positive")
    return [Layer("batch_norm", node.path, {"eps": eps, "axes": 0}, tensors)]


def _dropout(node: _Node) -> list[Layer]:
    training = node.optional(2)
    if training is not None and training.any():
        raise node.fail("is in training mode: export the network after model.eval()")
    return [Layer("dropout", node.path)]


def _cast(node: _Node) -> list[Layer]:
    import onnx

    types = onnx.TensorProto
    floats = (types.FLOAT, types.DOUBLE)
    integers = (types.INT64, types.INT32)
    target = node.attrs.get("to")
    if target in floats or (target in integers and not node.walk.layers):
        return []
    raise node.fail("is supported only to float or double (or to an integer, of the input)")


def _flatten(node: _Node) -> list[Layer]:
    if node.attrs.get("axis", 1) != 1:
        raise node.fail("is supported with axis 1 only")
    return [Layer("flatten", node.path, {"start": 1, "end": -1})]


def _reshape(node: _Node) -> list[Layer]:
    first, *rest = node.integers(1, "shape") or [1]
    batch = {0, -1} | ({node.walk.batch} if node.walk.batch is not None else set())
    free = [first, *rest].count(-1)
    if first not in batch or free > 1 or any(n == 0 or n < -1 for n in rest):
        raise node.fail("reshapes across the batch axis or copies sizes, which is not supported")
    return [Layer("reshape", node.path, {"shape": tuple(rest)})]


def _axes(kind: str) -> Callable[[_Node], list[Layer]]:
    def build(node: _Node) -> list[Layer]:
        axes = sorted(node.integers(1, "axes"), reverse=kind == "squeeze")
        if len(axes) > 1 and min(axes) < 0 or 0 in axes:
            raise node.fail(
                "moves the batch axis or several axes from the end, which is not supported"
            )
        return [Layer(kind, node.path, {"dim": axis}) for axis in axes]

    return build


def _greater(node: _Node) -> list[Layer]:
    bound = node.constant(1)
    if bound.any():
        raise node.fail("is supported only as x > 0")
    return [Layer("step", node.path)]


def _gather(node: _Node) -> list[Layer]:
    if node.attrs.get("axis", 0) != 0 or node.walk.layers:
        raise node.fail("is supported only as an embedding of the input")
    return [Layer("embedding", node.path, {}, {"weight": node.weight(0, 2)})]


_OPERATORS: dict[str, Callable[[_Node], list[Layer]]] = {
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
