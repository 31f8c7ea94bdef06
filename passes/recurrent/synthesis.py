"""The shortest expression of some columns that equals a target on samples: search from both ends.

Upwards, all expressions of the columns in order of cost, one for each list of values (observational
equivalence). Downwards, the target taken apart: which remainder, quotient, extreme, clamp, comparison
or choice of what was found so far gives it. The grammar is typed (numbers and bits), and knows of no task.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.passes import logic
from ddc.passes.logic import build

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Expr = logic.Expr

POINTS = 240  # samples that the search looks at; more where they refute it
ROUNDS = 6
FEW = 200  # samples that are explained together where some of them may be wrong ...
ATTEMPTS = 3  # ... and how often that is tried
MAX_TERMS = 1500  # expressions kept
MAX_PAIRED = 260  # of them that are put together in pairs
MAX_BITS = 1200
MAX_MODULUS = 16
MAX_WEIGHTS = 1 << 19
LARGEST = 1 << 40
CHOICES = 6  # first branches whose other branch is looked for again


@dataclass
class _Bank:
    """Expressions with their values at the points, one for each list of values, cheapest first."""

    care: Bools
    makers: list[Callable[[], Expr]] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)
    rows: list[Ints] = field(default_factory=list)
    place: dict[bytes, int] = field(default_factory=dict)

    def add(self, values: Ints, cost: int, maker: Callable[[], Expr]) -> None:
        key = values.tobytes()
        if key not in self.place and np.abs(values).max(initial=0) < LARGEST:
            self.place[key] = len(self.rows)
            self.makers.append(maker)
            self.costs.append(cost)
            self.rows.append(values)

    def find(self, values: Ints) -> int | None:
        return self.place.get(values.astype(np.int64).tobytes())

    @property
    def matrix(self) -> Ints:
        return np.array(self.rows)


def explain(columns: Sequence[Ints], target: Ints, limit: int = 40) -> Expr | None:
    """Return the cheapest expression found of `Var(i)` for column i that equals the target.

    Columns and target are one-dimensional and of one length. None where nothing of at most `limit`
    (see `logic.cost`) equals it everywhere.
    """
    if not len(target):
        return None
    rng = np.random.default_rng(0)
    chosen = _spread(columns, target, rng)
    for _ in range(ROUNDS):
        found = _search([c[chosen] for c in columns], target[chosen], limit)
        if found is None:
            return None
        values = np.broadcast_to(np.asarray(logic.evaluate(found, list(columns))), target.shape)
        wrong = np.flatnonzero(values != target)
        if not len(wrong):
            return found
        more = rng.choice(wrong, size=min(len(wrong), POINTS // 4), replace=False)
        chosen = np.union1d(chosen, more)
    return None


def explain_most(
    columns: Sequence[Ints], target: Ints, limit: int, tolerance: float
) -> Expr | None:
    """Return the cheapest expression found that equals the target but for a share of it.

    A few samples at a time are explained, so few that most likely none of them is wrong.
    """
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng(attempt)
        some = rng.permutation(len(target))[:FEW]
        found = explain([column[some] for column in columns], target[some], limit)
        if found is None:
            return None
        values = np.asarray(logic.evaluate(found, list(columns)))
        if float((np.broadcast_to(values, target.shape) != target).mean()) <= tolerance:
            return found
    return None


def _spread(columns: Sequence[Ints], target: Ints, rng: np.random.Generator) -> Ints:
    """Return points in which every value of the target and of each column comes, if it can."""
    some = rng.permutation(len(target))[: POINTS // 2]
    parts = [some]
    for column in (target, *columns):
        _, first = np.unique(column, return_index=True)
        parts.append(rng.permutation(first)[: POINTS // (2 * len(columns) + 2)])
    return np.unique(np.concatenate(parts))


def _search(columns: list[Ints], target: Ints, limit: int) -> Expr | None:
    bank = _grown(columns, target)
    found = _best(bank, target, np.ones(len(target), dtype=bool), limit, 2)
    remainder = _remainder(columns, target)
    some = [expr for expr in (found, remainder) if expr is not None]
    best = min(some, key=logic.cost, default=None)
    return None if best is None or logic.cost(best) > limit else best


def _remainder(columns: list[Ints], target: Ints) -> Expr | None:
    """Return a weighted sum of the columns modulo a small number that is the target."""
    if target.min() < 0:
        return None
    width = len(columns) + 1
    stacked = np.stack([*columns, np.ones_like(target)], axis=1)
    for by in range(max(2, int(target.max()) + 1), MAX_MODULUS + 1):
        if by**width > MAX_WEIGHTS:
            return None
        weights = np.indices([by] * width).reshape(width, -1).T
        # Three samples leave few of the weights for the others.
        for part in (slice(0, 3), *(slice(at, at + 16) for at in range(3, len(target), 16))):
            fits = (weights @ stacked[part].T - target[part]) % by == 0
            weights = weights[fits.all(axis=1)]
        if len(weights):
            signed = np.where(weights > by // 2, weights - by, weights)
            *factors, const = signed[np.abs(signed).sum(axis=1).argmin()].tolist()
            terms = [(factor, logic.Var(place)) for place, factor in enumerate(factors) if factor]
            return build.modulo(build.linear(terms, const), by)
    return None


# ---------------------------------------------------------------- upwards


def _grown(columns: list[Ints], target: Ints) -> _Bank:
    bank = _Bank(np.ones(len(target), dtype=bool))
    for place, column in enumerate(columns):
        bank.add(column.astype(np.int64), 1, partial(logic.Var, place))
    plain = len(bank.rows)
    for value in _constants(columns, target):
        values = np.full(len(target), value, dtype=np.int64)
        bank.add(values, 1, partial(logic.Const, value))
    atoms = len(bank.rows)
    for row in range(plain):
        _unary(bank, row)
    _pairs(bank, range(plain), range(atoms))
    first = len(bank.rows)
    for row in range(atoms, first):
        if bank.costs[row] <= 4:
            _unary(bank, row)
    order = [r for r in np.argsort(bank.costs, kind="stable").tolist() if r >= plain]
    _pairs(bank, range(plain), order[:MAX_PAIRED])
    few = order[: MAX_PAIRED // 4]
    _pairs(bank, few, few)
    return bank


def _constants(columns: list[Ints], target: Ints) -> list[int]:
    seen = np.unique(np.concatenate([target, *columns]))
    values = [0, 1, 2, -1, 3, int(target.min()), int(target.max())]
    if len(seen) <= 24:
        values += seen.tolist()
    return list(dict.fromkeys(values))


def _unary(bank: _Bank, row: int) -> None:
    values, cost, maker = bank.rows[row], bank.costs[row], bank.makers[row]
    if len(bank.rows) > MAX_TERMS:
        return
    if values.min() < 0:
        bank.add(np.abs(values), cost + 2, lambda: build.maximum([maker(), _negative(maker())]))
    if values.min() >= 0 and values.max() <= 1:
        bank.add(1 - values, cost + 1, lambda: build.invert(maker()))
        return
    for by in range(2, min(int(np.ptp(values)) + 1, 6)):
        bank.add(values % by, cost + 2, partial(_divided, build.modulo, maker, by))
        bank.add(values // by, cost + 3, partial(_divided, build.quotient, maker, by))
    bank.add(2 * values, cost + 3, lambda: build.linear([(2, maker())]))


def _divided(how: Callable[[Expr, int], Expr], maker: Callable[[], Expr], by: int) -> Expr:
    return how(maker(), by)


def _negative(expr: Expr) -> Expr:
    return build.linear([(-1, expr)])


def _pairs(bank: _Bank, lefts: Sequence[int] | range, rights: Sequence[int] | range) -> None:
    for i in lefts:
        for j in rights:
            if len(bank.rows) > MAX_TERMS:
                return
            if i != j:
                _pair(bank, i, j)


def _pair(bank: _Bank, i: int, j: int) -> None:
    a, b = bank.rows[i], bank.rows[j]
    f, g = bank.makers[i], bank.makers[j]
    cost = bank.costs[i] + bank.costs[j] + 1
    bank.add(a + b, cost, lambda: build.linear([(1, f()), (1, g())]))
    bank.add(a - b, cost, lambda: build.linear([(1, f()), (-1, g())]))
    bank.add(b - a, cost, lambda: build.linear([(1, g()), (-1, f())]))
    if _is_bit(a) and _is_bit(b):
        bank.add(a & b, cost, lambda: build.conjoin([f(), g()]))
        bank.add(a | b, cost, lambda: build.disjoin([f(), g()]))
        bank.add(a ^ b, cost, lambda: build.exclusive([f(), g()]))
        return
    bank.add(np.abs(a - b), cost + 1, lambda: _distance(f(), g()))
    for fold, join in ((np.minimum, build.minimum), (np.maximum, build.maximum)):
        values = fold(a, b)
        if not _is_bit(values):  # conditions read better
            bank.add(values, cost, partial(_joined, join, f, g))
    bank.add((a < b).astype(np.int64), cost + 1, lambda: build.compare("lt", f(), g()))
    bank.add((a <= b).astype(np.int64), cost + 1, lambda: build.compare("le", f(), g()))
    bank.add((a == b).astype(np.int64), cost, lambda: build.compare("eq", f(), g()))
    if _is_bit(a) or _is_bit(b):
        cond, other = (f, g) if _is_bit(a) else (g, f)
        bank.add(a * b, cost + 3, lambda: build.select(cond(), other(), logic.Const(0)))


def _joined(
    join: Callable[[list[Expr]], Expr], first: Callable[[], Expr], second: Callable[[], Expr]
) -> Expr:
    return join([first(), second()])


def _distance(a: Expr, b: Expr) -> Expr:
    ahead = build.linear([(1, a), (-1, b)])
    return build.maximum([ahead, build.linear([(1, b), (-1, a)])])


def _is_bit(values: Ints) -> bool:
    return bool(values.min() >= 0 and values.max() <= 1)


# ---------------------------------------------------------------- downwards


def _best(bank: _Bank, target: Ints, care: Bools, limit: int, depth: int) -> Expr | None:
    """Return the cheapest way to take the target apart that was found."""
    if not care.any():
        return logic.Const(0)
    m, y = bank.matrix[:, care], target[care]
    if (y == y[0]).all():
        return logic.Const(int(y[0]))
    steps = (_same, _sums, _bits, _two, _modulo, _clamped, _extremes)
    best = min((expr for step in steps for expr in step(bank, m, y)), key=logic.rank, default=None)
    cost = limit if best is None else logic.cost(best)
    if depth and (best is None or cost > 8):
        for expr in _choices(bank, target, care, m, cost, depth):
            if best is None or logic.cost(expr) < logic.cost(best):
                best = expr
    return best


Found = Iterator[Expr]


def _cheapest(bank: _Bank, rows: Ints) -> int | None:
    """Return the cheapest of some expressions."""
    return None if not len(rows) else int(rows[np.array(bank.costs)[rows].argmin()])


def _same(bank: _Bank, m: Ints, y: Ints) -> Found:
    row = _cheapest(bank, np.flatnonzero((m == y).all(axis=1)))
    if row is not None:
        yield bank.makers[row]()


def _sums(bank: _Bank, m: Ints, y: Ints) -> Found:
    """Yield the target as a sum or difference of two expressions."""
    places: dict[bytes, int] = {}
    for row in reversed(np.argsort(bank.costs, kind="stable").tolist()):
        places[m[row].tobytes()] = row
    best: tuple[int, int, int, int] | None = None
    for sign, rests in ((1, y - m), (-1, y + m)):
        for row, rest in enumerate(rests):
            other = places.get(rest.tobytes())
            if other is not None:
                cost = bank.costs[row] + bank.costs[other]
                if best is None or cost < best[0]:
                    best = cost, row, sign, other
    if best is not None:
        _, row, sign, other = best
        yield build.linear([(1, bank.makers[other]()), (sign, bank.makers[row]())])


def _modulo(bank: _Bank, m: Ints, y: Ints) -> Found:
    for by in range(2, MAX_MODULUS + 1):
        if 0 <= y.min() and y.max() < by:
            row = _cheapest(bank, np.flatnonzero((m % by == y).all(axis=1)))
            if row is not None:
                yield build.modulo(bank.makers[row](), by)
        row = _cheapest(bank, np.flatnonzero((m // by == y).all(axis=1)))
        if row is not None:
            yield build.quotient(bank.makers[row](), by)


def _clamped(bank: _Bank, m: Ints, y: Ints) -> Found:
    low, high = int(y.min()), int(y.max())
    if _is_bit(y):
        return  # conditions read better: see `_bits`
    row = _cheapest(bank, np.flatnonzero((np.clip(m, low, high) == y).all(axis=1)))
    if row is not None:
        inner: Expr = bank.makers[row]()
        if m[row].min() < low:
            inner = build.maximum([inner, logic.Const(low)])
        yield build.minimum([inner, logic.Const(high)]) if m[row].max() > high else inner


def _extremes(bank: _Bank, m: Ints, y: Ints) -> Found:
    """Yield the target as the least or the greatest of two expressions."""
    if _is_bit(y):
        return  # conditions read better: see `_bits`
    for beyond, join in ((m >= y, build.minimum), (m <= y, build.maximum)):
        rows = np.flatnonzero(beyond.all(axis=1))
        rows = rows[np.argsort(np.array(bank.costs)[rows], kind="stable")][:400]
        pair = _covering(bank, rows, m[rows] == y)
        if pair is not None:
            yield join([bank.makers[pair[0]](), bank.makers[pair[1]]()])


def _covering(bank: _Bank, rows: Ints, hits: Bools) -> tuple[int, int] | None:
    """Return the two cheapest rows of which one hits at every point."""
    if not len(rows):
        return None
    misses = (~hits).astype(np.float32)
    both = misses @ misses.T == 0
    first, second = np.nonzero(both)
    if not len(first):
        return None
    costs = np.array(bank.costs)[rows]
    best = int((costs[first] + costs[second]).argmin())
    return int(rows[first[best]]), int(rows[second[best]])


def _bits(bank: _Bank, m: Ints, y: Ints) -> Found:
    """Yield a target of zeros and ones as comparisons, and as two conditions."""
    if y.min() < 0 or y.max() > 1:
        return
    one, zero = m[:, y == 1], m[:, y == 0]
    costs = np.array(bank.costs)
    above = np.flatnonzero(one.min(axis=1) > zero.max(axis=1))
    row = _cheapest(bank, above)
    if row is not None:
        yield _at_least(bank, row, int(zero[row].max()), int(one[row].min()))
    below = np.flatnonzero(one.max(axis=1) < zero.min(axis=1))
    row = _cheapest(bank, below)
    if row is not None:
        yield build.invert(_at_least(bank, row, int(one[row].max()), int(zero[row].min())))
    for same, other, negate in ((one, zero, False), (zero, one, True)):
        still = (same == same[:, :1]).all(axis=1) & (other != same[:, :1]).all(axis=1)
        row = _cheapest(bank, np.flatnonzero(still))
        if row is not None:
            op: logic.CompareOp = "ne" if negate else "eq"
            yield build.compare(op, bank.makers[row](), logic.Const(int(same[row, 0])))
    bits = np.flatnonzero((m.min(axis=1) >= 0) & (m.max(axis=1) <= 1))
    bits = bits[np.argsort(costs[bits], kind="stable")][:MAX_BITS]
    b = m[bits].astype(bool)
    wanted = y.astype(bool)
    above_all = bits[(b | ~wanted).all(axis=1)]
    pair = _covering(bank, above_all, ~m[above_all].astype(bool) | wanted)
    if pair is not None:
        yield build.conjoin([bank.makers[pair[0]](), bank.makers[pair[1]]()])
    below_all = bits[(~b | wanted).all(axis=1)]
    pair = _covering(bank, below_all, m[below_all].astype(bool) | ~wanted)
    if pair is not None:
        yield build.disjoin([bank.makers[pair[0]](), bank.makers[pair[1]]()])


def _two(bank: _Bank, m: Ints, y: Ints) -> Found:
    """Yield a target of two numbers as a choice between them."""
    low, high = int(y.min()), int(y.max())
    if (low, high) == (0, 1) or not ((y == low) | (y == high)).all():
        return
    for condition in _bits(bank, m, (y == high).astype(np.int64)):
        yield build.select(condition, logic.Const(high), logic.Const(low))


def _at_least(bank: _Bank, row: int, below: int, above: int) -> Expr:
    """Return the comparison between two values, at 0 or nearest to it where there is a choice."""
    at = min(range(below + 1, above + 1), key=abs) if above - below < 1000 else above
    return build.compare("ge", bank.makers[row](), logic.Const(at))


def _choices(bank: _Bank, target: Ints, care: Bools, m: Ints, limit: int, depth: int) -> Found:
    """Yield `a if condition else b`; where no b is there, what is left is taken apart again."""
    y = target[care]
    costs = np.array(bank.costs)
    bits = np.flatnonzero(
        (m.min(axis=1) >= 0) & (m.max(axis=1) <= 1) & (m.max(axis=1) > m.min(axis=1))
    )
    bits = bits[np.argsort(costs[bits], kind="stable")][:MAX_BITS]
    if not len(bits):
        return
    conditions = m[bits].astype(np.float32)
    misses = (m != y).astype(np.float32)
    dear: int = 1 << 20
    then_bad, else_bad = conditions @ misses.T > 0, (1 - conditions) @ misses.T > 0
    then_cost = np.where(then_bad, dear, costs).min(axis=1)
    else_cost = np.where(else_bad, dear, costs).min(axis=1)
    total = costs[bits] + then_cost + else_cost + 4
    best = int(total.argmin())
    if total[best] < dear:
        then = int(np.where(then_bad[best], dear, costs).argmin())
        other = int(np.where(else_bad[best], dear, costs).argmin())
        row = int(bits[best])
        yield build.select(bank.makers[row](), bank.makers[then](), bank.makers[other]())
    if depth < 2:
        return
    yield from _nested(
        bank, target, care, bits, (then_cost, then_bad), (else_cost, else_bad), limit
    )


def _nested(
    bank: _Bank,
    target: Ints,
    care: Bools,
    bits: Ints,
    then: tuple[Any, Any],
    other: tuple[Any, Any],
    limit: int,
) -> Found:
    """Yield choices one branch of which is an expression of the bank, the other taken apart."""
    costs = np.array(bank.costs)
    whole = bank.matrix
    ranked: list[tuple[float, int, bool]] = []
    for place, row in enumerate(bits.tolist()):
        for branch, (cost, _) in ((True, then), (False, other)):
            if cost[place] < 1 << 20:
                share = float((whole[row][care] == branch).mean())
                if 0 < share < 1:
                    ranked.append((costs[row] + cost[place] - 12 * share, place, branch))
    for _, place, branch in sorted(ranked)[:CHOICES]:
        row = int(bits[place])
        bad = (then if branch else other)[1][place]
        first = int(np.where(bad, 1 << 20, costs).argmin())
        left = care & (whole[row] != branch)
        rest = _best(bank, target, left, limit, 1)
        if rest is None:
            continue
        cond, head = bank.makers[row](), bank.makers[first]()
        yield build.select(cond, head, rest) if branch else build.select(cond, rest, head)


__all__ = ["explain", "explain_most"]
