"""Verdicts: how far two programs were found the same, or where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.evidence import Evidence

Answers = tuple[NDArray[Any], ...]

SHOWN = 64  # entries of an array that are printed


@dataclass(frozen=True)
class Counterexample:
    """An input with both answers: inputs by name, results in order."""

    inputs: Mapping[str, NDArray[Any]]
    left: Answers
    right: Answers
    results: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text("one", "the other")

    def text(self, left: str, right: str) -> str:
        """Return the input and the answers that differ, naming the two sides."""
        given = ", ".join(f"{name} = {shown(value)}" for name, value in self.inputs.items())
        answers: list[str] = []
        for k, (a, b) in enumerate(zip(self.left, self.right)):
            if a.shape != b.shape or not np.all(same_numbers(a, b, 0.0)):
                name = self.results[k] if k < len(self.results) else f"result {k}"
                answers.append(f"{name} is {shown(a)} in {left} and {shown(b)} in {right}")
        return f"for {given}: {'; '.join(answers)}" if given else "; ".join(answers)


@dataclass(frozen=True)
class Verdict:
    """Either evidence that two programs are the same, or the smallest counterexample found."""

    evidence: Evidence | None
    counterexample: Counterexample | None = None

    @property
    def same(self) -> bool:
        """Tell whether no difference was found."""
        return self.counterexample is None


def shown(value: NDArray[Any]) -> str:
    """Return an array as text, long ones cut short."""
    flat: Sequence[Any] = value.ravel().tolist()
    if len(flat) <= SHOWN:
        return str(value.tolist())
    return f"[{', '.join(map(str, flat[:SHOWN]))}, … {len(flat)} entries]"


def same_numbers(a: NDArray[Any], b: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    """Tell entry by entry whether numbers agree: ints exactly, reals within the tolerance."""
    equal = np.asarray(a == b, dtype=bool)
    if a.dtype.kind != "f" and b.dtype.kind != "f":
        return equal
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        near = np.abs(x - y) <= tolerance * np.maximum(np.abs(x), np.abs(y))
    finite = np.isfinite(x) & np.isfinite(y)
    return equal | (near & finite) | (np.isnan(x) & np.isnan(y))
