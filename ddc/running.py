"""`ddc run`: apply a program to data in a file."""

from __future__ import annotations

import argparse
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ddc.ir import DdcError, UsageError

from .output import check_writable, whole_file
from .program import Program, load


def run_file(arguments: argparse.Namespace) -> None:
    """Run the program named on the command line; write the result whole or not at all."""
    if Path(arguments.out).suffix not in (".npy", ".npz"):
        raise UsageError(f"the result is written as .npy or .npz, not {arguments.out!r}")
    check_writable(arguments.out)
    if arguments.backend not in (None, "python", "llvm"):
        raise UsageError(
            f"programs are run by the backends python and llvm, not {arguments.backend!r}"
        )
    result = _apply(arguments)
    with whole_file(arguments.out) as file:
        if Path(arguments.out).suffix == ".npz":
            parts = result if isinstance(result, tuple) else (result,)
            arrays: dict[str, Any] = {f"y{n}": np.asarray(part) for n, part in enumerate(parts)}
            np.savez(file, **arrays)
        elif isinstance(result, tuple):
            raise DdcError("several results: write them as .npz")
        else:
            np.save(file, np.asarray(result))


def _apply(arguments: argparse.Namespace) -> Any:
    path: str = arguments.program
    if path.endswith(".ddc"):
        program = load(path)
        names = [param.name for param in program.ir.entry.params]
        inputs = _inputs(arguments.data, names)
        by_python = arguments.backend == "python"
        with _refusals(arguments.data, program.ir.entry.name):
            if arguments.steps is None:
                return program.by_python(*inputs) if by_python else program(*inputs)
            return _steps(program, inputs, arguments.steps, by_python, Progress.wanted(arguments))
    if not path.endswith((".py", ".so")):
        raise UsageError(f"cannot run {path!r}: give a .ddc, .py or .so file")
    if not arguments.trust:
        raise DdcError(f"{path!r} is code of its own: say --trust to run it, or run its .ddc")
    if path.endswith(".so"):
        raise DdcError("shared libraries are not run yet: run the program's .ddc")
    function = _foreign(path)
    inputs = _inputs(arguments.data, None)
    steps = 1 if arguments.steps is None else arguments.steps
    if arguments.steps is not None and (len(inputs) != 1 or steps < 0):
        raise UsageError("--steps needs a program with one input, and a count of at least 0")
    with _refusals(arguments.data, function.__name__):
        for _ in range(steps):
            inputs = [function(*inputs)]
            if arguments.steps is not None:
                inputs = [np.asarray(inputs[0])]
    return inputs[0]


@contextmanager
def _refusals(data: str, name: str) -> Iterator[None]:
    """Report what an emitted program says of its input: it raises `ValueError("NAME: ...")`."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith(f"{name}: "):
            raise
        raise DdcError(f"{data!r}: {error}") from None


def _steps(
    program: Program, inputs: list[Any], count: int, by_python: bool, progress: Progress | None
) -> Any:
    if len(inputs) != 1:
        raise UsageError("--steps needs a program with one input")
    if by_python:
        value = inputs[0]
        for _ in range(count):
            value = np.asarray(program.by_python(value))
        return np.asarray(value).astype(inputs[0].dtype)
    try:
        return program.steps(inputs[0], count, progress=progress)
    finally:
        if progress is not None:
            progress.end()


class Progress:
    """One line on standard error, written again now and then while work goes on."""

    EVERY = 0.5  # seconds

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.shown = False

    @staticmethod
    def wanted(arguments: argparse.Namespace) -> Progress | None:
        """Return a progress line where it was asked for, or somebody is there to see it."""
        if arguments.quiet or not (arguments.progress or sys.stderr.isatty()):
            return None
        return Progress()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last >= self.EVERY:
            self.last, self.shown = now, True
            sys.stderr.write(f"\rddc: step {done} of {total} ({100 * done // total} %)")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line behind."""
        if self.shown:
            sys.stderr.write("\n")


def _foreign(path: str) -> Callable[..., Any]:
    """Execute a Python file that the person trusts, and return its public function."""
    if not Path(path).is_file():
        raise DdcError(f"cannot read {path!r}: no such file")
    space = runpy.run_path(path)
    public = [
        value
        for name, value in space.items()
        if not name.startswith("_") and callable(value) and hasattr(value, "__code__")
    ]
    if len(public) != 1:
        raise DdcError(f"{path!r} has {len(public)} public functions, not one")
    found: Callable[..., Any] = public[0]
    return found


def _inputs(path: str, names: list[str] | None) -> list[Any]:
    """Return the inputs in the program's order; `.npy` holds one, `.npz` and `.csv` name them."""
    suffix = Path(path).suffix
    try:
        if suffix == ".npy":
            return [np.load(path, mmap_mode="r", allow_pickle=False)]
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return _ordered({key: archive[key] for key in archive.files}, names, path)
        if suffix == ".csv":
            return _ordered(_table(path), names, path)
    except FileNotFoundError:
        raise DdcError(f"cannot read {path!r}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DdcError(f"cannot read {path!r}: {reason}") from None
    raise UsageError(f"data is read from .npy, .npz and .csv, not from {path!r}")


def _table(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        header = file.readline().strip().split(",")
    columns = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if columns.shape[1] != len(header):
        raise DdcError(f"{path!r}: {len(header)} names for {columns.shape[1]} columns")
    return {name.strip(): columns[:, number] for number, name in enumerate(header)}


def _ordered(found: dict[str, Any], names: list[str] | None, path: str) -> list[Any]:
    if names is None or (len(found) == 1 and len(names) == 1):
        return list(found.values())
    missing = [name for name in names if name not in found]
    if missing:
        raise DdcError(f"{path!r} has no {missing[0]!r}; it has {', '.join(map(repr, found))}")
    return [found[name] for name in names]
