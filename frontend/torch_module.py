"""Read a `torch.nn.Module` in memory: plain containers by record, an own forward through torch.fx."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddc.ir import DdcError

from .chain import fold_padding, linear
from .modules import SUPPORTED, check_hooks, read_modules
from .records import Layer, Network, check_finite, digest_layers, quote
from .recurrent import CELL_KINDS
from .unpickle import MODULE_PREFIX, ModuleRecord

if TYPE_CHECKING:
    import torch
    from torch.fx import Node

Args = dict[str, Any]


def read_module(module: torch.nn.Module, source: str = "module in memory") -> Network:
    """Return the network of a module; its mode (training or not) does not matter.

    A tree of torch's own layers and `Sequential`s is read as it stands. Any other class is traced
    by torch.fx, and its forward must be a straight chain of the listed layers and functions.
    """
    plain = all(_class(child) is not None for child in module.modules())
    layers = read_modules(_record(module)) if plain else _traced(module)
    signature = [getattr(module, f"ddc_{key}", None) for key in ("input", "output")]
    texts = [value if isinstance(value, str) else None for value in signature]
    return check_finite(Network(layers, texts[0], texts[1], digest_layers(layers), source))


def _class(module: torch.nn.Module) -> str | None:
    """Return the name of torch's class that this module behaves as, or None for an own class."""
    import torch

    cls = type(module)
    if cls.__module__.startswith(MODULE_PREFIX):
        return cls.__name__
    inherits = isinstance(module, torch.nn.Sequential) and all(
        getattr(cls, name) is getattr(torch.nn.Sequential, name) for name in ("forward", "__call__")
    )
    return "Sequential" if inherits else None


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Return a copy of a tensor's numbers; half and bfloat16 widen exactly to float32."""
    import torch

    narrow = tensor.dtype in (torch.float16, torch.bfloat16)
    try:
        plain = tensor.detach().cpu()
        array: np.ndarray = np.array((plain.float() if narrow else plain).numpy())
    except (RuntimeError, TypeError, ValueError) as error:
        raise DdcError(f"a tensor cannot be read: {quote(error)}") from None
    return array


def _record(root: torch.nn.Module) -> ModuleRecord:
    """Return the same inert records that a saved file gives."""
    records: dict[torch.nn.Module, ModuleRecord] = {}
    for module in root.modules():
        state: dict[str, object] = dict(module.__dict__)
        for key in ("_parameters", "_buffers"):
            tensors: dict[str, torch.Tensor | None] = module.__dict__[key]
            state[key] = {k: None if t is None else to_array(t) for k, t in tensors.items()}
        records[module] = ModuleRecord(_class(module) or type(module).__name__, state)
    for module, record in records.items():
        children = module.__dict__["_modules"]
        record.state["_modules"] = {
            name: None if child is None else records[child] for name, child in children.items()
        }
    return records[root]


class _Data:
    """The value that flows through the network; only the newest one may be used."""


@dataclass(frozen=True)
class _Outputs:
    """What a recurrent module returns: its outputs at every step, and states that nobody reads."""

    steps: _Data


class _Sizes:
    """The sizes of a value, of which only the first, the batch, has a meaning here."""


class _Batch:
    """The size of the batch."""


def _traced(module: torch.nn.Module) -> list[Layer]:
    import torch.fx

    name = quote(type(module).__name__)
    for path, child in module.named_modules():
        check_hooks(path, ModuleRecord(type(child).__name__, child.__dict__))
    modes = {child: child.training for child in module.modules()}
    try:
        module.eval()
        graph = torch.fx.Tracer().trace(module)
    except Exception as error:  # noqa: BLE001  the user's own code may raise anything
        raise DdcError(f"torch.fx cannot follow the forward of {name}: {quote(error)}") from None
    finally:
        for child, mode in modes.items():
            child.training = mode
    walk = _Walk(module)
    for node in graph.nodes:
        walk.visit(node)
    if not walk.layers:
        raise DdcError(f"the forward of {name} has no layers")
    return fold_padding(walk.layers)


