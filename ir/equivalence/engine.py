"""The comparison itself: outputs grouped by the inputs they see, each group decided on its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ddc.ir.inputs import dtype_of
from ddc.ir.types import Missing, Real, Scalar, int_bounds, levels

from .bitslice import LARGEST_BLOCK, Leaves, Program, Space, digit_signals, first_assignment
from .circuit import Circuit
from .diagrams import NODE_BUDGET, smallest_assignment
from .gates import FALSE, TRUE, Gates, TooManyGatesError
from .lower import Lowering, NotLoweredError
from .sides import CircuitSide, Side, Values
from .verdict import same_numbers

LARGEST_WORK = 1 << 43  # gates times assignments; a minute or two
LARGEST_DRAWING = 1 << 24  # gates of all diagrams
VALUE_BLOCK = 1 << 15  # assignments at a time where values are not bit planes


@dataclass
class Tally:
    """What was decided, and how."""

    exhaustive: int = 0  # outputs
    largest: int = 0  # assignments of one group
    diagrams: int = 0
    widest: int = 0  # inputs of one group
    open: list[int] = field(default_factory=lambda: [])  # outputs that are left to sampling
    found: list[tuple[int, ...]] = field(default_factory=lambda: [])  # digits of all inputs


@dataclass(frozen=True)
class Condition:
    """A part of the domain: an output that must be 1."""

    side: Side
    output: int


@dataclass
class Problem:
    """Two sides with the flat inputs, the conditions that make up the domain, and the budget."""

    left: Side
    right: Side
    outputs: int
    types: Sequence[Scalar]
    circuit: Circuit
    conditions: Sequence[Condition] = ()
    budget: int = 1 << 24
    tolerance: float = 1e-12
    work: int = 0  # gates times assignments so far
    drawn: int = 0  # gates of diagrams so far
    nodes: int = NODE_BUDGET  # of the next diagram; halved by each one that does not fit
    values: list[tuple[int, ...] | None] = field(init=False)

    def __post_init__(self) -> None:
        known: dict[Scalar, tuple[int, ...] | None] = {t: levels(t) for t in set(self.types)}
        self.values = [known[t] for t in self.types]

    def count(self, positions: Sequence[int]) -> int | None:
        """Return the number of assignments of some inputs, None where it is not finite."""
        total = 1
        for position in positions:
            found = self.values[position]
            if found is None:
                return None
            total *= len(found)
        return total

    def space(self, positions: Sequence[int], block: int) -> Space:
        """Return the assignments of some inputs."""
        return Space(positions, [len(self.values[k] or ()) for k in positions], block)

    def value(self, position: int, digit: int) -> int | float:
        """Return the value of a digit; an input that cannot be counted has its lowest value."""
        found = self.values[position]
        return _lowest(self.types[position]) if found is None else found[digit]


def _lowest(scalar: Scalar) -> int | float:
    """Return the lowest value of a type, the one nearest to 0 where there is no lowest."""
    base = scalar.base if isinstance(scalar, Missing) else scalar
    low, high = (
        (base.low, base.high) if isinstance(base, Real) else int_bounds(base) or (None, None)
    )
    number = low if low is not None else min(0, 0 if high is None else high)
    return float(number) if isinstance(base, Real) else int(number)


class EmptyDomainError(Exception):
    """No input satisfies the domain."""


def decide(problem: Problem) -> Tally:
    """Compare all outputs; those that are neither enumerated nor drawn as diagrams stay open."""
    tally = Tally()
    parts = _components(problem)
    base = [0] * len(problem.types)
    for part in parts:
        if part.smallest is not None:
            for position, digit in zip(part.positions, part.smallest):
                base[position] = digit
    for positions, outputs in _groups(problem):
        _decide_group(problem, parts, base, positions, outputs, tally)
    return tally


def _groups(problem: Problem) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Yield sets of inputs with the outputs that see exactly those."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for output in range(problem.outputs):
        seen = {*problem.left.cone(output), *problem.right.cone(output)}
        groups.setdefault(tuple(sorted(seen)), []).append(output)
    yield from groups.items()


# ---------------------------------------------------------------- domains


@dataclass
class _Part:
    """Conditions of the domain that share inputs, with their smallest solution (None: unknown)."""

    positions: tuple[int, ...]
    conditions: tuple[Condition, ...]
    smallest: tuple[int, ...] | None = None


def _components(problem: Problem) -> list[_Part]:
    """Return the conditions of the domain in groups that share no inputs."""
    parts: list[_Part] = []
    for condition in problem.conditions:
        merged = _Part(tuple(condition.side.cone(condition.output)), (condition,))
        separate: list[_Part] = []
        for part in parts:
            if set(part.positions) & set(merged.positions) or not merged.positions:
                both = tuple(sorted({*part.positions, *merged.positions}))
                merged = _Part(both, (*part.conditions, *merged.conditions))
            else:
                separate.append(part)
        parts = [*separate, merged]
    for part in parts:
        part.smallest = _smallest(problem, part)
    return parts


def _smallest(problem: Problem, part: _Part) -> tuple[int, ...] | None:
    try:
        found = _first(problem, part.positions, part.conditions, ())
    except _OpenError:
        return None
    if found is None:
        raise EmptyDomainError
    return found


# ---------------------------------------------------------------- one group


class _OpenError(Exception):
    """Too many inputs to enumerate, and no diagram of a bearable size."""


def _decide_group(
    problem: Problem,
    parts: Sequence[_Part],
    base: Sequence[int],
    positions: tuple[int, ...],
    outputs: list[int],
    tally: Tally,
) -> None:
    seen, conditions = set(positions), list[Condition]()
    for part in parts:
        if part.smallest is None or seen & set(part.positions):
            seen |= set(part.positions)
            conditions += part.conditions
    inputs = tuple(sorted(seen))
    try:
        found = _first(problem, inputs, tuple(conditions), outputs)
    except _OpenError:
        if not _identical(problem, outputs):
            tally.open += outputs
            return
        found = None
    total = problem.count(inputs)
    if total is not None and total <= problem.budget:
        tally.exhaustive += len(outputs)
        tally.largest = max(tally.largest, total)
    else:
        tally.diagrams += len(outputs)
    tally.widest = max(tally.widest, len(inputs))
    if found is not None:
        digits = list(base)
        for position, digit in zip(inputs, found):
            digits[position] = digit
        tally.found.append(tuple(digits))


def _identical(problem: Problem, outputs: Sequence[int]) -> bool:
    left, right = problem.left, problem.right
    if not isinstance(left, CircuitSide) or not isinstance(right, CircuitSide):
        return False
    return all(left.nodes[k] == right.nodes[k] for k in outputs)


def _first(
    problem: Problem,
    positions: tuple[int, ...],
    conditions: Sequence[Condition],
    outputs: Sequence[int],
) -> tuple[int, ...] | None:
    """Return the smallest assignment within the conditions on which some output differs.

    Without outputs: the smallest one within the conditions. Raises `_OpenError`.
    """
    total = problem.count(positions)
    if total is None:
        raise _OpenError
    small = total <= problem.budget
    if not small and problem.drawn > LARGEST_DRAWING:
        raise _OpenError
    try:
        return _first_by_gates(problem, positions, conditions, outputs, small)
    except (NotLoweredError, TooManyGatesError):
        if not small:
            raise _OpenError from None
    return _first_by_values(problem, positions, conditions, outputs)


def _first_by_gates(
    problem: Problem,
    positions: tuple[int, ...],
    conditions: Sequence[Condition],
    outputs: Sequence[int],
    small: bool,
) -> tuple[int, ...] | None:
    space = problem.space(positions, LARGEST_BLOCK)
    gates, leaves = Gates(serial=not small), Leaves(space)
    digits = digit_signals(gates, space.sizes)
    place = {position: k for k, position in enumerate(positions)}
    lowering = Lowering(problem.circuit, gates, lambda position: digits[place[position]])
    wrong = TRUE
    if outputs:
        pairs = zip(
            problem.left.planes(lowering, leaves, outputs),
            problem.right.planes(lowering, leaves, outputs),
        )
        wrong = gates.any(gates.equal(a, b) ^ 1 for a, b in pairs)
    inside = [c.side.planes(lowering, leaves, [c.output])[0][0] for c in conditions]
    wrong = gates.all([wrong, *inside])
    if wrong == FALSE:
        return None
    if small:
        program = Program(gates, [wrong])
        problem.work += space.total * program.gates_used
        if problem.work > LARGEST_WORK:
            raise _OpenError
        number = first_assignment(program, leaves)
        return None if number is None else tuple(space.digits(number))
    problem.drawn += len(gates.kind)
    if leaves.tables or problem.drawn > LARGEST_DRAWING:
        raise _OpenError
    for k, size in enumerate(space.sizes):
        bound = gates.number(size)
        wrong = gates.both(wrong, gates.less((*reversed(digits[k]), FALSE), bound))
    model = smallest_assignment(gates, wrong, leaves.variables, problem.nodes)
    if model is None:
        problem.nodes //= 2
        raise _OpenError
    if not model.satisfiable:
        return None
    values: list[int] = []
    at = 0
    for signals in digits:
        bits = model.bits[at : at + len(signals)]
        values.append(int("".join(map(str, bits)) or "0", 2))
        at += len(signals)
    return tuple(values)


def _first_by_values(
    problem: Problem,
    positions: tuple[int, ...],
    conditions: Sequence[Condition],
    outputs: Sequence[int],
) -> tuple[int, ...] | None:
    space = problem.space(positions, VALUE_BLOCK)
    for start in space.starts():
        columns = {
            position: _column(problem, position, space.column(k, start))
            for k, position in enumerate(positions)
        }
        wrong = differences(problem, columns, space.block, conditions, outputs)
        if wrong.any():
            return tuple(space.digits(start + int(np.argmax(wrong))))
    return None


def _column(problem: Problem, position: int, digits: NDArray[np.int64]) -> Values:
    found = problem.values[position]
    assert found is not None
    return np.array(found, dtype=np.int64)[digits]


def differences(
    problem: Problem,
    columns: dict[int, Values],
    rows: int,
    conditions: Sequence[Condition],
    outputs: Sequence[int],
) -> NDArray[np.bool_]:
    """Tell for each row whether it lies within the conditions and some output differs.

    Inputs without a column have their lowest value.
    """
    full: dict[int, Values] = {}
    for position in range(len(problem.types)):
        found = columns.get(position)
        if found is None:
            found = np.full(rows, problem.value(position, 0), dtype_of(problem.types[position]))
        full[position] = found
    wrong = np.full(rows, not outputs)
    if outputs:
        left = problem.left.values(full, rows, outputs)
        right = problem.right.values(full, rows, outputs)
        for a, b in zip(left, right):
            wrong |= ~same_numbers(a, b, problem.tolerance)
    for condition in conditions:
        (inside,) = condition.side.values(full, rows, [condition.output])
        wrong &= inside.astype(bool)
    return wrong
