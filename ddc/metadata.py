"""The machine-readable line of an emitted program: signature, decision, hash of the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

FORMAT = 1
MARK = "// ddc: "  # of the line in IR text
LONGEST = 1 << 16


@dataclass(frozen=True)
class Metadata:
    """What `ddc verify` needs to know to compare a program with its network.

    `output` is empty where nobody has said how the numbers are read.
    """

    input: str
    output: str
    model: str

    def line(self) -> str:
        """Return the line as a comment of IR text."""
        return f"{MARK}{json.dumps(self.as_dict(), ensure_ascii=True, sort_keys=True)}\n"

    @staticmethod
    def read(text: str) -> Metadata | None:
        """Return what the first line of IR text says, None where it is no such line."""
        first = text[:LONGEST].partition("\n")[0]
        if not first.startswith(MARK):
            return None
        try:
            found = json.loads(first.removeprefix(MARK))
        except (ValueError, RecursionError):
            return None
        return Metadata.of(found if isinstance(found, dict) else None)

    def as_dict(self) -> dict[str, object]:
        """Return the line's content."""
        decision = {"output": self.output} if self.output else {}
        return {"format": FORMAT, "input": self.input, "model": self.model, **decision}

    @staticmethod
    def of(found: Mapping[str, object] | None) -> Metadata | None:
        """Return the content of a line, None where there is none or it is incomplete."""
        if found is None:
            return None
        values = found.get("input"), found.get("output", ""), found.get("model")
        if not all(isinstance(value, str) for value in values):
            return None
        return Metadata(*(str(value) for value in values))
