"""Python names for the names of the IR, which come from strangers."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from ddc.ir import fresh_name

RESERVED = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "math", "numpy", "self", "cls"}
)
LONGEST = 40


def identifier(name: str, default: str = "x") -> str:
    """Return a public identifier like `name` that means nothing to Python itself."""
    text = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:LONGEST].strip("_")
    if not text:
        return default
    if text[0].isdigit():
        text = f"{default}_{text}"
    return f"{text}_" if text in RESERVED else text


def base(name: str) -> str:
    """Return a name without the number that made it unique: a wish for a name of its own scope."""
    return re.sub(r"_\d+\Z", "", name) or name


class Names:
    """Unique Python names, asked for by wish."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}
        self._given: list[str] = []

    def mark(self) -> int:
        """Return a point to which `release` can go back."""
        return len(self._given)

    def release(self, mark: int) -> None:
        """Give back the names given since the mark."""
        self._taken.difference_update(self._given[mark:])
        del self._given[mark:]

    def _take(self, name: str) -> str:
        self._taken.add(name)
        self._given.append(name)
        return name

    def fresh(self, *wishes: str) -> str:
        """Return the first wish that is free, else the last one with a number."""
        for wish in wishes:
            name = identifier(wish)
            if name not in self._taken:
                return self._take(name)
        stem = identifier(wishes[-1])
        count = self._next.get(stem, 1)
        while f"{stem}_{count}" in self._taken or count == 1:
            count += 1
        self._next[stem] = count
        return self._take(f"{stem}_{count}")

    def free(self, name: str) -> None:
        """Give back one name."""
        self._taken.discard(name)

    def private(self, wish: str) -> str:
        """Return a unique name for the module, with a leading underscore; it stays."""
        name = fresh_name("_" + identifier(wish).rstrip("_"), self._taken)
        self._taken.add(name)
        return name
