"""Prove that outputs depend on a few of their inputs alone, beyond what can be enumerated.

For every case of the few inputs the other inputs range over boxes, whole intervals included; linear
bounds decide a box, or it is split at the input that matters most. Where an output does depend on
more, rows that show it are looked for along gradients. Source of the method: bound and branch over
CROWN bounds, as Wang and others, Beta-CROWN, NeurIPS 2021, in a simple form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ddc.ir.errors import DdcError

from .blas import own_threads
from .floats import unbounded
from .linear_bounds import LinearBounds
from .network import DOUBLE, Network, decide
from .search import opposing_rows
from .sources import Floats, Ints

MOST_CASES = 1 << 12  # of one output
MOST_LEVELS = 1 << 16  # of one input, whose values are listed
MOST_BOXES = 1 << 10  # of one output that are open at a time
ROUNDS = 24
PROBES = 256  # rows on which the few inputs are guessed
RARE = 1 / 64  # share of rows on which a change of an input that matters changes the output
MOST_EXACT = 1 << 30  # products of weights in big integers, whose length grows with the layers
FAINT = 1 / 16  # the same as a share of the input that matters most


@dataclass(frozen=True, eq=False)
class Local:
    """What was found about an output and the inputs that it is meant to depend on.

    `table` are the decisions for the cases of `inputs` in counting order, the first input the most
    significant. `status`: `proved`; `refuted`, with a row (`example`) on which the decision is not
    that of the table; or `open`.
    """

    output: int
    inputs: tuple[int, ...]
    table: Ints
    status: str
    boxes: int
    example: Ints | None = None


@dataclass
class _Work:
    """Open boxes of all outputs, as arrays with one row per box."""

    owner: Ints  # the output
    want: Ints  # the decision
    low: Floats
    high: Floats

    def take(self, which: np.ndarray) -> _Work:
        return _Work(self.owner[which], self.want[which], self.low[which], self.high[which])


@dataclass
class _State:
    tables: list[Ints]
    boxes: Ints
    closed: np.ndarray
    examples: dict[int, Ints] = field(default_factory=dict[int, Ints])


def likely_inputs(network: Network, seed: int = 0) -> list[tuple[int, ...]]:
    """Return for each output the inputs whose change alone often changes it, on random rows.

    Raises `DdcError` where floating point leaves so many rows open that to redo them would not end.
    """
    generator = np.random.default_rng(seed)
    levels = network.levels
    places = [generator.integers(0, len(few), PROBES) for few in levels]
    rows = np.stack([_at(few, at) for few, at in zip(levels, places)], 1)
    _bearable(network, rows)
    before = decide(network, rows)
    changed = np.zeros((before.shape[1], len(levels)))
    for i, few in enumerate(levels):
        moved = rows.copy()
        step = generator.integers(1, max(2, len(few)), PROBES)
        moved[:, i] = _at(few, (places[i] + step) % len(few))
        changed[:, i] = (decide(network, moved) != before).mean(0)
    least = np.maximum(RARE, FAINT * changed.max(1, initial=0.0))
    return [tuple(np.flatnonzero(row > some).tolist()) for row, some in zip(changed, least)]


def _bearable(network: Network, rows: Ints) -> None:
    """Raise `DdcError` where rows like these would take too much work in big integers."""
    with own_threads(), unbounded():
        columns = np.ascontiguousarray(rows.T, dtype=np.float64)
        _, undecided = network.plan(DOUBLE).run(columns)
    left = 0 if undecided is None else int(np.count_nonzero(undecided))
    layers = network.chain.layers
    weights = sum(len(layer.rows.weights) for layer in layers)
    if left * len(network.levels) * weights * len(layers) > MOST_EXACT:
        raise DdcError(
            f"{left} of {len(rows)} random inputs are closer to a cut than floating point tells "
            f"through {len(layers)} layers, and too many to be redone in big integers"
        )


def _at(levels: Sequence[int], places: Ints) -> Ints:
    """Return the levels at these places; a range may be far too long to be an array."""
    if len(levels) > PROBES:
        return np.array([levels[place] for place in places.tolist()], dtype=np.int64)
    return np.asarray(levels, dtype=np.int64)[places]


def prove_local(
    network: Network,
    inputs: Sequence[Sequence[int]] | None = None,
    rounds: int = ROUNDS,
    search: bool = True,
) -> list[Local]:
    """Prove or refute for each output that it depends on the given inputs alone.

    `inputs` are positions among the network's; None takes `likely_inputs`. Raises `DdcError` for a
    network that linear bounds do not take, and for an output with too many cases.
    """
    if max(map(len, network.levels), default=0) > MOST_LEVELS:
        raise DdcError(f"an input has more than {MOST_LEVELS} values")
    few = likely_inputs(network) if inputs is None else [tuple(some) for some in inputs]
    low, high = network.extent
    bounds = LinearBounds(network.chain, np.maximum(np.abs(low), np.abs(high)).astype(np.float64))
    state, work = _start(network, few)
    for number in range(rounds):
        if search and number == 1:
            _search(network, bounds, state, work)
        work = work.take(~state.closed[work.owner])
        if not len(work.owner):
            break
        work = _round(network, bounds, state, work)
    still = set(work.owner[~state.closed[work.owner]].tolist())
    return [
        Local(
            output,
            few[output],
            state.tables[output],
            (
                "refuted"
                if output in state.examples
                else "open" if output in still or state.closed[output] else "proved"
            ),
            int(state.boxes[output]),
            state.examples.get(output),
        )
        for output in range(len(few))
    ]


def _start(network: Network, few: Sequence[Sequence[int]]) -> tuple[_State, _Work]:
    """Return the tables of all outputs, the other inputs at their least, and one box per case."""
    high = network.extent[1].astype(np.float64)
    tables: list[Ints] = []
    rows: list[Ints] = []
    owners: list[Ints] = []
    for output, some in enumerate(few):
        count = math.prod(len(network.levels[i]) for i in some)
        if count > MOST_CASES:
            raise DdcError(f"output {output} depends on {len(some)} inputs: {count} cases")
        cases = _cases([network.levels[i] for i in some])
        full = np.tile(network.extent[0], (count, 1))
        full[:, list(some)] = cases
        rows.append(full)
        owners.append(np.full(count, output))
    for some_rows, output in zip(rows, range(len(few))):
        tables.append(decide(network, some_rows)[:, output])
    owner, every = np.concatenate(owners), np.concatenate(rows).astype(np.float64)
    top = np.tile(high, (len(every), 1))
    fixed = np.zeros_like(top, dtype=bool)
    for output, some in enumerate(few):
        fixed[np.ix_(owner == output, np.array(some, dtype=np.int64))] = True
    work = _Work(owner, np.concatenate(tables), every, np.where(fixed, every, top))
    none = np.zeros(len(few), dtype=np.int64)
    return _State(tables, none, np.zeros(len(few), dtype=bool)), work


def _cases(levels: Sequence[Sequence[int]]) -> Ints:
    grids = np.meshgrid(*(np.asarray(few) for few in levels), indexing="ij")
    return np.stack([grid.ravel() for grid in grids], 1) if grids else np.zeros((1, 0), np.int64)


def _turns(bounds: LinearBounds, owner: Ints, want: Ints) -> Floats:
    """Return on which side of the cut each decision lies, 0 where it lies on the cut alone."""
    sides = np.zeros(len(owner))
    outputs: list[int] = np.unique(owner).tolist()
    for output in outputs:
        below, _, above = bounds.decisions[output].outcomes
        mine = owner == output
        sides[mine] = np.where(want[mine] == above, 1.0, np.where(want[mine] == below, -1.0, 0.0))
    return sides


def _round(network: Network, bounds: LinearBounds, state: _State, work: _Work) -> _Work:
    """Bound all open boxes; refute, drop or split them."""
    turn = _turns(bounds, work.owner, work.want)
    found = bounds.margins(work.owner, turn, work.low, work.high)
    np.add.at(state.boxes, work.owner, 1)
    still = ~((found.low > 0) & (turn != 0))
    slopes, work = found.slopes[still], work.take(still)
    if not len(work.owner):
        return work
    _refute(network, state, work, np.where(slopes > 0, work.low, work.high))
    width = work.high - work.low
    matters = np.where(width > 0, (np.abs(slopes) + 1e-12) * width, 0.0)
    at = matters.argmax(1)
    # A single point that bounds do not decide lies on the edge: it stays open for good.
    stuck = matters.max(1) == 0
    counts = np.bincount(work.owner, minlength=len(state.closed))
    state.closed |= counts > MOST_BOXES
    state.closed[work.owner[stuck]] = True
    every = np.arange(len(at))
    middle = _middle(network, at, work.low[every, at], work.high[every, at])
    top, bottom = work.high.copy(), work.low.copy()
    top[every, at], bottom[every, at] = middle
    return _Work(
        np.tile(work.owner, 2),
        np.tile(work.want, 2),
        np.concatenate([work.low, bottom]),
        np.concatenate([top, work.high]),
    )


def _middle(network: Network, at: Ints, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return for each box the greatest value of its lower half and the least of its upper half."""
    levels = network.levels
    ends = np.empty((2, len(at)))
    places: list[int] = at.tolist()
    for k, i in enumerate(places):
        values = [v for v in levels[i] if low[k] <= v <= high[k]]
        half = max(1, len(values) // 2)
        ends[:, k] = values[half - 1], values[min(half, len(values) - 1)]
    return ends[0], ends[1]


def _refute(network: Network, state: _State, work: _Work, rows: Floats) -> None:
    """Close outputs whose decision on one of these rows, exactly made, is another."""
    decided = decide(network, rows.astype(np.int64))
    wrong = decided[np.arange(len(rows)), work.owner] != work.want
    for k in np.flatnonzero(wrong).tolist():
        output = int(work.owner[k])
        if output not in state.examples:
            state.examples[output] = rows[k].astype(np.int64)
            state.closed[output] = True


def _search(
    network: Network,
    bounds: LinearBounds,
    state: _State,
    work: _Work,
) -> None:
    """Look for rows that refute outputs, along gradients; each one is decided exactly."""
    turn = _turns(bounds, work.owner, work.want)
    some = turn != 0
    levels = [(levels_[0], levels_[-1]) for levels_ in network.levels]
    free = work.low[some] < work.high[some]
    rows, hit = opposing_rows(bounds, work.owner[some], turn[some], work.low[some], free, levels)
    chosen = work.take(some).take(hit)
    if len(chosen.owner):
        _refute(network, state, chosen, rows[hit])
