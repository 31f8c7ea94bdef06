"""Compare a program file - also one that a person has edited - with its network."""

from __future__ import annotations

import ast
import builtins
import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from ddc.ir import DdcError, Evidence, Function, Module, Param, dims, element, with_dims
from ddc.ir.affine import Affine
from ddc.passes.recurrent.network import is_recurrent

from . import proof
from .driver import (
    Network,
    compile_models,
    context_for,
    read_ir,
    read_network,
    read_text,
    require,
    told_by_samples,
)
from .metadata import Metadata
from .options import Options
from .output import say
from .sequences import BEYOND, beyond_length
from .targets import emit

if TYPE_CHECKING:
    from ddc.frontend.source import SourceProgram

MAX_SOURCE_BYTES = 1 << 24


def verify_program(model: str, program: str, options: Options) -> tuple[Evidence, ...]:
    """Prove or test that a program file equals a network.

    Raises `MismatchError` where it does not, `EvidenceError` where less is shown than asked for.
    """
    if program.endswith(".ddc"):
        read = read_ir(program, options)
        full = _completed(options, read.metadata)
        return _verified(read_network(model, full), read.module, full)
    if not program.endswith(".py"):
        raise DdcError(f"cannot verify {program!r}: give a .py or a .ddc file")
    from ddc.frontend.source import read_program

    source = read_program(read_text(program, MAX_SOURCE_BYTES), program)
    metadata = Metadata.of(source.meta)
    full = options if metadata is None else _completed(options, metadata)
    network = read_network(model, full)
    if not is_recurrent(network.module):
        return _verified(network, _traced(source, network.module.entry), full)
    claims = _verified_steps(model, source, network, (options, full))
    require(claims, options.require)
    return claims


def _completed(options: Options, said: Metadata) -> Options:
    """Return the options with what the program says of its inputs and its decision."""
    output = options.output or said.output or None
    return replace(options, input=options.input or said.input, output=output)


def _verified(network: Network, module: Module, options: Options) -> tuple[Evidence, ...]:
    context = context_for(network, options)
    claims = proof.prove(module, network.module, context, allow_inexact=False)
    claims = (*claims, *told_by_samples(module, network, claims, context))
    for note in context.notes:
        say(f"ddc: note: {note}", options.quiet)
    require(claims, options.require)
    return claims


def _verified_steps(
    model: str, source: SourceProgram, network: Network, ways: tuple[Options, Options]
) -> tuple[Evidence, ...]:
    """Compare a program over time: as traced for the trained length, and as `ddc` writes it.

    A trace has one length. A program that is, but for its docstring, what the network compiles
    to has the proof of that for the other lengths too.
    """
    entry = network.module.entry
    claims = _verified(network, _traced(source, entry), replace(ways[-1], require=None))
    for options in ways:
        compiled = _as_compiled(model, source, options)
        if compiled is not None:
            return compiled
    length = BEYOND * dims(entry.params[0].type)[0].const
    try:
        longer = _traced(source, entry, length)
    except DdcError:
        return claims  # a program of one length, or one too long to follow further
    return (*claims, beyond_length(longer, network.module))


def _traced(source: SourceProgram, entry: Function, length: int | None = None) -> Module:
    """Return a program as IR at the network's sizes, or for sequences of another length."""
    params, results = entry.params, [result.type for result in entry.results]
    if length is not None:
        steps = (Affine.of(length),)
        params = tuple(Param(p.name, with_dims(element(p.type), steps)) for p in params)
        results = [with_dims(element(result), steps) for result in results]
    return source.trace(params, results)


def _as_compiled(
    model: str, source: SourceProgram, options: Options
) -> tuple[Evidence, ...] | None:
    """Return the evidence of the program that the network compiles to, if this is its text."""
    try:
        compiled = compile_models([model], replace(options, name=source.name, require=None))
    except DdcError:
        return None
    text = emit(compiled, "python", "numpy" if source.uses_numpy else "plain")
    same = _code(ast.parse(text)) == _code(source.tree)
    return compiled.module.entry.evidence if same else None


class _Canonical(ast.NodeTransformer):
    """Numbers the names that a program binds, and takes the messages out of what is raised.

    What it does not bind (builtins, imports, attributes) keeps its name, and so does a name that
    hides a builtin: programs that look alike then are the same up to the choice of names.
    """

    def __init__(self, tree: ast.Module) -> None:
        bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_bound(n)}
        bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        self.bound = bound - set(dir(builtins))
        self.numbers: dict[str, str] = {}

    def called(self, name: str) -> str:
        """Return the number of a bound name, in order of appearance, or the name itself."""
        if name not in self.bound:
            return name
        return self.numbers.setdefault(name, f"#{len(self.numbers)}")

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(kind, node.cause)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.called(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self.called(node.arg))

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg is not None:
            node.arg = self.called(node.arg)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = self.called(node.name), None
        node.body = _undocumented(node.body)
        return self.generic_visit(node)


def _is_bound(node: ast.Name) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _code(tree: ast.Module) -> list[str]:
    """Return a module's statements without docstrings, messages and the choice of names."""
    given = copy.deepcopy(tree)
    canonical = _Canonical(given)
    return [ast.dump(canonical.visit(node)) for node in _undocumented(given.body)]


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:] if isinstance(first.value.value, str) else body
    return body
