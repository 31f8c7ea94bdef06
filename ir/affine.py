"""Index arithmetic: affine expressions in loop variables and sizes, with mod and floor division.

An `Affine` is `const + sum(coefficient * symbol)`. A symbol is a size (`N`), a loop variable
(`%i`, kept with its sigil so that the two name spaces cannot meet) or a `Quotient`: an affine
expression divided by, or reduced modulo, a positive constant. Verifier, rolling, generalising
and the backends all reason about indices through this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union

Symbol = Union[str, "Quotient"]


@dataclass(frozen=True)
class Quotient:
    """`of floordiv by` or `of mod by`, rounding towards minus infinity; `by` is positive."""

    kind: str
    of: Affine
    by: int

    def __post_init__(self) -> None:
        if self.kind not in ("floordiv", "mod"):
            raise ValueError(f"unknown quotient {self.kind!r}")
        if self.by <= 0:
            raise ValueError("the divisor of an index must be positive")

    def __str__(self) -> str:
        terms, inner = self.of.terms, str(self.of)
        plain = self.of.const == 0 and len(terms) == 1 and inner == terms[0][0]
        return f"{inner if plain else f'({inner})'} {self.kind} {self.by}"


@dataclass(frozen=True)
class Affine:
    """A sum of integer multiples of symbols; normal form: sorted symbols, no zero coefficient."""

    terms: tuple[tuple[Symbol, int], ...] = ()
    const: int = 0

    @staticmethod
    def of(value: int | Affine) -> Affine:
        """Return the constant `value` as an affine expression (or the expression itself)."""
        return value if isinstance(value, Affine) else Affine((), int(value))

    @staticmethod
    def symbol(symbol: Symbol, coefficient: int = 1) -> Affine:
        """Return `coefficient * symbol`."""
        return Affine(((symbol, coefficient),)) if coefficient else Affine()

    @staticmethod
    def _sum(parts: Iterable[tuple[Symbol, int]], const: int) -> Affine:
        totals: dict[Symbol, int] = {}
        for symbol, coefficient in parts:
            totals[symbol] = totals.get(symbol, 0) + coefficient
        kept = [(symbol, c) for symbol, c in totals.items() if c]
        kept.sort(key=lambda term: _order(term[0]))
        return Affine(tuple(kept), const)

    @staticmethod
    def total(parts: Iterable[Affine]) -> Affine:
        """Return the sum of many expressions."""
        addends = list(parts)
        terms = [term for part in addends for term in part.terms]
        return Affine._sum(terms, sum(part.const for part in addends))

    def __add__(self, other: int | Affine) -> Affine:
        right = Affine.of(other)
        return Affine._sum([*self.terms, *right.terms], self.const + right.const)

    def __neg__(self) -> Affine:
        return self * -1

    def __sub__(self, other: int | Affine) -> Affine:
        return self + Affine.of(other) * -1

    def __mul__(self, factor: int) -> Affine:
        return Affine._sum([(s, c * factor) for s, c in self.terms], self.const * factor)

    def floordiv(self, by: int) -> Affine:
        """Return `self floordiv by`, folded where it is a constant or exact."""
        if by > 0 and all(c % by == 0 for _, c in self.terms):
            return Affine(tuple((s, c // by) for s, c in self.terms), self.const // by)
        return Affine.symbol(Quotient("floordiv", self, by))

    def mod(self, by: int) -> Affine:
        """Return `self mod by`, folded where it is a constant."""
        if by > 0 and all(c % by == 0 for _, c in self.terms):
            return Affine.of(self.const % by)
        return Affine.symbol(Quotient("mod", self, by))

    @property
    def is_const(self) -> bool:
        """Tell whether no symbol occurs."""
        return not self.terms

    def coefficient(self, symbol: Symbol) -> int:
        """Return the coefficient of `symbol`, 0 where it does not occur at the top level."""
        return dict(self.terms).get(symbol, 0)

    def symbols(self) -> frozenset[str]:
        """Return the names of all sizes and loop variables, those inside quotients too."""
        return frozenset(self._names())

    def _names(self) -> Iterator[str]:
        for symbol, _ in self.terms:
            if isinstance(symbol, str):
                yield symbol
            else:
                yield from symbol.of.symbols()

    def substitute(self, values: Mapping[str, int | Affine]) -> Affine:
        """Return the expression with the named symbols replaced."""
        result = Affine.of(self.const)
        for symbol, coefficient in self.terms:
            if isinstance(symbol, Quotient):
                inner = symbol.of.substitute(values)
                part = (
                    inner.floordiv(symbol.by) if symbol.kind == "floordiv" else inner.mod(symbol.by)
                )
            else:
                part = Affine.of(values[symbol]) if symbol in values else Affine.symbol(symbol)
            result = result + part * coefficient
        return result

    def rename(self, names: Callable[[str], str]) -> Affine:
        """Return the expression with every size and loop variable renamed."""
        return self.substitute({name: Affine.symbol(names(name)) for name in self.symbols()})

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value, for ints or numpy integer arrays as the values of the symbols."""
        total: Any = self.const
        for symbol, coefficient in self.terms:
            if isinstance(symbol, Quotient):
                inner = symbol.of.evaluate(values)
                part = inner // symbol.by if symbol.kind == "floordiv" else inner % symbol.by
            else:
                part = values[symbol]
            total = total + coefficient * part
        return total

    def extreme(self, bounds: Mapping[str, tuple[Affine, Affine]], upper: bool) -> Affine:
        """Return a bound of the expression over boxes of its loop variables.

        `bounds` gives inclusive lowest and highest values, outer loops first: the bounds of a
        loop may name the loops around it (triangles) and sizes. Loops are eliminated from the
        inside out, so that a bound like `%j <= %i` cancels. The result is tight for plain affine
        expressions; a quotient is bounded by its own range.
        """
        current = self
        for name in reversed(list(bounds)):
            current = current._eliminate(name, bounds[name], upper)
        return current

    def _eliminate(self, name: str, bound: tuple[Affine, Affine], upper: bool) -> Affine:
        result = Affine.of(self.const)
        for symbol, coefficient in self.terms:
            high = upper == (coefficient > 0)
            if symbol == name:
                part = bound[high]
            elif isinstance(symbol, str) or name not in symbol.of.symbols():
                part = Affine.symbol(symbol)
            elif symbol.kind == "mod":
                part = Affine.of(symbol.by - 1 if high else 0)
            else:
                part = symbol.of._eliminate(name, bound, high).floordiv(symbol.by)
            result = result + part * coefficient
        return result

    def at_least(self, minimum: int, smallest: Mapping[str, int]) -> bool:
        """Tell whether the value is provably >= `minimum` for all sizes >= `smallest[size]`."""
        low = self.const
        for symbol, coefficient in self.terms:
            if isinstance(symbol, Quotient):
                if symbol.kind != "mod":
                    return False
                low += min(0, coefficient * (symbol.by - 1))
            elif coefficient < 0 or symbol not in smallest:
                return False
            else:
                low += coefficient * smallest[symbol]
        return low >= minimum

    def __str__(self) -> str:
        parts: list[str] = []
        for symbol, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+"
            size = abs(coefficient)
            text = str(symbol)
            if isinstance(symbol, Quotient) and (size != 1 or len(self.terms) > 1 or self.const):
                text = f"({text})"
            parts += [sign, text if size == 1 else f"{size}*{text}"]
        if self.const or not parts:
            parts += ["-" if self.const < 0 else "+", str(abs(self.const))]
        if parts[0] == "+":
            return " ".join(parts[1:])
        return parts[0] + " ".join(parts[1:])


def _order(symbol: Symbol) -> tuple[int, str]:
    """Sort loop variables first, then sizes, then quotients."""
    if isinstance(symbol, Quotient):
        return (2, str(symbol))
    return (0 if symbol.startswith("%") else 1, symbol)
