"""Affine networks against affine programs: the worst error over all words, in exact arithmetic.

Both together are one linear system whose output is the error before rounding. Its greatest value
over all words of a length is a sum over lags, since the letters are independent; so the first length
at which it reaches a half, and the word that does it, are known exactly. Where powers of the
network's matrix shrink, the rest of the sum is bounded by a geometric series, for every length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError
from ddc.ir.exact.recurrent import Cell
from ddc.ir.module import Global, Op, Operand, walk

from .machine import StepProgram
from .outcome import Budget, Outcome

Ints = NDArray[np.int64]
Exact = NDArray[Any]  # of Fraction

LONGEST = 3000  # steps that are computed exactly
TAILS = 8  # steps between two looks at the tail
POWERS = 64  # of the network's matrix, until one shrinks
HALF = Fraction(1, 2)
SUMS = ("load", "add", "sub", "mul", "reduce", "neg", "const")


class NotAffine(DdcError):
    """A network or a program that is not affine."""


@dataclass(frozen=True)
class System:
    """`z' = M z + N x + d`, `e = C z + D x + c`, starting at z0: exact numbers."""

    M: Exact
    N: Exact
    d: Exact
    C: Exact
    D: Exact
    c: Exact
    z0: Exact


def network_system(cell: Cell) -> System:
    """Return the system of a network of affine layers whose outputs are rounded."""
    run = _Affine(cell)
    for op in cell.body.ops:
        rule = _RULES.get(op.code)
        if rule is None:
            raise NotAffine(f"'{op.code}' is not affine")
        run.values[op.result] = rule(run, op)
    rounded = {op.result: op.operands[0] for op in cell.body.ops if op.code == "round"}
    sources = _sources(cell)
    if any(sources.get(str(o)) not in rounded for o in cell.body.yields):
        raise NotAffine("the outputs are not rounded")
    after = np.concatenate([run.read(o).reshape(-1, run.width) for o in cell.body.nexts])
    given = np.stack([run.read(o).reshape(run.width) for o in cell.body.yields])
    h = cell.hidden
    return System(
        after[:, :h],
        after[:, h:-1],
        after[:, -1],
        given[:, :h],
        given[:, h:-1],
        given[:, -1],
        _lift(cell.start),
    )


def _sources(cell: Cell) -> dict[str, str]:
    """Return the op behind each output, through loads of entries."""
    found = {op.result: op.result for op in cell.body.ops}
    for op in cell.body.ops:
        if op.code in ("load", "reshape", "pack") and str(op.operands[0]) in found:
            found[op.result] = found[str(op.operands[0])]
    return found


def _fraction(value: Any) -> Fraction:
    return Fraction(float(value))


def _lift(array: Any) -> Exact:
    lifted: Exact = np.vectorize(_fraction, otypes=[object])(array)
    return lifted


class _Affine:
    """Values as affine functions of hidden states, inputs and 1; coefficients on the last axis."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.width = cell.hidden + cell.letters.shape[1] + 1
        self.values: dict[str, Exact] = {}
        place = 0
        for state, shape in zip(cell.scan.states, cell.shapes):
            size = int(np.prod(shape, dtype=int))
            units = self.unit(range(place, place + size))
            self.values[state.name] = units.reshape(*shape, self.width)
            place += size

    def unit(self, places: range) -> Exact:
        found: Exact = np.full((len(places), self.width), Fraction(0), dtype=object)
        for row, place in enumerate(places):
            found[row, place] = Fraction(1)
        return found

    def read(self, operand: Operand) -> Exact:
        if isinstance(operand, str):
            return self.values[operand]
        value = (
            self.cell.constants[operand.name]
            if isinstance(operand, Global)
            else np.asarray(float(operand))
        )
        found: Exact = np.full((*value.shape, self.width), Fraction(0), dtype=object)
        found[..., -1] = _lift(value)
        return found


def _load(run: _Affine, op: Op) -> Exact:
    base = op.operands[0]
    if isinstance(base, str) and base in run.cell.inputs:
        place = tuple(index.at.const for index in op.index[1:])
        column = run.cell.hidden + run.cell.columns[base, place]
        letter: Exact = run.unit(range(column, column + 1))[0]
        return letter
    found: Exact = run.read(base)[tuple(index.at.const for index in op.index)]
    return found


def _dense(run: _Affine, op: Op) -> Exact:
    x, weight, *more = (run.read(o) for o in op.operands)
    product: Exact = weight[..., -1].dot(x)
    return product + more[0] if more else product


def _shaped(run: _Affine, op: Op) -> Exact:
    parts = [run.read(o) for o in op.operands]
    whole = np.stack(parts) if op.code == "pack" else parts[0]
    return whole.reshape(*(dim.const for dim in op.shape), run.width)


def _join(run: _Affine, op: Op) -> Exact:
    return np.concatenate([run.read(o) for o in op.operands])


def _sum(run: _Affine, op: Op) -> Exact:
    first, *more = (run.read(o) for o in op.operands)
    for part in more:
        first = first + part if op.code == "add" else first - part
    return first


