"""Checked access to ONNX nodes and tensors, which come from strangers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddc.ir import DdcError

from .records import quote
from .tensors import widen

if TYPE_CHECKING:
    from .onnx import Walk

MAX_AXES = 16
MAX_TENSOR_NUMBERS = 1 << 30


class Node:
    """One node with checked access to its attributes and constant inputs."""

    def __init__(self, walk: Walk, node: Any) -> None:
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
        return array_of(value) if name == "value" else np.asarray(value)


_CONSTANT_ATTRIBUTES = ("value", "value_float", "value_floats", "value_int", "value_ints")


def array_of(tensor: Any) -> np.ndarray:
    """Return the entries of a tensor; raise `DdcError` for one that is too large or malformed."""
    import onnx

    count = 1
    for size in tensor.dims:
        count *= size
    if len(tensor.dims) > MAX_AXES or not 0 <= count <= MAX_TENSOR_NUMBERS:
        raise DdcError(f"tensor {quote(tensor.name)} has an absurd shape")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise DdcError(f"tensor {quote(tensor.name)} lies outside the file, which is not supported")
    try:
        array: np.ndarray = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise DdcError(f"tensor {quote(tensor.name)} is broken: {quote(error)}") from None
    if tensor.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16):
        array = widen(array, "<f4")
    return array
