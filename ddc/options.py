"""What a person can ask of a compilation: the long options of the command line, as keywords."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any

from ddc.ir import UsageError

# option -> its choices; None among them where it may be left out
CHOICES: dict[str, tuple[str | None, ...]] = {
    "style": ("plain", "numpy"),
    "size": ("auto", "fixed"),
    "require": ("proved", "tested", None),
}
TEXTS = ("input", "output", "name", "passes", "factory")
SWITCHES = ("allow_inexact", "trust", "quiet", "time_passes", "verify_each")


@dataclass(frozen=True)
class Options:
    """The options of `ddc MODEL...` and `ddc.compile`, with their defaults."""

    input: str | None = None
    output: str | None = None
    name: str | None = None
    data: str | Path | None = None
    style: str = "plain"
    size: str = "auto"
    require: str | None = None
    allow_inexact: bool = False
    snap: float | None = None
    proof_seconds: float = 2.0
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
        """Return the options given as keywords.

        Raises `UsageError` for an option or a choice that does not exist and for a wrong type.
        """
        known = {field.name for field in fields(Options)}
        named = {"factory" if key == "model" else key: v for key, v in keywords.items()}
        for key in named:
            if key not in known:
                there = ", ".join(sorted(known - {"factory"} | {"model"}))
                raise UsageError(f"there is no option {key!r}; there are {there}")
        for key, value in named.items():
            _check(key, value)
        after = named.get("print_ir_after", ())
        named["print_ir_after"] = (after,) if isinstance(after, str) else tuple(after)
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


def _check(key: str, value: object) -> None:
    """Raise `UsageError` where a keyword has a value that the command line could not give it."""
    shown = "model" if key == "factory" else key
    if key in CHOICES and value not in CHOICES[key]:
        known = ", ".join(choice for choice in CHOICES[key] if choice is not None)
        raise UsageError(f"{shown} is one of {known}, not {value!r}")
    if key in TEXTS and not isinstance(value, (str, NoneType)):
        raise UsageError(f"{shown} is a string, not {type(value).__name__}")
    if key in SWITCHES and not isinstance(value, bool):
        raise UsageError(f"{shown} is True or False, not {value!r}")
    if key == "snap" and (isinstance(value, bool) or not isinstance(value, (float, int, NoneType))):
        raise UsageError(f"snap is a number, not {type(value).__name__}")
    if key == "data" and not isinstance(value, (str, Path, NoneType)):
        raise UsageError(f"data is the path of a file, not {type(value).__name__}")
