"""When two programs are the same: proved, drawn as diagrams, or tested; else a counterexample."""

from .compare import REAL_TOLERANCE, compare, exhaustive
from .sides import Oracle
from .structural import canonical, same_structure
from .verdict import Counterexample, Verdict, same_numbers

__all__ = [
    "REAL_TOLERANCE",
    "Counterexample",
    "Oracle",
    "Verdict",
    "canonical",
    "compare",
    "exhaustive",
    "same_numbers",
    "same_structure",
]
