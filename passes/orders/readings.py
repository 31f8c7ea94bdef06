"""What is asked of an array of numbers: the greatest, its place, where it stands, whether sorted.

Each reading computes its answer and writes it down; all of them take any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Affine, Builder, Loop, Operand

Ints = NDArray[np.int64]


class Writer:
    """Writes loops over one array of numbers."""

    def __init__(self, builder: Builder, array: str, size: int) -> None:
        self.builder, self.array, self.size = builder, array, size

    def over(self, kind: str, body: Callable[[Operand, str], Operand], name: str) -> str:
        """Reduce by `kind` what the body makes of each number and its place."""
        loop = Loop(self.builder.fresh("i"), Affine.of(0), Affine.of(self.size))
        with self.builder.body() as ops:
            value = self.builder.load(self.array, Affine.symbol(loop.symbol), name="one")
            value_of = body(value, loop.symbol)
        return self.builder.reduce(kind, [loop], ops, value_of, name)

    def each(self, body: Callable[[Operand], Operand], name: str) -> str:
        """Map a body over the numbers."""
        loop = Loop(self.builder.fresh("i"), Affine.of(0), Affine.of(self.size))
        with self.builder.body() as ops:
            value = self.builder.load(self.array, Affine.symbol(loop.symbol), name="one")
            found = body(value)
        return self.builder.map([loop], ops, [found], [name])[0]

    def op(self, code: str, *operands: Operand, name: str) -> str:
        """Write one op."""
        return self.builder.op(code, *operands, name=name)

    def extreme(self, end: str) -> str:
        """Write the greatest or the least number."""
        return self.over(end, lambda x, _: x, "top" if end == "max" else "least")

    def place(self, end: str) -> str:
        """Write the first place of the greatest or the least number."""
        if end == "max":
            return self.over("argmax", lambda x, _: x, "place")
        return self.over("argmax", lambda x, _: self.op("neg", x, name="below"), "place")

    def times(self, value: str) -> str:
        """Write how often a value occurs."""
        return self.over("count", lambda x, _: self.op("eq", x, value, name="same"), "times")


@dataclass(frozen=True)
class Reading:
    """One question: its answer for rows of numbers [rows, outputs], and how it is written."""

    answer: Callable[[Ints], Ints]
    write: Callable[[Writer], Operand]


def scalars(rows: Ints, wanted: Ints) -> Iterator[Reading]:
    """Yield the questions whose answer is one number, plain ones first."""
    for end in ("max", "min"):
        yield Reading(_extreme(end), partial(Writer.extreme, end=end))
    for end in ("max", "min"):
        yield Reading(_place(end), partial(Writer.place, end=end))
    yield Reading(
        lambda x: (x.max(axis=1) - x.min(axis=1))[:, None],
        lambda w: w.op("sub", w.extreme("max"), w.extreme("min"), name="range"),
    )
    for code in ("le", "lt", "ge", "gt"):
        yield Reading(_sorted(code), partial(_write_sorted, code=code))
    for end in ("max", "min"):
        yield from _limited(end, rows, wanted)


def _limited(end: str, rows: Ints, wanted: Ints) -> Iterator[Reading]:
    """Yield the place of an extreme where it occurs at most so often, one fixed place elsewhere."""
    times = _times(end, rows)
    for most in range(1, rows.shape[1]):
        others = np.unique(wanted[times > most])
        if len(others) == 1:
            other = int(others[0])

            def answer(x: Ints, most: int = most, other: int = other) -> Ints:
                few = (_times(end, x)[:, None] <= most).astype(np.int64)
                found: Ints = _place(end)(x) * few + other * (1 - few)
                return found

            def write(w: Writer, most: int = most, other: int = other) -> Operand:
                few = w.op("le", w.times(w.extreme(end)), most, name="few")
                return w.op("select", few, w.place(end), other, name="place")

            yield Reading(answer, write)


def marks(rows: Ints, wanted: Ints) -> Iterator[Reading]:
    """Yield the questions with a bit for every number: is it an extreme, and not too often."""
    size = rows.shape[1]
    for end in ("max", "min"):
        for most in (size, *range(1, size)):

            def answer(x: Ints, end: str = end, most: int = most) -> Ints:
                few = _times(end, x)[:, None] <= (most if most < size else x.shape[1])
                found: Ints = ((x == _extreme(end)(x)) & few).astype(np.int64)
                return found

            def write(w: Writer, end: str = end, most: int = most) -> Operand:
                top = w.extreme(end)
                if most >= size:
                    return w.each(lambda x: w.op("eq", x, top, name="same"), "marks")
                few = w.op("le", w.times(top), most, name="few")

                def body(x: Operand) -> Operand:
                    return w.op("and", few, w.op("eq", x, top, name="same"), name="mark")

                return w.each(body, "marks")

            yield Reading(answer, write)


def _extreme(end: str) -> Callable[[Ints], Ints]:
    def answer(x: Ints) -> Ints:
        found: Ints = x.max(axis=1) if end == "max" else x.min(axis=1)
        return found[:, None]

    return answer


def _place(end: str) -> Callable[[Ints], Ints]:
    def answer(x: Ints) -> Ints:
        found: Ints = x.argmax(axis=1) if end == "max" else x.argmin(axis=1)
        return found[:, None]

    return answer


def _times(end: str, x: Ints) -> Ints:
    found: Ints = (x == _extreme(end)(x)).sum(axis=1)
    return found


_COMPARE: dict[str, Callable[[Ints, Ints], NDArray[np.bool_]]] = {
    "le": np.less_equal,
    "lt": np.less,
    "ge": np.greater_equal,
    "gt": np.greater,
}


def _sorted(code: str) -> Callable[[Ints], Ints]:
    def answer(x: Ints) -> Ints:
        holds = _COMPARE[code](x[:, :-1], x[:, 1:])
        found: Ints = holds.astype(np.int64).min(axis=1)
        return found[:, None]

    return answer


def _write_sorted(w: Writer, code: str) -> Operand:
    loop = Loop(w.builder.fresh("i"), Affine.of(0), Affine.of(w.size - 1))
    with w.builder.body() as ops:
        here = w.builder.load(w.array, Affine.symbol(loop.symbol), name="one")
        after = w.builder.load(w.array, Affine.symbol(loop.symbol) + 1, name="next_one")
        value = w.op(code, here, after, name="ordered")
    return w.builder.reduce("and", [loop], ops, value, "sorted")


__all__ = ["Reading", "Writer", "marks", "scalars"]
