"""`ddc run`: apply a program to data in a file."""

from __future__ import annotations

import argparse
import math
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddc.ir import DdcError, UsageError

from .arrays import is_mapped, mapped_file, read_inputs, write_result
from .output import check_writable
from .program import load

if TYPE_CHECKING:
    from ddc.runtime.native import Runner


def run_file(arguments: argparse.Namespace) -> None:
    """Run the program named on the command line; write the result whole or not at all."""
    out: str = arguments.out
    if Path(out).suffix not in (".npy", ".npz"):
        raise UsageError(f"the result is written as .npy or .npz, not {out!r}")
    check_writable(out)
    if arguments.backend not in (None, "python", "llvm"):
        raise UsageError(
            f"programs are run by the backends python and llvm, not {arguments.backend!r}"
        )
    if arguments.steps is not None and arguments.steps < 0:
        raise UsageError(f"--steps takes a count of at least 0, not {arguments.steps}")
    if arguments.threads < 1:
        raise UsageError(f"--threads takes a count of at least 1, not {arguments.threads}")
    runner = _program(arguments)
    names = None if runner is None else [param.name for param in runner.params]
    inputs = read_inputs(arguments.data, names)
    if arguments.steps is not None and len(inputs) != 1:
        raise UsageError("--steps needs a program with one input")
    if runner is None:
        write_result(out, _foreign_result(arguments, inputs))
        return
    progress = Progress.wanted(arguments)
    try:
        with _refusals(arguments.data, runner.module.entry.name):
            _native(arguments, runner, inputs, progress)
    finally:
        if progress is not None:
            progress.end()


def _program(arguments: argparse.Namespace) -> Runner | None:
    """Return what runs the program; None for a Python file, which the person trusts."""
    path: str = arguments.program
    if not path.endswith((".ddc", ".py", ".so")):
        raise UsageError(f"cannot run {path!r}: give a .ddc, .py or .so file")
    if path.endswith(".ddc"):
        from ddc.runtime.native import Runner

        return Runner(load(path).ir)
    if not arguments.trust:
        raise DdcError(f"{path!r} is code of its own: say --trust to run it, or run its .ddc")
    if path.endswith(".so"):
        from ddc.runtime.library import Library

        return Library(path)
    return None


def _native(
    arguments: argparse.Namespace, runner: Runner, inputs: list[Any], progress: Progress | None
) -> None:
    """Run a program and write its result; one that is large is computed in the file's memory."""
    out: str = arguments.out
    threads: int = arguments.threads
    if arguments.backend == "python":
        write_result(out, _by_python(runner, inputs, arguments.steps, progress))
        return
    if arguments.steps is not None:
        grid = inputs[0]
        if not is_mapped(out, grid.nbytes):
            write_result(out, runner.steps(grid, arguments.steps, threads, progress=progress))
            return
        with mapped_file(out, grid.shape, grid.dtype) as made:
            runner.steps(grid, arguments.steps, threads, made, progress)
        return
    form = runner.form(*inputs)
    if form is None or not is_mapped(out, math.prod(form[0]) * form[1].itemsize):
        write_result(out, runner(*inputs, threads=threads, progress=progress))
        return
    with mapped_file(out, *form) as made:
        runner(*inputs, threads=threads, out=made, progress=progress)


def _by_python(
    runner: Runner, inputs: list[Any], steps: int | None, progress: Progress | None
) -> Any:
    if steps is None:
        return runner.python(*inputs)
    return runner.stepper.by_python(inputs[0], steps, progress)


def _foreign_result(arguments: argparse.Namespace, inputs: list[Any]) -> Any:
    """Run a Python file that the person trusts; what it raises is its own fault, not ours."""
    path: str = arguments.program
    try:
        function = _foreign(path)
        with _refusals(arguments.data, function.__name__):
            for _ in range(1 if arguments.steps is None else arguments.steps):
                inputs = [function(*inputs)]
                if arguments.steps is not None:
                    inputs = [np.asarray(inputs[0])]
    except DdcError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001
        reason = (str(error).splitlines() or [""])[0][:200]
        raise DdcError(f"{path!r} failed: {type(error).__name__}: {reason}") from None
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
            sys.stderr.write(f"\rddc: {done} of {total} ({100 * done // max(1, total)} %)")
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
