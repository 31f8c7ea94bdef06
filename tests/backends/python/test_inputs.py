"""What an emitted function takes: many forms of the same values; everything else is refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from ddc import ir

from .programs import PROGRAMS
from .running import compiled

STYLES = ["plain", "numpy"]
NAN, INF = float("nan"), float("inf")
CELLS = [0, 1, 1, 0, 1, 0, 0, 1]
DTYPES = [bool, np.uint8, np.int8, np.int64, np.float32, np.float64, object]


def emitted(name: str, style: str) -> Any:
    """Return one of the programs as a function."""
    return compiled(ir.parse(PROGRAMS[name]), style)


def rule30(cells: list[int]) -> list[int]:
    """Rule 30 by its number."""
    n = len(cells)
    return [30 >> (4 * cells[i - 1] + 2 * cells[i] + cells[(i + 1) % n]) & 1 for i in range(n)]


def life(grid: Any) -> Any:
    """A step of Life on a torus."""
    g = np.asarray(grid, dtype=int)
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    around = sum(np.roll(g, step, (0, 1)) for step in steps)
    return ((around == 3) | ((around == 2) & (g == 1))).astype(int).tolist()


def listed(result: Any) -> Any:
    """Return a result as nested lists."""
    return result.tolist() if isinstance(result, np.ndarray) else result


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_gives_the_same(style: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    assert listed(emitted("rule30", style)(np.array(CELLS).astype(dtype))) == rule30(CELLS)
    grid = rng.integers(0, 2, (7, 5))
    assert listed(emitted("life", style)(grid.astype(dtype))) == life(grid)
    full = np.ones((4, 4), dtype=dtype)  # eight neighbours, nine cells: small dtypes must not wrap
    assert listed(emitted("life", style)(full)) == [[0] * 4] * 4


@pytest.mark.parametrize("style", STYLES)
def test_sequences_of_many_kinds(style: str) -> None:
    function = emitted("rule30", style)
    for form in (tuple(CELLS), [bool(c) for c in CELLS], [float(c) for c in CELLS]):
        assert listed(function(form)) == rule30(CELLS)
    assert listed(function([np.uint8(c) for c in CELLS])) == rule30(CELLS)
    assert listed(function(range(2))) == rule30([0, 1])
    grid = [(0, 1, 1), np.array([1, 1, 0], dtype=np.uint8), [True, False, 1.0]]
    assert listed(emitted("life", style)(grid)) == life([[0, 1, 1], [1, 1, 0], [1, 0, 1]])


@pytest.mark.parametrize("style", STYLES)
def test_results_are_plain_numbers_or_int64(style: str) -> None:
    result = emitted("rule30", style)(np.array(CELLS, dtype=bool))
    if style == "numpy":
        assert isinstance(result, np.ndarray) and result.dtype == np.int64
    else:
        assert isinstance(result, list) and all(type(v) is int for v in result)
    assert type(emitted("majority", style)(1, 0, True)) is int
    assert type(emitted("tokens", style)([0, 2, 2, 1])) is int
    assert type(emitted("risk", style)(30, 2)) is float


@pytest.mark.parametrize("style", STYLES)
def test_inputs_stay_as_they_are(style: str) -> None:
    cells = np.array(CELLS)
    result = emitted("rule30", style)(cells)
    result[0] = 7
    assert cells.tolist() == CELLS


REFUSED: dict[str, list[tuple[Any, ...]]] = {
    "rule30": [
        ([],),
        (5,),
        (None,),
        ("0110",),
        (["0", "1", "1"],),
        (np.array(1),),
        (np.zeros((20, 1)),),
        (np.zeros((1, 20)),),
        ([[0, 1], [1, 0]],),
        ([0, 2, 1],),
        ([0, -1, 1],),
        ([0, 0.5, 1],),
        ([0, NAN, 1],),
        ([0, None, 1],),
        (np.array([0, 255], dtype=np.uint8),),
        ({0: 1, 1: 0},),
        ({0, 1},),
        (iter([0, 1]),),
    ],
    "life": [
        ([],),
        ([[]],),
        (3,),
        ([0, 1, 0],),
        (np.zeros((3, 3, 1)),),
        (np.zeros((2, 5)),),
        (np.zeros((5, 2)),),
        ([[0, 1, 0], [0, 1], [1, 0, 0]],),
        ([[0, 1, 0], 1, [1, 0, 0]],),
        (["010", "010", "010"],),
        (np.full((3, 3), 2),),
    ],
    "adder": [([0, 1], [1]), ([], []), ([0, 1], 1), ([0, 1], [[0, 1]]), ([0, 1], [0, 3])],
    "comparator4": [([0, 1, 1], [0, 1, 1]), ([0] * 4, [0] * 5)],
    "tokens": [([0, 1, 2, 3],), ([0, 1, 2, -1],), ([0, 1, 2],), ([0, 1, 1.5, 2],)],
    "risk": [(NAN, 1), ("x", 1), (None, 1), (30, 100), (30, -1), (30, 1.5), (30, NAN), (30, INF)],
    "majority": [(0, 1, 2), (0, 1, None), (0, 1, "1")],
    "colour": [("pink", 3.0), (None, 3.0), (1, 3.0), ("red", "x")],
    "spins": [([1, 0, -1],), ([1, 2],), ([],)],
    "heat": [
        ({0.5: 1.0, 1.5: 2.0},),
        ({0.5, 1.5},),
        ([1.0, NAN],),
        (["a"],),
        ([[1.0]],),
        ([],),
        (1.0,),
    ],
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_no_value_is_refused(name: str, style: str) -> None:
    function = emitted(name, style)
    for given in REFUSED[name]:
        with warnings.catch_warnings(), pytest.raises(ValueError):
            warnings.simplefilter("error")
            print(name, given, function(*given))


def test_the_message_says_what_is_wanted() -> None:
    with pytest.raises(ValueError, match=r"rule30: cells must be a sequence \[N\], each 0 or 1"):
        emitted("rule30", "plain")([0, 2])
    with pytest.raises(ValueError, match=r"risk: priors must be an integer in 0\.\.99"):
        emitted("risk", "numpy")(30, 100)


def test_missing_values() -> None:
    for style in STYLES:
        price = emitted("colour", style)
        assert price("green", None) == pytest.approx(2.0 * 0.7)
        assert price("green", NAN) == pytest.approx(2.0 * 0.7)
        assert price("blue", 10) == pytest.approx(4.25 * 0.4)  # the second knot of a jump holds
        assert price("blue", 9.999999) == pytest.approx(4.25 * 0.5, rel=1e-5)


def test_columns_in_numpy() -> None:
    risk, plain = emitted("risk", "numpy"), emitted("risk", "plain")
    ages, priors = np.array([10.0, 18.0, 30.0, 46.0, 80.0]), np.array([0, 1, 2, 38, 99])
    column = risk(ages, priors)
    assert column.shape == (5,) and column.dtype == np.float64
    expected = [plain(a, p) for a, p in zip(ages, priors)]
    assert column.tolist() == pytest.approx(expected, rel=1e-12)
    assert risk(ages, 3).shape == (5,)
    votes = emitted("majority", "numpy")(np.array([0, 1, 1]), np.array([1, 0, 1]), 0)
    assert votes.tolist() == [0, 0, 1] and votes.dtype == np.int64
    colours = emitted("colour", "numpy")(["red", "blue"], [None, 0.0])
    assert colours.tolist() == pytest.approx([1.5 * 0.7, 4.25])


def test_numbers_as_ieee_754_has_them() -> None:
    text = """
