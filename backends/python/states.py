"""Which variables of a scan can be updated in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ddc.ir import Op, dims, operands_of, walk

from .usage import Usage


def replaced(op: Op, locals_: Sequence[str], usage: Usage) -> dict[str, str]:
    """Return the next values that may be written over their state at once, with its variable.

    That is so where nothing needs the old state but what leads to its next value, and where each value
    on the way is used once: then no expression that is written later can still speak of the old one.
    """
    assert op.body is not None
    users: dict[str, list[Op]] = {}
    for inner in walk(op.body):
        for operand in {o for o in operands_of(inner) if isinstance(o, str)}:
            users.setdefault(operand, []).append(inner)
    own = {id(inner) for inner in op.body.ops if inner.body is None}
    given = [o for o in (*op.body.yields, *op.body.nexts) if isinstance(o, str)]
    found: dict[str, str] = {}
    for state, value, local in zip(op.states, op.body.nexts, locals_, strict=True):
        name = state.name
        if dims(state.type) or op.body.nexts.count(value) > 1 or state.name in given:
            continue
        while name != value:
            readers = users.get(name, [])
            if len(readers) != 1 or usage.count[name] != 1 or id(readers[0]) not in own:
                break
            (name,) = readers[0].results
        if name == value and isinstance(value, str) and name != state.name:
            found[value] = local
    return found


def together(op: Op, alone: Mapping[str, str], usage: Usage) -> tuple[list[int], list[Op]]:
    """Return the states that one assignment moves on, with the ops that lead to their next values.

    `a, b = b, a + b`: nothing but their next values reads the old ones, and these read no other state.
    `alone` are the next values that are written over their state in place.
    """
    assert op.body is not None
    made = {inner.result: inner for inner in op.body.ops if inner.body is None}
    places = [
        k for k, value in enumerate(op.body.nexts) if str(value) in made and str(value) not in alone
    ]
    following = [str(op.body.nexts[k]) for k in places]
    own, others = {op.states[k].name for k in places}, {s.name for s in op.states}
    if len(places) < 2 or len(set(following)) < len(following):
        return [], []
    needed, stack = set[str](), list(following)
    while stack:
        name = stack.pop()
        if name in made and name not in needed:
            needed.add(name)
            stack += [o for o in operands_of(made[name]) if isinstance(o, str)]
    steps = [inner for inner in op.body.ops if inner.body is None and inner.result in needed]
    read = {o for inner in steps for o in operands_of(inner)}
    elsewhere = [*op.body.yields, *op.body.nexts]
    elsewhere += [o for inner in walk(op.body) if inner not in steps for o in operands_of(inner)]
    single = all(
        usage.count[i.result] == 1 or i.code == "load" for i in steps if i.result not in following
    )
    apart = not read & set(following) and not read & (others - own) and not own & set(elsewhere)
    return (places, steps) if single and apart and not needed & set(alone) else ([], [])
