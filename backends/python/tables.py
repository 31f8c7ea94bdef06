"""Tables over several small ints as nested tuples: one row for each case of the first operand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from ddc.ir import Affine, Category, Function, Op, State, Type, element, levels, walk

MOST_AXES = 4  # operands that are indexed one by one
MOST_NESTED = 256  # entries of a table that is indexed operand by operand
MOST_LISTED = 16  # entries of a row written one by one
WIDTH = 80  # digits in a line
MOST_STATES = 40  # states that a docstring lists


def rows(texts: Sequence[str], sizes: Sequence[int], left: str = "(", right: str = ")") -> str:
    """Return the texts of a table, last operand fastest, as nested tuples or lists."""
    found = list(texts)
    for size in reversed(sizes):
        groups = [found[k : k + size] for k in range(0, len(found), size)]
        found = [
            f"{left}{', '.join(g)}{',' if len(g) == 1 and left == '(' else ''}{right}"
            for g in groups
        ]
    return found[0]


def flat(texts: Sequence[str], left: str = "(", right: str = ")") -> str:
    """Return the entries of a table of one row; many digits as lines of them."""
    if len(texts) <= MOST_LISTED or any(len(text) > 1 for text in texts):
        return rows(texts, [len(texts)], left, right)
    digits = "".join(texts)
    lines = [f'"{digits[k : k + WIDTH]}"' for k in range(0, len(digits), WIDTH)]
    return f"tuple(map(int, {' '.join(lines)}))"


def axes(types: Sequence[Type]) -> list[tuple[int, tuple[int, ...]]]:
    """Return the operands of a table that have several cases, with these."""
    cases = [(k, tuple(levels(element(t)) or (0,))) for k, t in enumerate(types)]
    return [(k, values) for k, values in cases if len(values) > 1]


def states(function: Function) -> list[str]:
    """Return lines that say what the states of machines stand for: the shortest input to each."""
    params = {p.name: p.type for p in function.params}
    lines: list[str] = []
    for op in walk(function.body):
        for state, table, loads in _machines(op) if op.code == "scan" else []:
            types = [params.get(str(load.operands[0])) for load in loads]
            known = [t for t in types if t is not None]
            found = _listed(state, table, known) if len(known) == len(loads) else []
            if found:
                title = f"States of {state.name}" if lines else "States"
                lines += [f"{title}, each by the shortest input that leads there:", *found]
    return lines


def _machines(op: Op) -> Iterator[tuple[State, Op, list[Op]]]:
    """Yield the states that a table of them and of present entries of arrays moves on."""
    assert op.body is not None
    made = {name: inner for inner in op.body.ops for name in inner.results}
    symbol = Affine.symbol(op.loops[0].symbol)
    for state, value in zip(op.states, op.body.nexts, strict=True):
        table = made.get(str(value))
        if table is None or table.code != "table" or state.name not in table.operands:
            continue
        others = [made.get(str(o)) for o in table.operands if o != state.name]
        loads = [o for o in others if o is not None and o.code == "load"]
        present = all(any(i.at == symbol for i in load.index) for load in loads)
        apart = len({(load.operands, load.index) for load in loads}) == len(table.operands) - 1
        if present and apart and len(loads) == len(others) and isinstance(state.init, int):
            yield state, table, loads


def _listed(state: State, table: Op, inputs: Sequence[Type]) -> list[str]:
    """Return a line for each state that is reached, none where they are too many or too few."""
    place = table.operands.index(state.name)
    types = [*inputs[:place], state.type, *inputs[place:]]
    cases = [tuple(levels(element(t)) or (0,)) for t in types]
    entries = table.attr("entries")
    fits = isinstance(entries, tuple) and len(entries) == math.prod(map(len, cases))
    if not fits or not isinstance(entries, tuple) or not 2 < len(cases[place]) <= MOST_STATES:
        return []
    names = [_names(t, values) for t, values in zip(types, cases, strict=True)]
    after: dict[int, list[tuple[str, int]]] = {value: [] for value in cases[place]}
    several = enumerate(itertools.product(*(range(len(c)) for c in cases)))
    for flat, digits in several:
        letter = [names[k][d] for k, d in enumerate(digits) if k != place]
        text = letter[0] if len(letter) == 1 else f"({', '.join(letter)})"
        after[cases[place][digits[place]]].append((text, int(str(entries[flat]))))
    assert isinstance(state.init, int)
    words: dict[int, tuple[str, ...]] = {state.init: ()}
    order = [state.init]
    for reached in order:
        for text, target in after.get(reached, []):
            if target not in words:
                words[target] = (*words[reached], text)
                order.append(target)
    return [
        f"    {s}: {'after ' + ', '.join(words[s]) if words[s] else 'at the start'}"
        for s in sorted(words)
    ]


def _names(type_: Type, values: Sequence[int]) -> list[str]:
    scalar = element(type_)
    if isinstance(scalar, Category):
        return [repr(scalar.names[v]) for v in values]
    return [str(v) for v in values]
