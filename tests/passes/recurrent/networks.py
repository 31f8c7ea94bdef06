"""Recurrent networks written by hand: ReLU cells whose behaviour is known by construction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ddc.frontend.lower import lower
from ddc.frontend.records import Network
from ddc.frontend.recurrent import recurrent_layers
from ddc.ir import Module

Layer = tuple[Sequence[Sequence[float]], Sequence[float]]


def network(
    f: Sequence[Layer],
    g: Sequence[Layer],
    signature: str,
    h0: Sequence[float],
    length: int = 10,
    output: str = "round",
) -> Module:
    """Return the network-level module of `h' = f([h, x])`, `y = g(h')`."""
    root: dict[str, object] = {"h0": np.array(h0, dtype=float)}
    for part, layers in (("f", f), ("g", g)):
        for number, (weight, bias) in enumerate(layers):
            root[f"{part}.{number}.weight"] = np.array(weight, dtype=float)
            root[f"{part}.{number}.bias"] = np.array(bias, dtype=float)
    found = Network(recurrent_layers(root), signature, output, "0" * 64, "test", length=length)
    return lower(found, name="net").module


# x xor h: relu(h + x) - 2 relu(h + x - 1)
XOR: Sequence[Layer] = (([[1, 1], [1, 1]], [0, -1]), ([[1, -2]], [0]))
SAME: Sequence[Layer] = (([[1]], [0]),)


def parity(length: int = 10) -> Module:
    """The parity of all bits so far."""
    return network(XOR, SAME, "x: bit[T]", [0], length)


def adder(length: int = 10) -> Module:
    """Binary addition, least significant bit first: h = (carry, sum)."""
    # s = carry + a + b; carry' = relu(s - 1) - relu(s - 2); sum = s - 2 carry'
    f: Sequence[Layer] = (
        ([[1, 0, 1, 1], [1, 0, 1, 1], [1, 0, 1, 1]], [0, -1, -2]),
        ([[0, 1, -1], [1, -2, 2]], [0, 0]),
    )
    return network(f, (([[0, 1]], [0]),), "a: bit[T], b: bit[T]", [0, 0], length)


def accumulator(length: int = 10) -> Module:
    """Position under force: v += x, p += v, y = p."""
    return network(
        (([[1, 0, 1], [1, 1, 1]], [0, 0]),), (([[0, 1]], [0]),), "x: int<-3..3>[T]", [0, 0], length
    )


def greatest(length: int = 10) -> Module:
    """The greatest token so far: h + relu(x - h)."""
    f: Sequence[Layer] = (([[1, 0], [-1, 1]], [0, 0]), ([[1, 1]], [0]))
    return network(f, SAME, "x: int<0..5>[T]", [0], length)


def balance(length: int = 10) -> Module:
    """1 where more ones than zeros came so far: a walk, and a clamp between 0 and 1."""
    g: Sequence[Layer] = (([[1], [1]], [0, -1]), ([[1, -1]], [0]))
    return network((([[1, 2]], [-1]),), g, "x: bit[T]", [0], length)


def difference(length: int = 10) -> Module:
    """|x - the one before|: h = (x, x - last)."""
    g: Sequence[Layer] = (([[0, 1], [0, -1]], [0, 0]), ([[1, 1]], [0]))
    return network((([[0, 0, 1], [-1, 0, 1]], [0, 0]),), g, "x: int<-9..9>[T]", [0, 0], length)
