"""Programs written in more than one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ddc.ir import (
    BIT,
    Affine,
    Array,
    Builder,
    Function,
    Index,
    Module,
    Scalar,
    Size,
    State,
    Type,
    check,
    value_types,
)

N = Affine.symbol("N")
Body = Callable[[Builder, list[str]], Any]


def array(scalar: Scalar, *shape: int | Affine) -> Array:
    return Array(scalar, tuple(Affine.of(d) for d in shape))


def finish(
    b: Builder,
    params: dict[str, Type],
    returns: Sequence[Any],
    sizes: tuple[Size, ...] = (),
    others: tuple[Function, ...] = (),
    where: str | None = None,
) -> Module:
    """Return a checked module whose results have the types of the values returned."""
    bare = b.function("f", list(params.items()), [], [], sizes)
    types = value_types(bare, Module((bare,)))
    results = [(f"out{k}", types[name]) for k, name in enumerate(returns)]
    entry = b.function("f", list(params.items()), results, returns, sizes)
    return check(Module((replace(entry, where=where), *others)))


def on_entries(count: int, body: Body, scalar: Scalar = BIT) -> Module:
    """A program over `count` loaded entries of one array %x; the body returns a value or several."""
    b = Builder(["x"])
    returned = body(b, [b.load("x", k) for k in range(count)])
    returns = returned if isinstance(returned, list) else [returned]
    return finish(b, {"x": array(scalar, count)}, returns)


def cells(body: Callable[[Builder, str, str, str], str], border: str = "wrap") -> Module:
    """A cellular automaton on N cells."""
    b = Builder(["x"])
    loop = b.loop("i", 0, N)
    i = Affine.symbol(loop.symbol)
    other = 0 if border == "else" else None
    with b.body() as ops:
        left = b.load("x", Index(i - 1, border, other))
        mid = b.load("x", i)
        right = b.load("x", Index(i + 1, border, other))
        out = body(b, left, mid, right)
    (result,) = b.map([loop], ops, [out], ["y"])
    return finish(b, {"x": array(BIT, N)}, [result], (Size("N"),))


def rule30() -> Module:
    return cells(lambda b, x, y, z: b.op("xor", x, b.op("or", y, z)))


def rule30_table(flipped: int | None = None) -> Module:
    entries = [0, 1, 1, 1, 1, 0, 0, 0]
    if flipped is not None:
        entries[flipped] ^= 1
    return cells(lambda b, x, y, z: b.op("table", x, y, z, entries=tuple(entries)))


def adder(count: int, carry: Callable[[Builder, str, str], str]) -> Module:
    """Two numbers of `count` bits, least significant first, added bit by bit."""
    b = Builder(["a", "b"])
    loop = b.loop("t", 0, count)
    t = Affine.symbol(loop.symbol)
    state = State(b.fresh("c"), BIT, 0)
    with b.body() as ops:
        x, y = b.load("a", t), b.load("b", t)
        total = b.op("xor", x, y, state.name)
        following = carry(b, x, y)
    results = b.scan(loop, [state], ops, [following], [total], ["sum", "over"])
    return finish(b, {"a": array(BIT, count), "b": array(BIT, count)}, list(results))


def majority_carry(b: Builder, x: str, y: str) -> str:
    return b.op("threshold", x, y, "c", least=2)


def select_carry(b: Builder, x: str, y: str) -> str:
    return b.op("select", b.op("ne", x, y), "c", x)


def forgetful_carry(b: Builder, x: str, y: str) -> str:
    return b.op("and", x, y)