_RULES: dict[str, Callable[[_Affine, Op], Exact]] = {
    "load": _load,
    "dense": _dense,
    "pack": _shaped,
    "reshape": _shaped,
    "concat": _join,
    "add": _sum,
    "sub": _sum,
    "round": lambda run, op: run.read(op.operands[0]),
}


def program_system(program: StepProgram) -> System:
    """Return the system of a program that adds and subtracts multiples."""
    for op in walk(program.module.entry.body):
        if op.code not in SUMS or (op.code == "reduce" and op.attr("kind") != "add"):
            raise NotAffine(f"'{op.code}' is not affine")
        if op.code == "mul" and sum(isinstance(o, str) for o in op.operands) > 1:
            raise NotAffine("a product of two computed numbers")
    letters, start = program.letters, program.start
    base = letters.min(axis=0)
    rows, steps = [(start, base)], [1]
    bounds = _window_values(program)
    for place in range(len(start)):
        moved = start.copy()
        moved[place] = bounds[place] if bounds[place] != start[place] else start[place] + 1
        rows.append((moved, base))
        steps.append(int(moved[place] - start[place]))
    for column in range(letters.shape[1]):
        high = base.copy()
        high[column] = letters[:, column].max()
        rows.append((start, high))
        steps.append(max(int(high[column] - base[column]), 1))
    numbers = {row.tobytes(): place for place, row in enumerate(letters)}
    chosen = np.array([numbers[np.ascontiguousarray(x).tobytes()] for _, x in rows])
    after, given = program.step(np.stack([r for r, _ in rows]), chosen)
    both = np.concatenate([after, given], axis=1)
    slopes = [
        [Fraction(int(b - a), step) for a, b in zip(both[0], row)]
        for row, step in zip(both[1:], steps[1:])
    ]
    table: Exact = np.array(slopes, dtype=object).T.reshape(both.shape[1], len(rows) - 1)
    at = np.array([Fraction(int(v)) for v in (*start, *base)], dtype=object)
    const = np.array([Fraction(int(v)) for v in both[0]], dtype=object) - table.dot(at)
    r = len(start)
    return System(
        table[:r, :r], table[:r, r:], const[:r], table[r:, :r], table[r:, r:], const[r:], at[:r]
    )


def _window_values(program: StepProgram) -> list[int]:
    """Return another value for each register; delayed inputs keep to values of the input."""
    found = [init + 1 for _, _, init in program.states]
    for name in program.delayed:
        depth, border = program.depth[name]
        values = program.letters[:, program.names.index(name)]
        other = int(values.max()) if values.max() != border else int(values.min())
        found += [other] * depth
    return found


def difference(a: System, b: System) -> System:
    """Return the system whose output is the difference of two on the same inputs."""
    zero = np.full((len(a.M), len(b.M)), Fraction(0), dtype=object)
    turned = np.full((len(b.M), len(a.M)), Fraction(0), dtype=object)
    return System(
        np.block([[a.M, zero], [turned, b.M]]),
        np.concatenate([a.N, b.N]),
        np.concatenate([a.d, b.d]),
        np.concatenate([a.C, -b.C], axis=1),
        a.D - b.D,
        a.c - b.c,
        np.concatenate([a.z0, b.z0]),
    )


def same_outputs(a: System, b: System) -> bool:
    """Tell whether two systems give equal outputs on all words: both realise the same series."""
    error = difference(a, b)
    scaled = _Scaled(error)
    if any(value for value in (*error.D.ravel(), *(error.c + error.C.dot(error.z0)))):
        return False
    for _ in range(len(error.M) + 1):
        if any(scaled.impulse().ravel()):
            return False
        scaled.advance()
    return True


class _Scaled:
    """The rows C M^k in whole multiples of a power of two (or of any common denominator)."""

    def __init__(self, error: System) -> None:
        self.error = error
        parts = (error.M, error.N, error.d, error.C, error.D, error.c, error.z0)
        self.unit = 1
        for array in parts:
            for value in array.ravel():
                self.unit = math.lcm(self.unit, value.denominator)
        drive = error.d + error.M.dot(error.z0) - error.z0
        self.matrix = self._whole(error.M, 1)
        self.inputs = self._whole(np.concatenate([error.N, drive[:, None]], axis=1), 2)
        self.rows = self._whole(error.C, 1)
        self.scale = self.unit  # of the rows

    def _whole(self, array: Exact, times: int) -> Exact:
        scale = self.unit**times
        found: Exact = np.array(
            [int(value * scale) for value in array.ravel()], dtype=object
        ).reshape(array.shape)
        return found

    def impulse(self) -> Exact:
        """Return what an input, and the drift, of one step add later: [outputs, inputs + 1]."""
        found: Exact = self.rows.dot(self.inputs)
        return found

    def impulse_scale(self) -> int:
        return self.scale * self.unit**2

    def advance(self) -> None:
        self.rows = self.rows.dot(self.matrix)
        self.scale *= self.unit


def prove(cell: Cell, program: StepProgram, budget: Budget) -> Outcome:
    """Return how long an affine program rounds as its affine network; raises `NotAffine`."""
    error = difference(network_system(cell), program_system(program))
    return _Worst(error, cell.letters, cell.hidden).run(budget)


