"""Straight-line programs over entries of their inputs: linear parts, totals, and values by lanes."""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Function, Op, Operand, shape_of
from ddc.ir.exact.sources import Ints

MOST_OPS = 1 << 18
MOST_LINEAR = 1 << 22  # entries of all linear values


class NotScalarError(Exception):
    """The program has arrays, loops, or ops that are not followed."""


@dataclass(frozen=True)
class Linear:
    """`const + sum of weights * inputs`; `gate` is what is done with a sum of bits, if anything."""

    weights: Mapping[int, Fraction]
    const: Fraction
    gate: str = ""


@dataclass(frozen=True)
class Piece:
    """`factor * value` of a total, the inputs that it reads, and whether it is always whole."""

    factor: Fraction
    value: str
    mask: int
    whole: bool


@dataclass
class Values:
    """What inputs are, lane by lane: for the first of each class its count, or its value."""

    first: dict[int, Ints]
    known: dict[object, NDArray[Any]] = field(default_factory=dict[object, NDArray[Any]])

    @property
    def lanes(self) -> int:
        """The number of cases."""
        return len(next(iter(self.first.values()))) if self.first else 1

    def of(self, number: int) -> Ints:
        """Return the values of an input that counts on its own."""
        return self.first[number]

    def linear(self, weights: Mapping[int, Any]) -> NDArray[Any]:
        """Return a weighted sum of inputs; those of one class have one weight."""
        total: Any = np.zeros(self.lanes, dtype=np.int64)
        for number, values in self.first.items():
            if number in weights:
                total = total + _number(weights[number]) * values
        return np.asarray(total)


