"""Programs as people write and edit them, against rules that are computed independently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddc import ir
from tests.frontend.source.tracing import array, bits, mismatches, traced

COMPARATOR = {
    "first difference": """
def greater(a, b):
    for x, y in zip(a, b):
        if x > y:
            return 1
        if x < y:
            return 0
    return 0
""",
    "while": """
def greater(a, b):
    i = 0
    while i < len(a) and a[i] == b[i]:
        i += 1
    return int(i < len(a) and a[i] > b[i])
""",
    "break": """
def greater(a, b):
    result = 0
    for x, y in zip(a, b):
        if x != y:
            result = x
            break
    return result
""",
    "else of for": """
def greater(a, b):
    for x, y in zip(a, b):
        if x != y:
            answer = x == 1
            break
    else:
        answer = False
    return int(answer)
""",
    "lists": """
def greater(a, b):
    return int(a > b)
""",
    "numbers": """
def _number(bits):
    total = 0
    for bit in bits:
        total = 2 * total + bit
    return total

def greater(a, b):
    return 1 if _number(a) > _number(b) else 0
""",
    "next": """
def greater(a, b):
    return next((x for x, y in zip(a, b) if x != y), 0)
""",
    "recursion": """
def _greater(a, b, i):
    if i == len(a):
        return 0
    if a[i] == b[i]:
        return _greater(a, b, i + 1)
    return a[i]

def greater(a, b):
    return _greater(a, b, 0)
""",
}


@pytest.mark.parametrize("text", COMPARATOR.values(), ids=COMPARATOR.keys())
def test_comparator(text: str) -> None:
    type_ = array(ir.BIT, 4)
    both = bits(8)
    rows = {"a": both[:, :4], "b": both[:, 4:]}
    found = mismatches(
        text,
        {"a": type_, "b": type_},
        ir.BIT,
        rows,
        lambda a, b: int(a.tolist() > b.tolist()),
    )
    assert found == []


ADDER = {
    "carry": """
def add(a, b):
    carry = 0
    out = []
    for x, y in zip(a, b):
        out.append(x ^ y ^ carry)
        carry = 1 if x + y + carry >= 2 else 0
    return out, carry
""",
    "divmod": """
def add(a, b):
    carry, out = 0, []
    for k in range(len(a)):
        carry, bit = divmod(a[k] + b[k] + carry, 2)
        out += [bit]
    return out, carry
""",
    "majority": """
def add(a, b):
    out, carry = [0] * len(a), False
    for k, (x, y) in enumerate(zip(a, b)):
        out[k] = int((x != y) != carry)
        carry = (x and y) or (carry and (x or y))
    return out, int(bool(carry))
""",
}


@pytest.mark.parametrize("text", ADDER.values(), ids=ADDER.keys())
def test_adder(text: str) -> None:
    def add(a: Any, b: Any) -> Any:
        total = sum(int(v) << k for x in (a, b) for k, v in enumerate(x))
        return [[total >> k & 1 for k in range(4)], total >> 4]

    type_ = array(ir.BIT, 4)
    both = bits(8)
    rows = {"a": both[:, :4], "b": both[:, 4:]}
    assert mismatches(text, {"a": type_, "b": type_}, (type_, ir.BIT), rows, add) == []


MAJORITY = [
    "return 1 if sum(1 for x in xs if x) > len(xs) // 2 else 0",
    "return sorted(xs)[len(xs) // 2]",
    "return int(2 * sum(xs) > len(xs))",
    "return int(xs.count(1) > xs.count(0))",
    "return int(len([x for x in xs if x]) > len([x for x in xs if not x]))",
    "return sum(xs) // 3",
    "ones = []\n    for x in xs:\n        if x:\n            ones.append(x)\n"
    "    return 1 if len(ones) >= 3 else 0",
    "votes = {0: 0, 1: 0}\n    for x in xs:\n        votes[0] += 1 - x\n        votes[1] += x\n"
    "    return int(votes[1] > votes[0])",
]


@pytest.mark.parametrize("body", MAJORITY)
def test_majority(body: str) -> None:
    text = f"def majority(xs):\n    {body}\n"
    rows = {"xs": bits(5)}
    found = mismatches(text, {"xs": array(ir.BIT, 5)}, ir.BIT, rows, lambda xs: int(xs.sum() >= 3))
    assert found == []


ARGMAX = [
    "return xs.index(max(xs))",
    "return max(range(len(xs)), key=lambda i: xs[i])",
    "return next(i for i, x in enumerate(xs) if x == max(xs))",
    "best = None\n    where = 0\n    for i, x in enumerate(xs):\n"
    "        if best is None or x > best:\n            best, where = x, i\n    return where",
    "i = 0\n    for j in range(1, len(xs)):\n        if xs[j] > xs[i]:\n            i = j\n    return i",
]


@pytest.mark.parametrize("body", ARGMAX)
def test_argmax(body: str) -> None:
    values = np.array(np.meshgrid(*[[-1, 0, 1]] * 4)).reshape(4, -1).T
    found = mismatches(
        f"def argmax(xs):\n    {body}\n",
        {"xs": array(ir.Int(-1, 1), 4)},
        ir.Int(0, 3),
        {"xs": values},
        lambda xs: int(np.argmax(xs)),
    )
    assert found == []


PARITY = [
    "odd = 0\n    while x:\n        odd ^= x & 1\n        x >>= 1\n    return odd",
    "odd = False\n    while x > 0:\n        x, odd = x & (x - 1), not odd\n    return int(odd)",
    "return x.bit_count() % 2",
    "return sum(x >> k & 1 for k in range(8)) % 2",
    "while True:\n        if x < 2:\n            break\n        x = (x >> 1) ^ (x & 1)\n    return x",
]


@pytest.mark.parametrize("body", PARITY)
def test_parity_of_a_number(body: str) -> None:
    found = mismatches(
        f"def parity(x):\n    {body}\n",
        {"x": ir.Int(0, 31)},
        ir.BIT,
        {"x": np.arange(32)},
        lambda x: bin(x).count("1") % 2,
    )
    assert found == []


def test_continue_break_and_a_symbolic_place() -> None:
    text = """
