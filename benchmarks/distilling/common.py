"""What the tables share: learning into a file, compiling it, asking how far the program reaches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ddc
from benchmarks.networks import Layer as FloatLayer
from benchmarks.spine import code_size, report
from ddc.frontend import Samples
from ddc.frontend.learn import Essence, Options, learn, write_layers
from ddc.ir import DdcError

__all__ = [
    "Compiled",
    "Learned",
    "compiled",
    "learned",
    "numpy_function",
    "reach",
    "report",
    "speed",
    "table",
]

ROUNDS = 9
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


def numpy_function(result: Compiled) -> Callable[..., Any]:
    """Return the emitted function in numpy style."""
    assert result.program is not None
    space: dict[str, Any] = {}
    exec(compile(result.program.python("numpy"), "emitted", "exec"), space)
    function: Callable[..., Any] = space[result.program.ir.entry.name]
    return function


def speed(
    layers: Sequence[FloatLayer], result: Compiled, inputs: NDArray[np.uint8]
) -> tuple[float, str]:
    """Compare the emitted numpy function with one dense pass in numpy, one input at a time.

    CPU time of this thread, rounds of both in turn; the ratio is the median of the rounds' ratios.
    """
    function, flat = numpy_function(result), inputs.reshape(len(inputs), -1).astype(np.float64)
    rounds = [
        (_seconds(function, inputs), _seconds(lambda row: _dense(layers, row), flat))
        for _ in range(ROUNDS)
    ]
    ratio = float(np.median([dense / emitted for emitted, dense in rounds]))
    emitted, dense = (float(np.median(column)) * 1e6 for column in zip(*rounds))
    return ratio, f"numpy style {ratio:.1f}x as fast as dense ({emitted:.1f} and {dense:.1f} us)"


def _seconds(call: Callable[[Any], object], inputs: NDArray[Any]) -> float:
    start = time.thread_time()
    for one in inputs:
        call(one)
    return (time.thread_time() - start) / len(inputs)


def _dense(layers: Sequence[FloatLayer], values: NDArray[np.float64]) -> NDArray[np.float64]:
    for weights, bias in layers[:-1]:
        values = np.sign(values @ weights + bias)
    sums: NDArray[np.float64] = values @ layers[-1][0] + layers[-1][1]
    return sums


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
