"""Python expressions as text with precedence, so that parentheses stand only where they must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ddc.ir import Affine, Quotient

# Binding strength of Python's operators, weakest first.
TERNARY, OR, AND, NOT, COMPARE, BITOR, BITXOR, BITAND, SUM, PRODUCT, UNARY, POWER, ATOM = range(
    1, 14
)

LONGEST = 60  # operands joined by an infix operator; more go into one call


@dataclass(frozen=True)
class Expr:
    """An expression, how tightly it binds, and what it evaluates to.

    `kind` is `int`, `float`, `truth` (a bool or 0/1, good as a condition and in sums), `number`
    (an int or a float, where a real is wanted) or `array`. `condition` is how a bit reads where
    only its truth matters.
    """

    text: str
    prec: int = ATOM
    kind: str = "int"
    condition: tuple[str, int] | None = None
    depth: int = 0
    axes: frozenset[int] = frozenset()  # numpy style: the loops along which an array varies
    end: int = 0  # the loop after the array's last axis
    own: int = 0  # axes behind those of loops: the rank of a value that is an array itself

    @property
    def is_simple(self) -> bool:
        """Tell whether repeating the expression costs and hides nothing: a name or a literal."""
        return self.text.isidentifier() or is_literal(self.text)

    def at(self, prec: int) -> str:
        """Return the text for a place that needs at least this binding strength."""
        return self.text if self.prec >= prec else f"({self.text})"

    def as_kind(self, kind: str) -> Expr:
        """Return the same text known to evaluate to another kind."""
        return replace(self, kind=kind)


def is_literal(text: str) -> bool:
    """Tell whether a text is a number literal."""
    return text.removeprefix("-").replace(".", "", 1).isdigit()


def truth(e: Expr) -> Expr:
    """Return the form of a bit for a condition."""
    if e.condition is None:
        return e
    return Expr(e.condition[0], e.condition[1], "truth", depth=e.depth)


def as_int(e: Expr) -> Expr:
    """Return an expression that is an int and not a bool."""
    return call("int", e) if e.kind == "truth" else e


def as_float(e: Expr) -> Expr:
    """Return an expression that is a float."""
    if e.kind == "float":
        return e
    if e.kind == "int" and is_literal(e.text):
        return literal(Fraction(int(e.text)))
    return call("float", e).as_kind("float")


def call(function: str, *args: Expr, kind: str = "int") -> Expr:
    """Return a call."""
    inner = ", ".join(a.text for a in args)
    return Expr(f"{function}({inner})", ATOM, kind, depth=1 + deepest(args))


def deepest(args: Sequence[Expr]) -> int:
    """Return the greatest nesting among expressions."""
    return max((a.depth for a in args), default=0)


def bitwise(operator: str, prec: int, args: Sequence[Expr], kind: str) -> Expr:
    """Join operands by `&`, `|` or `^`, with parentheses wherever operators mix.

    Few readers know how these bind, so all but the same operator is bracketed.
    """
    texts = [a.text if a.prec in (prec, UNARY, ATOM) else f"({a.text})" for a in args]
    return Expr(f" {operator} ".join(texts), prec, kind, depth=1 + deepest(args))


def infix(operator: str, prec: int, args: Sequence[Expr], kind: str, exact: bool = False) -> Expr:
    """Join operands by a left-associative operator; `exact` ones need no inner parentheses."""
    first = args[0].at(prec)
    rest = [a.at(prec if exact else prec + 1) for a in args[1:]]
    return Expr(f" {operator} ".join([first, *rest]), prec, kind, depth=1 + deepest(args))


def total(args: Sequence[Expr], kind: str, exact: bool) -> Expr:
    """Return the sum of operands, subtracting what starts with a minus."""
    if len(args) > LONGEST:
        return call_many("sum", args, kind)
    parts = [args[0].at(SUM)]
    for a in args[1:]:
        text = a.at(SUM if exact else PRODUCT)
        if text.startswith("-") and a.prec >= PRODUCT:
            parts.append(f"- {text[1:]}")
        else:
            parts.append(f"+ {text}")
    return Expr(" ".join(parts), SUM, kind, depth=1 + deepest(args))


def call_many(function: str, args: Sequence[Expr], kind: str) -> Expr:
    """Return a call on one tuple of operands."""
    inner = ", ".join(a.text for a in args)
    return Expr(
        f"{function}(({inner}{',' if len(args) == 1 else ''}))", ATOM, kind, depth=2 + deepest(args)
    )


def literal(value: int | Fraction) -> Expr:
    """Return an int, or a real as the nearest binary64 number."""
    if isinstance(value, int):
        return Expr(int_text(value), ATOM if value >= 0 else UNARY, "int")
    return Expr(float_text(value), ATOM if value >= 0 else UNARY, "float")


def int_text(value: int) -> str:
    """Return an int of any size; beyond the digits that Python reads in decimal, in hex."""
    return str(value) if abs(value) < 1 << 10000 else hex(value)


def float_text(value: float | Fraction) -> str:
    """Return the shortest text that reads back as the nearest binary64 number."""
    try:
        number = float(value)
    except OverflowError:
        number = float("inf") if value > 0 else float("-inf")
    text = repr(number)
    return f'float("{text}")' if "n" in text else text


def affine(at: Affine, name: Callable[[str], str], outer: Sequence[str] = ()) -> Expr:
    """Return an index expression; `name` gives the Python name of a size or a loop variable.

    Loop variables stand in the order `outer`, sizes and quotients after them.
    """
    parts: list[tuple[int, str, int]] = []
    rank = {symbol: k for k, symbol in enumerate(outer)}
    for symbol, coefficient in sorted(at.terms, key=lambda t: rank.get(str(t[0]), len(rank))):
        if isinstance(symbol, Quotient):
            operator = "//" if symbol.kind == "floordiv" else "%"
            inner = affine(symbol.of, name, outer).at(PRODUCT)
            term = Expr(f"{inner} {operator} {symbol.by}", PRODUCT)
        else:
            term = Expr(name(symbol))
        if abs(coefficient) != 1:
            term = Expr(f"{abs(coefficient)} * {term.at(ATOM)}", PRODUCT)
        parts.append((coefficient, term.text, term.prec))
    parts.sort(key=lambda part: part[0] < 0)  # what is added stands first
    if at.const > 0 and parts and parts[0][0] < 0:
        parts.insert(0, (1, str(at.const), ATOM))
    elif at.const or not parts:
        parts.append((at.const, str(abs(at.const)), ATOM))
    first, text, prec = parts[0]
    if first < 0:
        # the minus binds tighter than // and %
        text = f"-({text})" if prec == PRODUCT and first == -1 else f"-{text}"
        prec = UNARY if prec == ATOM or text.startswith("-(") else PRODUCT
    if len(parts) == 1:
        return Expr(text, prec, "int", depth=1)
    text += "".join(f" {'-' if c < 0 else '+'} {t}" for c, t, _ in parts[1:])
    return Expr(text, SUM, "int", depth=1)
