"""When a program over time equals a recurrent network for every length, and where it does not."""

from ddc.ir.exact.recurrent.cell import Unbounded

from .decide import decide, search_words
from .machine import NoSteps
from .outcome import Budget, Outcome
from .programs import last_results, same_steps

__all__ = [
    "Budget",
    "NoSteps",
    "Outcome",
    "Unbounded",
    "decide",
    "last_results",
    "same_steps",
    "search_words",
]
