"""Helpers that emitted code brings along, each with those that it needs itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def closure(wanted: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names wanted and all that they need, in the order of the table."""
    found: set[str] = set()
    pending = list(wanted)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(needs[name])
    return [name for name in needs if name in found]
