"""Text of the IR: reading back what is written, every construct by hand, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.ir import Affine, Index, Loop, Op, Origin, Param, Size, State
from tests.strategies import modules

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
N, T = Affine.symbol("N"), Affine.symbol("T")
I, J = Affine.symbol("%i"), Affine.symbol("%j")  # noqa: E741  the loop variables i and j


@settings(RELAXED, max_examples=1000)
@given(modules(network=True, wide=True))
def test_random_modules_read_back(module: ir.Module) -> None:
    text = ir.print_module(module)
    again = ir.parse(text)
    assert again == module
    assert ir.print_module(again) == text


# ---------------------------------------------------------------- ops and functions, by hand


def op_of(line: str) -> Op:
    """Return the op that a line says, without checking it."""
    module = ir.parse(f"func @f() -> () {{\n{line}\nreturn\n}}", check=False)
    (op,) = module.entry.body.ops
    return op


F = Fraction
OPS = [
    ("%r = and %a, %b.1, 1", Op("and", ("r",), ("a", "b.1", 1))),
    ("%r = add %a, -3, 0.5, -0.25", Op("add", ("r",), ("a", -3, F(1, 2), F(-1, 4)))),
    ("%r = mul 1/3, 1e+22, 0.1", Op("mul", ("r",), (F(1, 3), F(10**22), F(1, 10)))),
    (
        "%r = threshold 2 of %x, %y weights [1, -2]",
        Op("threshold", ("r",), ("x", "y"), (("least", 2), ("weights", (1, -2)))),
    ),
    (
        "%r = table [0, 1, 1, 0] of %a, %b",
        Op("table", ("r",), ("a", "b"), (("entries", (0, 1, 1, 0)),)),
    ),
    (
        "%r = curve %age in log knots [(18.0, 3.13), (21.0, 0.5914)] beyond linear missing 0.5",
        Op(
            "curve",
            ("r",),
            ("age",),
            (
                ("beyond", "linear"),
                ("in", "log"),
                ("knots", ((F(18), F(313, 100)), (F(21), F(5914, 10000)))),
                ("missing", F(1, 2)),
            ),
        ),
    ),
    ("%r = bin %x at [1, 2.5]", Op("bin", ("r",), ("x",), (("at", (1, F(5, 2))),))),
    (
        "%r = load %x[%i - 1 wrap, %j clamp, %k else 0, 2*%l + 1]",
        Op(
            "load",
            ("r",),
            ("x",),
            index=(
                Index(I - 1, "wrap"),
                Index(J, "clamp"),
                Index(Affine.symbol("%k"), "else", 0),
                Index(Affine.symbol("%l", 2) + 1),
            ),
        ),
    ),
    ("%r = load @w[0]", Op("load", ("r",), (ir.Global("w"),), index=(Index(Affine.of(0)),))),
    ("%r = index 2*%i + N", Op("index", ("r",), index=(Index(I * 2 + N),))),
    ("%r = index -%i + N - 1", Op("index", ("r",), index=(Index(N - 1 - I),))),
    ("%r = index %i mod 3", Op("index", ("r",), index=(Index(I.mod(3)),))),
    (
        "%r = index %i + N + 2*((3*%i + 1) floordiv 2) - 4",
        Op("index", ("r",), index=(Index((I * 3 + 1).floordiv(2) * 2 + I + N - 4),)),
    ),
    (
        "%r = reshape %x to [4, 3]",
        Op("reshape", ("r",), ("x",), shape=(Affine.of(4), Affine.of(3))),
    ),
    ("%r = reshape %x to []", Op("reshape", ("r",), ("x",))),
    ("%r = pack %a, 1 to [2]", Op("pack", ("r",), ("a", 1), shape=(Affine.of(2),))),
    (
        "%r = gather %x, %i, %j border else else 0",
        Op("gather", ("r",), ("x", "i", "j"), (("border", "else"), ("else", 0))),
    ),
    ("%r = onehot %w size 3", Op("onehot", ("r",), ("w",), (("size", 3),))),
    (
        "%r = conv %x, @w, @b stride [1, 1] padding [1, 1, 1, 1] mode circular",
        Op(
            "conv",
            ("r",),
            ("x", ir.Global("w"), ir.Global("b")),
            (("mode", "circular"), ("padding", (1, 1, 1, 1)), ("stride", (1, 1))),
        ),
    ),
    (
        '%r = relu %x from("conv \\"1\\"", 0, 12)',
        Op("relu", ("r",), ("x",), origin=Origin('conv "1"', (0, 12))),
    ),
]


@pytest.mark.parametrize(("line", "op"), OPS, ids=[line.split()[2] for line, _ in OPS])
def test_op(line: str, op: Op) -> None:
    assert op_of(line) == op
    assert ir.print_op(op) == line


STRUCTURED = """\
func @f<N, M >= 3>(%x: bit[N], %y: int<0..9>[M, 2*N]) -> (%o: int[N], %p: bit) {
  %a, %b = map %i in 0..N, %j in 1..M + 1 from("2", 7) {
    %v = load %x[%i]
    %s = reduce argmax %k in %i..N + 1 {
      yield 1
    }
    yield %v, %s
  }
  %q, %carry_out, %h_out = scan %t in 0..N with (%carry: bit = 0, %h: int[4] = @zero) {
    %z = xor %carry, 1
    next %z, %h
    yield %z
  }
  return %a, %carry_out
}

