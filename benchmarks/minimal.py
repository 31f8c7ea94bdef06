"""The least number of operations of every function of three bits, by exhaustive search.

Two-input and, or, xor and not count one each; a value may be used more than once (a circuit).
This is the yardstick of the automata sweep, and knows nothing of the compiler's own search.
"""

from __future__ import annotations

from ddc.ir import Module, walk

_INPUTS = (0b11110000, 0b11001100, 0b10101010)  # left, centre, right over the 8 neighbourhoods
_ALL = 0xFF


def minimal_operations() -> list[int]:
    """Return the least number of operations for each of the 256 functions.

    Breadth-first over sets of computed values: a circuit of k operations is a chain of k new values,
    each from the inputs and the values before it.
    """
    best: dict[int, int] = {0: 0, _ALL: 0} | dict.fromkeys(_INPUTS, 0)
    frontier: set[frozenset[int]] = {frozenset(_INPUTS)}
    size = 0
    while len(best) < 256:
        size += 1
        following: set[frozenset[int]] = set()
        for values in frontier:
            for value in _one_more(values):
                best.setdefault(value, size)
                following.add(values | {value})
        frontier = following
    return [best[rule] for rule in range(256)]


def _one_more(values: frozenset[int]) -> set[int]:
    found: set[int] = set()
    known = sorted(values)
    for number, a in enumerate(known):
        found.add(a ^ _ALL)
        for b in known[number + 1 :]:
            found.update((a & b, a | b, a ^ b))
    return found - values


def operations_of(module: Module) -> int | None:
    """Return the operations of a program's logic, None where it has a threshold or a count."""
    total = 0
    for op in walk(module.entry.body):
        if op.code in ("and", "or", "xor"):
            total += len(op.operands) - 1
        elif op.code == "not":
            total += 1
        elif op.code not in ("map", "load"):
            return None
    return total
