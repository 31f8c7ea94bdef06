"""Programs over rows: one row in, one row out becomes all rows in, all rows out."""

from __future__ import annotations

from dataclasses import replace

from ddc.ir import (
    Affine,
    Block,
    Function,
    Index,
    Loop,
    Module,
    Op,
    Operand,
    Param,
    Size,
    fresh_name,
    walk,
)
from ddc.ir.types import dims, element, with_dims

from .windows import prepare


def rows_of(module: Module) -> Module | None:
    """Return the program that maps a program over a new first axis of inputs and results.

    None for a program with sizes, or one that returns arrays or uses them other than by loads.
    """
    if module.entry.sizes or any(dims(r.type) for r in module.entry.results):
        return None
    function = prepare(module)
    taken = {p.name for p in function.params} | {
        name
        for op in walk(function.body)
        for name in (*op.results, *(v.var for v in op.loops), *(s.name for s in op.states))
    }
    row, count = fresh_name("row", taken), fresh_name("R", taken)
    arrays = {p.name for p in function.params if dims(p.type)}
    loads: list[Op] = []
    columns: list[Param] = []
    here = Index(Affine.symbol(f"%{row}"))
    taken.add(row)
    for param in function.params:
        name = param.name
        if name not in arrays:
            name = fresh_name(f"{name}.column", taken)
            taken.add(name)
            loads.append(Op("load", (param.name,), (name,), index=(here,)))
        shape = (Affine.symbol(count), *dims(param.type))
        columns.append(Param(name, with_dims(element(param.type), shape)))
    body = _with_row(function.body, arrays, here)
    if body is None:
        return None
    block = Block((*loads, *body.ops), body.yields)
    names = tuple(fresh_name(f"{r.name}.rows", taken) for r in function.results)
    loop = Loop(row, Affine.of(0), Affine.symbol(count))
    mapped = Op("map", names, loops=(loop,), body=block)
    entry = Function(
        function.name,
        tuple(columns),
        tuple(
            Param(r.name, with_dims(element(r.type), (Affine.symbol(count),)))
            for r in function.results
        ),
        Block((mapped,), names),
        (Size(count),),
    )
    return Module((entry,), module.constants).with_entry(entry)


def _with_row(block: Block, arrays: set[str], here: Index) -> Block | None:
    """Return a block whose loads of row arrays have the row as first index."""
    ops: list[Op] = []
    for op in block.ops:
        body = op.body
        if body is not None:
            body = _with_row(body, arrays, here)
            if body is None:
                return None
        reads: list[Operand] = [*op.operands, *(s.init for s in op.states)]
        if op.code == "load" and op.operands[0] in arrays:
            ops.append(replace(op, index=(here, *op.index)))
        elif any(isinstance(o, str) and o in arrays for o in reads):
            return None
        else:
            ops.append(replace(op, body=body))
    if any(isinstance(o, str) and o in arrays for o in (*block.yields, *block.nexts)):
        return None
    return replace(block, ops=tuple(ops))
