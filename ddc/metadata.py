"""The machine-readable line of an emitted program: signature, decision, hash of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FORMAT = 1


@dataclass(frozen=True)
class Metadata:
    """What `ddc verify` needs to know to compare a program with its network."""

    input: str
    output: str
    model: str

    def as_dict(self) -> dict[str, object]:
        """Return the line's content."""
        return {
            "format": FORMAT,
            "input": self.input,
            "output": self.output,
            "model": self.model,
        }

    @staticmethod
    def of(found: Mapping[str, object] | None) -> Metadata | None:
        """Return the content of a line, None where there is none or it is incomplete."""
        keys = ("input", "output", "model")
        values = [found.get(key) for key in keys] if found is not None else [None]
        if not all(isinstance(value, str) for value in values):
            return None
        return Metadata(*(str(value) for value in values))