const @zero = int[4] int64 [0, 0, 0, 0]
"""


def test_structured_ops() -> None:
    module = ir.parse(STRUCTURED, check=False)
    assert ir.print_module(module) == STRUCTURED
    function = module.entry
    assert function.sizes == (Size("N"), Size("M", 3))
    assert function.params[1] == Param(
        "y", ir.Array(ir.Int(0, 9), (Affine.symbol("M"), Affine.symbol("N", 2)))
    )
    first, second = function.body.ops
    assert first.results == ("a", "b")
    assert first.loops == (
        Loop("i", Affine.of(0), N),
        Loop("j", Affine.of(1), Affine.symbol("M") + 1),
    )
    assert first.origin == Origin("2", (7,))
    assert first.body is not None and first.body.yields == ("v", "s")
    assert first.body.ops[1].attr("kind") == "argmax"
    assert second.states == (
        State("carry", ir.BIT, 0),
        State("h", ir.Array(ir.INT, (Affine.of(4),)), ir.Global("zero")),
    )
    assert second.body is not None and second.body.nexts == ("z", "h")


def test_op_of_a_structured_op_is_its_first_line() -> None:
    first, _ = ir.parse(STRUCTURED, check=False).entry.body.ops
    assert ir.print_op(first) == ('%a, %b = map %i in 0..N, %j in 1..M + 1 from("2", 7) { ... }')


EVIDENCE = """\
func @f(%x: bit) -> (%y: bit) where @domain proved exhaustive(inputs = 2) fitted() {
  return %x
}

