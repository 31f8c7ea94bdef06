"""Print what is proved of the sequence programs: python -m benchmarks.recurrent_proofs [TASK ...]

For each trained network of examples/recurrent and the program that comes out: equal for every length,
or the greatest length up to which they surely agree (also in multiples of the trained length T), and the
shortest word found on which they differ. Seconds are CPU time of one process for the proof alone.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import ddc
from ddc.driver import read_network
from ddc.ir import DdcError
from ddc.options import Options
from ddc.passes.recurrent.network import StepNetwork
from ddc.sequences import beyond, shown_word

from .recurrent_tasks import TASKS
from .spine import report

FOLDER = Path(__file__).parents[1] / "examples" / "recurrent"
SECONDS = 3.0
HEAD = "| task | T | proved for | argument | cells | differs on | s |"


@dataclass(frozen=True)
class Summary:
    """What is known of one network and its program."""

    trained: int  # length
    always: bool = False
    length: int = 0
    argument: str = ""
    cells: int = 0
    word: str = ""
    letters: int = 0
    seconds: float = 0.0

    @property
    def far(self) -> bool:
        """Tell whether equality is proved to twice the trained length at least."""
        return self.always or self.length >= 2 * self.trained

    @property
    def proved(self) -> str:
        """Return for which lengths the program is proved."""
        if self.always:
            return "all lengths"
        return f"up to {self.length} ({self.length / self.trained:.1f} T)" if self.length else "-"

    def __str__(self) -> str:
        differs = f", differs at {self.letters}" if self.word else ""
        return f"{self.proved}{differs}"


def summary(path: Path, seconds: float = SECONDS) -> Summary:
    """Return what is proved of the network in a file and of the program that comes out."""
    net = StepNetwork(read_network(path, Options()).module)
    try:
        program = ddc.compile(str(path), allow_inexact=True, proof_seconds=0.0)
    except DdcError:
        return Summary(net.length)
    start = time.process_time()
    outcome = beyond(program.ir, net, seconds)
    took = time.process_time() - start
    word = "" if outcome.word is None else shown_word(net, outcome.word)
    letters = 0 if outcome.word is None else len(outcome.word)
    how = outcome.how if outcome.always or outcome.length else ""
    return Summary(
        net.length, outcome.always, outcome.length, how, outcome.cells, word, letters, took
    )


def main() -> None:
    """Print the table, then the tally."""
    print(HEAD)
    print("|--" * (HEAD.count("|") - 1) + "|")
    found: list[Summary] = []
    for name in sys.argv[1:] or [task.name for task in TASKS]:
        row = summary(FOLDER / f"{name}.pt")
        found.append(row)
        differs = f"{row.word} ({row.letters})" if row.word else "-"
        cells = [name, str(row.trained), row.proved, row.argument, str(row.cells), differs]
        print("| " + " | ".join([*cells, f"{row.seconds:.2f}"]) + " |", flush=True)
    always, far = sum(row.always for row in found), sum(row.far for row in found)
    settled = sum(row.far or bool(row.word) for row in found)
    print()
    report("proved for all lengths, at least 40", always >= 40, f"{always} of {len(found)}")
    report("that, or up to 2 T and more, at least 50", far >= 50, f"{far} of {len(found)}")
    report("all others refuted by a word", settled == len(found), f"{settled} of {len(found)}")
    seconds = [row.seconds for row in found]
    total, median = sum(seconds), statistics.median(seconds)
    print(
        f"proofs: {total:.1f} s in all, {median:.2f} s in the median, {max(seconds):.1f} s at most"
    )


if __name__ == "__main__":
    main()
