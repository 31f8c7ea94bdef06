"""Lower recurrent networks: a scan over time whose body is the cells, the read-out and the decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ddc.ir import (
    INT,
    REAL,
    Affine,
    DdcError,
    Global,
    Loop,
    Module,
    OneHot,
    Operand,
    Origin,
    Real,
    Scalar,
    State,
    Type,
    dims,
    element,
    levels,
    with_dims,
)

from .lower import DECIDE, Emitter
from .names import place
from .records import Layer, Network
from .recurrent import CELL_KINDS, input_width, state_size
from .shapes import shapes
from .signature import width_of
from .steps import takes_steps

# Layers that work on the numbers of one step.
POINTWISE = (
    "linear",
    "relu",
    "leaky_relu",
    "hardtanh",
    "tanh",
    "sigmoid",
    "sign",
    "step",
    "softmax",
    "dropout",
    "identity",
)


def lower_steps(
    network: Network, params: Sequence[tuple[str, Type]], name: str, decision: str
) -> Module:
    """Return a recurrent network as a function with one scan, at the trained length."""
    writer = _Writer(network, tuple(params))
    return writer.module(name, decision)


class _Writer:
    """Writes the body of the scan; `states` are the cells' states with where they start."""

    def __init__(self, network: Network, params: tuple[tuple[str, Type], ...]) -> None:
        self.network = network
        self.params = params
        tokens = network.layers[0].kind == "embedding"
        self.emitter = Emitter(params, "tokens" if tokens else "vector")
        self.builder = self.emitter.builder
        self.time = Loop(self.builder.fresh("t"), Affine.of(0), dims(params[0][1])[0])
        self.states: list[State] = []
        self.nexts: list[Operand] = []

    def module(self, name: str, decision: str) -> Module:
        with self.builder.body() as ops:
            self.feed()
            for layer in self.network.layers:
                self.layer(layer)
            yields, scalar, shape = self.decide(decision)
        wishes = self.result_names(len(yields))
        results = self.builder.scan(
            self.time,
            self.states,
            ops,
            self.nexts,
            yields,
            [*wishes, *(f"{state.name}_last" for state in self.states)],
        )
        outer = (self.time.high, *shape)
        function = self.builder.function(
            name,
            self.params,
            [(wish, with_dims(scalar, outer)) for wish in wishes],
            results[: len(yields)],
        )
        return Module((function,), tuple(self.emitter.constants.items()))

    def result_names(self, count: int) -> list[str]:
        taken = {name for name, _ in self.params}
        stem = next((wish for wish in ("y", "out", "result") if wish not in taken), "outputs")
        return [stem] if count == 1 else [f"{stem}{number}" for number in range(count)]

    # ------------------------------------------------------------ inputs

    def feed(self) -> None:
        """Write what the network sees at one step: the inputs' numbers in order."""
        at = Affine.symbol(self.time.symbol)
        emitter = self.emitter
        if emitter.mode == "tokens":
            self.token(at)
            return
        parts: list[str] = []
        total = 0
        scalars = all(
            len(dims(t)) == 1 and not isinstance(element(t), OneHot) for _, t in self.params
        )
        for name, type_ in self.params:
            rest = tuple(dim.const for dim in dims(type_)[1:])
            width = width_of(type_) // dims(type_)[0].const
            total += width
            parts += self.parts(name, type_, rest, at, scalars, width)
        if len(parts) == 1 and not scalars:
            emitter.value = parts[0]
        else:
            code = "pack" if scalars else "concat"
            extra = {"shape": (Affine.of(total),)} if scalars else {}
            emitter.value = self.builder.op(code, *parts, name="step", **extra)  # type: ignore[arg-type]
        kinds = [element(type_) for _, type_ in self.params]
        emitter.scalar = REAL if any(isinstance(kind, Real) for kind in kinds) else INT
        emitter.shape = (total,)

    def token(self, at: Affine) -> None:
        table = self.network.layers[0].tensors["weight"].shape[0]
        (name, type_), *more = self.params
        values = levels(element(type_))
        if more or len(dims(type_)) != 1 or isinstance(element(type_), OneHot):
            raise DdcError(f"one token a step: {takes_steps(self.network)}")
        if values is None or values[0] < 0 or values[-1] >= table:
            raise DdcError(f"the embedding takes ints in 0..{table - 1}, which {type_} is not")
        self.emitter.value = self.builder.load(name, at, name=f"{name}_t")
        self.emitter.scalar, self.emitter.shape = element(type_), ()

    def parts(
        self, name: str, type_: Type, rest: tuple[int, ...], at: Affine, plain: bool, width: int
    ) -> list[str]:
        """Return one input's numbers at this step, as scalars or as one vector."""
        loads = [
            self.builder.load(name, at, *place_, name=f"{name}_t") for place_ in np.ndindex(*rest)
        ]
        scalar = element(type_)
        if plain:
            return loads
        if isinstance(scalar, OneHot):
            hot = [
                self.builder.op("onehot", x, name=f"{name}_hot", size=scalar.size) for x in loads
            ]
            return hot
        return [self.builder.op("pack", *loads, name=f"{name}_row", shape=(Affine.of(width),))]

    # ------------------------------------------------------------ layers

    def layer(self, layer: Layer) -> None:
        emitter = self.emitter
        if layer.kind in CELL_KINDS:
            if emitter.shape != (input_width(layer),):
                raise DdcError(
                    f"{layer.describe()} takes {input_width(layer)} numbers at each step, "
                    f"but gets {list(emitter.shape)}"
                )
            emitter.value = _CELLS[layer.kind](self, layer)
            emitter.shape, emitter.scalar = (state_size(layer),), REAL
            return
        if layer.kind == "embedding" and layer is self.network.layers[0]:
            emitter.layer(layer, (layer.tensors["weight"].shape[1],))
            return
        if layer.kind not in POINTWISE:
            raise DdcError(f"{layer.describe()} is not supported in a recurrent network")
        if layer.kind == "softmax":
            # Behind the batch and time, the numbers of a step are the last axis.
            if layer.attrs["dim"] not in (-1, 1, 2):
                raise DdcError(
                    f"{layer.describe()} works on axis {layer.attrs['dim']}, not the last"
                )
            layer = replace(layer, attrs={"dim": -1})
        (shape,) = shapes([layer], emitter.shape)
        emitter.layer(layer, shape)

    def state(self, layer: Layer, wish: str, start: np.ndarray) -> str:
        name = self.builder.fresh(wish)
        init = self.emitter.constant(f"{wish}_start", start)
        self.states.append(State(name, with_dims(REAL, (Affine.of(start.size),)), init))
        return name

    def dense(self, layer: Layer, value: str, weight: np.ndarray, bias: np.ndarray | None) -> str:
        constants: list[Global] = [self.emitter.constant("w", weight)]
        if bias is not None:
            constants.append(self.emitter.constant("b", bias))
        return self.op(layer, "dense", "d", value, *constants)

    def op(self, layer: Layer, code: str, wish: str, *operands: Operand) -> str:
        return self.builder.op(code, *operands, name=wish, origin=Origin(place(layer.path)))

    def gates(self, layer: Layer, count: int, h: str) -> list[tuple[str, str]]:
        """Return what each gate hears of the input and of the state, before they are joined."""
        size = state_size(layer)
        tensors = layer.tensors
        found: list[tuple[str, str]] = []
        for gate in range(count):
            rows = slice(gate * size, (gate + 1) * size)
            heard: list[str] = []
            for value, part in ((self.emitter.value, "ih"), (h, "hh")):
                bias = tensors.get(f"bias_{part}")
                own = None if bias is None else bias[rows]
                heard.append(self.dense(layer, value, tensors[f"weight_{part}"][rows], own))
            found.append((heard[0], heard[1]))
        return found

    # ------------------------------------------------------------ decision

    def decide(self, decision: str) -> tuple[list[str], Scalar, tuple[Affine, ...]]:
        """Write the decision; return what is yielded, of which scalar type and shape."""
        emitter = self.emitter
        decide = DECIDE.get(decision)
        if decide is not None:
            decide(emitter)
        shape = emitter.shape
        if not shape:
            return [emitter.value], emitter.scalar, ()
        if decision == "softmax":
            return [emitter.value], emitter.scalar, (Affine.of(shape[0]),)
        several = [self.builder.load(emitter.value, place_, name="y") for place_ in range(shape[0])]
        return several, emitter.scalar, ()


