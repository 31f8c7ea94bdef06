"""Running values: a scan as a comprehension that assigns its states on the way.

`[total := total + v for v in x]`: every state is assigned where its next value is first needed.
That is right only if Python then reads each old state before, and each new one after its
assignment, and never skips an assignment; the order of evaluation is followed to make sure.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .text import Expr

Event = tuple[ast.expr, str, bool]  # a name, whether it is read or assigned, whether always


@dataclass
class Running:
    """Next values of states while a body is emitted: each is a name until it gets its place."""

    states: dict[str, str]  # next value -> variable of its state
    found: dict[str, Expr] = field(default_factory=lambda: {})

    def mark(self, value: str) -> str:
        """Return the name that stands for a next value."""
        return f"_new_{self.states[value]}_"


def assigned(text: str, running: Running) -> str | None:
    """Return an expression with every state assigned in it, None where there is no such order."""
    marks = {running.mark(value): value for value in running.states}
    open_ = set(marks)
    while open_:
        first = next((e for e in _events(text) if _name(e[0]) in open_), None)
        if first is None or not first[2]:
            return None
        node, mark = first[0], _name(first[0])
        value = marks[mark]
        state, new = running.states[value], running.found[value].text
        whole = text == mark
        bound = f"{state} := {new}" if whole else f"({state} := {new})"
        text = text[: node.col_offset] + bound + text[node.end_col_offset :]
        text = f"({text})" if whole else text
        open_.discard(mark)
    if not _in_order(text, {mark: running.states[value] for mark, value in marks.items()}):
        return None
    for mark, value in marks.items():
        text = re.sub(rf"\b{mark}\b", running.states[value], text)
    outer = text.startswith("(") and isinstance(ast.parse(text, mode="eval").body, ast.NamedExpr)
    return text[1:-1] if outer else text


def _in_order(text: str, marks: Mapping[str, str]) -> bool:
    """Tell whether old states are read before, and new ones after they are assigned."""
    done: set[str] = set()
    states = set(marks.values())
    for node, what, _ in _events(text):
        name = _name(node)
        if what == "assigned":
            done.add(name)
        elif name in states and name in done:
            return False
        elif name in marks and marks[name] not in done:
            return False
    return True


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _events(text: str) -> list[Event]:
    """Return the names of an expression in the order in which Python comes to them."""
    return list(_walk(ast.parse(text, mode="eval").body, True))


def _walk(node: ast.AST, always: bool) -> Iterator[Event]:
    if isinstance(node, ast.Name):
        yield node, "read", always
        return
    if isinstance(node, ast.NamedExpr):
        yield from _walk(node.value, always)
        yield node.target, "assigned", always
        return
    if isinstance(node, ast.IfExp):
        yield from _walk(node.test, always)
        yield from _walk(node.body, False)
        yield from _walk(node.orelse, False)
        return
    sure: list[ast.AST] = list(ast.iter_child_nodes(node))
    unsure: list[ast.AST] = []
    if isinstance(node, ast.BoolOp):
        sure, unsure = [node.values[0]], list(node.values[1:])
    elif isinstance(node, ast.Compare):
        sure, unsure = [node.left, node.comparators[0]], list(node.comparators[1:])
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp, ast.Lambda)):
        sure, unsure = [], sure
    for child in sure:
        yield from _walk(child, always)
    for child in unsure:
        yield from _walk(child, False)
