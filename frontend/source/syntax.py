"""What Python's syntax says before anything is run: signs, local names, loops with `continue`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.MatMult: "@",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}

Declared = tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]


def declarations(node: ast.FunctionDef | ast.Lambda) -> Declared:
    """Return the names that are local to a function, nonlocal in it, and global in it."""
    known: Declared | None = getattr(node, "_declared", None)
    if known is not None:
        return known
    spec = node.args
    own = {a.arg for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)}
    own |= {a.arg for a in (spec.vararg, spec.kwarg) if a is not None}
    above: set[str] = set()
    outside: set[str] = set()
    for inner in _own_nodes(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            own.add(inner.id)
        elif isinstance(inner, ast.FunctionDef):
            own.add(inner.name)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            own |= {(a.asname or a.name).split(".")[0] for a in inner.names}
        elif isinstance(inner, ast.Nonlocal):
            above |= set(inner.names)
        elif isinstance(inner, ast.Global):
            outside |= set(inner.names)
    found = (frozenset(own - above - outside), tuple(sorted(above)), tuple(sorted(outside)))
    node._declared = found  # type: ignore[union-attr]
    return found


_INNER = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _own_nodes(node: ast.FunctionDef | ast.Lambda) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without those of functions inside it.

    Of a comprehension only assignment expressions bind names of the function around.
    """
    stack: list[tuple[ast.AST, bool]] = []
    body = node.body if isinstance(node.body, list) else [node.body]
    stack += [(n, False) for n in body]
    while stack:
        inner, comprehension = stack.pop()
        if isinstance(inner, ast.NamedExpr):
            yield inner.target
            stack.append((inner.value, comprehension))
            continue
        if not comprehension:
            yield inner
        if isinstance(inner, (ast.FunctionDef, ast.Lambda)):
            continue
        inside = comprehension or isinstance(inner, _INNER)
        stack += [(n, inside) for n in ast.iter_child_nodes(inner)]


def has_continue(loop: ast.AST) -> bool:
    """Tell whether a `continue` belongs to a loop."""
    known: Any = getattr(loop, "_continues", None)
    if known is not None:
        return bool(known)
    found = False
    stack: list[ast.AST] = list(loop.body)  # type: ignore[attr-defined]
    while stack and not found:
        node = stack.pop()
        found = isinstance(node, ast.Continue)
        if not isinstance(node, (ast.For, ast.While, ast.FunctionDef, ast.Lambda)):
            stack += ast.iter_child_nodes(node)
    loop._continues = found  # type: ignore[attr-defined]
    return found
