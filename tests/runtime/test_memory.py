"""`ddc run` on files larger than the memory that it may take: rows, sequences and grids.

A process runs a program on little data first; then its memory may grow by less than the large
file. Mapped files do not count, copies of them would.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.programs import BITS, LIFE, RULE30, automaton, binary_rules

ROOT = Path(__file__).parents[2]
LARGE = 1 << 27
BUDGET = 72 << 20

CHILD = """\
import resource, sys
from ddc.cli import main

program, small, large, out, budget, *more = sys.argv[1:]
assert main(["run", program, small, "-o", out, *more]) == 0
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + int(budget), used + int(budget)))
sys.exit(main(["run", program, large, "-o", out, *more]))
"""


def sparse(path: Path, shape: tuple[int, ...]) -> Any:
    """Return bytes in a new file, zeros that take no room on the disk."""
    return np.lib.format.open_memmap(path, "w+", np.uint8, shape)


def ran(folder: Path, text: str, shape: tuple[int, ...], small: tuple[int, ...], *more: str) -> Any:
    """Run a program on a large file whose last entries are ones; return the mapped result."""
    (folder / "p.ddc").write_text(text)
    for name, size in (("small", small), ("large", shape)):
        made = sparse(folder / f"{name}.npy", size)
        made[-1:] = 1
        made.flush()
    words = [str(folder / name) for name in ("p.ddc", "small.npy", "large.npy", "o.npy")]
    run = subprocess.run(
        [sys.executable, "-c", CHILD, *words, str(BUDGET), *more],
        cwd=ROOT,
        env={**os.environ, "DDC_SCRATCH": str(folder), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return np.load(folder / "o.npy", mmap_mode="r")


pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="counts memory as Linux does"
)


def test_rows(tmp_path: Path) -> None:
    made = ran(tmp_path, binary_rules(), (LARGE // 32, 32), (40_000, 32))
    assert made.shape == (LARGE // 32,) and made[-1] == 1 and made[-2] == 0 and made[0] == 0


def test_sequences(tmp_path: Path) -> None:
    made = ran(tmp_path, BITS, (LARGE // 1024, 1024), (600, 1024))
    table = (1, 0, 2, 1, 3, 0, 1, 2)
    zeros = ones = 0
    for _ in range(1024):
        zeros, ones = table[2 * zeros], table[2 * ones + 1]
    assert made[-1] == ones and (made[:-1] == zeros).all()


@pytest.mark.parametrize("each", [False, True])
def test_one_sequence(tmp_path: Path, each: bool) -> None:
    size = LARGE // 4 if each else LARGE
    made = ran(tmp_path, automaton(4, 4, each), (size,), (1 << 21,))
    assert made.shape == ((size,) if each else ())


@pytest.mark.parametrize("more", [(), ("--steps", "3", "--threads", "2")])
def test_a_row_of_cells(tmp_path: Path, more: tuple[str, ...]) -> None:
    size = LARGE if more else LARGE // 4
    made = ran(tmp_path, RULE30, (size,), (200_000,), *more)
    steps = 3 if more else 1
    cells = np.zeros(21, int)
    cells[10] = 1
    for _ in range(steps):
        cells = np.roll(cells, 1) ^ (cells | np.roll(cells, -1))
    assert np.array_equal(made[-11:], cells[:11]) and np.array_equal(made[:10], cells[11:])
    assert not made[100:-100:1001].any()


@pytest.mark.parametrize(("border", "steps"), [("clamp", 2), ("wrap", 20)])
def test_a_picture(tmp_path: Path, border: str, steps: int) -> None:
    """Twenty steps are worth packing, two are not."""
    shape = 1 << 12, LARGE >> 12
    text = LIFE.replace("BORDER", border)
    made = ran(tmp_path, text, shape, (600, 600), "--steps", str(steps))
    assert made.shape == shape and not made[steps + 1 : -steps - 2 : 97].any()
    columns = made[:, 100:110]  # every column is the same
    assert (columns == columns[:, :1]).all()
