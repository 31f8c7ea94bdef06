"""Tell whether a module is well formed; every problem found is a diagnostic with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from .errors import Diagnostic, DiagnosticsError, Location
from .evidence import METHODS
from .infer import infer
from .module import Attr, Function, Module, Op, walk
from .ops import OPS, STRUCTURED, AttrSpec
from .types import element, is_bit

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


def verify(module: Module) -> list[Diagnostic]:
    """Return all problems of a module; an empty list means that it is well formed."""
    found: list[Diagnostic] = []

    def report(message: str, location: Location | None) -> None:
        found.append(Diagnostic(message, location))

    _check_distinct([f.name for f in module.functions], "function @", report)
    _check_distinct([name for name, _ in module.constants], "constant @", report)
    if not module.functions:
        report("a module needs at least one function", None)
    for function in module.functions:
        _check_names(function, report)
        for op in walk(function.body):
            for problem in _attribute_problems(op):
                report(f"'{op.code}' {problem}", op.location)
        infer(function, module, report)
        _check_domain(function, module, report)
        for claim in function.evidence:
            if claim.method not in METHODS.get(claim.kind, ()):
                report(f"unknown evidence: {claim.kind} {claim.method}".rstrip(), function.location)
    return found


def check(module: Module, source: str = "", filename: str = "<module>") -> Module:
    """Return the module, or raise `DiagnosticsError` with everything that is wrong with it."""
    problems = verify(module)
    if problems:
        raise DiagnosticsError(problems, source, filename)
    return module


def _check_distinct(names: list[str], what: str, report: _Report) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            report(f"{what}{name} is defined twice", None)
        seen.add(name)


class _Report(Protocol):
    """The type of a sink for problems."""

    def __call__(self, message: str, location: Location | None) -> None: ...


def _check_names(function: Function, report: _Report) -> None:
    names = [function.name, *(size.name for size in function.sizes)]
    names += [param.name for param in (*function.params, *function.results)]
    for op in walk(function.body):
        names += op.results
        names += [loop.var for loop in op.loops] + [state.name for state in op.states]
    for name in names:
        if not NAME.match(name):
            report(f"{name!r} is not a name", function.location)
    _check_distinct([s.name for s in function.sizes], "size ", report)
    _check_distinct([r.name for r in function.results], "result %", report)
    if any(size.minimum < 0 for size in function.sizes):
        report("a size cannot be negative", function.location)


def _attribute_problems(op: Op) -> Iterator[str]:
    if op.code in STRUCTURED:
        return
    spec = OPS.get(op.code)
    if spec is None:
        return
    for name, value in op.attrs:
        declared = spec.attr(name)
        if declared is None:
            yield f"has no attribute {name}"
        elif not _fits(declared, value):
            yield f"has a bad value for {name}"
    for declared in spec.attrs:
        if declared.required and op.attr(declared.name) is None:
            yield f"needs {declared.name}"


def _fits(declared: AttrSpec, value: Attr) -> bool:
    if declared.kind == "word":
        return value in declared.words
    if declared.kind == "int":
        return isinstance(value, int)
    if declared.kind == "number":
        return not isinstance(value, (str, tuple))
    if not isinstance(value, tuple):
        return False
    if declared.kind == "pairs":
        return all(isinstance(v, tuple) and len(v) == 2 for v in value)
    if declared.kind == "ints":
        return all(isinstance(v, int) for v in value)
    return not any(isinstance(v, (str, tuple)) for v in value)


def _check_domain(function: Function, module: Module, report: _Report) -> None:
    if function.where is None:
        return
    domain = module.function(function.where)
    if domain is None:
        report(f"there is no function @{function.where} for the domain", function.location)
        return
    same = [p.type for p in domain.params] == [p.type for p in function.params]
    one_bit = len(domain.results) == 1 and is_bit(element(domain.results[0].type))
    if not same or not one_bit or domain.sizes != function.sizes:
        report(
            f"the domain @{function.where} must take the same sizes and parameters "
            "and return one bit",
            function.location,
        )
