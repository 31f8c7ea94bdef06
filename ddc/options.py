"""What a person can ask of a compilation: the long options of the command line, as keywords."""

from __future__ import annotations

import argparse
import math
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
    "emit": ("ir", None),
}
TEXTS = (
    "input",
    "output",
    "name",
    "passes",
    "factory",
    "backend",
    "target_cpu",
    "crash_reproducer",
)
NUMBERS = ("snap", "proof_seconds")
SWITCHES = (
    "allow_inexact",
    "trust",
    "quiet",
    "time_passes",
    "verify_each",
    "print_ir_after_all",
    "print_ir_after_change",
)


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
    backend: str | None = None
    target_cpu: str | None = None
    emit: str | None = None
    crash_reproducer: str | None = None

    def __post_init__(self) -> None:
        """Raise `UsageError` for numbers that mean nothing."""
        if not 0 <= self.proof_seconds < math.inf:
            raise UsageError(f"--proof-seconds takes seconds, not {self.proof_seconds}")

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


def _are_names(value: object) -> bool:
    several = isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)
    return isinstance(value, str) or several


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
    if key in NUMBERS and not (key == "snap" and value is None):
        if isinstance(value, bool) or not isinstance(value, (float, int)):
            raise UsageError(f"{key} is a number, not {type(value).__name__}")
    if key == "progress" and not isinstance(value, (bool, NoneType)):
        raise UsageError(f"progress is True, False or None, not {value!r}")
    if key == "print_ir_after" and not _are_names(value):
        raise UsageError(f"print_ir_after is the name of a pass or several, not {value!r}")
    if key == "data" and not isinstance(value, (str, Path, NoneType)):
        raise UsageError(f"data is the path of a file, not {type(value).__name__}")
