"""Write families down as IR: maps of comparisons of sums of reductions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ddc.ir import Affine, Builder, Function, Index, Loop, Operand

from .discover import Structure
from .model import COORDINATES, Family, Source, Term

MOST_LITERALS = 16  # operands of one threshold; more are summed
_LETTERS = ("i", "j", "k", "l")
_INNER = ("p", "q", "r", "s")


def emit(structure: Structure) -> Function:
    """Return the entry function with every family as a loop."""
    entry = structure.module.entry
    builder = Builder([p.name for p in entry.params])
    names: dict[int, Operand] = dict(enumerate(source.name for source in structure.sources))
    for named in structure.hidden:
        source = structure.sources[named.source]
        names[named.source] = write_family(
            builder, named.family, structure.sources, names, source.name
        )
    exact = structure.decision == "argmax"
    parts = [
        write_family(builder, family, structure.sources, names, "result", exact)
        for family in structure.outputs
    ]
    result = _joined(builder, structure, parts)
    if structure.decision:
        result = builder.op(structure.decision, result, name=structure.decision)
    params = [(p.name, p.type) for p in entry.params]
    results = [(r.name, r.type) for r in entry.results]
    return builder.function(entry.name, params, results, [result])


def _joined(builder: Builder, structure: Structure, parts: Sequence[Operand]) -> Operand:
    """Put the output families together in the shape of the result."""
    families, shape = structure.outputs, structure.shape
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
            part = builder.op("reshape", part, shape=[Affine.of(family.size)])
        rows.append(part)
    if single:
        rows.append(builder.op("pack", *single, shape=[Affine.of(len(single))]))
    whole = rows[0] if len(rows) == 1 else builder.op("concat", *rows, name="outputs")
    return whole if len(shape) == 1 else builder.op("reshape", whole, name="outputs", shape=dims)


def write_family(
    builder: Builder,
    family: Family,
    sources: Sequence[Source],
    names: dict[int, Operand],
    name: str,
    exact: bool = False,
) -> Operand:
    """Add a family as a map (without coordinates: as a scalar) and return its value.

    Linear units are scaled, or with `exact` left as integers.
    """
    loops = [builder.loop(_LETTERS[k], 0, n) for k, n in enumerate(family.counts)]
    with builder.body() as ops:
        value = Body(builder, family, sources, names, loops).value(exact)
    if not family.counts:
        for op in ops:
            builder.append(op)
        return value
    (result,) = builder.map(loops, ops, [value], [name])
    return result


class Body:
    """The loop body of one family."""

    def __init__(
        self,
        builder: Builder,
        family: Family,
        sources: Sequence[Source],
        names: dict[int, Operand],
        loops: Sequence[Loop],
    ) -> None:
        self.builder, self.family, self.sources, self.names = builder, family, sources, names
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
        if not family.terms and family.bias.is_const:
            return int(family.bias.const > 0)
        if self._literals():
            operands = [self.amount(term) for term in family.terms]
            weights = tuple(term.weight for term in family.terms)
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
        more = self._sum([t for t in family.terms if t.weight > 0], 1)
        less = self._sum([t for t in family.terms if t.weight < 0], -1)
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
        terms = self.family.terms
        return (
            0 < len(terms) <= MOST_LITERALS
            and self.family.bias.is_const
            and all(not t.loops and t.factor is None for t in terms)
            and all(
                (self.sources[t.source].low, self.sources[t.source].high) == (0, 1) for t in terms
            )
        )

    def _difference(self) -> Operand:
        """Return the sum as one number."""
        family, builder = self.family, self.builder
        more = self._sum([t for t in family.terms if t.weight > 0], 1)
        less = self._sum([t for t in family.terms if t.weight < 0], -1)
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
        for term in family.terms:
            amount = self.amount(term)
            factor = term.weight * scale
            parts.append(amount if factor == 1 else builder.op("mul", factor, amount, name="part"))
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

    def _sum(self, terms: Sequence[Term], sign: int) -> Operand | None:
        """Return the sum of the terms, None for none."""
        builder = self.builder
        parts: list[Operand] = []
        for term in terms:
            amount, weight = self.amount(term), term.weight * sign
            parts.append(amount if weight == 1 else builder.op("mul", weight, amount, name="part"))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else builder.op("add", *parts, name="total")

    def _index(self, at: Affine) -> str:
        return self.builder.op("index", index=[Index(at.substitute(self.outer))], name="k")

    def amount(self, term: Term) -> Operand:
        """Return what a term counts, without its weight."""
        builder, names = self.builder, dict(self.outer)
        loops: list[Loop] = []
        for number, inner in enumerate(term.loops):
            low, high = inner.low.substitute(names), inner.high.substitute(names)
            loop = builder.loop(_INNER[number], low, high)
            names[f"%d{number}"] = Affine.symbol(loop.symbol)
            loops.append(loop)
        if not loops:
            return self._entry(term, names)
        with builder.body() as ops:
            value = self._entry(term, names)
        return builder.reduce("add", loops, ops, value, "count")

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
        weight: Operand = builder.op(
            "index", index=[Index(term.factor.substitute(names))], name="w"
        )
        if term.power:
            weight = builder.op("pow", 2, weight, name="w")
        return builder.op("mul", weight, value, name="part")


def _border(ring: bool, clipped: bool) -> tuple[str, int | None]:
    if ring:
        return "wrap", None
    return ("else", 0) if clipped else ("inside", None)
