"""Each folding rule on a program of its own, and programs before and after against each other."""

from __future__ import annotations

from random import Random

import pytest

from ddc.ir import Module, verify, walk
from ddc.ir.equivalence import compare
from ddc.ir.parser import parse
from ddc.ir.printer import print_module
from ddc.passes.dce import dce
from ddc.passes.fold import fold
from ddc.passes.hoist import hoist
from tests.ir.random_programs import Options, random_module

PARAMS = "%a: bit, %b: bit, %c: bit, %i: int<-5..5>, %p: int<0..9>, %r: real, %s: int{-1, 1}"
CONSTANTS = """
const @ints = int[3] int64 [5, -7, 9]
const @reals = real[2] float64 [0.5, 0.25]
"""

# The ops of a program that returns %y, and what is left of it; a literal stands for `return`.
RULES: list[tuple[str, str, str]] = [
    # constants
    ("literals", "%y = add 2, 3, -1", "4"),
    ("literal bits", "%y = xor 1, 1, 1", "1"),
    ("literal remainder", "%y = mod -7, 4", "1"),
    ("literal reals", "%y = mul 0.5, 3", "1.5"),
    ("literal threshold", "%y = threshold 2 of 1, 0, 1", "1"),
    ("const", "%k = const 3\n  %y = add %i, %k", "%y = add %i, 3"),
    ("index", "%k = index 7\n  %y = add %i, %k", "%y = add %i, 7"),
    ("constant array", "%y = load @ints[-1 wrap]", "9"),
    ("constant array, clamped", "%y = load @ints[7 clamp]", "9"),
    ("constant array, outside", "%y = load @ints[7 else 4]", "4"),
    ("constant reals", "%k = load @reals[1]\n  %y = add %r, %k", "%y = add %r, 0.25"),
    # neutral and deciding operands
    ("and 1", "%y = and %a, 1, %b", "%y = and %a, %b"),
    ("and 0", "%y = and %a, 0, %b", "0"),
    ("or 0", "%y = or 0, %a", "%a"),
    ("or 1", "%y = or %a, 1", "1"),
    ("add 0", "%y = add 0, %i", "%i"),
    ("add literals", "%y = add 2, %i, 3", "%y = add %i, 5"),
    ("mul 1", "%y = mul 1, %i", "%i"),
    ("mul 0", "%y = mul %i, %p, 0", "0"),
    ("mul 1.0 of a real", "%y = mul %r, 1.0", "%r"),
    ("sub 0", "%y = sub %i, 0", "%i"),
    ("0 - x", "%y = sub 0, %i", "%y = neg %i"),
    ("x - x", "%y = sub %i, %i", "0"),
    ("xor x, x", "%y = xor %a, %b, %a", "%b"),
    ("xor 1", "%y = xor %a, 1", "%y = not %a"),
    ("and x, x", "%y = and %a, %b, %a", "%y = and %a, %b"),
    ("x and not x", "%n = not %a\n  %y = and %a, %b, %n", "0"),
    ("x or not x", "%n = not %a\n  %y = or %n, %a", "1"),
    ("xor of complements", "%n = not %a\n  %m = not %b\n  %y = xor %n, %m", "%y = xor %a, %b"),
    ("one operand", "%y = max %i", "%i"),
    ("max with what is less", "%y = max %p, -1", "%p"),
    ("min with what is more", "%y = min %p, %i, 9", "%y = min %p, %i"),
    ("floordiv 1", "%y = floordiv %i, 1", "%i"),
    ("mod 1", "%y = mod %i, 1", "0"),
    ("abs", "%y = abs %p", "%p"),
    ("not not", "%n = not %a\n  %y = not %n", "%a"),
    ("neg neg", "%n = neg %r\n  %y = neg %n", "%r"),
    # flattening
    ("nested", "%n = or %a, %b\n  %y = or %c, %n", "%y = or %c, %a, %b"),
    ("nested sums of reals", "%n = add %r, 0.5\n  %y = add %n, 0.1", "%y = add %r, 0.5, 0.1"),
    # choice
    ("select 1", "%y = select 1, %i, %p", "%i"),
    ("select alike", "%y = select %a, %p, %p", "%p"),
    ("select a bit", "%y = select %a, 1, 0", "%a"),
    ("select its complement", "%y = select %a, 0, 1", "%y = not %a"),
    ("select by a complement", "%n = not %a\n  %y = select %n, %i, %p", "%y = select %a, %p, %i"),
    ("ranges decide", "%y = gt %p, 9", "0"),
    ("ranges decide equality", "%y = ne %p, 10", "1"),
    ("x <= x", "%y = le %i, %i", "1"),
    ("bit against literal", "%y = ge %a, 1", "%a"),
    ("bit against 0", "%y = eq 0, %a", "%y = not %a"),
    ("bit never", "%y = gt %a, 1", "0"),
    ("step of a bit", "%y = step %a", "%a"),
    ("round of an int", "%y = round %i", "%i"),
    ("threshold with a literal", "%y = threshold 2 of %a, 1, %b", "%y = threshold 1 of %a, %b"),
    ("threshold out of reach", "%y = threshold 3 of %a, %b", "0"),
    ("threshold always", "%y = threshold -1 of %s, %a weights [1, 3]", "1"),
    (
        "threshold without weight",
        "%y = threshold 2 of %a, %b, %s weights [2, 0, 1]",
        "%y = threshold 2 of %a, %s weights [2, 1]",
    ),
    # tables
    ("table of one value", "%y = table [3, 3] of %a", "3"),
    ("table that is its operand", "%y = table [0, 1] of %a", "%a"),
    ("table that is the complement", "%y = table [1, 0] of %a", "%y = not %a"),
    (
        "table whose operand is narrowed",
        "%k = select 0, %b, %s\n  %y = table [4, 5, 6] of %k",
        "%y = table [4, 6] of %s",
    ),
]


