"""Run compiled programs: a module becomes a Python function through the Python backend.

The text that is executed is what our own backend writes for a verified module; nothing of a
model file reaches it but names and numbers that the backend has made safe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ddc.backends import python
from ddc.ir import Module


def function_of(module: Module, style: str = "numpy") -> Callable[..., Any]:
    """Return the entry as a Python function; it checks shapes and values itself."""
    source = python.emit(module, style=style, black=False)
    space: dict[str, Any] = {}
    exec(compile(source, f"<ddc program {module.entry.name}>", "exec"), space)
    public = [name for name, value in space.items() if not name.startswith("_") and callable(value)]
    found: Callable[..., Any] = space[public[-1]]
    return found
