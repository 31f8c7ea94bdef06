"""When a program over time equals a recurrent network for every length, and where it does not."""

from ddc.ir.exact.recurrent.cell import Unbounded

from .decide import decide, search_words
from .machine import NoSteps
from .outcome import Budget, Outcome

__all__ = ["Budget", "NoSteps", "Outcome", "Unbounded", "decide", "search_words"]
