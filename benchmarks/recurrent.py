"""Print the table of the 62 sequence tasks: python -m benchmarks.recurrent [gated | TASK ...]

For each trained network of examples/recurrent (`gated`: of examples/recurrent_gated): the program that comes
out, compared with the *definition* of the task at the trained length T (all sequences where they are at
most 2^20, else 65,536), at 10 T (2,000 sequences) and at length 100,000 (Newton_Magnetic: 1,000, where its
numbers have 500 bits); apart from that, how the *network* agrees with the program. Seconds are CPU time of one
process from file to program and comparison at T, then that of the proof beyond T; the search for numbers of
states is timed apart. `benchmarks.recurrent_proofs` says more about the proofs, `recurrent_blind` and
`recurrent_imperfect` about other tasks and other networks. The last lines hold the figures against the goals.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import ddc
from ddc import sequences
from ddc.ir import DdcError, Evidence
from ddc.ir.interpreter import run_batch
from ddc.passes.recurrent import automaton
from ddc.passes.recurrent.encode import encode

from .recurrent_tasks import BY_NAME, TASKS, Ints, Task
from .spine import code_size, report

FOLDER = Path(__file__).parents[1] / "examples" / "recurrent"
GATED_FOLDER = FOLDER.with_name("recurrent_gated")
GATED = {
    "gru_parity": "Parity_All",
    "gru_addition": "Binary_Addition",
    "gru_base_3_addition": "Base_3_Addition",
    "lstm_div_3": "Div_3",
    "lstm_parity_last3": "Parity_Last3",
    "lstm_alternating_last4": "Alternating_Last4",
}
EXHAUSTIVE = 1 << 20
SAMPLES = 1 << 16
BLOCK = 1 << 15
LONG = 100_000
SHORTER = {"Newton_Magnetic": 1000}
HEAD = (
    "| task | program at T | 10 T | 100,000 | network agrees | drift | lines | tokens | s | proof s "
    "| evidence |"
)


@dataclass
class Row:
    """What was found for one task."""

    name: str
    trained: bool = False
    at_length: bool = False
    at_ten: bool = False
    at_long: bool = False
    fidelity: str = "-"
    drift: str = "-"
    lines: int = 0
    tokens: int = 0
    seconds: float = 0.0
    encoding: float = 0.0
    proving: float = 0.0
    proof: str = "-"
    refused: str = ""

    def text(self) -> str:
        """Return the row of the table."""
        marks = ["yes" if ok else "NO" for ok in (self.at_length, self.at_ten, self.at_long)]
        sizes = [str(self.lines or "-"), str(self.tokens or "-")]
        sizes += [f"{self.seconds:.1f}", f"{self.proving:.1f}"]
        cells = [self.name, *marks, self.fidelity, self.drift, *sizes, self.refused or self.proof]
        return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, then the totals against the goals."""
    print(HEAD)
    print("|--" * (HEAD.count("|") - 1) + "|")
    rows: list[Row] = []
    if sys.argv[1:] == ["gated"]:
        chosen = [(BY_NAME[name], GATED_FOLDER / f"{file}.pt") for file, name in GATED.items()]
    else:
        names = sys.argv[1:] or [task.name for task in TASKS]
        chosen = [(BY_NAME[name], FOLDER / f"{name}.pt") for name in names]
    for task, path in chosen:
        rows.append(measure(task, path))
        print(rows[-1].text(), flush=True)
    _totals(rows)


