"""Natural functions come out in the form that a reader expects."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc.passes.logic import (
    And,
    Compare,
    Const,
    Expr,
    Linear,
    Lookup,
    Select,
    Table,
    Threshold,
    Var,
    Xor,
    cost,
    evaluate,
    minimise,
    operations,
    support,
    text,
    topological,
)

BIT = (0, 1)
SPIN = (-1, 1)
TOKEN = (0, 1, 2)


def tabulate(function: Callable[..., int], *levels: Sequence[int]) -> Table:
    values = np.array([int(function(*point)) for point in product(*levels)])
    return Table(tuple(map(tuple, levels)), values.reshape([len(known) for known in levels]))


def minimised(function: Callable[..., int], *levels: Sequence[int]) -> Expr:
    """Minimise and compare with the function itself, point by point."""
    expr = minimise(tabulate(function, *levels))
    points = list(product(*levels))
    got = np.broadcast_to(evaluate(expr, np.array(points).T), len(points))
    assert got.tolist() == [int(function(*point)) for point in points]
    return expr


def number(bits: Sequence[int]) -> int:
    return int("".join(map(str, bits)), 2)


def kinds(expr: Expr) -> set[type[Expr]]:
    return {type(node) for node in topological((expr,))}


def comparisons(expr: Expr) -> list[Compare]:
    return [node for node in topological((expr,)) if isinstance(node, Compare)]


def test_constants_and_single_variables() -> None:
    assert minimise(tabulate(lambda a, b: 1, BIT, BIT)) is Const(1)
    assert minimise(tabulate(lambda a, b: 7, BIT, TOKEN)) is Const(7)
    assert minimise(tabulate(lambda a, b, c: b, BIT, BIT, BIT)) is Var(1)
    assert minimise(tabulate(lambda a, b: b, TOKEN, range(9))) is Var(1)
    assert text(minimise(tabulate(lambda a, b: b == 2, TOKEN, TOKEN))) == "x1 == 2"
    assert text(minimise(tabulate(lambda a: a == 1, SPIN))) == "x0 == 1"


def test_life_is_a_count_and_two_comparisons() -> None:
    def life(centre: int, *around: int) -> int:
        return sum(around) == 3 or (centre == 1 and sum(around) == 2)

    expr = minimised(life, *[BIT] * 9)
    assert {(c.op, c.right) for c in comparisons(expr)} == {("eq", Const(2)), ("eq", Const(3))}
    counts = [node for node in topological((expr,)) if isinstance(node, Linear)]
    assert counts == [Linear(tuple((1, Var(i)) for i in range(1, 9)), 0)]
    assert operations(expr) == 2


@pytest.mark.parametrize("width", [2, 3, 4, 5])
@pytest.mark.parametrize("strict", [True, False])
def test_comparators_of_binary_numbers(width: int, strict: bool) -> None:
    def compares(*bits: int) -> int:
        one, other = number(bits[:width]), number(bits[width:])
        return one > other if strict else one >= other

    expr = minimised(compares, *[BIT] * (2 * width))
    assert isinstance(expr, Compare) and kinds(expr) == {Compare, Linear, Var}
    assert isinstance(expr.left, Linear) and isinstance(expr.right, Linear)
    weights = sorted(c for c, _ in (*expr.left.terms, *expr.right.terms))
    assert weights == sorted([1 << i for i in range(width)] * 2)


@pytest.mark.parametrize("n", [3, 5, 8, 12])
def test_majority_parity_interval(n: int) -> None:
    counts = np.add.reduce(np.indices((2,) * n))
    levels = (BIT,) * n
    majority = minimise(Table(levels, (2 * counts > n).astype(int)))
    assert majority == Threshold(n // 2 + 1, tuple(map(Var, range(n))), ())
    parity = minimise(Table(levels, counts % 2))
    assert parity == Xor(tuple(map(Var, range(n))))
    interval = minimise(Table(levels, ((counts >= 2) & (counts <= n - 2)).astype(int)))
    assert cost(interval) <= n + 7
    third = minimise(Table(levels, (counts % 3 == 0).astype(int)))
    assert cost(third) <= n + 5


def test_equality_of_numbers_is_equality_of_bits() -> None:
    expr = minimised(lambda *b: b[:4] == b[4:], *[BIT] * 8)
    assert text(expr) == "x0 == x4 and x1 == x5 and x2 == x6 and x3 == x7"


def test_weighted_vote() -> None:
    def vote(*b: int) -> int:
        return 3 * b[0] + 2 * b[1] + 2 * b[2] + b[3] + b[4] >= 5

    expr = minimised(vote, *[BIT] * 5)
    assert isinstance(expr, Threshold)
    assert (expr.k, sorted(expr.weights)) == (5, [1, 1, 2, 2, 3])


def test_not_every_monotone_function_is_a_threshold() -> None:
    expr = minimised(lambda a, b, c, d: (a and b) or (c and d), *[BIT] * 4)
    assert operations(expr) == 3 and not kinds(expr) & {Threshold, Linear, Select}


@pytest.mark.parametrize(
    ("function", "levels", "shown"),
    [
        (lambda a, b, c, d: (a + c + (b and d)) >= 2, [BIT] * 4, "at_least(2, x0, x2, x1 and x3)"),
        (lambda a, b, c, d: a ^ c ^ (b & d), [BIT] * 4, "x0 ^ x2 ^ (x1 and x3)"),
        (lambda a, *r: a and sum(r) >= 3, [BIT] * 6, "x0 and at_least(3, x1, x2, x3, x4, x5)"),
        (lambda *b: sum(b) == 1, [BIT] * 4, "x0 + x1 + x2 + x3 == 1"),
        (lambda *b: sum(b[:4]) > sum(b[4:]), [BIT] * 8, "x0 + x1 + x2 + x3 > x4 + x5 + x6 + x7"),
        (lambda s, a, b, c: a if s else b and c, [BIT] * 4, "x1 if x0 else x2 and x3"),
        (
            lambda *t: sum(x == 2 for x in t) >= 2,
            [TOKEN] * 3,
            "at_least(2, x0 == 2, x1 == 2, x2 == 2)",
        ),
        (lambda a, b: a == b, [TOKEN] * 2, "x0 == x1"),
        (lambda a, b, c: b if b == c else a, [TOKEN] * 3, "x1 if x1 == x2 else x0"),
        (
            lambda a, b: b if (b - a) % 3 == 1 else a,
            [TOKEN] * 2,
            "x0 if (x0 - x1) % 3 == 1 else x1",
        ),
        (
            lambda a, b, c: a + b > c and b + c > a and a + c > b,
            [range(5)] * 3,
            "x1 + x2 > x0 and x0 + x2 > x1 and x0 + x1 > x2",
        ),
        (lambda a, b: a % 4 + (b >= 4), [range(6)] * 2, "x0 % 4 + (x1 >= 4)"),
        (lambda x, u: min(max(x + u, 0), 5), [range(6), (-1, 0, 1)], "min(max(x0 + x1, 0), 5)"),
        (lambda a, b, c: a == b == c, [TOKEN] * 3, "x0 == x1 and x0 == x2"),
        (lambda a, b, c: a == 1 or b == c, [TOKEN] * 3, "x0 == 1 or x1 == x2"),
        (lambda a, b: b == (a + 1) % 3, [TOKEN] * 2, "(x1 - x0) % 3 == 1"),
        (lambda *s: sum(s) > 0, [SPIN] * 5, "x0 + x1 + x2 + x3 + x4 > 0"),
        (lambda a, b: a < b, [range(6)] * 2, "x1 > x0"),
        (lambda a, b: a + b == 5, [range(6)] * 2, "x0 + x1 == 5"),
        (lambda a, b: a >= 2 and b <= 5, [range(9)] * 2, "x0 >= 2 and x1 <= 5"),
        (lambda a, b: a * b % 2 == 0, [range(6)] * 2, "x0 % 2 == 0 or x1 % 2 == 0"),
        (lambda a, b: a + 2 * b - 1, [range(6)] * 2, "x0 + 2*x1 - 1"),
        (lambda a, b: min(a, b), [range(6)] * 2, "min(x0, x1)"),
        (lambda *a: max(a), [range(4)] * 3, "max(x0, x1, x2)"),
        (lambda a, b: (a + b) % 3, [TOKEN] * 2, "(x0 + x1) % 3"),
        (lambda a: a // 3 % 2, [range(12)], "(x0 // 3) % 2"),
        (lambda *b: sum(b) // 2, [BIT] * 5, "(x0 + x1 + x2 + x3 + x4) // 2"),
        (lambda a, b: max(a - b, 0), [range(6)] * 2, "max(x0 - x1, 0)"),
        (lambda a, b: min(max(a + b - 3, 0), 4), [range(6)] * 2, "min(max(x0 + x1 - 3, 0), 4)"),
        (lambda a, b: abs(a - b), [range(6)] * 2, "max(x1 - x0, x0 - x1)"),
        (lambda *b: number(b), [BIT] * 4, "8*x0 + 4*x1 + 2*x2 + x3"),
        (lambda s, a, b: a if s else b, [BIT, range(4), range(4)], "x1 if x0 else x2"),
        (
            lambda *a: a.index(max(a)),
            [range(4)] * 3,
            "0 if x0 >= x1 and x0 >= x2 else (1 if x1 >= x2 else 2)",
        ),
        (
            lambda a: a // 2 if a % 2 == 0 else a + 1,
            [range(10)],
            "x0 // 2 if x0 % 2 == 0 else x0 + 1",
        ),
    ],
)
def test_reads_like_its_definition(
    function: Callable[..., int], levels: list[Sequence[int]], shown: str
) -> None:
    assert text(minimised(function, *levels)) == shown


def test_addition_by_columns() -> None:
    for bit in range(4):
        expr = minimised(lambda *b, i=bit: number(b[:3]) + number(b[3:]) >> i & 1, *[BIT] * 6)
        assert cost(expr) <= 15


def test_irrelevant_variables_go() -> None:
    rng = np.random.default_rng(3)
    inner = rng.integers(0, 2, (2, 2, 2))
    values = np.broadcast_to(inner[None, :, None, :, :, None], (2, 2, 3, 2, 2, 2))
    levels = (BIT, BIT, TOKEN, BIT, BIT, BIT)
    assert support(minimise(Table(levels, values))) <= {1, 3, 4}


def test_dont_cares_shrink_the_support() -> None:
    # On one-hot inputs each bit decides alone.
    values = np.zeros((2, 2, 2), dtype=int)
    care = np.zeros((2, 2, 2), dtype=bool)
    for at, out in (((1, 0, 0), 0), ((0, 1, 0), 1), ((0, 0, 1), 0)):
        values[at], care[at] = out, True
    assert minimise(Table((BIT,) * 3, values, care)) is Var(1)


def test_unsorted_levels() -> None:
    expr = minimise(Table(((3, 1, 2),), np.array([30, 10, 20])))
    assert evaluate(expr, [np.array([1, 2, 3])]).tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    "inside",
    [
        lambda a, b: a * a > 97 * b,
        lambda a, b: b * 9000 <= a**3,
        lambda a, b: (a - 50) ** 2 + (b - 40) ** 2 < 1200,
    ],
)
def test_regions_with_curved_borders_are_bounds_that_follow_a_number(
    inside: Callable[[int, int], bool],
) -> None:
    expr = minimised(inside, range(100), range(100))
    assert kinds(expr) <= {Var, Compare, And, Lookup, Linear, Const}
    assert len(comparisons(expr)) <= 2
    assert all(len(node.values) == 100 for node in topological((expr,)) if isinstance(node, Lookup))


def test_rows_without_any_member_are_below_every_bound() -> None:
    def inside(a: int, b: int) -> bool:
        return a % 3 > 0 and a * a // 7 <= b <= a * a // 5

    minimised(inside, range(12), range(-4, 30))
    minimised(lambda a, b: not inside(a, b), range(12), range(-4, 30))


def test_hopeless_tables_are_written_down() -> None:
    rng = np.random.default_rng(0)
    for shape in ((2,) * 10, (3,) * 6, (2,) * 16):
        levels = tuple(tuple(range(n)) for n in shape)
        table = Table(levels, rng.integers(0, 2, shape))
        assert cost(minimise(table)) <= 8 + 3 * table.values.size // 2 + len(shape)
        assert minimise(table, give_up=200) is None
    assert isinstance(minimise(Table(((0, 1, 2, 3),) * 5, rng.integers(0, 99, (4,) * 5))), Lookup)


def test_give_up_keeps_what_is_cheap_enough() -> None:
    table = tabulate(lambda a, b: a and b, BIT, BIT)
    assert minimise(table, give_up=3) == And((Var(0), Var(1)))
    assert minimise(table, give_up=2) is None


@pytest.mark.parametrize(
    ("levels", "values", "care"),
    [
        ((BIT,), np.zeros(3, int), None),
        (((0, 0),), np.zeros(2, int), None),
        (((),), np.zeros(0, int), None),
        ((BIT,), np.zeros(2), None),
        ((BIT,), np.zeros(2, int), np.ones(3, bool)),
    ],
)
def test_malformed_tables_are_refused(
    levels: tuple[tuple[int, ...], ...], values: np.ndarray, care: np.ndarray | None
) -> None:
    with pytest.raises(ValueError):
        Table(levels, values, care)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    pool = [BIT, SPIN, TOKEN, (0, 1, 2, 3), (-2, 5), (4,)]
    levels = tuple(draw(st.lists(st.sampled_from(pool), min_size=0, max_size=4)))
    shape = tuple(map(len, levels))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    outputs = draw(st.sampled_from([(0, 1), (-1, 1), (0, 1, 2), (-3, 0, 4, 9)]))
    density = draw(st.sampled_from([1.0, 0.7, 0.3]))
    return Table(levels, rng.choice(outputs, shape), rng.random(shape) < density)


@given(tables())
@settings(max_examples=40, deadline=None)
def test_random_tables_with_dont_cares(table: Table) -> None:
    expr = minimise(table, effort=0)
    assert table.care is not None
    for point in np.argwhere(table.care):
        columns = [known[i] for known, i in zip(table.levels, point, strict=True)]
        assert int(evaluate(expr, columns)) == table.values[tuple(point)]


@given(st.integers(0, 2**16 - 1))
@settings(max_examples=40, deadline=None)
def test_four_bit_functions_stay_short(function: int) -> None:
    values = np.array([function >> i & 1 for i in range(16)]).reshape((2,) * 4)
    expr = minimise(Table((BIT,) * 4, values), effort=0)
    assert not kinds(expr) & {Lookup}
    assert cost(expr) <= 24


def test_same_answer_every_time() -> None:
    rng = np.random.default_rng(11)
    table = Table((BIT,) * 5, rng.integers(0, 2, (2,) * 5))
    assert minimise(table) is minimise(table)
