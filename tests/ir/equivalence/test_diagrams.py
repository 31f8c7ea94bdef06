"""Decision diagrams against truth tables."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest

from ddc.ir.equivalence.bitslice import Leaves, Program, Space, digit_signals, first_assignment
from ddc.ir.equivalence.diagrams import Diagrams, TooManyNodesError, build, smallest_assignment
from ddc.ir.equivalence.gates import Gates

VARIABLES = 7


def random_gates(rng: Random) -> tuple[Gates, int]:
    gates = Gates()
    signals = [s[0] for s in digit_signals(gates, [2] * VARIABLES)]
    for _ in range(rng.randint(1, 40)):
        a, b, c = (rng.choice(signals[-12:]) ^ rng.getrandbits(1) for _ in range(3))
        made = rng.choice([gates.both(a, b), gates.differ(a, b), gates.choose(a, b, c)])
        signals.append(made)
    return gates, signals[-1] ^ rng.getrandbits(1)


def test_smallest_assignment_of_random_functions() -> None:
    satisfiable = 0
    for seed in range(300):
        gates, root = random_gates(Random(seed))
        if seed % 3 == 0:  # make solutions rare
            root = gates.both(root, random_gates(Random(seed))[1] and root ^ 1)
        space = Space(range(VARIABLES), [2] * VARIABLES, 1 << 20)
        truth = first_assignment(Program(gates, [root]), Leaves(space))
        model = smallest_assignment(gates, root, VARIABLES)
        assert model is not None
        assert model.satisfiable == (truth is not None)
        if truth is not None:
            satisfiable += 1
            assert list(model.bits) == space.digits(truth)
    assert 100 < satisfiable < 300


def test_equal_functions_are_one_edge() -> None:
    """Two ways to write each of the threshold functions of 9 variables."""
    gates = Gates()
    bits = [s[0] for s in digit_signals(gates, [2] * 9)]
    planes = [(bit, 0) for bit in bits]
    columns = gates.weighted_sum([(p, 1) for p in planes], 0, 0, 9)
    gates.serial = True
    serial = gates.weighted_sum([(p, 1) for p in reversed(planes)], 0, 0, 9)
    diagrams = Diagrams()
    levels = {k: k for k in range(9)}
    for least in range(1, 10):
        bound = gates.number(least)
        first = build(gates, gates.less(columns, bound), diagrams, levels)
        second = build(gates, gates.less(serial, bound), diagrams, levels)
        subsets = gates.any(gates.all(chosen) for chosen in itertools.combinations(bits, least))
        assert first == second == build(gates, subsets ^ 1, diagrams, levels)


def test_restrict() -> None:
    for seed in range(60):
        gates, root = random_gates(Random(seed))
        diagrams = Diagrams()
        edge = build(gates, root, diagrams, {k: k for k in range(VARIABLES)})
        rows = np.array(list(itertools.product((0, 1), repeat=VARIABLES)))
        values = [walk(diagrams, edge, row.tolist()) for row in rows]
        for level, value in itertools.product(range(VARIABLES), (0, 1)):
            cut = diagrams.restrict(edge, level, value)
            fixed = rows.copy()
            fixed[:, level] = value
            wanted = [values[int("".join(map(str, row)), 2)] for row in fixed.tolist()]
            assert [walk(diagrams, cut, row.tolist()) for row in rows] == wanted


def walk(diagrams: Diagrams, edge: int, bits: list[int]) -> int:
    """Follow a diagram down to its constant."""
    while edge > 1:
        node, flip = edge >> 1, edge & 1
        step = diagrams.high if bits[diagrams.level[node]] else diagrams.low
        edge = step[node] ^ flip
    return edge


def test_the_budget_holds() -> None:
    gates = Gates()
    bits = [s[0] for s in digit_signals(gates, [2] * 40)]
    products = [gates.both(a, b) for a, b in zip(bits[:20], bits[20:])]
    root = gates.parity(products)
    with pytest.raises(TooManyNodesError):
        build(gates, root, Diagrams(1000), {k: k for k in range(40)})
    assert smallest_assignment(gates, root, 40, 1000) is not None  # interleaved, it is small


def test_high_edges_are_never_complemented() -> None:
    diagrams = Diagrams()
    x, y = diagrams.variable(0), diagrams.variable(1)
    diagrams.differ(x ^ 1, diagrams.both(x, y ^ 1))
    assert all(high & 1 == 0 for high in diagrams.high)
