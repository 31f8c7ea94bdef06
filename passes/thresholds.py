"""Raise networks of sign and step units exactly, unit by unit, however many inputs there are.

A unit that compares an affine sum of bits and small ints with a number is a threshold: its
weights are binary fractions, so they are scaled to coprime integers and no decision can change.
A sign unit keeps its tie: -1, 0 or 1 by two thresholds, or by one where the sum cannot be 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from ddc.ir import Builder, DdcError, Function, Module, Operand, Origin, dims
from ddc.ir.exact.activation import Activation
from ddc.ir.exact.graph import Graph, Stage
from ddc.ir.exact.lower import lower
from ddc.ir.exact.sources import rows_of

from .base import Context, Declined, Pass
from .tabulate import flat_reads
from .units import emit_reads

MAX_TERMS = 1 << 20  # non-zero weights that are written out term by term
LARGEST_WEIGHT = 1 << 62


@dataclass(frozen=True)
class Thresholds(Pass):
    """Raise sign and step units to integer thresholds, ties kept."""

    name: ClassVar[str] = "thresholds"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module as thresholds; `Declined` where a unit is neither sign nor step."""
        try:
            graph = lower(module)
        except DdcError as error:
            raise Declined(str(error)) from None
        if graph.choices is not None:
            raise Declined("an argmax over sums is not a threshold")
        for stage in graph.stages:
            if stage.activation.kind not in ("compare", "identity"):
                raise Declined(f"a {stage.activation.kind} unit is neither a sign nor a step")
        if any(bounds is None for bounds in graph.bounds):
            raise Declined("the outputs are real numbers, not decisions")
        return module.with_entry(_Raiser(module.entry, graph).function())


@dataclass(frozen=True)
class _Sum:
    """An affine form of discrete values with coprime integer coefficients, scaled by `scale`."""

    operands: tuple[Operand, ...]
    weights: tuple[int, ...]
    bias: int


