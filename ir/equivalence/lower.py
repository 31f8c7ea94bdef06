"""Lower circuits to gates: each int becomes bit planes in two's complement."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ddc.ir.inputs import dtype_of
from ddc.ir.types import Scalar, int_bounds, levels

from .circuit import Circuit
from .gates import FALSE, Gates, Planes, width_of

LARGEST_TABLE = 1 << 12  # cases; ops without a form in gates are tabulated up to this


class NotLoweredError(Exception):
    """A node has no form in gates: it works on reals, or on ints of too many cases."""


class Lowering:
    """The planes of nodes of one circuit; `digits` gives each flat input its digit's signals."""

    def __init__(self, circuit: Circuit, gates: Gates, digits: Callable[[int], Planes]) -> None:
        self.circuit = circuit
        self.gates = gates
        self.digits = digits  # most significant first
        self._planes: dict[int, Planes] = {}

    def planes(self, roots: Iterable[int]) -> list[Planes]:
        """Return the planes of the roots; raises `NotLoweredError` where there are none."""
        wanted = list(roots)
        for node in self.circuit.cone(k for k in wanted if k not in self._planes):
            if node not in self._planes:
                self._planes[node] = self._lower(node)
        return [self._planes[k] for k in wanted]

    def range(self, node: int) -> tuple[int, int]:
        bounds = int_bounds(self.circuit.types[node])
        if bounds is None or bounds[0] is None or bounds[1] is None:
            raise NotLoweredError
        return bounds[0], bounds[1]

    def _lower(self, node: int) -> Planes:
        code = self.circuit.codes[node]
        low, high = self.range(node)
        if code == "constant":
            return self.gates.number(low)
        if code == "input":
            return self._input(node)
        operands = [self._planes[k] for k in self.circuit.operands[node]]
        form = _FORMS.get(code)
        if form is not None:
            planes = form(self, node, operands)
            if planes is not None:
                return self.gates.narrowed(planes, low, high)
        return self._tabulate(node, operands)

    def _input(self, node: int) -> Planes:
        signals = self.digits(self.circuit.position(node))
        values = levels(self.circuit.types[node])
        if values is None:
            raise NotLoweredError
        if values == tuple(range(len(values))):
            return (*reversed(signals), FALSE)
        width = width_of(values[0], values[-1])
        return self.gates.look_up(signals, dict(enumerate(values)), width)

    # ------------------------------------------------------------ forms

    def logic(self, node: int, operands: Sequence[Planes]) -> Planes:
        bits = [planes[0] for planes in operands]
        code = self.circuit.codes[node]
        if code == "not":
            return (bits[0] ^ 1, FALSE)
        join = {"and": self.gates.all, "or": self.gates.any, "xor": self.gates.parity}[code]
        return (join(bits), FALSE)

    def sum(self, node: int, operands: Sequence[Planes]) -> Planes:
        signs = {"sub": (1, -1), "neg": (-1,)}.get(self.circuit.codes[node], (1,) * len(operands))
        return self.gates.weighted_sum(zip(operands, signs), 0, *self.range(node))

    def threshold(self, node: int, operands: Sequence[Planes]) -> Planes:
        attrs = dict(self.circuit.attrs[node])
        weights, least = attrs.get("weights"), attrs["least"]
        factors = weights if isinstance(weights, tuple) else (1,) * len(operands)
        assert isinstance(least, int)
        low = high = -least
        for factor, operand in zip(factors, self.circuit.operands[node]):
            ends = [int(str(factor)) * end for end in self.range(operand)]
            low, high = low + min(ends), high + max(ends)
        terms = [(planes, int(str(factor))) for planes, factor in zip(operands, factors)]
        total = self.gates.weighted_sum(terms, -least, min(low, -1), max(high, 0))
        return (total[-1] ^ 1, FALSE)

    def product(self, node: int, operands: Sequence[Planes]) -> Planes:
        total, reach = operands[0], self.range(self.circuit.operands[node][0])
        for planes, operand in zip(operands[1:], self.circuit.operands[node][1:]):
            ends = [a * b for a, b in itertools.product(reach, self.range(operand))]
            reach = (min(ends), max(ends))
            total = self.gates.product(total, planes, *reach)
        return total

    def comparison(self, node: int, operands: Sequence[Planes]) -> Planes:
        code, (a, b) = self.circuit.codes[node], operands
        if code in ("eq", "ne"):
            return (self.gates.equal(a, b) ^ (code == "ne"), FALSE)
        if code in ("gt", "le"):
            a, b = b, a
        return (self.gates.less(a, b) ^ (code in ("ge", "le")), FALSE)

    def select(self, node: int, operands: Sequence[Planes]) -> Planes:
        condition, then, other = operands
        return self.gates.choose_planes(condition[0], then, other)

    def extreme(self, node: int, operands: Sequence[Planes]) -> Planes:
        best = operands[0]
        for planes in operands[1:]:
            less = self.gates.less(planes, best)
            condition = less if self.circuit.codes[node] == "min" else less ^ 1
            best = self.gates.choose_planes(condition, planes, best)
        return best

    def magnitude(self, node: int, operands: Sequence[Planes]) -> Planes:
        (planes,) = operands
        _, high = self.range(node)
        negated = self.gates.weighted_sum([(planes, -1)], 0, -high - 1, high)
        return self.gates.choose_planes(planes[-1], negated, planes)

    def sign(self, node: int, operands: Sequence[Planes]) -> Planes:
        (planes,) = operands
        some = self.gates.any(planes)
        if self.circuit.codes[node] == "step":
            return (self.gates.both(some, planes[-1] ^ 1), FALSE)
        return (some, planes[-1])

    def remainder(self, node: int, operands: Sequence[Planes]) -> Planes | None:
        """Return a quotient or remainder by a power of two, which only picks planes."""
        divisor = self.circuit.value(self.circuit.operands[node][1])
        if not isinstance(divisor, int) or divisor < 1 or divisor & (divisor - 1):
            return None
        shift = divisor.bit_length() - 1
        if self.circuit.codes[node] == "mod":
            return (*self.gates.extended(operands[0], shift + 1)[:shift], FALSE)
        return operands[0][shift:] or operands[0][-1:]

    # ------------------------------------------------------------ tables

    def _tabulate(self, node: int, operands: Sequence[Planes]) -> Planes:
        """Return an op as a look-up over all values of its operands."""
        nodes = self.circuit.operands[node]
        cases: list[tuple[int, ...]] = []
        listed = self.circuit.codes[node] == "table"
        for operand in nodes:
            values = levels(self.circuit.types[operand])
            if values is None:
                raise NotLoweredError
            cases.append(values)
        count = math.prod(len(values) for values in cases)
        if not listed and count > LARGEST_TABLE:
            raise NotLoweredError
        entries = self._entries(node, cases, count)
        width = width_of(*self.range(node))
        address: list[int] = []
        for planes in operands:
            address += reversed(planes)
        sizes = [len(planes) for planes in operands]
        keyed = {
            _address(values, sizes): entry
            for values, entry in zip(itertools.product(*cases), entries)
        }
        return self.gates.look_up(address, keyed, width)

    def _entries(self, node: int, cases: Sequence[tuple[int, ...]], count: int) -> list[int]:
        circuit = self.circuit
        if circuit.codes[node] == "table":
            entries = dict(circuit.attrs[node])["entries"]
            assert isinstance(entries, tuple)
            return [int(str(entry)) for entry in entries]
        types: list[Scalar] = [circuit.types[k] for k in circuit.operands[node]]
        grid = list(itertools.product(*cases))
        columns: list[Any] = [
            np.array([row[k] for row in grid], dtype=dtype_of(type_))
            for k, type_ in enumerate(types)
        ]
        code, attrs, type_ = circuit.codes[node], circuit.attrs[node], circuit.types[node]
        values = np.broadcast_to(circuit.evaluate(code, attrs, types, type_, columns), (count,))
        return [int(v) for v in values.tolist()]


def _address(values: Sequence[int], sizes: Sequence[int]) -> int:
    address = 0
    for value, size in zip(values, sizes):
        address = address << size | value % (1 << size)
    return address


_Form = Callable[[Lowering, int, Sequence[Planes]], Planes | None]

_FORMS: Mapping[str, _Form] = {
    **dict.fromkeys(("not", "and", "or", "xor"), Lowering.logic),
    **dict.fromkeys(("add", "sub", "neg"), Lowering.sum),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), Lowering.comparison),
    **dict.fromkeys(("min", "max"), Lowering.extreme),
    **dict.fromkeys(("sign", "step"), Lowering.sign),
    **dict.fromkeys(("mod", "floordiv"), Lowering.remainder),
    "threshold": Lowering.threshold,
    "mul": Lowering.product,
    "select": Lowering.select,
    "abs": Lowering.magnitude,
}

__all__ = ["Lowering", "NotLoweredError"]
