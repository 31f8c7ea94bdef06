"""What a reader pays for an expression: the one cost model of the minimiser.

The cost of a DAG is the sum over its distinct operator nodes of the operator's own price, plus
one for every operand that is a variable or a constant, plus one for every use of an operator
node after the first (a name to look up). Boolean formulas therefore cost operations plus
literals.

| node | price |
|---|---|
| and, or, xor, min, max of n | n - 1 |
| not | 1 |
| comparison | 1, and 1 where neither side is a constant |
| linear form | 1, and 1 for every coefficient other than 1 and -1, and 1 for a constant |
| threshold | 3 (the operator, its bound), and 1 for every weight other than 1 |
| select | 3 |
| mod, floor division | 2 |
| lookup | 8, and 1 for every entry |

A count of n bits thus costs n + 1 and comparing it with a constant 2 more, which is cheap
beside the n - 1 operations and n literals of the smallest formula over the same bits. Among
expressions of equal cost the one with fewer operator nodes, then with fewer xors, reads best.
"""

from __future__ import annotations

from .expr import (
    And,
    Compare,
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
    topological,
)


def cost(expr: Expr) -> int:
    """Return what a reader pays for the expression, shared nodes once."""
    if isinstance(expr, Var | Const):
        return 1
    total = 0
    named: set[Expr] = set()
    for node in topological((expr,)):
        total += _price(node)
        for operand in node.operands:
            if isinstance(operand, Var | Const) or operand in named:
                total += 1
            else:
                named.add(operand)
    return total


def rank(expr: Expr) -> tuple[int, int, int]:
    """Return the key by which candidates are compared: cost, operator nodes, xors."""
    nodes = [node for node in topological((expr,)) if node.operands]
    return cost(expr), len(nodes), sum(isinstance(node, Xor) for node in nodes)


def _price(node: Expr) -> int:
    match node:
        case And(args) | Or(args) | Xor(args) | Min(args) | Max(args):
            return len(args) - 1
        case Not() | Compare(_, _, Const()):
            return 1
        case Compare() | Mod() | FloorDiv():
            return 2
        case Linear(terms, const):
            return 1 + (const != 0) + sum(abs(c) != 1 for c, _ in terms)
        case Threshold(_, _, weights):
            return 3 + sum(w != 1 for w in weights)
        case Select():
            return 3
        case Lookup(values, _, _):
            return 8 + len(values)
        case _:
            return 0
