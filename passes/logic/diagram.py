"""Reduced ordered decision diagrams of tables, and the selection logic that they spell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .build import mux, select
from .expr import Const, Expr
from .predicate import literal_cost, members
from .strategy import Solver
from .table import Axis, Ints, Problem

_MOST_NODES = 3000
_ORDERED_SIZE = 1 << 12


def diagrams(problem: Problem, solver: Solver) -> Iterator[Expr]:
    """Offer the logic of the reduced diagram under a good order of the axes."""
    paid = solver.affords(problem.size * 8)
    values = problem.filled
    for order in _orders(problem, values) if paid else [tuple(range(values.ndim))]:
        expr = _expression(problem, values.transpose(order), order)
        if expr is not None:
            yield expr


def _orders(problem: Problem, values: Ints) -> list[tuple[int, ...]]:
    natural = tuple(range(values.ndim))
    if problem.size > _ORDERED_SIZE:
        return [natural]
    return list(dict.fromkeys((natural, _greedy_order(values))))


def _greedy_order(values: Ints) -> tuple[int, ...]:
    """Put next the axis after which the fewest distinct subfunctions are left."""
    order: list[int] = []
    rest = list(range(values.ndim))
    while rest:
        best = min(rest, key=lambda at: _distinct(values, [*order, at]))
        order.append(best)
        rest.remove(best)
    return tuple(order)


def _distinct(values: Ints, top: list[int]) -> int:
    rows = np.moveaxis(values, top, range(len(top)))
    count = int(np.prod(rows.shape[: len(top)]))
    flat = np.ascontiguousarray(rows.reshape(count, -1))
    return len({row.tobytes() for row in flat})


def _expression(problem: Problem, values: Ints, order: Sequence[int]) -> Expr | None:
    """Merge equal subfunctions from the last axis upwards and build one selector for each."""
    leaves, places = np.unique(values, return_inverse=True)
    ids: Ints = places.reshape(values.shape)
    exprs: list[Expr] = [Const(int(leaf)) for leaf in leaves]
    nodes = 0
    choose = mux if problem.is_logic else select
    for at in reversed(order):
        length = len(problem.axes[at])
        codes: Ints = ids[..., 0]
        for i in range(1, length):
            if int(codes.max()) >= 1 << 40:  # renumber before the codes overflow
                codes = np.unique(codes, return_inverse=True)[1].reshape(codes.shape)
            codes = codes * len(exprs) + ids[..., i]
        _, first, ids_flat = np.unique(codes, return_index=True, return_inverse=True)
        nodes += len(first)
        if nodes > _MOST_NODES:
            return None
        rows = ids.reshape(-1, length)[first]
        ids = ids_flat.reshape(codes.shape)
        exprs = [
            _selector(problem.axes[at], [exprs[child] for child in row], choose) for row in rows
        ]
    return exprs[int(ids)]


def _selector(axis: Axis, children: list[Expr], choose: Callable[[Expr, Expr, Expr], Expr]) -> Expr:
    branches: dict[Expr, set[int]] = {}
    for i, child in enumerate(children):
        branches.setdefault(child, set()).add(i)
    tested = sorted(
        branches, key=lambda child: literal_cost(axis.groups, frozenset(branches[child]))
    )
    result = tested.pop()
    for child in reversed(tested):
        result = choose(members(axis, frozenset(branches[child])), child, result)
    return result
