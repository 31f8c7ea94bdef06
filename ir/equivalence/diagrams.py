"""Reduced ordered binary decision diagrams, for functions of more inputs than can be enumerated.

R. E. Bryant, "Graph-based algorithms for Boolean function manipulation", IEEE Transactions on
Computers C-35 (1986), with complemented edges (K. S. Brace, R. L. Rudell, R. E. Bryant,
"Efficient implementation of a BDD package", DAC 1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .gates import Gates

NODE_BUDGET = 250_000
STEPS_PER_NODE = 4
TERMINAL = 1 << 30  # the level of the constants, below all variables


class TooManyNodesError(Exception):
    """The diagrams of a function do not fit into the budget."""


class Diagrams:
    """Shared diagrams; an edge is `2 * node + complemented`, node 0 is the constant 0.

    The high edge of a node is never complemented, so that equal functions are equal edges.
    """

    def __init__(self, budget: int = NODE_BUDGET) -> None:
        self.level = [TERMINAL]
        self.low = [0]
        self.high = [0]
        self.budget = budget
        self._unique: dict[tuple[int, int, int], int] = {}
        self._and: dict[tuple[int, int], int] = {}
        self._xor: dict[tuple[int, int], int] = {}

    def node(self, level: int, low: int, high: int) -> int:
        """Return the edge of `high if variable else low`."""
        if low == high:
            return low
        flip = high & 1
        key = (level, low ^ flip, high ^ flip)
        found = self._unique.get(key)
        if found is None:
            if len(self.level) >= self.budget:
                raise TooManyNodesError
            found = self._unique[key] = len(self.level)
            self.level.append(level)
            self.low.append(low ^ flip)
            self.high.append(high ^ flip)
        return 2 * found + flip

    def variable(self, level: int) -> int:
        """Return the edge of a variable."""
        return self.node(level, 0, 1)

    def children(self, edge: int, level: int) -> tuple[int, int]:
        """Return the function with the variable of a level set to 0 and to 1."""
        node, flip = edge >> 1, edge & 1
        if self.level[node] != level:
            return edge, edge
        return self.low[node] ^ flip, self.high[node] ^ flip

    def both(self, a: int, b: int) -> int:
        """Return a and b."""
        return self._apply(a, b, self._and, xor=False)

    def differ(self, a: int, b: int) -> int:
        """Return a xor b."""
        return self._apply(a, b, self._xor, xor=True)

    def _apply(self, a: int, b: int, table: dict[tuple[int, int], int], xor: bool) -> int:
        """Combine two functions, variable by variable from the top, with a stack of its own."""
        results: list[int] = []
        stack: list[tuple[int, int, int, int]] = [(a, b, -1, 0)]
        known = _known_xor if xor else _known_and
        while stack:
            a, b, level, flip = stack.pop()
            if level >= 0:  # both halves are done
                high, low = results.pop(), results.pop()
                found = table[a, b] = self.node(level, low, high)
                results.append(found ^ flip)
                continue
            if xor:
                flip = (a ^ b) & 1
                a, b = a & ~1, b & ~1
            if a > b:
                a, b = b, a
            decided = known(a, b)
            if decided is None:
                decided = table.get((a, b))
            if decided is not None:
                results.append(decided ^ flip)
                continue
            if len(table) > STEPS_PER_NODE * self.budget:
                raise TooManyNodesError
            level = min(self.level[a >> 1], self.level[b >> 1])
            (a0, a1), (b0, b1) = self.children(a, level), self.children(b, level)
            stack += [(a, b, level, flip), (a1, b1, -1, 0), (a0, b0, -1, 0)]
        return results.pop()

    def restrict(self, edge: int, level: int, value: int) -> int:
        """Return the function with one variable set."""
        done: dict[int, int] = {0: 0}
        stack = [edge >> 1]
        while stack:
            node = stack[-1]
            if node in done:
                stack.pop()
                continue
            if self.level[node] >= level:
                at = self.level[node] == level
                done[node] = (self.high[node] if value else self.low[node]) if at else 2 * node
                continue
            low, high = self.low[node], self.high[node]
            waiting = [e >> 1 for e in (low, high) if e >> 1 not in done]
            if waiting:
                stack += waiting
                continue
            zero, one = done[low >> 1] ^ low & 1, done[high >> 1] ^ high & 1
            done[node] = self.node(self.level[node], zero, one)
        return done[edge >> 1] ^ edge & 1


def _known_and(a: int, b: int) -> int | None:
    if a == 0 or a == b ^ 1:
        return 0
    if a in (1, b):
        return b
    return None


def _known_xor(a: int, b: int) -> int | None:
    if a == b:
        return 0
    return b if a == 0 else None


@dataclass(frozen=True)
class Model:
    """Whether a function can be 1, and its smallest assignment if so (one bit per variable)."""

    satisfiable: bool
    bits: tuple[int, ...] = ()


def smallest_assignment(
    gates: Gates, root: int, variables: int, budget: int = NODE_BUDGET
) -> Model | None:
    """Return the smallest assignment for which a signal holds, None beyond the budget.

    Variable 0 is the most significant. Two variable orders are tried: that in which the gates
    mention the variables (which interleaves the operands of sums), then the given one.
    """
    for order in (_mentioned(gates, root, variables), list(range(variables))):
        try:
            return _smallest(gates, root, order, budget)
        except TooManyNodesError:
            continue
    return None


def _mentioned(gates: Gates, root: int, variables: int) -> list[int]:
    """Return the variables in the order of a depth-first walk from the root."""
    order: dict[int, None] = {}
    seen: set[int] = set()
    stack = [root >> 1]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if gates.kind[node] == "variable":
            order[gates.left[node]] = None
        elif gates.kind[node] != "constant":
            stack += [gates.right[node] >> 1, gates.left[node] >> 1]
    return [*order, *(k for k in range(variables) if k not in order)]


def _smallest(gates: Gates, root: int, order: Sequence[int], budget: int) -> Model:
    diagrams = Diagrams(budget)
    edge = build(gates, root, diagrams, {variable: k for k, variable in enumerate(order)})
    if edge == 0:
        return Model(False)
    level = {variable: k for k, variable in enumerate(order)}
    bits: list[int] = []
    for variable in range(len(order)):
        zero = diagrams.restrict(edge, level[variable], 0)
        bits.append(int(zero == 0))
        edge = diagrams.restrict(edge, level[variable], 1) if zero == 0 else zero
    return Model(True, tuple(bits))


def build(gates: Gates, root: int, diagrams: Diagrams, levels: dict[int, int]) -> int:
    """Return the diagram of a signal; `levels` gives the place of each variable in the order."""
    edges: dict[int, int] = {0: 0}
    stack = [root >> 1]
    while stack:
        node = stack[-1]
        if node in edges:
            stack.pop()
            continue
        left, right = gates.left[node], gates.right[node]
        if gates.kind[node] == "variable":
            edges[node] = diagrams.variable(levels[left])
            continue
        waiting = [k for k in (right >> 1, left >> 1) if k not in edges]
        if waiting:
            stack += waiting
            continue
        a, b = edges[left >> 1] ^ left & 1, edges[right >> 1] ^ right & 1
        edges[node] = diagrams.both(a, b) if gates.kind[node] == "and" else diagrams.differ(a, b)
    return edges[root >> 1] ^ root & 1
