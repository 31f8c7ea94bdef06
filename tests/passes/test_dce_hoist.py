"""Dead code and common subexpressions, each case as text before and after."""

from __future__ import annotations

import pytest

from ddc.ir.parser import parse
from ddc.passes.dce import dce
from ddc.passes.hoist import hoist


def body(text: str, head: str = "<N>(%x: bit[N], %a: bit, %b: bit) -> (%y: bit)") -> str:
    lines = "\n".join(f"  {line}" for line in text.strip().splitlines())
    return f"func @f{head} {{\n{lines}\n}}\n"


DEAD = {
    "an op": ("%n = not %a\n%y = or %a, %b\nreturn %y", "%y = or %a, %b\nreturn %y"),
    "a chain": ("%n = not %a\n%m = not %n\nreturn %b", "return %b"),
    "one of two yields": (
        """%p, %q = map %i in 0..N {
  %v = load %x[%i]
  %w = not %v
  %u = and %v, %a
  yield %w, %u
}
%y = load %q[0]
return %y""",
        """%q = map %i in 0..N {
  %v = load %x[%i]
  %u = and %v, %a
  yield %u
}
%y = load %q[0]
return %y""",
    ),
    "a state that only feeds itself": (
        """%seq, %fs, %ft = scan %i in 0..N with (%s: bit = 0, %t: bit = 1) {
  %v = load %x[%i]
  %u = xor %s, %v
  %w = not %t
  next %u, %w
  yield %u
}
return %fs""",
        """%fs = scan %i in 0..N with (%s: bit = 0) {
  %v = load %x[%i]
  %u = xor %s, %v
  next %u
}
return %fs""",
    ),
    "a state that another state needs": (
        """%fs, %ft = scan %i in 0..N with (%s: bit = 0, %t: bit = 1) {
  %v = load %x[%i]
  %u = xor %s, %v, %t
  %w = not %t
  next %u, %w
}
return %fs""",
        None,
    ),
    "a scan that needs no state is a map": (
        """%seq, %fs = scan %i in 0..N with (%s: bit = 0) {
  %v = load %x[%i]
  next %v
  yield %v
}
%y = load %seq[0]
return %y""",
        """%seq = map %i in 0..N {
  %v = load %x[%i]
  yield %v
}
%y = load %seq[0]
return %y""",
    ),
    "a loop variable that only an index names": (
        """%p = map %i in 0..N {
  %r = reduce or %j in 0..%i + 1 {
    %k = index %j + 1
    %v = load %x[%j clamp]
    yield %v
  }
  yield %r
}
%y = load %p[0]
return %y""",
        """%p = map %i in 0..N {
  %r = reduce or %j in 0..%i + 1 {
    %v = load %x[%j clamp]
    yield %v
  }
  yield %r
}
%y = load %p[0]
return %y""",
    ),
}


@pytest.mark.parametrize("name", DEAD)
def test_dead(name: str) -> None:
    before, after = DEAD[name]
    assert dce(parse(body(before))) == parse(body(before if after is None else after))


def test_constants_that_nobody_reads_go() -> None:
    text = body("%d = load @k[0]\nreturn %a") + "\nconst @k = int[2] int64 [3, 4]\n"
    assert dce(parse(text)) == parse(body("return %a"))


COMMON = {
    "the same op": (
        "%p = and %a, %b\n%q = and %a, %b\n%y = xor %p, %q\nreturn %y",
        "%p = and %a, %b\n%y = xor %p, %p\nreturn %y",
    ),
    "operands in another order": (
        "%p = and %a, %b\n%q = and %b, %a\n%y = or %p, %q\nreturn %y",
        "%p = and %a, %b\n%y = or %p, %p\nreturn %y",
    ),
    "what follows from it": (
        "%p = not %a\n%q = not %a\n%m = or %p, %b\n%n = or %q, %b\n%y = and %m, %n\nreturn %y",
        "%p = not %a\n%m = or %p, %b\n%y = and %m, %m\nreturn %y",
    ),
    "seen from an inner block": (
        """%p = and %a, %b
%r = map %i in 0..N {
  %q = and %a, %b
  %v = load %x[%i]
  %w = or %v, %q
  yield %w
}
%y = load %r[0]
return %y""",
        """%p = and %a, %b
%r = map %i in 0..N {
  %v = load %x[%i]
  %w = or %v, %p
  yield %w
}
%y = load %r[0]
return %y""",
    ),
    "whole loops, whatever their names": (
        """%p = reduce or %i in 0..N {
  %v = load %x[%i]
  yield %v
}
%q = reduce or %j in 0..N {
  %w = load %x[%j]
  yield %w
}
%y = and %p, %q
return %y""",
        """%p = reduce or %i in 0..N {
  %v = load %x[%i]
  yield %v
}
%y = and %p, %p
return %y""",
    ),
    "not out of a block": (
        """%p = reduce or %i in 0..N {
  %v = and %a, %b
  yield %v
}
%q = and %a, %b
%y = or %p, %q
return %y""",
        None,
    ),
    "not another border": (
        "%p = load %x[0 wrap]\n%q = load %x[0 clamp]\n%y = or %p, %q\nreturn %y",
        None,
    ),
    "not another attribute": (
        "%p = threshold 1 of %a, %b\n%q = threshold 2 of %a, %b\n%y = or %p, %q\nreturn %y",
        None,
    ),
    "not a difference turned round": (
        "%p = sub %a, %b\n%q = sub %b, %a\n%y = eq %p, %q\nreturn %y",
        None,
    ),
}


@pytest.mark.parametrize("name", COMMON)
def test_common(name: str) -> None:
    before, after = COMMON[name]
    assert hoist(parse(body(before))) == parse(body(before if after is None else after))


def test_sums_of_reals_keep_their_order() -> None:
    head = "(%a: real, %b: real, %c: real) -> (%y: real)"
    kept = body("%p = add %a, %b, %c\n%q = add %c, %b, %a\n%y = sub %p, %q\nreturn %y", head)
    assert hoist(parse(kept)) == parse(kept)
    merged = body("%p = add %a, %b\n%q = add %b, %a\n%y = sub %p, %q\nreturn %y", head)
    assert hoist(parse(merged)) == parse(body("%p = add %a, %b\n%y = sub %p, %p\nreturn %y", head))


def test_an_int_is_not_a_real_of_the_same_value() -> None:
    head = "(%a: int) -> (%y: real)"
    text = body("%p = mul %a, 3\n%q = mul %a, 3.0\n%y = sub %p, %q\nreturn %y", head)
    assert hoist(parse(text)) == parse(text)
