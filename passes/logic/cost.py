"""What a reader pays for an expression: the one cost model of the minimiser.

The cost of a DAG is the sum over its distinct operator nodes of the operator's own price, plus
one for every operand that is a variable or a constant, plus one for every use of an operator
node after the first (a name to look up). Boolean formulas therefore cost operations plus
literals.

| node | price |
|---|---|
| and, or, xor, min, max of n | n - 1 |
| not | 1 |
| comparison | 1, and 1 where neither side is a constant, unless it equates two operands |
| linear form | 1, 2 for every coefficient other than 1 and -1 (0 in a binary \
number 4a + 2b + c), and 1 for a constant |
| threshold | 3 (the operator, its bound), and 2 for every weight other than 1 |
| select | 4 |
| mod, and the product, remainder or quotient of two numbers | 2 |
| floor division | 3 |
| lookup | 8, and 3 for every two entries |

A count of n bits thus costs n + 1 and comparing it with a constant 2 more, which is cheap
beside the n - 1 operations and n literals of the smallest formula over the same bits. Among
expressions of equal cost the one with fewer operator nodes reads best, where and, or, not count
one and everything else counts two.
"""

from __future__ import annotations

from .expr import (
    And,
    Arithmetic,
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


def rank(expr: Expr) -> tuple[int, int]:
    """Return the key by which candidates are compared: cost, then operator nodes."""
    nodes = (node for node in topological((expr,)) if node.operands)
    return cost(expr), sum(1 if isinstance(node, And | Or | Not) else 2 for node in nodes)


def _price(node: Expr) -> int:
    match node:
        case And(args) | Or(args) | Xor(args) | Min(args) | Max(args):
            return len(args) - 1
        case Compare("eq" | "ne", left, right):
            return 1 + (isinstance(left, Linear) and not isinstance(right, Const))
        case Not() | Compare(_, _, Const()):
            return 1
        case Compare() | Mod() | Arithmetic():
            return 2
        case Linear(terms, const):
            sizes = [abs(c) for c, _ in terms]
            numeral = sorted(sizes) == [1 << i for i in range(len(sizes))] and len(sizes) > 1
            return 1 + (const != 0) + (0 if numeral else 2 * sum(size != 1 for size in sizes))
        case Threshold(_, _, weights):
            return 3 + 2 * sum(w != 1 for w in weights)
        case Select():
            return 4
        case FloorDiv():
            return 3
        case Lookup(values, _, _):
            return 8 + 3 * len(values) // 2
        case _:
            return 0
