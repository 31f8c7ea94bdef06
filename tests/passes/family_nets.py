"""Networks of sign units whose function is known, as modules: the closed descriptions of papers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import (
    Affine,
    Builder,
    Constant,
    Global,
    Module,
    Type,
    check,
    dims,
    parse_params,
    parse_type,
)

Layers = list[tuple[NDArray[Any], NDArray[Any]]]  # weights [inputs, units], bias


def module(layers: Layers, inputs: str, output: str, result: str, hidden: str = "sign") -> Module:
    """Return the network as a module; `output` is an op on the last layer, "" for none."""
    params = parse_params(inputs)[0]
    builder = Builder([p.name for p in params])
    flat = [
        builder.op("reshape", p.name, shape=[Affine.of(_size(p.type))], name="flat") for p in params
    ]
    x = flat[0] if len(flat) == 1 else builder.op("concat", *flat)
    constants: list[tuple[str, Constant]] = []
    for k, (weights, bias) in enumerate(layers):
        constants.append((f"w{k}", Constant(np.ascontiguousarray(weights.T, dtype=np.float64))))
        constants.append((f"b{k}", Constant(np.array(bias, dtype=np.float64))))
        x = builder.op("dense", x, Global(f"w{k}"), Global(f"b{k}"))
        if k < len(layers) - 1:
            x = builder.op(hidden, x)
    type_ = parse_type(result)
    if output == "argmax" and dims(type_):
        groups = dims(type_)[0].const
        count = layers[-1][1].size // groups
        x = builder.op("reshape", x, shape=[Affine.of(groups), Affine.of(count)])
    if output:
        x = builder.op(output, x)
    if output != "argmax":
        x = builder.op("reshape", x, shape=dims(type_))
    body = builder.function("net", [(p.name, p.type) for p in params], [("y", type_)], [x])
    return check(Module((body,), tuple(constants)))


def _size(type_: Type) -> int:
    return int(np.prod([d.const for d in dims(type_)], dtype=np.int64))


def shuffled(layers: Layers, seed: int) -> Layers:
    """Return the same network with the hidden units in a random order."""
    generator = np.random.default_rng(seed)
    layers = list(layers)
    for at in range(len(layers) - 1):
        (weights, bias), (following, last) = layers[at : at + 2]
        order = generator.permutation(bias.size)
        layers[at : at + 2] = (weights[:, order], bias[order]), (following[order], last)
    return layers


def zeros(*shape: int) -> NDArray[np.float64]:
    """Return zeros."""
    return np.zeros(shape)


def maxsat(literals: int, clauses: int, seed: int | None = 0, edited: bool = True) -> Module:
    """Return the MAX-SAT policy: the probabilities that the first variable is true, false.

    From the closed description of its units: per clause i, with `others` the literals of clause i
    but those of the first variable, `1 - 2 others`, `2 others - 1`, `m (y - x) + 2 others - 1`,
    `m (x - y) + 2 others - 1` and the two that compare with clause 0, `2 x[i] - y[0]` and
    `2 y[i] - x[0]`, as published; the recipe itself makes them `x[i] - y[0]` (`edited=False`).
    """
    index = np.arange(literals * clauses).reshape(literals, clauses)
    m, per = 2 * (literals - 2), np.arange(clauses)
    first = zeros(index.size, 6 * clauses)
    bias = np.repeat([1.0, -1, -1, -1, 0, 0], clauses)
    x, y, others = index[0], index[1], index[2:]
    for family, weight in enumerate((-2, 2, 2, 2)):
        first[others, family * clauses + per] = weight
    for family, weight in ((2, -m), (3, m)):
        first[x, family * clauses + per] = weight
        first[y, family * clauses + per] = -weight
    for family, one, other in ((4, x, y), (5, y, x)):
        np.add.at(first, (one, family * clauses + per), 1 + edited)
        np.add.at(first, (np.full(clauses, other[0]), family * clauses + per), -1)
    second = zeros(6 * clauses, 4 * clauses)
    table = ((0, 1, 4, 2), (0, 1, 5, 2), (1, 1, 3, 1), (1, 1, 2, 1))
    for family, (a, wa, b, wb) in enumerate(table):
        second[a * clauses + per, family * clauses + per] = wa
        second[b * clauses + per, family * clauses + per] = wb
    last = zeros(4 * clauses, 2)
    low = 1.14878 / 2
    for family, vote in enumerate((2.5, -2.5, low, -low)):
        last[family * clauses + per, 0] = vote
        last[family * clauses + per, 1] = -vote
    layers: Layers = [
        (first, bias),
        (second, np.repeat([-2.0, -2, -1, -1], clauses)),
        (last, zeros(2)),
    ]
    layers = layers if seed is None else shuffled(layers, seed)
    return module(layers, f"I: bit[{literals}, {clauses}]", "softmax", "real[2]")


def orientation(n: int, seed: int | None = 0) -> Module:
    """Return the orientation net: 0 for a vertical shape, 1 for a horizontal one."""
    index = np.arange(n * n).reshape(n, n)
    first, second = zeros(n * n, n * n), zeros(n * n, 2 * n)
    for i in range(n):
        for j in range(n):
            first[index[:, i], n * i + j] += 1
            first[index[j], n * i + j] -= 1
        second[:, 2 * i] = 1 - n
        second[index[i], 2 * i] = 1
        second[:, 2 * i + 1] = n - 1
        second[index[:, i], 2 * i + 1] = -1
    last = zeros(2 * n, 2)
    last[0::2, 0] = last[1::2, 1] = 1
    side = np.full(2 * n, -float(n * (n - 1)))
    layers: Layers = [(first, zeros(n * n)), (second, side), (last, zeros(2))]
    layers = layers if seed is None else shuffled(layers, seed)
    return module(layers, f"M: bit[{n}, {n}]", "argmax", "int<0..1>")


__all__ = ["Layers", "maxsat", "module", "orientation", "shuffled", "zeros"]
