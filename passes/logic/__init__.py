"""Minimise explicit function tables into short, readable, exactly equal expressions.

`minimise(Table(levels, values, care))` returns an `Expr`, a hash-consed DAG over `Var(0)`,
`Var(1)`, ... Every strategy (minimal circuits, symmetry, thresholds, relations, decomposition,
covers, diagrams, arithmetic, cases) offers candidates; the cheapest by `cost` wins, and it is
compared with the table before it is returned.
"""

from .cost import cost, rank
from .evaluate import evaluate
from .expr import (
    And,
    Arithmetic,
    Compare,
    CompareOp,
    Const,
    Expr,
    FloorDiv,
    Linear,
    Lookup,
    Max,
    Min,
    Mod,
    Not,
    Or,
    Select,
    Threshold,
    Var,
    Xor,
    operations,
    substitute,
    support,
    topological,
)
from .minimise import minimise
from .table import Table
from .text import text

__all__ = [
    "And",
    "Arithmetic",
    "Compare",
    "CompareOp",
    "Const",
    "Expr",
    "FloorDiv",
    "Linear",
    "Lookup",
    "Max",
    "Min",
    "Mod",
    "Not",
    "Or",
    "Select",
    "Table",
    "Threshold",
    "Var",
    "Xor",
    "cost",
    "evaluate",
    "minimise",
    "operations",
    "rank",
    "substitute",
    "support",
    "text",
    "topological",
]
