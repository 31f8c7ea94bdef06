"""The layout of an emitted module: imports, constants, the public function, helpers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ddc.backends.expand import expand
from ddc.ir import Function, Module, constant_type, value_types

from .idioms import idiomatic
from .module import Module as Gathered
from .names import Names, identifier


def prepared(module: Module, plain: bool) -> tuple[Function, dict[str, Any]]:
    """Return the entry with array ops written as loops, and the types of its values."""
    entry = module.entry
    function = expand(entry, module, value_types(entry, module))
    whole = replace(module, functions=(function, *module.functions[1:]))
    function = idiomatic(function, whole, plain)
    types: dict[str, Any] = dict(value_types(function, module))
    for name, constant in module.constants:
        types[f"@{name}"] = constant_type(constant)
    return function, types


def public_names(function: Function, helpers: Iterable[str]) -> tuple[Names, str, list[str]]:
    """Return the names of a module: of its function and the function's parameters."""
    names = Names(helpers)
    public = names.fresh(identifier(function.name, "program"))
    return names, public, [names.fresh(p.name) for p in function.params]


def assemble(
    imports: Iterable[str],
    constants: Mapping[str, str],
    decorator: str,
    public: str,
    params: Sequence[str],
    doc: str,
    body: Sequence[str],
    helpers: Sequence[str],
) -> str:
    """Return the text of a module."""
    lines = [f"import {name}" for name in sorted(imports)]
    lines += [""] + [f"{name} = {text}" for name, text in constants.items()]
    lines += ["", "", f"{decorator}def {public}({', '.join(params)}):"]
    lines += [
        '    """' + "\n".join(f"    {line}" if line else "" for line in doc.split("\n")).lstrip()
    ]
    lines += ['    """', *body]
    for source in helpers:
        lines += ["", "", source]
    return "\n".join(lines).lstrip("\n") + "\n"


__all__ = ["Gathered", "assemble", "prepared", "public_names"]
