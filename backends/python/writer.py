"""Statements of the emitted module, with indentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

LINE_LENGTH = 100  # as black is told
WIDTH = 90  # several short assignments share a line up to this length


class Writer:
    """Collects lines; consecutive assignments that may share a line do."""

    def __init__(self, indent: int = 1) -> None:
        self.lines: list[str] = []
        self._indent = indent
        self._open: tuple[list[str], list[str]] | None = None  # names and texts of the last line

    @property
    def is_outermost(self) -> bool:
        """Tell whether the next statement stands in no loop and no inner function."""
        return self._indent == 1

    def line(self, text: str) -> None:
        """Add a statement."""
        self._open = None
        self.lines.append("    " * self._indent + text)

    def assign(self, name: str, text: str, shared: bool = False) -> None:
        """Add `name = text`; `shared` ones do not depend on what stands on the line before."""
        apart = self._open is not None and not any(
            re.search(rf"\b{known}\b", text) for known in self._open[0]
        )
        if shared and apart and self._open is not None and "," not in text.split("[")[0]:
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

    def count(self, name: str) -> int:
        """Return how often a Python name occurs."""
        return sum(len(re.findall(rf"\b{name}\b", line)) for line in self.lines)

    def matches(self, pattern: str) -> list[re.Match[str]]:
        """Return the places where a pattern occurs."""
        return [match for line in self.lines for match in re.finditer(pattern, line)]

    def replace(self, pattern: str, text: Callable[[re.Match[str]], str]) -> None:
        """Write something else wherever a pattern occurs."""
        self.lines = [re.sub(pattern, text, line) for line in self.lines]

    def inline(self, name: str, text: str) -> bool:
        """Write an expression in place of a name that occurs once; tell whether it fits."""
        words = re.findall(r"\w+", text)
        if any(re.match(rf" *{word}\b.* = ", line) for word in words for line in self.lines):
            return False  # it would say something else there
        return self.count(name) == 1 and self._replaced(rf"\b{name}\b", text)

    def walk(self, name: str, text: str) -> bool:
        """Let the one loop over an array that occurs nowhere else run over `text` instead."""
        whole = rf"\blist\({name}\)"
        if self.count(name) == 1 and self._replaced(whole, f"list({text})"):
            return True
        if re.match(rf" +\w+ = \[[^a-z]*, \*{name}\]$", self.lines[0]):
            padded = self.lines[0].split(" = ")[0].strip() == name
            if padded or self.count(name) == 1:
                return self._replaced(rf"(?<=, \*){name}(?=\]$)", text)
        return self.count(name) == 1 and self._replaced(
            rf"(?<= in ){name}\b(?=:$|\]|\)| if )", text, outermost=True
        )

    def _replaced(self, pattern: str, text: str, outermost: bool = False) -> bool:
        for k, line in enumerate(self.lines):
            longer, found = re.subn(pattern, lambda _: text, line)
            if found:
                inner = outermost and (line.count(" for ") > 1 or "lambda" in line)
                if inner or len(longer) > LINE_LENGTH:
                    return False
                self.lines[k] = longer
                return True
        return False

    def rewind(self, count: int) -> None:
        """Take back all lines after the first `count`."""
        self._open = None
        del self.lines[count:]

    def blank(self) -> None:
        """Add an empty line."""
        self._open = None
        self.lines.append("")
