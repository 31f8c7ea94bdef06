"""`--snap TOL`: weights as the small integers near them, where a person allows it.

Noise that no decision hangs on is taken out by proof, without being asked. Where decisions hang
on it (a vote of an even number of units whose ties only noise breaks), what the network "means"
is a choice; with `--snap` weights within TOL of small integers, as a share of the step between
those, are taken as these. The program is then compared with the network as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Constant, Evidence, Global, MismatchError, Module, Op, Operand, UsageError, claim
from ddc.ir.sizes import instantiate
from ddc.passes import Context
from ddc.passes.families import weight_scales

from . import proof
from .composed import answers_apart

Floats = NDArray[np.float64]

LARGEST = 64  # the largest integer that a weight is snapped to
_DECIDED = ("sign", "step")  # of every unit on its own


def snapped(module: Module, tolerance: float) -> tuple[Module, int]:
    """Return a network with its weights snapped, and how many units were.

    Dense layers of sign and step units are snapped unit by unit, a last layer under an argmax as
    a whole; others stay as they are.
    """
    if not 0 < tolerance < 0.5:
        raise UsageError("--snap takes a share between 0 and 0.5")
    ops = module.entry.body.ops
    arrays = {name: constant.array.astype(np.float64) for name, constant in module.constants}
    count = 0
    for op in ops:
        reader = _reader(ops, op)
        names = [o.name for o in op.operands if isinstance(o, Global)]
        if op.code != "dense" or len(names) != 2 or reader is None:
            continue
        weights, bias = arrays[names[0]], arrays[names[1]]
        if reader.code in _DECIDED:
            for unit in range(len(bias)):
                count += _snap(weights[unit : unit + 1], bias[unit : unit + 1], tolerance)
        elif reader.code == "argmax":
            count += len(bias) * _snap(weights, bias, tolerance)
    constants = tuple((name, Constant(arrays[name])) for name, _ in module.constants)
    return replace(module, constants=constants), count


def _reader(ops: Sequence[Op], op: Op) -> Op | None:
    """Return the one op that reads a result, shapes aside."""
    names: set[Operand] = set(op.results)
    while True:
        readers = [o for o in ops if names & set(o.operands)]
        if len(readers) != 1:
            return None
        if readers[0].code != "reshape":
            return readers[0]
        names = set(readers[0].results)


def _snap(weights: Floats, bias: Floats, tolerance: float) -> bool:
    """Replace units by integers with biases in halves, in place, where all are near; else keep."""
    size = np.abs(weights).ravel()
    for scale in weight_scales(size):
        exact = weights / scale
        whole = np.rint(exact)
        if np.abs(whole).max() > LARGEST:
            return False
        near = np.abs(exact - whole) <= tolerance * np.maximum(np.abs(whole), 1)
        shift = bias / scale
        halves = np.rint(shift * 2) / 2
        close = np.abs(shift - halves) <= np.minimum(
            tolerance * np.maximum(np.abs(halves), 1), 0.25
        )
        if near.all() and close.all():
            moved = not (np.array_equal(exact, whole) and np.array_equal(shift, halves))
            weights[...], bias[...] = whole, halves
            return bool(moved)
    return False


def compared(program: Module, network: Module, context: Context) -> tuple[Evidence, ...]:
    """Return the evidence for a program of the snapped network, against the network as it is.

    Where they differ the claim is `inexact`, with the rate: of all answers where they are
    tabled, else of tested inputs of all densities.
    """
    try:
        claims = proof.prove(program, network, context, allow_inexact=True)
    except MismatchError as error:
        shown = str(error).removeprefix("the program differs from the network ")
        claims = (claim("inexact", counterexample=shown),)
    if all(c.kind != "inexact" or any(key == "rate" for key, _ in c.details) for c in claims):
        return claims
    sizes = proof.trained_sizes(program, network)
    wrong, rows = answers_apart(instantiate(program, sizes), network, context)
    rate = (("rate", Fraction(max(wrong, 1), rows)), ("inputs", rows))
    return tuple(
        replace(c, details=(*rate, *c.details)) if c.kind == "inexact" else c for c in claims
    )


__all__ = ["compared", "snapped"]
