"""Sums over arrays of bits as counts: a count of True is quicker than a sum of numbers.

`sum(2.5 * (x - y) if z else 4.0 * x for ...)` is `2.5 * (count(x & z) - count(y & z))` and
`4.0 * count(x & ~z)`. What is the same in every term is a factor of its count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ddc.ir import Bit, Block, Op, Operand, Real, dims, element, operands_of, walk

from .loads import Loads
from .names import base
from .ranges import LARGEST_SIZE, fits
from .text import ATOM, BITAND, BITOR, UNARY, Expr, literal
from .values import LINE
from .writer import LINE_LENGTH, WIDTH, Writer

MOST_TERMS, MOST_BITS = 4, 3
LETTERS = {"x": ("x", "y", "z"), "any": ("z", "w")}

Bits = frozenset[tuple[str, bool]]  # values that are all set, or all not set


@dataclass(frozen=True)
class Term:
    """A factor times a conjunction of bits."""

    factor: Fraction
    bits: Bits


class Counts(Loads):
    """Emits sums of what bits decide."""

    def in_counts(self, op: Op, writer: Writer) -> Expr | None:
        """Return a sum over one axis as counts, None where it is no short sum of such."""
        assert op.body is not None
        (operand,) = op.body.yields
        made = {r: inner for inner in op.body.ops for r in inner.results}
        if op.attr("kind") != "add" or len(op.loops) != 1 or not isinstance(operand, str):
            return None
        terms = self._terms(operand, made)
        if not terms or not 1 < len(terms) <= MOST_TERMS:
            return None
        used = Counter(name for term in terms for name, _ in term.bits)
        needed = _needed(used, made)
        ops = tuple(o for o in op.body.ops if needed & set(o.results))
        if any(used.keys() & set(operands_of(o)) for o in walk(Block(ops, ()))):
            return None
        self.enter(op)
        self.vectorise(op)
        held = self.held
        self.held = {name: None for name in used if name in made}
        try:
            self.block(Block(ops, ()), writer)
            found = {n: self.held.get(n) or self.operand(n) for n in used}
        finally:
            self.held = held
        self.axes.clear()
        self.leave(op)
        rows_first = sorted(used, key=lambda name: name in made and made[name].code != "load")
        found = {name: found[name] for name in rows_first}
        arrays = [name for name in found if found[name].end]
        if any(found[n].kind != "truth" or found[n].end != 1 for n in arrays):
            return None
        if any(not {n for n, _ in t.bits} & set(arrays) for t in terms):
            return None
        self._called(arrays, used, made, found, writer)
        return self._written(op, terms, found, writer)

    def _terms(self, operand: Operand, made: dict[str, Op]) -> list[Term] | None:
        """Return a value as a sum of terms."""
        if not isinstance(operand, str) or dims(self.types[operand]):
            return None
        if isinstance(element(self.types[operand]), Bit):
            bits = self._bits(operand, made)
            return None if bits is None else [Term(Fraction(1), bits)]
        op = made.get(operand)
        if op is None or op.code not in ("add", "sub", "neg", "mul", "select"):
            return None
        if op.code == "select":
            return self._chosen(op, made)
        factors = [o for o in op.operands if not isinstance(o, str)]
        parts = [self._terms(o, made) for o in op.operands if isinstance(o, str)]
        one = Fraction(1)
        signs = [one, *[-one if op.code == "sub" else one] * (len(parts) - 1)]
        if op.code == "neg":
            signs = [-one]
        if op.code == "mul" and len(parts) == len(factors) == 1:
            (factor,) = factors
            signs = [Fraction(factor)] if isinstance(factor, (int, Fraction)) else []
        elif op.code == "mul" or factors:
            return None
        terms: list[Term] = []
        for sign, part in zip(signs, parts):
            if part is None or len(terms) + len(part) > MOST_TERMS:
                return None
            terms += [Term(sign * t.factor, t.bits) for t in part]
        return terms

    def _chosen(self, op: Op, made: dict[str, Op]) -> list[Term] | None:
        """Return a choice as the terms of either branch, where it is taken."""
        condition, *branches = op.operands
        test = self._bits(condition, made) if isinstance(condition, str) else None
        found = [self._terms(branch, made) for branch in branches]
        if test is None or len(test) != 1:
            return None
        ((name, positive),) = test
        terms: list[Term] = []
        for part, sign in zip(found, (positive, not positive)):
            if part is None:
                return None
            terms += [Term(t.factor, t.bits | {(name, sign)}) for t in part]
        return terms

    def _bits(self, name: str, made: dict[str, Op]) -> Bits | None:
        """Return a bit as a conjunction of others."""
        op = made.get(name)
        if op is None or op.code not in ("and", "not"):
            return frozenset({(name, True)})
        parts = [self._bits(o, made) if isinstance(o, str) else None for o in op.operands]
        whole: Bits = frozenset()
        for part in parts:
            if part is None:
                return None
            whole |= part
        if len(whole) > MOST_BITS or (op.code == "not" and len(whole) != 1):
            return None
        return whole if op.code == "and" else frozenset((n, not sign) for n, sign in whole)

    def _called(
        self,
        arrays: Sequence[str],
        used: Counter[str],
        made: dict[str, Op],
        found: dict[str, Expr],
        writer: Writer,
    ) -> None:
        """Give names to the arrays that several counts read, on one line where that is short."""
        pairs: list[tuple[str, str]] = []
        for name in arrays:
            if used[name] == 1 or found[name].is_simple:
                continue
            kind = "any" if made[name].code == "reduce" else base(name)
            pairs.append((self.names.fresh(*LETTERS.get(kind, ()), name), found[name].text))
            found[name] = replace(found[name], text=pairs[-1][0], prec=ATOM, depth=0)
        line = f"{', '.join(n for n, _ in pairs)} = {', '.join(t for _, t in pairs)}"
        if len(line) <= WIDTH and pairs:
            writer.line(line)
            pairs, short = [], pairs
            self._entries_of(short, found)
        for name, text in pairs:
            writer.line(f"{name} = {text}")

    def _entries_of(self, pairs: Iterable[tuple[str, str]], found: dict[str, Expr]) -> None:
        """Read entries of rows that have names by these names."""
        for name, text in pairs:
            row = re.fullmatch(r"(\w+)\[(\d+)\]", text)
            if row is None:
                continue
            for bit, e in found.items():
                entry = re.fullmatch(rf"int\({row[1]}\[{row[2]}, ([^,]+)\]\)", e.text)
                if entry is not None:
                    found[bit] = replace(e, text=f"int({name}[{entry[1]}])")

    def _written(
        self, op: Op, terms: Sequence[Term], found: dict[str, Expr], writer: Writer
    ) -> Expr | None:
        """Return the sum of the counts; a long one is added up in two statements."""
        groups: dict[Fraction, list[tuple[bool, str]]] = {}
        for term in terms:
            groups.setdefault(abs(term.factor), []).append((term.factor < 0, _count(term, found)))
        texts: list[str] = []
        weight = sum((abs(term.factor) for term in terms), Fraction(0))
        for factor, counts in groups.items():
            counts.sort()
            if counts[0][0]:
                return None
            inner = "".join(f" {'-' if minus else '+'} {text}" for minus, text in counts)[3:]
            real = isinstance(element(self.types[op.result]), Real)
            scale = literal(factor if real else int(factor)).text
            inner = f"({inner})" if len(counts) > 1 and (real or factor != 1) else inner
            texts.append(f"{scale} * {inner}" if real or factor != 1 else inner)
        if not isinstance(element(self.types[op.result]), Real):
            size = int(weight) * LARGEST_SIZE
            if not fits((-size, size)):
                return None
            self.ranges[op.result] = (-size, size)
            whole = f"int({' + '.join(texts)})"
            return Expr(whole, kind="int", depth=5) if len(whole) <= LINE else None
        bound = float(weight) * LARGEST_SIZE
        self.intervals[op.result] = (-bound, bound)
        whole = f"float({' + '.join(texts)})"
        if len(whole) <= LINE:
            return Expr(whole, kind="float", depth=5)
        name = self.names.fresh(op.result)
        lines = [f"{name} {'+' * bool(k)}= {text}" for k, text in enumerate(texts)]
        if max(map(len, lines)) > LINE_LENGTH - 4 or not self._only_sigmoids(op.result):
            return None
        for line in lines:
            writer.line(line)
        return Expr(name, kind="float")

    def _only_sigmoids(self, name: str) -> bool:
        """Tell whether a number is read by sigmoids alone, which take any kind of float."""
        ops = list(walk(self.function.body))
        readers = [o for o in ops if name in operands_of(o)]
        negatives = {o.result for o in readers if o.code == "neg"}
        readers += [o for o in ops if negatives & set(operands_of(o))]
        read = set(self.function.body.yields) & {name, *negatives}
        return not read and all(o.code in ("neg", "sigmoid") for o in readers)


def _needed(used: Iterable[str], made: dict[str, Op]) -> set[str]:
    """Return the values that others are computed from, with these."""
    found: set[str] = set()
    waiting = [name for name in used if name in made]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for inner in walk(Block((made[name],), ())):
            waiting += [o for o in operands_of(inner) if isinstance(o, str) and o in made]
    return found


def _count(term: Term, found: dict[str, Expr]) -> str:
    """Return a term as a count of where its bits are as they must be."""
    signs = dict(term.bits)
    arrays = [(n, signs[n]) for n, e in found.items() if n in signs and e.end]
    others = [(n, signs[n]) for n, e in found.items() if n in signs and not e.end]
    plus = [found[n] for n, sign in arrays if sign]
    minus = [found[n] for n, sign in arrays if not sign]
    if len(plus) == len(minus) == 1:
        text = f"{plus[0].at(BITOR + 1)} > {minus[0].at(BITOR + 1)}"
    else:
        joined = [e.at(BITAND + 1) for e in plus] + [f"~{e.at(UNARY)}" for e in minus]
        text = " & ".join(joined)
    count = f"np.count_nonzero({text})"
    for name, sign in others:
        bit = found[name].text
        if not sign:
            bit = f"(not {bit[4:-1] if re.fullmatch(r'int[(][^()]*[)]', bit) else bit})"
        count += f" * {bit}"
    return count
