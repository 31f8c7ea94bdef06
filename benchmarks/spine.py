"""Print every figure of the spine that the README quotes: `python -m benchmarks.spine`.

Each row is measured in this run: seconds of a cold process from outside (wall clock and CPU), the
evidence that the compiler itself printed, lines of code and tokens of the emitted module, and the
emitted program against a reference written here.
"""

from __future__ import annotations

import ast
import io
import resource
import subprocess
import sys
import tempfile
import time
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ddc
from benchmarks.minimal import minimal_operations, operations_of
from benchmarks.networks import essence_automaton, write_csv

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
_SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


def code_size(text: str) -> tuple[int, int]:
    """Return lines of code and tokens: all but imports, `def` lines, docstrings and blank lines."""
    tree = ast.parse(text)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            skipped.update(range(node.lineno, (node.end_lineno or 0) + 1))
        if isinstance(node, ast.FunctionDef):
            skipped.update(range(node.lineno, node.body[0].lineno))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.update(range(node.lineno, (node.end_lineno or 0) + 1))
    lines = {n for n, line in enumerate(text.splitlines(), 1) if line.strip() and n not in skipped}
    tokens = [
        t
        for t in tokenize.generate_tokens(io.StringIO(text).readline)
        if t.start[0] in lines and t.type not in _SILENT and t.string
    ]
    return len(lines), len(tokens)


def cold(*words: str) -> tuple[float, float]:
    """Run the command line in a new process; return wall-clock and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ddc", *words], check=True, cwd=ROOT)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def loaded(path: Path, name: str) -> Callable[..., Any]:
    """Return the function of an emitted module."""
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    found: Callable[..., Any] = space[name]
    return found


def report(goal: str, met: bool, text: str) -> bool:
    """Print one row: verdict, goal, what was measured."""
    print(f"{'ok  ' if met else 'MISS'}  {goal}: {text}", flush=True)
    return met


def rule_30(folder: Path) -> bool:
    """Measure the 20-cell network, the 24-cell network, the program on a million cells."""
    out = folder / "rule30.py"
    wall, cpu = cold(
        str(EXAMPLES / "rule30/model.pt"), "-o", str(out), "--name", "rule30", "--quiet"
    )
    lines, tokens = code_size(out.read_text())
    proved = "proved exhaustive" in out.read_text() and "1048576" in out.read_text()
    good = report(
        "rule 30, 20 cells, cold <= 5 s with the 2^20 proof, <= 8 lines",
        wall <= 5 and lines <= 8 and proved,
        f"{wall:.1f} s wall, {cpu:.1f} s CPU, {lines} lines, {tokens} tokens, proved: {proved}",
    )
    cells = np.random.default_rng(1).integers(0, 2, 1_000_000)
    expected = np.roll(cells, 1) ^ (cells | np.roll(cells, -1))
    same = loaded(out, "rule30")(cells) == expected.tolist()
    good &= report("rule 30 on 10^6 cells", same, f"equal to the reference: {same}")
    out = folder / "rule30_24.py"
    wall, cpu = cold(str(EXAMPLES / "rule30/model_24.pt"), "-o", str(out), "--quiet")
    proved = "16777216" in out.read_text()
    return good & report(
        "rule 30, 24 cells, cold <= 20 s",
        wall <= 20 and proved,
        f"{wall:.1f} s wall, {cpu:.1f} s CPU, proved on 2^24 inputs: {proved}",
    )


def automata(folder: Path) -> bool:
    """Measure all 256 automata as threshold networks, 32 as trained networks."""
    table = minimal_operations()
    start = time.perf_counter()
    failures: list[str] = []
    compared = 0
    models: list[tuple[str, int, dict[str, str]]] = []
    for rule in range(256):
        nets = folder / f"rule_{rule}"
        write_csv(nets, "layer", essence_automaton(rule, seed=rule))
        models.append((str(nets), rule, {"input": "cells: bit[8]", "output": "step"}))
    for path in sorted((EXAMPLES / "automata").glob("rule_*.pt")):
        models.append((str(path), int(path.stem.removeprefix("rule_")), {}))
    for model, rule, options in models:
        program = ddc.compile(model, name="rule", **options)
        proved = any(claim.kind == "proved" for claim in program.evidence)
        cells = np.random.default_rng(rule).integers(0, 2, 500)
        index = 4 * np.roll(cells, 1) + 2 * cells + np.roll(cells, -1)
        exact = np.array_equal(program(cells), rule >> index & 1)
        used = operations_of(program.ir)
        minimal = used is None or used == table[rule]
        compared += used is not None
        if not (proved and exact and minimal):
            failures.append(f"{rule} (proved {proved}, exact {exact}, {used} operations)")
    seconds = time.perf_counter() - start
    return report(
        "288 of 288 automata exact, proved, minimal",
        not failures,
        f"{len(models) - len(failures)} of {len(models)} in {seconds:.0f} s, {compared} of them as "
        f"logic of the minimal size, {len(models) - compared} as a threshold or count"
        + "".join(f"; {failure}" for failure in failures[:5]),
    )


def life(folder: Path) -> bool:
    """Measure Life from the convolutional network, then 100 steps on 512 x 300."""
    out = folder / "life.py"
    wall, cpu = cold(str(EXAMPLES / "life/model.pt"), "-o", str(out), "--style", "numpy", "--quiet")
    step = loaded(out, "model")
    proved = "proved exhaustive" in out.read_text() and "512" in out.read_text()
    grid = np.random.default_rng(2).integers(0, 2, (512, 300))
    ours = grid
    for _ in range(100):
        ours = step(ours)
        shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        around = sum(np.roll(grid, shift, (0, 1)) for shift in shifts)
        grid = ((around == 3) | ((grid == 1) & (around == 2))).astype(int)
    same = bool(np.array_equal(ours, grid))
    lines, tokens = code_size(out.read_text())
    return report(
        "Life from the conv net, 512 neighbourhoods, 100 steps on 512 x 300",
        proved and same,
        f"{wall:.1f} s wall, {cpu:.1f} s CPU, proved: {proved}, equal after 100 steps: {same}, "
        f"{lines} lines, {tokens} tokens",
    )


def start_up() -> bool:
    """Time the help text and the bare import."""
    help_seconds = sorted(_timed("-m", "ddc", "--help") for _ in range(5))[2]
    import_seconds = sorted(_timed("-c", "import ddc") for _ in range(5))[2]
    return report(
        "ddc --help and import ddc under 0.3 s",
        max(help_seconds, import_seconds) < 0.3,
        f"{help_seconds:.2f} s and {import_seconds:.2f} s (medians of 5)",
    )


def _timed(*words: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Print all rows; return 1 if a goal is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = [rule_30(folder), automata(folder), life(folder), start_up()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
