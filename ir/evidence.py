"""What is known about a function, and how: the evidence that every output prints.

A claim is bound to the digests of the function and of the network it speaks of. Claims read from
a file are *claimed*, not believed, until they are checked again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

Detail = int | Fraction | str

# kind -> methods it may name ("" = none needed); the order is from strongest to weakest. The last
# is of another sort: how far the program does what a person's labels say, whatever the network does.
METHODS: dict[str, tuple[str, ...]] = {
    "proved": ("structural", "exhaustive", "composed", "diagrams", "bounds", "induction"),
    "tested": ("",),
    "fitted": ("",),
    "inferred": ("",),
    "inexact": ("",),
    "labels": ("",),
}


@dataclass(frozen=True)
class Evidence:
    """One claim, written `kind method(key = value, ...)`."""

    kind: str
    method: str = ""
    details: tuple[tuple[str, Detail], ...] = ()

    def detail(self, key: str) -> Detail | None:
        """Return a detail by its key, None where it is not given."""
        return dict(self.details).get(key)


# The details that bind a claim: short digests of the function and of the network it speaks of.
BINDING = ("program", "network")
DIGEST_LENGTH = 16


def bound(claims: Iterable[Evidence], program: str, network: str) -> tuple[Evidence, ...]:
    """Return the claims bound to the digests of a function and of its network."""
    details = (("program", program[:DIGEST_LENGTH]), ("network", network[:DIGEST_LENGTH]))
    return tuple(
        replace(c, details=tuple(d for d in c.details if d[0] not in BINDING) + details)
        for c in claims
    )


def claim(kind: str, method: str = "", **details: Detail) -> Evidence:
    """Return a claim; details keep the order in which they are given."""
    if method not in METHODS[kind]:
        raise ValueError(f"{kind} cannot be shown by {method!r}")
    return Evidence(kind, method, tuple(details.items()))
