"""Cover a network of gates by three-input look-ups, each one instruction of AVX-512.

Priority cuts with area flow, as in Mishchenko, Cho, Chatterjee and Brayton, "Combinational and
sequential mapping with priority cuts", ICCAD 2007.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ddc.ir.equivalence.gates import Gates

from .decompose import Network, Step, Table, decompose

INPUTS = 3
MOST_VARIABLES = 12  # of a rule whose values are all enumerated
MOST_LEAVES = 6  # signals of which the output is a function that is decomposed anew
KEPT_LEAVES = 48
TRIED_LEAVES = 8
KEPT_CUTS = 12
_COLUMNS = (0xF0, 0xCC, 0xAA)  # the look-up's own order: the first operand is the highest digit


@dataclass(frozen=True)
class Lut:
    """A look-up: the node it computes, up to three nodes that it reads, and its eight entries."""

    node: int
    reads: tuple[int, ...]
    table: int


def cover(gates: Gates, outputs: Sequence[int], nodes: Sequence[int]) -> list[Lut]:
    """Return look-ups that compute the outputs' nodes, operands first.

    `nodes` are the nodes that the outputs depend on, operands first.
    """
    fanout = dict.fromkeys(nodes, 0)
    for node in nodes:
        for operand in _operands(gates, node):
            fanout[operand] += 1
    for signal in outputs:
        fanout[signal >> 1] += 1
    cuts: dict[int, list[frozenset[int]]] = {}
    flow: dict[int, float] = {}
    depth: dict[int, int] = {}
    for node in nodes:
        operands = _operands(gates, node)
        if not operands:
            cuts[node], flow[node], depth[node] = [frozenset({node})], 0.0, 0
            continue
        a, b = operands
        found = {x | y for x in cuts[a] for y in cuts[b] if len(x | y) <= INPUTS}
        rated = sorted(found, key=lambda cut: _rate(cut, flow, depth))[:KEPT_CUTS]
        best = rated[0]
        flow[node] = (1 + sum(flow[k] for k in best)) / max(1, fanout[node])
        depth[node] = 1 + max(depth[k] for k in best)
        cuts[node] = [*rated, frozenset({node})]
    chosen: dict[int, frozenset[int]] = {}
    stack = [signal >> 1 for signal in outputs]
    while stack:
        node = stack.pop()
        if node in chosen or not _operands(gates, node):
            continue
        chosen[node] = cuts[node][0]
        stack.extend(chosen[node])
    return [
        Lut(n, tuple(sorted(cut)), _table(gates, n, sorted(cut)))
        for n, cut in sorted(chosen.items())
    ]


def _rate(
    cut: frozenset[int], flow: Mapping[int, float], depth: Mapping[int, int]
) -> tuple[float, int, list[int]]:
    return sum(flow[k] for k in cut), max(depth[k] for k in cut), sorted(cut)


def _operands(gates: Gates, node: int) -> tuple[int, ...]:
    if gates.kind[node] in ("and", "xor"):
        return gates.left[node] >> 1, gates.right[node] >> 1
    return ()


def _table(gates: Gates, root: int, reads: Sequence[int]) -> int:
    """Return the entries of a node as a function of the nodes it reads."""
    known: dict[int, int] = dict(zip(reads, _COLUMNS))
    stack = [root]
    while stack:
        node = stack[-1]
        if node in known:
            stack.pop()
            continue
        if gates.kind[node] == "constant":
            known[node] = 0
            continue
        missing = [k for k in _operands(gates, node) if k not in known]
        if missing:
            stack += missing
            continue
        a, b = (
            known[s >> 1] ^ (0xFF if s & 1 else 0) for s in (gates.left[node], gates.right[node])
        )
        known[node] = a & b if gates.kind[node] == "and" else a ^ b
    return known[root]


# ---------------------------------------------------------------- rules


@dataclass(frozen=True)
class Recipe:
    """A rule as look-ups: steps on variables (by number) and earlier steps, and the result."""

    steps: tuple[Step, ...]
    result: object


def recipe(gates: Gates, output: int, nodes: Sequence[int]) -> Recipe:
    """Return few look-ups for one output, given the nodes that it depends on, operands first.

    Where all values of the variables can be enumerated, the end of the network is made anew: as
    a function of a few signals, of which many combinations never occur.
    """
    root = output >> 1
    if gates.kind[root] in ("constant", "variable"):
        reads = (_name(gates, root),) if gates.kind[root] == "variable" else ()
        table = tuple((k if reads else 0) ^ (output & 1) for k in range(2 if reads else 1))
        return Recipe((Step("result", reads, table),), "result")
    whole = _steps(gates, cover(gates, [output], nodes))
    best = Recipe(_flipped(whole, _name(gates, root), output & 1), _name(gates, root))
    variables = [n for n in nodes if gates.kind[n] == "variable"]
    if len(variables) > MOST_VARIABLES or len(whole) < 4:
        return best
    values = _simulate(gates, nodes, variables)
    space = (1 << (1 << len(variables))) - 1
    wanted = values[root] ^ (space if output & 1 else 0)
    for leaves in _leaves(gates, root, nodes):
        below = _steps(gates, cover(gates, [2 * n for n in leaves], nodes))
        room = len(best.steps) - len(below) - 1
        if room < 1:
            continue
        wished = _projected(wanted, [values[n] for n in leaves], space)
        found: Network | None = decompose(wished, [_name(gates, n) for n in leaves], room)
        if found is not None:
            best = Recipe((*below, *found[0]), found[1])
    return best


def _flipped(steps: tuple[Step, ...], name: object, flip: int) -> tuple[Step, ...]:
    """Return the steps with the last one, which nothing else reads, complemented."""
    if not flip or not steps or steps[-1].name != name:
        return steps
    last = steps[-1]
    return (*steps[:-1], Step(last.name, last.reads, tuple(1 - entry for entry in last.table)))


def _name(gates: Gates, node: int) -> tuple[str, int]:
    if gates.kind[node] == "variable":
        return "variable", gates.left[node]
    return "node", node


def _steps(gates: Gates, luts: Sequence[Lut]) -> tuple[Step, ...]:
    return tuple(
        Step(
            ("node", lut.node),
            tuple(_name(gates, n) for n in lut.reads),
            _entries(lut.table, len(lut.reads)),
        )
        for lut in luts
    )


def _entries(table: int, count: int) -> tuple[int, ...]:
    """Return the entries of a look-up of its first `count` operands."""
    return tuple(table >> (k << (INPUTS - count)) & 1 for k in range(1 << count))


def _simulate(gates: Gates, nodes: Sequence[int], variables: Sequence[int]) -> dict[int, int]:
    """Return for each node its value for all values of the variables, as one long word."""
    size = 1 << len(variables)
    values: dict[int, int] = {0: 0}
    for place, node in enumerate(variables):
        run = 1 << place
        block = ((1 << run) - 1) << run
        word = 0
        for start in range(0, size, 2 * run):
            word |= block << start
        values[node] = word
    ones = (1 << size) - 1
    for node in nodes:
        if gates.kind[node] in ("and", "xor"):
            a, b = (
                values[s >> 1] ^ (ones if s & 1 else 0)
                for s in (gates.left[node], gates.right[node])
            )
            values[node] = a & b if gates.kind[node] == "and" else a ^ b
    return values


def _projected(wanted: int, leaves: Sequence[int], space: int) -> Table:
    """Return a word as a function of others; None where a combination never occurs."""
    regions = [space]
    for leaf in leaves:
        regions = [part for region in regions for part in (region & ~leaf, region & leaf)]
    return tuple(None if not r else int(r & wanted != 0) for r in regions)


def _leaves(gates: Gates, root: int, nodes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return sets of signals that decide the root: those nearest to the variables first."""
    level: dict[int, int] = {}
    for node in nodes:
        level[node] = 1 + max((level[k] for k in _operands(gates, node)), default=-1)
    cuts: dict[int, set[frozenset[int]]] = {}
    for node in nodes:
        found = {frozenset({node})}
        operands = _operands(gates, node)
        if operands:
            a, b = operands
            found |= {x | y for x in cuts[a] for y in cuts[b] if len(x | y) <= MOST_LEAVES}
        order = sorted(found, key=lambda cut: (sum(level[k] for k in cut), sorted(cut)))
        cuts[node] = {*order[:KEPT_LEAVES], frozenset({node})}
    rated = sorted(cuts[root], key=lambda cut: (sum(level[k] for k in cut), sorted(cut)))
    return [tuple(sorted(cut)) for cut in rated if cut != {root}][:TRIED_LEAVES]
