"""Run `tests/filetests/*.ddc`: what a file is for stands in the comments at its head.

`// test: print`     the text after the head is canonical (or what stands after `// ----` is)
`// test: verify`    it is well formed, or has exactly the errors `// error: LINE: MESSAGE`
`// test: run`       each `// run: @f(ARGUMENTS) == RESULT` holds on the interpreter and on every
                     backend and style; arguments and results are Python literals
`// test: pass P`    the pipeline P turns it into the module after `// ----`

`pytest tests/test_filetests.py --update` rewrites what is printed.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from ddc import ir
from ddc.backends.python import STYLES, emit
from ddc.ir.interpreter import run
from ddc.runtime.binding import Binding, OverflowReported
from ddc.runtime.jit import compile_module
from tests.backends.native import library

FOLDER = Path(__file__).with_name("filetests")
SEPARATOR = "// ----\n"
RUN = re.compile(r"@([\w.]+)\((.*)\) == (.*)\Z")

# None: the target says clearly that it cannot hold the numbers.
Target = Callable[[ir.Module, Sequence[Any]], Sequence[Any] | None]


class Case:
    """One file: its directives, its text, and the text expected of a print or a pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.whole = path.read_text("utf-8")
        lines = self.whole.splitlines(keepends=True)
        count = next(k for k, line in enumerate(lines) if not line.startswith("//"))
        self.head, body = "".join(lines[:count]), "".join(lines[count:]).lstrip("\n")
        self.text, separator, after = body.partition(SEPARATOR)
        self.expected = after if separator else self.text

    def directives(self, name: str) -> list[str]:
        """Return what stands after `// name:` in the head, line by line."""
        return re.findall(rf"^// {name}: (.*)$", self.head, re.MULTILINE)

    def check(self, printed: str, update: bool) -> None:
        """Compare with the expected text, or make it the expected text."""
        if not update:
            assert printed == self.expected
        elif printed != self.expected:
            before = f"{self.text}{SEPARATOR}" if SEPARATOR in self.whole else ""
            self.path.write_text(f"{self.head}\n{before}{printed}", "utf-8")


def cases() -> Iterator[Any]:
    """Yield every test of every file."""
    for path in sorted(FOLDER.glob("*.ddc")):
        for test in Case(path).directives("test"):
            yield pytest.param(path, test, id=f"{path.stem}-{test}")


@pytest.mark.parametrize(("path", "test"), list(cases()))
def test_file(path: Path, test: str, request: pytest.FixtureRequest) -> None:
    kind, _, rest = test.partition(" ")
    KINDS[kind](Case(path), rest, bool(request.config.getoption("--update")))


def check_print(case: Case, _: str, update: bool) -> None:
    """Check the canonical text."""
    case.check(ir.print_module(ir.parse(case.text)), update)


def check_verify(case: Case, _: str, update: bool) -> None:
    """Check which errors there are, at which lines of the file."""
    found: list[str] = []
    try:
        ir.parse(case.whole)
    except ir.DiagnosticsError as error:
        for problem in error.diagnostics:
            found.append(f"{problem.location.line if problem.location else 0}: {problem.message}")
    assert found == case.directives("error")


def check_pass(case: Case, pipeline: str, update: bool) -> None:
    """Check what passes make of the module."""
    from ddc import passes

    case.check(ir.print_module(passes.run(ir.parse(case.text), pipeline)), update)


def check_run(case: Case, _: str, update: bool) -> None:
    """Check results on the interpreter and on every backend."""
    module = ir.parse(case.text)
    lines = case.directives("run")
    assert lines
    for line in lines:
        parts = RUN.match(line)
        assert parts is not None, line
        name, given, wanted = parts.groups()
        function = module.function(name)
        assert function is not None, f"no function @{name}"
        arguments = ast.literal_eval(f"({given},)" if given else "()")
        several = len(function.results) > 1
        expected = ast.literal_eval(wanted) if several else (ast.literal_eval(wanted),)
        others = tuple(f for f in module.functions if f is not function)
        alone = ir.Module((function, *others), module.constants)
        for target, execute in TARGETS.items():
            results = execute(alone, arguments)
            if results is None:
                continue
            assert len(results) == len(expected)
            for result, value, param in zip(results, expected, function.results):
                assert same(result, value, param.type), f"{target}: {line}, not {result!r}"


def same(result: Any, wanted: Any, type_: ir.Type) -> bool:
    """Tell whether a result is what is wanted: ints exactly, reals to 1e-12."""
    scalar = ir.element(type_)
    if isinstance(scalar, ir.Category):
        found = np.asarray(result, dtype=object)
        flat = [v if isinstance(v, str) else scalar.names[int(v)] for v in found.ravel().tolist()]
        return flat == np.asarray(wanted, dtype=object).ravel().tolist()
    a, b = np.asarray(result), np.asarray(wanted)
    if a.size == 0 and b.size == 0:
        return True  # nested lists do not keep the shape of an empty array
    if a.shape != b.shape:
        return False
    if not isinstance(scalar, (ir.Real, ir.Missing)):
        return bool(np.all(a == b))
    return bool(np.allclose(a.astype(float), b.astype(float), 1e-12, 1e-12, equal_nan=True))


# ---------------------------------------------------------------- targets


def interpreted(module: ir.Module, arguments: Sequence[Any]) -> Sequence[Any]:
    """Run on the interpreter."""
    params = module.entry.params
    given = {p.name: positions(p.type, a) for p, a in zip(params, arguments)}
    return run(module, given)


def positions(type_: ir.Type, value: Any) -> Any:
    """Return an argument with numbers in the place of names, and NaN where it is missing."""
    scalar = ir.element(type_)
    base = scalar.base if isinstance(scalar, ir.Missing) else scalar
    if isinstance(value, list):
        return [positions(type_, v) for v in value]
    if value is None:
        return math.nan
    return base.names.index(value) if isinstance(base, ir.Category) else value


def python(style: str) -> Target:
    """Return the target of the Python backend in a style."""

    def execute(module: ir.Module, arguments: Sequence[Any]) -> Sequence[Any]:
        space: dict[str, Any] = {}
        exec(emit(module, style=style, black=False), space)  # our own output
        (name,) = [n for n in space if not n.startswith("_") and n not in ("math", "np")]
        result = space[name](*arguments)
        return result if len(module.entry.results) > 1 else (result,)

    return execute


def native(bind: Callable[[ir.Module], Binding]) -> Target:
    """Return the target of a native backend; ints beyond 64 bits are refused or reported."""

    def execute(module: ir.Module, arguments: Sequence[Any]) -> Sequence[Any] | None:
        params = module.entry.params
        given = [positions(p.type, a) for p, a in zip(params, arguments)]
        try:
            return bind(module)(given)
        except OverflowReported:
            return None
        except ir.DdcError as error:
            assert "beyond 64 bits" in str(error)
            return None

    return execute


def by_gcc(module: ir.Module) -> Binding:
    """Compile the emitted C."""
    with TemporaryDirectory() as folder:
        (binding,) = library([module], Path(folder))
    return binding


def by_llvm(module: ir.Module) -> Binding:
    """Compile in memory."""
    return compile_module(module, cache=False)


TARGETS: dict[str, Target] = {
    "interpreter": interpreted,
    **{f"python {style}": python(style) for style in STYLES},
    "c": native(by_gcc),
    "llvm": native(by_llvm),
}

KINDS = {
    "print": check_print,
    "verify": check_verify,
    "run": check_run,
    "pass": check_pass,
}
