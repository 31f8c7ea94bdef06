"""The Python API: `ddc.compile`, `ddc.load` and `Program`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ddc.ir import DdcError, Evidence, Module, UsageError, print_module

from . import driver
from .guard import write_reproducer
from .options import Options
from .output import write_files
from .targets import checked_target, emit, files, suffix_of

if TYPE_CHECKING:
    from ddc.runtime.native import Runner
    from ddc.runtime.packing import PackedRows


class Program:
    """A compiled program: call it, step it, print it, save it.

    `ir` is its module, `evidence` what is proved, tested, fitted or inferred about it.
    """

    def __init__(
        self,
        compiled: driver.Compiled,
        style: str = "plain",
        backend: str | None = None,
        target_cpu: str | None = None,
    ) -> None:
        self._compiled = compiled
        self._style = style
        self._backend = backend
        self._cpu = target_cpu

    @property
    def ir(self) -> Module:
        """The program as an IR module."""
        return self._compiled.module

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The claims about the program, each one checked when it was compiled."""
        return self.ir.entry.evidence

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks made while compiling, such as why a size was kept."""
        return tuple(self._compiled.notes)

    def python(self, style: str | None = None) -> str:
        """Return the program as a Python module.

        `style` is `plain` or `numpy`; the default is the style that it was compiled with.
        """
        return emit(self._compiled, "python", style or self._style)

    def c(self) -> str:
        """Return the program as C11."""
        return emit(self._compiled, "c")

    def llvm(self) -> str:
        """Return the program as LLVM IR."""
        return emit(self._compiled, "llvm")

    def save(self, path: str | Path, style: str | None = None) -> None:
        """Write the program whole or not at all.

        The suffix picks the target, unless the program was compiled with `backend`.
        """
        target = self._backend or suffix_of(str(path))
        write_files(files(self._compiled, str(path), target, style or self._style, self._cpu))

    @cached_property
    def _runner(self) -> Runner:
        from ddc.runtime.native import Runner

        return Runner(self.ir)

    def __call__(
        self,
        *inputs: Any,
        threads: int = 1,
        dtype: Any = None,
        out: Any = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Return the program's answer, computed natively; inputs as for the numpy style.

        Inputs with one axis more than the program takes are a batch: rows, or sequences, first.
        Programs over rows so take an array [rows, features], or a column for each feature; a
        sized program that can be stepped takes one grid. `threads` share a batch out.

        Answers are numbers or arrays of int64 and float64; `dtype` asks for another that holds
        every value, where float32 computes reals in single precision. `out` (an array, or one for
        each result) receives the answer. Raises `ValueError` for what the program does not take.
        """
        return self._runner(*inputs, threads=threads, dtype=dtype, out=out, progress=progress)

    def pack(self, *inputs: Any) -> PackedRows:
        """Return a batch of bits packed, to call the program on again and again.

        For logic on rows of bits, and for automata over sequences of bits; some 30,000 rows and
        more. The answer on packed rows is packed too: `unpack()` gives the array.
        """
        return self._runner.pack(*inputs)

    def by_python(self, *inputs: Any) -> Any:
        """Return the program's answer, computed by the Python backend."""
        return self._runner.python(*inputs)

    def steps(
        self,
        grid: Any,
        count: int,
        *,
        threads: int = 1,
        out: NDArray[Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[Any]:
        """Apply the program `count` times to its own output, natively; keeps the dtype of `grid`.

        Raises `DdcError` where the output does not have the input's shape, and for values outside
        the declared type. `out` receives the result in place; `progress` is told steps done and
        steps wanted, now and then.
        """
        return self._runner.steps(grid, count, threads, out, progress)

    def __str__(self) -> str:
        return print_module(self.ir)


def compile(*models: Any, **options: Any) -> Program:
    """Compile trained networks (paths, or one `torch.nn.Module`) into a program.

    Keywords are the long options of the command line (`input`, `output`, `name`, `data`, `style`,
    `size`, `require`, `allow_inexact`, `passes`, `model` …); `backend` and `target_cpu` are for
    `save`, and `emit="ir"` gives the network as it was read. Raises `DdcError` for bad input,
    `MismatchError` where the program would differ from the network.
    """
    given = Options.given(options)
    target = None if given.backend is None else checked_target(given.backend)
    try:
        compiled = _compiled(models, given)
    except DdcError:
        raise
    except Exception as error:
        if given.crash_reproducer is not None:
            write_reproducer(error, given.crash_reproducer)
        raise
    return Program(compiled, given.style, target, given.target_cpu)


def _compiled(models: tuple[Any, ...], options: Options) -> driver.Compiled:
    if options.emit is None:
        return driver.compile_models(models, options)
    if len(models) != 1:
        raise UsageError('emit="ir" writes one network down: give one MODEL')
    network = driver.read_network(models[0], options)
    return driver.Compiled(network.module, network.metadata)


def load(path: str | Path) -> Program:
    """Load a program from a `.ddc` file; evidence written in it is only claimed, so it is dropped."""
    return Program(driver.load_program(str(path)))
