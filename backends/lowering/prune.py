"""Leave out what no result needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .nest import (
    Assign,
    Elem,
    Expr,
    For,
    Kernel,
    Let,
    Mut,
    Stmt,
    Store,
    Var,
    children,
    expressions,
    statements,
)


def prune(kernel: Kernel) -> Kernel:
    """Return the kernel without values, arrays and loops that no output depends on."""
    needed = _needed(kernel)
    live = _names([] if kernel.returned is None else [kernel.returned])
    for _, count in kernel.workspace:
        live |= _names([count])
    body, _ = _block(kernel.body, live, needed)
    arrays = {
        e.array.name for s in statements(body) for e in expressions(s) if isinstance(e, Elem)
    } | {s.array.name for s in statements(body) if isinstance(s, Store)}
    if kernel.returned is not None:
        arrays |= {e.array.name for e in _walk(kernel.returned) if isinstance(e, Elem)}
    return replace(
        kernel,
        body=body,
        constants=tuple(a for a in kernel.constants if a.name in arrays),
        locals=tuple(a for a in kernel.locals if a.name in arrays),
        workspace=tuple((a, n) for a, n in kernel.workspace if a.name in arrays),
    )


def _walk(expr: Expr) -> Iterable[Expr]:
    stack = [expr]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(children(current))


def _names(exprs: Iterable[Expr]) -> set[str]:
    return {e.name for expr in exprs for e in _walk(expr) if isinstance(e, Var)}


def _needed(kernel: Kernel) -> set[str]:
    """Return the names of values and arrays that outputs depend on, wherever they are defined."""
    uses: dict[str, set[str]] = {}
    needed: set[str] = set()
    stack: list[tuple[tuple[Stmt, ...], set[str]]] = [(kernel.body, set())]
    while stack:
        body, around = stack.pop()
        for statement in body:
            used = {
                e.name if isinstance(e, Var) else e.array.name
                for e in expressions(statement)
                if isinstance(e, (Var, Elem))
            }
            if isinstance(statement, For):
                stack.append((statement.body, around | used))
                continue
            name = statement.array.name if isinstance(statement, Store) else statement.name
            if isinstance(statement, Store) and statement.array.place == "output":
                needed |= used | around | {name}
            uses.setdefault(name, set()).update(used | around)
    if kernel.returned is not None:
        needed |= {
            e.name if isinstance(e, Var) else e.array.name
            for e in _walk(kernel.returned)
            if isinstance(e, (Var, Elem))
        }
    pending = list(needed)
    while pending:
        for name in uses.get(pending.pop(), ()):
            if name not in needed:
                needed.add(name)
                pending.append(name)
    return needed


def _block(
    body: tuple[Stmt, ...], live: set[str], needed: set[str]
) -> tuple[tuple[Stmt, ...], set[str]]:
    """Return what is kept of a block and the names that it uses, given those used after it."""
    kept: list[Stmt] = []
    live = set(live)
    for statement in reversed(body):
        if isinstance(statement, For):
            inner, used = _block(statement.body, set(), needed)
            if not inner:
                continue
            statement = replace(statement, body=inner)
            live |= used
        elif isinstance(statement, Let):
            if statement.name not in live:
                continue
        elif isinstance(statement, (Mut, Assign)):
            if statement.name not in needed:
                continue
        elif statement.array.place != "output" and statement.array.name not in needed:
            continue
        live |= _names(
            [statement.low, statement.high, *(statement.skip or ())]
            if isinstance(statement, For)
            else (
                [statement.at, statement.value]
                if isinstance(statement, Store)
                else [statement.value]
            )
        )
        kept.append(statement)
    return tuple(reversed(kept)), live
