"""Read IR text: `parse` for modules, `parse_type` and `parse_params` for signatures.

Text comes from strangers: nothing in it is evaluated, nesting and numbers are limited before
anything is built from them, and what is wrong with it is a diagnostic with its place. The grammar
is in `grammar.lark`, the meaning of its rules in `actions.py`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from .actions import Actions
from .errors import DdcError, Diagnostic, DiagnosticsError, Location
from .module import Module, Param
from .types import Type, dims
from .verifier import LARGEST_REPORT, place, shortened
from .verifier import check as verified
from .wellformed import LARGEST_DEPTH, shown

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

LARGEST_RECOVERY = 1 << 18  # longer texts are not parsed again to find further syntax errors
LARGEST_SIGNATURE = 1 << 16

_BRACKETS = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|//[^\n]*|[(){}\[\]]')
_STATEMENT = re.compile(r"\s*%[^{}]*\Z")
_AFTER_STATEMENT = re.compile(r"\s*(%|yield\b|next\b|return\b|\}|//)")
_STRAY = re.compile(r"(%[\w.]+)\s*(?://[^\n]*\n\s*)*\Z")
_AFTER_NAME = {"COMMA", "EQUAL"}

# How the tokens of the grammar are called in messages; the others are called by their text.
_TOKENS = {
    "NAME": "a name",
    "LOCAL": "a value `%name`",
    "GLOBAL": "`@name`",
    "INT": "a number",
    "DECIMAL": "a number",
    "STRING": "a string",
    "OPTIONAL": "`?`",
    "BIT": "`bit`",
    "INTEGER": "`int`",
    "ONEHOT": "`onehot`",
    "CATEGORY": "`category`",
    "REAL": "`real`",
    "$END": "the end",
}

_LIKELY = "]),}>:="  # what is missing more often than an operator; named first


def parse(text: str, filename: str = "<text>", check: bool = True) -> Module:
    """Return the module that a text says.

    Raises `DiagnosticsError` with every problem found: of the syntax, else of the numbers and
    clauses, else (unless `check` is off) of what the verifier says.
    """
    actions = _actions()
    problems = _check_nesting(text)
    if problems:
        raise DiagnosticsError(problems, text, filename)
    rest = text
    while True:
        actions.diagnostics = []
        found = _attempt("module", rest)
        if not isinstance(found, Diagnostic):
            break
        if problems and place(found) <= place(problems[-1]):
            break  # the line left blank was not the culprit: no more can be told apart
        problems.append(found)
        blanked = _without_line(rest, found.location)
        if blanked is None or len(problems) == LARGEST_REPORT:
            break
        rest = blanked
    problems += actions.diagnostics
    if problems:
        raise DiagnosticsError(shortened(problems), text, filename)
    assert isinstance(found, Module)
    return verified(found, text, filename) if check else found


def parse_type(text: str) -> Type:
    """Return the type that a text says; a `DdcError` of one line where it says none."""
    found: Type = _short("type", text, "type")
    return found


def parse_params(text: str) -> tuple[tuple[Param, ...], tuple[str, ...]]:
    """Return the parameters of a signature and the sizes it names, in order of appearance.

    The signature is `name: type, ...`, names with or without `%`. A `DdcError` of one line where
    it is not well formed.
    """
    params: tuple[Param, ...] = _short("signature", text, "signature")
    names = [param.name for param in params]
    for name in names:
        if names.count(name) > 1:
            raise DdcError(f"bad signature {shown(text)}: {name} is named twice")
    sizes: dict[str, None] = {}
    for param in params:
        for dim in dims(param.type):
            for symbol in sorted(dim.symbols()):
                if symbol.startswith("%"):
                    raise DdcError(f"bad signature {shown(text)}: {symbol} is not a size")
                sizes[symbol] = None
    return params, tuple(sizes)


def _short(start: str, text: str, what: str) -> Any:
    """Parse a short text by a start rule of its own."""
    if len(text) > LARGEST_SIGNATURE:
        raise DdcError(f"bad {what}: longer than {LARGEST_SIGNATURE} characters")
    actions = _actions()
    actions.diagnostics = []
    problems = _check_nesting(text)
    found = None
    if not problems:
        found = _attempt(start, text)
        problems = [found] if isinstance(found, Diagnostic) else actions.diagnostics
    if problems:
        first = problems[0]
        where = "" if first.location is None else f" at column {first.location.column}"
        raise DdcError(f"bad {what} {shown(text)}: {first.message}{where}")
    return found


def _attempt(start: str, text: str) -> Any:
    """Return what the start rule makes of the text, or the first syntax error."""
    from lark.exceptions import UnexpectedInput

    parser: Any = _lark(start)  # its actions build whatever the rule builds
    try:
        return parser.parse(text)
    except UnexpectedInput as error:
        return _diagnose(error, text, start)


@cache
def _actions() -> Actions:
    return Actions()


@cache
def _lark(start: str) -> Lark:
    from lark import Lark

    grammar = resources.files("ddc.ir").joinpath("grammar.lark").read_text("utf-8")
    return Lark(
        grammar, parser="lalr", start=start, maybe_placeholders=True, transformer=_actions()
    )


# ---------------------------------------------------------------- syntax errors


def _check_nesting(text: str) -> list[Diagnostic]:
    """Return a diagnostic where brackets are nested too deep to be worked on."""
    depth = 0
    for match in _BRACKETS.finditer(text):
        token = match.group()
        if token in "({[":
            depth += 1
        elif token in ")}]":
            depth -= 1
        if depth > 2 * LARGEST_DEPTH:
            message = f"nested deeper than {2 * LARGEST_DEPTH} brackets"
            return [Diagnostic(message, _location(text, match.start()))]
    return []


def _location(text: str, at: int, width: int = 1) -> Location:
    return Location(text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1, width)


def _diagnose(error: UnexpectedInput, text: str, start: str) -> Diagnostic:
    token: Any = getattr(error, "token", None)
    if token is None:
        at = error.pos_in_stream or 0
        character = text[at : at + 1]
        if character == '"':
            return Diagnostic("a string that is not closed on its line", _location(text, at))
        return Diagnostic(f"{_quoted(character)} does not belong here", _location(text, at))
    accepted = _accepted(error)
    if token.type == "$END":
        where = _location(text, max(0, len(text.rstrip()) - 1))
        return Diagnostic(f"{_expected(accepted, start)}, but the text ends here", where)
    where = Location(int(token.line or 1), int(token.column or 1), len(token))
    at = int(token.start_pos or 0)
    stray = _STRAY.search(text, max(0, at - 1000), at) if accepted == _AFTER_NAME else None
    if stray is not None and _begins_line(text, where):
        where = _location(text, stray.start(1), len(stray.group(1)))
        return Diagnostic(f"`,` is missing before {_quoted(stray.group(1))}", where)
    return Diagnostic(f"{_expected(accepted, start)}, not {_quoted(token)}", where)


def _accepted(error: Any) -> set[str]:
    parser = error.interactive_parser
    return set(parser.accepts()) if parser is not None else set(error.expected)


def _begins_line(text: str, where: Location) -> bool:
    line = text.split("\n", where.line)[where.line - 1]
    return not line[: where.column - 1].strip()


def _quoted(text: str) -> str:
    escaped = ascii(str(text) if len(text) <= 40 else text[:40] + "...")[1:-1]
    return f"`{escaped}`"


def _expected(accepted: set[str], start: str) -> str:
    """Return what could stand at the place of an error, in words."""
    names = {t.name: t.pattern.value for t in _lark(start).terminals if t.pattern.type == "str"}
    if "INT" in accepted:
        accepted = accepted - {"MINUS"}
    words = sorted({_TOKENS.get(t) or f"`{names.get(t, t.lower())}`" for t in accepted}, key=_order)
    if not words:
        return "expected nothing more"
    if len(words) > 6:
        words = [*words[:5], "..."]
    return "expected " + (", ".join(words[:-1]) + " or " if len(words) > 1 else "") + words[-1]


def _order(word: str) -> tuple[bool, bool, str]:
    return word[0] == "`", word[1] not in _LIKELY, word


def _without_line(text: str, location: Location | None) -> str | None:
    """Return the text with the line of an error left blank, so that later errors show.

    The culprit is the line before where the error is at the beginning of a line. None where the
    rest would not make sense: where the line is more or less than one op.
    """
    if location is None or len(text) > LARGEST_RECOVERY:
        return None
    lines = text.split("\n")
    number = location.line - 1
    if _begins_line(text, location):
        number = next((k for k in range(number - 1, -1, -1) if lines[k].strip()), number)
    after = next((line for line in lines[number + 1 :] if line.strip()), "")
    if not _STATEMENT.match(lines[number]) or not _AFTER_STATEMENT.match(after):
        return None
    lines[number] = ""
    return "\n".join(lines)
