"""Dead code: what no result needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ddc.ir import Block, Module, Op, Operand, operands_of, walk


def dce(module: Module) -> Module:
    """Remove ops, yielded values, states and constants that no result depends on."""
    entry, *others = (replace(f, body=_block(f.body, set())) for f in module.functions)
    return Module((entry, *others), module.constants).with_entry(entry)


def _names(operands: Iterable[Operand]) -> set[str]:
    return {operand for operand in operands if isinstance(operand, str)}


def _symbols(op: Op) -> set[str]:
    """Return the values that the index expressions of an op name: loop variables around it."""
    places = [index.at for index in op.index]
    for loop in op.loops:
        places += [loop.low, loop.high]
    return {name[1:] for place in places for name in place.symbols() if name.startswith("%")}


def _block(block: Block, needed: set[str]) -> Block:
    """Return a block without dead ops; `needed` gains every name that it uses."""
    needed |= _names((*block.yields, *block.nexts))
    kept: list[Op] = []
    for op in reversed(block.ops):
        if not needed.intersection(op.results):
            continue
        if op.code == "scan":
            op = _without_dead_states(op, needed)
        if op.body is not None:
            op = _live_yields(op, needed)
            assert op.body is not None
            op = replace(op, body=_block(op.body, needed))
        needed |= _symbols(op)
        needed |= _names((*op.operands, *(state.init for state in op.states)))
        kept.append(op)
    return replace(block, ops=tuple(reversed(kept)))


def _live_yields(op: Op, needed: set[str]) -> Op:
    """Return a structured op without the yielded values that nobody uses."""
    body = op.body
    assert body is not None
    if op.code == "reduce":
        return op
    live = [name in needed for name in op.results[: len(body.yields)]]
    results = [name for name, wanted in zip(op.results, live) if wanted]
    yields = [value for value, wanted in zip(body.yields, live) if wanted]
    return replace(
        op,
        results=(*results, *op.results[len(live) :]),
        body=replace(body, yields=tuple(yields)),
    )


def _without_dead_states(op: Op, needed: set[str]) -> Op:
    """Return a scan without states that nothing outside uses, and that only feed one another."""
    body = op.body
    assert body is not None
    count = len(body.yields)
    finals = op.results[count:]
    live = {s.name for s, final in zip(op.states, finals) if final in needed}
    wanted = _names(y for y, name in zip(body.yields, op.results) if name in needed)
    while True:
        nexts = [n for n, state in zip(body.nexts, op.states) if state.name in live]
        reached = _reached(body, wanted | _names(nexts))
        more = {state.name for state in op.states} & reached
        if more <= live:
            break
        live |= more
    kept = [state.name in live for state in op.states]
    if all(kept):
        return op
    results = [name for name, wanted_ in zip(finals, kept) if wanted_]
    nexts = [value for value, wanted_ in zip(body.nexts, kept) if wanted_]
    yields = [y if name in needed else 0 for y, name in zip(body.yields, op.results)]
    return replace(
        op,
        code="scan" if any(kept) else "map",
        results=(*op.results[:count], *results),
        states=tuple(s for s, wanted_ in zip(op.states, kept) if wanted_),
        body=replace(body, yields=tuple(yields), nexts=tuple(nexts)),
    )


def _reached(body: Block, wanted: set[str]) -> set[str]:
    """Return all names that some values of a body depend on."""
    uses: dict[str, set[str]] = {}
    for op in walk(body):
        used = _names(operands_of(op)) | _symbols(op)
        for inner in walk(op.body) if op.body is not None else ():
            used |= _names(operands_of(inner)) | _symbols(inner)
        for name in op.results:
            uses[name] = used
    reached: set[str] = set()
    stack = list(wanted)
    while stack:
        name = stack.pop()
        if name not in reached:
            reached.add(name)
            stack += uses.get(name, ())
    return reached
