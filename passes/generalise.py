"""Turn concrete sizes into symbols.

Every axis of a parameter, every loop over it and every letter of the signature is a node; loads
tie them by `axis = stride * loop + constant`. Each connected class becomes one size symbol, and
everything in it an affine expression of that symbol. A class is *pinned* - it keeps its numbers -
where something names an entry by number, or a constant could follow the size in more than one
way. Put back at the trained sizes, the result is the program that came in: that is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ddc.ir import (
    Affine,
    Array,
    Function,
    Index,
    Module,
    Op,
    Param,
    Size,
    claim,
    dims,
    element,
    value_types,
    verify,
    walk,
    with_dims,
)
from ddc.ir.module import Block
from ddc.ir.sizes import at_sizes

from .base import SIZES_KEPT, Context, Pass
from .generalise_ties import Node, Symbols, Ties


@dataclass(frozen=True)
class Generalise(Pass):
    """Replace trained sizes by symbols wherever nothing names a size by number."""

    name: ClassVar[str] = "generalise"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with its entry generic in every size that is not pinned."""
        found = self._found(module, context)
        if found is not module:
            # What a pass before could not do has been done after all.
            context.notes[:] = [n for n in context.notes if not n.startswith(SIZES_KEPT)]
        return found

    def _found(self, module: Module, context: Context) -> Module:
        entry = module.entry
        if entry.sizes or entry.where is not None:
            return module
        pinned = context.analyses.get(("pinned", entry.name))
        if pinned is not None:
            context.note(f"{SIZES_KEPT}{pinned}")
            return module
        words = context.analyses.get(("words", entry.name))
        if words is None:
            return self._generic(module, context)
        # A machine that is the same at every position says what holds at other sizes.
        aside = replace(context, notes=[])
        found = self._generic(module, aside, counted=False)
        if found is module:
            for note in aside.notes:
                context.note(note)
        elif not words.agrees(found):
            context.note(f"{SIZES_KEPT}the program and the machine behind it differ at other sizes")
            return module
        rival = context.analyses.get(("rival", entry.name))
        return found if rival is None or found is module else _doubted(found, rival, context)

    def _generic(self, module: Module, context: Context, counted: bool = True) -> Module:
        """Return the generic module; counts compared with numbers keep their sizes if `counted`."""
        entry = module.entry
        ties = Ties(entry, context.signature, value_types(entry, module), counted)
        symbols = ties.symbols(context)
        if not symbols.names:
            return module
        generic = _smallest(entry, symbols, module, ties.tiled)
        if generic is None:
            context.note(f"{SIZES_KEPT}the program does not verify for other sizes")
            return module
        return module.with_entry(generic)


def _doubted(module: Module, rival: tuple[str, str], context: Context) -> Module:
    """Return a generic module whose evidence says that another one fits the network as well."""
    states, reason = rival
    context.note(f"the sizes are the simplest reading: {reason}")
    *others, inferred = module.entry.evidence
    inferred = replace(inferred, details=(*inferred.details, ("rival", states)))
    return module.with_entry(replace(module.entry, evidence=(*others, inferred)))


def _smallest(
    entry: Function, symbols: Symbols, module: Module, tiled: Mapping[Node, int]
) -> Function | None:
    """Return the generic function with the smallest minimum size for which it verifies."""
    for least in range(1, max(symbols.names.values()) + 1):
        sizes = tuple(Size(n, min(least, trained)) for n, trained in symbols.names.items())
        substituted = _substitute(entry, symbols, sizes, tiled)
        if not _reach_fits(substituted, least):
            continue
        generic = widen_results(substituted, module)
        if generic is None:
            continue
        # Exact by construction, and checked: at the trained sizes it is what came in.
        if at_sizes(generic, symbols.names).body != entry.body:
            return None
        shown = ", ".join(f"{s.name} >= {s.minimum}" for s in sizes)
        trained = ", ".join(f"{n} = {v}" for n, v in symbols.names.items())
        return replace(
            generic,
            evidence=(*entry.evidence, claim("inferred", sizes=shown, trained=trained)),
        )
    return None