class _Walk:
    """Goes through a traced graph and keeps the layers of its chain."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self.layers: list[Layer] = []
        self.values: dict[Node, object] = {}
        self.current: _Data | None = None
        self.functions = _functions()

    def visit(self, node: Node) -> None:
        self.values[node] = getattr(self, f"_{node.op}")(node)

    def value(self, argument: object) -> object:
        """Return what an argument of a node stands for."""
        import torch.fx

        if isinstance(argument, (tuple, list)):
            return tuple(self.value(item) for item in argument)
        return self.values[argument] if isinstance(argument, torch.fx.Node) else argument

    def newest(self, node: Node, value: object) -> None:
        if value is not self.current or value is None:
            raise DdcError(
                f"node {quote(node.name)} ({quote(_called(node))}) does not take the value just "
                "computed: only a straight chain of layers is supported"
            )

    def advance(self, *layers: Layer) -> _Data:
        self.layers += layers
        self.current = _Data()
        return self.current

    def _placeholder(self, node: Node) -> object:
        if self.current is not None:
            raise DdcError(f"the forward takes a second input, {quote(node.name)}: pass one array")
        return self.advance()

    def _get_attr(self, node: Node) -> object:
        found: Any = self.module
        for part in str(node.target).split("."):
            found = getattr(found, part)
        return to_array(found)

    def _call_module(self, node: Node) -> object:
        if len(node.args) != 1 or node.kwargs:
            raise DdcError(f"layer {quote(node.target)} is called with more than one argument")
        self.newest(node, self.value(node.args[0]))
        path = str(node.target)
        layers = read_modules(_record(self.module.get_submodule(path)))
        steps = self.advance(*(Layer(x.kind, path, x.attrs, x.tensors) for x in layers))
        return _Outputs(steps) if layers[-1].kind in CELL_KINDS else steps

    def _call_function(self, node: Node) -> object:
        values = [self.value(argument) for argument in node.args]
        if node.target is getattr and len(values) == 2 and values[1] == "shape":
            return _Sizes()
        if node.target is operator.getitem and isinstance(values[0], _Sizes) and values[1] == 0:
            return _Batch()
        if node.target is operator.getitem and isinstance(values[0], _Outputs):
            return values[0].steps if values[1] == 0 else None
        return self._call(node, self.functions.get(node.target), values)

    def _call_method(self, node: Node) -> object:
        values = [self.value(argument) for argument in node.args]
        if node.target == "size":
            return _Batch() if values[1:] == [0] else _Sizes()
        return self._call(node, self.functions.get(node.target), values)

    def _call(self, node: Node, entry: _Entry | None, values: list[object]) -> object:
        if entry is None:
            raise DdcError(
                f"node {quote(node.name)} calls {quote(_called(node))}, which is not supported; "
                f"supported: {SUPPORTED} and their functions"
            )
        names, defaults, build = entry
        if len(values) > len(names) and names[-1] == "shape":
            values[len(names) - 1 :] = [tuple(values[len(names) - 1 :])]
        given = dict(zip(names, values, strict=False))
        given |= {key: self.value(value) for key, value in node.kwargs.items()}
        if len(values) > len(names) or set(given) - set(names) - set(defaults):
            raise DdcError(
                f"node {quote(node.name)} calls {quote(_called(node))} in an unknown way"
            )
        args = defaults | given
        self.newest(node, args.pop("input", None))
        if any(isinstance(value, _Data) for value in args.values()):
            raise DdcError(f"node {quote(node.name)} joins two values, which is not supported")
        try:
            return self.advance(*build(node.name, args))
        except (KeyError, TypeError, ValueError):
            raise DdcError(
                f"node {quote(node.name)} calls {quote(_called(node))} in an unknown way"
            ) from None

    def _output(self, node: Node) -> object:
        self.newest(node, self.value(node.args[0]))
        return None


_Entry = tuple[tuple[str, ...], Args, Callable[[str, Args], list[Layer]]]


def _called(node: Node) -> str:
    return getattr(node.target, "__name__", None) or str(node.target)


def _plain(kind: str) -> Callable[[str, Args], list[Layer]]:
    return lambda path, args: [Layer(kind, path)]


def _nothing(path: str, args: Args) -> list[Layer]:
    return []


def _linear(path: str, args: Args) -> list[Layer]:
    if not isinstance(args["weight"], np.ndarray):
        raise TypeError
    return [linear(path, args["weight"], args["bias"])]


def _clamp(path: str, args: Args) -> list[Layer]:
    low, high = float(args["min"]), float(args["max"])
    if not low < high:
        raise ValueError
    return [Layer("hardtanh", path, {"low": low, "high": high})]


def _softmax(path: str, args: Args) -> list[Layer]:
    return [Layer("softmax", path, {"dim": _integer(args["dim"])})]


def _greater(path: str, args: Args) -> list[Layer]:
    if isinstance(args["other"], bool) or args["other"] != 0:
        raise ValueError
    return [Layer("step", path)]


def _reshape(path: str, args: Args) -> list[Layer]:
    shape = args["shape"]
    first, rest = shape[0], tuple(_integer(n) for n in shape[1:])
    if rest.count(-1) > 1 or not (isinstance(first, _Batch) or first == -1 and -1 not in rest):
        raise DdcError(f"node {path!a} reshapes across the batch axis, which is not supported")
    return [Layer("reshape", path, {"shape": rest})]


def _pad(path: str, args: Args) -> list[Layer]:
    modes = {"constant": "zeros", "circular": "circular"}
    flat = [_integer(n) for n in args["pad"]]
    if args["value"] not in (None, 0) or min(flat) < 0 or len(flat) % 2:
        raise ValueError
    pairs = tuple(zip(flat[::2], flat[1::2], strict=True))[::-1]
    return [Layer("pad", path, {"padding": pairs, "padding_mode": modes[args["mode"]]})]


def _integer(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _functions() -> dict[object, _Entry]:
    """Return the closed table of functions and methods: names of arguments, defaults, the layer."""
    import torch
    import torch.nn.functional as F

    x = ("input",)
    quiet: Args = {"inplace": False}
    clamp: _Entry = ((*x, "min", "max"), {}, _clamp)
    softmax: _Entry = ((*x, "dim"), {"_stacklevel": 3, "dtype": None}, _softmax)
    reshape: _Entry = ((*x, "shape"), {}, _reshape)
    greater: _Entry = ((*x, "other"), {}, _greater)
    flatten: _Entry = (
        (*x, "start_dim", "end_dim"),
        {"start_dim": 0, "end_dim": -1},
        lambda path, a: [
            Layer(
                "flatten", path, {"start": _integer(a["start_dim"]), "end": _integer(a["end_dim"])}
            )
        ],
    )
    unflatten: _Entry = (
        (*x, "dim", "sizes"),
        {},
        lambda path, a: [
            Layer("unflatten", path, {"dim": _integer(a["dim"]), "sizes": tuple(a["sizes"])})
        ],
    )

    def axis(kind: str) -> _Entry:
        return (
            (*x, "dim"),
            {},
            lambda path, args: [Layer(kind, path, {"dim": _integer(args["dim"])})],
        )

    dropout: _Entry = ((*x, "p", "training", "inplace"), {}, _nothing)
    table: dict[object, _Entry] = {
        F.linear: ((*x, "weight", "bias"), {"bias": None}, _linear),
        F.leaky_relu: (
            (*x, "negative_slope", "inplace"),
            {"negative_slope": 0.01} | quiet,
            lambda path, a: [Layer("leaky_relu", path, {"slope": float(a["negative_slope"])})],
        ),
        F.hardtanh: (
            (*x, "min_val", "max_val", "inplace"),
            {"min_val": -1.0, "max_val": 1.0} | quiet,
            lambda path, a: _clamp(path, {"min": a["min_val"], "max": a["max_val"]}),
        ),
        F.relu6: (
            (*x, "inplace"),
            quiet,
            lambda path, args: [Layer("hardtanh", path, {"low": 0.0, "high": 6.0})],
        ),
        F.pad: ((*x, "pad", "mode", "value"), {"mode": "constant", "value": None}, _pad),
        F.softmax: softmax,
        torch.softmax: softmax,
        "softmax": softmax,
        torch.clamp: clamp,
        "clamp": clamp,
        torch.flatten: flatten,
        "flatten": flatten,
        torch.unflatten: unflatten,
        "unflatten": unflatten,
        torch.reshape: reshape,
        "reshape": reshape,
        "view": reshape,
        operator.gt: greater,
        torch.gt: greater,
        "gt": greater,
        F.dropout: dropout,
        F.dropout1d: dropout,
        F.dropout2d: dropout,
        F.alpha_dropout: dropout,
    }
    for kind in ("relu", "tanh", "sigmoid", "sign"):
        names = [getattr(torch, kind), getattr(F, kind, None), kind]
        table |= {name: ((*x, "inplace"), quiet, _plain(kind)) for name in names if name}
    for kind in ("squeeze", "unsqueeze"):
        table |= {getattr(torch, kind): axis(kind), kind: axis(kind)}
    for name in ("contiguous", "float", "double", "detach", "clone"):
        table[name] = (x, {}, _nothing)
    return table