class _Worst:
    """The largest and smallest error over all words, length by length."""

    def __init__(self, error: System, letters: Ints, hidden: int) -> None:
        self.error, self.letters, self.hidden = error, letters, hidden
        self.low = [int(v) for v in letters.min(axis=0)]
        self.high = [int(v) for v in letters.max(axis=0)]
        self.scaled = _Scaled(error)
        self.lags: list[list[list[int]]] = []  # signs of the weights, newest lag first

    def run(self, budget: Budget) -> Outcome:
        error, scaled = self.error, self.scaled
        # All in whole multiples of one over `scale`, which grows with the powers of the matrix.
        scale = scaled.impulse_scale()
        first = error.c + error.C.dot(error.z0)
        top = [int(v * scale) for v in first]
        bottom = list(top)
        self._widen(top, bottom, error.D * scale)
        quiet = 0
        for length in range(1, LONGEST + 1):
            worst = max(*top, *(-b for b in bottom))
            if 2 * worst >= scale:
                # At exactly a half rounding may still go the right way.
                word = self._word(top, bottom) if 2 * worst > scale else None
                return Outcome(False, length - 1, word, "worst case", length)
            if budget.left < 0:
                return Outcome(False, length, None, "worst case", length)
            if length % TAILS == 0 and not any(scaled.rows[:, self.hidden :].ravel()):
                tail = self._tail()
                if tail is not None and Fraction(worst, scale) + tail < HALF:
                    return Outcome(True, 0, None, "geometric tail", length)
            impulse = scaled.impulse()
            quiet = 0 if any(impulse.ravel()) else quiet + 1
            if quiet > len(error.M):
                return Outcome(True, 0, None, "equal realisations", length)
            for output, drift in enumerate(impulse[:, -1]):
                top[output] += drift
                bottom[output] += drift
            self._widen(top, bottom, impulse[:, :-1])
            scaled.advance()
            scale *= scaled.unit
            top = [value * scaled.unit for value in top]
            bottom = [value * scaled.unit for value in bottom]
        return Outcome(False, LONGEST, None, "worst case", LONGEST)

    def _widen(self, top: list[int], bottom: list[int], weights: Exact) -> None:
        """Add the worst that the input of one step can do."""
        signs: list[list[int]] = []
        for output, row in enumerate(weights):
            signs.append([1 if weight > 0 else -1 if weight < 0 else 0 for weight in row])
            for weight, low, high in zip(row, self.low, self.high):
                ends = (int(weight * low), int(weight * high))
                top[output] += max(ends)
                bottom[output] += min(ends)
        self.lags.append(signs)

    def _word(self, top: list[int], bottom: list[int]) -> Ints:
        """Return the word whose error is the largest."""
        sizes = [max(above, -below) for above, below in zip(top, bottom)]
        output = sizes.index(max(sizes))
        upward = top[output] >= -bottom[output]
        rows: list[list[int]] = []
        for signs in reversed(self.lags):
            wanted = signs[output] if upward else [-s for s in signs[output]]
            ends = zip(wanted, self.low, self.high)
            rows.append([high if sign > 0 else low for sign, low, high in ends])
        numbers = {tuple(int(v) for v in row): place for place, row in enumerate(self.letters)}
        return np.array([numbers[tuple(row)] for row in rows], dtype=np.int64)

    def _tail(self) -> Fraction | None:
        """Bound the sum of all further impulses of the network, None where no power shrinks."""
        shrink = self._shrinking()
        if shrink is None:
            return None
        power, theta = shrink
        h = self.hidden
        weights = self.error.N[:h]
        drive = (self.error.d + self.error.M.dot(self.error.z0) - self.error.z0)[:h]
        largest = max(
            sum(abs(w) * max(abs(low), abs(high)) for w, low, high in zip(row, self.low, self.high))
            + abs(extra)
            for row, extra in zip(weights, drive)
        )
        rows, total = self.scaled.rows[:, :h], Fraction(0)
        scale = self.scaled.scale
        for _ in range(power):
            total += max(Fraction(sum(abs(int(v)) for v in row), scale) for row in rows)
            rows = rows.dot(self.scaled.matrix[:h, :h])
            scale *= self.scaled.unit
        bound: Fraction = total * largest / (1 - theta)
        return bound

    def _shrinking(self) -> tuple[int, Fraction] | None:
        """Return a power of the network's matrix and its norm, where that is at most a half."""
        if not hasattr(self, "_found"):
            self._found: tuple[int, Fraction] | None = next(self._powers(), None)
        return self._found

    def _powers(self) -> Iterator[tuple[int, Fraction]]:
        matrix = self.scaled.matrix[: self.hidden, : self.hidden]
        power, scale = matrix, self.scaled.unit
        for number in range(1, POWERS + 1):
            norm = max(Fraction(sum(abs(int(v)) for v in row), scale) for row in power)
            if norm <= HALF:
                yield number, norm
            power, scale = power.dot(matrix), scale * self.scaled.unit
