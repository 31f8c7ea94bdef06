"""Circuits: straight-line programs on scalars, shared and folded as they are built.

A node is an op on earlier nodes. Equal nodes are one node, constants are folded, and each node
knows the range of its values; so that what does not depend on an input does not mention it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ddc.ir.errors import DdcError
from ddc.ir.lanes import Values, literal
from ddc.ir.module import Attr, Number, Op
from ddc.ir.ops import OPS
from ddc.ir.scalars import decided, elementwise
from ddc.ir.types import Int, Real, Scalar, element, int_bounds, levels

Attrs = tuple[tuple[str, Attr], ...]

LARGEST_CIRCUIT = 3_000_000  # nodes; what is larger is only sampled


class TooLargeError(DdcError):
    """The program has too many scalars to be written out."""


class UnsupportedError(DdcError):
    """The program has an op that is not written out as scalars (network layers)."""


# How an op acts on a constant operand: the value that changes nothing, the value that decides.
NEUTRAL: Mapping[str, int] = {"and": 1, "or": 0, "xor": 0, "add": 0, "mul": 1}
ABSORBING: Mapping[str, int] = {"and": 0, "or": 1, "mul": 0}

SINGLE = ("const", "and", "or", "xor", "add", "mul", "min", "max")  # of one operand: itself


class Circuit:
    """Nodes by number: code, operands, attributes and type of each."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.operands: list[tuple[int, ...]] = []
        self.attrs: list[Attrs] = []
        self.types: list[Scalar] = []
        self._nodes: dict[tuple[str, tuple[int, ...], Attrs], int] = {}
        self._rules: dict[tuple[str, Attrs, tuple[Scalar, ...]], Scalar] = {}
        self._values: dict[int, Number] = {}

    def _add(self, code: str, operands: tuple[int, ...], attrs: Attrs, type_: Scalar) -> int:
        if len(self.codes) >= LARGEST_CIRCUIT:
            raise TooLargeError(f"the program has more than {LARGEST_CIRCUIT} scalars")
        self.codes.append(code)
        self.operands.append(operands)
        self.attrs.append(attrs)
        self.types.append(type_)
        return len(self.codes) - 1

    def input(self, position: int, type_: Scalar) -> int:
        """Return the node of a flat input."""
        attrs: Attrs = (("position", position),)
        key = ("input", (), attrs)
        if key not in self._nodes:
            self._nodes[key] = self._add("input", (), attrs, type_)
        return self._nodes[key]

    def constant(self, value: Number) -> int:
        """Return the node of a constant; ints and reals are different nodes."""
        exact = isinstance(value, Fraction)
        attrs: Attrs = (("real" if exact else "int", value),)
        key = ("constant", (), attrs)
        if key not in self._nodes:
            type_ = Real(value, value) if isinstance(value, Fraction) else Int(value, value)
            self._nodes[key] = self._add("constant", (), attrs, type_)
            self._values[self._nodes[key]] = value
        return self._nodes[key]

    def value(self, node: int) -> Number | None:
        """Return the value of a constant node, None for others."""
        return self._values.get(node)

    def op(self, code: str, operands: Sequence[int], attrs: Attrs = ()) -> int:
        """Return the node of an elementwise op, folded where its operands decide it."""
        given = tuple(operands)
        known = [self._values.get(k) for k in given]
        if len(given) == 1 and code in SINGLE:
            return given[0]
        if code == "select" and known[0] is not None and self._alike(given[1:]):
            return given[1 if known[0] else 2]
        if code in _MIRRORED:
            code, given = self._whole_bound(code, given)
            known = [self._values.get(k) for k in given]
        if code in NEUTRAL and any(k is not None for k in known) and self._alike(given):
            if code in ABSORBING and ABSORBING[code] in known:
                return self.constant(ABSORBING[code])
            given = tuple(k for k, v in zip(given, known) if v != NEUTRAL[code])
            if len(given) <= 1:
                return given[0] if given else self.constant(NEUTRAL[code])
            known = [self._values.get(k) for k in given]
        key = (code, given, attrs)
        found = self._nodes.get(key)
        if found is None:
            found = self._make(code, given, attrs, all(v is not None for v in known))
            self._nodes[key] = found
        return found

    def _alike(self, nodes: Iterable[int]) -> bool:
        """Tell whether all are ints, so that dropping one cannot change a type to or from real."""
        return all(int_bounds(self.types[k]) is not None for k in nodes)

    def table(self, operands: Sequence[int], entries: Attr, cases: Sequence[Sequence[int]]) -> int:
        """Return a look-up whose entries list `cases` of each operand.

        Operands may have narrower types here than where the table was written.
        """
        assert isinstance(entries, tuple)
        kept = [0]
        for operand, listed in zip(operands, cases):
            place = {value: k for k, value in enumerate(listed)}
            own = levels(self.types[operand]) or tuple(listed)
            kept = [k * len(listed) + place[v] for k in kept for v in own]
        chosen: tuple[Any, ...] = tuple(entries[k] for k in kept)
        if all(e == chosen[0] and type(e) is type(chosen[0]) for e in chosen):
            return self.constant(chosen[0])
        return self.op("table", operands, (("entries", chosen),))

    def _whole_bound(self, code: str, given: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Return a comparison of an int with a real constant as one with an int, where it is."""
        a, b = given
        if isinstance(self._values.get(a), Fraction):
            code, a, b = _MIRRORED[code], b, a
        bound, bounds = self._values.get(b), int_bounds(self.types[a])
        small = bounds is not None and all(x is not None and abs(x) < 1 << 53 for x in bounds)
        if not isinstance(bound, Fraction) or not small:
            return code, given
        nearest = exact_number(literal(bound)[0])
        if nearest is None or (code in ("eq", "ne") and nearest != math.floor(nearest)):
            return code, given
        whole = math.ceil(nearest) if code in ("lt", "ge") else math.floor(nearest)
        return code, (a, self.constant(whole))

    def as_real(self, node: int) -> int:
        """Return the node as a real: ints are widened, which rounds beyond 53 bits."""
        if int_bounds(self.types[node]) is None:
            return node
        value = self._values.get(node)
        if value is not None:
            number = exact_number(float(literal(Fraction(value))[0]))
            return node if number is None else self.constant(Fraction(number))
        return self.op("add", (node, self.constant(Fraction(0))))

    def _make(self, code: str, operands: tuple[int, ...], attrs: Attrs, fixed: bool) -> int:
        types = tuple(self.types[k] for k in operands)
        key = (code, attrs, types)
        type_ = self._rules.get(key)
        if type_ is None:
            op = Op(code, ("r",), (), attrs)
            type_ = self._rules[key] = element(OPS[code].rule(op, types))
        bounds = int_bounds(type_)
        if bounds is not None and bounds[0] is not None and bounds[0] == bounds[1]:
            return self.constant(bounds[0])
        if bounds is not None and (outcome := decided(code, types)) is not None:
            return self.constant(outcome)
        if fixed:
            values = self.evaluate(code, attrs, types, type_, [self._literal(k) for k in operands])
            number = exact_number(values.ravel()[0])
            if number is not None:
                return self.constant(number)
        return self._add(code, operands, attrs, type_)

    def _literal(self, node: int) -> Values:
        return literal(self._values[node])

    def evaluate(
        self,
        code: str,
        attrs: Attrs,
        types: Sequence[Scalar],
        result: Scalar,
        values: Sequence[Values],
    ) -> Values:
        """Return the values of an op on lanes."""
        with np.errstate(all="ignore"):
            return elementwise(Op(code, ("r",), (), attrs), types, result, values)

    # ------------------------------------------------------------ traversal

    def cone(self, roots: Iterable[int]) -> list[int]:
        """Return the nodes that the roots depend on, operands first."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(self.operands[node])
        return sorted(seen)  # operands have smaller numbers than what uses them

    def inputs(self, roots: Iterable[int]) -> list[int]:
        """Return the flat positions of the inputs that the roots mention."""
        return sorted(self.position(k) for k in self.cone(roots) if self.codes[k] == "input")

    def position(self, node: int) -> int:
        """Return the flat position of an input node."""
        ((_, position),) = self.attrs[node]
        assert isinstance(position, int)
        return position

    def simulate(self, roots: Sequence[int], inputs: Mapping[int, Values]) -> list[Values]:
        """Return the values of the roots; `inputs` maps flat positions to lanes."""
        nodes = self.cone(roots)
        last = {k: node for node in nodes for k in self.operands[node]}
        wanted = set(roots)
        values: dict[int, Values] = {}
        for node in nodes:
            code, operands = self.codes[node], self.operands[node]
            if code == "input":
                values[node] = inputs[self.position(node)]
            elif code == "constant":
                values[node] = self._literal(node)
            else:
                types = [self.types[k] for k in operands]
                given = [values[k] for k in operands]
                attrs, type_ = self.attrs[node], self.types[node]
                values[node] = self.evaluate(code, attrs, types, type_, given)
            for k in set(operands):
                if last[k] == node and k not in wanted:
                    del values[k]
        return [values[k] for k in roots]


def exact_number(value: Any) -> Number | None:
    """Return a numpy number exactly, None for a NaN or an infinity."""
    if isinstance(value, float):  # of numpy too
        return Fraction(value) if math.isfinite(value) else None
    return int(value)


_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
