"""How compiling, finding the families and a fresh proof grow with the network."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import ddc
from benchmarks.networks import Layer, write_layers
from benchmarks.tasks import maxsat
from ddc.driver import read_network
from ddc.ir import Evidence
from ddc.options import Options
from ddc.passes import Context
from ddc.passes.families import structure_of
from ddc.verification import verify_program

from .common import report, table

SEARCH = 0.1  # CPU seconds for the families of the MAX-SAT network of 5 x 50
SLACK = 1.5  # time per non-zero weight may grow this much: fixed costs weigh on small networks only
MAXSAT = ((5, 50), (10, 100), (20, 200))
ORIENTATION = (14, 28, 56)


def run(folder: Path) -> bool:
    """Print the table and its goals."""
    rows: list[Sequence[object]] = []
    good = True
    searched = 0.0
    for name, sizes in (("MAX-SAT", MAXSAT), ("orientation", ORIENTATION)):
        each: list[float] = []
        for size in sizes:
            path = folder / "growth.pt"
            layers = _maxsat(path, *size) if isinstance(size, tuple) else _orientation(path, size)
            used = sum(np.count_nonzero(w) + np.count_nonzero(b) for w, b in layers)
            total, search, proof, claim = _measured(path)
            searched = searched or search
            each.append(total / used)
            good &= claim.kind == "proved"
            weights = sum(w.size + b.size for w, b in layers)
            shown = f"{claim.kind} {claim.method}"
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            rows.append(
                (
                    name,
                    size,
                    weights,
                    used,
                    f"{total:.2f}",
                    f"{search:.3f}",
                    f"{1e6 * each[-1]:.2f}",
                )
                + (f"{shown}, {proof:.2f}", f"{peak:.2f}")
            )
        good &= each[-1] <= SLACK * each[0]
    head = ("network", "size", "weights", "non-zero", "compile s", "families s", "us/non-zero")
    table("growth, CPU seconds after imports", (*head, "fresh proof, s", "GB so far"), rows)
    return report(
        "families of MAX-SAT 5 x 50 found in 0.1 s; time as the non-zero weights; fresh proofs",
        good and searched <= SEARCH,
        f"{searched:.3f} s",
    )


def _measured(path: Path) -> tuple[float, float, float, Evidence]:
    """Return CPU seconds of compiling, of the families in it, of a fresh proof, and its claim."""
    ddc.compile(str(path))  # imports
    start = time.process_time()
    program = ddc.compile(str(path))
    total = time.process_time() - start
    module = read_network(str(path), Options()).module
    start = time.process_time()
    structure_of(module, Context())
    search = time.process_time() - start
    emitted = path.with_suffix(".py")
    emitted.write_text(program.python())
    start = time.process_time()
    claims = verify_program(str(path), str(emitted), Options())
    return total, search, time.process_time() - start, claims[0]


def _maxsat(path: Path, variables: int, clauses: int) -> list[Layer]:
    layers = maxsat.network(variables, clauses)
    shape = f"formula: bit[{2 * variables}, {clauses}]"
    write_layers(path, layers, ["sign", "sign", "linear"], shape, "softmax")
    return layers


def _orientation(path: Path, n: int) -> list[Layer]:
    """Write the network of the closed form: columns against rows, then lines against all."""
    pixels = np.arange(n * n).reshape(n, n)
    units = pixels.ravel()
    first = np.zeros((n * n, n * n))
    for k in range(n):
        np.add.at(first, (pixels[:, k], pixels[:, k][:, None]), 1.0)
        np.add.at(first, (pixels[k], pixels[k][:, None]), -1.0)
    second = np.full((n * n, 2 * n), 1.0 - n)
    second[:, n:] = n - 1.0
    second[units, units // n] = 1
    second[units, n + units % n] = -1
    last = np.zeros((2 * n, 2))
    last[:n, 0] = last[n:, 1] = 1
    bias = np.full(2 * n, -float(n * (n - 1)))
    layers: list[Layer] = [(first, np.zeros(n * n)), (second, bias), (last, np.zeros(2))]
    write_layers(path, layers, ["sign", "sign", "linear"], f"image: bit[{n}, {n}]", "argmax")
    return layers