class _Raiser:
    def __init__(self, entry: Function, graph: Graph) -> None:
        self.entry = entry
        self.graph = graph
        self.builder = Builder([p.name for p in entry.params])
        reads = flat_reads(entry.params)
        names = emit_reads(self.builder, reads, {})
        self.values: list[Operand | dict[int, Fraction]] = list(names)
        self.constants: dict[int, Fraction] = {}
        self.levels: list[tuple[int, ...]] = [tuple(few) for few in graph.levels]
        self.bits = {n for n, few in zip(names, self.levels) if set(few) <= {0, 1}}
        self.terms = 0

    def function(self) -> Function:
        """Return the entry with every unit written out."""
        for number, stage in enumerate(self.graph.stages):
            self._stage(number, stage)
        outputs = [self._value(int(number)) for number in self.graph.results]
        (result,) = self.entry.results
        returned = outputs[0]
        if dims(result.type):
            returned = self.builder.op("pack", *outputs, name=result.name, shape=dims(result.type))
        params = [(p.name, p.type) for p in self.entry.params]
        return self.builder.function(
            self.entry.name, params, [(result.name, result.type)], [returned]
        )

    def _value(self, number: int) -> Operand:
        value = self.values[number]
        if isinstance(value, dict):
            raise Declined("a sum is used as it is, not compared with a number")
        return value

    def _stage(self, number: int, stage: Stage) -> None:
        rows = rows_of(stage.source, np.arange(stage.source.count))
        self.terms += len(rows.columns)
        if self.terms > MAX_TERMS:
            raise Declined(f"more than {MAX_TERMS} weights to write out")
        columns, weights = rows.columns.tolist(), rows.weights.tolist()
        for unit in range(rows.count):
            low, high = int(rows.starts[unit]), int(rows.starts[unit + 1])
            form, bias = self._affine(columns[low:high], weights[low:high], float(rows.bias[unit]))
            if stage.activation.kind == "identity":
                self.values.append(form)
                self.constants[len(self.values) - 1] = bias
                self.levels.append(())
            else:
                origin = Origin(f"unit{number}", (unit,))
                self._compare(form, bias - stage.activation.cut, stage.activation, origin)

    def _affine(
        self, columns: Sequence[int], weights: Sequence[float], bias: float
    ) -> tuple[dict[int, Fraction], Fraction]:
        """Return a unit's sum over discrete values; sums that it reads are put in."""
        form: dict[int, Fraction] = {}
        total = Fraction(bias)
        for column, weight in zip(columns, weights):
            value, factor = self.values[column], Fraction(weight)
            inner = value if isinstance(value, dict) else {column: Fraction(1)}
            total += factor * self.constants.get(column, Fraction(0))
            for source, coefficient in inner.items():
                form[source] = form.get(source, Fraction(0)) + factor * coefficient
        return {source: c for source, c in form.items() if c}, total

    def _compare(
        self, form: dict[int, Fraction], bias: Fraction, activation: Activation, origin: Origin
    ) -> None:
        below, tie, above = activation.outcomes
        scaled = self._scaled(form, bias)
        positive = self._reaches(scaled, 1, origin)
        possible = self._tie_possible(form, scaled)
        nonnegative = self._reaches(scaled, 0, origin) if possible and tie != below else positive
        operand = self._outcome(positive, nonnegative, (below, tie, above), possible)
        self.values.append(operand)
        if isinstance(operand, str) and {below, tie, above} <= {0, 1}:
            self.bits.add(operand)
        self.levels.append(tuple(sorted({below, above} | ({tie} if possible else set()))))

    def _scaled(self, form: dict[int, Fraction], bias: Fraction) -> _Sum:
        parts = [*form.values(), bias]
        scale = math.lcm(*(p.denominator for p in parts))
        whole = [int(p * scale) for p in parts]
        common = math.gcd(*whole) or 1
        *weights, constant = [w // common for w in whole]
        if max(map(abs, whole), default=0) // common >= LARGEST_WEIGHT:
            raise Declined("a unit's weights have no short common scale")
        operands = tuple(self._value(source) for source in form)
        return _Sum(operands, tuple(weights), constant)

    def _tie_possible(self, form: dict[int, Fraction], scaled: _Sum) -> bool:
        """Tell whether the sum can be 0: by range, and by what its steps have in common."""
        low = high = scaled.bias
        step = 0
        for weight, source in zip(scaled.weights, form):
            known = self.levels[source]
            ends = (weight * known[0], weight * known[-1])
            low, high = low + min(ends), high + max(ends)
            step = math.gcd(step, *(weight * (b - a) for a, b in itertools.pairwise(known)))
        if not low <= 0 <= high:
            return False
        return low % step == 0 if step else low == 0

    def _reaches(self, scaled: _Sum, least: int, origin: Origin) -> Operand:
        """Return the bit `sum >= least`; without operands it is a literal."""
        if not scaled.operands:
            return int(scaled.bias >= least)
        # What all weights have in common is taken out; the sum then passes the next whole number.
        common = math.gcd(*scaled.weights)
        weights = tuple(weight // common for weight in scaled.weights)
        plain = set(weights) == {1} and self._all_bits(scaled)
        return self.builder.op(
            "threshold",
            *scaled.operands,
            name="unit",
            origin=origin,
            least=-((scaled.bias - least) // common),
            weights=None if plain else weights,
        )

    def _all_bits(self, scaled: _Sum) -> bool:
        return all(str(operand) in self.bits for operand in scaled.operands)

    def _outcome(
        self,
        positive: Operand,
        nonnegative: Operand,
        outcomes: tuple[int, int, int],
        tie_possible: bool,
    ) -> Operand:
        below, tie, above = outcomes
        if not tie_possible or tie == below:
            return self._choose(positive, above, below)
        if tie == above:
            return self._choose(nonnegative, above, below)
        inner = self._choose(nonnegative, tie, below)
        return self._choose(positive, above, inner)

    def _choose(self, condition: Operand, then: int, other: Operand) -> Operand:
        if then == 1 and other == 0:
            return condition
        if isinstance(condition, int):
            return then if condition else other
        return self.builder.op("select", condition, then, other, name="s")
