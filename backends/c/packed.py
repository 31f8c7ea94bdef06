"""Kernels for bits in lanes as C: grids in packed layouts, and logic over rows.

The layouts are those of `ddc.backends.llvm.packed` and `.columns`: bit `l` of a vector belongs to
segment `l` of a grid, or to row `l` of a group of rows. With gcc and clang a vector is as wide as the
processor's; the same code with words of 64 bits is portable C11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.luts import Recipe, recipe
from ddc.backends.lowering.sharing import Look, Plan, Value, normal, plan, reads_of, rule_recipe
from ddc.backends.lowering.stencil import Stencil
from ddc.ir.equivalence.gates import Gates

from .formulas import Functions

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
SMALL_RULE = 8  # look-ups; rows of less are made two at once, which saves loads
LONGEST_LEVEL = 64  # look-ups of a pipeline's level


class _Lines:
    """Statements that compute the look-ups of rules, each once."""

    def __init__(self, functions: Functions) -> None:
        self.functions = functions
        self.lines: list[str] = []
        self._known: dict[str, str] = {}

    def result(self, rule: Recipe, variables: Mapping[int, str]) -> str:
        """Return the value of a rule, given the names of its variables."""
        names: dict[object, str] = {("variable", k): name for k, name in variables.items()}
        for step in rule.steps:
            text = self.functions.call(step.table, [names[name] for name in step.reads])
            if step.name == rule.result:
                return text
            names[step.name] = self._named(text)
        return names[rule.result]

    def _named(self, text: str) -> str:
        if text not in self._known:
            self._known[text] = f"t{len(self._known)}"
            self.lines.append(f"const Lanes {self._known[text]} = {text};")
        return self._known[text]


def _file(functions: Functions, text: Sequence[str]) -> str:
    return "\n".join([PREAMBLE, *functions.lines(), *text, ""])


def _loops(variable: str, start: str, end: str, bodies: Mapping[int, Sequence[str]]) -> list[str]:
    """Return the loops of a function, each by its step: one goes on where the last one stops."""
    declared = f"int64_t {variable} = {start}"
    lines = [f"    {declared};"] if len(bodies) > 1 else []
    for step, body in bodies.items():
        head = f"{variable} < {end}; {variable}++"
        if step > 1:
            head = f"{variable} + {step} <= {end}; {variable} += {step}"
        lines.append(f"    for ({declared if len(bodies) == 1 else ''}; {head}) {{")
        lines += [line if line.startswith("#") else f"        {line}" for line in body]
        lines.append("    }")
    return lines


def _shifted(name: str, by: int) -> str:
    return name if by == 0 else f"{name} {'-' if by < 0 else '+'} {abs(by)}"


# ---------------------------------------------------------------- one axis: a register pipeline


def pipeline(stencil: Stencil, steps: int) -> str:
    """Return `advance(source, target, first, end)`: several steps of a row of cells in one pass.

    The last vectors of every time level are kept, and new ones are pushed through all levels: as
    many at once as a level keeps, which then need not be moved. `steps * radius` vectors beyond
    both ends must be there; source and target may be the same.
    """
    (reach,) = stencil.radius
    window, ghost = 2 * reach, steps * reach
    rule, functions = rule_recipe(stencil, tuple(range(len(stencil.offsets)))), Functions()
    together = window if len(rule.steps) * window <= LONGEST_LEVEL else 1
    loops = {
        group: _levels(stencil, rule, functions, group, steps)
        for group in sorted({1, together} - {0}, reverse=True)
    }
    text = [
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
    text += _loops("j", "first - GHOST", "end + GHOST", loops)
    return _file(functions, [*text, "}"])


def _levels(
    stencil: Stencil, rule: Recipe, functions: Functions, group: int, steps: int
) -> list[str]:
    """Return statements that push a group of vectors through all levels."""
    (reach,) = stencil.radius
    window, made = 2 * reach, _Lines(functions)
    past = [f"past[t][{k}]" for k in range(window)]
    places = [*past, *(f"next{k}" for k in range(group))]
    results = [
        made.result(rule, {k: f"cell{o + reach + g}" for k, (o,) in enumerate(stencil.offsets)})
        for g in range(group)
    ]
    read = set(re.findall(r"\w+", " ".join([*made.lines, *results])))
    body = [f"const Lanes cell{k} = {place};" for k, place in enumerate(places)]
    body = [line for k, line in enumerate(body) if f"cell{k}" in read] + made.lines
    body += [f"{old} = {new};" for old, new in zip(past, places[group:])]
    body += [f"next{k} = {result};" for k, result in enumerate(results)]
    return [
        *(f"Lanes next{k} = source[{_shifted('j', k)}];" for k in range(group)),
        "#if defined(__GNUC__)",
        f"#pragma GCC unroll {steps}",
        "#endif",
        "for (int t = 0; t < STEPS; t++) {",
        *(f"    {line}" for line in body),
        "}",
        "if (j >= first + GHOST) {",
        *(f"    target[{_shifted('j', k)} - GHOST] = next{k};" for k in range(group)),
        "}",
    ]


# ---------------------------------------------------------------- two axes: windows that overlap


def rows(stencil: Stencil) -> str:
    """Return `step(source, target, from, to, rows, columns)`: one step of a block of cells.

    `from` and `to` are the strides of source and target. What a window has in common with the one
    before it is kept; two rows of a small rule are made at once, so that they share their loads.
    """
    functions, alone = Functions(), plan(stencil, 1)
    plans = {2: plan(stencil, 2), 1: alone} if alone.work < SMALL_RULE else {1: alone}
    loops = {count: _row_loop(shared, functions) for count, shared in plans.items()}
    constant = not any("= source +" in line for lines in loops.values() for line in lines)
    text = [
        "/* Makes one step of a block of cells; from and to are the vectors from row to row. */",
        "void step(const Lanes *restrict source, Lanes *restrict target, int64_t from, int64_t to,",
        "          int64_t rows, int64_t columns)",
        "{",
        *(["    (void)source, (void)from;"] if constant else []),
        *_loops("row", "0", "rows", loops),
        "}",
    ]
    return _file(functions, text)


def _row_loop(shared: Plan, functions: Functions) -> list[str]:
    written = _Row(shared, functions)
    pointers = [
        f"const Lanes *row{k} = source + {_factor(r)} * from;" for k, r in enumerate(written.rows)
    ]
    pointers += [f"Lanes *out{k} = target + {_factor(k)} * to;" for k in range(len(shared.outputs))]
    return [
        *pointers,
        *written.first(),
        "for (int64_t x = 0; x < columns; x++) {",
        *(f"    {line}" for line in [*written.body(), *written.moves()]),
        "}",
    ]


def _factor(row: int) -> str:
    return f"({_shifted('row', row)})" if row else "row"


class _Row:
    """The statements of a plan: `t3` is a value of this column, `t3_1` the one of the last column."""

    def __init__(self, shared: Plan, functions: Functions) -> None:
        self.plan = shared
        self.functions = functions
        used = [shared.structures[k] for k, _ in (*shared.first, *shared.body)]
        self.rows = sorted({row for row in used if isinstance(row, int)})
        cells = [v for v in shared.body if isinstance(shared.structures[v[0]], int)]
        looks = [v for v in shared.body if isinstance(shared.structures[v[0]], Look)]
        self._names = {value: f"cell{number}" for number, value in enumerate(cells)}
        self._names |= {value: f"t{number}" for number, value in enumerate(looks)}
        for (k, newest), oldest in shared.carried.items():
            for shift in range(oldest, newest):
                self._names[k, shift] = f"{self._names[k, newest]}_{newest - shift}"

    def _cell(self, value: Value, column: str) -> str | None:
        """Return a cell of the source, None where the value is none."""
        row = self.plan.structures[value[0]]
        return f"row{self.rows.index(row)}[{column}]" if isinstance(row, int) else None

    def _look(self, value: Value, names: Mapping[Value, str]) -> str:
        look = self.plan.structures[value[0]]
        assert isinstance(look, Look)
        return self.functions.call(look.table, [names[read] for read in reads_of(look, value[1])])

    def first(self) -> list[str]:
        """Return statements for what the first windows of rows share with those before them."""
        names: dict[Value, str] = {}
        lines: list[str] = []
        for number, value in enumerate(self.plan.first):
            cell = self._cell(value, str(value[1]))
            if cell is not None:
                names[value] = cell
                continue
            kept = value in self.plan.kept
            names[value] = self._names[value] if kept else f"early{number}"
            text = self._look(value, names)
            lines.append(f"{'' if kept else 'const '}Lanes {names[value]} = {text};")
        return lines

    def body(self) -> list[str]:
        """Return statements that make one cell of each row."""
        lines: list[str] = []
        structures, outputs = self.plan.structures, self.plan.outputs
        read = {r for k, shift in self.plan.body for r in reads_of(structures[k], shift)}
        texts: dict[Value, str] = {}
        for value in self.plan.body:
            text = self._cell(value, _shifted("x", value[1])) or self._look(value, self._names)
            if value in outputs and value not in read and value not in self.plan.carried:
                texts[value] = text
            else:
                lines.append(f"const Lanes {self._names[value]} = {text};")
        made = [texts.get(value) or self._names[value] for value in outputs]
        return [*lines, *(f"out{k}[x] = {text};" for k, text in enumerate(made))]

    def moves(self) -> list[str]:
        """Return statements that make this column's values the last one's."""
        return [
            f"{self._names[k, shift]} = {self._names[k, shift + 1]};" for k, shift in self.plan.kept
        ]


# ---------------------------------------------------------------- rows of bits: columns of vectors


def columns(gates: Gates, outputs: Sequence[int]) -> str:
    """Return `run(inputs, outputs, stride, first, end)`: vectors `first` to `end - 1` of columns.

    Column k of the inputs begins `k * stride` vectors after `inputs`; outputs likewise.
    """
    numbers = sorted(gates.left[n] for n in cone(gates, outputs) if gates.kind[n] == "variable")
    names = {number: f"x{number}" for number in numbers}
    functions = Functions()
    made = _Lines(functions)
    results = [made.result(normal(recipe(gates, s, cone(gates, [s]))), names) for s in outputs]
    body = [f"const Lanes x{n} = inputs[{n} * stride + v];" for n in numbers]
    body += [*made.lines, *(f"outputs[{k} * stride + v] = {r};" for k, r in enumerate(results))]
    text = [
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
    return _file(functions, text)
