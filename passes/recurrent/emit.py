"""Write what was found about a recurrent network as IR: maps over windows, and scans over states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddc.ir import (
    Affine,
    Array,
    Builder,
    Function,
    Index,
    Loop,
    Module,
    Operand,
    Scalar,
    State,
    dims,
    int_type,
)

Ints = NDArray[np.int64]


class Words(Protocol):
    """What a program over words is written from: the function, and the values of its letters.

    `letters` [k, columns] holds the values that a letter gives to each column, `axes` all values of
    each column, `columns` what it reads, and `outputs` the number of results of a step.
    """

    entry: Function
    length: int
    letters: Ints
    axes: tuple[tuple[int, ...], ...]
    columns: list[tuple[str, tuple[int, ...]]]
    outputs: int

    @property
    def size(self) -> int:
        """The number of letters."""
        ...


@dataclass(frozen=True)
class Register:
    """A state of a scan: its name, its type and where it starts."""

    name: str
    type: Scalar
    start: int


class Writer:
    """Writes the program of a recurrent network: loads, tables, arithmetic, then a loop over time."""

    def __init__(self, net: Words) -> None:
        self.net = net
        self.entry = net.entry
        self.builder = Builder([param.name for param in self.entry.params])
        self.time = Loop(self.builder.fresh("i"), Affine.of(0), Affine.of(net.length))
        self.at = Affine.symbol(self.time.symbol)

    def load(self, column: int, lag: int = 0, pad: int = 0) -> str:
        """Return the value of an input `lag` steps ago, `pad` before the first."""
        name, place = self.net.columns[column]
        rest = [Index(Affine.of(number)) for number in place]
        when = Index(self.at) if lag == 0 else Index(self.at - lag, "else", pad)
        return self.builder.load(name, when, *rest, name=f"{name}_t")

    def letter(self, lag: int = 0, pad: int = 0) -> list[str]:
        """Return the values of all inputs at one step; `pad` is a letter."""
        values = self.net.letters[pad]
        return [self.load(c, lag, int(values[c])) for c in range(len(self.net.columns))]

    def table(self, values: Ints, operands: Sequence[Operand], name: str = "y") -> Operand:
        """Return a look-up over all values of the operands, last fastest."""
        entries = tuple(int(v) for v in values.reshape(-1))
        if len(set(entries)) == 1:
            return entries[0]
        return self.builder.op("table", *operands, name=name, entries=entries)

    def total(self, terms: Sequence[tuple[int, Operand]], const: int = 0) -> Operand:
        """Return a weighted sum, negative terms subtracted last."""
        plus = [self._scaled(c, o) for c, o in terms if c > 0]
        minus = [self._scaled(-c, o) for c, o in terms if c < 0]
        if const > 0 or not plus:
            plus.append(const)
        if const < 0 and plus != [const]:
            minus.append(-const)
        value = plus[0] if len(plus) == 1 else self.builder.op("add", *plus, name="total")
        for operand in minus:
            value = self.builder.op("sub", value, operand, name="total")
        return value

    def _scaled(self, factor: int, operand: Operand) -> Operand:
        return operand if factor == 1 else self.builder.op("mul", factor, operand, name="part")

    def op(self, code: str, *operands: Operand, name: str) -> str:
        """Return one op's result."""
        return self.builder.op(code, *operands, name=name)

    # ------------------------------------------------------------ whole programs

    def mapped(self, body: Callable[[], Sequence[Operand]], kinds: Sequence[Scalar]) -> Module:
        """Return the program that maps a body over time."""
        with self.builder.body() as ops:
            yields = body()
        names = [result.name for result in self.entry.results]
        results = self.builder.map([self.time], ops, yields, names)
        return self._module(results, kinds)

    def scanned(
        self,
        registers: Sequence[Register],
        body: Callable[[Sequence[str]], tuple[Sequence[Operand], Sequence[Operand]]],
        kinds: Sequence[Scalar],
    ) -> Module:
        """Return the program that goes through time; the body gives nexts and yields."""
        names = [self.builder.fresh(register.name) for register in registers]
        with self.builder.body() as ops:
            nexts, yields = body(names)
        states = [State(n, r.type, r.start) for n, r in zip(names, registers, strict=True)]
        wishes = [result.name for result in self.entry.results]
        results = self.builder.scan(
            self.time, states, ops, nexts, yields, [*wishes, *(f"{n}_last" for n in names)]
        )
        return self._module(results[: len(yields)], kinds)

    def _module(self, results: Sequence[str], kinds: Sequence[Scalar]) -> Module:
        length = dims(self.entry.params[0].type)[:1]
        declared = [
            (result.name, Array(kind, length))
            for result, kind in zip(self.entry.results, kinds, strict=True)
        ]
        function: Function = self.builder.function(
            self.entry.name,
            [(param.name, param.type) for param in self.entry.params],
            declared,
            list(results),
        )
        return Module((function,))


def range_of(values: Any) -> Scalar:
    """Return the type of the range that values lie in."""
    return int_type(int(np.min(values)), int(np.max(values)))
