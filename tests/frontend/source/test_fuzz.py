"""Random programs: CPython and the trace, run by the interpreter, give the same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc import ir
from tests.frontend.source.tracing import answers, array, bits, compiled, plain, traced

Draw = Callable[[st.SearchStrategy[Any]], Any]

PARAMS: dict[str, ir.Type] = {"a": ir.BIT, "b": ir.BIT, "n": ir.Int(-2, 2), "xs": array(ir.BIT, 3)}
BINARY = ("+", "-", "*", "&", "|", "^", "//", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or")


class Writer:
    """Writes a program of ints and lists of ints, in which every name has a value when it is read."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.numbers = ["a", "b", "n", "t", "u"]
        self.indent = 1
        self.loops = 0
        self.whiles = 0
        self.lines = ["def f(a, b, n, xs):", "    t, u, ys = 0, n, [a, 1 - b, n]"]

    def pick(self, choices: Any) -> Any:
        return choices[self.draw(st.integers(0, len(choices) - 1))]

    def number(self, depth: int = 0) -> str:
        kind = self.draw(st.integers(0, 11 if depth < 3 else 2))
        if kind == 0:
            return str(self.draw(st.integers(-3, 3)))
        if kind <= 2:
            return str(self.pick([*self.numbers, f"xs[{self.draw(st.integers(-3, 2))}]", "ys[0]"]))
        one, two = self.number(depth + 1), self.number(depth + 1)
        if kind <= 5:
            sign = self.pick(BINARY)
            other = f"({two}) % 3 + 1" if sign in ("//", "%") else two
            return f"(({one}) {sign} ({other}))"
        rest: dict[int, str] = {
            6: f"(({one}) if ({two}) else {self.number(depth + 1)})",
            7: f"({self.pick(['abs', 'int', 'bool', 'not ', '-', '~'])}({one}))",
            8: f"{self.pick(['min', 'max'])}({one}, {two})",
            9: f"{self.pick(['sum', 'any', 'all', 'max', 'min', 'len'])}({self.sequence(depth)})",
            10: f"({one} < {two} <= {self.number(depth + 1)})",
            11: f"(10, -1, 3, 7)[({one}) % 4]",
        }
        return rest[kind]

    def sequence(self, depth: int) -> str:
        kind = self.draw(st.integers(0, 5))
        inner = self.number(depth + 2)
        return [
            "xs",
            "ys",
            f"[x + ({inner}) for x in xs]",
            f"[{inner}, {self.number(depth + 2)}]",
            "sorted(xs + ys[:2])",
            f"[i * x for i, x in enumerate(ys) if i != {self.draw(st.integers(0, 2))}]",
        ][kind]

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def block(self, depth: int) -> None:
        self.indent += 1
        for _ in range(self.draw(st.integers(1, 3))):
            self.statement(depth + 1)
        self.indent -= 1

    def statement(self, depth: int = 0) -> None:
        kind = self.draw(st.integers(0, 11 if depth < 3 else 4))
        name = self.pick(["t", "u"])
        value = self.number()
        # Values stay small, so that products in loops do not explode.
        if kind <= 1:
            self.line(f"{name} = ({value}) % 7")
        elif kind == 2:
            sign = self.pick(["+=", "-=", "|=", "^="])
            self.line(f"{name} {sign} ({value}) % 4")
        elif kind == 3:
            self.line(f"ys[{self.pick(['0', '-1', 't % 3', 'a'])}] = ({value}) % 5")
        elif kind == 4:
            self.line(self.pick([f"t, u = u, ({value}) % 3", "ys = ys[::-1]", "ys = list(ys)"]))
        elif kind <= 7:
            self.line(f"if {value}:")
            self.block(depth)
            if self.draw(st.booleans()):
                self.line("else:")
                self.block(depth)
        elif kind == 8:
            self.loops += 1
            self.line(f"for k in {self.pick(['range(3)', 'xs', 'ys[1:]', 'reversed(xs)'])}:")
            self.numbers.append("k")
            self.block(depth)
            self.numbers.remove("k")
            self.loops -= 1
        elif kind == 9:
            self.line(f"if {value}:")
            leave = self.pick(["return", "return", *(["break", "continue"] if self.loops else [])])
            tail = f" ({self.number()}) % 9, t, ys[1]" if leave == "return" else ""
            self.line(f"    {leave}{tail}")
        elif kind == 10:
            self.whiles += 1
            left = f"w{self.whiles}"
            self.line(f"{left} = 2")
            self.line(f"while {left} > 0 and ({value}) % 2 == 0:")
            self.line(f"    {left} -= 1")
            self.loops += 1
            self.block(depth)
            self.loops -= 1
        else:
            self.line(f"ys = [({self.number()}) % 5 for y in ys]")

    def program(self) -> str:
        for _ in range(self.draw(st.integers(1, 5))):
            self.statement()
        self.line(f"return ({self.number()}), t, ys[2] + u")
        return "\n".join(self.lines) + "\n"


@st.composite
def programs(draw: Draw) -> str:
    """Draw the text of a program."""
    return Writer(draw).program()


def every_input() -> dict[str, np.ndarray[Any, Any]]:
    """Return all values of the parameters."""
    grid = bits(5)
    numbers = np.repeat(np.arange(-2, 3), len(grid))
    grid = np.tile(grid, (5, 1))
    return {"a": grid[:, 0], "b": grid[:, 1], "n": numbers, "xs": grid[:, 2:]}


@settings(max_examples=60, deadline=None)
@given(programs())
def test_random_programs(text: str) -> None:
    rows = every_input()
    run = compiled(text)
    try:
        module = traced(text, PARAMS, (ir.INT, ir.INT, ir.INT))
    except ir.DdcError as error:
        # Using a list that may be one that changed is refused; nothing else of these programs is.
        assert "after a change to what it may be" in str(error), text
        return
    for k, answer in enumerate(answers(module, rows)):
        args = [rows[name][k].tolist() for name in PARAMS]
        assert plain(answer) == plain(run(*args)), (text, args)
