"""Recurrent networks as layers: `ddc.recurrent/1` dicts, and the cells of torch's RNN, GRU, LSTM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ddc.ir import DdcError

from .records import Layer, quote

if TYPE_CHECKING:
    from .modules import Module

FORMAT = "ddc.recurrent/1"
MAX_DEPTH = 64  # linear layers of f or g, and stacked cells of one module
MAX_LENGTH = 1 << 16

# torch's classes -> kind of layer, and how many blocks of rows (gates) its matrices hold.
CELLS: dict[str, tuple[str, int]] = {"RNN": ("rnn", 1), "GRU": ("gru", 3), "LSTM": ("lstm", 4)}
CELL_KINDS = ("mlp_cell", "rnn", "gru", "lstm")


def recurrent_layers(root: Mapping[str, object]) -> list[Layer]:
    """Return the layers of a `ddc.recurrent/1` dict: the cell `h' = f([h, x])`, then `y = g(h')`.

    Raises `DdcError` where a matrix is missing, does not fit, or is left over.
    """
    f, g = _stack(root, "f"), _stack(root, "g")
    h0 = root.get("h0")
    if not isinstance(h0, np.ndarray) or h0.ndim != 1 or h0.dtype.kind != "f" or h0.size == 0:
        raise DdcError("'h0' is not a vector of numbers, the state before the first step")
    size = h0.size
    if f[-1][0].shape[0] != size or f[0][0].shape[1] <= size:
        raise DdcError(
            f"f takes {f[0][0].shape[1]} numbers and gives {f[-1][0].shape[0]}: with a state of "
            f"{size} it takes {size} and the inputs, and gives {size}"
        )
    if g[0][0].shape[1] != size:
        raise DdcError(f"g takes {g[0][0].shape[1]} numbers, but the state has {size}")
    known = {
        f"{part}.{i}.{name}"
        for part, pairs in (("f", f), ("g", g))
        for i in range(len(pairs))
        for name in ("weight", "bias")
    }
    left = sorted(str(k) for k in root if str(k).endswith((".weight", ".bias")) and k not in known)
    if left:
        raise DdcError(f"{quote(left[0])} has no place: the layers of f and g are numbered from 0")
    tensors = {
        f"{i}.{name}": array
        for i, pair in enumerate(f)
        for name, array in zip(("weight", "bias"), pair, strict=True)
    }
    layers = [Layer("mlp_cell", "f", {}, tensors | {"h0": h0})]
    for i, (weight, bias) in enumerate(g):
        if i:
            layers.append(Layer("relu", f"g.{i - 1}.relu"))
        layers.append(Layer("linear", f"g.{i}", {}, {"weight": weight, "bias": bias}))
    return layers


def length_of(root: Mapping[str, object]) -> int | None:
    """Return the trained length that a dict states, None where it states none."""
    value = root.get("length")
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iu":
        value = int(value.reshape(-1)[0])
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= MAX_LENGTH:
        raise DdcError(f"'length' is not a number of steps between 1 and {MAX_LENGTH}")
    return value


def _stack(root: Mapping[str, object], part: str) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    while f"{part}.{len(pairs)}.weight" in root and len(pairs) <= MAX_DEPTH:
        name = f"{part}.{len(pairs)}"
        weight, bias = root[f"{name}.weight"], root.get(f"{name}.bias")
        if not isinstance(weight, np.ndarray) or weight.ndim != 2 or weight.dtype.kind != "f":
            raise DdcError(f"'{name}.weight' is not a matrix")
        if weight.size == 0 or (pairs and pairs[-1][0].shape[0] != weight.shape[1]):
            raise DdcError(f"'{name}.weight' does not fit: its shape is {list(weight.shape)}")
        if not isinstance(bias, np.ndarray) or bias.shape != weight.shape[:1]:
            raise DdcError(f"'{name}.bias' is not a vector of {weight.shape[0]} numbers")
        pairs.append((weight, bias))
    if not pairs or len(pairs) > MAX_DEPTH:
        raise DdcError(f"'{part}.0.weight' … are not between 1 and {MAX_DEPTH} matrices")
    return pairs


def read_cells(module: Module) -> list[Layer]:
    """Return the stacked cells of a torch `RNN`, `GRU` or `LSTM`, first to last."""
    kind, gates = CELLS[module.cls]
    count = module.integer("num_layers")
    size = module.integer("hidden_size")
    if not 1 <= count <= MAX_DEPTH or size < 1:
        raise module.fail(f"has {count} stacked layers of {size}, which is not supported")
    if module.state.get("bidirectional") is not False:
        raise module.fail("reads in both directions: only one is supported")
    if module.state.get("proj_size") not in (None, 0):
        raise module.fail("projects its state (proj_size), which is not supported")
    attrs: dict[str, object] = {}
    if kind == "rnn":
        activation = module.state.get("nonlinearity", module.state.get("mode"))
        attrs["activation"] = str(activation).lower().removeprefix("rnn_")
        if attrs["activation"] not in ("tanh", "relu"):
            raise module.fail(f"has the nonlinearity {quote(activation)}; supported: tanh, relu")
    biased = module.state.get("bias") is not False
    names = _parameter_names(count, biased)
    for name, value in module.group("_parameters").items():
        if value is not None and name not in names:
            raise module.fail(f"has a parameter {quote(name)} that its class does not have")
    layers: list[Layer] = []
    width = module.integer("input_size")
    for level in range(count):
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates * size, width),
            "weight_hh": (gates * size, size),
        }
        if biased:
            shapes |= {"bias_ih": (gates * size,), "bias_hh": (gates * size,)}
        tensors: dict[str, np.ndarray] = {}
        for name, shape in shapes.items():
            array = module.tensor(f"{name}_l{level}", len(shape))
            if array.shape != shape:
                raise module.fail(f"has a {name}_l{level} whose shape is not {list(shape)}")
            tensors[name] = array
        path = module.path if count == 1 else f"{module.path}.{level}"
        layers.append(Layer(kind, path, attrs, tensors))
        width = size
    return layers


def _parameter_names(count: int, biased: bool) -> set[str]:
    parts = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if biased else ()))
    return {f"{part}_l{level}" for part in parts for level in range(count)}


def input_width(layer: Layer) -> int:
    """Return how many numbers a cell takes at each step."""
    if layer.kind == "mlp_cell":
        return int(layer.tensors["0.weight"].shape[1] - layer.tensors["h0"].size)
    return int(layer.tensors["weight_ih"].shape[1])


def state_size(layer: Layer) -> int:
    """Return how many numbers a cell hands to the layer above it."""
    if layer.kind == "mlp_cell":
        return int(layer.tensors["h0"].size)
    return int(layer.tensors["weight_hh"].shape[1])


Reader = Callable[["Module"], list[Layer]]
