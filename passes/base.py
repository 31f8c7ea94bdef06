"""What a pass is, and what passes share while they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ddc.ir import DdcError, Module, Param

Progress = Callable[[str, float], None]

SIZES_KEPT = "the sizes are kept: "  # begins a note, which holds only if they are in the end


class Declined(DdcError):
    """A raiser does not take this kind of network; the message says why."""


@dataclass
class Context:
    """What passes share: cached analyses, notes for the person, and progress.

    `analyses` is keyed by what was analysed (a digest), so a result never outlives its module.
    `notes` are remarks in plain words, printed once, such as why a size was kept. `signature`
    holds the inputs as the person wrote them, with letters for sizes. `allow_inexact` lets a
    raiser take the rule behind a network that is wrong on rare inputs; `proof_seconds` is what the
    search for a proof over all lengths may take.
    """

    notes: list[str] = field(default_factory=list[str])
    analyses: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any])
    progress: Progress | None = None
    signature: tuple[Param, ...] = ()
    allow_inexact: bool = False
    proof_seconds: float = 2.0

    def note(self, text: str) -> None:
        """Remember a remark, once."""
        if text not in self.notes:
            self.notes.append(text)

    def cached(self, kind: str, key: str, compute: Callable[[], Any]) -> Any:
        """Return an analysis of the module with that digest, computing it at most once."""
        if (kind, key) not in self.analyses:
            self.analyses[kind, key] = compute()
        return self.analyses[kind, key]


@dataclass(frozen=True)
class Pass:
    """A rewrite of modules; the fields of a subclass are its options, with their defaults.

    The first line of the docstring is the summary that `ddc passes` prints.
    """

    name: ClassVar[str]

    def run(self, module: Module, context: Context) -> Module:
        """Return the rewritten module; exact passes preserve its meaning on its domain."""
        raise NotImplementedError
