"""Networks on discrete inputs, their cones and slices, and exact decisions on given rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddc.ir.errors import DdcError
from ddc.ir.module import Module

from .blas import own_threads
from .bounds import DOUBLE, SINGLE, Format, domain
from .floats import Plan, unbounded, values_of
from .graph import Chain, Graph, chain, cones
from .lower import lower
from .rational import RationalPlan
from .shifted import shift_keys
from .sources import Floats, Ints

NUMBERS = 1 << 23  # values of a layer that are held at a time
BIG_NUMBERS = 1 << 20  # the same for big integers


class ExactPlan(Protocol):
    """Evaluates rows without any rounding."""

    def run(self, x: Ints) -> NDArray[Any]:
        """Return the decisions for inputs x [inputs, batch], [outputs, batch]."""
        ...


class Network:
    """Some outputs of a network-level function on discrete inputs, as exact arithmetic means them.

    `inputs` are the flat positions of its inputs among those of the function, row-major in order
    of parameters, `outputs` likewise; `levels[i]` are the values of input i in increasing order.
    """

    def __init__(self, graph: Graph, outputs: Ints, inputs: Ints | None = None) -> None:
        """Take these outputs over these inputs, or over the inputs that they depend on."""
        self.graph = graph
        self._outputs = outputs
        self._inputs = inputs
        self._plans: dict[type[np.floating[Any]], Plan] = {}

    @staticmethod
    def of(module: Module) -> Network:
        """Return the network that the entry function of a verified module is.

        Raises `DdcError` that names the op which has no place in a network, or the input that is
        not discrete.
        """
        graph = lower(module)
        return Network(graph, np.arange(graph.outputs), np.arange(len(graph.levels)))

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """The flat positions of the outputs among those of the function."""
        return tuple(self._outputs.tolist())

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The flat positions of the inputs among those of the function."""
        return tuple(self.positions.tolist())

    @property
    def positions(self) -> Ints:
        """The same as an array."""
        return self.chain.inputs if self._inputs is None else self._inputs

    @cached_property
    def levels(self) -> tuple[Sequence[int], ...]:
        """The values of each input, increasing."""
        return tuple(self.graph.levels[i] for i in self.inputs)

    @cached_property
    def extent(self) -> tuple[Ints, Ints]:
        """The least and the greatest value of each input."""
        low = np.array([few[0] for few in self.levels], dtype=np.int64)
        return low, np.array([few[-1] for few in self.levels], dtype=np.int64)

    @cached_property
    def chain(self) -> Chain:
        """The units that the outputs depend on, layer by layer."""
        return chain(self.graph, self._outputs, self._inputs)

    @property
    def discrete(self) -> bool:
        """Tell whether every output is a decision, not a real number."""
        return all(self.graph.bounds[i] is not None for i in self.outputs)

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The range of the outputs; raises `DdcError` where some output is real."""
        found = [self.graph.bounds[i] for i in self.outputs]
        ranges = [pair for pair in found if pair is not None]
        if len(ranges) < len(found):
            raise DdcError("an output is a real number, not a decision: choose one with --output")
        low = min((pair[0] for pair in ranges), default=0)
        high = max((pair[1] for pair in ranges), default=0)
        if ranges and not self.chain.argmax:
            # The weights may say more than the declared type (a rounded sum is an unbounded int).
            heads = self.chain.heads[:, 0]
            values = self.plan(DOUBLE).values
            least, most = float(values.low[heads].min()), float(values.high[heads].max())
            low = max(low, int(least)) if math.isfinite(least) else low
            high = min(high, int(most)) if math.isfinite(most) else high
        return low, high

    def cone(self, output: int) -> tuple[int, ...]:
        """Return the flat positions of the inputs that reach an output through weights not 0."""
        (found,) = cones(self.graph, self._outputs[[output]])
        return tuple(found.tolist())

    def cones(self) -> list[Ints]:
        """Return the cone of every output, each increasing."""
        return cones(self.graph, self._outputs)

    def shift_keys(self) -> list[bytes] | None:
        """Return a key of each output, equal for one function of inputs that are shifted."""
        return shift_keys(self.graph, self._outputs)

    def slice(self, outputs: Sequence[int]) -> Network:
        """Return the network of these outputs (positions in `self.outputs`) over their cone."""
        return Network(self.graph, self._outputs[np.asarray(outputs, dtype=np.int64)])

    def over(self, positions: Sequence[int]) -> Network:
        """Return the same outputs over these flat inputs of the function, in this order.

        Raises `DdcError` where an input that the outputs depend on is missing, at the latest when
        the network is evaluated.
        """
        inputs = np.asarray(positions, dtype=np.int64)
        inside = (inputs >= 0) & (inputs < len(self.graph.levels))
        if not inside.all() or len(np.unique(inputs)) < len(inputs):
            raise DdcError(f"no {len(inputs)} different inputs: {list(positions)}")
        return Network(self.graph, self._outputs, inputs)

    @cached_property
    def fingerprint(self) -> bytes:
        """A digest of all that decides the outputs but where its inputs stand.

        Two slices with one fingerprint are the same function of their inputs in order: so are most
        cells of a convolution.
        """
        state = hashlib.sha256(repr((self.levels, self.chain.argmax)).encode())
        state.update(self.chain.heads.tobytes())
        for layer in self.chain.layers:
            rows = layer.rows
            state.update(repr((rows.width, rows.count, layer.runs)).encode())
            for array in (rows.starts, rows.columns, rows.weights, rows.bias):
                state.update(np.ascontiguousarray(array).tobytes())
        return state.digest()

    # ------------------------------------------------------------ evaluation

    def plan(self, form: Format) -> Plan:
        """Return the chain ready for evaluation in a format."""
        found = self._plans.get(form.dtype)
        if found is None:
            with unbounded():
                found = Plan(self.chain, domain(self.levels, form), form)
            self._plans[form.dtype] = found
        return found

    @property
    def smooth(self) -> bool:
        """Tell whether tanh or sigmoid take part in a way that cannot be removed."""
        return any(layer.smooth for layer in self.chain.layers)

    @cached_property
    def exact_plan(self) -> ExactPlan:
        """The evaluation of last resort."""
        if not self.smooth:
            return RationalPlan(self.chain)
        from .smooth import SmoothPlan

        return SmoothPlan(self.chain, self._describe)

    def _describe(self, x: Ints) -> str:
        return self.graph.input_text(self.positions, x)

    @cached_property
    def width(self) -> int:
        """The greatest number of values of a layer."""
        return max(
            [len(self.levels), *(layer.rows.count for layer in self.chain.layers)], default=1
        )


def decide(network: Network, rows: ArrayLike) -> Ints:
    """Return the exact decisions for input rows [batch, inputs] of values, [batch, outputs].

    float64 with a rigorous bound decides first; rows that it does not decide are redone in big
    integers, or in intervals of growing precision where tanh or sigmoid take part. Raises `DdcError`
    for values outside the declared range, for real outputs, and for an input that cannot be decided.
    """
    x = _checked(network, rows)
    _ = network.bounds
    columns = np.ascontiguousarray(x.T, dtype=np.int64)
    return decide_columns(network, columns).T.copy()


def _checked(network: Network, rows: ArrayLike) -> NDArray[Any]:
    """Return the rows as an array; raises `DdcError` for what the network does not take."""
    x = np.asarray(rows)
    count = len(network.levels)
    if x.ndim != 2 or x.shape[1] != count:
        raise DdcError(f"the network takes rows of {count} values, not an array of {x.shape}")
    low, high = network.extent
    if x.dtype.kind not in "iubf" or (x.dtype.kind == "f" and not (x == np.rint(x)).all()):
        raise DdcError("input values must be integers")
    if x.size and (bool((x < low).any()) or bool((x > high).any())):
        bad = int(np.argmax(((x < low) | (x > high)).any(axis=0)))
        raise DdcError(f"input {network.inputs[bad]} has values outside {low[bad]}..{high[bad]}")
    return x


def decide_columns(network: Network, x: Ints) -> Ints:
    """Return the exact decisions for inputs x [inputs, batch], [outputs, batch]."""
    with own_threads():
        return _decide_columns(network, x)


def _decide_columns(network: Network, x: Ints) -> Ints:
    result = np.empty((len(network.outputs), x.shape[1]), dtype=np.int64)
    plan = network.plan(DOUBLE)
    size = max(1, NUMBERS // network.width)
    for start in range(0, x.shape[1], size):
        part = x[:, start : start + size]
        with unbounded():
            found, undecided = plan.run(part.astype(np.float64))
        block = result[:, start : start + size]
        if undecided is None:
            block[:] = found
            continue
        block[:] = np.where(undecided, 0.0, found)
        block[:, undecided] = decide_exactly(network, part[:, undecided])
    return result


def decide_exactly(network: Network, x: Ints) -> Ints:
    """Return the same without floating point."""
    result = np.empty((len(network.outputs), x.shape[1]), dtype=np.int64)
    size = max(1, BIG_NUMBERS // network.width)
    for start in range(0, x.shape[1], size):
        result[:, start : start + size] = network.exact_plan.run(x[:, start : start + size])
    return result


def evaluate(network: Network, rows: ArrayLike) -> tuple[Floats, Floats]:
    """Return real outputs for rows [batch, inputs], [batch, outputs], and error bounds [outputs].

    The exact value lies within the bound of the one returned, where no hidden sign or step unit
    is closer to its cut than rounding can tell.
    """
    x = _checked(network, rows)
    values, error = values_of(network.plan(DOUBLE), np.ascontiguousarray(x.T, dtype=np.float64))
    return values.T.copy(), error


Progress = Callable[[int, int], None]

__all__ = ["DOUBLE", "SINGLE", "Network", "Progress", "decide", "decide_columns", "evaluate"]
