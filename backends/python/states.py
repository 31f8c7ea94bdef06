"""Which variables of a scan can be updated in place."""

from __future__ import annotations

from collections.abc import Sequence

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
