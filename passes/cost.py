"""What a reader pays for a program: by this, raisers and passes choose between exact programs."""

from __future__ import annotations

from collections.abc import Iterable

from ddc.ir import Affine, Function, Loop, Op, walk

LOOP = 3  # a line of its own


def program_cost(function: Function) -> int:
    """Return a count of names, numbers and operators, tables by their entries."""
    return sum(_op(op) for op in walk(function.body))


def _op(op: Op) -> int:
    total = 1 + len(op.operands) + sum(_loop(loop) for loop in op.loops) + 2 * len(op.states)
    for index in op.index:
        total += _affine(index.at) - 1 + (index.border != "inside")
    for _, value in op.attrs:
        total += len(tuple(value)) if isinstance(value, tuple) else 1
    return total


def _loop(loop: Loop) -> int:
    plain = loop.low == Affine.of(0)
    return LOOP + (0 if plain else _affine(loop.low))


def _affine(at: Affine) -> int:
    """Return the number of terms of an index; factors count one more."""
    terms: Iterable[int] = (1 + (abs(factor) > 1) for _, factor in at.terms)
    return sum(terms) + bool(at.const)


__all__ = ["program_cost"]
