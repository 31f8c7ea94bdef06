"""Units of a network as functions of its inputs: which they depend on, and their values by lanes."""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .discover import Structure
from .integers import Units
from .scalars import Values


class UnitValues:
    """The network's units as functions of its inputs."""

    def __init__(self, structure: Structure, inputs: int) -> None:
        self.inputs = inputs
        self.units: dict[int, tuple[Units, int]] = {}
        for reference in structure.references[:-1]:
            for unit in range(reference.units.count):
                self.units[reference.start + unit] = reference.units, unit
        self.masks: dict[int, int] = {}

    def mask(self, number: int) -> int:
        """Return the inputs that a value depends on, as bits."""
        for unit in self._missing(number, self.masks):
            columns = weights_of(*self.units[unit])[0]
            self.masks[unit] = reduce(or_, (self._mask(column) for column in columns), 0)
        return self._mask(number)

    def _mask(self, number: int) -> int:
        return 1 << number if number < self.inputs else self.masks[number]

    def _missing(self, number: int, known: Container[object]) -> list[int]:
        """Return the units that a value needs and that are not known yet, lower layers first."""
        found: set[int] = set()
        waiting = [number]
        while waiting:
            unit = waiting.pop()
            if unit >= self.inputs and unit not in known and unit not in found:
                found.add(unit)
                waiting.extend(weights_of(*self.units[unit])[0])
        return sorted(found)  # a unit reads values with smaller numbers only

    def classes(self, pieces: Sequence[tuple[int, int]]) -> dict[int, list[object]]:
        """Return for each input with which weights units read it; equal lists count alike."""
        found: dict[int, list[object]] = {}
        waiting = [number for number, _ in pieces]
        seen: set[int] = set()
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            if number < self.inputs:
                found.setdefault(number, []).append(("alone", number))
                continue
            entries, _ = weights_of(*self.units[number])
            for column, weight in entries.items():
                if column < self.inputs:
                    found.setdefault(column, []).append((number, weight))
                else:
                    waiting.append(column)
        return found

    def value(self, number: int, values: Values) -> NDArray[Any]:
        """Return a unit's values over the lanes."""
        for unit in self._missing(number, values.known):
            values.known[unit] = self._computed(unit, values)
        return values.of(number) if number < self.inputs else values.known[number]

    def _computed(self, number: int, values: Values) -> NDArray[Any]:
        """Return a unit's values from those that it reads."""
        units, unit = self.units[number]
        entries, bias = weights_of(units, unit)
        direct = {c: w for c, w in entries.items() if c < self.inputs}
        total = values.linear(direct) + bias
        for column, weight in entries.items():
            if column >= self.inputs:
                total = total + weight * values.known[column]
        assert units.outcomes is not None
        below, tie, above = units.outcomes[unit].tolist()
        found: NDArray[Any] = np.where(total < 0, below, np.where(total > 0, above, tie))
        return found


def weights_of(units: Units, unit: int) -> tuple[dict[int, int], int]:
    """Return the weights of one unit by column, and its bias."""
    part = slice(int(units.starts[unit]), int(units.starts[unit + 1]))
    entries = dict(zip(units.columns[part].tolist(), units.weights[part].tolist()))
    return entries, int(units.bias[unit])
