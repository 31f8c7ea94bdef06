"""What messages call a stranger's names, types and syntax."""

from __future__ import annotations

import ast

from ddc.ir import quote

from .values import Arr, Items, Mapping, Name, Poison, Sym, Value

LONGEST_MESSAGE = 80

_WORDS: dict[type[ast.AST], str] = {
    ast.JoinedStr: "an f-string outside of raise",
    ast.Yield: "a generator function ('yield')",
    ast.YieldFrom: "a generator function ('yield from')",
    ast.Await: "'await'",
    ast.ClassDef: "a class",
    ast.With: "'with'",
    ast.Try: "'try'",
    ast.Delete: "'del'",
    ast.Match: "'match'",
    ast.AsyncFunctionDef: "an async function",
    ast.Starred: "'*' here",
    ast.Attribute: "an attribute",
    ast.Subscript: "a subscript",
}


def shown(text: str) -> str:
    """Return a stranger's string for a message: printable, and not long."""
    plain = quote(text)[1:-1]
    return plain if len(plain) <= LONGEST_MESSAGE else plain[:LONGEST_MESSAGE] + "..."


def python_type(value: Value) -> str:
    """Return what Python calls the type of a value."""
    if isinstance(value, Sym):
        return "a number"
    names: dict[type, str] = {
        Items: "a list",
        Mapping: "a dict",
        Arr: "an array",
        type(None): "None",
        str: "a string",
        Name: "a string",
        tuple: "a tuple",
        range: "a range",
        frozenset: "a set",
        Poison: "undefined",
    }
    if isinstance(value, (int, float)):
        return "a number"
    return names.get(type(value), "a function or iterator")


def describe(node: ast.AST) -> str:
    """Return what a node is, in words."""
    return _WORDS.get(type(node), f"'{type(node).__name__}'")
