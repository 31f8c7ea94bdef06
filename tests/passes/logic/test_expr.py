"""Expressions are shared, evaluated, counted and priced node by node."""

import pickle

import numpy as np
import pytest

from ddc.passes.logic import (
    And,
    Compare,
    Const,
    Expr,
    FloorDiv,
    Linear,
    Lookup,
    Max,
    Min,
    Mod,
    Not,
    Or,
    Select,
    Threshold,
    Var,
    Xor,
    cost,
    evaluate,
    operations,
    substitute,
    support,
    text,
    topological,
)

A, B, C = Var(0), Var(1), Var(2)


def doubled(depth: int) -> Expr:
    """Build a graph of `depth` nodes that is a tree of 2**depth."""
    expr: Expr = A
    for _ in range(depth):
        expr = Xor((expr, And((expr, B))))
    return expr


def test_equal_nodes_are_one_object() -> None:
    assert And((A, Or((B, C)))) is And((Var(0), Or((Var(1), Var(index=2)))))
    assert And((A, B)) is not And((B, A))
    assert pickle.loads(pickle.dumps(Linear(((2, A), (-1, B)), 3))) is Linear(((2, A), (-1, B)), 3)
    with pytest.raises(AttributeError):
        A.index = 1  # type: ignore[misc]


def test_shared_graphs_are_linear_work() -> None:
    expr = doubled(400)
    assert expr is doubled(400)
    assert len(topological((expr,))) == 802
    assert operations(expr) == 800
    assert support(expr) == {0, 1}
    # A layer costs two operators, b, and its operand's second use; the first one uses a twice.
    assert cost(expr) == 400 * 4 + 1
    # With b = 0 every layer keeps a; with b = 1 it clears it.
    assert evaluate(expr, [np.array([1, 1, 0]), np.array([0, 1, 0])]).tolist() == [1, 0, 0]
    assert len(text(expr)) < 40_000
    assert substitute(expr, {A: B, B: A}) is not expr


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (A, [-1, 2, 5]),
        (Const(7), 7),
        (Compare("eq", A, Const(2)), [0, 1, 0]),
        (Compare("ne", A, B), [1, 1, 0]),
        (Compare("lt", A, B), [1, 1, 0]),
        (Compare("le", B, A), [0, 0, 1]),
        (Compare("gt", A, Const(-1)), [0, 1, 1]),
        (Compare("ge", A, Const(5)), [0, 0, 1]),
        (Not(Compare("ge", A, Const(5))), [1, 1, 0]),
        (Linear(((2, A), (-3, B)), 1), [-10, -4, -4]),
        (Min((A, B)), [-1, 2, 5]),
        (Max((A, B, Const(4))), [4, 4, 5]),
        (Mod(A, 4), [3, 2, 1]),
        (FloorDiv(A, 2), [-1, 1, 2]),
        (Select(Compare("ge", A, B), A, Const(0)), [0, 0, 5]),
        (Threshold(3, (C, Compare("ge", A, Const(2))), (1, 2)), [0, 0, 1]),
        (Threshold(1, (C, Compare("ge", A, Const(2))), ()), [0, 1, 1]),
        (Or((C, Compare("lt", A, Const(0)))), [1, 0, 1]),
        (And((C, Compare("ge", A, Const(0)))), [0, 0, 1]),
        (Xor((C, C, C)), [0, 0, 1]),
        (Lookup((9, 8, 7, 6, 5, 4), (A, C), ((-1, 2, 5), (0, 1))), [9, 7, 4]),
    ],
)
def test_evaluation(expr: Expr, expected: object) -> None:
    columns = [np.array([-1, 2, 5]), np.array([3, 3, 5]), np.array([0, 0, 1])]
    assert evaluate(expr, columns).tolist() == expected


def test_evaluation_broadcasts_open_grids() -> None:
    grid = np.ix_([0, 1], [0, 1], [0, 1])
    assert evaluate(Xor((A, C)), grid).shape == (2, 1, 2)


def test_lookup_refuses_unknown_values() -> None:
    with pytest.raises(ValueError, match="outside its levels"):
        evaluate(Lookup((1, 2), (A,), ((0, 1),)), [np.array([2])])


def test_operations_count_gates_once() -> None:
    shared = And((A, B))
    assert operations(Or((shared, And((C, Not(shared)))))) == 4
    assert operations(Xor((A, B, C))) == 2
    assert operations(Threshold(2, (A, B, C), ())) == 0


@pytest.mark.parametrize(
    ("expr", "price"),
    [
        (A, 1),
        (And((A, B)), 3),
        (Or((And((A, B)), Not(C))), 6),
        (Threshold(2, (A, B, C), ()), 6),
        (Compare("eq", Linear(((1, A), (1, B), (1, C)), 0), Const(1)), 6),
        (Compare("eq", A, B), 3),
        (Select(A, B, C), 7),
        (Lookup((0, 1, 1, 0), (A, B), ((0, 1), (0, 1))), 16),
    ],
)
def test_cost_follows_the_table(expr: Expr, price: int) -> None:
    assert cost(expr) == price


def test_text_brackets_what_needs_it() -> None:
    assert text(Not(Or((A, And((B, C)))))) == "not (x0 or x1 and x2)"
    assert text(And((A, Xor((B, C))))) == "x0 and (x1 ^ x2)"
    assert text(Mod(Linear(((1, A), (-2, B)), 1), 3)) == "(x0 - 2*x1 + 1) % 3"
    named = Linear(((1, A), (1, B), (1, C)), 0)
    both = Or((Compare("eq", named, Const(0)), Compare("eq", named, Const(2))))
    assert text(both, "abc".__getitem__) == "t0 = a + b + c; t0 == 0 or t0 == 2"
