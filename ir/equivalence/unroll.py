"""Write a function at concrete sizes out as a circuit: loops expanded, loads resolved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.affine import Affine, Quotient
from ddc.ir.infer import operand_type
from ddc.ir.module import Block, Function, Global, Module, Op, Operand
from ddc.ir.ops import OPS
from ddc.ir.sizes import specialise
from ddc.ir.types import Missing, Real, Type, element, levels, shape_of

from .circuit import Circuit, TooLargeError, UnsupportedError

Nodes = NDArray[Any]  # an object array of node numbers in the shape of the value

MOST_CONSTANT_ENTRIES = 1 << 22
LARGEST_RUN = 3_000_000  # ops, loops counted through; some twenty seconds


def unroll(
    module: Module,
    function: Function,
    sizes: Mapping[str, int],
    circuit: Circuit,
    inputs: Sequence[Nodes],
    spelled: bool = False,
) -> list[Nodes]:
    """Return the nodes of the results of a function at its sizes.

    `inputs` gives the nodes of each parameter in its shape. With `spelled`, thresholds are written
    out as sums, and logistic functions as quotients, which rounds otherwise. Raises `UnsupportedError` for network layers,
    `TooLargeError` beyond `LARGEST_CIRCUIT`.
    """
    function, types = specialise(module, function, sizes)
    unroller = _Unroller(module, types, circuit, spelled)
    for param, nodes in zip(function.params, inputs):
        unroller.values[param.name] = nodes
    unroller.block(function.body)
    return [unroller.read(operand) for operand in function.body.yields]


def input_nodes(circuit: Circuit, function: Function) -> list[Nodes]:
    """Return input nodes for the parameters, positions counted row-major through all of them."""
    result: list[Nodes] = []
    position = 0
    for param in function.params:
        shape = shape_of(param.type)
        nodes = np.empty(int(np.prod(shape)), dtype=object)
        for k in range(nodes.size):
            nodes[k] = circuit.input(position + k, element(param.type))
        position += nodes.size
        result.append(nodes.reshape(shape))
    return result


def _one(node: int) -> Nodes:
    array = np.empty((), dtype=object)
    array[()] = node
    return array


def _row(array: Nodes, k: int) -> Nodes:
    return array[k : k + 1].reshape(array.shape[1:])


class _Unroller:
    def __init__(
        self, module: Module, types: dict[str, Type], circuit: Circuit, spelled: bool
    ) -> None:
        self.circuit = circuit
        self.spelled = spelled
        self.values: dict[str, Nodes] = {}
        self.indices: dict[str, int] = {}
        self.steps = 0
        self.types = types
        self.module = module
        self.constants: dict[str, Nodes] = {}

    def block(self, block: Block) -> None:
        self.steps += 1 + len(block.ops)
        if self.steps > LARGEST_RUN:
            raise TooLargeError(f"the program runs more than {LARGEST_RUN} ops")
        for op in block.ops:
            if op.body is not None:
                _STRUCTURED[op.code](self, op, op.body)
            else:
                self.define(op.result, _DATA.get(op.code, _Unroller.elementwise)(self, op))

    def define(self, name: str, nodes: Nodes) -> None:
        if isinstance(element(self.types[name]), Real):
            nodes = self.each(self.circuit.as_real, nodes)
        self.values[name] = nodes

    def each(self, function: Callable[..., int], *arrays: Nodes) -> Nodes:
        """Apply a function of nodes entry by entry; scalars go with arrays."""
        if not any(a.ndim for a in arrays):
            return _one(function(*(a.item() for a in arrays)))
        shape = max((a.shape for a in arrays), key=len)
        result = np.empty(shape, dtype=object)
        flat = [a.ravel() if a.shape else itertools.repeat(a.item()) for a in arrays]
        result.ravel()[:] = [function(*entries) for entries in zip(*flat)]
        return result

    def read(self, operand: Operand) -> Nodes:
        if isinstance(operand, Global):
            return self.constant(operand.name)
        if isinstance(operand, str):
            return self.values[operand]
        return _one(self.circuit.constant(operand))

    def constant(self, name: str) -> Nodes:
        if name not in self.constants:
            found = self.module.constant(name)
            assert found is not None
            if found.array.size > MOST_CONSTANT_ENTRIES:
                raise TooLargeError(f"@{name} has more than {MOST_CONSTANT_ENTRIES} entries")
            real = found.array.dtype.kind == "f"
            if real and not np.all(np.isfinite(found.array)):
                raise UnsupportedError(f"@{name} has entries that are not finite")
            nodes = np.empty(found.array.size, dtype=object)
            for k, value in enumerate(found.array.ravel().tolist()):
                nodes[k] = self.circuit.constant(Fraction(value) if real else value)
            self.constants[name] = nodes.reshape(found.array.shape)
        return self.constants[name]

    def at(self, expression: Affine) -> int:
        """Return the value of an index expression."""
        total = expression.const
        for symbol, coefficient in expression.terms:
            if isinstance(symbol, Quotient):
                inner = self.at(symbol.of)
                value = inner // symbol.by if symbol.kind == "floordiv" else inner % symbol.by
            else:
                value = self.indices[symbol]
            total += coefficient * value
        return total

    # ------------------------------------------------------------ ops without a body

    def elementwise(self, op: Op) -> Nodes:
        spec = OPS[op.code]
        if self.spelled and op.code in _SPELLED:
            return self.each(partial(_SPELLED[op.code], self, op), *map(self.read, op.operands))
        if not spec.elementwise or spec.family == "network":
            raise UnsupportedError(f"'{op.code}' is not written out as scalars")
        arrays = [self.read(operand) for operand in op.operands]
        make = self.circuit.op
        if op.code == "table":
            entries = op.attr("entries")
            assert entries is not None
            cases = [self.levels(operand) for operand in op.operands]
            return self.each(lambda *nodes: self.circuit.table(nodes, entries, cases), *arrays)
        if op.code == "round" and isinstance(element(self.type_of(op.operands[0])), Real):
            raise UnsupportedError("rounding reals is left to the interpreter")
        if op.code == "round":
            return arrays[0]
        return self.each(lambda *nodes: make(op.code, nodes, op.attrs), *arrays)

    def logistic(self, op: Op, node: int) -> int:
        one = self.circuit.constant(Fraction(1))
        power = self.circuit.op("exp", (self.circuit.op("neg", (node,)),))
        return self.circuit.op("div", (one, self.circuit.op("add", (one, power))))

    def threshold(self, op: Op, *nodes: int) -> int:
        weights, least = op.attr("weights"), op.attr("least")
        assert isinstance(least, int)
        if isinstance(weights, tuple):
            factors = [self.circuit.constant(w) for w in weights if isinstance(w, int)]
            nodes = tuple(self.circuit.op("mul", pair) for pair in zip(factors, nodes, strict=True))
        total = self.circuit.op("add", nodes)
        return self.circuit.op("ge", (total, self.circuit.constant(least)))

    def type_of(self, operand: Operand) -> Type:
        return operand_type(operand, self.types, self.module)

    def levels(self, operand: Operand) -> Sequence[int]:
        return levels(element(self.type_of(operand))) or ()

    def index(self, op: Op) -> Nodes:
        return _one(self.circuit.constant(self.at(op.index[0].at)))

    def const(self, op: Op) -> Nodes:
        return self.read(op.operands[0])

    def reshape(self, op: Op) -> Nodes:
        return self.read(op.operands[0]).reshape(shape_of(self.types[op.result]))

    def pack(self, op: Op) -> Nodes:
        nodes = np.empty(len(op.operands), dtype=object)
        nodes[:] = [self.read(operand).item() for operand in op.operands]
        return nodes.reshape(shape_of(self.types[op.result]))

    def concat(self, op: Op) -> Nodes:
        return np.concatenate([self.read(operand) for operand in op.operands])

    def onehot(self, op: Op) -> Nodes:
        value, size = self.read(op.operands[0]), op.attr("size")
        assert isinstance(size, int)
        places = [self.circuit.constant(k) for k in range(size)]
        columns = [self.each(self.equals, value, _one(place)) for place in places]
        return np.stack(columns, axis=-1)

    def equals(self, node: int, other: int) -> int:
        return self.circuit.op("eq", (node, other))

    def argmax(self, op: Op) -> Nodes:
        axis = op.attr("axis")
        value = np.moveaxis(self.read(op.operands[0]), axis if isinstance(axis, int) else -1, -1)
        rows = value.reshape((-1, value.shape[-1]))
        places = [self.circuit.constant(k) for k in range(value.shape[-1])]
        nodes = np.empty(len(rows), dtype=object)
        nodes[:] = [self.first_greatest(list(row), places) for row in rows]
        return nodes.reshape(value.shape[:-1])

    def first_greatest(self, values: Sequence[int], places: Sequence[int]) -> int:
        if not values or any(isinstance(self.circuit.types[v], (Real, Missing)) for v in values):
            raise UnsupportedError("argmax of reals is left to the interpreter")
        best, place = values[0], places[0]
        for value, candidate in zip(values[1:], places[1:]):
            greater = self.circuit.op("gt", (value, best))
            place = self.circuit.op("select", (greater, candidate, place))
            best = self.circuit.op("max", (best, value))
        return place

    def load(self, op: Op) -> Nodes:
        array = self.read(op.operands[0])
        place: list[int] = []
        for index, extent in zip(op.index, array.shape):
            at = self.at(index.at)
            if index.border == "wrap":
                at %= extent
            elif index.border == "clamp":
                at = min(max(at, 0), extent - 1)
            elif index.other is not None and not 0 <= at < extent:
                return _one(self.circuit.constant(index.other))
            place.append(at)
        return _one(array[tuple(place)])

    def gather(self, op: Op) -> Nodes:
        array, border, other = self.read(op.operands[0]), op.attr("border"), op.attr("else")
        places = [self.read(operand).item() for operand in op.operands[1:]]
        node: int | None = None
        if isinstance(other, (int, Fraction)):
            node = self.circuit.constant(other)
        elif border in ("wrap", "clamp"):
            places = [self.inside(p, n, str(border)) for p, n in zip(places, array.shape)]
        return _one(self.entry(array, places, node))

    def inside(self, place: int, extent: int, border: str) -> int:
        make = self.circuit.op
        if border == "wrap":
            return make("mod", (place, self.circuit.constant(extent)))
        bottom = make("max", (place, self.circuit.constant(0)))
        return make("min", (bottom, self.circuit.constant(extent - 1)))

    def entry(self, array: Nodes, places: Sequence[int], other: int | None) -> int:
        """Return the entry at computed places as a chain of choices, axis by axis."""
        if not places:
            node: int = array.item()
            return node
        known = self.circuit.value(places[0])
        if known is not None:
            if not 0 <= known < len(array):
                assert other is not None
                return other
            return self.entry(_row(array, int(known)), places[1:], other)
        reachable = levels(self.circuit.types[places[0]])
        candidates = [k for k in range(len(array)) if reachable is None or k in reachable]
        covered = reachable is not None and len(candidates) == len(reachable)
        result = None if covered else other
        for k in reversed(candidates):
            value = self.entry(_row(array, k), places[1:], other)
            if result is None:
                result = value
                continue
            here = self.circuit.op("eq", (places[0], self.circuit.constant(k)))
            result = self.circuit.op("select", (here, value, result))
        assert result is not None
        return result

    # ------------------------------------------------------------ loops

    def boxes(self, op: Op) -> Iterator[None]:
        """Set the loop variables to each place of the loops in turn."""
        if not op.loops:
            yield
            return
        counters: list[Iterator[int]] = [self.range(op, 0)]
        while counters:
            depth = len(counters) - 1
            loop = op.loops[depth]
            value = next(counters[-1], None)
            if value is None:
                counters.pop()
                continue
            self.indices[loop.symbol] = value
            self.values[loop.var] = _one(self.circuit.constant(value))
            if depth + 1 < len(op.loops):
                counters.append(self.range(op, depth + 1))
            else:
                yield

    def range(self, op: Op, depth: int) -> Iterator[int]:
        loop = op.loops[depth]
        return iter(range(self.at(loop.low), self.at(loop.high)))

    def map(self, op: Op, body: Block) -> None:
        columns: list[list[Nodes]] = [[] for _ in op.results]
        for _ in self.boxes(op):
            self.block(body)
            for column, operand in zip(columns, body.yields):
                column.append(self.read(operand))
        for name, column in zip(op.results, columns):
            self.define(name, _joined(column, shape_of(self.types[name])))

    def reduce(self, op: Op, body: Block) -> None:
        values: list[int] = []
        places: list[int] = []
        for _ in self.boxes(op):
            self.block(body)
            values.append(self.read(body.yields[0]).item())
            places.append(self.values[op.loops[0].var].item())
        kind = str(op.attr("kind"))
        if kind == "argmax":
            node = self.first_greatest(values, places)
        elif not values:
            node = self.circuit.constant(1 if kind == "and" else 0)
        else:
            node = self.circuit.op("add" if kind == "count" else kind, values)
        self.define(op.result, _one(node))

    def scan(self, op: Op, body: Block) -> None:
        for state in op.states:
            self.define(state.name, self.read(state.init))
        columns: list[list[Nodes]] = [[] for _ in body.yields]
        for _ in self.boxes(op):
            self.block(body)
            for column, operand in zip(columns, body.yields):
                column.append(self.read(operand))
            nexts = [self.read(operand) for operand in body.nexts]
            for state, value in zip(op.states, nexts):
                self.define(state.name, value)
        finals = [self.values[state.name] for state in op.states]
        for name, column in zip(op.results, columns):
            self.define(name, _joined(column, shape_of(self.types[name])))
        for name, value in zip(op.results[len(columns) :], finals):
            self.define(name, value)


_SPELLED: dict[str, Callable[..., int]] = {
    "sigmoid": _Unroller.logistic,
    "threshold": _Unroller.threshold,
}


def _joined(column: Sequence[Nodes], shape: tuple[int, ...]) -> Nodes:
    result = np.empty((len(column), *(column[0].shape if column else ())), dtype=object)
    for k, nodes in enumerate(column):
        result[k] = nodes if nodes.ndim else nodes[()]
    return result.reshape(shape)


_DATA: dict[str, Callable[[_Unroller, Op], Nodes]] = {
    "index": _Unroller.index,
    "const": _Unroller.const,
    "reshape": _Unroller.reshape,
    "pack": _Unroller.pack,
    "concat": _Unroller.concat,
    "onehot": _Unroller.onehot,
    "argmax": _Unroller.argmax,
    "load": _Unroller.load,
    "gather": _Unroller.gather,
}

_STRUCTURED: dict[str, Callable[[_Unroller, Op, Block], None]] = {
    "map": _Unroller.map,
    "reduce": _Unroller.reduce,
    "scan": _Unroller.scan,
}
