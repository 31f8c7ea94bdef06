"""Read `.pt` and `.pth` checkpoints without torch: whole modules, our own dicts, state dicts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ddc.ir import DdcError

from .archive import Archive
from .files import read_bytes
from .modules import MAX_LAYERS, read_modules
from .records import Layer, Network, about, describe_shapes, quote
from .recurrent import FORMAT as RECURRENT
from .recurrent import length_of, recurrent_layers
from .unpickle import ModuleRecord, RefusedError, unpickle

# Names that may stand in the `activations` of a `ddc.layers/1` dict, as layers without attributes.
ACTIVATIONS: dict[str, str | None] = {
    "linear": None,
    "identity": None,
    "relu": "relu",
    "sign": "sign",
    "step": "step",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
}
STATE_KEYS = ("state_dict", "model_state_dict")
PREFIXES = ("module.", "_orig_mod.")


def read(path: Path, model: str | None, trust: bool) -> Network:
    """Return the network of a checkpoint; `model` names the factory for a state dict."""
    with about(str(path)):
        data = read_bytes(path)
        digest = hashlib.sha256(data).hexdigest()
        archive = Archive(data)
        try:
            root = unpickle(archive.pickle, archive.storage)
        except RefusedError:
            if not trust:
                raise
            from .factory import read_trusted

            return read_trusted(path, model, digest)
        return network(root, model, digest, str(path))


def network(root: object, model: str | None, digest: str, source: str) -> Network:
    """Return the network that a checkpoint's content describes."""
    if isinstance(root, ModuleRecord):
        if model is not None:
            raise DdcError("a whole saved module needs no --model: leave it out")
        metadata = [text_at(root.state, key) for key in ("ddc_input", "ddc_output")]
        return Network(read_modules(root), metadata[0], metadata[1], digest, source)
    if isinstance(root, np.ndarray):
        raise DdcError("a lone tensor, not a network")
    if not isinstance(root, dict):
        raise DdcError("not a network: neither a module nor a dict of weights")
    signature = text_at(root, "input"), text_at(root, "output")
    form = text_at(root, "format")
    if form == "ddc.layers/1":
        return Network(dense_layers(root), *signature, digest, source)
    if form == RECURRENT:
        return Network(recurrent_layers(root), *signature, digest, source, length=length_of(root))
    if form is not None and form.startswith("ddc."):
        raise DdcError(
            f"format {quote(form)} is not supported; supported: ddc.layers/1, {RECURRENT}"
        )
    weights = state_dict(root)
    if model is None:
        shapes = describe_shapes({name: array.shape for name, array in weights.items()})
        raise DdcError(
            f"a state dict ({shapes}) says nothing of the architecture: say --model FILE.py:factory "
            "or --model package:factory, a function that returns the untrained network"
        )
    from .factory import build

    return Network(build(model, weights), *signature, digest, source)


def text_at(mapping: Mapping[str, object], key: str) -> str | None:
    """Return the string under a key; anything else there is none of our metadata."""
    value = mapping.get(key)
    return value if isinstance(value, str) else None


def state_dict(root: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Return the weights of a state dict by name, wrappers' prefixes taken off."""
    inner = [root[key] for key in STATE_KEYS if isinstance(root.get(key), dict)]
    found = inner[0] if inner else root
    assert isinstance(found, dict)
    weights = {str(k): v for k, v in found.items() if isinstance(v, np.ndarray)}
    if not weights or (inner and len(weights) != len(found)):
        raise DdcError("a dict without a state dict: no weights under names")
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in weights)), None):
        weights = {name.removeprefix(prefix): array for name, array in weights.items()}
    return weights


def dense_layers(root: Mapping[str, object]) -> list[Layer]:
    """Return the layers of a `ddc.layers/1` dict: `0.weight`, `0.bias`, … and `activations`."""
    names = root.get("activations")
    if not isinstance(names, (list, tuple)) or not names or len(names) > MAX_LAYERS:
        raise DdcError("'activations' is not a list of names, one per layer")
    extra = [key for key in root if str(key).endswith((".weight", ".bias"))]
    layers: list[Layer] = []
    for index, name in enumerate(names):
        if not isinstance(name, str) or name not in ACTIVATIONS:
            raise DdcError(
                f"activation {index} is {quote(name)}; supported: {', '.join(ACTIVATIONS)}"
            )
        layers.append(_dense(root, index))
        kind = ACTIVATIONS[name]
        if kind is not None:
            attrs: dict[str, object] = {"dim": -1} if kind == "softmax" else {}
            layers.append(Layer(kind, f"{index}.{kind}", attrs))
    known = {f"{index}.{part}" for index in range(len(names)) for part in ("weight", "bias")}
    unknown = sorted(str(key) for key in extra if key not in known)
    if unknown:
        raise DdcError(f"{quote(unknown[0])} has no activation: {len(names)} are listed")
    return layers


def _dense(root: Mapping[str, object], index: int) -> Layer:
    weight, bias = root.get(f"{index}.weight"), root.get(f"{index}.bias")
    if weight is None:
        raise DdcError(f"'{index}.weight' is missing: 'activations' names a layer {index}")
    if not isinstance(weight, np.ndarray) or weight.ndim != 2 or weight.size == 0:
        shape = f" of shape {list(weight.shape)}" if isinstance(weight, np.ndarray) else ""
        raise DdcError(f"'{index}.weight'{shape} is not a matrix of at least one weight")
    tensors = {"weight": weight}
    if bias is not None:
        if not isinstance(bias, np.ndarray) or bias.shape != weight.shape[:1]:
            raise DdcError(f"'{index}.bias' is not a vector of {weight.shape[0]} numbers")
        tensors["bias"] = bias
    return Layer("linear", str(index), {}, tensors)
