"""Put an affine recurrent cell into observable coordinates, and settle weights on near short fractions.

A state of these coordinates is what an output will be some steps later if all inputs are 0 (the
observable form of Kailath, Linear Systems, 1980). A change of basis changes no output; in this basis an
integer recurrence has integer weights, so rounding takes away the errors of training and of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .recurrent import Recurrent

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Check = Callable[
    [], tuple[Ints, Ints]
]  # fresh inputs [rows, steps, n] and outputs [rows, steps, m]

GRAINS = (1, 8)  # weights settle on whole multiples of one over it
NEAR = 0.25  # of the grain
INDEPENDENT = 1e-3  # of the length of a row


def settled(found: Recurrent, check: Check) -> Recurrent:
    """Return the network with settled weights, or as it was where it is not affine or not right then."""
    if len(found.f) != 1 or len(found.g) != 1:
        return found
    (weight, bias), (read, shift) = found.f[0], found.g[0]
    hidden = len(weight)
    a, b = weight[:, :hidden], weight[:, hidden:]
    basis, offset = _observable(a, bias, read, shift)
    if basis is None or offset is None:
        return found
    inverse = np.linalg.inv(basis)
    turned = basis @ a @ inverse
    outputs = len(read)
    parts = (
        turned,
        basis @ b,
        basis @ bias + offset - turned @ offset,
        basis @ found.h0 + offset,
    )
    x, y = check()
    for grain in GRAINS:
        short = [np.rint(part * grain) / grain + 0.0 for part in parts]
        if any(np.abs(part - own).max() * grain > NEAR for part, own in zip(parts, short)):
            continue
        f = ((np.concatenate(short[:2], axis=1), short[2]),)
        g = ((np.eye(outputs, hidden), np.zeros(outputs)),)
        new = replace(found, f=f, g=g, h0=short[3])
        if (_run(new, x) == y).all():
            return new
    return found


def _observable(
    a: Floats, bias: Floats, read: Floats, shift: Floats
) -> tuple[Floats | None, Floats | None]:
    """Return rows that tell the later outputs from a state, as many as there are states."""
    rows: list[Floats] = []
    offsets: list[float] = []
    block, later = read, shift
    while len(rows) < len(a):
        before = len(rows)
        for row, value in zip(block, later):
            if len(rows) < len(a) and _adds(rows, row):
                rows.append(row)
                offsets.append(float(value))
        if len(rows) == before:
            return None, None
        later = later + block @ bias
        block = block @ a
    return np.array(rows), np.array(offsets)


def _adds(rows: list[Floats], row: Floats) -> bool:
    """Tell whether a row is clearly independent of others."""
    length = float(np.linalg.norm(row))
    if not rows or not length:
        return length > 0
    known = np.array(rows).T
    rest = row - known @ np.linalg.lstsq(known, row, rcond=None)[0]
    return float(np.linalg.norm(rest)) > INDEPENDENT * length


def _run(net: Recurrent, x: Ints) -> Ints:
    (weight, bias), (read, shift) = net.f[0], net.g[0]
    h = np.broadcast_to(net.h0, (len(x), len(net.h0)))
    found: list[Ints] = []
    for t in range(x.shape[1]):
        h = np.concatenate([h, x[:, t]], axis=1) @ weight.T + bias
        found.append(np.rint(h @ read.T + shift).astype(np.int64))
    return np.stack(found, axis=1)