def f(xs, k):
    xs = list(xs)
    xs[k] = 1 - xs[k]
    t = 0
    for x in xs:
        if x == 0:
            continue
        t += 1
        if t == 3:
            break
    return xs + [t], xs[k], xs[-k]
"""

    def expected(xs: Any, k: Any) -> Any:
        flipped = [int(v) ^ (i == k) for i, v in enumerate(xs)]
        return [[*flipped, min(3, sum(flipped))], flipped[k], flipped[-k]]

    rows = {"xs": np.repeat(bits(4), 4, 0), "k": np.tile(np.arange(4), 16)}
    params = {"xs": array(ir.BIT, 4), "k": ir.Int(0, 3)}
    wanted = (array(ir.Int(0, 4), 5), ir.BIT, ir.BIT)
    assert mismatches(text, params, wanted, rows, expected) == []


def test_changes_before_an_early_return_are_kept_apart() -> None:
    text = """
def _push(log, a, b):
    if a:
        log[0] += 1
        return 10
    if b:
        return 20
    log[0] += 2
    return 30

def f(a, b):
    log = [0]
    x = _push(log, a, b)
    y = _push(log, b, a)
    return x, y, log[0]
"""

    def expected(a: Any, b: Any) -> Any:
        def push(p: Any, q: Any) -> tuple[int, int]:
            return (10, 1) if p else (20, 0) if q else (30, 2)

        (x, m), (y, n) = push(a, b), push(b, a)
        return [x, y, m + n]

    both = bits(2)
    rows = {"a": both[:, 0], "b": both[:, 1]}
    wanted = (ir.INT, ir.INT, ir.INT)
    assert mismatches(text, {"a": ir.BIT, "b": ir.BIT}, wanted, rows, expected) == []


def test_a_list_that_is_one_of_two_is_not_changed_silently() -> None:
    text = """
def f(a):
    left, right = [0, 0], [0, 0]
    row = left if a else right
    row[0] = 1
    return left[0]
"""
    with pytest.raises(ir.DdcError, match=r"rules.py:6:12: using a list"):
        mismatches(text, {"a": ir.BIT}, ir.BIT, {"a": np.arange(2)}, lambda a: int(a))


def test_try_takes_the_errors_that_it_names() -> None:
    text = """
def f(a, b):
    try:
        x = a // b
    except ZeroDivisionError:
        x = -1
    try:
        y = (10, 20, 30)[a]
    except (IndexError, KeyError):
        return x, 0
    return x, y
"""

    def expected(a: Any, b: Any) -> Any:
        return [int(a) // int(b) if b else -1, (10, 20, 30, 0, 0)[a]]

    rows = {"a": np.repeat(np.arange(5), 3), "b": np.tile(np.arange(3), 5)}
    params: dict[str, ir.Type] = {"a": ir.Int(0, 4), "b": ir.Int(0, 2)}
    assert mismatches(text, params, (ir.INT, ir.INT), rows, expected) == []


def test_reals() -> None:
    text = """
