"""Names: what they stand for, and what an assignment to names and tuples of them binds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from .containers import Containers
from .values import Items, Scope, Value
from .wording import describe, shown


class Scopes(Containers):
    """Reads and binds names in the scopes of the program."""

    def read(self, name: str, node: ast.AST | None = None) -> Value:
        """Return what a name stands for."""
        scope: Scope | None = self.scope
        while scope is not None:
            home = scope.elsewhere.get(name, scope)
            if name in home.items:
                return home.items[name]
            if name in home.own:
                self.never(1, f"UnboundLocalError: {shown(name)} has no value yet")
            scope = scope.parent
        from .builtins import BUILTINS

        if name in BUILTINS:
            return BUILTINS[name]
        raise self.error(f"the name {shown(name)} is not defined, or not understood", node)

    def assign(self, name: str, value: Value) -> None:
        """Give a name a value, in the scope of the function around."""
        scope = self.scope
        while not scope.function and name not in scope.own and scope.parent is not None:
            scope = scope.parent
        home = scope.elsewhere.get(name, scope)
        self.touch(home)
        home.items[name] = value

    def targets(self, target: ast.expr, value: Value) -> dict[str, Value]:
        """Return the names that an assignment to plain names and tuples of them binds."""
        if isinstance(target, ast.Name):
            return {target.id: value}
        if not isinstance(target, (ast.Tuple, ast.List)):
            raise self.error(f"{describe(target)} as a target is not understood", target)
        found: dict[str, Value] = {}
        for part, item in self.unpacked(target, value):
            found.update(self.targets(part, item))
        return found

    def unpacked(self, target: Any, value: Value) -> Iterator[tuple[ast.expr, Value]]:
        """Yield the parts of a tuple target with their values."""
        items, parts = self.plain_list(value), target.elts
        stars = [k for k, p in enumerate(parts) if isinstance(p, ast.Starred)]
        short = len(items) < len(parts) - 1 if stars else len(items) != len(parts)
        if short:
            self.never(1, f"ValueError: {len(items)} values for {len(parts)} targets")
        if not stars:
            yield from zip(parts, items)
            return
        (at,) = stars
        behind = len(parts) - at - 1
        yield from zip(parts[:at], items[:at])
        yield parts[at].value, Items(items[at : len(items) - behind])
        yield from zip(parts[at + 1 :], items[len(items) - behind :])
