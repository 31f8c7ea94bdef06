"""Kernels for bits in lanes as C: grids in packed layouts, and logic over rows.

The layouts are those of `ddc.backends.llvm.packed` and `.columns`: bit `l` of a vector belongs to
segment `l` of a grid, or to row `l` of a group of rows. With gcc and clang a vector is as wide as the
processor's; the same code with words of 64 bits is portable C11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.stencil import Offset, Stencil
from ddc.ir.equivalence.gates import Gates

PREAMBLE = """\
#include <stddef.h>
#include <stdint.h>

/* One bit for each lane: as many as a vector of the processor has, or 64. */
#if !defined(__GNUC__) || defined(PORTABLE)
typedef uint64_t Lanes;
#elif defined(__AVX512F__)
typedef uint64_t Lanes __attribute__((vector_size(64)));
#elif defined(__AVX2__)
typedef uint64_t Lanes __attribute__((vector_size(32)));
#else
typedef uint64_t Lanes __attribute__((vector_size(16)));
#endif
"""
SYMBOLS = {"and": "&", "xor": "^"}
ROWS = 4  # of a grid that are made at once
LONGEST = 72  # characters of an expression that is not named


def pipeline(stencil: Stencil, steps: int) -> str:
    """Return `advance(source, target, first, end)`: several steps of a row of cells in one pass.

    The last vectors of every time level are kept, and each new one is pushed through all levels.
    `steps * radius` vectors beyond both ends must be there; source and target may be the same.
    """
    (reach,) = stencil.radius
    window, ghost = 2 * reach, steps * reach
    names = {offset: f"cell{k}" for k, offset in enumerate(stencil.offsets)}
    lines, (out,) = _rules(stencil, [names])
    body: list[str] = []
    for (shift,), name in _read(names, [*lines, out]):
        place = f"past[t][{shift + reach}]" if shift < reach else "next"
        body.append(f"const Lanes {name} = {place};")
    body += lines
    body += [f"past[t][{k}] = past[t][{k + 1}];" for k in range(window - 1)]
    body += [f"past[t][{window - 1}] = next;"] if window else []
    text = [
        PREAMBLE,
        f"enum {{ STEPS = {steps}, GHOST = {ghost} }};",
        "",
        f"/* Makes {steps} steps of the cells first to end - 1 of every lane. */",
        "void advance(const Lanes *source, Lanes *target, int64_t first, int64_t end)",
        "{",
    ]
    if window:
        text += [
            f"    Lanes past[STEPS][{window}];",
            "    for (int t = 0; t < STEPS; t++) {",
            *(f"        past[t][{k}] = (Lanes){{0}};" for k in range(window)),
            "    }",
        ]
    text += [
        "    for (int64_t j = first - GHOST; j < end + GHOST; j++) {",
        "        Lanes next = source[j];",
        "#if defined(__GNUC__)",
        f"#pragma GCC unroll {steps}",
        "#endif",
        "        for (int t = 0; t < STEPS; t++) {",
        *(f"            {line}" for line in body),
        f"            next = {out};",
        "        }",
        "        if (j >= first + GHOST) {",
        "            target[j - GHOST] = next;",
        "        }",
        "    }",
        "}",
    ]
    return "\n".join(text) + "\n"


def _read(names: Mapping[Offset, str], texts: Sequence[str]) -> list[tuple[Offset, str]]:
    """Return the cells that occur in some texts: a rule need not depend on all that it reads."""
    words = set(re.findall(r"\w+", " ".join(texts)))
    return [(offset, name) for offset, name in names.items() if name in words]


def rows(stencil: Stencil, count: int) -> str:
    """Return `step(source, target, from, to, rows, columns)`: one step of a block of cells.

    `from` and `to` are the strides of source and target. `count` rows are made at once, so that what
    their windows have in common is computed once.
    """
    groups = {group: _row_group(stencil, group) for group in (count, 1)}
    constant = not any("= source +" in line for lines in groups.values() for line in lines)
    text = [
        PREAMBLE,
        "/* Makes one step of a block of cells; from and to are the vectors from row to row. */",
        "void step(const Lanes *restrict source, Lanes *restrict target, int64_t from, int64_t to,",
        "          int64_t rows, int64_t columns)",
        "{",
        *(["    (void)source, (void)from;"] if constant else []),
        "    int64_t row = 0;",
    ]
    for group, lines in groups.items():
        text.append(f"    for (; row + {group} <= rows; row += {group}) {{")
        text += [f"        {line}" for line in lines]
        text.append("    }")
    return "\n".join([*text, "}"]) + "\n"


def _row_group(stencil: Stencil, count: int) -> list[str]:
    wanted: list[Offset] = sorted({(o[0] + k, o[1]) for o in stencil.offsets for k in range(count)})
    levels = sorted({o[0] for o in wanted})
    numbers = {r: f"row{k}" for k, r in enumerate(levels)}
    names = {o: f"cell{k}" for k, o in enumerate(wanted)}
    places = [{o: names[(o[0] + k, o[1])] for o in stencil.offsets} for k in range(count)]
    lines, outputs = _rules(stencil, places)
    read = _read(names, [*lines, *outputs])
    levels = [r for r in levels if any(o[0] == r for o, _ in read)]
    head = [f"const Lanes *{numbers[r]} = source + ({_shifted('row', r)}) * from;" for r in levels]
    head += [f"Lanes *out{k} = target + ({_shifted('row', k)}) * to;" for k in range(count)]
    body = [f"const Lanes {name} = {numbers[o[0]]}[{_shifted('x', o[1])}];" for o, name in read]
    body += [*lines, *(f"out{k}[x] = {value};" for k, value in enumerate(outputs))]
    return [
        *head,
        "for (int64_t x = 0; x < columns; x++) {",
        *(f"    {line}" for line in body),
        "}",
    ]


def _shifted(name: str, by: int) -> str:
    return name if by == 0 else f"{name} {'-' if by < 0 else '+'} {abs(by)}"


def columns(gates: Gates, outputs: Sequence[int]) -> str:
    """Return `run(inputs, outputs, stride, first, end)`: vectors `first` to `end - 1` of columns.

    Column k of the inputs begins `k * stride` vectors after `inputs`; outputs likewise.
    """
    numbers = sorted(gates.left[n] for n in cone(gates, outputs) if gates.kind[n] == "variable")
    names = {number: f"x{number}" for number in numbers}
    lines, values = network(gates, outputs, names)
    body = [f"const Lanes x{n} = inputs[{n} * stride + v];" for n in numbers]
    body += [*lines, *(f"outputs[{k} * stride + v] = {value};" for k, value in enumerate(values))]
    text = [
        PREAMBLE,
        "/* Computes the vectors first to end - 1 of every column of outputs. */",
        "void run(const Lanes *restrict inputs, Lanes *restrict outputs, int64_t stride,",
        "         int64_t first, int64_t end)",
        "{",
        *([] if numbers else ["    (void)inputs;"]),
        "    for (int64_t v = first; v < end; v++) {",
        *(f"        {line}" for line in body),
        "    }",
        "}",
    ]
    return "\n".join(text) + "\n"


def _rules(stencil: Stencil, places: Sequence[Mapping[Offset, str]]) -> tuple[list[str], list[str]]:
    """Return the statements and results of the rule at several places, which share signals."""
    gates = Gates()
    numbers: dict[str, int] = {}
    outputs: list[int] = []
    for cells in places:
        signals = {
            o: gates.variable(numbers.setdefault(cells[o], len(numbers))) for o in stencil.offsets
        }
        outputs.append(stencil.output(gates, signals))
    return network(gates, outputs, {n: name for name, n in numbers.items()})


def network(
    gates: Gates, outputs: Sequence[int], names: Mapping[int, str]
) -> tuple[list[str], list[str]]:
    """Return statements that compute a network of gates, and the texts of its outputs.

    `names` gives the C names of the variables by number. What is used once is written in place.
    """
    nodes = cone(gates, outputs)
    uses = dict.fromkeys(nodes, 0)
    for node in nodes:
        for signal in _operands(gates, node):
            uses[signal >> 1] += 1
    for signal in outputs:
        uses[signal >> 1] += 2
    lines: list[str] = []
    texts: dict[int, str] = {}
    flipped: set[int] = set()  # nodes whose text is their complement

    def negative(signal: int) -> bool:
        return bool(signal & 1) ^ (signal >> 1 in flipped)

    def read(signal: int) -> str:
        if signal in (0, 1):
            return "~(Lanes){0}" if signal else "(Lanes){0}"
        return f"~{texts[signal >> 1]}" if negative(signal) else texts[signal >> 1]

    for node in nodes:
        if gates.kind[node] == "variable":
            texts[node] = names[gates.left[node]]
        if gates.kind[node] not in SYMBOLS:
            continue
        operands, symbol = _operands(gates, node), SYMBOLS[gates.kind[node]]
        a, b = (texts[s >> 1] for s in operands)
        inverted = [negative(s) for s in operands]
        if gates.kind[node] == "and" and all(inverted):
            symbol = "|"
        elif gates.kind[node] == "and":
            a, b = (read(s) for s in operands)
        if (symbol == "|") or (symbol == "^" and inverted[0] != inverted[1]):
            flipped.add(node)
        text = f"{a} {symbol} {b}"
        if uses[node] == 1 and len(text) < LONGEST:
            texts[node] = f"({text})"
            continue
        texts[node] = f"t{len(lines)}"
        lines.append(f"const Lanes {texts[node]} = {text};")
    return lines, [read(signal) for signal in outputs]


def _operands(gates: Gates, node: int) -> tuple[int, ...]:
    if gates.kind[node] in SYMBOLS:
        return gates.left[node], gates.right[node]
    return ()
