"""Programs that benchmarks time and tests compile, as text of the IR."""

from __future__ import annotations

import numpy as np

RULE30 = """\
func @rule30<N>(%cells: bit[N]) -> (%next: bit[N])
    proved exhaustive(inputs = 1048576) inferred(sizes = "N >= 1") {
  %next = map %i in 0..N {
    %left = load %cells[%i - 1 wrap]
    %mid = load %cells[%i]
    %right = load %cells[%i + 1 wrap]
    %any = or %mid, %right
    %out = xor %left, %any
    yield %out
  }
  return %next
}
"""

# On a grid with a border of any kind, which stands for BORDER.
LIFE = """\
func @life<N, M>(%grid: bit[N, M]) -> (%next: bit[N, M]) {
  %next = map %i in 0..N, %j in 0..M {
    %count = reduce add %di in -1..2, %dj in -1..2 {
      %x = load %grid[%di + %i BORDER, %dj + %j BORDER]
      yield %x
    }
    %centre = load %grid[%i, %j]
    %others = sub %count, %centre
    %three = eq %others, 3
    %two = eq %others, 2
    %stays = and %centre, %two
    %alive = or %three, %stays
    yield %alive
  }
  return %next
}
"""

BITS = """\
func @m<T>(%x: bit[T]) -> (%last: int<0..3>) {
  %y, %last = scan %t in 0..T with (%s: int<0..3> = 0) {
    %a = load %x[%t]
    %n = table [1, 0, 2, 1, 3, 0, 1, 2] of %s, %a
    next %n
    yield %n
  }
  return %last
}
"""


ACCEPTED = 2  # the state that `automaton` looks for


def automaton(states: int, symbols: int, each: bool) -> str:
    """Return a random automaton whose symbols permute the states: it never forgets its start.

    It gives for each step whether the state is `ACCEPTED`, or the last state.
    """
    rng = np.random.default_rng(states)
    columns = [rng.permutation(states).tolist() for _ in range(symbols)]
    entries = ", ".join(str(columns[a][s]) for s in range(states) for a in range(symbols))
    result, name = ("%y: bit[T]", "%y") if each else (f"%last: int<0..{states - 1}>", "%last")
    return f"""\
func @m<T>(%x: int<0..{symbols - 1}>[T]) -> ({result}) {{
  %y, %last = scan %t in 0..T with (%s: int<0..{states - 1}> = 0) {{
    %a = load %x[%t]
    %n = table [{entries}] of %s, %a
    %o = eq %n, {ACCEPTED}
    next %n
    yield %o
  }}
  return {name}
}}
"""


def binary_rules() -> str:
    rng = np.random.default_rng(1)
    lines = [f"  %x{k} = load %x[{k}]" for k in range(32)]
    for k in range(6):
        chosen = sorted(rng.choice(32, 4, replace=False))
        lines.append(f"  %c{k} = and " + ", ".join(f"%x{i}" for i in chosen))
    counted = ", ".join(f"%x{i}" for i in sorted(rng.choice(32, 12, replace=False)))
    lines.append(f"  %many = threshold 8 of {counted}")
    lines.append("  %y = or %many, " + ", ".join(f"%c{k}" for k in range(6)))
    body = "\n".join(lines)
    return f"func @rules(%x: bit[32]) -> (%y: bit) {{\n{body}\n  return %y\n}}"


def float_rules() -> str:
    rng = np.random.default_rng(2)
    lines: list[str] = []
    for k in range(32):
        lines += [f"  %x{k} = load %x[{k}]"]
        for half, cut in enumerate(rng.normal(size=2).astype(np.float32)):
            lines.append(f"  %b{k}_{half} = ge %x{k}, {float(cut)!r}")
    for k in range(6):
        chosen = sorted(rng.choice(32, 4, replace=False))
        lines.append(f"  %c{k} = and " + ", ".join(f"%b{i}_{k % 2}" for i in chosen))
    counted = ", ".join(f"%b{i}_0" for i in sorted(rng.choice(32, 12, replace=False)))
    lines.append(f"  %many = threshold 8 of {counted}")
    lines.append("  %y = or %many, " + ", ".join(f"%c{k}" for k in range(6)))
    body = "\n".join(lines)
    return f"func @rules(%x: real[32]) -> (%y: bit) {{\n{body}\n  return %y\n}}"


def logic_program(count: int) -> str:
    rng = np.random.default_rng(5)
    lines = [f"  %v{k} = load %x[{k}]" for k in range(32)]
    for k in range(32, 32 + count):
        a, b = rng.integers(max(0, k - 48), k, 2)
        lines.append(f"  %v{k} = {('and', 'or', 'xor')[rng.integers(3)]} %v{a}, %v{b}")
    tail = ", ".join(f"%v{k}" for k in range(count - 16, 32 + count))
    body = "\n".join(lines)
    return f"func @logic(%x: bit[32]) -> (%y: bit) {{\n{body}\n  %y = xor {tail}\n  return %y\n}}"
