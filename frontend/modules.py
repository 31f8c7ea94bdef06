"""Records of `torch.nn` modules into layers: one closed table, attributes checked, nothing guessed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ddc.ir import DdcError

from .records import Layer, describe_shapes, quote
from .recurrent import CELLS, read_cells
from .tensors import widen
from .unpickle import ModuleRecord

MAX_LAYERS = 10_000
MAX_STEPS = 4 * MAX_LAYERS  # containers visited and children listed
MAX_DEPTH = 64
MAX_PATH = 1_000
MAX_STATE = 1_000
MAX_ATTRIBUTE = 1 << 31

SUPPORTED = (
    "Linear, Conv1d, Conv2d (zero or circular padding), ReLU, ReLU6, LeakyReLU, Hardtanh, Tanh, "
    "Sigmoid, Softmax, BatchNorm1d, BatchNorm2d, Dropout, Identity, Embedding, Flatten, Unflatten, "
    "RNN, GRU, LSTM, Sequential"
)

Build = Callable[["Module"], Layer]


def read_modules(root: ModuleRecord) -> list[Layer]:
    """Return the layers of a saved module in order, nested `Sequential`s flattened.

    Raises `DdcError` that names the layer, its position and shapes for whatever is not supported.
    """
    layers: list[Layer] = []
    # Records come from strangers and may contain themselves: an explicit stack, depth and count bound.
    pending: list[tuple[str, ModuleRecord, int]] = [("", root, 0)]
    seen = 0
    while pending:
        path, record, depth = pending.pop()
        seen += 1
        if (
            seen > MAX_STEPS
            or depth > MAX_DEPTH
            or len(path) > MAX_PATH
            or len(layers) > MAX_LAYERS
        ):
            raise DdcError(
                f"more than {MAX_LAYERS} layers or {MAX_DEPTH} nested levels, which is not supported"
            )
        module = Module(path or "0", record)
        check_hooks(module.path, record)
        children = module.group("_modules")
        seen += len(children)
        if record.cls in CELLS:
            module.check_leaf()
            layers += read_cells(module)
            continue
        if record.cls != "Sequential":
            layers.append(module.layer())
            continue
        prefix = f"{path}." if path else ""
        for name, child in reversed(list(children.items())):
            if child is None:
                continue
            if not isinstance(child, ModuleRecord):
                raise DdcError(f"child {quote(name)} of layer {quote(path)} is not a module")
            pending.append((f"{prefix}{name}", child, depth + 1))
    if not layers:
        raise DdcError("a network without layers")
    return layers


def check_hooks(path: str, record: ModuleRecord) -> None:
    """Raise `DdcError` if something would run beside the forward of the module's class."""
    if len(record.state) > MAX_STATE:
        raise DdcError(f"layer {quote(path)} has more than {MAX_STATE} attributes")
    for key, value in record.state.items():
        hooks = isinstance(key, str) and "_hooks" in key and isinstance(value, dict) and value
        if hooks or key == "forward":
            raise DdcError(
                f"layer {quote(path)} ({quote(record.cls)[1:-1]}) carries {quote(key)}, code that "
                "would run beside it: remove it before saving (remove_weight_norm, "
                "remove_parametrizations, handle.remove())"
            )


