"""Read ONNX graphs: checked, then a static walk along one straight chain of nodes.

Nothing is inferred by running: shapes must be constants, and whatever is not in the table of
operators is refused by its name.
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path, PurePosixPath
from typing import Any

from ddc.ir import DdcError

from .chain import fold_padding
from .files import read_bytes
from .onnx_nodes import Node, array_of
from .onnx_ops import OPERATORS, Slice, slice_of, wrapped
from .records import Layer, Network, about, quote

MAX_MODEL_BYTES = 1 << 30
OLDEST_OPSET = 9


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
        walk = Walk(proto)
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


class Walk:
    """Follows the one value that flows from the graph's input, and the constants beside it."""

    def __init__(self, proto: Any) -> None:
        graph = proto.graph
        self.layers: list[Layer] = []
        self.slices: dict[str, Slice] = {}
        self.outputs = [value.name for value in graph.output]
        if graph.sparse_initializer:
            raise DdcError("sparse initializers are not supported")
        self.constants = {tensor.name: array_of(tensor) for tensor in graph.initializer}
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
        item = Node(self, node)
        if node.op_type == "Constant" and item.standard:
            self.constants[node.output[0]] = item.constant_value()
            return
        if node.op_type == "Slice" and item.standard:
            self.slices[node.output[0]] = slice_of(item)
            return
        if node.op_type == "Concat" and item.standard:
            self.layers.append(wrapped(item))
            self.current = node.output[0]
            return
        build = OPERATORS.get(node.op_type) if item.standard else None
        if build is None:
            raise item.fail(f"is not supported; supported: {', '.join(sorted(OPERATORS))}")
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
