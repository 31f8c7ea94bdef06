"""What readers of graphs share: constants into a straight chain of layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ddc.ir import DdcError

from .records import Layer


def fold_padding(layers: list[Layer]) -> list[Layer]:
    """Return the layers with every `pad` taken into the convolution that follows it."""
    folded: list[Layer] = []
    for layer in layers:
        if not folded or folded[-1].kind != "pad":
            folded.append(layer)
            continue
        pad = folded.pop()
        if layer.kind not in ("conv1d", "conv2d", "pad"):
            raise DdcError(f"{pad.describe()} is supported only in front of a convolution")
        folded.append(replace(layer, attrs=layer.attrs | _joined(pad, layer)))
    if folded and folded[-1].kind == "pad":
        raise DdcError(f"{folded[-1].describe()} is supported only in front of a convolution")
    return folded


def _joined(pad: Layer, conv: Layer) -> dict[str, object]:
    first, second = pad.attrs["padding"], conv.attrs["padding"]
    assert isinstance(first, tuple) and isinstance(second, tuple)
    if conv.kind != "pad" and len(first) > len(second):
        raise DdcError(f"{pad.describe()} pads {len(first)} axes of {conv.describe()}")
    # A list of pairs may stop early: the axes after it are not padded.
    size = max(len(first), len(second))
    first, second = (x + ((0, 0),) * (size - len(x)) for x in (first, second))
    modes = pad.attrs["padding_mode"], conv.attrs["padding_mode"]
    none = (0, 0)
    overlap = any(a != none and b != none for a, b in zip(first, second, strict=True))
    padded = any(pair != none for pair in second)
    # Wrapping commutes with wrapping another axis, and zeros with zeros; nothing else does.
    if padded and (modes[0] != modes[1] or (overlap and modes[0] == "circular")):
        raise DdcError(f"{pad.describe()} and {conv.describe()} both pad, which is not supported")
    pairs = tuple((a + c, b + d) for (a, b), (c, d) in zip(first, second, strict=True))
    return {"padding": pairs, "padding_mode": modes[0]}


def linear(path: str, weight: np.ndarray, bias: np.ndarray | None) -> Layer:
    """Return a `linear` layer from its matrix (out, in) and a bias that may broadcast."""
    if weight.ndim != 2 or weight.size == 0:
        raise DdcError(f"the weight of {path!a} is no matrix: shape {list(weight.shape)}")
    tensors = {"weight": weight}
    if bias is not None:
        tensors["bias"] = vector(path, bias, weight.shape[0])
    return Layer("linear", path, {}, tensors)


def vector(path: str, array: np.ndarray, size: int) -> np.ndarray:
    """Return an array that broadcasts over the last axis as a vector of `size` numbers."""
    if array.size not in (1, size) or array.ndim > 1 and array.shape[-1] != array.size:
        raise DdcError(f"{path!a} adds an array of shape {list(array.shape)} to {size} units")
    return np.broadcast_to(array.reshape(-1), (size,))
