"""Programs with integer registers: each has an update, outputs are expressions of the new values.

What feedback, counters and walks have in common: how they run on words and how they are written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import INT, Module, Operand, Scalar
from ddc.passes import logic
from ddc.passes.logic.expr import with_operands
from ddc.passes.minimise import lower_expression

from .emit import Register, Words, Writer, range_of

Ints = NDArray[np.int64]
Expr = logic.Expr


FRESH = 1 << 16  # variables that stand for what is known already


@dataclass(frozen=True)
class Registers:
    """Registers that start at `starts` and are updated together.

    The variables of an update are the old registers, then the columns of the letter read, then those
    of the letters before it (`lags` letters in all, newest first; `pad` before the first, the
    number of letters for values that no letter has). The variables of an output are the same with the
    new registers.
    """

    names: tuple[str, ...]
    starts: tuple[int, ...]
    updates: tuple[Expr, ...]
    outputs: tuple[Expr, ...]
    lags: int = 1
    pad: int = 0

    def run(self, net: Words, words: Ints) -> Ints:
        """Return the outputs for words [rows, steps]: [rows, steps, outputs]."""
        rows, steps = words.shape
        padded = np.pad(words, ((0, 0), (self.lags - 1, 0)), constant_values=self.pad)
        x = np.concatenate([net.letters, _outside(net)[None]])[padded]
        state = [np.full(rows, start, dtype=np.int64) for start in self.starts]
        found: list[Ints] = []
        for t in range(steps):
            read = [c for lag in range(self.lags) for c in x[:, t + self.lags - 1 - lag].T]
            state = [_column(expr, [*state, *read], rows) for expr in self.updates]
            outputs = [_column(expr, [*state, *read], rows) for expr in self.outputs]
            found.append(np.stack(outputs, axis=1))
        return np.stack(found, axis=1)

    @property
    def cost(self) -> int:
        """What a reader pays for the expressions, those in others once, and the registers."""
        known: list[Expr] = []
        total = 2 * len(self.starts)
        for expr in dict.fromkeys((*self.updates, *self.outputs)):
            total += logic.cost(_reusing(expr, known, FRESH))
            known.append(expr)
        return total

    def emit(self, net: Words) -> Module:
        """Return the program: a scan with the registers, or a map where there are none."""
        writer = Writer(net)
        kinds = [self._kind(expr) for expr in self.outputs]
        if not self.names:
            return writer.mapped(lambda: self._outputs(writer, [], {}), kinds)
        registers = [
            Register(name, self._kind(update, start), start)
            for name, update, start in zip(self.names, self.updates, self.starts, strict=True)
        ]

        def body(names: Sequence[str]) -> tuple[list[Operand], list[Operand]]:
            types = {n: r.type for n, r in zip(names, registers, strict=True)}
            read = self._read(writer, types)
            after: list[Operand] = []
            for update, register in zip(self.updates, registers, strict=True):
                variables = [*names, *read, *after]
                expr = _reusing(update, self.updates[: len(after)], len(names) + len(read))
                after.append(lower_expression(expr, variables, writer.builder, types))
                if isinstance(after[-1], str):
                    types.setdefault(after[-1], register.type)
            return after, self._outputs(writer, after, types, read)

        return writer.scanned(registers, body, kinds)

    def _outputs(
        self,
        writer: Writer,
        state: Sequence[Operand],
        types: dict[str, Scalar],
        read: list[Operand] | None = None,
    ) -> list[Operand]:
        loads = self._read(writer, types) if read is None else read
        variables = [*state, *loads]
        return [
            (
                variables[e.index]
                if isinstance(e, logic.Var)
                else lower_expression(e, variables, writer.builder, types)
            )
            for e in self.outputs
        ]

    def _read(self, writer: Writer, types: dict[str, Scalar]) -> list[Operand]:
        """Load what is used of the last letters."""
        used = set[int]().union(*(e.variables for e in (*self.updates, *self.outputs)))
        width = len(writer.net.columns)
        letters = writer.net.letters
        before = letters[self.pad] if self.pad < len(letters) else _outside(writer.net)
        found: list[Operand] = []
        for lag in range(self.lags):
            for column in range(width):
                if len(self.names) + lag * width + column not in used:
                    found.append(0)
                    continue
                name = writer.load(column, lag, int(before[column]))
                types[name] = range_of(np.array([*writer.net.axes[column], before[column]]))
                found.append(name)
        return found

    def _kind(self, expr: Expr, start: int = 0) -> Scalar:
        """Return a range where the expression keeps to it at any length, else any integer."""
        if isinstance(expr, logic.Var) and expr.index < len(self.names):
            return self._kind(self.updates[expr.index], self.starts[expr.index])
        match expr:
            case logic.And() | logic.Or() | logic.Xor() | logic.Not() | logic.Compare():
                return range_of(np.array([0, 1, start]))
            case logic.Mod(_, by):
                return range_of(np.array([0, by - 1, start]))
            case _:
                return INT


def _outside(net: Words) -> Ints:
    """Return a value for each column that no letter has."""
    least: Ints = net.letters.min(axis=0) - 1
    return least


def _column(expr: Expr, columns: Sequence[Ints], rows: int) -> Ints:
    values = np.asarray(logic.evaluate(expr, columns)).astype(np.int64)
    return np.broadcast_to(values, (rows,))


def _reusing(expr: Expr, known: Sequence[Expr], first: int) -> Expr:
    """Return an expression in which what is known already is read, from variable `first` on."""
    done: dict[Expr, Expr] = {}
    for place, node in enumerate(known):
        if not isinstance(node, logic.Var | logic.Const):
            done.setdefault(node, logic.Var(first + place))
    if expr in done:
        return done[expr]
    for node in logic.topological([expr]):
        if node not in done:
            operands = tuple(done[operand] for operand in node.operands)
            done[node] = node if operands == node.operands else with_operands(node, operands)
    return done[expr]


def functional(rows: Ints, wanted: Ints, tolerance: float) -> tuple[Ints, Ints] | None:
    """Return the distinct rows with what goes with each, None where they do not decide it.

    `wanted` [n, outputs]. A share of `tolerance` may depart from the commonest of its row; rows
    that stand alone are left out then.
    """
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    place = place.reshape(-1)
    values = np.empty((len(distinct), wanted.shape[1]), dtype=np.int64)
    values[place] = wanted
    if (values[place] == wanted).all():
        return distinct, values
    if not tolerance:
        return None
    answers, kind = np.unique(wanted, axis=0, return_inverse=True)
    counts = np.zeros((len(distinct), len(answers)), dtype=np.int64)
    np.add.at(counts, (place, kind.reshape(-1)), 1)
    most, total = counts.max(axis=1), counts.sum(axis=1)
    if (total - most).sum() > tolerance * len(rows):
        return None
    sure = (most > 2 * (total - most)) & (total > 2)
    if total[sure].sum() < len(rows) / 2:
        return None
    return distinct[sure], answers[counts.argmax(axis=1)][sure]


__all__ = ["Registers", "functional"]
