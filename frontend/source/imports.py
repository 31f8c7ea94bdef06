"""Imports: a closed list of modules, none of which is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .values import Inert, Library, Value
from .wording import shown

if TYPE_CHECKING:
    from .statements import Statements

LIBRARIES = frozenset(["math", "numpy", "functools", "itertools", "operator"])
ANNOTATIONS = frozenset(["typing", "collections.abc", "numpy.typing", "numbers"])


def import_modules(trace: Statements, node: Any) -> None:
    """Run an import statement."""
    for alias in node.names:
        if alias.name in LIBRARIES:
            trace.assign(alias.asname or alias.name, Library(alias.name))
        elif alias.name in ANNOTATIONS:
            trace.assign(alias.asname or alias.name.split(".")[0], Inert(alias.name))
        else:
            raise _refused(trace, alias.name, node)


def import_from(trace: Statements, node: Any) -> None:
    """Run a `from` import statement."""
    from .attributes import attribute

    name = node.module or "."
    if node.level or name not in LIBRARIES | ANNOTATIONS | {"__future__"}:
        raise _refused(trace, name, node)
    for alias in node.names:
        value: Value = Inert(alias.name)
        if name in LIBRARIES:
            value = attribute(trace, Library(name), alias.name)
        trace.assign(alias.asname or alias.name, value)


def _refused(trace: Statements, name: str, node: Any) -> Exception:
    known = ", ".join(sorted(LIBRARIES))
    return trace.error(f"importing {shown(name)} is not understood; only {known} are", node)
