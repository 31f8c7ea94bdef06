"""Every op of the interpreter against hand-written expectations."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

from ddc.ir import (
    BIT,
    INT,
    OPS,
    REAL,
    Affine,
    Array,
    Int,
    Missing,
    Type,
)
from tests.ir.by_hand import apply, bits, reals

INF = math.inf
HALF = Fraction(1, 2)
SMALL, WIDE = Int(-9, 9), INT
BIG = 3**60

OP_CASES: list[tuple[str, list[Type], list[Any], dict[str, Any], Any]] = [
    ("not", [bits(2)], [[0, 1]], {}, [1, 0]),
    ("and", [bits(4), bits(4)], [[0, 0, 1, 1], [0, 1, 0, 1]], {}, [0, 0, 0, 1]),
    ("or", [bits(4), bits(4)], [[0, 0, 1, 1], [0, 1, 0, 1]], {}, [0, 1, 1, 1]),
    ("xor", [bits(3), bits(3), BIT], [[0, 1, 1], [0, 0, 1], 1], {}, [1, 0, 1]),
    ("threshold", [BIT, BIT, BIT], [1, 0, 1], {"least": 2}, 1),
    ("threshold", [BIT, BIT, BIT], [1, 0, 0], {"least": 2}, 0),
    ("threshold", [BIT, SMALL], [1, 5], {"least": -1, "weights": (4, -1)}, 1),
    ("threshold", [BIT, SMALL], [1, 6], {"least": -1, "weights": (4, -1)}, 0),
    ("threshold", [BIT, BIT], [1, 1], {"least": 2**70 + 1, "weights": (2**70, 1)}, 1),
    ("threshold", [BIT, BIT], [1, 0], {"least": 2**70 + 1, "weights": (2**70, 1)}, 0),
    ("table", [BIT, Int.of(-1, 1)], [1, -1], {"entries": (5, 6, 7, 8)}, 7),
    ("table", [Int(2, 4)], [3], {"entries": (HALF, Fraction(1, 4), 1)}, 0.25),
    ("add", [SMALL, BIT, SMALL], [3, 1, -9], {}, -5),
    ("add", [WIDE, WIDE], [BIG, BIG], {}, 2 * BIG),
    ("add", [SMALL, REAL], [3, 0.5], {}, 3.5),
    ("mul", [WIDE, WIDE], [BIG, -BIG], {}, -BIG * BIG),
    ("mul", [Int(0, 2**40), Int(0, 2**40)], [2**40, 2**40], {}, 2**80),
    ("sub", [SMALL, SMALL], [3, 5], {}, -2),
    ("sub", [BIT, BIT], [0, 1], {}, -1),
    ("neg", [BIT], [1], {}, -1),
    ("div", [SMALL, Int(1, 9)], [1, 8], {}, 0.125),
    ("div", [REAL, REAL], [-1.0, 0.0], {}, -INF),
    (
        "floordiv",
        [Array(SMALL, (Affine.of(4),)), Int(2, 4)],
        [[-5, -4, 5, 4], 4],
        {},
        [-2, -1, 1, 1],
    ),
    ("floordiv", [SMALL, Int(-4, -2)], [5, -4], {}, -2),
    ("mod", [Array(SMALL, (Affine.of(4),)), Int(2, 4)], [[-5, -4, 5, 4], 4], {}, [3, 0, 1, 0]),
    ("mod", [SMALL, Int(-4, -2)], [5, -4], {}, -3),
    ("mod", [WIDE, Int(10, 10)], [-BIG, 10], {}, -BIG % 10),
    ("pow", [SMALL, Int(0, 5)], [-2, 5], {}, -32),
    ("pow", [WIDE, Int(0, 5)], [BIG, 3], {}, BIG**3),
    ("pow", [REAL, REAL], [2.0, 0.5], {}, 2.0**0.5),
    ("abs", [SMALL], [-4], {}, 4),
    ("abs", [WIDE], [-BIG], {}, BIG),
    ("min", [SMALL, REAL], [4, 3.5], {}, 3.5),
    ("max", [SMALL, SMALL, WIDE], [4, 7, -BIG], {}, 7),
    ("exp", [REAL], [0.0], {}, 1.0),
    ("log", [REAL], [0.0], {}, -INF),
    ("sqrt", [REAL], [2.25], {}, 1.5),
    ("sin", [BIT], [0], {}, 0.0),
    ("cos", [REAL], [0.0], {}, 1.0),
    ("eq", [SMALL, SMALL], [3, 3], {}, 1),
    ("ne", [SMALL, WIDE], [3, BIG], {}, 1),
    ("lt", [SMALL, SMALL], [3, 3], {}, 0),
    ("le", [SMALL, SMALL], [3, 3], {}, 1),
    ("gt", [WIDE, WIDE], [BIG + 1, BIG], {}, 1),
    ("ge", [REAL, SMALL], [2.5, 3], {}, 0),
    ("select", [bits(2), SMALL, WIDE], [[0, 1], 3, BIG], {}, [BIG, 3]),
    ("sign", [SMALL], [-4], {}, -1),
    ("sign", [REAL], [-0.0], {}, 0),
    ("step", [REAL], [0.0], {}, 0),
    ("step", [REAL], [5e-324], {}, 1),
    ("round", [reals(4)], [[0.5, 1.5, -2.5, 2.0**70]], {}, [0, 2, -2, 2**70]),
    ("argmax", [reals(2, 3)], [[[1, 3, 3], [2, 2, 1]]], {}, [1, 0]),
    ("concat", [bits(2), Array(SMALL, (Affine.of(1),))], [[1, 0], [-3]], {}, [1, 0, -3]),
    ("pack", [BIT, SMALL, BIT, BIT], [1, -3, 0, 1], {"shape": [2, 2]}, [[1, -3], [0, 1]]),
    (
        "reshape",
        [bits(2, 3)],
        [[[1, 0, 0], [0, 1, 1]]],
        {"shape": [3, 2]},
        [[1, 0], [0, 0], [1, 1]],
    ),
    ("reshape", [bits(1)], [[1]], {"shape": []}, 1),
    ("onehot", [Array(Int(0, 2), (Affine.of(2),))], [[2, 0]], {"size": 3}, [[0, 0, 1], [1, 0, 0]]),
    ("bin", [reals(4)], [[0.5, 1, 2.4, 2.5]], {"at": (1, Fraction(5, 2))}, [0, 1, 1, 2]),
    ("relu", [reals(2)], [[-1.5, 1.5]], {}, [0.0, 1.5]),
    ("leaky_relu", [reals(2)], [[-2, 2]], {"slope": Fraction(1, 4)}, [-0.5, 2.0]),
    ("hardtanh", [reals(3)], [[-2, 0.25, 2]], {"low": -1, "high": HALF}, [-1.0, 0.25, 0.5]),
    ("tanh", [REAL], [0.0], {}, 0.0),
    ("sigmoid", [reals(3)], [[0.0, -1e9, 1e9]], {}, [0.5, 0.0, 1.0]),
    ("softmax", [reals(2, 1)], [[[3.0], [3.0]]], {"axis": 0}, [[0.5], [0.5]]),
]

CURVE = ((0, 0), (1, 10), (1, 20), (3, 40))
OP_CASES += [
    ("curve", [reals(5)], [[-1, 0.5, 1, 2, 9]], {"knots": CURVE}, [0, 5, 20, 30, 40]),
    ("curve", [reals(2)], [[-1, 9]], {"knots": CURVE, "beyond": "linear"}, [-10, 100]),
    ("curve", [Missing(REAL)], [math.nan], {"knots": CURVE, "missing": HALF}, 0.5),
]


@pytest.mark.parametrize(("code", "types", "values", "attrs", "wanted"), OP_CASES)
def test_op(code: str, types: Any, values: Any, attrs: dict[str, Any], wanted: Any) -> None:
    assert apply(code, types, values, **attrs) == wanted


LAYER_CASES: list[tuple[str, list[Type], list[Any], dict[str, Any], dict[str, Any], Any]] = [
    (
        "dense",
        [bits(2)],
        [[1, 1]],
        {"w": [[1.0, 2.0], [3.0, 4.0]], "b": [0.5, 0.0]},
        {},
        [3.5, 7.0],
    ),
    ("conv", [reals(1, 3)], [[[1, 2, 3]]], {"w": [[[1.0, 10.0]]]}, {}, [[21.0, 32.0]]),
    (
        "conv",
        [reals(1, 3)],
        [[[1, 2, 3]]],
        {"w": [[[1.0, 10.0, 100.0]]], "b": [0.5]},
        {"padding": (1, 1), "mode": "circular"},
        [[213.5, 321.5, 132.5]],
    ),
    (
        "conv",
        [reals(2, 4)],
        [[[1, 2, 3, 4], [5, 6, 7, 8]]],
        {"w": [[[1.0, 1.0]], [[1.0, -1.0]]]},
        {"padding": (1, 0), "stride": (2,), "dilation": (2,), "groups": 2},
        [[2.0, 6.0], [-6.0, -2.0]],
    ),
    ("scale", [reals(2, 1)], [[[1], [2]]], {"f": [2.0, 3.0], "s": [0.0, 1.0]}, {}, [[2.0], [7.0]]),
    ("embedding", [Int(0, 1)], [1], {"t": [[1.0, 2.0], [3.0, 4.0]]}, {}, [3.0, 4.0]),
    ("const", [], [], {"c": [3, 2**62]}, {}, [3, 2**62]),
]


@pytest.mark.parametrize(("code", "types", "values", "constants", "attrs", "wanted"), LAYER_CASES)
def test_layer(
    code: str, types: Any, values: Any, constants: Any, attrs: dict[str, Any], wanted: Any
) -> None:
    assert apply(code, types, values, constants, **attrs) == wanted


def test_every_op_has_a_case() -> None:
    tested = {case[0] for case in OP_CASES} | {case[0] for case in LAYER_CASES}
    assert set(OPS) - tested == {"load", "gather", "index"}  # below, inside loops


def test_logarithmic_curve() -> None:
    knots = ((1, 0), (100, 2))
    assert apply("curve", [REAL], [10.0], knots=knots, in_="log") == pytest.approx(1.0, rel=1e-12)