def _totals(rows: list[Row]) -> None:
    count = len(rows)
    found = [row for row in rows if row.lines]
    print()
    trained = sum(row.trained for row in rows)
    report("networks", trained == count, f"{trained} of {count}")
    for label, key in (("T", "at_length"), ("10 T", "at_ten"), ("100,000", "at_long")):
        exact = sum(getattr(row, key) for row in rows)
        report(f"programs exact at {label}", exact == count, f"{exact} of {count}")
    seconds = sum(row.seconds for row in rows)
    proving = sum(row.proving for row in rows)
    report(
        "extraction of all, at most 60 s of one core",
        seconds <= 60,
        f"{seconds:.1f} s, and {proving:.1f} s of proofs beyond the trained length",
    )
    slowest = max(rows, key=lambda row: row.encoding)
    report(
        "numbers of states, at most 5 s a machine",
        slowest.encoding <= 5,
        f"at most {slowest.encoding:.2f} s ({slowest.name})",
    )
    if found:
        median = statistics.median(row.lines for row in found)
        tokens = statistics.median(row.tokens for row in found)
        report(
            "median program, at most 8 lines", median <= 8, f"{median:g} lines, {tokens:g} tokens"
        )


class _Clock:
    """A function with the CPU time that it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.spent = function, 0.0

    def __call__(self, *given: Any) -> Any:
        start = time.process_time()
        found = self.function(*given)
        self.spent += time.process_time() - start
        return found


def measure(task: Task, path: Path) -> Row:
    """Return the row of one task and one network of it."""
    row = Row(path.stem, path.exists())
    if not row.trained:
        return row
    start = time.process_time()
    encoding, proving = _Clock(encode), _Clock(sequences.beyond)
    try:
        with (
            patch.object(automaton, "encode", encoding),
            patch.object(sequences, "beyond", proving),
        ):
            program = ddc.compile(str(path), allow_inexact=True)
    except DdcError as error:
        row.refused, row.seconds = str(error)[:80], time.process_time() - start
        return row
    row.seconds = time.process_time() - start - proving.spent
    row.encoding, row.proving = encoding.spent, proving.spent
    first, *more = program.evidence
    row.fidelity = _fidelity(first)
    departed = next((e.detail("drift_from") for e in more if e.detail("drift_from")), None)
    row.drift = "none" if departed is None else f"from {departed}"
    lengths = first.detail("lengths")
    row.proof = f"{first.kind} {first.method}{f', {lengths} lengths' if lengths else ''}".strip()
    text = program.python()
    row.lines, row.tokens = code_size(text)
    row.at_length = all(agrees(program, task, x) for x in sequences_of(task))
    ten = task.draw(np.random.default_rng(7), 2000, 10 * task.length)
    row.at_ten = agrees(program, task, ten)
    row.at_long = right_at(text, path.stem, task, SHORTER.get(task.name, LONG))
    return row


def _fidelity(evidence: Evidence) -> str:
    """Return on how many sequences of the trained length the network agrees."""
    wrong, seen = evidence.detail("wrong"), evidence.detail("sequences")
    return f"{int(str(seen)) - int(str(wrong))} of {seen}" if wrong else "all"


def sequences_of(task: Task) -> Iterator[Ints]:
    """Yield all sequences of the trained length where they are few, else seeded samples."""
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


def agrees(program: ddc.Program, task: Task, x: Ints) -> bool:
    """Tell whether a program answers some sequences as the definition does."""
    found = run_batch(program.ir, _inputs(task, x))
    wanted = task.rule(x)
    return all(bool((y == wanted[..., place]).all()) for place, y in enumerate(found))


def right_at(text: str, name: str, task: Task, length: int) -> bool:
    """Tell whether the emitted Python is right on one long sequence, in Python's own ints."""
    space: dict[str, Any] = {}
    exec(compile(text, name, "exec"), space)  # text that was just generated
    x = task.draw(np.random.default_rng(9), 1, length)
    given = [values[0].tolist() for values in _inputs(task, x).values()]
    answer = space[name](*given)
    wanted = task.rule(x.astype(object) if task.name in SHORTER else x)[0]
    found = answer if wanted.shape[1] > 1 else (answer,)
    return all(list(y) == wanted[:, place].tolist() for place, y in enumerate(found))


if __name__ == "__main__":
    main()
