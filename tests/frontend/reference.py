"""Run records in double precision, written from the definitions alone: what the readers must mean."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.frontend import Layer, Network

Numbers = NDArray[np.float64]


def run(network: Network, inputs: NDArray[Any]) -> Numbers:
    """Return the network's numbers for a batch of inputs."""
    values = inputs if inputs.dtype.kind == "i" else inputs.astype(np.float64)
    for layer in network.layers:
        values = apply(layer, values)
    return values


def apply(layer: Layer, x: Any) -> Any:
    attrs: dict[str, Any] = dict(layer.attrs)
    match layer.kind:
        case "linear":
            return x @ layer.tensors["weight"].astype(np.float64).T + layer.tensors.get("bias", 0)
        case "conv1d" | "conv2d":
            return convolve(layer, x)
        case "batch_norm":
            shape = (1, -1) + (1,) * (x.ndim - 2)
            t = {k: v.astype(np.float64).reshape(shape) for k, v in layer.tensors.items()}
            scaled = (x - t["mean"]) / np.sqrt(t["variance"] + attrs["eps"])
            return scaled * t.get("weight", 1) + t.get("bias", 0)
        case "relu":
            return np.where(x > 0, x, 0.0)
        case "leaky_relu":
            return np.where(x > 0, x, attrs["slope"] * x)
        case "hardtanh":
            return np.minimum(np.maximum(x, attrs["low"]), attrs["high"])
        case "tanh":
            return np.tanh(x)
        case "sigmoid":
            return 1 / (1 + np.exp(-x))
        case "softmax":
            exps = np.exp(x - x.max(axis=attrs["dim"], keepdims=True))
            return exps / exps.sum(axis=attrs["dim"], keepdims=True)
        case "sign":
            return (x > 0) * 1.0 - (x < 0)
        case "step":
            return (x > 0) * 1.0
        case "embedding":
            return layer.tensors["weight"].astype(np.float64)[x.astype(np.int64)]
        case "flatten":
            last = attrs["end"] % x.ndim
            return x.reshape(*x.shape[: attrs["start"]], -1, *x.shape[last + 1 :])
        case "unflatten":
            axis = attrs["dim"] % x.ndim
            return x.reshape(*x.shape[:axis], *attrs["sizes"], *x.shape[axis + 1 :])
        case "reshape":
            return x.reshape(len(x), *attrs["shape"])
        case "unsqueeze":
            return np.expand_dims(x, attrs["dim"])
        case "squeeze":
            return np.squeeze(x, attrs["dim"])
        case "dropout" | "identity":
            return x
    raise AssertionError(layer.kind)


def convolve(layer: Layer, x: Numbers) -> Numbers:
    """Sum over the window, cell by cell."""
    attrs: dict[str, Any] = dict(layer.attrs)
    weight = layer.tensors["weight"].astype(np.float64)
    mode: Any = "wrap" if attrs["padding_mode"] == "circular" else "constant"
    x = np.pad(x, [(0, 0), (0, 0), *attrs["padding"]], mode=mode)
    axes, groups = weight.ndim - 2, attrs["groups"]
    stride, dilation = attrs["stride"], attrs["dilation"]
    sizes = [
        (x.shape[i + 2] - dilation[i] * (weight.shape[i + 2] - 1) - 1) // stride[i] + 1
        for i in range(axes)
    ]
    result = np.zeros((len(x), len(weight), *sizes))
    outs, ins = len(weight) // groups, weight.shape[1]
    for place in product(*map(range, sizes)):
        cut: Any = tuple(
            slice(p * s, p * s + d * k, d)
            for p, s, d, k in zip(place, stride, dilation, weight.shape[2:], strict=True)
        )
        for group in range(groups):
            rows = slice(group * outs, (group + 1) * outs)
            window = x[slice(None), slice(group * ins, (group + 1) * ins), *cut]
            sums = np.tensordot(window, weight[rows], (range(1, axes + 2), range(1, axes + 2)))
            target: Any = (slice(None), rows, *place)
            result[target] = sums
    result += layer.tensors.get("bias", np.zeros(1)).reshape(-1, *[1] * axes)
    return result
