"""Write families down as IR: maps of comparisons of sums of reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ddc.ir import Affine, Builder, Function, Index, Loop, Operand

from .discover import Structure
from .fuse import Kept, Part, Plan
from .model import COORDINATES, Inner, Source, Term
from .split import Body, Choice, Difference, Number, Product, Small

MOST_SHARED = 64  # counts that are kept in arrays of their own
MOST_LITERALS = 16  # operands of one threshold; more are summed
_LETTERS = ("i", "j", "k", "l")
_INNER = ("p", "q", "r", "s")


def emit(structure: Structure, plan: Plan) -> Function:
    """Return the entry function with every family of the plan as a loop."""
    entry = structure.module.entry
    builder = Builder([p.name for p in entry.params])
    names: dict[int, Operand] = dict(enumerate(source.name for source in structure.sources))
    writer = _Writer(builder, structure.sources, names)
    for number, family in plan.hidden.items():
        names[number] = writer.family(family, structure.sources[number].name)
    params = [(p.name, p.type) for p in entry.params]
    results = [(r.name, r.type) for r in entry.results]
    odds = _odds(plan) if structure.decision == "softmax" else None
    if odds is not None:
        result = _two_shares(builder, writer.family(odds, "odds"))
        return builder.function(entry.name, params, results, [result])
    exact = structure.decision == "argmax"
    parts = [writer.family(family, "result", exact) for family in plan.outputs]
    result = _joined(builder, plan.outputs, structure.shape, parts)
    if structure.decision:
        result = builder.op(structure.decision, result, name=structure.decision)
    return builder.function(entry.name, params, results, [result])


def _odds(plan: Plan) -> Kept | None:
    """Return the difference of two outputs that were put together, None for other programs."""
    if not plan.cases or len(plan.outputs) != 2 or any(kept.counts for kept in plan.outputs):
        return None
    one, two = plan.outputs
    if one.scale != two.scale or one.outcomes is not None:
        return None
    weights: dict[Term | Part, int] = {}
    for sign, kept in ((1, one), (-1, two)):
        for part in kept.parts:
            plain = replace(part, weight=1)
            weights[plain] = weights.get(plain, 0) + sign * part.weight
    parts = tuple(replace(part, weight=w) for part, w in weights.items() if w)
    return replace(one, parts=parts, bias=one.bias - two.bias)


def _two_shares(builder: Builder, odds: Operand) -> Operand:
    """Return the softmax of two numbers by their difference."""
    first = builder.op("sigmoid", odds, name="share")
    against = builder.op("neg", odds, name="against")
    second = builder.op("sigmoid", against, name="share")
    return builder.op("pack", first, second, shape=[Affine.of(2)])


def _joined(
    builder: Builder,
    families: Sequence[Kept],
    shape: tuple[int, ...],
    parts: Sequence[Operand],
) -> Operand:
    """Put the output families together in the shape of the result."""
    if len(parts) == 1 and families[0].counts == shape:
        return parts[0]
    dims = [Affine.of(d) for d in shape]
    if all(not family.counts for family in families):
        return builder.op("pack", *parts, name="outputs", shape=dims)
    rows: list[Operand] = []
    single: list[Operand] = []
    for family, part in zip(families, parts):
        if not family.counts:
            single.append(part)
            continue
        if single:
            rows.append(builder.op("pack", *single, shape=[Affine.of(len(single))]))
            single = []
        if len(family.counts) > 1:
            part = builder.op("reshape", part, shape=[Affine.of(math.prod(family.counts))])
        rows.append(part)
    if single:
        rows.append(builder.op("pack", *single, shape=[Affine.of(len(single))]))
    whole = rows[0] if len(rows) == 1 else builder.op("concat", *rows, name="outputs")
    return whole if len(shape) == 1 else builder.op("reshape", whole, name="outputs", shape=dims)


class _Writer:
    """Writes families one after the other, sums that are alike once."""

    def __init__(
        self, builder: Builder, sources: Sequence[Source], names: dict[int, Operand]
    ) -> None:
        self.builder, self.sources, self.names = builder, sources, names
        self.scalars: dict[object, Operand] = {}
        self.lines: dict[Term, Operand] = {}  # counts that several units share, by coordinates

    def family(self, family: Kept, name: str, exact: bool = False) -> Operand:
        """Add a family as a map (without coordinates: as a scalar) and return its value.

        Linear units are scaled, or with `exact` left as integers.
        """
        builder = self.builder
        for term in family.parts:
            if family.counts and isinstance(term, Term):
                self._share(term, family.counts)
        loops = [builder.loop(_LETTERS[k], 0, n) for k, n in enumerate(family.counts)]
        with builder.body() as ops:
            scalars = self.scalars if not family.counts else {}
            value = _Unit(self, family, loops, scalars).value(exact)
        if not family.counts:
            for op in ops:
                builder.append(op)
            return value
        (result,) = builder.map(loops, ops, [value], [name])
        return result

    def _share(self, term: Term, counts: tuple[int, ...]) -> None:
        """Count once what units share: a count that does not follow all of their coordinates."""
        if factored(term):
            term = replace(term, factor=None, power=False)
        used = coordinates_of(term)
        if not term.loops or len(used) == len(counts):
            return
        key, own = shared(term)
        if key in self.lines:
            return
        kept = Kept(tuple(counts[k] for k in used), (key,), Affine(), None)
        if len(self.lines) < MOST_SHARED and own:
            self.lines[key] = self.family(kept, "counts")


def factored(term: Term) -> bool:
    """Tell whether a term has a factor that is the same for all that it sums."""
    return term.factor is not None and not any(s.startswith("%d") for s in term.factor.symbols())


def coordinates_of(term: Term) -> list[int]:
    """Return the numbers of the coordinates that a term follows."""
    found = {s for index in term.index for s in index.symbols()}
    for loop in term.loops:
        found |= loop.low.symbols() | loop.high.symbols()
    if term.factor is not None:
        found |= term.factor.symbols()
    return [k for k, name in enumerate(COORDINATES) if name in found]


def shared(term: Term) -> tuple[Term, bool]:
    """Return a term of weight 1 with its coordinates numbered from 0, and whether it has no factor."""
    put = {
        COORDINATES[k]: Affine.symbol(COORDINATES[n]) for n, k in enumerate(coordinates_of(term))
    }
    return (
        replace(
            term,
            weight=1,
            index=tuple(i.substitute(put) for i in term.index),
            loops=tuple(Inner(o.low.substitute(put), o.high.substitute(put)) for o in term.loops),
        ),
        term.factor is None,
    )


class _Unit:
    """The loop body of one family."""

    def __init__(
        self,
        writer: _Writer,
        family: Kept,
        loops: Sequence[Loop],
        scalars: dict[object, Operand],
    ) -> None:
        self.builder, self.family = writer.builder, family
        self.sources, self.names = writer.sources, writer.names
        self.scalars, self.lines = scalars, writer.lines
        self.outer = {COORDINATES[k]: Affine.symbol(loop.symbol) for k, loop in enumerate(loops)}

    def value(self, exact: bool) -> Operand:
        """Return the value of a unit."""
        if self.family.outcomes is None:
            return self._linear(exact)
        below, tie, above = self.family.outcomes
        if tie == below:
            condition = self._reaches()
            return condition if (below, above) == (0, 1) else self._select(condition, above, below)
        total = self._difference()
        if (below, tie, above) == (-1, 0, 1):
            return self.builder.op("sign", total, name="sign")
        inner = self._select(self.builder.op("lt", total, 0), below, tie)
        return self._select(self.builder.op("gt", total, 0), above, inner)

    def _select(self, condition: Operand, then: Operand, other: Operand) -> Operand:
        if not isinstance(condition, str):
            return then if condition else other
        return self.builder.op("select", condition, then, other, name="value")

    # ------------------------------------------------------------ comparisons

    def _reaches(self) -> Operand:
        """Return the bit `sum > 0`."""
        family, builder = self.family, self.builder
        if not family.parts and family.bias.is_const:
            return int(family.bias.const > 0)
        if self._literals():
            operands = [self.amount(term) for term in family.parts]
            weights = tuple(term.weight for term in family.parts)
            least = 1 - family.bias.const
            if set(weights) == {1} and least == 1 and len(operands) > 1:
                return builder.op("or", *operands, name="any")
            if set(weights) == {1} and least == len(operands) > 1:
                return builder.op("and", *operands, name="all")
            plain = set(weights) == {1}
            return builder.op(
                "threshold",
                *operands,
                name="unit",
                least=least,
                weights=None if plain else weights,
            )
        more = self._sum([t for t in family.parts if t.weight > 0], 1)
        less = self._sum([t for t in family.parts if t.weight < 0], -1)
        if not family.bias.is_const:
            offset = self._index(family.bias)
            left = offset if more is None else builder.op("add", more, offset, name="total")
            return builder.op("gt", left, 0 if less is None else less, name="above")
        bias = family.bias.const
        if less is None:
            return builder.op("ge", 0 if more is None else more, 1 - bias, name="reached")
        if more is None:
            return builder.op("le", less, bias - 1, name="within")
        if bias > 0:
            more = builder.op("add", more, bias, name="total")
        elif bias < 0:
            less = builder.op("add", less, -bias, name="total")
        return builder.op("gt", more, less, name="above")

    def _literals(self) -> bool:
        terms = self.family.parts
        return (
            0 < len(terms) <= MOST_LITERALS
            and self.family.bias.is_const
            and all(map(self._is_bit, terms))
        )

    def _is_bit(self, term: Term | Part) -> bool:
        if isinstance(term, Part) or term.loops or term.factor is not None:
            return False
        source = self.sources[term.source]
        return (source.low, source.high) == (0, 1)

    def _difference(self) -> Operand:
        """Return the sum as one number."""
        family, builder = self.family, self.builder
        more = self._sum([t for t in family.parts if t.weight > 0], 1)
        less = self._sum([t for t in family.parts if t.weight < 0], -1)
        total: Operand
        if less is None:
            total = 0 if more is None else more
        elif more is None:
            total = builder.op("neg", less, name="total")
        else:
            total = builder.op("sub", more, less, name="difference")
        if not family.bias.is_const:
            return builder.op("add", total, self._index(family.bias), name="total")
        bias = family.bias.const
        if not bias:
            return total
        if isinstance(total, int):
            return total + bias
        if bias < 0:
            return builder.op("sub", total, -bias, name="total")
        return builder.op("add", total, bias, name="total")

    def _linear(self, exact: bool) -> Operand:
        """Return the sum, scaled."""
        family, builder = self.family, self.builder
        scale = Fraction(1) if exact else family.scale
        if scale == 1:
            return self._difference()
        parts: list[Operand] = []
        for term in family.parts:
            if isinstance(term, Part):
                size = abs(term.weight)
                amount, factor = self.amount(term, scale * size), Fraction(term.weight, size)
            else:
                amount, factor = self.amount(term), term.weight * scale
            parts.append(self._times(factor, amount))
        if family.bias.is_const and family.bias.const:
            parts.append(family.bias.const * scale)
        elif not family.bias.is_const:
            parts.append(builder.op("mul", scale, self._index(family.bias), name="part"))
        if not parts:
            return Fraction(0)
        if len(parts) == 1:
            return parts[0]
        return builder.op("add", *parts, name="total")

    # ------------------------------------------------------------ terms

    def _times(self, factor: Fraction, amount: Operand) -> Operand:
        if factor == 1:
            return amount
        if factor == -1:
            return self.builder.op("neg", amount, name="negative")
        number = int(factor) if factor.denominator == 1 else factor
        return self.builder.op("mul", number, amount, name="part")

    def _sum(self, terms: Sequence[Term | Part], sign: int) -> Operand | None:
        """Return the sum of the terms, None for none."""
        builder = self.builder
        parts: list[Operand] = []
        for term in terms:
            parts.append(self._times(Fraction(term.weight * sign), self.amount(term)))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else builder.op("add", *parts, name="total")

    def _index(self, at: Affine) -> str:
        return self.builder.op("index", index=[Index(at.substitute(self.outer))], name="k")

    def amount(self, term: Term | Part, scale: Fraction = Fraction(1)) -> Operand:
        """Return what a term counts, without its weight; the numbers of a part are scaled."""
        key = (replace(term, weight=1), scale)
        if key not in self.scalars:
            self.scalars[key] = self._amount(term, scale)
        return self.scalars[key]

    def _amount(self, term: Term | Part, scale: Fraction) -> Operand:
        builder, names = self.builder, dict(self.outer)
        if isinstance(term, Term) and term.loops and factored(term):
            count = self.amount(replace(term, factor=None, power=False))
            return builder.op("mul", self._factor(term, names), count, name="part")
        if isinstance(term, Term) and term.loops:
            line = self.lines.get(shared(term)[0])
            if line is not None:
                places = [self.outer[COORDINATES[k]] for k in coordinates_of(term)]
                return builder.load(line, *places, name="x") if places else line
        loops = self._loops(term.loops, names, "%d")
        if not loops:
            return self._item(term, names, scale)
        with builder.body() as ops:
            value = self._item(term, names, scale)
        return builder.reduce("add", loops, ops, value, "count")

    def _loops(self, inner: Sequence[Inner], names: dict[str, Affine], prefix: str) -> list[Loop]:
        """Make loops, and add their variables to the names."""
        loops: list[Loop] = []
        for number, loop in enumerate(inner):
            low, high = loop.low.substitute(names), loop.high.substitute(names)
            made = self.builder.loop(_INNER[number], low, high)
            names[f"{prefix}{number}"] = Affine.symbol(made.symbol)
            loops.append(made)
        return loops

    def _item(self, term: Term | Part, names: dict[str, Affine], scale: Fraction) -> Operand:
        if isinstance(term, Term):
            return self._entry(term, names)
        return _Bodies(self, names, scale).write(term.body)

    def atom(self, atom: Term, names: dict[str, Affine]) -> Operand:
        """Return what an atom is: an entry, or a count over loops of its own."""
        inner = dict(names)
        loops = self._loops(atom.loops, inner, "%a")
        if not loops:
            return self._entry(atom, inner)
        with self.builder.body() as ops:
            value = self._entry(atom, inner)
        name = {"or": "any", "and": "all"}.get(atom.how, "count")
        return self.builder.reduce(atom.how, loops, ops, value, name)

    def _entry(self, term: Term, names: dict[str, Affine]) -> Operand:
        builder, source = self.builder, self.sources[term.source]
        value = self.names[term.source]
        if source.shape:
            index = [
                Index(at.substitute(names), *_border(ring, clipped))
                for at, ring, clipped in zip(term.index, term.ring, term.clipped)
            ]
            value = builder.load(value, *index, name="x")
        if term.factor is None:
            return value
        return builder.op("mul", self._factor(term, names), value, name="part")

    def _factor(self, term: Term, names: dict[str, Affine]) -> Operand:
        """Return the factor of a term at some coordinates and loops."""
        assert term.factor is not None
        at = Index(term.factor.substitute(names))
        weight: Operand = self.builder.op("index", index=[at], name="w")
        return self.builder.op("pow", 2, weight, name="w") if term.power else weight


def _border(ring: bool, clipped: bool) -> tuple[str, int | None]:
    if ring:
        return "wrap", None
    return ("else", 0) if clipped else ("inside", None)


class _Bodies:
    """Writes a body over atoms, each atom once."""

    def __init__(self, unit: _Unit, names: dict[str, Affine], scale: Fraction) -> None:
        self.unit, self.builder, self.names, self.scale = unit, unit.builder, names, scale
        self.atoms: dict[Term, Operand] = {}

    def write(self, body: Body) -> Operand:
        """Return the value of a body."""
        match body:
            case Number(value):
                return self._number(value)
            case Small(factor):
                return self._scaled(factor, self._table(body))
            case Difference(factor, left, right):
                apart = self.builder.op("sub", self._table(left), self._table(right), name="part")
                return self._scaled(factor, apart)
            case Product(left, right):
                amount = self._table(left)
                return self.builder.op("mul", amount, self.write(right), name="part")
            case Choice(condition, then, other):
                bit = self._table(condition)
                chosen = (self.write(then), self.write(other))
                return self.builder.op("select", bit, *chosen, name="weight")

    def _number(self, value: int) -> Operand:
        return value if self.scale == 1 else value * self.scale

    def _scaled(self, factor: int, amount: Operand) -> Operand:
        number = self._number(factor)
        if number == 1:
            return amount
        return self.builder.op("mul", number, amount, name="part")

    def _table(self, small: Small) -> Operand:
        for atom in small.atoms:
            if atom not in self.atoms:
                self.atoms[atom] = self.unit.atom(atom, self.names)
        operands = [self.atoms[atom] for atom in small.atoms]
        return self.builder.op("table", *operands, name="value", entries=small.entries)