def _reach_fits(function: Function, least: int) -> bool:
    """Tell whether no wrapped load reaches further than the smallest axis is long."""
    return all(
        abs(index.at.const) <= least
        for op in walk(function.body)
        for index in op.index
        if index.border == "wrap"
    )


def _substitute(
    entry: Function, symbols: Symbols, sizes: tuple[Size, ...], tiled: Mapping[Node, int]
) -> Function:
    params = tuple(
        replace(p, type=_generic_type(p, symbols)) if isinstance(p.type, Array) else p
        for p in entry.params
    )
    return replace(
        entry, params=params, body=_generic_block(entry.body, symbols, tiled), sizes=sizes
    )


def _generic_type(param: Param, symbols: Symbols) -> Array:
    assert isinstance(param.type, Array)
    shape = tuple(
        symbols.nodes.get(("axis", param.name, str(number)), dim)
        for number, dim in enumerate(param.type.dims)
    )
    return Array(param.type.element, shape)


def _generic_block(block: Block, symbols: Symbols, tiled: Mapping[Node, int]) -> Block:
    return replace(block, ops=tuple(_generic_op(op, symbols, tiled) for op in block.ops))


def _generic_op(op: Op, symbols: Symbols, tiled: Mapping[Node, int]) -> Op:
    if op.code == "load":
        return replace(op, index=_generic_index(op, symbols, tiled))
    if op.code == "index":
        return replace(op, index=tuple(_counted(i, symbols) for i in op.index))
    if op.body is None:
        return op
    loops = tuple(
        replace(loop, high=symbols.nodes.get(("loop", loop.symbol), loop.high)) for loop in op.loops
    )
    return replace(op, loops=loops, body=_generic_block(op.body, symbols, tiled))


def _counted(index: Index, symbols: Symbols) -> Index:
    terms = index.at.terms
    if len(terms) != 1 or terms[0][1] != -1:
        return index
    high = symbols.nodes.get(("loop", str(terms[0][0])))
    if high is None or high.evaluate(symbols.names) != index.at.const + 1:
        return index
    return replace(index, at=high - 1 - Affine.symbol(terms[0][0]))


def _generic_index(op: Op, symbols: Symbols, tiled: Mapping[Node, int]) -> tuple[Index, ...]:
    """Return the index with constants that count from the end as expressions of the size."""
    found: list[Index] = []
    for number, index in enumerate(op.index):
        axis: Node = ("axis", str(op.operands[0]), str(number))
        dim = symbols.nodes.get(axis)
        backwards = len(index.at.terms) == 1 and index.at.terms[0][1] < 0
        if dim is not None and axis in tiled:
            index = replace(index, at=_in_block(index.at, dim, tiled[axis], symbols))
        elif dim is not None and backwards and index.border == "inside":
            trained = dim.evaluate(symbols.names)
            index = replace(index, at=index.at + dim - trained)
        found.append(index)
    return tuple(found)


def _in_block(at: Affine, dim: Affine, count: int, symbols: Symbols) -> Affine:
    """Return an index into one of the blocks of an axis with the place of the block as a size."""
    ((symbol, factor),) = at.terms
    extent = symbols.nodes["loop", str(symbol)]
    block: int = at.const // (dim.evaluate(symbols.names) // count)
    inner = Affine.symbol(symbol, factor)
    return extent * block + (inner if factor > 0 else inner + extent - 1)


def widen_results(function: Function, module: Module) -> Function | None:
    """Return the function with the result types that its body now has, None if it is wrong."""
    probe = replace(function, results=(), body=replace(function.body, yields=()))
    candidate = module.with_entry(probe)
    if verify(candidate):
        return None
    types = value_types(probe, candidate)
    results: list[Param] = []
    for result, value in zip(function.results, function.body.yields):
        if isinstance(value, str):
            given = types[value]
            scalar = element(result.type) if dims(given) else element(given)
            result = replace(result, type=with_dims(scalar, dims(given)))
        results.append(result)
    return replace(function, results=tuple(results))


__all__ = ["Generalise"]