func @domain(%x: bit) -> (%y: bit)
    proved structural(a.b = -1/3, c = 0.25, network = "sha256:00\\xff\\u20ac\\n\\"\\\\")
    inferred(sizes = "N >= 3") {
  return 1
}
"""


def test_evidence() -> None:
    module = ir.parse(EVIDENCE)
    first, second = module.functions
    assert first.where == "domain"
    assert first.evidence == (ir.claim("proved", "exhaustive", inputs=2), ir.claim("fitted"))
    details = (("a.b", F(-1, 3)), ("c", F(1, 4)), ("network", 'sha256:00\xff\u20ac\n"\\'))
    assert second.evidence[0] == ir.Evidence("proved", "structural", details)
    assert ir.print_module(module) == EVIDENCE


# ---------------------------------------------------------------- types, numbers, constants

TYPES: list[tuple[str, ir.Type]] = [
    ("bit", ir.BIT),
    ("int", ir.INT),
    ("int<0..99>", ir.Int(0, 99)),
    ("int<-5..-3>", ir.Int(-5, -3)),
    ("int<..7>", ir.Int(None, 7)),
    ("int<0..>", ir.Int(0)),
    ("int{-1, 1}", ir.Int.of(1, -1)),
    ("onehot<3>", ir.OneHot(3)),
    ('category{"red", "a \\"b\\"\\n", ""}', ir.Category(("red", 'a "b"\n', ""))),
    ("real", ir.REAL),
    ("real<-0.5..1.0>", ir.Real(F(-1, 2), F(1))),
    ("real<..1/3>", ir.Real(None, F(1, 3))),
    ("real?", ir.Missing(ir.REAL)),
    ("int<0..9>?[3]", ir.Array(ir.Missing(ir.Int(0, 9)), (Affine.of(3),))),
    ("bit[N, 2*N + 1]", ir.Array(ir.BIT, (N, N * 2 + 1))),
    ("bit[N floordiv 2]", ir.Array(ir.BIT, (N.floordiv(2),))),
]


@pytest.mark.parametrize(("text", "type_"), TYPES, ids=[text for text, _ in TYPES])
def test_type(text: str, type_: ir.Type) -> None:
    assert ir.parse_type(text) == type_
    assert ir.print_type(type_) == text


NUMBERS = [
    ("0x1.8p+3", F(12)),
    ("0x1p-2", F(1, 4)),
    ("-0x0.8p+0", F(-1, 2)),
    ("1.50", F(3, 2)),
    ("25e-1", F(5, 2)),
    ("-10/4", F(-5, 2)),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_ways_to_write_a_real(text: str, value: Fraction) -> None:
    (found,) = op_of(f"%r = const {text}").operands
    assert isinstance(found, Fraction)
    assert found == value


@given(st.floats(allow_nan=False, allow_infinity=False) | st.fractions())
def test_every_real_reads_back(value: float | Fraction) -> None:
    exact = Fraction(value)
    (found,) = op_of(f"%r = const {ir.number_text(exact)}").operands
    assert isinstance(found, Fraction)
    assert found == exact


@given(st.text())
def test_every_string_reads_back(text: str) -> None:
    assert op_of(f"%r = const 1 from({ir.quote(text)})").origin == Origin(text)


ARRAYS = {
    "real[2, 2] float32 [[0.1, -2.0], [1e+30, 1e-45]]": np.array(
        [[0.1, -2.0], [1e30, 1e-45]], np.float32
    ),
    "real[2] float64 [0.1, 5e-324]": np.array([0.1, 5e-324]),
    "int[2] int64 [9223372036854775807, -9223372036854775808]": np.array([2**63 - 1, -(2**63)]),
    "int int64 7": np.array(7),
    "real float64 0.5": np.array(0.5),
    "real[0, 3] float32 []": np.zeros((0, 3), np.float32),
    "real[2, 0] float64 [[], []]": np.zeros((2, 0)),
    'real float64 "AAAAAAAAAIA="': np.array(-0.0),
    # 64 zeros and a one: the place 5 and the bytes of 1.0, little-endian
    'real[65] float32 sparse "BQAAAA==" "AACAPw=="': np.eye(1, 65, 5, np.float32)[0],
    'int[65] int64 sparse "" ""': np.zeros(65, np.int64),
}


@pytest.mark.parametrize("text", ARRAYS)
def test_constant(text: str) -> None:
    source = f"func @f(%x: bit) -> (%y: bit) {{\n  return %x\n}}\n\nconst @w.0 = {text}\n"
    module = ir.parse(source)
    found = module.constant("w.0")
    assert found == ir.Constant(ARRAYS[text])
    assert ir.print_module(module) == source


def test_large_constants_read_back_and_are_left_out_of_dumps() -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(30, 4)).astype(np.float32)
    strided = rng.normal(size=(4, 30)).T
    sparse = np.where(rng.random(4000) < 0.01, rng.normal(size=4000), 0.0)
    arrays: list[tuple[str, np.ndarray[Any, Any]]] = [
        ("d", dense),
        ("t", strided),
        ("s", sparse),
        ("z", np.zeros(2_000_000)),
    ]
    function = ir.parse("func @f() -> (%y: bit) { return 1 }").entry
    named = tuple((name, ir.Constant(array)) for name, array in arrays)
    module = ir.Module((function,), named)
    text = ir.print_module(module)
    assert ir.parse(text) == module
    assert 'const @s = real[4000] float64 sparse "' in text
    assert 'const @d = real[30, 4] float32 "' in text
    elided = ir.print_module(module, elide=True)
    assert 'const @d = real[30, 4] float32 "..."\n' in elided
    assert len(elided) < 300


def test_comments_and_spacing_are_free() -> None:
    text = "func@f(%x:bit)->(%y:bit){%y=not %x// done\n\treturn %y}//"
    canonical = "func @f(%x: bit) -> (%y: bit) {\n  %y = not %x\n  return %y\n}\n"
    assert ir.print_module(ir.parse(text)) == canonical


def test_names_that_are_also_words_of_the_language() -> None:
    text = """\
func @func<in, mod>(%wrap: bit[mod], %map: bit[in]) -> (%return: bit[mod]) {
  %return = map %yield in 0..mod {
    %next = load %wrap[%yield mod 2 wrap]
    yield %next
  }
  return %return
}
"""
    assert ir.print_module(ir.parse(text)) == text


def test_many_ops_print_and_parse_in_time() -> None:
    builder, last = ir.Builder(["x"]), "x"
    for k in range(20_000):
        last = builder.op("xor", last, "x", k & 1, name=f"v{k}")
    function = builder.function("f", [("x", ir.BIT)], [("y", ir.BIT)], [last])
    module = ir.Module((function,))
    assert ir.parse(ir.print_module(module)) == module