func @f(%x: real, %y: real) -> (%a: real, %b: real, %c: real, %d: real, %e: real, %g: real) {
  %a = div %x, %y
  %b = log %x
  %c = exp %x
  %d = pow %x, %y
  %e = sqrt %x
  %g = sin %x
  return %a, %b, %c, %d, %e, %g
}
"""
    module = ir.parse(text)
    cases = [(1.0, 0.0), (-1.0, 0.0), (0.0, 0.0), (0.0, -1.0), (-8.0, 0.5), (1e3, 2e3), (INF, 2.0)]
    for style in STYLES:
        function = compiled(module, style)
        for x, y in cases:
            with np.errstate(all="ignore"):
                a, b = np.float64(x), np.float64(y)
                wanted = [a / b, np.log(a), np.exp(a), np.power(a, b), np.sqrt(a), np.sin(a)]
            np.testing.assert_allclose(function(x, y), wanted, rtol=1e-12)


def test_ints_of_any_size() -> None:
    text = """
func @f<N>(%x: int[N]) -> (%squares: int[N], %total: int) {
  %squares = map %i in 0..N {
    %v = load %x[%i]
    %s = mul %v, %v
    yield %s
  }
  %total = reduce add %j in 0..N {
    %w = load %squares[%j]
    yield %w
  }
  return %squares, %total
}
"""
    given = [3, 2**40, -(2**70)]
    for style in STYLES:
        squares, total = compiled(ir.parse(text), style)(given)
        assert listed(squares) == [9, 2**80, 2**140]
        assert total == 9 + 2**80 + 2**140 and type(total) is int