import math
def risk(age, priors):
    score = 0.5 * math.log(age) - 1.25
    if priors >= 3:
        score += 2 * min(priors, 10) / 4
    return 1 / (1 + math.exp(-score))
"""

    def expected(age: Any, priors: Any) -> Any:
        score = 0.5 * np.log(age) - 1.25 + (priors >= 3) * 2 * min(priors, 10) / 4
        return 1 / (1 + np.exp(-score))

    rows = {"age": np.linspace(18, 90, 200), "priors": np.arange(200) % 25}
    from fractions import Fraction

    params: dict[str, ir.Type] = {
        "age": ir.Real(Fraction(18), Fraction(90)),
        "priors": ir.Int(0, 99),
    }
    found = mismatches(text, params, ir.REAL, rows, expected)
    assert all(abs(a - b) < 1e-12 for _, a, b in found)


def test_values_beyond_the_wanted_type_are_not_hidden() -> None:
    text = "def f(a, b):\n    return a + b\n"
    both = bits(2)
    rows = {"a": both[:, 0], "b": both[:, 1]}
    params = {"a": ir.BIT, "b": ir.BIT}
    assert mismatches(text, params, ir.BIT, rows, lambda a, b: int(a) + int(b)) == []


def test_values_that_provably_fit_have_the_wanted_type() -> None:
    from tests.frontend.source.tracing import traced

    text = "def f(a, b):\n    return a + b - a * b\n"
    module = traced(text, {"a": ir.BIT, "b": ir.BIT}, ir.BIT)
    assert module.entry.results[0].type == ir.BIT


def test_what_a_loop_changes_after_it_could_have_ended_is_kept_apart() -> None:
    text = """
def f(n):
    ys = [5, 7]
    w = 2
    while w > 0 and n == 2:
        w -= 1
        ys[0] = w
        ys = list(ys)
    return ys[0], ys[1], w
"""
    rows = {"n": np.arange(4)}
    wanted = (ir.INT, ir.INT, ir.INT)
    found = mismatches(
        text, {"n": ir.Int(0, 3)}, wanted, rows, lambda n: [0, 7, 0] if n == 2 else [5, 7, 2]
    )
    assert found == []


def test_a_curve_between_knots() -> None:
    text = """
def f(x):
    knots = ((-2, 1.0), (0, 3.0), (2, -1.0))
    passed = sum(place <= x for place, _ in knots)
    if passed in (0, len(knots)):
        return knots[-1 if passed else 0][1]
    (x0, y0), (x1, y1) = knots[passed - 1 : passed + 1]
    return y0 + (y1 - y0) / (x1 - x0) * (x - x0)
"""
    rows = {"x": np.array([-5, -2, -1.5, 0, 0.3, 2, 7])}

    def expected(x: Any) -> float:
        return float(np.interp(x, [-2, 0, 2], [1.0, 3.0, -1.0]))

    found = mismatches(text, {"x": ir.REAL}, ir.REAL, rows, expected)
    assert all(abs(mine - theirs) < 1e-12 for _, mine, theirs in found)


@pytest.mark.parametrize(("sign", "raises"), [("<", False), ("<=", True)])
def test_a_number_between_equal_ends_exists_only_where_both_are_included(
    sign: str, raises: bool
) -> None:
    text = f"""
def f(x):
    low, high = -1.75, -1.75
    if x is not None and low <= x {sign} high:
        return 1 / (high - low)
    return 0.0
"""
    params: dict[str, ir.Type] = {"x": ir.Missing(ir.REAL)}
    if raises:
        with pytest.raises(ir.DdcError, match="ZeroDivisionError"):
            traced(text, params, ir.REAL)
        return
    rows = {"x": np.array([np.nan, -2.0, -1.75, 3.0])}
    assert mismatches(text, params, ir.REAL, rows, lambda x: 0.0) == []


def test_missing_numbers_and_categories() -> None:
    text = """
def f(x, colour):
    score = 1.5 if x is None or x != x else x + 1
    if colour == "red":
        score += 10
    return score + {"red": 0, "green": 100, "blue": 200}[colour]
"""
    rows = {
        "x": np.array([np.nan, 0.0, 2.0, np.nan, -1.0, 3.0]),
        "colour": np.array([0, 1, 2, 1, 0, 2]),
    }
    params: dict[str, ir.Type] = {
        "x": ir.Missing(ir.REAL),
        "colour": ir.Category(("red", "green", "blue")),
    }

    def expected(x: Any, colour: Any) -> float:
        return float((1.5 if np.isnan(x) else x + 1) + (110 - 100, 100, 200)[colour])

    assert mismatches(text, params, ir.REAL, rows, expected) == []