def _mlp_cell(writer: _Writer, layer: Layer) -> str:
    h = writer.state(layer, "h", layer.tensors["h0"])
    value = writer.op(layer, "concat", "hx", h, writer.emitter.value)
    count = sum(name.endswith(".weight") for name in layer.tensors)
    for number in range(count):
        if number:
            value = writer.op(layer, "relu", "r", value)
        weight, bias = (layer.tensors[f"{number}.{part}"] for part in ("weight", "bias"))
        value = writer.dense(layer, value, weight, bias)
    writer.nexts.append(value)
    return value


def _zeros(layer: Layer) -> np.ndarray:
    return np.zeros(state_size(layer), layer.tensors["weight_hh"].dtype)


def _rnn(writer: _Writer, layer: Layer) -> str:
    h = writer.state(layer, "h", _zeros(layer))
    ((x, past),) = writer.gates(layer, 1, h)
    total = writer.op(layer, "add", "s", x, past)
    value = writer.op(layer, str(layer.attrs["activation"]), "n", total)
    writer.nexts.append(value)
    return value


def _gru(writer: _Writer, layer: Layer) -> str:
    h = writer.state(layer, "h", _zeros(layer))
    reset, update, new = writer.gates(layer, 3, h)
    r, z = (_gate(writer, layer, pair, "sigmoid") for pair in (reset, update))
    past = writer.op(layer, "mul", "m", r, new[1])
    n = _gate(writer, layer, (new[0], past), "tanh")
    # (1 - z) * n + z * h
    change = writer.op(layer, "sub", "c", h, n)
    kept = writer.op(layer, "mul", "k", z, change)
    value = writer.op(layer, "add", "n", n, kept)
    writer.nexts.append(value)
    return value


def _lstm(writer: _Writer, layer: Layer) -> str:
    h = writer.state(layer, "h", _zeros(layer))
    c = writer.state(layer, "c", _zeros(layer))
    gates = writer.gates(layer, 4, h)
    kinds = ("sigmoid", "sigmoid", "tanh", "sigmoid")
    i, f, g, o = (_gate(writer, layer, pair, kind) for pair, kind in zip(gates, kinds, strict=True))
    kept = writer.op(layer, "mul", "k", f, c)
    new = writer.op(layer, "mul", "m", i, g)
    cell = writer.op(layer, "add", "c_next", kept, new)
    value = writer.op(layer, "mul", "n", o, writer.op(layer, "tanh", "a", cell))
    writer.nexts += [value, cell]
    return value


def _gate(writer: _Writer, layer: Layer, heard: tuple[str, str], activation: str) -> str:
    return writer.op(layer, activation, "g", writer.op(layer, "add", "s", *heard))


_CELLS: dict[str, Callable[[_Writer, Layer], str]] = {
    "mlp_cell": _mlp_cell,
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}
