"""What can go wrong, as exceptions; the command line turns each into one line and an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LONGEST_LINE = 160  # characters of a line that are shown with a diagnostic


class DdcError(Exception):
    """The input is bad: one clear line for the person who gave it, exit status 1."""


class MismatchError(DdcError):
    """A program differs from its network inside the declared domain: exit status 3."""


class EvidenceError(DdcError):
    """The evidence is weaker than what was required: exit status 3."""


class UsageError(DdcError):
    """The command line itself is wrong: exit status 2."""


@dataclass(frozen=True)
class Location:
    """A place in a text: 1-based line and column, and how many columns the caret underlines."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True)
class Diagnostic:
    """One error or note about a text; `render` shows it the way compilers do."""

    message: str
    location: Location | None = None
    severity: str = "error"
    notes: tuple[str, ...] = ()

    def render(self, source: str, filename: str) -> str:
        """Return `file:line:column: error: message`, the line itself, a caret, then the notes."""
        notes = [f"note: {note}" for note in self.notes]
        where, line = self.location, None
        if where is not None and 1 <= where.line <= source.count("\n") + 1:
            line = source.split("\n", where.line)[where.line - 1].rstrip("\r")
        if where is None or line is None:
            return "\n".join([f"{filename}: {self.severity}: {self.message}", *notes])
        head = f"{filename}:{where.line}:{where.column}: {self.severity}: {self.message}"
        # A window of a long line; what could move the cursor of a terminal is not shown.
        start = max(0, where.column - 1 - LONGEST_LINE // 2)
        text = line[start : start + LONGEST_LINE]
        text = "".join(c if c.isprintable() else "?" if c != "\t" else " " for c in text)
        at = where.column - 1 - start
        caret = " " * at + "^" + "~" * (max(1, min(where.width, len(text) - at)) - 1)
        return "\n".join([head, f"  {text}", f"  {caret}", *notes])


@dataclass
class DiagnosticsError(DdcError):
    """One or several diagnostics about one IR text or module."""

    diagnostics: Sequence[Diagnostic]
    source: str = ""
    filename: str = "<module>"
    _text: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        rendered = [d.render(self.source, self.filename) for d in self.diagnostics]
        self._text = "\n".join(rendered)
        super().__init__(self._text)

    def __str__(self) -> str:
        return self._text
