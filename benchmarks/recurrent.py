"""Print the table of the 62 sequence tasks: python -m benchmarks.recurrent [TASK ...]

For each trained network of examples/recurrent: the program that comes out, compared with the
*definition* of the task at the trained length T (all sequences where they are at most 2^20, else 65,536),
at 10 T (2,000 sequences) and at length 100,000 (Newton_Magnetic: 1,000, where its numbers have 500 bits);
apart from that, how many sequences the *network* gets right where the program is right.
"""

from __future__ import annotations

import ast
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ddc
from ddc.ir import DdcError
from ddc.ir.interpreter import run_batch

from .recurrent_tasks import BY_NAME, TASKS, Ints, Task

FOLDER = Path(__file__).parents[1] / "examples" / "recurrent"
EXHAUSTIVE = 1 << 20
SAMPLES = 1 << 16
BLOCK = 1 << 15
LONG = 100_000
SHORTER = {"Newton_Magnetic": 1000}


@dataclass
class Row:
    """What was found for one task."""

    name: str
    network: str = "none"
    program: str = "none"
    at_length: bool = False
    at_ten: bool = False
    at_long: bool = False
    shown: str = "-"
    drift: str = "-"
    lines: int = 0
    seconds: float = 0.0

    def text(self) -> str:
        """Return the row of the table."""
        marks = ["yes" if ok else "NO" for ok in (self.at_length, self.at_ten, self.at_long)]
        cells = [self.name, self.network, *marks, self.shown, self.drift, str(self.lines or "-")]
        return "| " + " | ".join([*cells, f"{self.seconds:.1f}"]) + " |"


def main() -> None:
    """Print the table, then the totals."""
    print("| task | network right | program at T | 10 T | 100,000 | evidence | drift | lines | s |")
    print("|--|--|--|--|--|--|--|--|--|")
    rows: list[Row] = []
    for name in sys.argv[1:] or [task.name for task in TASKS]:
        rows.append(measure(BY_NAME[name]))
        print(rows[-1].text(), flush=True)
    found = [row for row in rows if row.lines]
    print(f"\nnetworks: {sum(row.network != 'none' for row in rows)} of {len(rows)}")
    for label, key in (("T", "at_length"), ("10 T", "at_ten"), ("100,000", "at_long")):
        print(f"programs exact at {label}: {sum(getattr(row, key) for row in rows)} of {len(rows)}")
    if found:
        print(f"median lines: {statistics.median(row.lines for row in found):g}")
        print(f"extraction, all programs: {sum(row.seconds for row in rows):.1f} s")


def measure(task: Task) -> Row:
    """Return the row of one task."""
    row = Row(task.name)
    path = FOLDER / f"{task.name}.pt"
    if not path.exists():
        return row
    row.network = "?"
    start = time.perf_counter()
    try:
        program = ddc.compile(str(path), allow_inexact=True)
    except DdcError as error:
        row.shown, row.seconds = str(error)[:60], time.perf_counter() - start
        return row
    row.seconds = time.perf_counter() - start
    first, *more = program.evidence
    row.shown = f"{first.kind} {first.method}".rstrip()
    sequences = int(str(first.detail("sequences")))
    wrong = int(str(first.detail("wrong") or 0))
    row.network = "all" if not wrong else f"{sequences - wrong} of {sequences}"
    departed = next((e.detail("drift_from") for e in more if e.detail("drift_from")), None)
    row.drift = "none" if departed is None else f"from {departed}"
    text = program.python()
    row.lines = lines_of_code(text)
    row.at_length = all(_agrees(program, task, x) for x in _sequences(task))
    ten = task.draw(np.random.default_rng(7), 2000, 10 * task.length)
    row.at_ten = _agrees(program, task, ten)
    row.at_long = _at_length(text, task, SHORTER.get(task.name, LONG))
    return row


def _sequences(task: Task) -> Iterator[Ints]:
    letters = (task.high - task.low + 1) ** task.inputs
    if letters**task.length > EXHAUSTIVE:
        rng = np.random.default_rng(3)
        for _ in range(0, SAMPLES, BLOCK):
            yield task.draw(rng, BLOCK)
        return
    base, width = task.high - task.low + 1, task.length * task.inputs
    for start in range(0, base**width, BLOCK):
        numbers = np.arange(start, min(start + BLOCK, base**width))
        digits = numbers[:, None] // base ** np.arange(width) % base + task.low
        yield digits.reshape(len(numbers), task.length, task.inputs)


def _inputs(task: Task, x: Ints) -> dict[str, Ints]:
    names = ("x",) if task.inputs == 1 else ("a", "b")
    return {name: x[..., place] for place, name in enumerate(names)}


def _agrees(program: ddc.Program, task: Task, x: Ints) -> bool:
    found = run_batch(program.ir, _inputs(task, x))
    wanted = task.rule(x)
    return all(bool((y == wanted[..., place]).all()) for place, y in enumerate(found))


def _at_length(text: str, task: Task, length: int) -> bool:
    """Tell whether the emitted Python is right on one long sequence, in Python's own ints."""
    space: dict[str, Any] = {}
    exec(compile(text, task.name, "exec"), space)  # noqa: S102  text that was just generated
    x = task.draw(np.random.default_rng(9), 1, length)
    given = [values[0].tolist() for values in _inputs(task, x).values()]
    answer = space[task.name](*given)
    wanted = task.rule(x.astype(object) if task.name in SHORTER else x)[0]
    found = answer if wanted.shape[1] > 1 else (answer,)
    return all(list(y) == wanted[:, place].tolist() for place, y in enumerate(found))


def lines_of_code(text: str) -> int:
    """Return how many lines the public function has: all but its `def` line and docstring."""
    function = next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in function.body[1:])


if __name__ == "__main__":
    main()
