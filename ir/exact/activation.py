"""Functions of one number that units apply, and which of them merge into one exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

HALF = Fraction(1, 2)
STEP = (0, 0, 1)
SIGN = (-1, 0, 1)


@dataclass(frozen=True)
class Activation:
    """A function of one number.

    `compare` maps the sign of (z - cut) to one of three ints; `ramp` is z, or slope * z below 0
    (relu: slope 0); `clip` clamps to low..high; `round` goes half to even. `softmax` marks numbers
    that belong together and is never evaluated: it must vanish in front of the decision.
    """

    kind: str = "identity"
    cut: Fraction = Fraction(0)
    outcomes: tuple[int, int, int] = STEP
    slope: Fraction = Fraction(0)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)
    group: int = 1  # of softmax: so many units in a row belong together

    @property
    def smooth(self) -> bool:
        """Tell whether values are transcendental numbers."""
        return self.kind in ("tanh", "sigmoid")

    @property
    def discrete(self) -> bool:
        """Tell whether values are ints whatever the argument."""
        return self.kind in ("compare", "round")


IDENTITY = Activation()

# outcomes of a comparison of z with 0, for z < 0, z = 0, z > 0
COMPARISONS: dict[str, tuple[int, int, int]] = {
    "gt": (0, 0, 1),
    "ge": (0, 1, 1),
    "lt": (1, 0, 0),
    "le": (1, 1, 0),
    "eq": (0, 1, 0),
    "ne": (1, 0, 1),
}


def fused(first: Activation, second: Activation) -> Activation | None:
    """Return one activation that is the second after the first, None where there is none here."""
    if first == IDENTITY:
        return second
    if first.kind not in ("tanh", "sigmoid"):
        return None
    if second.kind == "round" and first.kind == "sigmoid":
        return Activation("compare")  # half goes to the even 0
    if second.kind != "compare":
        return None
    below, _, above = second.outcomes
    bottom = 0 if first.kind == "sigmoid" else -1
    if second.cut <= bottom:
        return replace(second, cut=Fraction(0), outcomes=(above,) * 3)
    if second.cut >= 1:
        return replace(second, cut=Fraction(0), outcomes=(below,) * 3)
    middle = HALF if first.kind == "sigmoid" else Fraction(0)
    return replace(second, cut=Fraction(0)) if second.cut == middle else None
