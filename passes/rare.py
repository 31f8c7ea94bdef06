"""Recognise a network that is wrong on rare inputs.

A trained network often computes a short rule of a few inputs, except on a handful of inputs out
of a million, and there its output hangs on everything. Written down exactly, such an output is
the rule and a list of exceptions; what the person wants to know is that the network is wrong.
The sign is a gap: a few inputs with influence, and many with next to none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Function
from ddc.ir.exact import Network, Table, majority, project

from . import logic
from .base import Context
from .tables import entry_name, input_names, input_text

READABLE = 6  # outputs of at most so many inputs are taken as they are
FAINT = 1 / 64  # influence below which an input may be noise
GAP = 8  # and how far it must lie below the inputs that matter
SHOWN = 3  # outputs named in the report


@dataclass(frozen=True)
class _Finding:
    output: int
    rule: str
    wrong: int
    rows: int
    example: tuple[tuple[int, int], ...]  # flat input, value
    answer: int


class RareErrors:
    """Collects outputs that follow a short rule except on rare inputs."""

    def __init__(self, entry: Function, network: Network) -> None:
        self.entry = entry
        self.network = network
        self.findings: list[_Finding] = []

    def suspicious(self, influence: NDArray[np.float64]) -> bool:
        """Tell whether an output depends on many inputs, most of them hardly at all."""
        return int(np.count_nonzero(influence)) > READABLE and _gap(influence) is not None

    def judge(
        self, table: Table, row: int, output: int, influence: NDArray[np.float64]
    ) -> list[int] | None:
        """Return the inputs of the rule behind a suspicious output, None where it is the rule.

        An exact expression that reads each input once is a rule in its own right.
        """
        order: list[int] = np.argsort(-influence, kind="stable").tolist()
        keep = sorted(order[: _gap(influence)])
        vote = majority(table, row, keep)
        if vote.disagree == 0 or vote.disagree > table.rows * FAINT:
            return None
        if not self.findings and _reads_once(table, row, np.flatnonzero(influence > 0).tolist()):
            return None
        names = input_names(self.entry.params)
        places = [table.positions[i] for i in keep]
        levels = tuple(tuple(table.levels[i]) for i in keep)
        sizes = [len(few) for few in levels]
        rule = logic.minimise(logic.Table(levels, vote.table.astype(np.int64).reshape(sizes), None))
        assert vote.first is not None
        example = table.inputs_of(np.array([vote.first]))[0].tolist()
        self.findings.append(
            _Finding(
                output,
                logic.text(rule, lambda i: names[places[i]]),
                vote.disagree,
                table.rows,
                tuple(zip(table.positions, example)),
                int(table.output(row)[vote.first]),
            )
        )
        return keep

    def report(self, context: Context) -> None:
        """Raise `RareError` for what was found, or note it where inexact programs are allowed."""
        if not self.findings:
            return
        (result,) = self.entry.results
        names = input_names(self.entry.params)
        lines = [
            f"{entry_name(result, f.output)} is {f.rule} except on {f.wrong} of {f.rows} inputs, "
            f"the first {input_text(f.example, names)} where the network says {f.answer}"
            for f in self.findings[:SHOWN]
        ]
        if len(self.findings) > SHOWN:
            lines.append(f"and {len(self.findings) - SHOWN} more outputs")
        text = (
            "the network is wrong on rare inputs, so that outputs depend on everything: "
            + "; ".join(lines)
        )
        if not context.allow_inexact:
            raise RareError(text + "; train it further, or say --allow-inexact for the rule")
        context.note(text)


class RareError(DdcError):
    """A network that follows a short rule except on rare inputs."""


def _gap(influence: NDArray[np.float64]) -> int | None:
    """Return how many inputs matter, None where influence falls off without a gap.

    At least one has to: a conjunction of many inputs is no error of a constant.
    """
    ordered = np.sort(influence[influence > 0])[::-1]
    for count in range(1, len(ordered)):
        if ordered[count] <= FAINT and ordered[count] * GAP <= ordered[count - 1]:
            return count
    return None


def _reads_once(table: Table, row: int, support: list[int]) -> bool:
    levels = tuple(tuple(table.levels[i]) for i in support)
    sizes = [len(few) for few in levels]
    values = project(table, row, support).astype(np.int64).reshape(sizes)
    found = logic.minimise(logic.Table(levels, values, None))
    reads = sum(
        isinstance(operand, logic.Var)
        for node in logic.topological((found,))
        for operand in node.operands
    )
    return reads <= len(support)