class Module:
    """One record with checked access to what a layer is made of."""

    def __init__(self, path: str, record: ModuleRecord) -> None:
        self.path = path
        self.cls = record.cls
        self.state = record.state

    def fail(self, reason: str) -> DdcError:
        shapes = describe_shapes({name: array.shape for name, array in self.arrays().items()})
        return DdcError(
            f"layer {quote(self.path)} ({quote(self.cls)[1:-1]}{', ' + shapes if shapes else ''}) "
            f"{reason}"
        )

    def group(self, key: str) -> Mapping[object, object]:
        value = self.state.get(key)
        if not isinstance(value, dict) or len(value) > MAX_LAYERS:
            raise DdcError(f"layer {quote(self.path)} has no usable {key}: a damaged file")
        return value

    def arrays(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for key in ("_parameters", "_buffers"):
            group = self.state.get(key)
            for name, value in group.items() if isinstance(group, dict) else ():
                if isinstance(value, np.ndarray):
                    found[str(name)] = value
        return found

    def layer(self) -> Layer:
        build = _LAYERS.get(self.cls)
        if build is None:
            raise self.fail(f"is not supported; supported: {SUPPORTED}")
        self.check_leaf()
        self.check_parameters()
        return build(self)

    def check_leaf(self) -> None:
        """Raise if the layer holds modules of its own."""
        if self.group("_modules"):
            raise self.fail("holds other modules (parametrizations?), which is not supported")

    def tensor(self, name: str, axes: int) -> np.ndarray:
        array = self.optional(name, axes)
        if array is None:
            raise self.fail(f"has no {name}")
        return array

    def optional(self, name: str, axes: int) -> np.ndarray | None:
        if name in self.state:
            # An attribute hides the parameter of that name (old pruning and weight norm do so).
            raise self.fail(f"keeps its {name} outside its parameters: remove the pruning first")
        value = self.group("_parameters").get(name, self.group("_buffers").get(name))
        if value is None:
            return None
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.ndim != axes:
            raise self.fail(f"has a {name} that is no array of floats with {axes} axes")
        if value.size == 0:
            raise self.fail(f"has an empty {name}")
        return value

    def vectors(self, size: int, *names: str) -> dict[str, np.ndarray]:
        """Return the parameters of these names that are there, each of this one size."""
        found: dict[str, np.ndarray] = {}
        for name in names:
            array = self.optional(name, 1)
            if array is None:
                continue
            if array.shape != (size,):
                raise self.fail(f"has a {name} that does not have {size} numbers")
            found[name] = array
        return found

    def check_parameters(self) -> None:
        """Raise if there are weights that the class of this name does not have."""
        for name, value in self.group("_parameters").items():
            if value is not None and name not in ("weight", "bias"):
                raise self.fail(f"has a parameter {quote(name)} that its class does not have")

    def number(self, name: str) -> float:
        value = self.state.get(name)
        if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
            raise self.fail(f"has no finite number as {name}")
        return float(value)  # type: ignore[arg-type]

    def integer(self, name: str) -> int:
        value = self.state.get(name)
        if type(value) is not int or abs(value) >= MAX_ATTRIBUTE:
            raise self.fail(f"has no integer as {name}")
        return value

    def integers(self, name: str, count: int, least: int) -> tuple[int, ...]:
        value = self.state.get(name)
        items = (value,) * count if type(value) is int else value
        if not isinstance(items, (tuple, list)) or len(items) != count:
            raise self.fail(f"has no {count} integers as {name}")
        numbers = tuple(n for n in items if type(n) is int and least <= n < MAX_ATTRIBUTE)
        if len(numbers) != count:
            raise self.fail(f"has a {name} that is not integers of at least {least}")
        return numbers


def _plain(kind: str) -> Build:
    return lambda module: Layer(kind, module.path)


def _linear(module: Module) -> Layer:
    weight = module.tensor("weight", 2)
    vectors = module.vectors(weight.shape[0], "bias")
    return Layer("linear", module.path, {}, {"weight": weight} | vectors)


def _conv(axes: int) -> Build:
    def build(module: Module) -> Layer:
        weight = module.tensor("weight", axes + 2)
        groups = module.integer("groups")
        if groups < 1 or weight.shape[0] % groups:
            raise module.fail(f"has {groups} groups for {weight.shape[0]} channels")
        stride = module.integers("stride", axes, 1)
        dilation = module.integers("dilation", axes, 1)
        mode = module.state.get("padding_mode")
        if mode not in ("zeros", "circular"):
            raise module.fail(
                f"has padding mode {quote(mode)}, which is not supported; supported: zeros, circular"
            )
        spans = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        attrs: dict[str, object] = {
            "stride": stride,
            "dilation": dilation,
            "padding": _padding(module, spans),
            "padding_mode": mode,
            "groups": groups,
        }
        tensors = {"weight": weight} | module.vectors(weight.shape[0], "bias")
        return Layer(f"conv{axes}d", module.path, attrs, tensors)

    return build


def _padding(module: Module, spans: list[int]) -> tuple[tuple[int, int], ...]:
    """Return how many cells stand before and after each axis; `same` puts the odd one after."""
    value = module.state.get("padding")
    if value == "same":
        pairs = tuple((span // 2, span - span // 2) for span in spans)
    elif value == "valid":
        pairs = tuple((0, 0) for _ in spans)
    else:
        pairs = tuple((n, n) for n in module.integers("padding", len(spans), 0))
    # Circular padding is done by this list, last axis first; a file must not say two things.
    stored = module.state.get("_reversed_padding_repeated_twice")
    expected = [n for pair in reversed(pairs) for n in pair]
    if isinstance(stored, (list, tuple)) and list(stored) != expected:
        raise module.fail("has a padding that contradicts its own list of paddings")
    return pairs


def _batch_norm(axes: int) -> Build:
    def build(module: Module) -> Layer:
        mean = module.optional("running_mean", 1)
        variance = module.optional("running_var", 1)
        if mean is None or variance is None:
            raise module.fail("keeps no running statistics, so its answer depends on the batch")
        if variance.shape != mean.shape:
            raise module.fail("has statistics of different sizes")
        vectors = module.vectors(mean.size, "weight", "bias")
        tensors = {"mean": mean, "variance": variance} | vectors
        eps = module.number("eps")
        # NaN is left to the check of all weights, which names the index.
        if eps < 0 or bool((widen(variance) + eps <= 0).any()):
            raise module.fail("has a variance that is not positive")
        return Layer("batch_norm", module.path, {"eps": eps, "axes": axes}, tensors)

    return build


def _hardtanh(module: Module) -> Layer:
    low, high = module.number("min_val"), module.number("max_val")
    if low >= high:
        raise module.fail("has an empty range")
    return Layer("hardtanh", module.path, {"low": low, "high": high})


def _softmax(module: Module) -> Layer:
    dim = None if module.state.get("dim") is None else module.integer("dim")
    return Layer("softmax", module.path, {"dim": dim})


def _embedding(module: Module) -> Layer:
    if module.state.get("max_norm") is not None:
        raise module.fail("rescales its rows (max_norm), which is not supported")
    return Layer("embedding", module.path, {}, {"weight": module.tensor("weight", 2)})


def _flatten(module: Module) -> Layer:
    attrs: dict[str, object] = {
        "start": module.integer("start_dim"),
        "end": module.integer("end_dim"),
    }
    return Layer("flatten", module.path, attrs)


def _unflatten(module: Module) -> Layer:
    sizes = module.state.get("unflattened_size")
    count = len(sizes) if isinstance(sizes, (tuple, list)) else 0
    attrs: dict[str, object] = {
        "dim": module.integer("dim"),
        "sizes": module.integers("unflattened_size", count, -1),
    }
    return Layer("unflatten", module.path, attrs)


_LAYERS: dict[str, Build] = {
    "Linear": _linear,
    "Conv1d": _conv(1),
    "Conv2d": _conv(2),
    "BatchNorm1d": _batch_norm(1),
    "BatchNorm2d": _batch_norm(2),
    "ReLU": _plain("relu"),
    "ReLU6": lambda module: Layer("hardtanh", module.path, {"low": 0.0, "high": 6.0}),
    "LeakyReLU": lambda module: Layer(
        "leaky_relu", module.path, {"slope": module.number("negative_slope")}
    ),
    "Hardtanh": _hardtanh,
    "Tanh": _plain("tanh"),
    "Sigmoid": _plain("sigmoid"),
    "Softmax": _softmax,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "Unflatten": _unflatten,
    "Identity": _plain("identity"),
    "Dropout": _plain("dropout"),
    "Dropout1d": _plain("dropout"),
    "Dropout2d": _plain("dropout"),
    "Dropout3d": _plain("dropout"),
    "AlphaDropout": _plain("dropout"),
    "FeatureAlphaDropout": _plain("dropout"),
}
