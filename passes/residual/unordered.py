"""Machines that forget the order of their letters, as reductions: all, any, the rest of a sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Operand
from ddc.passes.recurrent.emit import Writer
from ddc.passes.recurrent.encode import Coding

from .identify import Machine

Ints = NDArray[np.int64]


def absorbing(machine: Machine) -> Ints | None:
    """Return which letters keep the start of a machine of two states whose other state stays.

    None for other machines.
    """
    if machine.states != 2 or machine.starts.any() or (machine.next[1] != 1).any():
        return None
    keeps: Ints = (machine.next[0] == 0).astype(np.int64)
    return keeps


def every(writer: Writer, keeps: Ints) -> str:
    """Write whether all letters are among those that keep the start."""
    with writer.builder.body() as ops:
        value = writer.table(keeps, writer.letter(), "same")
    return writer.builder.reduce("and", [writer.time], ops, value, "so_far")


def rest_of_sum(coding: Coding) -> bool:
    """Tell whether the states of a coding are the rest of a sum of the letters."""
    how = coding.next
    return (
        how is not None
        and how.code == "mod"
        and coding.sum is not None
        and coding.sum.factor == 1
        and coding.sum.const == 0
    )


def rest(writer: Writer, coding: Coding, start: Operand) -> Operand:
    """Write the rest of the start and the sum of what the letters add."""
    assert coding.sum is not None and coding.next is not None
    with writer.builder.body() as ops:
        loads = writer.letter()
        if coding.sum.code == "sum":
            terms = [(w, x) for w, x in zip(coding.sum.weights, loads, strict=True) if w]
        else:
            terms = [(1, writer.op(coding.sum.code, *loads, name="both"))]
        value = writer.total(terms)
    total: Operand = writer.builder.reduce("add", [writer.time], ops, value, "total")
    if start != 0:
        total = writer.op("add", start, total, name="total")
    return writer.op("mod", total, coding.next.by, name="rest")
