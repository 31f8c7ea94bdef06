"""Statements of the emitted module, with indentation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

WIDTH = 80  # several short assignments share a line up to this length


class Writer:
    """Collects lines; consecutive assignments that may share a line do."""

    def __init__(self, indent: int = 1) -> None:
        self.lines: list[str] = []
        self._indent = indent
        self._open: tuple[list[str], list[str]] | None = None  # names and texts of the last line

    def line(self, text: str) -> None:
        """Add a statement."""
        self._open = None
        self.lines.append("    " * self._indent + text)

    def assign(self, name: str, text: str, shared: bool = False) -> None:
        """Add `name = text`; `shared` ones do not depend on what stands on the line before."""
        if shared and self._open is not None and "," not in text.split("[")[0]:
            names, texts = [*self._open[0], name], [*self._open[1], text]
            joined = f"{', '.join(names)} = {', '.join(texts)}"
            if len(joined) <= WIDTH:
                self.lines[-1] = "    " * self._indent + joined
                self._open = (names, texts)
                return
        self.line(f"{name} = {text}")
        self._open = ([name], [text]) if shared else None

    @contextmanager
    def indented(self, head: str) -> Iterator[None]:
        """Add a statement with a body."""
        self.line(head)
        self._indent += 1
        try:
            yield
        finally:
            self._open = None
            self._indent -= 1

    def mentioned(self, names: Mapping[str, str]) -> set[str]:
        """Return the keys whose Python name occurs in the lines."""
        words = set[str]().union(*(re.findall(r"[A-Za-z_0-9]+", line) for line in self.lines))
        return {key for key, name in names.items() if name in words}

    def rewind(self, count: int) -> None:
        """Take back all lines after the first `count`."""
        self._open = None
        del self.lines[count:]

    def blank(self) -> None:
        """Add an empty line."""
        self._open = None
        self.lines.append("")
