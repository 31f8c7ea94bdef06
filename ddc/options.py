"""What a person can ask of a compilation: the long options of the command line, as keywords."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from typing import Any

from ddc.ir import UsageError


@dataclass(frozen=True)
class Options:
    """The options of `ddc MODEL...` and `ddc.compile`, with their defaults."""

    input: str | None = None
    output: str | None = None
    name: str | None = None
    data: str | None = None
    style: str = "plain"
    size: str = "auto"
    require: str | None = None
    allow_inexact: bool = False
    passes: str | None = None
    factory: str | None = None
    trust: bool = False
    quiet: bool = False
    progress: bool | None = None
    time_passes: bool = False
    verify_each: bool = False
    print_ir_after: tuple[str, ...] = ()
    print_ir_after_all: bool = False
    print_ir_after_change: bool = False

    @staticmethod
    def given(keywords: dict[str, Any]) -> Options:
        """Return the options given as keywords; `UsageError` for one that does not exist."""
        known = {field.name for field in fields(Options)}
        named = {"factory" if key == "model" else key: v for key, v in keywords.items()}
        for key in named:
            if key not in known:
                raise UsageError(
                    f"there is no option {key!r}; there are {', '.join(sorted(known))}"
                )
        return Options(**{"quiet": True, **named})

    @staticmethod
    def of(arguments: argparse.Namespace) -> Options:
        """Return the options among the arguments of any command."""
        given = vars(arguments)
        values: dict[str, Any] = {}
        for field in fields(Options):
            if given.get(field.name) is not None:
                value = given[field.name]
                values[field.name] = tuple(value) if isinstance(value, list) else value
        return Options(**values)
