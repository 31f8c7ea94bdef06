"""Sizes: solve size symbols from shapes, and put numbers in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .affine import Affine, Quotient
from .errors import DdcError
from .infer import infer, value_types
from .module import Attr, Block, Function, Index, Loop, Module, Number, Op, Param, State, walk
from .types import Array, Type, dims, element, levels

Equation = tuple[Affine, int, str]  # dim, its length, what it is a dim of


def solve_sizes(
    function: Function,
    shapes: Mapping[str, Sequence[int]],
    known: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Return the sizes for which the parameters have the given shapes.

    `known` gives sizes that no parameter shows. Raises `DdcError` where a shape does not fit, a
    size is below its minimum, or the shapes do not determine a size.
    """
    declared = {size.name for size in function.sizes}
    found = {name: value for name, value in (known or {}).items() if name in declared}
    equations: list[Equation] = []
    for param in function.params:
        wanted, given = dims(param.type), tuple(shapes[param.name])
        if len(wanted) != len(given):
            shown = ", ".join(map(str, given))
            raise DdcError(f"%{param.name} is {param.type}, but the value has shape [{shown}]")
        equations += [(dim, n, f"%{param.name}") for dim, n in zip(wanted, given)]
    while (solved := _solve_one(equations, found)) is not None:
        found[solved[0]] = solved[1]
    _check(function, equations, found)
    return found


def _solve_one(equations: Iterable[Equation], found: Mapping[str, int]) -> tuple[str, int] | None:
    """Return one more size, from an equation with a single unknown outside quotients."""
    for dim, length, _ in equations:
        rest = dim.substitute(found)
        if len(rest.terms) != 1:
            continue
        symbol, coefficient = rest.terms[0]
        if not isinstance(symbol, Quotient) and (length - rest.const) % coefficient == 0:
            return symbol, (length - rest.const) // coefficient
    return None


def _check(function: Function, equations: Iterable[Equation], found: Mapping[str, int]) -> None:
    for dim, length, what in equations:
        rest = dim.substitute(found)
        if rest.is_const and rest.const != length:
            expected = f"{dim} = {rest}" if str(dim) != str(rest) else str(dim)
            raise DdcError(f"{what} has an axis of {length} where {expected} is needed")
        if (
            not rest.is_const
            and len(rest.terms) == 1
            and not isinstance(rest.terms[0][0], Quotient)
        ):
            raise DdcError(f"{what} has an axis of {length}, which cannot be {dim}")
    for size in function.sizes:
        if size.name not in found:
            raise DdcError(f"the shapes do not tell the size {size.name} of @{function.name}")
        if found[size.name] < size.minimum:
            raise DdcError(
                f"@{function.name} works for {size.name} >= {size.minimum}, "
                f"not for {size.name} = {found[size.name]}"
            )


# ---------------------------------------------------------------- instantiation


def instantiate(module: Module, sizes: Mapping[str, int], function: str | None = None) -> Module:
    """Return the module with numbers for the sizes of one function (default: the entry).

    The function's domain is instantiated with it; other functions are left out. Evidence is
    dropped: it speaks of the generic function.
    """
    entry = module.entry if function is None else module.function(function)
    if entry is None:
        raise DdcError(f"there is no function {function!r}")
    chosen = [entry]
    if entry.where is not None and (domain := module.function(entry.where)) is not None:
        chosen.append(domain)
    fixed = [narrow_tables(at_sizes(f, sizes), table_cases(f, module), module) for f in chosen]
    return Module((fixed[0], *fixed[1:]), module.constants).with_entry(fixed[0])


def specialise(
    module: Module, function: Function, sizes: Mapping[str, int]
) -> tuple[Function, dict[str, Type]]:
    """Return a function that verifies at its sizes, and the type of each of its values."""
    generic = value_types(function, module)
    if not function.sizes:
        return function.bare(), generic
    cases = table_cases(function, module)
    fixed = narrow_tables(at_sizes(function, sizes), cases, module)
    exact = infer(fixed, module, _ignore)
    types: dict[str, Type] = {}
    for name, type_ in generic.items():
        # A loop without iterations may leave no type for what is inside; the generic one will do.
        types[name] = exact.get(name) or type_at(type_, sizes)
    return fixed, types


