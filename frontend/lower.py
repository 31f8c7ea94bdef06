"""Lower records to the IR: one function of network ops, one op per layer, ending in a decision."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ddc.ir import (
    BIT,
    INT,
    REAL,
    Affine,
    Builder,
    Constant,
    DdcError,
    Global,
    Int,
    Module,
    OneHot,
    Origin,
    Real,
    Scalar,
    Type,
    check,
    element,
    shape_of,
    with_dims,
)

from .names import identifier, place
from .records import Layer, Network, about, quote
from .samples import Samples, infer
from .shapes import (
    Shape,
    check_together,
    conv_pairs,
    fed_shape,
    feed_of,
    shapes,
    softmax_axis,
    takes,
)
from .signature import Signature, parse_signature, width_of
from .solve import solve
from .steps import is_recurrent, length_source, solve_steps, takes_steps

DECISIONS = ("raw", "sign", "step", "half", "round", "argmax", "softmax")
HALF = Fraction(1, 2)
MAX_PARAMS = 4096


@dataclass(frozen=True)
class Lowered:
    """A network as IR, with what was decided on the way.

    `signature` is as it was said, letters included, with the sizes that this network solved;
    `signature_from` and `decision_from` say who said so, for the evidence, and `length_from` who
    said the length of the sequences.
    """

    module: Module
    signature: Signature
    decision: str
    signature_from: str
    decision_from: str
    digest: str
    length_from: str = ""


def lower(
    network: Network,
    *,
    input: str | None = None,
    output: str | None = None,
    name: str = "net",
    samples: Samples | None = None,
) -> Lowered:
    """Return a network as an IR module that verifies.

    `input` and `output` are the signature and the decision as a user types them; without them the
    file's own metadata counts, then `samples`, then the rules of the command line. Raises
    `DdcError`, one line, with what to type where that leaves anything open.
    """
    with about(network.source):
        check_together(network)
        signature, signature_from = _signature(network, input, samples)
        params = signature.at(signature.sizes)
        _check_params(params)
        if is_recurrent(network):
            return _recurrent(network, signature, signature_from, output, identifier(name, "net"))
        feed = feed_of(network)
        try:
            given = fed_shape(network, feed, params)
            outlines = shapes(network.layers, given)
        except DdcError as error:
            said = f"{signature_from} {quote(str(signature))}"
            raise DdcError(f"{takes(network)}; {said} does not fit: {error}") from None
        decision, decision_from = _decision(network, params, output)
        if decision == "softmax" and _last_kind(network) == "softmax":
            raise DdcError(
                f"{decision_from} softmax: the network ends in a softmax of its own: say --output "
                "raw for its numbers, or argmax for the class"
            )
        emitter = Emitter(params, feed.mode)
        emitter.feed(given)
        for layer, shape in zip(network.layers, outlines, strict=True):
            emitter.layer(layer, shape)
        module = emitter.module(identifier(name, "net"), decision)
    return Lowered(
        check(module), signature, decision, signature_from, decision_from, network.digest
    )


def _recurrent(
    network: Network, signature: Signature, signature_from: str, output: str | None, name: str
) -> Lowered:
    from .sequences import lower_steps

    params = signature.at(signature.sizes)
    decision, decision_from = _decision(network, params, output)
    module = check(lower_steps(network, params, name, decision))
    source = length_source(network, signature)
    return Lowered(
        module, signature, decision, signature_from, decision_from, network.digest, source
    )


def _signature(
    network: Network, text: str | None, samples: Samples | None
) -> tuple[Signature, str]:
    if text is not None:
        where, found = "--input", parse_signature(text, "--input")
    elif network.input is not None:
        where = "the file's own signature"
        found = parse_signature(network.input, where)
    elif samples is not None:
        where, found = "the signature inferred from --data", infer(samples)
    else:
        raise DdcError(takes_steps(network) if is_recurrent(network) else takes(network))
    if is_recurrent(network):
        return solve_steps(network, found, where), where
    return solve(network, found, where), where


def _check_params(params: tuple[tuple[str, Type], ...]) -> None:
    if len(params) > MAX_PARAMS:
        raise DdcError(f"{len(params)} inputs, more than {MAX_PARAMS}: write them as arrays")
    for name, type_ in params:
        scalar = element(type_)
        if not isinstance(scalar, (Real, OneHot, Int)) and scalar != BIT:
            raise DdcError(
                f"{name}: {type_} is for tables; a network takes bit, int, onehot<k> or real"
            )


def _decision(
    network: Network, params: tuple[tuple[str, Type], ...], output: str | None
) -> tuple[str, str]:
    said = "--output" if output is not None else "the file's own decision"
    wanted = output if output is not None else network.output
    if wanted is not None:
        if wanted not in DECISIONS:
            raise DdcError(f"{said} {quote(wanted)} is none of {', '.join(DECISIONS)}")
        return wanted, said
    last = _last_kind(network)
    if last in ("sigmoid", "softmax"):
        return ("half" if last == "sigmoid" else "argmax"), f"the final {last}"
    if any(isinstance(element(type_), Real) for _, type_ in params):
        return "raw", "real inputs"
    raise DdcError(
        f"how are the network's numbers read? say --output with one of {', '.join(DECISIONS)}"
    )


def _last_kind(network: Network) -> str:
    """Return the kind of the last layer that does something."""
    working = [x.kind for x in network.layers if x.kind not in ("dropout", "identity")]
    return working[-1] if working else ""


class Emitter:
    """Writes ops; knows the name, the shape and the element type of the current value."""

    def __init__(self, params: tuple[tuple[str, Type], ...], mode: str) -> None:
        self.params = params
        self.mode = mode
        self.builder = Builder(name for name, _ in params)
        self.constants: dict[str, Constant] = {}
        self.counts: Counter[str] = Counter()
        self.value = ""
        self.shape: Shape = ()
        self.scalar: Scalar = REAL

    # ------------------------------------------------------------ helpers

    def constant(self, wish: str, array: np.ndarray) -> Global:
        name = f"{wish}{self.counts[wish]}"
        self.counts[wish] += 1
        self.constants[name] = Constant(np.ascontiguousarray(array))
        return Global(name)

    def reshape(self, value: str, old: Shape, new: Shape, wish: str = "v") -> str:
        if old == new:
            return value
        return self.builder.op("reshape", value, name=wish, shape=_dims(new))

    # ------------------------------------------------------------ inputs

    def feed(self, given: Shape) -> None:
        """Write the ops that make one array of the inputs."""
        if len(self.params) == 1 and self.mode in ("plain", "tokens"):
            self.value = self._plain(given)
        else:
            self.value = self._channels(given) if self.mode == "channels" else self._row(given)
        kinds = {element(type_) for _, type_ in self.params}
        mixed = REAL if any(isinstance(kind, Real) for kind in kinds) else INT
        single = kinds.pop() if len(kinds) == 1 else mixed
        self.scalar = BIT if isinstance(single, OneHot) else single
        self.shape = given

    def _plain(self, given: Shape) -> str:
        name, type_ = self.params[0]
        scalar = element(type_)
        if isinstance(scalar, OneHot):
            return self.builder.op("onehot", name, name=f"{name}_hot", size=scalar.size)
        return self.reshape(name, shape_of(type_), given, f"{name}_row")

    def _row(self, given: Shape) -> str:
        if len(self.params) > 1 and not any(width_of(t) > 1 or shape_of(t) for _, t in self.params):
            names = [name for name, _ in self.params]
            return self.builder.op("pack", *names, name="row", shape=_dims(given))
        parts = [self._flat(name, type_) for name, type_ in self.params]
        return parts[0] if len(parts) == 1 else self.builder.op("concat", *parts, name="row")

    def _flat(self, name: str, type_: Type) -> str:
        shape, scalar = shape_of(type_), element(type_)
        value = name
        if isinstance(scalar, OneHot):
            value = self.builder.op("onehot", name, name=f"{name}_hot", size=scalar.size)
            shape = (*shape, scalar.size)
        return self.reshape(value, shape, (width_of(type_),), f"{name}_row")

    def _channels(self, given: Shape) -> str:
        grid = given[1:]
        parts: list[str] = []
        for name, type_ in self.params:
            shape, scalar = shape_of(type_), element(type_)
            if isinstance(scalar, OneHot):
                # The network has the k numbers of a cell as channels, before the grid's axes.
                for level in range(scalar.size):
                    plane = self.builder.op("eq", name, level, name=f"{name}_{level}")
                    parts.append(self.reshape(plane, shape, (1, *grid), f"{name}_{level}_plane"))
            else:
                full = (math.prod(shape) // math.prod(grid), *grid)
                parts.append(self.reshape(name, shape, full, f"{name}_plane"))
        return parts[0] if len(parts) == 1 else self.builder.op("concat", *parts, name="planes")

    # ------------------------------------------------------------ layers

    def layer(self, layer: Layer, shape: Shape) -> None:
        """Write one layer, whose result has this shape."""
        build = LAYERS[layer.kind]
        self.value = build(self, layer, shape)
        self.shape = shape
        if build is not _shaped:
            self.scalar = _ELEMENTS.get(layer.kind, REAL)

    def op(self, code: str, layer: Layer, wish: str, *constants: Global, **attrs: object) -> str:
        given = {key: value for key, value in attrs.items() if value is not None}
        origin = Origin(place(layer.path))
        return self.builder.op(
            code, self.value, *constants, name=wish, origin=origin, **given  # type: ignore[arg-type]
        )

    # ------------------------------------------------------------ decision

    def module(self, name: str, decision: str) -> Module:
        """Write the decision and return the module."""
        decide = DECIDE.get(decision)
        if decide is not None:
            decide(self)
        self._as_the_input()
        taken = {name for name, _ in self.params}
        result = next((wish for wish in ("y", "out", "result") if wish not in taken), "outputs")
        function = self.builder.function(
            name,
            self.params,
            [(result, with_dims(self.scalar, _dims(self.shape)))],
            [self.value],
        )
        return Module((function,), tuple(self.constants.items()))

    def _as_the_input(self) -> None:
        """Give the result the shape it is owed: the input's where it has one number per cell."""
        wanted = self.shape
        if self.mode == "channels" and len(wanted) > 1 and wanted[0] == 1:
            wanted = wanted[1:]
        count = math.prod(self.shape)
        grids = {shape_of(type_) for _, type_ in self.params}
        cells = grids.pop() if len(grids) == 1 else ()
        if math.prod(cells) == count and (len(wanted) == 1 or wanted == cells[-len(wanted) :]):
            wanted = cells
        if count == 1:
            wanted = ()
        self.value = self.reshape(self.value, self.shape, wanted, "y")
        self.shape = wanted

    def decide(self, code: str, scalar: Scalar, *more: Fraction) -> None:
        self.value = self.builder.op(code, self.value, *more, name="y")
        self.scalar = scalar

    def argmax(self) -> None:
        """Take the first greatest class: along channels where there is a grid, else the last axis."""
        if self.mode != "channels" or len(self.shape) < 2:
            if not self.shape:
                raise DdcError("argmax needs several outputs")
            self.decide("argmax", Int(0, self.shape[-1] - 1))
            self.shape = self.shape[:-1]
            return
        classes, *grid = self.shape
        self.value = self.builder.op("argmax", self.value, name="y", axis=0)
        self.shape = tuple(grid)
        self.scalar = Int(0, classes - 1)

    def softmax(self) -> None:
        if not self.shape:
            raise DdcError("softmax needs several outputs")
        axis = 0 if self.mode == "channels" and len(self.shape) > 1 else len(self.shape) - 1
        self.value = self.builder.op("softmax", self.value, name="y", axis=axis)
        self.scalar = REAL


