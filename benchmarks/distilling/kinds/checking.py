"""One network compiled, and its program compared with the function that it is to compute."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.distilling.common import Compiled, compiled
from benchmarks.networks import write_layers

from .making import Kind, Rows

SEED = 2026
ROWS = 1000
EXHAUSTIVE = 1 << 12


@dataclass(frozen=True)
class Checked:
    """What compiling one kind gave."""

    exact: bool
    row: tuple[object, ...]


def check(folder: Path, kind: Kind) -> Checked:
    """Compile a network from a file, and compare the program with the function on its inputs."""
    path = folder / "kind.pt"
    names = [kind.hidden] * (len(kind.layers) - 1) + ["linear"]
    write_layers(path, kind.layers, names, kind.inputs, kind.output)
    start = time.process_time()
    result = compiled(path)
    seconds = time.process_time() - start
    weights = sum(w.size + b.size for w, b in kind.layers)
    if result.program is None:
        return Checked(False, (weights, f"{seconds:.2f}", "-", "-", result.reason))
    inputs = rows_of(kind)
    wanted = np.asarray(kind.expected(*inputs)).reshape(len(inputs[0]), -1)
    space: dict[str, Any] = {}
    exec(compile(result.program.python(), "emitted", "exec"), space)
    function = space[result.program.ir.entry.name]
    wrong = 0
    for number, row in enumerate(zip(*inputs)):
        answer = np.ravel(function(*row))
        wrong += not np.array_equal(answer, wanted[number].astype(np.int64))
    shown = f"{len(wanted) - wrong} of {len(wanted)}"
    row = (weights, f"{seconds:.2f}", result.lines, shown, proof_of(result))
    return Checked(not wrong and result.proved, row)


def proof_of(result: Compiled) -> str:
    """Return the first claim, and whether the program takes other sizes."""
    assert result.program is not None
    claims = result.program.evidence
    shown = f"{claims[0].kind} {claims[0].method}".rstrip()
    return shown + (", any size" if any(e.kind == "inferred" for e in claims) else "")


def rows_of(kind: Kind) -> list[Rows]:
    """Return all inputs where they are few, else random ones: sparse, even, dense and constant."""
    count = sum(int(np.prod(shape)) for shape in kind.shapes)
    levels = np.array(kind.levels)
    if len(levels) ** count <= EXHAUSTIVE:
        flat = np.array(list(itertools.product(levels, repeat=count)))
    else:
        generator = np.random.default_rng(SEED)
        share = generator.random((ROWS, 1))
        picked = generator.integers(len(levels), size=(ROWS, count))
        held = generator.integers(len(levels), size=(ROWS, 1))
        flat = levels[np.where(generator.random((ROWS, count)) < share, held, picked)]
    ends = np.cumsum([int(np.prod(shape)) for shape in kind.shapes])[:-1]
    parts = np.split(flat, ends, axis=1)
    return [p.reshape(len(flat), *shape) for p, shape in zip(parts, kind.shapes)]
