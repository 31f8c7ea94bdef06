"""Replace ops by others, wherever they stand in a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ddc.ir import Block, Builder, Function, Op, Operand, walk

# From an op (operands already rewritten) to the ops that replace it and the operands that stand
# for its results; None keeps the op.
Rewrite = Callable[[Op, Builder], tuple[Sequence[Op], Sequence[Operand]] | None]


def names_in(function: Function) -> set[str]:
    """Return every name of a value, loop variable or state in the function."""
    names = {param.name for param in function.params}
    for op in walk(function.body):
        names.update(op.results)
        names.update(loop.var for loop in op.loops)
        names.update(state.name for state in op.states)
    return names


def rewrite(function: Function, step: Rewrite) -> Function:
    """Return the function with `step` applied to every op, bodies before the ops that hold them.

    The builder that `step` gets only makes names and collects ops; what it collects is discarded
    unless `step` returns it.
    """
    builder = Builder(names_in(function))
    body = _block(function.body, step, builder, {})
    return replace(function, body=body)


def _block(block: Block, step: Rewrite, builder: Builder, known: dict[str, Operand]) -> Block:
    ops: list[Op] = []
    for op in block.ops:
        current = substitute(op, known)
        if current.body is not None:
            current = replace(current, body=_block(current.body, step, builder, known))
        result = step(current, builder)
        if result is None:
            ops.append(current)
            continue
        new_ops, operands = result
        ops.extend(new_ops)
        for name, operand in zip(current.results, operands):
            if name != operand:
                known[name] = operand
    return Block(
        tuple(ops),
        tuple(_operand(y, known) for y in block.yields),
        tuple(_operand(n, known) for n in block.nexts),
    )


def substitute(op: Op, known: dict[str, Operand]) -> Op:
    """Return the op with its own operands and initial states replaced; its body stays."""
    if not known:
        return op
    operands = tuple(_operand(o, known) for o in op.operands)
    states = tuple(replace(s, init=_operand(s.init, known)) for s in op.states)
    if operands == op.operands and states == op.states:
        return op
    return replace(op, operands=operands, states=states)


def _operand(operand: Operand, known: dict[str, Operand]) -> Operand:
    return known.get(operand, operand) if isinstance(operand, str) else operand


def rename(function: Function, names: dict[str, str]) -> Function:
    """Return the function with values, loop variables and states renamed throughout.

    Parameters keep their names in the signature unless they are in `names` too.
    """
    symbols = {f"%{old}": f"%{new}" for old, new in names.items()}

    def symbol(name: str) -> str:
        return symbols.get(name, name)

    def value(operand: Operand) -> Operand:
        return names.get(operand, operand) if isinstance(operand, str) else operand

    def block(body: Block) -> Block:
        return Block(
            tuple(op(o) for o in body.ops),
            tuple(map(value, body.yields)),
            tuple(map(value, body.nexts)),
        )

    def op(old: Op) -> Op:
        return replace(
            old,
            results=tuple(names.get(r, r) for r in old.results),
            operands=tuple(map(value, old.operands)),
            index=tuple(replace(i, at=i.at.rename(symbol)) for i in old.index),
            loops=tuple(
                replace(
                    loop,
                    var=names.get(loop.var, loop.var),
                    low=loop.low.rename(symbol),
                    high=loop.high.rename(symbol),
                )
                for loop in old.loops
            ),
            states=tuple(
                replace(s, name=names.get(s.name, s.name), init=value(s.init)) for s in old.states
            ),
            body=None if old.body is None else block(old.body),
        )

    params = tuple(replace(p, name=names.get(p.name, p.name)) for p in function.params)
    return replace(function, params=params, body=block(function.body))
