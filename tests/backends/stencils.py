"""Random programs over grids: each cell a function of the cells around it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

BORDERS = ("wrap", "clamp", "else 0", "else 1")
PACKED_BORDERS = ("wrap", "else 0", "else 1")
SIZES = "NMK"
LARGEST = 120  # of an int on the way: it stays within a byte, or is brought there


class _Body:
    """The lines of a cell, and what is there to compute with: names with their ranges."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.bits: list[str] = []
        self.ints: list[tuple[str, int, int]] = []

    def add(self, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def bit(self) -> str:
        return str(self.draw(st.sampled_from(self.bits)))

    def number(self) -> tuple[str, int, int]:
        bits = [(name, 0, 1) for name in self.bits]
        found: tuple[str, int, int] = self.draw(st.sampled_from([*self.ints, *bits]))
        return found

    def grow(self) -> None:
        kinds = ("logic", "logic", "not", "threshold", "compare", "compare", "select")
        kind = self.draw(
            st.sampled_from((*kinds, "sum", "sum", "difference", "product", "extreme"))
        )
        getattr(self, kind)()

    def logic(self) -> None:
        operands = [self.bit() for _ in range(self.draw(st.integers(2, 4)))]
        op = self.draw(st.sampled_from(("and", "or", "xor")))
        self.bits.append(self.add(f"{op} {', '.join(operands)}"))

    def threshold(self) -> None:
        operands = [self.bit() for _ in range(self.draw(st.integers(1, 5)))]
        least = self.draw(st.integers(0, len(operands)))
        self.bits.append(self.add(f"threshold {least} of {', '.join(operands)}"))

    def compare(self) -> None:
        op = self.draw(st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge")))
        first = self.number()
        other = self.draw(st.integers(first[1] - 1, first[2] + 1))
        second = self.number()[0] if self.draw(st.booleans()) else str(other)
        self.bits.append(self.add(f"{op} {first[0]}, {second}"))

    def number_of(self, text: str, low: int, high: int) -> None:
        name = self.add(text)
        if low < -LARGEST:
            name, low, high = self.add(f"max {name}, {-LARGEST}"), -LARGEST, max(high, -LARGEST)
        if high > LARGEST:
            name, high = self.add(f"min {name}, {LARGEST}"), LARGEST
        self.ints.append((name, low, high))

    def sum(self) -> None:
        terms = [self.number() for _ in range(self.draw(st.integers(2, 9)))]
        text = f"add {', '.join(t[0] for t in terms)}"
        self.number_of(text, sum(t[1] for t in terms), sum(t[2] for t in terms))

    def difference(self) -> None:
        a, b = self.number(), self.number()
        self.number_of(f"sub {a[0]}, {b[0]}", a[1] - b[2], a[2] - b[1])

    def product(self) -> None:
        a, factor = self.number(), self.draw(st.integers(-3, 3))
        ends = sorted((a[1] * factor, a[2] * factor))
        self.number_of(f"mul {a[0]}, {factor}", ends[0], ends[1])

    def extreme(self) -> None:
        a, b = self.number(), self.number()
        op = self.draw(st.sampled_from(("min", "max")))
        self.number_of(f"{op} {a[0]}, {b[0]}", min(a[1], b[1]), max(a[2], b[2]))

    def select(self) -> None:
        a, b = self.number(), self.number()
        low, high = min(a[1], b[1]), max(a[2], b[2])
        self.number_of(f"select {self.bit()}, {a[0]}, {b[0]}", low, high)


def _not(self: _Body) -> None:
    self.bits.append(self.add(f"not {self.bit()}"))


setattr(_Body, "not", _not)


@st.composite
def stencils(draw: Any, axes: int | None = None, bits: bool = False) -> str:
    """Draw the text of a program `@f` over a grid `%x`; `bits` makes it one that can be packed."""
    count = draw(st.integers(1, 3)) if axes is None else axes
    body = _Body(draw)
    whole = not bits and draw(st.booleans())
    low, high = draw(st.sampled_from(((-4, 3), (0, 9), (-1, 1)))) if whole else (0, 1)
    kinds = PACKED_BORDERS if bits else BORDERS
    borders = [draw(st.sampled_from(kinds)) for _ in range(count)]
    variables = [f"%{v}" for v in "ijk"[:count]]
    reach = draw(st.integers(0, 2))
    for _ in range(draw(st.integers(1, 6))):
        places: list[str] = []
        for var, border in zip(variables, borders):
            shift = draw(st.integers(-reach, reach))
            sign = "-" if shift < 0 else "+"
            places.append(f"{var} {sign} {abs(shift)} {border}" if shift else var)
        name = body.add(f"load %x[{', '.join(places)}]")
        if whole:
            body.ints.append((name, low, high))
        else:
            body.bits.append(name)
    if whole:
        body.bits.append(body.add(f"gt {body.ints[0][0]}, 0"))
    for _ in range(draw(st.integers(0, 7))):
        body.grow()
    result, given = "bit", f"int<{low}..{high}>" if whole else "bit"
    last = body.bits[-1]
    if not bits and body.ints and draw(st.booleans()):
        last = body.ints[-1][0]
        result = f"int<{-LARGEST}..{LARGEST}>"
    sizes = ", ".join(SIZES[:count])
    loops = ", ".join(f"{v} in 0..{n}" for v, n in zip(variables, SIZES))
    lines = "\n".join(f"    {line}" for line in body.lines)
    return (
        f"func @f<{sizes}>(%x: {given}[{sizes}]) -> (%y: {result}[{sizes}]) {{\n"
        f"  %y = map {loops} {{\n{lines}\n    yield {last}\n  }}\n  return %y\n}}\n"
    )
