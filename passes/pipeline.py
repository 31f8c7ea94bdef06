"""The pass manager: parse a pipeline, run it, look inside, and find the pass that broke it.

A pipeline is written `tabulate{max-vars=12},roll,minimise`: pass names, each with options in
braces. Options are the fields of the pass, with dashes for underscores.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib import metadata
from typing import Any, ClassVar

from ddc.ir import DdcError, DiagnosticsError, Module, UsageError, verify

from .base import Context, Pass

# name -> "module:attribute"; a Pass class, or a plain function Module -> Module. Imported when used.
BUILTIN: dict[str, str] = {
    "raise": "ddc.passes.raising:Raise",
    "automaton": "ddc.passes.recurrent.automaton:Automaton",
    "orders": "ddc.passes.orders:Orders",
    "tabulate": "ddc.passes.tabulate:Tabulate",
    "families": "ddc.passes.families:Families",
    "thresholds": "ddc.passes.thresholds:Thresholds",
    "residual": "ddc.passes.residual:Residual",
    "roll": "ddc.passes.roll:Roll",
    "minimise": "ddc.passes.minimise:Minimise",
    "fold": "ddc.passes.fold:fold",
    "hoist": "ddc.passes.hoist:hoist",
    "dce": "ddc.passes.dce:dce",
    "reduce-terms": "ddc.passes.terms:ReduceTerms",
    "sizes": "ddc.passes.families.sizes:Sizes",
    "generalise": "ddc.passes.generalise:Generalise",
    "name": "ddc.passes.naming:Name",
}

DEFAULT = "raise,residual,roll,minimise,fold,hoist,reduce-terms,fold,dce,sizes,generalise,name"

_ITEM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\{([^{}]*)\})?\s*(?:,|\Z)")


class PassError(Exception):
    """A pass broke the module or failed inside: a bug, shown with a crash reproducer."""

    def __init__(self, pass_name: str, reason: str, before: Module, rest: str) -> None:
        super().__init__(f"pass '{pass_name}': {reason}")
        self.before = before
        self.rest = rest


@dataclass(frozen=True)
class FunctionPass(Pass):
    """A plain function as a pass."""

    name: ClassVar[str] = ""
    title: str = ""
    function: Callable[[Module], Module] = field(default=lambda module: module, repr=False)

    def run(self, module: Module, context: Context) -> Module:
        """Apply the function."""
        return self.function(module)


@dataclass
class Instruments:
    """What to look at between passes: called after each pass with what it did."""

    after: Callable[[str, Module, Module], None] | None = None
    timings: list[tuple[str, float]] | None = None


def registry() -> dict[str, str]:
    """Return all passes by name: the built-in ones and those of installed plugins."""
    table = dict(BUILTIN)
    for name, value in _plugins():
        if name in table:
            raise DdcError(f"the pass {name!r} of {value} is defined twice")
        table[name] = value
    return table


@cache
def _plugins() -> tuple[tuple[str, str], ...]:
    """Return the passes of other distributions; installed ones do not change while we run."""
    return tuple((p.name, p.value) for p in metadata.entry_points(group="ddc.passes"))


def load(name: str) -> type[Pass] | Callable[[Module], Module]:
    """Import a pass by its name."""
    table = registry()
    if name not in table:
        raise UsageError(f"there is no pass {name!r}; `ddc passes` lists them")
    module, _, attribute = table[name].partition(":")
    found: type[Pass] | Callable[[Module], Module] = getattr(
        importlib.import_module(module), attribute
    )
    return found


def create(name: str, options: dict[str, str]) -> Pass:
    """Return a pass with its options set from text."""
    found = load(name)
    if not isinstance(found, type):
        if options:
            raise UsageError(f"the pass {name!r} has no option {next(iter(options))!r}")
        return FunctionPass(name, found)
    known = {f.name.replace("_", "-"): f for f in fields(found)}
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise UsageError(f"the pass {name!r} has no option {key!r}")
        values[known[key].name] = _convert(name, key, text, known[key].default)
    built: Pass = found(**values)
    return built


def _convert(name: str, key: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise UsageError(f"{name}: {key} is true or false, not {text!r}")
        return text == "true"
    if isinstance(default, int):
        if not re.fullmatch("[0-9]{1,4}", text):
            raise UsageError(f"{name}: {key} is a number from 0 to 9999, not {text!r}")
        return int(text)
    return text


def parse(text: str) -> list[Pass]:
    """Return the passes of a pipeline; `UsageError` where the text is wrong."""
    passes: list[Pass] = []
    position = 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            raise UsageError(f"cannot read the pipeline from {text[position:position + 20]!r}")
        passes.append(create(match[1], _options(match[1], match[2] or "")))
        position = match.end()
    return passes


def _options(name: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"{name}: an option is written key=value, not {item!r}")
        options[key.strip()] = value.strip()
    return options


def title(pass_: Pass) -> str:
    """Return the name under which a pass is known."""
    return pass_.title if isinstance(pass_, FunctionPass) else pass_.name


def render(passes: Iterable[Pass]) -> str:
    """Return the text of a pipeline; options that have their default are left out."""
    return ",".join(_render_one(p) for p in passes)


def _render_one(pass_: Pass) -> str:
    if isinstance(pass_, FunctionPass):
        return pass_.title
    changed = [
        f"{f.name.replace('_', '-')}={_option_text(getattr(pass_, f.name))}"
        for f in fields(pass_)
        if getattr(pass_, f.name) != f.default
    ]
    return pass_.name + ("{" + ",".join(changed) + "}" if changed else "")


def _option_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def run(
    module: Module,
    passes: str | Sequence[Pass],
    context: Context | None = None,
    instruments: Instruments | None = None,
) -> Module:
    """Run a pipeline; the module is verified before the first and after every pass.

    A `DdcError` from a pass goes through; anything else that goes wrong inside one, or a module
    that no longer verifies, is a `PassError`.
    """
    steps = parse(passes) if isinstance(passes, str) else list(passes)
    shared = context or Context()
    watch = instruments or Instruments()
    problems = verify(module)
    if problems:
        raise DiagnosticsError(problems)
    for number, step in enumerate(steps):
        before, start = module, time.perf_counter()
        module = _apply(step, before, shared, render(steps[number:]))
        if watch.timings is not None:
            watch.timings.append((title(step), time.perf_counter() - start))
        if watch.after is not None:
            watch.after(title(step), before, module)
    return module


def _apply(step: Pass, before: Module, context: Context, rest: str) -> Module:
    try:
        after = step.run(before, context)
    except DdcError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PassError(title(step), reason, before, rest) from error
    if after is before:
        return before
    after = _unclaimed(before, after)
    problems = verify(after)
    if problems:
        raise PassError(title(step), problems[0].message, before, rest)
    return after


def _unclaimed(before: Module, after: Module) -> Module:
    """Drop what was claimed of a function that the pass has rewritten; sizes stay inferred."""
    old = {f.name: f.body for f in before.functions}
    functions = tuple(
        (
            f
            if old.get(f.name) == f.body
            else replace(f, evidence=tuple(e for e in f.evidence if e.kind == "inferred"))
        )
        for f in after.functions
    )
    return replace(after, functions=functions)


def describe() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return name, summary and options (with defaults) of every pass."""
    rows: list[tuple[str, str, list[tuple[str, str]]]] = []
    for name in registry():
        found = load(name)
        summary = (found.__doc__ or "").strip().splitlines()[0]
        options = (
            [(f.name.replace("_", "-"), _option_text(f.default)) for f in fields(found)]
            if isinstance(found, type)
            else []
        )
        rows.append((name, summary, options))
    return rows


__all__ = ["DEFAULT", "Instruments", "PassError", "describe", "parse", "render", "run"]