def program(ops: str) -> Module:
    """A program of those ops that returns %y, with the type that it has."""
    kinds = ("bit", "int", "real")
    for kind in kinds:
        text = f"func @f({PARAMS}) -> (%out: {kind}) {{\n  {ops}\n  return %y\n}}\n{CONSTANTS}"
        module = parse(text, check=False)
        if not verify(module):
            return module
    raise AssertionError(verify(parse(text, check=False)))


@pytest.mark.parametrize(("ops", "wanted"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_rule(ops: str, wanted: str) -> None:
    module = program(ops)
    folded = dce(fold(module))
    text = print_module(folded)
    lines = [line.strip() for line in text.splitlines()[1:] if line.startswith("  ")]
    if wanted.startswith("%y ="):
        assert lines == [wanted, "return %y"]
    else:
        assert lines == [f"return {wanted}"]
    assert compare(module, folded, samples=200).same


# What must stay as it is: no rule may round differently, or drop the sign of a zero.
KEPT = [
    "%y = add %r, 0",
    "%y = add %r, 0.5, 0.25",
    "%n = add %r, 0.5\n  %y = add 0.1, %n",
    "%y = sub %r, %r",
    "%y = mul %r, 0",
    "%y = eq %r, %r",
    "%y = exp 1.0",
    "%y = div %i, 1",
    "%y = add %i, 0.0",
    "%y = max %r, %r",
]


@pytest.mark.parametrize("ops", KEPT, ids=lambda text: text[:40])
def test_kept(ops: str) -> None:
    module = program(ops)
    assert fold(module) == module


def test_operands_of_tables_that_become_literals() -> None:
    module = program("%k = and %b, 0\n  %y = table [1, 0, 2, 5] of %a, %k")
    folded = dce(fold(module))
    assert folded.entry == program("%y = table [1, 2] of %a").entry
    assert not verify(folded)


def test_a_value_used_twice_is_not_flattened() -> None:
    module = program("%n = or %a, %b\n  %m = or %c, %n\n  %y = xor %m, %n")
    assert fold(module) == module


def test_a_value_is_not_moved_into_a_loop() -> None:
    text = """func @f<N>(%x: bit[N], %a: bit, %b: bit) -> (%y: bit[N]) {
  %n = or %a, %b
  %y = map %i in 0..N {
    %v = load %x[%i]
    %m = or %v, %n
    yield %m
  }
  return %y
}
"""
    assert fold(parse(text)) == parse(text)


def test_inside_loops() -> None:
    text = """func @f<N>(%x: bit[N]) -> (%y: int[N]) {
  %y = map %i in 0..N {
    %t = reduce add %j in 0..2 {
      %v = load %x[%i + %j wrap]
      %w = and %v, 1
      %z = index 1
      %u = mul %w, %z
      yield %u
    }
    %s = add %t, 0
    yield %s
  }
  return %y
}
"""
    wanted = """func @f<N>(%x: bit[N]) -> (%y: int[N]) {
  %y = map %i in 0..N {
    %t = reduce add %j in 0..2 {
      %v = load %x[%i + %j wrap]
      yield %v
    }
    yield %t
  }
  return %y
}
"""
    assert fold(parse(text)) == parse(wanted)


@pytest.mark.parametrize("flavour", ["plain", "reals", "wide"])
def test_random_programs_keep_their_meaning(flavour: str) -> None:
    options = Options(arrays=2, scalars=1, extent=2)
    options.reals, options.wide = flavour == "reals", flavour == "wide"
    before = after = 0
    for seed in range(150):
        rng = Random(seed)
        module = random_module(rng, options)
        sizes = {"N": rng.randint(2, 3)} if module.entry.sizes else {}
        for changed in (fold(module), hoist(module), dce(module), dce(fold(hoist(fold(module))))):
            assert not verify(changed), f"seed {seed}"
            verdict = compare(module, changed, sizes, samples=64, budget=1 << 14)
            assert verdict.same, f"seed {seed}: {verdict.counterexample}"
        before += sum(1 for _ in walk(module.entry.body))
        after += sum(1 for _ in walk(dce(fold(module)).entry.body))
    assert after < 0.6 * before


def test_folding_again_changes_nothing() -> None:
    for seed in range(100):
        once = dce(fold(random_module(Random(seed))))
        assert dce(fold(once)) == once, f"seed {seed}"