def _rounded(scalar: Scalar) -> Scalar:
    return INT if isinstance(scalar, Real) else scalar


def _dims(shape: Shape) -> tuple[Affine, ...]:
    return tuple(Affine.of(size) for size in shape)


def _linear(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    return emitter.op("dense", layer, "h", *_weights(emitter, layer))


def _weights(emitter: Emitter, layer: Layer) -> list[Global]:
    weight = emitter.constant("w", layer.tensors["weight"])
    bias = layer.tensors.get("bias")
    return [weight] if bias is None else [weight, emitter.constant("b", bias)]


def _conv(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    pairs = conv_pairs(layer)
    stride, dilation = tuple(p[1] for p in pairs), tuple(p[2] for p in pairs)
    padding = tuple(n for pair in pairs for n in pair[3:])
    padded = any(padding)
    return emitter.op(
        "conv",
        layer,
        "h",
        *_weights(emitter, layer),
        stride=stride if max(stride) > 1 else None,
        dilation=dilation if max(dilation) > 1 else None,
        padding=padding if padded else None,
        mode="circular" if padded and layer.attrs["padding_mode"] == "circular" else None,
        groups=layer.attrs["groups"] if layer.attrs["groups"] != 1 else None,
    )


def _batch_norm(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    """Fold the statistics into one factor and one shift for each channel, in binary64."""
    tensors = {key: array.astype(np.float64) for key, array in layer.tensors.items()}
    eps = layer.attrs["eps"]
    assert isinstance(eps, float)
    with np.errstate(over="ignore", invalid="ignore"):
        factor = tensors.get("weight", 1.0) / np.sqrt(tensors["variance"] + eps)
        shift = tensors.get("bias", 0.0) - tensors["mean"] * factor
    if not (np.isfinite(factor).all() and np.isfinite(shift).all()):
        raise DdcError(f"{layer.describe()} scales beyond what a number can hold")
    constants = emitter.constant("factor", factor), emitter.constant("shift", shift)
    return emitter.op("scale", layer, "n", *constants, axis=0)


def _embedding(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    if isinstance(emitter.scalar, Real) or emitter.mode != "tokens":
        raise DdcError(f"{layer.describe()} takes ints: it must be the first layer")
    return emitter.op("embedding", layer, "e", emitter.constant("table", layer.tensors["weight"]))


def _softmax(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    return emitter.op("softmax", layer, "p", axis=softmax_axis(layer, len(shape)))


def _leaky_relu(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    return emitter.op("leaky_relu", layer, "r", slope=_exact(layer, "slope"))


def _hardtanh(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    return emitter.op("hardtanh", layer, "r", low=_exact(layer, "low"), high=_exact(layer, "high"))


def _exact(layer: Layer, key: str) -> Fraction:
    value = layer.attrs[key]
    assert isinstance(value, float)
    return Fraction(value)


def _shaped(emitter: Emitter, layer: Layer, shape: Shape) -> str:
    if emitter.shape == shape:
        return emitter.value
    return emitter.builder.op(
        "reshape", emitter.value, name="v", shape=_dims(shape), origin=Origin(place(layer.path))
    )


def _plain(code: str, wish: str) -> Callable[[Emitter, Layer, Shape], str]:
    return lambda emitter, layer, shape: emitter.op(code, layer, wish)


LAYERS: dict[str, Callable[[Emitter, Layer, Shape], str]] = {
    "linear": _linear,
    "conv1d": _conv,
    "conv2d": _conv,
    "batch_norm": _batch_norm,
    "embedding": _embedding,
    "softmax": _softmax,
    "leaky_relu": _leaky_relu,
    "hardtanh": _hardtanh,
    "relu": _plain("relu", "r"),
    "tanh": _plain("tanh", "t"),
    "sigmoid": _plain("sigmoid", "p"),
    "sign": _plain("sign", "s"),
    "step": _plain("step", "s"),
    **dict.fromkeys(("flatten", "unflatten", "reshape", "squeeze", "unsqueeze"), _shaped),
    **dict.fromkeys(("dropout", "identity"), _shaped),
}

# Layers whose results are not reals.
_ELEMENTS: dict[str, Scalar] = {"sign": Int(-1, 1), "step": BIT}

DECIDE: dict[str, Callable[[Emitter], None]] = {
    "sign": lambda emitter: emitter.decide("sign", Int(-1, 1)),
    "step": lambda emitter: emitter.decide("step", BIT),
    "half": lambda emitter: emitter.decide("gt", BIT, HALF),
    "round": lambda emitter: emitter.decide("round", _rounded(emitter.scalar)),
    "argmax": Emitter.argmax,
    "softmax": Emitter.softmax,
}
