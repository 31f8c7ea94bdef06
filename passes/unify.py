"""Unify programs of one task at several sizes: constants that follow the size become expressions.

The programs must be the same but for numbers: sizes, bounds, offsets, literals. Each number that
differs is fitted, exactly and at every size, by the simplest expression of a size symbol: itself,
plus a constant, a half, a multiple. Where an equally simple expression fits too, a note says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ddc.ir import (
    Affine,
    Array,
    Attr,
    Block,
    Builder,
    DdcError,
    Function,
    Index,
    Loop,
    Module,
    Op,
    Operand,
    Size,
    State,
    Type,
    claim,
    dims,
    element,
    verify,
    with_dims,
)
from ddc.ir.sizes import at_sizes

from .base import Context
from .generalise import widen_results
from .generalise_ties import LETTERS
from .rewrite import names_in, rename

MULTIPLES = (2, 3, 4, -1, -2)
DIVISORS = (2, 3, 4)


class DifferentError(DdcError):
    """Programs that differ in more than their numbers."""


@dataclass(frozen=True)
class _Fit:
    """An expression that gives the numbers, and another one that gives them just as well."""

    best: Affine
    other: Affine | None


def unify(modules: Sequence[Module], context: Context) -> Module:
    """Return one generic program that is each of the modules at that module's sizes.

    Raises `DifferentError` where the programs differ in more than numbers, or where no simple
    expression of a size gives a number that differs.
    """
    entries = [rename(module.entry, _canonical(module.entry)) for module in modules]
    first = entries[0]
    if any(len(e.params) != len(first.params) or len(e.results) != 1 for e in entries):
        raise DifferentError("the networks have different inputs or results")
    symbols = _symbols(entries)
    if not symbols:
        raise DdcError("the networks have the same sizes: give one of them, or different sizes")
    merger = _Merger(symbols, Builder(names_in(first)), context)
    params = tuple(
        replace(p, type=merger.type([e.params[n].type for e in entries]))
        for n, p in enumerate(first.params)
    )
    body = merger.block([e.body for e in entries])
    sizes = tuple(Size(name, min(values)) for name, values in symbols.items())
    generic = replace(first, params=params, body=body, sizes=sizes, evidence=())
    widened = widen_results(generic, modules[0])
    if widened is None:
        raise DifferentError("the unified program does not verify")
    widened = _lowest_sizes(widened, modules[0])
    for number, entry in enumerate(entries):
        at = {name: values[number] for name, values in symbols.items()}
        if not _same_numbers(at_sizes(widened, at), entry):
            raise DifferentError("the unified program is not the first one at its own size")
    named = {new: old for old, new in _canonical(modules[0].entry).items()}
    if not set(named.values()) & (names_in(widened) - set(named)):
        widened = rename(widened, named)
    return modules[0].with_entry(_with_claim(widened, symbols))


def _with_claim(function: Function, symbols: dict[str, tuple[int, ...]]) -> Function:
    shown = ", ".join(f"{s.name} >= {s.minimum}" for s in function.sizes)
    trained = ", ".join(f"{n} = {', '.join(map(str, v))}" for n, v in symbols.items())
    return replace(function, evidence=(claim("inferred", sizes=shown, trained=trained),))


def _lowest_sizes(function: Function, module: Module) -> Function:
    """Return the function with the smallest sizes for which it verifies."""
    smallest = min(size.minimum for size in function.sizes)
    for least in range(1, smallest):
        sizes = tuple(replace(s, minimum=least) for s in function.sizes)
        if not verify(module.with_entry(replace(function, sizes=sizes))):
            return replace(function, sizes=sizes)
    return function


def _same_numbers(a: Function, b: Function) -> bool:
    """Tell whether two functions are the same once index values are literals again."""
    return _plain(a.body) == _plain(b.body) and [p.type for p in a.params] == [
        p.type for p in b.params
    ]


def _plain(block: Block) -> Block:
    known: dict[str, Operand] = {}
    ops: list[Op] = []
    for op in block.ops:
        if op.code == "index" and op.index[0].at.is_const:
            known[op.result] = op.index[0].at.const
            continue
        operands = tuple(known.get(o, o) if isinstance(o, str) else o for o in op.operands)
        body = None if op.body is None else _plain(op.body)
        ops.append(replace(op, operands=operands, body=body))
    return Block(tuple(ops), block.yields, block.nexts)


def _canonical(function: Function) -> dict[str, str]:
    """Return names of the values by their order, under which equal programs are equal."""
    names: dict[str, str] = {}
    stack = [function.body]
    while stack:
        block = stack.pop()
        for op in block.ops:
            for loop in op.loops:
                names[loop.var] = f"k_{len(names)}"
            for name in (*(state.name for state in op.states), *op.results):
                names[name] = f"v_{len(names)}"
            if op.body is not None:
                stack.append(op.body)
    return names


def _symbols(entries: Sequence[Function]) -> dict[str, tuple[int, ...]]:
    """Name the axes that differ between the programs; axes that always agree are one size."""
    found: dict[tuple[int, ...], str] = {}
    for number in range(len(entries[0].params)):
        shapes = [dims(e.params[number].type) for e in entries]
        if len({len(shape) for shape in shapes}) > 1:
            raise DifferentError("an input has a different number of axes")
        for axis in zip(*shapes):
            values = tuple(dim.const for dim in axis)
            if len(set(values)) > 1 and values not in found:
                found[values] = LETTERS[len(found) % len(LETTERS)]
    return {name: values for values, name in found.items()}


class _Merger:
    """Merges the same place of all programs; the first one gives everything but numbers."""

    def __init__(
        self, symbols: dict[str, tuple[int, ...]], builder: Builder, context: Context
    ) -> None:
        self.symbols = symbols
        self.builder = builder
        self.context = context

    def number(self, values: Sequence[int], where: str) -> Affine:
        """Return the expression of a number that may follow a size."""
        fit = self._fit(tuple(values))
        if fit is None:
            shown = ", ".join(map(str, values))
            raise DifferentError(f"{where}: no simple expression of the size gives {shown}")
        if fit.other is not None:
            self.context.note(
                f"{where}: {', '.join(map(str, values))} could be {fit.best} or {fit.other}; "
                f"took {fit.best}: one more size would tell"
            )
        return fit.best

    def _fit(self, values: tuple[int, ...]) -> _Fit | None:
        if len(set(values)) == 1:
            return _Fit(Affine.of(values[0]), None)
        for level in self._levels(values):
            found = list(dict.fromkeys(e for e in level if self._gives(e, values)))
            if found:
                return _Fit(found[0], found[1] if len(found) > 1 else None)
        return None

    def _gives(self, expression: Affine, values: tuple[int, ...]) -> bool:
        return all(
            expression.evaluate({n: v[k] for n, v in self.symbols.items()}) == value
            for k, value in enumerate(values)
        )

    def _levels(self, values: tuple[int, ...]) -> Iterator[list[Affine]]:
        """Yield candidate expressions, simplest first; those of one level are equally simple."""
        sizes = [(Affine.symbol(name), known[0]) for name, known in self.symbols.items()]
        yield [symbol + (values[0] - size) for symbol, size in sizes]
        for divisor in DIVISORS:
            # floor((size + b) / divisor) is the first number for `divisor` values of b.
            yield [
                (symbol + (values[0] * divisor - size + extra)).floordiv(divisor)
                for symbol, size in sizes
                for extra in range(divisor)
            ]
        for factor in MULTIPLES:
            yield [symbol * factor + (values[0] - factor * size) for symbol, size in sizes]

    def affine(self, expressions: Sequence[Affine], where: str) -> Affine:
        """Merge index expressions that agree but for their constants."""
        if len({e.terms for e in expressions}) > 1:
            raise DifferentError(f"{where}: indices differ: {expressions[0]}, {expressions[1]}")
        first = expressions[0]
        return first - first.const + self.number([e.const for e in expressions], where)

    def type(self, types: Sequence[Type]) -> Type:
        """Merge types that agree but for their dims."""
        first = types[0]
        if len({element(t) for t in types}) > 1 and isinstance(first, Array):
            raise DifferentError("an input has different types")
        shape = tuple(self.affine(axis, "a shape") for axis in zip(*(dims(t) for t in types)))
        return with_dims(element(first), shape)

    def block(self, blocks: Sequence[Block]) -> Block:
        """Merge blocks op by op."""
        if len({len(b.ops) for b in blocks}) > 1:
            raise DifferentError("the programs of different sizes differ in their ops")
        with self.builder.body() as ops:
            for row in zip(*(b.ops for b in blocks)):
                self.builder.append(self._op(row))
            yields = tuple(self._operand(o, "a result") for o in zip(*(b.yields for b in blocks)))
            nexts = tuple(self._operand(o, "a state") for o in zip(*(b.nexts for b in blocks)))
        return Block(tuple(ops), yields, nexts)

    def _op(self, ops: Sequence[Op]) -> Op:
        first = ops[0]
        where = f"'{first.code}'"
        shapes = {
            (o.code, o.results, len(o.operands), len(o.loops), len(o.index), len(o.shape))
            for o in ops
        }
        if len(shapes) > 1 or len({tuple(i.border for i in o.index) for o in ops}) > 1:
            raise DifferentError("the programs of different sizes differ in their ops")
        operands = tuple(self._operand(row, where) for row in zip(*(o.operands for o in ops)))
        return replace(
            first,
            operands=operands,
            attrs=self._attrs(ops, where),
            index=tuple(self._index(row, where) for row in zip(*(o.index for o in ops))),
            shape=tuple(self.affine(row, where) for row in zip(*(o.shape for o in ops))),
            loops=tuple(self._loop(row, where) for row in zip(*(o.loops for o in ops))),
            states=tuple(self._state(row, where) for row in zip(*(o.states for o in ops))),
            body=None if first.body is None else self.block([o.body for o in ops if o.body]),
            origin=None,
        )

    def _operand(self, operands: Sequence[Operand], where: str) -> Operand:
        if len(set(operands)) == 1:
            return operands[0]
        numbers = [o for o in operands if isinstance(o, int)]
        if len(numbers) < len(operands):
            raise DifferentError("the programs of different sizes differ in their operands")
        at = self.number(numbers, where)
        return self.builder.op("index", name="limit", index=[Index(at)])

    def _attrs(self, ops: Sequence[Op], where: str) -> tuple[tuple[str, Attr], ...]:
        if any(o.attrs != ops[0].attrs for o in ops):
            raise DifferentError(f"{where}: attributes differ between the sizes")
        return ops[0].attrs

    def _index(self, indices: Sequence[Index], where: str) -> Index:
        return replace(indices[0], at=self.affine([i.at for i in indices], where))

    def _loop(self, loops: Sequence[Loop], where: str) -> Loop:
        low = self.affine([loop.low for loop in loops], where)
        return replace(loops[0], low=low, high=self.affine([loop.high for loop in loops], where))

    def _state(self, states: Sequence[State], where: str) -> State:
        return replace(
            states[0],
            type=self.type([s.type for s in states]),
            init=self._operand([s.init for s in states], where),
        )
