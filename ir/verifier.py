"""Tell whether a module is well formed; every problem found is a diagnostic with its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .errors import Diagnostic, DiagnosticsError, Location
from .infer import infer
from .module import Function, Module, Op
from .types import element, is_bit
from .wellformed import constant_problem, function_problems, shown

LARGEST_REPORT = 8  # more problems of one text are only counted


def verify(module: Module) -> list[Diagnostic]:
    """Return all problems of a module; an empty list means that it is well formed."""
    found: list[Diagnostic] = []

    def report(message: str, location: Location | None) -> None:
        found.append(Diagnostic(message, location))

    _check_distinct(((f.name, f.location) for f in module.functions), "function @", report)
    _check_distinct(((name, None) for name, _ in module.constants), "constant @", report)
    if not module.functions:
        report("a module needs at least one function", None)
    for name, constant in module.constants:
        if problem := constant_problem(name, constant):
            report(problem, None)
    for function in module.functions:
        before = len(found)
        _check_function(function, report)
        if len(found) == before:
            infer(function, module, report)
            _check_domain(function, module, report)
    return found


def _check_function(function: Function, report: _Report) -> None:
    def about(message: str, op: Op | None) -> None:
        report(message, function.location if op is None else op.location)

    where = function.location
    _check_distinct(((s.name, where) for s in function.sizes), "size ", report)
    _check_distinct(((r.name, where) for r in function.results), "result %", report)
    function_problems(function, about)


def check(module: Module, source: str = "", filename: str = "<module>") -> Module:
    """Return the module, or raise `DiagnosticsError` with everything that is wrong with it."""
    problems = verify(module)
    if problems:
        raise DiagnosticsError(shortened(problems), source, filename)
    return module


def shortened(problems: list[Diagnostic]) -> list[Diagnostic]:
    """Return the first problems in the order of the text, and how many more there are."""
    rest = len(problems) - LARGEST_REPORT
    in_order = sorted(problems, key=place)
    if rest <= 0:
        return in_order
    return [*in_order[:LARGEST_REPORT], Diagnostic(f"{rest} more errors", severity="note")]


def place(problem: Diagnostic) -> tuple[int, int]:
    """Return where a problem is, for the order of the text."""
    where = problem.location
    return (0, 0) if where is None else (where.line, where.column)


def _check_distinct(
    names: Iterable[tuple[str, Location | None]], what: str, report: _Report
) -> None:
    seen: set[str] = set()
    for name, location in names:
        if name in seen:
            report(f"{what}{shown(name)[1:-1]} is defined twice", location)
        seen.add(name)


class _Report(Protocol):
    """The type of a sink for problems."""

    def __call__(self, message: str, location: Location | None) -> None: ...


def _check_domain(function: Function, module: Module, report: _Report) -> None:
    if function.where is None:
        return
    domain = module.function(function.where)
    if domain is None:
        report(f"there is no function @{function.where} for the domain", function.location)
        return
    if domain.where is not None:
        report(f"the domain @{function.where} cannot have a domain itself", function.location)
    same = [p.type for p in domain.params] == [p.type for p in function.params]
    one_bit = len(domain.results) == 1 and is_bit(element(domain.results[0].type))
    if not same or not one_bit or domain.sizes != function.sizes:
        report(
            f"the domain @{function.where} must take the same sizes and parameters "
            "and return one bit",
            function.location,
        )
