"""What a minimisation strategy sees of the solver that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from .expr import Expr
from .table import Problem


class Solver(Protocol):
    """Solve subproblems on a budget."""

    def solve(self, problem: Problem) -> Expr:
        """Return the cheapest expression found for a subproblem."""
        ...

    def affords(self, work: int) -> bool:
        """Say whether this much work (table entries touched) is left, and spend it."""
        ...


Strategy = Callable[[Problem, Solver], Iterator[Expr]]
