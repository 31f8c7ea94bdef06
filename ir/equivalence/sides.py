"""The two sides of a comparison: programs written out, programs interpreted, tables of a network.

Flat inputs are the entries of all parameters, row-major in order; flat outputs likewise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddc.ir.infer import value_types
from ddc.ir.interpreter import run_batch
from ddc.ir.module import Function, Module, walk
from ddc.ir.ops import OPS
from ddc.ir.sizes import at_sizes
from ddc.ir.types import Missing, Real, Scalar, element, shape_of

from .bitslice import Leaves, Words, packed
from .circuit import Circuit
from .gates import FALSE, Planes
from .lower import Lowering, NotLoweredError

Values = NDArray[Any]
Columns = Mapping[int, Values]


class Oracle(Protocol):
    """A network that answers with exact decisions, by a table where it has one."""

    @property
    def outputs(self) -> int:
        """The number of flat outputs."""
        ...

    def cone(self, output: int) -> Sequence[int]:
        """Return the flat positions of the inputs that an output may depend on, increasing."""
        ...

    def table(self, output: int) -> NDArray[np.uint8] | None:
        """Return a bit for each assignment of the cone, or None where there is no such table.

        Assignments are in counting order, the first input of the cone being the most significant
        digit; eight to a byte, the first one lowest (`np.packbits(..., bitorder="little")`).
        """
        ...

    def evaluate(self, rows: NDArray[np.int64], outputs: Sequence[int]) -> Values:
        """Return the decisions [rows, outputs] for rows of values of all flat inputs."""
        ...


class Signature:
    """The flat inputs of a function at concrete sizes."""

    def __init__(self, function: Function, sizes: Mapping[str, int]) -> None:
        fixed = at_sizes(function, sizes)
        self.params = fixed.params
        self.results = fixed.results
        self.types: list[Scalar] = []
        for param in fixed.params:
            self.types += [element(param.type)] * math.prod(shape_of(param.type))

    def arrays(self, columns: Columns, rows: int) -> dict[str, Values]:
        """Return the parameters for a batch; inputs that are not given have their lowest value."""
        result: dict[str, Values] = {}
        position = 0
        for param in self.params:
            shape = shape_of(param.type)
            count = math.prod(shape)
            given = [columns[k] for k in range(position, position + count)]
            dtype = given[0].dtype if given else np.dtype(np.int64)
            matrix = np.empty((rows, count), dtype=dtype)
            for k, column in enumerate(given):
                matrix[:, k] = column
            result[param.name] = matrix.reshape((rows, *shape))
            position += count
        return result


class Side(Protocol):
    """One side of a comparison."""

    exact: bool  # whether agreement on all inputs is a proof

    def cone(self, output: int) -> Sequence[int]:
        """Return the flat inputs that an output may depend on."""
        ...

    def planes(self, lowering: Lowering, leaves: Leaves, outputs: Sequence[int]) -> list[Planes]:
        """Return the outputs as bit planes; raises `NotLoweredError` where there are none."""
        ...

    def values(self, columns: Columns, rows: int, outputs: Sequence[int]) -> list[Values]:
        """Return a column for each of the outputs from columns of all flat inputs."""
        ...


class InterpretedSide:
    """A program run by the interpreter; every output may depend on every input."""

    def __init__(self, module: Module, signature: Signature, sizes: Mapping[str, int]) -> None:
        self.module = module
        self.signature = signature
        self.sizes = dict(sizes)
        self.exact = not inexact(module)

    def cone(self, output: int) -> Sequence[int]:
        return range(len(self.signature.types))

    def planes(self, lowering: Lowering, leaves: Leaves, outputs: Sequence[int]) -> list[Planes]:
        raise NotLoweredError

    def values(self, columns: Columns, rows: int, outputs: Sequence[int]) -> list[Values]:
        arrays = self.signature.arrays(columns, rows)
        results = run_batch(self.module, arrays, sizes=self.sizes)
        flat = [column for r in results for column in r.reshape(rows, -1).T]
        return [flat[k] for k in outputs]


class CircuitSide:
    """A program written out as nodes of a circuit; what works on reals is interpreted."""

    def __init__(
        self, circuit: Circuit, nodes: Sequence[int], interpreted: InterpretedSide
    ) -> None:
        self.circuit = circuit
        self.nodes = tuple(nodes)
        self.interpreted = interpreted
        self.exact = interpreted.exact

    def cone(self, output: int) -> Sequence[int]:
        return self.circuit.inputs([self.nodes[output]])

    def planes(self, lowering: Lowering, leaves: Leaves, outputs: Sequence[int]) -> list[Planes]:
        return lowering.planes([self.nodes[k] for k in outputs])

    def values(self, columns: Columns, rows: int, outputs: Sequence[int]) -> list[Values]:
        nodes = [self.nodes[k] for k in outputs]
        if self.on_reals(nodes):
            return self.interpreted.values(columns, rows, outputs)
        found = self.circuit.simulate(nodes, columns)
        return [np.broadcast_to(column, (rows,)) for column in found]

    def on_reals(self, nodes: Sequence[int]) -> bool:
        """Tell whether reals take part in the values of some nodes."""
        types = self.circuit.types
        return any(isinstance(types[k], (Real, Missing)) for k in self.circuit.cone(nodes))


class OracleSide:
    """A network's own decisions."""

    def __init__(self, oracle: Oracle, signature: Signature) -> None:
        self.oracle = oracle
        self.signature = signature
        self.exact = True

    def cone(self, output: int) -> Sequence[int]:
        return self.oracle.cone(output)

    def planes(self, lowering: Lowering, leaves: Leaves, outputs: Sequence[int]) -> list[Planes]:
        result: list[Planes] = []
        for output in outputs:
            table = self.oracle.table(output)
            if table is None:
                raise NotLoweredError
            variable = leaves.variables + len(leaves.tables)
            leaves.tables[variable] = _TableWords(table, self.oracle.cone(output), leaves)
            result.append((lowering.gates.variable(variable), FALSE))
        return result

    def values(self, columns: Columns, rows: int, outputs: Sequence[int]) -> list[Values]:
        matrix = np.empty((rows, len(self.signature.types)), dtype=np.int64)
        for position in range(matrix.shape[1]):
            matrix[:, position] = columns[position]
        return list(np.asarray(self.oracle.evaluate(matrix, outputs)).T)


