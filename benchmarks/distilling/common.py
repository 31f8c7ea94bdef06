"""What the tables share: learning into a file, compiling it, asking how far the program reaches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ddc
from benchmarks.spine import code_size, report
from ddc.frontend import Samples
from ddc.frontend.learn import Essence, Options, learn, write_layers
from ddc.ir import DdcError

__all__ = ["Compiled", "Learned", "compiled", "learned", "reach", "report", "table"]

SLOW = 1.0  # seconds of one call beyond which no larger size is tried


@dataclass(frozen=True)
class Learned:
    """A learned network, its file, and how long learning took."""

    network: Essence
    path: Path
    seconds: float


def learned(folder: Path, name: str, samples: Samples, options: Options) -> Learned:
    """Learn an essence network and write it."""
    start = time.perf_counter()
    network = learn(samples, options)
    seconds = time.perf_counter() - start
    path = folder / f"{name}.pt"
    write_layers(path, network.layers, network.activations, network.input, network.output)
    return Learned(network, path, seconds)


@dataclass(frozen=True)
class Compiled:
    """A program with what compiling it took, or the reason why there is none."""

    program: ddc.Program | None
    seconds: float
    lines: int = 0
    tokens: int = 0
    numpy_lines: int = 0
    reason: str = ""

    @property
    def proved(self) -> bool:
        """Tell whether the program is proved equal to its network."""
        return self.program is not None and any(e.kind == "proved" for e in self.program.evidence)

    @property
    def text(self) -> str:
        """Return time, size and proof in a line."""
        if self.program is None:
            return f"not compiled: {self.reason}"
        return (
            f"compiled in {self.seconds:.2f} s, {self.lines} lines ({self.tokens} tokens), numpy "
            f"style {self.numpy_lines} lines, {'proved' if self.proved else 'NOT proved'}"
        )


def compiled(model: Path, **options: Any) -> Compiled:
    """Compile a network in this process, after imports."""
    start = time.perf_counter()
    try:
        program = ddc.compile(str(model), **options)
    except DdcError as error:
        return Compiled(None, time.perf_counter() - start, reason=str(error).splitlines()[0][:160])
    except Exception as error:  # noqa: BLE001  a bug is a row of its own, not the end of the table
        text = f"internal error: {type(error).__name__}: {error}".splitlines()[0][:160]
        return Compiled(None, time.perf_counter() - start, reason=text)
    seconds = time.perf_counter() - start
    lines, tokens = code_size(program.python())
    numpy_lines, _ = code_size(program.python("numpy"))
    return Compiled(program, seconds, lines, tokens, numpy_lines)


def reach(
    program: ddc.Program | None,
    sizes: Sequence[int],
    case: Callable[[int], tuple[tuple[Any, ...], Any]],
) -> str:
    """Say at which sizes a program gives the right answer; `case` makes inputs and answer."""
    if program is None:
        return "no program"
    good: list[int] = []
    for size in sizes:
        inputs, answer = case(size)
        start = time.perf_counter()
        try:
            found = program(*inputs)
        except (ValueError, DdcError):
            return f"{_sizes(good)}; size {size} is refused"
        if not np.array_equal(np.asarray(found), np.asarray(answer)):
            return f"{_sizes(good)}; WRONG at {size}"
        good.append(size)
        seconds = time.perf_counter() - start
        if seconds > SLOW and len(good) > 1:  # the first call makes the native code
            return f"{_sizes(good)}; slow ({seconds:.1f} s at {size})"
    return _sizes(good)


def _sizes(good: Sequence[int]) -> str:
    return "exact at " + (", ".join(map(str, good)) if good else "no size")


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(flush=True)
