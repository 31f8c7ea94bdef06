"""Minimal circuits for all functions of at most three bits, by exhaustive search.

A function is the 8-bit integer of its truth table: bit number `4*a + 2*b + c` is its value. Two
searches give the minimum number of and/or/xor/not: over trees by dynamic programming, and over
circuits with shared gates by breadth-first search on sets of functions. Four gates are enough
for that one, since no tree needs more than five.
"""

from __future__ import annotations

from functools import cache
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from .build import FALSE, TRUE, reading_order
from .expr import (
    And,
    Expr,
    Not,
    Or,
    Var,
    Xor,
    operations,
    substitute,
    topological,
    with_operands,
)

_INPUTS: tuple[int, ...] = (0xF0, 0xCC, 0xAA)
_ONES = 0xFF
_SHARED_GATES = 4

Score = tuple[int, int, int, int, int]


def minimal(inputs: int, wanted: int, cared: int) -> Expr:
    """Return an expression over Var(0..inputs-1) with the fewest operations.

    `wanted` and `cared` are truth tables: bit i belongs to the inputs that spell i, the first
    one the most significant. With don't-cares the result is the best over all completions.
    """
    missing = 3 - inputs
    entries = 1 << inputs
    repeat = sum(1 << i for i in range(0, 8, entries))
    ranked = _formulas()
    free = ((1 << entries) - 1) & ~cared
    _, best = min(
        (ranked[(wanted | extra) * repeat] for extra in _subsets(free)), key=itemgetter(0)
    )
    return substitute(best, {Var(missing + i): Var(i) for i in range(inputs)})


def _subsets(mask: int) -> list[int]:
    subsets, current = [0], mask
    while current:
        subsets.append(current)
        current = (current - 1) & mask
    return sorted(subsets)


def _score(expr: Expr) -> Score:
    """Order expressions with the same function: operations, then what reads best."""
    nodes = topological((expr,))
    literals = sum(isinstance(a, Var) for node in nodes for a in node.operands)
    tree = all(
        sum(node in user.operands for user in nodes) < 2
        for node in nodes
        if any(operand.operands for operand in node.operands) or len(node.operands) > 1
    )
    nots = sum(isinstance(node, Not) for node in nodes)
    xors_of_nots = sum(
        isinstance(node, Xor) and any(isinstance(a, Not) for a in node.args) for node in nodes
    )
    xors = sum(isinstance(node, Xor) for node in nodes)
    return operations(expr), int(not tree), literals, nots + xors_of_nots, xors


@cache
def _formulas() -> dict[int, tuple[Score, Expr]]:
    best: dict[int, Expr] = {table: Var(i) for i, table in enumerate(_INPUTS)}
    levels = [list(_INPUTS)]
    best |= {0x00: FALSE, 0xFF: TRUE}
    while len(best) < 256:
        levels.append(_next_level(best, levels))
    for table, expr in _shared(best).items():
        best[table] = expr
    return {table: (_score(expr), _flatten(expr)) for table, expr in best.items()}


def _next_level(best: dict[int, Expr], levels: list[list[int]]) -> list[int]:
    """Find the trees with one operation more; among several for a function keep the best."""
    new: dict[int, tuple[Score, Expr]] = {}

    def offer(table: int, kind: type[Expr], *parts: int) -> None:
        if table not in best:
            operands = tuple(best[part] for part in parts)
            expr = Not(operands[0]) if kind is Not else with_operands(_BLANK[kind], operands)
            ranked = _score(expr), expr
            if table not in new or ranked[0] < new[table][0]:
                new[table] = ranked

    for f in levels[-1]:
        offer(_ONES ^ f, Not, f)
    for i in range((len(levels) + 1) // 2):
        for f in levels[i]:
            for g in levels[len(levels) - 1 - i]:
                offer(f & g, And, f, g)
                offer(f | g, Or, f, g)
                offer(f ^ g, Xor, f, g)
    best |= {table: expr for table, (_, expr) in new.items()}
    return list(new)


_BLANK: dict[type[Expr], Expr] = {And: And(()), Or: Or(()), Xor: Xor(())}


def _shared(best: dict[int, Expr]) -> dict[int, Expr]:
    """Find the circuits that beat the best tree by using a gate twice.

    Every row of `known` holds the functions computed by one straight-line program; programs
    that compute the same functions are kept once.
    """
    trees = np.array([operations(best[table]) for table in range(256)])
    known = np.array([_INPUTS], dtype=np.uint8)
    circuits: dict[int, Expr] = {}
    for gates in range(1, _SHARED_GATES + 1):
        new, parts = _gate_outputs(known)
        better: list[list[int]] = np.argwhere(trees[new] > gates).tolist()
        for at, gate in better:
            table = int(new[at, gate])
            expr = _circuit([int(f) for f in known[at]], parts[gate])
            if table not in circuits or _score(expr) < _score(circuits[table]):
                circuits[table] = expr
        fresh = (new[:, :, None] != known[:, None, :]).all(2)
        row, column = np.nonzero(fresh & (new != 0) & (new != _ONES))
        programs = np.concatenate([known[row], new[row, column][:, None]], axis=1)
        _, first = np.unique(
            np.sort(programs[:, len(_INPUTS) :], axis=1), axis=0, return_index=True
        )
        known = programs[first]
    return circuits


_Gate = tuple[type[Expr], int, int]


def _gate_outputs(known: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], list[_Gate]]:
    """Apply every gate to every program; one column per gate."""
    columns: list[NDArray[np.uint8]] = []
    gates: list[_Gate] = []
    for i in range(known.shape[1]):
        columns.append(~known[:, i])
        gates.append((Not, i, i))
        for j in range(i):
            f, g = known[:, i], known[:, j]
            columns += [f & g, f | g, f ^ g]
            gates += [(And, j, i), (Or, j, i), (Xor, j, i)]
    return np.stack(columns, axis=1), gates


def _circuit(known: list[int], last: _Gate) -> Expr:
    """Rebuild a program from the functions that it computes, in order."""
    exprs: list[Expr] = [Var(i) for i in range(len(_INPUTS))]
    for at in range(len(_INPUTS), len(known)):
        new, gates = _gate_outputs(np.array([known[:at]], dtype=np.uint8))
        made = [_gate(gate, exprs) for gate, f in zip(gates, new[0], strict=True) if f == known[at]]
        exprs.append(min(made, key=_score))
    return _gate(last, exprs)


def _gate(gate: _Gate, exprs: list[Expr]) -> Expr:
    kind, i, j = gate
    return Not(exprs[i]) if kind is Not else with_operands(_BLANK[kind], (exprs[i], exprs[j]))


def _flatten(expr: Expr) -> Expr:
    """Join nested operators of one kind, where the inner one is used once."""
    order = topological((expr,))
    done: dict[Expr, Expr] = {}
    for node in order:
        operands: list[Expr] = []
        for operand in node.operands:
            once = sum(operand in user.operands for user in order) == 1
            inner = done[operand]
            joined = once and type(operand) is type(node) and not isinstance(node, Not)
            operands.extend(inner.operands if joined else (inner,))
        if len(operands) > 1:
            operands.sort(key=reading_order)
        done[node] = with_operands(node, tuple(operands))
    return done[expr]
