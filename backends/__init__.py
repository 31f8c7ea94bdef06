"""Backends: from a module of the IR to the text or object of a target.

Built-in ones and those of other distributions (entry-point group `ddc.backends`) share one table;
nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ddc.ir import DdcError

GROUP = "ddc.backends"

# name -> "module:function"; the function takes a module and options of its own
BUILT_IN: Mapping[str, str] = {
    "python": "ddc.backends.python:emit",
    "c": "ddc.backends.c:text",
    "llvm": "ddc.backends.llvm:text",
}


def backends() -> dict[str, str]:
    """Return every backend by name with the place of its function.

    Raises `DdcError` where two distributions give the same name.
    """
    from importlib.metadata import entry_points

    found = dict(BUILT_IN)
    for entry in entry_points(group=GROUP):
        if entry.name in found and found[entry.name] != entry.value:
            raise DdcError(
                f"two backends are called {entry.name!r}: {found[entry.name]} and {entry.value}"
            )
        found[entry.name] = entry.value
    return found


def backend(name: str) -> Callable[..., Any]:
    """Return the function of a backend, importing it.

    Raises `DdcError` for a name that is not in the table, and for a plugin that does not import.
    """
    place = BUILT_IN.get(name) or backends().get(name)
    if place is None:
        known = ", ".join(sorted(backends()))
        raise DdcError(f"there is no backend {name!r}; there are: {known}")
    module, _, function = place.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise DdcError(f"the backend {name!r} at {place} cannot be imported: {error}") from error
    return found