def _number(value: Any) -> Any:
    """Return a number as an int where it is one, else as a Fraction."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else value
    return value


class Program:
    """A straight-line function over flat inputs."""

    def __init__(self, entry: Function, levels: Sequence[Sequence[int]]) -> None:
        self.ops = entry.body.ops
        self.levels = levels
        if len(self.ops) > MOST_OPS:
            raise NotScalarError("the program is too long")
        self.defined: dict[str, Op] = {}
        self.linear: dict[str, Linear] = {}
        self.masks: dict[str, int] = {}
        self.whole: dict[str, bool] = {}
        self.size = 0
        start = 0
        self.places: dict[str, tuple[int, tuple[int, ...]]] = {}
        for param in entry.params:
            shape = shape_of(param.type)
            self.places[param.name] = start, shape
            if not shape:
                self._input(param.name, start)
            start += int(np.prod(shape, dtype=np.int64))
        for op in self.ops:
            self._read(op)
        self.results = self._returned(entry.body.yields)

    def _input(self, name: str, number: int) -> None:
        self.linear[name] = Linear({number: Fraction(1)}, Fraction(0))
        self.masks[name], self.whole[name] = 1 << number, True

    def _returned(self, yields: Sequence[Operand]) -> list[Operand]:
        found: list[Operand] = []
        waiting = list(yields)
        while waiting:
            operand = waiting.pop(0)
            op = self.defined.get(operand) if isinstance(operand, str) else None
            if op is not None and op.code in ("pack", "reshape", "concat"):
                waiting[:0] = op.operands
            else:
                found.append(operand)
        return found

    def _read(self, op: Op) -> None:
        if op.body is not None or len(op.results) != 1:
            raise NotScalarError(f"'{op.code}' is no op of straight-line code")
        name = op.results[0]
        self.defined[name] = op
        if op.code == "load":
            array = str(op.operands[0])
            if array not in self.places:
                raise NotScalarError("an array is made and read again")
            start, shape = self.places[array]
            at = [index.at for index in op.index]
            if not all(a.is_const and 0 <= a.const < n for a, n in zip(at, shape)):
                raise NotScalarError("an index is no number of the array")
            flat = int(np.ravel_multi_index([a.const for a in at], shape)) if shape else 0
            self._input(name, start + flat)
            return
        mask, whole = 0, op.code in _WHOLE
        for operand in op.operands:
            if isinstance(operand, str):
                mask |= self.masks.get(operand, 0)
        if op.code in _KEEPS_WHOLE:
            shown = op.operands[1:] if op.code == "select" else op.operands
            whole = all(self._is_whole(o) for o in shown)
        self.masks[name], self.whole[name] = mask, whole
        found = self._linear(op)
        if found is not None:
            self.size += len(found.weights)
            if self.size > MOST_LINEAR:
                raise NotScalarError("the sums are too long")
            self.linear[name] = found

    def _is_whole(self, operand: Operand) -> bool:
        if isinstance(operand, str):
            return self.whole.get(operand, False)
        return isinstance(operand, (int, Fraction)) and Fraction(operand).denominator == 1

    # ------------------------------------------------------------ linear values

    def _line(self, operand: Operand) -> Linear | None:
        if isinstance(operand, str):
            found = self.linear.get(operand)
            return None if found is None or found.gate else found
        if isinstance(operand, (int, Fraction)):
            return Linear({}, Fraction(operand))
        return None

    def _linear(self, op: Op) -> Linear | None:
        """Return a value as a sum of inputs, or as any or all of a set of bits."""
        if op.code in ("or", "and"):
            return self._gate(op)
        if op.code not in ("add", "sub", "neg", "mul"):
            return None
        lines = [self._line(o) for o in op.operands]
        known = [line for line in lines if line is not None]
        if len(known) < len(lines):
            return None
        if op.code == "mul":
            moving = [line for line in known if line.weights]
            factor = Fraction(1)
            for line in known:
                factor *= 1 if line.weights else line.const
            if len(moving) > 1:
                return None
            return _scaled(moving[0], factor) if moving else Linear({}, factor)
        signs = {"add": [1] * len(known), "sub": [1, -1], "neg": [-1]}[op.code]
        total: dict[int, Fraction] = {}
        const = Fraction(0)
        for sign, line in zip(signs, known):
            const += sign * line.const
            for number, weight in line.weights.items():
                total[number] = total.get(number, Fraction(0)) + sign * weight
        return Linear({n: w for n, w in total.items() if w}, const)

    def _gate(self, op: Op) -> Linear | None:
        bits: dict[int, Fraction] = {}
        for operand in op.operands:
            line = self.linear.get(operand) if isinstance(operand, str) else None
            if line is None or line.const or line.gate not in ("", op.code):
                return None
            alone = len(line.weights) == 1 or line.gate == op.code
            if not alone or any(w != 1 for w in line.weights.values()):
                return None
            if any(list(self.levels[n]) != [0, 1] for n in line.weights):
                return None
            bits |= line.weights
        return Linear(bits, Fraction(0), op.code)

    # ------------------------------------------------------------ totals

    def heads(self, first: str, second: str) -> Iterator[str]:
        """Yield values that both of two values may be functions of, nearest first."""
        sides = [self._above(name) for name in (first, second)]
        yield from (name for name in sides[0] if name in set(sides[1]))

    def _above(self, root: str) -> list[str]:
        found: list[str] = []
        waiting, seen = [root], {root}
        while waiting and len(found) < 64:
            name = waiting.pop(0)
            found.append(name)
            op = self.defined.get(name)
            for operand in op.operands if op is not None else ():
                if isinstance(operand, str) and operand not in seen:
                    seen.add(operand)
                    waiting.append(operand)
        return found

    def flattened(self, terms: Sequence[tuple[Fraction, Operand]]) -> tuple[list[Piece], Fraction]:
        """Return a sum as pieces that are no sums themselves, and a number."""
        total: dict[str, Fraction] = {}
        const = Fraction(0)
        waiting = list(terms)
        while waiting:
            factor, operand = waiting.pop()
            if not isinstance(operand, str):
                if not isinstance(operand, (int, Fraction)):
                    raise NotScalarError("a number of another kind")
                const += factor * Fraction(operand)
                continue
            op = self.defined.get(operand)
            parts = None if op is None else self._terms(op)
            if parts is None:
                total[operand] = total.get(operand, Fraction(0)) + factor
            else:
                waiting += [(factor * f, o) for f, o in parts]
            if len(total) + len(waiting) > MOST_OPS:
                raise NotScalarError("a sum is too long")
        pieces = [
            Piece(f, name, self.masks[name], self.whole[name] and f.denominator == 1)
            for name, f in total.items()
            if f
        ]
        return pieces, const

    def _terms(self, op: Op) -> list[tuple[Fraction, Operand]] | None:
        one = Fraction(1)
        if op.code in ("add", "sub", "neg"):
            signs = {"add": [one] * len(op.operands), "sub": [one, -one], "neg": [-one]}[op.code]
            return list(zip(signs, op.operands))
        if op.code == "mul":
            numbers = [o for o in op.operands if not isinstance(o, str)]
            others = [o for o in op.operands if isinstance(o, str)]
            if len(others) == 1 and all(isinstance(n, (int, Fraction)) for n in numbers):
                factor = one
                for number in numbers:
                    factor *= Fraction(number)  # type: ignore[arg-type]
                return [(factor, others[0])]
        return None

    # ------------------------------------------------------------ values

    def classes(self, pieces: Sequence[Piece], found: dict[int, list[object]]) -> None:
        """Add to each input with which weights the linear values of pieces read it."""
        for op in self._cone([piece.value for piece in pieces]):
            line = self.linear.get(op)
            assert line is not None
            for number, weight in line.weights.items():
                found.setdefault(number, []).append((op, weight))

    def _cone(self, roots: Sequence[str]) -> list[str]:
        """Return the linear values at which the evaluation of some values ends."""
        found: list[str] = []
        waiting, seen = list(roots), set(roots)
        while waiting:
            name = waiting.pop()
            if name in self.linear:
                found.append(name)
                continue
            for operand in self.defined[name].operands:
                if isinstance(operand, str) and operand not in seen:
                    seen.add(operand)
                    waiting.append(operand)
        return found

    def value(self, piece: Piece, values: Values) -> NDArray[Any]:
        """Return a piece over the lanes."""
        order: list[str] = []
        waiting: list[tuple[str, bool]] = [(piece.value, False)]
        while waiting:
            name, ready = waiting.pop()
            if name in values.known:
                continue
            if ready:
                values.known[name] = self._evaluated(name, values)
                order.append(name)
                continue
            waiting.append((name, True))
            if name not in self.linear:
                operands = self.defined[name].operands
                waiting += [(o, False) for o in operands if isinstance(o, str)]
        return np.asarray(values.known[piece.value] * _number(piece.factor))

    def _evaluated(self, name: str, values: Values) -> NDArray[Any]:
        line = self.linear.get(name)
        if line is not None:
            total = values.linear(line.weights)
            if line.gate:
                least = 1 if line.gate == "or" else len(line.weights)
                return (total >= least).astype(np.int64)
            return np.asarray(total + _number(line.const))
        op = self.defined[name]
        given = [self._given(o, values) for o in op.operands]
        run = _RUN.get(op.code)
        if run is None:
            raise NotScalarError(f"'{op.code}' is not followed")
        return np.asarray(run(given))

    def _given(self, operand: Operand, values: Values) -> Any:
        if isinstance(operand, str):
            return values.known[operand]
        if not isinstance(operand, (int, Fraction)):
            raise NotScalarError("a number of another kind")
        return _number(operand)


def _scaled(line: Linear, factor: Fraction) -> Linear:
    if not factor:
        return Linear({}, Fraction(0))
    return Linear({n: w * factor for n, w in line.weights.items()}, line.const * factor)


def _total(given: list[Any]) -> Any:
    return sum(given[1:], given[0])


def _product(given: list[Any]) -> Any:
    total = given[0]
    for other in given[1:]:
        total = total * other
    return total


def _parity(given: list[Any]) -> Any:
    return _total(given) % 2


_RUN: dict[str, Any] = {
    "add": _total,
    "sub": lambda g: g[0] - g[1],
    "neg": lambda g: -g[0],
    "mul": _product,
    "abs": lambda g: abs(g[0]),
    "min": lambda g: np.minimum.reduce(np.broadcast_arrays(*g)),
    "max": lambda g: np.maximum.reduce(np.broadcast_arrays(*g)),
    "not": lambda g: 1 - g[0],
    "and": lambda g: np.minimum.reduce(np.broadcast_arrays(*g)),
    "or": lambda g: np.maximum.reduce(np.broadcast_arrays(*g)),
    "xor": _parity,
    "select": lambda g: np.where(g[0] != 0, g[1], g[2]),
    "sign": lambda g: np.where(g[0] > 0, 1, np.where(g[0] < 0, -1, 0)),
    "step": lambda g: (g[0] > 0).astype(np.int64),
    "lt": lambda g: (g[0] < g[1]).astype(np.int64),
    "le": lambda g: (g[0] <= g[1]).astype(np.int64),
    "gt": lambda g: (g[0] > g[1]).astype(np.int64),
    "ge": lambda g: (g[0] >= g[1]).astype(np.int64),
    "eq": lambda g: (g[0] == g[1]).astype(np.int64),
    "ne": lambda g: (g[0] != g[1]).astype(np.int64),
}
_WHOLE = frozenset(
    ("not", "and", "or", "xor", "sign", "step", "lt", "le", "gt", "ge", "eq", "ne", "threshold")
)
_KEEPS_WHOLE = frozenset(("add", "sub", "neg", "mul", "abs", "min", "max", "select"))

__all__ = ["NotScalarError", "Piece", "Program", "Values"]
