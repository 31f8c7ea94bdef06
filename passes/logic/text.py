"""Write expressions as text, for dumps and error messages."""

from __future__ import annotations

from collections.abc import Callable

from .expr import (
    And,
    Arithmetic,
    ArithmeticOp,
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
    topological,
)

_COMPARE: dict[CompareOp, str] = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}
_ARITHMETIC: dict[ArithmeticOp, str] = {"mul": "*", "mod": "%", "floordiv": "//"}
_ATOM = 9  # precedence of names, numbers and calls
_PRECEDENCE: dict[type[Expr], int] = {
    Select: 0,
    Or: 1,
    And: 2,
    Not: 3,
    Compare: 4,
    Xor: 0,  # always in brackets inside another operator
    Linear: 6,
    Threshold: 6,  # as a parent: its weighted terms; as an operand it is a call
    Mod: 7,
    Arithmetic: 7,
    FloorDiv: 7,
}


def text(expr: Expr, name: Callable[[int], str] = "x{}".format) -> str:
    """Write the expression in Python's notation; what is used twice is named first."""
    order = topological((expr,))
    uses: dict[Expr, int] = {}
    for node in order:
        for operand in node.operands:
            uses[operand] = uses.get(operand, 0) + 1
    written: dict[Expr, tuple[str, int]] = {}
    lines: list[str] = []
    for node in order:
        body = _write(node, written, name)
        if uses.get(node, 0) > 1 and _deserves_name(node):
            label = f"t{len(lines)}"
            lines.append(f"{label} = {body}")
            written[node] = label, _ATOM
        else:
            call = isinstance(node, Threshold)
            written[node] = body, _ATOM if call else _PRECEDENCE.get(type(node), _ATOM)
    return "; ".join([*lines, written[expr][0]])


def _deserves_name(node: Expr) -> bool:
    return len(node.operands) > 2 or any(operand.operands for operand in node.operands)


def _write(node: Expr, written: dict[Expr, tuple[str, int]], name: Callable[[int], str]) -> str:
    level = _ATOM - 1 if isinstance(node, Xor) else _PRECEDENCE.get(type(node), _ATOM)
    parts = [
        words if own > level else f"({words})"
        for words, own in (written[operand] for operand in node.operands)
    ]
    bare = ", ".join(written[operand][0] for operand in node.operands)
    match node:
        case Var(index):
            return name(index)
        case Const(value):
            return str(value)
        case Not():
            return f"not {parts[0]}"
        case And():
            return " and ".join(parts)
        case Or():
            return " or ".join(parts)
        case Xor():
            return " ^ ".join(parts)
        case Threshold(k, _, ()):
            return f"at_least({k}, {bare})"
        case Threshold(k, _, weights):
            terms = zip(weights, parts, strict=True)
            return f"at_least({k}, {', '.join(part if w == 1 else f'{w}*{part}' for w, part in terms)})"
        case Linear(terms, const):
            return _sum([(c, part) for (c, _), part in zip(terms, parts, strict=True)], const)
        case Compare(op, _, _):
            return f"{parts[0]} {_COMPARE[op]} {parts[1]}"
        case Arithmetic(op, _, _):
            return f"{parts[0]} {_ARITHMETIC[op]} {parts[1]}"
        case Select():
            return f"{parts[1]} if {parts[0]} else {parts[2]}"
        case Min() | Max():
            return f"{type(node).__name__.lower()}({bare})"
        case Mod(_, k):
            return f"{parts[0]} % {k}"
        case FloorDiv(_, k):
            return f"{parts[0]} // {k}"
        case Lookup(values, _, _):
            shown = ", ".join(map(str, values[:16])) + (", ..." if len(values) > 16 else "")
            return f"[{shown}][{bare}]"
        case _:
            raise TypeError(f"not an expression node: {type(node).__name__}")


def _sum(terms: list[tuple[int, str]], const: int) -> str:
    words = ""
    for coefficient, part in terms:
        sign = (" - " if coefficient < 0 else " + ") if words else "-" * (coefficient < 0)
        size = abs(coefficient)
        words += sign + (part if size == 1 else f"{size}*{part}")
    if const:
        words += (" - " if const < 0 else " + ") + str(abs(const))
    return words