def at_sizes(function: Function, sizes: Mapping[str, int]) -> Function:
    """Return the function with numbers for its sizes, without evidence.

    The types of values may become narrower than in the generic function, so that a `table` may
    list cases that no longer exist; `narrow_tables` removes those.
    """
    if not function.sizes:
        return function.bare()
    return replace(
        function,
        params=tuple(Param(p.name, type_at(p.type, sizes)) for p in function.params),
        results=tuple(Param(r.name, type_at(r.type, sizes)) for r in function.results),
        body=_block(function.body, sizes),
        sizes=(),
        evidence=(),
    )


def type_at(type_: Type, sizes: Mapping[str, int]) -> Type:
    """Return a type with numbers in place of sizes."""
    if not isinstance(type_, Array):
        return type_
    return Array(type_.element, tuple(d.substitute(sizes) for d in type_.dims))


def _block(block: Block, sizes: Mapping[str, int]) -> Block:
    return replace(block, ops=tuple(_op(op, sizes) for op in block.ops))


def _op(op: Op, sizes: Mapping[str, int]) -> Op:
    return replace(
        op,
        index=tuple(Index(i.at.substitute(sizes), i.border, i.other) for i in op.index),
        shape=tuple(d.substitute(sizes) for d in op.shape),
        loops=tuple(
            Loop(v.var, v.low.substitute(sizes), v.high.substitute(sizes)) for v in op.loops
        ),
        states=tuple(State(s.name, type_at(s.type, sizes), s.init) for s in op.states),
        body=None if op.body is None else _block(op.body, sizes),
    )


# ---------------------------------------------------------------- tables

Cases = tuple[tuple[int, ...] | None, ...]  # of each operand of a table: the values it lists


def table_cases(function: Function, module: Module) -> dict[str, Cases]:
    """Return for every table of a function, by its result, the cases that its entries list."""
    tables = [op for op in walk(function.body) if op.code == "table"]
    if not tables:
        return {}
    types = infer(function, module, _ignore)
    return {op.result: tuple(_levels(o, types) for o in op.operands) for op in tables}


def narrow_tables(function: Function, cases: Mapping[str, Cases], module: Module) -> Function:
    """Return the function with every table restricted to what its operands can now be.

    Tables keep the names of their results, and their entries list `cases`; the types of their
    operands may have become narrower since.
    """
    tables = [op for op in walk(function.body) if op.code == "table" and op.result in cases]
    entries = {op.result: op.attr("entries") for op in tables}
    if not tables:
        return function
    while True:
        types = infer(function, module, _ignore)
        body = _narrow_block(function.body, entries, cases, types)
        if body == function.body:
            return function
        function = replace(function, body=body)


def _ignore(message: str, location: object) -> None:
    """Take no notice of a problem: tables that are still too long have no type."""


def _narrow_block(
    block: Block,
    entries: Mapping[str, Attr | None],
    cases: Mapping[str, Cases],
    types: Mapping[str, Type | None],
) -> Block:
    ops: list[Op] = []
    for op in block.ops:
        if op.body is not None:
            op = replace(op, body=_narrow_block(op.body, entries, cases, types))
        elif op.code == "table" and op.result in cases:
            op = _narrow_op(op, entries[op.result], cases[op.result], types)
        ops.append(op)
    return replace(block, ops=tuple(ops))


def _narrow_op(op: Op, entries: Attr | None, cases: Cases, types: Mapping[str, Type | None]) -> Op:
    if not isinstance(entries, tuple):
        return op
    kept: list[int] = [0]
    for operand, was in zip(op.operands, cases):
        now = _levels(operand, types)
        if was is None or not now or not set(now) <= set(was):
            return op
        place = {value: k for k, value in enumerate(was)}
        kept = [k * len(was) + place[v] for k in kept for v in now]
    if max(kept) >= len(entries):
        return op
    narrowed: tuple[Number, ...] = tuple(
        e for e in (entries[k] for k in kept) if not isinstance(e, tuple)
    )
    return replace(op, attrs=(("entries", narrowed),))


def _levels(operand: object, types: Mapping[str, Type | None]) -> tuple[int, ...] | None:
    if isinstance(operand, int):
        return (operand,)
    type_ = types.get(operand) if isinstance(operand, str) else None
    return None if type_ is None else levels(element(type_))