class _TableWords:
    """The words of a table for each block of a space that holds the table's cone."""

    def __init__(self, table: NDArray[np.uint8], cone: Sequence[int], leaves: Leaves) -> None:
        self.table = table
        self.space = leaves.space
        self.places = [self.space.positions.index(position) for position in cone]

    def __call__(self, start: int) -> Words:
        space = self.space
        stop = start + space.block
        if self.places == list(range(len(space.sizes))):
            if start % 8 == 0 and (space.block % 64 == 0 or start == 0):
                octets = self.table[start // 8 : -(-stop // 8)]
                return np.pad(octets, (0, -len(octets) % 8)).view("<u8")
            octets = self.table[start // 8 : -(-stop // 8)]
            bits = np.unpackbits(octets, bitorder="little")[start % 8 :][: space.block]
            return packed(bits)
        number = np.zeros(space.block, dtype=np.int64)
        for place in self.places:
            number = number * space.sizes[place] + space.column(place, start)
        return packed(self.table[number >> 3] >> (number & 7).astype(np.uint8) & 1)


# Real functions that are right to the last place or so, and sums whose order is free.
ROUNDED = ("exp", "log", "sin", "cos", "pow", "curve")


def inexact(module: Module) -> bool:
    """Tell whether the entry computes reals that may differ in the last place between machines."""
    types = value_types(module.entry, module)
    for op in walk(module.entry.body):
        if op.code in OPS and OPS[op.code].family == "network":
            return True
        real = any(isinstance(element(types[name]), Real) for name in op.results)
        if real and (op.code in ROUNDED or (op.code == "reduce" and op.attr("kind") == "add")):
            return True
    return False
