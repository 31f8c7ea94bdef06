"""Recurrent ReLU networks and programs as IR text, for proofs over time."""

from __future__ import annotations

from collections.abc import Sequence

from ddc.ir import Module, parse

Rows = Sequence[Sequence[float]]


def relu_cell(
    w0: Rows,
    b0: Sequence[float],
    w1: Rows,
    b1: Sequence[float],
    g: Rows,
    c: Sequence[float],
    kind: str = "bit",
    start: Sequence[float] | None = None,
    code: str = "relu",
) -> Module:
    """Return `h' = w1 relu(w0 [h, x] + b0) + b1`, `y = round(g h' + c)` for one input of one type."""
    size = len(b1)
    lines = [
        f"func @net(%x: {kind}[6]) -> (%y: int[6]) {{",
        f"  %y, %h_last = scan %t in 0..6 with (%h: real[{size}] = @start) {{",
        "    %x_t = load %x[%t]",
        "    %step = pack %x_t to [1]",
        "    %hx = concat %h, %step",
        "    %d = dense %hx, @w0, @b0",
        f"    %r = {code} %d",
        "    %next_h = dense %r, @w1, @b1",
        "    %o = dense %next_h, @g, @c",
        "    %whole = round %o",
        "    %y_t = load %whole[0]",
        "    next %next_h",
        "    yield %y_t",
        "  }",
        "  return %y",
        "}",
        "",
        _vector("start", start if start is not None else [0.0] * size),
        _matrix("w0", w0),
        _vector("b0", b0),
        _matrix("w1", w1),
        _vector("b1", b1),
        _matrix("g", g),
        _vector("c", c),
    ]
    return parse("\n".join(lines))


def affine_cell(
    w: Rows, b: Sequence[float], g: Rows, c: Sequence[float], kind: str = "int<0..9>"
) -> Module:
    """Return `h' = w [h, x] + b`, `y = round(g h' + c)`."""
    size = len(b)
    lines = [
        f"func @net(%x: {kind}[6]) -> (%y: int[6]) {{",
        f"  %y, %h_last = scan %t in 0..6 with (%h: real[{size}] = @start) {{",
        "    %x_t = load %x[%t]",
        "    %step = pack %x_t to [1]",
        "    %hx = concat %h, %step",
        "    %d = dense %hx, @w, @b",
        "    %o = dense %d, @g, @c",
        "    %whole = round %o",
        "    %y_t = load %whole[0]",
        "    next %d",
        "    yield %y_t",
        "  }",
        "  return %y",
        "}",
        "",
        _vector("start", [0.0] * size),
        _matrix("w", w),
        _vector("b", b),
        _matrix("g", g),
        _vector("c", c),
    ]
    return parse("\n".join(lines))


def _vector(name: str, values: Sequence[float]) -> str:
    return (
        f"const @{name} = real[{len(values)}] float64 [{', '.join(map(repr, map(float, values)))}]"
    )


def _matrix(name: str, rows: Rows) -> str:
    shown = ", ".join("[" + ", ".join(map(repr, map(float, row))) + "]" for row in rows)
    return f"const @{name} = real[{len(rows)}, {len(rows[0])}] float64 [{shown}]"


def scan(registers: str, body: str, kind: str = "bit", result: str = "int") -> Module:
    """Return a program that scans %x[T] with some registers; the body ends with next and yield."""
    lasts = "".join(f", %last{k}" for k in range(registers.count("=")))
    return parse(
        f"func @program<T>(%x: {kind}[T]) -> (%y: {result}[T]) {{\n"
        f"  %y{lasts} = scan %i in 0..T with ({registers}) {{\n"
        f"    %v = load %x[%i]\n{body}\n  }}\n  return %y\n}}\n"
    )


def mapped(body: str, kind: str = "bit", result: str = "int") -> Module:
    """Return a program that maps over %x[T]; the body ends with yield."""
    return parse(
        f"func @program<T>(%x: {kind}[T]) -> (%y: {result}[T]) {{\n"
        f"  %y = map %i in 0..T {{\n{body}\n  }}\n  return %y\n}}\n"
    )


PARITY = scan("%s: bit = 0", "    %n = xor %s, %v\n    next %n\n    yield %n", result="bit")


def parity_cell(slope: float = 3.0, late: float = 0.0) -> Module:
    """Return parity with plateaus: a state within 1/6 of 0 or 1 is set right, `slope` 1 keeps errors.

    `late` is added at every step while the state is 0; with slope 1 it piles up.
    """
    # z = h + x; up(z) rises from 0 to 1 around 1/2, then falls around 3/2.
    s = slope
    edges = [0.5 - 0.5 / s, 0.5 + 0.5 / s, 1.5 - 0.5 / s, 1.5 + 0.5 / s]
    return relu_cell([[1, 1]] * 4, [-e for e in edges], [[s, -s, -s, s]], [late], [[1]], [0])
