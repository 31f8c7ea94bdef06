"""Texts from strangers: whatever they say, the parser answers with a module or a diagnostic."""

from __future__ import annotations

import re
import time
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ddc import ir
from tests.strategies import modules

RELAXED = settings(
    deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.reuse]
)
TOKENS = re.compile(r'"[^"\n]*"|[%@]?[A-Za-z_][\w.]*|\d+(?:\.\d+)?|\.\.|->|\s+|.')
ODD = ["0", "-1", "9" * 40, "1e5", "1/3", "1/0", "0x1p-3", "nan", "\x00", "\u20ac", '"', "//", "{"]


def answer(text: str) -> ir.Module | str:
    """Return what the parser makes of a text; anything but a module or a `DdcError` escapes."""
    start = time.perf_counter()
    try:
        return ir.parse(text)
    except ir.DdcError as error:
        return str(error)
    finally:
        assert time.perf_counter() - start < 5


def mutated(text: str, random: Random) -> str:
    """Return the text with a few tokens changed, removed, repeated or swapped."""
    tokens = TOKENS.findall(text)
    for _ in range(random.choice([1, 1, 2, 5])):
        at, other = random.randrange(len(tokens)), random.randrange(len(tokens))
        kind = random.randrange(6)
        if kind == 0:
            del tokens[at : at + random.choice([1, 1, 10])]
        elif kind == 1:
            tokens[at] = tokens[other]
        elif kind == 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == 3:
            tokens[at] = random.choice(ODD)
        elif kind == 4:
            tokens.insert(at, random.choice([*ODD, tokens[other]]))
        else:
            tokens[at:at] = tokens[at : at + 12]
        tokens = tokens or ["func"]
    return "".join(tokens)


@settings(RELAXED, max_examples=60)
@given(modules(network=True), st.integers(0, 1 << 30))
def test_mutated_text(module: ir.Module, seed: int) -> None:
    text, random = ir.print_module(module), Random(seed)
    for _ in range(10):
        found = answer(mutated(text, random))
        if isinstance(found, ir.Module):
            assert ir.parse(ir.print_module(found)) == found


@settings(RELAXED, max_examples=200)
@given(st.text() | st.text('func @f(%x: bit)->{}="/\\0123456789.e \n'))
def test_any_text(text: str) -> None:
    answer(text)
    for short in (ir.parse_type, ir.parse_params):
        try:
            short(text)
        except ir.DdcError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize(
    "unit", ["(", "{", "[", '"', '"\\', "func ", "//", "%", "1", "9e", "@a ", "-"]
)
def test_repeated_text(unit: str, size: int) -> None:
    assert isinstance(answer(unit * (size // len(unit))), str)


def function(body: str) -> str:
    """Return a function of one int."""
    return f"func @f(%x: int<0..1000>) -> (%y: int) {{\n{body}\n  %y = const 1\n  return %y\n}}"


def nested_maps(depth: int) -> str:
    """Return maps inside maps."""
    head = "".join(f"%v{k} = map %i{k} in 0..2 {{\n" for k in range(depth))
    tail = "".join(f"}}\nyield %v{k}\n" for k in reversed(range(1, depth)))
    return function(f"{head}yield 1\n{tail}}}")


def nested_quotients(depth: int) -> str:
    """Return an index with a remainder of a remainder of ..."""
    tail = "".join(f" + 1) mod {k + 7}" for k in range(depth))
    return function(f"%m = map %i in 0..4 {{\n%z = index {'(' * depth}%i{tail}\nyield %z\n}}")


SQUARES = "\n".join(f"%m{k + 1} = mul %m{k}, %m{k}" for k in range(60)).replace("%m0", "%x")
HUGE = {
    "squares": (function(SQUARES), True),
    "operands": (function("%s = add " + ", ".join(["%x"] * 20_000)), True),
    "factors": (function("%s = mul " + ", ".join(["9" * 1200] * 2000)), True),
    "power": (function(f"%s = pow {'9' * 1200}, 64"), True),
    "maps": (nested_maps(45), True),
    "too many maps": (nested_maps(55), False),
    "far too many maps": (nested_maps(2000), False),
    "quotients": (nested_quotients(90), True),
    "too many quotients": (nested_quotients(1000), False),
    "digits": (function(f"%s = const {'9' * 2000}"), False),
    "exponent": (function("%s = const 1e999999999"), False),
    "binary exponent": (function("%s = const 0x1p+999999999"), False),
    "fraction": (function(f"%s = const 1/{'7' * 1250}"), False),
    "dim": (f"func @f(%x: bit[{10**30}]) -> (%y: bit) {{ return 1 }}", False),
    "constant": (f"{function('')} const @c = real[{10**12}] float32 \"\"", False),
    "rank": (f"{function('')} const @c = int[{', '.join(['1'] * 1000)}] int64 1", False),
    "sparse": (f'{function("")} const @c = int[{10**9}] int64 sparse "" ""', False),
    "errors": (function("\n".join(f"%a{k} = and %x,, %x" for k in range(500))), False),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_text(name: str) -> None:
    text, good = HUGE[name]
    found = answer(text)
    assert isinstance(found, ir.Module) == good
    assert good or len(str(found)) < 10_000


EMPTY_LOOP = """\
func @f(%x: bit[4]) -> (%y: int) {{
  %m = map %i in 2..2 {{
    %k = index 2*%i - 1
    %r = {op}
    yield %r
  }}
  %y = const 1
  return %y
}}
"""


@pytest.mark.parametrize(
    "op",
    [
        "onehot %i size 3",
        "table [5] of %i",
        "floordiv 1, %k",
        "mod 1, %i",
        "embedding %i, @w",
        "pow %i, %k",
        "gather %x, %k border wrap",
        "mul %i, %k",
    ],
)
def test_ops_inside_a_loop_that_never_runs(op: str) -> None:
    constant = "\nconst @w = real[3, 1] float32 [[1.0], [2.0], [3.0]]\n" if "@w" in op else ""
    assert isinstance(answer(EMPTY_LOOP.format(op=op) + constant), ir.Module)
